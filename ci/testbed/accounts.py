"""Whether the history adds up, and what is left."""

import json
import os
import time
from collections import Counter, defaultdict
from pathlib import Path

from ..suite.runner import Failed, require
from .cluster import ETCD_PORT, GPUS, MIB, NODES, PEER_PORT, POOL_PORT, SERVER_PORT, SERVERS, is_spare_now
from .users import ERIN_LEASES, FRANK_GPUS, GROUP_GPUS, USERS

# A pool looks twice a ticket's life long for a lease that no server has reported; reports come every three seconds.
QUIESCE_LIMIT_S = 130


def wait_for_quiet(cluster, limit_s=QUIESCE_LIMIT_S):
    """Until nothing is leased and nothing runs; what is still there, if that does not come."""
    daemons = {daemon.running.pid for daemon in cluster.daemons.values()}

    def left():
        leases, queue = cluster.leases(), cluster.ask({"queue": {"from": 0}}, limit_s=10)
        if leases is None or queue is None:
            return "the pool does not answer"
        if leases or queue["queue"]["rows"]:
            return f"leases {leases}, queue {queue['queue']['rows']}"
        # Servers keep workers ready for sessions to come.
        others = {pid: words for pid, words in cluster.processes().items() if pid not in daemons and not is_spare_now(pid)}
        return f"processes {others}" if others else None

    deadline = time.monotonic() + limit_s
    while True:
        what = left()
        if what is None:
            return
        require(time.monotonic() < deadline, f"{limit_s} s after the last program there are still {what}")
        time.sleep(0.3)


def check_nothing_leased(cluster):
    """All memory is free: as the pool says, by each of its ways, and as each server says itself."""
    [pool] = json.loads(cluster.done("list", "--json"))
    leased = {(server["name"], gpu["ordinal"]): gpu for server in pool["servers"] for gpu in server["gpus"] if gpu["leased_bytes"] or gpu["kept_bytes"] or gpu["leases"]}
    require(len(pool["servers"]) == len(SERVERS) and not leased and pool["queue_length"] == 0, f"the pool has still leased {leased}: {pool}")
    used = cluster.done("smi", "--query-gpu", "memory.used", "--format", "csv,noheader,nounits").split()
    require(used == ["0"] * GPUS * len(SERVERS), f"ringway smi tells of memory in use: {used}")
    for name in SERVERS:
        [server] = json.loads(cluster.done("list", "--json", "--server", f"{cluster.spaces[name].address}:{SERVER_PORT}", token=f"{name}-reader"))
        require(not server["leases"] and all(gpu["memory_bytes_leased"] == 0 and gpu["leases"] == 0 for gpu in server["gpus"]), f"{name} has still leased: {server}")
    require(not cluster.in_etcd("leases/"), "etcd has leases")


# Sockets


def sockets_left(cluster, daemons_run):
    """Sockets but those of the daemons with each other, and those of which nothing but the port is kept."""
    ports = {str(port) for port in (ETCD_PORT, PEER_PORT, POOL_PORT)}
    left = []
    for space in (*cluster.spaces.values(), cluster.clients):
        for state, _, _, local, peer in [row[:5] for row in space.sockets("-t", "-a")]:
            if state == "TIME-WAIT" or daemons_run and (state == "LISTEN" or ports & {local.rsplit(":", 1)[1], peer.rsplit(":", 1)[1]}):
                continue
            left.append(f"{space.name}: {state} {local} {peer}")
    return left


def check_sockets(cluster, daemons_run=True):
    """Connections are those of the daemons with each other; clients have none."""
    # The kernel says its last words for ends that are gone already; where a link was cut, for some seconds.
    deadline = time.monotonic() + 30
    while left := sockets_left(cluster, daemons_run):
        require(time.monotonic() < deadline, f"sockets are left: {left[:8]}")
        time.sleep(0.3)
    if leader := cluster.leader() if daemons_run else None:
        lines = [row for row in cluster.spaces[leader].sockets("-t", "state", "established", "sport", "=", f":{POOL_PORT}")]
        require(len(lines) == len(SERVERS), f"the node that leads has {len(lines)} connections, where each of {len(SERVERS)} servers has one: {lines}")


# Descriptors and memory


def descriptors(pid):
    """What a process has open, by kind."""
    found = Counter()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = os.readlink(entry)
        except OSError:
            continue
        found[target.split(":")[0] if ":[" in target else target] += 1
    return found


def resident_kib(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def measure(cluster):
    """Of each daemon: its process, how often it was started, open descriptors, resident memory."""
    return {name: (daemon.running.pid, daemon.starts, descriptors(daemon.running.pid), resident_kib(daemon.running.pid)) for name, daemon in cluster.daemons.items()}


def ours(name):
    return not name.startswith("etcd-")


def check_descriptors(before, cluster, what, allowance=2, limit_s=20):
    """No daemon of ours has more open than before, when what is under way is over; the allowance is for connections to etcd that are kept
    for the next call."""
    deadline = time.monotonic() + limit_s
    while True:
        try:
            return compare_descriptors(before, measure(cluster), what, allowance)
        except Failed:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.3)


