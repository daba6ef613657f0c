"""A pytest plugin for other projects' test suites: one JSON line for each test that starts and each that ends.

The lines are written as things happen, so that what ends the process (a crash, a watchdog) is known to be the test that started
last. Settings, in the environment:
  SUITE_RESULTS  the file that gets the lines
  SUITE_DONE     a file with one test id a line: these have been run before and are left out
  SUITE_ONLY     a file with one test id a line: only these are run
"""

import json
import os
import sys

import pytest

RESULTS = open(os.environ["SUITE_RESULTS"], "a", buffering=1)  # line by line, so that nothing is lost with the process
TEXT_MAX = 2000  # characters of a failure that are kept
POISONED = 77  # the exit code that says: the last test's context can run nothing more
# Errors that stay with a context.
STICKY = ("ILLEGAL_ADDRESS", "MISALIGNED_ADDRESS", "LAUNCH_FAILED", "LAUNCH_TIMEOUT", "HARDWARE_STACK_ERROR", "ILLEGAL_INSTRUCTION", "ERROR_ASSERT")

sticky = False


def ids_in(variable):
    path = os.environ.get(variable)
    return None if not path else {line for line in open(path, encoding="utf-8").read().splitlines() if line}


def write(**fields):
    RESULTS.write(json.dumps(fields) + "\n")


@pytest.fixture(scope="class")
def initialize_from_pytest_config(request):
    """What numba-cuda's conftest.py, which its package lacks, gives to its test classes."""
    request.cls._dump_failed_filechecks = False


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    done, only = ids_in("SUITE_DONE") or set(), ids_in("SUITE_ONLY")
    kept = [item for item in items if item.nodeid not in done and (only is None or item.nodeid in only)]
    if len(kept) != len(items):
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept
    write(event="collected", ids=[item.nodeid for item in items])


def pytest_collectreport(report):
    if report.failed:
        write(event="uncollected", id=report.nodeid, text=str(report.longrepr)[-TEXT_MAX:])


def pytest_runtest_logstart(nodeid, location):
    write(event="start", id=nodeid)


def pytest_runtest_logreport(report):
    global sticky
    text = ""
    if report.skipped:
        text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr or getattr(report, "wasxfail", ""))
    elif report.failed:
        whole = str(report.longrepr)
        sticky = sticky or any(word in whole for word in STICKY)
        crash = getattr(report.longrepr, "reprcrash", None)
        text = (f"{crash.message[:TEXT_MAX]}\n" if crash else "") + whole[-TEXT_MAX:]
    if report.when == "call" or report.failed or report.skipped:
        write(event="report", id=report.nodeid, outcome=report.outcome, expected=hasattr(report, "wasxfail"), text=text, seconds=report.duration)


def pytest_runtest_logfinish(nodeid, location):
    write(event="end", id=nodeid)
    if sticky:
        sys.stdout.flush()
        os._exit(POISONED)
