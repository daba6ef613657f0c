"""Copies of 1 byte to 64 MiB, at odd offsets, pageable and pinned, synchronous and not, arrive unchanged."""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from checks import Checks, digest  # noqa: E402
from driver import Device, call  # noqa: E402

LARGEST = 64 << 20
SIZES = [1, 2, 3, 7, 64, 255, 256, 257, 4095, 4096, 4097, 65_535, 65_536, 65_537, 1_000_003, (1 << 20) - 1, 1 << 20,
         (4 << 20) + 1, 16 << 20, LARGEST]


def main():
    c = Checks("copies")
    device = Device()
    first, second = device.alloc(LARGEST + 64), device.alloc(LARGEST + 64)
    pinned_in, pinned_out = device.pinned(LARGEST), device.pinned(LARGEST)
    stream = device.stream()
    source = np.random.RandomState(3).randint(0, 256, LARGEST, dtype=np.uint8)
    whole = digest(source)
    for number, size in enumerate(SIZES):
        offset = number % 5
        data = source[:size] ^ np.uint8(number)
        back = np.zeros(size, np.uint8)
        call("cuMemcpyHtoD_v2", first + offset, data.ctypes.data, size)
        call("cuMemcpyDtoD_v2", second + 3, first + offset, size)
        call("cuMemcpyDtoH_v2", back.ctypes.data, second + 3, size)
        c.true(f"pageable, synchronous, {size} bytes", np.array_equal(back, data))

        pinned_in[:size] = data[::-1]
        pinned_out[:size] = 0
        call("cuMemcpyHtoDAsync_v2", first + offset, pinned_in.ctypes.data, size, stream)
        call("cuMemcpyDtoDAsync_v2", second + 1, first + offset, size, stream)
        call("cuMemcpyDtoHAsync_v2", pinned_out.ctypes.data, second + 1, size, stream)
        call("cuStreamSynchronize", stream)
        c.true(f"pinned, asynchronous, {size} bytes", np.array_equal(pinned_out[:size], data[::-1]))

        back[:] = 0
        call("cuMemcpyHtoDAsync_v2", first, data.ctypes.data, size, stream)
        data_after = data.copy()
        data[:] = 0  # pageable memory may be used again when the call has returned
        call("cuMemcpyDtoHAsync_v2", back.ctypes.data, first, size, stream)
        call("cuStreamSynchronize", stream)
        c.true(f"pageable, asynchronous, {size} bytes", np.array_equal(back, data_after))
    call("cuMemsetD8_v2", first, 0x5A, LARGEST)
    filled = device.download(first, LARGEST, np.uint8)
    c.true("memset of 64 MiB", bool((filled == 0x5A).all()))
    # neighbours of a copy stay as they are
    call("cuMemcpyHtoD_v2", first + 1001, source.ctypes.data, 5000)
    around = device.download(first, 8192, np.uint8)
    c.true("bytes around a copy", bool((around[:1001] == 0x5A).all() and (around[6001:] == 0x5A).all()))
    c.true("the source is untouched", digest(source) == whole)
    device.free_pinned(pinned_in)
    device.free_pinned(pinned_out)
    c.finish()


if __name__ == "__main__":
    main()
