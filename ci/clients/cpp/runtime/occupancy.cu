// Occupancy, attributes of functions, and shared memory that is chosen at launch.
#include "check.h"

__global__ void block_sum(const int *in, int *out) {
    extern __shared__ int part[];
    part[threadIdx.x] = in[blockIdx.x * blockDim.x + threadIdx.x];
    __syncthreads();
    for (int step = blockDim.x / 2; step > 0; step /= 2) {
        if (threadIdx.x < step) part[threadIdx.x] += part[threadIdx.x + step];
        __syncthreads();
    }
    if (threadIdx.x == 0) out[blockIdx.x] = part[0];
}

__global__ void __launch_bounds__(128) bounded(int *out) {
    __shared__ int fixed[100];
    fixed[threadIdx.x % 100] = threadIdx.x;
    __syncthreads();
    if (threadIdx.x == 0) *out = fixed[5];
}

int main() {
    cudaDeviceProp p;
    OK(cudaGetDeviceProperties(&p, 0));
    cudaFuncAttributes attributes;
    OK(cudaFuncGetAttributes(&attributes, bounded));
    EXPECT(attributes.sharedSizeBytes == 400);
    EXPECT(attributes.maxThreadsPerBlock == 128);
    EXPECT(attributes.numRegs > 0 || attributes.binaryVersion > 0);
    OK(cudaFuncGetAttributes(&attributes, block_sum));
    EXPECT(attributes.sharedSizeBytes == 0 && attributes.maxThreadsPerBlock > 128);

    int blocks = 0, fewer = 0;
    OK(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, block_sum, 256, 0));
    EXPECT(blocks >= 1 && blocks * 256 <= p.maxThreadsPerMultiProcessor);
    OK(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&fewer, block_sum, 256, p.sharedMemPerBlock));
    EXPECT(fewer >= 1 && fewer <= blocks);
    int grid = 0, block = 0;
    OK(cudaOccupancyMaxPotentialBlockSize(&grid, &block, block_sum, 0, 0));
    EXPECT(grid >= 1 && block >= 32 && block <= p.maxThreadsPerBlock);
    const char *name = nullptr;
    OK(cudaFuncGetName(&name, (const void *)block_sum));
    EXPECT(name != nullptr && name[0] == '_');

    // More dynamic shared memory than the default allows must be asked for.
    size_t large = p.sharedMemPerBlock + 1024;
    int *in, *out, host[512], result = 0;
    OK(cudaMalloc(&in, sizeof host));
    OK(cudaMalloc(&out, sizeof(int)));
    for (int i = 0; i < 512; i++) host[i] = i;
    OK(cudaMemcpy(in, host, sizeof host, cudaMemcpyHostToDevice));
    if (p.sharedMemPerBlockOptin >= large) {
        block_sum<<<1, 512, large>>>(in, out);
        GIVES(cudaGetLastError(), cudaErrorInvalidValue);
        OK(cudaFuncSetAttribute(block_sum, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)large));
        OK(cudaFuncGetAttributes(&attributes, block_sum));
        EXPECT(attributes.maxDynamicSharedSizeBytes == (int)large);
        block_sum<<<1, 512, large>>>(in, out);
        OK(cudaGetLastError());
        OK(cudaMemcpy(&result, out, sizeof result, cudaMemcpyDeviceToHost));
        EXPECT(result == 511 * 512 / 2);
    }

    // A launch described by a structure.
    cudaLaunchConfig_t config = {};
    config.gridDim = dim3(1);
    config.blockDim = dim3(128);
    OK(cudaLaunchKernelEx(&config, bounded, out));
    OK(cudaMemcpy(&result, out, sizeof result, cudaMemcpyDeviceToHost));
    EXPECT(result == 5 || result == 105);
    return finish("occupancy");
}
