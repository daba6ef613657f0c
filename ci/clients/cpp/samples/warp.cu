// Operations between the lanes of a warp: shuffles of all kinds and widths, votes, matches, masks, in converged and diverged code.
#include "sample.h"

extern "C" __global__ void shuffles(const int *in, int *out) {
    int lane = threadIdx.x, v = in[lane], *o = out + lane * 16;
    o[0] = __shfl_sync(~0u, v, 5), o[1] = __shfl_sync(~0u, v, lane * 7 % 32), o[2] = __shfl_sync(~0u, v, lane + 3, 8);
    o[3] = __shfl_up_sync(~0u, v, 1), o[4] = __shfl_up_sync(~0u, v, 3, 16), o[5] = __shfl_down_sync(~0u, v, 2), o[6] = __shfl_down_sync(~0u, v, 5, 8);
    o[7] = __shfl_xor_sync(~0u, v, 9), o[8] = __shfl_xor_sync(~0u, v, 6, 4);
    long long wide = __shfl_sync(~0u, (long long)v << 33 | lane, 31 - lane);
    o[9] = (int)(wide >> 33), o[10] = (int)(wide & 0xffffffff);
    double d = __shfl_down_sync(~0u, v * 0.5, 4);
    o[11] = (int)(d * 2);
    o[12] = __float2int_rn(__shfl_xor_sync(~0u, (float)v, 16));
    int pred;
    asm volatile("{ .reg .pred p; .reg .b32 t; shfl.sync.up.b32 t|p, %1, 4, 0, 0xffffffff; selp.b32 %0, 1, 0, p; }" : "=r"(pred) : "r"(v));
    o[13] = pred;
    o[14] = (int)__shfl_sync(~0u, (unsigned)v >> 3, 33);
    o[15] = __shfl_down_sync(~0u, v, 0);
}
extern "C" __global__ void votes(const int *in, unsigned *out) {
    unsigned lane = threadIdx.x;
    int v = in[lane];
    unsigned *o = out + lane * 16;
    o[0] = __ballot_sync(~0u, v > 0), o[1] = __any_sync(~0u, v == in[3]), o[2] = __all_sync(~0u, v < 1000), o[3] = __match_any_sync(~0u, v % 4);
    int all;
    o[4] = __match_all_sync(~0u, v / 100000, &all), o[5] = all;
    unsigned mask;
    asm("mov.u32 %0, %%lanemask_lt;" : "=r"(mask));
    o[6] = __popc(mask & o[0]);
    asm("mov.u32 %0, %%lanemask_ge;" : "=r"(mask));
    o[7] = mask;
    if (v % 3 == 0) {
        unsigned here = __activemask(), same = __match_any_sync(here, (unsigned long long)(v & 1) << 40);
        o[8] = here, o[9] = same, o[10] = __shfl_sync(here, lane, __ffs(here) - 1), o[11] = __ballot_sync(here, v % 2);
    } else o[8] = o[9] = o[10] = o[11] = 0;
    __syncwarp();
    o[12] = __brev(lane) | __clz(lane + 1), o[13] = __fns(o[0], 0, 2), o[14] = __ffsll((long long)lane << 35), o[15] = __popcll(0x123456789abcull * (lane + 1));
}
// Lanes that leave one after the other; the rest goes on exchanging.
extern "C" __global__ void shrinking(int *out) {
    int lane = threadIdx.x, sum = 0;
    unsigned rest = ~0u;
    for (int round = 0; round < 32; round++) {
        rest = __ballot_sync(rest, lane >= round);
        if (lane < round) break;
        sum += __shfl_sync(rest, lane * (round + 1), 31);
    }
    out[lane] = sum;
}
// Both sides of a branch exchange among themselves, then with each other through a barrier of the warp.
extern "C" __global__ void sides(int *out) {
    __shared__ int box[32];
    int lane = threadIdx.x;
    if (lane % 2) {
        box[lane] = __shfl_xor_sync(0xaaaaaaaau, lane * 10, 2);
        __syncwarp();
        out[lane] = box[lane - 1];
    } else {
        box[lane] = __shfl_xor_sync(0x55555555u, lane * 100, 4);
        __syncwarp();
        out[lane] = box[lane + 1];
    }
}
// A producer lane and consumer lanes inside one warp: needs independent progress of lanes.
extern "C" __global__ void hand_over(volatile int *flag, int *out) {
    int lane = threadIdx.x;
    if (lane == 31) {
        for (int k = 0; k < 5; k++) __nanosleep(10);
        flag[1] = 77;
        __threadfence();
        flag[0] = 1;
    } else {
        while (flag[0] == 0) {}
        __threadfence();
        out[lane] = flag[1] + lane;
    }
}
// Partial warps: blocks of 40 threads.
extern "C" __global__ void partial(int *out) {
    int t = threadIdx.x, members = t < 32 ? 32 : 8;
    unsigned mask = members == 32 ? ~0u : 0xffu;
    int sum = t;
    for (int d = members / 2; d; d /= 2) sum += __shfl_down_sync(mask, sum, d, members);
    out[blockIdx.x * 40 + t] = __shfl_sync(mask, sum, 0);
}

