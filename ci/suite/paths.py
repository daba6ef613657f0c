"""Copies straight between servers: where there is a path the bytes of a copy come near the program no more, and whatever happens to a
path, the numbers are right. What asks for paths that are not its own gets none."""

import hashlib
import hmac
import json
import os
import re
import secrets
import signal
import socket
import struct
import threading
import time

from .broken_links import HEADER, MAGIC, VERSION, Relay, ask, frame
from .clients import CLIENTS, summary_of
from .places import RINGWAY, python
from .pool import Member, Pool, free_port
from .robustness import until, workers_of
from .runner import require, test
from .security import PATTERN, Proxy, Secured

PROGRAM = CLIENTS / "behaviour/paths.py"
SERVERS = CLIENTS / "behaviour/servers.py"
BESIDE = 4 << 20  # bytes of calls and answers beside what a program uploads and downloads


class Peer:
    """A `ringway serve` at a known port, that may connect to others."""

    def __init__(self, t, port, peers, gpus=1, env=None, options=()):
        self.t, self.address = t, f"127.0.0.1:{port}"
        self.socket = f"/tmp/ringway-test-{secrets.token_hex(4)}.sock"
        words = [word for peer in peers for word in ("--peer", peer)]
        self.server = t.start([RINGWAY, "serve", "--driver", "softgpu", "--announce", "--listen", f"unix:{self.socket}", "--listen", self.address, *words, *options],
                              env={"RINGWAY_SOFTGPU_DEVICES": gpus, **(env or {})}, label="serve")
        self.server.wait_for_text("ready ")

    def close(self):
        self.server.stop()


class Known(Member):
    """A server of a pool with an identity, so that it is reached by TLS."""

    def start(self):
        self.t.output_of(RINGWAY, "token", "--state", self.state, "create", "--name", "own", "-o", self.t.folder / f"{self.name}-{secrets.token_hex(3)}.toml")
        super().start()


def peers(t, counts=(1, 2), by=None, **env):
    """Servers that may connect to each other: as programs name them, which is by what `by` makes of an address."""
    ports = [free_port() for _ in counts]
    names = [f"127.0.0.1:{port}" for port in ports]
    named = by(names) if by else names
    return [Peer(t, port, [name for other, name in enumerate(named) if other != number], counts[number], env) for number, port in enumerate(ports)], named


def start(t, servers, words, gpus=2, options=(), env=None, link="tcp"):
    named = [word for server in servers for word in ("--server", server)]
    return t.start([RINGWAY, "run", *named, "-n", gpus, *(["--link", link] if link else []), *options, "--", python(), *words], env=env, label="program")


def counted(t, program):
    return json.loads((t.folder / "stats.json").read_text())


def walked(t, servers, mib, steps, gpus, options=(), link="tcp", env=None):
    """Bytes that the walk copied, and the program's counts."""
    program = start(t, servers, [PROGRAM, "walk", mib, steps], gpus, ["--stats", t.folder / "stats.json", *options], env, link)
    summary_of(program)
    return int(re.search(r"copied (\d+)", program.output())[1]), counted(t, program), program


