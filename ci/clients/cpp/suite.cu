// CUDA runtime program, built by `nvcc -cudart shared`: kernels, streams, events, asynchronous copies from pinned
// memory, device printf, symbols, occupancy, properties and error paths. Every result is compared with the host's.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <unistd.h>
#include <vector>

#include <cuda_runtime.h>

static int passed = 0;
static int failed = 0;
static std::string failures;
static uint64_t hash = 1469598103934665603ull;

static void check(const char *name, bool good, const char *detail = "") {
    if (good) {
        passed++;
    } else {
        failed++;
        failures += std::string(failures.empty() ? "\"" : ", \"") + name + "\"";
        fprintf(stderr, "MISMATCH nvcc: %s %s\n", name, detail);
    }
}

static void ok(cudaError_t result, const char *what) {
    if (result != cudaSuccess) {
        fprintf(stderr, "FAILED nvcc: %s gave %s (%s)\n", what, cudaGetErrorName(result), cudaGetErrorString(result));
        exit(1);
    }
}
#define OK(call) ok((call), #call)

static void mix(const void *data, size_t bytes) {
    const unsigned char *p = static_cast<const unsigned char *>(data);
    for (size_t i = 0; i < bytes; i++) hash = (hash ^ p[i]) * 1099511628211ull;
}

static uint32_t seed = 12345;
static float uniform() {
    seed = seed * 1664525u + 1013904223u;
    return static_cast<float>(seed >> 8) / 16777216.0f - 0.5f;
}

__constant__ float coefficients[4];
__device__ int counter;
__device__ float table[256];

__global__ void add(const float *a, const float *b, float *c, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) c[i] = a[i] + b[i];
}

constexpr int TILE = 16;
__global__ void multiply(const float *a, const float *b, float *c, int n) {
    __shared__ float sa[TILE][TILE], sb[TILE][TILE];
    int row = blockIdx.y * TILE + threadIdx.y, column = blockIdx.x * TILE + threadIdx.x;
    float total = 0.0f;
    for (int k = 0; k < n; k += TILE) {
        sa[threadIdx.y][threadIdx.x] = a[row * n + k + threadIdx.x];
        sb[threadIdx.y][threadIdx.x] = b[(k + threadIdx.y) * n + column];
        __syncthreads();
        for (int j = 0; j < TILE; j++) total += sa[threadIdx.y][j] * sb[j][threadIdx.x];
        __syncthreads();
    }
    c[row * n + column] = total;
}

template <typename T> __global__ void reduce(const T *values, T *result, int n) {
    __shared__ T partial[32];
    T sum = 0;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) sum += values[i];
    for (int offset = 16; offset > 0; offset >>= 1) sum += __shfl_down_sync(0xffffffffu, sum, offset);
    if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = sum;
    __syncthreads();
    if (threadIdx.x < 32) {
        sum = threadIdx.x < blockDim.x / 32 ? partial[threadIdx.x] : T(0);
        for (int offset = 16; offset > 0; offset >>= 1) sum += __shfl_down_sync(0xffffffffu, sum, offset);
        if (threadIdx.x == 0) atomicAdd(result, sum);
    }
}

__global__ void polynomial(const float *x, float *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = coefficients[0] + x[i] * (coefficients[1] + x[i] * (coefficients[2] + x[i] * coefficients[3]));
}

__global__ void count_positive(const float *x, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n && x[i] > 0.0f) atomicAdd(&counter, 1);
}

__global__ void fill_table() { table[threadIdx.x] = sqrtf(static_cast<float>(threadIdx.x)); }

struct Body {
    double position[3];
    float mass;
    int id;
};
__global__ void move(Body *bodies, Body step, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    for (int k = 0; k < 3; k++) bodies[i].position[k] += step.position[k] * i;
    bodies[i].mass *= step.mass;
    bodies[i].id += step.id;
}

extern __shared__ int dynamic[];
__global__ void reverse(int *values) {
    int n = blockDim.x * 16;
    for (int i = threadIdx.x; i < n; i += blockDim.x) dynamic[i] = values[i];
    __syncthreads();
    for (int i = threadIdx.x; i < n; i += blockDim.x) values[i] = dynamic[n - 1 - i];
}

__global__ void speak() {
    if (threadIdx.x % 16 == 3) printf("thread %d of block %d: %.3f %s %lld\n", threadIdx.x, blockIdx.x, threadIdx.x * 0.5, "speaks", 1ll << 40);
}

__global__ void scale(float *x, float factor, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) x[i] *= factor;
}

