// Locks taken by all lanes of a warp, ticket locks between blocks, a hash table, a stack and a queue without locks.
#include "sample.h"

__device__ int the_lock, the_total;
extern "C" __global__ void lane_lock(int rounds) {
    for (int k = 0; k < rounds; k++) {
        bool done = false;
        while (!done)
            if (atomicCAS(&the_lock, 0, 1) == 0) {
                __threadfence();
                the_total = the_total + 1;
                __threadfence();
                atomicExch(&the_lock, 0);
                done = true;
            }
    }
}
// The form that deadlocks on machines without independent thread scheduling: a spin, then the section.
extern "C" __global__ void spin_lock(int *lock, volatile int *total) {
    while (atomicCAS(lock, 0, 1) != 0) {}
    __threadfence();
    *total = *total + 1;
    __threadfence();
    atomicExch(lock, 0);
}
extern "C" __global__ void ticket_lock(unsigned *tickets, volatile unsigned *serving, volatile unsigned *data) {
    unsigned ticket = atomicAdd(tickets, 1);
    while (*serving != ticket) __nanosleep(20);
    __threadfence();
    data[0] = data[0] * 3 + 1;
    __threadfence();
    *serving = ticket + 1;
}

// Open addressing, keys inserted by compare-and-swap, values added.
extern "C" __global__ void table_insert(const unsigned *keys, const unsigned *values, unsigned *slots, unsigned *sums, int capacity, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    unsigned key = keys[i], place = (key * 2654435761u) % capacity;
    for (;;) {
        unsigned seen = atomicCAS(&slots[place], 0xffffffffu, key);
        if (seen == 0xffffffffu || seen == key) break;
        place = (place + 1) % capacity;
    }
    atomicAdd(&sums[place], values[i]);
}
extern "C" __global__ void table_find(const unsigned *keys, const unsigned *slots, const unsigned *sums, unsigned *out, int capacity, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    unsigned place = (keys[i] * 2654435761u) % capacity;
    while (slots[place] != keys[i] && slots[place] != 0xffffffffu) place = (place + 1) % capacity;
    out[i] = slots[place] == keys[i] ? sums[place] : 0;
}

// Treiber's stack with a counter against reuse: push all, pop all.
extern "C" __global__ void stack(unsigned long long *head, unsigned *next, unsigned *popped, int n) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x + 1;
    if (i > n) return;
    unsigned long long old = *(volatile unsigned long long *)head, seen;
    for (;;) {
        *(volatile unsigned *)&next[i] = (unsigned)old;
        __threadfence();
        seen = atomicCAS(head, old, ((old >> 32) + 1) << 32 | i);
        if (seen == old) break;
        old = seen;
    }
    old = *(volatile unsigned long long *)head;
    for (;;) {
        if ((unsigned)old == 0) { old = *(volatile unsigned long long *)head; continue; }
        unsigned after = *(volatile unsigned *)&next[(unsigned)old];
        seen = atomicCAS(head, old, ((old >> 32) + 1) << 32 | after);
        if (seen == old) break;
        old = seen;
    }
    atomicAdd(&popped[(unsigned)old], 1);
}

// A bounded queue between blocks: even blocks put, odd blocks take.
struct Cell { unsigned sequence, value; };
extern "C" __global__ void queue(Cell *cells, unsigned *head, unsigned *tail, unsigned long long *sum, int capacity, int per_thread) {
    unsigned id = blockIdx.x / 2 * blockDim.x + threadIdx.x;
    for (int k = 0; k < per_thread; k++) {
        if (blockIdx.x % 2 == 0) {
            unsigned ticket = atomicAdd(tail, 1);
            volatile Cell *cell = &cells[ticket % capacity];
            while (cell->sequence != ticket / capacity * 2) {}
            cell->value = id * per_thread + k;
            __threadfence();
            cell->sequence = ticket / capacity * 2 + 1;
        } else {
            unsigned ticket = atomicAdd(head, 1);
            volatile Cell *cell = &cells[ticket % capacity];
            while (cell->sequence != ticket / capacity * 2 + 1) {}
            __threadfence();
            atomicAdd(sum, (unsigned long long)cell->value);
            __threadfence();
            cell->sequence = ticket / capacity * 2 + 2;
        }
    }
}

#ifdef SAMPLE_HOST
int main() {
    LAUNCH(lane_lock, SHAPE(3, 64), 3);
    int total = 0;
    OK(cudaMemcpy(&total, SYMBOL(the_total), 4, cudaMemcpyDeviceToHost));
    same("a lock taken by all lanes", total, 3 * 64 * 3);
    Device<int> lock(2);
    LAUNCH(spin_lock, SHAPE(4, 64), lock, lock + 1);
    same("spinning lanes", lock.get(), std::vector<int>{0, 256});
    Device<unsigned> tickets(3);
    LAUNCH(ticket_lock, SHAPE(2, 64), tickets, tickets + 1, tickets + 2);
    unsigned want = 0;
    for (int i = 0; i < 128; i++) want = want * 3 + 1;
    same("tickets", tickets.get(), std::vector<unsigned>{128, 128, want});

    const int n = 3000, capacity = 2048;
    Random random(1);
    std::vector<unsigned> keys(n), values(n), sums(n);
    for (int i = 0; i < n; i++) keys[i] = random.below(1500) * 77, values[i] = random.below(1000);
    std::vector<unsigned> by_key(1500);
    for (int i = 0; i < n; i++) by_key[keys[i] / 77] += values[i];
    for (int i = 0; i < n; i++) sums[i] = by_key[keys[i] / 77];
    Device<unsigned> dk(keys), dv(values), slots(std::vector<unsigned>(capacity, ~0u)), stored(capacity), found(n);
    LAUNCH(table_insert, SHAPE((n + 127) / 128, 128), dk, dv, slots, stored, capacity, n);
    LAUNCH(table_find, SHAPE((n + 127) / 128, 128), dk, slots, stored, found, capacity, n);
    same("hash table", found.get(), sums);

    Device<unsigned long long> head(1), sum(1);
    Device<unsigned> next(501), popped(501);
    LAUNCH(stack, SHAPE(5, 100), head, next, popped, 500);
    std::vector<unsigned> once(501, 1);
    once[0] = 0;
    same("stack", popped.get(), once);

    Device<unsigned> cells(2 * 16), ends(2);
    LAUNCH(queue, SHAPE(4, 32), (Cell *)(unsigned *)cells, ends, ends + 1, sum, 16, 4);
    unsigned long long all = 0;
    for (int i = 0; i < 256; i++) all += i;
    same("queue", sum.first(), all);
    return finish("locks");
}
#endif
