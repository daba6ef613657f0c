"""A pool of three nodes with an etcd of three members, and two servers with four software GPUs each; set up as the documents say."""

import base64
import contextlib
import json
import os
import re
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from ..suite.etcd import program as etcd_program
from ..suite.places import RINGWAY
from ..suite.pool import frame, receive
from ..suite.robustness import is_spare
from ..suite.runner import last_line, require
from .network import Network

NODES, SERVERS = ("pool1", "pool2", "pool3"), ("gpu1", "gpu2")
GPUS, MIB = 4, 1024  # of each server; of each GPU
POOL, POOL_PORT, HTTP_PORT, SERVER_PORT, METRICS_PORT, ETCD_PORT, PEER_PORT = "bed", 7767, 7768, 7766, 7769, 2379, 2380
NAME_IN_CERTIFICATES = "server.ringway.internal"
# Every process of a bed has it in its environment, and so has every process that it starts.
MARK = "RINGWAY_OF_TESTBED"


class Daemon:
    """A program that is started again when it ends, unless it is held."""

    def __init__(self, cluster, name, space, words, env=None):
        self.cluster, self.name, self.space, self.words, self.env = cluster, name, space, words, env or {}
        self.running, self.is_held, self.is_stopped = None, False, False
        self.starts, self.ends = 0, []  # (when, exit code, whether it was ended on purpose)
        self.lock = threading.RLock()

    def start(self):
        with self.lock:
            self.is_held = self.is_stopped = False
            self.starts += 1
            self.running = self.cluster.start(self.space.words(*self.words), env=self.env, label=self.name)

    def is_alive(self):
        return self.running is not None and self.running.process.poll() is None

    def says(self, word):
        return self.running is not None and re.search(rf"^{word}", self.running.output(), re.M) is not None

    def signal(self, how):
        """Ends it, or stops it, or has it go on; only itself."""
        ends = how not in (signal.SIGSTOP, signal.SIGCONT, signal.SIGUSR2)
        with self.lock:
            self.is_held |= ends
            self.is_stopped = how == signal.SIGSTOP
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.running.pid, how)
        if ends:
            self.running.wait(15)
            self.ends.append((time.time(), self.running.process.returncode, True))

    def stop(self):
        with self.lock:
            self.is_held = True
            if self.is_alive():
                self.signal(signal.SIGCONT)
                self.signal(signal.SIGTERM)

    def look(self):
        """Starts it again where it ended by itself."""
        with self.lock:
            if self.is_held or self.is_alive():
                return
            self.ends.append((time.time(), self.running.process.returncode, False))
            self.start()

    def runs(self):
        return [program for program in self.cluster.t.running if program.label == self.name]

    def text(self):
        """All that it has said, over all its starts."""
        return "".join(program.errors() for program in self.runs())

    def has_led(self):
        """Of a node of the pool."""
        return any("ready " in program.output() for program in self.runs())


