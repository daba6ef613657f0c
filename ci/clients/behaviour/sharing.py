"""Launches a kernel again and again, and says how far it was when.

usage: sharing.py TURNS EACH UNTIL

A kernel makes TURNS turns of a loop in each of 64 blocks. The program launches EACH of them at a time, and keeps eight such batches
under way; or, with EACH = 0, waits for every single one. It ends at UNTIL of the monotonic clock. Prints "ready" when it runs, at the
end as JSON what was done by when. What the kernels computed is checked.
"""

import json
import sys
import time
from ctypes import byref, c_uint, c_uint64, c_void_p
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from driver import NOT_READY, Device, call, launch, result_of  # noqa: E402

BLOCKS = 64
BATCHES = 8
STEP_S = 0.02  # between two entries of what is told at the end
# Each block adds one to its word, after a loop that no compiler folds.
SPIN = """
.version 7.0
.target sm_70
.address_size 64
.visible .entry spin(.param .u64 words, .param .u32 turns) {
    .reg .u64 %rd<4>; .reg .u32 %r<6>; .reg .pred %p<3>;
    ld.param.u64 %rd1, [words];
    ld.param.u32 %r1, [turns];
    mov.u32 %r2, %ctaid.x;
    mul.wide.u32 %rd2, %r2, 8;
    add.u64 %rd3, %rd1, %rd2;
    mov.u32 %r3, 1;
loop:
    mad.lo.u32 %r3, %r3, 1664525, 1013904223;
    sub.u32 %r1, %r1, 1;
    setp.ne.u32 %p1, %r1, 0;
    @%p1 bra loop;
    ld.global.u32 %r4, [%rd3];
    add.u32 %r4, %r4, 1;
    st.global.u32 [%rd3], %r4;
    st.global.u32 [%rd3+4], %r3;
    ret;
}
"""


def looped(turns):
    """What the loop comes to."""
    x = 1
    for _ in range(turns):
        x = (x * 1664525 + 1013904223) & 0xffffffff
    return x


def main():
    turns, each, until = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    device = Device()
    spin = device.function(device.module(SPIN), "spin")
    words = device.upload(np.zeros(2 * BLOCKS, np.uint32))
    batches = [c_void_p() for _ in range(BATCHES)]
    for batch in batches:
        call("cuEventCreate", byref(batch), 0)
    launched, done, number, story = 0, 0, 0, []
    while time.monotonic() < until:
        for _ in range(max(each, 1)):
            launch(spin, BLOCKS, 1, [c_uint64(words), c_uint(turns)])
        launched += max(each, 1)
        number += 1
        if each == 0:
            call("cuCtxSynchronize")
            done = launched
        else:
            call("cuEventRecord", batches[number % BATCHES], None)
            if number >= BATCHES:
                # Asked, not waited for: a wait is a call behind all launches before it.
                while (code := result_of("cuEventQuery", batches[(number + 1) % BATCHES])) == NOT_READY:
                    time.sleep(0.001)
                assert code == 0, f"CUDA error {code}"
                done += each
        if number == BATCHES:
            print("ready", flush=True)
        now = time.monotonic()
        if not story or now - story[-1][0] > STEP_S:
            story.append((now, done))
    found = device.download(words, 2 * BLOCKS, np.uint32).reshape(BLOCKS, 2)
    assert (found[:, 0] == launched).all(), f"{launched} launches, and the blocks counted {set(found[:, 0])}"
    assert (found[:, 1] == looped(turns)).all(), "a kernel computed something else"
    print(json.dumps({"turns": turns, "story": story}))


main()
