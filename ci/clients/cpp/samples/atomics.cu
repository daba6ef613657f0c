// Atomic operations of all kinds, widths and scopes, in global and shared memory, and what is built from compare-and-swap.
#include "sample.h"
#include <cuda/atomic>

extern "C" __global__ void all_32(unsigned *u, int *s) {
    unsigned t = blockIdx.x * blockDim.x + threadIdx.x;
    atomicAdd(&u[0], t), atomicSub(&u[1], t), atomicMin(&u[2], t * 2654435761u), atomicMax(&u[3], t * 2654435761u);
    atomicInc(&u[4], 100), atomicDec(&u[5], 100), atomicAnd(&u[6], ~(1u << t % 7)), atomicOr(&u[7], 1u << t % 32), atomicXor(&u[8], t * 77);
    atomicAdd(&s[0], -(int)t), atomicMin(&s[1], (int)(t * 2654435761u)), atomicMax(&s[2], (int)(t * 2654435761u));
    if (atomicExch(&u[9], t + 1) == 0) u[10] = 1;  // exactly one sees the zero
    if (atomicCAS(&u[11], 0, t + 1) == 0) atomicAdd(&u[12], 1);
}
extern "C" __global__ void all_64(unsigned long long *u, long long *s) {
    unsigned long long t = blockIdx.x * blockDim.x + threadIdx.x, x = t * 0x9e3779b97f4a7c15ull;
    atomicAdd(&u[0], x), atomicMin(&u[1], x), atomicMax(&u[2], x), atomicAnd(&u[3], ~(1ull << t % 50)), atomicOr(&u[4], 1ull << t % 64), atomicXor(&u[5], x);
    atomicMin(&s[0], (long long)x), atomicMax(&s[1], (long long)x);
    if (atomicExch(&u[6], t + 1) == 0) u[7] = 1;
    if (atomicCAS(&u[8], 0ull, t + 1) == 0) atomicAdd(&u[9], 1ull);
}
extern "C" __global__ void all_float(float *f, double *d) {
    int t = blockIdx.x * blockDim.x + threadIdx.x;
    atomicAdd(&f[0], t * 0.5f), atomicAdd(&d[0], t * 0.25), atomicExch(&f[1], 7.0f);
    float old = f[2];  // a maximum of floats by compare-and-swap
    while (old < t * 1.5f) {
        float seen = __int_as_float(atomicCAS((int *)&f[2], __float_as_int(old), __float_as_int(t * 1.5f)));
        if (seen == old) break;
        old = seen;
    }
    unsigned long long *bits = (unsigned long long *)&d[1], seen = *bits, assumed;  // a product of doubles
    do {
        assumed = seen;
        seen = atomicCAS(bits, assumed, (unsigned long long)__double_as_longlong(__longlong_as_double(assumed) * 1.001));
    } while (seen != assumed);
}
extern "C" __global__ void narrow(unsigned short *h, unsigned char *bytes) {
    int t = blockIdx.x * blockDim.x + threadIdx.x;
    unsigned short old = h[t % 3], seen;
    for (;; old = seen) {
        seen = atomicCAS(&h[t % 3], old, (unsigned short)(old + t));
        if (seen == old) break;
    }
    // a byte inside a word
    unsigned *word = (unsigned *)(bytes + t % 8 / 4 * 4), shift = t % 4 * 8, value = *word, next;
    for (;; value = next) {
        unsigned changed = (value & ~(255u << shift)) | (((value >> shift) + 1 & 255) << shift);
        next = atomicCAS(word, value, changed);
        if (next == value) break;
    }
}
extern "C" __global__ void in_shared(unsigned *out) {
    __shared__ unsigned u[8];
    __shared__ unsigned long long w[2];
    __shared__ float f;
    if (threadIdx.x < 8) u[threadIdx.x] = threadIdx.x == 2 ? ~0u : 0;
    if (threadIdx.x == 0) w[0] = w[1] = 0, f = 0;
    __syncthreads();
    atomicAdd(&u[0], 3u), atomicAdd_block(&u[1], 5u), atomicMin(&u[2], threadIdx.x ^ 37), atomicMax(&u[3], threadIdx.x ^ 37), atomicInc(&u[4], 10u);
    atomicAdd(&w[0], 1ull << 33), atomicMax(&w[1], (unsigned long long)threadIdx.x << 34), atomicAdd(&f, 0.5f), atomicXor(&u[5], 1u << threadIdx.x % 32);
    unsigned *generic = threadIdx.x % 2 ? &u[6] : &out[blockIdx.x * 16 + 15];  // one instruction, two spaces
    atomicAdd(generic, 1u);
    __syncthreads();
    if (threadIdx.x < 7) out[blockIdx.x * 16 + threadIdx.x] = u[threadIdx.x];
    if (threadIdx.x == 7) out[blockIdx.x * 16 + 7] = (unsigned)(w[0] >> 33), out[blockIdx.x * 16 + 8] = (unsigned)(w[1] >> 34), out[blockIdx.x * 16 + 9] = (unsigned)f;
}
// The C++ atomics of libcu++, with orders and scopes.
extern "C" __global__ void orders(int *values, int *out) {
    cuda::atomic_ref<int, cuda::thread_scope_device> sum(values[0]);
    cuda::atomic_ref<int, cuda::thread_scope_system> least(values[1]);
    cuda::atomic_ref<int, cuda::thread_scope_block> most(values[2 + blockIdx.x]);
    int t = blockIdx.x * blockDim.x + threadIdx.x;
    sum.fetch_add(t, cuda::memory_order_relaxed);
    least.fetch_min(-t, cuda::memory_order_acq_rel);
    most.fetch_max(t, cuda::memory_order_seq_cst);
    int expected = values[10];
    while (!sum.is_lock_free()) {}
    cuda::atomic_ref<int> product(values[10]);
    while (!product.compare_exchange_weak(expected, (int)((unsigned)expected * 3u), cuda::memory_order_release, cuda::memory_order_relaxed)) {}
    if (atomicAdd_system(&values[11], 1) == (int)(gridDim.x * blockDim.x) - 1) {
        cuda::atomic_thread_fence(cuda::memory_order_seq_cst, cuda::thread_scope_device);
        out[0] = sum.load(cuda::memory_order_acquire), out[1] = least.exchange(5);
    }
}
extern "C" __global__ void vectors(float *out) {  // several floats in one instruction where the architecture has it
#if __CUDA_ARCH__ >= 900
    atomicAdd((float2 *)out, make_float2(1, threadIdx.x));
    atomicAdd((float4 *)(out + 4), make_float4(1, 2, 3, threadIdx.x));
#else
    atomicAdd(out, 1.0f), atomicAdd(out + 1, (float)threadIdx.x);
    atomicAdd(out + 4, 1.0f), atomicAdd(out + 5, 2.0f), atomicAdd(out + 6, 3.0f), atomicAdd(out + 7, (float)threadIdx.x);
#endif
}

