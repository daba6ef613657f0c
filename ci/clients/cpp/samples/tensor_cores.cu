// Matrix products on tensor cores: nvcuda::wmma for half, bfloat16, tf32, bytes and double, and mma.sync with ldmatrix in PTX.
#include "sample.h"
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <mma.h>
using namespace nvcuda;

// c = a b for row-major a (m x k), b (k x n); a warp makes one 16 x 16 tile.
template <typename T, typename S, int M, int N, int K, typename LB, bool BY_ROWS = true>
__device__ void wmma_product(const T *a, const T *b, S *c, int n, int k, int ldb) {
    wmma::fragment<wmma::matrix_a, M, N, K, T, wmma::row_major> x;
    wmma::fragment<wmma::matrix_b, M, N, K, T, LB> y;
    wmma::fragment<wmma::accumulator, M, N, K, S> z;
    wmma::fill_fragment(z, S(0.0f));
    for (int i = 0; i < k; i += K) {
        wmma::load_matrix_sync(x, a + blockIdx.y * M * k + i, k);
        const T *from = BY_ROWS ? b + i * ldb + blockIdx.x * N : b + blockIdx.x * N * ldb + i;
        wmma::load_matrix_sync(y, from, ldb);
        wmma::mma_sync(z, x, y, z);
    }
    wmma::store_matrix_sync(c + blockIdx.y * M * n + blockIdx.x * N, z, n, wmma::mem_row_major);
}

extern "C" __global__ void wmma_half_float(const half *a, const half *b, float *c, int n, int k) {
    wmma_product<half, float, 16, 16, 16, wmma::row_major>(a, b, c, n, k, n);
}
extern "C" __global__ void wmma_half_half(const half *a, const half *b, half *c, int n, int k) {
    wmma_product<half, half, 16, 16, 16, wmma::row_major>(a, b, c, n, k, n);
}
extern "C" __global__ void wmma_half_wide(const half *a, const half *b, float *c, int n, int k) {
    wmma_product<half, float, 8, 32, 16, wmma::row_major>(a, b, c, n, k, n);
}
extern "C" __global__ void wmma_half_tall(const half *a, const half *b, float *c, int n, int k) {
    wmma_product<half, float, 32, 8, 16, wmma::col_major, false>(a, b, c, n, k, k);
}
extern "C" __global__ void wmma_bytes(const signed char *a, const signed char *b, int *c, int n, int k) {
    wmma_product<signed char, int, 16, 16, 16, wmma::row_major>(a, b, c, n, k, n);
}
extern "C" __global__ void wmma_unsigned_bytes(const unsigned char *a, const unsigned char *b, int *c, int n, int k) {
    wmma_product<unsigned char, int, 16, 16, 16, wmma::col_major, false>(a, b, c, n, k, k);
}

// alpha * a b + beta * c through the fragments' elements, tiles in shared memory
extern "C" __global__ void wmma_scaled(const half *a, const half *b, float *c, float alpha, float beta) {
    __shared__ half sa[256], sb[256];
    __shared__ float sc[256];
    for (int i = threadIdx.x; i < 256; i += 32) sa[i] = a[i], sb[i] = b[i], sc[i] = c[i];
    __syncwarp();
    wmma::fragment<wmma::matrix_a, 16, 16, 16, half, wmma::col_major> x;
    wmma::fragment<wmma::matrix_b, 16, 16, 16, half, wmma::col_major> y;
    wmma::fragment<wmma::accumulator, 16, 16, 16, float> z, old;
    wmma::load_matrix_sync(x, sa, 16);
    wmma::load_matrix_sync(y, sb, 16);
    wmma::load_matrix_sync(old, sc, 16, wmma::mem_col_major);
    wmma::fill_fragment(z, 0.0f);
    wmma::mma_sync(z, x, y, z);
    for (int i = 0; i < z.num_elements; i++) z.x[i] = alpha * z.x[i] + beta * old.x[i];
    wmma::store_matrix_sync(sc, z, 16, wmma::mem_col_major);
    __syncwarp();
    for (int i = threadIdx.x; i < 256; i += 32) c[i] = sc[i];
}

