"""A thread that waits for its stream does not delay another thread.

Stream A stalls in a host function until the other thread has finished its work; a thread waits for stream A, another one
waits for an event of it. Meanwhile this thread launches, copies and synchronises on stream B. If a waiting thread held
anything that the others need, nobody would ever finish; the host function then gives up and the check fails.
"""

import sys
import threading
from ctypes import byref, c_uint, c_uint64, c_void_p
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from checks import Checks  # noqa: E402
from driver import AFFINE, HOST_FUNCTION, Device, call, launch  # noqa: E402

LIMIT_S = 60


def main():
    c = Checks("a blocked thread delays nobody")
    device = Device()
    affine = device.function(device.module(AFFINE), "affine")
    stalled, free = device.stream(), device.stream()
    word, other = device.upload(np.array([5], np.uint32)), device.upload(np.array([7], np.uint32))
    event = device.event()
    release = threading.Event()
    in_time, order = [], []

    def wait_for_release(_):
        in_time.append(release.wait(LIMIT_S))

    callback = HOST_FUNCTION(wait_for_release)
    call("cuLaunchHostFunc", stalled, callback, None)
    launch(affine, 1, 1, [c_uint64(word), c_uint(3), c_uint(1)], stalled)
    call("cuEventRecord", event, stalled)

    def wait_for_stream():
        device.use()
        call("cuStreamSynchronize", stalled)
        order.append("stream")

    def wait_for_event():
        device.use()
        call("cuEventSynchronize", event)
        order.append("event")

    waiting = [threading.Thread(target=wait_for_stream), threading.Thread(target=wait_for_event)]
    for thread in waiting:
        thread.start()
    want = 7
    for step in range(50):
        launch(affine, 1, 1, [c_uint64(other), c_uint(5), c_uint(step)], free)
        want = (want * 5 + step) & 0xFFFFFFFF
        call("cuStreamSynchronize", free)
        got = np.empty(1, np.uint32)
        call("cuMemcpyDtoHAsync_v2", got.ctypes.data, other, 4, free)
        call("cuStreamSynchronize", free)
        if int(got[0]) != want:
            break
        device.alloc(1 << 12)  # allocating waits for nobody; cuMemFree may wait for the device, so nothing is freed here
    order.append("free")
    c.equal("work beside a stalled stream", int(got[0]), want)
    release.set()
    for thread in waiting:
        thread.join(LIMIT_S)
    c.true("the waiting threads ended", not any(thread.is_alive() for thread in waiting))
    c.true("the host function was released in time", in_time == [True], str(in_time))
    c.true("the free thread ended first", order[0] == "free", str(order))
    c.equal("the stalled stream went on", device.download(word, 1, np.uint32), np.array([16], np.uint32))
    many_copies_behind(c, device)
    c.finish()


def many_copies_behind(c, device):
    """A host function is called although more copies to the host are behind it than a server has threads to wait for them, and
    among them one of another stream that is done."""
    count = 300
    first, behind, beside = device.stream(), device.stream(), device.stream()
    memory = device.upload(np.arange(count, dtype=np.uint32))
    pinned = c_void_p()
    call("cuMemHostAlloc", byref(pinned), 4 * (count + 1), 0)
    got = np.ctypeslib.as_array((c_uint * (count + 1)).from_address(pinned.value))
    got[:] = 0
    release, called = threading.Event(), threading.Event()
    in_time = []
    stall = HOST_FUNCTION(lambda _: in_time.append(release.wait(LIMIT_S)))
    tell = HOST_FUNCTION(lambda _: called.set())
    event = device.event()
    call("cuLaunchHostFunc", first, stall, None)
    call("cuLaunchHostFunc", first, tell, None)
    call("cuEventRecord", event, first)
    call("cuStreamWaitEvent", behind, event, 0)
    for k in range(count):
        call("cuMemcpyDtoHAsync_v2", pinned.value + 4 * k, memory + 4 * k, 4, behind)
    call("cuMemcpyDtoHAsync_v2", pinned.value + 4 * count, memory + 4 * 7, 4, beside)
    release.set()
    c.true("the function before many copies is called", called.wait(LIMIT_S))
    call("cuStreamSynchronize", beside)
    call("cuStreamSynchronize", behind)
    c.equal("the copies behind it", got.copy(), np.append(np.arange(count), 7).astype(np.uint32))
    c.true("its stream was released in time", in_time == [True], str(in_time))
    call("cuMemFreeHost", pinned)


if __name__ == "__main__":
    main()
