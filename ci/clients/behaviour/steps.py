"""Training steps, to count the calls that wait for the server in each: of two runs with different numbers of steps, the difference.

usage: steps.py KIND STEPS

torch: the driver calls of a PyTorch step (its own kernels are machine code, which the software GPU does not run): a batch from pinned memory
whose block the host allocator gives again when its event is done, zeroed gradients, launches, an event for the device allocator on a side
stream, and the loss read, by way of pinned memory. item: the same, by way of other memory. timed: the same as torch, with the time between
two events read at the end of each step.
numba: arrays to the device and back, kernels, all of them made and freed in each step.
tinygrad: a network trained with TinyJit. DEV=CUDA:PTX must be set.
"""

import sys
from ctypes import byref, c_float, c_int, c_uint, c_uint64, c_void_p
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from checks import Checks  # noqa: E402


def torch(c, steps, timed=False, pinned=True):
    from driver import AFFINE, NOT_READY, Device, call, launch, result_of

    device = Device()
    affine = device.function(device.module(AFFINE), "affine")
    stream, side = device.stream(), device.stream()
    weights, gradient, batch = (device.upload(np.zeros(256, np.uint32)) for _ in range(3))
    blocks, free, in_use = [device.pinned(1024) for _ in range(4)], [0, 1, 2, 3], []
    copied = [device.event() for _ in blocks]
    begin, end, used = device.event(timing=True), device.event(timing=True), device.event()
    loss = device.pinned(4).view(np.uint32) if pinned else np.zeros(1, np.uint32)
    current, capturing = c_void_p(), c_int()
    wrong, behind, times = 0, 0, []
    for step in range(1, steps + 1):
        call("cuCtxGetCurrent", byref(current))
        # The host allocator: blocks whose copy is done come back, in order, until one is not.
        while in_use and (result := result_of("cuEventQuery", copied[in_use[0]])) != NOT_READY:
            wrong += result != 0
            free.append(in_use.pop(0))
        while not free:
            call("cuEventSynchronize", copied[in_use[0]])
            free.append(in_use.pop(0))
        block = free.pop(0)
        blocks[block][:4] = np.frombuffer(np.uint32(step).tobytes(), np.uint8)
        call("cuStreamIsCapturing", stream, byref(capturing))
        call("cuEventRecord", begin, stream)
        call("cuMemcpyHtoDAsync_v2", batch, blocks[block].ctypes.data, 1024, stream)
        call("cuEventRecord", copied[block], stream)
        in_use.append(block)
        call("cuMemsetD32Async", gradient, 0, 256, stream)
        for _ in range(20):
            launch(affine, 1, 1, [c_uint64(weights), c_uint(1), c_uint(1)], stream)
            launch(affine, 1, 1, [c_uint64(gradient), c_uint(1), c_uint(2)], stream)
        call("cuEventRecord", end, stream)
        # A tensor that another stream used: its memory comes back when that stream's event is done.
        call("cuStreamWaitEvent", side, end, 0)
        launch(affine, 1, 1, [c_uint64(batch), c_uint(1), c_uint(1)], side)
        behind += result_of("cuEventQuery", used) == NOT_READY
        call("cuEventRecord", used, side)
        call("cuStreamWaitEvent", stream, used, 0)
        # loss.item()
        call("cuStreamIsCapturing", stream, byref(capturing))
        call("cuMemcpyDtoHAsync_v2", loss.ctypes.data, weights, 4, stream)
        call("cuStreamSynchronize", stream)
        wrong += int(loss[0]) != 20 * step
        if timed:
            time = c_float()
            call("cuEventElapsedTime", byref(time), begin, end)
            times.append(time.value)
    c.equal("losses and queries", wrong, 0)
    c.equal("the last batch", device.download(batch, 1, np.uint32), np.array([steps + 1], np.uint32))
    if timed:
        c.true("times", len(times) == steps and all(time >= 0 for time in times))


def numba(c, steps):
    from numba import cuda

    @cuda.jit
    def scale(data, factor):
        index = cuda.grid(1)
        if index < data.size:
            data[index] = data[index] * factor + 1

    stream = cuda.stream()
    host = np.arange(1000, dtype=np.float32)
    wrong = 0
    for step in range(steps):
        data = cuda.to_device(host + step, stream=stream)
        for _ in range(5):
            scale[4, 256, stream](data, np.float32(2))
        event = cuda.event()
        event.record(stream)
        event.query()
        got = data.copy_to_host(stream=stream)
        stream.synchronize()
        wrong += not np.array_equal(got, (host + step) * 32 + 31)
    c.equal("results", wrong, 0)


def tinygrad(c, steps):
    from tinygrad import Context, Tensor, TinyJit
    from tinygrad.nn.optim import SGD

    random = np.random.RandomState(3)
    weights = [Tensor((random.standard_normal(shape) * 0.3).astype(np.float32)).realize() for shape in ((16, 32), (32, 4))]
    optimizer = SGD(weights, lr=0.05)
    target = random.standard_normal((8, 4)).astype(np.float32)

    @TinyJit
    def step(x, y):
        optimizer.zero_grad()
        loss = ((x.matmul(weights[0]).relu().matmul(weights[1]) - y) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss.realize()

    inputs = random.standard_normal((8, 16)).astype(np.float32)
    losses = []
    with Context(TRAINING=1):
        for _ in range(steps):
            losses.append(step(Tensor(inputs).realize(), Tensor(target).realize()).item())
    c.true("the loss falls", losses[-1] < losses[0], str(losses))


def main():
    kind, steps = sys.argv[1], int(sys.argv[2])
    c = Checks("steps " + kind)
    {"torch": torch, "item": lambda c, n: torch(c, n, pinned=False), "timed": lambda c, n: torch(c, n, timed=True), "numba": numba, "tinygrad": tinygrad}[kind](c, steps)
    c.finish()


if __name__ == "__main__":
    main()
