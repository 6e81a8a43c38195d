"""Confluent's SchemaRegistryClient against a registry: URL [USER:PASSWORD]."""

import json
import sys
import uuid

from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError


def closed(**types):
    return Schema(
        json.dumps(
            {
                "$schema": "http://json-schema.org/draft-07/schema#",
                "title": "Truck",
                "type": "object",
                "properties": {name: {"type": kind} for name, kind in types.items()},
                "additionalProperties": False,
            }
        ),
        "JSON",
    )


def record(*fields):
    fields = [{"name": name, "type": "long"} for name in fields]
    return Schema(json.dumps({"type": "record", "name": "Truck", "fields": fields}), "AVRO")


def rejected(code, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except SchemaRegistryError as error:
        assert error.error_code == code, error
        return
    raise AssertionError(f"{call} was not rejected with {code}")


def main(url, credentials=None):
    settings = {"url": url}
    if credentials:
        settings["basic.auth.user.info"] = credentials
        wrong = SchemaRegistryClient({"url": url, "basic.auth.user.info": "key:wrong"})
        rejected(401, wrong.get_subjects)
    client = SchemaRegistryClient(settings)
    subject = f"trucks {uuid.uuid4()}/value"
    one, two = closed(a="integer"), closed(a="integer", b="string")

    first = client.register_schema(subject, one)
    second = client.register_schema(subject, two)
    assert second > first
    client.clear_caches()
    assert client.register_schema(subject, one) == first
    assert subject in client.get_subjects()
    assert client.get_versions(subject) == [1, 2]
    assert json.loads(client.get_schema(first).schema_str) == json.loads(one.schema_str)
    assert client.get_schema(first).schema_type == "JSON"
    latest = client.get_latest_version(subject)
    assert (latest.version, latest.schema_id, latest.subject) == (2, second, subject)
    assert client.get_version(subject, 1).schema_id == first
    found = client.lookup_schema(subject, two)
    assert (found.version, found.schema_id) == (2, second)
    assert client.get_subjects_by_schema_id(first) == [subject]
    assert [used.version for used in client.get_schema_versions(second)] == [2]
    assert "JSON" in client.get_schema_types()
    assert client.get_contexts() == ["."]

    other = closed(a="string")
    assert not client.test_compatibility(subject, other)
    assert not client.test_compatibility_all_versions(subject, other)
    assert client.test_compatibility(subject, closed(a="integer", b="string", c="null"))
    rejected(409, client.register_schema, subject, other)
    client.set_compatibility(subject, "NONE")
    assert client.get_compatibility(subject) == "NONE"
    assert client.test_compatibility(subject, other)
    client.delete_config(subject)
    rejected(40408, client.get_compatibility, subject)
    assert client.get_compatibility() in ("BACKWARD", "NONE")

    avro = f"avro {uuid.uuid4()}"
    assert client.test_compatibility(avro, record("a"))
    client.register_schema(avro, record("a", "b"))
    rejected(409, client.register_schema, avro, record("a", "c"))
    client.register_schema(avro, record("a"))
    rejected(42201, client.register_schema, avro, Schema('{"type": "record"}', "AVRO"))

    client.update_mode(subject, "READONLY")
    assert client.get_mode(subject) == "READONLY"
    rejected(42205, client.register_schema, subject, closed(z="integer"))
    client.delete_mode(subject)
    assert client.get_global_mode() == "READWRITE"

    rejected(40401, client.get_latest_version, "none")
    rejected(40402, client.get_version, subject, 9)
    rejected(40403, client.get_schema, 2**31 - 2)
    rejected(42201, client.register_schema, subject, Schema('{"type": "text"}', "JSON"))
    rejected(40405, client.delete_subject, subject, permanent=True)
    assert client.delete_version(subject, 1) == 1
    assert client.delete_subject(subject) == [2]
    assert client.delete_subject(subject, permanent=True) == [1, 2]
    rejected(40401, client.get_versions, subject)


if __name__ == "__main__":
    main(*sys.argv[1:])