__global__ void mathematics(const float *x, double *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    double v = x[i];
    y[4 * i] = sin(v);
    y[4 * i + 1] = exp(v);
    y[4 * i + 2] = cbrt(v);
    y[4 * i + 3] = tanhf(x[i]);
}

static void kernels() {
    const int n = 100000;
    std::vector<float> a(n), b(n), c(n);
    for (int i = 0; i < n; i++) a[i] = uniform(), b[i] = uniform();
    float *da, *db, *dc;
    OK(cudaMalloc(&da, n * sizeof(float)));
    OK(cudaMalloc(&db, n * sizeof(float)));
    OK(cudaMalloc(&dc, n * sizeof(float)));
    OK(cudaMemcpy(da, a.data(), n * sizeof(float), cudaMemcpyHostToDevice));
    OK(cudaMemcpy(db, b.data(), n * sizeof(float), cudaMemcpyHostToDevice));
    add<<<(n + 255) / 256, 256>>>(da, db, dc, n);
    OK(cudaGetLastError());
    OK(cudaMemcpy(c.data(), dc, n * sizeof(float), cudaMemcpyDeviceToHost));
    bool good = true;
    for (int i = 0; i < n; i++) good = good && c[i] == a[i] + b[i];
    check("vector addition", good);
    mix(c.data(), n * sizeof(float));

    const int m = 128;
    multiply<<<dim3(m / TILE, m / TILE), dim3(TILE, TILE)>>>(da, db, dc, m);
    OK(cudaMemcpy(c.data(), dc, m * m * sizeof(float), cudaMemcpyDeviceToHost));
    double worst = 0;
    for (int i = 0; i < m; i++)
        for (int j = 0; j < m; j++) {
            double want = 0;
            for (int k = 0; k < m; k++) want += static_cast<double>(a[i * m + k]) * b[k * m + j];
            worst = fmax(worst, fabs(want - c[i * m + j]));
        }
    check("tiled matrix product", worst < 1e-4);
    mix(c.data(), m * m * sizeof(float));

    double *dsum, sum = 0, want = 0;
    int *disum, isum = 0;
    std::vector<double> wide(n);
    std::vector<int> numbers(n);
    for (int i = 0; i < n; i++) wide[i] = static_cast<int>(a[i] * 4096), want += wide[i], numbers[i] = i % 1000 - 300;
    double *dwide;
    int *dnumbers;
    OK(cudaMalloc(&dwide, n * sizeof(double)));
    OK(cudaMalloc(&dsum, sizeof(double)));
    OK(cudaMalloc(&dnumbers, n * sizeof(int)));
    OK(cudaMalloc(&disum, sizeof(int)));
    OK(cudaMemcpy(dwide, wide.data(), n * sizeof(double), cudaMemcpyHostToDevice));
    OK(cudaMemcpy(dnumbers, numbers.data(), n * sizeof(int), cudaMemcpyHostToDevice));
    OK(cudaMemset(dsum, 0, sizeof(double)));
    OK(cudaMemset(disum, 0, sizeof(int)));
    reduce<double><<<20, 256>>>(dwide, dsum, n);
    reduce<int><<<20, 128>>>(dnumbers, disum, n);
    OK(cudaMemcpy(&sum, dsum, sizeof(double), cudaMemcpyDeviceToHost));
    OK(cudaMemcpy(&isum, disum, sizeof(int), cudaMemcpyDeviceToHost));
    check("warp-shuffle reduction, double", sum == want);
    check("warp-shuffle reduction, int", isum == 100 * (499500 - 300 * 1000));
    mix(&sum, sizeof sum);

    float poly[4] = {1.0f, -2.0f, 0.5f, 3.0f};
    OK(cudaMemcpyToSymbol(coefficients, poly, sizeof poly));
    polynomial<<<(n + 127) / 128, 128>>>(da, dc, n);
    OK(cudaMemcpy(c.data(), dc, n * sizeof(float), cudaMemcpyDeviceToHost));
    worst = 0;
    for (int i = 0; i < n; i++) worst = fmax(worst, fabs(c[i] - (1.0 + a[i] * (-2.0 + a[i] * (0.5 + a[i] * 3.0)))));
    check("constant memory", worst < 1e-5);

    int zero = 0, positive = 0, expected = 0;
    OK(cudaMemcpyToSymbol(counter, &zero, sizeof zero));
    count_positive<<<(n + 255) / 256, 256>>>(da, n);
    OK(cudaMemcpyFromSymbol(&positive, counter, sizeof positive));
    for (int i = 0; i < n; i++) expected += a[i] > 0.0f;
    check("atomic on a device variable", positive == expected);

    void *address = nullptr;
    size_t size = 0;
    OK(cudaGetSymbolAddress(&address, table));
    OK(cudaGetSymbolSize(&size, table));
    fill_table<<<1, 256>>>();
    float roots[256];
    OK(cudaMemcpy(roots, address, sizeof roots, cudaMemcpyDeviceToHost));
    good = size == sizeof roots;
    for (int i = 0; i < 256; i++) good = good && fabsf(roots[i] - sqrtf(static_cast<float>(i))) < 1e-5f;
    check("symbol address and size", good);

    std::vector<Body> bodies(500);
    for (int i = 0; i < 500; i++) bodies[i] = {{1.0 * i, 2.0 * i, 3.0 * i}, 2.0f, i};
    Body *dbodies, step = {{0.5, 0.25, 0.125}, 1.5f, 7};
    OK(cudaMalloc(&dbodies, 500 * sizeof(Body)));
    OK(cudaMemcpy(dbodies, bodies.data(), 500 * sizeof(Body), cudaMemcpyHostToDevice));
    move<<<4, 128>>>(dbodies, step, 500);
    OK(cudaMemcpy(bodies.data(), dbodies, 500 * sizeof(Body), cudaMemcpyDeviceToHost));
    good = true;
    for (int i = 0; i < 500; i++)
        good = good && bodies[i].position[0] == 1.5 * i && bodies[i].position[2] == 3.125 * i && bodies[i].mass == 3.0f && bodies[i].id == i + 7;
    check("structure by value", good);

    const int many = 16 * 1024;  // 64 KiB of dynamic shared memory: more than a kernel gets unasked
    std::vector<int> line(many);
    for (int i = 0; i < many; i++) line[i] = i;
    int *dline;
    OK(cudaMalloc(&dline, many * sizeof(int)));
    OK(cudaMemcpy(dline, line.data(), many * sizeof(int), cudaMemcpyHostToDevice));
    reverse<<<1, 1024, many * sizeof(int)>>>(dline);
    check("too much dynamic shared memory is refused", cudaGetLastError() == cudaErrorInvalidValue);
    OK(cudaFuncSetAttribute(reverse, cudaFuncAttributeMaxDynamicSharedMemorySize, many * sizeof(int)));
    reverse<<<1, 1024, many * sizeof(int)>>>(dline);
    OK(cudaGetLastError());
    OK(cudaMemcpy(line.data(), dline, many * sizeof(int), cudaMemcpyDeviceToHost));
    good = true;
    for (int i = 0; i < many; i++) good = good && line[i] == many - 1 - i;
    check("dynamic shared memory above 48 KiB", good);

    std::vector<double> results(4 * 1000);
    double *dresults;
    OK(cudaMalloc(&dresults, results.size() * sizeof(double)));
    mathematics<<<8, 128>>>(da, dresults, 1000);
    OK(cudaMemcpy(results.data(), dresults, results.size() * sizeof(double), cudaMemcpyDeviceToHost));
    worst = 0;
    for (int i = 0; i < 1000; i++) {
        double v = a[i];
        worst = fmax(worst, fabs(results[4 * i] - sin(v)));
        worst = fmax(worst, fabs(results[4 * i + 1] - exp(v)));
        worst = fmax(worst, fabs(results[4 * i + 2] - cbrt(v)));
        worst = fmax(worst, fabs(results[4 * i + 3] - tanh(v)) * 1e-6);
    }
    check("device mathematics", worst < 1e-12);

    for (void *p : {(void *)da, (void *)db, (void *)dc, (void *)dsum, (void *)dwide, (void *)disum, (void *)dnumbers, (void *)dbodies, (void *)dline, (void *)dresults})
        OK(cudaFree(p));
}

