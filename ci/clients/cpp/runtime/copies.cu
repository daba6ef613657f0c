// Copies and fills in one, two and three dimensions; every byte is checked.
#include "check.h"
#include <vector>

int main() {
    // Two dimensions, with different pitches on both sides.
    const int width = 50, height = 7;
    std::vector<unsigned char> host(64 * height), back(80 * height, 0xaa);
    for (size_t i = 0; i < host.size(); i++) host[i] = (unsigned char)(i * 7 + 3);
    unsigned char *device;
    size_t pitch = 0;
    OK(cudaMallocPitch(&device, &pitch, width, height));
    EXPECT(pitch >= width && pitch % 32 == 0);
    OK(cudaMemset2D(device, pitch, 0x5c, width, height));
    OK(cudaMemcpy2D(device, pitch, host.data(), 64, width - 5, height, cudaMemcpyHostToDevice));
    OK(cudaMemcpy2D(back.data(), 80, device, pitch, width, height, cudaMemcpyDeviceToHost));
    for (int y = 0; y < height; y++)
        for (int x = 0; x < 80; x++) {
            int expected = x >= width ? 0xaa : x >= width - 5 ? 0x5c : host[y * 64 + x];
            EXPECT(back[y * 80 + x] == expected);
        }
    GIVES(cudaMemcpy2D(device, 10, host.data(), 64, width, height, cudaMemcpyHostToDevice), cudaErrorInvalidPitchValue);
    OK(cudaFree(device));

    // Three dimensions: a box out of the middle of a box.
    cudaExtent extent = make_cudaExtent(12, 5, 4);
    cudaPitchedPtr box;
    OK(cudaMalloc3D(&box, extent));
    OK(cudaMemset3D(box, 0x11, extent));
    OK(cudaMemset3D(box, 0x22, make_cudaExtent(6, 2, 2)));
    std::vector<unsigned char> source(10 * 6 * 3);
    for (size_t i = 0; i < source.size(); i++) source[i] = (unsigned char)(100 + i);
    cudaMemcpy3DParms copy = {};
    copy.srcPtr = make_cudaPitchedPtr(source.data(), 10, 10, 6);
    copy.srcPos = make_cudaPos(1, 2, 1);
    copy.dstPtr = box;
    copy.dstPos = make_cudaPos(3, 1, 2);
    copy.extent = make_cudaExtent(4, 3, 2);
    copy.kind = cudaMemcpyHostToDevice;
    OK(cudaMemcpy3D(&copy));
    std::vector<unsigned char> all(12 * 5 * 4);
    cudaMemcpy3DParms out = {};
    out.srcPtr = box;
    out.dstPtr = make_cudaPitchedPtr(all.data(), 12, 12, 5);
    out.extent = extent;
    out.kind = cudaMemcpyDefault;
    OK(cudaMemcpy3D(&out));
    for (int z = 0; z < 4; z++)
        for (int y = 0; y < 5; y++)
            for (int x = 0; x < 12; x++) {
                int expected = x < 6 && y < 2 && z < 2 ? 0x22 : 0x11;
                if (x >= 3 && x < 7 && y >= 1 && y < 4 && z >= 2)
                    expected = source[((z - 2 + 1) * 6 + (y - 1 + 2)) * 10 + (x - 3 + 1)];
                EXPECT(all[(z * 5 + y) * 12 + x] == expected);
            }
    OK(cudaFree(box.ptr));

    // Kinds: default finds the direction, a wrong one is refused, device to device and peer to itself move bytes.
    int *a, *b, numbers[256], read[256] = {};
    for (int i = 0; i < 256; i++) numbers[i] = i * i;
    OK(cudaMalloc(&a, sizeof numbers));
    OK(cudaMalloc(&b, sizeof numbers));
    OK(cudaMemcpy(a, numbers, sizeof numbers, cudaMemcpyDefault));
    OK(cudaMemcpy(b, a, sizeof numbers, cudaMemcpyDeviceToDevice));
    OK(cudaMemcpyPeer(b, 0, b, 0, 16));
    OK(cudaMemcpy(read, b, sizeof read, cudaMemcpyDefault));
    for (int i = 0; i < 256; i++) EXPECT(read[i] == i * i);
    int other[256] = {};
    OK(cudaMemcpy(other, numbers, sizeof other, cudaMemcpyHostToHost));
    EXPECT(other[255] == 255 * 255);
    GIVES(cudaMemcpy(a, numbers, 4, (cudaMemcpyKind)9), cudaErrorInvalidMemcpyDirection);
    OK(cudaMemset(a, 1, sizeof numbers));
    OK(cudaMemcpy(read, a, sizeof read, cudaMemcpyDeviceToHost));
    EXPECT(read[0] == 0x01010101 && read[255] == 0x01010101);

    // What pointers are.
    cudaPointerAttributes attributes;
    OK(cudaPointerGetAttributes(&attributes, a));
    EXPECT(attributes.type == cudaMemoryTypeDevice && attributes.device == 0 && attributes.devicePointer == a);
    OK(cudaPointerGetAttributes(&attributes, numbers));
    EXPECT(attributes.type == cudaMemoryTypeUnregistered);
    void *pinned;
    OK(cudaMallocHost(&pinned, 4096));
    OK(cudaPointerGetAttributes(&attributes, pinned));
    EXPECT(attributes.type == cudaMemoryTypeHost && attributes.hostPointer == pinned);
    OK(cudaFreeHost(pinned));
    OK(cudaFree(a));
    OK(cudaFree(b));
    OK(cudaFree(nullptr));
    return finish("copies");
}
