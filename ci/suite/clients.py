"""Unmodified programs of eight kinds, each run directly on the software GPU, through Ringway by shm, and by tcp between two
network namespaces. Their results must be right, equal in all three places, and the driver calls must agree."""

import json

from ..journal_compare import compare_files
from .places import Direct, Embedded, built_cpp, built_cudarc, compilers, over_tcp, python, setup
from .runner import ROOT, TARGET, last_line, require, test

CLIENTS = ROOT / "ci" / "clients"


class Client:
    def __init__(self, name, words, env=None, ordered=True, same_images=True, journals=True, device=None):
        self.name, self.words, self.env = name, words, env or {}
        self.device = device or {}  # settings of the software GPU
        self.ordered, self.same_images, self.journals = ordered, same_images, journals


def tinygrad_words():
    setup("need_clang")
    return [python(), CLIENTS / "tinygrad/main.py"]


def triton_words():
    setup("need_cxx")  # Triton compiles its launcher
    return [compilers().parent.parent.parent / "bin/python", CLIENTS / "triton/main.py"]


ALL = [
    Client("cudarc", lambda: [built_cudarc()], ordered=False),  # its threads submit in any order
    Client("nvcc -cudart shared", lambda: [built_cpp() / "suite"]),
    Client("cuda.core", lambda: [python(), CLIENTS / "cuda_core/main.py"]),
    Client("numba-cuda", lambda: [python(), CLIENTS / "numba/main.py"], same_images=False),
    Client("numba-cuda, second part", lambda: [python(), CLIENTS / "numba/more.py"], same_images=False),
    Client("numba-cuda, linked code", lambda: [python(), CLIENTS / "numba/linked.py"], same_images=False),
    # One kernel adds floats under a lock: the sum depends on the order of blocks.
    Client("Triton", triton_words, {"TRITON_CACHE_DIR": TARGET / "ci-triton"}, device={"RINGWAY_SOFTGPU_DETERMINISTIC": "1"}),
    Client("tinygrad", tinygrad_words, {"DEV": "CUDA:PTX", "CCACHE": "0"}),
    # Per-thread default streams are streams of their own at the server, and events are numbered with the server's own.
    Client("driver API", lambda: [python(), CLIENTS / "driver_api/main.py"], journals=False),
    Client("pynvml and gpustat", lambda: [python(), CLIENTS / "nvml/main.py"]),
]


def summary_of(program):
    """The JSON line that ends a client's output; Failed if the client failed."""
    code = program.wait()
    mismatches = [line for line in program.errors().splitlines() if line.startswith(("MISMATCH", "FAILED"))]
    require(code == 0, f"exit code {code}: {mismatches[0] if mismatches else last_line(program.errors())}")
    summary = json.loads(last_line_whole(program.output()))
    require(not summary["failed"] and summary["checks"] > 0, f"checks failed: {summary['failed']}")
    return summary


def last_line_whole(text):
    return text.strip().splitlines()[-1]


RESULTS = {}  # (client, place) -> (summary, journals' folder)


def run_client(t, client, place, note=""):
    program = place.start(client.words(), env=client.env, options=options(t, place), label=client.name.split()[0])
    summary = summary_of(program)
    RESULTS[client.name, place.name] = summary, t.folder
    return f"{summary['checks']} checks" + (f"; {note}" if note else "")


def options(t, place):
    return [] if place.name == "direct" else ["--stats", t.folder / "stats.json"]


def device_env(t, client):
    return {"RINGWAY_SOFTGPU_JOURNAL": str(t.folder / "journal-%p.jsonl"), **client.device}


def add(client):
    @test(f"{client.name}, direct", 300)
    def direct(t):
        return run_client(t, client, Direct(t, device_env(t, client)))

    def compared(t, place_name):
        summary, folder = RESULTS[client.name, place_name]
        if (client.name, "direct") not in RESULTS:
            return ""
        want, want_folder = RESULTS[client.name, "direct"]
        require(summary["values"] == want["values"],
                f"results differ from the direct run: {[k for k in want['values'] if summary['values'].get(k) != want['values'][k]]}")
        if not client.journals:
            return ""
        return "; " + compare_files(largest_journal(want_folder), largest_journal(folder), client.ordered, client.same_images)

    @test(f"{client.name}, shm", 300)
    def shm(t):
        return run_client(t, client, Embedded(t, "shm", device_env(t, client))) + compared(t, "shm")

    @test(f"{client.name}, tcp", 300)
    def tcp(t):
        with over_tcp(t, device_env(t, client)) as (place, note):
            return run_client(t, client, place, note) + compared(t, "tcp")


def largest_journal(folder):
    """The journal of the process that did the work; other processes of a session only ask for devices."""
    journals = sorted(folder.glob("journal-*.jsonl"), key=lambda path: path.stat().st_size)
    require(journals, f"no journal in {folder.name}")
    return journals[-1]


for each in ALL:
    add(each)
