"""Runs tests in order, with a log for each, progress, a table, and the last line "N passed, N failed".

Needs nothing but Python's standard library; what a test needs beyond that, the test installs.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).absolute()
RELEASE = TARGET / "release"
LOGS = TARGET / "test-logs"
TERMINAL = sys.stdout.isatty()

PROGRESS_S = 20.0  # how often a long test says how far it is, where the output is no terminal

TESTS = []  # (name, limit in seconds, function, whether only --full runs it), in the order in which they run


class Failed(Exception):
    """A test that did not pass; the text is what the table shows."""


def test(name, limit_s=300, full=False):
    """Registers a function as a test. It gets a Context, may return a note for the table, and fails by raising.

    With `full` it is one of the long ones that only `scripts/test --full` runs (or --only with a pattern that it matches). Such a
    test says how far it is by `Context.progress`.
    """
    def add(function):
        TESTS.append((name, limit_s, function, full))
        return function
    return add


def require(condition, text):
    if not condition:
        raise Failed(text)


class Running:
    """A started program with its output in files, that can be waited for and is never left behind."""

    def __init__(self, context, words, env, cwd, label):
        self.context, self.words, self.label = context, [str(word) for word in words], label
        context.counter += 1
        self.out_path = context.folder / f"{context.counter:02}-{label}.out"
        self.err_path = context.folder / f"{context.counter:02}-{label}.err"
        context.log.write(f"$ {' '.join(self.words)}   > {self.out_path.name}\n")
        context.log.flush()
        with open(self.out_path, "w") as out, open(self.err_path, "w") as err:
            self.process = subprocess.Popen(self.words, cwd=cwd, env={**os.environ, **{k: str(v) for k, v in (env or {}).items()}},
                                            stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True)
        context.running.append(self)

    @property
    def pid(self):
        return self.process.pid

    def output(self):
        return self.out_path.read_text(errors="replace")

    def errors(self):
        return self.err_path.read_text(errors="replace")

    def wait(self, limit_s=None):
        """The exit code; Failed if it is late, with the whole process group killed."""
        left = self.context.left() if limit_s is None else min(limit_s, self.context.left())
        try:
            return self.process.wait(left)
        except subprocess.TimeoutExpired:
            self.stop(signal.SIGKILL)
            raise Failed(f"{self.label} did not end in time ({left:.0f} s)") from None

    def wait_for_text(self, text, limit_s=60):
        """Waits until the output holds a text; Failed if the program ends or is late before."""
        deadline = time.monotonic() + min(limit_s, self.context.left())
        while text not in self.output() and text not in self.errors():
            if self.process.poll() is not None and text not in self.output() + self.errors():
                raise Failed(f"{self.label} ended with {self.process.returncode} before it said {text!r}: {last_line(self.errors())}")
            if time.monotonic() > deadline:
                raise Failed(f"{self.label} never said {text!r}")
            time.sleep(0.02)

    def stop(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, how)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(10)
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Context:
    """What a test function gets: a log, a folder, and programs that end in time."""

    def __init__(self, name, limit_s, show=None):
        stem = "".join(letter if letter.isalnum() else "-" for letter in name)
        self.name = name
        self.folder = LOGS / stem
        self.folder.mkdir(parents=True, exist_ok=True)
        for old in self.folder.iterdir():
            if old.is_file() or old.is_symlink():
                old.unlink()
        self.log_path = LOGS / f"{stem}.log"
        self.log = open(self.log_path, "w")
        self.deadline = time.monotonic() + limit_s
        self.running, self.counter = [], 0
        self.show, self.shown_at = show, time.monotonic()

    def left(self):
        return max(1.0, self.deadline - time.monotonic())

    def say(self, text):
        self.log.write(text + "\n")
        self.log.flush()

    def progress(self, text):
        """Says how far the test is: in its line of the terminal, or as a line of its own from time to time."""
        self.say(text)
        if self.show and (TERMINAL or time.monotonic() - self.shown_at >= PROGRESS_S):
            self.shown_at = time.monotonic()
            self.show(text)

    def sh(self, *command, env=None, cwd=ROOT):
        """Runs a command to its end; its output goes to the log. Raises Failed if it fails or is late."""
        words = [str(word) for word in command]
        self.say("$ " + " ".join(words))
        process = subprocess.Popen(words, cwd=cwd, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL,
                                   stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            code = process.wait(self.left())
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise Failed(f"{Path(words[0]).name} did not end in time") from None
        require(code == 0, f"{Path(words[0]).name} ended with {code}")

    def output_of(self, *command, env=None):
        """The standard output of a command that must succeed."""
        program = self.start(command, env=env, label=Path(str(command[0])).name)
        code = program.wait()
        require(code == 0, f"{program.label} ended with {code}: {last_line(program.errors())}")
        return program.output()

    def start(self, words, env=None, cwd=ROOT, label=None):
        return Running(self, words, env, cwd, label or Path(str(words[0])).name)

    def close(self):
        for program in self.running:
            program.stop()
        for program in self.running:
            for title, text in (("output", program.output()), ("errors", program.errors())):
                if text.strip():
                    self.log.write(f"--- {title} of {program.label} ({program.out_path.name})\n{text[-6000:]}\n")
        self.log.close()


def last_line(text):
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""


def run(name, limit_s, function, show=None):
    context = Context(name, limit_s, show)
    started = time.monotonic()
    try:
        note = function(context) or ""
        passed = True
    except Failed as failure:
        passed, note = False, str(failure)
    except Exception as failure:  # a defect of the suite must not hide the other results
        passed, note = False, f"{type(failure).__name__}: {failure}"
    finally:
        seconds = time.monotonic() - started
        context.close()
    return passed, seconds, note, context.log_path


def choose(patterns, full):
    """The tests to run: without --full not the long ones, unless a pattern names them. What is built is always needed."""
    if patterns:
        return [row for row in TESTS if row[0] == "build" or any(word in row[0] for word in patterns)]
    return [row for row in TESTS if full or not row[3]]


def show_progress(head, text):
    print(f"\r\033[K{head}  {text[:100]}" if TERMINAL else f"{head} ... {text}", end="" if TERMINAL else "\n", flush=True)


def run_shown(row, head):
    """Runs a test and shows how it goes; (name, whether it passed, seconds, note)."""
    name, limit_s, function, _ = row
    print(head + ("" if TERMINAL else " ..."), end="" if TERMINAL else "\n", flush=True)
    passed, seconds, note, log_path = run(name, limit_s, function, lambda text: show_progress(head, text))
    print(("\r\033[K" if TERMINAL else "") + f"{head}  {'ok  ' if passed else 'FAIL'} {seconds:7.1f} s  {note}", flush=True)
    if not passed:
        tail = log_path.read_text(errors="replace").splitlines()[-40:]
        print("\n".join("    | " + line[:240] for line in tail), flush=True)
        print(f"    whole log: {log_path}", flush=True)
    return name, passed, seconds, note


def main():
    from . import preparing  # which takes its folders from here

    parser = argparse.ArgumentParser(prog="scripts/test", description="Runs the tests of Ringway.")
    parser.add_argument("--only", action="append", default=[], metavar="PATTERN", help="tests whose name contains PATTERN")
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    parser.add_argument("--full", action="store_true", help="the long tests too: whole suites of other projects, all of the conformance suite")
    arguments = parser.parse_args()
    chosen = choose(arguments.only, arguments.full)
    if arguments.list:
        print("\n".join(row[0] for row in chosen))
        return 0
    if arguments.only and not [row for row in chosen if row[0] != "build"] and "build" not in arguments.only:
        print(f"scripts/test: no test's name contains {' or '.join(arguments.only)}; --list shows them", file=sys.stderr)
        return 2
    LOGS.mkdir(parents=True, exist_ok=True)
    width = max(len(row[0]) for row in chosen)
    with contextlib.nullcontext() if arguments.only else preparing.in_the_background():
        results = [run_shown(row, f"[{number:2}/{len(chosen)}] {row[0]:<{width}}") for number, row in enumerate(chosen, 1)]
    failed = sum(not passed for _, passed, _, _ in results)
    print(f"\n{'test':<{width}}  result   seconds")
    for name, passed, seconds, note in results:
        print(f"{name:<{width}}  {'pass' if passed else 'FAIL'}    {seconds:8.1f}  {note}")
    print(f"\n{sum(row[2] for row in results):.0f} seconds in all")
    print(f"{len(results) - failed} passed, {failed} failed")
    return 1 if failed else 0
