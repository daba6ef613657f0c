"""numba-cuda, second part: scans, sorts, atomics of all kinds, records, generators, ufuncs."""

import math
import sys
from pathlib import Path

import numpy as np
from numba import cuda, float32, float64, from_dtype, guvectorize, int32, int64, uint32, void
from numba.cuda.random import create_xoroshiro128p_states, xoroshiro128p_normal_float64, xoroshiro128p_uniform_float64

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from checks import Checks  # noqa: E402

BODY = np.dtype([("position", np.float64, 3), ("mass", np.float32), ("id", np.int16)], align=True)
body = from_dtype(BODY)


@cuda.jit
def inclusive_scan(values, out):
    """Hillis and Steele in two rows of shared memory, one block."""
    rows = cuda.shared.array((2, 256), dtype=int64)
    t, now = cuda.threadIdx.x, 0
    rows[0, t] = values[t]
    cuda.syncthreads()
    step = 1
    while step < 256:
        rows[1 - now, t] = rows[now, t] + (rows[now, t - step] if t >= step else 0)
        now = 1 - now
        cuda.syncthreads()
        step *= 2
    out[t] = rows[now, t]


@cuda.jit
def bitonic_sort(values):
    shared = cuda.shared.array(512, dtype=float32)
    t = cuda.threadIdx.x
    shared[t] = values[t]
    size = 2
    while size <= 512:
        step = size // 2
        while step > 0:
            cuda.syncthreads()
            other = t ^ step
            if other > t:
                rising = (t & size) == 0
                if (shared[t] > shared[other]) == rising:
                    shared[t], shared[other] = shared[other], shared[t]
            step //= 2
        size *= 2
    cuda.syncthreads()
    values[t] = shared[t]


@cuda.jit
def integer_atomics(values, out, wide):
    i = cuda.grid(1)
    if i < values.size:
        v = values[i]
        cuda.atomic.add(out, 0, v)
        cuda.atomic.sub(out, 1, v)
        cuda.atomic.max(out, 2, v)
        cuda.atomic.min(out, 3, v)
        cuda.atomic.and_(out, 4, v | 0xFF)
        cuda.atomic.or_(out, 5, v & 0xFF0)
        cuda.atomic.xor(out, 6, v)
        cuda.atomic.inc(out, 7, 100)
        cuda.atomic.dec(out, 8, 50)
        cuda.atomic.exch(out, 9, 77)
        cuda.atomic.cas(out, 10, 0, 5)
        cuda.atomic.add(wide, (v & 1, 0), int64(v) << 20)
        cuda.atomic.max(wide, (v & 1, 1), int64(v) << 20)


@cuda.jit
def float_atomics(values, out32, out64):
    i = cuda.grid(1)
    if i < values.size:
        cuda.atomic.add(out32, 0, float32(values[i]))
        cuda.atomic.max(out32, 1, float32(values[i]))
        cuda.atomic.nanmin(out32, 2, float32(values[i]))
        cuda.atomic.add(out64, 0, values[i])
        cuda.atomic.nanmax(out64, 1, values[i])
        cuda.atomic.min(out64, 2, values[i])


@cuda.jit(device=True)
def attraction(a, b):
    """Two values from a device function."""
    total, squares = 0.0, 0.01
    for k in range(3):
        squares += (a.position[k] - b.position[k]) ** 2
    total = a.mass * b.mass / math.sqrt(squares)
    return total, squares


@cuda.jit
def energies(bodies, out):
    i = cuda.grid(1)
    if i < bodies.size:
        energy = 0.0
        for j in range(bodies.size):
            if j != i:
                potential, squares = attraction(bodies[i], bodies[j])
                energy -= potential
        out[i] = energy
        bodies[i].id = i * 2
        bodies[i].position[0] = -bodies[i].position[0]


@cuda.jit
def tiled_product(a, b, c):
    left = cuda.shared.array((16, 17), dtype=float64)
    right = cuda.shared.array((16, 17), dtype=float64)
    x, y = cuda.grid(2)
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    total = 0.0
    for start in range(0, a.shape[1], 16):
        left[ty, tx] = a[y, start + tx] if y < a.shape[0] and start + tx < a.shape[1] else 0.0
        right[ty, tx] = b[start + ty, x] if x < b.shape[1] and start + ty < b.shape[0] else 0.0
        cuda.syncthreads()
        for k in range(16):
            total += left[ty, k] * right[k, tx]
        cuda.syncthreads()
    if y < c.shape[0] and x < c.shape[1]:
        c[y, x] = total


@cuda.jit
def complex_roots(coefficients, out):
    """Newton steps on complex numbers."""
    i = cuda.grid(1)
    if i < out.size:
        z = complex(math.cos(i * 0.7), math.sin(i * 0.7)) * 1.5
        for _ in range(60):
            value = coefficients[0]
            slope = 0j
            for k in range(1, coefficients.size):
                slope = slope * z + value
                value = value * z + coefficients[k]
            if abs(slope) > 1e-12:
                z -= value / slope
        out[i] = z


