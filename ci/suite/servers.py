"""Programs whose GPUs are on several servers: leases, devices, copies and order between them, and servers that are lost."""

import json
import os
import re
import secrets
import signal

from .broken_links import Relay, listed
from .clients import CLIENTS, summary_of
from .places import RINGWAY, Served, python
from .robustness import until, workers_of
from .runner import last_line, require, test
from .security import Secured

PROGRAM = CLIENTS / "behaviour/servers.py"
DEVICES = CLIENTS / "behaviour/devices.py"


def start(t, servers, words, gpus=4, options=(), env=None, link="tcp"):
    named = [word for server in servers for word in ("--server", server)]
    return t.start([RINGWAY, "run", *named, "-n", gpus, *(["--link", link] if link else []), *options, "--", python(), *words], env=env, label="program")


def several(t, counts=(2, 2), **environment):
    """Servers with so many software GPUs each."""
    return [Served(t, {"RINGWAY_SOFTGPU_DEVICES": str(count), **environment}) for count in counts]


def addresses(servers):
    return [server.tcp_address() for server in servers]


def name_of(server):
    return listed(server.t, server.tcp_address())["server"]


@test("several servers: their devices", 180)
def devices(t):
    servers = several(t, (2, 1, 1))
    where = addresses(servers)
    # All have this host's name, so each goes by its address, too.
    wanted = [f"{name_of(servers[number])} {where[number]}" for number in (0, 0, 1, 2)]
    for link in ("tcp", None):
        program = start(t, where, [PROGRAM, "devices", *([name[:48] for name in wanted] if link else same_host_names(servers, wanted))], link=link)
        summary_of(program)
        line = program.errors().splitlines()[0]
        require(line.count(" on ") == 3 and line.count(";") >= 2, f"the first line does not name each server: {line!r}")
    program = start(t, where, [DEVICES], env={"EXPECT_DEVICES": "4"})
    summary_of(program)


def same_host_names(servers, wanted):
    """Without --link the servers' sockets are used, whose paths are the addresses."""
    names = []
    for number, name in zip((0, 0, 1, 2), wanted):
        names.append((name.rsplit(" ", 1)[0] + f" unix:{servers[number].socket}")[:48])
    return names


@test("several servers: GPUs from the first that have them", 180)
def taken(t):
    servers = several(t, (2, 1, 2))
    where = addresses(servers)

    def count(number):
        return sum(len(lease["slices"]) for lease in listed(t, where[number])["leases"])

    holder = start(t, where, ["-c", "import time; print('held', flush=True); time.sleep(999)"], gpus=4)
    holder.wait_for_text("held")
    require([count(n) for n in range(3)] == [2, 1, 1], f"4 GPUs of servers with 2, 1 and 2: {[count(n) for n in range(3)]}")
    # One is left: two cannot be had, and nothing stays behind.
    refused = start(t, where, ["-c", "print('ran')"], gpus=2)
    require(refused.wait(60) == 125 and "1 of 2 GPUs cannot be had" in refused.errors(), f"more than there is: {refused.errors()[-300:]}")
    require([count(n) for n in range(3)] == [2, 1, 1], "a lease that was not granted as a whole has left something")
    last = start(t, where, ["-c", "print('ran')"], gpus=1)
    require(last.wait(60) == 0, f"what is left: {last_line(last.errors())}")
    holder.stop()
    until(lambda: [count(n) for n in range(3)] == [0, 0, 0], "the leases to end")
    # A server that cannot be reached is passed over.
    servers[0].close()
    program = start(t, where, ["-c", "print('ran')"], gpus=3)
    require(program.wait(60) == 0, f"with one server gone: {last_line(program.errors())}")
    program = start(t, [",".join(where[1:])], ["-c", "print('ran')"], gpus=3)
    require(program.wait(60) == 0, f"addresses with a comma: {last_line(program.errors())}")


@test("several servers: copies between them", 600)
def copies(t):
    servers = several(t, (1, 2))
    notes = []
    for link in ("tcp", "shm"):
        where = addresses(servers) if link == "tcp" else [f"unix:{server.socket}" for server in servers]
        program = start(t, where, [PROGRAM, "copies"], gpus=3, link=link)
        notes.append(f"{link} {summary_of(program)['checks']} checks")
    return ", ".join(notes)


