"""RDMA, in a virtual machine with Soft-RoCE: with Linux 6.1 and with 6.12, which behaves like hardware where 6.1 is lenient.

Each kernel boots once, with the first of its tests; the jobs of the others run in the same machine.
"""

import atexit
import json
import re
import secrets
import time

from . import rdma_sessions
from ..vm import KERNELS, Machine, VmError
from ..vm.fetch import bundle
from .clients import ALL, summary_of
from .places import RINGWAY, python
from .runner import LOGS, RELEASE, ROOT, TARGET, Failed, last_line, require, test

# The kernel on which everything runs; on the other one what may differ does, and the rest with --full.
MAIN = "6.12"
PERFTEST = ROOT / "ci/vm/guest/perftest"
ACROSS = ROOT / "ci/vm/guest/across"
# quick ones; Python programs with large libraries take minutes under emulation
CLIENTS = ("cudarc", "nvcc -cudart shared", "driver API")
WAYS = {"lo": ("rxelo", "rxelo", "127.0.0.1"), "veth": ("rxe0", "rxe1", "10.99.0.1")}


class Guest:
    """A machine that boots when it is needed first, and anew if it has ended."""

    def __init__(self, name, **settings):
        self.name, self.settings, self.machine = name, settings, None
        atexit.register(self.close)

    def booted(self, t):
        if self.machine is None:
            folder = LOGS / f"vm-{self.name}"
            folder.mkdir(parents=True, exist_ok=True)
            scratch = TARGET / f"vm-scratch-{self.name}"
            scratch.mkdir(parents=True, exist_ok=True)
            try:
                self.machine = Machine(folder=folder, scratch=scratch, say=t.progress, **self.settings)
            except VmError as error:
                raise Failed(str(error)) from None
            t.say(f"booted Linux {self.machine.ready[1]} in {self.machine.boot_s:.1f} s")
        return self.machine

    def start(self, t, words, label=None, **options):
        """Starts a program in it; what comes back is like the runner's Running."""
        try:
            return InGuest(self, t, self.booted(t).start(words, label=label, **options))
        except VmError as error:
            self.lost()
            raise Failed(str(error)) from None

    def run(self, t, words, limit_s=60, **options):
        """Runs a program that must succeed; returns its output."""
        program = self.start(t, words, **options)
        code = program.wait(limit_s)
        require(code == 0, f"{program.label} ended with {code}: {last_line(program.errors()) or last_line(program.output())}")
        return program.output()

    def lost(self):
        self.close()

    def close(self):
        machine, self.machine = self.machine, None
        if machine:
            machine.close()

    def end(self, t):
        """Ends it in order; Failed if it did not, or if the kernel had anything to complain about."""
        machine, self.machine = self.machine, None
        require(machine, "the virtual machine has not been running")
        try:
            complaints, in_order = machine.complaints(), machine.halt()
        except VmError as error:
            raise Failed(str(error)) from None
        finally:
            machine.close()
        require(in_order, "the virtual machine did not end in order")
        require(not complaints, f"the kernel: {complaints[0] if complaints else ''}")
        return f"{len(machine.jobs)} jobs, booted in {machine.boot_s:.1f} s"


class InGuest:
    """A program in the virtual machine, for code that expects the runner's Running."""

    def __init__(self, guest, context, job):
        self.guest, self.context, self.job, self.label = guest, context, job, job.label
        context.counter += 1
        self.out_path, self.err_path = job.out_path, job.err_path
        context.say(f"(in the virtual machine) $ {' '.join(job.words)}   > {job.out_path}")
        context.running.append(self)

    def output(self):
        return self.job.output()

    def errors(self):
        return self.job.errors()

    def wait(self, limit_s=None):
        left = self.context.left() if limit_s is None else min(limit_s, self.context.left())
        try:
            code = self.job.wait(left)
        except VmError as error:
            self.guest.lost()
            raise Failed(str(error)) from None
        if code is None:
            raise Failed(f"{self.label} did not end in time ({left:.0f} s)")
        return code

    def wait_for_text(self, text, limit_s=60):
        try:
            found = self.job.wait_for_text(text, min(limit_s, self.context.left()))
        except VmError as error:
            self.guest.lost()
            raise Failed(str(error)) from None
        if not found:
            raise Failed(f"{self.label} never said {text!r}: {last_line(self.errors())}")

    def stop(self, _how=None):
        if self.job.code is None and self.guest.machine is self.job.machine:
            try:
                self.job.stop()
            except VmError:
                self.guest.lost()


