"""cuEventQuery and cuStreamQuery: "done" is exact, "not ready" ends. With polling loops, threads, errors, captures and events that are
recorded again.

usage: queries.py [--fault | --steps N]
"""

import sys
import threading
import time
from ctypes import byref, c_uint, c_uint64, c_void_p
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from checks import Checks  # noqa: E402
from driver import AFFINE, HOST_FUNCTION, ILLEGAL_ADDRESS, INVALID_VALUE, NOT_READY, Device, call, launch, result_of  # noqa: E402

LIMIT_S = 60
STREAM_CAPTURE_UNSUPPORTED, CAPTURED_EVENT = 900, 907
NOWHERE = 0x123456789000  # no device memory: only the driver at the server can tell


class Stall:
    """Holds a stream up from now on, until release."""

    def __init__(self, stream):
        self.gate, self.in_time = threading.Event(), []
        self.function = HOST_FUNCTION(lambda _: self.in_time.append(self.gate.wait(LIMIT_S)))
        call("cuLaunchHostFunc", stream, self.function, None)

    def release(self):
        self.gate.set()


def poll(function, handle):
    """Queries until the answer is another than "not ready"; gives it."""
    end = time.monotonic() + LIMIT_S
    while (result := result_of(function, handle)) == NOT_READY and time.monotonic() < end:
        pass
    return result


def answers(function, handle, count=50):
    return {result_of(function, handle) for _ in range(count)}


def simple_answers(c, device, affine):
    stream, event = device.stream(), device.event()
    word = device.upload(np.array([1], np.uint32))
    c.equal("never recorded", result_of("cuEventQuery", event), 0)
    c.equal("a fresh stream", result_of("cuStreamQuery", stream), 0)
    for round_ in range(3):
        call("cuEventRecord", event, stream)
        c.equal(f"recorded in an idle stream, {round_}", poll("cuEventQuery", event), 0)
        launch(affine, 1, 1, [c_uint64(word), c_uint(1), c_uint(1)], stream)
        call("cuEventRecord", event, stream)
        call("cuStreamSynchronize", stream)
        c.equal(f"the stream after a wait for it, {round_}", result_of("cuStreamQuery", stream), 0)
        c.equal(f"the event after a wait for the stream, {round_}", result_of("cuEventQuery", event), 0)
        call("cuEventRecord", event, stream)
        call("cuEventSynchronize", event)
        c.equal(f"the event after a wait for it, {round_}", result_of("cuEventQuery", event), 0)
        call("cuEventRecord", event, stream)
        device.synchronize()
        c.equal(f"the event after a wait for the context, {round_}", result_of("cuEventQuery", event), 0)
        c.equal(f"the default stream after it, {round_}", result_of("cuStreamQuery", None), 0)
    call("cuEventDestroy_v2", event)
    c.true("a destroyed event is none", result_of("cuEventQuery", event) != 0)


def stalled(c, device, affine):
    """Nothing is done before it is, however often one asks, and new work makes an old answer void."""
    stream, beside, event = device.stream(), device.stream(), device.event()
    word = device.upload(np.array([5], np.uint32))
    got = device.pinned(4).view(np.uint32)
    for round_ in range(5):
        got[:] = 0
        device.synchronize()
        c.equal(f"nothing to do, {round_}", result_of("cuStreamQuery", stream), 0)
        stall = Stall(stream)
        call("cuMemcpyDtoHAsync_v2", got.ctypes.data, word, 4, stream)
        call("cuEventRecord", event, stream)
        c.equal(f"stalled event, {round_}", answers("cuEventQuery", event), {NOT_READY})
        c.equal(f"stalled stream, {round_}", answers("cuStreamQuery", stream), {NOT_READY})
        launch(affine, 1, 1, [c_uint64(word), c_uint(1), c_uint(0)], beside)
        c.equal(f"a stream beside it, {round_}", poll("cuStreamQuery", beside), 0)
        c.equal(f"still stalled, {round_}", (answers("cuEventQuery", event), answers("cuStreamQuery", stream)), ({NOT_READY}, {NOT_READY}))
        stall.release()
        c.equal(f"the event's end, {round_}", poll("cuEventQuery", event), 0)
        c.equal(f"what was copied before it, {round_}", got.copy(), np.array([5], np.uint32))
        c.equal(f"the stream's end, {round_}", poll("cuStreamQuery", stream), 0)
        c.true(f"released in time, {round_}", stall.in_time == [True])
        stall = Stall(stream)
        call("cuEventRecord", event, stream)
        c.equal(f"recorded again, {round_}", answers("cuEventQuery", event), {NOT_READY})
        c.equal(f"new work, {round_}", answers("cuStreamQuery", stream), {NOT_READY})
        stall.release()
        c.equal(f"the end of the second recording, {round_}", poll("cuEventQuery", event), 0)
        c.equal(f"the end of the new work, {round_}", poll("cuStreamQuery", stream), 0)
    stall = Stall(None)
    c.equal("the stalled default stream", answers("cuStreamQuery", None), {NOT_READY})
    stall.release()
    c.equal("its end", poll("cuStreamQuery", None), 0)