#ifdef SAMPLE_HOST
int main() {
    const unsigned blocks = 5, threads = 96, n = blocks * threads;
    {
        std::vector<unsigned> u(13);
        u[1] = 1000000, u[2] = ~0u, u[6] = ~0u;
        std::vector<int> s = {0, 0x7fffffff, -0x7fffffff};
        Device<unsigned> du(u);
        Device<int> ds(s);
        LAUNCH(all_32, SHAPE(blocks, threads), du, ds);
        for (unsigned t = 0; t < n; t++) {
            u[0] += t, u[1] -= t, u[2] = std::min(u[2], t * 2654435761u), u[3] = std::max(u[3], t * 2654435761u);
            u[4] = u[4] >= 100 ? 0 : u[4] + 1, u[5] = u[5] == 0 || u[5] > 100 ? 100 : u[5] - 1;
            u[6] &= ~(1u << t % 7), u[7] |= 1u << t % 32, u[8] ^= t * 77;
            s[0] -= (int)t, s[1] = std::min(s[1], (int)(t * 2654435761u)), s[2] = std::max(s[2], (int)(t * 2654435761u));
        }
        auto got = du.get();
        EXPECT(got[9] >= 1 && got[9] <= n && got[11] >= 1 && got[11] <= n);
        u[9] = got[9], u[10] = 1, u[11] = got[11], u[12] = 1;
        same("32 bits, unsigned", got, u);
        same("32 bits, signed", ds.get(), s);
    }
    {
        std::vector<unsigned long long> u(10);
        std::vector<long long> s(2);
        u[1] = u[3] = ~0ull;
        Device<unsigned long long> du(u);
        Device<long long> ds(s);
        LAUNCH(all_64, SHAPE(blocks, threads), du, ds);
        for (unsigned long long t = 0; t < n; t++) {
            unsigned long long x = t * 0x9e3779b97f4a7c15ull;
            u[0] += x, u[1] = std::min(u[1], x), u[2] = std::max(u[2], x), u[3] &= ~(1ull << t % 50), u[4] |= 1ull << t % 64, u[5] ^= x;
            s[0] = std::min(s[0], (long long)x), s[1] = std::max(s[1], (long long)x);
        }
        auto got = du.get();
        EXPECT(got[6] >= 1 && got[6] <= n && got[8] >= 1 && got[8] <= n);
        u[6] = got[6], u[7] = 1, u[8] = got[8], u[9] = 1;
        same("64 bits, unsigned", got, u);
        same("64 bits, signed", ds.get(), s);
    }
    {
        Device<float> f(3);
        Device<double> d(std::vector<double>{0, 1});
        LAUNCH(all_float, SHAPE(blocks, threads), f, d);
        close("float", f.get(), std::vector<double>{n * (n - 1) / 2 * 0.5, 7, (n - 1) * 1.5}, 1e-5);
        close("double", d.get(), std::vector<double>{n * (n - 1) / 2 * 0.25, std::pow(1.001, n)}, 1e-12);
    }
    {
        Device<unsigned short> h(4);
        Device<unsigned char> bytes(8);
        LAUNCH(narrow, SHAPE(blocks, threads), h, bytes);
        std::vector<unsigned short> want(4);
        std::vector<unsigned char> counts(8);
        for (unsigned t = 0; t < n; t++) want[t % 3] += t, counts[t % 8 / 4 * 4 + t % 4]++;
        same("16 bits", h.get(), want);
        same("8 bits", bytes.get(), counts);
    }
    {
        Device<unsigned> out(2 * 16);
        LAUNCH(in_shared, SHAPE(2, threads), out);
        std::vector<unsigned> want;
        for (int block = 0; block < 2; block++) {
            unsigned least = ~0u, most = 0, bits = 0, wrapped = 0;
            for (unsigned t = 0; t < threads; t++) {
                least = std::min(least, t ^ 37), most = std::max(most, t ^ 37), bits ^= 1u << t % 32;
                wrapped = wrapped >= 10 ? 0 : wrapped + 1;
            }
            const unsigned row[16] = {3 * threads, 5 * threads, least, most, wrapped, bits, threads / 2, threads, threads - 1, threads / 2, 0, 0, 0, 0, 0, threads / 2};
            want.insert(want.end(), row, row + 16);
        }
        same("shared", out.get(), want);
    }
    {
        std::vector<int> values(12);
        values[10] = 1;
        Device<int> dv(values), out(2);
        LAUNCH(orders, SHAPE(blocks, threads), dv, out);
        same("orders", out.get(), std::vector<int>{(int)(n * (n - 1) / 2), -(int)(n - 1)});
        auto got = dv.get();
        unsigned power = 1;
        for (unsigned t = 0; t < n; t++) power *= 3;
        same("exchanged", (unsigned)got[10], power);
        for (unsigned b = 0; b < blocks; b++) same("of a block", got[2 + b], (int)((b + 1) * threads - 1));
    }
    Device<float> v(8);
    LAUNCH(vectors, SHAPE(1, 64), v);
    same("vectors", v.get(), std::vector<float>{64, 2016, 0, 0, 64, 128, 192, 2016});
    return finish("atomics");
}
#endif
