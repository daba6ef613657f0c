"""Copies of pinned memory captured into a graph: each launch reads and writes the memory as it is then.

usage: captured.py
"""

import ctypes
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from checks import Checks  # noqa: E402
from driver import FILL, Device, call, launch  # noqa: E402


def graph(device, stream, work):
    """What `work` asks for in the stream, as an executable graph."""
    made, executable = ctypes.c_void_p(), ctypes.c_void_p()
    call("cuStreamBeginCapture_v2", stream, 2)
    work()
    call("cuStreamEndCapture", stream, ctypes.byref(made))
    call("cuGraphInstantiateWithFlags", ctypes.byref(executable), made, 0)
    call("cuGraphDestroy", made)
    return executable


def main():
    c = Checks("captured copies")
    device = Device()
    fill = device.function(device.module(FILL), "fill")
    stream = device.stream()
    for words in (1, 1000, 16 << 10, (1 << 20) + 3):
        size, half = 4 * words, words // 2
        target = device.alloc(size)
        up, down = device.pinned(size), device.pinned(size)
        arguments = [ctypes.c_uint64(target), ctypes.c_uint64(half), ctypes.c_uint32(77)]

        def work():
            call("cuMemcpyHtoDAsync_v2", target, up.ctypes.data, size, stream)
            launch(fill, max(1, -(-half // 256)), 256, arguments, stream)  # the first half is what the kernel writes
            call("cuMemcpyDtoHAsync_v2", down.ctypes.data, target, size, stream)

        up[:], down[:] = 1, 2
        executable = graph(device, stream, work)
        device.synchronize()
        c.true(f"{words} words: nothing is copied before a launch", (down == 2).all())
        wanted = (np.arange(half, dtype=np.uint64) * 2654435761).astype(np.uint32) ^ np.uint32(77)
        for round_ in range(3):
            up[:] = np.random.RandomState(round_ + words).randint(0, 256, size, dtype=np.uint8)
            call("cuGraphLaunch", executable, stream)
            call("cuStreamSynchronize", stream)
            got = down.view(np.uint32)
            good = np.array_equal(got[:half], wanted) and np.array_equal(got[half:], up.view(np.uint32)[half:])
            c.true(f"{words} words, launch {round_}", good)
        call("cuGraphExecDestroy", executable)
        device.free(target)
        device.free_pinned(up)
        device.free_pinned(down)
    c.finish()


if __name__ == "__main__":
    main()
