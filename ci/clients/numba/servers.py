"""numba with devices on several servers: each computes its part of a result, and arrays move between them."""

import sys
from pathlib import Path

import numpy as np
from numba import cuda

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from checks import Checks  # noqa: E402


@cuda.jit
def saxpy(a, x, y):
    i = cuda.grid(1)
    if i < y.size:
        y[i] = a * x[i] + y[i]


def main():
    c = Checks("numba on several servers")
    count = len(cuda.gpus)
    c.equal("devices", count, int(sys.argv[1]))
    rng = np.random.default_rng(5)
    x, y = rng.random((count, 100_003), np.float32), rng.random((count, 100_003), np.float32)
    parts = []
    for number in range(count):
        with cuda.gpus[number]:
            stream = cuda.stream()
            on_x, on_y = cuda.to_device(x[number], stream=stream), cuda.to_device(y[number], stream=stream)
            for _ in range(5):
                saxpy[400, 256, stream](np.float32(number + 0.5), on_x, on_y)
            parts.append((stream, on_y))
    want = y.copy()
    for number in range(count):
        for _ in range(5):
            want[number] = np.float32(number + 0.5) * x[number] + want[number]
    for number, (stream, on_y) in enumerate(parts):
        with cuda.gpus[number]:
            stream.synchronize()
            c.close(f"saxpy on device {number}", on_y.copy_to_host(), want[number], rtol=1e-5)
    # Each device takes the array of the one before it.
    for number in range(count):
        with cuda.gpus[number]:
            taken = cuda.device_array(100_003, np.float32)
            taken.copy_to_device(parts[number - 1][1])
            cuda.synchronize()
            c.close(f"the array of device {(number - 1) % count} on device {number}", taken.copy_to_host(), want[number - 1], rtol=1e-5)
    c.finish()


if __name__ == "__main__":
    main()
