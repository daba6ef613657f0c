// What the two parts of the program separate.cu know of each other.
#pragma once

typedef int (*function_pointer)(int);

extern __device__ int launches;
extern __constant__ int factor;
extern __device__ int offsets[4];
extern __device__ int scaled(int);
extern __device__ function_pointer address_of_double();
extern __device__ function_pointer address_of_negate();

// Compiled in both parts, kept once.
template <typename T>
__device__ __noinline__ T square(T x) {
    return x * x;
}

void count_in_the_other_part();
int own_of_the_other_part();
