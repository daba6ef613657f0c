"""The demo, as a user runs it."""

from .places import venv_env
from .runner import ROOT, require, test


@test("scripts/demo", 900)
def demo(t):
    program = t.start([ROOT / "scripts/demo"], env=venv_env(), label="demo")
    code = program.wait()
    require(code == 0, f"ended with {code}; its output is in the log")
    return next((line.strip()[4:].strip() for line in program.output().splitlines() if "test accuracy" in line and "ok" in line), "")
