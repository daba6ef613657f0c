"""A pool of servers: programs on it, its queue, and what happens when clients, servers or the pool itself die."""

import json
import os
import random
import re
import secrets
import shutil
import signal
import socket
import struct
import subprocess
import time

from .clients import CLIENTS, summary_of
from .confinement import workers_of
from .etcd import program as etcd_program
from .places import RINGWAY, python
from .robustness import until
from .runner import last_line, require, test

PROGRAM = CLIENTS / "behaviour/pattern.py"
MAGIC = b"RWCT"


def frame(message):
    payload = json.dumps(message).encode()
    return MAGIC + struct.pack("<HHI", 1, 0, len(payload)) + payload


def receive(stream):
    header = read(stream, 12)
    magic, version, _, length = header[:4], *struct.unpack("<HHI", header[4:])
    require(magic == MAGIC and version == 1, f"the answer begins with {header!r}")
    return json.loads(read(stream, length))


def read(stream, count):
    data = b""
    while len(data) < count:
        more = stream.recv(count - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


class Pool:
    """A `ringway pool` with a state folder of its own, on a port of the loopback address that it keeps when it is started again."""

    def __init__(self, t, name="pool", options=()):
        self.t, self.name, self.options = t, name, options
        self.state, self.files = t.folder / f"{name}-{secrets.token_hex(3)}", {}
        self.address = f"127.0.0.1:{free_port()}"
        self.admin = self.token("admin", "--scope", "admin")
        self.process = None
        self.start()

    def start(self):
        self.process = self.t.start([RINGWAY, "pool", "--announce", "--listen", self.address, "--state", self.state, "--name", self.name, *self.options],
                                    label=self.name)
        self.process.wait_for_text("ready ")

    def token(self, name, *options):
        """Makes a token; its file."""
        file = self.t.folder / f"{self.name}-{name}-{secrets.token_hex(3)}.toml"
        self.t.output_of(RINGWAY, "token", "--state", self.state, "create", "--name", name, "--address", self.address, "-o", file, *options)
        self.files[name] = file
        return file

    def presented(self, file):
        text = file.read_text()
        return "rwt_" + "_".join(re.search(rf'^{key} = "(.*)"$', text, re.M)[1] for key in ("id", "secret"))

    def ask(self, ask, file=None):
        """Asks the pool something in its own protocol, in clear text as this machine may."""
        host, port = self.address.split(":")
        with socket.create_connection((host, int(port)), 20) as stream:
            stream.settimeout(20)
            stream.sendall(frame({"pool": {"token": self.presented(file or self.admin), "ask": ask}}))
            reply = receive(stream)
        require("refused" not in reply, f"the pool refused {ask}: {reply}")
        return reply["pool"]

    def servers(self):
        return {row["info"]["name"]: row for row in self.ask({"servers": {"after": None}})["servers"]["rows"]}

    def leases(self):
        return {f"{row['lease']['id']:016x}": row for row in self.ask({"leases": {"after": None}})["leases"]["rows"]}

    def queue(self):
        return self.ask({"queue": {"from": 0}})["queue"]["rows"]

    def usage(self):
        return {row["user"]: row for row in self.ask({"usage": {"from_ms": 0, "until_ms": 1 << 50}})["usage"]["rows"]}

    def wait_up(self, *names):
        until(lambda: all(self.servers().get(name, {}).get("state") == "up" for name in names), f"the servers {names}")

    def leased_bytes(self):
        return sum(gpu["leased_bytes"] for row in self.servers().values() for gpu in row["gpus"])


class Member:
    """A `ringway serve` of a pool."""

    def __init__(self, t, pool, name, gpus=2, options=(), grace=None):
        self.t, self.pool, self.name, self.gpus = t, pool, name, gpus
        self.options = [*options, *(["--grace", str(grace)] if grace is not None else [])]
        self.file = pool.token(name, "--scope", "serve")
        self.state = t.folder / f"serve-{name}-{secrets.token_hex(3)}"
        self.process = None
        self.start()

    def start(self):
        self.process = self.t.start([RINGWAY, "serve", "--driver", "softgpu", "--announce", "--listen", "127.0.0.1:0", "--state", self.state,
                                     "--pool-token-file", self.file, *self.options],
                                    env={"RINGWAY_SOFTGPU_DEVICES": self.gpus}, label=f"serve-{self.name}")
        self.process.wait_for_text("ready ")

    def workers(self):
        return workers_of(self.process)


def run_program(t, file, *words, options=(), label="program"):
    return t.start([RINGWAY, "run", "--token-file", file, *options, "--", "python3", PROGRAM, *words], label=label)


def all_over(pool, members):
    """Nothing is left of any lease: not in the pool, not on its servers."""
    until(lambda: not pool.leases() and not pool.queue() and pool.leased_bytes() == 0, "the end of all leases")
    for member in members:
        until(lambda: not member.workers(), f"the end of the workers of {member.name}")


@test("pool, programs", 180)
def programs(t):
    """More programs than there is room for, of three users, on two servers: each gets its slice, computes right, and leaves nothing."""
    pool = Pool(t)
    members = [Member(t, pool, name) for name in ("gpu01", "gpu02")]
    pool.wait_up("gpu01", "gpu02")
    files = [pool.token(f"user{number}") for number in range(3)]
    running = [run_program(t, files[number % 3], "24", "4", "0.1", options=["-p", "0.4"], label=f"program{number}") for number in range(12)]
    seen = set()
    for program in running:
        while program.process.poll() is None:
            seen.update(pool.leases())
            require(all(gpu["leases"] <= 2 for row in pool.servers().values() for gpu in row["gpus"]), "three slices of 0.4 on one GPU")
            time.sleep(0.02)
        require(program.wait() == 0 and "all equal" in program.output(), f"{program.label}: {last_line(program.errors())}")
    require("in the queue" in "".join(program.errors() for program in running), "nobody waited: 12 programs fitted where 8 fit")
    all_over(pool, members)
    usage = pool.usage()
    require({user: row["leases"] for user, row in usage.items()} == {"user0": 4, "user1": 4, "user2": 4}, f"the history says {usage}")
    for row in usage.values():
        share = row["gpu_time"] / row["lease_ms"] / 1000
        require(0.38 < share <= 0.401, f"leases of 0.4 of a GPU count as {share}")
    return f"12 programs, {len(seen)} leases seen"


@test("pool, what a request may say", 120)
def requests(t):
    """Filters, several GPUs, quotas, a time to wait, a drained server."""
    pool = Pool(t)
    members = [Member(t, pool, "small", 1, ["--label", "rack=1"]), Member(t, pool, "large", 3, ["--label", "rack=2"])]
    pool.wait_up("small", "large")
    user = pool.token("alice")

    def server_of(*options):
        done = subprocess.run([RINGWAY, "run", "--token-file", user, *options, "--", "true"], capture_output=True, text=True, timeout=60)
        found = re.search(r" on (\S+) by ", done.stderr)
        return found[1] if done.returncode == 0 and found else done.stderr

    for options, wanted in (
        (["--filter", "label.rack=1"], "small"), (["--filter", "label.rack!=1"], "large"), (["-n", "3"], "large"), (["-n", "2", "-p", "0.3"], "large"),
        (["--filter", "server.hostname=nowhere*"], "none of the pool's 4 GPUs is as the filters ask"), (["-n", "4", "--one-server"], "no server of the pool has more than 3"), (["-n", "5"], "the pool has 4"),
        (["--filter", "device.memory>=1TiB"], "none of the pool's 4 GPUs"), (["--filter", "rack=1"], "is no filter"), (["-m", "1000000"], "no slice of that size"),
    ):
        got = server_of(*options)
        require(got == wanted or (wanted in got and got.startswith("ringway:")), f"{options}: {got}")
    # A time to wait, and going without.
    holder = run_program(t, user, "1", "100000", "0.1", options=["-n", "3"])
    holder.wait_for_text("round 0")
    late = server_of("-n", "3", "--timeout", "1s")
    require("no GPUs became free within 1 s" in late, late)
    without = t.start([RINGWAY, "run", "--token-file", user, "-n", "3", "--timeout", "1s", "--on-timeout", "continue", "--", "sh", "-c", "echo ${RINGWAY_LEASE-none}"])
    require(without.wait(30) == 0 and without.output() == "none\n", f"without GPUs: {without.output()!r} {last_line(without.errors())}")
    # One that waits is told where it stands, and leaves no trace when it is killed.
    waiting = run_program(t, user, "1", options=["-n", "3"])
    waiting.wait_for_text("place 1 of 1 in the queue")
    (row,) = pool.queue()
    require(row["user"] == "alice" and row["gpus"] == 3 and "pattern.py" in row["identity"]["program"], f"the queue says {row}")
    waiting.stop(signal.SIGKILL)
    until(lambda: not pool.queue(), "the request's end")
    # A quota that is full, and one that could never be met.
    pool.ask({"admin": {"set_limits": {"principal": {"user": "alice"}, "limits": {"gpus": 3, "memory_bytes": None, "sessions": None, "gpu_hours": None}}}})
    held = server_of("--timeout", "1s")
    require("no GPUs became free within 1 s" in held, f"a fourth GPU beyond the quota of three: {held}")
    holder.stop()
    require(server_of() in ("small", "large"), "after its other lease's end the quota has room")
    pool.ask({"admin": {"drain": {"server": "small", "drain": True}}})
    require(server_of("--filter", "label.rack=2") == "large", "the other server goes on")
    drained = server_of("--filter", "label.rack=1", "--timeout", "1s")
    require("no GPUs became free" in drained, f"of a drained server: {drained}")
    pool.ask({"admin": {"drain": {"server": "small", "drain": False}}})
    require(server_of("--filter", "label.rack=1") == "small", "the drained server is back")
    all_over(pool, members)


@test("pool, a lease on two servers", 240)
def two_servers(t):
    """More GPUs than one server has: the program sees them all, in the pool's order, and the parts are granted and end together."""
    pool = Pool(t)
    members = {name: Member(t, pool, name) for name in ("gpu01", "gpu02")}
    pool.wait_up("gpu01", "gpu02")
    user = pool.token("carol")

    def start(n, *words, options=()):
        return t.start([RINGWAY, "run", "--token-file", user, "-n", n, *options, "--", python(), CLIENTS / "behaviour/servers.py", *words])

    program = start(3, "order", 600)
    until(pool.leases, "the lease")
    (row,) = pool.leases().values()
    where = [part["server"] for part in row["lease"]["slices"]]
    require(where in (["gpu01", "gpu01", "gpu02"], ["gpu02", "gpu02", "gpu01"]), f"three GPUs of two servers with two: {where}")
    summary_of(program)
    line = program.errors().splitlines()[0]
    told = [name for part in line.split("; ") for name in part.count(" + ") * re.findall(r" on (\S+) by ", part) + re.findall(r" on (\S+) by ", part)]
    require(told == where, f"the pool granted {where}, the program was told {told}: {line}")
    all_over(pool, members.values())
    summary_of(start(3, "devices", *where))
    all_over(pool, members.values())
    # One server where that can be, and where it must be.
    pair = start(2, "order", 50)
    summary_of(pair)
    require(pair.errors().splitlines()[0].count(" on ") == 1, f"two GPUs are not on one server: {pair.errors()[:300]}")
    refused = start(3, "order", 1, options=["--one-server"])
    require(refused.wait(60) == 125 and "no server of the pool has more than 2" in refused.errors(), f"--one-server: {refused.errors()[-300:]}")
    # The second server does not take its ticket: what the first one gave is given back.
    all_over(pool, members.values())
    stopped = members[where[-1]].process.pid
    os.kill(stopped, signal.SIGSTOP)
    try:
        alone = start(3, "order", 1)
        require(alone.wait(60) == 125 and "ringway: " in last_line(alone.errors()), f"without one part: {alone.errors()[-300:]}")
        until(lambda: not members[where[0]].workers() and all(gpu["leased_bytes"] == 0 for gpu in pool.servers()[where[0]]["gpus"]), "the end of the other part")
    finally:
        os.kill(stopped, signal.SIGCONT)
    pool.wait_up("gpu01", "gpu02")
    all_over(pool, members.values())
    summary_of(start(4, "order", 50))
    all_over(pool, members.values())
    return f"{where}"


@test("pool, parts that die", 240)
def deaths(t):
    """Programs, servers and the pool are killed; what is not theirs goes on, and nothing is left of what is."""
    pool = Pool(t)
    members = [Member(t, pool, name, 1, grace=2) for name in ("gpu01", "gpu02")]
    first, second = members
    pool.wait_up("gpu01", "gpu02")
    user = pool.token("bob")
    programs = [run_program(t, user, "8", "100000", "0.05", label=f"long{number}") for number in range(2)]
    for program in programs:
        program.wait_for_text("round 3")
    before = pool.leases()
    require(len(before) == 2 and {row["lease"]["slices"][0]["server"] for row in before.values()} == {"gpu01", "gpu02"}, f"the leases are {before}")

    # The pool: programs do not notice, those that ask meanwhile are told, and when it is back it knows everything.
    pool.process.stop(signal.SIGKILL)
    marks = [program.output().count("round") for program in programs]
    asked = run_program(t, user, "1")
    require(asked.wait(60) == 125 and "cannot reach" in asked.errors(), f"a dead pool: {last_line(asked.errors())}")
    for program, mark in zip(programs, marks):
        until(lambda: program.output().count("round") > mark + 5, "a program's progress without a pool")
    pool.start()
    pool.wait_up("gpu01", "gpu02")
    until(lambda: all(row["is_confirmed"] for row in pool.leases().values()), "the servers' reports")
    require({key: row["lease"] for key, row in pool.leases().items()} == {key: row["lease"] for key, row in before.items()}, "the leases are others after the restart")

    # A program: its lease ends.
    waiting = run_program(t, user, "8", "2", label="waiting")
    waiting.wait_for_text("place 1 of 1")
    programs[0].stop(signal.SIGKILL)
    require(waiting.wait(60) == 0 and "all equal" in waiting.output(), f"the one that waited: {last_line(waiting.errors())}")

    # A server: its program fails by a CUDA error, the other's goes on, the server comes back, and its lease has ended.
    mine = next(member for member in members if member.workers())
    for worker in mine.workers():
        os.kill(worker, signal.SIGKILL)
    mine.process.stop(signal.SIGKILL)
    code = programs[1].wait(60)
    require(code == 17 and "CUDA error" in programs[1].output(), f"the dead server's program ended with {code}: {last_line(programs[1].output())}")
    until(lambda: pool.servers()[mine.name]["state"] == "down", "the server's being down")
    elsewhere = run_program(t, user, "8", "2", label="elsewhere")
    require(elsewhere.wait(60) == 0, f"on the other server: {last_line(elsewhere.errors())}")
    mine.start()
    pool.wait_up("gpu01", "gpu02")
    both = run_program(t, user, "8", "2", options=["--filter", f"server.addr={pool.servers()[mine.name]['info']['address']}"], label="again")
    require(both.wait(60) == 0, f"on the server that came back: {last_line(both.errors())}")
    all_over(pool, members)

    # A lease that the pool ends, or whose token is revoked: its program is told, and ends by a CUDA error.
    for end in ("release", "revoke"):
        program = run_program(t, user, "8", "100000", "0.05", label=end)
        program.wait_for_text("round 1")
        (lease,) = pool.leases()
        if end == "revoke":
            # Also by a pool that did not grant the lease itself since it was started.
            pool.process.stop(signal.SIGKILL)
            pool.start()
            pool.wait_up("gpu01", "gpu02")
        if end == "release":
            pool.ask({"release": {"lease": int(lease, 16)}})
        else:
            t.output_of(RINGWAY, "token", "--state", pool.state, "revoke", "bob")
        require(program.wait(60) == 17, f"{end}: the program went on")
        require("lost" in program.errors() or "the lease is gone" in program.errors(), f"{end}: {program.errors()[-300:]}")
    all_over(pool, [first, second])
    return "pool, programs, servers"


@test("pool, every word of its protocol malformed", 120)
def malformed(t):
    """Cut, changed and senseless requests: each is answered or closed in time, and the pool goes on."""
    pool = Pool(t)
    member = Member(t, pool, "gpu01", 1)
    pool.wait_up("gpu01")
    token = pool.presented(pool.admin)
    server = pool.servers()["gpu01"]["info"]["address"]
    good = [
        {"pool": {"token": token, "ask": {"servers": {"after": None}}}},
        {"pool": {"token": token, "ask": {"usage": {"from_ms": 0, "until_ms": 1}}}},
        {"lease": {"token": token, "gpus": 1, "memory": {"fraction": 0.1}, "identity": {"user": "u", "host": "h", "program": "p", "pid": 1}}},
        {"redeem": {"ticket": "rwk_00_00", "identity": {"user": "u", "host": "h", "program": "p", "pid": 1}}},
    ]
    counted = 0

    def say(address, data):
        nonlocal counted
        host, port = address.split(":")
        answer = b""
        with socket.create_connection((host, int(port)), 20) as stream:
            stream.settimeout(20)
            try:
                stream.sendall(data)
                stream.shutdown(socket.SHUT_WR)
                while more := stream.recv(1 << 16):
                    answer += more
            except OSError:
                pass  # closed before all was read
        counted += 1
        return answer

    chance = random.Random(7)
    for message in good:
        data = frame(message)
        for address in (pool.address, server):
            # Of a lease a client that has closed its half of the connection wants nothing any more.
            require("lease" in message or say(address, data)[:4] == MAGIC, f"no answer to {message}")
            for cut in range(0, len(data), 7):
                say(address, data[:cut])
            for _ in range(25):
                changed = bytearray(data)
                for _ in range(chance.randrange(1, 4)):
                    changed[chance.randrange(len(changed))] = chance.randrange(256)
                say(address, bytes(changed))
    senseless = [
        {"lease": {"token": token, "gpus": gpus, "memory": memory, "identity": {"user": "u" * 5000, "host": "\u0007", "program": "p", "pid": 1},
                   "wishes": {"filters": filters}}}
        for gpus, memory, filters in ((0, {"fraction": 0.5}, []), (1 << 31, {"fraction": 0.5}, []), (1, {"fraction": 1e308}, []), (1, {"mib": 1 << 63}, []),
                                      (1, {"fraction": 0.5}, ["x"] * 1000), (1, {"fraction": 0.5}, ["label." + "a" * 10_000 + "=1"]))
    ] + [{"pool": {"token": token, "ask": ask}} for ask in (
        {"release": {"lease": 7}}, {"admin": {"drain": {"server": "nobody", "drain": True}}}, {"admin": {"remove_server": {"server": "gpu01"}}},
        {"admin": {"set_user": {"user": "a\nb", "settings": ["g", 1]}}}, {"admin": {"set_limits": {"principal": {"user": ""}, "limits": None}}})]
    for message in senseless:
        reply = say(pool.address, frame(message))
        require(b'"refused"' in reply, f"{str(message)[:200]} was answered by {reply[:200]}")
    until(lambda: not pool.queue() and not pool.leases(), "the end of what was asked")
    require(pool.process.process.poll() is None and member.process.process.poll() is None, "a daemon died")
    require("panicked" not in pool.process.errors() + member.process.errors(), "a daemon panicked")
    pool.wait_up("gpu01")
    return f"{counted} connections"


@test("pool, programs that end at once", 60)
def brief(t):
    """Programs that are gone before a server reports their lease: it has ended all the same, and the next one need not wait."""
    pool = Pool(t)
    member = Member(t, pool, "gpu01", 1)
    pool.wait_up("gpu01")
    user = pool.token("carol")
    for number in range(20):
        done = subprocess.run([RINGWAY, "run", "-q", "--token-file", user, "--", "true"], capture_output=True, text=True, timeout=30)
        require(done.returncode == 0, f"program {number}: {last_line(done.stderr)}")
    all_over(pool, [member])
    require(pool.usage()["carol"]["leases"] == 20, f"the history says {pool.usage()}")
    return "20 programs"


class Nodes:
    """A pool of three nodes with one etcd: copies of one folder, each on a port of its own."""

    def __init__(self, t):
        self.t, folder = t, t.folder / f"nodes-{secrets.token_hex(3)}"
        folder.mkdir()
        client, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        self.etcd = t.start([etcd_program(), "--data-dir", folder / "etcd", "--listen-client-urls", client, "--advertise-client-urls", client,
                             "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}"],
                            env={"ETCD_UNSUPPORTED_ARCH": ""}, label="etcd")
        self.etcd.wait_for_text("ready to serve client requests")
        self.addresses = [f"127.0.0.1:{free_port()}" for _ in range(3)]
        self.client, self.states = client, [folder / f"node{number}" for number in range(3)]
        self.words = words = [word for address in self.addresses for word in ("--address", address)]
        self.files = {}
        for name, scope in (("admin", "admin"), ("gpu01", "serve"), ("gpu02", "serve"), ("dave", "use")):
            self.files[name] = folder / f"{name}.toml"
            t.output_of(RINGWAY, "token", "--state", self.states[0], "create", "--name", name, "--scope", scope, *words, "-o", self.files[name])
        # The key that signs tickets is made when a pool starts; all nodes have the same.
        first = t.start([RINGWAY, "pool", "--announce", "--listen", "127.0.0.1:0", "--state", self.states[0]], label="first")
        first.wait_for_text("ready ")
        first.stop()
        for state in self.states[1:]:
            shutil.copytree(self.states[0], state)
        self.nodes = [self.start(number) for number in range(3)]

    def start(self, number):
        return self.t.start([RINGWAY, "pool", "--announce", "--listen", self.addresses[number], "--state", self.states[number], "--name", "nodes",
                             "--etcd", self.client], label=f"node{number}")

    def leader(self):
        """The number of the node that leads; there is one at a time."""
        leading = [number for number, node in enumerate(self.nodes) if node.process.poll() is None and "ready " in node.output()]
        require(len(leading) <= 1, f"the nodes {leading} lead")
        return leading[0] if leading else None

    def wait_for_leader(self):
        until(lambda: self.leader() is not None, "a node that leads")
        return self.leader()


    def denied(self, file):
        """Why the pool does not take a token; None: it does."""
        done = subprocess.run([RINGWAY, "list", "--json", "--server", self.addresses[self.leader()], "--token-file", file],
                              capture_output=True, text=True, timeout=30)
        return None if done.returncode == 0 else last_line(done.stderr)


@test("pool, three nodes: tokens", 240)
def shared_tokens(t):
    """A token that is made, or revoked, at a node that waits counts at the one that leads, and at the next one."""
    pool = Nodes(t)
    leader = pool.wait_for_leader()
    one, other = (number for number in range(3) if number != leader)
    file = t.folder / f"erin-{secrets.token_hex(3)}.toml"
    t.output_of(RINGWAY, "token", "--state", pool.states[one], "create", "--name", "erin", *pool.words, "-o", file)
    until(lambda: pool.denied(file) is None, "the new token at the node that leads")
    until(lambda: '"erin"' in (pool.states[other] / "tokens.json").read_text(), "the new token at the other node that waits")
    # A token that was revoked while its node could not tell anyone is told of before that node leads.
    pool.nodes[other].stop()
    t.output_of(RINGWAY, "token", "--state", pool.states[other], "revoke", "erin")
    pool.nodes[one].stop()
    pool.nodes[leader].stop(signal.SIGKILL)
    pool.nodes[other] = pool.start(other)
    require(pool.wait_for_leader() == other, "a node that was stopped leads")
    require("revoked" in (pool.denied(file) or ""), f"a revoked token: {pool.denied(file)}")
    pool.nodes[one] = pool.start(one)
    until(lambda: '"revoked": null' not in re.search(r'"name": "erin".*?}', (pool.states[one] / "tokens.json").read_text(), re.S)[0],
          "the revocation at the node that waits")
    pool.nodes[other].stop()
    require(pool.wait_for_leader() == one, "a node that was stopped leads")
    require("revoked" in (pool.denied(file) or ""), f"a revoked token: {pool.denied(file)}")
    require(pool.denied(pool.files["dave"]) is None, "another token is refused")
    return "made at one node, revoked at another"


@test("pool, three nodes", 240)
def nodes(t):
    """The node that leads is killed and another one stopped, under programs and those that wait: no lease is lost, no program disturbed."""
    pool = Nodes(t)
    seen = Pool.__new__(Pool)  # its questions, wherever the leader is
    seen.t, seen.admin = t, pool.files["admin"]
    leader = pool.wait_for_leader()
    seen.address = pool.addresses[leader]
    members = []
    for name in ("gpu01", "gpu02"):
        member = Member.__new__(Member)
        member.t, member.pool, member.name, member.gpus, member.options = t, seen, name, 1, ["--grace", "10"]
        member.file, member.state = pool.files[name], t.folder / f"serve-{name}-{secrets.token_hex(3)}"
        member.start()
        members.append(member)
    seen.wait_up("gpu01", "gpu02")
    user = pool.files["dave"]
    programs = [run_program(t, user, "8", "100000", "0.05", label=f"long{number}") for number in range(2)]
    for program in programs:
        program.wait_for_text("round 3")
    before = {key: row["lease"] for key, row in seen.leases().items()}
    require(len(before) == 2, f"the leases are {before}")
    # One waits through both changes, another one for no longer than it was told to, whoever leads.
    patient = run_program(t, user, "8", "2", label="patient")
    patient.wait_for_text("in the queue")
    brief = run_program(t, user, "8", "2", options=["--timeout", "12s"], label="brief")
    brief.wait_for_text("in the queue")
    begun = time.monotonic()
    for how in (signal.SIGKILL, signal.SIGTERM):
        pool.nodes[leader].stop(how)
        marks = [program.output().count("round") for program in programs]
        next_leader = pool.wait_for_leader()
        require(next_leader != leader, "the dead node leads")
        leader, seen.address = next_leader, pool.addresses[next_leader]
        seen.wait_up("gpu01", "gpu02")
        until(lambda: all(row["is_confirmed"] for row in seen.leases().values()), "the servers' reports")
        after = {key: row["lease"] for key, row in seen.leases().items()}
        require(after == before, f"after {how.name} the leases are {after}, they were {before}")
        for program, mark in zip(programs, marks):
            until(lambda: program.output().count("round") > mark + 5, "a program's progress")
    # The last node goes on: a request waits, is served, and everything ends.
    require(brief.wait(60) == 125 and "no GPUs became free within" in brief.errors(), f"the one with a bound: {last_line(brief.errors())}")
    waited = time.monotonic() - begun
    require(waited > 11, f"the one with a bound waited {waited:.1f} s")
    waiting = run_program(t, user, "8", "2", label="waiting")
    waiting.wait_for_text("place 2 of 2")
    programs[0].stop()
    for program in (patient, waiting):
        require(program.wait(60) == 0 and "all equal" in program.output(), f"{program.label}: {last_line(program.errors())}")
    require(patient.errors().count("asking again") == 2, f"the one that waited through both changes: {patient.errors()}")
    programs[1].stop()
    all_over(seen, members)
    require(seen.usage()["dave"]["leases"] == 4, f"the history says {seen.usage()}")
    return "killed, stopped; 4 leases in the history"
