"""Devices on several servers: what tells them apart, copies and order between them, and what is left when one server is lost.

    servers.py devices NAME...        what each device is called, and that no kernel may reach another server's memory
    servers.py copies                 copies of many sizes between devices, in every way
    servers.py order STEPS [THREADS]  a chain of steps that hops between the devices; or so many chains at a time
    servers.py lost                   computes until one server is gone, and goes on with the others
"""

import concurrent.futures
import ctypes
import random
import sys
import time
from ctypes import byref, c_char_p, c_int, c_size_t, c_uint, c_uint64, c_void_p
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
import driver  # noqa: E402
from checks import Checks  # noqa: E402
from driver import AFFINE, CudaError, Device, call, device_count, launch, result_of  # noqa: E402

MASK = 0xFFFFFFFF
INVALID_HANDLE, PEER_ACCESS_UNSUPPORTED, SYSTEM_NOT_READY = 400, 217, 802

driver._SIGNATURES |= {
    "cuDeviceCanAccessPeer": [c_void_p, c_int, c_int],
    "cuDeviceGetPCIBusId": [c_char_p, c_int, c_int],
    "cuDeviceGetUuid": [c_char_p, c_int],
    "cuDeviceGetAttribute": [c_void_p, c_int, c_int],
    "cuCtxEnablePeerAccess": [c_void_p, c_uint],
    "cuMemcpyPeerAsync": [c_uint64, c_void_p, c_uint64, c_void_p, c_size_t, c_void_p],
    "cuMemcpy": [c_uint64, c_uint64, c_size_t],
    "cuPointerGetAttribute": [c_void_p, c_int, c_uint64],
    "cuMemcpy2DAsync_v2": [c_void_p, c_void_p],
    "cuMemPoolCreate": [c_void_p, c_void_p],
    "cuMemPoolDestroy": [c_void_p],
    "cuMemPoolSetAccess": [c_void_p, c_void_p, c_size_t],
    "cuMemAllocFromPoolAsync": [c_void_p, c_size_t, c_void_p, c_void_p],
    "cuMemFreeAsync": [c_uint64, c_void_p],
    "cuMemGetAllocationGranularity": [c_void_p, c_void_p, c_uint],
    "cuMemCreate": [c_void_p, c_size_t, c_void_p, c_uint64],
    "cuMemGetAllocationPropertiesFromHandle": [c_void_p, c_uint64],
    "cuMemRelease": [c_uint64],
}


def text(name, device):
    value = ctypes.create_string_buffer(256)
    call(name, value, 256, device)
    return value.value.decode()


def number(name, *arguments):
    value = c_int()
    call(name, byref(value), *arguments)
    return value.value