class Cluster:
    def __init__(self, t):
        self.t, self.starting = t, threading.Lock()
        self.mark = secrets.token_hex(8)
        # Short, since sockets of reservations lie there.
        self.folder = Path(tempfile.mkdtemp(prefix="rwbed-"))
        self.network = None
        self.over = threading.Event()
        try:
            self.network = Network()
            self.make()
        except BaseException:
            self.close()
            raise

    def make(self):
        network = self.network
        self.spaces = {name: network.space(name, 11 + number) for number, name in enumerate((*NODES, *SERVERS))}
        self.clients, self.admin = network.space("clients", 31), network.space("admin", 41)
        self.base = {MARK: self.mark, "HOME": self.folder / "home", "XDG_RUNTIME_DIR": self.folder / "run", "TMPDIR": self.folder / "tmp", "RINGWAY_CONFIG": ""}
        for variable in ("HOME", "XDG_RUNTIME_DIR", "TMPDIR"):
            self.base[variable].mkdir(mode=0o700)
        self.certify()
        self.states = {name: self.folder / f"state-{name}" for name in (*NODES, *SERVERS)}
        self.files = {}
        for name, scope in (("admin", "admin"), ("looker", "read"), *((name, "serve") for name in SERVERS)):
            self.make_token(name, "--scope", scope)
        self.daemons = {}
        self.share_folder()
        for name in NODES:
            self.daemons["etcd-" + name] = self.etcd(name)
        for name in NODES:
            self.daemons[name] = self.node(name)
        for name in SERVERS:
            self.daemons[name] = self.server(name)
        for daemon in self.daemons.values():
            daemon.start()
        threading.Thread(target=self.supervise, daemon=True).start()

    # What runs

    def certify(self):
        """An authority for etcd, and a certificate for each member."""
        folder = self.folder / "etcd-tls"
        folder.mkdir()

        def openssl(*words):
            done = subprocess.run(["openssl", *map(str, words)], cwd=folder, capture_output=True, text=True, timeout=60)
            require(done.returncode == 0, f"openssl {words[0]}: {last_line(done.stderr)}")

        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", 2, "-subj", "/CN=etcd of a test bed")
        for name in NODES:
            openssl("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
            (folder / f"{name}.ext").write_text(f"subjectAltName=IP:{self.spaces[name].address},IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n")
            openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", 2, "-extfile", f"{name}.ext", "-out", f"{name}.pem")
        self.etcd_ca = folder / "ca.pem"

    def etcd(self, name):
        address, tls = self.spaces[name].address, self.folder / "etcd-tls"
        at = {other: f"https://{self.spaces[other].address}" for other in NODES}
        words = [etcd_program(), "--name", name, "--data-dir", self.folder / f"etcd-{name}",
                 "--listen-client-urls", f"https://{address}:{ETCD_PORT}", "--advertise-client-urls", f"https://{address}:{ETCD_PORT}",
                 "--listen-peer-urls", f"https://{address}:{PEER_PORT}", "--initial-advertise-peer-urls", f"https://{address}:{PEER_PORT}",
                 "--initial-cluster", ",".join(f"{other}={url}:{PEER_PORT}" for other, url in at.items()), "--initial-cluster-token", self.mark,
                 "--cert-file", tls / f"{name}.pem", "--key-file", tls / f"{name}.key",
                 "--peer-cert-file", tls / f"{name}.pem", "--peer-key-file", tls / f"{name}.key", "--peer-trusted-ca-file", self.etcd_ca, "--peer-client-cert-auth"]
        return Daemon(self, "etcd-" + name, self.spaces[name], words, {"ETCD_UNSUPPORTED_ARCH": ""})

    def share_folder(self):
        """The nodes' folder is made on the first, by one start of the pool, and copied to the others."""
        first = self.start([RINGWAY, "pool", "--announce", "--listen", "127.0.0.1:0", "--state", self.states[NODES[0]]], label="first")
        first.wait_for_text("ready ")
        first.stop()
        for name in NODES[1:]:
            shutil.copytree(self.states[NODES[0]], self.states[name])

    def node(self, name):
        address = self.spaces[name].address
        words = [RINGWAY, "pool", "--announce", "--name", POOL, "--listen", f"{address}:{POOL_PORT}", "--http", f"{address}:{HTTP_PORT}",
                 "--state", self.states[name], "--etcd", ",".join(f"https://{self.spaces[node].address}:{ETCD_PORT}" for node in NODES), "--etcd-ca", self.etcd_ca]
        return Daemon(self, name, self.spaces[name], words)

    def server(self, name):
        words = [RINGWAY, "serve", "--announce", "--driver", "softgpu", "--listen", f"{self.spaces[name].address}:{SERVER_PORT}", "--state", self.states[name],
                 "--pool-token-file", self.files[name], "--label", f"rack={name[-1]}", "--metrics", f"{self.spaces[name].address}:{METRICS_PORT}"]
        settings = {"RINGWAY_SOFTGPU_DEVICES": GPUS, "RINGWAY_SOFTGPU_MEMORY_MIB": MIB, "RINGWAY_SOFTGPU_THREADS": 1, "RINGWAY_SOFTGPU_REPORT": "quiet"}
        return Daemon(self, name, self.spaces[name], words, settings)

    def supervise(self):
        while not self.over.wait(0.5):
            for daemon in list(self.daemons.values()):
                if not self.over.is_set():
                    daemon.look()

    def start(self, words, env=None, label=None):
        with self.starting:
            return self.t.start(words, env={**self.base, **(env or {})}, label=label)

    # What is asked

    def run(self, *words, space=None, token="admin", env=None, limit_s=60):
        """A command of `ringway` with a token file: exit code, output, errors."""
        command = [RINGWAY, *words, *(["--token-file", self.files[token]] if token else [])]
        done = subprocess.run([str(word) for word in (space or self.admin).words(*command)], capture_output=True, text=True, timeout=limit_s, stdin=subprocess.DEVNULL,
                              env={**os.environ, **{key: str(value) for key, value in {**self.base, **(env or {})}.items()}})
        return done.returncode, done.stdout, done.stderr

    def done(self, *words, **more):
        """The output of a command that must succeed."""
        code, out, err = self.run(*words, **more)
        require(code == 0, f"ringway {' '.join(map(str, words))} ended with {code}: {last_line(err)}")
        return out

    def make_token(self, name, *options):
        """A token of the pool's, made on one of its nodes."""
        file = self.folder / f"{name}.toml"
        addresses = [word for node in NODES for word in ("--address", f"{self.spaces[node].address}:{POOL_PORT}")]
        node = NODES[len(self.files) % len(NODES)]
        node = node if self.states[node].exists() else NODES[0]
        self.done("token", "--pool", "--state", self.states[node], "create", "--name", name, *addresses, "-o", file, *options, token=None)
        self.files[name] = file
        return file

    def wait_for_tokens(self, limit_s=20):
        """Until each node knows all tokens: they tell each other."""
        ids = {re.search(r'^id = "(.*)"$', file.read_text(), re.M)[1] for name, file in self.files.items() if not name.endswith("-reader")}
        deadline = time.monotonic() + limit_s
        while missing := [node for node in NODES if not all(one in (self.states[node] / "tokens.json").read_text() for one in ids)]:
            require(time.monotonic() < deadline, f"after {limit_s} s {missing} do not know all tokens")
            time.sleep(0.1)

    def revoke(self, name, node):
        self.done("token", "--pool", "--state", self.states[node], "revoke", name, token=None)

    def make_readers(self):
        """Tokens of the servers' own, to look at them."""
        for name in SERVERS:
            file = self.folder / f"{name}-reader.toml"
            self.done("token", "--state", self.states[name], "create", "--name", "reader", "--scope", "read", "-o", file, token=None)
            self.files[f"{name}-reader"] = file

    def presented(self, token):
        text = self.files[token].read_text()
        return "rwt_" + "_".join(re.search(rf'^{key} = "(.*)"$', text, re.M)[1] for key in ("id", "secret"))

    def tls(self, token="admin", protocol="ringway/1"):
        """How to speak with whoever the token file is of."""
        text = self.files[token].read_text()
        pem = re.search(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", text, re.S)[0].replace("\\n", "\n")
        context = ssl.create_default_context(cadata=pem)
        context.set_alpn_protocols([protocol])
        return context

    def connect(self, name, port=POOL_PORT, token="admin", protocol="ringway/1", limit_s=3, space=None):
        with (space or self.admin).inside():
            plain = socket.create_connection((self.spaces[name].address, port), limit_s)
        return self.tls(token, protocol).wrap_socket(plain, server_hostname=NAME_IN_CERTIFICATES)

    def ask_node(self, node, ask, token="admin", limit_s=3):
        with contextlib.closing(self.connect(node, token=token, limit_s=limit_s)) as stream:
            stream.settimeout(limit_s)
            stream.sendall(frame({"pool": {"token": self.presented(token), "ask": ask}}))
            reply = receive(stream)
        require("refused" not in reply, f"the pool refused {ask}: {reply}")
        return reply["pool"]

    def ask(self, ask, token="admin", limit_s=3):
        """What the node that leads answers; None if none does."""
        for node in NODES:
            try:
                return self.ask_node(node, ask, token, limit_s)
            except (OSError, EOFError):
                continue
        return None

    def all_rows(self, kind, key):
        """All rows of a list; None if nobody answers."""
        rows, after = [], None
        while True:
            answer = self.ask({kind: {"after": after}}, limit_s=10)
            if answer is None:
                return None
            rows += answer[kind]["rows"]
            if not answer[kind]["more"]:
                return rows
            after = key(rows[-1])

    def servers(self):
        rows = self.all_rows("servers", lambda row: row["info"]["name"])
        return {row["info"]["name"]: row for row in rows or []}

    def leases(self):
        rows = self.all_rows("leases", lambda row: row["lease"]["id"])
        return None if rows is None else {f"{row['lease']['id']:016x}": row for row in rows}

    def is_whole(self):
        """A node leads, and both servers are there."""
        servers = self.servers()
        return len(servers) == len(SERVERS) and all(row["state"] == "up" for row in servers.values())

    def leader(self):
        """The node that leads, as far as their words tell."""
        leading = [name for name in NODES if self.daemons[name].is_alive() and not self.daemons[name].is_stopped and self.daemons[name].says("ready ")]
        return leading[-1] if leading else None

    def in_etcd(self, below):
        """Keys and values that the pool keeps in etcd, under a prefix."""
        prefix = f"/ringway/{POOL}/{below}"
        last = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        body = json.dumps({key: base64.b64encode(text.encode()).decode() for key, text in (("key", prefix), ("range_end", last))}).encode()
        head = f"POST /v3/kv/range HTTP/1.0\r\nHost: etcd\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        context = ssl.create_default_context(cafile=self.etcd_ca)
        for node in NODES:
            try:
                with self.admin.inside():
                    plain = socket.create_connection((self.spaces[node].address, ETCD_PORT), 10)
                with context.wrap_socket(plain, server_hostname=self.spaces[node].address) as stream:
                    stream.sendall(head + body)
                    answer = b"".join(iter(lambda: stream.recv(1 << 16), b""))
            except OSError:
                continue
            head_back, _, rest = answer.partition(b"\r\n\r\n")
            if b"chunked" in head_back.lower():
                rest = unchunked(rest)
            found = json.loads(rest)
            return {base64.b64decode(row["key"]).decode(): base64.b64decode(row.get("value", "")).decode() for row in found.get("kvs", [])}
        require(False, "no member of etcd answers")

    # What is there

    def processes(self):
        """Processes of this bed, with their command lines, by the mark in their environment."""
        wanted, found = f"{MARK}={self.mark}".encode(), {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if wanted in (entry / "environ").read_bytes().split(b"\0"):
                        found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")[:200]
                except OSError:
                    continue
        return found

    def workers(self, server, spares=False):
        """Workers on a server, also those whose server has died; those that wait for a session only if they are asked for."""
        found = [pid for pid in self.spaces[server].processes() if b"\0worker\0" in command_of(pid) and b"--inventory" not in command_of(pid)]
        return [pid for pid in found if spares or not is_spare_now(pid)]

    def stop(self):
        """Ends all daemons, in order."""
        self.over.set()
        for daemon in (*(self.daemons[name] for name in SERVERS), *(self.daemons[name] for name in NODES), *(self.daemons["etcd-" + name] for name in NODES)):
            daemon.stop()

    def close(self):
        """Ends everything, whatever has happened."""
        self.over.set()
        with contextlib.suppress(Exception):
            if hasattr(self, "daemons"):
                for daemon in self.daemons.values():
                    daemon.is_held = True
            for pid in self.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        if self.network:
            self.network.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def is_spare_now(pid):
    try:
        return is_spare(pid)
    except OSError:
        return True  # it has ended


def command_of(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def unchunked(body):
    """The body of an answer that came in chunks."""
    whole = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        length = int(size.split(b";")[0] or b"0", 16)
        if length == 0:
            break
        whole, body = whole + body[:length], body[length + 2:]
    return whole


def wait_until_whole(cluster, limit_s=60):
    deadline = time.monotonic() + limit_s
    while not cluster.is_whole():
        require(time.monotonic() < deadline, f"the cluster is not whole within {limit_s} s: {cluster.servers()}")
        time.sleep(0.1)
