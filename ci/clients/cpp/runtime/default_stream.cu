// The default stream. Built twice: as the legacy stream, which orders itself with blocking streams of all threads, and as one
// stream a thread (--default-stream per-thread), where each thread's calls keep to their own.
#include "check.h"
#include <thread>
#include <vector>

__global__ void add(int *data, int n, int summand) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) data[i] += summand;
}

int main() {
    const int n = 5000;
    int *data;
    OK(cudaMalloc(&data, n * sizeof(int)));
    OK(cudaMemset(data, 0, n * sizeof(int)));
    cudaStream_t blocking;
    OK(cudaStreamCreate(&blocking));
    std::vector<int> host(n);
#ifdef CUDA_API_PER_THREAD_DEFAULT_STREAM
    // Order between this thread's stream and others has to be asked for.
    for (int i = 0; i < 20; i++) {
        add<<<(n + 127) / 128, 128>>>(data, n, 1);
        OK(cudaStreamSynchronize(cudaStreamPerThread));
        add<<<(n + 127) / 128, 128, 0, blocking>>>(data, n, 100);
        OK(cudaStreamSynchronize(blocking));
    }
#else
    // No synchronisation between the two: the legacy stream orders itself with the blocking one both ways.
    for (int i = 0; i < 20; i++) {
        add<<<(n + 127) / 128, 128>>>(data, n, 1);
        add<<<(n + 127) / 128, 128, 0, blocking>>>(data, n, 100);
    }
#endif
    OK(cudaMemcpy(host.data(), data, n * sizeof(int), cudaMemcpyDeviceToHost));
    for (int i = 0; i < n; i++) EXPECT(host[i] == 20 * 101);

    // Each thread fills, computes and reads back on its default stream.
    std::vector<std::thread> threads;
    std::vector<int> wrong(4, 0);
    for (int t = 0; t < 4; t++)
        threads.emplace_back([t, &wrong] {
            int *own;
            std::vector<int> read(n);
            OK(cudaMalloc(&own, n * sizeof(int)));
            for (int round = 0; round < 5; round++) {
                OK(cudaMemsetAsync(own, 0, n * sizeof(int), 0));
                for (int i = 0; i < 10; i++) add<<<(n + 127) / 128, 128>>>(own, n, t + 1);
                OK(cudaMemcpyAsync(read.data(), own, n * sizeof(int), cudaMemcpyDeviceToHost, 0));
                OK(cudaStreamSynchronize(0));
                for (int i = 0; i < n; i++) wrong[t] += read[i] != 10 * (t + 1);
            }
            OK(cudaFree(own));
        });
    for (auto &thread : threads) thread.join();
    for (int t = 0; t < 4; t++) EXPECT(wrong[t] == 0);
    OK(cudaStreamDestroy(blocking));
    return finish("default_stream");
}
