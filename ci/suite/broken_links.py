"""Links that break: a relay between program and server cuts connections, and a program notices a pause at most."""

import ctypes
import json
import os
import re
import signal
import socket
import struct
import threading
import time

from ..journal_compare import compare_files
from .clients import CLIENTS, largest_journal, summary_of
from .places import RINGWAY, Served, python
from .robustness import ENDLESS, server_tree, until, workers_of
from .runner import last_line, require, test

MAGIC, VERSION = 0x54435752, 1
HEADER = struct.Struct("<IHHI")


def dissolve(connection):
    """connect(2) to nowhere resets a stream, whoever else holds it."""
    libc = ctypes.CDLL(None, use_errno=True)
    nowhere = struct.pack("=H14x", socket.AF_UNSPEC)
    libc.connect(connection.fileno(), nowhere, len(nowhere))


# A program with a session that does nothing.
IDLE = "import sys, time; sys.path.insert(0, sys.argv[1]); import driver; driver.Device(); print('running', flush=True); time.sleep(9999)"


class Relay:
    """Forwards connections to a server. Cuts lanes, or what `counted` names by the first frame, when so many bytes of those in all have
    passed, in both directions together."""

    def __init__(self, t, server, cuts=(), lease_too=None, counted=("open", "resume", "join")):
        host, port = server.rsplit(":", 1)
        self.server = (host, int(port))
        self.lock, self.counted = threading.Lock(), counted
        self.cuts, self.lease_too = sorted(cuts), lease_too or (lambda number: False)
        self.bytes, self.made = 0, 0
        self.closed = False  # accept nothing for now
        self.over = False
        self.pairs = []  # (what, client's socket, server's socket)
        self.frames = []  # first frames of connections: (what, bytes)
        self.opened = None  # the answer that opened the last session
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while not self.over:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            if self.over or self.closed:
                client.close()
                continue
            threading.Thread(target=self.connect, args=(client,), daemon=True).start()

    def connect(self, client):
        try:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            first = frame(client)
            message = json.loads(first[HEADER.size:])
            what = message if isinstance(message, str) else next(iter(message))
            server = socket.create_connection(self.server, 10)
            server.settimeout(None)
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server.sendall(first)
            with self.lock:
                self.frames.append((what, first))
            if what == "open":
                answer = frame(server)
                self.opened = json.loads(answer[HEADER.size:]).get("opened")
                client.sendall(answer)
        except (OSError, ValueError):
            client.close()
            return
        with self.lock:
            self.pairs.append((what, client, server))
        for source, sink in ((client, server), (server, client)):
            threading.Thread(target=self.forward, args=(what, source, sink), daemon=True).start()

    def forward(self, what, source, sink):
        lane = what in self.counted
        try:
            while data := source.recv(1 << 16):
                cut = False
                if lane:
                    with self.lock:
                        if self.cuts and self.bytes + len(data) >= self.cuts[0]:
                            data = data[:max(self.cuts[0] - self.bytes, 0)]
                            self.cuts.pop(0)
                            cut = True
                        self.bytes += len(data)
                sink.sendall(data)
                if cut:
                    self.made += 1
                    self.cut(everything=self.lease_too(self.made))
                    return
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def cut(self, everything=False, what=None):
        """Resets every lane (or what is counted instead, or named), or every connection."""
        with self.lock:
            doomed = [pair for pair in self.pairs if everything or pair[0] in (what or self.counted)]
            self.pairs = [pair for pair in self.pairs if pair not in doomed]
        for _, client, server in doomed:
            dissolve(client)
            dissolve(server)

    def end(self):
        """Closes every connection in order, as a proxy does that ends."""
        with self.lock:
            doomed, self.pairs = self.pairs, []
        for _, client, server in doomed:
            for one in (client, server):
                try:
                    one.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def resumed(self):
        return sum(1 for what, _ in self.frames if what == "resume")

    def close(self):
        self.over = True
        self.listener.shutdown(socket.SHUT_RDWR)  # a thread that is in accept would keep it open
        self.listener.close()
        self.cut(everything=True)


