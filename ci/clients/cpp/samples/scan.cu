// Prefix sums: Hillis-Steele, Blelloch without bank conflicts, shuffles, cooperative groups, and over the grid in one pass by look-back.
#include "sample.h"
#include <cooperative_groups.h>
#include <cooperative_groups/scan.h>
namespace cg = cooperative_groups;

extern "C" __global__ void scan_hillis_steele(const int *in, int *out, int n) {
    extern __shared__ int two[];
    int t = threadIdx.x, from = 0;
    two[t] = t < n ? in[t] : 0;
    __syncthreads();
    for (int d = 1; d < n; d *= 2) {
        int value = two[from * blockDim.x + t];
        if (t >= d) value += two[from * blockDim.x + t - d];
        from ^= 1;
        two[from * blockDim.x + t] = value;
        __syncthreads();
    }
    if (t < n) out[t] = two[from * blockDim.x + t];
}

#define AT(i) ((i) + (i) / 32)
extern "C" __global__ void scan_blelloch(const float *in, float *out, int n) {  // exclusive; n is a power of two, n / 2 threads
    extern __shared__ float tree[];
    int t = threadIdx.x, offset = 1;
    tree[AT(2 * t)] = in[2 * t];
    tree[AT(2 * t + 1)] = in[2 * t + 1];
    for (int d = n / 2; d > 0; d /= 2) {
        __syncthreads();
        if (t < d) tree[AT(offset * (2 * t + 2) - 1)] += tree[AT(offset * (2 * t + 1) - 1)];
        offset *= 2;
    }
    if (t == 0) tree[AT(n - 1)] = 0;
    for (int d = 1; d < n; d *= 2) {
        offset /= 2;
        __syncthreads();
        if (t < d) {
            int a = AT(offset * (2 * t + 1) - 1), b = AT(offset * (2 * t + 2) - 1);
            float left = tree[a];
            tree[a] = tree[b];
            tree[b] += left;
        }
    }
    __syncthreads();
    out[2 * t] = tree[AT(2 * t)];
    out[2 * t + 1] = tree[AT(2 * t + 1)];
}

extern "C" __global__ void scan_groups(const int *in, int *inclusive, int *exclusive, int *largest, int n) {
    auto tile = cg::tiled_partition<16>(cg::this_thread_block());
    int i = cg::this_grid().thread_rank(), value = i < n ? in[i] : 0;
    int a = cg::inclusive_scan(tile, value), b = cg::exclusive_scan(tile, value), c = cg::inclusive_scan(tile, value, cg::greater<int>());
    if (i < n) inclusive[i] = a, exclusive[i] = b, largest[i] = c;
}

// One pass over the whole array: each block publishes its sum, then its prefix, and looks back over the blocks before it.
extern "C" __global__ void scan_look_back(const unsigned *in, unsigned long long *out, unsigned long long *states, unsigned *ticket, int n) {
    __shared__ unsigned long long warps[8], before;
    __shared__ unsigned block;
    if (threadIdx.x == 0) block = atomicAdd(ticket, 1);
    __syncthreads();
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32, i = block * 256 + threadIdx.x;
    unsigned long long value = i < n ? in[i] : 0, sum = value;
    for (int d = 1; d < 32; d *= 2) {
        unsigned long long other = __shfl_up_sync(~0u, sum, d);
        if (lane >= d) sum += other;
    }
    if (lane == 31) warps[warp] = sum;
    __syncthreads();
    unsigned long long base = 0, total = 0;
    for (int w = 0; w < 8; w++) {
        if (w == warp) base = total;
        total += warps[w];
    }
    if (threadIdx.x == 0) {
        const unsigned long long sum_ready = 1ull << 62, prefix_ready = 2ull << 62, mask = sum_ready - 1;
        volatile unsigned long long *state = states;
        state[block] = (block == 0 ? prefix_ready : sum_ready) | total;
        unsigned long long found = 0;
        for (int back = (int)block - 1; back >= 0; back--) {
            unsigned long long seen;
            while (((seen = state[back]) & ~mask) == 0) {}
            found += seen & mask;
            if ((seen & ~mask) == prefix_ready) break;
        }
        if (block > 0) state[block] = prefix_ready | (found + total);
        before = found;
    }
    __syncthreads();
    if (i < n) out[i] = before + base + sum;
}

