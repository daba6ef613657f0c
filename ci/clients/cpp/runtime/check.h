// What the runtime's test programs share: a checked call, an expectation, and the last line of each.
#pragma once
#include <cstdio>
#include <cstdlib>
#include <cuda_runtime.h>

static int failures = 0;

// A call that must succeed; the program ends if it does not.
#define OK(call)                                                                                                   \
    do {                                                                                                           \
        cudaError_t result_ = (call);                                                                              \
        if (result_ != cudaSuccess) {                                                                              \
            std::printf("%s:%d: %s: %s\n", __FILE__, __LINE__, #call, cudaGetErrorName(result_));                   \
            std::exit(1);                                                                                          \
        }                                                                                                          \
    } while (0)

// A call that must give exactly this result.
#define GIVES(call, expected)                                                                                      \
    do {                                                                                                           \
        cudaError_t result_ = (call);                                                                              \
        if (result_ != (expected)) {                                                                               \
            std::printf("%s:%d: %s: %s, not %s\n", __FILE__, __LINE__, #call, cudaGetErrorName(result_),            \
                        cudaGetErrorName(expected));                                                               \
            failures++;                                                                                            \
        }                                                                                                          \
    } while (0)

#define EXPECT(condition)                                                                                          \
    do {                                                                                                           \
        if (!(condition)) {                                                                                        \
            if (failures++ < 10) std::printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                \
        }                                                                                                          \
    } while (0)

static int finish(const char *name) {
    std::printf("%s: %s\n", name, failures == 0 ? "passed" : "FAILED");
    return failures == 0 ? 0 : 1;
}
