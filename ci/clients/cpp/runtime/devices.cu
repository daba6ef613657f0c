// Devices: count, properties against attributes, limits, versions, symbols of errors.
#include "check.h"
#include <cstring>

int main() {
    int count = 0, runtime = 0, driver = 0;
    OK(cudaGetDeviceCount(&count));
    EXPECT(count >= 1);
    OK(cudaRuntimeGetVersion(&runtime));
    OK(cudaDriverGetVersion(&driver));
    EXPECT(runtime >= 12000 && driver >= 12000);
    GIVES(cudaSetDevice(count), cudaErrorInvalidDevice);
    GIVES(cudaSetDevice(-1), cudaErrorInvalidDevice);
    EXPECT(cudaGetLastError() == cudaErrorInvalidDevice);
    int device = -5;
    OK(cudaGetDevice(&device));
    EXPECT(device == 0);

    cudaDeviceProp p;
    std::memset(&p, 0xee, sizeof p);
    OK(cudaGetDeviceProperties(&p, 0));
    struct { cudaDeviceAttr attribute; long long value; } same[] = {
        {cudaDevAttrComputeCapabilityMajor, p.major},
        {cudaDevAttrComputeCapabilityMinor, p.minor},
        {cudaDevAttrMultiProcessorCount, p.multiProcessorCount},
        {cudaDevAttrWarpSize, p.warpSize},
        {cudaDevAttrMaxThreadsPerBlock, p.maxThreadsPerBlock},
        {cudaDevAttrMaxBlockDimZ, p.maxThreadsDim[2]},
        {cudaDevAttrMaxGridDimX, p.maxGridSize[0]},
        {cudaDevAttrMaxSharedMemoryPerBlock, (long long)p.sharedMemPerBlock},
        {cudaDevAttrMaxSharedMemoryPerBlockOptin, (long long)p.sharedMemPerBlockOptin},
        {cudaDevAttrTotalConstantMemory, (long long)p.totalConstMem},
        {cudaDevAttrMaxRegistersPerBlock, p.regsPerBlock},
        {cudaDevAttrL2CacheSize, p.l2CacheSize},
        {cudaDevAttrMaxThreadsPerMultiProcessor, p.maxThreadsPerMultiProcessor},
        {cudaDevAttrConcurrentKernels, p.concurrentKernels},
        {cudaDevAttrUnifiedAddressing, p.unifiedAddressing},
        {cudaDevAttrCooperativeLaunch, p.cooperativeLaunch},
        {cudaDevAttrPciBusId, p.pciBusID},
        {cudaDevAttrMemoryPoolsSupported, p.memoryPoolsSupported},
        {cudaDevAttrReservedSharedMemoryPerBlock, (long long)p.reservedSharedMemPerBlock},
        {cudaDevAttrMaxBlocksPerMultiprocessor, p.maxBlocksPerMultiProcessor},
        {cudaDevAttrIpcEventSupport, p.ipcEventSupported},
    };
    for (auto &row : same) {
        int value = -1;
        OK(cudaDeviceGetAttribute(&value, row.attribute, 0));
        if (value != row.value) {
            std::printf("attribute %d: %d, in the properties %lld\n", (int)row.attribute, value, row.value);
            failures++;
        }
    }
    size_t free = 0, total = 0;
    OK(cudaMemGetInfo(&free, &total));
    EXPECT(total == p.totalGlobalMem && free <= total && free > 0);
    EXPECT(std::strlen(p.name) > 0 && std::strlen(p.name) < 256);
    EXPECT(p.warpSize == 32);

    char bus[32];
    OK(cudaDeviceGetPCIBusId(bus, sizeof bus, 0));
    OK(cudaDeviceGetByPCIBusId(&device, bus));
    EXPECT(device == 0);
    size_t stack = 0, again = 0;
    OK(cudaDeviceGetLimit(&stack, cudaLimitStackSize));
    OK(cudaDeviceSetLimit(cudaLimitStackSize, 4096));
    OK(cudaDeviceGetLimit(&again, cudaLimitStackSize));
    EXPECT(again >= 4096);
    int least = -1, greatest = 1;
    OK(cudaDeviceGetStreamPriorityRange(&least, &greatest));
    EXPECT(least >= greatest);
    unsigned flags = 0;
    OK(cudaGetDeviceFlags(&flags));
    EXPECT(std::strcmp(cudaGetErrorName(cudaErrorInvalidValue), "cudaErrorInvalidValue") == 0);
    EXPECT(std::strcmp(cudaGetErrorString(cudaErrorMemoryAllocation), "out of memory") == 0);
    OK(cudaDeviceReset());
    OK(cudaFree(nullptr));
    return finish("devices");
}
