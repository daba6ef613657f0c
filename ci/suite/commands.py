"""The command line around a pool: what its commands show is what is leased, and what they set holds. Reservations; the terminal screen."""

import contextlib
import csv
import fcntl
import io
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import time
from pathlib import Path

from .clients import CLIENTS
from .places import RINGWAY, python
from .robustness import until
from .runner import Failed, last_line, require, test

PROGRAM = CLIENTS / "behaviour/pattern.py"
USER = "suite-user"
MIB = 1 << 20
GPU_MIB = 4096  # a software GPU's memory, as docs/softgpu.md has it


class Pooled:
    """A `ringway pool`, servers in it, and commands that speak to it: in clear text on the loopback address, with folders of its own."""

    def __init__(self, t, folder, servers=2):
        self.t, self.folder = t, folder
        (folder / "runtime").mkdir(mode=0o700)
        # nothing of the user's decides how a pool is reached, and where reservations are
        own = {"RINGWAY_SERVER", "RINGWAY_TOKEN", "RINGWAY_TOKEN_FILE", "RINGWAY_POOL", "RINGWAY_LEASE", "NO_COLOR", "CLICOLOR_FORCE", "COLUMNS"}
        self.env = {k: v for k, v in os.environ.items() if k not in own}
        self.env |= {"XDG_RUNTIME_DIR": str(folder / "runtime"), "XDG_CONFIG_HOME": str(folder / "config"), "USER": USER}
        self.pool = self.daemon("pool", "pool", "--state", folder / "pool", "--name", "lab")
        self.address = self.env["RINGWAY_SERVER"] = self.address_of(self.pool)
        self.servers = {}
        for number in range(1, servers + 1):
            name = f"s{number}"
            self.servers[name] = self.daemon(name, "serve", "--driver", "softgpu", "--state", folder / name, "--name", name, "--label", f"rack={number}",
                                             "--pool", self.address, env={"RINGWAY_SOFTGPU_DEVICES": 2})
        until(lambda: len(self.json("server", "list")) == servers, "servers in the pool")

    def daemon(self, label, *words, env=None):
        program = self.t.start([RINGWAY, *words, "--listen", "127.0.0.1:0", "--announce"], env={**self.env, "RINGWAY_SOFTGPU_MEMORY_MIB": GPU_MIB, **(env or {})},
                               label=label)
        program.wait_for_text("ready ")
        return program

    @staticmethod
    def address_of(program):
        return "127.0.0.1:" + re.search(r"ready \S+:(\d+)", program.output())[1]

    def start(self, *words, label="program"):
        """`ringway run`, until the pool has granted what it asks for, or has it wait."""
        return self.t.start([RINGWAY, "run", *words], env=self.env, label=label)

    def command(self, *words, env=None, limit_s=60):
        """A command: exit code, standard output, standard error."""
        done = subprocess.run([RINGWAY, *[str(word) for word in words]], env={**self.env, **(env or {})}, capture_output=True, text=True, timeout=limit_s,
                              stdin=subprocess.DEVNULL)
        self.t.say(f"$ ringway {' '.join(str(word) for word in words)}  -> {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.returncode, done.stdout, done.stderr

    def good(self, *words, env=None):
        code, out, errors = self.command(*words, env=env)
        require(code == 0, f"ringway {words[0]}: exit code {code}, {last_line(errors)}")
        return out

    def json(self, *words):
        return json.loads(self.good(*words, "--json"))

    def refused(self, text, *words, code=125):
        """The command fails as Ringway's own failures do, and says so."""
        got, _, errors = self.command(*words)
        require(got == code, f"ringway {' '.join(words)}: exit code {got}, not {code}")
        require(text in errors, f"ringway {' '.join(words)}: wanted '{text}', got {errors[-300:]!r}")

    def leases(self):
        return self.json("ps")["leases"]

    def lease_of(self, text):
        """The lease whose program has this text; waits for it to be seen on its server."""
        def found():
            return [lease for lease in self.leases() if text in lease["program"] and lease["state"] != "granted"]
        until(found, f"a lease of {text}")
        return found()[0]


@contextlib.contextmanager
def pooled(t, servers=2):
    folder = Path(tempfile.mkdtemp(prefix="ringway-commands-"))
    place = None
    try:
        place = Pooled(t, folder, servers)
        yield place
    finally:
        if place:
            for path in (folder / "runtime").glob("ringway-reservations/*.sock"):
                place.command("release", path.stem)
        shutil.rmtree(folder, ignore_errors=True)


def same(what, got, wanted):
    require(got == wanted, f"{what}: {got!r}, not {wanted!r}")


def words_of(text):
    """The cells of a table that is one line for each row."""
    return [[cell for cell in re.split(r"\s{2,}", line.strip()) if cell] for line in text.splitlines() if line.strip()]


@test("commands: what a pool shows", 180)
def shows(t):
    with pooled(t) as p:
        program = p.start("-n", "2", "-m", "512", "--filter", "label.rack=2", "--", "sleep", "100")
        lease = p.lease_of("sleep 100")
        same("slices", lease["slices"], [{"server": "s2", "ordinal": n, "memory_bytes": 512 * MIB} for n in (0, 1)])
        same("lease", [lease[key] for key in ("user", "sessions", "state")], [USER, 0, "held"])
        # One that cannot be served waits: no two whole GPUs of rack 2 are free.
        waiting = p.start("-n", "2", "--filter", "label.rack=2", "--", "sleep", "101", label="waiting")
        until(lambda: p.json("ps")["queue"], "a request in the queue")
        request = p.json("ps")["queue"][0]
        same("request", [request[key] for key in ("place", "user", "gpus", "filters", "memory")], [1, USER, 2, ["label.rack=2"], {"fraction": 1.0}])
        used = p.start("-m", "64", "--filter", "label.rack=1", "--link", "tcp", "--", "python3", PROGRAM, "4", "400", "0.05", label="used")
        used.wait_for_text("round 1")
        until(lambda: p.lease_of("pattern.py")["state"] == "running", "a lease that is in use")
        same("sessions", p.lease_of("pattern.py")["sessions"], 1)

        [listed] = p.json("list")
        same("pool", [listed["pool"], listed["queue_length"], [s["name"] for s in listed["servers"]]], ["lab", 1, ["s1", "s2"]])
        leased = {server["name"]: [gpu["leased_bytes"] // MIB for gpu in server["gpus"]] for server in listed["servers"]}
        same("leased MiB", (sorted(leased["s1"]), leased["s2"]), ([0, 64], [512, 512]))
        same("labels", [s["labels"] for s in listed["servers"]], [{"rack": "1"}, {"rack": "2"}])
        [filtered] = p.json("list", "--filter", "label.rack=2", "--filter", "device.memory>=1GiB")
        same("filtered", [s["name"] for s in filtered["servers"]], ["s2"])
        same("filtered out", p.json("list", "--filter", "device.memory>=5GiB")[0]["servers"], [])
        p.refused("is no filter", "list", "--filter", "label.rack", code=2)
        rows = words_of(p.good("list"))
        same("list's head", rows[0], [f"pool lab at {p.address}: 2 servers, 4 GPUs, 1 request in the queue"])
        s2 = dict(zip(rows[1], rows[3]))
        same("list's row", [s2[key] for key in ("server", "state", "GPUs", "memory MiB", "leased MiB", "leases")], ["s2", "up", "2", str(2 * GPU_MIB), "1024", "2"])
        gpu_rows = [dict(zip(words_of(p.good("list", "--gpus"))[1], row)) for row in words_of(p.good("list", "--gpus"))[2:]]
        same("list --gpus", [(row["server"], row["GPU"], row["leased MiB"]) for row in gpu_rows if row["server"] == "s2"], [("s2", "0", "512"), ("s2", "1", "512")])
        require("\x1b" not in p.good("list") and "\x1b[" in p.good("list", env={"CLICOLOR_FORCE": "1"}), "colours where there is no terminal, or never")

        ps = words_of(p.good("ps"))
        require([lease["id"], USER] == ps[[row[0] for row in ps].index(lease["id"])][:2], "ps does not show the lease")
        require("GPU 0 512 MiB + GPU 1 512 MiB" in p.good("ps"), "ps does not show the slices")
        same("ps --mine", len(p.json("ps", "--mine")["leases"]), 2)
        code, out, _ = p.command("ps", "--mine", "--json", env={"USER": "somebody-else"})
        same("ps --mine of another", (code, json.loads(out)["leases"], json.loads(out)["queue"]), (0, [], []))
        [client] = p.json("client", "list")
        same("client", [client[key] for key in ("user", "leases", "gpus", "memory_bytes", "sessions")], [USER, 2, 3, (2 * 512 + 64) * MIB, 1])

        once = p.good("top", "--once")
        require(f"pool lab at {p.address}  servers 2 of 2 up  GPUs 4" in once and "leases 2  queue 1" in once, f"top --once: {once.splitlines()[0]}")
        require(re.search(r"^s2 +up +0 +\[###\+{17}\] 512 of 4096 MiB", once, re.M), "top --once has no bar of the GPU")
        require(lease["id"] in once and request["id"] in once, "top --once does not show lease and request")
        require(lease["id"] not in p.good("top", "--once", "--user", "nobody"), "top --user shows others")

        listing = p.good("smi", "-L").splitlines()
        same("smi -L", (len(listing), listing[2]), (4, "GPU 2: Ringway Software GPU (UUID: [N/A]) on s2"))
        query = list(csv.reader(io.StringIO(p.good("smi", "--query-gpu=index,memory.total,memory.used,memory.free,utilization.gpu", "--format=csv,nounits")),
                                skipinitialspace=True))
        same("smi's head", query[0], ["index", "memory.total", "memory.used", "memory.free", "utilization.gpu"])
        same("smi's row", query[3], ["2", str(GPU_MIB), "0", str(GPU_MIB), "0"])
        require("0 / 512 / 4096 MiB" in p.good("smi") and "0 / 512 MiB" in p.good("smi") and lease["id"] in p.good("smi"), "smi shows no lease")
        inside = p.t.start([RINGWAY, "run", "-q", "-p", "0.25", "--", RINGWAY, "smi", "--query-gpu=index,memory.total,memory.used", "--format=csv,noheader"],
                           env=p.env, label="inside")
        same("smi in a program", (inside.wait(), inside.output()), (0, f"0, {GPU_MIB // 4} MiB, 0 MiB\n"))
        require("pool lab" in p.good("version", "--server", p.address), "version does not know a pool")

        # What is told of a request and a lease that are released by hand.
        p.good("release", request["id"])
        code = waiting.wait(30)
        same("the request's program", (code, "taken back by hand" in waiting.errors()), (125, True))
        p.good("release", lease["id"])
        until(lambda: lease["id"] not in [one["id"] for one in p.leases()], "the end of the lease")
        p.refused("there is no lease and no request", "release", lease["id"])
        p.refused("there is no reservation nowhere", "release", "nowhere")
        program.stop()
        used.stop()
        return "list, ps, client, top --once, smi, release"


@test("commands: what leases do", 120)
def measures(t):
    """Memory that is allocated, busy time, bytes and round trips, as a pool and a server show them, of a program that does known things."""
    up, down, waits = 96, 40, 500
    with pooled(t, servers=1) as p:
        alone = p.daemon("alone", "serve", "--driver", "softgpu", "--state", p.folder / "alone", "--listen", f"unix:{p.folder}/alone.sock", "--name", "alone")
        for name, source, options in (("pool", (), ("-m", "128", "--link", "tcp")), ("server", ("--server", f"unix:{p.folder}/alone.sock"), ("-m", "128"))):
            words = [RINGWAY, "run", "-q", *source, *options, "--", python(), CLIENTS / "behaviour/measured.py", up, down, waits]
            program = subprocess.Popen([str(word) for word in words], env=p.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            try:
                same(name, program.stdout.readline(), "copied\n")

                def used():
                    return p.json("ps", *source)["leases"][0]["used"]

                until(lambda: used()["slices"][0]["busy_thousandths"] > 800, f"{name}: a GPU that is busy")
                same(f"{name}: allocated", used()["slices"][0]["allocated_bytes"], 32 * MIB)
                now = used()
                # Heads and padding besides; the kernels of now are launches of some dozen bytes.
                require(up * MIB <= now["up_bytes"] <= 1.2 * up * MIB, f"{name}: {now['up_bytes'] / MIB:.1f} MiB to the server, {up} were sent")
                require(down * MIB <= now["down_bytes"] <= 1.2 * down * MIB, f"{name}: {now['down_bytes'] / MIB:.1f} MiB to the program, {down} were")
                require(now["waits"] >= waits + up // 64, f"{name}: {now['waits']} round trips")
                require(now["waits_per_s"] > 0, f"{name}: no round trips in the last second")
                query = p.good("smi", *source, "--query-gpu=memory.used,utilization.gpu", "--format=csv,noheader,nounits")
                row = [[int(cell) for cell in line.split(", ")] for line in query.splitlines()]
                require(sum(cells[0] for cells in row) == 32 and 80 <= max(cells[1] for cells in row) <= 100, f"{name}: smi says {row}")
                cells = words_of(p.good("ps", *source))
                same(f"{name}: ps", dict(zip(cells[0], cells[1]))["used"], "32 MiB")
                require(re.search(r" 128 of 4096 MiB +32 +(8|9|10)\d+ % ", p.good("top", "--once", *source)), f"{name}: top shows no use")
                program.stdin.write("\n")
                program.stdin.flush()
                same(name, program.stdout.readline(), "rests\n")
                until(lambda: used()["slices"][0]["busy_thousandths"] == 0 and used()["waits_per_s"] == 0, f"{name}: a GPU that rests")
                program.stdin.write("\n")
                program.stdin.close()
                same(f"{name}: exit code", program.wait(30), 0)
                # The lease may be held a moment longer; what its session did stays counted, what it had allocated is free.
            finally:
                program.kill()
                program.wait()
                program.stdout.close()
        alone.stop()
        return f"{up} MiB to servers, {down} MiB back, {waits} waits"


@test("commands: what is set in a pool", 180)
def sets(t):
    with pooled(t) as p:
        same("quotas at first", p.json("quota", "list"), [])
        p.good("quota", "set", "--user", USER, "--gpus", "2", "--memory", "1024", "--leases", "1", "--gpu-hours", "5")
        p.good("quota", "set", "--each-user", "--gpus", "3")
        p.good("quota", "set", "--group", "lab", "--memory", "2048")
        program = p.start("-n", "2", "-m", "256", "--", "sleep", "100")
        p.lease_of("sleep 100")
        quotas = {(row["kind"], row["name"]): row for row in p.json("quota", "list")}
        same("principals", sorted(quotas), [("each_user", ""), ("group", "lab"), ("user", USER)])
        own = quotas["user", USER]
        same("limits", own["limits"], {"gpus": 2, "memory_bytes": 1024 * MIB, "leases": 1, "gpu_hours": 5})
        same("used", [own["used"][key] for key in ("gpus", "memory_bytes", "leases")], [2, 512 * MIB, 1])
        require(re.search(rf"^user +{USER} +2 of 2 +512 of 1024 +1 of 1 +0\.\d\d of 5 +its own$", p.good("quota", "list"), re.M), "quota list has no such line")
        # It holds.
        held = p.start("-m", "64", "--timeout", "1s", "--", "true", label="held-back")
        same("over the quota", (held.wait(30), "--timeout" in held.errors()), (125, True))
        p.good("quota", "unset", "--user", USER)
        more = p.start("-q", "-m", "64", "--timeout", "30s", "--", "true", label="more")
        same("without the quota", more.wait(60), 0)
        p.good("quota", "unset", "--each-user")
        p.good("quota", "unset", "--group", "lab")
        same("limits at last", [row["limits"] for row in p.json("quota", "list")], [None])
        p.refused("", "quota", "set", "--user", "a", code=2)
        p.refused("no name of a user", "quota", "set", "--user", "a b", "--gpus", "1")

        p.good("user", "set", "bob", "--group", "lab", "--priority", "-3")
        users = {row["name"]: row for row in p.json("user", "list")}
        same("bob", [users["bob"][key] for key in ("group", "priority", "leases")], ["lab", -3, 0])
        same(USER, [users[USER][key] for key in ("group", "priority", "leases", "gpus")], ["", 0, 1, 2])
        require(re.search(r"^bob +enabled +lab +-3 ", p.good("user", "list"), re.M), "user list has no such line")
        p.good("user", "remove", "bob")
        same("users at last", [row["name"] for row in p.json("user", "list")], [USER])

        # A disabled user has what runs, and nothing new; not even by being forgotten.
        queued = p.start("-n", "4", "--", "true", label="queued")
        until(lambda: p.json("ps")["queue"], "a request in the queue")
        p.good("user", "disable", USER)
        same("a request of a disabled user", (queued.wait(30), "disabled in this pool" in queued.errors()), (125, True))
        p.refused(f"the user '{USER}' is disabled in this pool", "run", "-m", "64", "--", "true")
        p.good("user", "set", USER, "--group", "lab")
        p.good("user", "remove", USER)
        same("still disabled", [(row["is_disabled"], row["leases"]) for row in p.json("user", "list")], [(True, 1)])
        require(re.search(rf"^{USER} +disabled ", p.good("user", "list"), re.M), "user list does not show it")
        p.refused("is disabled", "run", "-m", "64", "--", "true")
        p.good("user", "enable", USER)
        p.good("run", "-q", "-m", "64", "--", "true")
        short = p.start("-q", "-m", "64", "--", "sleep", "103", label="short")
        other_lease = p.lease_of("sleep 103")
        p.good("user", "disable", USER, "--end-leases")
        until(lambda: not p.leases(), "the end of a disabled user's leases")
        until(lambda: "CUDA calls fail from now on" in program.errors(), "a program that is told")
        program.stop()
        short.stop()
        require(other_lease["id"] not in json.dumps(p.leases()), "a lease of a disabled user")
        p.good("user", "enable", USER)
        same("enabled again", [row["is_disabled"] for row in p.json("user", "list")], [False])
        program = p.start("-n", "2", "-m", "256", "--", "sleep", "100", label="again")
        p.lease_of("sleep 100")

        where = p.leases()[0]["slices"][0]["server"]
        other = {"s1": "s2", "s2": "s1"}[where]
        p.good("server", "drain", other)
        same("states", {s["name"]: s["state"] for s in p.json("server", "list")}, {where: "up", other: "draining"})
        full = p.start("-n", "2", "-p", "0.9", "--timeout", "1s", "--filter", f"label.rack={other[1]}", "--", "true", label="drained")
        same("on a drained server", full.wait(30), 125)
        p.good("server", "undrain", other)
        # For maintenance: until it is empty, by itself or by force.
        stays = p.start("-q", "-m", "64", "--filter", f"label.rack={other[1]}", "--", "sleep", "104", label="stays")
        p.lease_of("sleep 104")
        begun = time.monotonic()
        code, _, said = p.command("server", "drain", other, "--wait", "--end-after", "2s")
        same("drain --wait", (code, f"{other} has 1 lease still" in said, time.monotonic() - begun >= 2), (0, True, True))
        stays.stop()
        p.refused("", "server", "drain", other, "--end-after", "2s", code=2)
        same("drained again", p.command("server", "drain", other, "--wait")[0], 0)
        p.good("server", "undrain", other)
        again = p.start("-q", "-n", "2", "-p", "0.9", "--timeout", "30s", "--filter", f"label.rack={other[1]}", "--", "true", label="undrained")
        same("on one that is not drained any more", again.wait(60), 0)
        p.refused("is connected", "server", "remove", other)
        p.refused("", "server", "remove", "nowhere")
        p.servers[other].stop()
        until(lambda: {s["name"]: s["state"] for s in p.json("server", "list")}[other] == "down", "a server that is down")
        require(f"{other} " in p.good("server", "list") and "down" in p.good("list"), "a server that is down is not shown")
        p.good("server", "remove", other)
        same("servers", [s["name"] for s in p.json("server", "list")], [where])

        program.stop()
        until(lambda: not p.leases(), "the end of all leases")
        usage = p.json("usage", "--since", "1h")["rows"]
        same("usage", [(row["user"], row["leases"]) for row in usage], [(USER, 7)])
        require(usage[0]["gpu_hours"] > 0 and usage[0]["lease_seconds"] >= 1, f"usage: {usage}")
        [row] = csv.DictReader(io.StringIO(p.good("usage", "--csv")))
        same("usage --csv", (row["user"], row["leases"]), (USER, "7"))
        same("usage long ago", p.json("usage", "--since", "2020-01-01", "--until", "2020-02-01")["rows"], [])
        require("no lease ended in that time" in p.good("usage", "--since", "2020-01-01", "--until", "2020-02-01"), "usage says nothing of no leases")
        p.refused("is no time", "usage", "--since", "yesterday")
        p.pool.stop()
        p.refused("cannot reach the server", "ps")
        p.refused("cannot reach the server", "top", "--once")
        return "quota, user, server, usage"


@test("commands: reservations", 240)
def reservations(t):
    with pooled(t) as p:
        code, out, errors = p.command("request", "-n", "2", "-m", "512", "--name", "work", "--keep")
        same("request", (code, out, "512 of 4096 MiB" in errors), (0, "work\n", True))
        [one] = p.json("request", "--list")
        lease = p.lease_of("reservation work")
        same("reservation", (one["name"], one["lease"], one["pid"], one["programs"]), ("work", lease["id"], lease["pid"], 0))
        folder = p.folder / "runtime/ringway-reservations"
        same("mode of its folder", folder.stat().st_mode & 0o777, 0o700)
        p.refused("there is a reservation work already", "request", "--name", "work")
        p.refused("another name", "request", "--name", "00000000000000ff")
        p.refused("runs no program", "request", "--", "true")
        # Two programs at a time, in one lease.
        both = [p.start("--reservation", "work", "--", "python3", PROGRAM, "8", "40", "0.05", label=f"in-{n}") for n in (1, 2)]
        for program in both:
            program.wait_for_text("round 1")
        until(lambda: p.lease_of("reservation work")["sessions"] == 2, "two sessions in the reservation")
        same("programs", p.json("request", "--list")[0]["programs"], 2)
        same("leases", len(p.leases()), 1)
        for program in both:
            same("a program in the reservation", (program.wait(60), last_line(program.output())), (0, "all equal"))
        same("exit code", p.start("--reservation", "work", "--", "sh", "-c", "exit 7", label="seven").wait(60), 7)
        p.refused("", "run", "--reservation", "work", "-n", "1", "--", "true", code=2)
        p.refused("there is no reservation other", "run", "--reservation", "other", "--", "true")
        # A killed pool takes nothing away.
        p.pool.stop(signal.SIGKILL)
        alone = p.start("--reservation", "work", "--", "python3", PROGRAM, "8", label="without-pool")
        same("a program without the pool", (alone.wait(60), last_line(alone.output())), (0, "all equal"))
        p.pool = p.t.start([RINGWAY, "pool", "--state", p.folder / "pool", "--name", "lab", "--listen", p.address, "--announce"], env=p.env, label="pool-again")
        p.pool.wait_for_text("ready ")
        until(lambda: [s["state"] for s in p.json("server", "list")] == ["up", "up"], "servers in the pool again")
        same("the lease after the pool's restart", p.lease_of("reservation work")["id"], lease["id"])
        # Its end: what it had is free when `release` returns.
        p.good("release", "work")
        until(lambda: not p.leases(), "the end of the lease")
        same("reservations", p.json("request", "--list"), [])
        require("no reservations" in p.good("request", "--list"), "request --list says nothing of none")
        p.refused("there is no reservation work", "run", "--reservation", "work", "--", "true")

        # A holder that is killed leaves nothing behind, and its name can be had again. A program in it is told.
        p.good("request", "-m", "512", "--name", "work", "--keep")
        running = p.start("--reservation", "work", "--", "sleep", "100", label="told")
        until(lambda: p.json("request", "--list")[0]["programs"] == 1, "a program in the reservation")
        os.kill(p.json("request", "--list")[0]["pid"], signal.SIGKILL)
        running.wait_for_text("the reservation work has ended")
        running.stop()
        until(lambda: not p.leases(), "the end of a killed holder's lease")
        same("reservations after a kill", p.json("request", "--list"), [])
        p.good("request", "-m", "512", "--name", "work", "--keep")
        # SIGTERM ends one; so does the end of its lease, and time without use.
        os.kill(p.json("request", "--list")[0]["pid"], signal.SIGTERM)
        until(lambda: not p.leases(), "the end after SIGTERM")
        p.refused("its holder was ended by a signal", "run", "--reservation", "work", "--", "true")
        same("first free name", p.good("request", "-m", "512", "--keep"), "r1\n")
        same("second free name", p.good("request", "-m", "512", "--keep"), "r2\n")
        p.good("release", next(one["lease"] for one in p.json("request", "--list") if one["name"] == "r1"))
        until(lambda: [one["name"] for one in p.json("request", "--list")] == ["r2"], "the end of a reservation whose lease was released")
        p.refused("its lease is gone", "run", "--reservation", "r1", "--", "true")
        p.good("release", "r2")
        p.good("request", "-m", "512", "--name", "brief", "--unused", "2s", "--keep")
        busy = p.start("--reservation", "brief", "--", "sleep", "5", label="busy")
        same("a program that runs for longer than --unused", busy.wait(60), 0)
        until(lambda: not p.leases(), "the end of a reservation without use")
        p.refused("--unused", "run", "--reservation", "brief", "--", "true")
        # With the session that it was made in, unless it is kept.
        session = t.start(["sh", "-c", f"{RINGWAY} request -m 512 --name login && {RINGWAY} request -m 512 --name kept --keep && {RINGWAY} request --list --json"],
                          env=p.env, label="session")
        same("two in a session", (session.wait(60), json.loads(session.output()[session.output().index("["):])[1]["name"]), (0, "login"))
        until(lambda: [one["name"] for one in p.json("request", "--list")] == ["kept"], "the end of a reservation with its session")
        p.good("release", "kept")
        # A request that is given up leaves the queue.
        p.start("-n", "2", "--filter", "label.rack=1", "--", "sleep", "100", label="blocker")
        p.lease_of("sleep 100")
        asking = t.start([RINGWAY, "request", "-n", "2", "--filter", "label.rack=1", "--name", "late"], env=p.env, label="asking")
        until(lambda: p.json("ps")["queue"], "a reservation that waits")
        os.kill(asking.pid, signal.SIGKILL)  # not its group: the holder has left it
        until(lambda: not p.json("ps")["queue"], "the end of a request whose program was killed")
        late = p.command("request", "-n", "2", "--filter", "label.rack=1", "--name", "late", "--timeout", "1s")
        same("a reservation that cannot be had", (late[0], "no GPUs became free" in late[2]), (125, True))
        same("reservations at last", p.json("request", "--list"), [])
        return "shared, released, killed, lost, unused, session, given up; the pool killed under one"


@test("commands: by tokens", 120)
def by_tokens(t):
    """Whose a lease is, and who may do what, is what the token says."""
    folder = Path(tempfile.mkdtemp(prefix="ringway-commands-"))
    try:
        (folder / "runtime").mkdir(mode=0o700)
        env = {k: v for k, v in os.environ.items() if not k.startswith("RINGWAY_")}
        env |= {"XDG_RUNTIME_DIR": str(folder / "runtime"), "XDG_CONFIG_HOME": str(folder / "config"), "USER": "whoever"}
        pool = t.start([RINGWAY, "pool", "--state", folder / "pool", "--name", "lab", "--listen", "127.0.0.1:0", "--announce"], env=env, label="pool")
        pool.wait_for_text("ready ")
        address = Pooled.address_of(pool)

        def token(name, scope, *options):
            file = folder / f"{name}.toml"
            done = subprocess.run([RINGWAY, "token", "--pool", "--state", folder / "pool", "create", "--name", name, "--scope", scope, "--address", address,
                                   "-o", file, *options], env=env, capture_output=True, text=True, timeout=30)
            require(done.returncode == 0, f"token create: {done.stderr}")
            return file

        tokens = {name: token(name, scope, *options) for name, scope, *options in (
            ("gpu1", "serve"), ("alice", "use", "--user", "alice"), ("laptop", "use"), ("viewer", "read"), ("root", "admin"))}

        def ringway(who, *words):
            done = subprocess.run([RINGWAY, *words, "--token-file", tokens[who]], env=env, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
            t.say(f"$ {who}: {' '.join(words)} -> {done.returncode}\n{done.stdout[-1000:]}{done.stderr[-1000:]}")
            return done.returncode, done.stdout, done.stderr

        def json_of(who, *words):
            code, out, errors = ringway(who, *words, "--json")
            require(code == 0, f"{who}: {words[0]}: {last_line(errors)}")
            return json.loads(out)

        server = t.start([RINGWAY, "serve", "--driver", "softgpu", "--state", folder / "s1", "--listen", "127.0.0.1:0", "--announce", "--pool", address,
                          "--pool-token-file", tokens["gpu1"]], env={**env, "RINGWAY_SOFTGPU_DEVICES": "2"}, label="serve")
        server.wait_for_text("ready ")
        until(lambda: [s["name"] for s in json_of("viewer", "server", "list")] == ["gpu1"], "the server in the pool")
        for who in ("alice", "laptop"):
            t.start([RINGWAY, "run", "--token-file", tokens[who], "-m", "64", "--", "sleep", "100"], env=env, label=who)
        until(lambda: len(json_of("viewer", "ps")["leases"]) == 2, "two leases")
        leases = {lease["user"]: lease["id"] for lease in json_of("viewer", "ps")["leases"]}
        same("users", sorted(leases), ["alice", "laptop"])
        for who in leases:
            same(f"ps --mine of {who}", [lease["user"] for lease in json_of(who, "ps", "--mine")["leases"]], [who])
        same("ps --mine of one without leases", json_of("viewer", "ps", "--mine")["leases"], [])
        for who, words, text in (("laptop", ["release", leases["alice"]], "is alice's"), ("viewer", ["release", leases["alice"]], ""),
                                 ("alice", ["quota", "set", "--user", "alice", "--gpus", "99"], ""), ("alice", ["server", "drain", "gpu1"], ""),
                                 ("laptop", ["user", "set", "laptop", "--priority", "9"], "")):
            code, _, errors = ringway(who, *words)
            require(code == 125 and text in errors, f"{who} may {' '.join(words)}: {code}, {errors}")
        same("nothing was set", [row["limits"] for row in json_of("viewer", "quota", "list")], [None, None])
        same("one's own", ringway("alice", "release", leases["alice"])[0], 0)
        same("an administrator's", ringway("root", "release", leases["laptop"])[0], 0)
        until(lambda: not json_of("viewer", "ps")["leases"], "the end of both leases")
        same("a reservation by token", ringway("alice", "request", "-m", "64", "--name", "mine", "--keep")[0], 0)
        program = t.start([RINGWAY, "run", "--reservation", "mine", "--", "python3", PROGRAM, "4"], env=env, label="in-reservation")
        same("a program in it", (program.wait(60), last_line(program.output())), (0, "all equal"))
        same("its end", ringway("alice", "release", "mine")[0], 0)
        return "mine, others', administrators'"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, words, env, rows=30, columns=120):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.before = termios.tcgetattr(slave)
        self.slave, self.seen = slave, b""
        self.process = subprocess.Popen([str(word) for word in words], env={**env, "TERM": "xterm-256color"}, stdin=slave, stdout=slave, stderr=slave,
                                        start_new_session=True)

    def take(self, seconds):
        if select.select([self.master], [], [], seconds)[0]:
            self.seen += os.read(self.master, 1 << 16)
            return True
        return False

    def screen(self):
        """The lines that it shows: only what changes is written, each piece behind its place."""
        cells, row, column = {}, 0, 0
        for place, erase, control, letter in re.findall(r"\x1b\[(\d+;\d+)H|(\x1b\[2J)|(\x1b\[[?\d;]*[A-Za-z])|(.)", self.seen.decode(errors="replace"), re.S):
            if place:
                row, column = (int(number) - 1 for number in place.split(";"))
            elif erase:
                cells.clear()
            elif not control and letter >= " ":
                cells[row, column] = letter
                column += 1
        return "\n".join("".join(cells.get((y, x), " ") for x in range(200)).rstrip() for y in range(50))

    def read_until(self, text, limit_s=30):
        deadline = time.monotonic() + limit_s
        while text not in self.screen():
            if time.monotonic() > deadline:
                raise Failed(f"the terminal never showed {text!r}, but\n{self.screen().rstrip()}")
            self.take(0.1)

    def type(self, text):
        os.write(self.master, text)

    def wait(self, limit_s=30):
        deadline = time.monotonic() + limit_s
        while self.process.poll() is None and time.monotonic() < deadline:
            self.take(0.1)  # or it waits until what it writes at its end is taken
        while self.take(0.2):
            pass
        return self.process.poll()

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)

    def is_restored(self):
        """Its settings are what they were, and it shows its first screen and its cursor."""
        return termios.tcgetattr(self.slave)[:4] == self.before[:4] and self.seen.rfind(b"\x1b[?1049l") > self.seen.rfind(b"\x1b[?1049h")


@test("commands: top on a terminal", 180)
def top(t):
    with pooled(t, servers=1) as p:
        p.start("-m", "512", "--", "sleep", "100")
        lease = p.lease_of("sleep 100")
        for how, code in ((b"q", 0), (b"\x03", 0), (signal.SIGTERM, 0)):
            terminal = Terminal([RINGWAY, "top"], p.env)
            try:
                terminal.read_until(lease["id"])
                terminal.read_until("q quit")
                require(termios.tcgetattr(terminal.slave)[3] & termios.ICANON == 0, "top left the terminal in its usual mode: keys come by lines")
                if how == b"q":
                    terminal.type(b"s")
                    terminal.read_until("order: user")
                    terminal.type(b"unobody\r")
                    terminal.read_until("order: user, user: nobody")
                    require(lease["id"] not in terminal.screen(), "top shows the leases of others")
                if isinstance(how, bytes):
                    terminal.type(how)
                else:
                    terminal.process.send_signal(how)
                same(f"top's exit code after {how!r}", terminal.wait(), code)
                require(terminal.is_restored(), f"top left the terminal changed after {how!r}")
            finally:
                terminal.close()
        # A pool that goes does not end it; what was there stays, and it is said.
        terminal = Terminal([RINGWAY, "top"], p.env)
        try:
            terminal.read_until(lease["id"])
            p.pool.stop(signal.SIGKILL)
            terminal.read_until("not all is new")
            require(lease["id"] in terminal.screen(), "top forgets what there was when the pool is gone")
            terminal.type(b"q")
            same("top's exit code without a pool", terminal.wait(), 0)
            require(terminal.is_restored(), "top left the terminal changed")
        finally:
            terminal.close()
        p.refused("needs a terminal", "top")
        # Of a single server, without a pool.
        alone = p.daemon("alone", "serve", "--driver", "softgpu", "--state", p.folder / "alone", "--name", "alone", env={"RINGWAY_SOFTGPU_DEVICES": 1})
        address = p.address_of(alone)
        p.start("--server", address, "-m", "256", "--", "sleep", "102")
        until(lambda: p.json("ps", "--server", address)["leases"], "a lease of the server")
        [lease] = p.json("ps", "--server", address)["leases"]
        same("a server's lease", (lease["user"], lease["slices"]), (USER, [{"server": "alone", "ordinal": 0, "memory_bytes": 256 * MIB}]))
        once = p.good("top", "--once", "--server", address)
        require(lease["id"] in once and "256 of 4096 MiB" in once, f"top --once of a server: {once}")
        require(re.search(r"^GPU 0: .* \(UUID: GPU-[0-9a-f-]{36}\) on alone$", p.good("smi", "-L", "--server", address), re.M), "smi -L of a server")
        require("  GPU  " in p.good("list", "--server", address), "list of a server")
        p.refused("--filter is for a pool", "list", "--server", address, "--filter", "device.cc>=8")
        p.refused("not a pool", "quota", "list", "--server", address)
        p.refused("not a pool", "release", lease["id"], "--server", address)
        return "q, Ctrl-C, SIGTERM, a killed pool; a single server"
