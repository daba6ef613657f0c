"""One of several programs that share a device: sees its slice only, clean memory, and nobody else's data.

usage: tenant.py KEY [--memory BYTES] [--rounds N]
"""

import argparse
import sys
from ctypes import c_uint, c_uint64
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from checks import Checks  # noqa: E402
from driver import FILL, Device, launch  # noqa: E402

parser = argparse.ArgumentParser()
parser.add_argument("key", type=int)
parser.add_argument("--memory", type=int, help="the slice's size in bytes")
parser.add_argument("--rounds", type=int, default=5)
arguments = parser.parse_args()


def main():
    c = Checks(f"tenant {arguments.key}")
    device = Device()
    free, total = device.memory_info()
    if arguments.memory is not None:
        c.true("the slice's size", abs(total - arguments.memory) <= 4 << 20 and total == device.total_memory,
               f"cuMemGetInfo {total}, cuDeviceTotalMem {device.total_memory}, slice {arguments.memory}")
    module = device.module(FILL)
    fill, count_other = device.function(module, "fill"), device.function(module, "count_other")
    result = device.upload(np.zeros(1, np.uint32))
    words = (free * 3 // 4 - (8 << 20)) // 4 // 2  # two buffers take three quarters of what is free
    words = min(words, 32 << 20)
    key = arguments.key * 0x01010101 & 0xFFFFFFFF
    grid = (words + 255) // 256

    def others(buffer, expected, by_index):
        launch(count_other, grid, 256, [c_uint64(buffer), c_uint64(words), c_uint(expected), c_uint(by_index), c_uint64(result)])
        return int(device.download(result, 1, np.uint32)[0])

    buffers = [device.alloc(4 * words) for _ in range(2)]
    c.equal("memory is wiped before it is handed over", [others(buffer, 0, 0) for buffer in buffers], [0, 0])
    for number in range(arguments.rounds):
        for buffer in buffers:
            launch(fill, grid, 256, [c_uint64(buffer), c_uint64(words), c_uint(key + number)])
        c.equal(f"only our data in round {number}", [others(buffer, key + number, 1) for buffer in buffers], [0, 0])
        print(f"round {number}", file=sys.stderr, flush=True)
    c.finish()


if __name__ == "__main__":
    main()
