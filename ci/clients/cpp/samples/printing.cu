// printf in kernels, of all conversions; what arrives is compared, line by line, with the C library's.
#include "sample.h"

extern "C" __global__ void print_all(float f, double d, long long big, const char *text) {
    int i = threadIdx.x;
    printf("%d:a plain line\n", i);
    printf("%d:b %d %i %u %x %X %o %c\n", i, -i * 7, i - 3, 40u * i, 255 + i, 48879 + i, 8 + i, 'a' + i);
    printf("%d:c %5d|%-5d|%05d|%+d|% d|%#x|%#o\n", i, i, i, i, i, i, 255, 8);
    printf("%d:d %f %.3f %10.2f|%-12.4e|%g %G %a\n", i, f + i, d, d * i, d * 1000, 1e-7 * d, 1e20 * d, 0.5);
    printf("%d:e %lld %llu %llx %ld %hd %hhd\n", i, big + i, (unsigned long long)big, (unsigned long long)big, (long)big, (short)70000, (char)300);
    printf("%d:f %s|%10s|%-6s|%.2s %%\n", i, i % 2 ? "odd" : "even", "right", "left", "precision");
    printf("%d:g %*d|%-*d|%.*f\n", i, 6, i, 4, i, 2, 3.14159);
    printf("%d:h %f %f %f %f\n", i, 1.0f / 0.0f, -1.0 / 0.0, 0.0f, -0.0);
}
extern "C" __global__ void print_result(int *out) {
    out[0] = printf("z:three %d %s %f\n", 1, "two", 3.0);
    out[1] = printf("z:nothing\n");
}

#ifdef SAMPLE_HOST
#include <unistd.h>
static std::string captured(void (*run)()) {
    char path[] = "/tmp/ringway-sample-XXXXXX";
    int file = mkstemp(path), terminal = dup(1);
    std::fflush(stdout);
    dup2(file, 1);
    run();
    OK(cudaDeviceSynchronize());
    std::fflush(stdout);
    dup2(terminal, 1);
    close(terminal);
    std::string text;
    char buffer[4096];
    lseek(file, 0, SEEK_SET);
    for (ssize_t n; (n = read(file, buffer, sizeof buffer)) > 0;) text.append(buffer, n);
    close(file);
    unlink(path);
    return text;
}
static std::vector<std::string> lines(const std::string &text) {
    std::vector<std::string> out;
    for (size_t at = 0, end; (end = text.find('\n', at)) != std::string::npos; at = end + 1) out.push_back(text.substr(at, end - at));
    return out;
}
template <typename... A> static void expect(std::vector<std::string> &all, const char *format, A... values) {
    char buffer[512];
    std::snprintf(buffer, sizeof buffer, format, values...);
    buffer[std::strlen(buffer) - 1] = 0;
    all.push_back(buffer);
}

int main() {
    auto got = lines(captured([] { LAUNCH(print_all, SHAPE(1, 5), 1.5f, 2.25, -123456789012345ll, nullptr); }));
    std::vector<std::string> want;
    for (int i = 0; i < 5; i++) {
        double d = 2.25;
        long long big = -123456789012345ll;
        expect(want, "%d:a plain line\n", i);
        expect(want, "%d:b %d %i %u %x %X %o %c\n", i, -i * 7, i - 3, 40u * i, 255 + i, 48879 + i, 8 + i, 'a' + i);
        expect(want, "%d:c %5d|%-5d|%05d|%+d|% d|%#x|%#o\n", i, i, i, i, i, i, 255, 8);
        expect(want, "%d:d %f %.3f %10.2f|%-12.4e|%g %G %a\n", i, 1.5f + i, d, d * i, d * 1000, 1e-7 * d, 1e20 * d, 0.5);
        expect(want, "%d:e %lld %llu %llx %ld %hd %hhd\n", i, big + i, (unsigned long long)big, (unsigned long long)big, (long)big, (short)70000, (char)300);
        expect(want, "%d:f %s|%10s|%-6s|%.2s %%\n", i, i % 2 ? "odd" : "even", "right", "left", "precision");
        expect(want, "%d:g %*d|%-*d|%.*f\n", i, 6, i, 4, i, 2, 3.14159);
        expect(want, "%d:h %f %f %f %f\n", i, std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity(), 0.0, -0.0);
    }
    std::sort(got.begin(), got.end());
    std::sort(want.begin(), want.end());
    same("lines", got.size(), want.size());
    for (size_t i = 0; i < got.size() && i < want.size(); i++) {
        EXPECT(got[i] == want[i]);
        if (got[i] != want[i]) std::printf("got      %s\nexpected %s\n", got[i].c_str(), want[i].c_str());
    }
    static int *results;
    OK(cudaMalloc(&results, 8));
    got = lines(captured([] { LAUNCH(print_result, SHAPE(1, 1), results); }));
    EXPECT(got.size() == 2 && got[0] == "z:three 1 two 3.000000");
    int counts[2];
    OK(cudaMemcpy(counts, results, 8, cudaMemcpyDeviceToHost));
    same("arguments printed", counts[0], 3);
    same("no arguments", counts[1], 0);
    return finish("printing");
}
#endif
