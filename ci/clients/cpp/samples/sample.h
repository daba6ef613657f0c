// What the samples share. A sample is one file: kernels (extern "C", so that every compiler gives them the same names), and under
// `#ifdef SAMPLE_HOST` a main() that runs them and compares all numbers with the processor's. The program runs the kernels it was
// built with or, if SAMPLE_PTX names a file, those of that file: the same checks for the PTX of any compiler and architecture.
#pragma once

#if !defined(__CUDACC_RTC__) && !defined(SAMPLE_DEVICE_ONLY)
#define SAMPLE_HOST
#endif

// The architecture that this PTX was compiled for: 750, 800, ...
extern "C" __global__ void sample_architecture(int *out) {
#ifdef __CUDA_ARCH__
    *out = __CUDA_ARCH__;
#endif
}

#ifdef SAMPLE_HOST
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <cuda_runtime.h>
#include <limits>
#include <numeric>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

static int checks = 0, failures = 0;

// A call that must succeed; the program ends if it does not.
#define OK(call)                                                                                                    \
    do {                                                                                                            \
        cudaError_t result_ = (call);                                                                               \
        if (result_ != cudaSuccess) {                                                                               \
            std::printf("%s:%d: %s: %s\n", __FILE__, __LINE__, #call, cudaGetErrorName(result_));                    \
            std::exit(1);                                                                                           \
        }                                                                                                           \
    } while (0)

#define EXPECT(condition)                                                                                           \
    do {                                                                                                            \
        checks++;                                                                                                   \
        if (!(condition) && failures++ < 10) std::printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);     \
    } while (0)

// The library of SAMPLE_PTX, or null: the kernels that are built in.
static cudaLibrary_t sample_library() {
    static cudaLibrary_t library = [] {
        cudaLibrary_t loaded = nullptr;
        if (const char *path = std::getenv("SAMPLE_PTX"))
            OK(cudaLibraryLoadFromFile(&loaded, path, nullptr, nullptr, 0, nullptr, nullptr, 0));
        return loaded;
    }();
    return library;
}

// What the runtime takes as a function: a kernel that is built in, or one of SAMPLE_PTX.
static const void *function_of(const char *name, const void *built_in) {
    if (!sample_library()) return built_in;
    cudaKernel_t kernel;
    OK(cudaLibraryGetKernel(&kernel, sample_library(), name));
    return (const void *)kernel;
}
#define FUNCTION(kernel) function_of(#kernel, (const void *)kernel)

template <typename T> static std::remove_extent_t<T> *symbol_of(const char *name, T &built_in) {
    void *address = nullptr;
    size_t bytes = 0;
    if (sample_library()) OK(cudaLibraryGetGlobal(&address, &bytes, sample_library(), name));
    else OK(cudaGetSymbolAddress(&address, built_in));
    return (std::remove_extent_t<T> *)address;
}
// The device address of a variable.
#define SYMBOL(variable) symbol_of(#variable, variable)

struct Shape {
    dim3 grid, block;
    size_t shared = 0;
    cudaStream_t stream = nullptr;
    bool cooperative = false;
};

template <typename... P, size_t... I>
static void launch_with(const void *function, const Shape &shape, std::tuple<P...> &values, std::index_sequence<I...>) {
    void *pointers[] = {nullptr, (void *)&std::get<I>(values)...};
    if (shape.cooperative) OK(cudaLaunchCooperativeKernel(function, shape.grid, shape.block, pointers + 1, shape.shared, shape.stream));
    else OK(cudaLaunchKernel(function, shape.grid, shape.block, pointers + 1, shape.shared, shape.stream));
}

template <typename... P, typename... A>
static void launch_kernel(const char *name, void (*kernel)(P...), const Shape &shape, A &&...arguments) {
    std::tuple<std::remove_const_t<P>...> values(std::forward<A>(arguments)...);
    launch_with(function_of(name, (const void *)kernel), shape, values, std::index_sequence_for<P...>{});
}
// LAUNCH(kernel, {grid, block, shared, stream}, arguments...)
#define SHAPE(...) Shape{__VA_ARGS__}
#define LAUNCH(kernel, shape, ...) launch_kernel(#kernel, kernel, shape, ##__VA_ARGS__)

