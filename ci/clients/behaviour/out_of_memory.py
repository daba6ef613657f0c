"""Running out of device memory gives CUDA_ERROR_OUT_OF_MEMORY, takes nothing, and the program goes on."""

import sys
from ctypes import byref, c_uint, c_uint64
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from checks import Checks  # noqa: E402
from driver import AFFINE, OUT_OF_MEMORY, Device, launch, result_of  # noqa: E402


def main():
    c = Checks("out of memory")
    device = Device()
    free, total = device.memory_info()
    c.true("memory information", 0 < free <= total == device.total_memory, f"{free} {total} {device.total_memory}")
    address = c_uint64()
    c.equal("more than there is", result_of("cuMemAlloc_v2", byref(address), total + 1), OUT_OF_MEMORY)
    c.equal("far more than there is", result_of("cuMemAlloc_v2", byref(address), 1 << 60), OUT_OF_MEMORY)
    c.true("a refused allocation takes nothing", device.memory_info()[0] == free, str(device.memory_info()))

    taken, code = [], 0
    for _ in range(100):
        code = result_of("cuMemAlloc_v2", byref(address), free // 5)
        if code != 0:
            break
        taken.append(address.value)
    c.equal("filling the memory ends with the error", code, OUT_OF_MEMORY)
    c.true("after four or five fifths", len(taken) in (4, 5), str(len(taken)))
    c.true("the memory shows as used", device.memory_info()[0] < free // 3)

    affine = device.function(device.module(AFFINE), "affine")
    launch(affine, 1, 1, [c_uint64(taken[0]), c_uint(0), c_uint(9)])
    launch(affine, 1, 1, [c_uint64(taken[0]), c_uint(2), c_uint(1)])
    c.equal("the program goes on", device.download(taken[0], 1, np.uint32), np.array([19], np.uint32))
    for used in taken:
        device.free(used)
    again = device.alloc(free // 2)
    launch(affine, 1, 1, [c_uint64(again + free // 2 // 4 * 4 - 4), c_uint(0), c_uint(3)])
    device.synchronize()
    device.free(again)
    c.true("freed memory comes back", device.memory_info()[0] >= free * 9 // 10, f"{device.memory_info()[0]} of {free}")
    c.finish()


if __name__ == "__main__":
    main()
