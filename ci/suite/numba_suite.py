"""numba-cuda's own test suite, which its package carries, run directly on the software GPU."""

import os
from pathlib import Path

from .foreign import Part, Suite, judge
from .places import setup
from .runner import ROOT, require, test

PYTHON_FOLDER = os.environ.get("RINGWAY_VENV", str(ROOT / ".venv"))

# What scripts/test runs without --full: modules that touch many features and take little time.
SOME = """cudadrv/test_cuda_memory cudadrv/test_events cudadrv/test_linker cudadrv/test_streams cudadrv/test_managed_alloc cudadrv/test_cuda_ndarray
    cudapy/test_atomics cudapy/test_constmem cudapy/test_cooperative_groups cudapy/test_dispatcher cudapy/test_intrinsics cudapy/test_libdevice
    cudapy/test_localmem cudapy/test_print cudapy/test_random cudapy/test_recursion cudapy/test_reduction cudapy/test_sm cudapy/test_warp_ops
    doc_examples/test_cg""".split()


def tests_folder(t, python):
    found = t.output_of(python, "-c", "import importlib.util as u; print(u.find_spec('numba_cuda').submodule_search_locations[0])").strip()
    return Path(found) / "numba/cuda/tests"


def run(t, names=None):
    setup("need_suites_venv")
    python = f"{PYTHON_FOLDER}-suites/bin/python"
    folder = tests_folder(t, python)
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("test_*.py"))
    chosen = [name for name in files if names is None or name.removesuffix(".py") in names]
    require(len(chosen) > 100 if names is None else len(chosen) == len(names), f"numba-cuda's tests are not where they were: {len(chosen)} files found")
    # The longest files first, so that no processor waits for the last one at the end.
    chosen.sort(key=lambda name: -(folder / name).stat().st_size)
    env = {"TMPDIR": str(t.folder)}  # some tests count the files that numba's cache leaves there
    suite = Suite("numba-cuda", python, ["-o", "consider_namespace_packages=true", "--rootdir", str(folder)], env)
    outcomes = suite.run(t.folder, [Part(name, [str(folder / name)]) for name in chosen], t.deadline, t.progress)
    return judge(t, "numba-cuda", "numba-cuda" if names is None else "numba-cuda part", outcomes, names is None)


@test("numba-cuda's own tests, a part", 900)
def part(t):
    return run(t, SOME)


@test("numba-cuda's own tests", 5400, full=True)
def whole(t):
    return run(t)