@cuda.jit
def walks(states, uniform, normal, steps):
    i = cuda.grid(1)
    u, v = 0.0, 0.0
    for _ in range(steps):
        u += xoroshiro128p_uniform_float64(states, i)
        v += xoroshiro128p_normal_float64(states, i)
    uniform[i], normal[i] = u, v


@cuda.jit
def warp_operations(values, out):
    i = cuda.grid(1)
    v = values[i]
    out[0, i] = cuda.shfl_xor_sync(0xFFFFFFFF, v, 5)
    out[1, i] = cuda.shfl_up_sync(0xFFFFFFFF, v, 2)
    out[2, i] = cuda.shfl_sync(0xFFFFFFFF, v, 7)
    out[3, i] = cuda.match_any_sync(0xFFFFFFFF, v & 3)
    out[4, i] = cuda.all_sync(0xFFFFFFFF, v >= 0)
    out[5, i] = cuda.any_sync(0xFFFFFFFF, v == 3)
    out[6, i] = cuda.ffs(v) + cuda.clz(v) * 100
    out[7, i] = cuda.selp(v > 50, v, int32(-v))
    if v & 1:
        out[8, i] = cuda.activemask()
    else:
        out[8, i] = 0
    cuda.syncwarp()
    out[9, i] = cuda.syncthreads_count(v & 1) + 1000 * cuda.syncthreads_or(1 if v == 3 else 0)


@cuda.jit
def matrices_in_registers(values, out):
    """Local arrays of two dimensions: determinants by elimination."""
    i = cuda.grid(1)
    if i < out.size:
        m = cuda.local.array((5, 5), dtype=float64)
        for r in range(5):
            for c in range(5):
                m[r, c] = values[i, r, c]
        det = 1.0
        for k in range(5):
            best = k
            for r in range(k + 1, 5):
                if abs(m[r, k]) > abs(m[best, k]):
                    best = r
            if best != k:
                det = -det
                for c in range(5):
                    m[k, c], m[best, c] = m[best, c], m[k, c]
            det *= m[k, k]
            for r in range(k + 1, 5):
                f = m[r, k] / m[k, k]
                for c in range(k, 5):
                    m[r, c] -= f * m[k, c]
        out[i] = det


@cuda.jit
def collatz(out):
    i = cuda.grid(1)
    if i < out.size:
        n, steps = uint32(i + 1), 0
        while n != 1:
            n = n // uint32(2) if n % uint32(2) == 0 else uint32(3) * n + uint32(1)
            steps += 1
        out[i] = steps


@guvectorize([void(float64[:], float64[:], float64[:])], "(n),(m)->(n)", target="cuda")
def moving(values, weights, out):
    for i in range(values.size):
        total = 0.0
        for k in range(weights.size):
            j = i + k - weights.size // 2
            if 0 <= j < values.size:
                total += values[j] * weights[k]
        out[i] = total


@cuda.reduce
def larger(a, b):
    return a if a > b else b


