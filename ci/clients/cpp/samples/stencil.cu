// Stencils: Jacobi steps in two dimensions with a halo in shared memory, 25 points in three with a queue of registers, a wave, life.
#include "sample.h"

extern "C" __global__ void jacobi(const float *in, float *out, int width, int height) {
    __shared__ float tile[18][18];
    int x = blockIdx.x * 16 + threadIdx.x, y = blockIdx.y * 16 + threadIdx.y, tx = threadIdx.x + 1, ty = threadIdx.y + 1;
    auto at = [&](int u, int v) { return u < 0 || v < 0 || u >= width || v >= height ? 0.0f : in[v * width + u]; };
    tile[ty][tx] = at(x, y);
    if (threadIdx.x == 0) tile[ty][0] = at(x - 1, y);
    if (threadIdx.x == 15) tile[ty][17] = at(x + 1, y);
    if (threadIdx.y == 0) tile[0][tx] = at(x, y - 1);
    if (threadIdx.y == 15) tile[17][tx] = at(x, y + 1);
    __syncthreads();
    if (x < width && y < height) out[y * width + x] = 0.25f * (tile[ty][tx - 1] + tile[ty][tx + 1] + tile[ty - 1][tx] + tile[ty + 1][tx]);
}

#define RADIUS 4
__constant__ float coefficients[RADIUS + 1];
extern "C" __global__ void star_3d(const float *in, float *out, int nx, int ny, int nz) {
    __shared__ float tile[8 + 2 * RADIUS][16 + 2 * RADIUS];
    int x = blockIdx.x * 16 + threadIdx.x + RADIUS, y = blockIdx.y * 8 + threadIdx.y + RADIUS;
    int px = nx + 2 * RADIUS, plane = px * (ny + 2 * RADIUS), at = y * px + x;
    float behind[RADIUS], ahead[RADIUS], current;
    for (int i = RADIUS - 2; i >= 0; i--) behind[i] = in[(RADIUS - 2 - i) * plane + at];
    current = in[(RADIUS - 1) * plane + at];
    for (int i = 0; i < RADIUS; i++) ahead[i] = in[(RADIUS + i) * plane + at];
    for (int z = 0; z < nz; z++) {
#pragma unroll
        for (int i = RADIUS - 1; i > 0; i--) behind[i] = behind[i - 1];
        behind[0] = current, current = ahead[0];
#pragma unroll
        for (int i = 0; i < RADIUS - 1; i++) ahead[i] = ahead[i + 1];
        ahead[RADIUS - 1] = in[(z + 2 * RADIUS) * plane + at];
        __syncthreads();
        const float *slice = in + (z + RADIUS) * plane;
        if (threadIdx.y < RADIUS) {
            tile[threadIdx.y][threadIdx.x + RADIUS] = slice[at - RADIUS * px];
            tile[threadIdx.y + 8 + RADIUS][threadIdx.x + RADIUS] = slice[at + 8 * px];
        }
        if (threadIdx.x < RADIUS) {
            tile[threadIdx.y + RADIUS][threadIdx.x] = slice[at - RADIUS];
            tile[threadIdx.y + RADIUS][threadIdx.x + 16 + RADIUS] = slice[at + 16];
        }
        tile[threadIdx.y + RADIUS][threadIdx.x + RADIUS] = current;
        __syncthreads();
        float sum = coefficients[0] * current;
#pragma unroll
        for (int i = 1; i <= RADIUS; i++)
            sum += coefficients[i] * (ahead[i - 1] + behind[i - 1] + tile[threadIdx.y + RADIUS - i][threadIdx.x + RADIUS] +
                                      tile[threadIdx.y + RADIUS + i][threadIdx.x + RADIUS] + tile[threadIdx.y + RADIUS][threadIdx.x + RADIUS - i] +
                                      tile[threadIdx.y + RADIUS][threadIdx.x + RADIUS + i]);
        out[(z * ny + y - RADIUS) * nx + x - RADIUS] = sum;
    }
}

extern "C" __global__ void wave(const double *before, const double *now, double *next, int n, double c) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    double left = i > 0 ? now[i - 1] : 0, right = i + 1 < n ? now[i + 1] : 0;
    next[i] = 2 * now[i] - before[i] + c * (left - 2 * now[i] + right);
}

extern "C" __global__ void life(const unsigned *in, unsigned *out, int words, int height) {  // 32 cells a word, wrapping around
    int w = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y;
    if (w >= words) return;
    unsigned ones = 0, twos = 0, fours = 0;
    auto add = [&](unsigned bits) {
        unsigned carry = ones & bits;
        ones ^= bits;
        unsigned more = twos & carry;
        twos ^= carry;
        fours |= more;
    };
    for (int dy = -1; dy <= 1; dy++) {
        const unsigned *row = in + (y + dy + height) % height * words;
        unsigned left = row[(w + words - 1) % words], middle = row[w], right = row[(w + 1) % words];
        add(__funnelshift_l(left, middle, 1));
        add(__funnelshift_r(middle, right, 1));
        if (dy != 0) add(middle);
    }
    out[y * words + w] = twos & ~fours & (ones | in[y * words + w]);
}

