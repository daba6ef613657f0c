"""Whether a program ended as it should: with right numbers, or as its own fate explains."""

import re
import signal
import threading
import time
from collections import Counter

from .cluster import NODES, SERVERS

# What a pool that changes its leader may cost those who ask it: until an end without a word is noticed, and the next node leads.
POOL_AFTERMATH_S = 25
# And those who ask a server that is lost, until it has joined again.
SERVER_AFTERMATH_S = 20
SPARED = r"^ringway: .*(lost|is gone|was ended|released|not good any more|no such session|no such lease|cannot|broke)"


class World:
    """What happened, to whom, and what became of the programs."""

    def __init__(self, cluster, say):
        self.cluster, self.say = cluster, say
        self.events, self.counts, self.lock = [], Counter(), threading.Lock()
        self.away = []  # [from, until] in which no node of the pool answered
        self.is_over = threading.Event()
        self.monitor = threading.Thread(target=self.watch, daemon=True)

    def count(self, what):
        with self.lock:
            self.counts[what] += 1
        return what

    def watch(self):
        """Asks the pool now and then whether it is there."""
        while not self.is_over.wait(0.4):
            asked = time.time()
            there = self.cluster.ask("who", "looker", limit_s=2) is not None
            with self.lock:
                if there:
                    if self.away and self.away[-1][1] is None:
                        self.away[-1][1] = time.time()
                elif not self.away or self.away[-1][1] is not None:
                    self.away.append([asked, None])

    def check_away(self):
        """The pool is away only where something befell it; sentences of what is not explained."""
        wrong = []
        for began, ended in self.away:
            if not any(event.scope == "pool" and event.overlaps(began, ended or time.time(), POOL_AFTERMATH_S) for event in self.events):
                wrong.append(f"the pool did not answer from {began:.2f} for {(ended or time.time()) - began:.1f} s, and nothing had befallen it")
        return wrong

    def happened(self, scopes, started, ended, after_s, targets=None):
        return [event for event in list(self.events) if event.scope in scopes and event.overlaps(started, ended, after_s) and (targets is None or event.target in targets)]

    def waits_of(self, one):
        return "; ".join(map(str, self.happened(("pool", "server", "conversation", "drain"), one.started, time.time(), 0))) or "nothing befell the cluster meanwhile"

    # Verdicts

    def judge(self, one):
        """What became of it, as a word; 'again' if its user is to try again. Unexplained ends raise."""
        verdict = self.as_meant(one) or self.explained(one)
        if verdict is None:
            near = [str(event) for event in self.events if event.overlaps(one.started - 5, one.ended + 5)]
            raise AssertionError(f"nothing explains how it ended\n{one.story()}\n  near it: {'; '.join(near) or 'nothing'}")
        if "the quota of" in one.err():
            self.count("held back by a quota")
        return self.count(verdict)

    def as_meant(self, one):
        """The end that a program of its kind has where nothing befalls it."""
        program, code, out, err = one.program, one.code, one.out(), one.err()
        kind, spec = program.kind, program.spec or {}
        processes = spec.get("processes", 1)
        is_right = code == 0 and out.count("all equal: ") == processes and "wrong" not in out
        refused = code == 125 and re.search(r"^ringway: ", err, re.M)
        if program.user == "frank" and refused and "is good for 2 GPUs at a time" in err:
            return "beyond its token"
        if kind in ("withdrawn", "released") and one.has("release") or one.has("released by an administrator"):
            if refused and ("taken back by hand" in err or "was ended before its program had it" in err or "ended by the pool" in err):
                return "taken back"
            if code == 17 and "CUDA error" in out and self.was_told(one, "it was released by hand"):
                return "released"
        if kind in ("withdrawn", "released") and one.has("interrupt"):
            return "killed" if code == -signal.SIGINT and "the lease is gone" in err else None
        if kind == "idle":
            return "idle" if code == 17 and "awake" not in out and "CUDA error" in out and self.was_told(one, "released after 1 s without use") else None
        if kind == "fault":
            return "fault" if code == 17 and "CUDA error 700" in out else None
        if kind == "end":
            return "own end" if code == spec["end"] and "all equal" in out else None
        if kind == "no CUDA":
            return "right" if code == 0 else None
        if kind == "content":
            without = out == "lease\n" and "the program goes without" in err
            return "right" if code == 0 and (out == "lease taken\n" or without) else None
        if kind == "refused":
            return "refused" if refused and program.more["text"] in err else None
        if kind == "impatient" and refused and "no GPUs became free within" in err:
            return "timed out"
        if kind == "revoked":
            ended = code == 17 and "CUDA error" in out and self.was_told(one, "not good any more")
            return "revoked" if one.has("revoked") and ended else None
        signals = {"kill run": signal.SIGKILL, "kill program": signal.SIGKILL, "interrupt": signal.SIGINT, "terminate": signal.SIGTERM}
        if kind in signals:
            return "killed" if one.has(kind) and code == -signals[kind] else None
        if kind == "filter" and is_right and one.servers() != {program.more["server"]}:
            return None
        return "right" if is_right else None

    def was_told(self, one, why):
        """Why somebody ended its lease; where a node of the pool or a link went at that time, that it has ended."""
        if re.search(rf"^ringway: .*{why}", one.err(), re.M):
            return True
        scopes = self.happened(("pool",), one.started, one.ended, POOL_AFTERMATH_S) + self.happened(("conversation",), one.started, one.ended, 1, {*one.servers(), "clients"})
        return bool(scopes) and re.search(SPARED, one.err(), re.M) is not None

    def explained(self, one):
        """An end that something else explains."""
        code, out, err = one.code, one.out(), one.err()
        if "wrong" in out:
            return None
        started = min(one.started, getattr(one, "reserved_from", one.started))
        # Whose connection to the pool ends between the grant and the servers is taken for gone, and its lease is taken back.
        if code in (17, 125) and re.search(r"the pool has ended it|did not bring the tickets to the servers|was ended by the pool", err):
            if self.happened(("pool",), started, one.ended, 1) or self.happened(("conversation",), started, one.ended, 1, {"clients"}):
                return "again"
        if code == 125:
            return self.not_had(started, one.ended, err)
        if code == 17 and "CUDA error" in out and "CUDA error 700" not in out and re.search(SPARED, err, re.M):
            where = one.servers() or set(SERVERS)
            if self.happened(("server",), started, one.ended, 0, where):
                return "server lost"
            # One program is served by a worker.
            for event in self.happened(("worker",), started, one.ended, 0, where):
                if not event.used_by or event.used_by == {one.program.number}:
                    event.used_by.add(one.program.number)
                    return "worker lost"
            # A session that is being opened is not continued.
            if "in cuInit" in out and self.happened(("conversation",), started, one.ended, 0, {*where, "clients"}):
                return "again"
        # Workers outlive a server that is killed, and nobody ends a lease then; nor while a server is stopped.
        if one.program.kind == "idle" and code == 0 and "all equal" in out:
            kinds = {event.kind for event in self.happened(("server", "conversation"), started, one.ended, 0, one.servers())}
            if "stop a server" in kinds or kinds & {"kill a server", "restart a server"} and re.search(SPARED, err, re.M):
                return "right"
        # A reservation may have lost its server before a program came.
        if one.program.kind == "reservation" and self.happened(("server", "worker"), started, one.ended, 0):
            return "server lost"
        return None

    def not_had(self, started, ended, err):
        """Why somebody was not served, where that lies in what befell pool or servers; 'again' then."""
        addresses = {self.cluster.spaces[name].address: name for name in (*NODES, *SERVERS)}
        named = {name for address, name in addresses.items() if re.search(rf"{re.escape(address)}(?!\d)", err)}
        clients = self.happened(("conversation",), started, ended, 1, {"clients"})
        if named & set(NODES):
            # Who waits in the queue is not lost with the node that led.
            if "in the queue" in err and "asking again" not in err:
                return None
            if self.happened(("pool",), started, ended, POOL_AFTERMATH_S) or clients:
                return "again"
        on = named & set(SERVERS) | {name for name in SERVERS if f"'{name}'" in err}
        if on and (self.happened(("server", "conversation", "in place"), started, ended, SERVER_AFTERMATH_S, on) or clients):
            return "again"
        return None

    def judge_looker(self, program, started, ended, code, err):
        if code == 125 and self.not_had(started, ended, err):
            return self.count("looked in vain")
        raise AssertionError(f"{program} ended with {code}: {err}")

    def judge_request(self, program, started, ended, code, err):
        if program.user == "frank" and "is good for 2 GPUs at a time" in err:
            return self.count("beyond its token")
        if code == 125 and self.not_had(started, ended, err):
            return self.count("again")
        raise AssertionError(f"{program}: `ringway request` ended with {code}: {err}")

    def judge_release(self, program, started, ended, code, err):
        if code == 0:
            return self.count("reservation released")
        if "ended" in err and self.happened(("server", "worker", "lease"), started, ended, SERVER_AFTERMATH_S):
            return self.count("reservation lost")
        raise AssertionError(f"{program}: `ringway release` ended with {code}: {err}")