def main():
    c = Checks("numba-cuda, second part")
    random = np.random.RandomState(11)

    values = random.randint(-1000, 1000, 256)
    out = cuda.device_array(256, np.int64)
    inclusive_scan[1, 256](cuda.to_device(values), out)
    c.equal("scan", out.copy_to_host(), np.cumsum(values))
    x = random.standard_normal(512).astype(np.float32)
    sorted_values = cuda.to_device(x)
    bitonic_sort[1, 512](sorted_values)
    c.equal("bitonic sort", sorted_values.copy_to_host(), np.sort(x))

    values = random.randint(0, 1 << 20, 1000).astype(np.uint32)
    start = np.zeros(11, np.uint32)
    start[3] = start[4] = 0xFFFFFFFF
    out, wide = cuda.to_device(start), cuda.to_device(np.zeros((2, 2), np.int64))
    integer_atomics[8, 128](cuda.to_device(values), out, wide)
    inc, dec = 0, 0
    for _ in range(1000):
        inc = 0 if inc >= 100 else inc + 1
        dec = 50 if dec == 0 or dec > 50 else dec - 1
    total = values.astype(np.uint64).sum()
    want = [total & 0xFFFFFFFF, -int(total) & 0xFFFFFFFF, values.max(), values.min(), np.bitwise_and.reduce(values | 0xFF), np.bitwise_or.reduce(values & 0xFF0),
            np.bitwise_xor.reduce(values), inc, dec, 77, 5]
    c.equal("atomics of integers", out.copy_to_host(), np.array(want, np.uint32))
    halves = [values[values & 1 == k].astype(np.int64) << 20 for k in (0, 1)]
    c.equal("atomics of 64 bits", wide.copy_to_host(), np.array([[h.sum(), h.max()] for h in halves]))
    x = np.round(random.standard_normal(900) * 64) / 64
    out32, out64 = cuda.to_device(np.array([0, -9, 9], np.float32)), cuda.to_device(np.array([0, -9, 9.0]))
    float_atomics[8, 128](cuda.to_device(x), out32, out64)
    c.equal("atomics of float32", out32.copy_to_host(), np.array([x.sum(), x.max(), x.min()], np.float32))
    c.equal("atomics of float64", out64.copy_to_host(), np.array([x.sum(), x.max(), x.min()]))

    bodies = np.zeros(70, BODY)
    bodies["position"], bodies["mass"] = random.standard_normal((70, 3)), random.random_sample(70)
    device_bodies, out = cuda.to_device(bodies), cuda.device_array(70, np.float64)
    energies[1, 70](device_bodies, out)
    # the positions change while others read them, so only what each thread makes of its own record is certain
    got = device_bodies.copy_to_host()
    c.equal("records", got["id"], (np.arange(70) * 2).astype(np.int16))
    c.close("records of arrays", got["position"][:, 0], -bodies["position"][:, 0], rtol=0)
    c.true("energies", bool((out.copy_to_host() < 0).all()))

    a, b = random.standard_normal((50, 33)), random.standard_normal((33, 41))
    out = cuda.device_array((50, 41), np.float64)
    tiled_product[(3, 4), (16, 16)](cuda.to_device(a), cuda.to_device(b), out)
    c.close("tiled product", out.copy_to_host(), a @ b, rtol=1e-12, atol=1e-12)

    coefficients = np.array([1, 2 - 1j, -3, 0.5j, 1 + 1j])
    roots = cuda.device_array(64, np.complex128)
    complex_roots[1, 64](cuda.to_device(coefficients), roots)
    c.close("complex numbers", np.abs(np.polyval(coefficients, roots.copy_to_host())), np.zeros(64), atol=1e-8)

    states = create_xoroshiro128p_states(256, seed=5)
    uniform, normal = cuda.device_array(256, np.float64), cuda.device_array(256, np.float64)
    walks[2, 128](states, uniform, normal, 100)
    c.true("uniform numbers", abs(uniform.copy_to_host().mean() / 100 - 0.5) < 0.01)
    c.true("normal numbers", abs(normal.copy_to_host().mean()) < 3 and 7 < normal.copy_to_host().std() < 13)

    values = random.randint(0, 100, 64).astype(np.int32)
    out = cuda.to_device(np.zeros((10, 64), np.int32))
    warp_operations[1, 64](cuda.to_device(values), out)
    want = np.zeros((10, 64), np.int64)
    for i, v in enumerate(values.astype(np.int64)):
        base = i // 32 * 32
        row = values[base : base + 32].astype(np.int64)
        want[0, i], want[1, i], want[2, i] = values[i ^ 5], values[i - 2] if i % 32 >= 2 else v, row[7]
        want[3, i] = sum(1 << k for k in range(32) if row[k] & 3 == v & 3)
        want[4, i], want[5, i] = 1, int((row == 3).any())
        want[6, i] = (int(v) & -int(v)).bit_length() + (32 - int(v).bit_length()) * 100
        want[7, i] = v if v > 50 else -v
        want[8, i] = sum(1 << k for k in range(32) if row[k] & 1) if v & 1 else 0
        want[9, i] = int((values & 1).sum()) + 1000 * int((values == 3).any())
    c.equal("warps", out.copy_to_host(), want.astype(np.uint32).view(np.int32))

    m = random.standard_normal((80, 5, 5))
    out = cuda.device_array(80, np.float64)
    matrices_in_registers[2, 64](cuda.to_device(m), out)
    c.close("determinants", out.copy_to_host(), np.linalg.det(m), rtol=1e-9, atol=1e-12)
    out = cuda.device_array(500, np.int32)
    collatz[4, 128](out)
    steps = []
    for n in range(1, 501):
        count = 0
        while n != 1:
            n, count = (n // 2 if n % 2 == 0 else 3 * n + 1), count + 1
        steps.append(count)
    c.equal("loops of different length", out.copy_to_host(), np.array(steps, np.int32))

    series, weights = random.standard_normal((6, 50)), np.array([0.2, 0.5, 0.3])
    want = np.stack([np.convolve(row, weights[::-1], "same") for row in series])
    c.close("guvectorize", moving(series, weights), want, rtol=1e-12, atol=1e-13)
    c.equal("reduce with a condition", larger(np.array([3, 9, -4, 7] * 50, np.int64)), 9)
    c.finish()


if __name__ == "__main__":
    main()
