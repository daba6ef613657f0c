// Device and constant variables, reached from the host by their names in the program.
#include "check.h"

__device__ int numbers[8] = {1, 2, 3, 4, 5, 6, 7, 8};
__constant__ float factors[4];
__device__ long long total;

__global__ void sum() {
    long long value = 0;
    for (int i = 0; i < 8; i++) value += numbers[i] * (long long)factors[i % 4];
    total = value;
}

int main() {
    size_t bytes = 0;
    OK(cudaGetSymbolSize(&bytes, numbers));
    EXPECT(bytes == sizeof numbers);
    int read[8] = {};
    OK(cudaMemcpyFromSymbol(read, numbers, sizeof read));
    for (int i = 0; i < 8; i++) EXPECT(read[i] == i + 1);

    float host[4] = {1, 10, 100, 1000};
    OK(cudaMemcpyToSymbol(factors, host, sizeof host));
    sum<<<1, 1>>>();
    OK(cudaGetLastError());
    long long value = 0;
    OK(cudaMemcpyFromSymbol(&value, total, sizeof value));
    EXPECT(value == 1 + 20 + 300 + 4000 + 5 + 60 + 700 + 8000);

    int two[2] = {50, 60};
    OK(cudaMemcpyToSymbol(numbers, two, sizeof two, 4 * sizeof(int)));
    void *address = nullptr;
    OK(cudaGetSymbolAddress(&address, numbers));
    OK(cudaMemcpy(read, address, sizeof read, cudaMemcpyDeviceToHost));
    EXPECT(read[3] == 4 && read[4] == 50 && read[5] == 60 && read[6] == 7);

    cudaStream_t stream;
    OK(cudaStreamCreate(&stream));
    OK(cudaMemcpyToSymbolAsync(numbers, address, sizeof(int), 7 * sizeof(int), cudaMemcpyDeviceToDevice, stream));
    int last = 0;
    OK(cudaMemcpyFromSymbolAsync(&last, numbers, sizeof last, 7 * sizeof(int), cudaMemcpyDeviceToHost, stream));
    OK(cudaStreamSynchronize(stream));
    EXPECT(last == 1);
    OK(cudaStreamDestroy(stream));

    GIVES(cudaMemcpyToSymbol(numbers, two, sizeof two, 7 * sizeof(int)), cudaErrorInvalidValue);
    GIVES(cudaMemcpyToSymbol(numbers, two, sizeof two, 0, cudaMemcpyDeviceToHost), cudaErrorInvalidMemcpyDirection);
    int local = 0;
    GIVES(cudaGetSymbolAddress(&address, local), cudaErrorInvalidSymbol);
    return finish("symbols");
}
