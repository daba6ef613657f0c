// Graphs: built node by node, captured from streams, launched again and again, updated.
#include "check.h"
#include <vector>

__global__ void axpb(float *data, int n, float a, float b) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) data[i] = data[i] * a + b;
}

static void CUDART_CB count(void *data) { (*(int *)data)++; }

int main() {
    const int n = 1000;
    float *device;
    OK(cudaMalloc(&device, n * sizeof(float)));
    std::vector<float> host(n, -1.0f);
    cudaStream_t stream, side;
    OK(cudaStreamCreate(&stream));
    OK(cudaStreamCreate(&side));
    int calls = 0;

    // memset -> kernel -> copy -> host function.
    cudaGraph_t graph;
    OK(cudaGraphCreate(&graph, 0));
    cudaGraphNode_t fill, kernel, copy, last;
    cudaMemsetParams zero = {};
    zero.dst = device;
    zero.elementSize = 4;
    zero.width = n;
    zero.height = 1;
    OK(cudaGraphAddMemsetNode(&fill, graph, nullptr, 0, &zero));
    float a = 2.0f, b = 3.5f;
    int count_n = n;
    void *args[] = {&device, &count_n, &a, &b};
    cudaKernelNodeParams launch = {};
    launch.func = (void *)axpb;
    launch.gridDim = dim3((n + 127) / 128);
    launch.blockDim = dim3(128);
    launch.kernelParams = args;
    OK(cudaGraphAddKernelNode(&kernel, graph, &fill, 1, &launch));
    OK(cudaGraphAddMemcpyNode1D(&copy, graph, &kernel, 1, host.data(), device, n * sizeof(float), cudaMemcpyDeviceToHost));
    cudaHostNodeParams function = {count, &calls};
    OK(cudaGraphAddHostNode(&last, graph, &copy, 1, &function));
    size_t nodes = 0, roots = 0;
    OK(cudaGraphGetNodes(graph, nullptr, &nodes));
    OK(cudaGraphGetRootNodes(graph, nullptr, &roots));
    EXPECT(nodes == 4 && roots == 1);
    cudaGraphNodeType type;
    OK(cudaGraphNodeGetType(kernel, &type));
    EXPECT(type == cudaGraphNodeTypeKernel);
    cudaKernelNodeParams read = {};
    cudaError_t readable = cudaGraphKernelNodeGetParams(kernel, &read);
    if (readable != cudaErrorNotSupported) {  // not served by a GPU in another machine yet
        OK(readable);
        EXPECT(read.gridDim.x == launch.gridDim.x && read.blockDim.x == 128);
        EXPECT(read.func == (void *)axpb);
    }
    cudaGetLastError();

    cudaGraphExec_t exec;
    OK(cudaGraphInstantiate(&exec, graph, 0));
    for (int i = 0; i < 3; i++) OK(cudaGraphLaunch(exec, stream));
    OK(cudaStreamSynchronize(stream));
    EXPECT(calls == 3);
    for (int i = 0; i < n; i++) EXPECT(host[i] == 3.5f);

    // Other parameters for the same executable graph.
    b = 9.0f;
    OK(cudaGraphExecKernelNodeSetParams(exec, kernel, &launch));
    OK(cudaGraphLaunch(exec, stream));
    OK(cudaStreamSynchronize(stream));
    EXPECT(host[0] == 9.0f && host[n - 1] == 9.0f && calls == 4);
    OK(cudaGraphExecDestroy(exec));
    OK(cudaGraphDestroy(graph));

    // Captured, with a second stream that forks and joins by events.
    float *other;
    OK(cudaMalloc(&other, n * sizeof(float)));
    cudaEvent_t fork, join;
    OK(cudaEventCreateWithFlags(&fork, cudaEventDisableTiming));
    OK(cudaEventCreateWithFlags(&join, cudaEventDisableTiming));
    cudaStreamCaptureStatus status;
    OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
    OK(cudaStreamIsCapturing(stream, &status));
    EXPECT(status == cudaStreamCaptureStatusActive);
    OK(cudaMemsetAsync(device, 0, n * sizeof(float), stream));
    OK(cudaEventRecord(fork, stream));
    OK(cudaStreamWaitEvent(side, fork, 0));
    OK(cudaMemsetAsync(other, 0, n * sizeof(float), side));
    axpb<<<(n + 127) / 128, 128, 0, side>>>(other, n, 1.0f, 5.0f);
    OK(cudaEventRecord(join, side));
    axpb<<<(n + 127) / 128, 128, 0, stream>>>(device, n, 1.0f, 1.25f);
    OK(cudaStreamWaitEvent(stream, join, 0));
    OK(cudaMemcpyAsync(device, other, n / 2 * sizeof(float), cudaMemcpyDeviceToDevice, stream));
    OK(cudaMemcpyAsync(host.data(), device, n * sizeof(float), cudaMemcpyDeviceToHost, stream));
    OK(cudaStreamEndCapture(stream, &graph));
    OK(cudaStreamIsCapturing(stream, &status));
    EXPECT(status == cudaStreamCaptureStatusNone);
    EXPECT(host[0] == 9.0f);  // capturing runs nothing
    OK(cudaGraphInstantiate(&exec, graph, 0));
    for (int round = 0; round < 2; round++) {
        std::fill(host.begin(), host.end(), -1.0f);
        OK(cudaGraphLaunch(exec, stream));
        OK(cudaStreamSynchronize(stream));
        for (int i = 0; i < n; i++) EXPECT(host[i] == (i < n / 2 ? 5.0f : 1.25f));
    }
    OK(cudaGraphExecDestroy(exec));
    OK(cudaGraphDestroy(graph));

    // What capture does not allow ends it with an error, and the stream is usable again.
    OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
    GIVES(cudaStreamSynchronize(stream), cudaErrorStreamCaptureUnsupported);
    GIVES(cudaStreamEndCapture(stream, &graph), cudaErrorStreamCaptureInvalidated);
    cudaGetLastError();
    axpb<<<(n + 127) / 128, 128, 0, stream>>>(device, n, 0.0f, 6.0f);
    OK(cudaMemcpyAsync(host.data(), device, n * sizeof(float), cudaMemcpyDeviceToHost, stream));
    OK(cudaStreamSynchronize(stream));
    EXPECT(host[n - 1] == 6.0f);
    return finish("graphs");
}
