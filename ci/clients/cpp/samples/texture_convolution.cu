// A separable convolution through textures, which clamp at the edge by themselves, and into a surface; the linear filter.
#include "sample.h"

#define RADIUS 5
__constant__ float row_weights[2 * RADIUS + 1];
__constant__ float column_weights[2 * RADIUS + 1];

extern "C" __global__ void texture_rows(cudaTextureObject_t image, float *out, int width, int height) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= width || y >= height) return;
    float sum = 0;
#pragma unroll
    for (int i = -RADIUS; i <= RADIUS; i++) sum += row_weights[RADIUS - i] * tex2D<float>(image, x + i + 0.5f, y + 0.5f);
    out[y * width + x] = sum;
}
extern "C" __global__ void texture_columns(cudaTextureObject_t image, cudaSurfaceObject_t out, int width, int height) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= width || y >= height) return;
    float sum = 0;
    for (int i = -RADIUS; i <= RADIUS; i++) sum += column_weights[RADIUS - i] * tex2D<float>(image, x + 0.5f, y + i + 0.5f);
    surf2Dwrite(sum, out, x * (int)sizeof(float), y);
}
// Half the size, by the linear filter between four pixels of bytes, read as numbers between 0 and 1.
extern "C" __global__ void shrink(cudaTextureObject_t image, float4 *out, int width, int height) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x < width && y < height) out[y * width + x] = tex2D<float4>(image, 2 * x + 1.0f, 2 * y + 1.0f);
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
    Device<float> out(image.size());
    std::vector<double> first(image.size()), second(image.size());
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int i = -5; i <= 5; i++) first[y * width + x] += (double)rows[5 - i] * image[y * width + clamp(x + i, width)];
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int i = -5; i <= 5; i++) second[y * width + x] += columns[5 - i] * first[clamp(y + i, height) * width + x];
    {
        cudaArray_t pixels, result, colours;
        cudaChannelFormatDesc format = cudaCreateChannelDesc<float>(), four = cudaCreateChannelDesc<uchar4>();
        OK(cudaMallocArray(&pixels, &format, width, height));
        OK(cudaMallocArray(&result, &format, width, height, cudaArraySurfaceLoadStore));
        OK(cudaMemcpy2DToArray(pixels, 0, 0, image.data(), width * 4, width * 4, height, cudaMemcpyHostToDevice));
        cudaResourceDesc resource = {};
        resource.resType = cudaResourceTypeArray;
        resource.res.array.array = pixels;
        cudaTextureDesc sampling = {};
        sampling.addressMode[0] = sampling.addressMode[1] = cudaAddressModeClamp;
        cudaTextureObject_t first_pass, second_pass;
        cudaSurfaceObject_t surface;
        OK(cudaCreateTextureObject(&first_pass, &resource, &sampling, nullptr));
        LAUNCH(texture_rows, SHAPE(dim3(3, 6), dim3(32, 8)), first_pass, out, width, height);
        close("rows by a texture", out.get(), first, 1e-5, 1e-6);
        OK(cudaMemcpy2DToArray(pixels, 0, 0, (float *)out, width * 4, width * 4, height, cudaMemcpyDeviceToDevice));
        OK(cudaCreateTextureObject(&second_pass, &resource, &sampling, nullptr));
        resource.res.array.array = result;
        OK(cudaCreateSurfaceObject(&surface, &resource));
        LAUNCH(texture_columns, SHAPE(dim3(3, 6), dim3(32, 8)), second_pass, surface, width, height);
        std::vector<float> got(image.size());
        OK(cudaMemcpy2DFromArray(got.data(), width * 4, result, 0, 0, width * 4, height, cudaMemcpyDeviceToHost));
        close("columns by a texture into a surface", got, second, 1e-5, 1e-6);

        Random bytes(3);
        std::vector<unsigned char> picture(40 * 24 * 4);
        std::vector<double> means(20 * 12 * 4);
        for (auto &byte : picture) byte = (unsigned char)bytes.bits();
        for (size_t i = 0; i < picture.size(); i++) means[(i / 160 / 2 * 20 + i / 4 % 40 / 2) * 4 + i % 4] += picture[i] / 255.0 / 4;
        OK(cudaMallocArray(&colours, &four, 40, 24));
        OK(cudaMemcpy2DToArray(colours, 0, 0, picture.data(), 160, 160, 24, cudaMemcpyHostToDevice));
        resource.res.array.array = colours;
        sampling.filterMode = cudaFilterModeLinear;
        sampling.readMode = cudaReadModeNormalizedFloat;
        cudaTextureObject_t filtered;
        OK(cudaCreateTextureObject(&filtered, &resource, &sampling, nullptr));
        Device<float> small(means.size());
        LAUNCH(shrink, SHAPE(dim3(2, 2), dim3(16, 8)), filtered, (float4 *)(float *)small, 20, 12);
        close("shrunk by the linear filter", small.get(), means, 1e-3, 4e-3);  // the filter's weights have 8 bits
        for (cudaTextureObject_t texture : {first_pass, second_pass, filtered}) OK(cudaDestroyTextureObject(texture));
        OK(cudaDestroySurfaceObject(surface));
        for (cudaArray_t array : {pixels, result, colours}) OK(cudaFreeArray(array));
    }
    return finish("texture_convolution");
}
#endif
