"""Tenants apart: what a worker may do (its privileges, the system calls of a driver that somebody has taken over), and what one
session finds in another's memory."""

import errno
import os
import re
import signal
import subprocess
from pathlib import Path

from .clients import CLIENTS, summary_of
from .places import RINGWAY, Served, python
from .robustness import is_spare, until
from .runner import RELEASE, require, test

PROGRAM = CLIENTS / "behaviour/pattern.py"
CAP_IPC_LOCK = 1 << 14
# Without confinement these are allowed to every user, so they prove that the attempts are real ones.
ALLOWED_TO_ALL = ("kill", "unshare", "TCP socket", "execve", "fork", "ptrace")


class Server:
    """A `ringway serve` with options of its own, and a descriptor that it inherited and that no worker should have."""

    def __init__(self, t, driver, *options, before=()):
        self.t, self.socket = t, t.folder / "serve.sock"
        self.socket.unlink(missing_ok=True)
        serve = ["bash", "-c", 'exec 9</etc/passwd; exec "$@"', "bash", *before, RINGWAY, "serve"]
        places = ["--listen", "127.0.0.1:0"] if before else ["--listen", f"unix:{self.socket}", "--listen", "127.0.0.1:0"]
        self.server = t.start([*serve, "--driver", driver, "--announce", *places, *options], label="serve")
        self.server.wait_for_text("ready ")
        self.address = {"shm": f"unix:{self.socket}", "tcp": re.search(r"127\.0\.0\.1:\d+", self.server.output()).group()}

    def start(self, link, *words):
        return self.t.start([RINGWAY, "run", "--server", self.address[link], "--link", link, "-m", "64", "--", "python3", PROGRAM, *words], label=link)



def workers_of(server):
    """The process ids of a server's workers."""
    children = Path(f"/proc/{server.pid}/task").glob("*/children")
    found = [int(child) for file in children for child in file.read_text().split()]
    return [child for child in found if b"\0worker\0" in Path(f"/proc/{child}/cmdline").read_bytes() and not is_spare(child)]


def status_of(file):
    return dict(line.split(":\t", 1) for line in file.read_text().splitlines() if ":\t" in line)


def look_at_worker(server, link, uid):
    """A session's worker from outside, while its program runs."""
    program = server.start(link, "1", "1000", "0.05")
    program.wait_for_text("round 1")
    (worker,) = workers_of(server.server)
    threads = sorted(Path(f"/proc/{worker}/task").glob("*/status"))
    require(len(threads) >= 3, f"a worker with {len(threads)} threads")
    for thread in threads:
        status = status_of(thread)
        name = status["Name"]
        require(status["NoNewPrivs"] == "1", f"{link}: thread {name} can get new privileges")
        require(status["Seccomp"] == "2", f"{link}: thread {name} has no filter of system calls")
        require(set(status["Uid"].split()) == {str(uid)}, f"{link}: thread {name} runs as {status['Uid']}")
        for kind in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
            require(int(status[kind], 16) & ~CAP_IPC_LOCK == 0, f"{link}: thread {name} has capabilities {kind} {status[kind]}")
        require(status["Umask"] == "0077", f"{link}: umask {status['Umask']}")
        if uid != os.geteuid():
            require("0" not in status["Groups"].split(), f"{link}: thread {name} is in root's group")
    limits = Path(f"/proc/{worker}/limits").read_text()
    require(re.search(r"Max core file size\s+0\s+0\s", limits), f"{link}: a worker may leave a core dump")
    if os.geteuid() == 0:
        files = [os.readlink(file) for file in Path(f"/proc/{worker}/fd").iterdir()]
        require("/etc/passwd" not in files, f"{link}: the worker has its server's descriptors: {files}")
    program.stop()
    until(lambda: not workers_of(server.server), "the end of the worker", 20)
    return len(threads)


def attempts_of(t, driver, link, *options, before=()):
    """What the taken-over driver got for each attempt, and the other lines that it printed."""
    server = Server(t, driver, *options, before=before)
    program = server.start(link, "1")
    require(program.wait(60) == 0 and "all equal" in program.output(), f"{link}: with a taken-over driver: {program.errors()[-300:]}")
    lines = program.output().splitlines()
    require("all tried" in lines, f"{link}: the driver's attempts did not come through: {lines[-3:]}")
    server.server.stop()
    got = dict(line.removeprefix("attempt ").rsplit(" ", 1) for line in lines if line.startswith("attempt "))
    return {name: int(code) for name, code in got.items()}, lines


