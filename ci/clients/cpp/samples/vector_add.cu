// Sums of vectors: one element a thread, grid-stride, four elements a thread, several types.
#include "sample.h"

extern "C" __global__ void add_float(const float *a, const float *b, float *c, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) c[i] = a[i] + b[i];
}

extern "C" __global__ void add_double(const double *__restrict__ a, const double *__restrict__ b, double *__restrict__ c, size_t n) {
    for (size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x; i < n; i += (size_t)gridDim.x * blockDim.x) c[i] = a[i] + b[i];
}

extern "C" __global__ void add_float4(const float4 *a, const float4 *b, float4 *c, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) {
        float4 x = a[i], y = b[i];
        c[i] = make_float4(x.x + y.x, x.y + y.y, x.z + y.z, x.w + y.w);
    }
}

extern "C" __global__ void add_bytes(const uchar4 *a, const uchar4 *b, short4 *c, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) c[i] = make_short4(a[i].x + b[i].x, a[i].y - b[i].y, a[i].z * b[i].z, a[i].w ^ b[i].w);
}

template <typename T> __device__ void axpy(T a, const T *x, T *y, int n) {
#pragma unroll 4
    for (int i = threadIdx.x; i < n; i += blockDim.x) y[i] = a * x[i] + y[i];
}
extern "C" __global__ void axpy_long(long long a, const long long *x, long long *y, int n) { axpy(a, x, y, n); }
extern "C" __global__ void axpy_short(short a, const short *x, short *y, int n) { axpy(a, x, y, n); }
extern "C" __global__ void axpy_float(float a, const float *x, float *y, int n) { axpy(a, x, y, n); }

#ifdef SAMPLE_HOST
int main() {
    const int n = 10007;
    {
        auto a = random_floats<float>(n, 1), b = random_floats<float>(n, 2), want = a;
        for (int i = 0; i < n; i++) want[i] = a[i] + b[i];
        Device<float> da(a), db(b), dc(n);
        LAUNCH(add_float, SHAPE((n + 255) / 256, 256), da, db, dc, n);
        same("float", dc.get(), want);
        dc.clear();
        LAUNCH(add_float4, SHAPE((n / 4 + 127) / 128, 128), (float4 *)(float *)da, (float4 *)(float *)db, (float4 *)(float *)dc, n / 4);
        for (int i = n / 4 * 4; i < n; i++) want[i] = 0;
        same("float4", dc.get(), want);
        for (int i = 0; i < n; i++) want[i] = std::fma(0.3f, a[i], b[i]);
        LAUNCH(axpy_float, SHAPE(1, 160), 0.3f, da, db, n);
        close("axpy float", db.get(), want, 1e-6, 1e-7);
    }
    {
        auto a = random_floats<double>(n, 3), b = random_floats<double>(n, 4), want = a;
        for (int i = 0; i < n; i++) want[i] = a[i] + b[i];
        Device<double> da(a), db(b), dc(n);
        LAUNCH(add_double, SHAPE(5, 96), da, db, dc, n);
        same("double", dc.get(), want);
    }
    {
        std::vector<unsigned char> a(4 * 999), b(4 * 999);
        Random random(5);
        for (auto &x : a) x = random.bits();
        for (auto &x : b) x = random.bits();
        std::vector<short> want(a.size());
        for (size_t i = 0; i < a.size(); i += 4) {
            want[i] = a[i] + b[i], want[i + 1] = a[i + 1] - b[i + 1];
            want[i + 2] = (short)(a[i + 2] * b[i + 2]), want[i + 3] = a[i + 3] ^ b[i + 3];
        }
        Device<unsigned char> da(a), db(b);
        Device<short> dc(a.size());
        LAUNCH(add_bytes, SHAPE(8, 128), (uchar4 *)(unsigned char *)da, (uchar4 *)(unsigned char *)db, (short4 *)(short *)dc, 999);
        same("bytes", dc.get(), want);
    }
    {
        std::vector<long long> x(n), y(n), want(n);
        std::vector<short> sx(n), sy(n), swant(n);
        for (int i = 0; i < n; i++) {
            x[i] = (long long)i * 1000003 - 5000000000ll, y[i] = -3ll * i, want[i] = -123456789ll * x[i] + y[i];
            sx[i] = (short)(i * 17), sy[i] = (short)(i * 31), swant[i] = (short)(211 * sx[i] + sy[i]);
        }
        Device<long long> dx(x), dy(y);
        LAUNCH(axpy_long, SHAPE(1, 256), -123456789ll, dx, dy, n);
        same("axpy 64-bit", dy.get(), want);
        Device<short> dsx(sx), dsy(sy);
        LAUNCH(axpy_short, SHAPE(1, 224), 211, dsx, dsy, n);
        same("axpy 16-bit", dsy.get(), swant);
    }
    return finish("vector_add");
}
#endif
