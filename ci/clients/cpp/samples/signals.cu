// Signals and transforms: FFT by Stockham in shared memory, number-theoretic transform, Walsh-Hadamard, cosine transform of 8 x 8 blocks, a filter.
#include "sample.h"

template <typename T> struct Complex { T re, im; };
template <typename T> __device__ Complex<T> operator*(Complex<T> a, Complex<T> b) { return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re}; }
template <typename T> __device__ void turn(T x, T *s, T *c);
template <> __device__ void turn(float x, float *s, float *c) { sincospif(x, s, c); }
template <> __device__ void turn(double x, double *s, double *c) { sincospi(x, s, c); }

template <typename T, int N> __device__ void fft(Complex<T> *data) {  // a block a transform, N / 2 threads
    __shared__ Complex<T> buffers[2][N];
    Complex<T> *from = buffers[0], *to = buffers[1];
    int t = threadIdx.x;
    data += blockIdx.x * N;
    from[t] = data[t], from[t + N / 2] = data[t + N / 2];
    for (int half = N / 2, stride = 1; half >= 1; half /= 2, stride *= 2) {
        __syncthreads();
        int p = t / stride, q = t % stride;
        Complex<T> a = from[q + stride * p], b = from[q + stride * (p + half)], w;
        turn(-T(p) / T(half), &w.im, &w.re);
        to[q + stride * 2 * p] = {a.re + b.re, a.im + b.im};
        to[q + stride * (2 * p + 1)] = Complex<T>{a.re - b.re, a.im - b.im} * w;
        Complex<T> *swap = from;
        from = to, to = swap;
    }
    __syncthreads();
    data[t] = from[t], data[t + N / 2] = from[t + N / 2];
}
extern "C" __global__ void fft_float(float2 *data) { fft<float, 256>((Complex<float> *)data); }
extern "C" __global__ void fft_double(double2 *data) { fft<double, 128>((Complex<double> *)data); }

// Modulo 998244353, exact.
__device__ unsigned power(unsigned b, unsigned e) {
    unsigned long long r = 1, x = b;
    for (; e; e >>= 1, x = x * x % 998244353u)
        if (e & 1) r = r * x % 998244353u;
    return (unsigned)r;
}
extern "C" __global__ void number_transform(unsigned *data, int n, unsigned root) {  // n threads / 2
    extern __shared__ unsigned values[];
    int bits = 31 - __clz(n);
    for (int i = threadIdx.x; i < n; i += blockDim.x) values[__brev(i) >> (32 - bits)] = data[i];
    for (int size = 2; size <= n; size *= 2) {
        __syncthreads();
        int j = threadIdx.x % (size / 2), base = threadIdx.x / (size / 2) * size;
        unsigned w = power(root, (unsigned)(n / size * j)), a = values[base + j];
        unsigned b = (unsigned)((unsigned long long)values[base + j + size / 2] * w % 998244353u);
        values[base + j] = (a + b) % 998244353u, values[base + j + size / 2] = (a + 998244353u - b) % 998244353u;
    }
    __syncthreads();
    for (int i = threadIdx.x; i < n; i += blockDim.x) data[i] = values[i];
}
extern "C" __global__ void walsh(int *data) {  // a warp transforms 32 values by shuffles
    int i = blockIdx.x * blockDim.x + threadIdx.x, v = data[i];
    for (int d = 1; d < 32; d *= 2) {
        int other = __shfl_xor_sync(~0u, v, d);
        v = threadIdx.x & d ? other - v : v + other;
    }
    data[i] = v;
}
extern "C" __global__ void cosine_blocks(const float *in, float *out, int width) {
    __shared__ float a[8][9], b[8][9];
    int x = threadIdx.x, y = threadIdx.y, at = (blockIdx.y * 8 + y) * width + blockIdx.x * 8 + x;
    a[y][x] = in[at];
    __syncthreads();
    float sum = 0;
#pragma unroll
    for (int k = 0; k < 8; k++) sum += a[y][k] * cospif((2 * k + 1) * x / 16.0f);
    b[y][x] = sum * (x == 0 ? 0.35355339f : 0.5f);
    __syncthreads();
    sum = 0;
#pragma unroll
    for (int k = 0; k < 8; k++) sum += b[k][x] * cospif((2 * k + 1) * y / 16.0f);
    out[at] = sum * (y == 0 ? 0.35355339f : 0.5f);
}
extern "C" __global__ void haar(const float *in, float *out, int n) {  // a whole wavelet pyramid in one block
    extern __shared__ float line[];
    for (int i = threadIdx.x; i < n; i += blockDim.x) line[i] = in[i];
    for (int size = n / 2; size >= 1; size /= 2) {
        __syncthreads();
        float a = 0, b = 0;
        if (threadIdx.x < size) a = line[2 * threadIdx.x], b = line[2 * threadIdx.x + 1];
        __syncthreads();
        if (threadIdx.x < size) line[threadIdx.x] = (a + b) * 0.70710678f, out[size + threadIdx.x] = (a - b) * 0.70710678f;
    }
    __syncthreads();
    if (threadIdx.x == 0) out[0] = line[0];
}

