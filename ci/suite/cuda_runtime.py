"""Small programs of nvcc on Ringway's libcudart, one subject each; every one checks its own numbers."""

import functools
import os
import subprocess

from .places import Direct, Embedded, over_tcp, setup, venv_env
from .runner import ROOT, TARGET, last_line, require, test

FOLDER = ROOT / "ci/clients/cpp/runtime"
PROGRAMS = ["devices", "symbols", "copies", "streams", "callbacks", "occupancy", "errors", "cooperative", "default_stream",
            # the last one: refused in words by a GPU in another machine
            "default_stream_per_thread", "threads", "graphs", "device_printf", "pools", "algorithms", "textures", "arrays", "managed",
            "separate", "separate_ptx", "conditional"]


@functools.cache
def built():
    """The folder of the programs, built by nvcc from PyPI."""
    setup("need_cxx")
    out = TARGET / "ci-cpp-runtime"
    result = subprocess.run([FOLDER / "run.sh", out, "--build", *PROGRAMS], env={**os.environ, **venv_env()}, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    require(result.returncode == 0, f"nvcc: {last_line(result.stdout)}")
    return out


def run_all(t, place, programs, note=""):
    failed = []
    for name in programs:
        program = place.start([built() / name], label=name)
        if program.wait(120) != 0 or "passed" not in program.output():
            failed.append(f"{name} ({last_line(program.output() or program.errors())})")
    require(not failed, "; ".join(failed))
    return f"{len(programs)} programs" + (f"; {note}" if note else "")


@test("CUDA runtime, direct", 900)
def direct(t):
    return run_all(t, Direct(t), PROGRAMS)


@test("CUDA runtime, shm", 600)
def shm(t):
    return run_all(t, Embedded(t, "shm"), PROGRAMS)


@test("CUDA runtime, tcp", 600)
def tcp(t):
    with over_tcp(t) as (place, note):
        return run_all(t, place, PROGRAMS, note)
