"""Who librdkafka is let in as: `security.py ENV [CHECK…]`, with the `.env` of `convoy up`."""

import time

from checks import expect, run, unique
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from dotenv import dotenv_values

SECONDS = 20

# Somebody who is refused should know before losing patience.
QUICK_SECONDS = 5

# Refusals are what is expected here, so librdkafka need not log them.
QUIET = {"log_level": 0}


def connection(env, mechanism="PLAIN", **changes):
    """Returns the settings that the `.env` stands for, with some of them changed."""
    values = {**dotenv_values(env), **changes}
    settings = {
        **QUIET,
        "bootstrap.servers": values["BOOTSTRAP_SERVER"],
        "security.protocol": values["SECURITY_PROTOCOL"],
    }
    if mechanism:
        settings["sasl.mechanism"] = mechanism
        settings["sasl.username"] = values["API_KEY"]
        settings["sasl.password"] = values["API_SECRET_KEY"]
    if values.get("SSL_CA_LOCATION"):
        settings["ssl.ca.location"] = values["SSL_CA_LOCATION"]
    return settings


def round_trip(settings, count=2000):
    """Produces records of a kilobyte and reads them back."""
    topic = unique("security")
    producer = Producer({**settings, "linger.ms": 20})
    for number in range(count):
        producer.produce(topic, f"{number:01000}")
        producer.poll(0)
    expect(producer.flush(SECONDS), 0, "undelivered records")
    reader = Consumer({**settings, "group.id": unique("group"), "auto.offset.reset": "earliest"})
    reader.subscribe([topic])
    values, deadline = [], time.monotonic() + SECONDS
    while len(values) < count and time.monotonic() < deadline:
        for message in reader.consume(1000, 0.2):
            if message.error():
                raise KafkaException(message.error())
            values.append(int(message.value()))
    expect(values, list(range(count)), "values")
    reader.close()


def refusal(settings):
    """Returns the errors that a client is told until it is refused, or has waited too long."""
    told = []
    client = AdminClient({**settings, "error_cb": lambda error: told.append(error.code())})
    deadline = time.monotonic() + QUICK_SECONDS
    while KafkaError._AUTHENTICATION not in told and time.monotonic() < deadline:
        client.poll(0.1)
    return told


def anyone(env):
    return dotenv_values(env)["API_KEY"] == "anyone"


def every_mechanism_carries_records(env):
    mechanisms = ["PLAIN"] if anyone(env) else ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
    for mechanism in mechanisms:
        round_trip(connection(env, mechanism))


def a_wrong_password_is_refused_quickly(env):
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]:
        for change in [{"API_SECRET_KEY": "wrong"}, {"API_KEY": "nobody"}]:
            settings = connection(env, mechanism, **change)
            if anyone(env) and mechanism == "PLAIN":
                round_trip(settings, 10)
                continue
            told = refusal(settings)
            expect(KafkaError._AUTHENTICATION in told, True, f"{mechanism} {change}: {told}")


def who_does_not_log_in_gets_nothing_where_there_are_users(env):
    settings = connection(env, mechanism=None)
    protocol = {"SASL_SSL": "SSL", "SASL_PLAINTEXT": "PLAINTEXT"}[settings["security.protocol"]]
    settings["security.protocol"] = protocol
    if anyone(env):
        return round_trip(settings, 10)
    try:
        listed = AdminClient(settings).list_topics(timeout=2)
    except KafkaException:
        return None
    raise AssertionError(f"got {listed.topics}")


def a_certificate_of_an_unknown_authority_is_not_trusted(env):
    settings = connection(env)
    if settings.pop("ssl.ca.location", None):
        told = []
        client = AdminClient({**settings, "error_cb": lambda error: told.append(error.code())})
        deadline = time.monotonic() + QUICK_SECONDS
        while KafkaError._SSL not in told and time.monotonic() < deadline:
            client.poll(0.1)
        expect(KafkaError._SSL in told, True, f"not trusted: {told}")


if __name__ == "__main__":
    run(
        every_mechanism_carries_records,
        a_wrong_password_is_refused_quickly,
        who_does_not_log_in_gets_nothing_where_there_are_users,
        a_certificate_of_an_unknown_authority_is_not_trusted,
    )
