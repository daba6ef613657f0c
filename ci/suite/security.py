"""TLS and tokens: a program over an encrypted connection, and everyone who should not get in or must not see."""

import json
import os
import re
import secrets
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from .clients import CLIENTS
from .places import RINGWAY
from .robustness import until
from .runner import last_line, require, test

PROGRAM = CLIENTS / "behaviour/pattern.py"
PATTERN = b"RINGWAY-KNOWN-PLAINTEXT-PATTERN!"


def field(file, name):
    return re.search(rf'^{name} = "(.*)"$', file.read_text(), re.M)[1]


class Secured:
    """A `ringway serve` with a state folder of its own, and its tokens."""

    def __init__(self, t, folder, name, listen=("127.0.0.1:0",), options=()):
        self.t, self.folder, self.state = t, folder, folder / f"state-{name}"
        self.token("admin")
        words = [word for address in listen for word in ("--listen", address)]
        self.server = t.start([RINGWAY, "serve", "--driver", "softgpu", "--announce", "--state", self.state, *words, *options], label=f"serve-{name}")
        self.server.wait_for_text("ready ")
        self.address = "127.0.0.1:" + re.search(r"ready \S+:(\d+)", self.server.output())[1]

    def token(self, name, *options):
        """Makes a token; its file."""
        file = self.folder / f"{self.state.name}-{name}-{secrets.token_hex(3)}.toml"
        self.t.output_of(RINGWAY, "token", "--state", self.state, "create", "--name", name, "-o", file, *options)
        require(file.stat().st_mode & 0o777 == 0o600, f"the token file has mode {file.stat().st_mode:o}")
        return file

    def port(self):
        return int(self.address.rsplit(":", 1)[1])

    def list(self, file, address=None, env=None):
        """`ringway list` with a token file: exit code, standard output, standard error."""
        words = [RINGWAY, "list", "--json", "--server", address or self.address, *(["--token-file", file] if file else [])]
        done = subprocess.run(words, capture_output=True, text=True, timeout=40, env={**os.environ, **(env or {})})
        return done.returncode, done.stdout, done.stderr


def refused(what, result, text):
    code, _, errors = result
    require(code == 125, f"{what}: exit code {code}, {last_line(errors)}")
    require(text in errors, f"{what}: wanted '{text}', got {errors[-300:]!r}")


class Proxy:
    """Passes bytes on and keeps them."""

    def __init__(self, port):
        self.seen, self.to, self.open = [], port, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
                far = socket.create_connection(("127.0.0.1", self.to))
            except OSError:
                return
            self.open += [near, far]
            for a, b in ((near, far), (far, near)):
                kept = bytearray()
                self.seen.append(kept)
                threading.Thread(target=self.copy, args=(a, b, kept), daemon=True).start()

    def cut(self):
        """Breaks all connections."""
        ends, self.open = self.open, []
        for end in ends:
            try:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    @staticmethod
    def copy(a, b, kept):
        try:
            while data := a.recv(1 << 16):
                kept += data
                b.sendall(data)
        except OSError:
            pass
        for end in (a, b):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def run_program(t, server, file, *words, env=None, address=None, options=()):
    named = ["--server", address] if address else []
    return t.start([RINGWAY, "run", *named, "--token-file", file, "--link", "tcp", *options, "--", "python3", PROGRAM, *words],
                   env=env, label="program")


def encrypted_program(t, secured):
    """A program through a proxy that looks for what must not be seen; the same in clear text, so that the look is proved to see."""
    token = secured.token("sniffed")
    secret = field(token, "secret").encode()
    proxy = Proxy(secured.port())
    program = run_program(t, secured, token, "8", "2", address=proxy.address)
    require(program.wait(60) == 0 and "all equal" in program.output(), f"over TLS: {program.errors()[-300:]}")
    require("encrypted" in program.errors(), f"the program was not told: {program.errors()[-300:]}")
    total = sum(map(len, proxy.seen))
    require(total > 32 << 20, f"only {total} bytes went over the proxy")
    for kept in proxy.seen:
        for what, text in (("data", PATTERN[:16]), ("the token's secret", secret), ("a control frame", b"RWCT"), ("a request", b"lease")):
            require(text not in kept, f"{what} crossed the wire in clear text")
    clear = Proxy(secured.port())
    presented = f"rwt_{field(token, 'id')}_{secret.decode()}"
    code, _, errors = secured.list(None, clear.address, {"RINGWAY_TOKEN": presented})
    require(code == 0, f"a token in clear text on the loopback address: {last_line(errors)}")
    require(any(secret in kept for kept in clear.seen), "the proxy sees nothing, so it proves nothing")
    return f"{total >> 20} MiB over the wire"


