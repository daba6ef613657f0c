"""Users and their programs: drawn by a seed, started in turn, some at a time."""

import contextlib
import json
import os
import random
import re
import signal
import subprocess
import threading
import time

from ..suite.clients import CLIENTS
from ..suite.places import RINGWAY
from .cluster import GPUS, MIB, NODES, SERVERS

VISITOR = CLIENTS / "behaviour/visitor.py"
# name: group, priority, options of the token
USERS = {"alice": ("research", 0, []), "bob": ("research", 0, []), "carol": ("students", 5, []), "dave": ("students", -5, []),
         "erin": ("", 0, []), "frank": ("", 0, ["--max-gpus", "2"])}
GROUP_GPUS, ERIN_LEASES, FRANK_GPUS = 3, 1, 2
AT_A_TIME = 12
# How long a program may take at the most, from its start, when all that can go wrong meanwhile has.
PROGRAM_LIMIT_S = 150


def whole_mib(fraction):
    return int(MIB * fraction) // 2 * 2


class Program:
    """One program of a user's: what it is to do, and what becomes of it."""

    def __init__(self, number, kind, user, options, spec=None, words=None, **more):
        self.number, self.kind, self.user, self.options = number, kind, user, [str(option) for option in options]
        self.spec, self.words, self.more = spec, words, more
        self.tries = []  # one `Try` each

    def __str__(self):
        return f"program {self.number} ({self.kind} of {self.user}: {' '.join(self.options)})"


class Try:
    """One start of `ringway run`."""

    def __init__(self, program, running):
        self.program, self.running = program, running
        self.started, self.ended = time.time(), None
        self.marks = []  # (when, what was done to it)

    def mark(self, what):
        self.marks.append((time.time(), what))

    def has(self, what):
        return any(done == what for _, done in self.marks)

    @property
    def code(self):
        return self.running.process.returncode

    def out(self):
        return self.running.output()

    def err(self):
        return self.running.errors()

    def servers(self):
        """Where its GPUs were, as it was told."""
        return set(re.findall(r" on (\S+) by ", self.err()))

    def story(self):
        marks = "".join(f"\n  {when - self.started:6.2f} s {what}" for when, what in self.marks)
        return (f"{self.program}, pid {self.running.pid}, from {self.started:.2f} for {(self.ended or time.time()) - self.started:.2f} s, code {self.code}, "
                f"{self.running.out_path.name}{marks}\n  output: {self.out()[-500:]!r}\n  errors: {self.err()[-1500:]!r}")


