"""Uses the GPU or does not, while its lease ends after some time without use.

usage: unused.py quiet SECONDS     one launch, then nothing for SECONDS, then a call, whose result is printed
       unused.py calls SECONDS     a short call now and then for SECONDS; then as above
       unused.py kernel TURNS      one kernel that takes long; what it took is printed, then as above
"""

import json
import sys
import time
from ctypes import byref, c_uint, c_uint64, c_void_p
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from driver import AFFINE, Device, call, launch, result_of  # noqa: E402

SPIN = """
.version 7.0
.target sm_70
.address_size 64
.visible .entry spin(.param .u64 word, .param .u32 turns) {
    .reg .u64 %rd<2>; .reg .u32 %r<4>; .reg .pred %p<2>;
    ld.param.u64 %rd1, [word];
    ld.param.u32 %r1, [turns];
    mov.u32 %r2, 1;
loop:
    mad.lo.u32 %r2, %r2, 1664525, 1013904223;
    sub.u32 %r1, %r1, 1;
    setp.ne.u32 %p1, %r1, 0;
    @%p1 bra loop;
    st.global.u32 [%rd1], %r2;
    ret;
}
"""


def main():
    how, much = sys.argv[1], float(sys.argv[2])
    device = Device()
    word = device.upload(np.array([7], np.uint32))
    started = time.monotonic()
    if how == "kernel":
        spin = device.function(device.module(SPIN), "spin")
        launch(spin, 1, 1, [c_uint64(word), c_uint(int(much))])
        print("launched", flush=True)
        result = result_of("cuCtxSynchronize")
    else:
        affine = device.function(device.module(AFFINE), "affine")
        launch(affine, 1, 1, [c_uint64(word), c_uint(3), c_uint(1)])
        call("cuCtxSynchronize")
        print("launched", flush=True)
        while how == "calls" and time.monotonic() - started < much:
            time.sleep(0.2)
            call("cuMemsetD32Async", word, 22, 1, None)
        if how == "quiet":
            time.sleep(much)
        result = result_of("cuCtxSynchronize")
    allocated = c_void_p()
    print(json.dumps({"result": result, "next": result_of("cuMemAlloc_v2", byref(allocated), 4096), "took": time.monotonic() - started}))


main()
