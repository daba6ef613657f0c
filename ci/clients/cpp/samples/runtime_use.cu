// What samples do with the runtime around their kernels: streams with events, overlapping copies, graphs, memory reached directly.
#include "sample.h"

extern "C" __global__ void add_to(int *data, int value, int n) {
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) data[i] += value;
}
extern "C" __global__ void times(int *data, int value, int n) {
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) data[i] *= value;
}
extern "C" __global__ void add_vectors(const int *a, const int *b, int *c, int n) {
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) c[i] = a[i] + b[i];
}

#ifdef SAMPLE_HOST
static void CUDART_CB count_up(void *count) { ++*(int *)count; }
int main() {
    const int n = 4000, parts = 4, part = n / parts;
    {  // pieces through streams of their own: copy, compute, copy back
        int *pinned;
        OK(cudaMallocHost(&pinned, n * 4));
        for (int i = 0; i < n; i++) pinned[i] = i;
        Device<int> device(n);
        cudaStream_t streams[parts];
        cudaEvent_t begin, done[parts];
        OK(cudaEventCreate(&begin));
        OK(cudaEventRecord(begin));
        OK(cudaEventSynchronize(begin));  // the streams below are in no order with the default stream
        for (int k = 0; k < parts; k++) {
            OK(cudaStreamCreateWithFlags(&streams[k], cudaStreamNonBlocking));
            OK(cudaEventCreate(&done[k]));
            int *at = (int *)device + k * part;
            OK(cudaMemcpyAsync(at, pinned + k * part, part * 4, cudaMemcpyHostToDevice, streams[k]));
            LAUNCH(times, SHAPE(4, 64, 0, streams[k]), at, k + 2, part);
            if (k > 0) OK(cudaStreamWaitEvent(streams[k], done[k - 1], 0));  // each waits for the one before
            LAUNCH(add_to, SHAPE(4, 64, 0, streams[k]), at, 100 * k, part);
            OK(cudaMemcpyAsync(pinned + k * part, at, part * 4, cudaMemcpyDeviceToHost, streams[k]));
            OK(cudaEventRecord(done[k], streams[k]));
        }
        OK(cudaEventSynchronize(done[parts - 1]));
        std::vector<int> want;
        for (int i = 0; i < n; i++) want.push_back(i * (i / part + 2) + 100 * (i / part));
        same("streams", std::vector<int>(pinned, pinned + n), want);
        float milliseconds = -1;
        OK(cudaEventElapsedTime(&milliseconds, begin, done[parts - 1]));
        EXPECT(milliseconds >= 0);
        for (int k = 0; k < parts; k++) OK(cudaEventQuery(done[k]));
        for (int k = 0; k < parts; k++) OK(cudaStreamDestroy(streams[k]));
        OK(cudaFreeHost(pinned));
    }
    {  // a graph captured from two streams, launched several times, its parameters changed
        cudaStream_t one, two;
        OK(cudaStreamCreate(&one));
        OK(cudaStreamCreate(&two));
        cudaEvent_t fork, join;
        OK(cudaEventCreateWithFlags(&fork, cudaEventDisableTiming));
        OK(cudaEventCreateWithFlags(&join, cudaEventDisableTiming));
        Device<int> a(n), b(n), c(n);
        int called = 0;
        OK(cudaStreamBeginCapture(one, cudaStreamCaptureModeGlobal));
        LAUNCH(add_to, SHAPE(4, 64, 0, one), a, 3, n);
        OK(cudaEventRecord(fork, one));
        OK(cudaStreamWaitEvent(two, fork, 0));
        LAUNCH(add_to, SHAPE(4, 64, 0, two), b, 10, n);
        OK(cudaLaunchHostFunc(two, count_up, &called));
        OK(cudaEventRecord(join, two));
        LAUNCH(times, SHAPE(4, 64, 0, one), a, 2, n);
        OK(cudaStreamWaitEvent(one, join, 0));
        LAUNCH(add_vectors, SHAPE(4, 64, 0, one), a, b, c, n);
        cudaGraph_t graph;
        cudaGraphExec_t ready;
        OK(cudaStreamEndCapture(one, &graph));
        size_t nodes = 0;
        OK(cudaGraphGetNodes(graph, nullptr, &nodes));
        same("nodes", nodes, (size_t)5);
        OK(cudaGraphInstantiate(&ready, graph, 0));
        int x = 0;
        for (int k = 0; k < 5; k++) {
            OK(cudaGraphLaunch(ready, one));
            x = (x + 3) * 2;
        }
        OK(cudaStreamSynchronize(one));
        same("graph", c.get(), std::vector<int>(n, x + 50));
        same("host function", called, 5);
        OK(cudaGraphExecDestroy(ready));
        OK(cudaGraphDestroy(graph));
    }
    {  // memory that host and device both reach; refused in words where the device is in another machine
        int *managed = nullptr;
        cudaError_t result = cudaMallocManaged(&managed, n * 4);
        if (result == cudaErrorNotSupported) (void)cudaGetLastError();
        else {
            OK(result);
            for (int i = 0; i < n; i++) managed[i] = i;
            for (int k = 0; k < 3; k++) {
                LAUNCH(times, SHAPE(2, 128), managed, 2, n);
                OK(cudaDeviceSynchronize());
                for (int i = 0; i < n; i++) managed[i]++;
            }
            std::vector<int> want;
            for (int i = 0; i < n; i++) want.push_back(((2 * i + 1) * 2 + 1) * 2 + 1);
            same("managed memory", std::vector<int>(managed, managed + n), want);
            OK(cudaFree(managed));
        }
        int *mapped = nullptr, *seen = nullptr;
        result = cudaHostAlloc(&mapped, n * 4, cudaHostAllocMapped);
        if (result == cudaSuccess) result = cudaHostGetDevicePointer(&seen, mapped, 0);
        if (result != cudaSuccess) {
            EXPECT(result == cudaErrorNotSupported);
            (void)cudaGetLastError();
        } else {
            for (int i = 0; i < n; i++) mapped[i] = -i;
            LAUNCH(add_to, SHAPE(3, 64), seen, 7, n);
            OK(cudaDeviceSynchronize());
            std::vector<int> want;
            for (int i = 0; i < n; i++) want.push_back(7 - i);
            same("mapped memory", std::vector<int>(mapped, mapped + n), want);
        }
        if (mapped) OK(cudaFreeHost(mapped));
    }
    {  // memory in stream order
        cudaStream_t stream;
        OK(cudaStreamCreate(&stream));
        int *p, *q;
        OK(cudaMallocAsync(&p, n * 4, stream));
        OK(cudaMallocAsync(&q, n * 4, stream));
        OK(cudaMemsetAsync(p, 0, n * 4, stream));
        LAUNCH(add_to, SHAPE(4, 64, 0, stream), p, 21, n);
        OK(cudaMemcpyAsync(q, p, n * 4, cudaMemcpyDeviceToDevice, stream));
        OK(cudaFreeAsync(p, stream));
        LAUNCH(times, SHAPE(4, 64, 0, stream), q, 2, n);
        std::vector<int> got(n);
        OK(cudaMemcpyAsync(got.data(), q, n * 4, cudaMemcpyDeviceToHost, stream));
        OK(cudaFreeAsync(q, stream));
        OK(cudaStreamSynchronize(stream));
        same("memory in stream order", got, std::vector<int>(n, 42));
    }
    return finish("runtime_use");
}
#endif
