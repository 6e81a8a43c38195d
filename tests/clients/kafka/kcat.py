"""kcat (Debian package `kcat`): `kcat.py HOST:PORT [CHECK…]`."""

import json
import subprocess

from checks import expect, run, unique

SECONDS = 30


def kcat(address, *arguments, given=None):
    """Runs kcat and returns its output."""
    command = ["kcat", "-b", address, *arguments]
    result = subprocess.run(command, input=given, capture_output=True, timeout=SECONDS, check=False)
    if result.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: {result.stderr.decode()}")
    return result.stdout


def every_codec_keeps_the_lines(address):
    lines = "".join(f"line {number}\n" for number in range(5000)).encode()
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"]:
        topic = unique(f"kcat-{codec}")
        kcat(address, "-P", "-t", topic, "-z", codec, "-X", "linger.ms=50", given=lines)
        expect(kcat(address, "-C", "-t", topic, "-o", "beginning", "-e", "-q"), lines, codec)


def group_resumes_at_its_committed_offset(address):
    topic, group = unique("kcat"), unique("group")
    kcat(address, "-P", "-t", topic, given=b"a\nb\nc\n")
    reset = ["-X", "auto.offset.reset=earliest"]
    expect(kcat(address, "-G", group, *reset, "-e", "-q", topic), b"a\nb\nc\n", "first reading")
    kcat(address, "-P", "-t", topic, given=b"d\n")
    expect(kcat(address, "-G", group, *reset, "-e", "-q", topic), b"d\n", "second reading")


def metadata_names_the_broker_and_topics(address):
    topic = unique("kcat")
    kcat(address, "-P", "-t", topic, given=b"a\n")
    metadata = json.loads(kcat(address, "-L", "-J"))
    expect([broker["name"] for broker in metadata["brokers"]], [address], "brokers")
    expect(topic in [known["topic"] for known in metadata["topics"]], True, "the topic is listed")


def offsets_are_found_by_time(address):
    topic = unique("kcat")
    kcat(address, "-P", "-t", topic, given=b"a\nb\n")
    found = kcat(address, "-Q", "-t", f"{topic}:0:0").decode()
    expect(found.strip(), f"{topic} [0] offset 0", "offset of the oldest")


if __name__ == "__main__":
    run(
        every_codec_keeps_the_lines,
        group_resumes_at_its_committed_offset,
        metadata_names_the_broker_and_topics,
        offsets_are_found_by_time,
    )