def devices(c, wanted):
    found = [Device(ordinal) for ordinal in range(device_count())]
    names = [text("cuDeviceGetName", one.ordinal) for one in found]
    c.equal("number of devices", len(found), len(wanted))
    for ordinal, (name, server) in enumerate(zip(names, wanted)):
        c.true(f"the name of device {ordinal} says where it is: {name}", name.endswith(f"(ringway: {server})"))
    places = [text("cuDeviceGetPCIBusId", one.ordinal) for one in found]
    c.equal("different places on a bus", len(set(places)), len(found))
    for place, one in zip(places, found):
        c.equal("the domain is that of the place", number("cuDeviceGetAttribute", 50, one.ordinal), int(place.split(":")[0], 16))
    uuids = []
    for one in found:
        uuid = ctypes.create_string_buffer(16)
        call("cuDeviceGetUuid", uuid, one.ordinal)
        uuids.append(uuid.raw)
    c.equal("different UUIDs", len(set(uuids)), len(found))
    for one in found:
        for other in found:
            if wanted[one.ordinal.value] != wanted[other.ordinal.value]:
                c.equal("peer access", number("cuDeviceCanAccessPeer", one.ordinal, other.ordinal), 0)
                one.use()
                c.equal("cuCtxEnablePeerAccess", result_of("cuCtxEnablePeerAccess", other.context, 0), PEER_ACCESS_UNSUPPORTED)
    # Events belong to the context in which they were made.
    first, last = found[0], found[-1]
    first.use()
    event, timed = first.event(), first.event(timing=True)
    call("cuEventRecord", timed, None)
    last.use()
    c.equal("an event of another device is not recorded", result_of("cuEventRecord", event, last.stream()), INVALID_HANDLE)
    also = last.event(timing=True)
    call("cuEventRecord", also, None)
    milliseconds = ctypes.c_float()
    c.equal("no time between devices", result_of("cuEventElapsedTime", byref(milliseconds), timed, also), INVALID_HANDLE)
    # A pointer tells its device.
    for one in found:
        one.use()
        one.address = one.alloc(1000)
    for one in found:
        for current in found:
            current.use()
            c.equal("cuPointerGetAttribute, the device", number("cuPointerGetAttribute", 9, one.address + 999), one.ordinal.value)
    for one in found:
        found[0].use()
        one.free(one.address)
    # Structures that name a device mean the program's.
    for one in found:
        found[0].use()
        pool, address = c_void_p(), c_uint64()
        properties = (c_int * 22)(1, 0, 1, one.ordinal.value)  # CUmemPoolProps: pinned, no handles, on a device
        call("cuMemPoolCreate", byref(pool), properties)
        one.use()
        call("cuMemAllocFromPoolAsync", byref(address), 4000, pool, None)
        c.equal("memory of a pool, the device", number("cuPointerGetAttribute", 9, address.value), one.ordinal.value)
        data = np.arange(1000, dtype=np.uint32)
        call("cuMemcpyHtoD_v2", address.value, data.ctypes.data, data.nbytes)
        c.equal("and what is in it", one.download(address.value, 1000, np.uint32), data)
        call("cuMemFreeAsync", address.value, None)
        elsewhere = [other for other in found if wanted[other.ordinal.value] != wanted[one.ordinal.value]][0]
        access = (c_int * 3)(1, elsewhere.ordinal.value, 3)
        c.equal("a pool is not opened to another server's device", result_of("cuMemPoolSetAccess", pool, access, 1), 101)
        call("cuMemPoolDestroy", pool)
        found[0].use()
        properties = (c_int * 8)(1, 0, 1, one.ordinal.value)  # CUmemAllocationProp: pinned, no handles, on a device
        size, allocation, again = c_size_t(), c_uint64(), (c_int * 8)()
        call("cuMemGetAllocationGranularity", byref(size), properties, 0)
        call("cuMemCreate", byref(allocation), size, properties, 0)
        call("cuMemGetAllocationPropertiesFromHandle", again, allocation)
        c.equal("physical memory is on the device", list(again)[2:4], [1, one.ordinal.value])
        call("cuMemRelease", allocation)


