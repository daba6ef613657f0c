"""numba-cuda: what it links with other code: barriers of the whole grid (device runtime), half precision (its own functions in C++)."""

import sys
from pathlib import Path

import numpy as np
from numba import cuda, float64, int32, void

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from checks import Checks  # noqa: E402


@cuda.jit(void(float64[:, ::1], float64[:, ::1], int32))
def heat(a, b, rounds):
    """Jacobi steps with a barrier of the whole grid after each."""
    grid = cuda.cg.this_grid()
    y = cuda.grid(1) + 1
    for k in range(rounds):
        if y < a.shape[0] - 1:
            for x in range(1, a.shape[1] - 1):
                if k % 2 == 0:
                    b[y, x] = 0.25 * (a[y - 1, x] + a[y + 1, x] + a[y, x - 1] + a[y, x + 1])
                else:
                    a[y, x] = 0.25 * (b[y - 1, x] + b[y + 1, x] + b[y, x - 1] + b[y, x + 1])
        grid.sync()


@cuda.jit
def half_arithmetic(a, b, out):
    i = cuda.grid(1)
    if i < a.size:
        out[0, i] = a[i] + b[i]
        out[1, i] = a[i] * b[i]
        out[2, i] = cuda.fp16.hfma(a[i], b[i], a[i])
        out[3, i] = cuda.fp16.hmax(a[i], b[i])
        out[4, i] = cuda.fp16.hsqrt(cuda.fp16.habs(a[i]))
        out[5, i] = -a[i] if a[i] > b[i] else b[i]


def main():
    c = Checks("numba-cuda, linked")
    random = np.random.RandomState(11)
    a = random.standard_normal((66, 40))
    da, db = cuda.to_device(a), cuda.to_device(a)
    heat[2, 32](da, db, 10)
    want, other = a.copy(), a.copy()
    for k in range(10):
        now, then = (want, other) if k % 2 == 0 else (other, want)
        then[1:-1, 1:-1] = 0.25 * (now[:-2, 1:-1] + now[2:, 1:-1] + now[1:-1, :-2] + now[1:-1, 2:])
    c.close("barriers of the grid", da.copy_to_host(), want, rtol=1e-12, atol=1e-14)
    ha, hb = (random.standard_normal((2, 300)) * 4).astype(np.float16)
    out = cuda.device_array((6, 300), np.float16)
    half_arithmetic[3, 128](cuda.to_device(ha), cuda.to_device(hb), out)
    wa, wb = ha.astype(np.float64), hb.astype(np.float64)
    want = np.stack([wa + wb, wa * wb, wa * wb + wa, np.maximum(wa, wb), np.sqrt(np.abs(wa)), np.where(wa > wb, -wa, wb)])
    c.close("half precision", out.copy_to_host().astype(np.float64), want.astype(np.float16).astype(np.float64), rtol=1e-3, atol=1e-6)
    c.finish()


if __name__ == "__main__":
    main()