#ifdef SAMPLE_HOST
int main() {
    auto in = random_ints(32, 1, -500, 900);
    Device<int> din(in), out(32 * 16);
    LAUNCH(shuffles, SHAPE(1, 32), din, out);
    std::vector<int> want;
    for (int l = 0; l < 32; l++) {
        auto up = [&](int d, int w) { return l % w >= d ? in[l - d] : in[l]; };
        auto down = [&](int d, int w) { return l % w + d < w ? in[l + d] : in[l]; };
        auto cross = [&](int m, int w) { int source = l ^ m; return source / w <= l / w ? in[source] : in[l]; };
        const int row[16] = {in[5], in[l * 7 % 32], in[l / 8 * 8 + (l + 3) % 8], up(1, 32), up(3, 16), down(2, 32), down(5, 8), cross(9, 32), cross(6, 4),
                             in[31 - l], 31 - l, down(4, 32), in[l ^ 16], l >= 4, (int)((unsigned)in[1] >> 3), in[l]};
        want.insert(want.end(), row, row + 16);
    }
    same("shuffles", out.get(), want);

    Device<unsigned> dvotes(32 * 16);
    LAUNCH(votes, SHAPE(1, 32), din, dvotes);
    std::vector<unsigned> expected;
    unsigned positive = 0, third = 0, third_odd = 0, first = 32;
    for (unsigned l = 0; l < 32; l++) {
        positive |= (unsigned)(in[l] > 0) << l;
        if (in[l] % 3 == 0) third |= 1u << l, third_odd |= (unsigned)(in[l] % 2 != 0) << l, first = std::min(first, l);
    }
    unsigned second = 0;
    for (unsigned l = 0, seen = 0; l < 32; l++) if (positive >> l & 1 && ++seen == 2) second = l;
    for (unsigned l = 0; l < 32; l++) {
        unsigned same4 = 0, same1 = 0, reversed = 0;
        for (unsigned k = 0; k < 32; k++) {
            same4 |= (unsigned)(in[k] % 4 == in[l] % 4) << k;
            if (in[k] % 3 == 0) same1 |= (unsigned)((in[k] & 1) == (in[l] & 1)) << k;
            reversed |= (l >> k & 1) << (31 - k);
        }
        bool t = in[l] % 3 == 0;
        const unsigned row[16] = {positive, 1, 1, same4, ~0u, 1, (unsigned)__builtin_popcount(positive & ((1u << l) - 1)), ~0u << l,
                                  t ? third : 0, t ? same1 : 0, t ? first : 0, t ? third_odd : 0, reversed | (unsigned)__builtin_clz(l + 1), second,
                                  l ? 36u + __builtin_ctz(l) : 0, (unsigned)__builtin_popcountll(0x123456789abcull * (l + 1))};
        expected.insert(expected.end(), row, row + 16);
    }
    same("votes", dvotes.get(), expected);

    Device<int> small(80), flag(2);
    LAUNCH(shrinking, SHAPE(1, 32), small);
    std::vector<int> sums(80);
    for (int l = 0; l < 32; l++)
        for (int r = 0; r <= l; r++) sums[l] += 31 * (r + 1);
    same("shrinking", small.get(), sums);
    LAUNCH(sides, SHAPE(1, 32), small);
    for (int l = 0; l < 32; l++) sums[l] = l % 2 ? ((l - 1) ^ 4) * 100 : ((l + 1) ^ 2) * 10;
    same("sides", small.get(), sums);
    LAUNCH(hand_over, SHAPE(1, 32), flag, small);
    for (int l = 0; l < 31; l++) sums[l] = 77 + l;
    same("lanes wait for a lane", small.get(), sums);
    LAUNCH(partial, SHAPE(2, 40), small);
    for (int t = 0; t < 80; t++) sums[t] = t % 40 < 32 ? 496 : 32 * 8 + 28;
    same("partial warps", small.get(), sums);
    return finish("warp");
}
#endif
