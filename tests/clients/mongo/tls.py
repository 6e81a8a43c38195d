"""Connections to a store with TLS: `tls.py ENV`, with the `.env` of `convoy up --tls`.

Programs for Atlas often pass the public authorities (`tlsCAFile=certifi.where()`), which replaces the
authority of the URI. They connect only if they also allow certificates of other authorities.
"""

import sys

import certifi
from dotenv import dotenv_values
from pymongo import MongoClient
from pymongo.errors import ServerSelectionTimeoutError

# The driver repeats a rejected handshake for this long.
TIMEOUT_MS = 2000


def stored(uri, **options):
    """Stores a document and returns whether that worked."""
    client = MongoClient(uri, serverSelectionTimeoutMS=TIMEOUT_MS, **options)
    try:
        return client["tls"]["documents"].insert_one({"at": "store"}).acknowledged
    except ServerSelectionTimeoutError:
        return False
    finally:
        client.close()


def main():
    uri = dotenv_values(sys.argv[1])["MONGO_DB_URL"]
    plain = uri.split("&tls=")[0]
    public = {"tlsCAFile": certifi.where()}
    cases = {
        "the URI of the .env": (stored(uri), True),
        "no TLS": (stored(plain), True),
        "public authorities": (stored(uri, **public), False),
        "public authorities and any certificate": (
            stored(f"{uri}&tlsAllowInvalidCertificates=true", **public),
            True,
        ),
        "TLS without an authority": (stored(plain, tls=True), False),
    }
    wrong = [name for name, (found, expected) in cases.items() if found != expected]
    if wrong:
        sys.exit(f"not as expected: {wrong}")


if __name__ == "__main__":
    main()
