"""`ringway why`: what it counts, where it says that calls were made, and what it predicts."""

import functools
import json
import math
import subprocess

from .clients import CLIENTS
from .places import RINGWAY, Served, python, setup
from .runner import TARGET, last_line, require, test

SYNCHRONISATIONS, DOWNLOADS = 37, 23
FIELDS = {"schema", "wall_s", "link", "round_trip_us", "processes", "processes_unusable", "calls_not_recorded", "waiting", "posted", "bytes_up",
          "bytes_down", "exposed_s", "hidden_s", "predictions", "advice"}


@functools.cache
def waits():
    """The program with a known number of waiting calls, with debugging information and the functions not merged."""
    setup("need_cxx")
    out = TARGET / "ci-cpp"
    out.mkdir(parents=True, exist_ok=True)
    built = subprocess.run(["g++", "-g", "-O1", "-std=c++17", "-o", out / "waits", CLIENTS / "cpp/waits.cpp", "-ldl"], stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    require(built.returncode == 0, f"g++: {last_line(built.stdout)}")
    return out / "waits"


def why(t, words, *options, code=0, env=None):
    report = t.folder / "why.json"
    report.unlink(missing_ok=True)
    program = t.start([RINGWAY, "why", "--json", "--output", report, *options, "--", *words], env=env, label="why")
    ended = program.wait()
    require(ended == code, f"exit code {ended}, not {code}: {last_line(program.errors())}")
    return json.loads(report.read_text())


def by_function(report):
    return {one["function"]: one for one in report["waiting"]["by_function"]}


def check_form(report):
    require(set(report) == FIELDS and report["schema"] == "ringway-why-1", f"the report has other fields: {sorted(report)}")

    def numbers(value):
        if isinstance(value, dict):
            for inner in value.values():
                numbers(inner)
        elif isinstance(value, list):
            for inner in value:
                numbers(inner)
        else:
            require(not isinstance(value, float) or (math.isfinite(value)), f"not a number: {value}")

    numbers(report)
    require(report["predictions"], "nothing is predicted")
    for one in report["predictions"]:
        parts = one["compute_s"] + one["round_trips_s"] + one["transfer_s"]
        require(abs(parts - one["wall_s"]) < 1e-6, f"the parts are not the whole: {one}")
    for name in ("by_function", "by_site"):
        rows = report["waiting"][name]
        require(sum(one["calls"] for one in rows) == report["waiting"]["calls"], f"{name} does not add up")
        require(all(one["p50_us"] <= one["p99_us"] <= one["max_us"] for one in rows), f"{name}: quantiles out of order")


def check_counts(report, times=1):
    """What the program did."""
    counts = by_function(report)
    for function, calls in (("cuStreamSynchronize", SYNCHRONISATIONS), ("cuMemcpyDtoH", DOWNLOADS)):
        require(function in counts, f"{function} is not among {sorted(counts)}")
        require(counts[function]["calls"] == calls * times, f"{function}: {counts[function]['calls']} calls, not {calls * times}")
    posted = {one["function"]: one["calls"] for one in report["posted"]["by_function"]}
    require(posted.get("cuMemsetD32") == SYNCHRONISATIONS * times or posted.get("cuMemsetD32Async") == SYNCHRONISATIONS * times, f"posted: {posted}")
    require(report["bytes_down"] == DOWNLOADS * 64 * times, f"{report['bytes_down']} bytes came")


def check_sites(report, program, times=1):
    for symbol, function, calls in (("synchronise_often", "cuStreamSynchronize", SYNCHRONISATIONS), ("download_often", "cuMemcpyDtoH", DOWNLOADS)):
        found = [one for one in report["waiting"]["by_site"] if one["site"]["symbol"] == symbol]
        require(len(found) == 1, f"{symbol}: {len(found)} places")
        one, site = found[0], found[0]["site"]
        require((one["function"], one["calls"]) == (function, calls * times), f"{symbol}: {one}")
        require(site["object"] == str(program) and site["file"].endswith("waits.cpp") and site["line"] > 0, f"{symbol} is at {site}")


@test("why counts waiting calls and names their places", 120)
def counts_and_places(t):
    program = waits()
    words = [program, SYNCHRONISATIONS, DOWNLOADS]
    report = why(t, words, "--driver", "softgpu", "--rtt", "5ms", "--rtt", "0us", "--bandwidth", "10Gbit")
    check_form(report)
    check_counts(report)
    check_sites(report, program)
    require(report["link"] == "tcp", f"the embedded server was reached by {report['link']}")
    require([process["ended"] for process in report["processes"]] == [True], f"processes: {report['processes']}")
    slow, none = report["predictions"]
    require((slow["round_trip_us"], slow["gbit_s"]) == (5000, 10) and none["round_trip_us"] == 0, "other networks than asked for")
    # each waiting call by itself, and opening the session
    least = 0.005 * report["waiting"]["calls"]
    require(least <= slow["round_trips_s"] <= least + 0.02, f"{slow['round_trips_s']} s for {report['waiting']['calls']} waiting calls")
    require(any("synchronise_often" in text for text in report["advice"]), f"advice: {report['advice']}")
    # by shared memory the same
    by_shm = why(t, words, "--driver", "softgpu", "--link", "shm")
    check_counts(by_shm)
    check_sites(by_shm, program)
    require(len(by_shm["predictions"]) == 18, f"{len(by_shm['predictions'])} networks by default")
    return f"{report['waiting']['calls']} waiting calls, {len(report['waiting']['by_site'])} places"


@test("why over several processes, and of one that is killed", 120)
def processes(t):
    program = waits()
    command = f"{program} {SYNCHRONISATIONS} {DOWNLOADS}"
    report = why(t, ["sh", "-c", f"{command} && {command} killed; exit 7"], "--driver", "softgpu", code=7)
    check_form(report)
    check_counts(report, 2)
    check_sites(report, program, 2)
    require(sorted(process["ended"] for process in report["processes"]) == [False, True], f"processes: {report['processes']}")
    require(all(process["name"] == "waits" for process in report["processes"]), f"processes: {report['processes']}")
    none = why(t, ["true"], "--driver", "softgpu")
    require(none["processes"] == [] and none["waiting"]["calls"] == 0, "a program without a session has an account")
    return f"{len(report['processes'])} processes"


@test("why of a Python program names the library", 120)
def of_python(t):
    report = why(t, [python(), CLIENTS / "behaviour/steady.py", "0.3"], "--driver", "softgpu")
    check_form(report)
    require(by_function(report)["cuMemcpyDtoH"]["calls"] > 0, "no copy to the host")
    objects = {one["site"]["object"].rsplit("/", 1)[-1] for one in report["waiting"]["by_site"]}
    require(any("ffi" in name or "_ctypes" in name for name in objects), f"calls come from {objects}")
    symbols = {one["site"]["symbol"] for one in report["waiting"]["by_site"]}
    require(any(symbols - {None}), "no symbol")
    return f"{', '.join(sorted(objects))}: {', '.join(sorted(filter(None, symbols)))}"


@test("an emulated network delays programs and changes nothing else", 120)
def emulated(t):
    program = waits()
    over = {"RINGWAY_EMULATED_NETWORK": "2ms,10Gbit"}
    served = Served(t, {**over, "RINGWAY_GRACE": "1"})
    try:
        options = ["--server", served.tcp_address(), "--link", "tcp"]
        report = why(t, [program, SYNCHRONISATIONS, DOWNLOADS], *options, env=over)
        check_counts(report)
        # Nothing may come before it is due, however busy this machine is.
        require(all(one["p50_us"] >= 2000 for one in report["waiting"]["by_function"]), "an answer came too early")
        require(report["round_trip_us"] >= 2000, "the session's round trip is too short")
        # An end that emulates nothing is told from one that does; its session is lost, not its numbers wrong.
        alone = t.start([RINGWAY, "run", *options, "--", program, 1, 1], env={"RINGWAY_GRACE": "0"}, label="alone")
        require(alone.wait() != 0, "a program without emulation spoke to a server with it")
        bad = t.start([RINGWAY, "run", *options, "--", program, 1, 1], env={"RINGWAY_EMULATED_NETWORK": "soon"}, label="bad")
        require(bad.wait() != 0 and "RINGWAY_EMULATED_NETWORK" in bad.errors() + bad.output(), f"a network that is none: {bad.errors()!r}")
    finally:
        served.close()
    return f"round trip {report['round_trip_us']:.0f} us"


@test("wrong command lines of why", 60)
def command_lines(t):
    """Each ends with 2 (or 125 where a file cannot be written) before the program runs."""
    for code, options in (
        (2, ["--rtt", "5"]), (2, ["--rtt", "11s"]), (2, ["--rtt", "-1us"]), (2, ["--bandwidth", "10"]), (2, ["--bandwidth", "10bit"]),
        (2, ["--direct"]), (2, ["--fraction", "0.5", "--memory", "64"]), (125, ["--output", "/nowhere/file"]),
    ):
        program = t.start([RINGWAY, "why", *options, "--", "sh", "-c", "echo ran"], label="why")
        require(program.wait() == code, f"{options}: exit code {program.process.returncode}, not {code}")
        require("ran" not in program.output(), f"{options}: the program ran")
        require(program.errors().strip(), f"{options}: nothing is said")
    nothing = t.start([RINGWAY, "why", "--json"], label="why")
    require(nothing.wait() == 2, "no program to run")
    return "8 and none"