def steps(c, device, affine, stream, event, count, pinned):
    """Steps that end by polling; each result is there when the answer is "done"."""
    word = device.upload(np.array([0], np.uint32))
    got = device.pinned(4).view(np.uint32) if pinned else np.zeros(1, np.uint32)
    wrong = 0
    for step in range(1, count + 1):
        for _ in range(3):
            launch(affine, 1, 1, [c_uint64(word), c_uint(1), c_uint(1)], stream)
        call("cuMemcpyDtoHAsync_v2", got.ctypes.data, word, 4, stream)
        if step % 2:
            call("cuEventRecord", event, stream)
            result = poll("cuEventQuery", event)
        else:
            result = poll("cuStreamQuery", stream)
        wrong += result != 0 or int(got[0]) != 3 * step
    return wrong


def long_copies(c, device, affine):
    """A copy of many pieces has come whole when the event behind it is done."""
    stream, event = device.stream(), device.event()
    words = (9 << 20) // 4 + 3
    memory, one = device.upload(np.arange(words, dtype=np.uint32)), device.upload(np.array([0], np.uint32))
    got = np.zeros(words, np.uint32)
    for round_ in range(4):
        got[:] = 0
        call("cuMemcpyDtoHAsync_v2", got.ctypes.data, memory, got.nbytes, stream)
        call("cuEventRecord", event, stream)
        c.equal(f"event behind a long copy, {round_}", poll("cuEventQuery", event), 0)
        c.true(f"its bytes, {round_}", np.array_equal(got, np.arange(words, dtype=np.uint32)))
    launch(affine, 1, 1, [c_uint64(one), c_uint(1), c_uint(1)], stream)
    c.equal("a launch behind them", poll("cuStreamQuery", stream), 0)


def many_threads(c, device, affine):
    wrong = []

    def work(number):
        device.use()
        stream, event = device.stream(), device.event()
        wrong.append(steps(c, device, affine, stream, event, 60, number % 2 == 0))

    def ask(events):
        device.use()
        seen = [poll("cuEventQuery", event) for event in events]
        wrong.append(sum(result != 0 for result in seen))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT_S * 2)
    c.equal("threads that poll their own work", wrong, [0] * 4)
    # One thread records, others ask.
    wrong.clear()
    stream, events = device.stream(), [device.event() for _ in range(20)]
    stall = Stall(stream)
    for event in events:
        call("cuEventRecord", event, stream)
    threads = [threading.Thread(target=ask, args=(events[::step],)) for step in (1, -1, 3)]
    for thread in threads:
        thread.start()
    stall.release()
    for thread in threads:
        thread.join(LIMIT_S * 2)
    c.equal("threads that poll another's events", wrong, [0] * 3)


def recorded_by_two(c, device):
    """Two threads record the same event again and again; whatever is said of it, in the end it is done, and not before."""
    event, streams = device.event(), [device.stream(), device.stream()]
    seen = []

    def work(stream):
        device.use()
        for _ in range(200):
            call("cuEventRecord", event, stream)
            seen.append(result_of("cuEventQuery", event))

    threads = [threading.Thread(target=work, args=(stream,)) for stream in streams]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT_S)
    c.true("results of an event that two threads record", set(seen) <= {0, NOT_READY}, str(set(seen)))
    c.equal("its end", poll("cuEventQuery", event), 0)
    stall = Stall(streams[0])
    call("cuEventRecord", event, streams[0])
    c.equal("recorded behind a stall", answers("cuEventQuery", event), {NOT_READY})
    stall.release()
    c.equal("and done", poll("cuEventQuery", event), 0)


