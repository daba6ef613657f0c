"""Posted calls that the driver refuses: the first failure is kept and returned once by the next synchronising call. With
RINGWAY_SYNC=1 the failing call returns it itself."""

import os
import sys
from ctypes import c_uint64
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from checks import Checks  # noqa: E402
from driver import INVALID_VALUE, Device, result_of  # noqa: E402

NOWHERE = 0x123456789000  # no device memory: only the driver at the server can tell


def main():
    c = Checks("kept errors")
    device = Device()
    stream = device.stream()
    data = device.upload(np.array([7, 0], np.uint32))
    at_once = os.environ.get("RINGWAY_SYNC") == "1"

    bad = result_of("cuMemcpyDtoDAsync_v2", c_uint64(NOWHERE), c_uint64(data), 4, stream)
    good = result_of("cuMemcpyDtoDAsync_v2", c_uint64(data + 4), c_uint64(data), 4, stream)
    c.equal("the refused call", bad, INVALID_VALUE if at_once else 0)
    c.equal("a good call behind it", good, 0)
    c.equal("the synchronisation", result_of("cuStreamSynchronize", stream), 0 if at_once else INVALID_VALUE)
    c.equal("the next synchronisation", result_of("cuStreamSynchronize", stream), 0)
    c.equal("the good call was executed", device.download(data, 2, np.uint32), np.array([7, 7], np.uint32))
    c.finish()


if __name__ == "__main__":
    main()
