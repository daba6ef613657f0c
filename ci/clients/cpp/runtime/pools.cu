// Memory pools and stream-ordered allocation.
#include "check.h"
#include <cstring>

int main() {
    cudaMemPool_t pool, own;
    OK(cudaDeviceGetDefaultMemPool(&pool, 0));
    unsigned long long keep = ~0ull, read = 0;
    OK(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &keep));
    OK(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &read));
    EXPECT(read == keep);
    cudaStream_t stream;
    OK(cudaStreamCreate(&stream));
    unsigned char *a, *b, host[3000];
    OK(cudaMallocAsync(&a, sizeof host, stream));
    OK(cudaMemsetAsync(a, 0x3c, sizeof host, stream));
    OK(cudaMemcpyAsync(host, a, sizeof host, cudaMemcpyDeviceToHost, stream));
    OK(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrUsedMemCurrent, &read));
    EXPECT(read >= sizeof host);
    OK(cudaFreeAsync(a, stream));
    OK(cudaStreamSynchronize(stream));
    EXPECT(host[0] == 0x3c && host[2999] == 0x3c);
    OK(cudaMemPoolTrimTo(pool, 0));

    cudaMemPoolProps properties = {};
    properties.allocType = cudaMemAllocationTypePinned;
    properties.location.type = cudaMemLocationTypeDevice;
    properties.location.id = 0;
    OK(cudaMemPoolCreate(&own, &properties));
    OK(cudaMallocFromPoolAsync(&b, 1 << 20, own, stream));
    OK(cudaMemsetAsync(b, 0x77, 1 << 20, stream));
    OK(cudaMemcpyAsync(host, b + (1 << 20) - sizeof host, sizeof host, cudaMemcpyDeviceToHost, stream));
    OK(cudaStreamSynchronize(stream));
    EXPECT(host[0] == 0x77 && host[2999] == 0x77);
    OK(cudaFreeAsync(b, stream));
    OK(cudaStreamSynchronize(stream));
    OK(cudaMemPoolDestroy(own));
    return finish("pools");
}
