"""Several devices: each computes in its own context and memory; data and order pass between them."""

import os
import sys
from ctypes import c_uint, c_uint64
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from checks import Checks  # noqa: E402
from driver import AFFINE, Device, call, device_count, launch, result_of  # noqa: E402

MASK = 0xFFFFFFFF


def main():
    c = Checks("several devices")
    count = device_count()
    c.equal("device count", count, int(os.environ.get("EXPECT_DEVICES", "1")))
    devices = [Device(ordinal) for ordinal in range(count)]
    c.true("contexts differ", len({device.context.value for device in devices}) == count)
    state = []
    for number, device in enumerate(devices):
        device.use()
        affine = device.function(device.module(AFFINE), "affine")
        state.append((device, affine, device.upload(np.array([number], np.uint32)), device.stream()))
    c.true("addresses differ", len({address for _, _, address, _ in state}) == count)
    want = list(range(count))
    for step in range(200):  # interleaved over the devices
        for number, (device, affine, address, stream) in enumerate(state):
            device.use()
            launch(affine, 1, 1, [c_uint64(address), c_uint(3 + number), c_uint(step)], stream)
            want[number] = (want[number] * (3 + number) + step) & MASK
    got = []
    for device, _, address, stream in state:
        device.use()
        call("cuStreamSynchronize", stream)
        got.append(int(device.download(address, 1, np.uint32)[0]))
    c.equal("each device's result", got, want)
    if count > 1:
        (a, _, source, stream), (b, affine, target, other) = state[0], state[1]
        b.use()
        data = np.arange(100_000, dtype=np.uint32)
        a.use()
        source = a.upload(data)
        b.use()
        target = b.alloc(data.nbytes)
        call("cuMemcpyPeer", target, b.context, source, a.context, data.nbytes)
        c.equal("copy from device 0 to device 1", b.download(target, data.size, np.uint32), data)
        event = None
        a.use()
        event = a.event()
        launch(state[0][1], 1, 1, [c_uint64(source), c_uint(1), c_uint(77)], stream)
        call("cuEventRecord", event, stream)
        b.use()
        call("cuStreamWaitEvent", other, event, 0)
        call("cuMemcpyDtoDAsync_v2", target, source, 4, other)
        call("cuStreamSynchronize", other)
        c.equal("an event orders two devices", b.download(target, 1, np.uint32), np.array([77], np.uint32))
    c.true("a device beyond the last is refused", result_of("cuDeviceGet", np.zeros(1, np.int32).ctypes.data, count) == 101)
    c.finish()


if __name__ == "__main__":
    main()
