// Reductions: tree in shared memory, shuffles, cooperative groups, atomics of a block and of the grid, redux, last block done, argmax.
#include "sample.h"
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>
namespace cg = cooperative_groups;

extern "C" __global__ void sum_tree(const int *in, int *out, int n) {
    extern __shared__ int partial[];
    int t = threadIdx.x, i = blockIdx.x * blockDim.x * 2 + t;
    partial[t] = (i < n ? in[i] : 0) + (i + blockDim.x < n ? in[i + blockDim.x] : 0);
    __syncthreads();
    for (int step = blockDim.x / 2; step > 0; step /= 2) {
        if (t < step) partial[t] += partial[t + step];
        __syncthreads();
    }
    if (t == 0) out[blockIdx.x] = partial[0];
}

// The classic with an unrolled last warp, volatile and a template over the block's size.
template <int SIZE> __device__ void unrolled(const float *in, float *out, int n) {
    __shared__ volatile float partial[SIZE];
    int t = threadIdx.x;
    float sum = 0;
    for (int i = blockIdx.x * SIZE + t; i < n; i += SIZE * gridDim.x) sum += in[i];
    partial[t] = sum;
    __syncthreads();
    if (SIZE >= 256) { if (t < 128) partial[t] = sum = sum + partial[t + 128]; __syncthreads(); }
    if (SIZE >= 128) { if (t < 64) partial[t] = sum = sum + partial[t + 64]; __syncthreads(); }
    if (t < 32) {
        partial[t] = sum = sum + partial[t + 32];
        __syncwarp();
        for (int d = 16; d > 0; d /= 2) {
            float other = t < d ? partial[t + d] : 0;
            __syncwarp();
            if (t < d) partial[t] = sum = sum + other;
            __syncwarp();
        }
    }
    if (t == 0) out[blockIdx.x] = partial[0];
}
extern "C" __global__ void sum_unrolled(const float *in, float *out, int n) { unrolled<256>(in, out, n); }

template <typename T> __device__ T warp_sum(T value) {
#pragma unroll
    for (int d = 16; d > 0; d /= 2) value += __shfl_xor_sync(0xffffffffu, value, d);
    return value;
}
extern "C" __global__ void sum_shuffle(const double *in, double *out, int n) {
    __shared__ double warps[32];
    double sum = 0;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) sum += in[i];
    sum = warp_sum(sum);
    if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = sum;
    __syncthreads();
    if (threadIdx.x < 32) {
        sum = warp_sum(threadIdx.x < blockDim.x / 32 ? warps[threadIdx.x] : 0.0);
        if (threadIdx.x == 0) atomicAdd(out, sum);
    }
}

extern "C" __global__ void sum_groups(const int *in, long long *sum, int *low, int *high, int n) {
    cg::thread_block block = cg::this_thread_block();
    auto tile = cg::tiled_partition<32>(block);
    auto small = cg::tiled_partition<8>(tile);
    int i = cg::this_grid().thread_rank();
    int value = i < n ? in[i] : 0;
    long long eight = cg::reduce(small, (long long)value, cg::plus<long long>());
    if (small.thread_rank() == 0) atomicAdd((unsigned long long *)sum, (unsigned long long)eight);
    int least = cg::reduce(tile, i < n ? value : 0x7fffffff, cg::less<int>());
    int most = cg::reduce(tile, i < n ? value : -0x7fffffff, cg::greater<int>());
    if (tile.thread_rank() == 0) atomicMin(low, least), atomicMax(high, most);
}

extern "C" __global__ void sum_block_atomic(const unsigned *in, unsigned *sum, unsigned *all, unsigned *any, unsigned *odd, int n) {
    __shared__ unsigned s, a, o, x;
    if (threadIdx.x == 0) s = 0, a = ~0u, o = 0, x = 0;
    __syncthreads();
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
        atomicAdd_block(&s, in[i]), atomicAnd(&a, in[i] | 5), atomicOr(&o, in[i] & 0xff00ff), atomicXor(&x, in[i]);
    __syncthreads();
    if (threadIdx.x == 0) atomicAdd(sum, s), atomicAnd(all, a), atomicOr(any, o), atomicXor(odd, x);
}

