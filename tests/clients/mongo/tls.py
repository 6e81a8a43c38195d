"""Who reaches a store that speaks TLS: `tls.py ENV`, with the `.env` of `convoy up --tls`.

Programs for Atlas often name the authorities of the web themselves (`tlsCAFile=certifi.where()`),
which wins over the URI; they need it to allow a certificate that those do not vouch for.
"""

import sys

import certifi
from dotenv import dotenv_values
from pymongo import MongoClient
from pymongo.errors import ServerSelectionTimeoutError

# Who is refused is refused at once, again and again until then.
PATIENCE_MS = 2000


def stored(uri, **options):
    """Stores a document and returns whether that worked."""
    client = MongoClient(uri, serverSelectionTimeoutMS=PATIENCE_MS, **options)
    try:
        return client["tls"]["documents"].insert_one({"at": "store"}).acknowledged
    except ServerSelectionTimeoutError:
        return False
    finally:
        client.close()


def main():
    uri = dotenv_values(sys.argv[1])["MONGO_DB_URL"]
    plain = uri.split("&tls=")[0]
    of_the_web = {"tlsCAFile": certifi.where()}
    cases = {
        "the URI of the .env": (stored(uri), True),
        "no TLS": (stored(plain), True),
        "the authorities of the web": (stored(uri, **of_the_web), False),
        "the same, and any certificate": (
            stored(f"{uri}&tlsAllowInvalidCertificates=true", **of_the_web),
            True,
        ),
        "TLS without an authority": (stored(plain, tls=True), False),
    }
    wrong = [name for name, (found, expected) in cases.items() if found != expected]
    if wrong:
        sys.exit(f"not as expected: {wrong}")


if __name__ == "__main__":
    main()
