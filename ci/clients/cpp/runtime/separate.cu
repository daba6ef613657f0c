// A program compiled in parts (nvcc -rdc=true): kernels use functions and variables of the other part, separate_part.cu.
#include <cooperative_groups.h>
#include "check.h"
#include "separate.h"

__device__ int launches;  // counted here and in the other part
__device__ function_pointer chosen;

__global__ void apply(int *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = scaled(i) + offsets[i % 4] + square(i);
    if (i == 0) launches++;
}

__global__ void choose(int which) { chosen = which ? address_of_double() : address_of_negate(); }

__global__ void call(int *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = chosen(i);
}

// Blocks that meet: part of what nvcc links is CUDA's device runtime.
__global__ void meet(int *data) {
    auto grid = cooperative_groups::this_grid();
    data[grid.thread_rank()] = (int)grid.thread_rank();
    grid.sync();
    int sum = 0;
    for (unsigned i = 0; i < grid.size(); i++) sum += data[i];
    grid.sync();
    data[grid.thread_rank()] = sum;
}

// The same name in both parts.
static __global__ void own(int *out) { *out = 1; }

int main() {
    const int n = 1000;
    int *data, host[n], scale = 3;
    OK(cudaMalloc(&data, sizeof host));
    OK(cudaMemcpyToSymbol(factor, &scale, sizeof scale));
    apply<<<4, 256>>>(data, n);
    OK(cudaGetLastError());
    OK(cudaMemcpy(host, data, sizeof host, cudaMemcpyDeviceToHost));
    const int offsets[4] = {10, 20, 30, 40};
    for (int i = 0; i < n; i++) EXPECT(host[i] == 3 * i + offsets[i % 4] + i * i);

    count_in_the_other_part();
    int count = 0;
    OK(cudaMemcpyFromSymbol(&count, launches, sizeof count));
    EXPECT(count == 101);

    for (int which = 0; which < 2; which++) {
        choose<<<1, 1>>>(which);
        call<<<4, 256>>>(data, n);
        OK(cudaMemcpy(host, data, sizeof host, cudaMemcpyDeviceToHost));
        for (int i = 0; i < n; i++) EXPECT(host[i] == (which ? 2 * i : -i));
    }

    void *arguments[] = {&data};
    OK(cudaLaunchCooperativeKernel((const void *)meet, dim3(4), dim3(64), arguments, 0, nullptr));
    OK(cudaMemcpy(host, data, sizeof host, cudaMemcpyDeviceToHost));
    for (int i = 0; i < 256; i++) EXPECT(host[i] == 255 * 256 / 2);

    own<<<1, 1>>>(data);
    OK(cudaMemcpy(host, data, sizeof *host, cudaMemcpyDeviceToHost));
    EXPECT(host[0] == 1);
    EXPECT(own_of_the_other_part() == 2);
    return finish("separate");
}
