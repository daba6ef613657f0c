"""What CUDA promises, checked on the bare driver: directly on the software GPU and through Ringway by shm and tcp."""

import json

from .clients import CLIENTS, summary_of
from .places import Direct, Embedded, over_tcp, python
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
everywhere("NVML of a slice of two devices", ["nvml/main.py"], places=("shm",), options=["-n", "2", "-m", "300"],
           environment={"RINGWAY_SOFTGPU_DEVICES": "2", "RINGWAY_SOFTGPU_MEMORY_MIB": "1024"},
           env={"EXPECT_DEVICES": "2", "EXPECT_MEMORY": str(300 << 20)})


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


@test("a program that polls waits for none of its event queries but the first", 120)
def polling(t):
    for link in ("shm", "tcp"):
        waits = {}
        for steps in (20, 120):
            counts = t.folder / f"stats-{link}-{steps}.json"
            program = Embedded(t, link).start([python(), CLIENTS / "behaviour/queries.py", "--steps", str(steps)], options=["--stats", counts])
            summary_of(program)
            waits[steps] = {name: count["waits"] for name, count in json.loads(counts.read_text())["by_function"].items()}
        require(waits[20]["cuEventQuery"] == waits[120]["cuEventQuery"] <= 2, f"{link}: waiting event queries: {waits}")
        # a stream's work is new in each step: one question
        require(waits[120]["cuStreamQuery"] <= 60, f"{link}: waiting stream queries: {waits}")
    return "waiting event queries in 60 steps: " + str(waits[120]["cuEventQuery"])


# Waiting calls of a training step, by which docs/performance.md's table is held. numba frees its arrays in groups.
STEP_WAITS = {"torch": ("cuStreamSynchronize",), "item": ("cuMemcpyDtoHAsync",), "timed": ("cuEventElapsedTime", "cuStreamSynchronize"),
              "numba": ("cuMemAlloc", "cuMemFree", "cuMemcpyDtoHAsync"), "tinygrad": ("cuCtxSynchronize", "cuMemcpyDtoH")}


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
        require(sum(each.values()) <= len(wanted) + 0.2, f"{kind}: waiting calls of a step: {each}")
        shown.append(f"{kind} {sum(each.values()):g}")
    return ", ".join(shown)
