// Matrix products without tensor cores: naive, tiled through shared memory, blocked in registers, double, and with a transposed operand.
#include "sample.h"

extern "C" __global__ void product_naive(const float *a, const float *b, float *c, int m, int n, int k) {
    int row = blockIdx.y * blockDim.y + threadIdx.y, column = blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= m || column >= n) return;
    float sum = 0;
    for (int i = 0; i < k; i++) sum += a[row * k + i] * b[i * n + column];
    c[row * n + column] = sum;
}

template <typename T, int TILE> __device__ void tiled(const T *a, const T *b, T *c, int m, int n, int k) {
    __shared__ T left[TILE][TILE], right[TILE][TILE + 1];
    int row = blockIdx.y * TILE + threadIdx.y, column = blockIdx.x * TILE + threadIdx.x;
    T sum = 0;
    for (int t = 0; t < k; t += TILE) {
        left[threadIdx.y][threadIdx.x] = row < m && t + threadIdx.x < k ? a[row * k + t + threadIdx.x] : T(0);
        right[threadIdx.y][threadIdx.x] = column < n && t + threadIdx.y < k ? b[(t + threadIdx.y) * n + column] : T(0);
        __syncthreads();
#pragma unroll
        for (int i = 0; i < TILE; i++) sum += left[threadIdx.y][i] * right[i][threadIdx.x];
        __syncthreads();
    }
    if (row < m && column < n) c[row * n + column] = sum;
}
extern "C" __global__ void product_tiled16(const float *a, const float *b, float *c, int m, int n, int k) { tiled<float, 16>(a, b, c, m, n, k); }
extern "C" __global__ void product_tiled32(const float *a, const float *b, float *c, int m, int n, int k) { tiled<float, 32>(a, b, c, m, n, k); }
extern "C" __global__ void product_double(const double *a, const double *b, double *c, int m, int n, int k) { tiled<double, 16>(a, b, c, m, n, k); }
extern "C" __global__ void product_int(const int *a, const int *b, int *c, int m, int n, int k) { tiled<int, 16>(a, b, c, m, n, k); }

// 64 x 64 outputs a block of 256 threads, 4 x 4 a thread; sizes are multiples of 64 and 16.
extern "C" __global__ void __launch_bounds__(256) product_blocked(const float *a, const float *b, float *c, int n, int k) {
    __shared__ __align__(16) float left[16][64], right[16][64];
    int t = threadIdx.x, tx = t % 16, ty = t / 16;
    float sums[4][4] = {};
    for (int base = 0; base < k; base += 16) {
        float4 x = *(const float4 *)&a[(blockIdx.y * 64 + t / 4) * k + base + t % 4 * 4];
        left[t % 4 * 4 + 0][t / 4] = x.x, left[t % 4 * 4 + 1][t / 4] = x.y;
        left[t % 4 * 4 + 2][t / 4] = x.z, left[t % 4 * 4 + 3][t / 4] = x.w;
        *(float4 *)&right[ty][tx * 4] = *(const float4 *)&b[(base + ty) * n + blockIdx.x * 64 + tx * 4];
        __syncthreads();
#pragma unroll
        for (int i = 0; i < 16; i++) {
            float4 p = *(const float4 *)&left[i][ty * 4], q = *(const float4 *)&right[i][tx * 4];
            const float ps[4] = {p.x, p.y, p.z, p.w}, qs[4] = {q.x, q.y, q.z, q.w};
#pragma unroll
            for (int u = 0; u < 4; u++)
#pragma unroll
                for (int v = 0; v < 4; v++) sums[u][v] = fmaf(ps[u], qs[v], sums[u][v]);
        }
        __syncthreads();
    }
    for (int u = 0; u < 4; u++)
        *(float4 *)&c[(blockIdx.y * 64 + ty * 4 + u) * n + blockIdx.x * 64 + tx * 4] = make_float4(sums[u][0], sums[u][1], sums[u][2], sums[u][3]);
}

// The rows of a matrix times a vector, a warp a row.
extern "C" __global__ void matrix_vector(const float *a, const float *x, float *y, int m, int n) {
    int row = (blockIdx.x * blockDim.x + threadIdx.x) / 32, lane = threadIdx.x % 32;
    if (row >= m) return;
    float sum = 0;
    for (int i = lane; i < n; i += 32) sum += a[row * n + i] * x[i];
    for (int d = 16; d > 0; d /= 2) sum += __shfl_down_sync(~0u, sum, d);
    if (lane == 0) y[row] = sum;
}

#ifdef SAMPLE_HOST
template <typename T> std::vector<double> product(const std::vector<T> &a, const std::vector<T> &b, int m, int n, int k) {
    std::vector<double> c(m * n);
    for (int i = 0; i < m; i++)
        for (int l = 0; l < k; l++)
            for (int j = 0; j < n; j++) c[i * n + j] += (double)a[i * k + l] * (double)b[l * n + j];
    return c;
}

int main() {
    int m = 70, n = 45, k = 83;
    auto a = random_floats<float>(m * k, 1), b = random_floats<float>(k * n, 2);
    auto want = product(a, b, m, n, k);
    Device<float> da(a), db(b), dc(m * n);
    LAUNCH(product_naive, SHAPE(dim3(3, 5), dim3(16, 16)), da, db, dc, m, n, k);
    close("naive", dc.get(), want, 1e-5, 1e-5);
    dc.clear();
    LAUNCH(product_tiled16, SHAPE(dim3(3, 5), dim3(16, 16)), da, db, dc, m, n, k);
    close("tiled 16", dc.get(), want, 1e-5, 1e-5);
    dc.clear();
    LAUNCH(product_tiled32, SHAPE(dim3(2, 3), dim3(32, 32)), da, db, dc, m, n, k);
    close("tiled 32", dc.get(), want, 1e-5, 1e-5);

    auto ad = random_floats<double>(m * k, 3), bd = random_floats<double>(k * n, 4);
    Device<double> dad(ad), dbd(bd), dcd(m * n);
    LAUNCH(product_double, SHAPE(dim3(3, 5), dim3(16, 16)), dad, dbd, dcd, m, n, k);
    close("double", dcd.get(), product(ad, bd, m, n, k), 1e-13, 1e-13);

    auto ai = random_ints(m * k, 5, -1000, 1000), bi = random_ints(k * n, 6, -1000, 1000);
    Device<int> dai(ai), dbi(bi), dci(m * n);
    LAUNCH(product_int, SHAPE(dim3(3, 5), dim3(16, 16)), dai, dbi, dci, m, n, k);
    close("int", dci.get(), product(ai, bi, m, n, k), 0);

    m = 128, n = 192, k = 64;
    a = random_floats<float>(m * k, 7), b = random_floats<float>(k * n, 8);
    Device<float> ea(a), eb(b), ec(m * n);
    LAUNCH(product_blocked, SHAPE(dim3(n / 64, m / 64), 256), ea, eb, ec, n, k);
    close("blocked", ec.get(), product(a, b, m, n, k), 1e-5, 1e-5);

    Device<float> x(std::vector<float>(b.begin(), b.begin() + k)), y(m);
    LAUNCH(matrix_vector, SHAPE((m + 3) / 4, 128), ea, x, y, m, k);
    close("matrix times vector", y.get(), product(a, std::vector<float>(b.begin(), b.begin() + k), m, 1, k), 1e-5, 1e-5);
    return finish("matmul");
}
#endif
