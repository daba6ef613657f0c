"""ringway-perf: that every suite runs and reports, never how fast; and instruction counts, which are the same on every machine."""

import collections
import json
import math

from .places import setup
from .runner import RELEASE, ROOT, require, test

# links on which rows of a suite are
LINKS = {
    "ring": {"shm", "tcp"}, "submit": {"shm", "tcp"}, "call": {"shm", "tcp"}, "copy": {"shm", "tcp"}, "idle": {"shm", "tcp"}, "scale": {"shm", "tcp"},
    "start": {"shm", "tcp", "direct"}, "app": {"shm", "tcp", "direct"}, "api": {"shm", "tcp", "direct"},
    "networks": {"200us,10Gbit", "5ms,10Gbit", "0us", "direct"}, "softgpu": {"one core", "all cores"},
    "gpus": {"shm", "tcp", "direct"}, "servers": {"straight", "by the program"},
}
NUMBERS = ("p50", "p90", "p99", "p999", "max")
NUMBERS_OR_NULL = ("floor", "ratio", "ratio_low", "ratio_high", "cpu_ns")


@test("ringway-perf, every suite, quick", 240)
def every_suite_quick(t):
    """Rows of every suite on every link, with finite numbers; a page without a script."""
    report, page = t.folder / "perf.json", t.folder / "perf.html"
    text = t.output_of(RELEASE / "ringway-perf", "all", "--quick", "--json", report, "--html", page)
    rows = json.loads(report.read_text())
    links = collections.defaultdict(set)
    for row in rows:
        links[row["suite"]].add(row["link"])
        numbers = [row[name] for name in NUMBERS] + [row[name] for name in NUMBERS_OR_NULL if row[name] is not None]
        require(all(isinstance(number, (int, float)) and math.isfinite(number) and number >= 0 for number in numbers), f"not a number: {row}")
    require(dict(links) == LINKS, f"rows are on {dict(links)}")
    markup = page.read_text()
    require(markup.startswith("<!DOCTYPE html>") and "<script" not in markup, "the page is no page, or has a script")
    require(all(f"<small>{suite}</small>" in markup for suite in LINKS), "the page lacks a suite")
    covered = next(line for line in text.splitlines() if line.startswith("measured "))
    return f"{len(rows)} rows; {covered}"


@test("ringway-perf, instructions beside the baseline", 240)
def instructions(t):
    """No call and no part takes over 3 % more instructions than what was committed; 15 % where another compiler built them."""
    setup("need_valgrind")
    baseline = ROOT / "perf/instructions.json"
    text = t.output_of(RELEASE / "ringway-perf", "instructions", "--baseline", baseline)
    within = next(line for line in text.splitlines() if " cases within " in line)
    # and a baseline that it does not meet is an error
    lower = t.folder / "lower.json"
    held = json.loads(baseline.read_text())
    held["cases"] = {case: count * 0.5 if case.startswith("cuLaunchKernel, 4") else count for case, count in held["cases"].items()}
    lower.write_text(json.dumps(held))
    program = t.start([RELEASE / "ringway-perf", "instructions", "--case", "cuLaunchKernel, ", "--baseline", lower], label="lower")
    code = program.wait(60)
    require(code == 1 and "more: cuLaunchKernel, 4 parameters" in program.output(), f"half the instructions: ended with {code}: {program.errors()[-300:]}")
    return within


@test("ringway-perf, criterion's benchmarks", 600, full=True)
def benchmarks(t):
    """That they run: each once."""
    setup("need_rust")
    for bench, under in (("parts", []), ("submit", [RELEASE / "ringway", "run", "-q", "--driver", "softgpu", "--"])):
        program = t.start([*under, "cargo", "bench", "--manifest-path", ROOT / "perf/benches/Cargo.toml", "--bench", bench, "--", "--test"], label=bench)
        code = program.wait()
        require(code == 0 and "Success" in program.output(), f"{bench} ended with {code}: {program.errors()[-300:]}")