def copies(c):
    found = [Device(ordinal) for ordinal in range(device_count())]
    rng = np.random.default_rng(11)
    pairs = [(a, b) for a in found for b in found if a is not b]
    sizes = [1, 3, 4, 448, 449, 4095, 65537, (1 << 20) + 1, (16 << 20) + 13, 64 << 20]
    for turn, size in enumerate(sizes):
        # All pairs with the small ones; the largest one way and back.
        for a, b in pairs if size < 1 << 20 else (pairs[turn % len(pairs)], pairs[turn % len(pairs)][::-1]):
            data = rng.integers(0, 256, size, np.uint8)
            a.use()
            source, away = a.upload(data), a.stream()
            b.use()
            target, stream = b.alloc(size + 8), b.stream()
            what = f"{size} bytes from device {a.ordinal.value} to {b.ordinal.value}"

            def settle():
                # Copies within the device and sets do not wait, and a default stream is its own device's only.
                for one in (a, b):
                    one.use()
                    one.synchronize()

            def clear():
                b.use()
                call("cuMemsetD8_v2", target, 0xA5, size + 8)
                settle()

            def check(how):
                settle()
                got = b.download(target, size + 8, np.uint8)
                c.true(f"{what} by {how}", np.array_equal(got[:size], data) and np.all(got[size:] == 0xA5))

            clear()
            call("cuMemcpyPeer", target, b.context, source, a.context, size)
            check("cuMemcpyPeer")
            for who, on in ((a, away), (b, stream)):
                clear()
                who.use()
                call("cuMemcpyPeerAsync", target, b.context, source, a.context, size, on)
                call("cuStreamSynchronize", on)
                check(f"cuMemcpyPeerAsync in a stream of device {who.ordinal.value}")
                clear()
                who.use()
                call("cuMemcpyDtoDAsync_v2", target, source, size, on)
                call("cuStreamSynchronize", on)
                check(f"cuMemcpyDtoDAsync in a stream of device {who.ordinal.value}")
            clear()
            a.use()
            call("cuMemcpyDtoD_v2", target, source, size)
            check("cuMemcpyDtoD")
            clear()
            a.use()
            call("cuMemcpy", target, source, size)
            check("cuMemcpy")
            # Host memory, with the other device current.
            clear()
            a.use()
            call("cuMemcpyHtoD_v2", target, data.ctypes.data, size)
            check("cuMemcpyHtoD with another device current")
            back = np.zeros(size, np.uint8)
            a.use()
            call("cuMemcpyDtoH_v2", back.ctypes.data, target, size)
            c.true(f"{what}: cuMemcpyDtoH with another device current", np.array_equal(back, data))
            pinned = a.pinned(size)
            pinned[:] = data[::-1]
            call("cuMemcpyHtoDAsync_v2", target, pinned.ctypes.data, size, away)
            call("cuStreamSynchronize", away)
            pinned[:] = 0
            call("cuMemcpyDtoHAsync_v2", pinned.ctypes.data, target, size, away)
            call("cuStreamSynchronize", away)
            c.true(f"{what}: pinned memory with another device's stream", np.array_equal(pinned, data[::-1]))
            a.free_pinned(pinned)
            call("cuMemsetD8_v2", target, 7, size)
            settle()
            c.true(f"{what}: cuMemsetD8 with another device current", np.all(b.download(target, size, np.uint8) == 7))
            for device, address, handle in ((a, source, away), (b, target, stream)):
                device.use()
                device.free(address)
                call("cuStreamDestroy_v2", handle)
    boxes(c, *pairs[0])
    boxes(c, found[0], found[-1])


def boxes(c, a, b):
    """A box with gaps between its rows at both ends."""
    rows, width = 37, 333
    data = np.random.default_rng(3).integers(0, 256, (rows, 512), np.uint8)
    a.use()
    source = a.upload(data)
    b.use()
    target = b.upload(np.zeros((rows, 384), np.uint8))
    # CUDA_MEMCPY2D: x, y, type, host, device, array, pitch of the source, then of the destination; width, height.
    words = (c_uint64 * 16)(5, 0, 2, 0, source, 0, 512, 9, 0, 2, 0, target, 0, 384, width, rows)
    for on in (a, b):
        on.use()
        stream = on.stream()
        call("cuMemcpy2DAsync_v2", words, stream)
        call("cuStreamSynchronize", stream)
        b.use()
        want = np.zeros((rows, 384), np.uint8)
        want[:, 9:9 + width] = data[:, 5:5 + width]
        c.equal("a box from one device to the other", b.download(target, (rows, 384), np.uint8), want)
        call("cuMemsetD8_v2", target, 0, rows * 384)
        b.synchronize()


class Place:
    """A device with a word, a kernel and two streams."""

    def __init__(self, device):
        self.device = device
        device.use()
        self.affine = device.function(device.module(AFFINE), "affine")
        self.word = device.upload(np.array([1], np.uint32))
        self.streams = [device.stream(), device.stream()]
        self.spoiled = None  # an event after which the word may be written again

    def step(self, which, factor, term):
        self.device.use()
        launch(self.affine, 1, 1, [c_uint64(self.word), c_uint(factor), c_uint(term)], self.streams[which])


def order(c, steps, threads):
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        for ended in [pool.submit(walk, c, steps, seed) for seed in range(7, 7 + threads)]:
            ended.result()


