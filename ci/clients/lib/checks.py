"""Checks for the client programs: compare, count, and end with one JSON line and an exit code."""

import hashlib
import json
import sys

import numpy as np


class Checks:
    def __init__(self, client):
        self.client = client
        self.passed = 0
        self.failures = []
        self.values = {}

    def true(self, name, condition, detail=""):
        if condition:
            self.passed += 1
        else:
            self.failures.append(name)
            print(f"MISMATCH {self.client}: {name} {detail}", file=sys.stderr, flush=True)
        return bool(condition)

    def equal(self, name, got, want):
        """Exact equality, of arrays too; the value's hash goes into the summary."""
        got_array, want_array = np.asarray(got), np.asarray(want)
        same = got_array.shape == want_array.shape and bool(np.array_equal(got_array, want_array))
        detail = ""
        if not same:
            detail = describe(got_array, want_array)
        self.values[name] = digest(got_array)
        return self.true(name, same, detail)

    def close(self, name, got, want, rtol=1e-5, atol=0.0):
        got_array, want_array = np.asarray(got), np.asarray(want)
        same = got_array.shape == want_array.shape and bool(np.allclose(got_array, want_array, rtol=rtol, atol=atol))
        self.values[name] = digest(got_array)
        return self.true(name, same, "" if same else describe(got_array, want_array))

    def finish(self):
        print(json.dumps({"client": self.client, "checks": self.passed, "failed": self.failures, "values": self.values}))
        sys.stdout.flush()
        sys.exit(1 if self.failures else 0)


def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]


def describe(got, want):
    if got.shape != want.shape:
        return f"shape {got.shape}, expected {want.shape}"
    if got.size == 1:
        return f"got {got.reshape(-1)[0]}, expected {want.reshape(-1)[0]}"
    wrong = np.flatnonzero(~np.isclose(got.reshape(-1).astype(np.float64), want.reshape(-1).astype(np.float64), rtol=1e-6))
    if wrong.size == 0:
        return "differs in the last bits"
    first = wrong[0]
    return f"{wrong.size} of {got.size} differ, first at {first}: got {got.reshape(-1)[first]}, expected {want.reshape(-1)[first]}"
