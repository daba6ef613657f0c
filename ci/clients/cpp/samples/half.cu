// Sixteen- and eight-bit floating point: half, bfloat16, their pairs, their functions, and conversions to and from fp8.
#include "sample.h"
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>

extern "C" __global__ void half_arithmetic(const half *a, const half *b, half *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    half x = a[i], y = b[i];
    out[i] = x + y, out[n + i] = x - y, out[2 * n + i] = x * y, out[3 * n + i] = x / y;
    out[4 * n + i] = __hfma(x, y, x), out[5 * n + i] = __hmax(x, y), out[6 * n + i] = __hmin(x, y), out[7 * n + i] = __habs(-x);
    out[8 * n + i] = __float2half(__half2float(x) > __half2float(y) ? 1.0f : 0.0f), out[9 * n + i] = x < y ? x : y;
}
extern "C" __global__ void half_pairs(const half2 *a, const half2 *b, half2 *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    half2 x = a[i], y = b[i];
    out[i] = __hadd2(x, y), out[n + i] = __hmul2(x, y), out[2 * n + i] = __hfma2(x, y, x);
    out[3 * n + i] = __hmax2(x, y), out[4 * n + i] = __lowhigh2highlow(x), out[5 * n + i] = __hgt2(x, y), out[6 * n + i] = __hsub2_sat(x, y);
}
extern "C" __global__ void half_functions(const half *a, half *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    half x = a[i];
    out[i] = hexp(x), out[n + i] = hsqrt(__habs(x)), out[2 * n + i] = hsin(x), out[3 * n + i] = hcos(x), out[4 * n + i] = hlog(__habs(x));
    out[5 * n + i] = hrcp(x), out[6 * n + i] = hfloor(x), out[7 * n + i] = hrint(x), out[8 * n + i] = hexp2(x), out[9 * n + i] = hrsqrt(__habs(x));
#if __CUDA_ARCH__ >= 750
    out[10 * n + i] = htanh_approx(x);
#endif
}
extern "C" __global__ void bfloat_arithmetic(const __nv_bfloat16 *a, const __nv_bfloat16 *b, __nv_bfloat16 *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    __nv_bfloat16 x = a[i], y = b[i];
    out[i] = x + y, out[n + i] = x * y, out[2 * n + i] = x / y, out[5 * n + i] = -x;
#if __CUDA_ARCH__ >= 800
    __nv_bfloat162 p = __halves2bfloat162(x, y), q = __halves2bfloat162(y, x), r = __hfma2(p, q, p);
    out[3 * n + i] = __hfma(x, y, x), out[4 * n + i] = __hmax(x, y);
    out[6 * n + i] = __low2bfloat16(r), out[7 * n + i] = __high2bfloat16(__hadd2(p, q)), out[8 * n + i] = hexp(x), out[9 * n + i] = hsqrt(__habs(x));
#else  // CUDA 13 has only conversions and operators here, which go through float
    float f = __bfloat162float(x), g = __bfloat162float(y);
    out[3 * n + i] = out[6 * n + i] = __float2bfloat16(fmaf(f, g, f)), out[4 * n + i] = __float2bfloat16(fmaxf(f, g));
    out[7 * n + i] = x + y, out[8 * n + i] = __float2bfloat16(expf(f)), out[9 * n + i] = __float2bfloat16(sqrtf(fabsf(f)));
#endif
}
extern "C" __global__ void conversions(const float *in, unsigned short *halves, unsigned short *bfloats, unsigned char *e4m3, unsigned char *e5m2, float *back, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float x = in[i];
    halves[i] = __half_as_ushort(__float2half_rn(x)), halves[n + i] = __half_as_ushort(__float2half_rz(x));
    halves[2 * n + i] = __half_as_ushort(__float2half_ru(x)), halves[3 * n + i] = __half_as_ushort(__float2half_rd(x));
    bfloats[i] = __bfloat16_as_ushort(__float2bfloat16_rn(x)), bfloats[n + i] = __bfloat16_as_ushort(__float2bfloat16_rz(x));
    e4m3[i] = __nv_cvt_float_to_fp8(x, __NV_SATFINITE, __NV_E4M3), e5m2[i] = __nv_cvt_float_to_fp8(x, __NV_SATFINITE, __NV_E5M2);
    back[i] = __half2float(__half(__nv_cvt_fp8_to_halfraw(e4m3[i], __NV_E4M3)));
    back[n + i] = __half2float(__half(__nv_cvt_fp8_to_halfraw(e5m2[i], __NV_E5M2)));
    back[2 * n + i] = (float)__half2int_rn(__ushort_as_half(halves[i])), back[3 * n + i] = __half2float(__int2half_rn((int)x));
}
extern "C" __global__ void half_sums(const half *in, half *sum, half2 *pairs, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) atomicAdd(sum, in[i]), atomicAdd(pairs, __halves2half2(in[i], __float2half(1.0f)));
}
// Dot products of rows, pairs of halves accumulated in float.
extern "C" __global__ void half_dot(const half2 *a, const half2 *b, float *out, int pairs) {
    float sum = 0;
    for (int i = threadIdx.x; i < pairs; i += 32) {
        float2 x = __half22float2(a[blockIdx.x * pairs + i]), y = __half22float2(b[i]);
        sum += x.x * y.x + x.y * y.y;
    }
    for (int d = 16; d; d /= 2) sum += __shfl_xor_sync(~0u, sum, d);
    if (threadIdx.x == 0) out[blockIdx.x] = sum;
}

