// Functions of the host in a stream's order: they see what came before them, and what follows sees them.
#include "check.h"
#include <atomic>

__global__ void add(int *value, const int *summand) { *value += *summand; }

struct Step {
    int *seen;
    int expected;
    int *next;
    std::atomic<int> calls;
};

static void CUDART_CB host_function(void *data) {
    Step *step = (Step *)data;
    if (*step->seen == step->expected) step->calls++;
    *step->next = 1000;
}

static void CUDART_CB callback(cudaStream_t stream, cudaError_t status, void *data) {
    Step *step = (Step *)data;
    if (stream != nullptr && status == cudaSuccess) step->calls += 10;
}

int main() {
    cudaStream_t stream;
    OK(cudaStreamCreate(&stream));
    int *device, *summand, *pinned;
    OK(cudaMalloc(&device, sizeof(int)));
    OK(cudaMalloc(&summand, sizeof(int)));
    OK(cudaMallocHost(&pinned, 2 * sizeof(int)));
    OK(cudaMemset(device, 0, sizeof(int)));
    pinned[0] = -1;
    pinned[1] = 7;
    Step step = {&pinned[0], 7, &pinned[1], {0}};
    OK(cudaMemcpyAsync(summand, &pinned[1], sizeof(int), cudaMemcpyHostToDevice, stream));
    add<<<1, 1, 0, stream>>>(device, summand);
    OK(cudaMemcpyAsync(&pinned[0], device, sizeof(int), cudaMemcpyDeviceToHost, stream));
    OK(cudaLaunchHostFunc(stream, host_function, &step));
    OK(cudaMemcpyAsync(summand, &pinned[1], sizeof(int), cudaMemcpyHostToDevice, stream));
    add<<<1, 1, 0, stream>>>(device, summand);
    OK(cudaMemcpyAsync(&pinned[0], device, sizeof(int), cudaMemcpyDeviceToHost, stream));
    OK(cudaStreamAddCallback(stream, callback, &step, 0));
    OK(cudaStreamSynchronize(stream));
    EXPECT(step.calls == 11);
    EXPECT(pinned[0] == 1007);
    for (int i = 0; i < 100; i++) OK(cudaLaunchHostFunc(stream, [](void *count) { (*(int *)count)++; }, &pinned[0]));
    OK(cudaStreamSynchronize(stream));
    EXPECT(pinned[0] == 1107);
    OK(cudaStreamDestroy(stream));
    return finish("callbacks");
}