def exactly(connection, length):
    data = b""
    while len(data) < length:
        more = connection.recv(length - len(data))
        if not more:
            raise OSError("the connection ended")
        data += more
    return data


def frame(connection):
    """One frame of the control protocol, header included."""
    header = exactly(connection, HEADER.size)
    return header + exactly(connection, HEADER.unpack(header)[3])


def ask(address, message):
    """Sends the server a control message, or raw bytes, and returns its answer; None if it only closes."""
    host, port = address.rsplit(":", 1)
    payload = message if isinstance(message, bytes) else json.dumps(message).encode()
    with socket.create_connection((host, int(port)), 10) as connection:
        connection.settimeout(20)
        connection.sendall(message if isinstance(message, bytes) else HEADER.pack(MAGIC, VERSION, 0, len(payload)) + payload)
        try:
            return json.loads(frame(connection)[HEADER.size:])
        except OSError:
            return None


def listed(t, address):
    text = t.output_of(RINGWAY, "list", "--json", "--server", address)
    return json.loads(text)[0]


def said(program):
    """Ringway's lines about broken links: (how, kind, seconds)."""
    return [(how, kind, float(pause)) for how, kind, pause in
            re.findall(r"^ringway: the link to \S+ broke \((.*)\); (\w+) continues, after a pause of ([\d.]+) s$", program.errors(), re.M)]


def program_through(t, served, relay, words, options=()):
    return served.start(words, options=["--link", "tcp", *options], server=relay.address)


