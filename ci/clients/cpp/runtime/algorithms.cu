// The toolkit's header libraries (Thrust, CUB) on the shared runtime: they look for architectures, occupancy and entry points.
#include "check.h"
#include <algorithm>
#include <cub/cub.cuh>
#include <numeric>
#include <thrust/device_vector.h>
#include <thrust/reduce.h>
#include <thrust/scan.h>
#include <thrust/sort.h>
#include <thrust/transform.h>
#include <vector>

struct Square {
    __host__ __device__ long long operator()(int x) const { return (long long)x * x; }
};

int main() {
    const int n = 20000;
    std::vector<int> host(n);
    unsigned state = 7;
    for (int &value : host) value = (int)((state = state * 1664525u + 1013904223u) >> 12) - 500000;
    thrust::device_vector<int> device = host;
    EXPECT(thrust::reduce(device.begin(), device.end(), 0LL) == std::accumulate(host.begin(), host.end(), 0LL));

    thrust::device_vector<long long> squares(n);
    thrust::transform(device.begin(), device.end(), squares.begin(), Square());
    std::vector<long long> read(n);
    thrust::copy(squares.begin(), squares.end(), read.begin());
    for (int i = 0; i < n; i++) EXPECT(read[i] == (long long)host[i] * host[i]);

    thrust::device_vector<int> sums(n);
    thrust::inclusive_scan(device.begin(), device.end(), sums.begin());
    std::vector<int> scanned(n), expected(n);
    thrust::copy(sums.begin(), sums.end(), scanned.begin());
    std::partial_sum(host.begin(), host.end(), expected.begin());
    EXPECT(scanned == expected);

    thrust::sort(device.begin(), device.end());
    std::vector<int> sorted(n);
    thrust::copy(device.begin(), device.end(), sorted.begin());
    std::sort(host.begin(), host.end());
    EXPECT(sorted == host);

    size_t bytes = 0;
    int *largest = nullptr;
    OK(cudaMalloc(&largest, sizeof(int)));
    OK(cub::DeviceReduce::Max(nullptr, bytes, thrust::raw_pointer_cast(device.data()), largest, n));
    void *scratch = nullptr;
    OK(cudaMalloc(&scratch, bytes));
    OK(cub::DeviceReduce::Max(scratch, bytes, thrust::raw_pointer_cast(device.data()), largest, n));
    int found = 0;
    OK(cudaMemcpy(&found, largest, sizeof found, cudaMemcpyDeviceToHost));
    EXPECT(found == host.back());
    return finish("algorithms");
}
