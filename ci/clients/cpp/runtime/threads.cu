// Many threads: each has its own device choice, streams and last error, and all launch the same kernels.
#include "check.h"
#include <atomic>
#include <thread>
#include <vector>

__global__ void fill(int *data, int n, int value) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) data[i] = value + i;
}

__global__ void sum(const int *data, int n, unsigned long long *out) {
    unsigned long long value = 0;
    for (int i = threadIdx.x; i < n; i += blockDim.x) value += data[i];
    atomicAdd(out, value);
}

int main() {
    const int threads = 8, rounds = 20, n = 3000;
    std::atomic<int> wrong{0};
    int devices = 0;
    OK(cudaGetDeviceCount(&devices));
    std::vector<std::thread> pool;
    for (int t = 0; t < threads; t++)
        pool.emplace_back([&, t] {
            OK(cudaSetDevice(t % devices));
            cudaStream_t stream;
            OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
            int *data;
            unsigned long long *out, host = 0;
            OK(cudaMalloc(&data, n * sizeof(int)));
            OK(cudaMalloc(&out, sizeof *out));
            for (int round = 0; round < rounds; round++) {
                int value = t * 1000 + round;
                fill<<<(n + 63) / 64, 64, 0, stream>>>(data, n, value);
                OK(cudaMemsetAsync(out, 0, sizeof *out, stream));
                sum<<<1, 256, 0, stream>>>(data, n, out);
                OK(cudaMemcpyAsync(&host, out, sizeof host, cudaMemcpyDeviceToHost, stream));
                OK(cudaStreamSynchronize(stream));
                unsigned long long expected = (unsigned long long)n * value + (unsigned long long)n * (n - 1) / 2;
                if (host != expected) wrong++;
                // An error of this thread is no other's.
                if (t % 2 && cudaSetDevice(99) != cudaErrorInvalidDevice) wrong++;
                cudaError_t mine = cudaGetLastError();
                if (mine != (t % 2 ? cudaErrorInvalidDevice : cudaSuccess)) wrong++;
            }
            int device = -1;
            OK(cudaGetDevice(&device));
            if (device != t % devices) wrong++;
            OK(cudaFree(data));
            OK(cudaFree(out));
            OK(cudaStreamDestroy(stream));
        });
    for (auto &thread : pool) thread.join();
    EXPECT(wrong == 0);
    return finish("threads");
}
