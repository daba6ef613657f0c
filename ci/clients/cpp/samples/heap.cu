// Memory taken by kernels: malloc and free, new and delete, lists and trees, a block's memory, alloca.
#include "sample.h"

extern "C" __global__ void allocate_rows(int *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    int *row = (int *)malloc(sizeof(int) * (i + 1));
    if (!row) { out[i] = -1; return; }
    for (int k = 0; k <= i; k++) row[k] = k * i;
    int sum = 0;
    for (int k = 0; k <= i; k++) sum += row[k];
    out[i] = sum;
    free(row);
}

struct Node {
    int value;
    Node *next;
    __device__ Node(int v, Node *n) : value(v), next(n) {}
};
extern "C" __global__ void lists(long long *out, int n) {
    Node *head = nullptr;
    for (int k = 0; k < n; k++) head = new Node(k * (threadIdx.x + 1), head);
    Node *reversed = nullptr;
    while (head) {
        Node *next = head->next;
        head->next = reversed, reversed = head, head = next;
    }
    long long sum = 0, weight = 1;
    while (reversed) {
        sum += weight++ * reversed->value;
        Node *next = reversed->next;
        delete reversed;
        reversed = next;
    }
    out[blockIdx.x * blockDim.x + threadIdx.x] = sum;
}

// A binary search tree of each thread, made by new, walked in order with a stack of its own.
struct Tree { unsigned key; Tree *left, *right; };
extern "C" __global__ void trees(unsigned *sorted, int n) {
    unsigned seed = threadIdx.x * 7919 + 13;
    Tree *root = nullptr;
    for (int k = 0; k < n; k++) {
        seed = seed * 1664525u + 1013904223u;
        Tree **at = &root;
        while (*at) at = (seed >> 8) < (*at)->key ? &(*at)->left : &(*at)->right;
        *at = new Tree{seed >> 8, nullptr, nullptr};
    }
    Tree *stack[64], *at = root;
    int depth = 0, written = 0;
    while (at || depth) {
        while (at) stack[depth++] = at, at = at->left;
        at = stack[--depth];
        sorted[threadIdx.x * n + written++] = at->key;
        Tree *gone = at;
        at = at->right;
        delete gone;
    }
}

// Memory of the whole block, given on from one kernel to the next.
__device__ double *kept[4];
extern "C" __global__ void keep(int n) {
    __shared__ double *data;
    if (threadIdx.x == 0) data = new double[n];
    __syncthreads();
    for (int i = threadIdx.x; i < n; i += blockDim.x) data[i] = i * 0.5 + blockIdx.x;
    __syncthreads();
    if (threadIdx.x == 0) kept[blockIdx.x] = data;
}
extern "C" __global__ void use(double *out, int n) {
    double *data = kept[blockIdx.x];
    for (int i = threadIdx.x; i < n; i += blockDim.x) out[blockIdx.x * n + i] = data[n - 1 - i];
    __syncthreads();
    if (threadIdx.x == 0) delete[] data;
}

extern "C" __global__ void exhaust(int *failed, size_t bytes) {
    void *first = malloc(bytes), *second = malloc(bytes);
    failed[0] = first != nullptr, failed[1] = second == nullptr;
    free(first);
    free(second);
    free(nullptr);
    void *again = malloc(bytes);
    failed[2] = again != nullptr;
    free(again);
}

#ifdef SAMPLE_HOST
int main() {
    const size_t size = 4 << 20;
    OK(cudaDeviceSetLimit(cudaLimitMallocHeapSize, size));
    Device<int> rows(256), failed(3);
    LAUNCH(allocate_rows, SHAPE(2, 128), rows, 256);
    std::vector<int> want(256);
    for (int i = 0; i < 256; i++) want[i] = i * (i * (i + 1) / 2);
    same("malloc", rows.get(), want);
    Device<long long> sums(96);
    LAUNCH(lists, SHAPE(3, 32), sums, 20);
    std::vector<long long> weighted(96);
    for (int i = 0; i < 96; i++)
        for (int k = 0; k < 20; k++) weighted[i] += (long long)(k + 1) * k * (i % 32 + 1);
    same("lists", sums.get(), weighted);
    Device<unsigned> sorted(32 * 25);
    LAUNCH(trees, SHAPE(1, 32), sorted, 25);
    std::vector<unsigned> keys;
    for (int t = 0; t < 32; t++) {
        unsigned seed = t * 7919 + 13;
        for (int k = 0; k < 25; k++) keys.push_back((seed = seed * 1664525u + 1013904223u) >> 8);
        std::sort(keys.end() - 25, keys.end());
    }
    same("trees", sorted.get(), keys);
    Device<double> out(4 * 300);
    LAUNCH(keep, SHAPE(4, 64), 300);
    LAUNCH(use, SHAPE(4, 64), out, 300);
    std::vector<double> turned;
    for (int i = 0; i < 1200; i++) turned.push_back((299 - i % 300) * 0.5 + i / 300);
    same("kept from kernel to kernel", out.get(), turned);
    LAUNCH(exhaust, SHAPE(1, 1), failed, size * 3 / 5);
    same("the heap's limit", failed.get(), std::vector<int>{1, 1, 1});
    return finish("heap");
}
#endif