@test("several servers: copies straight between them", 400)
def straight(t):
    notes = []
    for link in ("tcp", "shm"):
        relays = []
        made = []

        def through(names):
            made.extend(names)
            relays.extend(Relay(t, name) for name in names)
            return [relay.address for relay in relays]

        if link == "tcp":
            servers, named = peers(t, (1, 2, 1), through)
        else:
            sockets = [f"/tmp/ringway-test-{secrets.token_hex(4)}.sock" for _ in range(3)]
            servers = []
            for number, gpus in enumerate((1, 2, 1)):
                others = [f"unix:{path}" for other, path in enumerate(sockets) if other != number]
                server = Peer(t, free_port(), others, gpus, options=["--listen", f"unix:{sockets[number]}"])
                servers.append(server)
            named = [f"unix:{path}" for path in sockets]
        copied, stats, program = walked(t, named, 8, 24, 4, link=link)
        between = stats["bytes_between_servers"]
        # Some steps are between the two devices of one server.
        require(copied // 2 <= between <= copied, f"{link}: {copied} bytes were copied, {between} straight between servers")
        ends = 2 * (8 << 20)
        require(stats["bytes_up"] + stats["bytes_down"] <= ends + BESIDE, f"{link}: bytes came by the program's machine: {stats['bytes_up']} up, {stats['bytes_down']} down")
        if relays:
            lanes = sum(relay.bytes for relay in relays)
            require(lanes <= ends + BESIDE, f"{lanes} bytes went over the lanes")
            require(any(what == "path" for relay in relays for what, _ in relay.frames), "no path was made, so the relays prove nothing")
        require("not straight" not in program.errors(), f"a fallback: {program.errors()[-300:]}")
        notes.append(f"{link}: {between >> 20} MiB straight, {(stats['bytes_up'] + stats['bytes_down']) >> 20} MiB up and down")
        # Without paths the same bytes come by this machine, and the program says so no more than once.
        copied, stats, program = walked(t, named, 8, 24, 4, link=link, env={"RINGWAY_PATHS": "0"})
        require(stats["bytes_between_servers"] == 0 and stats["bytes_down"] > copied // 2, f"RINGWAY_PATHS=0: {stats}")
        # All sizes, and every call.
        if link == "tcp":
            program = start(t, named, [SERVERS, "copies"], 4, ["--stats", t.folder / "stats.json"])
            summary_of(program)
            require(counted(t, program)["bytes_between_servers"] > 100 << 20, "the copies did not go straight")
        program = start(t, named, [SERVERS, "order", 300], 4, ["--stats", t.folder / "stats.json"], link=link)
        summary_of(program)
        require(counted(t, program)["bytes_between_servers"] > 0, "the words did not go straight")
        summary_of(start(t, named, [SERVERS, "order", 60], 4, link=link, env={"RINGWAY_SYNC": "1"}))
        for one in (*relays, *servers):
            one.close()
    return ", ".join(notes)


@test("several servers: copies straight in a pool", 200)
def in_pool(t):
    pool = Pool(t)
    members = [Known(t, pool, name, 1) for name in ("gpu01", "gpu02", "gpu03")]
    pool.wait_up("gpu01", "gpu02", "gpu03")
    user = pool.token("carol")
    program = t.start([RINGWAY, "run", "--token-file", user, "-n", 3, "--stats", t.folder / "stats.json", "--", python(), PROGRAM, "walk", 4, 15], label="program")
    summary_of(program)
    copied, stats = int(re.search(r"copied (\d+)", program.output())[1]), counted(t, program)
    require(stats["bytes_between_servers"] == copied, f"{copied} bytes were copied, {stats['bytes_between_servers']} straight")
    require(stats["bytes_up"] + stats["bytes_down"] <= 2 * (4 << 20) + BESIDE, f"bytes came by the program's machine: {stats}")
    require(program.errors().splitlines()[0].count("encrypted") == 3, f"the servers are not reached by TLS: {program.errors()[:300]}")
    for member in members:
        require("panicked" not in member.process.errors(), "a server panicked")
    return f"{copied >> 20} MiB"


@test("several servers: paths are encrypted", 200)
def encrypted(t):
    """Between servers with an identity what goes over a path is sealed; the same in clear text, so that the look is proved to see."""
    folder = t.folder / secrets.token_hex(4)
    folder.mkdir(mode=0o700)
    first = Secured(t, folder, "one")
    proxy = Proxy(first.port())
    second = Secured(t, folder, "two", options=["--peer", proxy.address])
    files = [first.token("user", "--address", proxy.address), second.token("user", "--address", second.address)]
    words = [word for file in files for word in ("--token-file", file)]
    what = ["-c", SNIFFED, CLIENTS / "lib", PATTERN.decode()]
    program = start(t, [], what, 2, [*words, "--stats", t.folder / "stats.json"])
    require(program.wait(60) == 0 and "equal" in program.output(), f"over TLS: {program.errors()[-300:]}")
    stats = counted(t, program)
    require(stats["bytes_between_servers"] == 8 << 20, f"the copy did not go straight: {stats}; {program.errors()[-300:]}")
    require(sum(map(len, proxy.seen)) > 8 << 20, "the proxy has not seen the path")
    require(not any(PATTERN[:16] in kept or b'"path"' in kept for kept in proxy.seen), "bytes crossed the wire in clear text")
    port = free_port()
    clear = Proxy(port)
    servers = [Peer(t, port, []), Peer(t, free_port(), [clear.address])]
    program = start(t, [clear.address, servers[1].address], what, 2)
    require(program.wait(60) == 0 and "equal" in program.output(), f"in clear text: {program.errors()[-300:]}")
    require(any(PATTERN[:16] in kept and b'"path"' in kept for kept in clear.seen), "the proxy sees nothing, so it proves nothing")


# The second server's device gets a known pattern from the first's, in a stream of its own.
SNIFFED = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np, driver
from ctypes import c_size_t, c_uint64, c_void_p
driver._SIGNATURES["cuMemcpyPeerAsync"] = [c_uint64, c_void_p, c_uint64, c_void_p, c_size_t, c_void_p]
data = np.frombuffer(sys.argv[2].encode() * ((8 << 20) // len(sys.argv[2])), np.uint8)
a, b = driver.Device(0), driver.Device(1)
a.use()
source = a.upload(data)
b.use()
target, stream = b.alloc(data.nbytes), b.stream()
driver.call("cuMemcpyPeerAsync", target, b.context, source, a.context, data.nbytes, stream)
driver.call("cuStreamSynchronize", stream)
print("equal" if np.array_equal(b.download(target, data.size, np.uint8), data) else "DIFFERENT")
"""


@test("several servers: paths that break", 400)
def broken(t):
    notes = []
    relays = []

    def through(names, cuts=()):
        relays[:] = [Relay(t, name, cuts, counted=("path",)) for name in names]
        return [relay.address for relay in relays]

    servers, named = peers(t, (1, 1), through)
    copied, stats, _ = walked(t, named, 4, 60, 2)
    total = sum(relay.bytes for relay in relays)
    require(total > copied and stats["bytes_between_servers"] == copied, f"{total} bytes over paths for {copied}, {stats}")
    for one in (*relays, *servers):
        one.close()
    # Cut after so many bytes of all paths to a server: within heads, within pieces, and between copies.
    each = total // 2
    cuts = [1, 200, 3000, each // 9, each // 4, each // 3 + 7, each // 2, 2 * each // 3]
    servers, named = peers(t, (1, 1), lambda names: through(names, cuts))
    copied, stats, program = walked(t, named, 4, 60, 2)
    made = [relay.made for relay in relays]
    require(min(made) >= 3, f"cuts made: {made}")
    require(0 < stats["bytes_between_servers"] <= copied, f"after {made} cuts: {stats}")
    notes.append(f"{sum(made)} cuts, {stats['bytes_between_servers'] >> 20} of {copied >> 20} MiB straight")
    # Threads in every direction, while paths are cut again and again, and then lanes too.
    program = start(t, named, [PROGRAM, "mixed", 12], 2)
    until(lambda: any(relay.bytes > 1 << 20 for relay in relays) or program.process.poll() is not None, "the copies")
    for turn in range(40):
        time.sleep(0.2)
        for relay in relays:
            relay.cut(what=("path", "open", "resume") if turn % 3 == 2 else None)
    summary_of(program)
    notes.append(re.search(r"\d+ copies", program.errors())[0])
    # Nobody lets the servers through to each other any more: the copies go on by the program.
    for one in (*relays, *servers):
        require("panicked" not in (one.server.errors() if isinstance(one, Peer) else ""), "a server panicked")
        one.close()
    return ", ".join(notes)


@test("several servers: one is lost under its copies", 200)
def lost(t):
    for gone in ("worker", "server"):
        servers, named = peers(t, (1, 1))
        program = start(t, named, [PROGRAM, "lost"], 2)
        program.wait_for_text("running")
        (doomed,) = workers_of(servers[1].server)
        if gone == "server":
            os.killpg(servers[1].server.pid, signal.SIGKILL)
        os.kill(doomed, signal.SIGKILL)
        summary_of(program)
        for server in servers:
            require("panicked" not in server.server.errors(), "a server panicked")
            server.close()


@test("several servers: no path", 200)
def none(t):
    """Servers that may not, or cannot, connect to each other: the program is told once, and the copies go by its machine."""
    for peers_of_first in ([], ["127.0.0.1:9"]):
        ports = [free_port(), free_port()]
        servers = [Peer(t, ports[0], peers_of_first), Peer(t, ports[1], [])]
        named = [server.address for server in servers]
        copied, stats, program = walked(t, named, 2, 9, 2)
        require(stats["bytes_between_servers"] == 0 and stats["bytes_down"] >= copied, f"{stats}")
        said = [line for line in program.errors().splitlines() if "not straight" in line]
        require(len(said) == 1 and "may not connect to" in said[0] and "--peer" in said[0], f"the program was told: {program.errors()[-500:]}")
        for server in servers:
            server.close()
    # One way only: the other server makes the copies.
    ports = [free_port(), free_port()]
    servers = [Peer(t, ports[0], []), Peer(t, ports[1], [f"127.0.0.1:{ports[0]}"])]
    copied, stats, _ = walked(t, [server.address for server in servers], 2, 9, 2)
    require(stats["bytes_between_servers"] == copied, f"one way: {stats}")


def path_secret(session_secret, number, attempt):
    return hmac.new(session_secret.encode(), b"ringway path\0" + struct.pack("<IQ", number, attempt), hashlib.sha256).hexdigest()


def say(address, message):
    """A connection on which a message was sent, and the answer."""
    host, port = address.rsplit(":", 1)
    connection = socket.create_connection((host, int(port)), 20)
    payload = json.dumps(message).encode()
    connection.sendall(HEADER.pack(MAGIC, VERSION, 0, len(payload)) + payload)
    connection.settimeout(40)
    return connection, json.loads(frame(connection)[HEADER.size:])


@test("several servers: requests for paths that are not theirs", 300)
def hostile(t):
    relays = []

    def through(names):
        relays[:] = [Relay(t, name) for name in names]
        return [relay.address for relay in relays]

    servers, named = peers(t, (1, 1), through)
    go = t.folder / "go"
    victim = start(t, named, [PROGRAM, "idle", go], 2)
    victim.wait_for_text("copied")
    first, second = (relay.opened for relay in relays)
    workers = [workers_of(server.server) for server in servers]
    listener = socket.create_server(("127.0.0.1", 0))
    trap, reached = f"127.0.0.1:{listener.getsockname()[1]}", []

    def accept():
        while True:
            try:
                reached.append(listener.accept())
            except OSError:
                return

    threading.Thread(target=accept, daemon=True).start()
    count = 0

    def refused(server, message, why):
        nonlocal count
        answer = ask(server.address, message)
        require(answer and "refused" in answer and why in answer["refused"]["reason"], f"{str(message)[:300]} was answered by {answer}")
        count += 1

    # Of the server that is asked to connect.
    good = {"session": first["session"], "secret": first["secret"], "attempt": 1000, "peer": 1, "peer_session": second["session"],
            "peer_secret": path_secret(second["secret"], 0, 1000), "address": named[1], "authority": None}

    def take(**changed):
        return {"take_path": {**good, **changed}}

    refused(servers[0], take(secret="0" * 64), "no such session")
    refused(servers[0], take(session=second["session"], secret=second["secret"]), "no such session")
    refused(servers[0], take(session=1), "no such session")
    for peer in (0, 2, 1 << 31):
        refused(servers[0], take(peer=peer), "no other one")
    attempt = 1000
    for address in (trap, "localhost:22", "169.254.169.254:80", f"[::ffff:127.0.0.1]:{trap.split(':')[1]}", "unix:/run/docker.sock", named[0]):
        attempt += 1
        refused(servers[0], take(address=address, attempt=attempt), "may not connect to")
    refused(servers[0], take(address="http://x/", attempt=attempt + 1), "address is none")
    refused(servers[0], take(authority=[1, 2, 3], attempt=attempt + 2), "authority")
    for old in (0, 1, attempt):
        refused(servers[0], take(attempt=old), "made before")
    require(not reached, "a server connected to where it may not")

    # Of the server that is connected to.
    def path(session, secret, number, attempt):
        return {"path": {"session": session, "secret": secret, "from": number, "attempt": attempt}}

    right = path_secret(second["secret"], 0, 5000)
    refused(servers[1], path(second["session"], "0" * 64, 0, 5000), "no such session")
    refused(servers[1], path(second["session"], second["secret"], 0, 5000), "no such session")
    refused(servers[1], path(first["session"], right, 0, 5000), "no such session")
    refused(servers[1], path(second["session"], right, 0, 5001), "no such session")
    refused(servers[1], path(second["session"], right, 2, 5000), "no such session")
    refused(servers[1], path(second["session"], path_secret(second["secret"], 1, 5000), 1, 5000), "no other one")
    refused(servers[1], path(second["session"], path_secret(second["secret"], 0, 0), 0, 0), "made before")
    # One that has the secret of an attempt gets a path, once, and by it nothing that the program has not announced.
    opened = []
    for number, said in enumerate((
        struct.pack("<BxxxIQQ", 1, 0, 77, 4),  # a write that nobody announced
        struct.pack("<BxxxIQQ", 2, 0, 1, 1 << 20),  # a read, of a copy that has been
        struct.pack("<BxxxIQQ", 3, 4, 1, 0) + b"word",  # a piece of nothing
        struct.pack("<BxxxIQQ", 4, 0, 1, 0),  # an end of nothing
        struct.pack("<BxxxIQQ", 1, 0, 1, (1 << 46) + 1), struct.pack("<BxxxIQQ", 3, 1 << 31, 1, 0), b"\xff" * 24, b"RWCT" * 6,
    )):
        attempt = 6000 + number
        asked = path(second["session"], path_secret(second["secret"], 0, attempt), 0, attempt)
        connection, answer = say(servers[1].address, asked)
        require(answer == "path", f"a path with the right secret: {answer}")
        refused(servers[1], asked, "made before")
        connection.sendall(said)
        opened.append((said, connection))
        count += 1
    # Each was ended by what was said on it, or by the next.
    for said, connection in opened:
        try:
            got = connection.recv(100)
        except ConnectionResetError:
            got = b""
        require(got == b"", f"{said[:24]!r} was answered by {got[:100]!r}")
        connection.close()
    require([workers_of(server.server) for server in servers] == workers, "a worker ended")
    go.touch()
    summary_of(victim)
    for server in servers:
        require("panicked" not in server.server.errors(), "a server panicked")
    listener.close()
    return f"{count} requests"
