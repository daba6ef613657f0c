// Kinds of memory: constant, global variables, dynamic shared memory up to the limit by opt-in, local arrays, cache operators, structures.
#include "sample.h"

struct Settings { float scale; int shift; double offsets[3]; char name[9]; };
__constant__ Settings settings;
__constant__ int lookup[1000];
__device__ int counters[64];
__device__ float4 vectors[16];
__device__ const double table[5] = {1.5, -2.25, 3.125, 1e300, 5e-300};
__device__ struct { short a; long long b; unsigned char c[3]; } record = {-7, 1ll << 40, {1, 2, 3}};
__device__ int *pointer = &counters[5];
__device__ const char *words[3] = {"one", "two", "three"};

extern "C" __global__ void constants(const int *places, double *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = lookup[places[i]] * settings.scale + settings.offsets[i % 3] + (i << settings.shift) + settings.name[i % 9];
}
extern "C" __global__ void globals(long long *out) {
    int t = threadIdx.x;
    atomicAdd(&counters[t % 64], t);
    if (t < 16) vectors[t] = make_float4(t, t * 2, t * 3, t * 4);
    if (t == 0) *pointer += 1000;
    out[t] = (long long)(table[t % 3] * 8) + record.a + record.b + record.c[t % 3] + words[t % 3][t % 3];
}
extern "C" __global__ void big_shared(const unsigned *in, unsigned *out, int n) {  // reverses what fits into the block's memory
    extern __shared__ unsigned words_[];
    for (int i = threadIdx.x; i < n; i += blockDim.x) words_[i] = in[blockIdx.x * n + i];
    __syncthreads();
    for (int i = threadIdx.x; i < n; i += blockDim.x) out[blockIdx.x * n + i] = words_[n - 1 - i];
}
extern "C" __global__ void carved(const double *in, double *out, int n) {  // several arrays in one dynamic block, beside static ones
    extern __shared__ __align__(16) unsigned char raw[];
    __shared__ double extra[8];
    double *a = (double *)raw;
    float *b = (float *)(a + n);
    short *c = (short *)(b + n);
    int t = threadIdx.x;
    a[t] = in[t], b[t] = (float)in[t] * 2, c[t] = (short)(in[t] * 100);
    if (t < 8) extra[t] = in[t] * in[t];
    __syncthreads();
    int u = (t + 13) % n;
    out[t] = a[u] + b[u] + c[u] + extra[t % 8];
}
extern "C" __global__ void local_arrays(const int *in, int *out, int n) {
    int window[40], order[40];
    for (int k = 0; k < 40; k++) window[k] = in[(blockIdx.x * blockDim.x + threadIdx.x + k) % n], order[k] = k;
    for (int i = 1; i < 40; i++)
        for (int j = i; j > 0 && window[order[j - 1]] > window[order[j]]; j--) {
            int t = order[j];
            order[j] = order[j - 1], order[j - 1] = t;
        }
    out[blockIdx.x * blockDim.x + threadIdx.x] = window[order[20]] * 64 + order[0];
}
extern "C" __global__ void cached(const int4 *in, int *out, volatile int *seen, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    int4 a = __ldg(&in[i]), b = __ldcs(&in[n - 1 - i]), c = __ldcg(&in[i / 2]), d = __ldca(&in[0]), e = __ldlu(&in[1]), f = __ldcv(&in[2]);
    __stcs(&out[2 * i], a.x + b.y + c.z + d.w), __stwt(&out[2 * i + 1], e.x + f.y);
    asm volatile("prefetch.global.L2 [%0];" ::"l"(in + i));
    seen[i] = seen[i] + 1;
    seen[i] = seen[i] + 1;
}
struct Big { int values[60]; double weight; char tail[5]; };
extern "C" __global__ void by_value(Big big, char byte, short2 pair, float3 three, double2 two, double *out) {
    int t = threadIdx.x;
    Big copy = big;
    copy.values[t % 60] += byte;
    out[t] = copy.values[t % 60] * copy.weight + copy.tail[t % 5] + pair.x - pair.y + three.x * three.y - three.z + two.x / two.y;
}
// Addresses of every space as generic pointers.
__device__ __noinline__ int through(const int *p, int k) { return p[k] * 3; }
extern "C" __global__ void generic(const int *global, int *out) {
    __shared__ int shared[32];
    int local[4];
    int t = threadIdx.x;
    shared[t] = t * 5;
    for (int k = 0; k < 4; k++) local[k] = t + k;
    __syncthreads();
    const int *p = t % 4 == 0 ? global : t % 4 == 1 ? shared : t % 4 == 2 ? local : lookup;
    out[t] = through(p, t % 3) + 1000 * (__isGlobal(p) != 0) + 2000 * (__isShared(p) != 0) + 4000 * (__isLocal(p) != 0);
}

