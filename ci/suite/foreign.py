"""Runs other projects' pytest suites on the software GPU, in chunks, so that a crash or a hang costs one test and no more, and
compares what failed with a committed list of known failures."""

import json
import os
import queue
import signal
import subprocess
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from .places import RINGWAY
from .runner import ROOT, TARGET, require

REPORTS = TARGET / "suite-reports"
KNOWN = ROOT / "ci" / "known-failures"
PLUGIN = ROOT / "ci" / "foreign"
START_S = 180.0  # a process that has not collected its tests by then hangs
LATE_MAX = 20  # tests that may be run again because they were late
POISONED = 77  # the plugin's exit code when a test has left an error that stays with its context

# Why a known failure fails. Those of OUT_OF_REACH need what a software GPU that runs PTX does not have, and do not count.
OUT_OF_REACH = ("machine-code", "second-architecture", "second-gpu")
KINDS = (
    *OUT_OF_REACH,
    "checker",  # the test's own kernel leaves its arrays, which hardware does not notice and the memory checker does
    "suite",  # the test fails on every machine with these versions of its packages
    "accuracy",  # right within what PTX promises, and the test compares more closely
    "unsupported",  # something that the software GPU does not do
    "defect",  # something that the software GPU does wrongly
    "flaky",  # passes or fails from run to run; the reason says why
)


@dataclass
class Outcome:
    """What became of one test: passed, failed, skipped, crashed or hung, and the text that says why."""

    id: str
    how: str
    text: str = ""
    seconds: float = 0.0

    @property
    def bad(self):
        return self.how in ("failed", "crashed", "hung")

    @property
    def late(self):
        """Failed by a clock, the suite's own or ours: on a busy machine that says nothing, so such a test runs again, alone."""
        return self.how == "hung" or (self.how == "failed" and "TimeoutExpired" in self.text)


@dataclass
class Part:
    """What one process runs: arguments of pytest, and of the tests that they name only those in `ids`, if given."""

    label: str
    arguments: list
    ids: list = None


