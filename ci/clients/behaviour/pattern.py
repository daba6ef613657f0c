"""Copies a known pattern to the device, has it changed there, brings it back, several times; by ctypes, no package is needed.

    pattern.py MIB [ROUNDS [SECONDS]]    copies of MIB, ROUNDS times, with SECONDS between"""

import ctypes
import sys
import time

PATTERN = b"RINGWAY-KNOWN-PLAINTEXT-PATTERN!"  # 32 bytes; the tests look for it on the wire


def check(code, what):
    if code != 0:
        print(f"CUDA error {code} in {what}", flush=True)
        sys.exit(17)


def main():
    mib, rounds, pause = int(sys.argv[1]), int((sys.argv[2:] or ["1"])[0]), float((sys.argv[3:] or ["0"])[0])
    cuda = ctypes.CDLL("libcuda.so.1")
    check(cuda.cuInit(0), "cuInit")
    device, context, pointer = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_uint64()
    check(cuda.cuDeviceGet(ctypes.byref(device), 0), "cuDeviceGet")
    check(cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), device), "cuDevicePrimaryCtxRetain")
    check(cuda.cuCtxSetCurrent(context), "cuCtxSetCurrent")
    size = mib << 20
    check(cuda.cuMemAlloc_v2(ctypes.byref(pointer), ctypes.c_size_t(size)), "cuMemAlloc")
    sent = PATTERN * (size // len(PATTERN))
    back = ctypes.create_string_buffer(size)
    for number in range(rounds):
        check(cuda.cuMemcpyHtoD_v2(pointer, sent, ctypes.c_size_t(size)), "cuMemcpyHtoD")
        check(cuda.cuMemsetD8_v2(pointer, ctypes.c_ubyte(number % 256), ctypes.c_size_t(16)), "cuMemsetD8")
        check(cuda.cuMemcpyDtoH_v2(back, pointer, ctypes.c_size_t(size)), "cuMemcpyDtoH")
        if back.raw != bytes([number % 256]) * 16 + sent[16:]:
            print("what came back is not what was sent", flush=True)
            sys.exit(18)
        print(f"round {number}", flush=True)
        time.sleep(pause)
    check(cuda.cuMemFree_v2(pointer), "cuMemFree")
    print("all equal", flush=True)


main()
