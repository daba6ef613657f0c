"""Device memory is allocated, freed and allocated again: whoever gives it out, nobody gets what another has or work may still use.

usage: suballocation.py [far | loop STEPS]

`far`: the rest of what is checked is of allocations that need no round trip, and would be an error where nothing is between. `loop`: steps
that allocate, compute and free, to count the calls that wait.
"""

import random
import sys
import threading
import time
from ctypes import Structure, byref, c_size_t, c_uint, c_uint64, c_void_p
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from checks import Checks  # noqa: E402
from driver import AFFINE, HOST_FUNCTION, INVALID_VALUE, OUT_OF_MEMORY, Device, call, launch, result_of  # noqa: E402

MIB = 1 << 20
SIZES = [1, 4, 100, 511, 512, 513, 4000, 4096, 10000, 65536, 100001, 262144, 300000, 1 << 20, 3 << 20]
STALL_S = 0.15
# CUpointer_attribute
CONTEXT, MEMORY_TYPE, DEVICE_POINTER, BUFFER_ID, START, SIZE = 1, 2, 3, 7, 11, 12


class Array(Structure):
    """CUDA_ARRAY_DESCRIPTOR."""

    _fields_ = [("width", c_size_t), ("height", c_size_t), ("format", c_uint), ("channels", c_uint)]


def attribute(which, address):
    value = c_uint64()
    code = result_of("cuPointerGetAttribute", byref(value), which, address)
    return value.value if code == 0 else -code


def address_range(address):
    base, size = c_uint64(), c_size_t()
    code = result_of("cuMemGetAddressRange_v2", byref(base), byref(size), address)
    return (base.value, size.value) if code == 0 else code


def blocks(c, device):
    """Sizes of all kinds, each what it is and where it is."""
    before = device.memory_info()[0]
    picks = random.Random(1)
    live, overlaps, attributes, aligned, numbers = {}, 0, 0, 0, set()
    for step in range(300):
        if live and picks.random() < 0.4:
            base = picks.choice(sorted(live))
            device.free(base)
            del live[base]
        size = picks.choice(SIZES)
        base = device.alloc(size)
        aligned += base % 256 == 0
        overlaps += any(base < other + length and other < base + size for other, length in live.items())
        live[base] = size
        number = attribute(BUFFER_ID, base)
        middle = base + size // 2
        found = [attribute(which, middle) for which in (START, SIZE, MEMORY_TYPE, DEVICE_POINTER, CONTEXT, BUFFER_ID)]
        attributes += found == [base, size, 2, middle, device.context.value, number] and address_range(middle) == (base, size) and number not in numbers
        numbers.add(number)
    c.equal("allocations at multiples of 256", aligned, 300)
    c.equal("allocations that overlap", overlaps, 0)
    c.equal("ranges and attributes", attributes, 300)
    # All are filled before any is looked at.
    for at, (base, size) in enumerate(sorted(live.items())):
        call("cuMemsetD8_v2", base, at % 251, size)
    wrong = sum(np.any(device.download(base, size, np.uint8) != at % 251) for at, (base, size) in enumerate(sorted(live.items())))
    c.equal("contents", wrong, 0)
    used = before - device.memory_info()[0]
    asked = sum(live.values())
    c.true("free memory says what is used", asked <= used <= asked + len(live) * 512 + 4 * MIB, f"{used} of {asked}")
    first = min(live)
    small = device.alloc(1024)
    c.equal("the middle of an allocation is not freed", result_of("cuMemFree_v2", small + 512), INVALID_VALUE)
    device.free(small)
    c.equal("nor is it freed twice", result_of("cuMemFree_v2", small), INVALID_VALUE)
    c.true("what is freed is unknown", attribute(START, small) != small and address_range(small) != (small, 1024))
    for base in live:
        device.free(base)
    c.equal("a freed allocation in the middle of others", result_of("cuMemFree_v2", first), INVALID_VALUE)
    c.equal("all memory is free again", device.memory_info()[0], before)
    # A range that is given again is long enough for what takes as much.
    device.free(device.alloc(1000001))
    longer = device.upload(np.full(1000400, 7, np.uint8))
    c.true("all of an allocation can be used", np.all(device.download(longer, 1000400, np.uint8) == 7))
    device.free(longer)
    base, pitch = c_uint64(), c_size_t()
    call("cuMemAllocPitch_v2", byref(base), byref(pitch), 100, 10, 4)
    c.true("rows", pitch.value >= 100 and address_range(base.value) == (base.value, pitch.value * 10))
    device.free(base.value)