@test("memory of other sessions reads as zero", 240)
def leftovers(t):
    """What one session frees or leaves behind is zero for the next one, and for one at the same time."""
    served = Served(t, {"RINGWAY_SOFTGPU_MEMORY_MIB": "512"})
    options = ["-m", "224"]  # two leases, each most of its half: what one leaves is what the next one gets

    def start(what, *words, link="shm"):
        server = served.tcp_address() if link == "tcp" else None
        return served.start([python(), CLIENTS / "behaviour/leftovers.py", what, "32", *words], options=[*options, "--link", link], label=what, server=server)

    looked = 0
    for link in ("shm", "tcp"):
        summary_of(start("leave", link=link))
        looked += summary_of(start("look", link=link))["checks"]
        holder = start("leave", "--hold", link=link)
        holder.wait_for_text("left")
        looked += summary_of(start("look", link=link))["checks"]
        (worker,) = workers_of(served.server)
        os.kill(worker, signal.SIGKILL)
        until(lambda: not workers_of(served.server), "the end of the worker", 20)
        looked += summary_of(start("look", link=link))["checks"]
        holder.stop()
    return f"{looked // 2} pieces of memory"


@test("workers are confined", 180)
def confined(t):
    folder = t.folder / "driver"
    folder.mkdir(exist_ok=True)
    driver = folder / "libcuda.so.1"
    # The loader takes two libraries of one name for one, so the driver behind the taken-over one has another.
    behind = folder / "libreal.so.1"
    behind.write_bytes((RELEASE / "libringway_softgpu.so").read_bytes().replace(b"\0libcuda.so.1\0", b"\0libreal.so.1\0"))
    t.sh("gcc", "-shared", "-fPIC", "-Wall", "-Werror", "-Wl,--no-as-needed", "-o", driver, CLIENTS / "confined/taken_over.c", behind,
         f"-Wl,-rpath,{folder}", "-pthread")

    server = Server(t, "softgpu")
    threads = [look_at_worker(server, link, os.geteuid()) for link in ("shm", "tcp")]
    server.server.stop()

    # Where workers and server are one ordinary user, nothing but the confinement keeps them from each other.
    ordinary = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    servers = [("shm", ()), ("tcp", ())]
    if os.geteuid() == 0 and all(subprocess.run([*ordinary, "test", "-x", file]).returncode == 0 for file in (RINGWAY, behind)):
        servers.append(("tcp", ordinary))
    for link, before in servers:
        got, lines = attempts_of(t, driver, link, before=before)
        unknown = {"clone3": errno.ENOSYS, "newer": errno.ENOSYS}
        let = {name: code for name, code in got.items() if code != unknown.get(name, errno.EPERM)}
        # Of another process's memory it is the kernel that keeps it, by its own rules.
        if let.get("memory of serve") == errno.EACCES:
            del let["memory of serve"]
        require(not let, f"{link}: a worker may do: {let}")
        require({"thread 1", "netlink 1", "reset 1"} <= set(lines), f"{link}: a worker may not do what it must: {lines}")
        require("is dumpable 0" in lines, f"{link}: other processes of its user may read a worker")
    free, _ = attempts_of(t, driver, "shm", "--unconfined")
    unreal = [name for name in ALLOWED_TO_ALL if free[name] == errno.EPERM]
    require(not unreal and free.keys() == got.keys(), f"these attempts prove nothing: {unreal}")

    note = f"{len(got)} attempts refused by {len(servers)} servers, {sum(threads)} threads looked at"
    if os.geteuid() != 0:
        return note + "; another user not tried: that needs root"
    server = Server(t, "softgpu", "--worker-user", "nobody")
    for link in ("shm", "tcp"):
        look_at_worker(server, link, 65534)
        program = server.start(link, "1")
        require(program.wait(60) == 0, f"{link}: as another user: {program.errors()[-300:]}")
    server.server.stop()
    return note + ", also as nobody"
