"""cuda.core: NVRTC compiles CUDA C++ to PTX in this process; launches, events, memory resources and a graph."""

import sys
from pathlib import Path

import numpy as np
from cuda.core import (Device, EventOptions, LaunchConfig, LegacyPinnedMemoryResource, Program, ProgramOptions, StreamOptions,
                       launch)

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from checks import Checks  # noqa: E402

SOURCE = r"""
template <typename T>
__global__ void saxpy(const T a, const T *x, const T *y, T *out, size_t n) {
    for (size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x; i < n; i += (size_t)gridDim.x * blockDim.x)
        out[i] = a * x[i] + y[i];
}

extern "C" __global__ void transpose(const int *in, int *out, int width, int height) {
    __shared__ int tile[32][33];
    int x = blockIdx.x * 32 + threadIdx.x, y = blockIdx.y * 32 + threadIdx.y;
    for (int j = 0; j < 32; j += 8)
        if (x < width && y + j < height) tile[threadIdx.y + j][threadIdx.x] = in[(y + j) * width + x];
    __syncthreads();
    x = blockIdx.y * 32 + threadIdx.x;
    y = blockIdx.x * 32 + threadIdx.y;
    for (int j = 0; j < 32; j += 8)
        if (x < height && y + j < width) out[(y + j) * height + x] = tile[threadIdx.x][threadIdx.y + j];
}

// inclusive scan of one block, by warp shuffles
extern "C" __global__ void scan(const long long *in, long long *out) {
    __shared__ long long warp_totals[32];
    int t = threadIdx.x, lane = t & 31, warp = t >> 5;
    long long value = in[t];
    for (int d = 1; d < 32; d <<= 1) {
        long long other = __shfl_up_sync(0xffffffffu, value, d);
        if (lane >= d) value += other;
    }
    if (lane == 31) warp_totals[warp] = value;
    __syncthreads();
    if (warp == 0) {
        long long total = lane < blockDim.x / 32 ? warp_totals[lane] : 0;
        for (int d = 1; d < 32; d <<= 1) {
            long long other = __shfl_up_sync(0xffffffffu, total, d);
            if (lane >= d) total += other;
        }
        warp_totals[lane] = total;
    }
    __syncthreads();
    out[t] = value + (warp ? warp_totals[warp - 1] : 0);
}

struct Complex { float re, im; };
extern "C" __global__ void mandelbrot(unsigned short *out, Complex low, Complex step, int width, int height, int limit) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= width || y >= height) return;
    double cr = low.re + (double)step.re * x, ci = low.im + (double)step.im * y, zr = 0, zi = 0;
    int n = 0;
    while (n < limit && zr * zr + zi * zi <= 4.0) {
        double t = zr * zr - zi * zi + cr;
        zi = 2 * zr * zi + ci;
        zr = t;
        n++;
    }
    out[y * width + x] = n;
}

extern "C" __global__ void add_one(int *x, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) x[i] += 1;
}

extern "C" __global__ void vote(const int *x, unsigned *out) {
    unsigned t = threadIdx.x;
    unsigned even = __ballot_sync(0xffffffffu, x[t] % 2 == 0);
    int all = __all_sync(0xffffffffu, x[t] >= 0), any = __any_sync(0xffffffffu, x[t] > 90);
    unsigned same = __match_any_sync(0xffffffffu, x[t] % 4);
    unsigned most = __reduce_max_sync(0xffffffffu, (unsigned)x[t]);
    out[t] = even ^ same ^ most ^ (all << 3) ^ (any << 5);
}
"""


