// CUB's algorithms of a block and of a warp, called from kernels: loads, reductions, scans, sorts, histograms, exchanges, run lengths.
#include "sample.h"
#include <cub/block/block_adjacent_difference.cuh>
#include <cub/block/block_discontinuity.cuh>
#include <cub/block/block_exchange.cuh>
#include <cub/block/block_histogram.cuh>
#include <cub/block/block_load.cuh>
#include <cub/block/block_merge_sort.cuh>
#include <cub/block/block_radix_sort.cuh>
#include <cub/block/block_reduce.cuh>
#include <cub/block/block_scan.cuh>
#include <cub/block/block_shuffle.cuh>
#include <cub/block/block_store.cuh>
#include <cub/warp/warp_merge_sort.cuh>
#include <cub/warp/warp_reduce.cuh>
#include <cub/warp/warp_scan.cuh>

struct Larger {
    template <typename T> __device__ T operator()(T a, T b) const { return a > b ? a : b; }
};
struct Less {
    template <typename T> __device__ bool operator()(T a, T b) const { return a < b; }
};
struct Different {
    __device__ bool operator()(int a, int b) const { return a != b; }
};
extern "C" __global__ void block_sort(const unsigned *in, unsigned *out) {  // 64 threads, 5 items each
    using Load = cub::BlockLoad<unsigned, 64, 5, cub::BLOCK_LOAD_TRANSPOSE>;
    using Sort = cub::BlockRadixSort<unsigned, 64, 5>;
    using Store = cub::BlockStore<unsigned, 64, 5, cub::BLOCK_STORE_WARP_TRANSPOSE>;
    __shared__ union {
        typename Load::TempStorage load;
        typename Sort::TempStorage sort;
        typename Store::TempStorage store;
    } temporary;
    unsigned items[5];
    Load(temporary.load).Load(in + blockIdx.x * 320, items);
    __syncthreads();
    Sort(temporary.sort).Sort(items);
    __syncthreads();
    Store(temporary.store).Store(out + blockIdx.x * 320, items);
}
extern "C" __global__ void block_reduce(const double *in, double *out, float *most) {
    using Sum = cub::BlockReduce<double, 128>;
    using Raking = cub::BlockReduce<float, 128, cub::BLOCK_REDUCE_RAKING>;
    __shared__ typename Sum::TempStorage sum;
    __shared__ typename Raking::TempStorage raking;
    double x[2] = {in[blockIdx.x * 256 + 2 * threadIdx.x], in[blockIdx.x * 256 + 2 * threadIdx.x + 1]};
    double total = Sum(sum).Sum(x);
    float largest = Raking(raking).Reduce((float)x[0], Larger());
    if (threadIdx.x == 0) out[blockIdx.x] = total, most[blockIdx.x] = largest;
}
extern "C" __global__ void block_scan(const int *in, int *inclusive, int *exclusive, int *total) {
    using Scan = cub::BlockScan<int, 96, cub::BLOCK_SCAN_RAKING>;
    using Warps = cub::BlockScan<int, 96, cub::BLOCK_SCAN_WARP_SCANS>;
    __shared__ typename Scan::TempStorage a;
    __shared__ typename Warps::TempStorage b;
    int items[3], sums[3], last;
    for (int k = 0; k < 3; k++) items[k] = in[threadIdx.x * 3 + k];
    Scan(a).InclusiveSum(items, sums);
    for (int k = 0; k < 3; k++) inclusive[threadIdx.x * 3 + k] = sums[k];
    Warps(b).ExclusiveSum(items, sums, last);
    for (int k = 0; k < 3; k++) exclusive[threadIdx.x * 3 + k] = sums[k];
    if (threadIdx.x == 0) *total = last;
}
extern "C" __global__ void block_counts(const unsigned char *in, unsigned *bins, int *heads, int *differences) {
    using Histogram = cub::BlockHistogram<unsigned char, 64, 4, 32, cub::BLOCK_HISTO_ATOMIC>;
    using Heads = cub::BlockDiscontinuity<int, 64>;
    using Adjacent = cub::BlockAdjacentDifference<int, 64>;
    __shared__ typename Histogram::TempStorage h;
    __shared__ typename Heads::TempStorage d;
    __shared__ typename Adjacent::TempStorage a;
    __shared__ unsigned counts[32];
    unsigned char items[4];
    int flags[1], values[1] = {in[threadIdx.x] / 8}, steps[1];
    for (int k = 0; k < 4; k++) items[k] = in[threadIdx.x * 4 + k] % 32;
    Histogram(h).Histogram(items, counts);
    __syncthreads();
    if (threadIdx.x < 32) bins[threadIdx.x] = counts[threadIdx.x];
    Heads(d).FlagHeads(flags, values, Different());
    heads[threadIdx.x] = flags[0];
    Adjacent(a).SubtractLeft(values, steps, [](int x, int y) { return x - y; });
    differences[threadIdx.x] = steps[0];
}
extern "C" __global__ void block_merge(const long long *keys, const int *values, long long *sorted, int *moved) {
    using Sort = cub::BlockMergeSort<long long, 64, 3, int>;
    using Exchange = cub::BlockExchange<int, 64, 3>;
    __shared__ typename Sort::TempStorage s;
    __shared__ typename Exchange::TempStorage e;
    long long k[3];
    int v[3];
    for (int i = 0; i < 3; i++) k[i] = keys[threadIdx.x * 3 + i], v[i] = values[threadIdx.x * 3 + i];
    Sort(s).Sort(k, v, Less());
    Exchange(e).BlockedToStriped(v);
    for (int i = 0; i < 3; i++) sorted[threadIdx.x * 3 + i] = k[i], moved[i * 64 + threadIdx.x] = v[i];
}
extern "C" __global__ void warp_level(const int *in, int *out) {
    using Reduce = cub::WarpReduce<int>;
    using Small = cub::WarpReduce<int, 8>;
    using Scan = cub::WarpScan<int>;
    __shared__ typename Reduce::TempStorage r[2];
    __shared__ typename Small::TempStorage q[8];
    __shared__ typename Scan::TempStorage s[2];
    int warp = threadIdx.x / 32, v = in[threadIdx.x];
    int sum = Reduce(r[warp]).Sum(v), eight = Small(q[threadIdx.x / 8]).Reduce(v, Larger()), before;
    Scan(s[warp]).ExclusiveScan(v, before, -1000000, Larger());
    out[threadIdx.x] = before;
    if (threadIdx.x % 8 == 0) out[64 + threadIdx.x / 8] = eight;
    if (threadIdx.x % 32 == 0) out[72 + warp] = sum;
}

