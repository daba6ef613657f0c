"""A client that means harm: garbage, truncated handshakes, wrong versions, lengths and ids chosen to overflow.

usage: main.py unix:/PATH|HOST:PORT [rdma DEVICE]

With $RINGWAY_TOKEN where the server asks for one. Speaks the control protocol and the data plane by hand (engine/wire/WIRE.md). Each attack must end in a refusal or in the
end of its own connection, within a bound; the server must answer an ordinary question after each. The last line is JSON.
"""

import contextlib
import json
import mmap
import os
import random
import select
import socket
import struct
import sys
import time

RDMA_DEVICE = sys.argv[3] if len(sys.argv) > 3 else None
if RDMA_DEVICE:
    import queue_pair

MAGIC, VERSION = b"RWCT", 1
TOKEN = os.environ.get("RINGWAY_TOKEN", "")
IDENTITY = {"user": "mallory", "host": "elsewhere", "program": "hostile", "pid": 1}
# the data plane's layout (engine/wire/src/layout.rs, frame.rs)
KIND_RING, KIND_RELEASED = 1, 4
SUBMIT_RING_AT = 4096
LIMIT_S = 20

checks, failures = 0, []


def check(name, good, detail=""):
    global checks
    if good:
        checks += 1
    else:
        failures.append(name)
        print(f"MISMATCH hostile: {name} {detail}", file=sys.stderr, flush=True)


def connect(address):
    if address.startswith("unix:"):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(LIMIT_S)
        connection.connect(address[5:])
    else:
        host, port = address.rsplit(":", 1)
        connection = socket.create_connection((host, int(port)), LIMIT_S)
    return connection


def frame(payload, magic=MAGIC, version=VERSION, length=None):
    return magic + struct.pack("<HHI", version, 0, len(payload) if length is None else length) + payload


def message(value):
    return frame(json.dumps(value).encode())


def receive(connection):
    """One control reply, or None when the peer closed the connection."""
    def exactly(count):
        data = b""
        while len(data) < count:
            piece = connection.recv(count - len(data))
            if not piece:
                return None
            data += piece
        return data
    try:
        header = exactly(12)
        if header is None:
            return None
        length = struct.unpack("<I", header[8:12])[0]
        body = exactly(length)
        return None if body is None else json.loads(body)
    except ConnectionError:
        return None


def closed(connection, limit_s=LIMIT_S):
    """Waits until the peer has closed the connection, reading what it still says. False if it never does."""
    deadline = time.monotonic() + limit_s
    connection.setblocking(False)
    while time.monotonic() < deadline:
        ready, _, _ = select.select([connection], [], [], 0.2)
        if ready:
            try:
                if not connection.recv(65536):
                    return True
            except BlockingIOError:
                continue
            except OSError:
                return True
    return False


def alive(address):
    with contextlib.closing(connect(address)) as connection:
        connection.sendall(message({"inventory": {"token": TOKEN}}))
        reply = receive(connection)
        return bool(reply) and "inventory" in reply


