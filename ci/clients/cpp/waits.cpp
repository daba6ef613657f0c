// Calls that wait for the GPU's server, a known number from each of two places; then ends, or is killed.
//
// usage: waits SYNCHRONISATIONS DOWNLOADS [killed]

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>

// The driver API, from its documentation: results are numbers, handles are pointers.
using Result = int;
static Result (*cuInit)(unsigned);
static Result (*cuDeviceGet)(int *, int);
static Result (*cuDevicePrimaryCtxRetain)(void **, int);
static Result (*cuCtxSetCurrent)(void *);
static Result (*cuStreamCreate)(void **, unsigned);
static Result (*cuStreamSynchronize)(void *);
static Result (*cuMemAlloc)(uint64_t *, size_t);
static Result (*cuMemsetD32Async)(uint64_t, unsigned, size_t, void *);
static Result (*cuMemcpyDtoH)(void *, uint64_t, size_t);

static void check(Result result, const char *what) {
  if (result != 0) {
    std::printf("FAILED %s: %d\n", what, result);
    std::exit(1);
  }
}

template <typename F> static void find(void *library, F &function, const char *name) {
  function = reinterpret_cast<F>(dlsym(library, name));
  if (function == nullptr) {
    std::printf("FAILED no %s\n", name);
    std::exit(1);
  }
}

extern "C" __attribute__((noinline)) void synchronise_often(void *stream, uint64_t memory, int times) {
  for (int n = 1; n <= times; n++) {
    check(cuMemsetD32Async(memory, n, 16, stream), "cuMemsetD32Async");
    check(cuStreamSynchronize(stream), "cuStreamSynchronize");
  }
}

extern "C" __attribute__((noinline)) void download_often(uint64_t memory, int times, int wanted) {
  for (int n = 0; n < times; n++) {
    int words[16];
    std::memset(words, 0, sizeof words);
    check(cuMemcpyDtoH(words, memory, sizeof words), "cuMemcpyDtoH");
    check(words[0] != wanted || words[15] != wanted, "the words that came back");
  }
}

int main(int argc, char **argv) {
  const int synchronisations = argc > 1 ? std::atoi(argv[1]) : 0, downloads = argc > 2 ? std::atoi(argv[2]) : 0;
  void *library = dlopen("libcuda.so.1", RTLD_NOW);
  if (library == nullptr) {
    std::printf("FAILED no libcuda.so.1\n");
    return 1;
  }
  find(library, cuInit, "cuInit");
  find(library, cuDeviceGet, "cuDeviceGet");
  find(library, cuDevicePrimaryCtxRetain, "cuDevicePrimaryCtxRetain");
  find(library, cuCtxSetCurrent, "cuCtxSetCurrent");
  find(library, cuStreamCreate, "cuStreamCreate");
  find(library, cuStreamSynchronize, "cuStreamSynchronize");
  find(library, cuMemAlloc, "cuMemAlloc_v2");
  find(library, cuMemsetD32Async, "cuMemsetD32Async");
  find(library, cuMemcpyDtoH, "cuMemcpyDtoH_v2");
  int device;
  void *context, *stream;
  uint64_t memory;
  check(cuInit(0), "cuInit");
  check(cuDeviceGet(&device, 0), "cuDeviceGet");
  check(cuDevicePrimaryCtxRetain(&context, device), "cuDevicePrimaryCtxRetain");
  check(cuCtxSetCurrent(context), "cuCtxSetCurrent");
  check(cuStreamCreate(&stream, 1), "cuStreamCreate");
  check(cuMemAlloc(&memory, 4096), "cuMemAlloc");
  synchronise_often(stream, memory, synchronisations);
  download_often(memory, downloads, synchronisations);
  std::puts("done");
  std::fflush(stdout);
  if (argc > 3)
    raise(SIGKILL);
  return 0;
}
