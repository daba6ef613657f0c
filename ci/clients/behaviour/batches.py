"""Copies with attributes, and batches of them: to the device, within it, to pinned and to other host memory; what is wrong with one entry is
said of that entry, before anything is copied."""

import ctypes
import sys
from ctypes import byref, c_size_t, c_uint64
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from checks import Checks  # noqa: E402
from driver import INVALID_VALUE, Device, call, result_of  # noqa: E402

NOBODY = c_size_t(-1).value


class Attributes(ctypes.Structure):
    """CUmemcpyAttributes"""

    _fields_ = [("order", ctypes.c_uint), ("source", ctypes.c_uint * 2), ("destination", ctypes.c_uint * 2), ("flags", ctypes.c_uint)]


def words(values):
    return (c_uint64 * len(values))(*values)


def main():
    c = Checks("copies in batches")
    device = Device()
    stream = device.stream()
    random = np.random.RandomState(5)
    sizes = [1, 4096, 300_000, 17, 1 << 20]
    sources = [random.randint(0, 256, size).astype(np.uint8) for size in sizes]
    first, second = ([device.alloc(size) for size in sizes] for _ in range(2))
    pinned, plain = [device.pinned(size) for size in sizes], [np.zeros(size, np.uint8) for size in sizes]
    for array in pinned:
        array[:] = 0
    at = lambda arrays: [array.ctypes.data for array in arrays]  # noqa: E731
    orders = (Attributes * 3)(Attributes(order=2), Attributes(order=1, flags=1), Attributes(order=3))
    # What an earlier copy of the stream writes can only be read in the stream's order.
    in_order = (Attributes * 3)(*[Attributes(order=1, flags=flag) for flag in (0, 1, 0)])
    starts = words([0, 1, 3])
    failed = c_size_t(77)

    def batch(to, source, lengths=sizes, attributes=in_order, begin=starts, on=stream, version=1):
        count, kinds = len(lengths), len(attributes)
        arguments = [words(to), words(source), words(lengths), count, attributes, begin, kinds]
        if version == 1:
            return result_of("cuMemcpyBatchAsync", *arguments, byref(failed), on)
        return result_of("cuMemcpyBatchAsync_v2", *arguments, on)

    c.equal("to the device", batch(first, at(sources), attributes=orders), 0)
    c.equal("within the device", batch(second, first, version=2), 0)
    c.equal("to pinned memory", batch(at(pinned), second), 0)
    c.equal("to other memory", batch(at(plain), second, version=2), 0)
    call("cuStreamSynchronize", stream)
    for k, source in enumerate(sources):
        c.equal(f"pinned, {sizes[k]} bytes", pinned[k].copy(), source)
        c.equal(f"other, {sizes[k]} bytes", plain[k], source)
    c.equal("nobody was blamed", failed.value, 77)

    one = Attributes(order=1)
    call("cuMemcpyWithAttributesAsync", first[4], second[2], 300_000, byref(one), stream)
    call("cuMemcpyWithAttributesAsync", plain[4].ctypes.data, first[4], 1 << 20, byref(one), stream)
    call("cuStreamSynchronize", stream)
    c.equal("one copy with attributes", plain[4], np.concatenate([sources[2], sources[4][300_000:]]))
    one.order = 0
    c.equal("no order", result_of("cuMemcpyWithAttributesAsync", first[4], second[4], 1, byref(one), stream), INVALID_VALUE)

    # Refused as a whole: nothing is copied.
    call("cuMemsetD8_v2", second[0], 9, 1)
    wrong = list(sizes)
    wrong[3] = 1 << 30  # beyond its allocation
    c.equal("an entry too long", (batch(second, first, wrong), failed.value), (INVALID_VALUE, 3))
    c.equal("nothing was copied", device.download(second[0], 1, np.uint8), np.array([9], np.uint8))
    failed.value = 77
    c.equal("no entries", (batch([], [], []), failed.value), (INVALID_VALUE, NOBODY))
    c.equal("the legacy stream", (batch(second, first, on=None), failed.value), (INVALID_VALUE, NOBODY))
    c.equal("attributes that do not begin with the first", (batch(second, first, begin=words([1, 2, 3])), failed.value), (INVALID_VALUE, NOBODY))
    c.equal("attributes that do not rise", (batch(second, first, begin=words([0, 3, 3])), failed.value), (INVALID_VALUE, NOBODY))
    c.equal("attributes beyond the last", (batch(second, first, begin=words([0, 3, 5])), failed.value), (INVALID_VALUE, NOBODY))
    for address in first + second:
        device.free(address)
    for array in pinned:
        device.free_pinned(array)
    c.finish()


if __name__ == "__main__":
    main()
