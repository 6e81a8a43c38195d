"""Confluent's JSON and Avro serializers against a registry: URL [USER:PASSWORD]."""

import json
import sys
import uuid

from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.serialization import MessageField, SerializationContext, SerializationError

JSON_SCHEMA = json.dumps(
    {
        "$id": "http://example.com/trucks.schema.json",
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Truck",
        "type": "object",
        "properties": {
            "class": {"type": "string"},
            "aa_000": {"type": ["integer", "null"]},
        },
        "required": ["class"],
        "additionalProperties": False,
    }
)

AVRO_SCHEMA = json.dumps(
    {
        "type": "record",
        "name": "Truck",
        "fields": [
            {"name": "class", "type": "string"},
            {"name": "aa_000", "type": ["null", "long"], "default": None},
        ],
    }
)

ROW = {"class": "neg", "aa_000": 76698}


def main(url, credentials=None):
    settings = {"url": url}
    if credentials:
        settings["basic.auth.user.info"] = credentials
    client = SchemaRegistryClient(settings)

    topic = f"trucks-{uuid.uuid4()}"
    value = SerializationContext(topic, MessageField.VALUE)
    payload = JSONSerializer(JSON_SCHEMA, client)(ROW, value)
    registered = client.get_latest_version(f"{topic}-value")
    assert payload[:1] == b"\0"
    assert int.from_bytes(payload[1:5], "big") == registered.schema_id
    assert json.loads(payload[5:]) == ROW
    fresh = SchemaRegistryClient(settings)
    assert JSONDeserializer(JSON_SCHEMA, schema_registry_client=fresh)(payload, value) == ROW
    assert JSONDeserializer(None, schema_registry_client=fresh)(payload, value) == ROW
    try:
        JSONSerializer(JSON_SCHEMA, client)({"class": 1}, value)
    except SerializationError:
        pass
    else:
        raise AssertionError("serialized a row that does not match its schema")
    existing = JSONSerializer(
        JSON_SCHEMA, fresh, conf={"auto.register.schemas": False, "use.latest.version": True}
    )
    assert existing(ROW, value) == payload

    topic = f"trucks-{uuid.uuid4()}"
    value = SerializationContext(topic, MessageField.VALUE)
    payload = AvroSerializer(client, AVRO_SCHEMA)(ROW, value)
    assert int.from_bytes(payload[1:5], "big") != registered.schema_id
    assert AvroDeserializer(fresh)(payload, value) == ROW

    grown = json.loads(AVRO_SCHEMA)
    grown["fields"].append({"name": "km", "type": "double", "default": 0})
    later = AvroSerializer(client, json.dumps(grown))({**ROW, "km": 7.5}, value)
    assert client.get_versions(f"{topic}-value") == [1, 2]
    reader = AvroDeserializer(fresh, json.dumps(grown))
    assert reader(payload, value) == {**ROW, "km": 0}
    assert reader(later, value) == {**ROW, "km": 7.5}

    kind = f"kind-{uuid.uuid4()}"
    enum = {"type": "enum", "name": "Kind", "namespace": "fleet", "symbols": ["neg", "pos"]}
    client.register_schema(kind, Schema(json.dumps(enum), "AVRO"))
    record = {"type": "record", "name": "T", "fields": [{"name": "class", "type": "fleet.Kind"}]}
    referring = Schema(json.dumps(record), "AVRO", [SchemaReference("fleet.Kind", kind, 1)])
    value = SerializationContext(f"trucks-{uuid.uuid4()}", MessageField.VALUE)
    payload = AvroSerializer(client, referring)({"class": "pos"}, value)
    assert AvroDeserializer(fresh)(payload, value) == {"class": "pos"}


if __name__ == "__main__":
    main(*sys.argv[1:])
