// Histograms: in shared memory by atomics, one of each warp, aggregated by matching lanes, by weights, and of two variables.
#include "sample.h"

extern "C" __global__ void histogram_global(const unsigned char *in, unsigned *bins, int n) {
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) atomicAdd(&bins[in[i]], 1u);
}
extern "C" __global__ void histogram_shared(const uchar4 *in, unsigned *bins, int n) {
    __shared__ unsigned local[256];
    for (int i = threadIdx.x; i < 256; i += blockDim.x) local[i] = 0;
    __syncthreads();
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        uchar4 four = in[i];
        atomicAdd(&local[four.x], 1u), atomicAdd(&local[four.y], 1u), atomicAdd(&local[four.z], 1u), atomicAdd(&local[four.w], 1u);
    }
    __syncthreads();
    for (int i = threadIdx.x; i < 256; i += blockDim.x) atomicAdd(&bins[i], local[i]);
}
// Counters of 16 bits, two in a word, one set a warp.
extern "C" __global__ void histogram_warps(const unsigned char *in, unsigned *bins, int n) {
    __shared__ unsigned local[4][128];
    int warp = threadIdx.x / 32;
    for (int i = threadIdx.x; i < 512; i += blockDim.x) local[i / 128][i % 128] = 0;
    __syncthreads();
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
        atomicAdd(&local[warp][in[i] / 2], 1u << (in[i] % 2 * 16));
    __syncthreads();
    for (int i = threadIdx.x; i < 256; i += blockDim.x) {
        unsigned sum = 0;
        for (int w = 0; w < 4; w++) sum += local[w][i / 2] >> (i % 2 * 16) & 0xffff;
        atomicAdd(&bins[i], sum);
    }
}
extern "C" __global__ void histogram_match(const unsigned char *in, unsigned *bins, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    unsigned same = __match_any_sync(__activemask(), (int)in[i]);
    if (threadIdx.x % 32 == __ffs(same) - 1) atomicAdd(&bins[in[i]], (unsigned)__popc(same));
}
extern "C" __global__ void histogram_weighted(const float *x, const float *weights, double *bins, int count, float low, float high, int n) {
    extern __shared__ double sums[];
    for (int i = threadIdx.x; i < count; i += blockDim.x) sums[i] = 0;
    __syncthreads();
    for (int i = threadIdx.x; i < n; i += blockDim.x)
        if (x[i] >= low && x[i] < high) atomicAdd(&sums[(int)((x[i] - low) / (high - low) * count)], (double)weights[i]);
    __syncthreads();
    for (int i = threadIdx.x; i < count; i += blockDim.x) atomicAdd(&bins[i], sums[i]);
}
extern "C" __global__ void histogram_2d(const short2 *in, unsigned long long *bins, int side, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) atomicAdd(&bins[(in[i].x & (side - 1)) * side + (in[i].y & (side - 1))], 1ull << 33);
}

#ifdef SAMPLE_HOST
int main() {
    const int n = 20000;
    Random random(1);
    std::vector<unsigned char> bytes(n);
    std::vector<unsigned> want(256);
    for (auto &byte : bytes) byte = (unsigned char)(random.bits() & random.bits()), want[byte]++;
    Device<unsigned char> in(bytes);
    Device<unsigned> bins(256);
    LAUNCH(histogram_global, SHAPE(8, 128), in, bins, n);
    same("global", bins.get(), want);
    bins.clear();
    LAUNCH(histogram_shared, SHAPE(8, 128), (uchar4 *)(unsigned char *)in, bins, n / 4);
    same("shared", bins.get(), want);
    bins.clear();
    LAUNCH(histogram_warps, SHAPE(8, 128), in, bins, n);
    same("one a warp", bins.get(), want);
    bins.clear();
    LAUNCH(histogram_match, SHAPE((n + 255) / 256, 256), in, bins, n);
    same("matched", bins.get(), want);

    auto x = random_floats<float>(4000, 2, -1, 2), weights = random_floats<float>(4000, 3, 0, 1);
    std::vector<double> sums(33);
    for (int i = 0; i < 4000; i++)
        if (x[i] >= -0.5f && x[i] < 1.5f) sums[(int)((x[i] - -0.5f) / (1.5f - -0.5f) * 33)] += weights[i];
    Device<float> dx(x), dw(weights);
    Device<double> ds(33);
    LAUNCH(histogram_weighted, SHAPE(1, 256, 33 * 8), dx, dw, ds, 33, -0.5f, 1.5f, 4000);
    close("weighted", ds.get(), sums, 1e-12);

    std::vector<short> pairs(2 * 3000);
    std::vector<unsigned long long> counts(64);
    for (short &value : pairs) value = (short)random.bits();
    for (int i = 0; i < 3000; i++) counts[(pairs[2 * i] & 7) * 8 + (pairs[2 * i + 1] & 7)] += 1ull << 33;
    Device<short> dp(pairs);
    Device<unsigned long long> dc(64);
    LAUNCH(histogram_2d, SHAPE(24, 128), (short2 *)(short *)dp, dc, 8, 3000);
    same("of two variables", dc.get(), counts);
    return finish("histogram");
}
#endif
