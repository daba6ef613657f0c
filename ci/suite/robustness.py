"""Programs and servers that die, share, or misbehave: nobody hangs, nobody else is harmed, and everyone is told."""

import os
import signal
import time
from pathlib import Path

from .clients import CLIENTS, summary_of
from .places import RINGWAY, Embedded, Served, built_cpp, python, setup
from .runner import ROOT, Failed, last_line, require, test

ENDLESS = CLIENTS / "behaviour/endless.py"


def is_spare(pid):
    """Whether a worker waits for a session."""
    process = Path(f"/proc/{pid}")
    return b"--spare" in (process / "cmdline").read_bytes().split(b"\0") and (process / "comm").read_text().strip() != "ringway-worker"


def workers_of(server):
    """Process ids of the session workers under a server."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
                words = (entry / "cmdline").read_bytes().split(b"\0")
                spare = is_spare(entry.name)
            except OSError:
                continue
            parent = int(stat.rsplit(")", 1)[1].split()[1])
            if b"worker" in words and b"--inventory" not in words and not spare and parent in server_tree(server.pid):
                found.append(int(entry.name))
    return found


def server_tree(pid):
    """A process and all under it."""
    children = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(entry.name))
    seen, todo = set(), [pid]
    while todo:
        one = todo.pop()
        if one not in seen:
            seen.add(one)
            todo += children.get(one, [])
    return seen


def until(condition, what, limit_s=30):
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            raise Failed(f"waited {limit_s} s for {what}")
        time.sleep(0.02)


def check_lost(program, wanted_codes):
    """After its worker is gone a program ends by itself, not by a signal, with one clear line from Ringway."""
    started = time.monotonic()
    code = program.wait(30)
    took = time.monotonic() - started
    require(code in wanted_codes, f"the program ended with {code}: {last_line(program.errors())}")
    lines = [line for line in program.errors().splitlines() if line.startswith("ringway") and "lost" in line.lower()]
    require(len(lines) == 1, f"{len(lines)} lines say that the server was lost: {program.errors()[-500:]!r}")
    return f"told after {took:.1f} s"


@test("kill -9 of the worker", 120)
def kill_worker(t):
    notes = []
    served = Served(t)
    for link, server in (("shm", None), ("tcp", served.tcp_address())):
        program = served.start([python(), ENDLESS], options=["--link", link], server=server, label=link)
        program.wait_for_text("running")
        workers = workers_of(served.server)
        require(len(workers) == 1, f"{len(workers)} workers for one session")
        os.kill(workers[0], signal.SIGKILL)
        notes.append(f"{link} {check_lost(program, [17])}")
        require("CUDA error" in program.output(), "the program saw no CUDA error")
    # the server serves the next
    summary_of(served.start([python(), CLIENTS / "behaviour/out_of_memory.py"]))
    return ", ".join(notes)


@test("kill -9 of the server alone", 120)
def kill_server(t):
    """A session is a process of its own: programs compute on, are told what they have lost, and leave nothing behind."""
    served = Served(t)
    # What is computed is checked by the program.
    until_then = time.monotonic() + 6
    programs = [served.start([python(), CLIENTS / "behaviour/sharing.py", 1000, 16, until_then], options=["-m", "64", "--link", link], server=server, label=link)
                for link, server in (("shm", None), ("tcp", served.tcp_address()))]
    for program in programs:
        program.wait_for_text("ready")
    workers = workers_of(served.server)
    os.kill(served.server.pid, signal.SIGKILL)
    for program in programs:
        until(lambda: "goes on for as long as its session does" in program.errors(), "a program that is told", 20)
        require(program.wait(60) == 0, f"a program ended with {last_line(program.errors())}")
        require("fail from now on" not in program.errors(), f"a program that computes was told that its calls fail: {program.errors()}")
    until(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers), "the end of the workers", 20)
    return f"{len(programs)} programs"


@test("kill -9 of the worker in mid-training", 180)
def kill_worker_of_tinygrad(t):
    setup("need_clang")
    served = Served(t)
    program = served.start([python(), ROOT / "scripts/demo.d/train_digits.py", "--steps", "100000"], env={"DEV": "CUDA:PTX"}, label="train")
    program.wait_for_text("step   20", 120)
    workers = workers_of(served.server)
    require(len(workers) == 1, f"{len(workers)} workers for one session")
    os.kill(workers[0], signal.SIGKILL)
    note = check_lost(program, [1])
    require("CUDA Error" in program.errors(), f"tinygrad reported no CUDA error: {last_line(program.errors())}")
    return note


@test("kill -9 of the program", 120)
def kill_program(t):
    served = Served(t, {"RINGWAY_SOFTGPU_MEMORY_MIB": "512"})
    for _ in range(3):
        # the whole memory, so that the next one works only if this one's is freed
        program = served.start([python(), ENDLESS], options=["-p", "1.0"])
        program.wait_for_text("running")
        require(len(workers_of(served.server)) == 1, "no worker for the session")
        victims = [pid for pid in server_tree(program.pid) if b"endless.py" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        for pid in victims:
            os.kill(pid, signal.SIGKILL)  # the program and `ringway run` alike
        program.wait(30)
        until(lambda: not workers_of(served.server), "the worker to end")
    summary_of(served.start([python(), CLIENTS / "behaviour/out_of_memory.py"], options=["-p", "1.0"]))


@test("two programs on one device", 240)
def two_tenants(t):
    served = Served(t, {"RINGWAY_SOFTGPU_MEMORY_MIB": "1024"})
    total = 1024 << 20
    for round_number in range(2):  # the second round gets the memory that the first one wrote
        programs = [served.start([python(), CLIENTS / "behaviour/tenant.py", str(key), "--memory", str(int(total * fraction)), "--rounds", "3"],
                                 options=["-p", str(fraction)], label=f"tenant-{key}")
                    for key, fraction in ((1 + 2 * round_number, 0.3), (2 + 2 * round_number, 0.5))]
        for program in programs:
            summary_of(program)
    # more than is left is refused, with the cause and the cure
    holder = served.start([python(), ENDLESS], options=["-p", "0.7"], label="holder")
    holder.wait_for_text("running")
    refused = served.start([python(), ENDLESS], options=["-p", "0.5"], label="refused")
    code = refused.wait(30)
    require(code not in (0, 17) and "ringway" in refused.errors(), f"a lease beyond the memory ended with {code}: {refused.errors()!r}")
    return last_line(refused.errors())[:90]


@test("hostile client", 300)
def hostile(t):
    served = Served(t)
    victims = [served.start([python(), ENDLESS], options=["-p", "0.1", "--link", "shm"], label="victim-shm"),
               served.start([python(), ENDLESS], options=["-p", "0.1", "--link", "tcp"], server=served.tcp_address(), label="victim-tcp")]
    for victim in victims:
        victim.wait_for_text("running")
    counts = []
    for address in (f"unix:{served.socket}", served.tcp_address()):
        summary = summary_of(t.start(["python3", CLIENTS / "hostile/main.py", address], label="hostile"))
        counts.append(summary["checks"])
    for victim in victims:
        require(victim.process.poll() is None, f"another session was harmed: {victim.errors()[-300:]!r}")
    require(served.server.process.poll() is None, "the server ended")
    require("panicked" not in served.server.errors(), "something panicked")
    summary_of(served.start([python(), CLIENTS / "behaviour/out_of_memory.py"], options=["-p", "0.5"]))
    return f"{sum(counts)} checks, two other sessions went on"


@test("static NVIDIA runtime is explained", 120)
def static_runtime(t):
    program = Embedded(t).start([built_cpp() / "static_runtime"])
    code = program.wait(60)
    require(code == 3, f"ended with {code}: {last_line(program.output() + program.errors())}")
    lines = [line for line in program.errors().splitlines() if "-cudart shared" in line]
    require(len(lines) == 1, f"{len(lines)} lines name the cure: {program.errors()[-400:]!r}")


@test("errors of posted calls are kept and named", 120)
def kept_errors(t):
    words = [python(), CLIENTS / "behaviour/kept_errors.py"]
    for link in ("shm", "tcp"):
        place = Embedded(t, link)
        kept = place.start(words)
        summary_of(kept)
        lines = [line for line in kept.errors().splitlines() if "cuMemcpyDtoDAsync failed with 1" in line]
        require(len(lines) == 1 and "reported by cuStreamSynchronize" in lines[0], f"{link}: {kept.errors()!r}")
        summary_of(place.start(words, env={"RINGWAY_SYNC": "1"}))


@test("exit codes and signals pass through", 120)
def exit_codes(t):
    place = Embedded(t)
    for words, want in ((["sh", "-c", "exit 42"], 42), (["true"], 0), (["false"], 1), (["/nowhere/program"], 127), (["/etc/passwd"], 126)):
        code = place.start(words, options=["--quiet"], label="exit").wait(60)
        require(code == want, f"{' '.join(words)} ended with {code}, expected {want}")
    program = place.start(["sh", "-c", "kill -SEGV $$"], options=["--quiet"], label="segv")
    code = program.wait(60)
    require(code in (-signal.SIGSEGV, 128 + signal.SIGSEGV), f"a program that a signal ended gave {code}")
    program = place.start(["sh", "-c", "trap 'exit 7' TERM; echo ready; while :; do sleep 0.1; done"], label="term")
    program.wait_for_text("ready")
    os.kill(program.pid, signal.SIGTERM)
    code = program.wait(30)
    require(code == 7, f"SIGTERM was not passed on: {code}")


@test("libraries with many thread-local variables", 120)
def thread_locals(t):
    """A program starts whose libraries have 24 KiB of them, which glibc has no space for where there is an auditor."""
    setup("need_cxx")
    library, program = t.folder / "libmany.so", t.folder / "program"
    (t.folder / "many.c").write_text("__thread char many[24 << 10] __attribute__((tls_model(\"initial-exec\")));\n"
                                     "int sum(void) { many[5] = 42; int s = 0; for (int i = 0; i < sizeof many; i++) s += many[i]; return s; }\n")
    (t.folder / "program.c").write_text("int sum(void); int main(void) { return sum(); }\n")
    t.output_of("gcc", "-shared", "-fPIC", "-o", library, t.folder / "many.c")
    t.output_of("gcc", "-o", program, t.folder / "program.c", library, f"-Wl,-rpath,{t.folder}")
    code = Embedded(t).start([program]).wait(60)
    require(code == 42, f"ended with {code}, not 42")


@test("wrong command lines say what is wrong", 120)
def command_lines(t):
    cases = [
        (["run"], 2, "CMD"),
        (["run", "--server", "127.0.0.1:1", "--", "true"], None, "127.0.0.1:1"),
        (["run", "-p", "7", "--", "true"], None, "7"),
        (["run", "-n", "99", "--driver", "softgpu", "--", "true"], None, "99"),
        (["run", "-m", "99999999", "--driver", "softgpu", "--", "true"], None, "MiB"),
        (["run", "--driver", "/nowhere", "--", "true"], None, "/nowhere"),
        (["serve", "--listen", "300.0.0.1:5"], None, "300.0.0.1"),
        (["nonsense"], 2, "nonsense"),
    ]
    for words, code, text in cases:
        program = t.start([RINGWAY, *words])
        got = program.wait(30)
        require(got == code if code is not None else got not in (0, 101) and got > 0, f"ringway {' '.join(words)} ended with {got}")
        require(text in program.errors(), f"ringway {' '.join(words)} does not name {text!r}: {program.errors()!r}")
        require("panicked" not in program.errors(), f"ringway {' '.join(words)} panicked")
        require("WARN" not in program.errors(), f"ringway {' '.join(words)} warns of what does not matter: {program.errors()!r}")
    missing = t.start([RINGWAY, "run", "--", "true"], env={"RINGWAY_LIBDIR": "/nowhere"})
    require(missing.wait(30) == 125 and "libringway_shim.so is missing" in missing.errors(), f"no libraries: {missing.errors()!r}")
    served = Served(t)
    busy = t.start([RINGWAY, "serve", "--driver", "softgpu", "--listen", served.tcp_address()])
    require(busy.wait(30) not in (0, 101) and served.tcp_address() in busy.errors(), f"a busy port: {busy.errors()!r}")
