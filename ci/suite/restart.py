"""`ringway serve` restarts in place: nobody who runs notices, nobody who comes is turned away, nothing is left behind."""

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from .broken_links import IDLE, Relay, listed, said
from .clients import CLIENTS
from .places import RINGWAY, Served, python
from .pool import Member, Pool, all_over, run_program
from .robustness import server_tree, until, workers_of
from .runner import RELEASE, last_line, require, test
from .security import Secured

PATTERN = CLIENTS / "behaviour/pattern.py"
LIBRARIES = ("libringway_shim.so", "libringway_softgpu.so", "libringway_audit.so")
# A program of several processes, each with a session of its own.
PROCESSES = "import subprocess, sys; sys.exit(max(p.wait() for p in [subprocess.Popen([sys.executable, *sys.argv[1:]]) for _ in range(3)]))"


def restarted(server):
    return server.errors().count("took the place of")


def restart(server, limit_s=40):
    """Asks for a restart and waits until the next program has the place."""
    before = restarted(server)
    os.kill(server.pid, signal.SIGUSR2)
    until(lambda: restarted(server) > before or "not restarted" in server.errors(), "a restart", limit_s)
    require("not restarted" not in server.errors(), f"no restart: {last_line(server.errors())}")
    require(server.process.poll() is None, f"the server ended with {server.process.poll()}: {last_line(server.errors())}")


def descriptors(server):
    return len(os.listdir(f"/proc/{server.pid}/fd"))


def settled_descriptors(server):
    """Once they are as many for a second: a connection that has just ended is closed a moment later."""
    seen = []

    def is_settled():
        seen.append(descriptors(server))
        return len(seen) >= 40 and len(set(seen[-40:])) == 1

    until(is_settled, "the server's descriptors to stay as many", 20)
    return seen[-1]


def zombies(server):
    found = []
    for pid in server_tree(server.pid):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                found.append(pid)
        except OSError:
            pass
    return found


def leases_of(words):
    done = subprocess.run([str(RINGWAY), "list", "--json", *map(str, words)], capture_output=True, text=True, timeout=60)
    require(done.returncode == 0, f"list: {last_line(done.stderr)}")
    return json.loads(done.stdout)[0]["leases"]


def all_equal(program):
    """The program's own word that every byte was right, and no word of Ringway's about a loss."""
    code = program.wait()
    require(code == 0 and "all equal" in program.output(), f"{program.label} ended with {code}: {last_line(program.errors() or program.output())}")
    lines = [line for line in program.errors().splitlines() if line.startswith("ringway:") and " by " not in line and "waiting for GPUs" not in line]
    require(not lines, f"{program.label} was told {lines}")


def rounds(program):
    return program.output().count("round ")