#ifdef SAMPLE_HOST
int main() {
    {
        const int width = 61, height = 37;
        auto a = random_floats<float>(width * height, 1);
        std::vector<float> b(a.size());
        Device<float> da(a), db(a.size());
        for (int step = 0; step < 6; step++) {
            LAUNCH(jacobi, SHAPE(dim3(4, 3), dim3(16, 16)), step % 2 ? db : da, step % 2 ? da : db, width, height);
            for (int y = 0; y < height; y++)
                for (int x = 0; x < width; x++) {
                    auto at = [&](int u, int v) { return u < 0 || v < 0 || u >= width || v >= height ? 0.0f : a[v * width + u]; };
                    b[y * width + x] = 0.25f * (at(x - 1, y) + at(x + 1, y) + at(x, y - 1) + at(x, y + 1));
                }
            std::swap(a, b);
        }
        same("Jacobi", da.get(), a);
    }
    {
        const int nx = 32, ny = 16, nz = 9, px = nx + 8, py = ny + 8, pz = nz + 8;
        auto in = random_floats<float>(px * py * pz, 2);
        float c[5] = {-0.9f, 0.31f, -0.07f, 0.021f, -0.004f};
        OK(cudaMemcpy(SYMBOL(coefficients), c, sizeof c, cudaMemcpyHostToDevice));
        Device<float> din(in), dout(nx * ny * nz);
        LAUNCH(star_3d, SHAPE(dim3(nx / 16, ny / 8), dim3(16, 8)), din, dout, nx, ny, nz);
        std::vector<double> want;
        for (int z = 4; z < nz + 4; z++)
            for (int y = 4; y < ny + 4; y++)
                for (int x = 4; x < nx + 4; x++) {
                    auto at = [&](int u, int v, int w) { return (double)in[(w * py + v) * px + u]; };
                    double sum = c[0] * at(x, y, z);
                    for (int i = 1; i <= 4; i++)
                        sum += c[i] * (at(x - i, y, z) + at(x + i, y, z) + at(x, y - i, z) + at(x, y + i, z) + at(x, y, z - i) + at(x, y, z + i));
                    want.push_back(sum);
                }
        close("25 points", dout.get(), want, 1e-5, 1e-5);
    }
    {
        const int n = 777;
        std::vector<double> before(n), now(n), next(n);
        for (int i = 0; i < n; i++) before[i] = now[i] = std::exp(-0.01 * (i - 300) * (i - 300));
        Device<double> a(before), b(now), c(n);
        double *p[3] = {a, b, c};
        for (int step = 0; step < 20; step++) {
            LAUNCH(wave, SHAPE((n + 127) / 128, 128), p[step % 3], p[(step + 1) % 3], p[(step + 2) % 3], n, 0.81);
            for (int i = 0; i < n; i++)
                next[i] = 2 * now[i] - before[i] + 0.81 * ((i > 0 ? now[i - 1] : 0) - 2 * now[i] + (i + 1 < n ? now[i + 1] : 0));
            before = now, now = next;
        }
        OK(cudaMemcpy(next.data(), p[21 % 3], n * 8, cudaMemcpyDeviceToHost));
        close("wave", next, now, 1e-9, 1e-12);
    }
    {
        const int words = 3, height = 50, width = words * 32;
        std::vector<unsigned> cells(words * height);
        Random random(3);
        for (unsigned &word : cells) word = random.bits() & random.bits();
        Device<unsigned> a(cells), b(cells.size());
        for (int step = 0; step < 10; step++) {
            LAUNCH(life, SHAPE(dim3(1, height), 32), step % 2 ? b : a, step % 2 ? a : b, words, height);
            std::vector<unsigned> next(cells.size());
            auto at = [&](int x, int y) { return cells[(y + height) % height * words + (x + width) % width / 32] >> ((x + width) % 32) & 1; };
            for (int y = 0; y < height; y++)
                for (int x = 0; x < width; x++) {
                    int around = -(int)at(x, y);
                    for (int d = 0; d < 9; d++) around += at(x + d % 3 - 1, y + d / 3 - 1);
                    if (around == 3 || (around == 2 && at(x, y))) next[y * words + x / 32] |= 1u << x % 32;
                }
            cells = next;
        }
        same("life", a.get(), cells);
    }
    return finish("stencil");
}
#endif
