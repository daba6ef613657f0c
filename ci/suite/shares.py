"""Parts of a GPU's time, which leases of one GPU have by weight, and leases that end because nobody uses them.

What is compared happened at the same time, so a busy machine slows all programs alike.
"""

import json
import os
import signal
import time
from pathlib import Path

from .clients import CLIENTS, last_line_whole
from .confinement import workers_of
from .places import RINGWAY, python
from .robustness import until
from .runner import last_line, require, test

START_S = 8.0  # after this time programs have begun, on a busy machine too, and what the first had before others came is made good

# Shares in percent, turns of the loop in a kernel, kernels in a batch (0: each is waited for).
MIXES = [
    [(50, 1000, 16), (50, 1000, 16)],
    [(25, 1000, 16), (75, 1000, 16)],
    [(25, 1000, 16), (25, 4000, 4), (50, 2000, 8)],
]
LONG_MIXES = [*MIXES, [(25, 500, 32), (75, 16_000, 2)], [(75, 500, 32), (25, 16_000, 2)], [(30, 1000, 16), (70, 1000, 16)]]


class Shared:
    """A server with one GPU of 512 MiB, and programs with a part of it."""

    def __init__(self, t, *options):
        python()  # which may have to be made
        self.t, self.socket = t, t.folder / "serve.sock"
        self.socket.unlink(missing_ok=True)
        self.server = t.start([RINGWAY, "serve", "--driver", "softgpu", "--announce", "--listen", f"unix:{self.socket}", *options],
                              env={"RINGWAY_SOFTGPU_MEMORY_MIB": "512"}, label="serve")
        self.server.wait_for_text("ready ")

    def start(self, program, *words, options=(), label=None):
        return self.t.start([RINGWAY, "run", "--server", f"unix:{self.socket}", *(options or ["-m", "64"]), "--", python(), CLIENTS / "behaviour" / program, *words],
                            label=label or program)

    def sharing(self, percent, turns, each, end):
        return self.start("sharing.py", turns, each, end, options=["-m", "64", "--compute", percent], label=f"of-{percent}")

    def leases(self):
        text = self.t.output_of(RINGWAY, "list", "--server", f"unix:{self.socket}", "--json")
        return json.loads(text)[0]["leases"]


def story_of(program):
    """How many turns a program's kernels had made by when; Failed if it failed."""
    code = program.wait()
    require(code == 0, f"a program ended with {code}: {last_line(program.errors())}")
    told = json.loads(last_line_whole(program.output()))
    return [(when, done * told["turns"]) for when, done in told["story"]]


def work(story, begin, end):
    """Turns per second between two times."""
    inside = [point for point in story if begin <= point[0] <= end]
    require(len(inside) >= 2, "a program did nothing in the time that is looked at")
    (first, before), (last, after) = inside[0], inside[-1]
    return (after - before) / (last - first)


class GpuTime:
    """For how long the threads that execute the streams of a worker's software GPU computed, or could have: what a session had of the GPU, by
    the kernel's own count.

    No count of Ringway's: that is what is judged. Such a thread starts each kernel of its stream and computes until it is done, with the help of
    others; without a kernel it sleeps, and a session without the turn has none.
    """

    def __init__(self, worker):
        self.tasks, self.seen = Path(f"/proc/{worker}/task"), {}

    def seconds(self):
        """Since the worker began. Asked often: what threads that have ended did is known up to the last time only."""
        for task in self.tasks.iterdir():
            try:
                if (task / "comm").read_text().startswith("softgpu-stream"):
                    computed, waited, _ = (task / "schedstat").read_text().split()
                    self.seen[task.name] = int(computed) + int(waited)
            except OSError:
                continue  # it has just ended
        return sum(self.seen.values()) / 1e9


def had_within(workers, seconds):
    """What each of the workers has of the GPU in so many seconds from now on."""
    counts = [GpuTime(worker) for worker in workers]
    before = [count.seconds() for count in counts]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.02)
        now = [count.seconds() for count in counts]
    return [new - old for new, old in zip(now, before)]


def done_by(t, mix, seconds):
    """Of each program of a mix, while all of them compute: seconds of the GPU's threads, and turns of its loop per second."""
    shared = Shared(t, "--warm", "0")  # each worker is a program's
    begin = time.monotonic() + START_S
    programs, workers = [], []
    for one in mix:
        programs.append(shared.sharing(*one, begin + seconds + 0.2))
        programs[-1].wait_for_text("ready")
        workers += [worker for worker in workers_of(shared.server) if worker not in workers]
    require(len(workers) == len(mix), f"{len(mix)} programs compute, and {len(workers)} workers")
    require(time.monotonic() < begin, f"the machine is too slow for this test: the programs have not begun after {START_S} s")
    time.sleep(begin - time.monotonic())
    had = had_within(workers, seconds)
    turns = [work(story_of(program), begin, begin + seconds) for program in programs]
    shared.server.stop()
    return had, turns


def off_by(mix, got):
    """How far the parts are off those that were set, each as a part of its own."""
    total = sum(percent for percent, _, _ in mix)
    return [one / sum(got) * total / percent - 1 for one, (percent, _, _) in zip(got, mix)]


