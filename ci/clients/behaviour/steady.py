"""Works for some seconds in steps, each checked and said. Links may break meanwhile: the numbers stay right.

usage: steady.py SECONDS [PINNED_MIB]

With PINNED_MIB each step copies so much of pinned memory, which over RDMA goes past the ring.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from driver import Device, call  # noqa: E402

SECONDS = float(sys.argv[1])
PINNED = len(sys.argv) > 2
WORDS = int(sys.argv[2]) << 18 if PINNED else 1024


def main():
    device = Device()
    first, second = device.alloc(4 * WORDS), device.alloc(4 * WORDS)
    memory = device.pinned if PINNED else lambda size: np.zeros(size, np.uint8)
    data, back = memory(4 * WORDS).view(np.uint32), memory(4 * WORDS).view(np.uint32)
    pattern = (np.arange(WORDS, dtype=np.uint64) * 2654435761).astype(np.uint32)
    steps, start = 0, time.monotonic()
    while time.monotonic() - start < SECONDS:
        np.add(pattern, np.uint32(steps), out=data)
        back[:] = 0
        call("cuMemcpyHtoD_v2", first, data.ctypes.data, 4 * WORDS)
        call("cuMemsetD32Async", first + 4 * (steps % WORDS), steps, 1, None)
        call("cuMemcpyDtoD_v2", second, first, 4 * WORDS)
        call("cuMemcpyDtoH_v2", back.ctypes.data, second, 4 * WORDS)
        data[steps % WORDS] = steps
        assert np.array_equal(back, data), f"step {steps}: other bytes came back"
        steps += 1
        print(f"step {steps}", flush=True)
    print(json.dumps({"steps": steps}))


main()
