"""What sessions over RDMA must withstand, in the virtual machine: other users, limits, missing addresses, devices that go, hostile clients.

Run by `rdma.add`, in the machine of its kernel.
"""

import json
import re
import secrets

from .clients import ALL
from .places import RINGWAY, python
from .runner import ROOT, last_line, require, test

CLIENTS = ROOT / "ci/clients"
HOSTILE = CLIENTS / "hostile/main.py"
STEADY = CLIENTS / "behaviour/steady.py"
# of a user who is not root: no capability lifts the limit of locked memory
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
# a program that any user can read
PROGRAM = next(client for client in ALL if client.name == "cudarc").words


def limited(locked_bytes):
    return ["prlimit", f"--memlock={locked_bytes}:{locked_bytes}", *NOBODY]


class Serving:
    """A server in the virtual machine, with a token; as the user that `user` makes it."""

    def __init__(self, t, guest, *listen, user=()):
        self.t, self.guest, self.token = t, guest, secrets.token_hex(16)
        self.server = guest.start(t, [*user, RINGWAY, "serve", "--driver", "softgpu", "--announce", "--trusted-network",
                                      *(word for address in listen for word in ("--listen", address))],
                                  env={"RINGWAY_TOKEN": self.token}, label="serve")
        self.server.wait_for_text("ready ", 120)

    def run(self, address, words=None, user=(), options=(), label="program"):
        return self.guest.start(self.t, [*user, RINGWAY, "run", "--server", address, *options, "--", *(words or PROGRAM())],
                                env={"RINGWAY_TOKEN": self.token}, label=label)

    def must_run(self, address, link, said=(), **options):
        """Runs a program that must end well, over this link, with these words on standard error."""
        program = self.run(address, **options)
        code, errors = program.wait(120), program.errors()
        require(code == 0, f"{program.label} ended with {code}: {last_line(errors)}")
        for word in (f" by {link} (", *said):
            require(word in errors, f"{program.label} did not say {word!r}: {errors[-400:]}")
        return program

    def close(self):
        self.server.stop()


def went_on(program):
    """Waits for steady.py, whose link was broken: its steps, and what was said of the link."""
    code, errors = program.wait(120), program.errors()
    require(code == 0, f"the program ended with {code}: {last_line(errors)}")
    broke = re.search(r"^ringway: .*link.*broke.*$", errors, re.M)
    require(broke, f"nobody said that the link broke: {errors[-400:]}")
    steps = json.loads(last_line(program.output()))["steps"]
    require(steps > 3, f"the program made {steps} steps")
    return steps, broke.group(0)


