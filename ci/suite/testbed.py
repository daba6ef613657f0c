"""A test bed in network namespaces: a pool of three nodes with etcd, two servers with four software GPUs each, and users (ci/testbed)."""

import contextlib
import os
import random
import resource
import threading
import time
from collections import Counter

from ..testbed import accounts, chaos, hostile, users
from ..testbed.cluster import HTTP_PORT, POOL_PORT, SERVER_PORT, SERVERS, Cluster, wait_until_whole
from ..testbed.judge import World
from .places import Namespaces
from .robustness import until
from .runner import require, test

PROGRAMS = 300
SEED = 256365


def seed_of_this_run():
    """RINGWAY_TESTBED_SEED, or `random` there for another one each time; else always the same, so that a red run is about what was changed."""
    given = os.environ.get("RINGWAY_TESTBED_SEED") or SEED
    return random.SystemRandom().randrange(1_000_000) if given == "random" else int(given)


@contextlib.contextmanager
def bed(t):
    why = Namespaces.unavailable()
    require(why is None, f"the test bed needs network namespaces: {why}")
    for name in ("RINGWAY_SERVER", "RINGWAY_TOKEN", "RINGWAY_TOKEN_FILE", "RINGWAY_STATE", "RINGWAY_POOL_STATE"):
        os.environ.pop(name, None)  # nothing of the user's decides how a server is reached
    cluster = Cluster(t)
    try:
        yield cluster
    finally:
        cluster.close()


def run_users(cluster, world, programs, kinds, seed, limit_s):
    """Programs come and things happen until all are over."""
    t = cluster.t
    everyone = users.Users(cluster, programs, world)
    everyone.prepare()
    mischief = chaos.Chaos(cluster, everyone, world, kinds, seed)
    everyone.begin()
    if kinds:
        mischief.begin()
    else:
        everyone.allow(len(programs))
    began = time.monotonic()
    while any(thread.is_alive() for thread in everyone.threads):
        require(time.monotonic() - began < limit_s, f"{everyone.begun()} of {len(programs)} programs in {limit_s} s; under way: "
                + "\n".join(one.story() for one in list(everyone.busy.values())[:3]))
        if everyone.failures or mischief.failure:
            break
        t.progress(f"{everyone.begun()} of {len(programs)} programs, {len(world.events)} things happened")
        time.sleep(0.2)
    # What is under way is let end, so that its story is whole.
    everyone.join(30 if everyone.failures or mischief.failure else limit_s)
    mischief.stop()
    require(not everyone.failures, everyone.failures[0] if everyone.failures else "")
    require(mischief.failure is None, f"what befell the cluster: {mischief.failure}")
    return everyone


