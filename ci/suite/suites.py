"""That a crash, a hang and a spoilt context cost one test each, and that the lists of known failures are kept strictly."""

import json
import os

from . import foreign
from .foreign import Outcome, Part, Suite, judge
from .places import setup
from .runner import ROOT, Failed, require, test

PROGRAM = '''
import os, signal, subprocess, time, unittest, pathlib

class Ends(unittest.TestCase):
    def test_a_passes(self): pass
    def test_b_fails(self): self.assertEqual(1, 2)
    def test_c_ends_the_process(self): os.kill(os.getpid(), signal.SIGSEGV)
    def test_d_hangs(self): time.sleep(600)
    def test_e_skips(self): self.skipTest("no reason")
    @unittest.expectedFailure
    def test_f_is_expected_to_fail(self): self.fail()
    @unittest.expectedFailure
    def test_g_passes_unexpectedly(self): pass
    def test_h_leaves_an_error(self): raise RuntimeError("CUDA_ERROR_ILLEGAL_ADDRESS")
    def test_i_passes(self): pass
    def test_j_spoilt_only_by_an_earlier_one(self):
        mark = pathlib.Path(os.environ["MARK"])
        if not mark.exists():
            mark.write_text("")
            raise RuntimeError("CUDA_ERROR_LAUNCH_FAILED")
    def test_k_with_parts(self):
        for k in range(3):
            with self.subTest(k=k): self.assertNotEqual(k, 1)
    def test_l_passes(self): pass
    def test_m_is_late_once(self):
        mark = pathlib.Path(os.environ["MARK"] + "-late")
        if not mark.exists():
            mark.write_text("")
            raise subprocess.TimeoutExpired("sleep", 1)
    def test_n_is_always_late(self): raise subprocess.TimeoutExpired("sleep", 1)
'''

EXPECTED = {"a_passes": "passed", "b_fails": "failed", "c_ends_the_process": "crashed", "d_hangs": "hung", "e_skips": "skipped",
            "f_is_expected_to_fail": "passed", "g_passes_unexpectedly": "failed", "h_leaves_an_error": "failed",
            "i_passes": "passed", "j_spoilt_only_by_an_earlier_one": "passed", "k_with_parts": "failed", "l_passes": "passed",
            "m_is_late_once": "passed", "n_is_always_late": "failed"}


@test("other projects' suites: harness", 240)
def harness(t):
    setup("need_suites_venv")
    program = t.folder / "test_ends.py"
    program.write_text(PROGRAM)
    mark = t.folder / "mark"
    for each in (mark, t.folder / "mark-late"):
        each.unlink(missing_ok=True)
    python = os.environ.get("RINGWAY_VENV", str(ROOT / ".venv")) + "-suites/bin/python"
    suite = Suite("harness", python, ["--rootdir", str(t.folder)], {"MARK": str(mark)}, test_limit_s=5, on_gpu=False)
    outcomes = suite.run(t.folder, [Part("ends", [str(program)])], t.deadline)
    found = {name.rpartition("::test_")[2]: outcome.how for name, outcome in outcomes.items()}
    require(found == EXPECTED, f"outcomes: {[(name, found.get(name), want) for name, want in EXPECTED.items() if found.get(name) != want] or found}")
    return f"{len(found)} tests ended as they should; {lists(t)}"


def lists(t):
    """The judgement of each kind of deviation from a list of known failures."""
    outcomes = {"good": Outcome("good", "passed"), "bad": Outcome("bad", "failed", "broken"), "idle": Outcome("idle", "skipped", "no need")}
    cases = [
        ("bad | defect | why", True, None),
        ("bad | machine-code | why", True, None),
        ("", True, "fail and are not listed"),
        ("good | defect | why\nbad | defect | why", True, "do not fail"),
        ("idle | defect | why\nbad | defect | why", True, "do not fail"),
        ("good | flaky | why\nbad | flaky | why", True, None),
        ("gone | defect | why\nbad | defect | why", True, "do not exist"),
        ("gone | defect | why\nbad | defect | why", False, None),
        ("bad | whim | why", True, "unknown kind"),
        ("bad, why", True, "expected"),
        ("bad | defect | why\nbad | defect | why", True, "listed twice"),
    ]
    kept = foreign.KNOWN, foreign.REPORTS
    foreign.KNOWN = foreign.REPORTS = t.folder
    try:
        for text, whole, wanted in cases:
            (t.folder / "list.txt").write_text(text + "\n")
            try:
                judge(t, "list", "list", outcomes, whole)
                said = None
            except Failed as failure:
                said = str(failure)
            require((said is None) == (wanted is None) and (wanted or "") in (said or ""), f"{text!r}: {said!r}, expected {wanted!r}")
            if wanted is None:
                report = json.loads((t.folder / "list.json").read_text())
                want_share = 1.0 if "machine-code" in text else 0.5
                require((report["passed"], report["failed"], report["skipped"], report["share_of_those_in_reach"]) == (1, 1, 1, want_share), f"{text!r}: {report}")
    finally:
        foreign.KNOWN, foreign.REPORTS = kept
    return f"{len(cases)} lists judged"