def compare_descriptors(before, after, what, allowance):
    told = []
    for name, (pid, _, had, memory) in before.items():
        if name in after and after[name][0] == pid and ours(name):
            has, now = after[name][2], after[name][3]
            more = sum(has.values()) - sum(had.values())
            require(more <= allowance, f"{what}: {name} has {more} descriptors more than before: {has - had}")
            told.append(f"{name} {more:+d} fd {(now - memory) / 1024:+.1f} MiB")
    return ", ".join(told)


# Files

FOLDERS = {  # what a bed leaves in its folders
    "node": {"authority.pem", "server.pem", "signing.key", "tokens.json", "audit.jsonl", "pool.redb"},
    "server": {"authority.pem", "server.pem", "tokens.json"},
}


def check_files(cluster, reservations):
    """Folders hold exactly what belongs there; of each reservation that there was why it ended, and the file that its holder had locked."""
    def names(folder):
        return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir() or not any(path.iterdir())}

    for name in (*NODES, *SERVERS):
        wanted = FOLDERS["node" if name in NODES else "server"]
        if name in NODES and not cluster.daemons[name].has_led():
            wanted = wanted - {"audit.jsonl"}  # of one that never led
        have = names(cluster.states[name]) - {"lock"}  # which whoever changes tokens holds, and is left
        require(have == wanted, f"the folder of {name}: not expected {sorted(have - wanted)}, not there {sorted(wanted - have)}")
    for name in ("home", "tmp"):
        left = names(cluster.folder / name)
        require(not left, f"left in the folder '{name}': {sorted(left)[:8]}")
    run = names(cluster.folder / "run")
    strange = {one for one in run if not (one.startswith("ringway-reservations/") and one.split("/")[1].rsplit(".", 1)[0] in reservations and one.endswith((".ended", ".lock")))}
    require(not strange, f"left in the runtime folder: {sorted(strange)[:8]}")
    sockets = [path for path in cluster.folder.rglob("*") if path.is_socket()]
    require(not sockets, f"sockets are left: {sockets[:5]}")


def shared_memory():
    """What of shared memory outlives processes: names of POSIX's, keys and identifiers of System V's."""
    system_v = (line.split()[:2] for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:])
    return {*os.listdir("/dev/shm"), *(f"key {key}, number {number}" for key, number in system_v)}


# History


def history(cluster):
    return [json.loads(value) for value in cluster.in_etcd("history/").values()]


def audit(cluster):
    """Lines of all nodes' audit logs, in the order of time."""
    rows = []
    for name in NODES:
        files = sorted(cluster.states[name].glob("audit.jsonl*"))
        rows += [{**json.loads(line), "node": name} for file in files for line in file.read_text().splitlines()]
    return sorted(rows, key=lambda row: row["time_ms"])


