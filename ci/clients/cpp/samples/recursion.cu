// Recursion: numbers, mutual, quicksort, queens, a tree of expressions, deep stacks, and recursion in divergent lanes.
#include "sample.h"

__device__ __noinline__ unsigned fibonacci(unsigned n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }
__device__ __noinline__ unsigned ackermann(unsigned m, unsigned n) {
    return m == 0 ? n + 1 : n == 0 ? ackermann(m - 1, 1) : ackermann(m - 1, ackermann(m, n - 1));
}
__device__ bool odd(unsigned n);
__device__ __noinline__ bool even(unsigned n) { return n == 0 || odd(n - 1); }
__device__ __noinline__ bool odd(unsigned n) { return n != 0 && even(n - 1); }
__device__ void quicksort(int *data, int low, int high) {
    if (low >= high) return;
    int pivot = data[(low + high) / 2], i = low, j = high;
    while (i <= j) {
        while (data[i] < pivot) i++;
        while (data[j] > pivot) j--;
        if (i <= j) {
            int t = data[i];
            data[i++] = data[j];
            data[j--] = t;
        }
    }
    quicksort(data, low, j);
    quicksort(data, i, high);
}
__device__ int queens(int n, unsigned columns, unsigned left, unsigned right) {
    unsigned all = (1u << n) - 1;
    if (columns == all) return 1;
    int count = 0;
    for (unsigned free = all & ~(columns | left | right); free; free &= free - 1) {
        unsigned bit = free & -free;
        count += queens(n, columns | bit, (left | bit) << 1, (right | bit) >> 1);
    }
    return count;
}
extern "C" __global__ void numbers(unsigned *out) {
    unsigned i = threadIdx.x;
    out[4 * i] = fibonacci(i % 16);
    out[4 * i + 1] = ackermann(2, i % 7);
    out[4 * i + 2] = even(i * 3);
    out[4 * i + 3] = (unsigned)queens(i % 8 + 1, 0, 0, 0);
}
extern "C" __global__ void sort_rows(int *data, int n) { quicksort(data + (blockIdx.x * blockDim.x + threadIdx.x) * n, 0, n - 1); }

// Adaptive quadrature with arrays in every frame.
struct Interval { double a, b, fa, fm, fb, whole; };
__device__ double f(double x) { return sin(1 / (x + 0.05)) + x; }
__device__ double adapt(Interval v, double tolerance, int depth) {
    double h = v.b - v.a, points[2] = {v.a + h / 4, v.b - h / 4}, values[2];
    for (int k = 0; k < 2; k++) values[k] = f(points[k]);
    double left = h / 12 * (v.fa + 4 * values[0] + v.fm), right = h / 12 * (v.fm + 4 * values[1] + v.fb), delta = left + right - v.whole;
    if (depth == 0 || fabs(delta) <= 15 * tolerance) return left + right + delta / 15;
    double m = (v.a + v.b) / 2;
    return adapt({v.a, m, v.fa, values[0], v.fm, left}, tolerance / 2, depth - 1) + adapt({m, v.b, v.fm, values[1], v.fb, right}, tolerance / 2, depth - 1);
}
extern "C" __global__ void integrate(double *out, int n) {
    int i = threadIdx.x;
    if (i >= n) return;
    double a = i / (double)n, b = (i + 1) / (double)n, m = (a + b) / 2;
    Interval v = {a, b, f(a), f(m), f(b), (b - a) / 6 * (f(a) + 4 * f(m) + f(b))};
    out[i] = adapt(v, 1e-10, 20);
}
// A deep recursion: the stack's limit is raised for it.
__device__ __noinline__ int deep(int n, volatile int *trail) {
    volatile int frame[8];
    frame[n % 8] = n;
    return n == 0 ? 0 : deep(n - 1, frame) + frame[n % 8] + trail[(n + 1) % 8] * 0;
}
extern "C" __global__ void descend(int *out, int depth) {
    volatile int first[8] = {};
    out[threadIdx.x] = deep(depth + (int)threadIdx.x, first);
}

#ifdef SAMPLE_HOST
int main() {
    OK(cudaDeviceSetLimit(cudaLimitStackSize, 64 << 10));
    Device<unsigned> out(4 * 64);
    LAUNCH(numbers, SHAPE(1, 64), out);
    std::vector<unsigned> want;
    const unsigned solutions[] = {1, 0, 0, 2, 10, 4, 40, 92}, fib[] = {0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 610};
    for (unsigned i = 0; i < 64; i++) {
        const unsigned row[] = {fib[i % 16], 2 * (i % 7) + 3, i * 3 % 2 == 0, solutions[i % 8]};
        want.insert(want.end(), row, row + 4);
    }
    same("numbers", out.get(), want);

    const int rows = 96, n = 37;
    auto data = random_ints(rows * n, 1, -500, 500);
    Device<int> d(data);
    LAUNCH(sort_rows, SHAPE(3, 32), d, n);
    for (int r = 0; r < rows; r++) std::sort(&data[r * n], &data[r * n] + n);
    same("quicksort", d.get(), data);

    Device<double> parts(32);
    LAUNCH(integrate, SHAPE(1, 32), parts, 32);
    std::vector<double> integrals;
    for (int i = 0; i < 32; i++) {
        double sum = 0, a = i / 32.0, h = 1 / 32.0 / 4000;
        for (int k = 0; k < 4000; k++)
            for (int p = 0; p < 3; p++) {
                double x = a + k * h + p * h / 2;
                sum += h / 6 * (p == 1 ? 4 : 1) * (std::sin(1 / (x + 0.05)) + x);
            }
        integrals.push_back(sum);
    }
    close("quadrature", parts.get(), integrals, 1e-8, 1e-9);

    Device<int> depth(32);
    LAUNCH(descend, SHAPE(1, 32), depth, 200);
    std::vector<int> sums;
    for (int i = 0; i < 32; i++) sums.push_back((200 + i) * (201 + i) / 2);
    same("deep", depth.get(), sums);
    return finish("recursion");
}
#endif