def control_attacks(address):
    ask = json.dumps({"inventory": {"token": TOKEN}}).encode()
    deep = b"[" * 100_000
    attacks = {
        "random bytes": random.Random(1).randbytes(4096),
        "nothing but zeros": bytes(1000),
        "an HTTP request": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "wrong magic": frame(ask, magic=b"RWCX"),
        "a later version": frame(ask, version=2),
        "version 0": frame(ask, version=0),
        "a length of 4 GiB": frame(ask, length=0xFFFFFFFF),
        "a length over the limit": frame(ask, length=256 * 1024 + 1),
        "not JSON": frame(b"\xff\xfe{]"),
        "JSON nested without end": frame(deep),
        "an unknown request": message({"take_over": {}}),
        "a lease of 4 billion GPUs": message({"lease": {"token": TOKEN, "gpus": 0xFFFFFFFF, "memory": {"fraction": 1.0}, "identity": IDENTITY}}),
        "a lease of no GPU": message({"lease": {"token": TOKEN, "gpus": 0, "memory": {"fraction": 1.0}, "identity": IDENTITY}}),
        "a lease of a negative fraction": message({"lease": {"token": TOKEN, "gpus": 1, "memory": {"fraction": -1.0}, "identity": IDENTITY}}),
        "a lease of too much memory": message({"lease": {"token": TOKEN, "gpus": 1, "memory": {"mib": 2**64 - 1}, "identity": IDENTITY}}),
        "a session in no lease": message({"open": {"lease": "none", "secret": "none", "identity": IDENTITY, "link": "tcp"}}),
        "a lane of no session": message({"join": {"session": 2**64 - 1, "secret": "", "lane": 2**32 - 1, "link": "tcp"}}),
    }
    for name, data in attacks.items():
        with contextlib.closing(connect(address)) as connection:
            with contextlib.suppress(ConnectionError):
                connection.sendall(data)
            reply = None
            with contextlib.suppress(ConnectionError, ValueError):
                reply = receive(connection)
            refused = reply is None or "refused" in reply
            reason = bool(reply) and bool(reply.get("refused", {}).get("reason"))
            check(f"{name} is refused", refused, str(reply))
            if name in ("wrong magic", "a later version", "a length of 4 GiB", "a lease of no GPU", "a session in no lease"):
                check(f"{name} is refused with a reason", reason, str(reply))
    for cut in (1, 4, 11, 12, 13, 40):
        connection = connect(address)
        connection.sendall(message({"inventory": {"token": TOKEN}})[:cut])
        connection.close()
    # many that connect and say nothing do not keep others out
    idle = [connect(address) for _ in range(50)]
    check("served beside 50 silent connections", alive(address))
    for connection in idle:
        connection.close()
    check("alive after the control attacks", alive(address))