def simulate(t, times):
    seed = seed_of_this_run()
    t.say(f"seed {seed}: RINGWAY_TESTBED_SEED={seed} repeats this run's users and what befalls them")
    t.progress(f"seed {seed}")
    memory_before = accounts.shared_memory()
    with bed(t) as cluster:
        cluster.make_readers()
        wait_until_whole(cluster)
        world = World(cluster, t.say)
        world.monitor.start()
        started, led_at_first = accounts.measure(cluster), {cluster.leader(), *SERVERS}
        began = time.monotonic()
        try:
            everyone = run_users(cluster, world, users.draw(seed, PROGRAMS * times), chaos.draw(seed, times), seed, 200 * times)
        except Exception as failure:
            raise type(failure)(f"seed {seed}: {failure}") from failure
        took = time.monotonic() - began
        t.say(f"{took:.0f} s: {dict(world.counts)}")
        # It was no idle hour.
        rare = [what for what, least in (("right", PROGRAMS // 3), ("killed", 3), ("held back by a quota", 3), ("looked", 3), ("reserved", 3)) if world.counts[what] < least]
        require(not rare, f"seed {seed}: {rare} hardly happened: {dict(world.counts)}")

        # What is left when all have gone.
        accounts.wait_for_quiet(cluster)
        world.is_over.set()
        world.monitor.join(10)
        wait_until_whole(cluster)
        accounts.check_nothing_leased(cluster)
        wrong = world.check_away()
        require(not wrong, f"seed {seed}: {'; '.join(wrong)}")
        accounts.check_sockets(cluster)
        # A node that leads has more open than one that waits for its turn.
        never_restarted = {name: row for name, row in started.items() if cluster.daemons[name].starts == 1 and (name in led_at_first) == cluster.daemons[name].has_led()}
        quiet = accounts.measure(cluster)
        grown = accounts.check_descriptors(never_restarted, cluster, "since the start", allowance=4)
        # Those that were started again are measured around some more programs, to which nothing happens.
        more = [program for program in users.draw(seed + 1, 60) if program.kind in ("brief", "several GPUs", "over two servers", "no CUDA", "processes", "excess")][:16]
        run_users(cluster, World(cluster, t.say), more, [], seed, 120)
        accounts.wait_for_quiet(cluster)
        settled = accounts.check_descriptors(quiet, cluster, "after 16 more programs")
        # What killed clients have left goes with the next who come: a folder when it is ten seconds old, a reservation's socket at once.
        time.sleep(11)
        run_users(cluster, World(cluster, t.say), [users.Program(0, "no CUDA", "alice", ["-p", 0.1], words=["true"])], [], seed, 60)
        cluster.done("request", "--list", space=cluster.clients, token=None)
        accounts.wait_for_quiet(cluster)
        rows = accounts.check_history(cluster, [event.started * 1000 for event in world.events if event.kind in ("kill the leader", "stop the leader", "cut the leader off")])
        unexpected = [f"{name} ended with {code}" for name, daemon in cluster.daemons.items() for _, code, meant in daemon.ends if not meant and not (name.startswith("pool") and code == 75)]
        require(not unexpected, f"daemons ended by themselves: {unexpected}")
        panics = [name for name, daemon in cluster.daemons.items() if "panicked" in daemon.text()]
        require(not panics, f"panics in {panics}")

        # And when the daemons have, too.
        cluster.stop()
        require(not cluster.processes(), f"processes are left: {cluster.processes()}")
        for space in (*cluster.spaces.values(), cluster.clients):
            require(not space.processes(), f"processes are left in {space.name}")
        accounts.check_sockets(cluster, daemons_run=False)
        accounts.check_files(cluster, {f"res{number}" for number in range(1, everyone.reservations + 1)})
    # Others of this machine may have some just now.
    until(lambda: accounts.shared_memory() <= memory_before, f"shared memory to be as before, {memory_before}", 20)
    kinds = Counter(event.kind.split(" (")[0] for event in world.events)
    t.say(f"descriptors and memory since the start: {grown}; around 16 programs at the end: {settled}")
    verdicts = ", ".join(f"{count} {what}" for what, count in world.counts.most_common())
    return f"seed {seed}; {len(rows)} leases in {took:.0f} s; {verdicts}; {sum(kinds.values())} things befell them"


@test("test bed, a cluster and its users", 420)
def cluster_and_users(t):
    """Hundreds of programs of every kind, while clients, servers, pool nodes and members of etcd die and links are cut."""
    return simulate(t, 1)


@test("test bed, a cluster and its users for long", 1800, full=True)
def cluster_and_users_for_long(t):
    """The same, six times as long."""
    return simulate(t, 6)


SILENT, SILENT_ELSEWHERE = 10_000, 1000  # connections to the pool's port, and to each of two others
# What each port keeps of them: the places for those that say nothing (or of HTTP for all), and some that are on their way out or in use.
CONNECTIONS_KEPT = {POOL_PORT: 256 + 100, HTTP_PORT: 512, SERVER_PORT: 256 + 100}
HONEST_LIMIT_S = 30  # within which somebody gets a lease, has a program compute, and gives it back, whatever others do
MEMORY_LIMIT_MIB = 64  # more that a daemon may have resident after all that


class Honest:
    """Somebody who goes on as if nothing were: one program after the other, each with right numbers."""

    def __init__(self, cluster):
        self.cluster, self.times, self.failure, self.over = cluster, [], None, threading.Event()
        if "alice" not in cluster.files:
            cluster.make_token("alice")
            cluster.wait_for_tokens()
        program = users.Program(0, "brief", "alice", ["-p", "0.1"], {"devices": 1, "mib": users.whole_mib(0.1)})
        self.words = users.Users(cluster, [program], None).words_of(program)
        self.thread = threading.Thread(target=self.run, daemon=True)

    def once(self):
        began = time.monotonic()
        one = self.cluster.start(self.words, label="honest")
        code = one.wait(HONEST_LIMIT_S)
        require(code == 0 and "all equal" in one.output(), f"an honest program ended with {code}: {one.output()[-200:]} {one.errors()[-400:]}")
        self.times.append(time.monotonic() - began)

    def run(self):
        try:
            while not self.over.is_set():
                self.once()
        except Exception as failure:
            self.failure = str(failure)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, *_):
        self.over.set()
        self.thread.join(HONEST_LIMIT_S + 5)
        if kind is None:
            require(self.failure is None, self.failure)

    def told(self):
        return f"{len(self.times)} honest programs, the slowest {max(self.times):.1f} s"


@test("test bed, port scan and silent connections", 300)
def port_scan(t):
    """Malformed input at every port of a pool and a server, and 10,000 connections that say nothing: honest clients are served, and nothing is left."""
    seed = seed_of_this_run()
    t.say(f"seed {seed}")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    require(hard >= SILENT + 2000, f"{SILENT} connections take as many descriptors; the limit is {hard}")
    notes = [f"seed {seed}"]
    with bed(t) as cluster:
        cluster.make_readers()
        wait_until_whole(cluster)
        attackers, honest = hostile.Attackers(cluster), Honest(cluster)
        leader = cluster.leader()
        honest.once()
        before = accounts.measure(cluster)
        with honest:
            count = hostile.scan(attackers, seed, leader, t.say)
        notes.append(f"{count} malformed connections; {honest.told()}")
        t.progress(notes[-1])
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        opened = []
        try:
            with Honest(cluster) as beside:
                for server, port, many in ((leader, POOL_PORT, SILENT), (leader, HTTP_PORT, SILENT_ELSEWHERE), ("gpu1", SERVER_PORT, SILENT_ELSEWHERE)):
                    opened += attackers.silent(server, port, many, attackers.addresses[-8:])
                    have = len(cluster.spaces[server].sockets("-t", "state", "established", "sport", "=", f":{port}"))
                    require(have <= CONNECTIONS_KEPT[port], f"port {port} of {server} keeps {have} connections")
                # All are there, and somebody comes.
                beside.once()
            notes.append(f"{len(opened)} silent connections; {beside.told()}")
        finally:
            for stream in opened:
                stream.close()
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        accounts.wait_for_quiet(cluster, 30)
        told = accounts.check_descriptors(before, cluster, "after all that")
        after = accounts.measure(cluster)
        for name, (pid, _, _, memory) in before.items():
            require(after[name][0] == pid, f"{name} was started again")
            require((after[name][3] - memory) / 1024 < MEMORY_LIMIT_MIB or not accounts.ours(name), f"{name} has {(after[name][3] - memory) / 1024:.0f} MiB more than before")
            require("panicked" not in cluster.daemons[name].text(), f"{name} panicked")
        accounts.check_nothing_leased(cluster)
        notes.append(told)
    return "; ".join(notes)
