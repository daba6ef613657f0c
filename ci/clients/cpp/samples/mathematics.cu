// The mathematics of CUDA: functions of both precisions, roundings, fast intrinsics, integers up to 128 bits, packed bytes.
#include "sample.h"

#ifdef SAMPLE_FAST  // --use_fast_math takes the logarithm of the base
#define CUBE(x) ((x) * (x) * (x))
#else
#define CUBE(x) pow(x, T(3))
#endif
#define FUNCTIONS(F)                                                                                                             \
    F(sin, sin(x)) F(cos, cos(x)) F(tan, tan(x)) F(asin, asin(x / 11)) F(acos, acos(x / 11)) F(atan, atan(x)) F(atan2, atan2(x, T(2))) \
    F(sinh, sinh(x / 3)) F(cosh, cosh(x / 3)) F(tanh, tanh(x)) F(asinh, asinh(x)) F(acosh, acosh(fabs(x) + T(1.5))) F(atanh, atanh(x / 11))    \
    F(exp, exp(x)) F(exp2, exp2(x)) F(expm1, expm1(x)) F(log, log(fabs(x) + T(0.01))) F(log2, log2(fabs(x) + T(0.01)))                  \
    F(log10, log10(fabs(x) + T(0.01))) F(log1p, log1p(fabs(x))) F(pow, pow(fabs(x), T(2.7))) F(powi, CUBE(x))         F(sqrt, sqrt(fabs(x)))  \
    F(cbrt, cbrt(x)) F(hypot, hypot(x, T(3))) F(erf, erf(x / 3)) F(erfc, erfc(x / 3)) F(tgamma, tgamma(fabs(x) / 2 + T(0.5)))           \
    F(lgamma, lgamma(fabs(x) + 2)) F(fmod, fmod(x, T(0.75))) F(remainder, remainder(x, T(0.75))) F(floor, floor(x)) F(ceil, ceil(x))      \
    F(trunc, trunc(x)) F(round, round(x)) F(rint, rint(x)) F(ldexp, ldexp(x, 5)) F(logb, logb(x + 20)) F(fma, fma(x, x, T(1)))          \
    F(fdim, fdim(x, T(1))) F(copysign, copysign(x, T(-2))) F(nextafter, nextafter(x, T(100))) F(j0, j0(fabs(x))) F(y1, y1(fabs(x) + 1))

enum {
#define NAME(name, expression) f_##name,
    FUNCTIONS(NAME)
#undef NAME
    function_count
};
template <typename T> __device__ void evaluate(const T *in, T *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    T x = in[i];
#define STORE(name, expression) out[f_##name * n + i] = (T)(expression);
    FUNCTIONS(STORE)
#undef STORE
}
extern "C" __global__ void floats(const float *in, float *out, int n) { evaluate<float>(in, out, n); }
extern "C" __global__ void doubles(const double *in, double *out, int n) { evaluate<double>(in, out, n); }

