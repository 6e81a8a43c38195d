"""Runs the conformance checks of this folder and compares what they find."""

import sys
import time
import traceback
import uuid

DEADLINE_SECONDS = 60


def unique(prefix):
    """Returns a name that no other check uses."""
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


def expect(actual, wanted, what):
    """Fails the check unless both are equal."""
    if actual != wanted:
        raise AssertionError(f"{what}: {actual!r} instead of {wanted!r}")


def until(condition, what, seconds=DEADLINE_SECONDS):
    """Calls `condition` until it returns a true value, and returns that."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        result = condition()
        if result:
            return result
    raise AssertionError(f"{what} did not happen within {seconds} s")


def run(*checks):
    """Runs each check with the address from the command line; exits with 1 if one fails."""
    if len(sys.argv) < 2:
        sys.exit(f"usage: {sys.argv[0]} ADDRESS [CHECK…]")
    address, wanted = sys.argv[1], sys.argv[2:]
    failed = 0
    for check in checks:
        if wanted and check.__name__ not in wanted:
            continue
        started = time.monotonic()
        try:
            check(address)
            print(f"ok   {check.__name__} {time.monotonic() - started:.1f} s", flush=True)
        except Exception:
            failed += 1
            print(f"FAIL {check.__name__}", flush=True)
            traceback.print_exc()
    sys.exit(1 if failed else 0)
