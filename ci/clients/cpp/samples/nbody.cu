// Gravitation: all pairs through tiles of shared memory in single precision, and the energy in double.
#include "sample.h"

extern "C" __global__ void __launch_bounds__(128) step(const float4 *from, float4 *to, float4 *velocities, float dt, int n) {
    __shared__ float4 tile[128];
    int i = blockIdx.x * 128 + threadIdx.x;
    float4 self = i < n ? from[i] : make_float4(0, 0, 0, 0);
    float3 force = make_float3(0, 0, 0);
    for (int base = 0; base < n; base += 128) {
        tile[threadIdx.x] = base + threadIdx.x < n ? from[base + threadIdx.x] : make_float4(0, 0, 0, 0);
        __syncthreads();
#pragma unroll 8
        for (int j = 0; j < 128; j++) {
            float4 other = tile[j];
            float dx = other.x - self.x, dy = other.y - self.y, dz = other.z - self.z;
            float inverse = rsqrtf(dx * dx + dy * dy + dz * dz + 0.01f), pull = other.w * inverse * inverse * inverse;
            force.x += dx * pull, force.y += dy * pull, force.z += dz * pull;
        }
        __syncthreads();
    }
    if (i >= n) return;
    float4 v = velocities[i];
    v.x += dt * force.x, v.y += dt * force.y, v.z += dt * force.z;
    velocities[i] = v;
    to[i] = make_float4(self.x + dt * v.x, self.y + dt * v.y, self.z + dt * v.z, self.w);
}

extern "C" __global__ void energy(const float4 *bodies, const float4 *velocities, double *sum, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float4 self = bodies[i], v = velocities[i];
    double e = 0.5 * self.w * ((double)v.x * v.x + (double)v.y * v.y + (double)v.z * v.z);
    for (int j = 0; j < i; j++) {
        double dx = bodies[j].x - self.x, dy = bodies[j].y - self.y, dz = bodies[j].z - self.z;
        e -= (double)self.w * bodies[j].w * rsqrt(dx * dx + dy * dy + dz * dz + 0.01);
    }
    atomicAdd(sum, e);
}

#ifdef SAMPLE_HOST
int main() {
    const int n = 300;
    auto start = random_floats<float>(4 * n, 1);
    for (int i = 0; i < n; i++) start[4 * i + 3] = 0.5f * (start[4 * i + 3] + 1.1f) / n;
    std::vector<double> p(start.begin(), start.end()), v(4 * n);
    Device<float> a(start), b(4 * n), dv(4 * n);
    Device<double> sum(1);
    const double dt = 0.01f;
    for (int round = 0; round < 4; round++) {
        LAUNCH(step, SHAPE((n + 127) / 128, 128), (float4 *)(float *)(round % 2 ? b : a), (float4 *)(float *)(round % 2 ? a : b), (float4 *)(float *)dv, 0.01f, n);
        std::vector<double> next = p;
        for (int i = 0; i < n; i++) {
            double f[3] = {};
            for (int j = 0; j < n; j++) {
                double d[3], r = (double)0.01f;
                for (int k = 0; k < 3; k++) d[k] = p[4 * j + k] - p[4 * i + k], r += d[k] * d[k];
                for (int k = 0; k < 3; k++) f[k] += d[k] * p[4 * j + 3] / (r * std::sqrt(r));
            }
            for (int k = 0; k < 3; k++) v[4 * i + k] += dt * f[k], next[4 * i + k] = p[4 * i + k] + dt * v[4 * i + k];
        }
        p = next;
    }
    close("positions", a.get(), p, 1e-4, 1e-5);
    close("velocities", dv.get(), v, 1e-3, 1e-5);
    double want = 0;
    auto x = a.get(), w = dv.get();
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < 3; k++) want += 0.5 * x[4 * i + 3] * (double)w[4 * i + k] * w[4 * i + k];
        for (int j = 0; j < i; j++) {
            double r = 0.01;
            for (int k = 0; k < 3; k++) r += (double)(x[4 * j + k] - x[4 * i + k]) * (x[4 * j + k] - x[4 * i + k]);
            want -= (double)x[4 * i + 3] * x[4 * j + 3] / std::sqrt(r);
        }
    }
    LAUNCH(energy, SHAPE((n + 63) / 64, 64), (float4 *)(float *)a, (float4 *)(float *)dv, sum, n);
    close("energy", sum.get(), std::vector<double>{want}, 1e-9);
    return finish("nbody");
}
#endif