def later_work_is_evidence(c, device):
    """Who was told that later work is finished is not told that earlier work is not."""
    first, second, early, late = device.stream(), device.stream(), device.event(), device.event()
    wrong = 0
    for _ in range(200):
        call("cuEventRecord", early, first)
        call("cuStreamWaitEvent", second, early, 0)
        call("cuEventRecord", late, second)
        call("cuEventSynchronize", late)
        wrong += result_of("cuEventQuery", early) != 0
    c.equal("an event behind which another was waited for", wrong, 0)


def short_lives(c, device, affine):
    """Events and streams that are destroyed while they are asked about; the next ones in their place know nothing of it."""
    stream = device.stream()
    stall = Stall(stream)
    wrong = 0
    for _ in range(100):
        event = device.event()
        wrong += result_of("cuEventQuery", event) != 0
        call("cuEventRecord", event, stream)
        wrong += result_of("cuEventQuery", event) != NOT_READY
        call("cuEventDestroy_v2", event)
    c.equal("events in each other's place", wrong, 0)
    held = [device.event() for _ in range(1500)]
    for event in held:
        call("cuEventRecord", event, stream)
        wrong += result_of("cuEventQuery", event) != NOT_READY
    c.equal("more events than are watched at a time", wrong, 0)
    stall.release()
    c.equal("and their end", {poll("cuEventQuery", event) for event in held}, {0})
    for event in held:
        call("cuEventDestroy_v2", event)
    for _ in range(20):
        brief = device.stream()
        stall = Stall(brief)
        wrong += result_of("cuStreamQuery", brief) != NOT_READY
        stall.release()
        call("cuStreamDestroy_v2", brief)
    c.equal("streams in each other's place", wrong, 0)
    for round_ in range(3):
        context = c_void_p()
        call("cuCtxCreate_v2", byref(context), 0, device.ordinal)
        stream, event = device.stream(), device.event()
        stall = Stall(stream)
        call("cuEventRecord", event, stream)
        c.equal(f"an event of another context, {round_}", answers("cuEventQuery", event, 3), {NOT_READY})
        c.equal(f"its default stream, {round_}", poll("cuStreamQuery", None), 0)
        stall.release()
        call("cuCtxDestroy_v2", context)
        device.use()
        c.equal(f"the first context goes on, {round_}", poll("cuStreamQuery", None), 0)


def captures(c, device, affine):
    stream, event = device.stream(), device.event()
    word = device.upload(np.array([0], np.uint32))
    launch(affine, 1, 1, [c_uint64(word), c_uint(1), c_uint(1)], stream)
    call("cuEventRecord", event, stream)
    c.equal("before a capture", (poll("cuEventQuery", event), poll("cuStreamQuery", stream)), (0, 0))
    made, executable = c_void_p(), c_void_p()
    call("cuStreamBeginCapture_v2", stream, 2)
    call("cuEventRecord", event, stream)
    c.equal("an event of a capture", result_of("cuEventQuery", event), CAPTURED_EVENT)
    launch(affine, 1, 1, [c_uint64(word), c_uint(1), c_uint(1)], stream)
    call("cuStreamEndCapture", stream, byref(made))
    call("cuGraphDestroy", made)
    call("cuEventRecord", event, stream)
    c.equal("recorded anew after it", poll("cuEventQuery", event), 0)
    call("cuStreamBeginCapture_v2", stream, 2)
    c.equal("a stream that is captured", result_of("cuStreamQuery", stream), STREAM_CAPTURE_UNSUPPORTED)
    result_of("cuStreamEndCapture", stream, byref(made))
    c.equal("and is no more", poll("cuStreamQuery", stream), 0)
    # A graph records an event at each launch: by a node that a capture with the external flag makes.
    made = c_void_p()
    call("cuStreamBeginCapture_v2", stream, 2)
    call("cuEventRecordWithFlags", event, stream, 1)
    call("cuStreamEndCapture", stream, byref(made))
    call("cuGraphInstantiateWithFlags", byref(executable), made, 0)
    for round_ in range(3):
        stall = Stall(stream)
        call("cuGraphLaunch", executable, stream)
        c.equal(f"an event that a graph records, {round_}", answers("cuEventQuery", event), {NOT_READY})
        stall.release()
        c.equal(f"its end, {round_}", poll("cuEventQuery", event), 0)
    call("cuGraphExecDestroy", executable)
    call("cuGraphDestroy", made)


