"""Modules and libraries are loaded, used and unloaded over and over: what is left of one does not stand in the way of the next.

usage: reloaded.py
"""

import ctypes
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from checks import Checks  # noqa: E402
from driver import AFFINE, FILL, Device, call, launch  # noqa: E402


def main():
    c = Checks("loaded again")
    device = Device()
    words = device.upload(np.zeros(256, np.uint32))
    index = (np.arange(256, dtype=np.uint64) * 2654435761).astype(np.uint32)

    def fills(function, key):
        launch(function, 1, 256, [ctypes.c_uint64(words), ctypes.c_uint64(256), ctypes.c_uint32(key)])
        return np.array_equal(device.download(words, 256, np.uint32), index ^ np.uint32(key))

    for round_ in range(6):
        module = device.module(FILL)
        c.true(f"module, round {round_}", fills(device.function(module, "fill"), round_))
        other = device.module(AFFINE)
        device.function(other, "affine")
        call("cuModuleUnload", module)
        call("cuModuleUnload", other)
    for round_ in range(6):
        library, kernel, function = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
        call("cuLibraryLoadData", ctypes.byref(library), FILL.encode() + b"\0", None, None, 0, None, None, 0)
        call("cuLibraryGetKernel", ctypes.byref(kernel), library, b"fill")
        c.true(f"kernel of a library, round {round_}", fills(kernel, 100 + round_))
        call("cuKernelGetFunction", ctypes.byref(function), kernel)
        c.true(f"its function, round {round_}", fills(function, 200 + round_))
        call("cuLibraryUnload", library)
    c.finish()


if __name__ == "__main__":
    main()
