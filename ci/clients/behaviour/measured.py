"""Does things of known size, so that what is shown of a lease can be compared.

usage: measured.py UP_MIB DOWN_MIB SYNCHRONISATIONS

Allocates 32 MiB; copies so much to the device and back, in pieces of 1 MiB; synchronises so often after an event. Prints "copied", computes
until it reads a line, prints "rests", and ends when it has read another.
"""

import sys
import threading
from ctypes import c_uint, c_uint64
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from driver import Device, call, launch  # noqa: E402

MIB = 1 << 20
SPIN = """
.version 7.0
.target sm_70
.address_size 64
.visible .entry spin(.param .u64 words, .param .u32 turns) {
    .reg .u64 %rd<2>; .reg .u32 %r<3>; .reg .pred %p<2>;
    ld.param.u64 %rd1, [words];
    ld.param.u32 %r1, [turns];
loop:
    sub.u32 %r1, %r1, 1;
    setp.ne.u32 %p1, %r1, 0;
    @%p1 bra loop;
    st.global.u32 [%rd1], %r1;
    ret;
}
"""


def main():
    up, down, synchronisations = map(int, sys.argv[1:4])
    device = Device()
    spin = device.function(device.module(SPIN), "spin")
    memory = device.alloc(32 * MIB)
    piece = np.arange(MIB // 8, dtype=np.uint64)
    for index in range(up):
        call("cuMemcpyHtoD_v2", c_uint64(memory + index % 32 * MIB), piece.ctypes.data, MIB)
    for index in range(down):
        found = device.download(memory + index % min(up, 32) * MIB, MIB // 8, np.uint64)
        assert (found == piece).all()
    for _ in range(synchronisations):
        launch(spin, 1, 1, [c_uint64(memory), c_uint(1)])
        device.synchronize()
    print("copied", flush=True)
    over = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.readline(), over.set()), daemon=True).start()
    while not over.is_set():
        for _ in range(4):
            launch(spin, 8, 1, [c_uint64(memory), c_uint(20_000)])
        device.synchronize()
    print("rests", flush=True)
    sys.stdin.readline()


main()
