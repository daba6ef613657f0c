// Texture and surface objects over arrays, rows and plain memory.
#include "check.h"
#include <vector>

__global__ void sample(cudaTextureObject_t texture, float *out, int width, int height, float dx, float dy) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x < width && y < height) out[y * width + x] = tex2D<float>(texture, x + dx, y + dy);
}

__global__ void fetch(cudaTextureObject_t texture, int *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = tex1Dfetch<int>(texture, n - 1 - i);
}

__global__ void increment(cudaSurfaceObject_t surface, int width, int height) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x < width && y < height) {
        float value = surf2Dread<float>(surface, x * 4, y);
        surf2Dwrite(value + 0.5f, surface, x * 4, y);
    }
}

int main() {
    const int width = 33, height = 17;
    std::vector<float> host(width * height), back(width * height);
    for (int i = 0; i < width * height; i++) host[i] = (float)(i * 3 % 101);
    cudaArray_t array;
    cudaChannelFormatDesc format = cudaCreateChannelDesc<float>();
    OK(cudaMallocArray(&array, &format, width, height, cudaArraySurfaceLoadStore));
    cudaChannelFormatDesc read_format;
    cudaExtent extent;
    OK(cudaArrayGetInfo(&read_format, &extent, nullptr, array));
    EXPECT(read_format.x == 32 && read_format.y == 0 && read_format.f == cudaChannelFormatKindFloat);
    EXPECT(extent.width == width && extent.height == height);
    OK(cudaMemcpy2DToArray(array, 0, 0, host.data(), width * 4, width * 4, height, cudaMemcpyHostToDevice));

    cudaResourceDesc resource = {};
    resource.resType = cudaResourceTypeArray;
    resource.res.array.array = array;
    cudaTextureDesc sampling = {};
    sampling.addressMode[0] = sampling.addressMode[1] = cudaAddressModeClamp;
    sampling.filterMode = cudaFilterModePoint;
    sampling.readMode = cudaReadModeElementType;
    cudaTextureObject_t texture;
    OK(cudaCreateTextureObject(&texture, &resource, &sampling, nullptr));
    float *out;
    OK(cudaMalloc(&out, width * height * 4));
    dim3 block(16, 16), grid((width + 15) / 16, (height + 15) / 16);
    sample<<<grid, block>>>(texture, out, width, height, 1.5f, 0.5f);  // the texel to the right, clamped at the edge
    OK(cudaMemcpy(back.data(), out, width * height * 4, cudaMemcpyDeviceToHost));
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) EXPECT(back[y * width + x] == host[y * width + (x + 1 < width ? x + 1 : x)]);
    cudaTextureDesc again = {};
    OK(cudaGetTextureObjectTextureDesc(&again, texture));
    EXPECT(again.addressMode[1] == cudaAddressModeClamp && again.filterMode == cudaFilterModePoint);
    OK(cudaDestroyTextureObject(texture));

    cudaSurfaceObject_t surface;
    OK(cudaCreateSurfaceObject(&surface, &resource));
    increment<<<grid, block>>>(surface, width, height);
    OK(cudaDestroySurfaceObject(surface));
    OK(cudaMemcpy2DFromArray(back.data(), width * 4, array, 0, 0, width * 4, height, cudaMemcpyDeviceToHost));
    for (int i = 0; i < width * height; i++) EXPECT(back[i] == host[i] + 0.5f);

    // Halfway between two texels, linear filtering gives their mean.
    sampling.filterMode = cudaFilterModeLinear;
    OK(cudaCreateTextureObject(&texture, &resource, &sampling, nullptr));
    sample<<<grid, block>>>(texture, out, width, height, 1.0f, 0.5f);
    OK(cudaMemcpy(back.data(), out, width * height * 4, cudaMemcpyDeviceToHost));
    for (int x = 0; x + 1 < width; x++) EXPECT(back[x] == (host[x] + host[x + 1]) / 2 + 0.5f);
    OK(cudaDestroyTextureObject(texture));
    OK(cudaFreeArray(array));

    const int n = 1000;
    std::vector<int> numbers(n), reversed(n);
    for (int i = 0; i < n; i++) numbers[i] = i * i;
    int *linear, *result;
    OK(cudaMalloc(&linear, n * 4));
    OK(cudaMalloc(&result, n * 4));
    OK(cudaMemcpy(linear, numbers.data(), n * 4, cudaMemcpyHostToDevice));
    cudaResourceDesc plain = {};
    plain.resType = cudaResourceTypeLinear;
    plain.res.linear.devPtr = linear;
    plain.res.linear.desc = cudaCreateChannelDesc<int>();
    plain.res.linear.sizeInBytes = n * 4;
    cudaTextureDesc none = {};
    OK(cudaCreateTextureObject(&texture, &plain, &none, nullptr));
    fetch<<<(n + 127) / 128, 128>>>(texture, result, n);
    OK(cudaMemcpy(reversed.data(), result, n * 4, cudaMemcpyDeviceToHost));
    for (int i = 0; i < n; i++) EXPECT(reversed[i] == numbers[n - 1 - i]);
    OK(cudaDestroyTextureObject(texture));
    return finish("textures");
}