@test("restart in place: programs go on", 300)
def programs_go_on(t):
    folder = Path(tempfile.mkdtemp(prefix="ringway-restart-"))
    socket = folder / "serve.sock"
    served = Secured(t, folder, "restart", listen=("127.0.0.1:0", f"unix:{socket}"))
    server, file = served.server, served.token("alice")
    over = {"tcp": ["--server", served.address, "--token-file", file], "shm": ["--server", f"unix:{socket}", "--token-file", file]}

    def start(link, words, label):
        return t.start([RINGWAY, "run", "-m", "64", "--link", link, *over[link], "--", "python3", *words], label=label)

    running = [start(link, [PATTERN, "1", "1000000", "0.02"], f"{link}-{number}") for link in over for number in range(2)]
    for program in running:
        program.wait_for_text("round 1")
    before = {lease["lease"]: lease for lease in leases_of(over["tcp"])}
    workers = set(workers_of(server))
    require(len(before) == 4 and len(workers) == 4, f"{len(before)} leases, {len(workers)} workers for 4 programs")
    coming, counts = [], []
    for number in range(20):
        # New programs come while the server restarts: right before, and right after.
        link = ("tcp", "shm")[number % 2]
        if number % 4 < 2:
            coming.append(start(link, ["-c", PROCESSES, PATTERN, "1", "3"], f"coming-{number}"))
        done = [rounds(program) for program in running]
        restart(server)
        if number % 4 == 2:
            coming.append(start(link, ["-c", PROCESSES, PATTERN, "1", "3"], f"coming-{number}"))
        until(lambda: all(rounds(program) > count for program, count in zip(running, done)), "all programs to go on")
        if number in (3, 19):
            for program in coming:
                all_equal(program)
            until(lambda: set(workers_of(server)) == workers, "the workers of the programs that ended to be gone", 20)
            until(lambda: all(not lease["orphaned"] for lease in leases_of(over["tcp"])), "all holders to be back", 20)
            until(lambda: len(leases_of(over["tcp"])) == 4, "the leases of the programs that ended to end", 20)
            counts.append(settled_descriptors(server))
    after = {lease["lease"]: lease for lease in leases_of(over["shm"])}
    require(set(after) == set(before), f"the leases were {sorted(before)}, and are {sorted(after)}")
    for lease, is_now in after.items():
        require(is_now["slices"] == before[lease]["slices"] and is_now["identity"] == before[lease]["identity"], f"{before[lease]} became {is_now}")
        require(is_now["age_s"] >= before[lease]["age_s"] and is_now["sessions"] == 1, f"{before[lease]} became {is_now}")
    require(set(workers_of(server)) == workers and not zombies(server), f"workers {workers_of(server)} of {workers}, zombies {zombies(server)}")
    # One is killed, with its `ringway run`, and what it had is free again.
    for pid in server_tree(running[3].pid):
        os.kill(pid, signal.SIGKILL)
    until(lambda: len(leases_of(over["tcp"])) == 3, "the lease of the killed program to end", 20)
    until(lambda: len(workers_of(server)) == 3 and not zombies(server), "its worker to be reaped", 20)
    # The others are told to end; they say what their leases were like to the end.
    for program in running[:3]:
        require(not re.search(r"^ringway: .*(lost|gone)", program.errors(), re.M), f"{program.label}: {last_line(program.errors())}")
        program.stop(signal.SIGINT)
    until(lambda: not leases_of(over["tcp"]) and not workers_of(server), "the end of all leases", 20)
    require(max(counts) <= min(counts) + 2, f"descriptors of the server: {counts}")
    shutil.rmtree(folder)
    return f"20 restarts, {len(coming)} programs came meanwhile, descriptors {counts}"


@test("restart in place: nothing is left behind", 240)
def nothing_left(t):
    """Fifty restarts of a server with a session, most of them without a pause; with no grace, and metrics."""
    served = Served(t)
    socket = Path(tempfile.mkdtemp(prefix="ringway-restart-")) / "serve.sock"
    server = t.start([RINGWAY, "serve", "--driver", "softgpu", "--announce", "--listen", f"unix:{socket}", "--listen", "127.0.0.1:0",
                      "--metrics", "127.0.0.1:0", "--grace", "0", "--token", "secret"], label="serve-no-grace")
    server.wait_for_text("ready ")
    served.close()
    access = {"RINGWAY_TOKEN": "secret"}
    program = t.start([RINGWAY, "run", "--server", f"unix:{socket}", "--", "python3", PATTERN, "1", "1000000", "0.02"], env=access, label="shm")
    program.wait_for_text("round 1")
    url = re.search(r"http://\S+", server.output())[0]
    restart(server)
    counts, folders = [descriptors(server)], []
    for number in range(48):
        restart(server)
        if number % 8 == 7:
            done = rounds(program)
            until(lambda: rounds(program) > done, "the program to go on")
            counts.append(descriptors(server))
            folders.append(len(list(Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()).glob(f"ringway-serve-{server.pid}-*"))))
    # Signals in a heap are as good as one or two.
    for _ in range(10):
        os.kill(server.pid, signal.SIGUSR2)
    done, before = rounds(program), restarted(server)
    until(lambda: rounds(program) > done + 3 and restarted(server) > 49, "the program to go on")
    require(before <= restarted(server) <= 49 + 10 and server.process.poll() is None, f"{restarted(server)} restarts; {server.process.poll()}")
    restart(server)
    until(lambda: descriptors(server) <= max(counts), f"{descriptors(server)} descriptors to be no more than {counts}", 20)
    require(max(counts) <= counts[0] + 2 and set(folders) == {1}, f"descriptors {counts}, folders {folders}")
    require(len(workers_of(server)) == 1 and not zombies(server), f"workers {workers_of(server)}, zombies {zombies(server)}")
    metrics = subprocess.run(["python3", "-c", "import sys, urllib.request as r; print(r.urlopen(r.Request(sys.argv[1] + '/metrics', headers="
                              "{'Authorization': 'Bearer secret'}), timeout=20).read().decode())", url], capture_output=True, text=True, timeout=60)
    require("ringway_" in metrics.stdout, f"metrics after restarts: {last_line(metrics.stderr)}")
    program.stop(signal.SIGINT)
    until(lambda: not workers_of(server), "the worker to end", 20)
    server.stop()
    require(server.process.poll() == 128 + signal.SIGTERM, f"SIGTERM ended the server with {server.process.poll()}")
    require(not socket.exists(), "the socket is still there")
    socket.parent.rmdir()
    return f"{restarted(server)} restarts, descriptors {counts}"


