"""Where client programs run: directly on the software GPU, or through `ringway run` by shm or by tcp."""

import contextlib
import functools
import os
import re
import secrets
import shutil
import subprocess
from pathlib import Path

from .runner import RELEASE, ROOT, TARGET, Failed, last_line, require

RINGWAY = RELEASE / "ringway"


@functools.cache
def setup(what):
    """Runs functions of scripts/lib/setup.sh (need_venv, need_cxx, ...)."""
    result = subprocess.run(["bash", "-c", f". scripts/lib/setup.sh; {what}"], cwd=ROOT, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    require(result.returncode == 0, f"{what}: {last_line(result.stdout)}")


@functools.cache
def python():
    """The Python of the environment with the packages of ci/requirements.txt."""
    setup("need_venv")
    return os.path.join(os.environ.get("RINGWAY_VENV", ROOT / ".venv"), "bin", "python")


@functools.cache
def compilers():
    """site-packages of the environment with other compilers (ci/requirements-compilers.txt)."""
    setup("need_compilers_venv")
    folder = Path(os.path.abspath(os.environ.get("RINGWAY_VENV", ROOT / ".venv")) + "-compilers")
    found = sorted(folder.glob("lib/python3*/site-packages"))
    require(found, f"{folder} is no Python environment")
    return found[0]


def venv_env():
    python()
    return {"RINGWAY_VENV": os.environ.get("RINGWAY_VENV", str(ROOT / ".venv"))}


class Direct:
    """`ringway run --direct`: the program on the software GPU, nothing between."""

    name = "direct"

    def __init__(self, t, environment=None):
        self.t, self.environment = t, environment or {}

    def start(self, words, env=None, options=(), label="program"):
        return self.t.start([RINGWAY, "run", "--quiet", "--direct", "--driver", "softgpu", *options, "--", *words],
                            env={**self.environment, **(env or {})}, label=label)


class Embedded:
    """`ringway run` with the server that it starts itself: over shared memory, or over tcp to the loopback address."""

    def __init__(self, t, link="shm", environment=None):
        self.t, self.link, self.name, self.environment = t, link, link, environment or {}

    def start(self, words, env=None, options=(), label="program"):
        return self.t.start([RINGWAY, "run", "--driver", "softgpu", "--link", self.link, *options, "--", *words],
                            env={**self.environment, **(env or {})}, label=label)


class Served:
    """A `ringway serve` on this host and programs that name it."""

    name = "served"

    def __init__(self, t, environment=None):
        self.t = t
        self.socket = f"/tmp/ringway-test-{os.getpid()}-{secrets.token_hex(3)}.sock"
        self.server = t.start([RINGWAY, "serve", "--driver", "softgpu", "--announce", "--listen", f"unix:{self.socket}", "--listen", "127.0.0.1:0"],
                              env=environment, label="serve")
        self.server.wait_for_text("ready ")

    def tcp_address(self):
        found = re.search(r"127\.0\.0\.1:\d+", self.server.output())
        require(found, f"the server announced no TCP address: {self.server.output()!r}")
        return found.group()

    def start(self, words, env=None, options=(), label="program", server=None):
        return self.t.start([RINGWAY, "run", "--server", server or f"unix:{self.socket}", *options, "--", *words], env=env, label=label)

    def close(self):
        self.server.stop()


class Namespaces:
    """A server in one network namespace and the program in another, joined by a veth pair, over tcp."""

    name = "tcp"
    serial = 0

    def __init__(self, t, environment=None):
        self.t = t
        Namespaces.serial += 1
        self.token = secrets.token_hex(16)
        tag = f"rw{os.getpid() % 100_000}x{Namespaces.serial}"
        self.spaces = (tag + "s", tag + "c")
        subnet = f"10.{200 + Namespaces.serial % 50}.{os.getpid() % 250}"
        self.address = f"{subnet}.1:7766"
        self.made = []
        try:
            for space in self.spaces:
                self.ip("netns", "add", space)
                self.made.append(space)
                self.ip("-n", space, "link", "set", "lo", "up")
            self.ip("link", "add", tag + "a", "netns", self.spaces[0], "type", "veth", "peer", "name", tag + "b", "netns", self.spaces[1])
            for space, end, host in ((self.spaces[0], tag + "a", 1), (self.spaces[1], tag + "b", 2)):
                self.ip("-n", space, "address", "add", f"{subnet}.{host}/24", "dev", end)
                self.ip("-n", space, "link", "set", end, "up")
            self.server = t.start(["ip", "netns", "exec", self.spaces[0], RINGWAY, "serve", "--driver", "softgpu", "--announce",
                                   "--trusted-network", "--listen", self.address], env={"RINGWAY_TOKEN": self.token, **(environment or {})}, label="serve")
            self.server.wait_for_text("ready ")
        except BaseException:
            self.close()
            raise

    @staticmethod
    @functools.cache
    def unavailable():
        """Why network namespaces cannot be made here; None where they can."""
        if os.geteuid() != 0:
            return "network namespaces need root"
        if not shutil.which("ip"):
            try:
                setup("apt_install iproute2")
            except Failed as failure:
                return f"network namespaces need iproute2: {failure}"
        name = f"rwprobe{os.getpid()}"
        steps = (["ip", "netns", "add", name], ["ip", "-n", name, "link", "add", "rwa", "type", "veth", "peer", "name", "rwb"])
        try:
            for step in steps:
                result = subprocess.run(step, capture_output=True, text=True, timeout=30)
                if result.returncode != 0:
                    return f"network namespaces cannot be made here: {last_line(result.stderr)}"
        finally:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, timeout=30)
        return None

    def ip(self, *words):
        result = subprocess.run(["ip", *words], capture_output=True, text=True, timeout=30)
        require(result.returncode == 0, f"ip {' '.join(words)}: {last_line(result.stderr)}")

    def start(self, words, env=None, options=(), label="program"):
        return self.t.start(["ip", "netns", "exec", self.spaces[1], RINGWAY, "run", "--server", self.address, *options, "--", *words],
                            env={"RINGWAY_TOKEN": self.token, **(env or {})}, label=label)

    def close(self):
        if hasattr(self, "server"):
            self.server.stop()
        for space in self.made:
            with contextlib.suppress(Failed):
                self.ip("netns", "delete", space)  # takes its end of the pair along
        self.made = []


@contextlib.contextmanager
def over_tcp(t, environment=None):
    """The tcp place: between two network namespaces, or where they cannot be made over the loopback address (and says so)."""
    why = Namespaces.unavailable()
    if why:
        yield Embedded(t, "tcp", environment), f"over loopback: {why}"
        return
    place = Namespaces(t, environment)
    try:
        yield place, ""
    finally:
        place.close()


@functools.cache
def built_cpp():
    """The folder of the C++ programs, built by nvcc from PyPI."""
    setup("need_cxx")
    out = TARGET / "ci-cpp"
    result = subprocess.run([ROOT / "ci/clients/cpp/build.sh", out], env={**os.environ, **venv_env()}, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    require(result.returncode == 0, f"nvcc: {last_line(result.stdout)}")
    return out


@functools.cache
def built_cudarc():
    """The cudarc client's binary."""
    result = subprocess.run(["cargo", "build", "--release", "--manifest-path", ROOT / "ci/clients/cudarc/Cargo.toml", "--target-dir", TARGET],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    require(result.returncode == 0, f"cargo: {last_line(result.stdout)}")
    return RELEASE / "ringway-ci-cudarc"
