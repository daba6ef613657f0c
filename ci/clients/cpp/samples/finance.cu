// Options: Black-Scholes in both precisions, a binomial tree, and Monte Carlo with Philox, a generator of counters (Salmon et al. 2011).
#include "sample.h"

template <typename T> __device__ T normal_below(T x) { return T(0.5) * erfc(-x * T(0.70710678118654752)); }
template <typename T> __device__ void price(T *call, T *put, T spot, T strike, T years, T rate, T volatility) {
    T root = sqrt(years), d1 = (log(spot / strike) + (rate + volatility * volatility / 2) * years) / (volatility * root), d2 = d1 - volatility * root;
    T discount = exp(-rate * years), n1 = normal_below(d1), n2 = normal_below(d2);
    *call = spot * n1 - strike * discount * n2;
    *put = strike * discount * (1 - n2) - spot * (1 - n1);
}
extern "C" __global__ void black_scholes_float(float *call, float *put, const float *spot, const float *strike, const float *years, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) price(&call[i], &put[i], spot[i], strike[i], years[i], 0.02f, 0.3f);
}
extern "C" __global__ void black_scholes_double(double *call, double *put, const float *spot, const float *strike, const float *years, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) price<double>(&call[i], &put[i], spot[i], strike[i], years[i], 0.02, 0.3);
}
// The normal distribution by a polynomial, with the fast intrinsics.
extern "C" __global__ void black_scholes_fast(float *call, const float *spot, const float *strike, const float *years, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    auto below = [](float d) {
        float k = __fdividef(1.0f, 1.0f + 0.2316419f * fabsf(d));
        float tail = 0.3989422804f * __expf(-0.5f * d * d) *
                     (k * (0.31938153f + k * (-0.356563782f + k * (1.781477937f + k * (-1.821255978f + k * 1.330274429f)))));
        return d > 0 ? 1.0f - tail : tail;
    };
    float inverse = rsqrtf(years[i]), root = __fdividef(1.0f, inverse);
    float d1 = __fdividef(__logf(__fdividef(spot[i], strike[i])) + (0.02f + 0.045f) * years[i], 0.3f * root), d2 = d1 - 0.3f * root;
    call[i] = spot[i] * below(d1) - strike[i] * __expf(-0.02f * years[i]) * below(d2);
}

// American put by a binomial tree: a block an option.
extern "C" __global__ void binomial_put(double *out, const float *spot, const float *strike, const float *years, int steps) {
    __shared__ double values[256];
    int t = threadIdx.x, o = blockIdx.x;
    double dt = (double)years[o] / steps, up = exp(0.3 * sqrt(dt)), down = 1 / up, grow = exp(0.02 * dt), p = (grow - down) / (up - down);
    auto exercise = [&](int step, int ups) { return fmax(0.0, strike[o] - spot[o] * pow(up, 2.0 * ups - step)); };
    if (t <= steps) values[t] = exercise(steps, t);
    for (int step = steps - 1; step >= 0; step--) {
        __syncthreads();
        double value = t <= step ? (p * values[t + 1] + (1 - p) * values[t]) / grow : 0;
        __syncthreads();
        if (t <= step) values[t] = fmax(value, exercise(step, t));
    }
    if (t == 0) out[o] = values[0];
}

