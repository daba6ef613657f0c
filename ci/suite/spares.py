"""Spare workers: ready before a session, taken by one, replaced, and gone with their server."""

import json
import os
import re
import shutil
import signal
import time
from pathlib import Path

from .clients import CLIENTS, summary_of
from .places import RINGWAY, Served, python
from .restart import PATTERN, all_equal, restart, zombies
from .robustness import is_spare, server_tree, until, workers_of
from .runner import RELEASE, last_line, require, test


LIBCUDA = re.compile(r"libcuda\.so|libringway_softgpu\.so")


def spares_of(server):
    """Spare workers that are ready: they wait, and have the name of one."""
    found = set()
    for pid in server_tree(server.pid) - {server.pid}:
        try:
            if is_spare(pid) and Path(f"/proc/{pid}/comm").read_text().strip() == "ringway-spare" and LIBCUDA.search(Path(f"/proc/{pid}/maps").read_text()):
                found.add(pid)
        except OSError:
            pass
    return found


def cpu_ticks(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def switches(pid):
    """How often the threads of a process were given a core."""
    texts = [file.read_text() for file in Path(f"/proc/{pid}/task").glob("*/status")]
    return sum(int(count) for text in texts for count in re.findall(r"ctxt_switches:\s+(\d+)", text))


def private_kib(pid):
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(size) for size in re.findall(r"^Private_\w+:\s+(\d+) kB", text, re.M))


def served_with(t, count, *options, driver="softgpu", name="serve"):
    socket = t.folder / f"{name}.sock"
    socket.unlink(missing_ok=True)
    server = t.start([RINGWAY, "serve", "--driver", driver, "--announce", "--warm", count, "--listen", f"unix:{socket}", "--listen", "127.0.0.1:0", *options],
                     label=name)
    server.wait_for_text("ready ")
    return server, socket


def opened(server):
    """Of each session, in their order: its worker, and whether that was a spare."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", server.errors())
    return [(int(worker), spare == "true") for worker, spare in re.findall(r"session opened .*?worker=(\d+) was_spare=(\w+)", text)]


def start(t, socket, *words, label="program"):
    return t.start([RINGWAY, "run", "--server", f"unix:{socket}", "-m", "64", "--", "python3", *words], label=label)


@test("spare workers", 120)
def spare_workers(t):
    server, socket = served_with(t, 2)
    until(lambda: len(spares_of(server)) == 2, "two spares")
    first = spares_of(server)
    answer = json.loads(t.output_of(RINGWAY, "list", "--json", "--server", f"unix:{socket}"))[0]
    require(not answer["leases"] and answer["gpus"][0]["memory_bytes_leased"] == 0, f"spares are shown: {answer}")
    # They wait, and nothing else.
    time.sleep(0.3)
    before = {pid: (cpu_ticks(pid), switches(pid)) for pid in first}
    time.sleep(2)
    after = {pid: (cpu_ticks(pid), switches(pid)) for pid in first}
    require(before == after, f"spares that wait ran: {before} {after}")
    memory = max(private_kib(pid) for pid in first)
    # One session each, and others take their places.
    running = [start(t, socket, PATTERN, "1", "1000000", "0.02", label=f"running-{number}") for number in range(2)]
    for program in running:
        program.wait_for_text("round 1")
    require({pid for pid, spare in opened(server) if spare} == first, f"sessions {opened(server)}, spares were {first}")
    require(set(workers_of(server)) == first, f"workers {workers_of(server)}, spares were {first}")
    until(lambda: len(spares_of(server)) == 2, "two other spares")
    second = spares_of(server)
    require(not first & second, f"spares {second} are taken: {first}")
    # A session that needs something of its own in the environment takes none.
    other = Served(t, {"RINGWAY_LOG": "info"})
    where = [re.search(r"127\.0\.0\.1:\d+", one.output())[0] for one in (server, other.server)]
    program = t.start([RINGWAY, "run", "--server", where[0], "--server", where[1], "-n", "2", "-m", "1024", "--link", "tcp", "--", python(),
                       CLIENTS / "behaviour/servers.py", "copies"], label="two-servers")
    summary_of(program)
    require(opened(server)[-1][1] is False and opened(server)[-1][0] not in second, f"a session of two servers took a spare: {opened(server)}")
    other.close()
    # One that dies is missed.
    victim = min(spares_of(server))
    os.kill(victim, signal.SIGKILL)
    until(lambda: len(spares_of(server)) == 2 and victim not in spares_of(server), "the next spare", 30)
    # The next one may be there before the end of the last one was noticed.
    until(lambda: "a spare worker ended" in server.errors() and not zombies(server), "the server to say that a spare worker ended")
    all_equal(start(t, socket, PATTERN, "1", "2"))
    # They end with a restart, which has its own, and with the server, however it ends.
    until(lambda: len(spares_of(server)) == 2, "two spares")
    before = spares_of(server)
    restart(server)
    until(lambda: len(spares_of(server)) == 2 and not before & spares_of(server), "spares of the next server")
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in before), "the end of the spares before")
    for program in running:
        program.stop(signal.SIGINT)
    left = spares_of(server)
    os.kill(server.pid, signal.SIGKILL)
    until(lambda: not any(Path(f"/proc/{pid}").exists() and b"worker" in Path(f"/proc/{pid}/cmdline").read_bytes() for pid in left), "the end of the spares")
    server, socket = served_with(t, 0, name="none")
    all_equal(start(t, socket, PATTERN, "1", "2"))
    time.sleep(1)
    require(not spares_of(server) and opened(server) and not opened(server)[0][1], "spares of a server without")
    return f"{memory} KiB private memory each"


@test("spare workers: a driver that fails", 120)
def failing_driver(t):
    driver = t.folder / "driver"
    shutil.rmtree(driver, ignore_errors=True)
    driver.mkdir()
    shutil.copy2(RELEASE / "libringway_softgpu.so", driver / "libcuda.so.1")
    server, socket = served_with(t, 1, driver=driver)
    until(lambda: len(spares_of(server)) == 1, "a spare")
    (spare,) = spares_of(server)
    (driver / "libcuda.so.1").rename(driver / "kept")
    (driver / "libcuda.so.1").write_bytes(b"no library")
    os.kill(spare, signal.SIGKILL)
    until(lambda: "no spare worker" in server.errors(), "the word about it")
    # The session's own worker fails as well, and its program is told.
    program = start(t, socket, PATTERN, "1", "1")
    require(program.wait() == 17 and "cannot open a GPU session" in program.errors(), f"{program.wait()}: {last_line(program.errors())}")
    require("the driver cannot be loaded" in server.errors(), last_line(server.errors()))
    attempts = server.errors().count("no spare worker")
    require(attempts <= 4, f"{attempts} attempts in a heap")
    (driver / "kept").rename(driver / "libcuda.so.1")
    all_equal(start(t, socket, PATTERN, "1", "2"))
    until(lambda: len(spares_of(server)) == 1, "a spare of the driver that works", 60)
    require(not zombies(server), f"zombies {zombies(server)}")