def compare(t, mixes, seconds, tolerance):
    """The GPU's time is what is shared, so it is judged. The work that gets done in it is only told: starting a kernel takes time, so that
    in the same time short ones do less (some 2 % for those of 1000 turns, 20 % for those of 500 beside those of 16,000), and on a machine
    that others use a part of the GPU's time is theirs, of one program's more than of another's."""
    worst = 0.0
    for mix in mixes:
        had, turns = done_by(t, mix, seconds)
        by_time, by_work = off_by(mix, had), off_by(mix, turns)
        text = lambda off: ", ".join(f"{100 * one:+.1f} %" for one in off)  # noqa: E731
        t.progress(f"{mix}: of the GPU's time they had {', '.join(f'{one / sum(had):.3f}' for one in had)}, off by {text(by_time)}; of the work, off by {text(by_work)}")
        require(min(turns) > 0, f"{mix}: a program did nothing")
        require(max(map(abs, by_time)) <= tolerance, f"{mix}: off by {text(by_time)} of the GPU's time")
        worst = max(worst, *map(abs, by_time))
    return f"{len(mixes)} mixes, at most {100 * worst:.1f} % off"


@test("shares of a GPU's time", 120)
def shares(t):
    """Programs that compute at the same time get the GPU by the weights of their leases."""
    return compare(t, MIXES, 4.0, 0.1)


@test("shares of a GPU's time over ten seconds", 400, full=True)
def shares_long(t):
    return compare(t, LONG_MIXES, 10.0, 0.05)


@test("a share is no limit while nobody else computes", 120)
def work_conserving(t):
    """A program with a twentieth of the time has all of it alone, and again when the other one's worker is killed."""
    shared = Shared(t)
    begin = time.monotonic() + START_S
    small = shared.sharing(5, 1000, 16, begin + 10)
    small.wait_for_text("ready")
    idle = shared.start("unused.py", "quiet", "60")  # a session that wants nothing keeps nobody waiting
    idle.wait_for_text("launched")
    own = set(workers_of(shared.server))
    time.sleep(max(0.0, begin + 2 - time.monotonic()))
    large = shared.sharing(95, 1000, 16, begin + 60)
    large.wait_for_text("ready")
    both = time.monotonic()
    time.sleep(2)
    (worker,) = set(workers_of(shared.server)) - own
    killed = time.monotonic()
    os.kill(worker, signal.SIGKILL)
    story = story_of(small)
    idle.stop()
    require(killed < begin + 8, "the machine is too slow for this test")
    alone, together, again = work(story, begin, begin + 2), work(story, both, killed), work(story, killed + 0.5, begin + 10)
    t.say(f"turns a second: alone {alone:.0f}, together {together:.0f}, again alone {again:.0f}")
    require(together < alone * 0.4, f"beside a lease with nineteen times its weight it had {together / alone:.2f} of what it had alone")
    require(together < again * 0.4, f"after the other's worker was killed it had {again / alone:.2f} of what it had before")
    return f"alone 1, beside the other {together / alone:.2f}, after its end {again / alone:.2f}"


def result_of(program):
    require(program.wait(60) == 0, f"a program failed: {last_line(program.errors())}")
    return json.loads(last_line_whole(program.output()))


def released(program):
    return [line for line in program.errors().splitlines() if "released after" in line]


@test("leases that nobody uses end", 180)
def idle(t):
    shared = Shared(t, "--idle", "2s")
    # What the server says, and what the program's own lease says.
    quiet = shared.start("unused.py", "quiet", "20", options=["-m", "400"], label="quiet")
    quiet.wait_for_text("launched")
    (lease,) = shared.leases()
    require(lease["terms"] == {"compute_percent": 78, "idle_ms": 2000}, f"listed with the terms {lease['terms']}")
    until(lambda: not shared.leases(), "the end of a lease that is not used", 20)
    require(released(quiet), f"ringway run did not say so: {quiet.errors()}")
    # Its memory is free while its program still runs.
    own = shared.start("unused.py", "quiet", "9", options=["-m", "400", "--idle", "0"], label="never")
    own.wait_for_text("launched")
    require(quiet.process.poll() is None, "the program without a lease ended by itself")
    told = result_of(own)
    require(told["result"] == 0 and told["next"] == 0 and not released(own), f"with --idle 0 it had {told}")
    told = result_of(quiet)
    require(told["result"] != 0 and told["next"] != 0, f"without its lease calls still work: {told}")
    # Used now and then, or by one long kernel, it stays.
    calls = shared.start("unused.py", "calls", "7", label="calls")
    told = result_of(calls)
    require(told["result"] == 0 and not released(calls), f"with a call now and then: {told}, {calls.errors()}")
    kernel = shared.start("unused.py", "kernel", "400000000", options=["-m", "64", "--idle", "1s"], label="kernel")
    told = result_of(kernel)
    require(told["took"] > 2, f"a kernel of {told['took']:.1f} s proves nothing")
    require(told["result"] == 0 and not released(kernel), f"with a kernel of {told['took']:.1f} s: {told}, {kernel.errors()}")
    refused = t.start([RINGWAY, "run", "--server", f"unix:{shared.socket}", "--idle", "0.01", "--", "true"], label="refused")
    require(refused.wait(20) != 0 and "--idle" in refused.errors(), f"10 ms without use: {refused.errors()}")
    return f"a lease ended, others stayed: 7 s of calls, a kernel of {told['took']:.1f} s"
