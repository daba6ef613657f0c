// Convolutions: separable with the kernel in constant memory, box filter by running sums, bilateral.
#include "sample.h"

#define RADIUS 5
__constant__ float row_weights[2 * RADIUS + 1];
__constant__ float column_weights[2 * RADIUS + 1];

__device__ int clamped(int x, int size) { return min(max(x, 0), size - 1); }

extern "C" __global__ void convolve_rows(const float *in, float *out, int width, int height) {
    __shared__ float line[4][32 + 2 * RADIUS];
    int x = blockIdx.x * 32 + threadIdx.x, y = blockIdx.y * 4 + threadIdx.y;
    for (int i = threadIdx.x; i < 32 + 2 * RADIUS; i += 32)
        line[threadIdx.y][i] = in[clamped(y, height) * width + clamped((int)blockIdx.x * 32 + i - RADIUS, width)];
    __syncthreads();
    float sum = 0;
#pragma unroll
    for (int i = -RADIUS; i <= RADIUS; i++) sum += row_weights[RADIUS - i] * line[threadIdx.y][threadIdx.x + RADIUS + i];
    if (x < width && y < height) out[y * width + x] = sum;
}
extern "C" __global__ void convolve_columns(const float *in, float *out, int width, int height) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= width || y >= height) return;
    float sum = 0;
    for (int i = -RADIUS; i <= RADIUS; i++) sum += column_weights[RADIUS - i] * in[clamped(y + i, height) * width + x];
    out[y * width + x] = sum;
}

// Sobel on bytes, by the SIMD video instructions' neighbours: absolute differences of packed bytes.
extern "C" __global__ void edges(const unsigned char *in, unsigned char *out, int width, int height) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= width || y >= height) return;
    auto at = [&](int dx, int dy) { return (int)in[clamped(y + dy, height) * width + clamped(x + dx, width)]; };
    int h = at(1, -1) + 2 * at(1, 0) + at(1, 1) - at(-1, -1) - 2 * at(-1, 0) - at(-1, 1);
    int v = at(-1, 1) + 2 * at(0, 1) + at(1, 1) - at(-1, -1) - 2 * at(0, -1) - at(1, -1);
    out[y * width + x] = (unsigned char)min(255, abs(h) + abs(v));
}

extern "C" __global__ void box_rows(const uchar4 *in, uchar4 *out, int width, int height, int radius) {  // a thread a row
    int y = blockIdx.x * blockDim.x + threadIdx.x;
    if (y >= height) return;
    const uchar4 *row = in + y * width;
    int4 sum = make_int4(0, 0, 0, 0);
    for (int i = -radius; i <= radius; i++) {
        uchar4 p = row[clamped(i, width)];
        sum.x += p.x, sum.y += p.y, sum.z += p.z, sum.w += p.w;
    }
    int n = 2 * radius + 1;
    for (int x = 0; x < width; x++) {
        out[y * width + x] = make_uchar4(sum.x / n, sum.y / n, sum.z / n, sum.w / n);
        uchar4 add = row[clamped(x + radius + 1, width)], take = row[clamped(x - radius, width)];
        sum.x += add.x - take.x, sum.y += add.y - take.y, sum.z += add.z - take.z, sum.w += add.w - take.w;
    }
}

extern "C" __global__ void bilateral(const float *in, float *out, int width, int height, float near, float alike) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= width || y >= height) return;
    float middle = in[y * width + x], sum = 0, weights = 0;
    for (int dy = -2; dy <= 2; dy++)
        for (int dx = -2; dx <= 2; dx++) {
            float value = in[clamped(y + dy, height) * width + clamped(x + dx, width)], difference = value - middle;
            float weight = expf(-(dx * dx + dy * dy) * near - difference * difference * alike);
            sum += weight * value, weights += weight;
        }
    out[y * width + x] = sum / weights;
}

#ifdef SAMPLE_HOST
int main() {
    const int width = 83, height = 46;
    auto image = random_floats<float>(width * height, 1);
    auto clamp = [](int x, int size) { return std::min(std::max(x, 0), size - 1); };
    float rows[11], columns[11];
    for (int i = 0; i < 11; i++) rows[i] = 0.3f / (1 + i), columns[i] = 0.02f * (i - 3);
    OK(cudaMemcpy(SYMBOL(row_weights), rows, sizeof rows, cudaMemcpyHostToDevice));
    OK(cudaMemcpy(SYMBOL(column_weights), columns, sizeof columns, cudaMemcpyHostToDevice));
    Device<float> in(image), middle(image.size()), out(image.size());
    LAUNCH(convolve_rows, SHAPE(dim3(3, 12), dim3(32, 4)), in, middle, width, height);
    LAUNCH(convolve_columns, SHAPE(dim3(3, 6), dim3(32, 8)), middle, out, width, height);
    std::vector<double> first(image.size()), second(image.size()), soft(image.size());
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int i = -5; i <= 5; i++) first[y * width + x] += (double)rows[5 - i] * image[y * width + clamp(x + i, width)];
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int i = -5; i <= 5; i++) second[y * width + x] += columns[5 - i] * first[clamp(y + i, height) * width + x];
    close("rows", middle.get(), first, 1e-5, 1e-6);
    close("rows and columns", out.get(), second, 1e-5, 1e-6);

    LAUNCH(bilateral, SHAPE(dim3(3, 6), dim3(32, 8)), in, out, width, height, 0.1f, 2.0f);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            double sum = 0, weights = 0;
            for (int dy = -2; dy <= 2; dy++)
                for (int dx = -2; dx <= 2; dx++) {
                    double value = image[clamp(y + dy, height) * width + clamp(x + dx, width)], d = value - image[y * width + x];
                    double weight = std::exp(-(dx * dx + dy * dy) * 0.1 - d * d * 2);
                    sum += weight * value, weights += weight;
                }
            soft[y * width + x] = sum / weights;
        }
    close("bilateral", out.get(), soft, 1e-5, 1e-6);

    Random random(2);
    std::vector<unsigned char> bytes(width * height * 4), sharp(width * height), smooth(bytes.size());
    for (auto &byte : bytes) byte = (unsigned char)random.bits();
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            auto at = [&](int dx, int dy) { return (int)bytes[clamp(y + dy, height) * width + clamp(x + dx, width)]; };
            int h = at(1, -1) + 2 * at(1, 0) + at(1, 1) - at(-1, -1) - 2 * at(-1, 0) - at(-1, 1);
            int v = at(-1, 1) + 2 * at(0, 1) + at(1, 1) - at(-1, -1) - 2 * at(0, -1) - at(1, -1);
            sharp[y * width + x] = (unsigned char)std::min(255, std::abs(h) + std::abs(v));
            for (int c = 0; c < 4; c++) {
                int sum = 0;
                for (int i = -3; i <= 3; i++) sum += bytes[(y * width + clamp(x + i, width)) * 4 + c];
                smooth[(y * width + x) * 4 + c] = (unsigned char)(sum / 7);
            }
        }
    Device<unsigned char> din(bytes), dsharp(sharp.size()), dsmooth(bytes.size());
    LAUNCH(edges, SHAPE(dim3(3, 6), dim3(32, 8)), din, dsharp, width, height);
    same("edges", dsharp.get(), sharp);
    LAUNCH(box_rows, SHAPE(1, 64), (uchar4 *)(unsigned char *)din, (uchar4 *)(unsigned char *)dsmooth, width, height, 3);
    same("box", dsmooth.get(), smooth);
    return finish("convolution");
}
#endif
