// Transposing: naive, through a padded tile, in place, bytes in words, and of three axes.
#include "sample.h"

extern "C" __global__ void transpose_naive(const float *in, float *out, int width, int height) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x < width && y < height) out[x * height + y] = in[y * width + x];
}
extern "C" __global__ void transpose_tile(const double *in, double *out, int width, int height) {
    __shared__ double tile[32][33];
    int x = blockIdx.x * 32 + threadIdx.x, y = blockIdx.y * 32 + threadIdx.y;
    for (int j = 0; j < 32; j += 8)
        if (x < width && y + j < height) tile[threadIdx.y + j][threadIdx.x] = in[(y + j) * width + x];
    __syncthreads();
    x = blockIdx.y * 32 + threadIdx.x, y = blockIdx.x * 32 + threadIdx.y;
    for (int j = 0; j < 32; j += 8)
        if (x < height && y + j < width) out[(y + j) * height + x] = tile[threadIdx.x][threadIdx.y + j];
}
extern "C" __global__ void transpose_in_place(int *data, int n) {  // blocks above the diagonal swap two tiles
    __shared__ int a[16][17], b[16][17];
    if (blockIdx.x < blockIdx.y) return;
    int x = blockIdx.x * 16 + threadIdx.x, y = blockIdx.y * 16 + threadIdx.y;
    int u = blockIdx.y * 16 + threadIdx.x, v = blockIdx.x * 16 + threadIdx.y;
    if (x < n && y < n) a[threadIdx.y][threadIdx.x] = data[y * n + x];
    if (u < n && v < n) b[threadIdx.y][threadIdx.x] = data[v * n + u];
    __syncthreads();
    if (x < n && y < n) data[y * n + x] = b[threadIdx.x][threadIdx.y];
    if (u < n && v < n) data[v * n + u] = a[threadIdx.x][threadIdx.y];
}
// 4 x 4 bytes in four words by byte permutations
extern "C" __global__ void transpose_bytes(const unsigned *in, unsigned *out) {
    const unsigned *p = in + 4 * threadIdx.x;
    unsigned a = p[0], b = p[1], c = p[2], d = p[3];
    unsigned ab_low = __byte_perm(a, b, 0x5140), ab_high = __byte_perm(a, b, 0x7362);
    unsigned cd_low = __byte_perm(c, d, 0x5140), cd_high = __byte_perm(c, d, 0x7362);
    uint4 rows = make_uint4(__byte_perm(ab_low, cd_low, 0x5410), __byte_perm(ab_low, cd_low, 0x7632),
                            __byte_perm(ab_high, cd_high, 0x5410), __byte_perm(ab_high, cd_high, 0x7632));
    ((uint4 *)out)[threadIdx.x] = rows;
}
// A warp transposes 32 x 32 bits by butterflies.
extern "C" __global__ void transpose_bits(const unsigned *in, unsigned *out) {
    unsigned row = in[threadIdx.x], lane = threadIdx.x;
    for (unsigned step = 16, mask = 0xffff; step > 0; step /= 2, mask ^= mask << step) {
        unsigned other = __shfl_xor_sync(~0u, row, step);
        row = lane & step ? (row & ~mask) | (other >> step & mask) : (row & mask) | (other & mask) << step;
    }
    out[lane] = row;
}
extern "C" __global__ void permute_axes(const short *in, short *out, int3 size) {  // [z][y][x] to [x][z][y]
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y, z = blockIdx.z * blockDim.z + threadIdx.z;
    if (x < size.x && y < size.y && z < size.z) out[(x * size.z + z) * size.y + y] = in[(z * size.y + y) * size.x + x];
}

#ifdef SAMPLE_HOST
template <typename T> std::vector<T> transposed(const std::vector<T> &in, int width, int height) {
    std::vector<T> out(in.size());
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) out[x * height + y] = in[y * width + x];
    return out;
}
int main() {
    const int width = 75, height = 43;
    auto floats = random_floats<float>(width * height, 1);
    Device<float> a(floats), b(floats.size());
    LAUNCH(transpose_naive, SHAPE(dim3(5, 3), dim3(16, 16)), a, b, width, height);
    same("naive", b.get(), transposed(floats, width, height));
    auto doubles = random_floats<double>(width * height, 2);
    Device<double> c(doubles), d(doubles.size());
    LAUNCH(transpose_tile, SHAPE(dim3(3, 2), dim3(32, 8)), c, d, width, height);
    same("tile", d.get(), transposed(doubles, width, height));
    auto ints = random_ints(70 * 70, 3, -1000, 1000);
    Device<int> e(ints);
    LAUNCH(transpose_in_place, SHAPE(dim3(5, 5), dim3(16, 16)), e, 70);
    same("in place", e.get(), transposed(ints, 70, 70));
    std::vector<unsigned> words(4 * 64), want(words.size()), bits(32);
    Random random(4);
    for (unsigned &word : words) word = random.bits();
    for (int t = 0; t < 64; t++)
        for (int i = 0; i < 4; i++)
            for (int j = 0; j < 4; j++) want[4 * t + j] |= (words[4 * t + i] >> (8 * j) & 255) << (8 * i);
    Device<unsigned> f(words), g(words.size()), h(32);
    LAUNCH(transpose_bytes, SHAPE(1, 64), f, g);
    same("bytes", g.get(), want);
    for (int i = 0; i < 32; i++)
        for (int j = 0; j < 32; j++) bits[j] |= (words[i] >> j & 1) << i;
    LAUNCH(transpose_bits, SHAPE(1, 32), f, h);
    same("bits", h.get(), bits);
    int3 size = {13, 9, 11};
    std::vector<short> box(13 * 9 * 11), permuted(box.size());
    for (short &x : box) x = (short)random.bits();
    for (int z = 0; z < 11; z++)
        for (int y = 0; y < 9; y++)
            for (int x = 0; x < 13; x++) permuted[(x * 11 + z) * 9 + y] = box[(z * 9 + y) * 13 + x];
    Device<short> i(box), j(box.size());
    LAUNCH(permute_axes, SHAPE(dim3(4, 3, 3), dim3(4, 4, 4)), i, j, size);
    same("axes", j.get(), permuted);
    return finish("transpose");
}
#endif
