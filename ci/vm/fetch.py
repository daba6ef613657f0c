"""Gets what the virtual machine consists of, from Debian packages, and keeps it in a cache. Nothing is installed on the host.

apt works on a state of its own in the cache (its lists, and an empty dpkg status), so it needs no root, does not touch the
host's lists, and resolves whole closures: QEMU comes with its own C library. The host's package sources are used.

The cache is RINGWAY_VM_CACHE, else ringway/vm in XDG_CACHE_HOME or ~/.cache. Each set of package versions has a folder there:

    qemu/                 QEMU's closure
    kernel-6.1/vmlinux    the kernel, uncompressed (decompressing it under emulation takes seconds of every boot)
    kernel-6.1/modules/   the few modules that are needed, with their load order in modules.json
    rdma/                 a layer over the guest's root: rdma-core's libraries and tools, perftest
    tools/                a layer below it: what the host may lack (ip, tc, libnl, strace)
    busybox               static
"""

import concurrent.futures
import contextlib
import ctypes
import fcntl
import hashlib
import json
import lzma
import os
import re
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

FORMAT = 2  # of the folder; another number makes every cache anew

KERNELS = {
    "6.1": ("linux-image-amd64", "linux-image-6.1-amd64"),
    "6.12": ("linux-image-6.12-amd64", "linux-image-amd64"),
}
QEMU = ["qemu-system-x86"]
RDMA = ["ibverbs-providers", "ibverbs-utils", "libibumad3", "libibverbs1", "librdmacm1", "perftest", "python3-pyverbs", "rdmacm-utils"]
TOOLS = ["busybox-static", "iproute2", "kmod", "strace"]

# what each group of modules is for; those that one kernel has built in are left out
MODULES = {
    "base": ["virtio_pci", "virtio_console", "9pnet_virtio", "9p", "overlay"],
    "net": ["veth", "dummy", "sch_netem"],
    # not crc32_pclmul: the generic one is faster under emulation
    "rdma": ["crc32_generic", "crc32c_generic", "ib_uverbs", "rdma_ucm", "rdma_rxe"],
}

REFRESH_S = 7 * 24 * 3600  # how long package versions are taken as current
LEAVE_OUT = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/lintian", "usr/share/bug", "usr/share/xml", "usr/share/iso-codes",
             "usr/share/bash-completion", "usr/share/zsh", "usr/share/misc", "usr/share/i18n", "usr/share/debconf", "var", "usr/include")


class VmError(Exception):
    """The virtual machine cannot be made or run; the text says what to do."""


def say_to_stderr(text):
    print(text, file=sys.stderr, flush=True)


def cache_folder():
    """Where everything is kept between runs."""
    named = os.environ.get("RINGWAY_VM_CACHE")
    if named:
        return Path(named).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "ringway" / "vm"


class Bundle:
    """A complete folder of the cache, kept from removal for as long as this object lives."""

    def __init__(self, folder):
        self.folder = folder
        self.versions = json.loads((folder / "versions.json").read_text())
        self.hold = open(folder / "lock", "a")
        fcntl.flock(self.hold, fcntl.LOCK_SH)

    def kernel(self, name):
        if name not in KERNELS:
            raise VmError(f"there is no kernel {name}; there are {', '.join(KERNELS)}")
        return self.folder / f"kernel-{name}"

    def modules(self, name, groups):
        """The modules of these groups in the order in which they load, as files, each once."""
        lists = json.loads((self.kernel(name) / "modules.json").read_text())
        names = dict.fromkeys(module for group in groups for module in lists[group])
        return [self.kernel(name) / "modules" / f"{module}.ko" for module in names]

    def qemu(self):
        """The command that starts QEMU, with the C library it came with, and its environment."""
        root = self.folder / "qemu"
        libraries = [root / where for where in ("lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu/pulseaudio")]
        words = [root / "lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", "--library-path", ":".join(map(str, libraries)),
                 root / "usr/bin/qemu-system-x86_64", "-L", root / "usr/share/qemu", "-L", root / "usr/share/seabios"]
        return [str(word) for word in words], {"QEMU_MODULE_DIR": str(root / "usr/lib/x86_64-linux-gnu/qemu")}