extern "C" __global__ void fast(const float *in, float *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float x = in[i], a = fabsf(x) + 0.1f;
    out[i] = __sinf(x), out[n + i] = __cosf(x), out[2 * n + i] = __expf(x), out[3 * n + i] = __logf(a), out[4 * n + i] = __powf(a, 1.5f);
    out[5 * n + i] = __fdividef(x, a), out[6 * n + i] = rsqrtf(a), out[7 * n + i] = __exp10f(x / 4), out[8 * n + i] = __log2f(a), out[9 * n + i] = __saturatef(x);
    sincosf(x, &out[10 * n + i], &out[11 * n + i]);
    out[12 * n + i] = sinpif(x), out[13 * n + i] = normcdff(x), out[14 * n + i] = erfinvf(x / 11), out[15 * n + i] = __frsqrt_rn(a);
}
// Exact results: all four roundings.
extern "C" __global__ void roundings(const float *in, float *f, const double *din, double *d, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float x = in[i], y = in[(i + 1) % n], z = in[(i + 2) % n];
    double u = din[i], v = din[(i + 1) % n], w = din[(i + 2) % n];
#define FOUR(k, op, ...)                                                                                                      \
    f[(4 * k) * n + i] = __f##op##_rn(__VA_ARGS__), f[(4 * k + 1) * n + i] = __f##op##_rz(__VA_ARGS__), f[(4 * k + 2) * n + i] = __f##op##_ru(__VA_ARGS__), \
               f[(4 * k + 3) * n + i] = __f##op##_rd(__VA_ARGS__);
    FOUR(0, add, x, y) FOUR(1, mul, x, y) FOUR(2, maf, x, y, z) FOUR(3, div, x, y) FOUR(4, sqrt, fabsf(x))
#undef FOUR
#define FOUR(k, op, ...)                                                                                                      \
    d[(4 * k) * n + i] = __d##op##_rn(__VA_ARGS__), d[(4 * k + 1) * n + i] = __d##op##_rz(__VA_ARGS__), d[(4 * k + 2) * n + i] = __d##op##_ru(__VA_ARGS__), \
               d[(4 * k + 3) * n + i] = __d##op##_rd(__VA_ARGS__);
    FOUR(0, add, u, v) FOUR(1, mul, u, v) FOUR(3, div, u, v) FOUR(4, sqrt, fabs(u))
#undef FOUR
    d[8 * n + i] = __fma_rn(u, v, w), d[9 * n + i] = __fma_rz(u, v, w), d[10 * n + i] = __fma_ru(u, v, w), d[11 * n + i] = __fma_rd(u, v, w);
}
extern "C" __global__ void to_integers(const float *in, int *s, unsigned *u, long long *l, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float x = in[i];
    s[i] = (int)x, s[n + i] = __float2int_rn(x), s[2 * n + i] = __float2int_ru(x), s[3 * n + i] = __float2int_rd(x), s[4 * n + i] = __float_as_int(x);
    u[i] = (unsigned)fabsf(x), u[n + i] = __float2uint_rn(fabsf(x)), l[i] = __float2ll_rd(x * 1e6f), l[n + i] = __double2ll_rn(x * 1e9);
    s[5 * n + i] = __double2int_rz(x * 0.5), s[6 * n + i] = __double2hiint((double)x), s[7 * n + i] = __double2loint(x * 0.1);
}
extern "C" __global__ void integers(const unsigned *in, unsigned long long *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    unsigned x = in[i], y = in[(i + 1) % n] | 1, z = in[(i + 2) % n];
    int sx = (int)x, sy = (int)y;
    unsigned long long wide = (unsigned long long)x << 32 | z, other = (unsigned long long)y << 20 | 1;
    unsigned long long o[24] = {
        x / y, x % y, (unsigned)(sx / sy), (unsigned)(sx % sy), wide / other, wide % other, (unsigned long long)((long long)wide / (long long)other),
        __umulhi(x, y), (unsigned)__mulhi(sx, sy), __umul64hi(wide, other), (unsigned)__mul24(sx, sy), __umul24(x, y), __usad(x, y, z), (unsigned)__sad(sx, sy, z),
        __brevll(wide), (unsigned)__clzll(wide), __byte_perm(x, y, z & 0x7777), __funnelshift_l(x, y, z), __funnelshift_rc(x, y, z & 63),
        (unsigned)__hadd(sx, sy), __urhadd(x, y), (unsigned)max(sx, sy) ^ min(x, y), (unsigned)abs(sx), (x >> (z & 31)) | (unsigned)(sx >> (y & 31)) << 1};
    for (int k = 0; k < 24; k++) out[k * n + i] = o[k];
    unsigned __int128 p = (unsigned __int128)wide * other + z;
    out[24 * n + i] = (unsigned long long)(p >> 64), out[25 * n + i] = (unsigned long long)(p / y), out[26 * n + i] = (unsigned long long)(p % other), out[27 * n + i] = (unsigned long long)(p >> (z & 127));
}
extern "C" __global__ void packed(const unsigned *in, unsigned *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    unsigned x = in[i], y = in[(i + 1) % n], z = in[(i + 2) % n];
    unsigned o[12] = {__vadd4(x, y), __vsub2(x, y), __vabsdiffu4(x, y), __vmaxs2(x, y), __vminu4(x, y), __vcmpgtu4(x, y), __vaddus4(x, y), __vsadu4(x, y),
                      __vavgu4(x, y), 0, 0, 0};
#ifdef __CUDACC_DEBUG__  // nvcc -G does not translate these
    o[9] = o[10] = z;
    for (int k = 0; k < 32; k += 8) o[9] += (signed char)(x >> k) * (signed char)(y >> k), o[10] += (x >> k & 255) * (y >> k & 255);
    o[11] = z + (short)x * (signed char)y + (short)(x >> 16) * (signed char)(y >> 8);
#else
    o[9] = (unsigned)__dp4a((int)x, (int)y, (int)z), o[10] = __dp4a(x, y, z), o[11] = (unsigned)__dp2a_lo((int)x, (int)y, (int)z);
#endif

    for (int k = 0; k < 12; k++) out[k * n + i] = o[k];
}

