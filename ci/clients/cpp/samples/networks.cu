// Graphs and sparse matrices: breadth-first search with queues, shortest paths, connected components, PageRank, rows of a sparse matrix.
#include "sample.h"

extern "C" __global__ void expand(const int *starts, const int *edges, const int *frontier, int count, int *next, int *next_count, int *distance, int level) {
    __shared__ int local[256], local_count, base;
    if (threadIdx.x == 0) local_count = 0;
    __syncthreads();
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count)
        for (int e = starts[frontier[i]]; e < starts[frontier[i] + 1]; e++)
            if (atomicCAS(&distance[edges[e]], -1, level) == -1) {
                int place = atomicAdd(&local_count, 1);
                if (place < 256) local[place] = edges[e];
                else next[atomicAdd(next_count, 1)] = edges[e];
            }
    __syncthreads();
    int n = min(local_count, 256);
    if (threadIdx.x == 0) base = atomicAdd(next_count, n);
    __syncthreads();
    for (int k = threadIdx.x; k < n; k += blockDim.x) next[base + k] = local[k];
}
extern "C" __global__ void relax(const int *starts, const int *edges, const float *weights, float *distance, int *changed, int n) {
    int v = blockIdx.x * blockDim.x + threadIdx.x;
    if (v >= n) return;
    float d = distance[v];
    if (isinf(d)) return;
    for (int e = starts[v]; e < starts[v + 1]; e++) {
        float candidate = d + weights[e];
        int old = atomicMin((int *)&distance[edges[e]], __float_as_int(candidate));  // distances are not negative: their bits are in order
        if (__float_as_int(candidate) < old) *changed = 1;
    }
}
extern "C" __global__ void components(const int *starts, const int *edges, int *label, int *changed, int n) {
    int v = blockIdx.x * blockDim.x + threadIdx.x;
    if (v >= n) return;
    int best = label[v];
    for (int e = starts[v]; e < starts[v + 1]; e++) best = min(best, label[edges[e]]);
    if (best < atomicMin(&label[v], best)) *changed = 1;
    for (int e = starts[v]; e < starts[v + 1]; e++)
        if (best < atomicMin(&label[edges[e]], best)) *changed = 1;
}
// y = A x, 8 lanes a row.
extern "C" __global__ void sparse_rows(const int *starts, const int *columns, const double *values, const double *x, double *y, int n) {
    int lane = threadIdx.x % 8, row = (blockIdx.x * blockDim.x + threadIdx.x) / 8;
    double sum = 0;
    if (row < n) for (int e = starts[row] + lane; e < starts[row + 1]; e += 8) sum += values[e] * x[columns[e]];
    for (int d = 4; d; d /= 2) sum += __shfl_down_sync(~0u, sum, d, 8);
    if (row < n && lane == 0) y[row] = sum;
}
extern "C" __global__ void rank_step(const int *starts, const int *edges, const float *rank, float *next, int n) {
    int v = blockIdx.x * blockDim.x + threadIdx.x;
    if (v >= n) return;
    int out = starts[v + 1] - starts[v];
    for (int e = starts[v]; e < starts[v + 1]; e++) atomicAdd(&next[edges[e]], 0.85f * rank[v] / out);
    atomicAdd(&next[v], 0.15f / n);
}
extern "C" __global__ void floyd(int *d, int n, int k) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x < n && y < n) d[y * n + x] = min(d[y * n + x], d[y * n + k] + d[k * n + x]);
}
// Triangles by merging sorted rows, a thread an edge.
extern "C" __global__ void triangles(const int *starts, const int *edges, const int *from, int count, unsigned long long *sum) {
    int e = blockIdx.x * blockDim.x + threadIdx.x;
    if (e >= count) return;
    int u = from[e], v = edges[e], i = starts[u], j = starts[v];
    unsigned found = 0;
    while (u < v && i < starts[u + 1] && j < starts[v + 1]) {
        if (edges[i] == edges[j]) found += edges[i] > v, i++, j++;
        else if (edges[i] < edges[j]) i++;
        else j++;
    }
    if (found) atomicAdd(sum, (unsigned long long)found);
}

