"""numba-cuda: kernels with shared memory, atomics, warp operations, libdevice, streams, events and reductions."""

import math
import sys
from pathlib import Path

import numpy as np
from numba import cuda, float32, float64, int32, vectorize
from numba.cuda.random import create_xoroshiro128p_states, xoroshiro128p_uniform_float32

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from checks import Checks  # noqa: E402

TILE = 16
WEIGHTS = np.array([0.25, 0.5, 0.25], dtype=np.float32)


@cuda.jit
def saxpy(a, x, y, out):
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        out[i] = a * x[i] + y[i]


@cuda.jit
def block_sums(values, sums):
    shared = cuda.shared.array(256, dtype=float64)
    t = cuda.threadIdx.x
    i = cuda.grid(1)
    shared[t] = values[i] if i < values.size else 0.0
    cuda.syncthreads()
    step = cuda.blockDim.x // 2
    while step > 0:
        if t < step:
            shared[t] += shared[t + step]
        cuda.syncthreads()
        step //= 2
    if t == 0:
        sums[cuda.blockIdx.x] = shared[0]


@cuda.jit
def histogram(values, bins):
    local = cuda.shared.array(64, dtype=int32)
    t = cuda.threadIdx.x
    if t < 64:
        local[t] = 0
    cuda.syncthreads()
    for i in range(cuda.grid(1), values.size, cuda.gridsize(1)):
        cuda.atomic.add(local, values[i] & 63, 1)
    cuda.syncthreads()
    if t < 64:
        cuda.atomic.add(bins, t, local[t])