// One redux instruction a warp where the architecture has it.
extern "C" __global__ void reduce_redux(const unsigned *in, unsigned *out, int n) {
    unsigned value = in[threadIdx.x], results[6];
#if __CUDA_ARCH__ >= 800
    results[0] = __reduce_add_sync(~0u, value), results[1] = __reduce_min_sync(~0u, value), results[2] = __reduce_max_sync(~0u, value);
    results[3] = __reduce_and_sync(~0u, value | 1), results[4] = __reduce_or_sync(~0u, value), results[5] = __reduce_xor_sync(~0u, value);
    // the even lanes by themselves
    if (threadIdx.x % 2 == 0) results[0] += (unsigned)__reduce_max_sync(0x55555555u, (int)value);
#else
    results[0] = results[4] = results[5] = 0, results[1] = ~0u, results[2] = 0, results[3] = ~0u;
    int most = -0x7fffffff - 1;
    for (int lane = 0; lane < 32; lane++) {
        unsigned other = __shfl_sync(~0u, value, lane);
        results[0] += other, results[1] = min(results[1], other), results[2] = max(results[2], other);
        results[3] &= other | 1, results[4] |= other, results[5] ^= other;
        if (lane % 2 == 0) most = max(most, (int)other);
    }
    if (threadIdx.x % 2 == 0) results[0] += (unsigned)most;
#endif
    for (int i = 0; i < 6; i++) out[threadIdx.x * 6 + i] = results[i];
}

// The last block to finish adds up what the others left: threadfence and a counter.
__device__ unsigned blocks_done = 0;
extern "C" __global__ void sum_last_block(const float *in, volatile float *partial, float *out, int n) {
    __shared__ bool last;
    auto block = cg::this_thread_block();
    auto tile = cg::tiled_partition<32>(block);
    __shared__ float warps[8];
    auto total = [&](float value) {
        value = cg::reduce(tile, value, cg::plus<float>());
        if (tile.thread_rank() == 0) warps[tile.meta_group_rank()] = value;
        block.sync();
        float sum = 0;
        for (int i = 0; i < tile.meta_group_size(); i++) sum += warps[i];
        block.sync();
        return sum;
    };
    float sum = 0;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) sum += in[i];
    sum = total(sum);
    if (threadIdx.x == 0) {
        partial[blockIdx.x] = sum;
        __threadfence();
        last = atomicInc(&blocks_done, gridDim.x - 1) == gridDim.x - 1;
    }
    block.sync();
    if (last) {
        sum = 0;
        for (int i = threadIdx.x; i < gridDim.x; i += blockDim.x) sum += partial[i];
        sum = total(sum);
        if (threadIdx.x == 0) *out = sum;
    }
}

// Place of the largest value: value and place packed into one 64-bit maximum.
extern "C" __global__ void argmax(const float *in, unsigned long long *best, int n) {
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        unsigned bits = __float_as_uint(in[i]);
        bits = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
        atomicMax(best, (unsigned long long)bits << 32 | (unsigned)(n - i));
    }
}

// Sums of segments: heads are found by ballot, each lane adds what its segment has before it.
extern "C" __global__ void segment_sums(const int *keys, const int *values, int *sums, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    unsigned active = __activemask();
    unsigned same = __match_any_sync(active, keys[i]);
    int sum = 0;
    for (unsigned rest = same; rest; rest &= rest - 1) sum += __shfl_sync(same, values[i], __ffs(rest) - 1);
    if ((threadIdx.x & 31) == __ffs(same) - 1) atomicAdd(&sums[keys[i]], sum);
}

