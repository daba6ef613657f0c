"""Kernels in the style of the public samples (ci/clients/cpp/samples), compiled here by nvcc 13 and by NVRTC 12 and 13, and run on
the software GPU with all their numbers checked.

A sample's program is built once; it then runs its kernels as they were built in, or as another compiler, architecture or set of
options made them (SAMPLE_PTX)."""

import functools
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .clients import summary_of, triton_words
from .places import Direct, Embedded, compilers, over_tcp, python, setup
from .runner import ROOT, TARGET, Failed, last_line, require, test

FOLDER = ROOT / "ci/clients/cpp/samples"
OUT = TARGET / "ci-samples"
# whose kernels header libraries launch, or whose host part is more than kernels: only as built in
BUILT_IN = ["device_algorithms"]
SAMPLES = sorted(path.stem for path in FOLDER.glob("*.cu") if path.stem not in BUILT_IN)
ARCHITECTURES = ["75", "80", "86", "89", "90", "100", "120"]
OPTIONS = {
    "debug": ["-G", "-O0"],
    "lineinfo": ["-lineinfo"],
    "fast": ["--use_fast_math", "-DSAMPLE_FAST"],
    "relocatable": ["-rdc=true"],
    "C++20": ["-std=c++20"],
}


def capability(architecture):
    return f"{architecture[:-1]}.{architecture[-1]}"


@functools.cache
def toolkit():
    setup("need_cxx")
    found = sorted(Path(python()).parent.parent.glob("lib/python3*/site-packages/nvidia/cu13"))
    require(found, "the Python environment has no nvidia/cu13")
    link = OUT / "link"
    link.mkdir(parents=True, exist_ok=True)
    library = link / "libcudart.so"
    if not library.exists():
        library.unlink(missing_ok=True)
        library.symlink_to(found[0] / "lib/libcudart.so.13")
    return found[0]


def stale(target, *sources):
    """Whether a file is older than what it is made from."""
    return not target.exists() or target.stat().st_mtime < max(path.stat().st_mtime for path in (*sources, FOLDER / "sample.h"))