extern "C" __global__ void wmma_bf16(const __nv_bfloat16 *a, const __nv_bfloat16 *b, float *c, int n, int k) {
#if __CUDA_ARCH__ >= 800
    wmma_product<__nv_bfloat16, float, 16, 16, 16, wmma::row_major>(a, b, c, n, k, n);
#endif
}
extern "C" __global__ void wmma_double(const double *a, const double *b, double *c, int n, int k) {
#if __CUDA_ARCH__ >= 800
    wmma_product<double, double, 8, 8, 4, wmma::row_major>(a, b, c, n, k, n);
#endif
}
extern "C" __global__ void wmma_tf32(const float *a, const float *b, float *c, int n, int k) {
#if __CUDA_ARCH__ >= 800
    wmma::fragment<wmma::matrix_a, 16, 16, 8, wmma::precision::tf32, wmma::row_major> x;
    wmma::fragment<wmma::matrix_b, 16, 16, 8, wmma::precision::tf32, wmma::row_major> y;
    wmma::fragment<wmma::accumulator, 16, 16, 8, float> z;
    wmma::fill_fragment(z, 0.0f);
    for (int i = 0; i < k; i += 8) {
        wmma::load_matrix_sync(x, a + blockIdx.y * 16 * k + i, k);
        wmma::load_matrix_sync(y, b + i * n + blockIdx.x * 16, n);
        for (int e = 0; e < x.num_elements; e++) x.x[e] = wmma::__float_to_tf32(x.x[e]);
        for (int e = 0; e < y.num_elements; e++) y.x[e] = wmma::__float_to_tf32(y.x[e]);
        wmma::mma_sync(z, x, y, z);
    }
    wmma::store_matrix_sync(c + blockIdx.y * 16 * n + blockIdx.x * 16, z, n, wmma::mem_row_major);
#endif
}

// One 16 x 8 tile a warp by mma.sync.m16n8k16; a comes through ldmatrix, b through ldmatrix.trans.
extern "C" __global__ void mma_half(const half *a, const half *b, float *c, int n, int k) {
#if __CUDA_ARCH__ >= 800
    __shared__ __align__(16) half sa[16 * 16], sb[16 * 8];
    int lane = threadIdx.x;
    float d[4] = {};
    for (int base = 0; base < k; base += 16) {
        for (int i = lane; i < 256; i += 32) sa[i] = a[(blockIdx.y * 16 + i / 16) * k + base + i % 16];
        for (int i = lane; i < 128; i += 32) sb[i] = b[(base + i / 8) * n + blockIdx.x * 8 + i % 8];
        __syncwarp();
        unsigned x[4], y[2];
        unsigned from = (unsigned)__cvta_generic_to_shared(&sa[lane % 16 * 16 + lane / 16 * 8]);
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];" : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3]) : "r"(from));
        from = (unsigned)__cvta_generic_to_shared(&sb[lane % 16 * 8]);
        asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];" : "=r"(y[0]), "=r"(y[1]) : "r"(from));
        asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                     : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(x[0]), "r"(x[1]), "r"(x[2]), "r"(x[3]), "r"(y[0]), "r"(y[1]));
        __syncwarp();
    }
    float *tile = c + blockIdx.y * 16 * n + blockIdx.x * 8;
    for (int i = 0; i < 4; i++) tile[(lane / 4 + i / 2 * 8) * n + lane % 4 * 2 + i % 2] = d[i];