class Apt:
    """apt with its state in a folder of ours."""

    def __init__(self, folder):
        self.folder = folder
        for sub in ("lists/partial", "archives/partial", "new"):
            (folder / sub).mkdir(parents=True, exist_ok=True)
        (folder / "status").write_text("")
        settings = {"APT::Sandbox::User": "root", "APT::Architecture": "amd64", "APT::Architectures": "amd64", "Acquire::Languages": "none",
                    "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false", "Acquire::Retries": "3", "Acquire::http::Timeout": "30",
                    "Acquire::https::Timeout": "30", "APT::Install-Recommends": "false", "Debug::NoLocking": "true", "Dir::State": folder,
                    "Dir::State::lists": folder / "lists", "Dir::State::status": folder / "status", "Dir::Cache": folder,
                    "Dir::Cache::pkgcache": folder / "pkgcache.bin", "Dir::Cache::srcpkgcache": folder / "srcpkgcache.bin",
                    "APT::Update::Post-Invoke": "", "APT::Update::Post-Invoke-Success": ""}
        self.options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]

    def call(self, *words, limit_s=300, cwd=None):
        """Runs apt-get or apt-cache; returns what it printed, or raises with its last error."""
        try:
            result = subprocess.run([words[0], *self.options, *words[1:]], cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                    timeout=limit_s, env={**os.environ, "LC_ALL": "C"})
        except FileNotFoundError:
            raise VmError(f"{words[0]} is not on this machine: the virtual machine is made of Debian packages and needs Debian's apt and dpkg") from None
        except subprocess.TimeoutExpired:
            raise VmError(f"{' '.join(words[:2])} did not end in {limit_s} s: is a Debian mirror reachable?") from None
        if result.returncode != 0:
            errors = [line for line in result.stderr.splitlines() if line.startswith("E:")] or result.stderr.splitlines()
            raise VmError(f"{' '.join(words[:2])}: {errors[-1] if errors else 'failed'}")
        return result.stdout

    def closure(self, *packages):
        """The packages and all they depend on, as {name: version}."""
        listing = self.call("apt-get", "-s", "-y", "install", "--no-install-recommends", *packages)
        found = dict(re.findall(r"^Inst (\S+) \((\S+) ", listing, re.M))
        missing = [package for package in packages if package not in found]
        if missing:
            raise VmError(f"apt would not install {', '.join(missing)}")
        return found

    def kernel(self, name):
        """The package of a kernel, as (name, version)."""
        for meta in KERNELS[name]:
            try:
                listing = self.call("apt-cache", "depends", "--important", meta)
            except VmError:
                continue
            found = re.search(rf"Depends: (linux-image-{re.escape(name)}\.\d\S*)", listing)
            if found:
                version = re.search(r"Candidate: (\S+)", self.call("apt-cache", "policy", found.group(1)))
                if version:
                    return found.group(1), version.group(1)
        raise VmError(f"apt knows no kernel {name} (packages tried: {', '.join(KERNELS[name])}). The package sources of Debian 12, with its security "
                      "updates, have both kernels: add them to /etc/apt/sources.list.d")

    def sizes(self, packages):
        """Bytes to download."""
        listing = self.call("apt-get", "-qq", "--print-uris", "download", *packages)
        return sum(int(size) for size in re.findall(r"^'\S+' \S+ (\d+)", listing, re.M))

    def download(self, packages, folder, say):
        """Downloads packages ({name: version}) into a folder, saying how far it is."""
        words = [f"{name}={version}" for name, version in sorted(packages.items())]
        total = self.sizes(words)
        say(f"fetching {len(words)} packages, {total / 1e6:.0f} MB")
        folder.mkdir(parents=True)
        with open(folder / "log", "w") as log:
            process = subprocess.Popen(["apt-get", *self.options, "-q", "download", *words], cwd=folder, stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=subprocess.STDOUT, env={**os.environ, "LC_ALL": "C"})
        shown, deadline, have, last = time.monotonic(), time.monotonic() + 120, -1, 0
        try:
            while process.poll() is None:
                time.sleep(0.1)
                have = sum(path.stat().st_size for path in list(folder.iterdir()) if path.suffix in (".deb", ".FAILED") or ".deb" in path.name)
                if have != last:
                    last, deadline = have, time.monotonic() + 120
                if time.monotonic() - shown > 3:
                    shown = time.monotonic()
                    say(f"fetched {have / 1e6:.0f} of {total / 1e6:.0f} MB")
                if time.monotonic() > deadline:
                    raise VmError("the download has not moved for 120 s: is a Debian mirror reachable?")
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if process.returncode != 0:
            lines = (folder / "log").read_text(errors="replace").strip().splitlines()
            raise VmError(f"apt-get download: {lines[-1] if lines else process.returncode}")
        return sorted(folder.glob("*.deb"))


