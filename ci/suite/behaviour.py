"""What CUDA promises, checked on the bare driver: directly on the software GPU and through Ringway by shm and tcp."""

import json
import os
import subprocess

from .clients import CLIENTS, summary_of
from .places import RINGWAY, Direct, Embedded, over_tcp, python
from .runner import require, test

PLACES = ("direct", "shm", "tcp")


def run_in(t, place_name, words, env=None, options=(), environment=None):
    """Runs a client program in a place; returns its summary and the program."""
    def go(place):
        program = place.start([python(), CLIENTS / words[0], *words[1:]], env=env, options=options)
        return summary_of(program), program
    if place_name == "direct":
        return go(Direct(t, environment))
    if place_name == "shm":
        return go(Embedded(t, "shm", environment))
    with over_tcp(t, environment) as (place, _):
        return go(place)


def everywhere(title, words, limit_s=180, places=PLACES, options=(), environment=None, env=None):
    """A test of one behaviour program in each place."""
    @test(title, limit_s)
    def run(t):
        checks = []
        for place in places:
            t.say(f"== {place}")
            summary, _ = run_in(t, place, words, env, () if place == "direct" else options, environment)
            checks.append(f"{place} {summary['checks']}")
        return "checks: " + ", ".join(checks)


everywhere("eight threads keep CUDA's order", ["behaviour/order.py"])
everywhere("a blocked thread delays nobody", ["behaviour/blocked.py"])
everywhere("queries of events and streams", ["behaviour/queries.py"])
everywhere("queries behind a fault", ["behaviour/queries.py", "--fault"])
everywhere("copies of 1 B to 64 MiB", ["behaviour/copies.py"], 300)
everywhere("copies in batches", ["behaviour/batches.py"])
everywhere("copies of pinned memory", ["behaviour/transfers.py"], 300, options=["-n", "2"], environment={"RINGWAY_SOFTGPU_DEVICES": "2"})
everywhere("copies of pinned memory, asked for as transfers", ["behaviour/transfers.py"], 300, places=("shm", "tcp"), options=["-n", "2"],
           environment={"RINGWAY_SOFTGPU_DEVICES": "2"}, env={"RINGWAY_RDMA_COPIES": "always", "RINGWAY_SHARED_PINNED": "0"})
everywhere("copies captured into a graph", ["behaviour/captured.py"])
everywhere("modules loaded again", ["behaviour/reloaded.py"])
everywhere("out of memory, then on", ["behaviour/out_of_memory.py"], environment={"RINGWAY_SOFTGPU_MEMORY_MIB": "512"})
everywhere("out of memory in a slice", ["behaviour/out_of_memory.py"], places=("shm",), options=["-p", "0.25"],
           environment={"RINGWAY_SOFTGPU_MEMORY_MIB": "1024"})
everywhere("several devices", ["behaviour/devices.py"], options=["-n", "3"],
           environment={"RINGWAY_SOFTGPU_DEVICES": "3", "RINGWAY_SOFTGPU_MEMORY_MIB": "512"}, env={"EXPECT_DEVICES": "3"})
everywhere("threads that hop between devices", ["behaviour/servers.py", "order", "150", "4"], options=["-n", "3"],
           environment={"RINGWAY_SOFTGPU_DEVICES": "3", "RINGWAY_SOFTGPU_MEMORY_MIB": "512"})
everywhere("NVML of a slice of two devices", ["nvml/main.py"], places=("shm",), options=["-n", "2", "-m", "300"],
           environment={"RINGWAY_SOFTGPU_DEVICES": "2", "RINGWAY_SOFTGPU_MEMORY_MIB": "1024"},
           env={"EXPECT_DEVICES": "2", "EXPECT_MEMORY": str(300 << 20)})