def in_use(c, device):
    """Memory is freed while streams have work that writes to it."""
    affine = device.function(device.module(AFFINE), "affine")
    stall = HOST_FUNCTION(lambda _: time.sleep(STALL_S))
    blocking = c_void_p()
    call("cuStreamCreate", byref(blocking), 0)
    words = 256

    def go(how, stream, before_free=lambda: None):
        data = device.upload(np.zeros(words, np.uint32))
        other = device.upload(np.ones(1, np.uint32))
        done = device.event()
        call("cuLaunchHostFunc", stream, stall, None)
        launch(affine, 1, words, [c_uint64(data), c_uint(1), c_uint(5)], stream)
        call("cuEventRecord", done, stream)
        before_free()
        device.free(data)
        c.equal(f"{how}: freeing waits", result_of("cuEventQuery", done), 0)
        again = device.upload(np.full(words, 9, np.uint32))
        c.equal(f"{how}: the next has it alone", device.download(again, words, np.uint32), np.full(words, 9, np.uint32))
        device.free(again)
        device.free(other)
        call("cuEventDestroy_v2", done)
        return other

    word = device.upload(np.ones(1, np.uint32))
    stream = device.stream()
    go("a non-blocking stream", stream)
    # The legacy stream's copy is done long before.
    go("a non-blocking stream, behind a copy", stream, lambda: device.download(word, 1, np.uint32))
    go("a blocking stream", blocking)
    go("a blocking stream, behind a copy that waits for it", blocking, lambda: device.download(word, 1, np.uint32))
    go("the legacy stream", None)
    gone = device.stream()
    go("a stream that is destroyed", gone, lambda: call("cuStreamDestroy_v2", gone))
    gone = device.stream()

    def destroy_and_wait():
        call("cuStreamDestroy_v2", gone)
        call("cuCtxSynchronize")

    go("a stream that is destroyed, and a wait", gone, destroy_and_wait)
    # A captured launch is work when the graph is launched.
    graph, runs = c_void_p(), c_void_p()
    data = device.upload(np.zeros(words, np.uint32))
    call("cuStreamBeginCapture_v2", stream, 2)
    call("cuLaunchHostFunc", stream, stall, None)
    launch(affine, 1, words, [c_uint64(data), c_uint(1), c_uint(5)], stream)
    other = device.upload(np.ones(1, np.uint32))
    device.free(other)
    device.free(device.alloc(1 << 20))
    c.equal("allocations beside a capture do not end it", result_of("cuStreamEndCapture", stream, byref(graph)), 0)
    call("cuGraphInstantiateWithFlags", byref(runs), graph, 0)
    call("cuCtxSynchronize")
    call("cuGraphLaunch", runs, stream)
    done = device.event()
    call("cuEventRecord", done, stream)
    device.free(data)
    c.equal("a graph: freeing waits", result_of("cuEventQuery", done), 0)
    for name, what in (("cuGraphExecDestroy", runs), ("cuGraphDestroy", graph), ("cuStreamDestroy_v2", stream), ("cuStreamDestroy_v2", blocking)):
        call(name, what)
    device.free(word)