def extract(debs, folder):
    """Unpacks packages one over the other, without documents."""
    folder.mkdir(parents=True, exist_ok=True)
    unpack = lambda deb: subprocess.run(["dpkg-deb", "-x", deb, folder], capture_output=True, text=True)  # noqa: E731
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for deb, result in zip(debs, pool.map(unpack, debs)):
            if result.returncode != 0:
                raise VmError(f"dpkg-deb -x {deb.name}: {result.stderr.strip()[-300:]}")
    for name in LEAVE_OUT:
        shutil.rmtree(folder / name, ignore_errors=True)


def merge_usr(folder):
    """Moves /bin, /sbin and /lib of a layer under /usr, where a merged root has them."""
    for name in ("bin", "sbin", "lib", "lib64"):
        old = folder / name
        if old.is_symlink():
            old.unlink()
        elif old.is_dir():
            for path in sorted(old.rglob("*")):
                new = folder / "usr" / name / path.relative_to(old)
                if path.is_symlink() or not path.is_dir():
                    new.parent.mkdir(parents=True, exist_ok=True)
                    os.replace(path, new)
            shutil.rmtree(old)


def name_of(deb):
    return deb.name.split("_")[0]


def uncompressed(image):
    """The ELF file in a bzImage; the image itself if it holds none that can be had (it boots too, only slower)."""
    if image[0x202:0x206] != b"HdrS":
        return image
    start, size = struct.unpack_from("<II", image, 0x248)  # payload_offset, payload_length of the boot protocol
    start += (image[0x1F1] + 1) * 512
    payload = image[start:start + size]
    (whole,) = struct.unpack_from("<I", payload, len(payload) - 4)  # its build appends the size
    elf = b""
    if payload.startswith(b"\xfd7zXZ\0"):
        elf = lzma.LZMADecompressor().decompress(payload)
    elif payload.startswith(b"\x28\xb5\x2f\xfd") and whole < 1 << 28:
        with contextlib.suppress(OSError):  # dpkg needs this library too
            zstd, out = ctypes.CDLL("libzstd.so.1"), ctypes.create_string_buffer(whole)
            zstd.ZSTD_decompress.restype = ctypes.c_size_t
            zstd.ZSTD_decompress.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]
            if zstd.ZSTD_decompress(out, whole, payload, len(payload) - 4) == whole:
                elf = out.raw
    return elf if elf.startswith(b"\x7fELF") else image


def take_kernel(deb, folder, work):
    """Keeps a kernel package's image and the modules of MODULES with what they depend on."""
    extract([deb], work)
    (folder / "modules").mkdir(parents=True)
    (folder / "vmlinux").write_bytes(uncompressed(next((work / "boot").glob("vmlinuz-*")).read_bytes()))
    tree = next((work / "lib/modules").iterdir())
    built_in = {Path(line).stem.replace("-", "_") for line in (tree / "modules.builtin").read_text().split()}
    files = {path.name.split(".")[0].replace("-", "_"): path for path in tree.rglob("*.ko*")}
    content, lists = {}, {}

    def add(module, order, why):
        if module in order or module in built_in:
            return
        if module not in files:
            raise VmError(f"{deb.name} has no module {module} (needed for {why})")
        if module not in content:
            data = files[module].read_bytes()
            content[module] = lzma.decompress(data) if files[module].suffix == ".xz" else data
            (folder / "modules" / f"{module}.ko").write_bytes(content[module])
        needed = re.search(rb"\0depends=([^\0]*)\0", content[module])
        for name in filter(None, needed.group(1).decode().split(",") if needed else []):
            add(name.replace("-", "_"), order, module)
        order[module] = True

    for group, modules in MODULES.items():
        order = lists[group] = {}
        for module in modules:
            add(module, order, group)
    (folder / "modules.json").write_text(json.dumps({group: list(order) for group, order in lists.items()}, indent=1) + "\n")
    shutil.rmtree(work)


