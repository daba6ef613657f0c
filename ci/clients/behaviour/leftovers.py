"""Memory of every kind, filled and left behind by one program, and looked at by another: it must read as zero.

usage: leftovers.py leave|look MIB [--hold]    MIB of each kind; --hold: stay until killed, half of it freed
"""

import ctypes
import struct
import sys
import time
from ctypes import byref, c_int, c_int64, c_size_t, c_ubyte, c_uint64, c_void_p
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from checks import Checks  # noqa: E402
from driver import CudaError, Device  # noqa: E402

PATTERN = 0xA5
UINT32 = 3  # CU_AD_FORMAT_UNSIGNED_INT32

library = ctypes.CDLL("libcuda.so.1")


def call(name, *arguments):
    function = getattr(library, name)
    function.restype = c_int
    code = function(*[c_uint64(a) if isinstance(a, int) else a for a in arguments])
    if code != 0:
        raise CudaError(name, code)


def out(kind, name, *arguments):
    """Calls a function and returns what it writes through its first parameter."""
    value = kind()
    call(name, byref(value), *arguments)
    return value.value


class Linear:
    """Device memory at an address; a subclass says where from."""

    def __init__(self, device, size):
        self.device, self.size = device, size
        self.address = self.make()

    def read(self):
        return self.device.download(self.address, self.size, np.uint8)

    def fill(self):
        call("cuMemsetD8_v2", self.address, PATTERN, self.size)


class Plain(Linear):
    def make(self):
        return self.device.alloc(self.size)

    def free(self):
        self.device.free(self.address)


class Pitched(Linear):
    def make(self):
        address, pitch = c_uint64(), c_size_t()
        rows = self.size >> 10
        call("cuMemAllocPitch_v2", byref(address), byref(pitch), 1000, rows, 4)
        self.size = pitch.value * rows  # with what lies between the rows
        return address.value

    def free(self):
        self.device.free(self.address)


class Ordered(Linear):
    def make(self):
        self.stream = self.device.stream()
        address = out(c_uint64, "cuMemAllocAsync", self.size, self.stream)
        call("cuStreamSynchronize", self.stream)
        return address

    def free(self):
        call("cuMemFreeAsync", self.address, self.stream)
        call("cuStreamSynchronize", self.stream)


class Mapped(Linear):
    def make(self):
        properties = (c_ubyte * 32).from_buffer(bytearray(struct.pack("<IIii16x", 1, 0, 1, 0)))
        grain = out(c_size_t, "cuMemGetAllocationGranularity", properties, 0)
        self.size = (self.size + grain - 1) // grain * grain
        address = out(c_uint64, "cuMemAddressReserve", self.size, 0, 0, 0)
        self.part = out(c_uint64, "cuMemCreate", self.size, properties, 0)
        call("cuMemMap", address, self.size, 0, self.part, 0)
        call("cuMemSetAccess", address, self.size, struct.pack("<iiI", 1, 0, 3), 1)
        return address

    def free(self):
        call("cuMemUnmap", self.address, self.size)
        call("cuMemRelease", self.part)
        call("cuMemAddressFree", self.address, self.size)


class Array:
    """A line of words; host memory goes there and comes from there."""

    WORDS = 16 << 10

    def __init__(self, device, size):
        count = size // (4 * self.WORDS)
        self.handles = [out(c_uint64, "cuArrayCreate_v2", struct.pack("<QQII", self.WORDS, 0, UINT32, 1)) for _ in range(count)]

    def read(self):
        got = np.empty((len(self.handles), 4 * self.WORDS), np.uint8)
        for row, handle in zip(got, self.handles):
            call("cuMemcpyAtoH_v2", c_void_p(row.ctypes.data), handle, 0, row.nbytes)
        return got

    def fill(self):
        data = np.full(4 * self.WORDS, PATTERN, np.uint8)
        for handle in self.handles:
            call("cuMemcpyHtoA_v2", handle, 0, c_void_p(data.ctypes.data), data.nbytes)

    def free(self):
        for handle in self.handles:
            call("cuArrayDestroy", handle)


class Pinned:
    """Host memory; on the server's host it is the worker's too."""

    def __init__(self, device, size):
        self.device, self.memory = device, device.pinned(size)

    def read(self):
        return self.memory.copy()

    def fill(self):
        self.memory[:] = PATTERN

    def free(self):
        self.device.free_pinned(self.memory)


def main():
    what, size = sys.argv[1], int(sys.argv[2]) << 20
    checks = Checks(f"leftovers, {what}")
    device = Device()
    kept = []
    for kind in (Plain, Pitched, Ordered, Mapped, Array, Pinned):
        for number in range(2):
            memory = kind(device, size // 2)
            kept.append(memory)
            checks.true(f"{kind.__name__} {number} is zero", not memory.read().any(), f"{np.count_nonzero(memory.read())} bytes are not")
            memory.fill()
            checks.true(f"{kind.__name__} {number} is filled", (memory.read() == PATTERN).all())
    if what == "leave":
        for memory in kept[::2]:
            memory.free()
        if "--hold" in sys.argv:
            print("left", flush=True)
            time.sleep(600)
    checks.finish()


main()