@dataclass
class Suite:
    """How to run a project's tests: the Python, pytest's arguments in front of a part's own, and the environment."""

    name: str
    python: str
    arguments: list = field(default_factory=list)
    env: dict = field(default_factory=dict)
    test_limit_s: float = 180.0
    cwd: Path = ROOT
    on_gpu: bool = True
    prefix: ClassVar[tuple] = ()  # words in front of every command, for machines that several people share

    def run(self, folder, parts, deadline, progress=None, workers=2):
        """Runs the parts and returns {test id: Outcome}. Failed if the deadline (of time.monotonic) passes."""
        folder.mkdir(parents=True, exist_ok=True)
        waiting, outcomes, owner, lock, ended, broken = queue.Queue(), {}, {}, threading.Lock(), [], []
        for part in parts:
            waiting.put(part)

        def work():
            while not broken:
                try:
                    part = waiting.get_nowait()
                except queue.Empty:
                    return
                try:
                    found = Process(self, folder, part, deadline).run()
                except Exception as failure:  # carried over to the caller's thread
                    broken.append(failure)
                    return
                with lock:
                    outcomes.update(found)
                    owner.update(dict.fromkeys(found, part))
                    ended.append(part)
                    if progress:
                        passed = sum(outcome.how == "passed" for outcome in outcomes.values())
                        progress(f"{len(ended)} of {len(parts)} parts, {len(outcomes)} tests, {passed} passed (last: {part.label})")

        threads = [threading.Thread(target=work) for _ in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if broken:
            raise broken[0]
        late = [name for name, outcome in outcomes.items() if outcome.late]
        if len(late) <= LATE_MAX:
            for number, name in enumerate(late, 1):
                again = Part(f"late {number}", owner[name].arguments, [name])
                outcomes.update((test, found) for test, found in Process(self, folder, again, deadline).run().items() if test == name)
        return outcomes


class Process:
    """Runs one part to its end, in as many processes as its crashes make necessary."""

    def __init__(self, suite, folder, part, deadline):
        self.suite, self.part, self.deadline = suite, part, deadline
        stem = "".join(letter if letter.isalnum() else "-" for letter in part.label)
        self.results, self.done, self.only, self.log = (folder / f"{stem}.{end}" for end in ("jsonl", "done", "only", "log"))
        for path in (self.results, self.done, self.only, self.log):
            path.unlink(missing_ok=True)
        self.outcomes, self.retried = {}, set()

    def run(self):
        while self.once():
            self.done.write_text("".join(f"{name}\n" for name in self.outcomes))
        return self.outcomes

    def once(self):
        """Runs what is left. True if a test ended the process and others are still to be run."""
        process, how = self.execute()
        running, ended, collected = self.read()
        label = self.part.label
        if collected is None:  # it never got to its tests
            self.outcomes[label] = Outcome(label, how or "crashed", f"no tests collected, exit code {process.returncode}: {self.tail()}")
            return False
        if running is not None:
            self.outcomes[running] = Outcome(running, how or "crashed", f"exit code {process.returncode}: {self.tail()}")
        elif process.returncode == POISONED and len(ended) > 1 and ended[-1] not in self.retried:
            # The context may have been spoilt by an earlier test: this one gets a fresh one.
            self.retried.add(ended[-1])
            del self.outcomes[ended[-1]]
        left = [name for name in collected if name not in self.outcomes]
        if running is None and process.returncode != POISONED:
            require(not left, f"{label}: {len(left)} tests were collected and neither ran nor failed; see {self.log}")
            if not 0 <= process.returncode <= 5:  # pytest's own exit codes end at 5
                self.outcomes[f"{label} (exit)"] = Outcome(f"{label} (exit)", "crashed", f"exit code {process.returncode} after the last test")
        return bool(left)

    def execute(self):
        suite, environment = self.suite, {**os.environ, **self.suite.env}
        path = [str(PLUGIN), *filter(None, [suite.env.get("PYTHONPATH")])]
        environment.update(SUITE_RESULTS=str(self.results), PYTHONPATH=os.pathsep.join(path))
        if self.done.exists():
            environment["SUITE_DONE"] = str(self.done)
        if self.part.ids is not None:
            self.only.write_text("".join(f"{name}\n" for name in self.part.ids))
            environment["SUITE_ONLY"] = str(self.only)
        command = [*suite.prefix, *((RINGWAY, "run", "--quiet", "--direct", "--driver", "softgpu", "--") if suite.on_gpu else ())]
        command += [suite.python, "-m", "pytest", "-p", "reporting", "-p", "no:cacheprovider", "-q", "--tb=short", *suite.arguments, *self.part.arguments]
        self.results.write_text("")
        with open(self.log, "a") as log:
            process = subprocess.Popen([str(word) for word in command], cwd=suite.cwd, env=environment, stdin=subprocess.DEVNULL,
                                       stdout=log, stderr=log, start_new_session=True)
        try:
            return process, self.watch(process)
        finally:
            end(process)

    def tail(self):
        return " ".join(self.log.read_text(errors="replace").split())[-400:]

    def watch(self, process):
        """Waits for the process; "hung" if a test runs into its limit."""
        seen, changed, limit = 0, time.monotonic(), START_S + (1800 if self.suite.prefix else 0)
        while True:
            try:
                process.wait(0.1)
                return None
            except subprocess.TimeoutExpired:
                pass
            size = self.results.stat().st_size
            if size != seen:
                seen, changed, limit = size, time.monotonic(), self.suite.test_limit_s
            require(time.monotonic() < self.deadline, f"{self.part.label}: the suite is out of time")
            if time.monotonic() - changed > limit:
                return "hung"

    def read(self):
        """Takes the last process's results: the test that was running when it ended (or None), those that ended, those collected."""
        running, ended, collected = None, [], None
        for line in self.results.read_text().splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue  # cut off by the end of the process
            kind, name = event["event"], event.get("id")
            if kind == "collected":
                collected = event["ids"]
            elif kind == "uncollected":
                name = name or self.part.label
                self.outcomes[name] = Outcome(name, "failed", f"not collected: {event['text']}")
            elif kind == "start":
                running = name
            elif kind == "report":
                self.take(name, event)
            elif kind == "end":
                running = None
                ended.append(name)
                self.outcomes.setdefault(name, Outcome(name, "passed"))
        return running, ended, collected

    def take(self, name, event):
        how = event["outcome"]
        if how == "skipped" and event["expected"]:
            how = "passed"  # marked by the suite as something that cannot work, and it did not
        before = self.outcomes.get(name)
        if before is None or how == "failed" or (before.how, how) == ("skipped", "passed"):  # a skipped part of a test that passes
            self.outcomes[name] = Outcome(name, how, event["text"], event["seconds"])


def end(process):
    """Ends a process with all that it started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def known_failures(name):
    """{test id: (kind, reason)} of a committed list. A line is `test id | kind | reason`."""
    path, known = KNOWN / f"{name}.txt", {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        parts = [part.strip() for part in line.rsplit("|", 2)]
        require(len(parts) == 3 and all(parts), f"{path.name}:{number}: `test id | kind | reason` expected")
        require(parts[1] in KINDS, f"{path.name}:{number}: unknown kind {parts[1]!r}, expected one of {', '.join(KINDS)}")
        require(parts[0] not in known, f"{path.name}:{number}: {parts[0]} is listed twice")
        known[parts[0]] = parts[1], parts[2]
    return known


def judge(t, name, title, outcomes, whole, belongs=lambda test: True, note=""):
    """Compares what happened with the list of known failures (the lines whose tests `belongs` accepts), writes
    target/suite-reports/TITLE.json, returns the note for the table.

    Failed if a test fails that is not listed, if a listed one passes or is skipped, and, where the whole suite has run, if a listed one
    does not exist. A test listed as flaky may do either.
    """
    known = {test: why for test, why in known_failures(name).items() if belongs(test)}
    bad = {test: outcome for test, outcome in outcomes.items() if outcome.bad}
    new = sorted(set(bad) - set(known))
    strict = {test for test, (kind, _) in known.items() if kind != "flaky"}
    fixed = sorted(test for test in strict if test in outcomes and not outcomes[test].bad)
    gone = sorted(set(known) - set(outcomes)) if whole else []
    listed = [test for test in bad if test in known]
    skipped = Counter(outcome.text.removeprefix("Skipped: ") for outcome in outcomes.values() if outcome.how == "skipped")
    passed = sum(outcome.how == "passed" for outcome in outcomes.values())
    out_of_reach = [test for test in listed if known[test][0] in OUT_OF_REACH]
    counted = passed + len(bad) - len(out_of_reach)
    share = passed / counted if counted else 0.0
    summary = {
        "suite": title, "tests": len(outcomes), "passed": passed, "failed": len(bad), "skipped": sum(skipped.values()),
        "share_of_those_in_reach": round(share, 4),
        "failures_by_kind": dict(Counter(known[test][0] for test in listed)), "not_listed": new, "listed_but_not_failing": fixed, "listed_but_absent": gone,
        "skipped_by_reason": dict(skipped.most_common()),
        "failures": {test: {"kind": known.get(test, ("new", ""))[0], "reason": known.get(test, ("", bad[test].text[:500]))[1]} for test in sorted(bad)},
    }
    REPORTS.mkdir(parents=True, exist_ok=True)
    report = REPORTS / f"{title.replace(' ', '-')}.json"
    report.write_text(json.dumps(summary, indent=1) + "\n")
    t.say(json.dumps({key: value for key, value in summary.items() if key != "failures"}, indent=1))
    for test in sorted(bad):
        kind, reason = known.get(test, ("NOT LISTED", bad[test].text))
        t.say(f"{bad[test].how}: {test} | {kind} | {reason}")
    for test in fixed:
        t.say(f"listed in known-failures/{name}.txt, but {outcomes[test].how}: {test}")
    for test in gone:
        t.say(f"listed in known-failures/{name}.txt, but there is no such test: {test}")
    problems = [f"{len(tests)} {what} (first: {tests[0]})" for tests, what in
                ((new, "fail and are not listed"), (fixed, "are listed and do not fail"), (gone, "are listed and do not exist")) if tests]
    require(not problems, "; ".join(problems))
    require(passed > 0, "no test passed")
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(Counter(known[test][0] for test in listed).items()))
    said = [f"{passed} of {counted} in reach pass ({share:.1%})", f"{sum(skipped.values())} skip themselves", *([f"known failures: {kinds}"] if kinds else []), *filter(None, [note])]
    return "; ".join(said)
