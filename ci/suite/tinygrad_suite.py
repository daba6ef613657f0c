"""tinygrad's own operator tests: on its CUDA device, directly on the software GPU, beside its own CPU device.

tinygrad's packages on PyPI leave these tests out from 0.13 on. So they are those of 0.12.0's source package, run on that same version,
which the source package holds too; of the version pinned in ci/requirements.txt the one file of tests is run that its package has.
"""

import functools
import os
import shutil
from pathlib import Path

from .foreign import Outcome, Part, Process, Suite, judge
from .places import setup
from .runner import RELEASE, ROOT, TARGET, require, test

WITH_OPERATORS = "0.12.0"
OPERATORS = "test/test_ops.py"
PARTS = 16  # of the operator tests; a crash costs one test, a new process some seconds

# What scripts/test runs without --full: operators of every kind, few enough for CI's time.
SOME = """add sub mul div pow maximum minimum exp log sqrt sin tanh sigmoid gelu softmax logsumexp sum mean max argmax cumsum var matmul gemm conv2d
    simple_conv2d max_pool2d_simple pad gather scatter where cmp_eq div_rounding_mode lshift xor permute flip expand cat sort topk einsum cast round isnan""".split()

PYTHON_FOLDER = os.environ.get("RINGWAY_VENV", str(ROOT / ".venv"))


@functools.cache
def torch_python():
    setup("need_torch_venv")
    setup("need_clang")
    return Path(f"{PYTHON_FOLDER}-torch") / "bin" / "python"


def source_package(t, version):
    """The unpacked source package of a version, from PyPI."""
    place = TARGET / "suites" / f"tinygrad-{version}"
    if not (place / "pyproject.toml").exists() and not (place / "setup.py").exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        t.sh(torch_python(), "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps", "--no-binary", "tinygrad",
             "-d", place.parent, f"tinygrad=={version}")
        shutil.rmtree(place, ignore_errors=True)
        shutil.unpack_archive(place.parent / f"tinygrad-{version}.tar.gz", place.parent, filter="data")
    return place


