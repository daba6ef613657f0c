// The same kind of program with NVIDIA's runtime linked in statically (nvcc's default): Ringway cannot serve it and
// must say so in one line. It prints what the runtime answers and ends with 3 when it was refused.
#include <cstdio>

#include <cuda_runtime.h>

__global__ void twice(float *x) { x[threadIdx.x] *= 2.0f; }

int main() {
    float *p = nullptr;
    cudaError_t result = cudaMalloc(&p, 128);
    if (result != cudaSuccess) {
        printf("refused: %s\n", cudaGetErrorString(result));
        return 3;
    }
    twice<<<1, 32>>>(p);
    printf("served\n");
    return 0;
}