class InMachine:
    """A place in the virtual machine: `ringway run` with its own server at the loopback address."""

    def __init__(self, guest, t, link, environment=None, options=()):
        self.guest, self.t, self.link, self.name, self.environment, self.options = guest, t, link, link, environment or {}, options

    def start(self, words, env=None, options=(), label="program"):
        return self.guest.start(self.t, [RINGWAY, "run", "--driver", "softgpu", "--link", self.link, *self.options, *options, "--", *words],
                                env={**self.environment, **(env or {})}, label=label)


def chosen_clients():
    chosen = [client for client in ALL if client.name in CLIENTS]
    require(len(chosen) == len(CLIENTS), f"of {CLIENTS} there are {len(chosen)}")
    return chosen


def by_rdma(program):
    """The summary of a client that must have run over rdma, as `ringway run` says."""
    summary = summary_of(program)
    require(" by rdma" in program.errors(), f"did not run over rdma: {last_line(program.errors())}")
    return summary


class Across:
    """A place in the virtual machine: a server at one end of the veth pair, the program at the other. An RDMA link goes from rxe1
    to rxe0, over the wire. `link` None: the best there is, and another one when it breaks."""

    def __init__(self, guest, t, link, environment=None):
        self.guest, self.t, self.link, self.name = guest, t, link, link
        self.token, self.address = secrets.token_hex(16), "10.99.0.1:7766"
        guest.run(t, [ACROSS])
        self.server = guest.start(t, [RINGWAY, "serve", "--driver", "softgpu", "--announce", "--trusted-network", "--listen", self.address],
                                  env={"RINGWAY_TOKEN": self.token, **(environment or {})}, label="serve")
        self.server.wait_for_text("ready ", 120)

    def start(self, words, env=None, options=(), label="program"):
        forced = ["--link", self.link] if self.link else []
        return self.guest.start(self.t, [RINGWAY, "run", "--server", self.address, *forced, *options, "--", *words],
                                env={"RINGWAY_TOKEN": self.token, **(env or {})}, label=label)

    def close(self):
        self.server.stop()
        self.guest.run(self.t, [ACROSS, "off"])


def unit_test_binary(t, package, name):
    """The binary of an integration test, built here."""
    # Of the whole workspace, as the unit tests were built: alone, a package's dependencies have other features, and would be built again.
    program = t.start(["cargo", "test", "--release", "--workspace", "--test", name, "--no-run", "--message-format=json-render-diagnostics"], label="cargo")
    code = program.wait()
    require(code == 0, f"cargo ended with {code}: {last_line(program.errors())}")
    for line in program.output().splitlines():
        message = json.loads(line)
        if message.get("executable") and message.get("target", {}).get("name") == name and re.search(rf"\b{package}\b", message["package_id"]):
            return message["executable"]
    raise Failed(f"cargo named no binary for the test {name} of {package}")


@test("rdma, the virtual machine", 900)
def fetched(t):
    try:
        held = bundle(t.progress)
    except VmError as error:
        raise Failed(str(error)) from None
    kernels = sorted(version for name, version in held.versions.items() if name.startswith("linux-image"))
    return f"Linux {' and '.join(kernels)}, QEMU {held.versions['qemu-system-x86']}, rdma-core {held.versions['libibverbs1']}"


@test("rdma, a command in the virtual machine", 120)
def command(t):
    """`ci/vm/run` as a user types it: output, exit code, the scratch folder, the time limit, and that this machine stays as it is."""
    scratch, mark = t.folder / "scratch", t.folder / "mark"
    scratch.mkdir(exist_ok=True)
    script = f'echo inside; echo $RINGWAY_VM > "$RINGWAY_VM_SCRATCH/kernel"; touch {mark} && [ -e {mark} ] && exit 77'
    program = t.start([ROOT / "ci/vm/run", "--net", "none", "--scratch", scratch, "--", "sh", "-c", script], label="run")
    code = program.wait()
    require(code == 77, f"the exit code was {code}, not 77: {last_line(program.errors())}")
    require(program.output() == "inside\n", f"the output was {program.output()!r}")
    require((scratch / "kernel").read_text() == "6.1\n", "the scratch folder did not come back")
    require(not mark.exists(), "a file that was written inside exists outside")
    late = t.start([ROOT / "ci/vm/run", "--net", "none", "--timeout", "2", "--", "sleep", "1000"], label="late")
    code = late.wait()
    require(code == 124, f"the exit code of a late command was {code}, not 124: {last_line(late.errors())}")


