// Streams and events: order within a stream, order across streams by events, asynchronous copies, times.
#include "check.h"
#include <vector>

__global__ void scale_add(int *data, int n, int factor, int summand) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) data[i] = data[i] * factor + summand;
}

int main() {
    const int n = 10000, streams = 4;
    int least, greatest;
    OK(cudaDeviceGetStreamPriorityRange(&least, &greatest));
    cudaStream_t stream[streams];
    int *device[streams], *host[streams];
    for (int s = 0; s < streams; s++) {
        if (s % 2) OK(cudaStreamCreateWithPriority(&stream[s], cudaStreamNonBlocking, greatest));
        else OK(cudaStreamCreateWithFlags(&stream[s], cudaStreamNonBlocking));
        OK(cudaMalloc(&device[s], n * sizeof(int)));
        OK(cudaMallocHost(&host[s], n * sizeof(int)));
        for (int i = 0; i < n; i++) host[s][i] = i + s;
    }
    for (int s = 0; s < streams; s++) {
        OK(cudaMemcpyAsync(device[s], host[s], n * sizeof(int), cudaMemcpyHostToDevice, stream[s]));
        for (int k = 0; k < 5; k++) scale_add<<<(n + 255) / 256, 256, 0, stream[s]>>>(device[s], n, 3, k + s);
        OK(cudaMemcpyAsync(host[s], device[s], n * sizeof(int), cudaMemcpyDeviceToHost, stream[s]));
    }
    for (int s = 0; s < streams; s++) {
        OK(cudaStreamSynchronize(stream[s]));
        OK(cudaStreamQuery(stream[s]));
        for (int i = 0; i < n; i++) {
            int expected = i + s;
            for (int k = 0; k < 5; k++) expected = expected * 3 + k + s;
            if (host[s][i] != expected) {
                std::printf("stream %d, element %d: %d, not %d\n", s, i, host[s][i], expected);
                failures++;
                break;
            }
        }
    }

    // A chain through all streams, tied by events alone.
    cudaEvent_t done[streams], start;
    OK(cudaEventCreate(&start));
    OK(cudaMemset(device[0], 0, n * sizeof(int)));
    OK(cudaDeviceSynchronize());
    OK(cudaEventRecord(start, stream[0]));
    for (int s = 0; s < streams; s++) {
        OK(cudaEventCreate(&done[s]));
        if (s) OK(cudaStreamWaitEvent(stream[s], done[s - 1], 0));
        scale_add<<<(n + 255) / 256, 256, 0, stream[s]>>>(device[0], n, 2, s + 1);
        OK(cudaEventRecord(done[s], stream[s]));
    }
    OK(cudaEventSynchronize(done[streams - 1]));
    OK(cudaEventQuery(done[0]));
    int first = 0;
    OK(cudaMemcpy(&first, device[0], sizeof first, cudaMemcpyDeviceToHost));
    EXPECT(first == ((1 * 2 + 2) * 2 + 3) * 2 + 4);
    float milliseconds = -1;
    OK(cudaEventElapsedTime(&milliseconds, start, done[streams - 1]));
    EXPECT(milliseconds >= 0);

    cudaEvent_t untimed;
    OK(cudaEventCreateWithFlags(&untimed, cudaEventDisableTiming));
    OK(cudaEventRecord(untimed, stream[0]));
    OK(cudaEventSynchronize(untimed));
    GIVES(cudaEventElapsedTime(&milliseconds, start, untimed), cudaErrorInvalidResourceHandle);
    cudaGetLastError();
    unsigned flags = 9;
    int priority = 99;
    OK(cudaStreamGetFlags(stream[1], &flags));
    OK(cudaStreamGetPriority(stream[1], &priority));
    EXPECT(flags == cudaStreamNonBlocking && priority == greatest);

    // Stream-ordered memory.
    int *late;
    OK(cudaMallocAsync(&late, n * sizeof(int), stream[2]));
    OK(cudaMemsetAsync(late, 0, n * sizeof(int), stream[2]));
    scale_add<<<(n + 255) / 256, 256, 0, stream[2]>>>(late, n, 1, 42);
    OK(cudaMemcpyAsync(host[2], late, n * sizeof(int), cudaMemcpyDeviceToHost, stream[2]));
    OK(cudaFreeAsync(late, stream[2]));
    OK(cudaStreamSynchronize(stream[2]));
    EXPECT(host[2][0] == 42 && host[2][n - 1] == 42);

    for (int s = 0; s < streams; s++) {
        OK(cudaEventDestroy(done[s]));
        OK(cudaFree(device[s]));
        OK(cudaFreeHost(host[s]));
        OK(cudaStreamDestroy(stream[s]));
    }
    return finish("streams");
}