@test("several servers: order of events", 400)
def order(t):
    notes = []
    for latency, steps in (("0", 1500), ("300", 300)):
        servers = several(t, (2, 1, 1), RINGWAY_SOFTGPU_LATENCY_US=latency)
        program = start(t, addresses(servers), [PROGRAM, "order", steps])
        summary_of(program)
        notes.append(re.search(r"\d+ hops posted in [\d.]+ s", program.errors())[0])
        summary_of(start(t, addresses(servers), [PROGRAM, "order", int(steps) // 6, 4]))
        for server in servers:
            server.close()
    return ", ".join(notes)


@test("several servers: numba", 240)
def numba(t):
    servers = several(t, (1, 2, 1))
    summary_of(start(t, addresses(servers), [CLIENTS / "numba/servers.py", "4"]))


@test("several servers: one is lost", 240)
def lost(t):
    for gone in ("worker", "server"):
        servers = several(t, (1, 2))
        program = start(t, addresses(servers), [PROGRAM, "lost"], gpus=3, options=["--stats", t.folder / "stats.json"])
        program.wait_for_text("running")
        # The last server's session; nobody else's.
        doomed = workers_of(servers[1].server)
        require(len(doomed) == 1, f"{len(doomed)} workers for one session")
        if gone == "server":
            os.killpg(servers[1].server.pid, signal.SIGKILL)
        os.kill(doomed[0], signal.SIGKILL)
        summary_of(program)
        lines = [line for line in program.errors().splitlines() if "was lost" in line]
        require(len(lines) == 1 and "GPUs 1 to 2" in lines[0] and servers[1].tcp_address() in lines[0], f"who was told what: {lines}")
        counted = json.loads((t.folder / "stats.json").read_text())
        require(counted["link"] == "tcp" and counted["by_function"]["cuStreamWaitEvent"]["calls"] > 0, f"the counts: {str(counted)[:300]}")
        servers[0].close()
        servers[1].close()


@test("several servers: links that break", 300)
def broken(t):
    servers = several(t, (1, 2))
    where = addresses(servers)
    whole = Relay(t, where[1])
    program = start(t, [where[0], whole.address], [PROGRAM, "order", 400], gpus=3)
    uncut = summary_of(program)
    total = whole.bytes
    whole.close()
    relays = [Relay(t, address, [total * (n + 1) // 6 for n in range(5)]) for address in where]
    program = start(t, [relay.address for relay in relays], [PROGRAM, "order", 400], gpus=3)
    cut = summary_of(program)
    made = [relay.made for relay in relays]
    require(cut["values"] == uncut["values"], "the walk ended elsewhere")
    require(min(made) > 0, f"cuts made: {made}")
    require(sum(relay.resumed() for relay in relays) >= max(made), f"{made} cuts, but {[relay.resumed() for relay in relays]} resumptions")
    for relay in relays:
        relay.close()
    # The same with four threads, whose records meet in the lanes; and on the GPUs of one server.
    for where, gpus in ((where, 3), (where[1:], 2)):
        relays = [Relay(t, address, [total * (n + 1) // 6 for n in range(5)]) for address in where]
        summary_of(start(t, [relay.address for relay in relays], [PROGRAM, "order", 100, 4], gpus=gpus))
        made += [relay.made for relay in relays]
        for relay in relays:
            relay.close()
    require(min(made) > 0, f"cuts made: {made}")
    return f"{sum(made)} cuts"


FORKS = """
import os, subprocess, sys
sys.path.insert(0, sys.argv[1])
import driver
assert driver.device_count() == 4
if len(sys.argv) == 2:
    again = [subprocess.Popen([sys.executable, "-c", os.environ["FORKS"], sys.argv[1], "child"]) for _ in range(3)]
    child = os.fork()
    if child == 0:
        os._exit(0 if driver.result_of("cuCtxSynchronize") == 3 else 1)
    assert os.waitpid(child, 0)[1] == 0, "a forked child has its parent's session"
    assert [one.wait() for one in again] == [0, 0, 0]
import numpy as np
for ordinal in range(4):
    device = driver.Device(ordinal)
    assert list(device.download(device.upload(np.arange(100)), 100, np.int64)) == list(range(100))
print("fine", os.getpid())
"""


@test("several servers: several processes", 180)
def processes(t):
    servers = several(t)
    program = start(t, addresses(servers), ["-c", FORKS, CLIENTS / "lib"], env={"FORKS": FORKS})
    code = program.wait(120)
    require(code == 0 and program.output().count("fine") == 4, f"ended with {code}: {program.errors()[-400:]}")
    for server in servers:
        until(lambda: not listed(t, server.tcp_address())["leases"], "the lease to end")


@test("several servers: ringway why", 240)
def why(t):
    servers = several(t, (1, 1))
    report = t.folder / "why.json"
    program = t.start([RINGWAY, "why", "--json", "-o", report, *(word for address in addresses(servers) for word in ("--server", address)), "-n", "2",
                       "--link", "tcp", "--", python(), PROGRAM, "order", "100"], label="why")
    summary_of(program)
    require(json.loads(report.read_text()), "there is no report")


@test("several servers: TLS, a token file for each", 180)
def tls(t):
    folder = t.folder / secrets.token_hex(4)
    folder.mkdir(mode=0o700)
    servers = [Secured(t, folder, name) for name in ("one", "two")]
    files = [server.token("user", "--address", server.address) for server in servers]
    words = [word for file in files for word in ("--token-file", file)]
    by_name = start(t, [server.address for server in servers], [PROGRAM, "order", 60], gpus=2, options=addressed(words, files, servers))
    summary_of(by_name)
    require(by_name.errors().splitlines()[0].count("encrypted") == 2, f"not both links are encrypted: {by_name.errors().splitlines()[0]!r}")
    by_files = start(t, [], [DEVICES], gpus=2, options=words, env={"EXPECT_DEVICES": "2"})
    summary_of(by_files)
    stranger = start(t, ["127.0.0.1:9"], ["-c", "print('ran')"], gpus=2, options=words)
    require(stranger.wait(60) == 125 and "none of the token files has the address" in stranger.errors(), f"a server of no token file: {stranger.errors()[-300:]}")


def addressed(words, files, servers):
    """The files must have the addresses that the servers have now."""
    for file, server in zip(files, servers):
        require(str(server.port()) in file.read_text(), f"{file} does not have the server's address: {file.read_text()}")
    return words
