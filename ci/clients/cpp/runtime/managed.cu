// Managed memory: allocated, and as variables that host and device both name.
#include "check.h"

__managed__ int shared_numbers[64];
__device__ __managed__ long long shared_total = 5;

__global__ void accumulate() {
    long long sum = 0;
    for (int i = 0; i < 64; i++) sum += shared_numbers[i];
    shared_total += sum;
}

__global__ void twice(int *data, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) data[i] *= 2;
}

int main() {
    int *data;
    cudaError_t first = cudaMallocManaged(&data, 1000 * sizeof(int));
    if (first == cudaErrorNotSupported) {
        // A GPU in another machine: refused in words, not by a crash.
        accumulate<<<1, 1>>>();
        GIVES(cudaGetLastError(), cudaErrorNotSupported);
        return finish("managed (refused)");
    }
    OK(first);
    for (int i = 0; i < 1000; i++) data[i] = i;
    twice<<<4, 256>>>(data, 1000);
    OK(cudaDeviceSynchronize());
    for (int i = 0; i < 1000; i++) EXPECT(data[i] == 2 * i);
    cudaPointerAttributes attributes;
    OK(cudaPointerGetAttributes(&attributes, data));
    EXPECT(attributes.type == cudaMemoryTypeManaged);
    OK(cudaFree(data));

    for (int i = 0; i < 64; i++) shared_numbers[i] = i + 1;
    EXPECT(shared_total == 5);
    accumulate<<<1, 1>>>();
    OK(cudaDeviceSynchronize());
    EXPECT(shared_total == 5 + 64 * 65 / 2);
    int read[64] = {};
    OK(cudaMemcpyFromSymbol(read, shared_numbers, sizeof read));
    EXPECT(read[63] == 64);
    return finish("managed");
}
