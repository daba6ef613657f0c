"""What befalls a cluster: drawn by a seed, one thing after the other, each undone and got over before the next."""

import contextlib
import json
import os
import random
import signal
import threading
import time

from .cluster import NODES, POOL_PORT, SERVER_PORT, SERVERS

# How long a cluster may take to be whole again.
RECOVERY_LIMIT_S = 60


class Event:
    """Something that happened: what, to whom, from when until when it was undone."""

    def __init__(self, kind, target, scope):
        self.kind, self.target, self.scope = kind, target, scope
        self.started, self.undone, self.whole = time.time(), None, None
        self.used_by = set()  # programs whose end it alone explains

    def overlaps(self, started, ended, after_s=0.0):
        return self.started <= ended and started <= (self.undone or time.time()) + after_s

    def __str__(self):
        undone = f"{self.undone - self.started:.1f} s" if self.undone else "still"
        whole = f", whole after {self.whole - self.started:.1f} s" if self.whole else ""
        return f"{self.kind} of {self.target} for {undone}{whole}"


# kind: how often in an ordinary run
KINDS = {
    "kill the leader": 1, "stop the leader": 1, "cut the leader off": 1, "kill a follower": 1, "stop a follower": 1, "kill a member of etcd": 2,
    "kill a server's host": 2, "kill a server": 1, "restart a server": 1, "restart a server in place": 2, "stop a server": 1, "kill a worker": 2, "cut a server off briefly": 1,
    "cut a server off": 1, "cut the clients off": 1, "reset the clients": 1, "reset a server": 1, "reset the leader": 1, "drain a server": 1, "release a lease": 2,
}
# What the pool needs time to forget is not left for the end.
EARLY = {"kill the leader", "stop the leader", "cut the leader off", "reset the leader"}


def draw(seed, times=1):
    """Kinds of events, the same for the same seed."""
    chance = random.Random(f"chaos {seed}")
    kinds = [kind for kind, often in KINDS.items() for _ in range(often * times)]
    chance.shuffle(kinds)
    early = len(kinds) * 2 // 3
    late = [place for place in range(early, len(kinds)) if kinds[place] in EARLY]
    free = [place for place in range(early) if kinds[place] not in EARLY]
    for place, other in zip(late, chance.sample(free, len(late))):
        kinds[place], kinds[other] = kinds[other], kinds[place]
    return kinds


