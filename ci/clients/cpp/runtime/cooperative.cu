// A cooperative launch: all blocks meet at a barrier of the grid.
#include "check.h"
#include <cooperative_groups.h>
namespace cg = cooperative_groups;

__global__ void ladder(int *steps, int rounds, int *wrong) {
    cg::grid_group grid = cg::this_grid();
    int blocks = gridDim.x;
    for (int round = 0; round < rounds; round++) {
        if (threadIdx.x == 0) steps[blockIdx.x] = round + 1;
        grid.sync();
        // Every block must see every other block's step of this round.
        if (threadIdx.x < blocks && steps[threadIdx.x] != round + 1) atomicAdd(wrong, 1);
        grid.sync();
    }
}

int main() {
    int cooperative = 0, per_multiprocessor = 0, multiprocessors = 0;
    OK(cudaDeviceGetAttribute(&cooperative, cudaDevAttrCooperativeLaunch, 0));
    EXPECT(cooperative == 1);
    OK(cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, 0));
    OK(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&per_multiprocessor, ladder, 64, 0));
    int blocks = per_multiprocessor * multiprocessors < 8 ? per_multiprocessor * multiprocessors : 8;
    int *steps, *wrong, found = -1, rounds = 5;
    OK(cudaMalloc(&steps, 64 * sizeof(int)));
    OK(cudaMalloc(&wrong, sizeof(int)));
    OK(cudaMemset(wrong, 0, sizeof(int)));
    void *args[] = {&steps, &rounds, &wrong};
    OK(cudaLaunchCooperativeKernel((const void *)ladder, dim3(blocks), dim3(64), args, 0, 0));
    OK(cudaMemcpy(&found, wrong, sizeof found, cudaMemcpyDeviceToHost));
    EXPECT(found == 0);
    int too_many = per_multiprocessor * multiprocessors + 1;
    GIVES(cudaLaunchCooperativeKernel((const void *)ladder, dim3(too_many), dim3(64), args, 0, 0), cudaErrorCooperativeLaunchTooLarge);
    return finish("cooperative");
}
