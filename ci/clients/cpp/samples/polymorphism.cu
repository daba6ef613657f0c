// Calls through pointers: tables of functions, pointers given by the host, virtual functions, members, lambdas, generic kernels.
#include "sample.h"

typedef float (*Function)(float, float);
__device__ __noinline__ float plus(float a, float b) { return a + b; }
__device__ __noinline__ float minus(float a, float b) { return a - b; }
__device__ __noinline__ float times(float a, float b) { return a * b; }
__device__ __noinline__ float larger(float a, float b) { return a > b ? a : b; }
__device__ Function table[4] = {plus, minus, times, larger};
__constant__ Function constant_table[2] = {times, plus};

extern "C" __global__ void by_table(const float *in, float *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = table[i % 4](in[i], 2.0f) + constant_table[i / 4 % 2](in[i], 3.0f);
}
extern "C" __global__ void by_pointer(Function function, const float *in, float *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = function(in[i], in[n - 1 - i]);
}
// A small machine: each thread runs a program of calls on a stack of its own.
struct Stack {
    double values[8];
    int depth;
    __device__ void push(double x) { values[depth++] = x; }
    __device__ double pop() { return values[--depth]; }
};
__device__ void op_add(Stack &s) { double b = s.pop(), a = s.pop(); s.push(a + b); }
__device__ void op_mul(Stack &s) { double b = s.pop(), a = s.pop(); s.push(a * b); }
__device__ void op_dup(Stack &s) { double a = s.pop(); s.push(a), s.push(a); }
__device__ void op_root(Stack &s) { s.push(sqrt(s.pop())); }
typedef void (*Operation)(Stack &);
__device__ Operation operations[] = {op_add, op_mul, op_dup, op_root};
extern "C" __global__ void machine(const unsigned char *program, int length, double *out) {
    Stack stack;
    stack.depth = 0;
    stack.push(threadIdx.x), stack.push(threadIdx.x + 1.0), stack.push(0.5);
    for (int k = 0; k < length; k++) operations[program[k]](stack);
    out[threadIdx.x] = stack.pop();
}

struct Figure {
    float scale;
    __device__ explicit Figure(float s) : scale(s) {}
    __device__ virtual ~Figure() {}
    __device__ virtual float area() const = 0;
    __device__ virtual float outline() const { return -1; }
};
struct Circle : Figure {
    float radius;
    __device__ Circle(float s, float r) : Figure(s), radius(r) {}
    __device__ float area() const override { return scale * 3.0f * radius * radius; }
    __device__ float outline() const override { return 6.0f * radius; }
};
struct Rectangle : Figure {
    float width, height;
    __device__ Rectangle(float s, float w, float h) : Figure(s), width(w), height(h) {}
    __device__ float area() const override { return scale * width * height; }
};
struct Square : Rectangle {
    __device__ Square(float s, float w) : Rectangle(s, w, w) {}
    __device__ float outline() const override { return 4 * width; }
};
extern "C" __global__ void make_figures(Figure **figures, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float s = 1 + i % 5;
    switch (i % 3) {
    case 0: figures[i] = new Circle(s, i); break;
    case 1: figures[i] = new Rectangle(s, i, 2); break;
    default: figures[i] = new Square(s, i);
    }
}
extern "C" __global__ void measure_figures(Figure **figures, float *areas, float *outlines, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    areas[i] = figures[i]->area(), outlines[i] = figures[i]->outline();
    delete figures[i];
}

template <typename F> __device__ int fold(const int *data, int n, int start, F combine) {
    for (int i = 0; i < n; i++) start = combine(start, data[i]);
    return start;
}
struct Counter {
    int step;
    __device__ __noinline__ int up(int x) { return x + step; }
    __device__ __noinline__ int down(int x) { return x - step; }
};
extern "C" __global__ void lambdas(const int *data, int n, int *out) {
    int t = threadIdx.x, bias = t * 10;
    auto sum = [=](int a, int b) { return a + b + bias; };
    auto most = [&bias](int a, int b) { return b > a ? b - bias % 2 : a; };
    int (Counter::*member)(int) = t % 2 ? &Counter::up : &Counter::down;
    Counter counter{t};
    out[3 * t] = fold(data, n, 0, sum);
    out[3 * t + 1] = fold(data, n, -1000000, most);
    out[3 * t + 2] = (counter.*member)(100);
}