#endif
}
extern "C" __global__ void mma_half8(const half *a, const half *b, half *c) {  // 16 x 8 x 8, half accumulators
    int lane = threadIdx.x, g = lane / 4, t = lane % 4;
    unsigned x[2], y, d[2] = {0, 0};
    x[0] = *(const unsigned *)&a[g * 8 + t * 2], x[1] = *(const unsigned *)&a[(g + 8) * 8 + t * 2];
    half2 pair = __halves2half2(b[t * 2 * 8 + g], b[(t * 2 + 1) * 8 + g]);
    y = *(unsigned *)&pair;
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f16.f16.f16.f16 {%0, %1}, {%2, %3}, {%4}, {%0, %1};" : "+r"(d[0]), "+r"(d[1]) : "r"(x[0]), "r"(x[1]), "r"(y));
    *(unsigned *)&c[g * 8 + t * 2] = d[0], *(unsigned *)&c[(g + 8) * 8 + t * 2] = d[1];
}
extern "C" __global__ void mma_bytes(const unsigned char *a, const signed char *b, int *c) {  // 16 x 8 x 32, u8 times s8, b by columns
#if __CUDA_ARCH__ >= 800
    int lane = threadIdx.x, g = lane / 4, t = lane % 4, d[4] = {};
    unsigned x[4], y[2];
    for (int i = 0; i < 4; i++) x[i] = *(const unsigned *)&a[(g + i % 2 * 8) * 32 + t * 4 + i / 2 * 16];
    for (int i = 0; i < 2; i++) y[i] = *(const unsigned *)&b[g * 32 + t * 4 + i * 16];
    asm volatile("mma.sync.aligned.m16n8k32.row.col.satfinite.s32.u8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3]) : "r"(x[0]), "r"(x[1]), "r"(x[2]), "r"(x[3]), "r"(y[0]), "r"(y[1]));
    for (int i = 0; i < 4; i++) c[(g + i / 2 * 8) * 8 + t * 2 + i % 2] = d[i];
#endif
}

#ifdef SAMPLE_HOST
template <typename T> std::vector<double> product(const std::vector<T> &a, const std::vector<T> &b, int m, int n, int k, bool b_by_columns = false) {
    std::vector<double> c(m * n);
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++)
            for (int l = 0; l < k; l++) c[i * n + j] += (double)(float)a[i * k + l] * (double)(float)(b_by_columns ? b[j * k + l] : b[l * n + j]);
    return c;
}
template <typename T> std::vector<T> rounded(const std::vector<float> &values) {
    std::vector<T> out;
    for (float value : values) out.push_back((T)value);
    return out;
}
static float to_tf32(float x) {  // to nearest, ties away from zero
    uint32_t bits;
    std::memcpy(&bits, &x, 4);
    bits = (bits + 0x1000) & ~0x1fffu;
    std::memcpy(&x, &bits, 4);
    return x;
}
template <typename T> std::vector<T> bytes_of(size_t n, uint64_t seed) {
    Random random(seed);
    std::vector<T> out(n);
    for (T &value : out) value = (T)random.bits();
    return out;
}

