"""Works for some seconds in steps, each checked and said. Links may break meanwhile: the numbers stay right."""

import json
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from driver import Device, call  # noqa: E402

SECONDS, WORDS = float(sys.argv[1]), 1024


def main():
    device = Device()
    first, second = device.alloc(4 * WORDS), device.alloc(4 * WORDS)
    steps, start = 0, time.monotonic()
    while time.monotonic() - start < SECONDS:
        data = (np.arange(WORDS, dtype=np.uint64) * 2654435761 + steps).astype(np.uint32)
        back = np.zeros(WORDS, np.uint32)
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