class Session:
    """A lease and a session, opened as a good client would. Over rdma the queue pair is not connected yet."""

    def __init__(self, address, link):
        self.link = link
        self.queue_pair = None
        self.lease = connect(address)
        self.lease.sendall(message({"lease": {"token": TOKEN, "gpus": 1, "memory": {"fraction": 0.1}, "identity": IDENTITY}}))
        leased = receive(self.lease)
        if not leased or "leased" not in leased:
            raise RuntimeError(f"no lease: {leased}")
        leased = leased["leased"]
        self.connection = connect(address)
        self.connection.sendall(message({"open": {"lease": leased["lease"], "secret": leased["secret"], "identity": IDENTITY, "link": link}}))
        opened = receive(self.connection)
        if not opened or "opened" not in opened:
            raise RuntimeError(f"no session: {opened}")
        self.opened = opened["opened"]
        self.key = self.opened["ring_key"] | 1
        self.position = 0
        self.memory = None
        if link == "shm":
            data, files, _, _ = socket.recv_fds(self.connection, 32, 4)
            _, server_bytes, _, _ = struct.unpack("<QQQQ", data)
            self.memory = mmap.mmap(files[0], server_bytes)
            self.ring_bytes = server_bytes - SUBMIT_RING_AT

    def record(self, tag, payload, length=None, key=None):
        """A ring record at the next position, with a commit word that the server takes for genuine."""
        commit = self.position ^ (self.key if key is None else key)
        size = len(payload) if length is None else length
        data = struct.pack("<QII", commit, size & 0xFFFFFFFF, tag & 0xFFFFFFFF) + payload
        data += bytes(-len(data) % 64)
        self.position += len(data)
        return data

    def put(self, data, position):
        """Sends ring bytes: written in place over shm, in a frame over tcp."""
        if self.queue_pair is not None:
            self.queue_pair.write(SUBMIT_RING_AT + position, data, (position + len(data)) // 64 & 0x3FFFFFFF)
        elif self.memory is not None:
            offset = SUBMIT_RING_AT + position % self.ring_bytes
            self.memory[offset + 8:offset + len(data)] = data[8:]
            self.memory[offset:offset + 8] = data[:8]
            with contextlib.suppress(OSError):
                self.connection.send(b"\1")  # the doorbell
        else:
            with contextlib.suppress(OSError):
                self.connection.sendall(struct.pack("<B3xIQ", KIND_RING, len(data), position) + data)

    def close(self):
        if self.memory is not None:
            self.memory.close()
        if self.queue_pair is not None:
            self.queue_pair.close()
        self.connection.close()
        self.lease.close()


def call(payload=b"", context=1, slot=0, flags=0):
    return struct.pack("<IHHI", context, slot, flags, 0) + payload


def opened(address, link):
    """A session over a link that carries records."""
    session = Session(address, link)
    if link == "rdma":
        session.queue_pair = queue_pair.connect(session.connection, RDMA_DEVICE, message, receive)
    return session


def record_attacks(address, link):
    """Records that look genuine, with content that does not: the worker ends the session or answers with an error."""
    dice = random.Random(link)
    huge = struct.pack("<Q", 2**64 - 1)
    cases = {
        "an unknown opcode": lambda s: s.record(0x7FFFFFFF, call()),
        "opcode 0": lambda s: s.record(0, call()),
        "an empty record": lambda s: s.record(300, b""),
        "a record cut in its header": lambda s: s.record(300, b"\1\0\0"),
        "a length of 4 GiB": lambda s: s.record(300, call(), length=0xFFFFFFFF),
        "a length beyond the ring": lambda s: s.record(300, call(), length=64 << 20),
        "a length of the whole ring": lambda s: s.record(300, call(), length=4 << 20),
        "a reply slot that is none": lambda s: s.record(300, call(huge * 4, slot=0x7FFF)),
        "a transfer's flag": lambda s: s.record(447, call(huge * 7, flags=2)),
        "a copy with shared memory beyond its end": lambda s: s.record(447, call(struct.pack("<QQQQ", 0, 0x10000, 4096, MAX - 4096), flags=4)),
        "a copy to the host with shared memory from an address of nobody":
            lambda s: s.record(448, call(struct.pack("<QQQQ", 0, 0x10000, 1 << 40, 0), flags=4)),
        "pinned memory beyond its end": lambda s: s.record(0x40000007, call(struct.pack("<QQ", MAX - 4095, 8192), slot=0)),
        "more pinned memory than there is": lambda s: s.record(0x40000007, call(struct.pack("<QQ", 0, 1 << 50), slot=0)),
        "pinned memory that is no pages": lambda s: s.record(0x40000007, call(struct.pack("<QQ", 1, 4095), slot=0)),
        "an end of pinned memory that never began": lambda s: s.record(0x40000007, call(struct.pack("<QQ", 0, 0), slot=0)),
        "a question about a path to nobody": lambda s: s.record(0x4000000B, call(struct.pack("<IQB", 0, 1, 0))),
        "a copy by a path to nobody": lambda s: s.record(0x4000000D, call(struct.pack("<QQQIBQQ", 0, 1, 1, 1, 1, 0x10000, 4096))),
        "a copy by a path of no bytes": lambda s: s.record(0x4000000D, call(struct.pack("<QQQIBQQ", 0, 1, 1, 1, 1, 0x10000, 0))),
        "a copy announced by nobody's server": lambda s: s.record(0x4000000C, call(struct.pack("<QIBQQ", 1, 15, 1, MAX, MAX))),
        "the end of a path that never was": lambda s: s.record(0x4000000E, call(struct.pack("<IQBQ", 3, MAX, 1, 1))),
        "an error that nobody made": lambda s: s.record(0x4000000F, call(struct.pack("<II", MAX & 0xFFFFFFFF, 0xFFFFFFFF))),
        "a piece of no transfer": lambda s: s.record(0x40000006, call(huge * 4)),
        "reserved flags": lambda s: s.record(300, call(huge * 4, flags=0xFFFF)),
        "an unknown context": lambda s: s.record(300, call(huge * 4, context=0xFFFFFFFF)),
    }
    for name, make in cases.items():
        session = opened(address, link)
        start = session.position
        session.put(make(session), start)
        time.sleep(0.02)
        session.close()
        check(f"{link}: alive after {name}", alive(address))
    # every opcode with arguments chosen to overflow: ids out of range, sizes near 2^64, random bytes
    for tag_first in range(256, 1100, 60):
        session = opened(address, link)
        for tag in range(tag_first, tag_first + 60):
            filler = dice.choice([huge * 24, bytes(192), dice.randbytes(dice.randrange(0, 400)), struct.pack("<Q", (1 << 48) | 0xFFFFFFFF) * 16,
                                  struct.pack("<QQ", 0x7FFFFFFFFFFFFFF0, 64) * 10])
            start = session.position
            session.put(session.record(tag, call(filler, slot=dice.randrange(64), context=dice.choice([0, 1, 2, 0x10001]))), start)
        time.sleep(0.05)
        session.close()
    check(f"{link}: alive after every opcode with hostile arguments", alive(address))


def stream_attacks(address):
    """Bytes on the tcp link that are no frames, or frames that break its rules: the connection ends."""
    def ring(position, data, length=None):
        return struct.pack("<B3xIQ", KIND_RING, len(data) if length is None else length, position) + data
    attacks = {
        "random bytes": random.Random(2).randbytes(10_000),
        "an unknown kind of frame": struct.pack("<B3xIQ", 99, 0, 0),
        "reserved bytes": struct.pack("<BBBBIQ", KIND_RING, 1, 2, 3, 16, 0) + bytes(16),
        "a frame of 4 GiB": ring(0, b"", 0xFFFFFFFF),
        "a frame longer than the ring": ring(0, b"", 64 << 20),
        "a position in the future": ring(1 << 40, bytes(64)),
        "a position that overflows": ring(2**64 - 8, bytes(64)),
        "a release of what was never sent": struct.pack("<B3xIQ", KIND_RELEASED, 0, 1 << 50),
        "a server's frame": struct.pack("<B3xIQ", 2, 8, 0) + bytes(8),
    }
    for name, data in attacks.items():
        session = Session(address, "tcp")
        with contextlib.suppress(OSError):
            session.connection.sendall(data)
        if name != "a release of what was never sent":  # found when the server next needs the space
            check(f"tcp: {name} ends the connection", closed(session.connection))
        session.close()
    check("alive after the stream attacks", alive(address))


def offer_attacks(address):
    """Offers of queue pairs that are none, or that lead nowhere (rule W24): the lane ends, or goes by the connection itself."""
    good = queue_pair.Offered(RDMA_DEVICE)
    endpoint, window = good.endpoint(), good.window()
    changed = lambda data, at, to: data[:at] + to + data[at + len(to):]  # noqa: E731
    offers = {
        "an offer of nothing": {},
        "an offer of something else": {"take_over": 1},
        "an endpoint cut short": {"offer": {"endpoint": list(endpoint[:39]), "window": list(window)}},
        "an endpoint too long": {"offer": {"endpoint": list(endpoint) * 100, "window": list(window)}},
        "an endpoint of zeros": {"offer": {"endpoint": [0] * 40, "window": list(window)}},
        "numbers that are no bytes": {"offer": {"endpoint": [-1, 256] * 20, "window": list(window)}},
        "queue pair 0": {"offer": {"endpoint": list(changed(endpoint, 12, bytes(4))), "window": list(window)}},
        "a queue pair number of 32 bits": {"offer": {"endpoint": list(changed(endpoint, 12, b"\xff" * 4)), "window": list(window)}},
        "an MTU that there is not": {"offer": {"endpoint": list(changed(endpoint, 6, b"\x63")), "window": list(window)}},
        "a multicast GID": {"offer": {"endpoint": list(changed(endpoint, 24, b"\xff")), "window": list(window)}},
        "a window of no bytes": {"offer": {"endpoint": list(endpoint), "window": list(changed(window, 8, bytes(8)))}},
        "a window that wraps around": {"offer": {"endpoint": list(endpoint), "window": list(changed(window, 0, b"\xff" * 8))}},
        "a window smaller than agreed": {"offer": {"endpoint": list(endpoint), "window": list(changed(window, 8, struct.pack("<Q", 4096)))}},
        "an end that cannot, in 200,000 letters": {"unable": "\x1b[2J" * 50_000},
    }
    for name, offer in offers.items():
        session = Session(address, "rdma")
        with contextlib.suppress(OSError):
            session.connection.sendall(message(offer))
        session.close()
        check(f"rdma: alive after {name}", alive(address))
    for name, data in {"random bytes": random.Random(5).randbytes(4096), "a frame of 4 GiB": frame(b"{}", length=0xFFFFFFFF)}.items():
        session = Session(address, "rdma")
        with contextlib.suppress(OSError):
            session.connection.sendall(data)
        check(f"rdma: {name} in place of an offer end the connection", closed(session.connection))
        session.close()
    # an offer that is never followed by anything: the other end gives up
    session = Session(address, "rdma")
    check("rdma: who offers nothing is given up", closed(session.connection))
    session.close()
    good.close()
    check("alive after the offers", alive(address))


def window_attacks(address):
    """Immediates that say what cannot be: the lane ends. Writes beyond the window: the device refuses them, and the link is broken."""
    for name, offset, data, immediate in (
        ("a position far beyond the ring", SUBMIT_RING_AT, bytes(64), 0x3FFFFFFF),
        ("an answer from the client", SUBMIT_RING_AT, bytes(64), 1 << 30 | 3),
        ("an immediate of no kind", SUBMIT_RING_AT, bytes(64), 3 << 30),
        ("words with a value", 0, bytes(8), 2 << 30 | 5),
        ("a write beyond the window", 1 << 32, bytes(64), 1),
        ("a write before the window", -4096, bytes(64), 1),
    ):
        session = opened(address, "rdma")
        refused = session.queue_pair.write(offset, data, immediate)
        if name.startswith("a write"):
            check(f"rdma: {name} is refused by the device", refused)
        else:
            check(f"rdma: {name} ends the lane", closed(session.connection))
        session.close()
    check("alive after the windows", alive(address))


# engine/wire/src/call.rs, engine/api/table/opcodes.lock
RETAIN, ALLOC, TO_DEVICE, TO_HOST = 284, 373, 447, 448
FLAG_TRANSFER, TRANSFER_DATA, TRANSFER_WANTED = 2, 0x40000006, 6
FLAG_SHARED, PIN = 4, 0x40000007
EVENT_CREATE, EVENT_RECORD, LAUNCH_HOST_FUNC, WATCH = 516, 517, 370, 0x40000008
KIND_REPLY = 3
MIB, MAX = 1 << 20, 2**64 - 1


class Allocated(Session):
    """A session over tcp with a context, number 1, and a MiB of device memory."""

    def __init__(self, address):
        super().__init__(address, "tcp")
        self.received = b""
        self.send(RETAIN, struct.pack("<iII", 0, 1, 0), slot=0, context=0)
        self.answer(0)
        self.send(ALLOC, struct.pack("<Q", MIB), slot=1)
        (self.memory_at,) = struct.unpack("<Q", self.answer(1))

    def send(self, tag, payload, **header):
        start = self.position
        self.put(self.record(tag, call(payload, **header)), start)

    def transfer(self, tag=TO_DEVICE, at=None, size=MIB, number=1, host=0x10000, link=MAX, key=0, stream=0, more=b""):
        at = self.memory_at if at is None else at
        self.send(tag, struct.pack("<QQQQQQI", stream, at, size, number, host, link, key) + more, slot=0xFFFF, flags=FLAG_TRANSFER)

    def data(self, number, offset, data):
        self.send(TRANSFER_DATA, struct.pack("<QQ", number, offset) + data, slot=0xFFFF, context=0)

    def frame(self):
        """Kind, place and bytes of the next frame; None at the end of the connection."""
        def exactly(count):
            while len(self.received) < count:
                more = self.connection.recv(65536)
                if not more:
                    return None
                self.received += more
            data, self.received = self.received[:count], self.received[count:]
            return data
        head = exactly(16)
        if head is None:
            return None
        kind, length, at = struct.unpack("<B3xIQ", head)
        data = exactly(length)
        return None if data is None else (kind, at, data)

    def answer(self, slot):
        while (frame := self.frame()) is not None:
            kind, at, data = frame
            if kind == KIND_REPLY and at == slot:
                _, status, length, _ = struct.unpack("<QIIQ", data[:24])
                if status != 0:
                    raise RuntimeError(f"an honest call gave {status}")
                return data[24:24 + length]
        raise RuntimeError("the server ended an honest session")

    def wanted(self):
        """Waits until the server asks for the bytes of a transfer; its number."""
        while (frame := self.frame()) is not None:
            kind, _, data = frame
            while kind == KIND_RING and len(data) >= 24:
                _, length, tag = struct.unpack("<QII", data[:16])
                if tag == TRANSFER_WANTED:
                    return struct.unpack("<Q", data[16:24])[0]
                data = data[(16 + length + 63) // 64 * 64:]
        raise RuntimeError("the server ended the session of an honest transfer")


def transfer_attacks(address):
    """Transfers past the ring that cannot be, and bytes that nobody asked for (rules W26 and W28)."""
    def asked(session, *pieces):
        session.transfer(number=7)
        if session.wanted() != 7:
            raise RuntimeError("the server asked for another transfer")
        for number, offset, data in pieces:
            session.data(number, offset, data)
    piece = bytes(256 << 10)
    ends = {
        "no bytes": lambda s: s.transfer(size=0),
        "shared memory where there is none": lambda s: s.send(TO_DEVICE, struct.pack("<QQQQ", 0, s.memory_at, MIB, 0), slot=0xFFFF, flags=FLAG_SHARED),
        "pinned memory where there is none": lambda s: s.send(PIN, struct.pack("<QQ", 0, 4096), slot=1),
        "more than 64 MiB": lambda s: s.transfer(size=(64 << 20) + 1),
        "2^64 - 1 bytes": lambda s: s.transfer(size=MAX),
        "device memory beyond the address space": lambda s: s.transfer(at=MAX - 5),
        "host memory beyond the address space": lambda s: s.transfer(host=MAX - 5),
        "arguments too many": lambda s: s.transfer(more=bytes(8)),
        "a number that is under way": lambda s: (s.transfer(number=3), s.transfer(number=3)),
        "two thousand at once": lambda s: [s.transfer(number=number, size=65536) for number in range(2000)],
        "bytes that nobody asked for": lambda s: s.data(1, 0, piece),
        "bytes of another transfer": lambda s: asked(s, (8, 0, piece)),
        "bytes at the wrong place": lambda s: asked(s, (7, 1, piece)),
        "bytes twice": lambda s: asked(s, (7, 0, piece), (7, 0, piece)),
        "a piece of 512 KiB": lambda s: asked(s, (7, 0, piece * 2)),
        "no bytes at all": lambda s: asked(s, (7, 0, b"")),
        "bytes beyond the end": lambda s: asked(s, *[(7, n * len(piece), piece) for n in range(3)], (7, 3 * len(piece), piece[:-1]), (7, MIB - 1, b"ab")),
        "bytes where the offset overflows": lambda s: asked(s, (7, MAX, piece)),
    }
    for name, attack in ends.items():
        session = Allocated(address)
        with contextlib.suppress(OSError):
            attack(session)
        check(f"transfers: {name} ends the session", closed(session.connection))
        session.close()
    check("alive after the transfers that cannot be", alive(address))
    refused = {
        "memory of nobody": lambda s: s.transfer(at=0x1000),
        "memory before an allocation": lambda s: s.transfer(at=s.memory_at - 1, size=2),
        "memory beyond an allocation": lambda s: s.transfer(at=s.memory_at + 1),
        "to the host, of memory of nobody": lambda s: s.transfer(tag=TO_HOST, at=0x7FFF_0000_0000),
        "a stream that is none": lambda s: s.transfer(stream=0x1234_0000_0001),
    }
    for name, attack in refused.items():
        session = Allocated(address)
        attack(session)
        # the session goes on, and what was refused is reported
        session.send(ALLOC, struct.pack("<Q", MIB), slot=2)
        check(f"transfers: the session goes on after {name}", len(session.answer(2)) == 8)
        session.close()
    # an honest one, of an old link's key, between: asked for, sent, and over
    session = Allocated(address)
    asked(session, *[(7, n * len(piece), piece) for n in range(4)])
    session.send(ALLOC, struct.pack("<Q", MIB), slot=2)
    check("transfers: an honest one", len(session.answer(2)) == 8)
    # the client goes in the middle of it
    session.transfer(number=9)
    session.close()
    check("alive after the attacks by transfers", alive(address))


def watch_attacks(address):
    """What the server is to watch (rule W32) and cannot, and more of it than it watches."""
    event, stream = 3 << 48 | 1 << 32, 2 << 48 | 1 << 32
    attacks = {
        "an event that is none": [(event, 1)],
        "a stream in an event's place": [(stream, 1), (0, 1), (1, 1)],
        "objects of all kinds": [(kind << 48 | 0xFFFFFFFFFFFF, MAX) for kind in range(64)] + [(MAX, 0)],
        "an event that is done, thousands of times": [(event, ticket % 3) for ticket in range(6000)],
        "an event that is not done, thousands of times": [(event, ticket) for ticket in range(6000)],
    }
    for name, watches in attacks.items():
        session = Allocated(address)
        if "done" in name:
            session.send(EVENT_CREATE, struct.pack("<QI", event, 0), slot=0xFFFF)
            if "not done" in name:
                session.send(LAUNCH_HOST_FUNC, struct.pack("<QQ", 0, 77), slot=0xFFFF)
                session.send(EVENT_RECORD, struct.pack("<QQ", event, 0), slot=0xFFFF)
        for object_, ticket in watches:
            session.send(WATCH, struct.pack("<QQ", object_, ticket), slot=0xFFFF)
        session.send(ALLOC, struct.pack("<Q", MIB), slot=2)
        check(f"watches: the session goes on after {name}", len(session.answer(2)) == 8)
        session.close()
    session = Allocated(address)
    session.send(WATCH, struct.pack("<QQB", event, 1, 0), slot=0xFFFF)
    check("watches: bytes too many end the session", closed(session.connection))
    session.close()
    check("alive after the attacks by watches", alive(address))


def ring_attacks(address):
    """Garbage all over the shared window."""
    dice = random.Random(3)
    for name, fill in (("random bytes", dice.randbytes), ("all ones", lambda n: b"\xff" * n), ("zeros", bytes)):
        session = Session(address, "shm")
        for offset in range(0, SUBMIT_RING_AT + (256 << 10), 4096):
            session.memory[offset:offset + 4096] = fill(4096)
            with contextlib.suppress(OSError):
                session.connection.send(b"\1")
        time.sleep(0.1)
        session.close()
        check(f"shm: alive after {name} all over the window", alive(address))
    # a window that changes while the server reads it
    session = Session(address, "shm")
    start = session.position
    session.put(session.record(300, call(bytes(64))), start)
    deadline = time.monotonic() + 0.5
    while time.monotonic() < deadline:
        session.memory[SUBMIT_RING_AT + 8:SUBMIT_RING_AT + 12] = dice.randbytes(4)
        session.memory[0:256] = dice.randbytes(256)
    session.close()
    check("shm: alive after a window that changes under the reader", alive(address))


def main():
    address = sys.argv[1]
    if sys.argv[2:3] == ["rdma"]:
        offer_attacks(address)
        window_attacks(address)
        record_attacks(address, "rdma")
        print(json.dumps({"client": "hostile", "checks": checks, "failed": failures, "values": {}}))
        return 1 if failures else 0
    control_attacks(address)
    if address.startswith("unix:"):
        record_attacks(address, "shm")
        ring_attacks(address)
    else:
        stream_attacks(address)
        record_attacks(address, "tcp")
        transfer_attacks(address)
        watch_attacks(address)
    print(json.dumps({"client": "hostile", "checks": checks, "failed": failures, "values": {}}))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