// Keeps the positive ones in order: scan of flags by ballot.
extern "C" __global__ void compact(const int *in, int *out, int *count, int n) {
    __shared__ int warps[32], start;
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    if (threadIdx.x == 0) start = 0;
    __syncthreads();
    for (int base = 0; base < n; base += blockDim.x) {
        int i = base + threadIdx.x;
        bool keep = i < n && in[i] > 0;
        unsigned kept = __ballot_sync(~0u, keep);
        if (lane == 0) warps[warp] = __popc(kept);
        __syncthreads();
        int place = start, all = 0;
        for (int w = 0; w < blockDim.x / 32; w++) {
            if (w < warp) place += warps[w];
            all += warps[w];
        }
        if (keep) out[place + __popc(kept & ((1u << lane) - 1))] = in[i];
        __syncthreads();
        if (threadIdx.x == 0) start += all;
        __syncthreads();
    }
    if (threadIdx.x == 0) *count = start;
}

#ifdef SAMPLE_HOST
int main() {
    const int n = 5000;
    auto ints = random_ints(n, 1, -50, 50);
    Device<int> in(ints), out(n), exclusive(n), largest(n);
    {
        std::vector<int> want(500);
        std::partial_sum(ints.begin(), ints.begin() + 500, want.begin());
        LAUNCH(scan_hillis_steele, SHAPE(1, 512, 2 * 512 * 4), in, out, 500);
        auto got = out.get();
        got.resize(500);
        same("Hillis-Steele", got, want);
    }
    {
        auto floats = random_floats<float>(1024, 2, 0, 1);
        std::vector<double> want(1024);
        for (int i = 1; i < 1024; i++) want[i] = want[i - 1] + floats[i - 1];
        Device<float> fin(floats), fout(1024);
        LAUNCH(scan_blelloch, SHAPE(1, 512, (1024 + 32) * 4), fin, fout, 1024);
        close("Blelloch", fout.get(), want, 1e-6);
    }
    {
        std::vector<int> a(n), b(n), c(n);
        for (int i = 0; i < n; i++) {
            b[i] = i % 16 ? a[i - 1] : 0;
            a[i] = b[i] + ints[i];
            c[i] = i % 16 ? std::max(c[i - 1], ints[i]) : ints[i];
        }
        LAUNCH(scan_groups, SHAPE((n + 127) / 128, 128), in, out, exclusive, largest, n);
        same("groups, inclusive", out.get(), a);
        same("groups, exclusive", exclusive.get(), b);
        same("groups, maximum", largest.get(), c);
    }
    {
        std::vector<unsigned> words(n);
        std::vector<unsigned long long> want(n);
        Random random(3);
        unsigned long long sum = 0;
        for (int i = 0; i < n; i++) words[i] = random.bits(), want[i] = sum += words[i];
        Device<unsigned> win(words), ticket(1);
        Device<unsigned long long> wout(n), states(20);
        LAUNCH(scan_look_back, SHAPE(20, 256), win, wout, states, ticket, n);
        same("look-back", wout.get(), want);
    }
    {
        std::vector<int> want;
        std::copy_if(ints.begin(), ints.end(), std::back_inserter(want), [](int x) { return x > 0; });
        Device<int> count(1);
        LAUNCH(compact, SHAPE(1, 256), in, out, count, n);
        same("count kept", count.first(), (int)want.size());
        auto got = out.get();
        got.resize(want.size());
        same("kept in order", got, want);
    }
    return finish("scan");
}
#endif
