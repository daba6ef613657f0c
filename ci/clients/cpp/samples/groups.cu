// Cooperative groups: tiles of all sizes, coalesced, labelled and binary partitions, copies by a group, and the whole grid.
#include "sample.h"
#include <cooperative_groups.h>
#include <cooperative_groups/memcpy_async.h>
#include <cooperative_groups/reduce.h>
namespace cg = cooperative_groups;

template <int SIZE> __device__ int tile_value(cg::thread_block block, int value) {
    auto tile = cg::tiled_partition<SIZE>(block);
    int up = tile.shfl_up(value, 1), down = tile.shfl_down(value, 1), across = tile.shfl_xor(value, SIZE / 2), first = tile.shfl(value, 0);
    unsigned even = tile.ballot(value % 2 == 0);
    return up + 3 * down + 5 * across + 7 * first + 11 * (int)even + 13 * tile.any(value % 5 == 0) + 17 * tile.all(value > 10) +
           19 * (int)tile.thread_rank() + 23 * (int)tile.meta_group_rank() + 29 * (int)tile.size() + 31 * (int)tile.match_any(value % 3);
}
extern "C" __global__ void tiles(const int *in, int *out, int n) {
    auto block = cg::this_thread_block();
    int value = in[block.thread_rank()];
    out[block.thread_rank()] = tile_value<32>(block, value);
    out[n + block.thread_rank()] = tile_value<16>(block, value);
    out[2 * n + block.thread_rank()] = tile_value<8>(block, value);
    out[3 * n + block.thread_rank()] = tile_value<4>(block, value);
    out[4 * n + block.thread_rank()] = tile_value<2>(block, value);
}

extern "C" __global__ void partitions(const int *in, int *out, int *counter, int n) {
    auto block = cg::this_thread_block();
    int t = block.thread_rank(), value = in[t];
    auto warp = cg::tiled_partition<32>(block);
    if (value > 0) {
        auto active = cg::coalesced_threads();
        out[t] = (int)active.size() * 100 + (int)active.thread_rank();
        int place = 0;
        if (active.thread_rank() == 0) place = atomicAdd(counter, (int)active.size());
        out[n + t] = active.shfl(place, 0) >= 0;
        out[2 * n + t] = active.shfl(value, active.size() - 1);
    }
    auto labelled = cg::labeled_partition(warp, value & 3);
    out[3 * n + t] = (int)labelled.size() * 100 + (int)labelled.thread_rank();
    out[4 * n + t] = cg::reduce(labelled, value, cg::plus<int>());
    auto halves = cg::binary_partition(warp, value % 2 != 0);
    out[5 * n + t] = (int)halves.size() * 100 + (int)halves.thread_rank();
    out[6 * n + t] = cg::reduce(halves, value, cg::greater<int>());
    cg::invoke_one(warp, [&] { atomicAdd(&counter[1], 1); });
}

extern "C" __global__ void group_copy(const int4 *in, int4 *out, int n) {
    extern __shared__ int4 staged[];
    auto block = cg::this_thread_block();
    cg::memcpy_async(block, staged, in + blockIdx.x * n, sizeof(int4) * n);
    cg::wait(block);
    for (int i = threadIdx.x; i < n; i += blockDim.x) {
        int4 v = staged[n - 1 - i];
        out[blockIdx.x * n + i] = make_int4(v.w, v.z, v.y, v.x);
    }
}

// Conjugate gradients for a tridiagonal system in one cooperative launch, a grid barrier after each step.
extern "C" __global__ void conjugate_gradient(double *x, double *r, double *p, double *q, double *dots, int n, int rounds) {
    auto grid = cg::this_grid();
    auto tile = cg::tiled_partition<32>(cg::this_thread_block());
    auto dot = [&](const double *a, const double *b, double *out) {
        double sum = 0;
        for (int i = grid.thread_rank(); i < n; i += grid.size()) sum += a[i] * b[i];
        sum = cg::reduce(tile, sum, cg::plus<double>());
        if (tile.thread_rank() == 0) atomicAdd(out, sum);
    };
    dot(r, r, &dots[0]);
    grid.sync();
    for (int round = 0; round < rounds; round++) {
        for (int i = grid.thread_rank(); i < n; i += grid.size())
            q[i] = 2.5 * p[i] - (i > 0 ? p[i - 1] : 0) - (i + 1 < n ? p[i + 1] : 0);
        grid.sync();
        dot(p, q, &dots[2 * round + 1]);
        grid.sync();
        double rr = dots[2 * round], alpha = rr / dots[2 * round + 1];
        for (int i = grid.thread_rank(); i < n; i += grid.size()) x[i] += alpha * p[i], r[i] -= alpha * q[i];
        grid.sync();
        dot(r, r, &dots[2 * round + 2]);
        grid.sync();
        double beta = dots[2 * round + 2] / rr;
        for (int i = grid.thread_rank(); i < n; i += grid.size()) p[i] = r[i] + beta * p[i];
        grid.sync();
    }
}

