"""The pool's HTTP interface, its metrics, its events and its audit log: a pool and a server on the loopback address."""

import contextlib
import http.client
import json
import re
import shutil
import socket
import ssl
import struct
import subprocess
import threading
import time

from .places import RINGWAY
from .robustness import until
from .runner import ROOT, TARGET, last_line, require, test
from .security import field

GPUS, MEMORY_MIB = 2, 1024


class Answer:
    def __init__(self, response):
        self.status, self.headers, self.text = response.status, dict(response.getheaders()), response.read().decode()

    def json(self):
        return json.loads(self.text)


class Pooled:
    """A pool with its HTTP interface, and tokens of each scope."""

    def __init__(self, t, name, http="127.0.0.1:0", options=()):
        self.t, self.folder, self.name = t, t.folder / name, name
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        self.state, self.tokens = self.folder / "state", {}
        for scope in ("read", "use", "admin"):
            self.token(scope, scope)
        self.token("s1", "serve")
        self.daemon = t.start([RINGWAY, "pool", "--announce", "--listen", "127.0.0.1:0", "--http", http, "--state", self.state,
                               "--name", name, *options], label=f"pool-{name}")
        self.daemon.wait_for_text("ready ")
        ready = re.search(r"ready (\S+) https?://(\S+):(\d+)", self.daemon.output())
        self.address, self.port = ready[1], int(ready[3])

    def token(self, name, scope, *options):
        file = self.folder / f"{name}.toml"
        self.t.output_of(RINGWAY, "token", "--pool", "--state", self.state, "create", "--name", name, "--scope", scope, "-o", file, *options)
        self.tokens[name] = f"rwt_{field(file, 'id')}_{field(file, 'secret')}"
        return file

    def ask(self, method, path, token="admin", body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=40)
        with contextlib.closing(connection):
            given = {"Authorization": f"Bearer {self.tokens.get(token, token)}"} if token else {}
            if body is not None:
                given["Content-Type"] = "application/json"
                body = json.dumps(body) if not isinstance(body, (str, bytes)) else body
            connection.request(method, path, body, {**given, **(headers or {})})
            return Answer(connection.getresponse())

    def get(self, path, token="read"):
        answer = self.ask("GET", path, token)
        require(answer.status == 200, f"GET {path}: {answer.status} {answer.text[:300]}")
        return answer.json()

    def items(self, path, token="read"):
        return self.get(path, token)["items"]

    def done(self, method, path, token="admin", body=None):
        answer = self.ask(method, path, token, body)
        require(answer.status in (201, 204), f"{method} {path}: {answer.status} {answer.text[:300]}")
        return answer

    def serve(self, name):
        return self.t.start([RINGWAY, "serve", "--driver", "softgpu", "--listen", "127.0.0.1:0", "--announce", "--state", self.folder / name,
                             "--name", name, "--label", "rack=7", "--pool", self.address, "--pool-token-file", self.folder / f"{name}.toml"],
                            env={"RINGWAY_SOFTGPU_DEVICES": GPUS, "RINGWAY_SOFTGPU_MEMORY_MIB": MEMORY_MIB}, label=f"serve-{name}")

    def run(self, *options, file="use.toml", words=("sleep", "120")):
        return self.t.start([RINGWAY, "run", "--server", self.address, "--token-file", self.folder / file, *options, "--", *words], label="run")

    def metrics(self):
        answer = self.ask("GET", "/metrics", "read")
        require(answer.status == 200 and answer.headers["content-type"].startswith("text/plain; version=0.0.4"), f"/metrics: {answer.status} {answer.headers}")
        values = {}
        for line in answer.text.splitlines():
            if not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                values[name] = float(value)
        return values, answer.text


