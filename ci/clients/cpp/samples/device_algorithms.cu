// CUB and Thrust over the whole device: kernels that the header libraries choose for the architecture. Built in only: their launches
// are made by the libraries.
#include "sample.h"
#ifdef SAMPLE_HOST
#include <cub/cub.cuh>
#include <thrust/device_vector.h>
#include <thrust/sort.h>
#include <thrust/unique.h>

template <typename F> static void with_storage(F call) {
    size_t bytes = 0;
    OK(call(nullptr, bytes));
    Device<char> storage(bytes + 1);
    OK(call((char *)storage, bytes));
}
struct Descending {
    __host__ __device__ bool operator()(double a, double b) const { return a > b; }
};
struct Positive {
    __host__ __device__ bool operator()(int x) const { return x > 0; }
};

int main() {
    const int n = 5000;
    auto in = random_ints(n, 1, -1000, 1000);
    Device<int> din(in), out(n), count(1);
    with_storage([&](void *p, size_t &b) { return cub::DeviceReduce::Sum(p, b, (int *)din, (int *)out, n); });
    same("sum", out.first(), std::accumulate(in.begin(), in.end(), 0));
    std::vector<int> want(n);
    std::partial_sum(in.begin(), in.end(), want.begin());
    with_storage([&](void *p, size_t &b) { return cub::DeviceScan::InclusiveSum(p, b, (int *)din, (int *)out, n); });
    same("scan", out.get(), want);
    Device<int> bins(20);
    with_storage([&](void *p, size_t &b) { return cub::DeviceHistogram::HistogramEven(p, b, (int *)din, (int *)bins, 21, -1000, 1000, n); });
    std::vector<int> counts(20);
    for (int x : in) counts[(x + 1000) / 100]++;
    same("histogram", bins.get(), counts);
    with_storage([&](void *p, size_t &b) { return cub::DeviceSelect::If(p, b, (int *)din, (int *)out, (int *)count, n, Positive()); });
    want.clear();
    for (int x : in) if (x > 0) want.push_back(x);
    auto got = out.get();
    got.resize(want.size());
    same("selected", count.first(), (int)want.size());
    same("select", got, want);

    Random random(2);
    std::vector<unsigned long long> keys(n);
    std::vector<int> places(n), order(n);
    for (int i = 0; i < n; i++) keys[i] = (unsigned long long)random.bits() << 20 ^ random.bits(), order[i] = places[i] = i;
    std::sort(order.begin(), order.end(), [&](int a, int b) { return keys[a] < keys[b]; });
    Device<unsigned long long> dk(keys), sorted(n);
    Device<int> dp(places), moved(n);
    with_storage([&](void *p, size_t &b) {
        return cub::DeviceRadixSort::SortPairs(p, b, (unsigned long long *)dk, (unsigned long long *)sorted, (int *)dp, (int *)moved, n);
    });
    std::sort(keys.begin(), keys.end());
    same("radix sort, keys", sorted.get(), keys);
    same("radix sort, values", moved.get(), order);

    auto runs = random_ints(n, 3, 0, 3);
    Device<int> druns(runs), unique(n), lengths(n);
    with_storage([&](void *p, size_t &b) { return cub::DeviceRunLengthEncode::Encode(p, b, (int *)druns, (int *)unique, (int *)lengths, (int *)count, n); });
    std::vector<int> values, sizes;
    for (int x : runs) {
        if (values.empty() || values.back() != x) values.push_back(x), sizes.push_back(0);
        sizes.back()++;
    }
    auto u = unique.get(), l = lengths.get();
    u.resize(count.first()), l.resize(count.first());
    same("runs", u, values);
    same("run lengths", l, sizes);

    thrust::device_vector<double> d(n);
    auto doubles = random_floats<double>(n, 4);
    thrust::copy(doubles.begin(), doubles.end(), d.begin());
    thrust::stable_sort(d.begin(), d.end(), Descending());
    std::vector<double> back(n);
    thrust::copy(d.begin(), d.end(), back.begin());
    std::sort(doubles.begin(), doubles.end(), [](double a, double b) { return a > b; });
    same("merge sort", back, doubles);
    return finish("device_algorithms");
}
#endif