#ifdef SAMPLE_HOST
int main() {
    Random random(1);
    std::vector<unsigned> words(640);
    for (unsigned &word : words) word = random.bits();
    Device<unsigned> dw(words), dout(640);
    LAUNCH(block_sort, SHAPE(2, 64), dw, dout);
    std::sort(words.begin(), words.begin() + 320), std::sort(words.begin() + 320, words.end());
    same("radix sort", dout.get(), words);

    auto x = random_floats<double>(512, 2);
    Device<double> dx(x), sums(2);
    Device<float> most(2);
    LAUNCH(block_reduce, SHAPE(2, 128), dx, sums, most);
    std::vector<double> total = {std::accumulate(x.begin(), x.begin() + 256, 0.0), std::accumulate(x.begin() + 256, x.end(), 0.0)};
    std::vector<float> largest(2, -9);
    for (int i = 0; i < 512; i += 2) largest[i / 256] = std::max(largest[i / 256], (float)x[i]);
    close("sum", sums.get(), total, 1e-12, 1e-12);
    same("largest", most.get(), largest);

    auto in = random_ints(288, 3, -100, 100);
    std::vector<int> a(288), b(288);
    std::partial_sum(in.begin(), in.end(), a.begin());
    for (int i = 1; i < 288; i++) b[i] = a[i - 1];
    Device<int> din(in), da(288), db(288), last(1);
    LAUNCH(block_scan, SHAPE(1, 96), din, da, db, last);
    same("inclusive", da.get(), a);
    same("exclusive", db.get(), b);
    same("total", last.first(), a[287]);

    std::vector<unsigned char> bytes(256);
    for (int i = 0; i < 256; i++) bytes[i] = (unsigned char)(i < 64 ? i / 3 * 8 : random.bits());
    std::vector<unsigned> bins(32);
    std::vector<int> heads(64), steps(64);
    for (auto byte : bytes) bins[byte % 32]++;
    for (int i = 0; i < 64; i++) heads[i] = i == 0 || bytes[i] / 8 != bytes[i - 1] / 8, steps[i] = bytes[i] / 8 - (i ? bytes[i - 1] / 8 : 0);
    Device<unsigned char> dbytes(bytes);
    Device<unsigned> dbins(32);
    Device<int> dheads(64), dsteps(64);
    LAUNCH(block_counts, SHAPE(1, 64), dbytes, dbins, dheads, dsteps);
    same("histogram", dbins.get(), bins);
    same("heads", dheads.get(), heads);
    same("differences", dsteps.get(), steps);

    std::vector<long long> keys(192);
    std::vector<int> values(192), order(192);
    for (int i = 0; i < 192; i++) keys[i] = (long long)((unsigned long long)random.bits() << 32 | random.bits()), values[i] = i;
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](int p, int q) { return keys[p] < keys[q]; });
    Device<long long> dk(keys), dsorted(192);
    Device<int> dv(values), dmoved(192);
    LAUNCH(block_merge, SHAPE(1, 64), dk, dv, dsorted, dmoved);
    std::sort(keys.begin(), keys.end());
    same("merge sort, keys", dsorted.get(), keys);
    same("merge sort, values", dmoved.get(), order);

    in.resize(64);
    Device<int> dwarp(74);
    LAUNCH(warp_level, SHAPE(1, 64), din, dwarp);
    std::vector<int> want(74);
    for (int i = 0; i < 64; i++) {
        want[i] = i % 32 ? std::max(want[i - 1], in[i - 1]) : -1000000;
        want[72 + i / 32] += in[i];
        want[64 + i / 8] = i % 8 ? std::max(want[64 + i / 8], in[i]) : in[i];
    }
    same("warps", dwarp.get(), want);
    return finish("block_algorithms");
}
#endif
