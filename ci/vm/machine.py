"""Boots the virtual machine and runs programs in it.

    with Machine(kernel="6.12", net=("lo", "veth")) as machine:
        job = machine.run(["ibv_devinfo"], limit_s=30)
        print(job.code, job.output())

Inside, the root folder is the host's, read-only, at the same paths; what is written anywhere is kept in memory and lost, except
in the scratch folder, which is the host's own. A file that the host changes after the guest has read it may stay the old one
inside (9p, cache=loose): build before. rdma-core and its tools are laid over it. The devices are rxelo over the loopback
device, and rxe0 (10.99.0.1) and rxe1 (10.99.0.2) over the two ends of a veth pair.
"""

import contextlib
import ctypes
import os
import select
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from .fetch import VmError, bundle, say_to_stderr

GUEST = Path(__file__).resolve().parent / "guest"
NETS = ("lo", "veth")
# what boots and system calls can do without here
QUICKER = "mitigations=off nokaslr audit=0 random.trust_cpu=on no_timer_check cryptomgr.notests"
BOOT_LIMIT_S = 180  # it takes 5 s on a free machine
# An emulated kernel that patches its own code on two processors was seen to die within its first two seconds, once in some hundred boots.
BOOT_ATTEMPTS = 3
HALT_LIMIT_S = 30

# what a job sees of the caller's environment
ENVIRONMENT = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TERM", "VIRTUAL_ENV", "CARGO_TARGET_DIR")
PREFIXES = ("RINGWAY_", "RUST_")


class Died(VmError):
    """The virtual machine ended on its own; its console says more."""


class Job:
    """A program in the virtual machine, with its output in files that grow while it runs."""

    def __init__(self, machine, number, words, label):
        self.machine, self.number, self.words, self.label = machine, number, words, label
        self.out_path, self.err_path = machine.ctl / f"{number}.out", machine.ctl / f"{number}.err"
        self.code = None  # the exit code; 128 + N after signal N; None while it runs
        self.late = False  # it was killed for being late
        self.started_at, self.seconds = time.monotonic(), None

    def poll(self):
        """The exit code, or None while it runs."""
        self.machine.listen(0)
        return self.code

    def wait(self, limit_s):
        """The exit code; or, when the time is over, None, with the program killed."""
        deadline = time.monotonic() + limit_s
        while self.code is None and time.monotonic() < deadline:
            self.machine.listen(min(1.0, deadline - time.monotonic()))
        if self.code is None:
            self.late = True
            self.stop()
            return None
        return self.code

    def stop(self, limit_s=20):
        """Kills it with all that it started; Died if even that does not end it."""
        if self.code is None:
            self.machine.send(f"kill {self.number}")
        deadline = time.monotonic() + limit_s
        while self.code is None:
            if time.monotonic() > deadline:
                self.machine.kill()
                raise Died(f"{self.label} could not be killed; the virtual machine has been stopped")
            self.machine.listen(0.2)

    def wait_for_text(self, text, limit_s=60):
        """True as soon as the output holds a text; False if it ends or the time is over before."""
        deadline = time.monotonic() + limit_s
        while text not in self.output() + self.errors():
            if self.code is not None or time.monotonic() > deadline:
                return text in self.output() + self.errors()
            self.machine.listen(0.05)
        return True

    def output(self):
        return self.out_path.read_text(errors="replace") if self.out_path.exists() else ""

    def errors(self):
        return self.err_path.read_text(errors="replace") if self.err_path.exists() else ""


