// Sorting: bitonic in shared memory and over the grid, odd-even transposition, radix with warp matching, merge sort, ranks.
#include "sample.h"

extern "C" __global__ void bitonic_shared(unsigned *keys, unsigned *values, int n) {  // n a power of two, n / 2 threads
    extern __shared__ unsigned pairs[];
    unsigned *k = pairs, *v = pairs + n;
    for (int i = threadIdx.x; i < n; i += blockDim.x) k[i] = keys[i], v[i] = values[i];
    for (int size = 2; size <= n; size *= 2)
        for (int step = size / 2; step > 0; step /= 2) {
            __syncthreads();
            int i = 2 * threadIdx.x - (threadIdx.x & (step - 1));
            bool up = (i & size) == 0;
            if ((k[i] > k[i + step]) == up) {
                unsigned x = k[i], y = v[i];
                k[i] = k[i + step], v[i] = v[i + step];
                k[i + step] = x, v[i + step] = y;
            }
        }
    __syncthreads();
    for (int i = threadIdx.x; i < n; i += blockDim.x) keys[i] = k[i], values[i] = v[i];
}

extern "C" __global__ void bitonic_step(float *data, int size, int step) {
    int i = blockIdx.x * blockDim.x + threadIdx.x, other = i ^ step;
    if (other <= i) return;
    float a = data[i], b = data[other];
    if ((a > b) == ((i & size) == 0)) data[i] = b, data[other] = a;
}

extern "C" __global__ void odd_even(short *data, int n) {
    for (int round = 0; round < n; round++) {
        for (int i = 2 * threadIdx.x + round % 2; i + 1 < n; i += 2 * blockDim.x)
            if (data[i] > data[i + 1]) {
                short t = data[i];
                data[i] = data[i + 1];
                data[i + 1] = t;
            }
        __syncthreads();
    }
}

// Radix sort, four bits a pass: counts of each block, their scan, and a stable scatter by matching lanes.
extern "C" __global__ void radix_count(const unsigned *in, unsigned *counts, int shift, int n) {
    __shared__ unsigned bins[16];
    if (threadIdx.x < 16) bins[threadIdx.x] = 0;
    __syncthreads();
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) atomicAdd(&bins[in[i] >> shift & 15], 1);
    __syncthreads();
    if (threadIdx.x < 16) counts[threadIdx.x * gridDim.x + blockIdx.x] = bins[threadIdx.x];
}
extern "C" __global__ void radix_starts(unsigned *counts, int n) {  // exclusive scan by one warp
    unsigned sum = 0;
    for (int base = 0; base < n; base += 32) {
        int i = base + threadIdx.x;
        unsigned value = i < n ? counts[i] : 0, up = value;
        for (int d = 1; d < 32; d *= 2) {
            unsigned other = __shfl_up_sync(~0u, up, d);
            if (threadIdx.x >= d) up += other;
        }
        if (i < n) counts[i] = sum + up - value;
        sum += __shfl_sync(~0u, up, 31);
    }
}
extern "C" __global__ void radix_scatter(const unsigned *in, unsigned *out, const unsigned *starts, int shift, int n) {
    __shared__ unsigned next[16];
    int lane = threadIdx.x % 32, i = blockIdx.x * blockDim.x + threadIdx.x;
    if (threadIdx.x < 16) next[threadIdx.x] = starts[threadIdx.x * gridDim.x + blockIdx.x];
    __syncthreads();
    for (int warp = 0; warp < blockDim.x / 32; warp++) {
        if (threadIdx.x / 32 == warp && i < n) {
            unsigned active = __activemask(), digit = in[i] >> shift & 15;
            unsigned same = __match_any_sync(active, digit), rank = __popc(same & ((1u << lane) - 1));
            int leader = __ffs(same) - 1;
            unsigned base = 0;
            if (lane == leader) base = atomicAdd(&next[digit], __popc(same));
            out[__shfl_sync(same, base, leader) + rank] = in[i];
        }
        __syncthreads();
    }
}