// Philox 4x32-10.
#ifdef SAMPLE_HOST
#define BOTH __host__ __device__
#else
#define BOTH __device__
#endif
struct Four { unsigned x[4]; };
static BOTH Four philox(Four counter, unsigned key0, unsigned key1) {
    for (int round = 0; round < 10; round++) {
        unsigned long long a = (unsigned long long)counter.x[0] * 0xD2511F53u, b = (unsigned long long)counter.x[2] * 0xCD9E8D57u;
        counter = Four{{(unsigned)(b >> 32) ^ counter.x[1] ^ key0, (unsigned)b, (unsigned)(a >> 32) ^ counter.x[3] ^ key1, (unsigned)a}};
        key0 += 0x9E3779B9u, key1 += 0xBB67AE85u;
    }
    return counter;
}
extern "C" __global__ void philox_words(uint4 *out, unsigned key0, unsigned key1, int n) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    Four four = philox(Four{{i, 7, 0, 0xfffffffeu}}, key0, key1);
    out[i] = make_uint4(four.x[0], four.x[1], four.x[2], four.x[3]);
}
extern "C" __global__ void darts(unsigned long long *inside, unsigned key, int throws) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x, hits = 0;
    for (int k = 0; k < throws; k++) {
        Four four = philox(Four{{i, (unsigned)k, 0, 0}}, key, 0);
        for (int j = 0; j < 4; j += 2) {
            unsigned long long x = four.x[j] >> 1, y = four.x[j + 1] >> 1;
            hits += x * x + y * y < 1ull << 62;
        }
    }
    for (int d = 16; d > 0; d /= 2) hits += __shfl_xor_sync(~0u, hits, d);
    if (threadIdx.x % 32 == 0) atomicAdd(inside, (unsigned long long)hits);
}
extern "C" __global__ void paths(const float *spot, const float *strike, const float *years, double *sums, int rounds) {
    __shared__ double partial[4];
    int o = blockIdx.x;
    float drift = (0.02f - 0.045f) * years[o], spread = 0.3f * sqrtf(years[o]);
    double sum = 0;
    for (int k = 0; k < rounds; k++) {
        Four four = philox(Four{{threadIdx.x, (unsigned)k, (unsigned)o, 0}}, 11, 13);
        for (int j = 0; j < 4; j += 2) {  // Box and Muller
            float radius = sqrtf(-2.0f * logf((four.x[j] + 0.5f) * 2.3283064e-10f)), s, c;
            sincospif((four.x[j + 1] >> 8) * (2.0f / 16777216.0f), &s, &c);
            sum += fmaxf(0.0f, spot[o] * expf(drift + spread * radius * s) - strike[o]);
            sum += fmaxf(0.0f, spot[o] * expf(drift + spread * radius * c) - strike[o]);
        }
    }
    for (int d = 16; d > 0; d /= 2) sum += __shfl_down_sync(~0u, sum, d);
    if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = sum;
    __syncthreads();
    if (threadIdx.x == 0) sums[o] = partial[0] + partial[1] + partial[2] + partial[3];
}