class Listener:
    """Reads Server-Sent Events on a thread of its own."""

    def __init__(self, pool, last=None, token="read"):
        self.events, self.ended = [], threading.Event()
        self.connection = http.client.HTTPConnection("127.0.0.1", pool.port, timeout=60)
        headers = {"Authorization": f"Bearer {pool.tokens[token]}", "Accept": "text/event-stream", **({"Last-Event-ID": last} if last else {})}
        self.connection.request("GET", "/api/v1/events", headers=headers)
        self.response = self.connection.getresponse()
        require(self.response.status == 200, f"events: {self.response.status}")
        require(self.response.getheader("content-type") == "text/event-stream", "events have another content type")
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        event = {}
        try:
            for line in self.response:
                key, _, value = line.decode().rstrip("\n").partition(": ")
                if key in ("id", "event", "data"):
                    event[key] = value
                elif not line.strip() and "data" in event:
                    self.events.append((event.get("id"), event["event"], json.loads(event["data"])))
                    event = {}
        except (OSError, http.client.HTTPException, ValueError, AttributeError):
            pass
        self.ended.set()

    def kinds(self):
        return [kind for _, kind, _ in list(self.events)]

    def wait_for(self, kind, **data):
        def found():
            return next((one for one in list(self.events) if one[1] == kind and all(one[2]["data"].get(k) == v for k, v in data.items())), None)
        until(found, f"the event {kind} {data}; there were {self.kinds()}", 30)
        return found()

    def close(self):
        self.connection.sock and self.connection.sock.shutdown(socket.SHUT_RDWR)


def fits(document, schema, value, where):
    """Whether a value is what the OpenAPI document says; a sentence if not."""
    if "$ref" in schema:
        node = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            node = node[part.replace("~1", "/")]
        return fits(document, node, value, where)
    for way in ("oneOf", "anyOf"):
        if way in schema:
            wrongs = [fits(document, one, value, where) for one in schema[way]]
            return None if None in wrongs else wrongs[-1]
    if "allOf" in schema:
        return next(filter(None, (fits(document, one, value, where) for one in schema["allOf"])), None)
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    types = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool, "null": type(None)}
    if kinds and not any(isinstance(value, types[kind]) and (kind == "boolean") == isinstance(value, bool) for kind in kinds):
        return f"{where} is {value!r}, not {kinds}"
    if isinstance(value, dict):
        missing = set(schema.get("required", [])) - set(value)
        own = schema.get("properties", {})
        more = schema.get("additionalProperties", {} if not own else None)
        extra = set(value) - set(own) if more is None else set()
        if missing or extra:
            return f"{where}: missing {missing}, not described {extra}"
        return next(filter(None, (fits(document, own.get(key, more or {}), value[key], f"{where}.{key}") for key in value)), None)
    if isinstance(value, list):
        return next(filter(None, (fits(document, schema.get("items", {}), one, f"{where}[]") for one in value)), None)
    return None