#ifdef SAMPLE_HOST
#include <cfenv>
template <typename U> std::vector<double> expected(const std::vector<U> &in) {
    size_t n = in.size();
    std::vector<double> want(function_count * n);
    for (size_t i = 0; i < n; i++) {
        double x = in[i];
#define STORE(name, expression) want[f_##name * n + i] = (double)(expression);
        {
            typedef double T;
            FUNCTIONS(STORE)
        }
#undef STORE
        want[f_nextafter * n + i] = std::nextafter(in[i], (U)100);
        want[f_fma * n + i] = std::fma(in[i], in[i], (U)1);
    }
    return want;
}
int main() {
    const int n = 400;
    auto xf = random_floats<float>(n, 1, -10, 10);
    auto xd = random_floats<double>(n, 2, -10, 10);
    xf[0] = 0.5f, xf[1] = -2.5f, xf[2] = 1e-6f;
    Device<float> df(xf), of(16 * n + function_count * n);
    Device<double> dd(xd), od(function_count * n);
    LAUNCH(floats, SHAPE(4, 128), df, of, n);
    auto got = of.get();
    got.resize(function_count * n);
    const char *names[] = {
#define NAME(name, expression) #name,
        FUNCTIONS(NAME)
#undef NAME
    };
    auto want = expected(xf);
    for (int k = 0; k < function_count; k++)
        close(names[k], std::vector<float>(&got[k * n], &got[k * n] + n), std::vector<double>(&want[k * n], &want[k * n] + n), 5e-6, 2e-6);
    LAUNCH(doubles, SHAPE(4, 128), dd, od, n);
    auto gotd = od.get();
    want = expected(xd);
    for (int k = 0; k < function_count; k++)
        close(names[k], std::vector<double>(&gotd[k * n], &gotd[k * n] + n), std::vector<double>(&want[k * n], &want[k * n] + n), 2e-14, 1e-14);

    LAUNCH(fast, SHAPE(4, 128), df, of, n);
    got = of.get();
    got.resize(16 * n);
    std::vector<double> quick(16 * n);
    for (int i = 0; i < n; i++) {
        double x = xf[i], a = std::fabs(xf[i]) + 0.1f;
        const double row[15] = {std::sin(x), std::cos(x), std::exp(x), std::log(a), std::pow(a, 1.5), x / a, 1 / std::sqrt(a), std::pow(10, x / 4), std::log2(a),
                                std::min(1.0, std::max(0.0, x)), std::sin(x), std::cos(x), std::sin(M_PI * std::fmod(x, 2)), 0.5 * std::erfc(-x * M_SQRT1_2), 0};
        for (int k = 0; k < 15; k++) quick[k * n + i] = row[k];
        quick[14 * n + i] = got[14 * n + i];  // by its inverse, below
        quick[15 * n + i] = 1 / std::sqrt(a);
    }
    close("fast", got, quick, 2e-5, 2e-5);
    std::vector<double> inverse, arguments;
    for (int i = 0; i < n; i++) inverse.push_back(std::erf((double)got[14 * n + i])), arguments.push_back(xf[i] / 11);
    close("erfinv", inverse, arguments, 1e-5, 1e-6);

    Device<float> rf(20 * n);
    Device<double> rd(20 * n);
    auto hard = random_floats<float>(n, 3, -1e-3f, 1e3f);
    auto hardd = random_floats<double>(n, 4);
    for (int i = 0; i < n; i++) hardd[i] *= std::pow(1.1, i % 50) + 1e-9 * i;
    Device<float> dhf(hard);
    Device<double> dhd(hardd);
    LAUNCH(roundings, SHAPE(4, 128), dhf, rf, dhd, rd, n);
    std::vector<float> wf(20 * n);
    std::vector<double> wd(20 * n);
    const int modes[] = {FE_TONEAREST, FE_TOWARDZERO, FE_UPWARD, FE_DOWNWARD};
    for (int mode = 0; mode < 4; mode++) {
        std::fesetround(modes[mode]);
        for (int i = 0; i < n; i++) {
            volatile float x = hard[i], y = hard[(i + 1) % n], z = hard[(i + 2) % n], r;
            volatile double u = hardd[i], v = hardd[(i + 1) % n], w = hardd[(i + 2) % n], s;
            r = x + y, wf[mode * n + i] = r, r = x * y, wf[(4 + mode) * n + i] = r, r = fmaf(x, y, z), wf[(8 + mode) * n + i] = r;
            r = x / y, wf[(12 + mode) * n + i] = r, r = sqrtf(fabsf(x)), wf[(16 + mode) * n + i] = r;
            s = u + v, wd[mode * n + i] = s, s = u * v, wd[(4 + mode) * n + i] = s, s = fma(u, v, w), wd[(8 + mode) * n + i] = s;
            s = u / v, wd[(12 + mode) * n + i] = s, s = sqrt(fabs(u)), wd[(16 + mode) * n + i] = s;
        }
    }
    std::fesetround(FE_TONEAREST);
    same("roundings, float", rf.get(), wf);
    same("roundings, double", rd.get(), wd);

    Device<int> si(8 * n);
    Device<unsigned> ui(2 * n);
    Device<long long> li(2 * n);
    LAUNCH(to_integers, SHAPE(4, 128), df, si, ui, li, n);
    std::vector<int> ws(8 * n);
    std::vector<unsigned> wu(2 * n);
    std::vector<long long> wl(2 * n);
    for (int i = 0; i < n; i++) {
        float x = xf[i];
        uint64_t bits, tenth;
        double xx = x, xt = x * 0.1;
        std::memcpy(&bits, &xx, 8), std::memcpy(&tenth, &xt, 8);
        ws[i] = (int)x, ws[n + i] = (int)std::nearbyint(x), ws[2 * n + i] = (int)std::ceil(x), ws[3 * n + i] = (int)std::floor(x), std::memcpy(&ws[4 * n + i], &x, 4);
        wu[i] = (unsigned)std::fabs(x), wu[n + i] = (unsigned)std::nearbyint(std::fabs(x)), wl[i] = (long long)std::floor(x * 1e6f), wl[n + i] = std::llrint(x * 1e9);
        ws[5 * n + i] = (int)(x * 0.5), ws[6 * n + i] = (int)(bits >> 32), ws[7 * n + i] = (int)tenth;
    }
    same("to 32 bits", si.get(), ws);
    same("to unsigned", ui.get(), wu);
    same("to 64 bits", li.get(), wl);

    Random random(5);
    std::vector<unsigned> words(n);
    for (unsigned &word : words) word = random.bits() >> random.below(3) * 8;
    Device<unsigned> dw(words), dp(12 * n);
    Device<unsigned long long> di(28 * n);
    LAUNCH(integers, SHAPE(4, 128), dw, di, n);
    LAUNCH(packed, SHAPE(4, 128), dw, dp, n);
    std::vector<unsigned long long> wi(28 * n);
    std::vector<unsigned> wp(12 * n);
    for (int i = 0; i < n; i++) {
        unsigned x = words[i], y = words[(i + 1) % n] | 1, z = words[(i + 2) % n];
        int sx = (int)x, sy = (int)y;
        unsigned long long wide = (unsigned long long)x << 32 | z, other = (unsigned long long)y << 20 | 1, both = (unsigned long long)y << 32 | x, reversed = 0;
        for (int k = 0; k < 64; k++) reversed |= (wide >> k & 1) << (63 - k);
        unsigned permuted = 0;
        for (int k = 0; k < 4; k++) permuted |= (unsigned)(both >> 8 * (z >> 4 * k & 7) & 255) << 8 * k;
        auto low24 = [](unsigned v) { return (long long)((int)(v << 8) >> 8); };
        auto distance = [](long long p, long long q) { return (unsigned)(p > q ? p - q : q - p); };
        int shift = std::min(z & 63, 32u);
        const unsigned long long row[24] = {
            x / y, x % y, (unsigned)(int)((long long)sx / sy), (unsigned)(int)((long long)sx % sy), wide / other, wide % other,
            (unsigned long long)((long long)wide / (long long)other), (unsigned long long)x * y >> 32, (unsigned)((long long)sx * sy >> 32),
            (unsigned long long)((unsigned __int128)wide * other >> 64), (unsigned)(low24(x) * low24(y)), (unsigned)((unsigned long long)(x & 0xffffff) * (y & 0xffffff)),
            distance(x, y) + z, distance(sx, sy) + z, reversed, wide ? (unsigned)__builtin_clzll(wide) : 64u, permuted,
            (unsigned)(both << (z & 31) >> 32), shift == 32 ? y : (unsigned)(both >> shift), (unsigned)(((long long)sx + sy) >> 1),
            (unsigned)(((unsigned long long)x + y + 1) >> 1), (unsigned)std::max(sx, sy) ^ std::min(x, y), (unsigned)(sx < 0 ? 0u - x : x),
            (x >> (z & 31)) | (unsigned)(sx >> (y & 31)) << 1};
        for (int k = 0; k < 24; k++) wi[k * n + i] = row[k];
        unsigned __int128 p = (unsigned __int128)wide * other + z;
        wi[24 * n + i] = (unsigned long long)(p >> 64), wi[25 * n + i] = (unsigned long long)(p / y), wi[26 * n + i] = (unsigned long long)(p % other),
        wi[27 * n + i] = (unsigned long long)(p >> (z & 127));

        y = words[(i + 1) % n];
        unsigned o[12] = {};
        int sum = (int)z, sum2 = (int)z;
        unsigned usum = z;
        for (int k = 0; k < 4; k++) {
            unsigned a = x >> 8 * k & 255, b = y >> 8 * k & 255;
            auto put = [&](int at, unsigned v) { o[at] |= (v & 255) << 8 * k; };
            put(0, a + b), put(2, a > b ? a - b : b - a), put(4, std::min(a, b)), put(5, a > b ? 255 : 0), put(6, std::min(255u, a + b)), put(8, (a + b + 1) / 2);
            o[7] += a > b ? a - b : b - a;
            sum += (int)(signed char)a * (int)(signed char)b, usum += a * b;
        }
        for (int k = 0; k < 2; k++) {
            short a = (short)(x >> 16 * k), b = (short)(y >> 16 * k);
            o[1] |= (unsigned)(unsigned short)(a - b) << 16 * k, o[3] |= (unsigned)(unsigned short)std::max(a, b) << 16 * k;
            sum2 += a * (int)(signed char)(y >> 8 * k);
        }
        o[9] = (unsigned)sum, o[10] = usum, o[11] = (unsigned)sum2;
        for (int k = 0; k < 12; k++) wp[k * n + i] = o[k];
    }
    auto gi = di.get();
    for (int k = 0; k < 28; k++) {
        char what[32];
        std::snprintf(what, sizeof what, "integers %d", k);
        same(what, std::vector<unsigned long long>(&gi[k * n], &gi[k * n] + n), std::vector<unsigned long long>(&wi[k * n], &wi[k * n] + n));
    }
    auto gp = dp.get();
    for (int k = 0; k < 12; k++) {
        char what[32];
        std::snprintf(what, sizeof what, "packed %d", k);
        same(what, std::vector<unsigned>(&gp[k * n], &gp[k * n] + n), std::vector<unsigned>(&wp[k * n], &wp[k * n] + n));
    }
    return finish("mathematics");
}
#endif