int main() {
    int m = 32, n = 64, k = 48, arch = sample_arch();
    auto fa = random_floats<float>(m * k, 1), fb = random_floats<float>(k * n, 2);
    auto ha = rounded<half>(fa), hb = rounded<half>(fb);
    Device<half> da(ha), db(hb), dh(m * n);
    Device<float> dc(m * n);
    auto want = product(ha, hb, m, n, k);
    LAUNCH(wmma_half_float, SHAPE(dim3(n / 16, m / 16), 32), da, db, dc, n, k);
    close("wmma half to float", dc.get(), want, 1e-5, 1e-5);
    LAUNCH(wmma_half_half, SHAPE(dim3(n / 16, m / 16), 32), da, db, dh, n, k);
    close("wmma half to half", dh.get(), want, 5e-3, 1e-2);
    dc.clear();
    LAUNCH(wmma_half_wide, SHAPE(dim3(n / 32, m / 8), 32), da, db, dc, n, k);
    close("wmma 8 x 32", dc.get(), want, 1e-5, 1e-5);
    dc.clear();
    LAUNCH(wmma_half_tall, SHAPE(dim3(n / 8, m / 32), 32), da, db, dc, n, k);
    close("wmma 32 x 8", dc.get(), product(ha, hb, m, n, k, true), 1e-5, 1e-5);

    auto ca = bytes_of<signed char>(m * k, 3), cb = bytes_of<signed char>(k * n, 4);
    Device<signed char> dca(ca), dcb(cb);
    Device<int> dci(m * n);
    LAUNCH(wmma_bytes, SHAPE(dim3(n / 16, m / 16), 32), dca, dcb, dci, n, k);
    close("wmma signed bytes", dci.get(), product(ca, cb, m, n, k), 0);
    auto ua = bytes_of<unsigned char>(m * k, 5), ub = bytes_of<unsigned char>(k * n, 6);
    Device<unsigned char> dua(ua), dub(ub);
    LAUNCH(wmma_unsigned_bytes, SHAPE(dim3(n / 16, m / 16), 32), dua, dub, dci, n, k);
    close("wmma unsigned bytes", dci.get(), product(ua, ub, m, n, k, true), 0);

    {
        auto c = random_floats<float>(256, 7);
        std::vector<double> scaled(256);
        for (int i = 0; i < 16; i++)
            for (int j = 0; j < 16; j++) {
                double sum = 0;
                for (int l = 0; l < 16; l++) sum += (double)(float)ha[l * 16 + i] * (double)(float)hb[j * 16 + l];
                scaled[j * 16 + i] = 1.5 * sum - 0.25 * c[j * 16 + i];
            }
        Device<float> dscaled(c);
        LAUNCH(wmma_scaled, SHAPE(1, 32), da, db, dscaled, 1.5f, -0.25f);
        close("wmma by columns, scaled", dscaled.get(), scaled, 1e-5, 1e-5);
    }
    {
        Device<half> out(128);
        LAUNCH(mma_half8, SHAPE(1, 32), da, db, out);
        std::vector<half> x(ha.begin(), ha.begin() + 128), y(hb.begin(), hb.begin() + 64);
        close("mma 16 x 8 x 8", out.get(), product(x, y, 16, 8, 8), 2e-3, 4e-3);
    }
    if (arch >= 800) {
        auto ba = rounded<__nv_bfloat16>(fa), bb = rounded<__nv_bfloat16>(fb);
        Device<__nv_bfloat16> dba(ba), dbb(bb);
        dc.clear();
        LAUNCH(wmma_bf16, SHAPE(dim3(n / 16, m / 16), 32), dba, dbb, dc, n, k);
        close("wmma bfloat16", dc.get(), product(ba, bb, m, n, k), 1e-5, 1e-5);

        Device<float> dfa(fa), dfb(fb);
        auto ta = fa, tb = fb;
        for (float &x : ta) x = to_tf32(x);
        for (float &x : tb) x = to_tf32(x);
        dc.clear();
        LAUNCH(wmma_tf32, SHAPE(dim3(n / 16, m / 16), 32), dfa, dfb, dc, n, k);
        close("wmma tf32", dc.get(), product(ta, tb, m, n, k), 1e-5, 1e-5);

        auto xa = random_floats<double>(m * k, 8), xb = random_floats<double>(k * n, 9);
        std::vector<double> exact(m * n);
        for (int i = 0; i < m; i++)
            for (int l = 0; l < k; l++)
                for (int j = 0; j < n; j++) exact[i * n + j] += xa[i * k + l] * xb[l * n + j];
        Device<double> dxa(xa), dxb(xb), dxc(m * n);
        LAUNCH(wmma_double, SHAPE(dim3(n / 8, m / 8), 32), dxa, dxb, dxc, n, k);
        close("wmma double", dxc.get(), exact, 1e-13, 1e-13);

        dc.clear();
        LAUNCH(mma_half, SHAPE(dim3(n / 8, m / 16), 32), da, db, dc, n, k);
        close("mma with ldmatrix", dc.get(), want, 1e-5, 1e-5);
        LAUNCH(mma_bytes, SHAPE(1, 32), dua, dcb, dci);
        std::vector<double> bytes(128);
        for (int i = 0; i < 128; i++)
            for (int l = 0; l < 32; l++) bytes[i] += (int)ua[i / 8 * 32 + l] * (int)cb[i % 8 * 32 + l];
        auto got = dci.get();
        got.resize(128);
        close("mma unsigned times signed bytes", got, bytes, 0);
    }
    return finish("tensor_cores");
}
#endif