#ifdef SAMPLE_HOST
int main() {
    const int n = 9001;
    auto ints = random_ints(n, 1, -100000, 100000);
    long long total = std::accumulate(ints.begin(), ints.end(), 0ll);
    {
        Device<int> in(ints), out(18);
        LAUNCH(sum_tree, SHAPE(18, 256, 256 * 4), in, out, n);
        auto parts = out.get();
        same("tree", (long long)std::accumulate(parts.begin(), parts.end(), 0), total);
        Device<long long> sum(1);
        Device<int> low(std::vector<int>{1 << 30}), high(std::vector<int>{-(1 << 30)});
        LAUNCH(sum_groups, SHAPE(36, 256), in, sum, low, high, n);
        same("groups: sum", sum.first(), total);
        same("groups: least", low.first(), *std::min_element(ints.begin(), ints.end()));
        same("groups: most", high.first(), *std::max_element(ints.begin(), ints.end()));
    }
    {
        auto floats = random_floats<float>(n, 2, 0, 1);
        double want = std::accumulate(floats.begin(), floats.end(), 0.0);
        Device<float> in(floats), out(7), one(1);
        LAUNCH(sum_unrolled, SHAPE(7, 256), in, out, n);
        auto parts = out.get();
        close("unrolled", std::vector<double>{std::accumulate(parts.begin(), parts.end(), 0.0)}, std::vector<double>{want}, 1e-6);
        for (int round = 0; round < 3; round++) {
            one.clear();
            LAUNCH(sum_last_block, SHAPE(7, 256), in, out, one, n);
            close("last block", one.get(), std::vector<double>{want}, 1e-6);
        }
        Device<unsigned long long> best(1);
        LAUNCH(argmax, SHAPE(4, 128), in, best, n);
        int place = n - (int)(best.first() & 0xffffffffu);
        same("argmax", place, (int)(std::max_element(floats.begin(), floats.end()) - floats.begin()));
        auto doubles = random_floats<double>(n, 3);
        Device<double> din(doubles), dout(1);
        LAUNCH(sum_shuffle, SHAPE(9, 192), din, dout, n);
        close("shuffle", dout.get(), std::vector<double>{std::accumulate(doubles.begin(), doubles.end(), 0.0)}, 1e-11, 1e-11);
    }
    {
        std::vector<unsigned> words(n);
        Random random(4);
        unsigned sum = 0, all = ~0u, any = 0, odd = 0;
        for (unsigned &word : words) {
            word = random.bits();
            sum += word, all &= word | 5, any |= word & 0xff00ff, odd ^= word;
        }
        Device<unsigned> in(words), out(std::vector<unsigned>{0, ~0u, 0, 0});
        LAUNCH(sum_block_atomic, SHAPE(5, 128), in, out, out + 1, out + 2, out + 3, n);
        same("block atomics", out.get(), std::vector<unsigned>{sum, all, any, odd});
        Device<unsigned> redux(32 * 6);
        LAUNCH(reduce_redux, SHAPE(1, 32), in, redux, n);
        std::vector<unsigned> want(32 * 6);
        unsigned r[6] = {0, ~0u, 0, ~0u, 0, 0};
        int even = std::numeric_limits<int>::min();
        for (int i = 0; i < 32; i++) {
            unsigned w = words[i];
            r[0] += w, r[1] = std::min(r[1], w), r[2] = std::max(r[2], w), r[3] &= w | 1, r[4] |= w, r[5] ^= w;
            if (i % 2 == 0) even = std::max(even, (int)w);
        }
        for (int i = 0; i < 32 * 6; i++) want[i] = r[i % 6] + (i % 12 == 0 ? (unsigned)even : 0);
        same("redux", redux.get(), want);
    }
    {
        auto keys = random_ints(n, 5, 0, 13);
        std::vector<int> want(13);
        for (int i = 0; i < n; i++) want[keys[i]] += ints[i];
        Device<int> dk(keys), dv(ints), sums(13);
        LAUNCH(segment_sums, SHAPE((n + 127) / 128, 128), dk, dv, sums, n);
        same("sums by key", sums.get(), want);
    }
    return finish("reductions");
}
#endif
