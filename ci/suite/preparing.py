"""What the tests need of the network is fetched while the first of them compile.

Each test still asks for what it needs, and waits where that is under way; what fails here is tried again there, and reported there.
"""

import contextlib
import os
import subprocess
import sys

from .runner import LOGS, ROOT

ENVIRONMENTS = ["need_cxx", "need_clang", "need_valgrind", "need_etcd", "need_venv", "need_suites_venv", "need_compilers_venv", "need_torch_venv"]
VIRTUAL_MACHINE = "from ci.vm.fetch import bundle; bundle()"


@contextlib.contextmanager
def in_the_background():
    """Fetches, with little of the processor, for as long as the body runs."""
    LOGS.mkdir(parents=True, exist_ok=True)
    with open(LOGS / "preparing.log", "w") as log:
        begun = [subprocess.Popen(words, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=lambda: os.nice(10), start_new_session=True)
                 for words in (["bash", "-c", ". scripts/lib/setup.sh; " + "; ".join(ENVIRONMENTS)], [sys.executable, "-c", VIRTUAL_MACHINE])]
    try:
        yield
    finally:
        for process in begun:
            with contextlib.suppress(ProcessLookupError):
                if process.poll() is None:
                    os.killpg(process.pid, 15)
            process.wait()