def main():
    c = Checks("cuda.core")
    device = Device(0)
    device.set_current()
    major, minor = device.compute_capability
    c.true("compute capability", (major, minor) >= (7, 5), f"{major}.{minor}")
    c.true("properties", device.properties.warp_size == 32 and device.properties.multiprocessor_count > 0)
    stream = device.create_stream()

    program = Program(SOURCE, "c++", ProgramOptions(std="c++17", arch=f"sm_{major}{minor}"))
    module = program.compile("ptx", name_expressions=("saxpy<float>", "saxpy<double>"))
    pinned = LegacyPinnedMemoryResource()

    def on_device(array):
        """A device buffer with the array's content, copied on the stream from pinned memory."""
        host = pinned.allocate(array.nbytes)
        view(host, array.dtype)[:] = array.reshape(-1)
        buffer = device.allocate(array.nbytes, stream=stream)
        buffer.copy_from(host, stream=stream)
        stream.sync()
        host.close()
        return buffer

    def on_host(buffer, dtype):
        host = pinned.allocate(buffer.size)
        buffer.copy_to(host, stream=stream)
        stream.sync()
        result = view(host, dtype).copy()
        host.close()
        return result

    random = np.random.RandomState(11)
    for dtype in (np.float32, np.float64):
        n = 30_001
        x, y = random.standard_normal(n).astype(dtype), random.standard_normal(n).astype(dtype)
        bx, by, out = on_device(x), on_device(y), device.allocate(x.nbytes, stream=stream)
        kernel = module.get_kernel("saxpy<float>" if dtype == np.float32 else "saxpy<double>")
        launch(stream, LaunchConfig(grid=32, block=256), kernel, dtype(2.5), bx, by, out, np.uint64(n))
        c.close(f"template saxpy {dtype.__name__}", on_host(out, dtype), dtype(2.5) * x + y, rtol=1e-6, atol=1e-6)

    width, height = 100, 70
    matrix = np.arange(width * height, dtype=np.int32).reshape(height, width)
    source, target = on_device(matrix), device.allocate(matrix.nbytes, stream=stream)
    launch(stream, LaunchConfig(grid=(4, 3), block=(32, 8)), module.get_kernel("transpose"), source, target, np.int32(width), np.int32(height))
    c.equal("transpose through shared memory", on_host(target, np.int32).reshape(width, height), matrix.T)

    numbers = random.randint(-(1 << 40), 1 << 40, 512).astype(np.int64)
    source, target = on_device(numbers), device.allocate(numbers.nbytes, stream=stream)
    launch(stream, LaunchConfig(grid=1, block=512), module.get_kernel("scan"), source, target)
    c.equal("scan by warp shuffles", on_host(target, np.int64), np.cumsum(numbers))

    width, height, limit = 96, 64, 100
    low, step = np.array([-2.0, -1.0], np.float32), np.array([3.0 / 96, 2.0 / 64], np.float32)
    picture = device.allocate(width * height * 2, stream=stream)
    # structures by value: two floats have the size and alignment that a 64-bit word's halves have
    kernel = module.get_kernel("mandelbrot")
    pair = lambda p: np.frombuffer(p.tobytes(), np.complex64)[0]  # noqa: E731
    launch(stream, LaunchConfig(grid=(6, 8), block=(16, 8)), kernel, picture, pair(low), pair(step), np.int32(width), np.int32(height), np.int32(limit))
    grid = (float(low[0]) + float(step[0]) * np.arange(width))[None, :] + 1j * (float(low[1]) + float(step[1]) * np.arange(height))[:, None]
    z, counts = np.zeros_like(grid), np.zeros(grid.shape, np.uint16)
    for _ in range(limit):
        inside = z.real**2 + z.imag**2 <= 4.0
        counts[inside] += 1
        z[inside] = z[inside] ** 2 + grid[inside]
    got = on_host(picture, np.uint16).reshape(height, width)
    c.true("mandelbrot", (got != counts).mean() < 0.01, f"{(got != counts).sum()} points differ")  # rounding moves points of the edge

    votes = random.randint(0, 100, 32).astype(np.int32)
    source, target = on_device(votes), device.allocate(128, stream=stream)
    launch(stream, LaunchConfig(grid=1, block=32), module.get_kernel("vote"), source, target)
    even = sum(1 << i for i in range(32) if votes[i] % 2 == 0)
    same = [sum(1 << j for j in range(32) if votes[j] % 4 == votes[i] % 4) for i in range(32)]
    want = [even ^ s ^ int(votes.max()) ^ (int((votes >= 0).all()) << 3) ^ (int((votes > 90).any()) << 5) for s in same]
    c.equal("votes, match and reduce", on_host(target, np.uint32), np.array(want, np.uint32))

    # events and a second stream
    second = device.create_stream(options=StreamOptions(nonblocking=True))
    counter = on_device(np.zeros(1000, np.int32))
    add_one = module.get_kernel("add_one")
    config = LaunchConfig(grid=8, block=128)
    begin = stream.record(options=EventOptions(timing_enabled=True))
    for _ in range(20):
        launch(stream, config, add_one, counter, np.int32(1000))
    middle = stream.record()
    second.wait(middle)
    for _ in range(5):
        launch(second, config, add_one, counter, np.int32(1000))
    stream.wait(second.record())
    end = stream.record(options=EventOptions(timing_enabled=True))
    c.equal("order across two streams", on_host(counter, np.int32), np.full(1000, 25, np.int32))
    end.sync()
    c.true("event is done", end.is_done and middle.is_done)
    c.true("elapsed time", end - begin >= 0.0)

    # a graph, captured and launched several times
    builder = device.create_graph_builder()
    builder.begin_building()
    for _ in range(3):
        launch(builder, config, add_one, counter, np.int32(1000))
    graph = builder.end_building().complete()
    for _ in range(4):
        graph.launch(stream)
    c.equal("captured graph", on_host(counter, np.int32), np.full(1000, 37, np.int32))

    # buffers: fill, copy between devices' buffers, attributes
    filled = device.allocate(4096, stream=stream)
    filled.fill(0xA5, stream=stream)
    copy = device.allocate(4096, stream=stream)
    copy.copy_from(filled, stream=stream)
    c.equal("fill and copy", on_host(copy, np.uint8), np.full(4096, 0xA5, np.uint8))
    c.true("device buffer", filled.is_device_accessible and not filled.is_host_accessible)
    attributes = module.get_kernel("transpose").attributes
    c.true("kernel attributes", attributes.shared_size_bytes == 32 * 33 * 4 and attributes.max_threads_per_block >= 256)
    c.true("kernel arguments", module.get_kernel("transpose").num_arguments == 4)
    c.true("occupancy", module.get_kernel("transpose").occupancy.max_active_blocks_per_multiprocessor(256, 0) >= 1)
    stream.sync()  # not device.sync(): that goes to the runtime which cuda.bindings links statically
    c.finish()


def view(buffer, dtype):
    return np.from_dlpack(buffer).view(np.uint8).view(dtype)


if __name__ == "__main__":
    main()