@test("restart in place: what ends leases goes on", 90)
def ends_go_on(t):
    """Time without use counts over restarts, and a token that is revoked ends its lease."""
    folder = Path(tempfile.mkdtemp(prefix="ringway-restart-"))
    served = Secured(t, folder, "ends")
    idle_file, revoked_file = served.token("idle"), served.token("revoked")
    program = t.start([RINGWAY, "run", "--server", served.address, "--token-file", idle_file, "--idle", "4s", "-m", "64", "--", python(), "-c", IDLE,
                       CLIENTS / "lib"], label="idle")
    program.wait_for_text("running")
    access = ["--server", served.address, "--token-file", revoked_file]
    other = t.start([RINGWAY, "run", *access, "-m", "64", "--", "python3", PATTERN, "1", "1000000", "0.02"], label="revoked")
    other.wait_for_text("round 1")
    (idle,) = [lease["lease"] for lease in leases_of(access) if lease["terms"]["idle_ms"] == 4000]
    unused = 0
    deadline = time.monotonic() + 45
    while "without use" not in program.errors():
        require(time.monotonic() < deadline, f"the lease that was not used did not end, or nobody was told: {last_line(program.errors())}")
        restart(served.server)
        time.sleep(0.5)
        now = [lease["unused_ms"] for lease in leases_of(access) if lease["lease"] == idle]
        require(not now or now[0] > unused, f"unused for {unused} ms, then for {now}")
        unused = now[0] if now else unused
        require(unused < 30_000, "a lease that is not used does not end while the server restarts")
    require(restarted(served.server) >= 3, f"{restarted(served.server)} restarts")
    until(lambda: len(leases_of(access)) == 1, "the end of the lease that was not used", 20)
    access = ["--server", served.address, "--token-file", served.token("looks")]
    t.output_of(RINGWAY, "token", "--state", served.state, "revoke", "revoked")
    until(lambda: not leases_of(access), "the end of the revoked token's lease", 20)
    require(other.wait(30) == 17 and "is not good any more" in other.errors(), f"the revoked one was told {last_line(other.errors())}")
    program.stop()
    shutil.rmtree(folder)
    return f"{restarted(served.server)} restarts"


@test("restart in place: a pool's server", 240)
def of_a_pool(t):
    pool = Pool(t)
    member = Member(t, pool, "gpu1", gpus=1)
    pool.wait_up("gpu1")
    user = pool.token("alice")
    running = run_program(t, user, "1", "1000000", "0.02", options=["-p", "0.5"], label="running")
    running.wait_for_text("round 1")
    before = pool.leases()
    require(len(before) == 1, f"{len(before)} leases for one program")
    coming = []
    for number in range(20):
        # As long as the GPU is full, the pool has those who come wait.
        coming.append(run_program(t, user, "1", "2", options=["-p", "0.5", "--timeout", "120s"], label=f"coming-{number}") if number % 3 == 0 else None)
        done = rounds(running)
        restart(member.process)
        until(lambda: rounds(running) > done, "the program to go on")
        pool.wait_up("gpu1")
        require(set(before) <= set(pool.leases()), f"the pool took a lease for ended: {before} {pool.leases()}")
    for program in filter(None, coming):
        all_equal(program)
    until(lambda: set(pool.leases()) == set(before), "the other leases to end")
    # A lease that ended after all the restarts is reported, and what waited for it gets it.
    waiting = run_program(t, user, "1", "2", options=["-p", "1.0", "--timeout", "120s"], label="waiting")
    until(lambda: pool.queue(), "the request to wait")
    restart(member.process)
    running.stop(signal.SIGINT)
    all_equal(waiting)
    all_over(pool, [member])
    require(not zombies(member.process), f"zombies {zombies(member.process)}")
    return f"20 restarts, {len(list(filter(None, coming)))} programs came meanwhile"