class Chaos:
    def __init__(self, cluster, users, world, kinds, seed):
        self.cluster, self.users, self.world, self.kinds = cluster, users, world, kinds
        self.chance = random.Random(f"targets {seed}")
        self.failure, self.over = None, threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def begin(self):
        self.thread.start()

    def stop(self):
        self.over.set()
        if self.thread.ident is not None:
            self.thread.join(90)

    def run(self):
        count = len(self.users.programs)
        try:
            for place, kind in enumerate(self.kinds):
                at = (place + 1) * count // (len(self.kinds) + 1)
                self.users.allow(at)
                while self.users.begun() < at:
                    if self.over.wait(0.1) or self.users.failures:
                        return
                self.happen(kind)
            self.users.allow(count)
        except Exception as failure:  # it is the test's
            self.failure = f"{type(failure).__name__}: {failure}"
            self.users.allow(count)

    def happen(self, kind):
        # Some programs are in the middle of something.
        self.over.wait(self.chance.uniform(0.1, 0.6))
        event = self.do(kind)
        if event is None:
            return
        if event.undone is None:
            event.undone = time.time()
        deadline = time.monotonic() + RECOVERY_LIMIT_S
        while not (self.cluster.is_whole() and all(daemon.is_alive() for daemon in self.cluster.daemons.values())):
            if time.monotonic() > deadline:
                raise AssertionError(f"{RECOVERY_LIMIT_S} s after {event} the cluster is not whole: {self.cluster.servers()}")
            if self.over.wait(0.1):
                return
        event.whole = time.time()
        self.world.say(str(event))

    def event(self, kind, target, scope):
        event = Event(kind, target, scope)
        self.world.events.append(event)
        return event

    def server(self):
        return self.chance.choice(SERVERS)

    def leader(self):
        leader = self.cluster.leader()
        if leader is None:
            raise AssertionError("no node leads")
        return leader

    def follower(self):
        leader = self.leader()
        return self.chance.choice([name for name in NODES if name != leader])

    def kill(self, name, pause):
        daemon = self.cluster.daemons[name]
        daemon.signal(signal.SIGKILL)
        self.over.wait(pause)
        daemon.start()

    def pause(self, name, seconds):
        daemon = self.cluster.daemons[name]
        daemon.signal(signal.SIGSTOP)
        self.over.wait(seconds)
        daemon.signal(signal.SIGCONT)

    def cut(self, space, seconds):
        space.cut()
        self.over.wait(seconds)
        space.mend()

    def do(self, kind):
        cluster = self.cluster
        if kind in ("kill the leader", "kill a follower"):
            name = self.leader() if "leader" in kind else self.follower()
            event = self.event(kind, name, "pool")
            self.kill(name, 1)
        elif kind in ("stop the leader", "stop a follower"):
            name = self.leader() if "leader" in kind else self.follower()
            event = self.event(kind, name, "pool")
            self.pause(name, 8 if "leader" in kind else 3)
        elif kind == "cut the leader off":
            name = self.leader()
            event = self.event(kind, name, "pool")
            self.cut(cluster.spaces[name], 9)
        elif kind == "kill a member of etcd":
            name = "etcd-" + self.chance.choice(NODES)
            event = self.event(kind, name, "pool")
            self.kill(name, 3)
        elif kind == "kill a server's host":
            name = self.server()
            event = self.event(kind, name, "server")
            daemon = cluster.daemons[name]
            daemon.signal(signal.SIGKILL)
            # With its host all that ran there is gone.
            while workers := cluster.workers(name, spares=True):
                for pid in workers:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                self.over.wait(0.05)
            self.over.wait(2)
            daemon.start()
        elif kind == "kill a server":
            name = self.server()
            event = self.event(kind, name, "server")
            self.kill(name, 1)
        elif kind == "restart a server":
            name = self.server()
            event = self.event(kind, name, "server")
            daemon = cluster.daemons[name]
            daemon.signal(signal.SIGTERM)
            daemon.start()
        elif kind == "restart a server in place":
            name = self.server()
            event = self.event(kind, name, "in place")
            daemon = cluster.daemons[name]
            before = daemon.text().count("took the place of")
            daemon.signal(signal.SIGUSR2)
            deadline = time.monotonic() + 30
            while daemon.text().count("took the place of") == before:
                if time.monotonic() > deadline:
                    raise AssertionError(f"{name} is not restarted in place within 30 s")
                self.over.wait(0.05)
        elif kind == "stop a server":
            name = self.server()
            event = self.event(kind, name, "conversation")
            self.pause(name, 3)
        elif kind == "kill a worker":
            return self.kill_worker(kind)
        elif kind in ("cut a server off briefly", "cut a server off"):
            name = self.server()
            event = self.event(kind, name, "conversation")
            self.cut(cluster.spaces[name], 1 if "briefly" in kind else 9)
        elif kind == "cut the clients off":
            event = self.event(kind, "clients", "conversation")
            self.cut(cluster.clients, 1)
        elif kind == "reset the clients":
            event = self.event(kind, "clients", "conversation")
            self.reset(event, cluster.clients)
        elif kind == "reset a server":
            name = self.server()
            event = self.event(kind, name, "conversation")
            self.reset(event, cluster.spaces[name], "(", "sport", "=", f":{SERVER_PORT}", "or", "dport", "=", f":{POOL_PORT}", ")")
        elif kind == "reset the leader":
            name = self.leader()
            event = self.event(kind, name, "pool")
            self.reset(event, cluster.spaces[name], "sport", "=", f":{POOL_PORT}")
        elif kind == "drain a server":
            name = self.server()
            event = self.event(kind, name, "drain")
            self.administer("server", "drain", name)
            self.over.wait(3)
            self.administer("server", "undrain", name)
        elif kind == "release a lease":
            return self.release(kind)
        else:
            raise AssertionError(f"nothing is known of '{kind}'")
        event.undone = time.time()
        return event

    def administer(self, *words):
        """The output of an administrator's command, who asks again where the node that led is lost just then."""
        for _ in range(40):
            code, out, err = self.cluster.run(*words)
            if code == 0:
                return out
            if not any(self.cluster.spaces[name].address in err for name in NODES):
                break
            self.over.wait(0.5)
        raise AssertionError(f"`ringway {' '.join(map(str, words))}` ended with {code}: {err}")

    def reset(self, event, space, *chosen):
        event.kind += f" ({space.reset(*chosen)} connections)"

    def kill_worker(self, kind):
        """One that serves a program; the first that there is within half a minute."""
        for _ in range(600):
            found = [(name, pid) for name in SERVERS for pid in self.cluster.workers(name)]
            if found:
                name, pid = self.chance.choice(found)
                event = self.event(kind, name, "worker")
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                return event
            if self.over.wait(0.05):
                return None
        raise AssertionError("no worker to kill in 30 s")

    def release(self, kind):
        """An administrator ends somebody's lease."""
        for _ in range(100):
            rows = json.loads(self.administer("ps", "--json"))["leases"]
            with self.users.lock:
                tries = {one.running.pid: one for one in self.users.busy.values()}
            known = [row for row in rows if row["pid"] in tries]
            if known:
                row = self.chance.choice(known)
                event = self.event(kind, row["id"], "lease")
                tries[row["pid"]].mark("released by an administrator")
                code, _, err = self.cluster.run("release", row["id"])
                if code != 0 and "there is no lease" not in err and not any(self.cluster.spaces[name].address in err for name in NODES):
                    raise AssertionError(f"an administrator cannot release {row['id']}: {err}")
                return event
            if self.over.wait(0.1):
                return None
        raise AssertionError("no lease to release in 10 s")