def compared(t, name, words, cuts, ordered, same_images):
    """Runs a client uncut, then with so many cuts, spread evenly; compares results and the device's journals.

    A loop that polls takes as many turns as time allows, each a few bytes, so a run may be shorter than the uncut one was: the cuts lie in
    its first three quarters, and all must be made.
    """
    results = []
    total = 0
    for count in (0, cuts):
        folder = t.folder / f"{name}-{count}"
        folder.mkdir(exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        served = Served(t, {"RINGWAY_SOFTGPU_JOURNAL": str(folder / "journal-%p.jsonl")})
        at = [3 * total * (i + 1) // (4 * (count + 1)) for i in range(count)]
        # Every fifth time the lease's connection breaks as well.
        relay = Relay(t, served.tcp_address(), at, lambda number: number % 5 == 0)
        program = program_through(t, served, relay, words)
        summary = summary_of(program)
        total = relay.bytes
        results.append((summary, folder))
        lines = said(program)
        if count == 0:
            require(not lines and relay.resumed() == 0, f"a link broke by itself: {lines}")
        else:
            require(relay.made == count, f"{relay.made} of {count} cuts were made")
            require(len(lines) >= count - 1, f"{count} cuts, {len(lines)} lines: {program.errors()[-800:]}")
            require(all(kind == "tcp" for _, kind, _ in lines), f"{lines}")
        relay.close()
        until(lambda: not listed(t, served.tcp_address())["leases"], "the lease to end")
        served.close()
    (want, want_folder), (have, have_folder) = results
    require(have["values"] == want["values"], f"results differ: {[k for k in want['values'] if have['values'].get(k) != want['values'][k]]}")
    note = compare_files(largest_journal(want_folder), largest_journal(have_folder), ordered, same_images)
    longest = max(pause for _, _, pause in lines)
    return f"{name}: {relay.made} cuts in {total} bytes, longest pause {longest} s, {note}"


@test("links cut over a whole run", 300)
def cut_runs(t):
    return "; ".join((
        compared(t, "driver-api", [python(), CLIENTS / "driver_api/main.py"], 40, ordered=False, same_images=True),
        compared(t, "numba", [python(), CLIENTS / "numba/main.py"], 25, ordered=True, same_images=False),
    ))


@test("links cut while a program polls", 120)
def cut_polls(t):
    # What the server tells of finished events is put again on the next link; a loop that polls ends all the same.
    return compared(t, "queries", [python(), CLIENTS / "behaviour/queries.py", "--steps", "400"], 25, ordered=True, same_images=True)


# Opens a session and has a context.
BRIEF = "import sys; sys.path.insert(0, sys.argv[1]); import driver; driver.Device(); print('made')"


@test("links cut as sessions begin", 120)
def cut_beginnings(t):
    """A session goes on from the first byte of its lane, be there a thread yet that continues links or not."""
    served = Served(t)
    for cut in [1, 2, 3, 5, 8, 16] * 5 + [32, 64, 128, 256]:
        relay = Relay(t, served.tcp_address(), [cut])
        program = program_through(t, served, relay, [python(), "-c", BRIEF, CLIENTS / "lib"])
        require(program.wait(60) == 0 and "made" in program.output(), f"cut after {cut} bytes: {last_line(program.errors())}")
        require(relay.made == 1 and len(said(program)) == 1, f"cut after {cut} bytes: {relay.made} cuts, {program.errors()!r}")
        relay.close()
    served.close()


@test("a proxy that ends is no end", 120)
def proxy_ends(t):
    served = Served(t)
    relay = Relay(t, served.tcp_address())
    program = program_through(t, served, relay, [python(), ENDLESS])
    program.wait_for_text("running")
    for count in (1, 2):
        relay.end()
        until(lambda: len(said(program)) == count, "the program to go on")
    require(said(program)[0][0] == "closed without a farewell", f"{said(program)}")
    workers = workers_of(served.server)
    require(len(workers) == 1, f"{len(workers)} workers")
    lease = listed(t, served.tcp_address())["leases"][0]
    require(lease["links"]["resumed"] == 2 and lease["links"]["kind_last"] == "tcp", f"{lease}")
    shown = t.output_of(RINGWAY, "list", "--server", served.tcp_address())
    require("links broken and continued: 2, the last by tcp after" in shown, shown)
    program.stop()
    relay.close()


@test("ends that are meant free at once", 120)
def meant(t):
    """A program that ends or is killed is not waited for like one whose link broke."""
    served = Served(t, {"RINGWAY_GRACE": "3600"})
    relay = Relay(t, served.tcp_address())
    notes = []
    for how in ("ends", "is killed with ringway run", "is killed alone"):
        if how == "ends":
            program = program_through(t, served, relay, [python(), CLIENTS / "behaviour/out_of_memory.py"])
            summary_of(program)
        else:
            # A shell that lives on keeps the lease: the worker has to know by itself. (It can where the program had read all that
            # was sent to it; else the kernel sends a reset, as a broken network does.)
            shell = ["sh", "-c", '"$@"; sleep 3600', "sh", python(), "-c", IDLE, CLIENTS / "lib"]
            program = program_through(t, served, relay, shell)
            program.wait_for_text("running")
            require(len(workers_of(served.server)) == 1, "no worker for the session")
            tree = server_tree(program.pid)
            victims = [pid for pid in tree if b"import driver" in cmdline(pid) and b"sleep 3600" not in cmdline(pid)]
            if how == "is killed with ringway run":
                victims = sorted(tree)
            for pid in victims:
                os.kill(pid, signal.SIGKILL)
        started = time.monotonic()
        until(lambda: not workers_of(served.server), f"the worker to end after the program {how}")
        notes.append(f"{how}: {time.monotonic() - started:.1f} s")
        program.stop()
        until(lambda: not listed(t, served.tcp_address())["leases"], "the lease to end")
    relay.close()
    return "; ".join(notes)


def cmdline(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().replace(b"\0", b" ")
    except OSError:
        return b""


@test("hostile attempts to resume a session", 120)
def hostile(t):
    served = Served(t)
    address = served.tcp_address()
    relay = Relay(t, address)
    program = program_through(t, served, relay, [python(), ENDLESS])
    program.wait_for_text("running")
    session, secret = relay.opened["session"], relay.opened["secret"]

    def attempt(number, **changes):
        asked = {"session": session, "secret": secret, "lane": 0, "link": "tcp", "attempt": number, "received": 0, **changes}
        return ask(address, {"resume": asked})

    def check(answer, reason, again, what):
        refusal = (answer or {}).get("not_resumed") or (answer or {}).get("refused")
        require(refusal and reason in refusal["reason"] and refusal["cure"], f"{what}: {answer}")
        require(refusal.get("again", False) == again, f"{what}: {answer}")

    wrong = ("0" if secret[0] != "0" else "1") + secret[1:]
    check(attempt(1, secret=wrong), "no such session", False, "a wrong key")
    check(attempt(1, secret=""), "no such session", False, "an empty key")
    check(attempt(1, session=session ^ 1), "no such session", False, "a wrong session")
    check(attempt(1), "link is up", True, "while the lane is alive")
    check(attempt(1, lane=7), "no such lane", False, "a wrong lane")
    check(attempt(1, link="shm"), "shared memory", False, "a link that the connection cannot be")
    for garbage in (b"\0" * 64, HEADER.pack(MAGIC, VERSION, 0, 9) + b'{"resume"', HEADER.pack(MAGIC, VERSION, 0, 2**31),
                    HEADER.pack(MAGIC, VERSION, 0, 12) + b'{"resume":1}'):
        answer = ask(address, garbage)
        require(answer is None or "refused" in answer, f"garbage: {answer}")
    require(not said(program) and program.errors().count("lost") == 0, f"the session was disturbed: {program.errors()}")

    # A real attempt, repeated: while the lane is alive, and when it is broken again.
    relay.cut()
    until(lambda: len(said(program)) == 1, "the program to go on")
    replay = [first for what, first in relay.frames if what == "resume"][-1]
    number = json.loads(replay[HEADER.size:])["resume"]["attempt"]
    refusal = ask(address, replay)
    require(refusal["not_resumed"]["reason"], f"a repeated attempt: {refusal}")
    relay.closed = True
    relay.cut()
    until(lambda: listed(t, address)["leases"][0]["links"]["suspended"] == 1, "the server to notice")
    check(ask(address, replay), "out of date", False, "a repeated attempt")
    time.sleep(1.5)  # the client's own attempts, which the relay refuses, get ahead in number
    check(attempt(number + 1, received=2**63), "W17", False, "a position that was never sent")
    # Two at once: at most one is answered with anything but a refusal, and neither can name a position that fits.
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(attempt(number + 2, received=2**62))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    require(len(answers) == 2 and all("not_resumed" in answer for answer in answers), f"two at once: {answers}")
    relay.closed = False
    until(lambda: len(said(program)) == 2, "the program to go on")
    require(program.errors().count("lost") == 0, program.errors()[-500:])
    program.stop()
    relay.close()


@test("after the grace period everything is free", 120)
def grace_over(t):
    served = Served(t, {"RINGWAY_GRACE": "2"})
    address = served.tcp_address()
    relay = Relay(t, address)
    program = program_through(t, served, relay, [python(), ENDLESS])
    program.wait_for_text("running")
    relay.closed = True
    relay.cut(everything=True)
    until(lambda: listed(t, address)["leases"][0]["links"]["suspended"] == 1 and listed(t, address)["leases"][0]["orphaned"],
          "the server to notice", 10)
    shown = t.output_of(RINGWAY, "list", "--server", address)
    require("1 without a link now, waiting for the program" in shown and "connection of its holder broke" in shown, shown)
    code = program.wait(40)
    require(code == 17 and "CUDA error" in program.output(), f"exit code {code}: {last_line(program.errors())}")
    lost = [line for line in program.errors().splitlines() if "session was lost" in line]
    require(len(lost) == 1 and "could not be continued within 2 s" in lost[0], f"{program.errors()[-500:]!r}")
    until(lambda: not workers_of(served.server), "the worker to end")
    until(lambda: not listed(t, address)["leases"], "the lease to end")
    gpu = listed(t, address)["gpus"][0]
    require(gpu["memory_bytes_leased"] == 0 and gpu["leases"] == 0, f"{gpu}")
    relay.closed = False
    summary_of(program_through(t, served, relay, [python(), CLIENTS / "behaviour/out_of_memory.py"], ["-p", "1.0"]))
    relay.close()