// Vtables and switch: a generic interface by templates, and a jump table.
extern "C" __global__ void jumps(const int *in, int *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    int x = in[i], r;
    switch (x % 12) {
    case 0: r = x * 3; break;
    case 1: r = x ^ 77; break;
    case 2: r = x << 3; break;
    case 3: r = -x; break;
    case 4: r = x / 5; // falls through
    case 5: r = x + 100; break;
    case 6: r = __popc(x); break;
    case 7: r = x % 19; break;
    case 8: r = x & 0x3c; break;
    case 9: r = ~x; break;
    case 10: r = x - 1; break;
    default: r = 12345;
    }
    out[i] = r;
}

#ifdef SAMPLE_HOST
int main() {
    const int n = 100;
    auto in = random_floats<float>(n, 1);
    Device<float> din(in), dout(n), dareas(n), doutlines(n);
    auto call = [](int k, float a, float b) { return k == 0 ? a + b : k == 1 ? a - b : k == 2 ? a * b : a > b ? a : b; };
    std::vector<float> want(n);
    LAUNCH(by_table, SHAPE(2, 64), din, dout, n);
    for (int i = 0; i < n; i++) want[i] = call(i % 4, in[i], 2) + call(i / 4 % 2 ? 0 : 2, in[i], 3);
    close("tables", dout.get(), want, 1e-6, 1e-6);
    for (int k = 0; k < 4; k++) {
        Function function;
        OK(cudaMemcpy(&function, SYMBOL(table) + k, sizeof function, cudaMemcpyDeviceToHost));
        LAUNCH(by_pointer, SHAPE(2, 64), function, din, dout, n);
        for (int i = 0; i < n; i++) want[i] = call(k, in[i], in[n - 1 - i]);
        same("pointer from the host", dout.get(), want);
    }
    {
        std::vector<unsigned char> program = {0, 2, 1, 3, 2, 1, 0};
        Device<unsigned char> code(program);
        Device<double> out(32);
        LAUNCH(machine, SHAPE(1, 32), code, (int)program.size(), out);
        std::vector<double> results;
        for (int t = 0; t < 32; t++) results.push_back(t + std::sqrt((t + 1.5) * (t + 1.5)) * std::sqrt((t + 1.5) * (t + 1.5)));
        close("machine", out.get(), results, 1e-14);
    }
    {
        Device<unsigned long long> figures(n);
        LAUNCH(make_figures, SHAPE(2, 64), (Figure **)(unsigned long long *)figures, n);
        LAUNCH(measure_figures, SHAPE(2, 64), (Figure **)(unsigned long long *)figures, dareas, doutlines, n);
        std::vector<float> areas(n), outlines(n);
        for (int i = 0; i < n; i++) {
            float s = 1 + i % 5;
            areas[i] = i % 3 == 0 ? s * 3 * i * i : i % 3 == 1 ? s * i * 2 : s * i * i;
            outlines[i] = i % 3 == 0 ? 6 * i : i % 3 == 1 ? -1 : 4 * i;
        }
        same("virtual areas", dareas.get(), areas);
        same("virtual outlines", doutlines.get(), outlines);
    }
    {
        auto data = random_ints(20, 2, 0, 1000);
        Device<int> d(data), out(96);
        LAUNCH(lambdas, SHAPE(1, 32), d, 20, out);
        std::vector<int> results;
        for (int t = 0; t < 32; t++) {
            int sum = 0, most = -1000000;
            for (int x : data) sum += x + t * 10, most = x > most ? x - t * 10 % 2 : most;
            results.insert(results.end(), {sum, most, t % 2 ? 100 + t : 100 - t});
        }
        same("lambdas and members", out.get(), results);
        auto xs = random_ints(500, 3, 0, 100000);
        std::vector<int> jumped;
        for (int x : xs) {
            const int r[] = {x * 3, x ^ 77, x << 3, -x, x + 100, x + 100, __builtin_popcount(x), x % 19, x & 0x3c, ~x, x - 1, 12345};
            jumped.push_back(r[x % 12]);
        }
        Device<int> dx(xs), dj(500);
        LAUNCH(jumps, SHAPE(4, 128), dx, dj, 500);
        same("jump table", dj.get(), jumped);
    }
    return finish("polymorphism");
}
#endif