def threads(c, device):
    """Eight threads with a stream each allocate and free, compute in what they have, and look at it."""
    affine = device.function(device.module(AFFINE), "affine")
    wrong, failed = [], []

    def work(seed):
        try:
            device.use()
            picks = random.Random(seed)
            stream, live = device.stream(), []
            for step in range(40):
                size = picks.choice([1, 16, 64, 256, 1000, 5000, 60000])
                data = device.alloc(4 * size)
                call("cuMemsetD32Async", data, seed * 1000 + step, size, stream)
                launch(affine, (size + 255) // 256, 256 if size >= 256 else size, [c_uint64(data), c_uint(1), c_uint(0)], stream) if size % 256 == 0 else None
                live.append((data, size, seed * 1000 + step))
                if len(live) > 6:
                    data, size, value = live.pop(picks.randrange(len(live)))
                    got = np.empty(size, np.uint32)
                    call("cuMemcpyDtoHAsync_v2", got.ctypes.data, data, 4 * size, stream)
                    call("cuStreamSynchronize", stream)
                    if np.any(got != value):
                        wrong.append((seed, step))
                    if picks.random() < 0.5:
                        call("cuMemsetD32Async", data, 0xDEADBEEF, size, stream)
                    device.free(data)
            call("cuStreamSynchronize", stream)
            for data, size, value in live:
                if np.any(device.download(data, size, np.uint32) != value):
                    wrong.append((seed, data))
                device.free(data)
            call("cuStreamDestroy_v2", stream)
        except Exception as error:
            failed.append(repr(error))

    before = device.memory_info()[0]
    all_threads = [threading.Thread(target=work, args=(seed,)) for seed in range(1, 9)]
    for thread in all_threads:
        thread.start()
    for thread in all_threads:
        thread.join()
    c.true("eight threads", not wrong and not failed, f"{wrong[:5]} {failed[:2]}")
    c.equal("nothing is left of their memory", device.memory_info()[0], before)


def streams_end(c, device):
    """A thread waits for the context, by cuCtxSynchronize or by freeing, while another one destroys streams of it, with work and without."""
    stall = HOST_FUNCTION(lambda _: time.sleep(STALL_S))
    data, results = device.alloc(4096), []

    def wait(block):
        device.use()
        results.append(result_of("cuMemFree_v2", block) if block else result_of("cuCtxSynchronize"))

    for block in (None, device.alloc(1000), device.alloc(1 << 20)):
        streams = [device.stream() for _ in range(40)]
        busy, event = device.stream(), device.event()
        call("cuLaunchHostFunc", busy, stall, None)
        call("cuMemsetD32Async", data, 1, 1024, busy)
        call("cuEventRecord", event, busy)
        waiting = threading.Thread(target=wait, args=(block,))
        waiting.start()
        for at, stream in enumerate(streams):
            if at == 30:
                # its work is not done when it is destroyed
                call("cuStreamWaitEvent", stream, event, 0)
                call("cuMemsetD32Async", data, 2, 1024, stream)
            call("cuStreamDestroy_v2", stream)
            until = time.monotonic() + 0.001
            while time.monotonic() < until:
                call("cuEventRecord", event, busy)
        waiting.join()
        call("cuStreamSynchronize", busy)
        call("cuStreamDestroy_v2", busy)
        call("cuEventDestroy_v2", event)
    c.equal("waits while streams end", results, [0, 0, 0])
    call("cuCtxSynchronize")
    device.free(data)


def module_text(mib):
    return f""".version 7.0
.target sm_70
.address_size 64
.global .align 256 .b8 variable[{mib * MIB}];
.visible .entry nothing() {{ ret; }}
"""


def full(c, device):
    """The last byte can be had, whatever was allocated and freed before, by whatever needs memory."""
    free = device.memory_info()[0]
    address = c_uint64()

    def litter():
        """Small blocks and large ones, all of them freed."""
        for base in [device.alloc(size) for size in (1000, 200000, 1 << 20, 3 << 20) for _ in range(20)]:
            device.free(base)

    litter()
    c.equal("memory that is kept counts as free", device.memory_info()[0], free)
    call("cuMemAlloc_v2", byref(address), free)
    c.equal("all of it can be had", device.memory_info()[0], 0)
    c.equal("and not a byte more", result_of("cuMemAlloc_v2", byref(c_uint64()), 1), OUT_OF_MEMORY)
    device.free(address.value)
    # Small blocks alone fill it, but for less than a slab.
    size, taken = 64 << 10, []
    while result_of("cuMemAlloc_v2", byref(address), size) == 0:
        taken.append(address.value)
    c.equal("blocks of 64 KiB", len(taken), free // size)
    for base in taken:
        device.free(base)
    c.equal("all is free again", device.memory_info()[0], free)
    stream = device.stream()
    most = (free // MIB - 4) // 2 * 2
    litter()
    call("cuMemAllocAsync", byref(address), most * MIB, stream)
    call("cuMemFreeAsync", address, stream)
    call("cuStreamSynchronize", stream)
    litter()
    array = c_void_p()
    call("cuArrayCreate_v2", byref(array), byref(Array(1024, most * 256, 0x20, 1)))
    call("cuArrayDestroy", array)
    litter()
    module = device.module(module_text(most))
    call("cuModuleUnload", module)
    call("cuStreamDestroy_v2", stream)
    # Through Ringway a module is unloaded when its turn comes.
    until = time.monotonic() + 30
    while device.memory_info()[0] < free and time.monotonic() < until:
        time.sleep(0.02)
    c.equal("nothing is left of them", device.memory_info()[0], free)


def contexts(c, device):
    """Memory ends with its context."""
    before = device.memory_info()[0]
    for _ in range(3):
        context = c_void_p()
        call("cuCtxCreate_v2", byref(context), 0, device.ordinal)
        held = [device.alloc(size) for size in SIZES * 2]
        freed = [device.alloc(size) for size in SIZES]
        for base in freed:
            device.free(base)
        c.equal("its context", attribute(CONTEXT, held[0]), context.value)
        call("cuCtxDestroy_v2", context)
        device.use()
        c.true("memory of a context that is gone", address_range(held[0]) != (held[0], SIZES[0]))
        c.equal("is free", device.memory_info()[0], before)
    for base in [device.alloc(size) for size in SIZES]:
        device.free(base)
    device.alloc(1000)
    call("cuDevicePrimaryCtxReset_v2", device.ordinal)
    again = c_void_p()
    call("cuDevicePrimaryCtxRetain", byref(again), device.ordinal)
    device.use()
    c.equal("nor is anything left after a reset", device.memory_info()[0], before)
    word = device.upload(np.array([3], np.uint32))
    c.equal("and memory can be had", device.download(word, 1, np.uint32), np.array([3], np.uint32))
    device.free(word)


def far(c, device):
    """Blocks out of slabs: freed in stream order, and while another context has work that may use them."""
    affine = device.function(device.module(AFFINE), "affine")
    stall = HOST_FUNCTION(lambda _: time.sleep(STALL_S))
    stream, words = device.stream(), 256
    call("cuCtxSynchronize")
    data = device.upload(np.zeros(words, np.uint32))
    call("cuLaunchHostFunc", stream, stall, None)
    launch(affine, 1, words, [c_uint64(data), c_uint(1), c_uint(5)], stream)
    call("cuMemFreeAsync", data, stream)
    news = [device.upload(np.full(words, 9, np.uint32)) for _ in range(20)]
    c.equal("freed in a stream's order", result_of("cuMemFree_v2", data) if data not in news else 0, INVALID_VALUE)
    c.true("and not given to others meanwhile", data not in news)
    call("cuStreamSynchronize", stream)
    wrong = sum(np.any(device.download(one, words, np.uint32) != 9) for one in news)
    c.equal("nobody writes to what others have", wrong, 0)
    for one in news:
        device.free(one)
    # Another context's work writes to it: cuMemFree waits for its own context's work alone.
    data = device.upload(np.zeros(words, np.uint32))
    second = c_void_p()
    call("cuCtxCreate_v2", byref(second), 0, device.ordinal)
    other = device.function(device.module(AFFINE), "affine")
    theirs = device.stream()
    call("cuLaunchHostFunc", theirs, stall, None)
    launch(other, 1, words, [c_uint64(data), c_uint(1), c_uint(5)], theirs)
    device.use()
    device.free(data)
    news = [device.upload(np.full(words, 9, np.uint32)) for _ in range(20)]
    call("cuCtxSetCurrent", second)
    call("cuStreamSynchronize", theirs)
    device.use()
    wrong = sum(np.any(device.download(one, words, np.uint32) != 9) for one in news)
    c.equal("another context's work", wrong, 0)
    for one in news:
        device.free(one)
    call("cuCtxDestroy_v2", second)
    device.use()
    call("cuStreamDestroy_v2", stream)


def loop(c, device, steps):
    """What a script does in a loop: arrays made, computed with, read and freed, small ones and one of a MiB."""
    affine = device.function(device.module(AFFINE), "affine")
    wrong = 0
    for step in range(steps):
        made = [device.alloc(size) for size in (1024, 5000, 100000, 1 << 20)]
        launch(affine, 1, 256, [c_uint64(made[0]), c_uint(0), c_uint(step)])
        wrong += int(device.download(made[0], 1, np.uint32)[0]) != step
        for base in made:
            device.free(base)
    c.equal("results", wrong, 0)


def main():
    c = Checks("suballocation")
    device = Device()
    if sys.argv[1:2] == ["loop"]:
        loop(c, device, int(sys.argv[2]))
    else:
        full(c, device)
        contexts(c, device)
        blocks(c, device)
        in_use(c, device)
        threads(c, device)
        streams_end(c, device)
        if sys.argv[1:] == ["far"]:
            far(c, device)
    c.finish()


if __name__ == "__main__":
    main()
