"""Copies of pinned memory, long enough to go past the ring where the link can: all bytes, in stream order, and none elsewhere.

usage: transfers.py [--largest MIB] [--rounds N]

Run with `ringway run --stats` to see how they went.
"""

import argparse
import ctypes
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from checks import Checks  # noqa: E402
from driver import FILL, Device, call, device_count, launch, result_of  # noqa: E402

KIB, MIB = 1 << 10, 1 << 20
GUARD = 4096
INVALID_VALUE = 1


def noise(size, seed):
    return np.random.RandomState(seed).randint(0, 256, size, dtype=np.uint8)


class Pinned:
    """Memory of the program that it registers with CUDA."""

    def __init__(self, size, offset=0):
        self.whole = np.zeros(size + offset, np.uint8)
        self.bytes = self.whole[offset:]
        call("cuMemHostRegister_v2", self.bytes.ctypes.data, size, 0)

    def unregister(self):
        call("cuMemHostUnregister", self.bytes.ctypes.data)


def sizes(c, device, largest):
    """Each size at odd offsets, both ways, synchronous and not, in memory of both kinds; the neighbours stay as they are."""
    room = largest + 2 * GUARD
    target = device.alloc(room)
    kinds = {"allocated": device.pinned(room), "registered": Pinned(room, 24).bytes}
    stream = device.stream()
    source = noise(largest, 1)
    some = [64 * KIB - 1, 64 * KIB, 256 * KIB - 1, 256 * KIB, 256 * KIB + 1, 300_007, MIB - 1, MIB + 3, 32 * MIB - 5, 32 * MIB + 1, largest - 1, largest]
    for number, size in enumerate(size for size in some if size <= largest):
        for kind, host in kinds.items():
            at, from_host = GUARD - 3 + number, 1 + number
            data = source[:size] ^ np.uint8(number)
            call("cuMemsetD8_v2", target, 0xA5, room)
            device.synchronize()  # the stream does not wait for the default one
            host[:] = 0x11
            host[from_host:from_host + size] = data
            if number % 2:
                call("cuMemcpyHtoD_v2", target + at, host.ctypes.data + from_host, size)
            else:
                call("cuMemcpyHtoDAsync_v2", target + at, host.ctypes.data + from_host, size, stream)
                call("cuStreamSynchronize", stream)
            pageable = np.empty(size + 2, np.uint8)
            call("cuMemcpyDtoH_v2", pageable.ctypes.data, target + at - 1, size + 2)
            good = pageable[0] == 0xA5 and pageable[-1] == 0xA5 and np.array_equal(pageable[1:-1], data)
            c.true(f"to the device, {size} bytes, {kind}", good)
            host[:] = 0x22
            if number % 2:
                call("cuMemcpyDtoH_v2", host.ctypes.data + from_host + 5, target + at, size)
            else:
                call("cuMemcpyDtoHAsync_v2", host.ctypes.data + from_host + 5, target + at, size, stream)
                call("cuStreamSynchronize", stream)
            begin = from_host + 5
            good = np.array_equal(host[begin:begin + size], data) and (host[:begin] == 0x22).all() and (host[begin + size:] == 0x22).all()
            c.true(f"to the host, {size} bytes, {kind}", good)
    device.free_pinned(kinds["allocated"])
    call("cuMemHostUnregister", kinds["registered"].ctypes.data)
    device.free(target)


