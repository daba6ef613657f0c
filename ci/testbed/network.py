"""Network namespaces that are joined by a bridge, links that can be cut, and connections that can be reset."""

import contextlib
import ctypes
import os
import subprocess
import threading

from ..suite.runner import Failed, last_line, require

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def ip(*words):
    done = subprocess.run(["ip", *map(str, words)], capture_output=True, text=True, timeout=30)
    require(done.returncode == 0, f"ip {' '.join(map(str, words))}: {last_line(done.stderr)}")
    return done.stdout


def _enter(descriptor):
    if _libc.setns(descriptor, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


class Space:
    """A network namespace with one address on the bridge."""

    def __init__(self, network, name, host):
        self.network, self.name, self.netns = network, name, f"{network.tag}{name}"
        self.address = f"{network.subnet}.{host}"
        self.end = f"v{name}"  # of its link, in the namespace of the bridge
        ip("netns", "add", self.netns)
        network.made.append(self.netns)
        ip("-n", self.netns, "link", "set", "lo", "up")
        ip("-n", network.bridge, "link", "add", self.end, "type", "veth", "peer", "name", "eth0", "netns", self.netns)
        ip("-n", network.bridge, "link", "set", self.end, "master", "bridge")
        ip("-n", network.bridge, "link", "set", self.end, "up")
        ip("-n", self.netns, "address", "add", f"{self.address}/24", "dev", "eth0")
        ip("-n", self.netns, "link", "set", "eth0", "up")
        # What the kernel keeps of connections whose ends are gone it forgets sooner than after a minute.
        for name, value in (("tcp_fin_timeout", 5), ("tcp_orphan_retries", 3)):
            done = subprocess.run(self.words("sh", "-c", f"echo {value} > /proc/sys/net/ipv4/{name}"), capture_output=True, text=True, timeout=30)
            require(done.returncode == 0, f"{name}: {last_line(done.stderr)}")

    def add_address(self, host):
        """One more address; it."""
        address = f"{self.network.subnet}.{host}"
        ip("-n", self.netns, "address", "add", f"{address}/24", "dev", "eth0")
        return address

    def words(self, *command):
        """A command line that runs another one here."""
        return ["ip", "netns", "exec", self.netns, *command]

    @contextlib.contextmanager
    def inside(self):
        """The calling thread is here; sockets that it makes stay."""
        with open(f"/proc/self/task/{threading.get_native_id()}/ns/net") as own, open(f"/var/run/netns/{self.netns}") as here:
            _enter(here.fileno())
            try:
                yield
            finally:
                _enter(own.fileno())

    def cut(self):
        ip("-n", self.network.bridge, "link", "set", self.end, "down")

    def mend(self):
        ip("-n", self.network.bridge, "link", "set", self.end, "up")

    def reset(self, *chosen):
        """Ends established connections of TCP (as ss chooses them), each with a reset to both ends."""
        done = subprocess.run(self.words("ss", "-K", "-H", "-t", "-n", "state", "established", *chosen), capture_output=True, text=True, timeout=30)
        return len(done.stdout.splitlines())

    def sockets(self, *options):
        """What ss says: a list of words for each socket."""
        done = subprocess.run(self.words("ss", "-H", "-n", *options), capture_output=True, text=True, timeout=30)
        require(done.returncode == 0, f"ss: {last_line(done.stderr)}")
        return [line.split() for line in done.stdout.splitlines()]

    def processes(self):
        done = subprocess.run(["ip", "netns", "pids", self.netns], capture_output=True, text=True, timeout=30)
        return [int(word) for word in done.stdout.split()]


class Network:
    """The bridge, in a namespace of its own, and the namespaces around it."""

    serial = 0

    def __init__(self):
        Network.serial += 1
        self.tag = f"rw{os.getpid() % 100_000}b{Network.serial}"
        self.subnet = f"10.{100 + Network.serial % 50}.{os.getpid() % 250}"
        self.bridge, self.made = f"{self.tag}bridge", []
        try:
            ip("netns", "add", self.bridge)
            self.made.append(self.bridge)
            # Frames are passed on from the first moment: no spanning tree listens first.
            ip("-n", self.bridge, "link", "add", "bridge", "type", "bridge", "forward_delay", 0, "stp_state", 0)
            ip("-n", self.bridge, "link", "set", "bridge", "up")
        except BaseException:
            self.close()
            raise

    def space(self, name, host):
        return Space(self, name, host)

    def close(self):
        for netns in reversed(self.made):
            with contextlib.suppress(Failed, subprocess.TimeoutExpired):
                ip("netns", "delete", netns)
        self.made = []
