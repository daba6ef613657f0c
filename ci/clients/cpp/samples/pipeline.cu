// Producers and consumers: cp.async by primitives and by cuda::pipeline, cuda::barrier with arrival tokens, memcpy_async, latches.
#include "sample.h"
#include <cooperative_groups.h>
#include <cuda/barrier>
#include <cuda/latch>
#include <cuda/pipeline>
#include <cuda/semaphore>
#include <cuda_pipeline.h>
namespace cg = cooperative_groups;

// Sums of tiles, the next tile on its way while this one is added; two and three stages.
template <int STAGES> __device__ void staged_sums(const float4 *in, float *out, int tiles) {
    __shared__ float4 stage[STAGES][64];
    int t = threadIdx.x;
    float sum = 0;
    for (int s = 0; s < STAGES - 1; s++) {
        if (s < tiles) __pipeline_memcpy_async(&stage[s][t], &in[s * 64 + t], sizeof(float4));
        __pipeline_commit();
    }
    for (int tile = 0; tile < tiles; tile++) {
        int next = tile + STAGES - 1;
        if (next < tiles) __pipeline_memcpy_async(&stage[next % STAGES][t], &in[next * 64 + t], sizeof(float4));
        __pipeline_commit();
        __pipeline_wait_prior(STAGES - 1);
        __syncthreads();
        float4 v = stage[tile % STAGES][(t + 7) % 64];
        sum += v.x + 2 * v.y + 3 * v.z + 4 * v.w;
        __syncthreads();
    }
    out[t] = sum;
}
extern "C" __global__ void two_stages(const float4 *in, float *out, int tiles) { staged_sums<2>(in, out, tiles); }
extern "C" __global__ void four_stages(const float4 *in, float *out, int tiles) { staged_sums<4>(in, out, tiles); }

// Less than a whole word is copied, the rest filled with zeros.
extern "C" __global__ void zero_filled(const int *in, int *out, int n) {
    __shared__ int4 stage[64];
    int t = threadIdx.x, left = n - 4 * t;
    __pipeline_memcpy_async(&stage[t], in + (left > 0 ? 4 * t : 0), 16, left >= 4 ? 0 : left <= 0 ? 16 : 16 - 4 * left);
    __pipeline_commit();
    __pipeline_wait_prior(0);
    ((int4 *)out)[t] = stage[t];
}

// The first warp fetches, the others compute: cuda::pipeline with roles.
extern "C" __global__ void roles(const int *in, long long *out, int batches) {
    constexpr int stages = 2, batch = 96;
    __shared__ int buffer[stages][batch];
    __shared__ cuda::pipeline_shared_state<cuda::thread_scope_block, stages> state;
    auto block = cg::this_thread_block();
    auto role = threadIdx.x < 32 ? cuda::pipeline_role::producer : cuda::pipeline_role::consumer;
    auto pipe = cuda::make_pipeline(block, &state, role);
    if (role == cuda::pipeline_role::producer) {
        for (int b = 0; b < batches; b++) {
            pipe.producer_acquire();
            for (int i = threadIdx.x; i < batch; i += 32) cuda::memcpy_async(&buffer[b % stages][i], &in[b * batch + i], sizeof(int), pipe);
            pipe.producer_commit();
        }
    } else {
        long long sum = 0;
        for (int b = 0; b < batches; b++) {
            pipe.consumer_wait();
            sum += (long long)buffer[b % stages][threadIdx.x - 32] * (b + 1);
            pipe.consumer_release();
        }
        out[threadIdx.x - 32] = sum;
    }
}