def tokens(t, secured, other, plain):
    good = secured.token("good", "--user", "somebody")
    code, out, errors = secured.list(good)
    require(code == 0 and json.loads(out)[0]["gpus"], f"a good token: {last_line(errors)}")
    require("expires" not in errors, f"a token without an end was warned of: {errors!r}")
    soon = secured.list(secured.token("soon", "--expires", "6d"))
    require(soon[0] == 0 and "expires in" in soon[2], f"no warning a week before the end: {soon[2]!r}")
    late = secured.token("late", "--expires", "1s")
    time.sleep(2)
    refused("an expired token", secured.list(late), "'late' has expired")
    forged = good.with_name("forged.toml")
    text = good.read_text()
    secret = field(good, "secret")
    forged.write_text(text.replace(secret, secret[:-1] + ("0" if secret[-1] != "0" else "1")))
    forged.chmod(0o600)
    refused("a forged token", secured.list(forged), "did not accept the token")
    forged.chmod(0o644)
    refused("a token file that others can read", secured.list(forged), "chmod 600")
    refused("no token", secured.list(None), "did not accept the token")
    refused("another server", other.list(good), "not the one that the token is for")
    refused("TLS to a server without an identity", secured.list(good, plain), "TLS")
    refused("another server's token over the right authority", secured.list(mixed(good, other.token("x"))), "did not accept the token")

    small = secured.token("small", "--max-gpus", "1", "--max-memory", "512")
    program = run_program(t, secured, small, "1", address=secured.address)
    require(program.wait(30) == 125 and "good for 512 MiB" in program.errors(), f"more memory than the token's: {program.errors()[-300:]}")
    program = run_program(t, secured, small, "1", address=secured.address, options=["-m", "512"])
    require(program.wait(30) == 0, f"as much memory as the token's: {program.errors()[-300:]}")
    program = run_program(t, secured, small, "1", address=secured.address, options=["-n", "2", "-m", "16"])
    require(program.wait(30) == 125 and "good for 1 GPUs" in program.errors(), f"more GPUs than the token's: {program.errors()[-300:]}")

    program = run_program(t, secured, good, "1", "1000", "0.1", address=secured.address)
    program.wait_for_text("round 1")
    leases = json.loads(secured.list(good)[1])[0]["leases"]
    require([lease["identity"]["user"] for lease in leases] == ["somebody"], f"the lease is not the token's user's: {leases}")
    t.output_of(RINGWAY, "token", "--state", secured.state, "revoke", "good")
    refused("a revoked token", secured.list(good), "'good' was revoked")
    require(program.wait(20) == 17, f"a program whose token was revoked ended with {program.wait(1)}: {last_line(program.errors())}")
    refused("a revoked token again", secured.list(good), "'good' was revoked")


def broken_links(t, secured):
    """Connections that break, the lane's and the lease's, are made again, as secret as before."""
    file = secured.token("broken")
    proxy = Proxy(secured.port())
    program = run_program(t, secured, file, "1", "40", "0.1", address=proxy.address, options=["-m", "64"])
    for number in (3, 12):
        program.wait_for_text(f"round {number}\n")
        proxy.cut()
    require(program.wait(40) == 0 and "all equal" in program.output(), f"after cuts: {program.errors()[-500:]}")
    require("continues" in program.errors(), f"no link broke: {program.errors()[-300:]}")
    require(not any(PATTERN[:16] in kept or b"RWCT" in kept for kept in proxy.seen), "clear text after a link was made again")
    return f"{len(proxy.seen) // 2} connections"


def without_run(t, secured):
    """A program that finds the library by itself leases by the token file."""
    folder = secured.folder / "library"
    folder.mkdir()
    (folder / "libcuda.so.1").symlink_to(RINGWAY.parent / "libringway_shim.so")
    file = secured.token("library", "--address", "127.0.0.1:1", "--address", secured.address)
    program = t.start(["python3", PROGRAM, "1"], env={"LD_LIBRARY_PATH": str(folder), "RINGWAY_TOKEN_FILE": str(file)}, label="program")
    require(program.wait(40) == 0 and "all equal" in program.output(), f"without ringway run: {program.errors()[-300:]}")
    # the address that answers is found among those of the file, and there is no other way in
    program = t.start([RINGWAY, "run", "--", "python3", PROGRAM, "1"], env={"RINGWAY_TOKEN_FILE": str(file)}, label="program")
    require(program.wait(40) == 0 and "encrypted" in program.errors(), f"by the file's addresses: {program.errors()[-300:]}")


def mixed(identity_of, token_of):
    """A token file with the authority of one and the secret of the other."""
    authority, token = identity_of.read_text(), token_of.read_text()
    file = identity_of.with_name("mixed.toml")
    file.write_text(re.sub(r'ca = ".*"', lambda _: re.search(r'ca = ".*"', authority)[0], token))
    file.chmod(0o600)
    return file