def add(guest, title, across, full):
    """The tests of one kernel; `across` lays the wire, `full`: only with --full."""

    @test(f"{title} users of one host", 240, full=full)
    def users(t):
        """A server and its clients are different users: over RDMA, and over shared memory where the socket can be reached."""
        guest.run(t, ["mkdir", "-p", "-m", "755", "/tmp/shared-socket"])
        served = Serving(t, guest, "127.0.0.1:7801", "unix:/tmp/shared-socket/serve.sock")
        try:
            served.must_run("127.0.0.1:7801", "shm", user=limited("unlimited"), label="nobody-shm")
            served.must_run("127.0.0.1:7801", "rdma", user=limited("unlimited"), options=["--link", "rdma"], label="nobody-rdma")
        finally:
            served.close()
        served = Serving(t, guest, "127.0.0.1:7802", user=limited("unlimited"))
        try:
            served.must_run("127.0.0.1:7802", "rdma", label="root-rdma")
        finally:
            served.close()
        return "root and nobody, both ways"

    @test(f"{title} too little locked memory is said", 240, full=full)
    def locked_memory(t):
        """At the client, then at the server: the program runs over TCP and says why and what to do; `--link rdma` is refused."""
        small = limited(64 << 10)
        for number, (server, client) in enumerate((((), small), (small, ()))):
            address = f"127.0.0.1:{7803 + number}"
            served = Serving(t, guest, address, user=server)
            try:
                served.must_run(address, "rdma", said=("locked memory", "ulimit -l"), user=client, label=f"limited-{number}")
                forced = served.run(address, user=client, options=["--link", "rdma"], label=f"forced-{number}")
                code = forced.wait(120)
                require(code != 0 and "locked memory" in forced.errors(), f"--link rdma ended with {code}: {last_line(forced.errors())}")
                shown = guest.run(t, [*client, RINGWAY, "health", "--server", address, "--json"], env={"RINGWAY_TOKEN": served.token}, label="health")
                low = [check for report in json.loads(shown) for check in report["checks"] if check["subject"] == "locked memory" and check["verdict"] == "marginal"]
                require(len(low) == 1 and "ulimit -l" in low[0]["cure"], f"health said {low}")
            finally:
                served.close()

    @test(f"{title} an address without a GID is said", 180, full=full)
    def without_gid(t):
        """Devices there are, but none has the address by which the server is reached."""
        guest.run(t, ["sh", "-c", "ip link add without type dummy && ip addr add 10.88.0.1/24 dev without && ip link set without up"])
        served = Serving(t, guest, "10.88.0.1:7805")
        try:
            served.must_run("10.88.0.1:7805", "tcp", said=("has a GID for 10.88.0.1", "rxelo", "give the adapter"))
            shown = guest.run(t, [RINGWAY, "list", "--server", "10.88.0.1:7805"], env={"RINGWAY_TOKEN": served.token}, label="list")
            require("has a GID for 10.88.0.1" in shown, f"list said {shown!r}")
        finally:
            served.close()
            guest.run(t, ["ip", "link", "delete", "without"])

    @test(f"{title} health shows devices and link", 120, full=full)
    def health(t):
        served = Serving(t, guest, "127.0.0.1:7806")
        try:
            shown = json.loads(guest.run(t, [RINGWAY, "health", "--server", "127.0.0.1:7806", "--json"], env={"RINGWAY_TOKEN": served.token}, label="health"))
        finally:
            served.close()
        require([report["machine"] for report in shown] == ["this machine", "server"], f"machines: {shown}")
        for report in shown:
            found = {check["subject"]: check for check in report["checks"]}
            for device in ("rxelo", "rxe0", "rxe1"):
                port = found.get(f"RDMA device {device} port 1")
                require(port and port["verdict"] == "pass" and "RoCE v2" in port["found"] and "path MTU 4096" in port["found"], f"{device}: {port}")
        link = next(check for check in shown[1]["checks"] if check["subject"] == "link")
        require(link["verdict"] == "pass" and link["found"].startswith("rdma: "), f"link: {link}")
        return f"{sum(len(report['checks']) for report in shown)} checks; {link['found']}"

    def attacked(t, server, address, token, device):
        """Offers, immediates, writes and records that mean harm, posted by rdma-core's own Python binding; another session goes on."""
        env = {"RINGWAY_TOKEN": token}
        victim = guest.start(t, [RINGWAY, "run", "-p", "0.1", "--server", address, "--link", "rdma", "--", python(), CLIENTS / "behaviour/endless.py"],
                             env=env, label="victim")
        victim.wait_for_text("running", 120)
        text = guest.run(t, ["/usr/bin/python3", HOSTILE, address, "rdma", device], env=env, limit_s=330, label="hostile")
        summary = json.loads(last_line(text))
        require(not summary["failed"], f"failed: {summary['failed']}")
        require(victim.job.code is None, f"another session was harmed: {victim.errors()[-300:]!r}")
        victim.stop()
        require("panicked" not in server.errors(), "something panicked")
        broken = set(re.findall(r"broke rule (W\d+)", server.errors()))
        require({"W20", "W22", "W24"} <= broken, f"rules that were found broken: {sorted(broken)}")
        return f"{summary['checks']} checks, another session went on"

    # Takes twice as long on the other kernel.
    @test(f"{title} hostile clients over rdma", 400, full=not full)
    def hostile(t):
        """On the server's own device."""
        served = Serving(t, guest, "127.0.0.1:7807")
        try:
            return attacked(t, served.server, "127.0.0.1:7807", served.token, "rxelo")
        finally:
            served.close()

    @test(f"{title} hostile clients over the wire", 500, full=True)
    def hostile_veth(t):
        """From the other end of the veth pair."""
        place = across(t)
        try:
            return attacked(t, place.server, place.address, place.token, "rxe1")
        finally:
            place.close()

    @test(f"{title} a device goes", 240, full=full)
    def device_goes(t):
        """The network interface of the server's RDMA device is removed under a running program, and the device with it: the session lets
        go of it and continues by another way to the same address."""
        place = across(t)
        try:
            program = place.start([python(), STEADY, "20"], label="steady")
            program.wait_for_text("step 3", 120)
            guest.run(t, ["sh", "-c", "ip addr add 10.99.0.1/32 dev lo && ip addr add 10.99.0.2/32 dev lo && ip link delete a0"], limit_s=60)
            left = guest.run(t, ["ibv_devices"])
            require("rxe0" not in left and "rxe1" not in left, f"devices that are still there: {left!r}")
            steps, broke = went_on(program)
        finally:
            place.server.stop()
        return f"{steps} steps; {broke}"