def draw(seed, count):
    """Programs, the same for the same seed."""
    chance = random.Random(seed)
    everyone, strong = list(USERS), ["alice", "bob"]

    def spec(devices=1, mib=None, **more):
        return {"seed": chance.getrandbits(30), "devices": devices, "mib": mib, **more}

    def part(least=1):
        return max(least / 20, chance.choice([0.05, 0.1, 0.125, 0.2, 0.25, 0.3, 0.5]))

    def seconds(most=2.0):
        return round(chance.uniform(0.2, most), 2)

    def brief(n, user):
        p = part()
        return Program(n, "brief", user, ["-p", p], spec(1, whole_mib(p)))

    def hold(n, user):
        p = part()
        return Program(n, "hold", user, ["-p", p], spec(1, whole_mib(p), seconds=seconds()))

    def processes(n, user):
        p = chance.choice([0.2, 0.25, 0.5])
        return Program(n, "processes", user, ["-p", p], spec(1, whole_mib(p), seconds=seconds(1.0), processes=chance.randrange(2, 4)))

    def several(n, user):
        many, p = chance.randrange(2, 4 if user in ("carol", "dave") else 3 if user == "frank" else 5), part()
        options = ["-n", many, "-p", p, *chance.choice([[], ["--one-server"], ["--spread"]])]
        return Program(n, "several GPUs", user, options, spec(many, whole_mib(p), seconds=seconds(1.0)))

    def across(n, user):
        many, p = chance.randrange(GPUS + 1, 2 * GPUS), chance.choice([0.05, 0.1, 0.25])
        return Program(n, "over two servers", chance.choice(strong), ["-n", many, "-p", p], spec(many, whole_mib(p), seconds=seconds(1.0)))

    def mib(n, user):
        size = chance.choice([16, 64, 100, 256])
        return Program(n, "MiB", user, ["-m", size], spec(1, size, seconds=seconds(0.5)))

    def compute(n, user):
        p = chance.choice([0.25, 0.5])
        return Program(n, "compute share", user, ["-p", p, "--compute", chance.choice([10, 25, 75, 100])], spec(1, whole_mib(p), seconds=seconds(1.0)))

    def filtered(n, user):
        rack = chance.choice("12")
        way = chance.choice([["--filter", f"label.rack={rack}"], ["--filter", f"label.rack!={rack}"], ["--filter", "device.memory>=512MiB", "--filter", f"label.rack={rack}"]])
        wanted = f"gpu{rack}" if way[-1].endswith(f"={rack}") and "!=" not in way[-1] else next(name for name in SERVERS if not name.endswith(rack))
        return Program(n, "filter", user, ["-p", 0.1, *way], spec(1, whole_mib(0.1), seconds=seconds(0.5)), server=wanted)

    def whole(n, user):
        return Program(n, "whole GPU", user, [], spec(1, MIB, seconds=seconds(1.0)))

    def everything(n, user):
        return Program(n, "all GPUs", chance.choice(strong), ["-n", 2 * GPUS], spec(2 * GPUS, MIB, seconds=seconds(1.0)))

    def impatient(n, user):
        return Program(n, "impatient", chance.choice(strong), ["-n", 2 * GPUS, "--timeout", "1s"], spec(2 * GPUS, MIB))

    def content(n, user):
        return Program(n, "content", chance.choice(strong), ["-n", 2 * GPUS, "--timeout", "1s", "--on-timeout", "continue"], words=["sh", "-c", "echo lease ${RINGWAY_LEASE:+taken}"])

    def idle(n, user):
        return Program(n, "idle", user, ["-p", 0.1, "--idle", "1s"], spec(1, whole_mib(0.1), idle=3.5))

    def excess(n, user):
        p = chance.choice([0.1, 0.25])
        return Program(n, "excess", user, ["-p", p], spec(1, whole_mib(p), excess=True))

    def fault(n, user):
        return Program(n, "fault", user, ["-p", 0.1], spec(1, whole_mib(0.1), fault=True))

    def end(n, user):
        return Program(n, "end", user, ["-p", 0.1], spec(1, whole_mib(0.1), end=chance.choice([3, 77, -int(signal.SIGSEGV), -int(signal.SIGTERM)])))

    def plain(n, user):
        return Program(n, "no CUDA", user, ["-p", 0.05], words=["true"])

    def quota(n, user):
        return Program(n, "quota", "erin", ["-p", 0.1], spec(1, whole_mib(0.1), seconds=0.8))

    def refused(n, user):
        options, text = chance.choice([(["-n", 9], "the pool has 8"), (["-n", 5, "--one-server"], "no server of the pool has more than 4"), (["--filter", "device.memory>=1TiB"], "none of the pool's 8 GPUs"),
                                       (["-m", 100_000], "no slice of that size"), (["--filter", "rack=1"], "is no filter")])
        return Program(n, "refused", chance.choice(strong), options, words=["true"], text=text)

    def killed(n, user):
        how = chance.choice(["kill run", "kill run", "kill program", "interrupt", "terminate"])
        p = part()
        return Program(n, how, user, ["-p", p], spec(1, whole_mib(p), seconds=20), after=round(chance.uniform(0, 1.0), 2))

    def withdrawn(n, user):
        return Program(n, "withdrawn", chance.choice(strong), ["-n", 2 * GPUS], spec(2 * GPUS, MIB, seconds=0.5))

    def released(n, user):
        return Program(n, "released", user, ["-p", 0.1], spec(1, whole_mib(0.1), seconds=20), after=round(chance.uniform(0, 1.0), 2))

    def reserved(n, user):
        p = chance.choice([0.1, 0.25])
        return Program(n, "reservation", user, ["-p", p], spec(1, whole_mib(p), seconds=seconds(0.5)), end=chance.choice(["release", "release", "unused", "kill"]))

    def revoked(n, user):
        return Program(n, "revoked", f"guest{n}", ["-p", 0.1], spec(1, whole_mib(0.1), seconds=30))

    def looker(n, user):
        words = chance.choice([["list", "--json"], ["ps", "--json"], ["smi", "--json"], ["usage", "--json"], ["quota", "list", "--json"], ["server", "list", "--json"], ["client", "list", "--json"], ["list", "--gpus"]])
        return Program(n, "looker", user, [], command=words)

    weights = {brief: 20, hold: 14, processes: 5, several: 8, across: 6, mib: 5, compute: 5, filtered: 5, whole: 5, everything: 2, impatient: 3, content: 2, idle: 4, excess: 4, fault: 3,
               end: 4, plain: 4, quota: 6, refused: 3, killed: 10, withdrawn: 3, released: 3, reserved: 6, revoked: 2, looker: 6}
    kinds = list(weights)
    chosen = chance.choices(kinds, list(weights.values()), k=count)
    # Each kind is there at least once, wherever it falls.
    for place, kind in zip(chance.sample(range(count), len(kinds)), kinds):
        chosen[place] = kind
    return [kind(number, chance.choice(everyone)) for number, kind in enumerate(chosen)]