def matches_document(pool, document):
    """What is told is what docs/openapi.json says, with leases and servers there to be told of."""
    checked = 0
    for path, methods in document["paths"].items():
        if "get" not in methods or path in ("/metrics", "/api/v1/events"):
            continue
        real = path.replace("/servers/{name}", "/servers/s1").replace("/leases/{id}", f"/leases/{pool.items('/api/v1/leases')[0]['id']}")
        require("{" not in real, f"the test knows nothing to put into {path}")
        value = pool.get(real, "admin")
        schema = methods["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        wrong = fits(document, schema, value, path)
        require(wrong is None, f"GET {real} is not what the document says: {wrong}")
        checked += 1
    require(fits(document, {"type": "object", "required": ["a"]}, {}, "x") and fits(document, {"type": "integer"}, "1", "x"), "the check cannot fail")
    return checked


def promtool():
    """Of the Debian package prometheus, which is unpacked and not installed: it would start a server."""
    found = shutil.which("promtool")
    if found:
        return found
    folder = TARGET / "promtool"
    tool = folder / "usr/bin/promtool"
    if not tool.exists():
        folder.mkdir(parents=True, exist_ok=True)
        for words in (["apt-get", "download", "prometheus"], ["sh", "-c", "dpkg-deb -x prometheus_*.deb ."]):
            done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
            require(done.returncode == 0, f"no promtool: {last_line(done.stderr)}; install the package prometheus")
    return tool


def board_names():
    """Names of the metrics that the board asks for."""
    board = json.loads((ROOT / "docs/grafana/ringway.json").read_text())
    text = " ".join(target["expr"] for panel in board["panels"] for target in panel["targets"])
    text += " ".join(variable["query"]["query"] for variable in board["templating"]["list"] if isinstance(variable["query"], dict))
    return set(re.findall(r"ringway_[a-z_]+", text))


def promtool_takes(text):
    done = subprocess.run([promtool(), "check", "metrics"], input=text, capture_output=True, text=True, timeout=60)
    require(done.returncode == 0 and not done.stderr.strip(), f"promtool: {done.stdout[-300:]}{done.stderr[-300:]}")


def check_exposition(values, text):
    names = {re.split(r"[{ ]", line)[0] for line in text.splitlines() if line and not line.startswith("#")}
    asked = board_names()
    require(len(asked) > 15, f"the board asks for {asked}")
    require(asked <= names, f"the board asks for what is not there: {sorted(asked - names)}")
    listed = set(re.findall(r"`(ringway_(?!server_(?!joins|losses))[a-z_]+)`", (ROOT / "docs/monitoring.md").read_text()))
    families = {re.sub(r"_(bucket|sum|count)$", "", name) if re.sub(r"_(bucket|sum|count)$", "", name) + "_bucket" in names else name for name in names}
    require(listed == families, f"docs/monitoring.md: not there {sorted(listed - families)}, not described {sorted(families - listed)}")
    promtool_takes(text)
    spoiled = subprocess.run([promtool(), "check", "metrics"], input=text + "ringway_leases{ 1\n", capture_output=True, text=True, timeout=60)
    require(spoiled.returncode != 0, "promtool finds nothing wrong in what is wrong")
    return len(families)


@test("HTTP interface of a pool", 240)
def http_interface(t):
    pool = Pooled(t, "api", options=("--log-format", "json"))
    document = json.loads((ROOT / "docs/openapi.json").read_text())
    require(pool.ask("GET", "/api/v1/openapi.json", None).json() == document, "the served document is not docs/openapi.json")
    listener = Listener(pool)
    server = pool.serve("s1")
    until(lambda: pool.items("/api/v1/servers"), "the server in the pool", 60)
    [row] = pool.items("/api/v1/servers")
    require((row["name"], row["state"], row["labels"], len(row["gpus"])) == ("s1", "up", {"rack": "7"}, GPUS), f"the server is {row}")
    memory = row["gpus"][0]["memory_bytes"]
    listener.wait_for("server.joined", server="s1", gpus=GPUS)
    before, _ = pool.metrics()
    require(before['ringway_servers{state="up"}'] == 1 and before["ringway_lease_grants_total"] == 0, "metrics of an empty pool")

    program = pool.run("-p", "0.25")
    until(lambda: pool.items("/api/v1/leases"), "the lease of a program", 60)
    [lease] = pool.items("/api/v1/leases")
    size = lease["slices"][0]["memory_bytes"]
    require(lease["user"] == "use" and lease["program"].startswith("sleep") and abs(size - memory / 4) <= 2 << 20, f"the lease is {lease}")
    granted = listener.wait_for("lease.granted", id=lease["id"])
    require(granted[2]["data"]["slices"] == lease["slices"] or granted[2]["data"]["slices"][0]["memory_bytes"] == size, f"the event is {granted}")
    gpus = pool.items("/api/v1/gpus")
    require(sorted(gpu["memory_leased_bytes"] for gpu in gpus) == [0, size], f"the GPUs are {gpus}")
    place = lease["slices"][0]["ordinal"]

    waiting = pool.run("-n", "2", file="use.toml")
    until(lambda: pool.items("/api/v1/queue"), "a request in the queue", 60)
    [request] = pool.items("/api/v1/queue")
    require((request["place"], request["gpus"], request["user"], request["memory_fraction"]) == (1, 2, "use", 1.0) and request["why"], f"the request is {request}")
    listener.wait_for("request.queued", id=request["id"], gpus=2)
    values, text = pool.metrics()
    wanted = {
        "ringway_queue_length": 1, "ringway_leases": 1, "ringway_lease_grants_total": 1, "ringway_queue_wait_seconds_count": 1,
        f'ringway_gpu_memory_leased_bytes{{gpu="{place}",server="s1"}}': size, f'ringway_gpu_memory_bytes{{gpu="{place}",server="s1"}}': memory,
        'ringway_user_gpus{user="use"}': 1, "ringway_queue_requests_total": 2, "ringway_pool_gpus": GPUS,
    }
    wrong = {name: (values.get(name), value) for name, value in wanted.items() if values.get(name) != value}
    require(not wrong, f"metrics (have, wanted): {wrong}")
    require(values["ringway_pool_store_commit_seconds_count"] > 0 and values["ringway_pool_decision_seconds_count"] > 0, "times are not measured")
    metrics = check_exposition(values, text)
    checked = matches_document(pool, document)

    pool.token("stranger", "use")
    for path in (f"/api/v1/queue/{request['id']}", f"/api/v1/leases/{lease['id']}"):
        answer = pool.ask("DELETE", path, "stranger")
        require(answer.status == 403 and "use's" in answer.json()["detail"], f"a stranger's DELETE {path}: {answer.status} {answer.text}")
    pool.done("DELETE", f"/api/v1/queue/{request['id']}", "use")
    require(waiting.wait(30) == 125 and "taken back by hand" in waiting.errors(), f"the program that waited: {waiting.errors()[-300:]}")
    listener.wait_for("request.withdrawn", id=request["id"])
    pool.done("DELETE", f"/api/v1/leases/{lease['id']}", "use")
    listener.wait_for("lease.ended", id=lease["id"])
    until(lambda: not pool.items("/api/v1/leases"), "the end of the lease", 30)
    program.stop()
    [used] = pool.items("/api/v1/usage")
    require((used["user"], used["leases"]) == ("use", 1), f"the usage is {used}")

    last = listener.events[-1][0]
    listener.close()
    pool.done("POST", "/api/v1/servers/s1/drain")
    require(pool.get("/api/v1/servers/s1")["state"] == "draining", "the server is not drained")
    again = Listener(pool, last)
    again.wait_for("server.drained", server="s1")
    require("gap" not in again.kinds(), f"a gap after a short break: {again.kinds()}")
    pool.done("POST", "/api/v1/servers/s1/undrain")
    again.wait_for("server.undrained", server="s1")
    answer = pool.ask("DELETE", "/api/v1/servers/s1")
    require(answer.status == 409 and "connected" in answer.json()["detail"], f"removing a server that is there: {answer.status} {answer.text}")
    server.stop()
    again.wait_for("server.lost", server="s1")
    pool.done("DELETE", "/api/v1/servers/s1")
    again.wait_for("server.removed", server="s1")
    require(pool.items("/api/v1/servers") == [], "the server is still there")
    for line in pool.daemon.errors().splitlines():
        record = json.loads(line)
        require({"timestamp", "level", "fields"} <= set(record), f"a line of the log is {line}")
    return f"{checked} answers as described, {metrics} metrics"


@test("quotas, tokens and the audit log over HTTP", 240)
def administration(t):
    pool = Pooled(t, "audit")
    pool.serve("s1")
    until(lambda: pool.items("/api/v1/servers"), "the server in the pool", 60)
    pool.done("PUT", "/api/v1/quotas/user/use", body={"gpus": 1})
    refused = pool.run("-n", "2")
    require(refused.wait(30) == 125 and "quota" in refused.errors(), f"beyond the quota: {refused.errors()[-300:]}")
    require(pool.run(words=("true",)).wait(60) == 0, "a program within the quota")
    pool.done("DELETE", "/api/v1/quotas/user/use")
    made = pool.done("POST", "/api/v1/tokens", body={"name": "ci", "scope": "use", "user": "carol", "addresses": [pool.address]}).json()
    file = pool.folder / "ci.toml"
    file.write_text(made["token_file"])
    file.chmod(0o600)
    program = pool.run("-p", "0.5", file="ci.toml")
    until(lambda: [lease["user"] for lease in pool.items("/api/v1/leases")] == ["carol"], "the lease of the new token's bearer", 60)
    pool.done("DELETE", "/api/v1/tokens/ci")
    require(pool.ask("GET", "/api/v1/pool", made["token"]).status == 401, "a revoked token is let in")
    until(lambda: not pool.items("/api/v1/leases"), "the end of a revoked token's lease", 30)
    program.stop()
    pool.token("local", "read")
    until(lambda: any(row["act"] == "token.created" and row["subject"] == "local" for row in pool.items("/api/v1/audit", "admin")), "the token made by the command line", 30)
    until(lambda: (pool.state / "audit.jsonl").read_text().count("lease.ended") == 2, "the ends of both leases in the file", 30)

    file = pool.state / "audit.jsonl"
    require(file.stat().st_mode & 0o777 == 0o600, f"the audit log has mode {file.stat().st_mode:o}")
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    require([row["number"] for row in rows] == list(range(1, len(rows) + 1)), "the lines are not numbered")
    require(pool.items("/api/v1/audit", "admin") == rows, "HTTP tells another audit log than the file")
    require(control(pool, "admin", {"audit": {"after": 3}})["pool"]["audit"] == {"rows": rows[3:], "more": False}, "the control protocol tells another audit log")
    require("does not allow that" in control(pool, "use", {"audit": {"after": None}})["refused"]["reason"], "everyone may read the audit log")
    tail = pool.get("/api/v1/audit?after=3", "admin")["items"]
    require([row["number"] for row in tail][:2] == [4, 5], f"after line 3 comes {tail[:1]}")
    found = {(row["act"], row["subject"], row["outcome"], row["token"], row["user"]) for row in rows}
    for wanted in (
        ("quota.set", "user use", "asked", "admin", "admin"), ("quota.set", "user use", "done", "admin", "admin"),
        ("quota.unset", "user use", "done", "admin", "admin"), ("lease.refused", "", "refused", "use", "use"),
        ("token.create", "ci", "asked", "admin", "admin"), ("token.create", "ci", "done", "admin", "admin"), ("token.revoke", "ci", "done", "admin", "admin"),
        ("server.joined", "s1", "done", "s1", "s1"),
    ):
        require(wanted in found, f"the audit log lacks {wanted}")
    granted = [row for row in rows if row["act"] == "lease.granted"]
    require([(row["token"], row["user"], row["address"]) for row in granted] == [("use", "use", "127.0.0.1"), ("ci", "carol", "127.0.0.1")], f"leases granted: {granted}")
    ended = {row["subject"]: row["detail"] for row in rows if row["act"] == "lease.ended"}
    require(set(ended) == {row["subject"] for row in granted} and "not good any more" in ended[granted[1]["subject"]], f"leases ended: {ended}")
    require(any(row["act"] == "token.refused" for row in rows), "a refused token is not in the audit log")
    secrets = [token.rsplit("_", 1)[1] for token in [*pool.tokens.values(), made["token"]]]
    require(not any(secret in file.read_text() + pool.daemon.errors() for secret in secrets), "a secret is in the audit log or the log")

    # the pool goes on where it was, and does nothing that it cannot write down
    pool.daemon.stop()
    file.chmod(0o644)
    again = t.start([RINGWAY, "pool", "--announce", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--state", pool.state], label="pool-again")
    again.wait_for_text("ready ")
    pool.port = int(re.search(r"http://\S+:(\d+)", again.output())[1])
    answer = pool.ask("PUT", "/api/v1/users/bob", body={"group": "lab"})
    require(answer.status == 503 and "chmod 600" in answer.json()["detail"], f"an act that cannot be written down: {answer.status} {answer.text}")
    require("AUDIT LOG CANNOT BE WRITTEN" in again.errors(), "no warning of it")
    require(all(row["name"] != "bob" for row in pool.items("/api/v1/users")), "it was done nevertheless")
    require(pool.ask("GET", "/api/v1/health", None).json()["status"] == "degraded", "health says nothing of it")
    file.chmod(0o600)
    pool.done("PUT", "/api/v1/users/bob", body={"group": "lab"})
    later = pool.get(f"/api/v1/audit?after={len(rows)}", "admin")["items"]
    require(later[0]["number"] == len(rows) + 1 and {row["act"] for row in later} >= {"user.set", "audit.lost"}, f"after the restart: {later}")
    return f"{len(rows)} lines"


@test("metrics of a server", 120)
def server_metrics(t):
    state, file = t.folder / "state", t.folder / "token.toml"
    shutil.rmtree(state, ignore_errors=True)
    t.output_of(RINGWAY, "token", "--state", state, "create", "--name", "watcher", "--scope", "use", "-o", file)
    server = t.start([RINGWAY, "serve", "--driver", "softgpu", "--listen", "127.0.0.1:0", "--announce", "--state", state, "--name", "s1",
                      "--metrics", "127.0.0.1:0", "--log-format", "json"], env={"RINGWAY_SOFTGPU_DEVICES": GPUS, "RINGWAY_SOFTGPU_MEMORY_MIB": MEMORY_MIB}, label="serve")
    server.wait_for_text("ready ")
    ready = re.search(r"ready (\S+) http://\S+:(\d+)", server.output())

    def ask(path, token):
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", int(ready[2]), timeout=40)) as connection:
            connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
            return Answer(connection.getresponse())
    token = f"rwt_{field(file, 'id')}_{field(file, 'secret')}"
    require((ask("/metrics", "rwt_0_0").status, ask("/api/v1/pool", token).status) == (401, 404), "who is let in, and what there is")
    program = t.start([RINGWAY, "run", "--server", ready[1], "--token-file", file, "-p", "0.25", "--", "sleep", "60"], label="run")
    until(lambda: "\nringway_server_leases 1\n" in ask("/metrics", token).text, "the lease of a program", 60)
    text = ask("/metrics", token).text
    [leased] = [float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith("ringway_server_gpu_memory_leased_bytes{") and not line.endswith(" 0")]
    total = {float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith("ringway_server_gpu_memory_bytes{")}
    require(len(total) == 1 and abs(leased - total.pop() / 4) <= 2 << 20, f"a quarter of a GPU is {leased} bytes")
    program.stop()
    until(lambda: "\nringway_server_leases 0\n" in ask("/metrics", token).text, "the end of the lease", 60)
    promtool_takes(text)
    for line in server.errors().splitlines():
        require({"timestamp", "level", "fields"} <= set(json.loads(line)), f"a line of the log is {line}")


def control(pool, token, ask):
    """One question of the control protocol (engine/wire/src/control.rs), in clear text on the machine itself."""
    text = json.dumps({"pool": {"token": pool.tokens[token], "ask": ask}}).encode()
    got = raw(int(pool.address.rsplit(":", 1)[1]), struct.pack("<4sHHI", b"RWCT", 1, 0, len(text)) + text)
    return json.loads(got[12:])


def raw(port, data, limit_s=40):
    """What comes back for some bytes, until the other end closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=limit_s) as stream:
        with contextlib.suppress(OSError):
            stream.sendall(data)
        got = b""
        with contextlib.suppress(ConnectionResetError):
            while part := stream.recv(65536):
                got += part
        return got


@test("limits of the HTTP interface", 240)
def limits(t):
    pool = Pooled(t, "limits")
    auth = f"Authorization: Bearer {pool.tokens['admin']}\r\n".encode()
    post = b"PUT /api/v1/users/x HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + auth
    got = raw(pool.port, post + b"Content-Length: 100000000\r\nConnection: close\r\n\r\n" + b"x" * 200_000)
    require(b" 413 " in got.split(b"\r\n")[0], f"a body of 100 MB: {got[:80]}")
    got = raw(pool.port, b"GET /api/v1/health HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 200_000 + b"\r\n\r\n")
    require(b" 431 " in got.split(b"\r\n")[0], f"a head of 200 kB: {got[:80]}")
    # one who begins and does not go on is closed, in the head and in the body, while others are answered
    results = {}

    def slow(name, data):
        results[name] = raw(pool.port, data)
    threads = [threading.Thread(target=slow, args=row) for row in (
        ("nothing", b""), ("half a head", b"GET /api/v1/health HTTP/1.1\r\nHost:"), ("half a body", post + b"Content-Length: 100\r\n\r\n{"),
        ("nothing after an answer", b"GET /api/v1/health HTTP/1.1\r\nHost: x\r\n\r\n"))]
    silent = [socket.create_connection(("127.0.0.1", pool.port)) for _ in range(300)]
    for thread in threads:
        thread.start()
    require(pool.ask("GET", "/api/v1/pool", "read").status == 200, "slow clients keep others out")
    for thread in threads:
        thread.join(60)
        require(not thread.is_alive(), f"a slow client is kept: {sorted(results)} were closed")
    require(len(results) == len(threads), f"a slow client was not closed: {sorted(results)} were")
    require(b" 200 " in results["nothing after an answer"].split(b"\r\n")[0], "a whole request was not answered")
    require(b" 408 " in results["half a body"].split(b"\r\n")[0], f"half a body: {results['half a body'][:80]}")
    for stream in silent:
        stream.close()
    many = [socket.create_connection(("127.0.0.1", pool.port)) for _ in range(600)]
    until(lambda: any(closed(stream) for stream in many), "the end of one of 600 connections", 30)
    for stream in many:
        stream.close()
    until(lambda: answers(pool), "an answer after the flood", 30)
    require(pool.metrics()[0]["ringway_pool_http_connections_refused_total"] > 0, "refused connections are not counted")

    # beyond the loopback address: TLS, by the pool's own authority
    beyond = Pooled(t, "beyond", http="0.0.0.0:0")
    require("https://0.0.0.0:" in beyond.daemon.output(), f"announced: {beyond.daemon.output()}")
    authority = re.search(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", (beyond.folder / "read.toml").read_text(), re.S)[0].replace("\\n", "\n")
    require(b"HTTP/1.1 200" not in raw(beyond.port, b"GET /api/v1/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), "clear text is answered beyond loopback")
    context = ssl.create_default_context(cadata=authority)

    def over_tls(context):
        with socket.create_connection(("127.0.0.1", beyond.port), timeout=20) as stream, \
                context.wrap_socket(stream, server_hostname="server.ringway.internal") as tls:
            tls.sendall(f"GET /api/v1/pool HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {beyond.tokens['read']}\r\n\r\n".encode())
            return b"".join(iter(lambda: tls.recv(65536), b""))
    require(over_tls(context).startswith(b"HTTP/1.1 200"), "over TLS")
    try:
        over_tls(ssl.create_default_context())
        require(False, "a certificate of nobody's authority was taken")
    except ssl.SSLError:
        pass


def closed(stream):
    stream.setblocking(False)
    try:
        return stream.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def answers(pool):
    try:
        return pool.ask("GET", "/api/v1/pool", "read").status == 200
    except (OSError, http.client.HTTPException):
        return False
