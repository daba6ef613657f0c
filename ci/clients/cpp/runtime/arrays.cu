// Arrays of all shapes: volumes, layers, cubes, mipmaps; copies with them; textures that read and surfaces that write them.
#include "check.h"
#include <cmath>
#include <vector>

__global__ void volume(cudaTextureObject_t texture, float2 *out, int w, int h, int d) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < w * h * d) out[i] = tex3D<float2>(texture, i % w + 0.5f, i / w % h + 0.5f, i / (w * h) + 0.5f);
}

__global__ void layers(cudaTextureObject_t texture, cudaSurfaceObject_t surface, int w, int h, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= w * h * n) return;
    int x = i % w, y = i / w % h, layer = i / (w * h);
    uchar4 texel = tex2DLayered<uchar4>(texture, x + 0.5f, y + 0.5f, layer);
    texel.w = layer;
    surf2DLayeredwrite(texel, surface, x * 4, y, n - 1 - layer);
}

__global__ void directions(cudaTextureObject_t texture, const float *at, int *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = texCubemap<int>(texture, at[3 * i], at[3 * i + 1], at[3 * i + 2]);
}

__global__ void levels(cudaTextureObject_t texture, const float *lod, float *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = tex2DLod<float>(texture, 0.5f, 0.5f, lod[i]);
}

__global__ void rows(cudaTextureObject_t texture, float *out, int n, int height) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = tex2D<float>(texture, (i + 0.5f) / n, 0.5f / height);
}

template <class T> static std::vector<T> download(const T *from, size_t n) {
    std::vector<T> host(n);
    OK(cudaMemcpy(host.data(), from, n * sizeof(T), cudaMemcpyDeviceToHost));
    return host;
}

