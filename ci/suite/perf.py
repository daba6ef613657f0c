"""ringway-perf: that every suite runs and reports; never how fast."""

import collections
import json
import math

from .runner import RELEASE, require, test

# links on which rows of a suite are
LINKS = {
    "submit": {"shm", "tcp"}, "call": {"shm", "tcp"}, "copy": {"shm", "tcp"}, "idle": {"shm", "tcp"}, "scale": {"shm", "tcp"},
    "start": {"shm", "tcp", "direct"}, "app": {"shm", "tcp", "direct"}, "api": {"shm", "tcp", "direct"},
    "networks": {"200us,10Gbit", "5ms,10Gbit", "0us", "direct"}, "softgpu": {"one core", "all cores"},
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