#ifdef SAMPLE_HOST
int main() {
    Random random(1);
    {
        Settings s = {1.5f, 2, {0.25, 100, -7}, "settings"};
        std::vector<int> values = random_ints(1000, 2, -5000, 5000), places = random_ints(700, 3, 0, 1000);
        OK(cudaMemcpy(SYMBOL(settings), &s, sizeof s, cudaMemcpyHostToDevice));
        OK(cudaMemcpy(SYMBOL(lookup), values.data(), 4000, cudaMemcpyHostToDevice));
        Device<int> dp(places);
        Device<double> out(700);
        LAUNCH(constants, SHAPE(6, 128), dp, out, 700);
        std::vector<double> want;
        for (int i = 0; i < 700; i++) want.push_back(values[places[i]] * 1.5f + s.offsets[i % 3] + (i << 2) + s.name[i % 9]);
        same("constant", out.get(), want);
    }
    {
        Device<long long> out(128);
        LAUNCH(globals, SHAPE(1, 128), out);
        const char *words_[] = {"one", "two", "three"};
        const double t[] = {1.5, -2.25, 3.125};
        std::vector<long long> want;
        std::vector<int> counts(64);
        for (int i = 0; i < 128; i++) want.push_back((long long)(t[i % 3] * 8) - 7 + (1ll << 40) + i % 3 + 1 + words_[i % 3][i % 3]), counts[i % 64] += i;
        counts[5] += 1000;
        same("global variables", out.get(), want);
        std::vector<int> got(64);
        OK(cudaMemcpy(got.data(), SYMBOL(counters), 256, cudaMemcpyDeviceToHost));
        same("counters", got, counts);
        std::vector<float> four(64), fours;
        OK(cudaMemcpy(four.data(), SYMBOL(vectors), 256, cudaMemcpyDeviceToHost));
        for (int i = 0; i < 64; i++) fours.push_back((float)(i / 4 * (i % 4 + 1)));
        same("vectors", four, fours);
    }
    {
        int most = 0;
        OK(cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0));
        EXPECT(most > 48 << 10);
        std::vector<unsigned> in(2 * most / 4), want(in.size());
        for (unsigned &word : in) word = random.bits();
        int n = most / 4;
        for (int i = 0; i < 2 * n; i++) want[i] = in[i / n * n + n - 1 - i % n];
        Device<unsigned> din(in), dout(in.size());
        int size = most, grid = 2;
        unsigned *from = din, *to = dout;
        void *arguments[] = {&from, &to, &n};
        // more than 48 KiB must be asked for
        cudaError_t refused = cudaLaunchKernel(FUNCTION(big_shared), dim3(grid), dim3(256), arguments, size, nullptr);
        EXPECT(refused == cudaErrorInvalidValue);
        (void)cudaGetLastError();
        OK(cudaFuncSetAttribute(FUNCTION(big_shared), cudaFuncAttributeMaxDynamicSharedMemorySize, size));
        LAUNCH(big_shared, SHAPE(2, 256, (size_t)size), din, dout, n);
        same("shared memory to the limit", dout.get(), want);
        auto values = random_floats<double>(100, 4, -10, 10);
        Device<double> dv(values), dw(100);
        LAUNCH(carved, SHAPE(1, 100, 100 * 14), dv, dw, 100);
        std::vector<double> mixed;
        for (int t = 0; t < 100; t++) {
            double u = values[(t + 13) % 100];
            mixed.push_back(u + (float)u * 2 + (short)(u * 100) + values[t % 8] * values[t % 8]);
        }
        close("carved", dw.get(), mixed, 1e-12);
    }
    {
        auto in = random_ints(300, 5, -1000, 1000);
        Device<int> din(in), out(128);
        LAUNCH(local_arrays, SHAPE(2, 64), din, out, 300);
        std::vector<int> want;
        for (int i = 0; i < 128; i++) {
            std::vector<int> window, order(40);
            for (int k = 0; k < 40; k++) window.push_back(in[(i + k) % 300]), order[k] = k;
            std::stable_sort(order.begin(), order.end(), [&](int p, int q) { return window[p] < window[q]; });
            want.push_back(window[order[20]] * 64 + order[0]);
        }
        same("local arrays", out.get(), want);
        Device<int> cached_out(150), seen(75);
        LAUNCH(cached, SHAPE(1, 96), (int4 *)(int *)din, cached_out, (int *)seen, 75);
        want.clear();
        for (int i = 0; i < 75; i++) {
            want.push_back(in[4 * i] + in[4 * (74 - i) + 1] + in[4 * (i / 2) + 2] + in[3]);
            want.push_back(in[4] + in[9]);
        }
        same("cache operators", cached_out.get(), want);
        same("volatile", seen.get(), std::vector<int>(75, 2));
    }
    {
        Big big;
        for (int i = 0; i < 60; i++) big.values[i] = i * i;
        big.weight = 0.125;
        for (int i = 0; i < 5; i++) big.tail[i] = (char)(i - 2);
        Device<double> out(64);
        LAUNCH(by_value, SHAPE(1, 64), big, (char)-3, short2{7, 9}, float3{1.5f, 2, 3}, double2{9, 4}, out);
        std::vector<double> want;
        for (int t = 0; t < 64; t++) want.push_back((t % 60 * (t % 60) - 3) * 0.125 + (t % 5 - 2) - 2 + 0 + 2.25);
        same("structures by value", out.get(), want);
    }
    {
        std::vector<int> values(3), first(3);
        OK(cudaMemcpy(first.data(), SYMBOL(lookup), 12, cudaMemcpyDeviceToHost));
        values = {11, 22, 33};
        Device<int> global(values), out(32);
        LAUNCH(generic, SHAPE(1, 32), global, out);
        std::vector<int> want;
        for (int t = 0; t < 32; t++) {
            int k = t % 3, value = t % 4 == 0 ? values[k] : t % 4 == 1 ? k * 5 : t % 4 == 2 ? t + k : first[k];
            want.push_back(value * 3 + (t % 4 == 1 ? 2000 : t % 4 == 2 ? 4000 : t % 4 == 0 ? 1000 : 0));
        }
        auto got = out.get();
        for (int t = 3; t < 32; t += 4) got[t] -= got[t] - want[t] == 1000 ? 1000 : 0;  // constants may count as global memory
        same("generic addresses", got, want);
    }
    return finish("memory");
}
#endif