// Each thread its own pipeline of the thread's scope.
extern "C" __global__ void own_pipeline(const double *in, double *out, int n) {
    __shared__ double buffer[2][128];
    auto pipe = cuda::make_pipeline();
    int t = threadIdx.x;
    double sum = 0;
    pipe.producer_acquire();
    cuda::memcpy_async(&buffer[0][t], &in[t], sizeof(double), pipe);
    pipe.producer_commit();
    for (int k = 0; k < n; k++) {
        if (k + 1 < n) {
            pipe.producer_acquire();
            cuda::memcpy_async(&buffer[(k + 1) & 1][t], &in[(k + 1) * 128 + t], sizeof(double), pipe);
            pipe.producer_commit();
            cuda::pipeline_consumer_wait_prior<1>(pipe);
        } else cuda::pipeline_consumer_wait_prior<0>(pipe);
        sum = sum * 0.5 + buffer[k & 1][t];
        pipe.consumer_release();
    }
    out[t] = sum;
}

// A ring of slots between one warp that writes and one that reads, with a barrier for full and one for empty.
extern "C" __global__ void ring(const int *in, int *out, int n) {
    using barrier = cuda::barrier<cuda::thread_scope_block>;
    __shared__ int slots[4][32];
    __shared__ barrier full[4], empty[4];
    if (threadIdx.x < 4) init(&full[threadIdx.x], 64), init(&empty[threadIdx.x], 64);
    __syncthreads();
    int lane = threadIdx.x % 32;
    if (threadIdx.x < 32) {
        for (int k = 0; k < n; k++) {
            if (k >= 4) empty[k % 4].arrive_and_wait();
            slots[k % 4][lane] = in[k * 32 + lane];
            (void)full[k % 4].arrive();
        }
    } else {
        for (int k = 0; k < n; k++) {
            full[k % 4].arrive_and_wait();
            out[k * 32 + lane] = slots[k % 4][31 - lane] + k;
            if (k + 4 < n) (void)empty[k % 4].arrive();
        }
    }
}

// Copies that complete on a barrier; a completion function; arrive and drop.
struct Count {
    int *count;
    __device__ void operator()() { ++*count; }
};
extern "C" __global__ void barriers(const int *in, int *out, int *completed) {
    __shared__ cuda::barrier<cuda::thread_scope_block> ready;
    __shared__ __align__(16) int data[128];
    __shared__ int done;
    extern __shared__ char raw[];
    using counted = cuda::barrier<cuda::thread_scope_block, Count>;
    counted *phases = reinterpret_cast<counted *>(raw);
    auto block = cg::this_thread_block();
    if (block.thread_rank() == 0) {
        done = 0;
        init(&ready, block.size());
        new (phases) counted(block.size(), Count{&done});
    }
    block.sync();
    cuda::memcpy_async(block, data, in + 128 * blockIdx.x, cuda::aligned_size_t<16>(sizeof(int) * 128), ready);
    auto token = ready.arrive();
    int own = threadIdx.x * 3;
    ready.wait(std::move(token));
    out[blockIdx.x * 128 + threadIdx.x] = data[127 - threadIdx.x] + own;
    int rounds = threadIdx.x % 4 + 1;  // every thread drops out after its own number of phases
    for (int k = 1; k < rounds; k++) phases->arrive_and_wait();
    phases->arrive_and_drop();
    block.sync();
    if (block.thread_rank() == 0) completed[blockIdx.x] = done;
}

// Blocks that hand over to each other: an atomic of the device's scope.
extern "C" __global__ void hand_over(cuda::std::atomic<int> *flag, int *order) {
    cuda::atomic_ref<int, cuda::thread_scope_device> next(order[0]);
    if (threadIdx.x == 0) {
        while (flag->load(cuda::std::memory_order_acquire) != (int)(gridDim.x - 1 - blockIdx.x)) {}
        order[1 + next.fetch_add(1, cuda::std::memory_order_relaxed)] = blockIdx.x;
        flag->store(gridDim.x - blockIdx.x, cuda::std::memory_order_release);
    }
}
extern "C" __global__ void latched(int *out) {
    using latch = cuda::latch<cuda::thread_scope_block>;
    using semaphore = cuda::counting_semaphore<cuda::thread_scope_block, 3>;
    __shared__ __align__(16) char raw[2][16];
    latch &go = *reinterpret_cast<latch *>(raw[0]);
    semaphore &places = *reinterpret_cast<semaphore *>(raw[1]);
    __shared__ int inside, most;
    if (threadIdx.x == 0) {
        new (&go) latch(blockDim.x);
        new (&places) semaphore(3);
        inside = most = 0;
    }
    __syncthreads();
    go.arrive_and_wait();
    for (int k = 0; k < 3; k++) {
        places.acquire();
        atomicMax(&most, atomicAdd(&inside, 1) + 1);
        atomicSub(&inside, 1);
        places.release();
    }
    __syncthreads();
    if (threadIdx.x == 0) out[0] = most >= 1 && most <= 3, out[1] = inside;
}

