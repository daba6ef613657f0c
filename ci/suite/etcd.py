"""A pool of several nodes: its store in a real etcd, and who leads. The tests are cargo's, which leaves them out where no etcd is named."""

import os
import re
import shutil
from pathlib import Path

from .places import setup
from .runner import require, test


def program():
    """The program etcd, as need_etcd of scripts/lib/setup.sh provides it."""
    setup("need_etcd")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return shutil.which("etcd") or str(cache / "ringway/etcd/usr/bin/etcd")


@test("etcd: the pool's store and its leader", 600)
def store_and_leader(t):
    """Lost, late and unanswered writes, killed members, stopped leaders: nothing acknowledged is lost, and one node at a time writes."""
    run = t.start(["cargo", "test", "--release", "--workspace", "--test", "etcd", "--", "--include-ignored", "--test-threads", "6"],
                  env={"RINGWAY_TEST_ETCD": program()}, label="cargo")
    code = run.wait()
    result = re.search(r"test result: \w+. (\d+) passed; (\d+) failed; (\d+) ignored", run.output())
    failed = re.findall(r"^test (\S+) \.\.\. FAILED", run.output(), re.M)
    require(code == 0 and result, f"cargo test ended with {code}: {', '.join(failed) or run.errors()[-300:]}")
    passed, _, ignored = map(int, result.groups())
    require(passed >= 20 and ignored == 0, f"{passed} tests ran, {ignored} were left out")
    return f"{passed} tests"