def refused(t, guest, why):
    """That what needs RDMA says why there is none."""
    for words in ([RELEASE / "ringway-perf", "rdma"], [RINGWAY, "run", "--driver", "softgpu", "--link", "rdma", "--", "true"]):
        program = guest.start(t, words)
        code = program.wait(60)
        require(code != 0 and why in program.errors(), f"{program.label} ended with {code} and did not say {why!r}: {last_line(program.errors())}")
    return why


def add(kernel):
    guest = Guest(kernel, kernel=kernel)
    title = f"rdma, Linux {kernel}:"

    @test(f"{title} devices", 300)
    def devices(t):
        text = guest.run(t, ["ibv_devinfo", "-v"])
        found = dict(re.findall(r"^hca_id:\s*(\S+)\n(.*?)(?=^hca_id:|\Z)", text, re.M | re.S))
        require(set(found) == {"rxelo", "rxe0", "rxe1"}, f"devices: {sorted(found)}")
        for name, about in found.items():
            require("PORT_ACTIVE" in about, f"the port of {name} is not active")
            require(re.search(r"active_mtu:\s+4096", about), f"{name}'s path MTU is not 4096")
            require(re.search(r"GID\[.*::ffff:\d+\.\d+\.\d+\.\d+, RoCE v2", about), f"{name} has no IPv4 GID")
        return f"booted in {guest.machine.boot_s:.1f} s; {', '.join(sorted(found))}"

    @test(f"{title} jobs end", 120)
    def jobs(t):
        """With their own exit code, by a signal, or by being killed with all that they started."""
        for words, code in ((["true"], 0), (["sh", "-c", "exit 77"], 77), (["sh", "-c", "kill -KILL $$"], 137), (["no-such-program"], 127)):
            got = guest.start(t, words).wait(30)
            require(got == code, f"{' '.join(words)} gave {got}, not {code}")
        hung = guest.start(t, ["sh", "-c", "sleep 1000 & sleep 1000"], label="hung")
        try:
            hung.wait(1)
            raise Failed("a program that does not end was not late")
        except Failed as failure:
            require("in time" in str(failure), str(failure))
        left = guest.run(t, ["sh", "-c", "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '"])
        require("sleep 1000" not in left, "what a killed program had started goes on")

    @test(f"{title} perftest", 240, full=kernel == MAIN)
    def perftest(t):
        notes = []
        for way, ends in WAYS.items():
            for tool, options in (("ib_write_lat", ("-s", "64", "-n", "200")), ("ib_send_lat", ("-s", "64", "-n", "200")),
                                  ("ib_write_bw", ("-s", "65536", "-n", "200", "-m", "4096"))):
                text = guest.run(t, [PERFTEST, *ends, tool, *options], label=tool)
                row = re.search(r"^ ?(\d+)((?:\s+[\d.]+)+)\s*$", text, re.M)
                require(row, f"{tool} over {way} printed no result")
                values = [float(word) for word in row.group(2).split()]
                typical = values[3] if tool.endswith("lat") else values[2]  # iterations, then min max typical, or peak average
                require(typical > 0, f"{tool} over {way}: {row.group(0)}")
                notes.append(f"{tool[3:]} {way} {typical:g} {'us' if tool.endswith('lat') else 'MB/s'}")
        return ", ".join(notes)

    @test(f"{title} verbs", 600)
    def verbs(t):
        """The device tests of `verbs/`: every device with itself, and over the wire."""
        binary = unit_test_binary(t, "ringway-verbs", "device")
        program = guest.start(t, [binary], label="device",
                              env={"RINGWAY_VERBS_PAIR": "10.99.0.1,10.99.0.2", "RINGWAY_VERBS_MUST_HAVE_DEVICE": "1", "RINGWAY_VERBS_MAY_CHANGE_LINKS": "1"})
        code = program.wait()
        wrong = [line for line in program.output().splitlines() if line.startswith("FAILED")]
        require(not wrong, f"{len(wrong)} failed: {wrong[0] if wrong else ''}")
        require(code == 0, f"ended with {code}: {last_line(program.errors()) or last_line(program.output())}")
        require("ib_write_lat is not installed" not in program.output(), "perftest's queue pairs were not tried")
        return last_line(program.output())

    @test(f"{title} another crate's queue pair", 1500, full=True)
    def interoperation(t):
        """Our queue pairs and those of the `ibverbs` crate, both ways. Builds rdma-core, which takes minutes the first time."""
        peer = last_line(t.output_of(ROOT / "ci/clients/verbs_peer/build"))
        text = guest.run(t, [unit_test_binary(t, "ringway-verbs", "device"), "ibverbs"], label="device", limit_s=120,
                         env={"RINGWAY_VERBS_PAIR": "10.99.0.1,10.99.0.2", "RINGWAY_VERBS_MUST_HAVE_DEVICE": "1", "RINGWAY_VERBS_PEER": peer})
        require("is not set" not in text and "FAILED" not in text, last_line(text))
        return last_line(text)

    # On 6.12 perftest's ib_send_lat with events was seen to wait for ever.
    perf_test = test(f"{title} perf", 300, full=True) if kernel != MAIN else lambda function: function

    @perf_test
    def perf(t):
        """Ringway's verbs layer beside perftest: that it works, and the ratios; they are no goals here."""
        report = TARGET / f"vm-scratch-{kernel}" / "perf.json"
        guest.run(t, [RELEASE / "ringway-perf", "rdma", "--quick", "--pairs", "3", "--device", "rxelo", "--device", "rxe0:rxe1", "--json", report], limit_s=280)
        rows = json.loads(report.read_text())
        ratios = {(row["case"], row["link"]): row["p50"] for row in rows if row["unit"] == "x"}
        require(len(ratios) == 10 and all(ratio > 0 for ratio in ratios.values()), f"ratios: {ratios}")
        return ", ".join(f"{case.split(' / ')[1]} {link} {ratio:g}" for (case, link), ratio in ratios.items())

    @test(f"{title} link", 400)
    def link(t):
        """The conformance suite of lanes, over rdma: one device with itself, and over the wire."""
        binary = unit_test_binary(t, "ringway-link", "conformance")
        notes = []
        for way, addresses in (("lo", "127.0.0.1"), ("veth", "10.99.0.1,10.99.0.2")):
            text = guest.run(t, [binary, "over_rdma", "--include-ignored", "--test-threads", "1"], label=f"conformance-{way}", limit_s=190,
                             env={"RINGWAY_TEST_RDMA": addresses})
            passed = re.search(r"test result: ok\. (\d+) passed; 0 failed; 0 ignored", text)
            require(passed and int(passed.group(1)) > 0, f"over {way}: {last_line(text)}")
            notes.append(f"{way} {passed.group(1)}")
        return "passed: " + ", ".join(notes)

    def lanes(t, *filters):
        binary = unit_test_binary(t, "ringway-link", "rdma")
        text = guest.run(t, [binary, "--include-ignored", "--test-threads", "1", "--nocapture", *filters], label="rdma", limit_s=280,
                         env={"RINGWAY_TEST_RDMA": "127.0.0.1"})
        passed = re.search(r"test result: ok\. ([1-9]\d*) passed; 0 failed; 0 ignored", text)
        require(passed, last_line(text))
        return f"{passed.group(1)} passed", text

    # Hostile clients of a whole server are in the ordinary run.
    @test(f"{title} hostile peers, many lanes", 300, full=True)
    def hostile(t):
        """Queue pairs that break the rules; 64 lanes at once."""
        passed, text = lanes(t, "--skip", "a_thousand")
        return f"{passed}; " + re.search(r"both ends of a lane: .*", text).group(0)

    @test(f"{title} a thousand lanes", 300, full=True)
    def thousand(t):
        """What is left of lanes that have ended."""
        return lanes(t, "a_thousand")[0]

    @test(f"{title} netperf", 180)
    def netperf(t):
        """`ringway netperf` over rdma and tcp, over the wire."""
        place = Across(guest, t, "rdma")
        try:
            notes = []
            for kind in ("rdma", "tcp"):
                text = guest.run(t, [RINGWAY, "netperf", "--server", place.address, "--link", kind, "--time", "0.5", "--json"], label=f"netperf-{kind}",
                                 env={"RINGWAY_TOKEN": place.token}, limit_s=60)
                (row,) = json.loads(text)["links"]
                require(row["link"] == kind and row["round_trip_ns"]["p50"] > 0 and row["to_server_gb_s"] > 0, f"{kind}: {row}")
                notes.append(f"{kind} {row['round_trip_ns']['p50'] / 1000:.0f} us")
        finally:
            place.close()
        return "round trips: " + ", ".join(notes)

    @test(f"{title} clients over rdma", 400)
    def clients_over_rdma(t):
        """Unmodified programs: on one device with its own server, and over the wire."""
        notes = []
        for client in chosen_clients():
            program = InMachine(guest, t, "rdma").start(client.words(), env=client.env, label=client.name.split()[0])
            notes.append(f"{client.name} {by_rdma(program)['checks']}")
        queries = InMachine(guest, t, "rdma").start([python(), ROOT / "ci/clients/behaviour/queries.py", "--steps", "100"], label="queries")
        notes.append(f"queries {by_rdma(queries)['checks']}")
        place = Across(guest, t, "rdma")
        try:
            client = chosen_clients()[0]
            summary = by_rdma(place.start(client.words(), env=client.env, label="across"))
            notes.append(f"{client.name} over the wire {summary['checks']}")
        finally:
            place.close()
        return "checks: " + ", ".join(notes)

    def pull_cable(t):
        """The interface of the server's device goes down, and comes up again."""
        guest.run(t, ["ip", "link", "set", "a0", "down"])
        time.sleep(2)
        guest.run(t, ["ip", "link", "set", "a0", "up"])
        guest.run(t, [ACROSS])

    # With copies past the ring on the way it is in the ordinary run.
    @test(f"{title} a cable is pulled", 240, full=True)
    def cable(t):
        """The interface of the server's device goes down under a running program, and comes up again: a pause, and all numbers right."""
        place = Across(guest, t, "rdma")
        try:
            program = place.start([python(), ROOT / "ci/clients/behaviour/steady.py", "25"], label="steady")
            program.wait_for_text("step 3", 120)
            pull_cable(t)
            steps, broke = rdma_sessions.went_on(program)
        finally:
            place.close()
        return f"{steps} steps; {broke}"

    def copies(t, place, *options, env=None, label="copies"):
        """The client that copies pinned memory, and how its bytes went."""
        counts = TARGET / f"vm-scratch-{kernel}" / f"{label}.json"
        program = place.start([python(), ROOT / "ci/clients/behaviour/transfers.py", *options], env=env, options=["--stats", counts], label=label)
        summary = by_rdma(program)
        return summary["checks"], json.loads(counts.read_text()), program

    @test(f"{title} copies past the ring", 400, full=kernel != MAIN)
    def past_the_ring(t):
        """Pinned memory is copied by the adapters, from and to two GPUs: the bytes are right, and the ring had none of them."""
        two = InMachine(guest, t, "rdma", {"RINGWAY_SOFTGPU_DEVICES": "2"}, options=["-n", "2"])
        checks, counts, _ = copies(t, two, "--largest", "34", "--rounds", "2")
        up, past = counts["bytes_up"], counts["bytes_up_past_ring"]
        # what is short, and what is beyond the number under way
        require(past > 0.95 * up, f"{past} of {up} bytes to the device went past the ring")
        # the client looks at each copy with pageable memory, too
        require(counts["bytes_down_past_ring"] > 0.45 * counts["bytes_down"], f"to the host: {counts}")
        require(counts["transfers_fallen_back"] == 0, f"{counts['transfers_fallen_back']} transfers fell back")
        _, off, _ = copies(t, InMachine(guest, t, "rdma"), "--largest", "1", "--rounds", "1", env={"RINGWAY_RDMA_COPIES": "0"}, label="off")
        require(off["bytes_up_past_ring"] == off["bytes_down_past_ring"] == 0 < off["bytes_up"], f"turned off: {off}")
        return f"{checks} checks; {past >> 20} of {up >> 20} MiB to the device, {counts['bytes_down_past_ring'] >> 20} MiB to the host past the ring"

    @test(f"{title} copies past the ring that break", 400)
    def broken_copies(t):
        """Every eleventh transfer is broken off in the middle, with its link: the bytes come another way, each to its place."""
        place = InMachine(guest, t, "rdma")
        checks, counts, program = copies(t, place, "--largest", "5", "--rounds", "2", env={"RINGWAY_TRANSFER_FAULT": "11"}, label="breaking")
        breaks = len(re.findall(r"^ringway: the link to .* broke .*rdma continues", program.errors(), re.M))
        fell_back, past = counts["transfers_fallen_back"], counts["bytes_up_past_ring"] + counts["bytes_down_past_ring"]
        require(breaks > 1 and fell_back >= breaks and past > 0, f"{breaks} links broke: {counts}")
        return f"{checks} checks; {breaks} links broke, {fell_back} transfers went by the ring, {past >> 20} MiB past it"

    @test(f"{title} a cable is pulled under copies past the ring", 240, full=kernel != MAIN)
    def cable_copies(t):
        place = Across(guest, t, "rdma")
        try:
            counts = TARGET / f"vm-scratch-{kernel}" / "cable.json"
            # Where the cable is pulled between two transfers, none has to go another way: once more then.
            for _ in range(3):
                program = place.start([python(), ROOT / "ci/clients/behaviour/steady.py", "25", "16"], options=["--stats", counts], label="steady")
                program.wait_for_text("step 3", 120)
                pull_cable(t)
                steps, _ = rdma_sessions.went_on(program)
                told = json.loads(counts.read_text())
                fell_back, past = told["transfers_fallen_back"], told["bytes_up_past_ring"]
                require(past > 0, f"{steps} steps: {told}")
                if fell_back > 0:
                    break
            require(fell_back > 0, f"no transfer was under way in three times: {told}")
        finally:
            place.close()
        return f"{steps} steps; {fell_back} transfers went by the ring, {past >> 20} MiB to the device past it"

    @test(f"{title} clients over tcp", 400, full=True)
    def clients(t):
        """The place itself works: unmodified programs on the software GPU in the virtual machine."""
        notes = []
        for client in chosen_clients():
            summary = summary_of(InMachine(guest, t, "tcp").start(client.words(), env=client.env, label=client.name.split()[0]))
            notes.append(f"{client.name} {summary['checks']}")
        return "checks: " + ", ".join(notes)

    def every_client(t, place, limit_s):
        """Every unmodified program there is a test of, but for those that the tests without --full run."""
        notes = []
        for client in ALL:
            program = place.start(client.words(), env=client.env, label=client.name.replace(" ", "-"))
            program.wait(limit_s)
            notes.append(f"{client.name} {by_rdma(program)['checks']}")
        return "checks: " + ", ".join(notes)

    @test(f"{title} every client over rdma, lo", 5400, full=True)
    def every_client_over_lo(t):
        return every_client(t, InMachine(guest, t, "rdma"), 2400)

    @test(f"{title} every client over rdma, veth", 5400, full=True)
    def every_client_over_veth(t):
        place = Across(guest, t, "rdma")
        try:
            return every_client(t, place, 2400)
        finally:
            place.close()

    rdma_sessions.add(guest, title, lambda t: Across(guest, t, None), full=kernel != MAIN)

    @test(f"{title} a machine without a device says so", 120)
    def no_device(t):
        for link in json.loads(guest.run(t, ["rdma", "-j", "link"], label="rdma")):
            guest.run(t, ["rdma", "link", "delete", link["ifname"]], label="rdma")
        return refused(t, guest, "there is no RDMA device")

    @test(f"{title} the kernel has no complaints", 90)
    def end(t):
        return guest.end(t)


for each in KERNELS:
    add(each)


@test("rdma, what is missing is named", 120)
def missing(t):
    """A kernel without RDMA, then no library either."""
    guest = Guest("without", kernel="6.1", net=(), kernel_rdma=False)
    notes = [refused(t, guest, "the kernel has no RDMA support")]
    guest.run(t, ["sh", "-c", "rm /usr/lib/x86_64-linux-gnu/libibverbs.so* /usr/lib/x86_64-linux-gnu/librdmacm.so*"])
    notes.append(refused(t, guest, "libibverbs is not installed"))
    guest.end(t)
    return "; ".join(notes)
