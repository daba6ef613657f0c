"""Triton, unmodified: its compiler, its cache and its launcher, without PyTorch. PTX goes to the driver as it is (see ptxas here)."""

import math
import os
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lib"))
os.environ["TRITON_PTXAS_PATH"] = os.environ["TRITON_PTXAS_BLACKWELL_PATH"] = str(HERE / "ptxas")
os.environ.setdefault("TRITON_DEFAULT_FP_FUSION", "1")
warnings.filterwarnings("ignore", message=".*FP_FUSION.*")
CACHE = tempfile.TemporaryDirectory(prefix="ringway-triton-")
os.environ.setdefault("TRITON_CACHE_DIR", CACHE.name)

import triton.language as tl  # noqa: E402

import driver  # noqa: E402
import kernels as k  # noqa: E402
from checks import Checks  # noqa: E402

TYPES = {np.dtype(name): kind for name, kind in {"float16": tl.float16, "float32": tl.float32, "float64": tl.float64, "int8": tl.int8,
                                                "int32": tl.int32, "int64": tl.int64, "uint32": tl.uint32}.items()}


class Tensor:
    """What Triton asks of a tensor: an address and a type."""

    def __init__(self, device, array, dtype=None):
        self.device, self.array = device, np.ascontiguousarray(array)
        self.address = device.upload(self.array)
        self.dtype = dtype or TYPES[self.array.dtype]

    def data_ptr(self):
        return self.address

    def get(self):
        self.device.synchronize()
        return self.device.download(self.address, self.array.shape, self.array.dtype)


def to_bf16(x):
    """float32 rounded to bfloat16, as its 16 bits."""
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def from_bf16(words):
    return (words.astype(np.uint32) << 16).view(np.float32)


def philox(seed, counters):
    """Philox 4x32-10 of (counter, 0, 0, 0) with the seed as key."""
    c = [counters.astype(np.uint64), *[np.zeros_like(counters, np.uint64) for _ in range(3)]]
    key = [np.uint64(seed & 0xFFFFFFFF), np.uint64(seed >> 32)]
    low = np.uint64(0xFFFFFFFF)
    for _ in range(10):
        a, b = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        c = [(b >> np.uint64(32)) ^ c[1] ^ key[0], b & low, (a >> np.uint64(32)) ^ c[3] ^ key[1], a & low]
        key = [(key[0] + np.uint64(0x9E3779B9)) & low, (key[1] + np.uint64(0xBB67AE85)) & low]
    return [word.astype(np.uint32) for word in c]


