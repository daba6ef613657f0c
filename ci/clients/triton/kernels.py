"""Triton kernels: element-wise, reductions, scans, sorts, softmax, layer norm, matrix products of several types, attention, atomics."""

import triton
import triton.language as tl
from triton.language.extra import libdevice


@triton.jit
def add(x, y, out, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(out + i, tl.load(x + i, mask=i < n) + tl.load(y + i, mask=i < n), mask=i < n)


@triton.jit
def softmax(x, out, stride, columns, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    i = tl.arange(0, BLOCK)
    values = tl.load(x + row * stride + i, mask=i < columns, other=-float("inf"))
    powers = tl.exp(values - tl.max(values, axis=0))
    tl.store(out + row * stride + i, powers / tl.sum(powers, axis=0), mask=i < columns)


@triton.jit
def layer_norm(x, weight, bias, out, mean_out, rstd_out, columns, eps, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    sums = tl.zeros([BLOCK], tl.float32)
    for start in range(0, columns, BLOCK):
        i = start + tl.arange(0, BLOCK)
        sums += tl.load(x + row * columns + i, mask=i < columns, other=0.0).to(tl.float32)
    mean = tl.sum(sums, axis=0) / columns
    squares = tl.zeros([BLOCK], tl.float32)
    for start in range(0, columns, BLOCK):
        i = start + tl.arange(0, BLOCK)
        d = tl.where(i < columns, tl.load(x + row * columns + i, mask=i < columns, other=0.0).to(tl.float32) - mean, 0.0)
        squares += d * d
    rstd = 1 / tl.sqrt(tl.sum(squares, axis=0) / columns + eps)
    tl.store(mean_out + row, mean)
    tl.store(rstd_out + row, rstd)
    for start in range(0, columns, BLOCK):
        i = start + tl.arange(0, BLOCK)
        value = tl.load(x + row * columns + i, mask=i < columns, other=0.0).to(tl.float32)
        value = (value - mean) * rstd * tl.load(weight + i, mask=i < columns) + tl.load(bias + i, mask=i < columns)
        tl.store(out + row * columns + i, value, mask=i < columns)


@triton.jit
def layer_norm_gradient(dy, x, mean, rstd, dweight, dbias, lock, columns, BLOCK: tl.constexpr):
    """Gradients of weight and bias, rows added up under a lock."""
    row = tl.program_id(0)
    i = tl.arange(0, BLOCK)
    mask = i < columns
    g = tl.load(dy + row * columns + i, mask=mask, other=0.0)
    normal = (tl.load(x + row * columns + i, mask=mask, other=0.0) - tl.load(mean + row)) * tl.load(rstd + row)
    while tl.atomic_cas(lock, 0, 1) == 1:
        pass
    tl.store(dweight + i, tl.load(dweight + i, mask=mask) + g * normal, mask=mask)
    tl.store(dbias + i, tl.load(dbias + i, mask=mask) + g, mask=mask)
    tl.debug_barrier()
    tl.atomic_xchg(lock, 0)


@triton.jit
def matmul(a, b, c, m, n, k, stride_am, stride_ak, stride_bk, stride_bn, M: tl.constexpr, N: tl.constexpr, K: tl.constexpr,
           ACC: tl.constexpr, PRECISION: tl.constexpr, RELU: tl.constexpr):
    tiles_n = tl.cdiv(n, N)
    row = tl.program_id(0) // tiles_n * M + tl.arange(0, M)
    column = tl.program_id(0) % tiles_n * N + tl.arange(0, N)
    depth = tl.arange(0, K)
    total = tl.zeros((M, N), ACC)
    for start in range(0, k, K):
        left = tl.load(a + row[:, None] * stride_am + (start + depth)[None, :] * stride_ak, mask=(row[:, None] < m) & ((start + depth)[None, :] < k), other=0)
        right = tl.load(b + (start + depth)[:, None] * stride_bk + column[None, :] * stride_bn, mask=((start + depth)[:, None] < k) & (column[None, :] < n), other=0)
        total = tl.dot(left, right, total, input_precision=PRECISION, out_dtype=ACC)
    if RELU:
        total = tl.maximum(total, 0)
    tl.store(c + row[:, None] * n + column[None, :], total.to(c.dtype.element_ty), mask=(row[:, None] < m) & (column[None, :] < n))


@triton.jit
def attention(q, k, v, out, scale, length, M: tl.constexpr, N: tl.constexpr, D: tl.constexpr, CAUSAL: tl.constexpr):
    """A block of rows of softmax(q k^T) v without ever storing the product; one head per program of axis 1."""
    row = tl.program_id(0) * M + tl.arange(0, M)
    base = tl.program_id(1) * length * D
    d = tl.arange(0, D)
    queries = tl.load(q + base + row[:, None] * D + d[None, :], mask=row[:, None] < length, other=0.0)
    most = tl.full([M], -float("inf"), tl.float32)
    sums = tl.zeros([M], tl.float32)
    total = tl.zeros([M, D], tl.float32)
    end = length
    if CAUSAL:
        end = tl.minimum(length, (tl.program_id(0) + 1) * M)
    for start in range(0, end, N):
        column = start + tl.arange(0, N)
        keys = tl.load(k + base + column[None, :] * D + d[:, None], mask=column[None, :] < length, other=0.0)
        scores = tl.dot(queries, keys) * scale
        seen = column[None, :] < length
        if CAUSAL:
            seen = seen & (row[:, None] >= column[None, :])
        scores = tl.where(seen, scores, -float("inf"))
        higher = tl.maximum(most, tl.max(scores, axis=1))
        weights = tl.exp2((scores - higher[:, None]) * 1.44269504)
        fade = tl.exp2((most - higher) * 1.44269504)
        sums = sums * fade + tl.sum(weights, axis=1)
        values = tl.load(v + base + column[:, None] * D + d[None, :], mask=column[:, None] < length, other=0.0)
        total = tl.dot(weights.to(values.dtype), values, total * fade[:, None])
        most = higher
    total = total / sums[:, None]
    tl.store(out + base + row[:, None] * D + d[None, :], total.to(out.dtype.element_ty), mask=row[:, None] < length)


@triton.jit
def larger(value_a, place_a, value_b, place_b):
    first = (value_a > value_b) | ((value_a == value_b) & (place_a < place_b))
    return tl.where(first, value_a, value_b), tl.where(first, place_a, place_b)


@triton.jit
def reductions(x, out, places, rows: tl.constexpr, columns: tl.constexpr):
    r, c = tl.arange(0, rows), tl.arange(0, columns)
    values = tl.load(x + r[:, None] * columns + c[None, :])
    tl.store(out + r, tl.sum(values, axis=1))
    tl.store(out + rows + r, tl.max(values, axis=1))
    tl.store(out + 2 * rows + r, tl.min(values, axis=1))
    tl.store(out + 3 * rows + c, tl.sum(values, axis=0))
    tl.store(out + 3 * rows + columns, tl.sum(tl.sum(values, axis=0), axis=0))
    tl.store(places + r, tl.argmax(values, axis=1))
    tl.store(places + rows + r, tl.argmin(values, axis=1))
    position = tl.broadcast_to(c[None, :], (rows, columns))
    best, place = tl.reduce((values, position), 1, larger)
    tl.store(places + 2 * rows + r, place)


@triton.jit
def scans(x, sums, products, BLOCK: tl.constexpr):
    i = tl.arange(0, BLOCK)
    row = tl.program_id(0) * BLOCK
    values = tl.load(x + row + i)
    tl.store(sums + row + i, tl.cumsum(values, axis=0))
    tl.store(products + row + i, tl.cumprod(values, axis=0, reverse=True))


@triton.jit
def sort_rows(x, out, BLOCK: tl.constexpr, DESCENDING: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(out + i, tl.sort(tl.load(x + i), descending=DESCENDING))


@triton.jit
def histogram(x, bins, n, BLOCK: tl.constexpr, BINS: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    counts = tl.histogram(tl.load(x + i, mask=i < n, other=0), BINS, mask=i < n)
    tl.atomic_add(bins + tl.arange(0, BINS), counts)


@triton.jit
def atomics(x, out, wide, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = i < n
    values = tl.load(x + i, mask=mask, other=0)
    tl.atomic_add(out + values % 4, values, mask=mask)
    tl.atomic_max(out + 4 + values % 4, values, mask=mask)
    tl.atomic_min(out + 8 + values % 4, values, mask=mask)
    tl.atomic_xor(out + 12 + values % 4, values, mask=mask)
    tl.atomic_or(out + 16 + values % 4, values, mask=mask)
    tl.atomic_and(out + 20 + values % 4, values | 0x70000, mask=mask)
    tl.atomic_add(wide + values % 4, values.to(tl.int64) << 30, mask=mask, sem="relaxed")


@triton.jit
def sum_floats(x, out, halves, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    values = tl.load(x + i, mask=i < n, other=0.0)
    tl.atomic_add(out + i % 2, values, mask=i < n)
    tl.atomic_max(out + 2 + i % 2, values, mask=i < n)
    tl.atomic_add(halves + i % 8, tl.full([BLOCK], 0.5, tl.float16), mask=i < n)


@triton.jit
def transpose(x, out, rows, columns, R: tl.constexpr, C: tl.constexpr):
    r, c = tl.program_id(0) * R + tl.arange(0, R), tl.program_id(1) * C + tl.arange(0, C)
    tile = tl.load(x + r[:, None] * columns + c[None, :], mask=(r[:, None] < rows) & (c[None, :] < columns))
    tl.store(out + c[:, None] * rows + r[None, :], tl.trans(tile), mask=(c[:, None] < columns) & (r[None, :] < rows))


@triton.jit
def dropout(x, out, words, n, p, seed, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    a, b, c, d = tl.randint4x(seed, i)
    tl.store(words + i, a ^ b ^ c ^ d, mask=i < n)
    keep = tl.rand(seed, i) > p
    tl.store(out + i, tl.where(keep, tl.load(x + i, mask=i < n) / (1 - p), 0.0), mask=i < n)


@triton.jit
def functions(x, out, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = i < n
    v = tl.load(x + i, mask=mask, other=1.0)
    tl.store(out + i, tl.sin(v) + tl.cos(v), mask=mask)
    tl.store(out + n + i, tl.log(tl.abs(v) + 0.1) + tl.exp(-v), mask=mask)
    tl.store(out + 2 * n + i, tl.sigmoid(v) + tl.erf(v), mask=mask)
    tl.store(out + 3 * n + i, libdevice.tanh(v) + libdevice.pow(tl.abs(v) + 0.5, 1.5), mask=mask)
    tl.store(out + 4 * n + i, libdevice.atan2(v, v + 3.0) + libdevice.lgamma(tl.abs(v) + 2.0), mask=mask)
    tl.store(out + 5 * n + i, tl.floor(v) + tl.ceil(v) * 10 + tl.sqrt(tl.abs(v)) + tl.rsqrt(tl.abs(v) + 1.0), mask=mask)
    tl.store(out + 6 * n + i, tl.fma(v, v, 1.0) + tl.clamp(v, -0.5, 0.5), mask=mask)


@triton.jit
def integers(x, y, out, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = i < n
    a, b = tl.load(x + i, mask=mask, other=1), tl.load(y + i, mask=mask, other=1)
    tl.store(out + i, a // b, mask=mask)
    tl.store(out + n + i, a % b, mask=mask)
    tl.store(out + 2 * n + i, (a << 3) ^ (b >> 2) & ~a, mask=mask)
    tl.store(out + 3 * n + i, tl.umulhi(a.to(tl.uint32, bitcast=True), b.to(tl.uint32, bitcast=True)).to(tl.int32, bitcast=True), mask=mask)
    packed = tl.inline_asm_elementwise("lop3.b32 $0, $1, $2, 0x5a, 0x96;", "=r,r,r", [a, b], dtype=tl.int32, is_pure=True, pack=1)
    tl.store(out + 4 * n + i, packed, mask=mask)


@triton.jit
def gather_rows(table, indices, out, columns, BLOCK: tl.constexpr):
    row = tl.load(indices + tl.program_id(0))
    i = tl.arange(0, BLOCK)
    tl.store(out + tl.program_id(0) * columns + i, tl.load(table + row.to(tl.int64) * columns + i, mask=i < columns), mask=i < columns)


@triton.jit
def shuffle_in_place(x, out, indices, BLOCK: tl.constexpr):
    i = tl.arange(0, BLOCK)
    values = tl.load(x + i)
    tl.store(out + i, tl.gather(values, tl.load(indices + i), axis=0))
    a, b = tl.split(tl.reshape(values, (BLOCK // 2, 2)))
    tl.store(out + BLOCK + i, tl.interleave(b, a))
    tl.store(out + 2 * BLOCK + i, tl.flip(values))


@triton.jit
def narrow_formats(x, out, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    v = tl.load(x + i, mask=i < n, other=0.0)
    tl.store(out + i, v.to(tl.bfloat16).to(tl.float32), mask=i < n)
    tl.store(out + n + i, v.to(tl.float16).to(tl.float32), mask=i < n)
    tl.store(out + 2 * n + i, v.to(tl.float8e5).to(tl.float32), mask=i < n)


@triton.jit
def convolve(x, w, out, height, width, H: tl.constexpr, W: tl.constexpr):
    y = tl.program_id(0) * H + tl.arange(0, H)
    c = tl.program_id(1) * W + tl.arange(0, W)
    total = tl.zeros((H, W), tl.float32)
    for dy in tl.static_range(3):
        for dx in tl.static_range(3):
            sy, sx = y[:, None] + dy - 1, c[None, :] + dx - 1
            inside = (sy >= 0) & (sy < height) & (sx >= 0) & (sx < width)
            total += tl.load(x + sy * width + sx, mask=inside, other=0.0) * tl.load(w + dy * 3 + dx)
    tl.store(out + y[:, None] * width + c[None, :], total, mask=(y[:, None] < height) & (c[None, :] < width))


@triton.jit
def persistent(counter, out, items, BLOCK: tl.constexpr):
    """Programs that take work from a counter until there is none."""
    item = tl.atomic_add(counter, 1)
    while item < items:
        i = tl.arange(0, BLOCK)
        tl.store(out + item * BLOCK + i, item * i)
        item = tl.atomic_add(counter, 1)


@triton.jit
def say(x):
    tl.device_print("value", tl.load(x + tl.program_id(0)))
