"""Connections that mean harm: malformed input for each kind of port, and very many that say nothing."""

import contextlib
import errno
import json
import os
import random
import select
import socket
import ssl
import struct
import threading
import time
from collections import Counter

from ..suite.pool import MAGIC, frame
from ..suite.runner import require
from .cluster import HTTP_PORT, METRICS_PORT, NAME_IN_CERTIFICATES, POOL_PORT, SERVER_PORT

# Who says nothing more is closed after ten seconds; on a machine that has much to do a little later.
CLOSED_WITHIN_S = 20
# An address that fails thirty times in a minute is not listened to: each of an attacker's is used less often.
USES_OF_ADDRESS = 24


def client_hello(protocol="ringway/1"):
    """What a client of TLS 1.3 says first."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols([protocol])
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    half = context.wrap_bio(incoming, outgoing, server_hostname=NAME_IN_CERTIFICATES)
    with contextlib.suppress(ssl.SSLWantReadError):
        half.do_handshake()
    return outgoing.read()


def changed(data, chance):
    data = bytearray(data)
    for _ in range(chance.randrange(1, 5)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    return bytes(data)


def raw_inputs(chance):
    """For any port: what is neither TLS nor anything else."""
    hello = client_hello()
    yield from (b"", b"\0", b"\x16", b"\x15\3\3\0\2\1\0", b"\x17\3\3\0\1x", b"\x16\3\1\xff\xff" + bytes(70_000), b"\x16\3\1\0\0" * 2000, b"\x80\x2e\1\3\1" + bytes(60),
                b"GET / HTTP/1.1\r\n\r\n", b"SSH-2.0-x\r\n", b"\r\n" * 5000, MAGIC, MAGIC + bytes(8), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    for _ in range(40):
        yield os.urandom(chance.randrange(1, 4000))
        yield b"\x16\3\1" + os.urandom(chance.randrange(1, 2000))
    for cut in range(1, len(hello), 29):
        yield hello[:cut]
    for _ in range(60):
        yield changed(hello, chance)
        yield hello + os.urandom(chance.randrange(1, 200))


def frames(chance, token):
    """For a control port, within TLS or not: frames of all kinds of wrong."""
    identity = {"user": "mallory", "host": "h", "program": "p", "pid": 1}
    whole = [
        {"lease": {"token": token, "gpus": 1, "memory": {"fraction": 0.1}, "identity": identity}},
        {"redeem": {"ticket": "rwk_00_00", "identity": identity}},
        {"pool": {"token": token, "ask": {"leases": {"after": None}}}},
        {"pool": {"token": token, "ask": {"join": {"info": {"name": "gpu1"}, "registration": 1, "addresses": [], "running": []}}}},
        {"pool": {"token": token, "ask": {"admin": {"remove_server": {"server": "gpu1"}}}}},
        {"inventory": {"token": token}},
        {"hold": {"lease": "0" * 16, "secret": "0" * 64}},
        {"resume": {"session": 1, "secret": "00", "lane": 1 << 60, "attempt": 1, "link": "tcp"}},
        {"open": {"lease": "0" * 16, "secret": "00", "link": "tcp"}},
        {"measure": {"token": token}}, "farewell", {"health": {"token": token}}, [], {}, None, 7, {"lease": None}, {"pool": {"token": token, "ask": "who"}},
    ]
    for magic in (b"RWCU", b"rwct", bytes(4), b"\xff" * 4):
        yield magic + struct.pack("<HHI", 1, 0, 2) + b"{}"
    for version in (0, 2, 0xFFFF):
        yield MAGIC + struct.pack("<HHI", version, 0, 2) + b"{}"
    for length in (0, 1, 262_144, 262_145, 1 << 31, 0xFFFF_FFFF):
        yield MAGIC + struct.pack("<HHI", 1, 0, length) + b"{}"
    for text in (b"[" * 100_000, b'{"lease":' * 20_000, b"\xff\xfe\x00", b'"\\ud800"', b"1e999999", b'{"pool":{"token":"' + b"a" * 200_000 + b'"}}', b"nul", b"{" + b" " * 200_000):
        yield MAGIC + struct.pack("<HHI", 1, 0, len(text)) + text
    for message in whole:
        data = frame(message)
        yield data[:chance.randrange(1, len(data))]
        for _ in range(4):
            yield changed(data, chance)
        text = json.dumps(message)
        wrong = text.replace("1", "-1").replace("null", "[]").encode()
        yield MAGIC + struct.pack("<HHI", 1, 0, len(wrong)) + wrong
        yield data * 3


def requests(chance, token):
    """For an HTTP port, within TLS: requests of all kinds of wrong, some as those that would be smuggled past a proxy."""
    host = b"Host: x\r\n"
    bearer = f"Authorization: Bearer {token}\r\n".encode()
    body = b"0\r\n\r\nGET /api/v1/leases HTTP/1.1\r\n" + host + b"\r\n"
    yield from (
        b"GET /api/v1/pool HTTP/1.1\r\n" + host + bearer + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + body,
        b"GET /api/v1/pool HTTP/1.1\r\n" + host + bearer + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n" + body,
        b"PUT /api/v1/users/x HTTP/1.1\r\n" + host + bearer + b"Content-Length: 3\r\nContent-Length: 30\r\n\r\n{}x",
        b"PUT /api/v1/users/x HTTP/1.1\r\n" + host + bearer + b"Content-Length: -1\r\n\r\n{}", b"PUT /api/v1/users/x HTTP/1.1\r\n" + host + bearer + b"Content-Length: 99999999999999999999\r\n\r\n",
        b"POST /api/v1/tokens HTTP/1.1\r\n" + host + bearer + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nx", b"POST /api/v1/tokens HTTP/1.1\r\n" + host + bearer + b"Transfer-Encoding: xchunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        b"GET /api/v1/../../etc/passwd HTTP/1.1\r\n" + host + b"\r\n", b"GET /api/v1/leases/%00%ff%2e%2e HTTP/1.1\r\n" + host + bearer + b"\r\n", b"GET http://other/api/v1/pool HTTP/1.1\r\n" + host + b"\r\n",
        b"GET /api/v1/pool HTTP/1.1\r\n\r\n", b"GET /api/v1/pool HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"GET /api/v1/pool\r\n", b"GET  /api/v1/pool  HTTP/1.1\r\n\r\n", b"G\0T / HTTP/1.1\r\n" + host + b"\r\n",
        b"GET /api/v1/pool HTTP/9.9\r\n" + host + b"\r\n", b"GET /api/v1/pool HTTP/1.1\nHost: x\n\n", b"GET /api/v1/pool HTTP/1.1\r\n" + host + b"X: a\r\n b\r\n\r\n", b"GET /" + b"a" * 60_000 + b" HTTP/1.1\r\n" + host + b"\r\n",
        b"GET /api/v1/pool HTTP/1.1\r\n" + host + b"A: " + b"b" * 60_000 + b"\r\n\r\n", b"GET /api/v1/pool HTTP/1.1\r\n" + host + b"A: b\r\n" * 3000 + b"\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(40),
        b"GET /api/v1/pool HTTP/1.1\r\n" + host + b"Authorization: Bearer rwt_" + b"f" * 2000 + b"\r\n\r\n", b"GET /api/v1/pool HTTP/1.1\r\n" + host + b"Authorization: Basic \xff\xfe\r\n\r\n",
        b"GET /api/v1/usage?from_ms=-1&until_ms=1e9 HTTP/1.1\r\n" + host + bearer + b"\r\n", b"GET /api/v1/leases?after=" + b"9" * 5000 + b" HTTP/1.1\r\n" + host + bearer + b"\r\n",
        b"PUT /api/v1/quotas/user/x HTTP/1.1\r\n" + host + bearer + b"Content-Type: application/json\r\nContent-Length: 60000\r\n\r\n" + b"[" * 60_000, b"CONNECT x:1 HTTP/1.1\r\n" + host + b"\r\n", b"TRACE / HTTP/1.1\r\n" + host + b"\r\n",
        b"GET /metrics HTTP/1.1\r\n" + host + b"Upgrade: websocket\r\nConnection: upgrade\r\n\r\n\x81\x05hello", b"GET /metrics HTTP/1.1\r\n" + host + b"Expect: 100-continue\r\nContent-Length: 10\r\n\r\n",
        b"GET /api/v1/health HTTP/1.1\r\n" + host + b"\r\nGET /api/v1/health HTTP/1.1\r\n" + host + b"\r\n" * 200)
    good = b"GET /api/v1/pool HTTP/1.1\r\n" + host + bearer + b"Connection: close\r\n\r\n"
    for _ in range(40):
        yield changed(good, chance)
    for cut in range(1, len(good), 23):
        yield good[:cut]


class Attackers:
    """Addresses of a namespace from which connections are made."""

    def __init__(self, cluster, count=70):
        self.cluster = cluster
        self.space = cluster.network.space("attackers", 51)
        self.addresses = [self.space.add_address(60 + number) for number in range(count)]
        self.used, self.lock = 0, threading.Lock()

    def next_address(self):
        """One that has not been used too often yet."""
        with self.lock:
            self.used += 1
            place = self.used // USES_OF_ADDRESS
        require(place < len(self.addresses), f"{self.used} connections are more than {len(self.addresses)} addresses are good for")
        return self.addresses[place]

    def connect(self, server, port, address):
        with self.space.inside():
            return socket.create_connection((self.cluster.spaces[server].address, port), CLOSED_WITHIN_S, source_address=(address, 0))

    def say(self, server, port, data, protocol=None, token=None):
        """Says something and waits for the end of the connection; what came back. Failed if it is not ended in time."""
        stream = self.connect(server, port, self.next_address())
        back, began = b"", time.monotonic()
        try:
            if protocol is not None:
                stream = self.cluster.tls(token, protocol).wrap_socket(stream, server_hostname=NAME_IN_CERTIFICATES)
            stream.settimeout(1)
            stream.sendall(data)
            if protocol is not None:
                with contextlib.suppress(TimeoutError):
                    back = stream.recv(1 << 16)
            stream.settimeout(CLOSED_WITHIN_S)
            # Of the connection beneath TLS: what comes back is to be understood still.
            socket.socket.shutdown(stream, socket.SHUT_WR)
            while more := stream.recv(1 << 16):
                back += more
        except TimeoutError:
            require(False, f"port {port} of {server} keeps a connection that said {data[:60]!r}... for {time.monotonic() - began:.0f} s")
        except OSError:
            pass  # it was closed before all was read, or in the handshake
        finally:
            stream.close()
        return back

    def drip(self, server, port, data, protocol=None, token=None):
        """A slow one: a byte now and then; how long it was listened to."""
        stream, began = self.connect(server, port, self.next_address()), time.monotonic()
        if protocol is not None:
            stream = self.cluster.tls(token, protocol).wrap_socket(stream, server_hostname=NAME_IN_CERTIFICATES)
        stream.settimeout(0.5)
        try:
            for byte in data:
                stream.sendall(bytes([byte]))
                with contextlib.suppress(TimeoutError):
                    if stream.recv(1 << 16) == b"":
                        break
                require(time.monotonic() - began < CLOSED_WITHIN_S, f"port {port} of {server} listens to a byte every half a second for {CLOSED_WITHIN_S} s")
        except OSError:
            pass
        finally:
            stream.close()
        return time.monotonic() - began

    def silent(self, server, port, count, addresses):
        """So many connections that say nothing, or the beginning of a handshake; they stay open until they are closed."""
        target, opened, under_way = (self.cluster.spaces[server].address, port), [], set()
        poll = select.epoll()
        with self.space.inside():
            for number in range(count):
                stream = socket.socket()
                stream.setblocking(False)
                stream.bind((addresses[number % len(addresses)], 0))
                code = stream.connect_ex(target)
                require(code in (0, errno.EINPROGRESS), f"connection {number}: {os.strerror(code)}")
                opened.append(stream)
                under_way.add(stream)
                poll.register(stream.fileno(), select.EPOLLOUT)
                # As many at a time as a listening socket queues.
                while len(under_way) > 200 or number == count - 1 and under_way:
                    events = poll.poll(10)
                    require(events, f"{len(under_way)} connections are not taken within 10 s")
                    ready = {descriptor for descriptor, _ in events}
                    for done in [one for one in under_way if one.fileno() in ready]:
                        poll.unregister(done.fileno())
                        under_way.discard(done)
                        if done.fileno() % 2:
                            with contextlib.suppress(OSError):
                                done.send(b"\x16\3\1")
        return opened


def scan(attackers, seed, leader, say):
    """Malformed input at each port that listens; how many connections that were."""
    cluster, chance = attackers.cluster, random.Random(seed)
    ports = [(leader, POOL_PORT, "frames", "looker"), ("gpu1", SERVER_PORT, "frames", "gpu1-reader"), (leader, HTTP_PORT, "http", "looker"), ("gpu1", METRICS_PORT, "http", "gpu1-reader")]
    work = []
    for server, port, kind, token in ports:
        work += [(server, port, data, None, None) for data in raw_inputs(chance)]
        presented = cluster.presented(token)
        inner = list(frames(chance, presented)) if kind == "frames" else list(requests(chance, presented))
        work += [(server, port, data, "ringway/1" if kind == "frames" else "http/1.1", token) for data in inner]
        # The other's protocol, and none of TLS's versions but the last.
        work += [(server, port, data, "http/1.1" if kind == "frames" else "ringway/1", token) for data in inner[:5]]
        work += [(server, port, data, None, None) for data in inner[:20]]
    chance.shuffle(work)
    failures, lock, answers = [], threading.Lock(), Counter()

    def attack():
        while True:
            with lock:
                if not work or failures:
                    return
                one = work.pop()
            try:
                back = attackers.say(*one)
                with lock:
                    answers[one[1], kind_of(back)] += 1
            except Exception as failure:
                failures.append(str(failure))

    count = len(work)
    threads = [threading.Thread(target=attack) for _ in range(8)]
    slow = [threading.Thread(target=lambda row=row: slowly(row)) for row in ports]

    def slowly(row):
        server, port, kind, token = row
        try:
            times = [attackers.drip(server, port, client_hello())]
            if kind == "frames":
                times.append(attackers.drip(server, port, frame({"inventory": {"token": "x" * 200}}), "ringway/1", token))
            else:
                times.append(attackers.drip(server, port, b"GET /api/v1/pool HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 200, "http/1.1", token))
            say(f"port {port}: a slow handshake was listened to for {times[0]:.1f} s, a slow request for {times[1]:.1f} s")
            require(min(times) > 2, f"port {port} listened to slow clients for {times} s only: were they heard at all?")
        except Exception as failure:
            failures.append(str(failure))

    for thread in threads + slow:
        thread.start()
    for thread in threads + slow:
        thread.join(150)
        require(not thread.is_alive(), "an attack does not end")
    require(not failures, failures[0] if failures else "")
    say(f"answers by port and kind: {dict(answers)}")
    # Each port was reached behind its TLS, and refused what it was told.
    for _, port, kind, _ in ports:
        require(answers[port, "refusal" if kind == "frames" else "HTTP 4xx"] > 20, f"port {port} refused hardly anything: {answers}")
        require(answers[port, "nothing"] + answers[port, "TLS"] > 100, f"port {port} answered garbage: {answers}")
    return count


def kind_of(back):
    """What an answer is."""
    if back[:4] == MAGIC:
        return "refusal" if b'"refused"' in back else "answer"
    if back[:5] == b"HTTP/":
        return f"HTTP {back[9:10].decode(errors='replace')}xx"
    return "TLS" if back[:2] in (b"\x15\x03", b"\x16\x03") else "something" if back else "nothing"
