"""The test suite of Ringway: what scripts/test runs, in order, with progress and a table at the end.

Needs nothing but Python's standard library; what a test needs beyond that, the test installs.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
LOGS = TARGET / "test-logs"
TERMINAL = sys.stdout.isatty()

TESTS = []  # (name, limit in seconds, function), in the order in which they run


class Failed(Exception):
    """A test that did not pass; the text is what the table shows."""


def test(name, limit_s=300):
    def add(function):
        TESTS.append((name, limit_s, function))
        return function
    return add


class Context:
    """What a test function gets: its log, and a way to run commands that end in time."""

    def __init__(self, name, limit_s):
        self.log_path = LOGS / (name.replace("/", "-").replace(" ", "-") + ".log")
        self.log = open(self.log_path, "w")
        self.deadline = time.monotonic() + limit_s

    def sh(self, *command, env=None, cwd=ROOT):
        """Runs a command to its end; its output goes to the log. Raises Failed if it fails or is late."""
        words = [str(word) for word in command]
        self.log.write("$ " + " ".join(words) + "\n")
        self.log.flush()
        process = subprocess.Popen(words, cwd=cwd, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL,
                                   stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            code = process.wait(max(1, self.deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()
            raise Failed(f"{words[0]} did not end in time")
        if code != 0:
            raise Failed(f"{words[0]} ended with {code}")


@test("format")
def format_check(t):
    t.sh("cargo", "fmt", "--all", "--check")


@test("build", 1500)
def build(t):
    t.sh("cargo", "build", "--release", "--workspace")


@test("unit tests", 1500)
def unit_tests(t):
    t.sh("cargo", "test", "--release", "--workspace")


def run(name, limit_s, function):
    context = Context(name, limit_s)
    started = time.monotonic()
    note = ""
    try:
        function(context)
        passed = True
    except Failed as failure:
        passed, note = False, str(failure)
    except Exception as failure:  # a defect of the suite must not hide the other results
        passed, note = False, f"{type(failure).__name__}: {failure}"
    context.log.close()
    return passed, time.monotonic() - started, note, context.log_path


def main():
    parser = argparse.ArgumentParser(prog="scripts/test", description="Runs the tests of Ringway.")
    parser.add_argument("--only", action="append", default=[], metavar="PATTERN", help="tests whose name contains PATTERN")
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    arguments = parser.parse_args()
    chosen = [row for row in TESTS if not arguments.only or any(word in row[0] for word in arguments.only)]
    if arguments.list:
        print("\n".join(name for name, _, _ in chosen))
        return 0
    if not chosen:
        print(f"no test matches {arguments.only}", file=sys.stderr)
        return 2
    LOGS.mkdir(parents=True, exist_ok=True)
    width = max(len(name) for name, _, _ in chosen)
    results = []
    for number, (name, limit_s, function) in enumerate(chosen, 1):
        head = f"[{number:2}/{len(chosen)}] {name:<{width}}"
        print(head + ("" if TERMINAL else " ..."), end="" if TERMINAL else "\n", flush=True)
        passed, seconds, note, log_path = run(name, limit_s, function)
        results.append((name, passed, seconds, note))
        print(("\r" if TERMINAL else "") + f"{head}  {'ok  ' if passed else 'FAIL'} {seconds:7.1f} s  {note}", flush=True)
        if not passed:
            tail = log_path.read_text(errors="replace").splitlines()[-40:]
            print("\n".join("    | " + line for line in tail), flush=True)
            print(f"    whole log: {log_path}", flush=True)
    failed = sum(not passed for _, passed, _, _ in results)
    print(f"\n{'test':<{width}}  result   seconds")
    for name, passed, seconds, note in results:
        print(f"{name:<{width}}  {'pass' if passed else 'FAIL'}    {seconds:8.1f}  {note}")
    print(f"\n{sum(row[2] for row in results):.0f} seconds in all\n{len(results) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