@test("restart in place: links that break then", 200)
def links_break(t):
    """Each time the server restarts, every connection is cut as well: just before, meanwhile, just after."""
    served = Served(t)
    relay = Relay(t, served.tcp_address())
    program = served.start([python(), PATTERN, "1", "1000000", "0.02"], options=["--link", "tcp"], server=relay.address)
    program.wait_for_text("round 1")
    (lease,) = listed(t, served.tcp_address())["leases"]
    for number in range(9):
        done = rounds(program)
        if number % 3 == 0:
            relay.cut(everything=True)
        before = restarted(served.server)
        os.kill(served.server.pid, signal.SIGUSR2)
        if number % 3 == 1:
            relay.cut(everything=True)
        until(lambda: restarted(served.server) > before, "a restart")
        if number % 3 == 2:
            relay.cut(everything=True)
        until(lambda: rounds(program) > done + 1, f"the program to go on after restart {number}")
    (is_now,) = listed(t, served.tcp_address())["leases"]
    require(is_now["lease"] == lease["lease"] and is_now["links"]["resumed"] >= 8, f"{lease} became {is_now}")
    require(len(said(program)) >= 8, f"9 cuts, {len(said(program))} lines")
    program.stop(signal.SIGINT)
    until(lambda: not listed(t, served.tcp_address())["leases"], "the lease to end", 40)
    relay.close()
    served.close()