def stubs(t):
    """The folder of empty CUDA libraries without which PyTorch cannot be imported."""
    out = TARGET / "suites" / "torch-stubs"
    packages = t.output_of(torch_python(), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    t.sh("python3", ROOT / "ci/foreign/torch_stubs.py", Path(packages) / "torch" / "lib", out)
    return out


def compiler_library():
    """NVRTC, in the environment of the client programs."""
    setup("need_venv")
    found = [path for path in sorted(Path(PYTHON_FOLDER).glob("lib/python*/site-packages/nvidia/*/lib/libnvrtc.so.*")) if "alt" not in path.name]
    require(found, "no libnvrtc.so in the environment")
    return found[0]


def toolkit():
    """A folder as tinygrad expects CUDA's: the driver library, and headers for NVRTC."""
    folder = TARGET / "suites" / "toolkit"
    folder.mkdir(parents=True, exist_ok=True)
    for name, target in (("libcuda.so.1", RELEASE / "libringway_softgpu.so"), ("include", compiler_library().parent.parent / "include")):
        link = folder / name
        link.unlink(missing_ok=True)
        link.symlink_to(target)
    return folder


def suite_on(t, device, place):
    """tinygrad's suite on "CPU", "CUDA:PTX" (its own PTX) or "CUDA" (CUDA C++ through NVRTC)."""
    env = {"PYTHONPATH": str(place), "LD_LIBRARY_PATH": str(stubs(t)), "CACHEDB": str(TARGET / "suites" / "tinygrad-cache.db"), "OMP_NUM_THREADS": "1"}
    if device == "CPU":
        env.update(CPU="1")
    else:
        env.update(CUDA="1", CUDA_PATH=str(toolkit()))
        env.update({"CUDA_PTX": "1"} if device == "CUDA:PTX" else {"NVRTC_PATH": str(compiler_library())})
    return Suite(f"tinygrad {device}", str(torch_python()), ["--rootdir", str(place)], env, cwd=place, on_gpu=device != "CPU")


def chosen_ids(t, suite, names):
    """Ids of the operator tests: all, or those of these names."""
    process = Process(suite, t.folder, Part("collect", [OPERATORS, "--collect-only"]), t.deadline)
    process.execute()
    _, _, ids = process.read()
    require(ids, f"no tests collected: {process.tail()}")
    chosen = [test for test in ids if names is None or test.rpartition("::test_")[2] in names]
    require(names is None or len(chosen) >= len(names), "tests of operators are gone")
    return chosen


def run(t, suite, ids):
    count = min(PARTS, max(2, len(ids) // 20))
    parts = [Part(f"{suite.name} {k + 1}", [OPERATORS], ids[k::count]) for k in range(count)]
    return suite.run(t.folder, parts, t.deadline, lambda text: t.progress(f"{suite.name}: {text}"))


def judged(t, device, outcomes, whole, note):
    """The result beside the lines of the list that are of this device."""
    mine = {f"{device} {name}": Outcome(f"{device} {name}", found.how, found.text, found.seconds) for name, found in outcomes.items()}
    return judge(t, "tinygrad", f"tinygrad operators {device.replace(':', ' ')}{'' if whole else ' part'}", mine, whole, lambda name: name.startswith(f"{device} "), note)


CPU_RESULTS = {}


def whole(t, device):
    """All operator tests that pass on tinygrad's CPU device."""
    if not CPU_RESULTS:
        on_cpu = suite_on(t, "CPU", source_package(t, WITH_OPERATORS))
        CPU_RESULTS.update(run(t, on_cpu, chosen_ids(t, on_cpu, None)))
    good = [name for name, found in CPU_RESULTS.items() if found.how == "passed"]
    for name, found in CPU_RESULTS.items():
        if found.how != "passed":
            t.say(f"{found.how} on tinygrad's CPU device, so not counted: {name}: {found.text[:300]}")
    require(len(good) > 0.9 * len(CPU_RESULTS), f"only {len(good)} of {len(CPU_RESULTS)} pass on tinygrad's own CPU device")
    outcomes = run(t, suite_on(t, device, source_package(t, WITH_OPERATORS)), good)
    return judged(t, device, outcomes, True, f"{len(good)} of {len(CPU_RESULTS)} pass on its CPU device")


@test("tinygrad's own tests, a part", 900)
def part(t):
    """Some operators, with tinygrad's own PTX; and of the pinned version what its package has."""
    suite = suite_on(t, "CUDA:PTX", source_package(t, WITH_OPERATORS))
    note = judged(t, "CUDA:PTX", run(t, suite, chosen_ids(t, suite, SOME)), False, "")
    return note + "; " + tiny(t)


def tiny(t):
    """test_tiny.py of the pinned version, on the version installed for the client programs."""
    setup("need_suites_venv")
    python = f"{PYTHON_FOLDER}-suites/bin/python"
    version = t.output_of(python, "-c", "import importlib.metadata as m; print(m.version('tinygrad'))").strip()
    place = source_package(t, version)
    env = {"DEV": "CUDA:PTX", "CACHEDB": str(TARGET / "suites" / f"tinygrad-{version}.db")}
    suite = Suite("tinygrad", python, ["--rootdir", str(place)], env, cwd=place)
    outcomes = suite.run(t.folder, [Part("test_tiny", ["test/test_tiny.py"])], t.deadline)
    mine = {f"{version} {name}": found for name, found in outcomes.items()}
    return "test_tiny: " + judge(t, "tinygrad", f"tinygrad {version} test_tiny", mine, True, lambda name: name.startswith(f"{version} "))


@test("tinygrad's operator tests, CUDA:PTX", 5400, full=True)
def whole_ptx(t):
    return whole(t, "CUDA:PTX")


@test("tinygrad's operator tests, CUDA by NVRTC", 5400, full=True)
def whole_nvrtc(t):
    return whole(t, "CUDA")