def ordered(c, device, rounds):
    """Copies, kernels and memsets in one stream, and in two that events order."""
    words = 64 * KIB
    size = 4 * words
    module = device.module(FILL)
    fill = device.function(module, "fill")
    first, second = device.alloc(size), device.alloc(size)
    up, down, half = device.pinned(size), device.pinned(size), device.pinned(size)
    one, other = device.stream(), device.stream()
    ready, taken = device.event(), device.event()
    index = np.arange(words, dtype=np.uint64)
    good = True
    for round_ in range(rounds):
        up[:] = noise(size, round_)
        kernels = ((index * 2654435761).astype(np.uint32)) ^ np.uint32(round_)
        arguments = [ctypes.c_uint64(first), ctypes.c_uint64(words // 2), ctypes.c_uint32(round_)]
        # the kernel overwrites the first half of what the copy brings, a memset one word of the second
        call("cuMemcpyHtoDAsync_v2", first, up.ctypes.data, size, one)
        launch(fill, words // 2 // 256, 256, arguments, one)
        call("cuMemsetD32Async", first + size - 4, round_, 1, one)
        call("cuEventRecord", ready, one)
        call("cuStreamWaitEvent", other, ready, 0)
        call("cuMemcpyDtoDAsync_v2", second, first, size, other)
        call("cuMemcpyDtoHAsync_v2", down.ctypes.data, second, size, other)
        call("cuEventRecord", taken, other)
        call("cuStreamWaitEvent", one, taken, 0)
        # what comes afterwards may not be seen in what was copied before
        call("cuMemsetD32Async", second, 0, words, one)
        call("cuMemcpyDtoHAsync_v2", half.ctypes.data, second, size, one)
        call("cuEventSynchronize", taken)
        wanted = up.view(np.uint32).copy()
        wanted[:words // 2] = kernels[:words // 2]
        wanted[-1] = round_
        good &= c.true(f"in order, round {round_}", np.array_equal(down.view(np.uint32), wanted))
        call("cuStreamSynchronize", one)
        good &= c.true(f"and after, round {round_}", not half.any())
        if not good:
            break
    for array in (up, down, half):
        device.free_pinned(array)
    device.free(first)
    device.free(second)


def many(c, device, count):
    """More copies at once than are made at a time, in several streams; nothing is waited for between."""
    size = 256 * KIB + 8
    streams = [device.stream() for _ in range(4)]
    up, down = device.pinned(size * 64), device.pinned(size * 64)
    target = device.alloc(size * 64)
    up[:] = noise(size * 64, 5)
    for number in range(count):
        at = number % 64 * size
        stream = streams[number % 4]
        call("cuMemcpyHtoDAsync_v2", target + at, up.ctypes.data + at, size, stream)
        call("cuMemcpyDtoHAsync_v2", down.ctypes.data + at, target + at, size, stream)
    device.synchronize()
    c.true(f"{count} copies each way at once", np.array_equal(up, down))
    device.free_pinned(up)
    device.free_pinned(down)
    device.free(target)


def freed(c, device, rounds):
    """Memory of either side is freed or unregistered right behind the copy, and used for something else."""
    size = MIB + 17
    stream = device.stream()
    for round_ in range(rounds):
        target = device.alloc(size)
        host, again = device.pinned(size), Pinned(size, 8)
        data = noise(size, 100 + round_)
        host[:] = data
        call("cuMemcpyHtoDAsync_v2", target, host.ctypes.data, size, stream)
        device.free_pinned(host)
        call("cuMemcpyDtoHAsync_v2", again.bytes.ctypes.data, target, size, stream)
        again.unregister()
        c.true(f"unregistered behind a copy, round {round_}", np.array_equal(again.bytes, data))
        again.bytes[:] = 0
        back = device.download(target, size, np.uint8)
        c.true(f"freed behind a copy, round {round_}", np.array_equal(back, data))
        c.true(f"left alone afterwards, round {round_}", not again.bytes.any())
        kept = Pinned(size)
        kept.bytes[:] = data
        call("cuMemcpyHtoDAsync_v2", target, kept.bytes.ctypes.data, size, stream)
        device.free(target)
        call("cuStreamSynchronize", stream)
        kept.unregister()


def destroyed(c, device, rounds):
    """A context is destroyed with copies under way; what they had been given is the program's again, and the other context works on."""
    size = 8 * MIB
    kept = device.upload(noise(size, 300))
    for round_ in range(rounds):
        context, stream = ctypes.c_void_p(), ctypes.c_void_p()
        call("cuCtxCreate_v2", ctypes.byref(context), 0, device.ordinal)
        call("cuStreamCreate", ctypes.byref(stream), 1)
        target = device.alloc(size)
        up, down = Pinned(size), Pinned(size)
        up.bytes[:] = noise(size, 301 + round_)
        call("cuMemcpyHtoDAsync_v2", target, up.bytes.ctypes.data, size, stream)
        call("cuMemcpyDtoHAsync_v2", down.bytes.ctypes.data, target, size, stream)
        call("cuCtxDestroy_v2", context)
        device.use()
        registered = result_of("cuMemHostRegister_v2", down.bytes.ctypes.data, size, 0)
        c.true(f"pinned memory goes with its context, round {round_}", registered == 0, f"registered again: {registered}")
        call("cuMemHostUnregister", down.bytes.ctypes.data)
        # all of it or a part: CUDA waits for the work of a context that it destroys, or drops it
        after = down.bytes.copy()
        unseen = device.download(kept, size, np.uint8)
        c.true(f"destroyed under copies, the other context's memory, round {round_}", np.array_equal(unseen, noise(size, 300)))
        c.true(f"destroyed under copies, nothing comes later, round {round_}", np.array_equal(down.bytes, after))
        c.true(f"destroyed under copies, only what was copied came, round {round_}", not (down.bytes[down.bytes != up.bytes] != 0).any())
    device.free(kept)


def several(c, first, rounds):
    """Copies of all devices at once, each in its own pinned memory and in memory that they share."""
    devices = [first] + [Device(ordinal) for ordinal in range(1, device_count())]
    size = 2 * MIB + 40
    shared = first.pinned(size)
    shared[:] = noise(size, 400)
    jobs = []
    for device in devices:
        device.use()
        jobs.append((device, device.stream(), device.alloc(2 * size), device.pinned(size), device.pinned(2 * size)))
    for round_ in range(rounds):
        for number, (device, stream, target, up, down) in enumerate(jobs):
            device.use()
            up[:] = noise(size, 401 + 10 * round_ + number)
            call("cuMemcpyHtoDAsync_v2", target, up.ctypes.data, size, stream)
            call("cuMemcpyHtoDAsync_v2", target + size, shared.ctypes.data, size, stream)
            call("cuMemcpyDtoHAsync_v2", down.ctypes.data, target, 2 * size, stream)
        for number, (device, stream, _, up, down) in enumerate(jobs):
            device.use()
            call("cuStreamSynchronize", stream)
            c.true(f"device {number} of {len(devices)}, round {round_}", np.array_equal(down[:size], up) and np.array_equal(down[size:], shared))
    for device, _, target, up, down in jobs:
        device.use()
        device.free(target)
        device.free_pinned(up)
        device.free_pinned(down)
    first.use()
    first.free_pinned(shared)


def refused(c, device):
    """What CUDA rejects is rejected, and nothing is copied."""
    host, target = device.pinned(256 * KIB), device.alloc(128 * KIB)
    for name, arguments in (
        ("cuMemcpyHtoDAsync_v2", (target + 1, host.ctypes.data, 128 * KIB, None)),
        ("cuMemcpyDtoHAsync_v2", (host.ctypes.data, target, 128 * KIB + 1, None)),
        ("cuMemcpyDtoH_v2", (host.ctypes.data, target + 64 * KIB, 64 * KIB + 1)),
    ):
        got = result_of(name, *arguments)
        c.true(f"{name} beyond an allocation", got == INVALID_VALUE, f"gave {got}")
    device.free_pinned(host)
    device.free(target)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--largest", type=int, default=70, help="largest copy, MiB")
    parser.add_argument("--rounds", type=int, default=8)
    options = parser.parse_args()
    c = Checks("transfers")
    device = Device()
    refused(c, device)
    ordered(c, device, options.rounds)
    many(c, device, options.rounds * 100)
    freed(c, device, options.rounds)
    destroyed(c, device, options.rounds)
    several(c, device, options.rounds)
    sizes(c, device, options.largest * MIB)
    c.finish()


if __name__ == "__main__":
    main()