#ifdef SAMPLE_HOST
static int expected(const std::vector<int> &in, int t, int size) {
    int base = t / size * size, rank = t - base, value = in[t];
    auto at = [&](int r) { return in[base + r]; };
    unsigned even = 0, same = 0;
    bool any = false, all = true;
    for (int r = 0; r < size; r++) {
        even |= (unsigned)(at(r) % 2 == 0) << r, same |= (unsigned)(at(r) % 3 == value % 3) << r;
        any |= at(r) % 5 == 0, all &= at(r) > 10;
    }
    unsigned sum = (rank ? at(rank - 1) : value) + 3 * (rank + 1 < size ? at(rank + 1) : value) + 5 * at(rank ^ size / 2) + 7 * at(0) + 11 * even + 13 * any +
                   17 * all + 19 * rank + 23 * (t / size) + 29 * size + 31 * same;
    return (int)sum;
}

int main() {
    const int n = 96;
    auto in = random_ints(n, 1, -100, 400);
    Device<int> din(in), dout(7 * n), counter(2);
    LAUNCH(tiles, SHAPE(1, n), din, dout, n);
    std::vector<int> want(7 * n);
    for (int k = 0; k < 5; k++)
        for (int t = 0; t < n; t++) want[k * n + t] = expected(in, t, 32 >> k);
    same("tiles", dout.get(), want);

    dout.clear();
    LAUNCH(partitions, SHAPE(1, n), din, dout, counter, n);
    std::fill(want.begin(), want.end(), 0);
    int positive = 0;
    for (int t = 0; t < n; t++) {
        int base = t / 32 * 32, size = 0, rank = 0, last = 0, same_label = 0, label_rank = 0, label_sum = 0, half = 0, half_rank = 0, most = -1000;
        for (int i = base; i < base + 32; i++) {
            if (in[i] > 0) size++, rank += i < t, last = in[i];
            if ((in[i] & 3) == (in[t] & 3)) same_label++, label_rank += i < t, label_sum += in[i];
            if ((in[i] % 2 != 0) == (in[t] % 2 != 0)) half++, half_rank += i < t, most = std::max(most, in[i]);
        }
        if (in[t] > 0) positive++, want[t] = size * 100 + rank, want[n + t] = 1, want[2 * n + t] = last;
        want[3 * n + t] = same_label * 100 + label_rank, want[4 * n + t] = label_sum;
        want[5 * n + t] = half * 100 + half_rank, want[6 * n + t] = most;
    }
    same("partitions", dout.get(), want);
    same("counted", counter.get(), std::vector<int>{positive, 3});

    const int rows = 3, columns = 130;
    auto table = random_ints(rows * columns * 4, 2, -1000, 1000);
    std::vector<int> reversed(table.size());
    for (int row = 0; row < rows; row++)
        for (int i = 0; i < columns * 4; i++) reversed[row * columns * 4 + i] = table[row * columns * 4 + columns * 4 - 1 - i];
    Device<int> dtable(table), dreversed(table.size());
    LAUNCH(group_copy, SHAPE(rows, 64, columns * 16), (int4 *)(int *)dtable, (int4 *)(int *)dreversed, columns);
    same("copied by a group", dreversed.get(), reversed);

    const int size = 500, rounds = 40;
    auto b = random_floats<double>(size, 3);
    Device<double> x(size), r(b), p(b), q(size), dots(2 * rounds + 2);
    Shape whole = SHAPE(4, 64);
    whole.cooperative = true;
    LAUNCH(conjugate_gradient, whole, x, r, p, q, dots, size, rounds);
    auto solution = x.get();
    std::vector<double> product(size);
    for (int i = 0; i < size; i++) product[i] = 2.5 * solution[i] - (i ? solution[i - 1] : 0) - (i + 1 < size ? solution[i + 1] : 0);
    close("conjugate gradients", product, b, 0, 1e-6);
    return finish("groups");
}
#endif