#ifdef SAMPLE_HOST
#include <queue>
#include <set>
int main() {
    const int n = 600;
    Random random(1);
    std::vector<std::set<int>> neighbours(n);
    for (int i = 0; i < 1500; i++) {
        int a = (int)random.below(n - 40), b = (int)random.below(n - 40);
        if (a != b) neighbours[a].insert(b), neighbours[b].insert(a);
    }
    for (int v = n - 40; v + 1 < n; v++) if (v % 7) neighbours[v].insert(v + 1), neighbours[v + 1].insert(v);
    std::vector<int> starts = {0}, edges, from;
    for (int v = 0; v < n; v++) {
        for (int u : neighbours[v]) edges.push_back(u), from.push_back(v);
        starts.push_back((int)edges.size());
    }
    int m = (int)edges.size();
    Device<int> ds(starts), de(edges), dfrom(from);
    dim3 grid((n + 127) / 128), block(128);

    std::vector<int> distance(n, -1), queue = {0};
    distance[0] = 0;
    for (size_t at = 0; at < queue.size(); at++)
        for (int u : neighbours[queue[at]]) if (distance[u] < 0) distance[u] = distance[queue[at]] + 1, queue.push_back(u);
    {
        std::vector<int> begin(n, -1);
        begin[0] = 0;
        Device<int> dd(begin), a(n), b(n), count(1);
        int size = 1;
        for (int level = 1; size > 0; level++) {
            count.clear();
            LAUNCH(expand, SHAPE(dim3((size + 63) / 64), dim3(64)), ds, de, level % 2 ? a : b, size, level % 2 ? b : a, count, dd, level);
            size = count.first();
        }
        same("breadth first", dd.get(), distance);
    }
    {
        std::vector<float> weights(m), d(n, INFINITY), start = d;
        for (float &w : weights) w = random.unit() + 0.01f;
        d[0] = start[0] = 0;
        for (bool changed = true; changed;) {
            changed = false;
            for (int v = 0; v < n; v++)
                for (int e = starts[v]; e < starts[v + 1]; e++) if (d[v] + weights[e] < d[edges[e]]) d[edges[e]] = d[v] + weights[e], changed = true;
        }
        Device<float> dw(weights), dd(start);
        Device<int> changed(1);
        do {
            changed.clear();
            LAUNCH(relax, SHAPE(grid, block), ds, de, dw, dd, changed, n);
        } while (changed.first());
        same("shortest paths", dd.get(), d);
    }
    {
        std::vector<int> label(n), want(n);
        std::iota(label.begin(), label.end(), 0);
        want = label;
        for (bool changed = true; changed;) {
            changed = false;
            for (int v = 0; v < n; v++) for (int u : neighbours[v]) if (want[u] < want[v]) want[v] = want[u], changed = true;
        }
        Device<int> dl(label), changed(1);
        do {
            changed.clear();
            LAUNCH(components, SHAPE(grid, block), ds, de, dl, changed, n);
        } while (changed.first());
        same("components", dl.get(), want);
    }
    {
        auto values = random_floats<double>(m, 2), x = random_floats<double>(n, 3);
        std::vector<double> y(n);
        for (int v = 0; v < n; v++) for (int e = starts[v]; e < starts[v + 1]; e++) y[v] += values[e] * x[edges[e]];
        Device<double> dv(values), dx(x), dy(n);
        LAUNCH(sparse_rows, SHAPE((n * 8 + 127) / 128, 128), ds, de, dv, dx, dy, n);
        close("sparse rows", dy.get(), y, 1e-12, 1e-12);
    }
    {
        std::vector<float> rank(n, 1.0f / n);
        std::vector<double> exact(rank.begin(), rank.end());
        Device<float> a(rank), b(n);
        for (int k = 0; k < 6; k++) {
            float *next = k % 2 ? a : b;
            OK(cudaMemset(next, 0, n * 4));
            LAUNCH(rank_step, SHAPE(grid, block), ds, de, k % 2 ? b : a, next, n);
            std::vector<double> after(n, 0.15 / n);
            for (int v = 0; v < n; v++) for (int u : neighbours[v]) after[u] += 0.85 * exact[v] / neighbours[v].size();
            exact = after;
        }
        close("PageRank", a.get(), exact, 1e-4);
    }
    {
        const int k = 60;
        std::vector<int> d(k * k);
        for (int &x : d) x = (int)random.below(1000) + 1;
        for (int i = 0; i < k; i++) d[i * k + i] = 0;
        Device<int> dd(d);
        for (int via = 0; via < k; via++) {
            LAUNCH(floyd, SHAPE(dim3(4, 8), dim3(16, 8)), dd, k, via);
            for (int i = 0; i < k; i++) for (int j = 0; j < k; j++) d[i * k + j] = std::min(d[i * k + j], d[i * k + via] + d[via * k + j]);
        }
        same("all pairs", dd.get(), d);
        unsigned long long count = 0;
        for (int u = 0; u < n; u++) for (int v : neighbours[u]) if (u < v) for (int w : neighbours[v]) count += w > v && neighbours[u].count(w);
        Device<unsigned long long> sum(1);
        LAUNCH(triangles, SHAPE((m + 127) / 128, 128), ds, de, dfrom, m, sum);
        same("triangles", sum.first(), count);
    }
    return finish("networks");
}
#endif
