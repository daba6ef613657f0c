// Errors: which, how long they are remembered, and what a fatal one leaves.
#include "check.h"

__global__ void store(int *at) { *at = 1; }
__global__ void stray(int *at, long long by) { at[by] = 1; }
static __global__ void __launch_bounds__(64) small(int *at) { *at = 2; }

int main() {
    int *p;
    OK(cudaMalloc(&p, 64));
    store<<<1, 2048>>>(p);
    EXPECT(cudaPeekAtLastError() == cudaErrorInvalidConfiguration);
    EXPECT(cudaGetLastError() == cudaErrorInvalidConfiguration);
    EXPECT(cudaGetLastError() == cudaSuccess);
    store<<<0, 32>>>(p);
    GIVES(cudaGetLastError(), cudaErrorInvalidConfiguration);
    store<<<1, dim3(1, 1, 65)>>>(p);
    GIVES(cudaGetLastError(), cudaErrorInvalidConfiguration);
    small<<<1, 128>>>(p);
    EXPECT(cudaGetLastError() != cudaSuccess);

    void *much = nullptr;
    GIVES(cudaMalloc(&much, (size_t)1 << 50), cudaErrorMemoryAllocation);
    EXPECT(cudaGetLastError() == cudaErrorMemoryAllocation);
    GIVES(cudaMalloc((void **)nullptr, 16), cudaErrorInvalidValue);
    GIVES(cudaFree((void *)0x10), cudaErrorInvalidValue);
    GIVES(cudaMemcpy(nullptr, p, 16, cudaMemcpyDeviceToHost), cudaErrorInvalidValue);
    int host = 0;
    void *args[] = {&p};
    GIVES(cudaLaunchKernel((const void *)&host, dim3(1), dim3(1), args, 0, 0), cudaErrorInvalidDeviceFunction);
    GIVES(cudaEventQuery(nullptr), cudaErrorInvalidResourceHandle);
    cudaGetLastError();
    cudaArray_t none = nullptr;
    OK(cudaFreeArray(none));

    // Nothing of that has hurt the device.
    store<<<1, 1>>>(p);
    OK(cudaGetLastError());
    OK(cudaMemcpy(&host, p, sizeof host, cudaMemcpyDeviceToHost));
    EXPECT(host == 1);

    // A stray store ends the context; every call says so until the device is reset.
    stray<<<1, 1>>>(p, (long long)1 << 40);
    GIVES(cudaDeviceSynchronize(), cudaErrorIllegalAddress);
    EXPECT(cudaGetLastError() == cudaErrorIllegalAddress);
    GIVES(cudaMalloc(&much, 64), cudaErrorIllegalAddress);
    GIVES(cudaDeviceSynchronize(), cudaErrorIllegalAddress);
    cudaDeviceReset();
    cudaGetLastError();
    OK(cudaMalloc(&p, 64));
    store<<<1, 1>>>(p);
    OK(cudaDeviceSynchronize());
    host = 0;
    OK(cudaMemcpy(&host, p, sizeof host, cudaMemcpyDeviceToHost));
    EXPECT(host == 1);
    return finish("errors");
}
