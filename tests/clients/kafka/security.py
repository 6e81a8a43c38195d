"""Authentication and TLS of librdkafka: `security.py ENV [CHECK…]`, with the `.env` of `convoy up`."""

import time

from checks import expect, run, unique
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from dotenv import dotenv_values

SECONDS = 20

# A client must receive its rejection within this time.
QUICK_SECONDS = 5

# Rejections are expected, so librdkafka need not log them.
QUIET = {"log_level": 0}


def connection(env, mechanism="PLAIN", **changes):
    """Returns librdkafka's settings for a `.env`, with some values replaced."""
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
    """Produces records of 1 kB and reads them."""
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


def errors_until_rejected(settings):
    """Returns the errors of a client until the broker rejects it or the time is over."""
    errors = []
    client = AdminClient({**settings, "error_cb": lambda error: errors.append(error.code())})
    deadline = time.monotonic() + QUICK_SECONDS
    while KafkaError._AUTHENTICATION not in errors and time.monotonic() < deadline:
        client.poll(0.1)
    return errors


def anyone(env):
    return dotenv_values(env)["API_KEY"] == "anyone"


def records_pass_with_every_mechanism(env):
    mechanisms = ["PLAIN"] if anyone(env) else ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
    for mechanism in mechanisms:
        round_trip(connection(env, mechanism))


def wrong_password_is_rejected_quickly(env):
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]:
        for change in [{"API_SECRET_KEY": "wrong"}, {"API_KEY": "nobody"}]:
            settings = connection(env, mechanism, **change)
            if anyone(env) and mechanism == "PLAIN":
                round_trip(settings, 10)
                continue
            errors = errors_until_rejected(settings)
            expect(KafkaError._AUTHENTICATION in errors, True, f"{mechanism} {change}: {errors}")


def client_without_credentials_is_rejected_if_there_are_users(env):
    settings = connection(env, mechanism=None)
    protocol = {"SASL_SSL": "SSL", "SASL_PLAINTEXT": "PLAINTEXT"}[settings["security.protocol"]]
    settings["security.protocol"] = protocol
    if anyone(env):
        return round_trip(settings, 10)
    try:
        listed = AdminClient(settings).list_topics(timeout=2)
    except KafkaException:
        return None
    raise AssertionError(f"listed {listed.topics}")


def certificate_of_an_unknown_authority_is_rejected(env):
    settings = connection(env)
    if settings.pop("ssl.ca.location", None):
        errors = []
        client = AdminClient({**settings, "error_cb": lambda error: errors.append(error.code())})
        deadline = time.monotonic() + QUICK_SECONDS
        while KafkaError._SSL not in errors and time.monotonic() < deadline:
            client.poll(0.1)
        expect(KafkaError._SSL in errors, True, f"errors: {errors}")


if __name__ == "__main__":
    run(
        records_pass_with_every_mechanism,
        wrong_password_is_rejected_quickly,
        client_without_credentials_is_rejected_if_there_are_users,
        certificate_of_an_unknown_authority_is_rejected,
    )