def in_parallel(t, jobs):
    """Runs (label, words) two at a time; Failed names those that failed."""
    def run(job):
        label, words = job
        try:
            result = subprocess.run([str(word) for word in words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                    text=True, errors="replace", timeout=t.left())
        except subprocess.TimeoutExpired:
            return f"{label} (not in time)", 1, ""
        return label, result.returncode, result.stdout

    failed = []
    with ThreadPoolExecutor(2) as pool:
        for label, code, output in pool.map(run, jobs):
            if code != 0:
                failed.append(label)
                t.say(f"== {label}\n{output}")
    require(not failed, f"not compiled: {', '.join(failed)}")


def program(name, folder="80"):
    return OUT / f"program-{folder}" / name


def build_programs(t, names, architectures=("80",), folder="80"):
    """Programs with PTX for the architectures in them."""
    jobs = []
    (OUT / f"program-{folder}").mkdir(parents=True, exist_ok=True)
    codes = [f"-gencode=arch=compute_{a},code=compute_{a}" for a in architectures]
    nvcc = toolkit() / "bin/nvcc"
    for name in names:
        if stale(program(name, folder), FOLDER / f"{name}.cu"):
            jobs.append((name, [nvcc, "-O2", "-std=c++17", "-diag-suppress=20054", "-cudart", "shared", *codes, "-L", OUT / "link", "-o",
                                program(name, folder), FOLDER / f"{name}.cu"]))
    in_parallel(t, jobs)


def ptx_by_nvcc(t, architecture, options, folder):
    """Device parts alone, as PTX."""
    out = OUT / folder
    out.mkdir(parents=True, exist_ok=True)
    nvcc = toolkit() / "bin/nvcc"
    in_parallel(t, [(name, [nvcc, "-ptx", "-std=c++17", "-DSAMPLE_DEVICE_ONLY", "-diag-suppress=20054", f"-arch=compute_{architecture}", *options,
                            "-o", out / f"{name}.ptx", FOLDER / f"{name}.cu"])
                    for name in SAMPLES if stale(out / f"{name}.ptx", FOLDER / f"{name}.cu")])
    return out


def ptx_by_nvrtc(t, version, architecture):
    """Device parts compiled by a library in a process of Python, half of them each in two."""
    if version == 12:
        base = compilers() / "nvidia"
        library = base / "cuda_nvrtc/lib/libnvrtc.so.12"
        includes = [base / "cuda_runtime/include", base / "cuda_nvcc/include", base / "cuda_cccl/include"]
    else:
        library = toolkit() / "lib/libnvrtc.so.13"
        includes = [toolkit() / "include", toolkit() / "include/cccl"]
    out = OUT / f"nvrtc{version}-{architecture}"
    names = [name for name in SAMPLES if stale(out / f"{name}.ptx", FOLDER / f"{name}.cu", FOLDER / "nvrtc.py")]
    words = [sys.executable, FOLDER / "nvrtc.py", "--library", library, "--architecture", f"compute_{architecture}", "--out", out]
    for folder in includes:
        words += ["--include", folder]
    in_parallel(t, [(f"NVRTC {version}, part {k}", [*words, *[FOLDER / f"{name}.cu" for name in names[k::2]]]) for k in (0, 1) if names[k::2]])
    return out


def run_all(t, place, names, env=None, ptx=None, folder="80"):
    """Runs samples; the note says how many programs and checks."""
    failed, total = [], 0
    started = time.monotonic()
    for name in names:
        environment = {**(env or {}), **({"SAMPLE_PTX": str(ptx / f"{name}.ptx")} if ptx else {})}
        running = place.start([program(name, folder)], env=environment, label=name)
        try:
            code = running.wait(120)
        except Failed as failure:
            failed.append(f"{name} ({failure})")
            continue
        passed = re.search(rf"^{name}: passed, (\d+) checks$", running.output(), re.M)
        if code != 0 or not passed:
            failed.append(f"{name} ({last_line(running.output() or running.errors())})")
        else:
            total += int(passed[1])
    require(not failed, "; ".join(failed))
    return f"{len(names)} programs, {total} checks, {time.monotonic() - started:.0f} s to run"


@test("samples, nvcc 13, direct", 900)
def built_in(t):
    build_programs(t, SAMPLES)
    return run_all(t, Direct(t), SAMPLES)


@test("samples, nvcc 13, shm", 600)
def built_in_shm(t):
    build_programs(t, SAMPLES)
    return run_all(t, Embedded(t, "shm"), SAMPLES)


@test("samples, NVRTC 12", 600)
def nvrtc_12(t):
    build_programs(t, SAMPLES)
    return run_all(t, Direct(t), SAMPLES, ptx=ptx_by_nvrtc(t, 12, "80"))


@test("samples, nvcc 13, tcp", 900, full=True)
def built_in_tcp(t):
    build_programs(t, SAMPLES)
    with over_tcp(t) as (place, note):
        return run_all(t, place, SAMPLES) + (f"; {note}" if note else "")


@test("samples, header libraries", 900, full=True)
def header_libraries(t):
    build_programs(t, BUILT_IN)
    return run_all(t, Direct(t), BUILT_IN)


@test("samples, one program for all architectures", 900, full=True)
def fat(t):
    """A fatbin with PTX for every architecture: each device takes the newest that it can run."""
    names = ["vector_add", "reductions", "half", "tensor_cores"]
    build_programs(t, names, ARCHITECTURES, "all")
    return "; ".join(f"{capability(a)}: " + run_all(t, Direct(t, {"RINGWAY_SOFTGPU_CC": capability(a)}), names, folder="all") for a in ARCHITECTURES)


def add_architecture(title, limit_s, compile_ptx, architecture):
    @test(title, limit_s, full=True)
    def run(t):
        build_programs(t, SAMPLES)
        ptx = compile_ptx(t)
        return run_all(t, Direct(t, {"RINGWAY_SOFTGPU_CC": capability(architecture)}), SAMPLES, ptx=ptx)


for each in ARCHITECTURES:
    add_architecture(f"samples, nvcc 13, compute_{each}", 900, lambda t, a=each: ptx_by_nvcc(t, a, [], f"nvcc-{a}"), each)
for each, words in OPTIONS.items():
    add_architecture(f"samples, nvcc 13, {each}", 900, lambda t, e=each, w=words: ptx_by_nvcc(t, "80", w, f"nvcc-80-{e}"), "80")
for each in ["75", "90", "120"]:
    add_architecture(f"samples, NVRTC 12, compute_{each}", 900, lambda t, a=each: ptx_by_nvrtc(t, 12, a), each)
for each in ["75", "80", "90", "120"]:
    add_architecture(f"samples, NVRTC 13, compute_{each}", 900, lambda t, a=each: ptx_by_nvrtc(t, 13, a), each)


def add_triton(version):
    @test(f"Triton, compute capability {version}", 900, full=True)
    def run(t):
        out = OUT / f"triton-{version}"
        out.mkdir(parents=True, exist_ok=True)
        environment = {"TRITON_CACHE_DIR": TARGET / "ci-triton", "TRITON_PTX_OUT": out}
        program = Direct(t, {"RINGWAY_SOFTGPU_CC": version}).start(triton_words(), env=environment, label="triton")
        return f"{summary_of(program)['checks']} checks"


for each in ["8.6", "8.9", "12.0"]:
    add_triton(each)


@test("samples, kernels that can run", 900, full=True)
def support(t):
    """The share of all kernels compiled by the tests above that the software GPU runs: all of them."""
    files = sorted(OUT.glob("*/*.ptx"))
    require(len(files) > len(SAMPLES), "the tests before this one leave the PTX that it reads")
    t.sh("cargo", "build", "--release", "-p", "ringway-softgpu", "--example", "ptx_support")
    output = t.output_of(TARGET / "release/examples/ptx_support", *files)
    counted = re.search(r"(\d+) kernels can run, (\d+) cannot", output)
    require(counted, "ptx_support gave no summary")
    require(counted[2] == "0", f"{counted[2]} of {int(counted[1]) + int(counted[2])} kernels cannot run")
    return f"{counted[1]} kernels of {len(files)} files"