def kept_errors(c, device):
    """A refused call is reported once: by itself, or by a query behind it."""
    stream, event = device.stream(), device.event()
    word = device.upload(np.array([1], np.uint32))
    for round_ in range(4):
        stall = Stall(stream) if round_ % 2 else None
        results = [result_of("cuMemcpyDtoDAsync_v2", NOWHERE, word, 4, stream)]
        call("cuEventRecord", event, stream)
        if stall:
            results += [result_of("cuEventQuery", event) for _ in range(5)]
            stall.release()
        results.append(poll("cuEventQuery", event))
        results.append(poll("cuEventQuery", event))
        results.append(result_of("cuCtxSynchronize"))
        told = [result for result in results if result not in (0, NOT_READY)]
        c.equal(f"a refused call, {round_}", told, [INVALID_VALUE])


def waits_that_are_over(c, device, affine):
    """A wait for a stream that was waited for already is over at once; with anything new, it is one again."""
    stream, beside = device.stream(), device.stream()
    word, other = device.upload(np.array([3], np.uint32)), device.upload(np.array([0], np.uint32))
    got = np.zeros(1, np.uint32)
    for round_ in range(3):
        launch(affine, 1, 1, [c_uint64(word), c_uint(1), c_uint(1)], stream)
        call("cuMemcpyDtoHAsync_v2", got.ctypes.data, word, 4, stream)  # waits, as the memory is not pinned
        c.equal(f"copied, {round_}", int(got[0]), 4 + 2 * round_)
        call("cuStreamSynchronize", stream)
        launch(affine, 1, 1, [c_uint64(word), c_uint(1), c_uint(1)], stream)
        call("cuStreamSynchronize", stream)
        c.equal(f"the stream, {round_}", result_of("cuStreamQuery", stream), 0)
        # What another stream was given makes errors possible that a wait has to report.
        told = [result_of("cuMemcpyDtoDAsync_v2", NOWHERE, other, 4, beside)]
        told += [result_of("cuStreamSynchronize", stream) for _ in range(2)]
        c.equal(f"a refused call of another stream, {round_}", [result for result in told if result], [INVALID_VALUE])
        stall = Stall(stream)
        threading.Timer(0.05, stall.release).start()
        call("cuStreamSynchronize", stream)
        c.true(f"a wait for a stall, {round_}", stall.in_time == [True])


def fault(c, device, affine):
    """A faulting kernel ends a polling loop with its error, which stays."""
    stream, event = device.stream(), device.event()
    word = device.upload(np.array([1], np.uint32))
    # Watched from its second recording on.
    for _ in range(2):
        call("cuEventRecord", event, stream)
        poll("cuEventQuery", event)
    stall = Stall(stream)
    launch(affine, 1, 1, [c_uint64(word + (1 << 30)), c_uint(2), c_uint(3)], stream)
    call("cuEventRecord", event, stream)
    c.equal("before the fault", answers("cuEventQuery", event), {NOT_READY})
    stall.release()
    c.equal("a polling loop over a faulting kernel", poll("cuEventQuery", event), ILLEGAL_ADDRESS)
    c.equal("and again", result_of("cuEventQuery", event), ILLEGAL_ADDRESS)
    c.equal("its stream", poll("cuStreamQuery", stream), ILLEGAL_ADDRESS)
    c.equal("the default stream", poll("cuStreamQuery", None), ILLEGAL_ADDRESS)


def main():
    c = Checks("queries")
    device = Device()
    affine = device.function(device.module(AFFINE), "affine")
    if sys.argv[1:] == ["--fault"]:
        fault(c, device, affine)
        c.finish()
    if sys.argv[1:2] == ["--steps"]:
        count = int(sys.argv[2])
        c.equal("steps", steps(c, device, affine, device.stream(), device.event(), count, True), 0)
        c.finish()
    simple_answers(c, device, affine)
    stalled(c, device, affine)
    for pinned in (True, False):
        c.equal(f"steps, pinned: {pinned}", steps(c, device, affine, device.stream(), device.event(), 100, pinned), 0)
    long_copies(c, device, affine)
    many_threads(c, device, affine)
    recorded_by_two(c, device)
    later_work_is_evidence(c, device)
    short_lives(c, device, affine)
    captures(c, device, affine)
    kept_errors(c, device)
    waits_that_are_over(c, device, affine)
    c.finish()


if __name__ == "__main__":
    main()