static void CUDART_CB note_order(void *data) { *static_cast<int *>(data) += 1; }

static void streams() {
    const int n = 1 << 18, parts = 4;
    cudaStream_t stream[parts];
    cudaEvent_t begin, end, half;
    OK(cudaEventCreate(&begin));
    OK(cudaEventCreate(&end));
    OK(cudaEventCreateWithFlags(&half, cudaEventDisableTiming));
    for (auto &s : stream) OK(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking));
    float *host, *device;
    OK(cudaMallocHost(&host, n * sizeof(float)));
    OK(cudaMalloc(&device, n * sizeof(float)));
    for (int i = 0; i < n; i++) host[i] = static_cast<float>(i % 4096);
    const int part = n / parts;
    OK(cudaEventRecord(begin, stream[0]));
    for (int p = 0; p < parts; p++) {
        OK(cudaMemcpyAsync(device + p * part, host + p * part, part * sizeof(float), cudaMemcpyHostToDevice, stream[p]));
        scale<<<(part + 255) / 256, 256, 0, stream[p]>>>(device + p * part, 2.0f, part);
        OK(cudaGetLastError());
    }
    // the last part's second step waits for the first part's
    OK(cudaEventRecord(half, stream[0]));
    OK(cudaStreamWaitEvent(stream[3], half, 0));
    scale<<<(part + 255) / 256, 256, 0, stream[3]>>>(device + 0 * part, 3.0f, part);
    for (int p = 1; p < parts; p++) {
        OK(cudaMemcpyAsync(host + p * part, device + p * part, part * sizeof(float), cudaMemcpyDeviceToHost, stream[p]));
    }
    OK(cudaMemcpyAsync(host, device, part * sizeof(float), cudaMemcpyDeviceToHost, stream[3]));
    int called = 0;
    OK(cudaLaunchHostFunc(stream[3], note_order, &called));
    OK(cudaEventRecord(end, stream[3]));
    OK(cudaEventSynchronize(end));
    check("host function ran before the event", called == 1);
    for (auto &s : stream) OK(cudaStreamSynchronize(s));
    bool good = true;
    for (int i = 0; i < n; i++) good = good && host[i] == static_cast<float>(i % 4096) * (i < part ? 6.0f : 2.0f);
    check("four streams, an event between two", good);
    mix(host, n * sizeof(float));
    float milliseconds = -1;
    OK(cudaEventElapsedTime(&milliseconds, begin, end));
    check("elapsed time", milliseconds >= 0.0f);
    check("stream query after synchronize", cudaStreamQuery(stream[1]) == cudaSuccess);
    check("event query after synchronize", cudaEventQuery(end) == cudaSuccess);

    float *pool = nullptr;
    OK(cudaMallocAsync(reinterpret_cast<void **>(&pool), 4096 * sizeof(float), stream[2]));
    OK(cudaMemsetAsync(pool, 0, 4096 * sizeof(float), stream[2]));
    OK(cudaMemcpyAsync(host, pool, 4096 * sizeof(float), cudaMemcpyDeviceToHost, stream[2]));
    OK(cudaFreeAsync(pool, stream[2]));
    OK(cudaStreamSynchronize(stream[2]));
    good = true;
    for (int i = 0; i < 4096; i++) good = good && host[i] == 0.0f;
    check("stream-ordered allocation", good);

    for (auto &s : stream) OK(cudaStreamDestroy(s));
    OK(cudaEventDestroy(begin));
    OK(cudaEventDestroy(end));
    OK(cudaEventDestroy(half));
    OK(cudaFree(device));
    OK(cudaFreeHost(host));
}

