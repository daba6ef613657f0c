"""Copies between devices of several servers, which go straight where there is a path.

    paths.py walk MIB STEPS      an array walks from device to device, changed on each; what was moved is printed
    paths.py mixed SECONDS       copies in every way from several threads, until the time is over
    paths.py idle                has copied once, and waits for the end of its input file
    paths.py lost                copies until the last device's server is gone, and goes on with the first
    paths.py speed MIB TURNS     seconds of each of so many copies there and back
"""

import os
import random
import sys
import threading
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
import driver  # noqa: E402
from checks import Checks  # noqa: E402
from ctypes import c_size_t, c_uint64, c_void_p  # noqa: E402
from driver import Device, call, device_count, result_of  # noqa: E402

driver._SIGNATURES |= {
    "cuMemcpyPeerAsync": [c_uint64, c_void_p, c_uint64, c_void_p, c_size_t, c_void_p],
    "cuMemcpy": [c_uint64, c_uint64, c_size_t],
    "cuMemcpyAsync": [c_uint64, c_uint64, c_size_t, c_void_p],
}


def walk(c, mib, steps):
    """Each step changes a part of the array on the device where it is, and copies it to the next; nothing waits but streams."""
    words = mib << 18
    plan = random.Random(5)
    found = [Device(ordinal) for ordinal in range(device_count())]
    want = np.arange(words, dtype=np.uint32)
    arrays, streams = [], []
    for one in found:
        one.use()
        arrays.append(one.upload(want) if one is found[0] else one.alloc(4 * words))
        streams.append(one.stream())
    here, copied = 0, 0
    for step in range(steps):
        there = (here + plan.randrange(1, len(found))) % len(found)
        a, b = found[here], found[there]
        a.use()
        first, count = plan.randrange(words // 2), plan.randrange(1, words // 2)
        call("cuMemsetD32Async", arrays[here] + 4 * first, step, count, streams[here])
        want[first:first + count] = step
        which = step % 2  # in a stream of the source, or of the destination, which gets what follows
        on = streams[here] if which == 0 else streams[there]
        way = step % 3
        # It follows what both devices did before.
        before, waits, stream = (b, a, streams[there]) if which == 0 else (a, b, streams[here])
        before.use()
        event = before.event()
        call("cuEventRecord", event, stream)
        waits.use()
        call("cuStreamWaitEvent", on, event, 0)
        call("cuEventDestroy_v2", event)
        if way == 0:
            call("cuMemcpyPeerAsync", arrays[there], b.context, arrays[here], a.context, 4 * words, on)
        elif way == 1:
            call("cuMemcpyDtoDAsync_v2", arrays[there], arrays[here], 4 * words, on)
        else:
            call("cuMemcpyAsync", arrays[there], arrays[here], 4 * words, on)
        # What is copied is spoiled as soon as it was read, so a copy that comes late shows; and the next step waits for the copy.
        event = (a if which == 0 else b).event()
        call("cuEventRecord", event, on)
        other, target = (b, streams[there]) if which == 0 else (a, streams[here])
        other.use()
        call("cuStreamWaitEvent", target, event, 0)
        call("cuEventDestroy_v2", event)
        a.use()
        call("cuMemsetD32Async", arrays[here], 0xDEAD, words, streams[here])
        copied += 4 * words
        here = there
    found[here].use()
    call("cuStreamSynchronize", streams[here])
    c.equal("the array after the walk", found[here].download(arrays[here], words, np.uint32), want)
    print(f"copied {copied}", flush=True)


def mixed(c, seconds):
    """Threads that each have a pair of devices and copy there and back, in every way."""
    found = [Device(ordinal) for ordinal in range(device_count())]
    pairs = [(a, b) for a in found for b in found if a is not b]
    counts, lock = [0] * len(pairs), threading.Lock()
    end = time.monotonic() + seconds
    failures = []

    def one(number):
        a, b = pairs[number]
        chance = random.Random(number)
        a.use()
        away = a.stream()
        b.use()
        home = b.stream()
        try:
            while time.monotonic() < end:
                size = chance.choice([1, 5, 4096, 70_001, 524_288, 524_289, 3_000_003])
                data = np.frombuffer(chance.randbytes(size), np.uint8)
                a.use()
                source = a.upload(data)
                b.use()
                target = b.alloc(size)
                way = chance.randrange(4)
                if way == 0:
                    a.use()
                    call("cuMemcpyPeerAsync", target, b.context, source, a.context, size, away)
                    call("cuStreamSynchronize", away)
                elif way == 1:
                    call("cuMemcpyPeerAsync", target, b.context, source, a.context, size, home)
                elif way == 2:
                    call("cuMemcpyDtoD_v2", target, source, size)
                    b.use()
                    call("cuStreamSynchronize", None)
                else:
                    call("cuMemcpyPeer", target, b.context, source, a.context, size)
                b.use()
                call("cuStreamSynchronize", home)
                if not np.array_equal(b.download(target, size, np.uint8), data):
                    raise ValueError(f"{size} bytes by way {way} from device {a.ordinal.value} to {b.ordinal.value}")
                b.free(target)
                a.use()
                a.free(source)
                counts[number] += 1
        except Exception as failure:  # noqa: BLE001
            with lock:
                failures.append(f"{type(failure).__name__}: {failure}")

    threads = [threading.Thread(target=one, args=(number,)) for number in range(len(pairs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    c.equal("failures", failures, [])
    c.true(f"every pair has copied: {counts}", min(counts) > 0)
    print(f"{sum(counts)} copies", file=sys.stderr)


def idle(c):
    """The numbers of a copy before and after whatever happens meanwhile."""
    a, b = Device(0), Device(device_count() - 1)
    for turn, wait in enumerate((True, False)):
        data = np.arange(turn, turn + 100_000, dtype=np.uint32)
        a.use()
        source = a.upload(data)
        b.use()
        target = b.alloc(data.nbytes)
        call("cuMemcpyPeer", target, b.context, source, a.context, data.nbytes)
        c.equal("a copy", b.download(target, data.size, np.uint32), data)
        if wait:
            print("copied", flush=True)
            while not os.path.exists(sys.argv[2]):
                time.sleep(0.02)


def lost(c):
    """Copies both ways in streams of the first device, until one fails."""
    a, b = Device(0), Device(device_count() - 1)
    size = 6 << 20
    data = np.random.default_rng(2).integers(0, 256, size, np.uint8)
    b.use()
    target = b.alloc(size)
    a.use()
    source, on = a.upload(data), a.stream()
    code, turns, deadline = 0, 0, time.monotonic() + 60
    while code == 0 and time.monotonic() < deadline:
        for _ in range(4):
            code = code or result_of("cuMemcpyPeerAsync", target, b.context, source, a.context, size, on)
            code = code or result_of("cuMemcpyPeerAsync", source, a.context, target, b.context, size, on)
        code = code or result_of("cuStreamSynchronize", on)
        turns += 1
        if turns == 3:
            print("running", flush=True)
    c.equal("a copy with the lost device", code, 802)
    # What was under way is over, and told of at most once.
    left = [result_of("cuStreamSynchronize", on) for _ in range(3)]
    c.true(f"the stream goes on: {left}", left[0] in (0, 802) and left[1:] == [0, 0])
    begun = time.monotonic()
    c.equal("another copy", result_of("cuMemcpyPeer", target, b.context, source, a.context, size), 802)
    c.true("is told at once", time.monotonic() - begun < 20)
    a.use()
    again = a.upload(data)
    call("cuMemcpyDtoDAsync_v2", source, again, size, on)
    call("cuStreamSynchronize", on)
    c.true("the first device goes on", np.array_equal(a.download(source, size, np.uint8), data))


def speed(c, mib, turns):
    a, b = Device(0), Device(device_count() - 1)
    data = np.random.default_rng(1).integers(0, 256, mib << 20, np.uint8)
    a.use()
    here, on = a.upload(data), a.stream()
    b.use()
    there = b.alloc(data.nbytes)
    times = []
    for turn in range(turns + 1):
        for dst, to, src, of in ((there, b, here, a), (here, a, there, b)):
            a.use()
            begun = time.monotonic()
            call("cuMemcpyPeerAsync", dst, to.context, src, of.context, data.nbytes, on)
            call("cuStreamSynchronize", on)
            times += [time.monotonic() - begun] if turn else []
    a.use()
    c.true("the bytes", np.array_equal(a.download(here, data.size, np.uint8), data))
    print("times " + " ".join(f"{one:.6f}" for one in times), flush=True)


def main():
    what, words = sys.argv[1], sys.argv[2:]
    c = Checks(f"paths: {what}")
    if what == "walk":
        walk(c, int(words[0]), int(words[1]))
    elif what == "mixed":
        mixed(c, float(words[0]))
    elif what == "idle":
        idle(c)
    elif what == "lost":
        lost(c)
    else:
        speed(c, int(words[0]), int(words[1]))
    c.finish()


if __name__ == "__main__":
    main()