// Device memory with the content of a vector, or zeros.
template <typename T> class Device {
    T *data_ = nullptr;
    size_t size_;

  public:
    explicit Device(size_t size) : size_(size) {
        OK(cudaMalloc(&data_, size * sizeof(T)));
        OK(cudaMemset(data_, 0, size * sizeof(T)));
    }
    explicit Device(const std::vector<T> &host) : size_(host.size()) {
        OK(cudaMalloc(&data_, size_ * sizeof(T)));
        OK(cudaMemcpy(data_, host.data(), size_ * sizeof(T), cudaMemcpyHostToDevice));
    }
    Device(const Device &) = delete;
    ~Device() { cudaFree(data_); }
    operator T *() const { return data_; }
    size_t size() const { return size_; }
    void clear() { OK(cudaMemset(data_, 0, size_ * sizeof(T))); }
    void set(const std::vector<T> &host) { OK(cudaMemcpy(data_, host.data(), size_ * sizeof(T), cudaMemcpyHostToDevice)); }
    std::vector<T> get() const {
        std::vector<T> host(size_);
        OK(cudaMemcpy(host.data(), data_, size_ * sizeof(T), cudaMemcpyDeviceToHost));
        return host;
    }
    T first() const {
        T value;
        OK(cudaMemcpy(&value, data_, sizeof(T), cudaMemcpyDeviceToHost));
        return value;
    }
};

static int sample_arch() {
    Device<int> out(1);
    LAUNCH(sample_architecture, SHAPE(1, 1), out);
    return out.first();
}

// Numbers between 0 and 1, the same in every run.
struct Random {
    uint64_t state;
    explicit Random(uint64_t seed) : state(seed * 0x9e3779b97f4a7c15ull + 1) {}
    uint32_t bits() {
        state = state * 6364136223846793005ull + 1442695040888963407ull;
        uint32_t word = (uint32_t)(state >> 33) ^ (uint32_t)(state >> 18);
        return word * 2654435761u ^ word >> 15;
    }
    uint32_t below(uint32_t bound) { return bits() % bound; }
    float unit() { return (bits() >> 8) * (1.0f / 16777216.0f); }
    float between(float low, float high) { return low + (high - low) * unit(); }
};
template <typename T> static std::vector<T> random_floats(size_t n, uint64_t seed, float low = -1, float high = 1) {
    Random random(seed);
    std::vector<T> values(n);
    for (T &value : values) value = (T)random.between(low, high);
    return values;
}
static inline std::vector<int> random_ints(size_t n, uint64_t seed, int low, int high) {
    Random random(seed);
    std::vector<int> values(n);
    for (int &value : values) value = low + (int)random.below((uint32_t)(high - low));
    return values;
}

// Every element equal, bit for bit where == says so.
template <typename T> static void same(const char *what, const std::vector<T> &got, const std::vector<T> &want) {
    checks++;
    size_t wrong = got.size() != want.size(), first = 0;
    for (size_t i = 0; i < got.size() && i < want.size(); i++)
        if (!(got[i] == want[i]) && wrong++ == 0) first = i;
    if (wrong == 0) return;
    failures++;
    std::printf("%s: %zu of %zu differ, first at %zu: got %.9g, expected %.9g\n", what, wrong, want.size(), first, (double)got[first],
                (double)want[first]);
}
template <typename T> static void same(const char *what, T got, T want) { same(what, std::vector<T>{got}, std::vector<T>{want}); }

// Every element within absolute + relative * |expected|.
template <typename T, typename U>
static void close(const char *what, const std::vector<T> &got, const std::vector<U> &want, double relative, double absolute = 0) {
    checks++;
    size_t wrong = got.size() != want.size(), first = 0;
    for (size_t i = 0; i < got.size() && i < want.size(); i++) {
        double g = (double)got[i], w = (double)want[i];
        bool fine = std::isnan(w) ? std::isnan(g) : g == w || std::fabs(g - w) <= absolute + relative * std::fabs(w);
        if (!fine && wrong++ == 0) first = i;
    }
    if (wrong == 0) return;
    failures++;
    std::printf("%s: %zu of %zu differ, first at %zu: got %.9g, expected %.9g\n", what, wrong, want.size(), first, (double)got[first],
                (double)want[first]);
}

static inline int finish(const char *name) {
    OK(cudaDeviceSynchronize());
    std::printf("%s: %s, %d checks\n", name, failures == 0 && checks > 0 ? "passed" : "FAILED", checks);
    return failures == 0 && checks > 0 ? 0 : 1;
}
#endif