def walk(c, steps, seed):
    """One value walks over devices and streams. Each hop is an event that the next stream waits for, and a copy. Steps do not commute, and
    nothing is waited for here, so a hop that does not hold changes the result."""
    places = [Place(Device(ordinal)) for ordinal in range(device_count())]
    plan = random.Random(seed)
    here, stream = 0, 0
    value = 1
    begun = time.monotonic()
    for number in range(steps):
        place = places[here]
        for _ in range(plan.randrange(1, 4)):
            factor, term = plan.randrange(3, MASK, 2), plan.randrange(MASK)
            place.step(stream, factor, term)
            value = (value * factor + term) & MASK
        event = place.device.event()
        call("cuEventRecord", event, place.streams[stream])
        there, other = plan.randrange(len(places)), plan.randrange(2)
        target = places[there].streams[other]
        places[there].device.use()
        call("cuStreamWaitEvent", target, event, 0)
        # The wait is for the recording before it: the program may record its event again, and destroy it, at once.
        if number % 3 == 0:
            place.device.use()
            call("cuEventRecord", event, place.streams[stream ^ 1])
        call("cuEventDestroy_v2", event)
        if there != here:
            a, b = place.device, places[there].device
            b.use()
            if places[there].spoiled:
                call("cuStreamWaitEvent", target, places[there].spoiled, 0)
            call("cuMemcpyPeerAsync", places[there].word, b.context, place.word, a.context, 4, target)
            # The word that was copied is spoiled as soon as it was read: a copy that comes late shows.
            read = b.event()
            call("cuEventRecord", read, target)
            a.use()
            on = place.streams[plan.randrange(2)]
            call("cuStreamWaitEvent", on, read, 0)
            launch(place.affine, 1, 1, [c_uint64(place.word), c_uint(0), c_uint(number)], on)
            place.spoiled = a.event()
            call("cuEventRecord", place.spoiled, on)
            call("cuEventDestroy_v2", read)
        here, stream = there, other
    posted = time.monotonic() - begun
    place = places[here]
    place.device.use()
    call("cuStreamSynchronize", place.streams[stream])
    for one in places:
        one.device.use()
        one.device.synchronize()
    place.device.use()
    c.equal("the value after the walk" if seed == 7 else f"the value after walk {seed}", int(place.device.download(place.word, 1, np.uint32)[0]), value)
    print(f"{steps} hops posted in {posted:.2f} s", file=sys.stderr)


def lost(c):
    places = [Place(Device(ordinal)) for ordinal in range(device_count())]
    first, last = places[0], places[-1]
    # A stream of the first server waits for the last server's, which is busy until it is gone.
    blocked = last.device.event()
    last.device.use()
    hold = driver.HOST_FUNCTION(lambda _: time.sleep(5))
    call("cuLaunchHostFunc", last.streams[0], hold, None)
    call("cuEventRecord", blocked, last.streams[0])
    first.device.use()
    call("cuStreamWaitEvent", first.streams[1], blocked, 0)
    print("running", flush=True)
    code = 0
    deadline = time.monotonic() + 60
    last.device.use()
    while code == 0 and time.monotonic() < deadline:
        code = result_of("cuMemsetD32Async", last.word, 1, 1, last.streams[1]) or result_of("cuStreamSynchronize", last.streams[1])
        time.sleep(0.01)
    c.equal("a call for the lost device", code, SYSTEM_NOT_READY)
    address = c_uint64()
    c.equal("another", result_of("cuMemAlloc_v2", byref(address), 4), SYSTEM_NOT_READY)
    # What waited for the lost server waits no longer, and is told of it once.
    first.device.use()
    c.equal("what waited for the lost device", result_of("cuStreamSynchronize", first.streams[1]), SYSTEM_NOT_READY)
    want = 1
    for step in range(300):
        first.step(step % 2, 3, step)
        call("cuStreamSynchronize", first.streams[step % 2])
        want = (want * 3 + step) & MASK
    c.equal("the other server's device goes on", int(first.device.download(first.word, 1, np.uint32)[0]), want)
    big = np.arange(3 << 20, dtype=np.uint32)
    c.equal("and its memory", first.device.download(first.device.upload(big), big.size, np.uint32), big)
    try:
        call("cuMemcpyPeer", first.word, first.device.context, last.word, last.device.context, 4)
        c.true("a copy from the lost device fails", False)
    except CudaError as error:
        c.equal("a copy from the lost device", error.code, SYSTEM_NOT_READY)


def main():
    what, words = sys.argv[1], sys.argv[2:]
    c = Checks(f"several servers: {what}")
    if what == "devices":
        devices(c, words)
    elif what == "copies":
        copies(c)
    elif what == "order":
        order(c, int(words[0]), int(words[1]) if len(words) > 1 else 1)
    else:
        lost(c)
    c.finish()


if __name__ == "__main__":
    main()
