"""A user's program of the test bed (ci/testbed): looks at its devices, computes on each for some time, and checks every number.

    visitor.py JSON    an object: `devices` and `mib` (of each) that it must find; `seconds` to compute; `processes` to be; `idle` seconds in
                       which no call is made; `excess`: asks for more memory than it has; `fault`: its last kernel writes where nothing is;
                       `end`: a number to exit with, or a signal's to die by

By ctypes, no package is needed. Exit code 17: a call failed; 18: a number is wrong.
"""

import array
import ctypes
import json
import os
import random
import signal
import subprocess
import sys
import time

# A shell that starts the tests in the background has them, and so this program, ignore it.
signal.signal(signal.SIGINT, signal.SIG_DFL)
WORDS = 512
MASK = 0xFFFFFFFF
OUT_OF_MEMORY = 2

PTX = b""".version 7.0
.target sm_75
.address_size 64
.visible .entry affine(.param .u64 words, .param .u32 factor, .param .u32 term)
{
    .reg .u64 %rd<4>;
    .reg .u32 %r<8>;
    ld.param.u64 %rd1, [words];
    ld.param.u32 %r1, [factor];
    ld.param.u32 %r2, [term];
    mov.u32 %r3, %ctaid.x;
    mov.u32 %r4, %ntid.x;
    mov.u32 %r5, %tid.x;
    mad.lo.u32 %r6, %r3, %r4, %r5;
    mul.wide.u32 %rd2, %r6, 4;
    add.u64 %rd3, %rd1, %rd2;
    ld.global.u32 %r7, [%rd3];
    mad.lo.u32 %r7, %r7, %r1, %r2;
    st.global.u32 [%rd3], %r7;
    ret;
}
"""

cuda = ctypes.CDLL("libcuda.so.1")


def call(name, *arguments):
    code = getattr(cuda, name)(*arguments)
    if code != 0:
        print(f"CUDA error {code} in {name}", flush=True)
        sys.exit(17)


def pointer_to(words):
    return ctypes.c_void_p(words.buffer_info()[0])


def wrong(what):
    print(f"wrong: {what}", flush=True)
    sys.exit(18)


class Device:
    """A device, some words on it, and what they must be."""

    def __init__(self, ordinal, chance):
        self.chance = chance
        self.ordinal, self.context, self.module, self.kernel = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
        self.stream, self.memory, total = ctypes.c_void_p(), ctypes.c_uint64(), ctypes.c_size_t()
        call("cuDeviceGet", ctypes.byref(self.ordinal), ordinal)
        call("cuDeviceTotalMem_v2", ctypes.byref(total), self.ordinal)
        self.total = total.value
        call("cuDevicePrimaryCtxRetain", ctypes.byref(self.context), self.ordinal)
        self.use()
        call("cuModuleLoadData", ctypes.byref(self.module), PTX)
        call("cuModuleGetFunction", ctypes.byref(self.kernel), self.module, b"affine")
        call("cuStreamCreate", ctypes.byref(self.stream), 1)
        call("cuMemAlloc_v2", ctypes.byref(self.memory), ctypes.c_size_t(4 * WORDS))
        self.words = array.array("I", (chance.getrandbits(32) for _ in range(WORDS)))
        call("cuMemcpyHtoD_v2", self.memory, pointer_to(self.words), ctypes.c_size_t(4 * WORDS))

    def use(self):
        call("cuCtxSetCurrent", self.context)

    def launch(self, address, factor, term):
        values = [ctypes.c_uint64(address), ctypes.c_uint32(factor), ctypes.c_uint32(term)]
        pointers = (ctypes.c_void_p * 3)(*(ctypes.addressof(value) for value in values))
        call("cuLaunchKernel", self.kernel, WORDS // 128, 1, 1, 128, 1, 1, 0, self.stream, pointers, None)

    def step(self):
        """Some kernels in a stream, and then what they made of the words."""
        self.use()
        for _ in range(self.chance.randrange(1, 4)):
            factor, term = self.chance.getrandbits(32) | 1, self.chance.getrandbits(32)
            self.launch(self.memory.value, factor, term)
            self.words = array.array("I", ((word * factor + term) & MASK for word in self.words))
        back = array.array("I", bytes(4 * WORDS))
        call("cuMemcpyDtoHAsync_v2", pointer_to(back), self.memory, ctypes.c_size_t(4 * WORDS), self.stream)
        call("cuStreamSynchronize", self.stream)
        if back != self.words:
            wrong(f"what device {self.ordinal.value} computed")

    def exceed(self):
        """What is more than the slice has is refused, and nothing is lost by asking."""
        self.use()
        address = ctypes.c_uint64()
        code = cuda.cuMemAlloc_v2(ctypes.byref(address), ctypes.c_size_t(self.total + (1 << 20)))
        if code not in (OUT_OF_MEMORY, 0):
            print(f"CUDA error {code} in cuMemAlloc_v2, of more than there is", flush=True)
            sys.exit(17)
        if code == 0:
            wrong("more memory than the slice has was given out")
        half = ctypes.c_size_t(self.total // 2)
        call("cuMemAlloc_v2", ctypes.byref(address), half)
        call("cuMemFree_v2", address)


def alone(spec):
    chance = random.Random(spec.get("seed", 0) + os.getpid())
    call("cuInit", 0)
    count = ctypes.c_int()
    call("cuDeviceGetCount", ctypes.byref(count))
    if count.value != spec["devices"]:
        wrong(f"there are {count.value} devices, not {spec['devices']}")
    devices = [Device(ordinal, chance) for ordinal in range(count.value)]
    for device in devices:
        if device.total != spec["mib"] << 20:
            wrong(f"device {device.ordinal.value} has {device.total} bytes, not {spec['mib']} MiB")
    print("running", flush=True)
    if spec.get("excess"):
        devices[0].exceed()
    over, steps = time.monotonic() + spec.get("seconds", 0), 0
    while True:
        for device in devices:
            device.step()
        steps += 1
        if time.monotonic() >= over:
            break
        time.sleep(chance.uniform(0.01, 0.06))
    if spec.get("idle"):
        print("idle", flush=True)
        time.sleep(spec["idle"])
        devices[0].step()
        print("awake", flush=True)
    if spec.get("fault"):
        devices[-1].use()
        devices[-1].launch(16, 1, 1)
        call("cuStreamSynchronize", devices[-1].stream)
        wrong("a kernel that wrote where nothing is was not noticed")
    for device in devices:
        device.use()
        call("cuMemFree_v2", device.memory)
    print(f"all equal: {steps} steps on {len(devices)} devices", flush=True)
    end = spec.get("end", 0)
    if end < 0:
        os.kill(os.getpid(), -end)
    sys.exit(end)


def main():
    spec = json.loads(sys.argv[1])
    processes = spec.get("processes", 1)
    if processes == 1:
        alone(spec)
    one = json.dumps({**spec, "processes": 1})
    children = [subprocess.Popen([sys.executable, __file__, one]) for _ in range(processes - 1)]
    try:
        alone(spec)
    except SystemExit as end:
        codes = [child.wait() for child in children] + [end.code or 0]
        sys.exit(max(codes, key=abs) & 0xFF)


main()