int main() {
    // A volume, written in two boxes by three-dimensional copies from host memory with a pitch, read back whole.
    const int w = 11, h = 6, d = 5, count = w * h * d;
    std::vector<float2> host(count);
    for (int i = 0; i < count; i++) host[i] = make_float2(i * 0.5f, -i);
    cudaChannelFormatDesc pair = cudaCreateChannelDesc<float2>();
    cudaArray_t cube;
    OK(cudaMalloc3DArray(&cube, &pair, make_cudaExtent(w, h, d), 0));
    for (int part = 0; part < 2; part++) {
        cudaMemcpy3DParms copy = {};
        copy.srcPtr = make_cudaPitchedPtr(host.data(), w * sizeof(float2), w, h);
        copy.srcPos = make_cudaPos(0, 0, part * 2);
        copy.dstArray = cube;
        copy.dstPos = make_cudaPos(0, 0, part * 2);
        copy.extent = make_cudaExtent(w, h, part == 0 ? 2 : d - 2);
        copy.kind = cudaMemcpyHostToDevice;
        OK(cudaMemcpy3D(&copy));
    }
    std::vector<float2> back(count);
    cudaMemcpy3DParms copy = {};
    copy.srcArray = cube;
    copy.dstPtr = make_cudaPitchedPtr(back.data(), w * sizeof(float2), w, h);
    copy.extent = make_cudaExtent(w, h, d);
    copy.kind = cudaMemcpyDeviceToHost;
    OK(cudaMemcpy3D(&copy));
    for (int i = 0; i < count; i++) EXPECT(back[i].x == host[i].x && back[i].y == host[i].y);
    cudaResourceDesc resource = {};
    resource.resType = cudaResourceTypeArray;
    resource.res.array.array = cube;
    cudaTextureDesc sampling = {};
    sampling.readMode = cudaReadModeElementType;
    cudaTextureObject_t texture;
    OK(cudaCreateTextureObject(&texture, &resource, &sampling, nullptr));
    float2 *out;
    OK(cudaMalloc(&out, count * sizeof(float2)));
    volume<<<(count + 127) / 128, 128>>>(texture, out, w, h, d);
    back = download(out, count);
    for (int i = 0; i < count; i++) EXPECT(back[i].x == host[i].x && back[i].y == host[i].y);
    OK(cudaDestroyTextureObject(texture));
    // A box of it into another array, and asynchronously into pinned memory with a gap behind each row.
    cudaArray_t other;
    OK(cudaMalloc3DArray(&other, &pair, make_cudaExtent(4, 3, 2), 0));
    cudaMemcpy3DParms between = {};
    between.srcArray = cube;
    between.srcPos = make_cudaPos(5, 2, 1);
    between.dstArray = other;
    between.extent = make_cudaExtent(4, 3, 2);
    between.kind = cudaMemcpyDeviceToDevice;
    OK(cudaMemcpy3D(&between));
    cudaStream_t stream;
    OK(cudaStreamCreate(&stream));
    float2 *pinned;
    OK(cudaMallocHost(&pinned, 2 * 4 * 6 * sizeof(float2)));
    for (int i = 0; i < 48; i++) pinned[i] = make_float2(-7, -7);
    cudaMemcpy3DParms out_of = {};
    out_of.srcArray = other;
    out_of.dstPtr = make_cudaPitchedPtr(pinned, 6 * sizeof(float2), 6, 4);
    out_of.extent = make_cudaExtent(4, 3, 2);
    out_of.kind = cudaMemcpyDeviceToHost;
    OK(cudaMemcpy3DAsync(&out_of, stream));
    OK(cudaStreamSynchronize(stream));
    for (int z = 0; z < 2; z++)
        for (int y = 0; y < 4; y++)
            for (int x = 0; x < 6; x++) {
                float2 value = pinned[(z * 4 + y) * 6 + x];
                if (x < 4 && y < 3) EXPECT(value.x == host[((z + 1) * h + y + 2) * w + x + 5].x);
                else EXPECT(value.x == -7);
            }
    OK(cudaFreeHost(pinned));
    OK(cudaFreeArray(other));
    OK(cudaFreeArray(cube));

    // Layers: read by a texture, written by a surface of another array.
    const int n = 7;
    std::vector<uchar4> texels(w * h * n), written(w * h * n);
    for (int i = 0; i < w * h * n; i++) texels[i] = make_uchar4(i, i * 3, i * 7, 255);
    cudaChannelFormatDesc bytes = cudaCreateChannelDesc<uchar4>();
    cudaArray_t from, to;
    OK(cudaMalloc3DArray(&from, &bytes, make_cudaExtent(w, h, n), cudaArrayLayered));
    OK(cudaMalloc3DArray(&to, &bytes, make_cudaExtent(w, h, n), cudaArrayLayered | cudaArraySurfaceLoadStore));
    cudaMemcpy3DParms fill = {};
    fill.srcPtr = make_cudaPitchedPtr(texels.data(), w * 4, w, h);
    fill.dstArray = from;
    fill.extent = make_cudaExtent(w, h, n);
    fill.kind = cudaMemcpyHostToDevice;
    OK(cudaMemcpy3D(&fill));
    resource.res.array.array = from;
    OK(cudaCreateTextureObject(&texture, &resource, &sampling, nullptr));
    resource.res.array.array = to;
    cudaSurfaceObject_t surface;
    OK(cudaCreateSurfaceObject(&surface, &resource));
    cudaResourceDesc again = {};
    OK(cudaGetSurfaceObjectResourceDesc(&again, surface));
    EXPECT(again.res.array.array == to);
    layers<<<(w * h * n + 127) / 128, 128>>>(texture, surface, w, h, n);
    cudaMemcpy3DParms read = {};
    read.srcArray = to;
    read.dstPtr = make_cudaPitchedPtr(written.data(), w * 4, w, h);
    read.extent = make_cudaExtent(w, h, n);
    read.kind = cudaMemcpyDeviceToHost;
    OK(cudaMemcpy3D(&read));
    for (int i = 0; i < w * h * n; i++) {
        int layer = i / (w * h);
        uchar4 want = texels[(n - 1 - layer) * w * h + i % (w * h)];
        EXPECT(written[i].x == want.x && written[i].y == want.y && written[i].z == want.z && written[i].w == n - 1 - layer);
    }
    OK(cudaDestroyTextureObject(texture));
    OK(cudaDestroySurfaceObject(surface));
    OK(cudaFreeArray(from));
    OK(cudaFreeArray(to));

    // A cube: one texel a face.
    const int faces[6] = {10, 20, 30, 40, 50, 60};
    const float at[18] = {1, .2f, .3f, -1, .2f, .3f, .1f, 2, .3f, .1f, -2, .3f, .5f, .6f, 3, .5f, .6f, -3};
    cudaChannelFormatDesc integer = cudaCreateChannelDesc<int>();
    cudaArray_t box;
    OK(cudaMalloc3DArray(&box, &integer, make_cudaExtent(1, 1, 6), cudaArrayCubemap));
    cudaMemcpy3DParms sides = {};
    sides.srcPtr = make_cudaPitchedPtr((void *)faces, 4, 1, 1);
    sides.dstArray = box;
    sides.extent = make_cudaExtent(1, 1, 6);
    sides.kind = cudaMemcpyHostToDevice;
    OK(cudaMemcpy3D(&sides));
    resource.res.array.array = box;
    sampling.normalizedCoords = 1;
    OK(cudaCreateTextureObject(&texture, &resource, &sampling, nullptr));
    float *where;
    int *found;
    OK(cudaMalloc(&where, sizeof at));
    OK(cudaMalloc(&found, 24));
    OK(cudaMemcpy(where, at, sizeof at, cudaMemcpyHostToDevice));
    directions<<<1, 32>>>(texture, where, found, 6);
    std::vector<int> seen = download(found, 6);
    for (int i = 0; i < 6; i++) EXPECT(seen[i] == faces[i]);
    OK(cudaDestroyTextureObject(texture));
    OK(cudaFreeArray(box));

    // Mipmaps: each level one number; between two levels their mean.
    cudaChannelFormatDesc single = cudaCreateChannelDesc<float>();
    cudaMipmappedArray_t mipmap;
    OK(cudaMallocMipmappedArray(&mipmap, &single, make_cudaExtent(8, 8, 0), 4, 0));
    for (int level = 0; level < 4; level++) {
        cudaArray_t array;
        OK(cudaGetMipmappedArrayLevel(&array, mipmap, level));
        int size = 8 >> level;
        std::vector<float> values(size * size, 10.0f * level);
        OK(cudaMemcpy2DToArray(array, 0, 0, values.data(), size * 4, size * 4, size, cudaMemcpyHostToDevice));
    }
    cudaResourceDesc pyramid = {};
    pyramid.resType = cudaResourceTypeMipmappedArray;
    pyramid.res.mipmap.mipmap = mipmap;
    sampling.mipmapFilterMode = cudaFilterModeLinear;
    sampling.maxMipmapLevelClamp = 3;
    OK(cudaCreateTextureObject(&texture, &pyramid, &sampling, nullptr));
    const float lods[6] = {0, 1, 2.5f, 0.25f, 9, -1}, wanted[6] = {0, 10, 25, 2.5f, 30, 0};
    float *lod, *value;
    OK(cudaMalloc(&lod, sizeof lods));
    OK(cudaMalloc(&value, sizeof lods));
    OK(cudaMemcpy(lod, lods, sizeof lods, cudaMemcpyHostToDevice));
    levels<<<1, 32>>>(texture, lod, value, 6);
    std::vector<float> values = download(value, 6);
    for (int i = 0; i < 6; i++) EXPECT(std::fabs(values[i] - wanted[i]) < 1e-6f);
    OK(cudaDestroyTextureObject(texture));
    OK(cudaFreeMipmappedArray(mipmap));

    // Rows of plain memory as a texture, wrapped, filtered, of bytes that stand for 0 to 1.
    size_t pitch;
    unsigned char *plain;
    OK(cudaMallocPitch(&plain, &pitch, 4, 4));
    const unsigned char row[16] = {0, 255, 0, 255, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9};
    OK(cudaMemcpy2D(plain, pitch, row, 4, 4, 4, cudaMemcpyHostToDevice));
    cudaResourceDesc flat = {};
    flat.resType = cudaResourceTypePitch2D;
    flat.res.pitch2D.devPtr = plain;
    flat.res.pitch2D.desc = cudaCreateChannelDesc<unsigned char>();
    flat.res.pitch2D.width = 4;
    flat.res.pitch2D.height = 4;
    flat.res.pitch2D.pitchInBytes = pitch;
    cudaTextureDesc smooth = {};
    smooth.addressMode[0] = cudaAddressModeWrap;
    smooth.addressMode[1] = cudaAddressModeClamp;
    smooth.filterMode = cudaFilterModeLinear;
    smooth.readMode = cudaReadModeNormalizedFloat;
    smooth.normalizedCoords = 1;
    OK(cudaCreateTextureObject(&texture, &flat, &smooth, nullptr));
    rows<<<1, 32>>>(texture, value, 4, 4);
    values = download(value, 4);
    for (int i = 0; i < 4; i++) EXPECT(values[i] == (i % 2 == 1 ? 1.0f : 0.0f));
    rows<<<1, 32>>>(texture, value, 2, 4);
    values = download(value, 2);
    for (int i = 0; i < 2; i++) EXPECT(std::fabs(values[i] - 0.5f) < 1e-6f);
    OK(cudaDestroyTextureObject(texture));

    // What cannot be, is an error.
    cudaArray_t none;
    GIVES(cudaMalloc3DArray(&none, &single, make_cudaExtent(4, 5, 6), cudaArrayCubemap), cudaErrorInvalidValue);
    OK(cudaMallocArray(&none, &single, 16, 16));
    GIVES(cudaMemcpy2DToArray(none, 4, 0, host.data(), 64, 64, 16, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
    OK(cudaFreeArray(none));
    return finish("arrays");
}