static void pitched() {
    const size_t width = 100 * sizeof(int), height = 37;
    size_t pitch = 0;
    int *device;
    OK(cudaMallocPitch(reinterpret_cast<void **>(&device), &pitch, width, height));
    std::vector<int> in(100 * height), out(100 * height);
    for (size_t i = 0; i < in.size(); i++) in[i] = static_cast<int>(i * 7);
    OK(cudaMemset2D(device, pitch, 0xff, width, height));
    OK(cudaMemcpy2D(device, pitch, in.data(), width, width, height - 1, cudaMemcpyHostToDevice));
    OK(cudaMemcpy2D(out.data(), width, device, pitch, width, height, cudaMemcpyDeviceToHost));
    bool good = pitch >= width;
    for (size_t i = 0; i < in.size(); i++) good = good && out[i] == (i < 100 * (height - 1) ? in[i] : -1);
    check("pitched memory", good);
    OK(cudaFree(device));
}

static void device_printf() {
    fflush(stdout);
    char name[] = "/tmp/ringway-printf-XXXXXX";
    int saved = dup(1), file = mkstemp(name);
    dup2(file, 1);
    speak<<<2, 32>>>();
    cudaError_t result = cudaDeviceSynchronize();
    fflush(stdout);
    dup2(saved, 1);
    char text[4096] = {};
    lseek(file, 0, SEEK_SET);
    ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    close(saved);
    unlink(name);
    OK(result);
    int lines = 0;
    for (ssize_t i = 0; i < length; i++) lines += text[i] == '\n';
    bool all = lines == 4;
    for (int block = 0; block < 2; block++)
        for (int thread : {3, 19}) {
            char want[128];
            snprintf(want, sizeof want, "thread %d of block %d: %.3f %s %lld\n", thread, block, thread * 0.5, "speaks", 1ll << 40);
            all = all && strstr(text, want);
        }
    check("device printf", all, text);
}

