// Mandelbrot and Julia sets in fixed point (exact), single and double precision; a ray-marched sphere field.
#include "sample.h"

extern "C" __global__ void mandelbrot_fixed(unsigned short *out, int width, int height, int limit) {  // 32 bits, 26 behind the point
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= width || y >= height) return;
    int cr = -(2 << 26) + (int)((3ll << 26) * x / width), ci = -(1 << 26) + (int)((2ll << 26) * y / height), zr = 0, zi = 0, n = 0;
    while (n < limit) {
        int rr = (int)((long long)zr * zr >> 26), ii = (int)((long long)zi * zi >> 26);
        if ((unsigned)rr + (unsigned)ii > 4u << 26) break;
        zi = (int)(2ll * zr * zi >> 26) + ci;
        zr = rr - ii + cr;
        n++;
    }
    out[y * width + x] = n;
}
template <typename T> __device__ int iterations(T cr, T ci, T zr, T zi, int limit) {
    int n = 0;
    for (; n < limit && zr * zr + zi * zi <= 4; n++) {
        T t = zr * zr - zi * zi + cr;
        zi = 2 * zr * zi + ci;
        zr = t;
    }
    return n;
}
extern "C" __global__ void mandelbrot_float(unsigned short *out, int width, int height, int limit) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x < width && y < height) out[y * width + x] = iterations<float>(-2 + 3.0f * x / width, -1 + 2.0f * y / height, 0, 0, limit);
}
extern "C" __global__ void julia_double(uchar4 *out, int width, int height, int limit) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= width || y >= height) return;
    int n = iterations<double>(-0.8, 0.156, -1.6 + 3.2 * x / width, -1 + 2.0 * y / height, limit);
    out[y * width + x] = make_uchar4(n & 255, n * 7 & 255, n * 13 >> 3 & 255, 255);
}
// Blocks fetch their work from a counter until none is left.
extern "C" __global__ void mandelbrot_queue(unsigned short *out, unsigned *next, int width, int height, int limit) {
    __shared__ unsigned line;
    for (;;) {
        __syncthreads();
        if (threadIdx.x == 0) line = atomicAdd(next, 1);
        __syncthreads();
        if (line >= height) return;
        for (int x = threadIdx.x; x < width; x += blockDim.x)
            out[line * width + x] = iterations<float>(-2 + 3.0f * x / width, -1 + 2.0f * line / height, 0, 0, limit);
    }
}

struct Vec { float x, y, z; };
__device__ Vec operator+(Vec a, Vec b) { return {a.x + b.x, a.y + b.y, a.z + b.z}; }
__device__ Vec operator*(Vec a, float s) { return {a.x * s, a.y * s, a.z * s}; }
__device__ float norm(Vec a) { return sqrtf(a.x * a.x + a.y * a.y + a.z * a.z); }
extern "C" __global__ void march(float *depth, int width, int height) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= width || y >= height) return;
    Vec direction = {(x + 0.5f) / width - 0.5f, (y + 0.5f) / height - 0.5f, 1.0f};
    direction = direction * (1 / norm(direction));
    float t = 0;
    for (int i = 0; i < 60 && t < 20; i++) {
        Vec p = direction * t + Vec{0, 0, -3};
        float d = fminf(norm(p + Vec{0.3f, 0, 0}) - 0.5f, fabsf(p.y + 0.8f));
        if (d < 1e-3f) break;
        t += d;
    }
    depth[y * width + x] = t;
}

#ifdef SAMPLE_HOST
int main() {
    const int width = 96, height = 64, limit = 200;
    std::vector<unsigned short> want(width * height);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            int cr = -(2 << 26) + (int)((3ll << 26) * x / width), ci = -(1 << 26) + (int)((2ll << 26) * y / height), zr = 0, zi = 0, n = 0;
            while (n < limit) {
                int rr = (int)((long long)zr * zr >> 26), ii = (int)((long long)zi * zi >> 26);
                if ((unsigned)rr + (unsigned)ii > 4u << 26) break;
                zi = (int)(2ll * zr * zi >> 26) + ci, zr = rr - ii + cr, n++;
            }
            want[y * width + x] = (unsigned short)n;
        }
    Device<unsigned short> out(width * height), queued(width * height);
    dim3 grid(6, 8), block(16, 8);
    LAUNCH(mandelbrot_fixed, SHAPE(grid, block), out, width, height, limit);
    same("fixed point", out.get(), want);
    LAUNCH(mandelbrot_float, SHAPE(grid, block), out, width, height, limit);
    auto got = out.get();
    int differ = 0;
    for (size_t i = 0; i < got.size(); i++) differ += std::abs(got[i] - want[i]) > 1;
    EXPECT(differ < width * height / 50);  // rounding moves points near the edge
    Device<unsigned> next(1);
    LAUNCH(mandelbrot_queue, SHAPE(5, 64), queued, next, width, height, limit);
    same("from a queue", queued.get(), got);
    same("lines taken", next.first(), (unsigned)height + 5);

    Device<unsigned char> colours(width * height * 4);
    LAUNCH(julia_double, SHAPE(grid, block), (uchar4 *)(unsigned char *)colours, width, height, limit);
    auto bytes = colours.get();
    differ = 0;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            double zr = -1.6 + 3.2 * x / width, zi = -1 + 2.0 * y / height;
            int n = 0;
            for (; n < limit && zr * zr + zi * zi <= 4; n++) {
                double t = zr * zr - zi * zi - 0.8;
                zi = 2 * zr * zi + 0.156, zr = t;
            }
            const unsigned char *p = &bytes[4 * (y * width + x)];
            differ += p[0] != (n & 255) || p[1] != (n * 7 & 255) || p[2] != (n * 13 >> 3 & 255) || p[3] != 255;
        }
    EXPECT(differ < width * height / 50);

    Device<float> depth(width * height);
    LAUNCH(march, SHAPE(grid, block), depth, width, height);
    std::vector<double> depths;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            float dx = (x + 0.5f) / width - 0.5f, dy = (y + 0.5f) / height - 0.5f, length = 1 / std::sqrt(dx * dx + dy * dy + 1), t = 0;
            for (int i = 0; i < 60 && t < 20; i++) {
                float px = dx * length * t, py = dy * length * t, pz = length * t - 3;
                float d = std::fmin(std::sqrt((px + 0.3f) * (px + 0.3f) + py * py + pz * pz) - 0.5f, std::fabs(py + 0.8f));
                if (d < 1e-3f) break;
                t += d;
            }
            depths.push_back(t);
        }
    auto marched = depth.get();
    differ = 0;
    for (size_t i = 0; i < marched.size(); i++) differ += std::fabs(marched[i] - depths[i]) > 1e-2;
    EXPECT(differ < width * height / 50);
    return finish("fractal");
}
#endif