#ifdef SAMPLE_HOST
int main() {
    const int n = 1000;
    auto spot = random_floats<float>(n, 1, 5, 30), strike = random_floats<float>(n, 2, 1, 100), years = random_floats<float>(n, 3, 0.25f, 10);
    std::vector<double> call(n), put(n);
    for (int i = 0; i < n; i++) {
        auto below = [](double x) { return 0.5 * std::erfc(-x * std::sqrt(0.5)); };
        double root = std::sqrt((double)years[i]), d1 = (std::log((double)spot[i] / strike[i]) + 0.065 * years[i]) / (0.3 * root), d2 = d1 - 0.3 * root;
        double discount = std::exp(-0.02 * years[i]);
        call[i] = spot[i] * below(d1) - strike[i] * discount * below(d2);
        put[i] = strike[i] * discount * (1 - below(d2)) - spot[i] * (1 - below(d1));
    }
    Device<float> ds(spot), dk(strike), dy(years), fc(n), fp(n);
    Device<double> dc(n), dp(n);
    LAUNCH(black_scholes_float, SHAPE(8, 128), fc, fp, ds, dk, dy, n);
    close("calls, float", fc.get(), call, 1e-4, 1e-4);
    close("puts, float", fp.get(), put, 1e-4, 1e-4);
    LAUNCH(black_scholes_double, SHAPE(8, 128), dc, dp, ds, dk, dy, n);
    close("calls, double", dc.get(), call, 1e-12, 1e-12);
    close("puts, double", dp.get(), put, 1e-12, 1e-12);
    LAUNCH(black_scholes_fast, SHAPE(8, 128), fc, ds, dk, dy, n);
    close("calls, fast", fc.get(), call, 1e-3, 1e-3);

    const int options = 6, steps = 120;
    std::vector<double> trees(options);
    for (int o = 0; o < options; o++) {
        double dt = (double)years[o] / steps, up = std::exp(0.3 * std::sqrt(dt)), grow = std::exp(0.02 * dt), p = (grow - 1 / up) / (up - 1 / up);
        std::vector<double> values(steps + 1);
        auto exercise = [&](int step, int ups) { return std::max(0.0, strike[o] - spot[o] * std::pow(up, 2.0 * ups - step)); };
        for (int t = 0; t <= steps; t++) values[t] = exercise(steps, t);
        for (int step = steps - 1; step >= 0; step--)
            for (int t = 0; t <= step; t++) values[t] = std::max((p * values[t + 1] + (1 - p) * values[t]) / grow, exercise(step, t));
        trees[o] = values[0];
    }
    Device<double> dt(options);
    LAUNCH(binomial_put, SHAPE(options, 128), dt, ds, dk, dy, steps);
    close("binomial", dt.get(), trees, 1e-10, 1e-10);

    // the generator's published answers, then all words
    Four zero = philox(Four{{0, 0, 0, 0}}, 0, 0);
    EXPECT(zero.x[0] == 0x6627e8d5u && zero.x[1] == 0xe169c58du && zero.x[2] == 0xbc57ac4cu && zero.x[3] == 0x9b00dbd8u);
    std::vector<unsigned> words(4 * n);
    for (int i = 0; i < n; i++) {
        Four four = philox(Four{{(unsigned)i, 7, 0, 0xfffffffeu}}, 0xdeadbeefu, 0xfacecafeu);
        std::copy(four.x, four.x + 4, &words[4 * i]);
    }
    Device<unsigned> dw(4 * n);
    LAUNCH(philox_words, SHAPE(8, 128), (uint4 *)(unsigned *)dw, 0xdeadbeefu, 0xfacecafeu, n);
    same("Philox", dw.get(), words);
    Device<unsigned long long> inside(1);
    LAUNCH(darts, SHAPE(4, 64), inside, 99u, 40);
    unsigned long long hits = 0;
    for (unsigned i = 0; i < 256; i++)
        for (unsigned k = 0; k < 40; k++) {
            Four four = philox(Four{{i, k, 0, 0}}, 99, 0);
            for (int j = 0; j < 4; j += 2) {
                unsigned long long x = four.x[j] >> 1, y = four.x[j + 1] >> 1;
                hits += x * x + y * y < 1ull << 62;
            }
        }
    same("darts", inside.first(), hits);
    Device<double> sums(options);
    std::vector<double> want(options);
    const int rounds = 30;
    for (int o = 0; o < options; o++)
        for (unsigned t = 0; t < 128; t++)
            for (unsigned k = 0; k < rounds; k++) {
                Four four = philox(Four{{t, k, (unsigned)o, 0}}, 11, 13);
                for (int j = 0; j < 4; j += 2) {
                    double radius = std::sqrt(-2 * std::log((double)((four.x[j] + 0.5f) * 2.3283064e-10f))), angle = 2 * M_PI * (four.x[j + 1] >> 8) / 16777216.0;
                    double drift = -0.025 * years[o], spread = 0.3 * std::sqrt((double)years[o]);
                    want[o] += std::max(0.0, spot[o] * std::exp(drift + spread * radius * std::sin(angle)) - strike[o]);
                    want[o] += std::max(0.0, spot[o] * std::exp(drift + spread * radius * std::cos(angle)) - strike[o]);
                }
            }
    LAUNCH(paths, SHAPE(options, 128), ds, dk, dy, sums, rounds);
    close("paths", sums.get(), want, 1e-4, 1e-2);
    return finish("finance");
}
#endif
