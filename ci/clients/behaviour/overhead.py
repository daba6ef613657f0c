"""What the driver takes of a slice beside allocations: modules' variables, the heap of kernels, and what a pool keeps.

usage: overhead.py SLICE_MIB [child|passes]

Needs a GPU of its own or a slice of that many MiB, at least 64. Prints as JSON what was free when, in bytes. With `child` it loads a module of
a quarter of the slice, prints "loaded" and waits for a line; with `passes` it uses a library whose variables are twice as large as the slice, and prints what
a call gives when that was found out.
"""

import json
import sys
import time
from ctypes import byref, c_char_p, c_uint64, c_void_p
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from driver import Device, call, launch, result_of  # noqa: E402

MIB = 1 << 20
OUT_OF_MEMORY = 2


def module_text(mib):
    return f"""
.version 7.0
.target sm_70
.address_size 64
.global .align 256 .b8 variable[{mib * MIB}];
.visible .entry last(.param .u64 to) {{
    .reg .u64 %rd<4>;
    ld.param.u64 %rd1, [to];
    mov.u64 %rd2, variable;
    add.u64 %rd2, %rd2, {mib * MIB - 8};
    st.global.u64 [%rd2], 77;
    ld.global.u64 %rd3, [%rd2];
    st.global.u64 [%rd1], %rd3;
    ret;
}}
"""


HEAP = """
.version 7.0
.target sm_70
.address_size 64
.extern .func (.param .b64 result) malloc (.param .b64 bytes);
.visible .entry asks(.param .u64 to) {
    .reg .u64 %rd<4>;
    ld.param.u64 %rd1, [to];
    { .param .b64 bytes; .param .b64 result;
      st.param.b64 [bytes], 4096;
      call (result), malloc, (bytes);
      ld.param.b64 %rd2, [result]; }
    st.global.u64 [%rd1], %rd2;
    ret;
}
"""


def main():
    slice_mib = int(sys.argv[1])
    device = Device()
    if sys.argv[2:] == ["child"]:
        device.module(module_text(slice_mib // 4))
        print("loaded", flush=True)
        sys.stdin.readline()
        return
    if sys.argv[2:] == ["passes"]:
        library, kernel = c_void_p(), c_void_p()
        call("cuLibraryLoadData", byref(library), c_char_p(module_text(2 * slice_mib).encode()), None, None, 0, None, None, 0)
        call("cuLibraryGetKernel", byref(kernel), library, b"last")
        function = c_void_p()
        call("cuKernelGetFunction", byref(function), kernel)
        launch(function, 1, 1, [c_uint64(device.alloc(8))])
        until = time.monotonic() + 30
        while (code := result_of("cuCtxSynchronize")) == 0 and time.monotonic() < until:
            time.sleep(0.1)
        print(code, flush=True)
        return
    free = {}

    def note(what):
        free[what] = device.memory_info()[0]

    note("first")
    result = device.alloc(8)
    note("allocated")
    module = device.module(module_text(slice_mib // 2))
    note("module")
    launch(device.function(module, "last"), 1, 1, [c_uint64(result)])
    assert device.download(result, 1, "u8")[0] == 77
    # More than half of the slice is no more to be had, a quarter is.
    address = c_uint64()
    assert result_of("cuMemAlloc_v2", byref(address), slice_mib // 2 * MIB) == OUT_OF_MEMORY
    call("cuMemAlloc_v2", byref(address), slice_mib // 4 * MIB)
    note("quarter")
    # A module that does not fit is refused, and takes nothing.
    refused = c_void_p()
    assert result_of("cuModuleLoadData", byref(refused), c_char_p(module_text(slice_mib // 2).encode())) == OUT_OF_MEMORY
    note("refused")
    call("cuMemFree_v2", address)
    call("cuModuleUnload", module)
    note("unloaded")
    heap = device.module(HEAP)
    note("code")
    launch(device.function(heap, "asks"), 1, 1, [c_uint64(result)])
    assert device.download(result, 1, "u8")[0] != 0
    note("heap")
    print(json.dumps(free), flush=True)
    sys.stdin.readline()
    note("later")
    print(json.dumps(free), flush=True)


main()