def children_of(pid):
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [int(word) for word in file.read().split()]
    return []


class Users:
    """Starts programs, one after the other, a few at a time; each as its kind wants it."""

    def __init__(self, cluster, programs, world, at_a_time=AT_A_TIME):
        self.cluster, self.programs, self.world = cluster, programs, world
        self.next, self.lock, self.failures = 0, threading.Lock(), []
        self.allowed = 0  # programs before this number may begin
        self.changed = threading.Condition(self.lock)
        self.busy = {}  # tries under way, by the thread's number
        self.reservations = 0
        self.threads = [threading.Thread(target=self.work, daemon=True) for _ in range(at_a_time)]

    def prepare(self):
        """Tokens, groups, priorities and quotas."""
        cluster = self.cluster
        if "alice" in cluster.files:
            return
        for name, (_, _, options) in USERS.items():
            cluster.make_token(name, *options)
        for program in self.programs:
            if program.user not in cluster.files:
                cluster.make_token(program.user)
        cluster.wait_for_tokens()
        for name, (group, priority, _) in USERS.items():
            if group or priority:
                cluster.done("user", "set", name, *(["--group", group] if group else []), "--priority", priority)
        cluster.done("quota", "set", "--group", "students", "--gpus", GROUP_GPUS)
        cluster.done("quota", "set", "--user", "erin", "--leases", ERIN_LEASES)

    def begin(self):
        for thread in self.threads:
            thread.start()

    def allow(self, number):
        with self.changed:
            self.allowed = number
            self.changed.notify_all()

    def begun(self):
        with self.lock:
            return self.next

    def work(self):
        while True:
            with self.changed:
                while self.next >= self.allowed and self.next < len(self.programs) and not self.failures:
                    self.changed.wait(0.5)
                if self.next >= len(self.programs) or self.failures:
                    return
                program = self.programs[self.next]
                self.next += 1
            try:
                self.attend(program)
            except Exception as failure:  # each failure is the test's
                with self.changed:
                    self.failures.append(f"{program}: {type(failure).__name__}: {failure}")
                    self.changed.notify_all()

    def join(self, limit_s):
        deadline = time.monotonic() + limit_s
        for thread in self.threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self.threads)

    # One program

    def words_of(self, program, options=None):
        """`ringway run` in the clients' namespace."""
        words = program.words or ["python3", "-S", VISITOR, json.dumps(program.spec)]
        options = program.options if options is None else options
        file = [] if "--reservation" in options else ["--token-file", self.cluster.files[program.user]]
        return self.cluster.clients.words(RINGWAY, "run", *file, *options, "--", *words)

    def launch(self, program, options=None):
        one = Try(program, self.cluster.start(self.words_of(program, options), label=f"p{program.number}"))
        program.tries.append(one)
        with self.lock:
            self.busy[id(one)] = one
        return one

    def finish(self, one, limit_s=PROGRAM_LIMIT_S):
        """Waits for the end of a try; a program that hangs fails the test."""
        try:
            one.running.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it did not end within {limit_s} s: {self.world.waits_of(one)}\n{one.story()}") from None
        finally:
            one.ended = time.time()
            with self.lock:
                self.busy.pop(id(one), None)

    def attend(self, program):
        if program.kind == "looker":
            return self.look(program)
        if program.kind == "reservation":
            return self.reserve(program)
        # Whoever is told that the pool cannot be reached tries again, as people do.
        for _ in range(30):
            one = self.launch(program)
            self.accompany(one)
            self.finish(one)
            verdict = self.world.judge(one)
            if verdict != "again":
                return
            time.sleep(1)
        raise AssertionError(f"30 tries were in vain\n{program.tries[-1].story()}")

    def wait_for(self, said, text, limit_s=PROGRAM_LIMIT_S):
        """Whether a try said something on one of its outputs before it ended."""
        one, deadline = said.__self__, time.monotonic() + limit_s
        while text not in said():
            if one.running.process.poll() is not None or time.monotonic() > deadline:
                return text in said()
            time.sleep(0.03)
        return True

    def accompany(self, one):
        """What is done to a program by its own user, or to spite them."""
        program, pid = one.program, one.running.pid
        if program.kind == "withdrawn":
            if self.wait_for(one.err, "in the queue"):
                self.give_up(one, "queue")
        elif program.kind in ("kill run", "kill program", "interrupt", "terminate", "released", "revoked"):
            if not self.wait_for(one.out, "running"):
                return
            time.sleep(program.more.get("after", 0.2))
            if one.running.process.poll() is not None:
                return
            children = children_of(pid)
            one.mark(program.kind)
            with contextlib.suppress(ProcessLookupError):
                if program.kind == "kill run":
                    os.kill(pid, signal.SIGKILL)
                elif program.kind == "kill program":
                    for child in children:
                        os.kill(child, signal.SIGKILL)
                elif program.kind == "interrupt":
                    os.kill(pid, signal.SIGINT)
                elif program.kind == "terminate":
                    os.kill(pid, signal.SIGTERM)
            if program.kind == "released":
                self.give_up(one, "leases")
            elif program.kind == "revoked":
                self.cluster.revoke(program.user, NODES[program.number % len(NODES)])

    def give_up(self, one, where):
        """`ringway release` of what a try has, or waits for, by its number."""
        mine = one.running.pid
        for _ in range(40):
            code, out, _ = self.cluster.run("ps", "--json", space=self.cluster.clients, token=one.program.user)
            if code == 0:
                rows = json.loads(out)[where]
                found = [row["id"] for row in rows if row.get("pid", -1) == mine or f'"seed": {one.program.spec["seed"]},' in row["program"]]
                if not found and one.running.process.poll() is not None:
                    return
                if not found and "the lease is gone" in one.err():
                    # Nobody but its session knows of it any more, since its server was killed.
                    one.mark("interrupt")
                    one.running.process.send_signal(signal.SIGINT)
                    return
                if found:
                    one.mark("release")
                    code, _, err = self.cluster.run("release", found[0], space=self.cluster.clients, token=one.program.user)
                    if code == 0 or one.running.process.poll() is not None:
                        return
                    if "there is no lease" in err and where == "queue":
                        where = "leases"  # it was granted meanwhile
            if one.running.process.poll() is not None:
                return
            if where == "queue" and self.wait_for(one.out, "running", 0):
                where = "leases"
            time.sleep(0.3)
        raise AssertionError(f"it could not be released\n{one.story()}")

    def look(self, program):
        started = time.time()
        code, out, err = self.cluster.run(*program.more["command"], space=self.cluster.clients, token=program.user)
        if code == 0:
            if "--json" in program.more["command"]:
                json.loads(out)
            self.world.count("looked")
        else:
            self.world.judge_looker(program, started, time.time(), code, err)

    def reserve(self, program):
        """A reservation, two programs at a time in it, and its end."""
        cluster, end = self.cluster, program.more["end"]
        with self.lock:
            self.reservations += 1
            name = f"res{self.reservations}"
        for _ in range(30):
            started = time.time()
            unused = ["--unused", "1s"] if end == "unused" else []
            code, out, err = cluster.run("request", "--name", name, "--keep", *unused, *program.options, space=cluster.clients, token=program.user, limit_s=PROGRAM_LIMIT_S)
            if code == 0:
                break
            if self.world.judge_request(program, started, time.time(), code, err) != "again":
                return
            time.sleep(1)
        else:
            raise AssertionError(f"no reservation could be had: {err}")
        self.world.count("reserved")
        pair = [self.launch(program, ["--reservation", name]) for _ in range(2)]
        for one in pair:
            one.reserved_from = started
        for one in pair:
            self.finish(one)
            self.world.judge(one)
        if end == "release":
            code, out, err = cluster.run("release", name, space=cluster.clients, token=None)
            self.world.judge_release(program, started, time.time(), code, err)
        elif end == "kill":
            code, out, err = cluster.run("request", "--list", "--json", space=cluster.clients, token=None)
            for row in json.loads(out) if code == 0 else []:
                if row.get("name") == name and row.get("pid"):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(row["pid"], signal.SIGKILL)
