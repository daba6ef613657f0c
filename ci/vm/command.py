"""The command line of `ci/vm/run`."""

import argparse
import os
import signal
import sys
import time
from pathlib import Path

from .fetch import KERNELS, VmError, bundle, cache_folder
from .machine import NETS, Machine

LATE, NO_MACHINE = 124, 125

EPILOG = f"""
The command sees this machine's folders at the same paths, read-only; what it writes is lost with the virtual machine, except in
the scratch folder (RINGWAY_VM_SCRATCH tells its name inside). It gets PATH, HOME, and the variables RINGWAY_* and RUST_*.

devices: rxelo over lo; rxe0 (10.99.0.1) and rxe1 (10.99.0.2) over the ends of a veth pair; their IPv4 GID has index 1.
exit codes: the command's; 128 + N after signal N; {LATE} when it was late; {NO_MACHINE} when the virtual machine failed.
RINGWAY_VM_CACHE names the folder that keeps what is fetched (now {cache_folder()}).
"""


class Follow:
    """Copies a growing file to a stream."""

    def __init__(self, path, stream):
        self.path, self.stream, self.at = path, stream, 0

    def copy(self):
        if not self.path.exists():
            return
        with open(self.path, "rb") as file:
            file.seek(self.at)
            while data := file.read(1 << 20):
                self.at += len(data)
                self.stream.buffer.write(data)
        self.stream.flush()


def arguments_of(words):
    parser = argparse.ArgumentParser(prog="ci/vm/run", description="Runs a command in a virtual machine with RDMA devices in software.",
                                     epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernel", default="6.1", choices=list(KERNELS), help="6.12 behaves like hardware where 6.1 is lenient (default 6.1)")
    parser.add_argument("--net", default=",".join(NETS), metavar="lo,veth|none", help="the devices to make (default lo,veth)")
    parser.add_argument("--netem", default="", metavar="WORDS", help="what happens to packets on the veth pair, as for tc-netem: 'delay 1ms loss 0.5%%'")
    parser.add_argument("--no-rdma-core", action="store_true", help="without libibverbs and librdmacm")
    parser.add_argument("--no-kernel-rdma", action="store_true", help="with a kernel that knows nothing of RDMA")
    parser.add_argument("--memlock", type=int, metavar="KIB", help="limit of locked memory, for root too")
    parser.add_argument("--timeout", type=float, default=300, metavar="S", help="for the command, without the boot (default 300)")
    parser.add_argument("--scratch", metavar="FOLDER", help="a folder of this machine that the command may write to; made if it is missing")
    parser.add_argument("--env", action="append", default=[], metavar="NAME[=VALUE]", help="set a variable, or pass one on")
    parser.add_argument("--cwd", metavar="FOLDER", help="working folder (default: the same as here)")
    parser.add_argument("--memory", type=int, default=2048, metavar="MIB", help="memory of the virtual machine (default 2048)")
    parser.add_argument("--cpus", type=int, default=2, help="its processors (default 2)")
    parser.add_argument("--console", action="store_true", help="print the kernel's console afterwards")
    parser.add_argument("--fetch", action="store_true", help="only get what the virtual machine consists of, in its newest versions")
    parser.add_argument("-v", "--verbose", action="store_true", help="say what boot and command took")
    parser.add_argument("command", nargs="*", metavar="COMMAND", help="command and arguments, behind --")
    arguments = parser.parse_args(words)
    if not arguments.command and not arguments.fetch:
        parser.error("no command; write it behind --")
    return arguments


def environment(items):
    pairs = (item.partition("=") for item in items)
    return {name: value if given else os.environ.get(name, "") for name, given, value in pairs}


def main(words=None):
    arguments = arguments_of(sys.argv[1:] if words is None else words)
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # so that the virtual machine's folder is removed
    machine = None
    try:
        if arguments.fetch:
            held = bundle(update=True)
            print(held.folder)
            return 0
        if arguments.scratch:
            Path(arguments.scratch).mkdir(parents=True, exist_ok=True)
        net = tuple(name for name in arguments.net.split(",") if name not in ("", "none"))
        machine = Machine(kernel=arguments.kernel, net=net, netem=arguments.netem, rdma_core=not arguments.no_rdma_core,
                          kernel_rdma=not arguments.no_kernel_rdma, scratch=arguments.scratch, memory_mib=arguments.memory, cpus=arguments.cpus)
        if arguments.verbose:
            print(f"ci/vm/run: Linux {machine.ready[1]}, booted in {machine.boot_s:.1f} s", file=sys.stderr)
        job = machine.start(arguments.command, env=environment(arguments.env), cwd=arguments.cwd, memlock=arguments.memlock)
        files = [Follow(job.out_path, sys.stdout), Follow(job.err_path, sys.stderr)]
        deadline = time.monotonic() + arguments.timeout
        while job.code is None and time.monotonic() < deadline:
            machine.listen(0.1)
            for file in files:
                file.copy()
        late = job.code is None
        if late:
            job.stop()
        for file in files:
            file.copy()
        if late:
            print(f"ci/vm/run: {job.label} did not end in {arguments.timeout:g} s", file=sys.stderr)
        elif arguments.verbose:
            print(f"ci/vm/run: {job.label} ended with {job.code} after {job.seconds:.1f} s", file=sys.stderr)
        machine.halt(0)
        for line in machine.complaints():
            print(f"ci/vm/run: the kernel: {line}", file=sys.stderr)
        return LATE if late else job.code
    except VmError as error:
        print(f"ci/vm/run: {error}", file=sys.stderr)
        return NO_MACHINE
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    finally:
        if machine:
            if arguments.console:
                print(machine.console(), file=sys.stderr)
            machine.close()