@test("memory that the driver takes counts in a slice", 120)
def overhead(t):
    """Modules' variables and the heap of kernels: a slice of 64 MiB has what a whole GPU of 64 MiB has, also for a second process of the lease."""
    words = [str(word) for word in (python(), CLIENTS / "behaviour/overhead.py", 64)]

    def run(options, size, between=None):
        env = {**os.environ, "RINGWAY_SOFTGPU_MEMORY_MIB": str(size)}
        program = subprocess.Popen([RINGWAY, "run", "-q", *options, "--", *words], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            first = program.stdout.readline()
            require(first, f"{options}: the program told nothing")
            if between:
                between()
            out, _ = program.communicate("\n", 60)
            require(program.returncode == 0, f"{options}: exit code {program.returncode}")
            return json.loads(first), json.loads(out)
        finally:
            program.kill()
            program.wait()

    mib = 1 << 20
    direct, _ = run(["--direct"], 64)
    t.say(f"directly: {direct}")
    taken = {what: direct["first"] - left for what, left in direct.items()}
    require(taken["module"] >= 32 * mib and taken["heap"] >= taken["code"] + 4 * mib, f"directly the driver takes {taken}")
    require(direct["refused"] == direct["quarter"] and direct["unloaded"] == direct["allocated"], f"directly: {direct}")
    sliced, _ = run(["--driver", "softgpu", "-m", "64"], 512)
    require(sliced == direct, f"in a slice: {sliced}, directly: {direct}")
    # Two processes of one lease: what a module of the one takes, the other lacks, and has again when the one is killed.
    script = f"""
import json, subprocess, sys
sys.path.insert(0, {str(CLIENTS / "lib")!r})
child = subprocess.Popen([*{words!r}, "child"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
assert child.stdout.readline() == "loaded\\n"
from driver import Device
import time
device = Device()
with_child = device.memory_info()[0]
child.kill()
child.wait()
until = time.monotonic() + 30
while device.memory_info()[0] == with_child and time.monotonic() < until:
    time.sleep(0.05)
print(json.dumps([with_child, device.memory_info()[0]]))
"""
    program = Embedded(t, "shm", {"RINGWAY_SOFTGPU_MEMORY_MIB": "512"}).start([python(), "-c", script], options=["-m", "64"])
    require(program.wait(90) == 0, f"two processes: {program.errors()[-500:]}")
    with_child, after = json.loads(program.output().splitlines()[-1])
    require(after == 64 * mib and 47 * mib <= with_child <= 48 * mib, f"two processes: {with_child} bytes free, {after} after the end of one")
    # Variables of a library are there at its first launch: a slice that is passed by them ends the session.
    program = Embedded(t, "shm", {"RINGWAY_SOFTGPU_MEMORY_MIB": "512"}).start([*words, "passes"], options=["-m", "64"])
    require(program.wait(60) == 0 and program.output().splitlines()[-1:] == ["802"], f"a slice that is passed: {program.output()} {program.errors()[-500:]}")
    return f"a module {taken['module'] // mib} MiB, the heap {(taken['heap'] - taken['code']) // mib} MiB"


@test("out of bounds is illegal address, and stays", 120)
def out_of_bounds(t):
    for place in PLACES:
        t.say(f"== {place}")
        run_in(t, place, ["behaviour/out_of_bounds.py"])
        # the memory checker's report: in the program's own output directly, in the server's through Ringway
        said = "".join(program.errors() + program.output() for program in t.running)
        require("affine" in said, f"{place}: the report does not name the kernel")
        require("line" in said, f"{place}: the report does not name the PTX line")
        t.running.clear()


SMALL_GPU = {"RINGWAY_SOFTGPU_MEMORY_MIB": "256"}
everywhere("memory allocated, freed and allocated again, directly", ["behaviour/suballocation.py"], places=("direct",), environment=SMALL_GPU)
everywhere("memory allocated, freed and allocated again", ["behaviour/suballocation.py", "far"], places=("shm", "tcp"), environment=SMALL_GPU)
everywhere("memory allocated, freed and allocated again, each time by the server", ["behaviour/suballocation.py"], places=("shm",), environment=SMALL_GPU,
           env={"RINGWAY_SUBALLOC": "0"})


def counts_by_steps(t, link, words):
    """What a program counts of its calls, by function, in 20 steps and in 120; `words` ends with the word before their number."""
    counted = {}
    for steps in (20, 120):
        counts = t.folder / f"stats-{link}-{steps}.json"
        program = Embedded(t, link).start([python(), *words, str(steps)], options=["--stats", counts])
        summary_of(program)
        counted[steps] = json.loads(counts.read_text())["by_function"]
    return counted


@test("allocations and frees of a loop wait for nothing", 120)
def allocations(t):
    shown = []
    for link in ("shm", "tcp"):
        counted = counts_by_steps(t, link, [CLIENTS / "behaviour/suballocation.py", "loop"])
        for name in ("cuMemAlloc", "cuMemFree"):
            few, many = counted[20][name], counted[120][name]
            require(few["calls"] >= 80 and many["calls"] >= 480, f"{link}: calls of {name}: {few}, {many}")
            require(few["waits"] == many["waits"] <= 4, f"{link}: waiting calls of {name}: {few}, {many}")
        shown.append(f"{link} {counted[120]['cuMemAlloc']['waits']} and {counted[120]['cuMemFree']['waits']}")
    return "of 480 each: " + ", ".join(shown)


@test("a program that polls waits for none of its event queries but the first", 120)
def polling(t):
    for link in ("shm", "tcp"):
        counted = counts_by_steps(t, link, [CLIENTS / "behaviour/queries.py", "--steps"])
        waits = {steps: {name: count["waits"] for name, count in by.items()} for steps, by in counted.items()}
        require(waits[20]["cuEventQuery"] == waits[120]["cuEventQuery"] <= 2, f"{link}: waiting event queries: {waits}")
        # a stream's work is new in each step: one question
        require(waits[120]["cuStreamQuery"] <= 60, f"{link}: waiting stream queries: {waits}")
    return "waiting event queries in 60 steps: " + str(waits[120]["cuEventQuery"])


# Waiting calls of a training step, by which docs/performance.md's table is held. numba frees its arrays in groups, and one of each waits.
STEP_WAITS = {"torch": ("cuStreamSynchronize",), "item": ("cuMemcpyDtoHAsync",), "timed": ("cuEventElapsedTime", "cuStreamSynchronize"),
              "numba": ("cuMemFree", "cuMemcpyDtoHAsync"), "tinygrad": ("cuCtxSynchronize", "cuMemcpyDtoH")}


@test("waiting calls of a training step", 300)
def step_waits(t):
    shown = []
    for kind, wanted in STEP_WAITS.items():
        counts = []
        for steps in (20, 60):
            file = t.folder / f"steps-{kind}-{steps}.json"
            program = Embedded(t).start([python(), CLIENTS / "behaviour/steps.py", kind, str(steps)], env={"DEV": "CUDA:PTX", "CCACHE": "0"},
                                        options=["--stats", file])
            summary_of(program)
            counts.append({name: count["waits"] for name, count in json.loads(file.read_text())["by_function"].items()})
        each = {name: (waits - counts[0].get(name, 0)) / 40 for name, waits in counts[1].items()}
        each = {name: waits for name, waits in each.items() if waits}
        require(set(each) <= set(wanted), f"{kind}: calls that wait in each step: {each}")
        most = 1.1 if kind == "numba" else len(wanted) + 0.2
        require(sum(each.values()) <= most, f"{kind}: waiting calls of a step: {each}")
        shown.append(f"{kind} {sum(each.values()):g}")
    return ", ".join(shown)
