// What kernels print comes out of the program's standard output, after a synchronisation.
#include "check.h"
#include <cstring>
#include <unistd.h>

__global__ void speak(int from) {
    if (threadIdx.x % 16 == 0) printf("thread %d says %d and %5.2f and %s\n", threadIdx.x, from + (int)threadIdx.x, 1.5 * threadIdx.x, "word");
}

int main() {
    int ends[2];
    if (pipe(ends) != 0) return 1;
    fflush(stdout);
    int before = dup(1);
    dup2(ends[1], 1);
    speak<<<1, 32>>>(100);
    OK(cudaDeviceSynchronize());
    fflush(stdout);
    dup2(before, 1);
    close(ends[1]);
    char text[1024] = {};
    size_t bytes = 0;
    for (ssize_t got; bytes < sizeof text - 1 && (got = read(ends[0], text + bytes, sizeof text - 1 - bytes)) > 0;) bytes += got;
    bool right = std::strcmp(text, "thread 0 says 100 and  0.00 and word\nthread 16 says 116 and 24.00 and word\n") == 0;
    if (!right) std::printf("printed: [%s]\n", text);
    EXPECT(right);
    return finish("device_printf");
}
