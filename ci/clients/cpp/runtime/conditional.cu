// Conditional nodes of graphs: a loop, a switch, and an IF with an ELSE, decided by kernels. cudaGraphSetConditional is part of CUDA's
// device runtime, so the program is compiled as parts that are linked.
#include "check.h"

__global__ void step(int *data, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) data[i] = data[i] * 3 + 1;
}

__global__ void countdown(cudaGraphConditionalHandle again, int *left) { cudaGraphSetConditional(again, --*left > 0); }

__global__ void choose(cudaGraphConditionalHandle which, int *value) { cudaGraphSetConditional(which, *value); }

static cudaGraphNode_t add(cudaGraph_t graph, const cudaGraphNode_t *after, cudaGraphNodeParams *params) {
    cudaGraphNode_t node;
#if CUDART_VERSION >= 13000
    OK(cudaGraphAddNode(&node, graph, after, nullptr, after ? 1 : 0, params));
#else
    OK(cudaGraphAddNode(&node, graph, after, after ? 1 : 0, params));
#endif
    return node;
}

static cudaGraphNode_t kernel(cudaGraph_t graph, const cudaGraphNode_t *after, void *function, dim3 grid, dim3 block, void **arguments) {
    cudaGraphNodeParams params = {};
    params.type = cudaGraphNodeTypeKernel;
    params.kernel.func = function;
    params.kernel.gridDim = grid;
    params.kernel.blockDim = block;
    params.kernel.kernelParams = arguments;
    return add(graph, after, &params);
}

static cudaGraphNode_t fill(cudaGraph_t graph, int *at, unsigned value) {
    cudaGraphNodeParams params = {};
    params.type = cudaGraphNodeTypeMemset;
    params.memset.dst = at;
    params.memset.value = value;
    params.memset.elementSize = 4;
    params.memset.width = params.memset.height = 1;
    return add(graph, nullptr, &params);
}

static cudaGraphNode_t conditional(cudaGraph_t graph, const cudaGraphNode_t *after, cudaGraphConditionalHandle condition,
                                   cudaGraphConditionalNodeType type, unsigned size, cudaGraph_t *bodies) {
    cudaGraphNodeParams params = {};
    params.type = cudaGraphNodeTypeConditional;
    params.conditional.handle = condition;
    params.conditional.type = type;
    params.conditional.size = size;
    cudaGraphNode_t node = add(graph, after, &params);
    for (unsigned i = 0; i < size; i++) bodies[i] = params.conditional.phGraph_out[i];
    return node;
}

int main() {
    const int n = 200;
    int *data, *left, *value, *out, ones[n];
    OK(cudaMalloc(&data, n * sizeof(int)));
    OK(cudaMalloc(&left, sizeof(int)));
    OK(cudaMalloc(&value, sizeof(int)));
    OK(cudaMalloc(&out, 2 * sizeof(int)));
    for (int &one : ones) one = 1;

    cudaGraph_t graph, body, cases[3], halves[2];
    OK(cudaGraphCreate(&graph, 0));
    cudaGraphConditionalHandle again, which, never;
    OK(cudaGraphConditionalHandleCreate(&again, graph, 1, cudaGraphCondAssignDefault));
    OK(cudaGraphConditionalHandleCreate(&which, graph, 9, cudaGraphCondAssignDefault));
    OK(cudaGraphConditionalHandleCreate(&never, graph, 0, cudaGraphCondAssignDefault));
    cudaGraphNode_t loop = conditional(graph, nullptr, again, cudaGraphCondTypeWhile, 1, &body);
    int count = n;
    void *step_arguments[] = {&data, &count}, *countdown_arguments[] = {&again, &left}, *choose_arguments[] = {&which, &value};
    cudaGraphNode_t stepped = kernel(body, nullptr, (void *)step, dim3(1), dim3(256), step_arguments);
    kernel(body, &stepped, (void *)countdown, dim3(1), dim3(1), countdown_arguments);
    cudaGraphNode_t chosen = kernel(graph, &loop, (void *)choose, dim3(1), dim3(1), choose_arguments);
    cudaGraphNode_t branch = conditional(graph, &chosen, which, cudaGraphCondTypeSwitch, 3, cases);
    for (int i = 0; i < 3; i++) fill(cases[i], out, 10 + i);
    conditional(graph, &branch, never, cudaGraphCondTypeIf, 2, halves);
    fill(halves[0], out + 1, 1);
    fill(halves[1], out + 1, 2);

    cudaGraphExec_t exec;
    OK(cudaGraphInstantiate(&exec, graph, 0));
    for (int round = 0; round < 3; round++) {
        int rounds = 2 + 3 * round, got[n], outs[2] = {0, 0};
        OK(cudaMemcpy(data, ones, sizeof ones, cudaMemcpyHostToDevice));
        OK(cudaMemcpy(left, &rounds, sizeof rounds, cudaMemcpyHostToDevice));
        OK(cudaMemcpy(value, &round, sizeof round, cudaMemcpyHostToDevice));
        OK(cudaMemset(out, 0, 2 * sizeof(int)));
        OK(cudaGraphLaunch(exec, nullptr));
        OK(cudaMemcpy(got, data, sizeof got, cudaMemcpyDeviceToHost));
        OK(cudaMemcpy(outs, out, sizeof outs, cudaMemcpyDeviceToHost));
        int want = 1;
        for (int i = 0; i < rounds; i++) want = want * 3 + 1;
        for (int i = 0; i < n; i++) EXPECT(got[i] == want);
        EXPECT(outs[0] == 10 + round);
        EXPECT(outs[1] == 2);
    }
    cudaGraphNodeParams wrong = {};
    wrong.type = cudaGraphNodeTypeConditional;
    wrong.conditional.handle = again;
    wrong.conditional.size = 3;
    cudaGraphNode_t node;
#if CUDART_VERSION >= 13000
    GIVES(cudaGraphAddNode(&node, graph, nullptr, nullptr, 0, &wrong), cudaErrorInvalidValue);
#else
    GIVES(cudaGraphAddNode(&node, graph, nullptr, 0, &wrong), cudaErrorInvalidValue);
#endif
    OK(cudaGraphExecDestroy(exec));
    OK(cudaGraphDestroy(graph));
    return finish("conditional");
}