class Installed:
    """A copy of the program and its libraries, that can be replaced as an upgrade replaces it."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="ringway-installed-"))
        self.program = self.folder / "ringway"
        for name in LIBRARIES:
            shutil.copy2(RELEASE / name, self.folder / name)
        self.replace(RINGWAY.read_bytes())

    def replace(self, data, mode=0o755):
        new = self.folder / "ringway.new"
        new.write_bytes(data)
        new.chmod(mode)
        new.rename(self.program)

    def close(self):
        shutil.rmtree(self.folder)


def refused_restart(server, wanted):
    before, told = restarted(server), server.errors().count("not restarted")
    os.kill(server.pid, signal.SIGUSR2)
    until(lambda: server.errors().count("not restarted") > told, f"the refusal of what {wanted}", 40)
    line = [line for line in server.errors().splitlines() if "not restarted" in line][-1]
    text = server.errors()[server.errors().rindex("not restarted"):]
    require(wanted in text and "goes on as it is" in text, f"wanted {wanted!r}: {line}")
    require(restarted(server) == before and server.process.poll() is None, "the server did not go on")


@test("restart in place: programs that take over, and not", 200)
def other_programs(t):
    installed = Installed()
    settings = t.folder / "settings"
    settings.mkdir(exist_ok=True)
    (settings / "serve.toml").write_text("[serve]\nname = \"first\"\n")
    socket = installed.folder / "serve.sock"
    words = ["serve", "--driver", "softgpu", "--announce", "--listen", f"unix:{socket}", "--listen", "127.0.0.1:0"]
    server = t.start([installed.program, *words], env={"RINGWAY_CONFIG": str(settings)}, label="serve")
    server.wait_for_text("ready ")
    program = t.start([RINGWAY, "run", "--server", f"unix:{socket}", "--", "python3", PATTERN, "1", "1000000", "0.02"], label="program")
    program.wait_for_text("round 1")
    (lease,) = [lease["lease"] for lease in leases_of(["--server", f"unix:{socket}"])]
    good = RINGWAY.read_bytes()
    true = Path(shutil.which("true")).read_bytes()
    # Of what is cut off not half: in a build with debug information the second half is that alone.
    for data, mode, wanted in ((true, 0o755, "knows nothing of this"), (b"no program", 0o755, "cannot take over"), (good, 0o644, "ermission denied"),
                               (b"#!/bin/sh\necho takes over state 0\n", 0o755, "knows nothing of this"),
                               (b"#!/bin/sh\necho what is that >&2\nexit 2\n", 0o755, "what is that"), (good[:1 << 16], 0o755, "cannot take over")):
        if mode == 0o644 and os.geteuid() == 0 and os.access(installed.program, os.X_OK) is False:
            continue
        installed.replace(data, mode)
        refused_restart(server, wanted)
    installed.program.unlink()
    refused_restart(server, "No such file")
    # Settings that are wrong are found out before, too; so is an address that another program has.
    installed.replace(good + b"\0another build")
    (settings / "serve.toml").write_text("[serve]\nnmae = \"second\"\n")
    refused_restart(server, "nmae")
    taken = t.start([RINGWAY, "serve", "--driver", "softgpu", "--announce", "--listen", "127.0.0.1:0"], label="other")
    taken.wait_for_text("ready ")
    busy = re.search(r"127\.0\.0\.1:\d+", taken.output())[0]
    (settings / "serve.toml").write_text(f"[serve]\nname = \"second\"\nmetrics = \"{busy}\"\n")
    refused_restart(server, busy)
    done = rounds(program)
    until(lambda: rounds(program) > done + 1, "the program to go on")
    require([one["lease"] for one in leases_of(["--server", f"unix:{socket}"])] == [lease], "the lease changed")
    # The new one takes over, with the new settings.
    (settings / "serve.toml").write_text("[serve]\nname = \"second\"\n")
    text = server.errors().count("not restarted")
    os.kill(server.pid, signal.SIGUSR2)
    until(lambda: restarted(server) == 1, "the restart", 40)
    require(server.errors().count("not restarted") == text, last_line(server.errors()))
    require(os.path.samefile(f"/proc/{server.pid}/exe", installed.program), "the server runs another program than the one that lies there")
    answer = json.loads(t.output_of(RINGWAY, "list", "--json", "--server", f"unix:{socket}"))[0]
    require(answer["server"] == "second" and [one["lease"] for one in answer["leases"]] == [lease], f"after the restart: {answer}")
    done = rounds(program)
    until(lambda: rounds(program) > done + 1, "the program to go on")
    all_equal(t.start([RINGWAY, "run", "--server", f"unix:{socket}", "-m", "64", "--", "python3", PATTERN, "1", "2"], label="next")
              if leases_free(socket) else stopped_then_next(t, program, socket))
    server.stop()
    installed.close()


def leases_free(socket):
    done = subprocess.run([str(RINGWAY), "list", "--json", "--server", f"unix:{socket}"], capture_output=True, text=True, timeout=60)
    gpu = json.loads(done.stdout)[0]["gpus"][0]
    return gpu["memory_bytes"] - gpu["memory_bytes_leased"] >= 64 << 20


def stopped_then_next(t, program, socket):
    """The first one has the whole GPU: its end is what the next one waits for."""
    program.stop(signal.SIGINT)
    return t.start([RINGWAY, "run", "--server", f"unix:{socket}", "-m", "64", "--", "python3", PATTERN, "1", "2"], label="next")


@test("restart in place: states that are none", 60)
def corrupt_states(t):
    seals = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
    good = {"release": "0", "kept": {"folder": "/nowhere", "driver": "/nowhere"}, "driver": "", "devices": [], "listeners": [], "metrics": None, "shares": 99,
            "leases": [], "sessions": [], "others": [], "pool": [], "membership": None}
    cases = [(b"", seals, "no first line"), (b"garbage\n{}", seals, "first line is another"), (b"ringway serve state 2\n{}", seals, "has version 2"),
             (b"ringway serve state 1\n{", seals, "of no use"), (b"ringway serve state 1\n" + json.dumps(good).encode(), seals, "no GPUs"),
             (b"ringway serve state 1\n" + os.urandom(5000), seals, "of no use"),
             (b"ringway serve state 1\n" + json.dumps(good).encode(), 0, "not in a memory file that is sealed")]
    for data, how, wanted in cases:
        state = os.memfd_create("state", os.MFD_ALLOW_SEALING)
        os.write(state, data)
        if how:
            fcntl.fcntl(state, fcntl.F_ADD_SEALS, how)
        for options, stdin in (([f"--handover={state}"], subprocess.DEVNULL), (["--check-handover"], state)):
            done = subprocess.run([str(RINGWAY), "serve", "--driver", "softgpu", "--listen", f"unix:{t.folder}/s", *options], stdin=stdin, pass_fds=[state],
                                  capture_output=True, text=True, timeout=30)
            require(done.returncode == 125 and wanted in done.stderr and not done.stdout, f"{options} {data[:40]}: {done.returncode} {done.stderr[-300:]}")
        os.close(state)
    done = subprocess.run([str(RINGWAY), "serve", "--driver", "softgpu", "--handover=77"], capture_output=True, text=True, timeout=30)
    require(done.returncode == 125 and "inherited no descriptor 77" in done.stderr, f"no descriptor: {done.stderr[-300:]}")
    return f"{2 * len(cases) + 1} states refused"