def thousandths(slices):
    """What part of whole GPUs slices are, each rounded up."""
    return sum(-(-piece["memory_bytes"] * 1000 // (MIB << 20)) for piece in slices)


def most_at_once(rows, weight):
    """The most that leases had at a time; what ends at a moment makes room for what begins then."""
    changes = sorted([(row["end_ms"], -weight(row)) for row in rows if weight(row)] + [(row["lease"]["since_ms"], weight(row)) for row in rows if weight(row)])
    most = now = 0
    for _, change in changes:
        now += change
        most = max(most, now)
    return most


def check_history(cluster, killed_leaders_ms):
    """Each lease once, within what there is, and all sums alike."""
    rows = history(cluster)
    ids = Counter(f"{row['lease']['id']:016x}" for row in rows)
    twice = [name for name, count in ids.items() if count > 1]
    trail = audit(cluster)

    def of(name):
        return [(row["time_ms"], row["node"], row["act"], row["detail"]) for row in trail if row["subject"] == name]
    require(not twice, f"leases that are in the history more than once: {[(name, [row for row in rows if row['lease']['id'] == int(name, 16)], of(name)) for name in twice[:2]]}")
    for row in rows:
        lease = row["lease"]
        require(lease["slices"] and all(piece["server"] in SERVERS and piece["ordinal"] < GPUS and 0 < piece["memory_bytes"] <= MIB << 20 for piece in lease["slices"]), f"a lease with {lease}")
        places = [(piece["server"], piece["ordinal"]) for piece in lease["slices"]]
        require(len(set(places)) == len(places), f"a lease has a GPU twice: {lease}")
        require(lease["user"] in cluster.files and lease["group"] == USERS.get(lease["user"], ("",))[0], f"a lease of nobody's: {lease}")
        require(0 < lease["since_ms"] <= row["end_ms"], f"a lease that ended before it began: {row}")
        wanted = thousandths(lease["slices"]) * (row["end_ms"] - lease["since_ms"])
        require(row["gpu_time"] == wanted, f"the GPU time of {row} is not {wanted}")

    # Never more than there is.
    for server in SERVERS:
        for ordinal in range(GPUS):
            most = most_at_once(rows, lambda row: sum(piece["memory_bytes"] for piece in row["lease"]["slices"] if (piece["server"], piece["ordinal"]) == (server, ordinal)))
            require(most <= MIB << 20, f"{most >> 20} MiB of GPU {ordinal} of {server} were leased at a time")
    # What a token may have is looked at when a lease is granted, before its program gets it; this one never did.
    not_given = {row["subject"] for row in trail if row["act"] == "lease.ended" and row["detail"] == "it is more than its token is good for"}
    bounds = {"students": (lambda row: (row["lease"]["group"] == "students") * len(row["lease"]["slices"]), GROUP_GPUS), "erin": (lambda row: int(row["lease"]["user"] == "erin"), ERIN_LEASES),
              "frank": (lambda row: (row["lease"]["user"] == "frank" and f"{row['lease']['id']:016x}" not in not_given) * len(row["lease"]["slices"]), FRANK_GPUS)}
    for who, (weight, bound) in bounds.items():
        most = most_at_once(rows, weight)
        require(most <= bound, f"{who} had {most} at a time, where {bound} are allowed")

    # The sums, by each way in which they are told.
    sums = defaultdict(lambda: [0, 0, 0])
    for row in rows:
        for place, value in enumerate((1, row["gpu_time"], row["end_ms"] - row["lease"]["since_ms"])):
            sums[row["lease"]["user"], row["lease"]["group"]][place] += value
    told = {(row["user"], row["group"]): [row["leases"], row["gpu_time"], row["lease_ms"]] for row in cluster.ask({"usage": {"from_ms": 0, "until_ms": 1 << 50}}, limit_s=20)["usage"]["rows"]}
    require(told == dict(sums), f"usage is told as {told}, leases come to {dict(sums)}")
    printed = json.loads(cluster.done("usage", "--json", "--since", "1d"))
    require(not printed["cut"] and {(row["user"], row["group"]): row["leases"] for row in printed["rows"]} == {key: value[0] for key, value in sums.items()}, f"ringway usage says {printed}")
    for row in printed["rows"]:
        hours = sums[row["user"], row["group"]][1] / 1000 / 3_600_000
        require(abs(row["gpu_hours"] - hours) < 1e-9, f"ringway usage says {row}, leases come to {hours} hours")
    accounts = {key.rsplit("/", 1)[1]: json.loads(value) for key, value in cluster.in_etcd("gpu_time/").items()}
    by_user, by_group = defaultdict(int), defaultdict(int)
    for (user, group), (_, gpu_time, _) in sums.items():
        by_user[user] += gpu_time
        if group:
            by_group[group] += gpu_time
    wanted = {**{json.dumps({"user": user}, separators=(",", ":")): value for user, value in by_user.items()}, **{json.dumps({"group": group}, separators=(",", ":")): value for group, value in by_group.items()}}
    require(accounts == wanted, f"accounts of GPU time are {accounts}, leases come to {wanted}")

    # What was written down.
    for act in ("lease.granted", "lease.ended"):
        lines = Counter(row["subject"] for row in trail if row["act"] == act and row["outcome"] == "done")
        # What etcd did not answer for as long as the node led: the store knows, and whoever led next.
        unresolved = {row["subject"] for row in trail if row["act"] == act and row["outcome"] == "unresolved"}
        doubled = [(name, of(name)) for name, count in lines.items() if count > 1]
        require(not doubled, f"{act} is in the audit logs more than once: {doubled[:2]}")
        strange = sorted(set(lines) - set(ids))
        require(not strange, f"{act} is in the audit logs of leases that are not in the history: {[(name, of(name)) for name in strange[:2]]}")
        # What a node had in memory when it was killed it could not write: a line may be missing of that moment and no other.
        key = (lambda row: row["lease"]["since_ms"]) if act == "lease.granted" else (lambda row: row["end_ms"])
        missing = [row for row in rows if f"{row['lease']['id']:016x}" not in {*lines, *unresolved} and not any(0 <= killed - key(row) < 250 for killed in killed_leaders_ms)]
        require(not missing, f"{act} is not in the audit logs, of {[(row, of('%016x' % row['lease']['id'])) for row in missing[:2]]}")
    adopted = [row for row in trail if row["act"] == "lease.adopted"]
    require(not adopted, f"leases were taken in that the pool had granted itself: {[of(row['subject']) for row in adopted[:2]]}")
    for name in NODES:
        numbers = [row["number"] for row in trail if row["node"] == name]
        require(sorted(numbers) == list(range(1, len(numbers) + 1)), f"lines of the audit log of {name} are not numbered through")
    require(not [row for row in trail if row["act"] == "audit.lost"], "lines of an audit log were lost")
    return rows