static void queries() {
    int count = 0, device = -1;
    OK(cudaGetDeviceCount(&count));
    OK(cudaGetDevice(&device));
    check("device count", count >= 1 && device == 0);
    cudaDeviceProp properties;
    OK(cudaGetDeviceProperties(&properties, 0));
    check("properties", properties.warpSize == 32 && properties.major >= 7 && properties.maxThreadsPerBlock == 1024 &&
                            properties.totalGlobalMem > 0 && properties.multiProcessorCount > 0 && strlen(properties.name) > 0);
    int attribute = 0;
    OK(cudaDeviceGetAttribute(&attribute, cudaDevAttrMaxSharedMemoryPerBlock, 0));
    check("attribute equals property", attribute == static_cast<int>(properties.sharedMemPerBlock));
    size_t free_bytes = 0, total_bytes = 0;
    OK(cudaMemGetInfo(&free_bytes, &total_bytes));
    check("memory information", free_bytes > 0 && free_bytes <= total_bytes && total_bytes == properties.totalGlobalMem);
    int driver = 0, runtime = 0;
    OK(cudaDriverGetVersion(&driver));
    OK(cudaRuntimeGetVersion(&runtime));
    check("versions", runtime / 1000 == 13 && driver >= 12000);
    cudaFuncAttributes attributes;
    OK(cudaFuncGetAttributes(&attributes, multiply));
    check("function attributes", attributes.sharedSizeBytes == 2 * TILE * TILE * sizeof(float) && attributes.maxThreadsPerBlock > 0);
    int blocks = 0, grid = 0, block = 0;
    OK(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, multiply, 256, 0));
    check("occupancy", blocks >= 1 && blocks <= 64);
    OK(cudaOccupancyMaxPotentialBlockSize(&grid, &block, add, 0, 0));
    check("block size by occupancy", block >= 32 && block <= 1024 && grid >= 1);
    cudaPointerAttributes pointer;
    float *p;
    OK(cudaMalloc(&p, 1024));
    OK(cudaPointerGetAttributes(&pointer, p + 3));
    check("pointer attributes, device", pointer.type == cudaMemoryTypeDevice && pointer.device == 0);
    OK(cudaFree(p));
    float *h;
    OK(cudaMallocHost(&h, 1024));
    OK(cudaPointerGetAttributes(&pointer, h));
    check("pointer attributes, pinned", pointer.type == cudaMemoryTypeHost);
    OK(cudaFreeHost(h));
}

static void errors() {
    float *p = nullptr;
    check("allocation beyond memory", cudaMalloc(&p, 1ull << 50) == cudaErrorMemoryAllocation);
    check("the error is the last one", cudaPeekAtLastError() == cudaErrorMemoryAllocation);
    check("and is cleared by reading", cudaGetLastError() == cudaErrorMemoryAllocation && cudaGetLastError() == cudaSuccess);
    OK(cudaMalloc(&p, 4096));
    add<<<1, 2048>>>(p, p, p, 0);
    check("too many threads", cudaGetLastError() == cudaErrorInvalidConfiguration);
    add<<<dim3(0, 1, 1), 32>>>(p, p, p, 0);
    check("empty grid", cudaGetLastError() == cudaErrorInvalidConfiguration);
    check("device out of range", cudaSetDevice(99) == cudaErrorInvalidDevice);
    cudaGetLastError();
    check("copy from null", cudaMemcpy(p, nullptr, 16, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
    cudaGetLastError();
    check("name of an error", strcmp(cudaGetErrorName(cudaErrorMemoryAllocation), "cudaErrorMemoryAllocation") == 0);
    check("text of an error", strcmp(cudaGetErrorString(cudaErrorMemoryAllocation), "out of memory") == 0);
    float one = 1.0f, back = 0.0f;
    OK(cudaMemcpy(p, &one, sizeof one, cudaMemcpyHostToDevice));
    scale<<<1, 1>>>(p, 5.0f, 1);
    OK(cudaMemcpy(&back, p, sizeof back, cudaMemcpyDeviceToHost));
    check("work goes on after errors", back == 5.0f);
    OK(cudaFree(p));
}

int main() {
    queries();
    kernels();
    streams();
    pitched();
    device_printf();
    errors();
    OK(cudaDeviceSynchronize());
    OK(cudaDeviceReset());
    printf("{\"client\": \"nvcc -cudart shared\", \"checks\": %d, \"failed\": [%s], \"values\": {\"results\": \"%016llx\"}}\n", passed,
           failures.c_str(), static_cast<unsigned long long>(hash));
    return failed ? 1 : 0;
}