class Machine:
    """A booted virtual machine; use it in a `with` statement, or call `close`.

    kernel       "6.1" or "6.12"
    net          which devices: any of "lo" and "veth", or none
    netem        words for `tc qdisc ... netem` on both ends of the veth pair: "delay 1ms loss 0.5%"
    rdma_core    False: without libibverbs and librdmacm
    kernel_rdma  False: with a kernel that knows nothing of RDMA
    scratch      a folder of the host that can be written inside, at the same path
    memory_mib, cpus
    folder       where the control files and the console's log go; otherwise a temporary folder that `close` removes
    """

    def __init__(self, kernel="6.1", net=NETS, netem="", rdma_core=True, kernel_rdma=True, scratch=None, memory_mib=2048, cpus=2, folder=None,
                 say=say_to_stderr, boot_limit_s=BOOT_LIMIT_S):
        self.process, self.temporary = None, None
        unknown = [name for name in net if name not in NETS]
        if unknown:
            raise VmError(f"there is no network {unknown[0]}; there are {', '.join(NETS)}")
        if netem and "veth" not in net:
            raise VmError("netem works on the veth pair only: packets over lo pass no queue")
        self.kernel, self.buffer, self.jobs, self.ready, self.failed, self.boot_s = kernel, b"", {}, None, None, None
        self.bundle = bundle(say)
        if folder is None:
            self.temporary = tempfile.mkdtemp(prefix="ringway-vm-")
            folder = self.temporary
        self.folder = Path(folder).absolute()
        self.ctl = self.folder / "ctl"
        try:
            shutil.rmtree(self.ctl, ignore_errors=True)
            self.ctl.mkdir(parents=True)
            self.scratch = Path(scratch).absolute() if scratch else None
            if self.scratch and not self.scratch.is_dir():
                raise VmError(f"the scratch folder {self.scratch} does not exist")
            if self.scratch and self.scratch == Path("/"):
                raise VmError("the scratch folder cannot be /")
            settings = {"NET": ",".join(net), "NETEM": netem, "RDMA_CORE": int(rdma_core), "KERNEL_RDMA": int(kernel_rdma), "SCRATCH": self.scratch or ""}
            (self.ctl / "config").write_text("".join(f"{name}={shlex.quote(str(value))}\n" for name, value in settings.items()))
            groups = ["base", "net"] + (["rdma"] if kernel_rdma else [])
            initramfs(self.folder / "initramfs", self.bundle, kernel, groups)
            for attempt in range(1, BOOT_ATTEMPTS + 1):
                self.start_qemu(memory_mib, cpus)
                try:
                    self.boot(boot_limit_s)
                    break
                except Died as error:
                    if attempt == BOOT_ATTEMPTS or self.failed:
                        raise
                    kept = self.folder / f"console-{attempt}.log"
                    (self.folder / "console.log").replace(kept)
                    say(f"the virtual machine died while it booted, and boots again (its console is in {kept}): {str(error).splitlines()[0]}")
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # ------------------------------------------------------------------ jobs

    def start(self, words, env=None, cwd=None, label=None, memlock=None, inherit=True, before=""):
        """Starts a program; returns its Job.

        env      added to what the job gets of the caller's environment (ENVIRONMENT, PREFIXES; nothing unless `inherit`)
        cwd      its working folder; the caller's if None
        memlock  limit of locked memory in KiB, which root is then bound by too (without CAP_IPC_LOCK)
        before   shell commands to run first, in the same shell
        """
        number = len(self.jobs) + 1
        words = [str(word) for word in words]
        values = {name: value for name, value in os.environ.items() if name in ENVIRONMENT or name.startswith(PREFIXES)} if inherit else {}
        values.update({name: str(value) for name, value in (env or {}).items()})
        values["PATH"] = values.get("PATH", "/usr/local/bin:/usr/bin:/bin") + ":/usr/local/sbin:/usr/sbin:/sbin"
        values["RINGWAY_VM"] = self.kernel
        if self.scratch:
            values["RINGWAY_VM_SCRATCH"] = str(self.scratch)
        script = [f"export {name}={shlex.quote(value)}" for name, value in values.items() if name.isidentifier()]
        script += ["ulimit -c 0", f"cd {shlex.quote(str(cwd or os.getcwd()))} || exit 127", before]
        if memlock is None:
            script.append("ulimit -l unlimited")
        else:
            script.append(f"ulimit -l {int(memlock)}")
            words = ["setpriv", "--bounding-set=-ipc_lock", "--", *words]
        script.append("exec " + " ".join(shlex.quote(word) for word in words))
        (self.ctl / f"{number}.sh").write_text("\n".join(script) + "\n")
        job = self.jobs[number] = Job(self, number, words, label or Path(words[0]).name)
        self.send(f"start {number}")
        return job

    def run(self, words, limit_s=60, **options):
        """Starts a program and waits for it; a late one is killed (Job.late). Returns the Job."""
        job = self.start(words, **options)
        job.wait(limit_s)
        return job

    def complaints(self):
        """What the kernel has to complain about: lines of its log that tell of defects."""
        signs = ("BUG:", "WARNING:", "Oops", "Call Trace", "general protection", "refcount_t:", "soft lockup", "rcu_sched", "blocked for more than")
        return [line for line in self.console().splitlines() if any(sign in line for sign in signs)]

    def console(self):
        """The console's text so far."""
        path = self.folder / "console.log"
        return path.read_text(errors="replace") if path.exists() else ""

    # ------------------------------------------------------------------ the process

    def start_qemu(self, memory_mib, cpus):
        words, env = self.bundle.qemu()
        kernel = self.bundle.kernel(self.kernel)
        words += ["-M", "q35", "-accel", "tcg,thread=multi",
                  "-cpu", "max,-erms",  # erms is slow under emulation
                  "-smp", str(cpus), "-m", str(memory_mib), "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-net", "none",
                  "-kernel", str(kernel / "vmlinux"), "-initrd", str(self.folder / "initramfs"),
                  "-append", f"console=ttyS0 quiet loglevel=5 panic=-1 tsc=reliable rdinit=/init {QUICKER}",
                  "-serial", f"file:{comma(self.folder / 'console.log')}", "-device", "isa-debug-exit,iobase=0xf4,iosize=0x01",
                  "-device", "virtio-serial-pci", "-chardev", "stdio,id=channel,signal=off", "-device", "virtserialport,chardev=channel,name=ringway",
                  "-device", "virtio-rng-pci"]
        shares = [("host", Path("/"), True), ("layers", self.bundle.folder, True), ("ctl", self.ctl, False)]
        if self.scratch:
            shares.append(("scratch", self.scratch, False))
        for tag, path, read_only in shares:
            words += ["-fsdev", f"local,id={tag},path={comma(path)},security_model=none,multidevs=remap" + (",readonly=on" if read_only else ""),
                      "-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]
        with open(self.folder / "qemu.log", "w") as log:
            self.process = subprocess.Popen(words, env={**os.environ, **env}, cwd=self.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                                            start_new_session=True, preexec_fn=die_with_parent)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.started_at = time.monotonic()

    def boot(self, limit_s):
        deadline = self.started_at + limit_s
        while self.ready is None:
            if time.monotonic() > deadline:
                self.kill()
                raise Died(f"the virtual machine did not boot in {limit_s} s{self.last_words()}")
            self.listen(1.0)
            if self.failed:
                raise Died(f"in the virtual machine: {self.failed}")
        self.boot_s = time.monotonic() - self.started_at

    def send(self, line):
        try:
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()
        except (OSError, ValueError):
            raise Died(f"the virtual machine has ended{self.last_words()}") from None

    def listen(self, limit_s):
        """Takes what the agent says, for up to `limit_s` seconds if there is nothing yet."""
        if self.process is None:
            raise Died("the virtual machine is not running")
        readable, _, _ = select.select([self.process.stdout], [], [], max(0.0, limit_s))
        if not readable:
            return
        data = self.process.stdout.read()
        if data == b"":  # QEMU ended
            if not self.halting:
                code = self.process.wait()
                self.process_ended(code)
            return
        self.buffer += data or b""
        *lines, self.buffer = self.buffer.split(b"\n")
        for line in lines:
            self.hear(line.decode(errors="replace").split())

    halting = False

    def hear(self, words):
        match words:
            case ["ready", uptime, release]:
                self.ready = (float(uptime), release)
            case ["failed", *why]:
                self.failed = " ".join(why)
            case ["done", number, code]:
                job = self.jobs[int(number)]
                job.code, job.seconds = int(code), time.monotonic() - job.started_at

    def process_ended(self, code):
        failed = self.ctl / "failed"
        why = f": {failed.read_text().strip()}" if failed.exists() else self.last_words()
        raise Died(f"the virtual machine ended on its own (QEMU's status {code}){why}")

    def last_words(self):
        """The end of QEMU's messages and of the console, for an error's text."""
        text = ""
        for name in ("qemu.log", "console.log"):
            path = self.folder / name
            lines = [line for line in path.read_text(errors="replace").splitlines() if line.strip()][-8:] if path.exists() else []
            text += "".join(f"\n  {name}: {line}" for line in lines)
        return text

    def halt(self, code=0, limit_s=HALT_LIMIT_S):
        """Ends the virtual machine in order; returns whether it reported `code` as it should."""
        self.send(f"halt {code}")
        self.halting = True
        try:
            ended = self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.kill()
            return False
        status = self.ctl / "status"
        return ended == 33 + 2 * min(code, 46) and status.exists() and status.read_text().strip() == str(code)

    def kill(self):
        """Ends QEMU at once."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def close(self):
        """Ends it, in order if it can."""
        if self.process:
            with contextlib.suppress(VmError):
                if self.process.poll() is None and self.ready and not self.halting:
                    self.halt()
            self.kill()
            self.process.stdin.close()
            self.process.stdout.close()
        self.process = None
        if self.temporary:
            shutil.rmtree(self.temporary, ignore_errors=True)
            self.temporary = None
        (self.folder / "initramfs").unlink(missing_ok=True)


def comma(path):
    """A path in an option of QEMU."""
    return str(path).replace(",", ",,")


def die_with_parent():
    """In the child: ends with the process that started it, however that ends."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def initramfs(path, held, kernel, groups):
    """Writes the first root: busybox, the init scripts and the modules, as an uncompressed archive (there is nothing slower here
    than decompression)."""
    modules = held.modules(kernel, groups)
    entries = [("dev", 0o040755, b""), ("modules", 0o040755, b""),
               ("busybox", 0o100755, (held.folder / "busybox").read_bytes()),
               ("init", 0o100755, (GUEST / "init").read_bytes()), ("agent", 0o100644, (GUEST / "agent").read_bytes()),
               ("modules/order", 0o100644, "".join(f"{module.name}\n" for module in modules).encode())]
    entries += [(f"modules/{module.name}", 0o100644, module.read_bytes()) for module in modules]
    with open(path, "wb") as out:
        for number, (name, mode, data) in enumerate([*entries, ("TRAILER!!!", 0, b"")], 1):
            header = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
            out.write(pad(b"070701" + b"".join(b"%08x" % field for field in header) + name.encode() + b"\0"))
            out.write(pad(data))


def pad(data):
    return data + bytes(-len(data) % 4)