// Merge path: each thread finds its own element's place in the merged pair of runs by bisection.
extern "C" __global__ void merge_runs(const double *in, double *out, int run, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    int pair = i / (2 * run) * 2 * run;
    bool left = i - pair < run;
    int low = left ? pair + run : pair, high = left ? pair + 2 * run : pair + run;
    low = low < n ? low : n, high = high < n ? high : n;
    int start = low;
    double x = in[i];
    while (low < high) {
        int middle = (low + high) / 2;
        if (in[middle] < x || (!left && in[middle] == x)) low = middle + 1;
        else high = middle;
    }
    out[pair + (left ? i - pair : i - pair - run) + (low - start)] = x;
}

extern "C" __global__ void rank_sort(const long long *in, long long *out, int n) {
    __shared__ long long tile[128];
    int i = blockIdx.x * 128 + threadIdx.x, rank = 0;
    long long x = i < n ? in[i] : 0;
    for (int base = 0; base < n; base += 128) {
        tile[threadIdx.x] = base + threadIdx.x < n ? in[base + threadIdx.x] : 0;
        __syncthreads();
        for (int j = 0; j < 128 && base + j < n; j++) rank += tile[j] < x || (tile[j] == x && base + j < i);
        __syncthreads();
    }
    if (i < n) out[rank] = x;
}

#ifdef SAMPLE_HOST
int main() {
    Random random(1);
    {
        const int n = 1024;
        std::vector<unsigned> keys(n), values(n);
        for (int i = 0; i < n; i++) keys[i] = random.bits(), values[i] = keys[i] * 3 + 1;
        Device<unsigned> dk(keys), dv(values);
        LAUNCH(bitonic_shared, SHAPE(1, n / 2, n * 8), dk, dv, n);
        std::sort(keys.begin(), keys.end());
        for (int i = 0; i < n; i++) values[i] = keys[i] * 3 + 1;
        same("bitonic keys", dk.get(), keys);
        same("bitonic values", dv.get(), values);
    }
    {
        const int n = 2048;
        auto data = random_floats<float>(n, 2);
        Device<float> d(data);
        for (int size = 2; size <= n; size *= 2)
            for (int step = size / 2; step > 0; step /= 2) LAUNCH(bitonic_step, SHAPE(n / 256, 256), d, size, step);
        std::sort(data.begin(), data.end());
        same("bitonic over the grid", d.get(), data);
    }
    {
        std::vector<short> data(301);
        for (short &x : data) x = (short)random.bits();
        Device<short> d(data);
        LAUNCH(odd_even, SHAPE(1, 160), d, 301);
        std::sort(data.begin(), data.end());
        same("odd-even", d.get(), data);
    }
    {
        const int n = 3001, blocks = (n + 255) / 256;
        std::vector<unsigned> data(n);
        for (unsigned &x : data) x = random.bits();
        Device<unsigned> a(data), b(n), counts(16 * blocks);
        for (int pass = 0; pass < 8; pass++) {
            unsigned *from = pass % 2 ? b : a, *to = pass % 2 ? a : b;
            LAUNCH(radix_count, SHAPE(blocks, 256), from, counts, pass * 4, n);
            LAUNCH(radix_starts, SHAPE(1, 32), counts, 16 * blocks);
            LAUNCH(radix_scatter, SHAPE(blocks, 256), from, to, counts, pass * 4, n);
        }
        std::sort(data.begin(), data.end());
        same("radix", a.get(), data);
    }
    {
        const int n = 1500;
        auto data = random_floats<double>(n, 3);
        for (int i = 0; i < n; i += 7) data[i] = data[n / 2];
        Device<double> a(data), b(n);
        bool swapped = false;
        for (int run = 1; run < n; run *= 2, swapped = !swapped)
            LAUNCH(merge_runs, SHAPE((n + 127) / 128, 128), swapped ? b : a, swapped ? a : b, run, n);
        std::sort(data.begin(), data.end());
        same("merge", (swapped ? b : a).get(), data);
    }
    {
        const int n = 700;
        std::vector<long long> data(n);
        for (long long &x : data) x = (long long)((uint64_t)random.bits() << 32 | random.bits()) / (random.below(3) ? 1 : 1ll << 60);
        Device<long long> a(data), b(n);
        LAUNCH(rank_sort, SHAPE((n + 127) / 128, 128), a, b, n);
        std::sort(data.begin(), data.end());
        same("ranks", b.get(), data);
    }
    return finish("sort");
}
#endif
