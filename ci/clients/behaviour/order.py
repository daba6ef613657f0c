"""Eight threads submit to shared streams, taking turns: the device must see the calls in the order of the turns.

Every step applies word = word * factor + term (mod 2^32) with its own constants. Steps do not commute, so one pair out of
order changes the result. Threads hand a baton on, so consecutive steps come from different threads: an order kept per
thread, or per connection, fails.
"""

import random
import sys
import threading
from ctypes import c_uint, c_uint64
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from checks import Checks  # noqa: E402
from driver import AFFINE, Device, call, launch  # noqa: E402

THREADS, STEPS = 8, 4000
MASK = 0xFFFFFFFF


def main():
    c = Checks("order of eight threads")
    device = Device()
    affine = device.function(device.module(AFFINE), "affine")
    words = device.upload(np.array([1, 1], np.uint32))
    streams = [device.stream(), device.stream()]
    events = [device.event() for _ in range(16)]
    plan = random.Random(5)
    want, current = [1, 1], 0
    steps = []
    for number in range(STEPS):
        kind = plan.choices(["kernel", "memset", "hop", "copy"], [85, 2, 8, 5])[0]
        factor, term = plan.randrange(3, MASK, 2), plan.randrange(MASK)
        which = plan.randrange(2)
        if kind == "hop":  # the other stream continues word 0, after an event
            current ^= 1
            which = 0
        stream = current if which == 0 else 1  # word 1 always lives on stream 1
        if kind == "kernel":
            want[which] = (want[which] * factor + term) & MASK
        elif kind in ("memset", "copy"):
            want[which] = term
        steps.append((kind, which, stream, factor, term))

    failure = []
    turns = [threading.Semaphore(0) for _ in range(THREADS)]

    def submit(thread):
        try:
            device.use()
            for number in range(thread, STEPS, THREADS):
                if not turns[thread].acquire(timeout=60):
                    raise TimeoutError(f"thread {thread} never got its turn")
                if failure:
                    return
                kind, which, stream, factor, term = steps[number]
                address = words + 4 * which
                if kind == "hop":
                    event = events[number % len(events)]
                    call("cuEventRecord", event, streams[stream ^ 1])
                    call("cuStreamWaitEvent", streams[stream], event, 0)
                elif kind == "kernel":
                    launch(affine, 1, 1, [c_uint64(address), c_uint(factor), c_uint(term)], streams[stream])
                elif kind == "memset":
                    call("cuMemsetD32Async", address, term, 1, streams[stream])
                else:
                    value = c_uint(term)
                    call("cuMemcpyHtoDAsync_v2", address, id_address(value), 4, streams[stream])
                turns[(thread + 1) % THREADS].release()
        except Exception as problem:
            failure.append(problem)
        finally:
            turns[(thread + 1) % THREADS].release()

    threads = [threading.Thread(target=submit, args=(n,)) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    turns[0].release()
    for thread in threads:
        thread.join()
    if failure:
        raise failure[0]
    device.synchronize()
    c.equal("words after all turns", device.download(words, 2, np.uint32), np.array(want, np.uint32))
    c.finish()


def id_address(value):
    """The address of a ctypes value; the driver copies pageable memory before the call returns."""
    import ctypes
    return ctypes.addressof(value)


if __name__ == "__main__":
    main()
