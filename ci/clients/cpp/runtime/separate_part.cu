// The other part of separate.cu.
#include "check.h"
#include "separate.h"

__constant__ int factor = 1;
__device__ int offsets[4] = {10, 20, 30, 40};

__device__ int scaled(int x) { return factor * x; }
static __device__ int twice(int x) { return 2 * x; }
static __device__ int negate(int x) { return -x; }
__device__ function_pointer address_of_double() { return twice; }
__device__ function_pointer address_of_negate() { return negate; }

static __global__ void own(int *out) { *out = square(3) - 7; }
static __global__ void count() { launches += 100; }

void count_in_the_other_part() {
    count<<<1, 1>>>();
    OK(cudaGetLastError());
}

int own_of_the_other_part() {
    int *data, value = 0;
    OK(cudaMalloc(&data, sizeof value));
    own<<<1, 1>>>(data);
    OK(cudaMemcpy(&value, data, sizeof value, cudaMemcpyDeviceToHost));
    OK(cudaFree(data));
    return value;
}