#ifdef SAMPLE_HOST
template <typename T> std::vector<double> dft(const std::vector<T> &in, int n) {
    std::vector<double> out(in.size());
    for (size_t base = 0; base < in.size(); base += 2 * n)
        for (int k = 0; k < n; k++)
            for (int j = 0; j < n; j++) {
                double angle = -2 * M_PI * (j * k % n) / n, re = in[base + 2 * j], im = in[base + 2 * j + 1];
                out[base + 2 * k] += re * std::cos(angle) - im * std::sin(angle), out[base + 2 * k + 1] += re * std::sin(angle) + im * std::cos(angle);
            }
    return out;
}
int main() {
    auto f = random_floats<float>(2 * 256 * 3, 1);
    Device<float> df(f);
    LAUNCH(fft_float, SHAPE(3, 128), (float2 *)(float *)df);
    close("FFT", df.get(), dft(f, 256), 1e-5, 2e-4);
    auto d = random_floats<double>(2 * 128 * 2, 2);
    Device<double> dd(d);
    LAUNCH(fft_double, SHAPE(2, 64), (double2 *)(double *)dd);
    close("FFT, double", dd.get(), dft(d, 128), 1e-12, 1e-12);

    const int n = 128;
    const unsigned long long p = 998244353;
    auto power_of = [&](unsigned long long b, unsigned long long e) {
        unsigned long long r = 1;
        for (; e; e >>= 1, b = b * b % p) if (e & 1) r = r * b % p;
        return r;
    };
    unsigned long long root = power_of(3, (p - 1) / n);
    Random random(3);
    std::vector<unsigned> values(n), transformed(n);
    for (unsigned &v : values) v = random.bits() % p;
    for (int k = 0; k < n; k++) {
        unsigned long long sum = 0;
        for (int j = 0; j < n; j++) sum = (sum + values[j] * power_of(root, (unsigned long long)j * k)) % p;
        transformed[k] = (unsigned)sum;
    }
    Device<unsigned> dv(values);
    LAUNCH(number_transform, SHAPE(1, n / 2, n * 4), dv, n, (unsigned)root);
    same("number-theoretic transform", dv.get(), transformed);

    auto ints = random_ints(128, 4, -1000, 1000);
    std::vector<int> walsh_want(128);
    for (int i = 0; i < 128; i++)
        for (int j = 0; j < 32; j++) walsh_want[i] += __builtin_popcount(i % 32 & j) % 2 ? -ints[i / 32 * 32 + j] : ints[i / 32 * 32 + j];
    Device<int> di(ints);
    LAUNCH(walsh, SHAPE(2, 64), di);
    same("Walsh-Hadamard", di.get(), walsh_want);

    const int width = 40, height = 24;
    auto image = random_floats<float>(width * height, 5, 0, 255);
    Device<float> din(image), dout(image.size());
    LAUNCH(cosine_blocks, SHAPE(dim3(width / 8, height / 8), dim3(8, 8)), din, dout, width);
    std::vector<double> cosines(image.size());
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            double sum = 0;
            for (int j = 0; j < 8; j++)
                for (int i = 0; i < 8; i++)
                    sum += image[(y / 8 * 8 + j) * width + x / 8 * 8 + i] * std::cos(M_PI * (2 * i + 1) * (x % 8) / 16) * std::cos(M_PI * (2 * j + 1) * (y % 8) / 16);
            cosines[y * width + x] = sum * (x % 8 ? 0.5 : std::sqrt(0.125)) * (y % 8 ? 0.5 : std::sqrt(0.125));
        }
    close("cosine transform", dout.get(), cosines, 1e-5, 1e-3);

    auto line = random_floats<float>(512, 6);
    std::vector<double> level(line.begin(), line.end()), pyramid(512);
    for (int size = 256; size >= 1; size /= 2)
        for (int i = 0; i < size; i++) {
            double a = level[2 * i], b = level[2 * i + 1];
            level[i] = (a + b) * M_SQRT1_2, pyramid[size + i] = (a - b) * M_SQRT1_2;
        }
    pyramid[0] = level[0];
    Device<float> dl(line), dp(512);
    LAUNCH(haar, SHAPE(1, 256, 512 * 4), dl, dp, 512);
    close("Haar wavelets", dp.get(), pyramid, 1e-5, 1e-5);
    return finish("signals");
}
#endif