@cuda.jit
def matmul(a, b, c):
    sa = cuda.shared.array((TILE, TILE), dtype=float32)
    sb = cuda.shared.array((TILE, TILE), dtype=float32)
    x, y = cuda.grid(2)
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    total = float32(0.0)
    for k in range((a.shape[1] + TILE - 1) // TILE):
        sa[ty, tx] = a[y, k * TILE + tx] if y < a.shape[0] and k * TILE + tx < a.shape[1] else 0.0
        sb[ty, tx] = b[k * TILE + ty, x] if x < b.shape[1] and k * TILE + ty < b.shape[0] else 0.0
        cuda.syncthreads()
        for j in range(TILE):
            total += sa[ty, j] * sb[j, tx]
        cuda.syncthreads()
    if y < c.shape[0] and x < c.shape[1]:
        c[y, x] = total


@cuda.jit
def extremes(values, result):
    i = cuda.grid(1)
    if i < values.size:
        cuda.atomic.max(result, 0, values[i])
        cuda.atomic.min(result, 1, values[i])


@cuda.jit
def spin_add(lock, total):
    for lane in range(32):
        if cuda.threadIdx.x == lane:
            while cuda.atomic.cas(lock, 0, 0, 1) != 0:
                pass
            cuda.threadfence()
            total[0] += 1
            cuda.threadfence()
            cuda.atomic.exch(lock, 0, 0)


@cuda.jit
def warp_sums(values, sums, masks, counts):
    i = cuda.grid(1)
    value = values[i]
    mask = cuda.ballot_sync(0xFFFFFFFF, value > 0)
    offset = 16
    while offset > 0:
        value += cuda.shfl_down_sync(0xFFFFFFFF, value, offset)
        offset //= 2
    if cuda.laneid == 0:
        sums[i // 32] = value
        masks[i // 32] = mask
        counts[i // 32] = cuda.popc(mask)


@cuda.jit
def functions(x, out):
    i = cuda.grid(1)
    if i < x.size:
        v = x[i]
        out[0, i] = math.sin(v)
        out[1, i] = math.exp(-v)
        out[2, i] = math.log(1.0 + v * v)
        out[3, i] = math.sqrt(v * v + 2.0)
        out[4, i] = math.atan2(v, 3.0)
        out[5, i] = math.pow(1.0 + v * v, 0.3)
        out[6, i] = math.erf(v)
        out[7, i] = math.floor(v) + math.fmod(v, 0.7)


@cuda.jit
def integers(x, out):
    i = cuda.grid(1)
    if i < x.size:
        v = x[i]
        out[0, i] = v // 7
        out[1, i] = v % 13
        out[2, i] = (v << 5) ^ (v >> 3)
        out[3, i] = v * v * 2654435761
        out[4, i] = cuda.clz(v)
        out[5, i] = cuda.brev(v)


@cuda.jit
def smooth(x, out):
    weights = cuda.const.array_like(WEIGHTS)
    window = cuda.local.array(3, float32)
    i = cuda.grid(1)
    if 0 < i < x.size - 1:
        for k in range(3):
            window[k] = x[i - 1 + k]
        total = float32(0.0)
        for k in range(3):
            total += weights[k] * window[k]
        out[i] = total


@cuda.jit
def darts(states, hits, throws):
    i = cuda.grid(1)
    inside = 0
    for _ in range(throws):
        x = xoroshiro128p_uniform_float32(states, i)
        y = xoroshiro128p_uniform_float32(states, i)
        if x * x + y * y <= 1.0:
            inside += 1
    hits[i] = inside


@cuda.jit
def dynamic_reverse(values):
    shared = cuda.shared.array(0, dtype=int32)
    t = cuda.threadIdx.x
    n = cuda.blockDim.x
    shared[t] = values[cuda.blockIdx.x * n + t]
    cuda.syncthreads()
    values[cuda.blockIdx.x * n + t] = shared[n - 1 - t]


@cuda.jit
def increment(values, amount):
    i = cuda.grid(1)
    if i < values.size:
        values[i] += amount


@cuda.reduce
def total_of(a, b):
    return a + b


@vectorize(["float32(float32, float32)", "float64(float64, float64)"], target="cuda")
def hypotenuse(a, b):
    return math.sqrt(a * a + b * b)


def main():
    c = Checks("numba-cuda")
    random = np.random.RandomState(7)

    x = random.standard_normal(100_003).astype(np.float32)
    y = random.standard_normal(100_003).astype(np.float32)
    out = np.zeros_like(x)
    saxpy[64, 128](np.float32(1.5), x, y, out)  # host arrays: numba copies both ways
    c.close("saxpy", out, np.float32(1.5) * x + y, rtol=1e-6, atol=1e-6)

    values = random.random_sample(50_000)
    blocks = (values.size + 255) // 256
    sums = cuda.device_array(blocks, dtype=np.float64)
    block_sums[blocks, 256](cuda.to_device(values), sums)
    c.close("shared-memory reduction", sums.copy_to_host().sum(), values.sum(), rtol=1e-12)

    samples = random.randint(0, 1 << 30, 40_000).astype(np.int32)
    bins = cuda.to_device(np.zeros(64, np.int32))
    histogram[16, 128](cuda.to_device(samples), bins)
    c.equal("atomic histogram", bins.copy_to_host(), np.bincount(samples & 63, minlength=64).astype(np.int32))

    a = random.standard_normal((100, 70)).astype(np.float32)
    b = random.standard_normal((70, 90)).astype(np.float32)
    product = cuda.device_array((100, 90), dtype=np.float32)
    matmul[((90 + TILE - 1) // TILE, (100 + TILE - 1) // TILE), (TILE, TILE)](cuda.to_device(a), cuda.to_device(b), product)
    c.close("tiled matrix product", product.copy_to_host(), (a.astype(np.float64) @ b).astype(np.float32), rtol=1e-4, atol=1e-4)

    measured = random.standard_normal(5000)
    result = cuda.to_device(np.array([-np.inf, np.inf]))
    extremes[20, 256](cuda.to_device(measured), result)
    c.equal("atomic max and min of float64", result.copy_to_host(), [measured.max(), measured.min()])

    lock, total = cuda.to_device(np.zeros(1, np.int32)), cuda.to_device(np.zeros(1, np.int32))
    spin_add[8, 32](lock, total)
    c.equal("lock by compare-and-swap", total.copy_to_host(), np.array([256], np.int32))

    integers32 = random.randint(-1000, 1000, 512).astype(np.int32)
    sums32, masks, counts = (cuda.to_device(np.zeros(16, t)) for t in (np.int32, np.uint32, np.int32))
    warp_sums[4, 128](cuda.to_device(integers32), sums32, masks, counts)
    rows = integers32.reshape(16, 32)
    c.equal("warp shuffle", sums32.copy_to_host(), rows.sum(axis=1).astype(np.int32))
    c.equal("warp ballot", masks.copy_to_host(), ((rows > 0).astype(np.uint64) << np.arange(32, dtype=np.uint64)).sum(axis=1).astype(np.uint32))
    c.equal("population count", counts.copy_to_host(), (rows > 0).sum(axis=1).astype(np.int32))

    points = np.linspace(-4.0, 4.0, 1000)
    tables = cuda.device_array((8, points.size), dtype=np.float64)
    functions[8, 128](cuda.to_device(points), tables)
    erf = np.array([math.erf(v) for v in points])
    want = np.stack([np.sin(points), np.exp(-points), np.log(1 + points**2), np.sqrt(points**2 + 2), np.arctan2(points, 3.0),
                     np.power(1 + points**2, 0.3), erf, np.floor(points) + np.fmod(points, 0.7)])
    c.close("float64 functions", tables.copy_to_host(), want, rtol=1e-12, atol=1e-14)

    words = random.randint(0, 1 << 31, 700, dtype=np.int64).astype(np.uint32)
    out32 = cuda.to_device(np.zeros((6, words.size), np.uint32))
    integers[6, 128](cuda.to_device(words), out32)
    w = words.astype(np.uint64)
    m = np.uint64(0xFFFFFFFF)
    reverse = np.array([int(f"{int(v):032b}"[::-1], 2) for v in words], np.uint32)
    leading = np.array([32 - int(v).bit_length() for v in words], np.uint32)
    want32 = np.stack([words // 7, words % 13, (((w << np.uint64(5)) ^ (w >> np.uint64(3))) & m).astype(np.uint32),
                       ((w * w * np.uint64(2654435761)) & m).astype(np.uint32), leading, reverse])
    c.equal("integer arithmetic", out32.copy_to_host(), want32)

    smoothed = cuda.to_device(np.zeros_like(x))
    smooth[(x.size + 255) // 256, 256](cuda.to_device(x), smoothed)
    want = np.zeros_like(x)
    want[1:-1] = np.float32(0.25) * x[:-2] + np.float32(0.5) * x[1:-1] + np.float32(0.25) * x[2:]
    c.close("constant and local arrays", smoothed.copy_to_host(), want, rtol=1e-5, atol=1e-6)

    states = create_xoroshiro128p_states(512, seed=3)
    hits = cuda.to_device(np.zeros(512, np.int64))
    darts[4, 128](states, hits, 200)
    estimate = 4.0 * hits.copy_to_host().sum() / (512 * 200)
    c.true("random numbers estimate pi", abs(estimate - math.pi) < 0.02, f"got {estimate}")

    ordered = cuda.to_device(np.arange(256, dtype=np.int32))
    dynamic_reverse[4, 64, 0, 64 * 4](ordered)
    c.equal("dynamic shared memory", ordered.copy_to_host(), np.arange(256, dtype=np.int32).reshape(4, 64)[:, ::-1].reshape(-1))

    c.equal("cuda.reduce", total_of(np.arange(10_001, dtype=np.int64)), 10_000 * 10_001 // 2)
    c.close("vectorize", hypotenuse(x[:1000], y[:1000]), np.hypot(x[:1000], y[:1000]), rtol=1e-6)

    # Streams: each stream's work in its order, an event carrying the order from one stream to the other.
    first, second = cuda.stream(), cuda.stream()
    pinned = cuda.pinned_array(20_000, dtype=np.int64)
    pinned[:] = np.arange(20_000)
    returned = cuda.pinned_array(20_000, dtype=np.int64)
    shared = cuda.device_array(20_000, dtype=np.int64, stream=first)
    begin, copied, end = cuda.event(), cuda.event(), cuda.event()
    begin.record(first)
    shared.copy_to_device(pinned, stream=first)
    for step in range(10):
        increment[80, 256, first](shared, step)
    copied.record(first)
    copied.wait(second)
    for step in range(10):
        increment[80, 256, second](shared, 100)
    shared.copy_to_host(returned, stream=second)
    end.record(second)
    end.synchronize()
    c.equal("two streams and an event", returned, np.arange(20_000, dtype=np.int64) + 45 + 1000)
    c.true("event times", begin.elapsed_time(end) >= 0.0)
    c.true("event query", copied.query() and end.query())
    first.synchronize()

    # Views of device arrays
    matrix = cuda.to_device(np.arange(1200, dtype=np.float32).reshape(30, 40))
    c.equal("slice of a device array", matrix[10:20].copy_to_host(), np.arange(1200, dtype=np.float32).reshape(30, 40)[10:20])
    matrix[3] = 7.5
    c.equal("assignment to a row", matrix[3].copy_to_host(), np.full(40, 7.5, np.float32))
    twin = cuda.device_array_like(matrix)
    twin.copy_to_device(matrix)
    c.equal("device-to-device copy", twin.copy_to_host(), matrix.copy_to_host())

    free, size = cuda.current_context().get_memory_info()
    c.true("memory information", 0 < free <= size, f"{free} of {size}")
    device = cuda.get_current_device()
    c.true("device attributes", device.WARP_SIZE == 32 and device.MAX_THREADS_PER_BLOCK >= 1024 and device.compute_capability >= (7, 5))
    c.finish()


if __name__ == "__main__":
    main()