def make(apt, groups, folder, say):
    """Downloads the packages of all groups and makes the bundle's folder of them."""
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    everything = {name: version for group in groups.values() for name, version in group.items()}
    debs = apt.download(everything, partial / "debs", say)
    by_name = {name_of(deb): deb for deb in debs}
    missing = sorted(set(everything) - set(by_name))
    if missing:
        raise VmError(f"apt-get download left out {', '.join(missing)}")
    say("unpacking")
    extract([by_name[name] for name in groups["qemu"]], partial / "qemu")
    merge = [name for name in groups["guest"] if name not in RDMA]
    extract([by_name[name] for name in merge], partial / "tools")
    shutil.copy(partial / "tools/bin/busybox", partial / "busybox")
    merge_usr(partial / "tools")
    extract([by_name[name] for name in RDMA], partial / "rdma")
    merge_usr(partial / "rdma")
    for name in KERNELS:
        (package,) = groups[f"kernel {name}"]
        take_kernel(by_name[package], partial / f"kernel-{name}", partial / "work")
    shutil.rmtree(partial / "debs")
    (partial / "versions.json").write_text(json.dumps(everything, indent=1, sort_keys=True) + "\n")
    (partial / "lock").touch()
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def wanted():
    """What a cache must have been made from: changes with this file's lists."""
    return hashlib.sha256(repr((FORMAT, KERNELS, QEMU, RDMA, TOOLS, MODULES)).encode()).hexdigest()[:16]


@contextlib.contextmanager
def locked(path, say):
    with open(path, "a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("waiting for another process that makes the virtual machine")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def drop_old(cache, keep):
    """Removes bundles that no run uses."""
    for folder in cache.glob("bundle-*"):
        if folder == keep:
            continue
        with contextlib.suppress(OSError):
            if (folder / "lock").exists():
                with open(folder / "lock", "a") as lock:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder)
            else:
                shutil.rmtree(folder)


def bundle(say=say_to_stderr, update=False):
    """The current bundle, fetched or made again only if there is none, if the versions of packages have changed, or if the lists
    above have. Versions are looked up once a week, or with `update`; where that fails, what is there serves on."""
    cache = cache_folder()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with locked(cache / "lock", say):
            return current_bundle(cache, say, update)
    except OSError as error:
        raise VmError(f"{error}; RINGWAY_VM_CACHE names another folder than {cache}") from error


def current_bundle(cache, say, update):
    state_path = cache / "current.json"
    state = {}
    with contextlib.suppress(OSError, ValueError):
        state = json.loads(state_path.read_text())
    folder = cache / str(state.get("folder"))
    usable = state.get("wanted") == wanted() and (folder / "lock").exists()
    if usable and not update and 0 <= time.time() - state.get("checked", 0) < REFRESH_S:
        return Bundle(folder)
    try:
        say("looking up package versions")
        apt = Apt(cache / "apt")
        with contextlib.suppress(VmError):  # one source that does not answer is no reason to stop; what is missing shows below
            apt.call("apt-get", "-q", "update")
        try:
            groups = {"qemu": apt.closure(*QEMU), "guest": apt.closure(*RDMA, *TOOLS)}
        except VmError as error:
            raise VmError(f"{error}. Is a Debian mirror reachable, and are the package sources of Debian 12 in /etc/apt?") from error
        for name in KERNELS:
            package, version = apt.kernel(name)
            groups[f"kernel {name}"] = {package: version}
        digest = hashlib.sha256((wanted() + json.dumps(groups, sort_keys=True)).encode()).hexdigest()[:16]
        made = cache / f"bundle-{digest}"
        if not (made / "lock").exists():
            make(apt, groups, made, say)
    except VmError as error:
        if not usable:
            raise
        say(f"kept the virtual machine that is there: {error}")
        made = folder
    state_path.with_suffix(".new").write_text(json.dumps({"wanted": wanted(), "folder": made.name, "checked": time.time()}) + "\n")
    os.replace(state_path.with_suffix(".new"), state_path)
    held = Bundle(made)
    drop_old(cache, made)
    return held