def clear_text(t, folder):
    """A server beyond loopback takes no clear text from another address than loopback, and a shared secret is no reason to listen there."""
    done = subprocess.run([RINGWAY, "serve", "--driver", "softgpu", "--listen", "0.0.0.0:0", "--token", "x", "--state", folder / "none"],
                          capture_output=True, text=True, timeout=20)
    require(done.returncode == 125 and "clear text" in done.stderr, f"a shared secret beyond loopback: {done.stderr[-300:]}")
    beyond = Secured(t, folder, "beyond", ["0.0.0.0:0"])
    file = beyond.token("t")
    require(beyond.list(file)[0] == 0, "TLS to a server beyond loopback")
    own = own_address()
    if not own:
        return "clear text from another address not tried: this machine has only loopback"
    address = f"{own}:{beyond.port()}"
    code, _, errors = beyond.list(file, address)
    require(code == 0, f"TLS by {address}: {last_line(errors)}")
    refused("clear text", beyond.list(None, address), "without encryption from its own machine only")
    return f"clear text refused at {own}"


def own_address():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            own = probe.getsockname()[0]
        except OSError:
            return None
    return None if own.startswith("127.") else own


def garbage(t, secured):
    """Truncated and random bytes; the server closes each connection, and serves on."""
    file = secured.token("garbage")
    hello = bytes.fromhex("160301") + (200).to_bytes(2, "big") + b"\1" + (196).to_bytes(3, "big") + os.urandom(196)
    inputs = [b"", b"\x16", hello[:4], hello[:60], hello, b"\x16" * 4096, b"\x16\3\1\xff\xff" + bytes(70000), os.urandom(3000), b"\x16" + os.urandom(3000),
              b"RWCT" + os.urandom(200), b"RWCT\1\0\0\0\xff\xff\xff\xff", b"GET / HTTP/1.0\r\n\r\n"]
    for data in inputs:
        with socket.create_connection(("127.0.0.1", secured.port()), timeout=20) as end:
            try:
                end.sendall(data)
                end.shutdown(socket.SHUT_WR)
                while end.recv(4096):
                    pass
            except TimeoutError:
                require(False, f"garbage is not answered by closing: {data[:20]!r}")
            except OSError:
                pass  # the server was quicker
    require(secured.list(file)[0] == 0, "after garbage the server serves no more")
    # one address that fails again and again is not listened to; the others are
    for _ in range(40):
        with socket.socket() as end:
            end.settimeout(20)
            end.bind(("127.0.0.2", 0))
            try:
                end.connect(("127.0.0.1", secured.port()))
                end.sendall(b"\x16\3\1\0\4XXXX")
                while end.recv(4096):
                    pass
            except OSError:
                pass
    until(lambda: "too many failures of 127.0.0.2" in secured.server.errors(), "the log line about an address that fails", 10)
    lines = secured.server.errors().count("connection of 127.0.0.2 refused")
    require(lines <= 30, f"{lines} log lines about one address")
    require(secured.list(file)[0] == 0, "one address's failures keep another out")


def silent(t, secured):
    """300 connections that say nothing, or only the beginning of a handshake."""
    file = secured.token("patient")
    ends = []
    try:
        for number in range(300):
            end = socket.create_connection(("127.0.0.1", secured.port()), timeout=20)
            ends.append(end)
            if number % 2:
                end.sendall(b"\x16\3\1")
        started = time.monotonic()
        code, _, errors = secured.list(file)
        took = time.monotonic() - started
        require(code == 0, f"among 300 silent connections: {last_line(errors)}")
    finally:
        for end in ends:
            end.close()
    return f"in among 300 silent connections after {took:.1f} s"


@test("TLS and tokens", 120)
def tls_and_tokens(t):
    for name in ("RINGWAY_SERVER", "RINGWAY_TOKEN", "RINGWAY_TOKEN_FILE", "RINGWAY_STATE"):
        os.environ.pop(name, None)  # nothing of the user's decides how a server is reached
    folder = Path(tempfile.mkdtemp(prefix="ringway-security-"))
    try:
        secured, other = Secured(t, folder, "one"), Secured(t, folder, "other")
        plain = t.start([RINGWAY, "serve", "--driver", "softgpu", "--announce", "--listen", "127.0.0.1:0", "--state", folder / "empty"], label="plain")
        plain.wait_for_text("ready ")
        notes = [encrypted_program(t, secured), broken_links(t, secured)]
        without_run(t, secured)
        tokens(t, secured, other, re.search(r"127\.0\.0\.1:\d+", plain.output()).group())
        notes.append(clear_text(t, folder))
        garbage(t, secured)
        notes.append(silent(t, secured))
        return "; ".join(note for note in notes if note)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