#ifdef SAMPLE_HOST
int main() {
    const int tiles = 9;
    auto in = random_floats<float>(tiles * 256, 1);
    std::vector<double> want(64);
    for (int tile = 0; tile < tiles; tile++)
        for (int t = 0; t < 64; t++)
            for (int c = 0; c < 4; c++) want[t] += (c + 1) * in[(tile * 64 + (t + 7) % 64) * 4 + c];
    Device<float> din(in), dout(64);
    LAUNCH(two_stages, SHAPE(1, 64), (float4 *)(float *)din, dout, tiles);
    close("two stages", dout.get(), want, 1e-5, 1e-5);
    dout.clear();
    LAUNCH(four_stages, SHAPE(1, 64), (float4 *)(float *)din, dout, tiles);
    close("four stages", dout.get(), want, 1e-5, 1e-5);

    auto ints = random_ints(20 * 96, 2, -10000, 10000), cut = ints;
    Device<int> dints(ints), filled(256);
    LAUNCH(zero_filled, SHAPE(1, 64), dints, filled, 150);
    cut.resize(256);
    std::fill(cut.begin() + 150, cut.end(), 0);
    same("zero filled", filled.get(), cut);

    std::vector<long long> sums(96);
    for (int b = 0; b < 20; b++)
        for (int t = 0; t < 96; t++) sums[t] += (long long)ints[b * 96 + t] * (b + 1);
    Device<long long> dsums(96);
    LAUNCH(roles, SHAPE(1, 128), dints, dsums, 20);
    same("pipeline with roles", dsums.get(), sums);

    auto doubles = random_floats<double>(128 * 7, 3);
    std::vector<double> mixed(128);
    for (int k = 0; k < 7; k++)
        for (int t = 0; t < 128; t++) mixed[t] = mixed[t] * 0.5 + doubles[k * 128 + t];
    Device<double> ddoubles(doubles), dmixed(128);
    LAUNCH(own_pipeline, SHAPE(1, 128), ddoubles, dmixed, 7);
    close("own pipeline", dmixed.get(), mixed, 1e-12, 1e-12);

    const int rounds = 30;
    std::vector<int> through(rounds * 32);
    for (int k = 0; k < rounds; k++)
        for (int lane = 0; lane < 32; lane++) through[k * 32 + lane] = ints[k * 32 + 31 - lane] + k;
    Device<int> dthrough(rounds * 32);
    LAUNCH(ring, SHAPE(1, 64), dints, dthrough, rounds);
    same("ring of barriers", dthrough.get(), through);

    Device<int> dbar(256), completed(2);
    LAUNCH(barriers, SHAPE(2, 128, 64), dints, dbar, completed);
    std::vector<int> turned(256);
    for (int i = 0; i < 256; i++) turned[i] = ints[i / 128 * 128 + 127 - i % 128] + i % 128 * 3;
    same("copies on a barrier", dbar.get(), turned);
    same("phases", completed.get(), std::vector<int>{4, 4});

    Device<int> flag(1), order(1 + 6), latch(2);
    LAUNCH(hand_over, SHAPE(6, 32), (cuda::std::atomic<int> *)(int *)flag, order);
    same("handed over", order.get(), std::vector<int>{6, 5, 4, 3, 2, 1, 0});
    LAUNCH(latched, SHAPE(1, 64), latch);
    same("latch and semaphore", latch.get(), std::vector<int>{1, 0});
    return finish("pipeline");
}
#endif