#ifdef SAMPLE_HOST
// A float rounded to `bits` of mantissa and a smallest exponent, to nearest even, as the formats define it.
static double rounded(double x, int bits, int least, double most, int way = 0) {  // way: 0 nearest, 1 to zero, 2 up, 3 down
    if (x == 0 || std::isnan(x) || std::isinf(x)) return x;
    int exponent = std::max(std::ilogb(x), least);
    double unit = std::ldexp(1.0, exponent - bits), scaled = x / unit;
    double whole = way == 0 ? std::nearbyint(scaled) : way == 1 ? std::trunc(scaled) : way == 2 ? std::ceil(scaled) : std::floor(scaled);
    double r = whole * unit;
    if (std::fabs(r) > most) return way == 0 || (way == 2 && x > 0) || (way == 3 && x < 0) ? std::copysign(INFINITY, x) : std::copysign(most, x);
    return r;
}
static double to_half(double x, int way = 0) { return rounded(x, 10, -14, 65504, way); }
static double to_bfloat(double x, int way = 0) { return rounded(x, 7, -126, 3.3895313892515355e38, way); }

template <typename T> std::vector<T> narrow(const std::vector<float> &in) {
    std::vector<T> out;
    for (float x : in) out.push_back((T)x);
    return out;
}
int main() {
    const int n = 500;
    auto fa = random_floats<float>(n, 1, -4, 4), fb = random_floats<float>(n, 2, -4, 4);
    for (int i = 0; i < n; i++) if (std::fabs(fb[i]) < 0.01f) fb[i] = 0.5f;
    auto a = narrow<half>(fa), b = narrow<half>(fb);
    Device<half> da(a), db(b), out(11 * n);
    LAUNCH(half_arithmetic, SHAPE(4, 128), da, db, out, n);
    std::vector<double> want;
    std::vector<double> x, y;
    for (int i = 0; i < n; i++) x.push_back((float)a[i]), y.push_back((float)b[i]);
    auto row = [&](auto f) { for (int i = 0; i < n; i++) want.push_back(f(x[i], y[i])); };
    row([](double p, double q) { return to_half(p + q); }), row([](double p, double q) { return to_half(p - q); });
    row([](double p, double q) { return to_half(p * q); }), row([](double p, double q) { return to_half(p / q); });
    row([](double p, double q) { return to_half(p * q + p); }), row([](double p, double q) { return std::max(p, q); });
    row([](double p, double q) { return std::min(p, q); }), row([](double p, double) { return std::fabs(p); });
    row([](double p, double q) { return p > q; }), row([](double p, double q) { return std::min(p, q); });
    auto got = out.get();
    got.resize(10 * n);
    close("half", got, want, 1e-3, 1e-6);

    LAUNCH(half_pairs, SHAPE(2, 128), (half2 *)(half *)da, (half2 *)(half *)db, (half2 *)(half *)out, n / 2);
    want.clear();
    row([](double p, double q) { return to_half(p + q); }), row([](double p, double q) { return to_half(p * q); });
    row([](double p, double q) { return to_half(p * q + p); }), row([](double p, double q) { return std::max(p, q); });
    for (int i = 0; i < n; i++) want.push_back(x[i ^ 1]);
    row([](double p, double q) { return p > q; }), row([](double p, double q) { return std::min(1.0, std::max(0.0, to_half(p - q))); });
    got = out.get();
    got.resize(7 * n);
    close("half pairs", got, want, 1e-3, 1e-6);

    LAUNCH(half_functions, SHAPE(4, 128), da, out, n);
    want.clear();
    row([](double p, double) { return std::exp(p); }), row([](double p, double) { return std::sqrt(std::fabs(p)); });
    row([](double p, double) { return std::sin(p); }), row([](double p, double) { return std::cos(p); });
    row([](double p, double) { return std::log(std::fabs(p)); }), row([](double p, double) { return 1 / p; });
    row([](double p, double) { return std::floor(p); }), row([](double p, double) { return std::nearbyint(p); });
    row([](double p, double) { return std::exp2(p); }), row([](double p, double) { return 1 / std::sqrt(std::fabs(p)); });
    row([](double p, double) { return std::tanh(p); });
    close("half functions", out.get(), want, 3e-3, 1e-3);

    auto ba = narrow<__nv_bfloat16>(fa), bb = narrow<__nv_bfloat16>(fb);
    Device<__nv_bfloat16> dba(ba), dbb(bb), bout(10 * n);
    LAUNCH(bfloat_arithmetic, SHAPE(4, 128), dba, dbb, bout, n);
    want.clear();
    for (int i = 0; i < n; i++) x[i] = (float)ba[i], y[i] = (float)bb[i];
    row([](double p, double q) { return to_bfloat(p + q); }), row([](double p, double q) { return to_bfloat(p * q); });
    row([](double p, double q) { return to_bfloat(p / q); }), row([](double p, double q) { return to_bfloat(p * q + p); });
    row([](double p, double q) { return std::max(p, q); }), row([](double p, double) { return -p; });
    row([](double p, double q) { return to_bfloat(p * q + p); }), row([](double p, double q) { return to_bfloat(p + q); });
    row([](double p, double) { return to_bfloat(std::exp(p)); }), row([](double p, double) { return to_bfloat(std::sqrt(std::fabs(p))); });
    close("bfloat16", bout.get(), want, 8e-3, 1e-6);

    std::vector<float> wide = random_floats<float>(n, 3, -600, 600);
    for (int i = 0; i < n / 2; i++) wide[i] *= std::pow(2.0f, (float)(i % 30 - 24));
    wide[0] = 0, wide[1] = -0.0f, wide[2] = INFINITY, wide[3] = 70000, wide[4] = -1e-8f, wide[5] = 6e-8f, wide[6] = 65519.9f;
    Device<float> dw(wide), back(4 * n);
    Device<unsigned short> halves(4 * n), bfloats(2 * n);
    Device<unsigned char> e4m3(n), e5m2(n);
    LAUNCH(conversions, SHAPE(4, 128), dw, halves, bfloats, e4m3, e5m2, back, n);
    auto h = halves.get(), bf = bfloats.get();
    std::vector<double> seen, expected, seen8, expected8;
    for (int way = 0; way < 4; way++)
        for (int i = 0; i < n; i++) {
            half v;
            std::memcpy(&v, &h[way * n + i], 2);
            seen.push_back((float)v), expected.push_back(to_half(wide[i], way));
        }
    for (int way = 0; way < 2; way++)
        for (int i = 0; i < n; i++) {
            uint32_t bits = (uint32_t)bf[way * n + i] << 16;
            float v;
            std::memcpy(&v, &bits, 4);
            seen.push_back(v), expected.push_back(to_bfloat(wide[i], way));
        }
    close("to half and bfloat16, all roundings", seen, expected, 0);
    auto returned = back.get();
    for (int i = 0; i < n; i++) {
        auto saturate = [](double v, double most) { return std::min(most, std::max(-most, v)); };
        seen8.push_back(returned[i]), expected8.push_back(saturate(rounded(wide[i], 3, -6, 448), 448));
        seen8.push_back(returned[n + i]), expected8.push_back(saturate(rounded(wide[i], 2, -14, 57344), 57344));
        if (std::isinf(wide[i]) || wide[i] > 65504) continue;
        seen8.push_back(returned[2 * n + i]), expected8.push_back(std::nearbyint(to_half(wide[i])));
        seen8.push_back(returned[3 * n + i]), expected8.push_back(to_half((int)wide[i]));
    }
    close("fp8 and integers", seen8, expected8, 0);

    Device<half> ones(std::vector<half>(300, (half)0.5f));
    Device<half> aligned(4);
    LAUNCH(half_sums, SHAPE(3, 128), ones, aligned, (half2 *)((half *)aligned + 2), 300);
    close("atomic half", aligned.get(), std::vector<double>{150, 0, 150, 300}, 0);

    Device<float> dots(5);
    LAUNCH(half_dot, SHAPE(5, 32), (half2 *)(half *)da, (half2 *)(half *)db, dots, 50);
    std::vector<double> products(5);
    for (int r = 0; r < 5; r++)
        for (int i = 0; i < 100; i++) products[r] += (double)(float)a[r * 100 + i] * (double)(float)b[i];
    close("half dot", dots.get(), products, 1e-5, 1e-5);
    return finish("half");
}
#endif