def main():
    c = Checks("Triton")
    device = driver.Device(0)
    random = np.random.RandomState(5)
    f32 = lambda *shape: random.standard_normal(shape).astype(np.float32)  # noqa: E731
    tensor = lambda array, dtype=None: Tensor(device, array, dtype)  # noqa: E731
    zeros = lambda shape, dtype=np.float32: Tensor(device, np.zeros(shape, dtype))  # noqa: E731
    compiled = []

    def run(kernel, grid, *arguments, **words):
        compiled.append(kernel[grid](*arguments, **words))

    for dtype in (np.float32, np.float64, np.int32, np.float16):
        x, y = (random.standard_normal((2, 5001)) * 100).astype(dtype)
        out = zeros(5001, dtype)
        run(k.add, (20,), tensor(x), tensor(y), out, 5001, BLOCK=256)
        c.equal(f"add {np.dtype(dtype)}", out.get(), x + y)

    x = f32(17, 301) * 3
    out = zeros(x.shape)
    run(k.softmax, (17,), tensor(x), out, 301, 301, BLOCK=512)
    e = np.exp(x.astype(np.float64) - x.max(axis=1, keepdims=True))
    c.close("softmax", out.get(), e / e.sum(axis=1, keepdims=True), rtol=1e-5, atol=1e-7)

    x, w, b, dy = f32(12, 230), f32(230), f32(230), f32(12, 230)
    out, mean, rstd = zeros(x.shape), zeros(12), zeros(12)
    tx = tensor(x)
    run(k.layer_norm, (12,), tx, tensor(w), tensor(b), out, mean, rstd, 230, 1e-5, BLOCK=128)
    x64 = x.astype(np.float64)
    normal = (x64 - x64.mean(axis=1, keepdims=True)) / np.sqrt(x64.var(axis=1, keepdims=True) + 1e-5)
    c.close("layer norm", out.get(), normal * w + b, rtol=1e-4, atol=1e-5)
    dw, db = zeros(230), zeros(230)
    run(k.layer_norm_gradient, (12,), tensor(dy), tx, mean, rstd, dw, db, zeros(1, np.int32), 230, BLOCK=256)
    c.close("layer norm's gradients", np.stack([dw.get(), db.get()]), np.stack([(dy * normal).sum(axis=0), dy.astype(np.float64).sum(axis=0)]), rtol=1e-4, atol=1e-4)

    m, n, depth = 100, 70, 96
    tile = {"M": 32, "N": 32, "K": 32}
    grid = (math.ceil(m / 32) * math.ceil(n / 32),)
    a, b = f32(m, depth), f32(depth, n)
    strides = (depth, 1, n, 1)

    def product(title, ta, tb, out, want, rtol, atol, acc=tl.float32, precision="ieee", relu=False, strides=strides, **words):
        run(k.matmul, grid, ta, tb, out, m, n, depth, *strides, **tile, ACC=acc, PRECISION=precision, RELU=relu, **words)
        c.close(title, out.get(), want, rtol=rtol, atol=atol)

    exact = a.astype(np.float64) @ b
    product("matmul float32", tensor(a), tensor(b), zeros((m, n)), exact, 1e-5, 1e-4)
    product("matmul tf32", tensor(a), tensor(b), zeros((m, n)), exact, 5e-3, 5e-2, precision="tf32")
    product("matmul 3 x tf32", tensor(a), tensor(b), zeros((m, n)), exact, 1e-4, 1e-4, precision="tf32x3")
    ha, hb = a.astype(np.float16), b.astype(np.float16)
    exact = ha.astype(np.float64) @ hb.astype(np.float64)
    product("matmul float16", tensor(ha), tensor(hb), zeros((m, n)), exact, 1e-5, 1e-4, num_warps=4, num_stages=3)
    product("matmul float16, two warps, relu", tensor(ha), tensor(hb), zeros((m, n), np.float16), np.maximum(exact, 0), 1e-3, 1e-3, relu=True, num_warps=2, num_stages=1)
    product("matmul float16, transposed operands", tensor(ha.T), tensor(hb.T), zeros((m, n)), exact, 1e-5, 1e-4, strides=(1, m, 1, depth), num_warps=8)
    ba, bb = to_bf16(a), to_bf16(b)
    product("matmul bfloat16", tensor(ba, tl.bfloat16), tensor(bb, tl.bfloat16), zeros((m, n)), from_bf16(ba).astype(np.float64) @ from_bf16(bb), 1e-5, 1e-4)
    ia, ib = random.randint(-128, 128, (m, depth)).astype(np.int8), random.randint(-128, 128, (depth, n)).astype(np.int8)
    product("matmul int8", tensor(ia), tensor(ib), zeros((m, n), np.int32), ia.astype(np.int32) @ ib.astype(np.int32), 0, 0, acc=tl.int32)

    heads, length, width = 2, 75, 32
    q, keys, v = (f32(heads, length, width).astype(np.float16) for _ in range(3))
    for causal in (False, True):
        out = zeros(q.shape)
        run(k.attention, (math.ceil(length / 32), heads), tensor(q), tensor(keys), tensor(v), out, 1 / math.sqrt(width), length, M=32, N=32, D=width, CAUSAL=causal)
        scores = q.astype(np.float64) @ keys.astype(np.float64).transpose(0, 2, 1) / math.sqrt(width)
        if causal:
            scores = np.where(np.tril(np.ones((length, length), bool)), scores, -np.inf)
        weights = np.exp(scores - scores.max(axis=2, keepdims=True))
        weights /= weights.sum(axis=2, keepdims=True)
        c.close(f"attention{', causal' if causal else ''}", out.get(), weights @ v.astype(np.float64), rtol=2e-2, atol=3e-3)

    x = f32(16, 64)
    x[3, 5] = x[3, 40] = 9
    out, places = zeros(16 * 3 + 64 + 1), zeros(48, np.int32)
    run(k.reductions, (1,), tensor(x), out, places, rows=16, columns=64)
    want = np.concatenate([x.sum(axis=1), x.max(axis=1), x.min(axis=1), x.sum(axis=0), [x.sum()]])
    c.close("reductions", out.get(), want, rtol=1e-4, atol=1e-5)
    c.equal("places", places.get(), np.concatenate([x.argmax(axis=1), x.argmin(axis=1), x.argmax(axis=1)]).astype(np.int32))

    x = (1 + 0.01 * f32(3, 256)).astype(np.float32)
    sums, products = zeros(x.shape), zeros(x.shape)
    run(k.scans, (3,), tensor(x), sums, products, BLOCK=256)
    c.close("cumulative sums", sums.get(), np.cumsum(x, axis=1), rtol=1e-5)
    c.close("cumulative products, from the end", products.get(), np.cumprod(x[:, ::-1].astype(np.float64), axis=1)[:, ::-1], rtol=1e-4)
    for descending in (False, True):
        x = random.randint(-1000, 1000, (3, 128)).astype(np.int32)
        out = zeros(x.shape, np.int32)
        run(k.sort_rows, (3,), tensor(x), out, BLOCK=128, DESCENDING=descending)
        want = np.sort(x, axis=1)
        c.equal(f"sort{', descending' if descending else ''}", out.get(), want[:, ::-1] if descending else want)
    x = random.randint(0, 64, 3000).astype(np.int32)
    bins = zeros(64, np.int32)
    run(k.histogram, (12,), tensor(x), bins, 3000, BLOCK=256, BINS=64)
    c.equal("histogram", bins.get(), np.bincount(x, minlength=64).astype(np.int32))

    x = random.randint(0, 1 << 16, 2000).astype(np.int32)
    start = np.zeros(24, np.int32)
    start[8:12], start[20:24] = 1 << 30, -1
    out, wide = tensor(start), zeros(4, np.int64)
    run(k.atomics, (8,), tensor(x), out, wide, 2000, BLOCK=256)
    parts = [x[x % 4 == r] for r in range(4)]
    want = [[p.sum() for p in parts], [p.max() for p in parts], [p.min() for p in parts], [np.bitwise_xor.reduce(p) for p in parts],
            [np.bitwise_or.reduce(p) for p in parts], [np.bitwise_and.reduce(p | 0x70000) for p in parts]]
    c.equal("atomics", out.get(), np.array(want, np.int32).reshape(-1))
    c.equal("atomics of 64 bits", wide.get(), np.array([int(p.sum()) << 30 for p in parts], np.int64))
    x = np.round(f32(1000) * 64).astype(np.float32) / 64  # sums of such numbers are exact in any order
    out, halves = tensor(np.array([0, 0, -1e9, -1e9], np.float32)), zeros(8, np.float16)
    run(k.sum_floats, (4,), tensor(x), out, halves, 1000, BLOCK=256)
    c.equal("atomics of floats", out.get(), np.array([x[::2].sum(), x[1::2].sum(), x[::2].max(), x[1::2].max()], np.float32))
    c.equal("atomics of halves", halves.get(), np.full(8, 62.5, np.float16))

    x = f32(90, 77)
    out = zeros((77, 90))
    run(k.transpose, (3, 3), tensor(x), out, 90, 77, R=32, C=32)
    c.equal("transpose", out.get(), x.T)

    x = f32(1000)
    out, words = zeros(1000), zeros(1000, np.uint32)
    run(k.dropout, (4,), tensor(x), out, words, 1000, 0.3, 1234567, BLOCK=256)
    p = philox(1234567, np.arange(1000))
    c.equal("Philox", words.get(), p[0] ^ p[1] ^ p[2] ^ p[3])
    kept = out.get() != 0
    c.close("dropout", out.get(), np.where(kept, x / np.float32(0.7), 0), rtol=1e-6)
    signed = p[0].view(np.int32).astype(np.int64)
    c.equal("what dropout keeps", kept, np.where(signed < 0, -signed - 1, signed) * 4.6566127342e-10 > 0.3)

    x = f32(900) * 2
    out = zeros((7, 900))
    run(k.functions, (4,), tensor(x), out, 900, BLOCK=256)
    v = x.astype(np.float64)
    scalar = lambda f: np.array([f(value) for value in v])  # noqa: E731
    want = [np.sin(v) + np.cos(v), np.log(np.abs(v) + 0.1) + np.exp(-v), 1 / (1 + np.exp(-v)) + scalar(math.erf), np.tanh(v) + (np.abs(v) + 0.5) ** 1.5,
            np.arctan2(v, v + 3) + scalar(lambda z: math.lgamma(abs(z) + 2)), np.floor(v) + np.ceil(v) * 10 + np.sqrt(np.abs(v)) + 1 / np.sqrt(np.abs(v) + 1),
            v * v + 1 + np.clip(v, -0.5, 0.5)]
    c.close("functions", out.get(), np.stack(want), rtol=1e-5, atol=2e-5)

    x = random.randint(-(1 << 31), 1 << 31, 800, dtype=np.int64).astype(np.int32)
    y = random.randint(1, 5000, 800).astype(np.int32)
    out = zeros((5, 800), np.int32)
    run(k.integers, (4,), tensor(x), tensor(y), out, 800, BLOCK=256)
    quotient = (np.abs(x.astype(np.int64)) // y * np.sign(x)).astype(np.int32)
    high = (x.view(np.uint32).astype(np.uint64) * y.astype(np.uint64) >> np.uint64(32)).astype(np.uint32).view(np.int32)
    want = [quotient, x - quotient * y, (x << 3) ^ ((y >> 2) & ~x), high, x ^ y ^ 0x5A]
    c.equal("integers", out.get(), np.stack(want).astype(np.int32))

    table, rows = f32(50, 40), random.randint(0, 50, 30).astype(np.int32)
    out = zeros((30, 40))
    run(k.gather_rows, (30,), tensor(table), tensor(rows), out, 40, BLOCK=64)
    c.equal("gather rows", out.get(), table[rows])
    x, order = f32(128), random.permutation(128).astype(np.int32)
    out = zeros(384)
    run(k.shuffle_in_place, (1,), tensor(x), out, tensor(order), BLOCK=128)
    c.equal("gather, interleave, flip", out.get(), np.concatenate([x[order], x.reshape(64, 2)[:, ::-1].reshape(-1), x[::-1]]))

    x = f32(500) * 10
    out = zeros((3, 500))
    run(k.narrow_formats, (2,), tensor(x), out, 500, BLOCK=256)
    half = x.astype(np.float16)
    unit = 2.0 ** (np.floor(np.log2(np.abs(half.astype(np.float64)))) - 2)
    c.equal("bfloat16, float16, float8", out.get(), np.stack([from_bf16(to_bf16(x)), half, np.round(x / unit) * unit]).astype(np.float32))

    image, w = f32(45, 61), f32(3, 3)
    out = zeros(image.shape)
    run(k.convolve, (3, 2), tensor(image), tensor(w), out, 45, 61, H=16, W=32)
    padded = np.pad(image.astype(np.float64), 1)
    c.close("convolution", out.get(), sum(w[i, j] * padded[i : i + 45, j : j + 61] for i in range(3) for j in range(3)), rtol=1e-5, atol=1e-5)

    out = zeros((20, 32), np.int32)
    run(k.persistent, (6,), zeros(1, np.int32), out, 20, BLOCK=32)
    c.equal("work from a counter", out.get(), np.outer(np.arange(20), np.arange(32)).astype(np.int32))

    c.true("compiled", len({kernel.hash for kernel in compiled}) >= 30, f"{len(compiled)} kernels")
    folder = os.environ.get("TRITON_PTX_OUT")
    if folder:
        for number, kernel in enumerate(compiled):
            Path(folder, f"{number:02}-{kernel.name}.ptx").write_text(kernel.asm["ptx"])
    c.finish()


if __name__ == "__main__":
    main()
