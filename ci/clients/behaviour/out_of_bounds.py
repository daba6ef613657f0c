"""A kernel that writes outside its allocation gives CUDA_ERROR_ILLEGAL_ADDRESS, and the error stays."""

import sys
from ctypes import byref, c_uint, c_uint64
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from checks import Checks  # noqa: E402
from driver import AFFINE, ILLEGAL_ADDRESS, Device, launch, result_of  # noqa: E402


def main():
    c = Checks("out of bounds")
    device = Device()
    affine = device.function(device.module(AFFINE), "affine")
    word = device.upload(np.array([1], np.uint32))
    launch(affine, 1, 1, [c_uint64(word), c_uint(2), c_uint(3)])
    c.equal("a good launch", device.download(word, 1, np.uint32), np.array([5], np.uint32))
    launch(affine, 1, 1, [c_uint64(word + (1 << 30)), c_uint(2), c_uint(3)])
    c.equal("synchronise reports it", result_of("cuCtxSynchronize"), ILLEGAL_ADDRESS)
    address = c_uint64()
    back = np.zeros(1, np.uint32)
    c.equal("and again", result_of("cuCtxSynchronize"), ILLEGAL_ADDRESS)
    c.equal("a copy reports it", result_of("cuMemcpyDtoH_v2", back.ctypes.data, word, 4), ILLEGAL_ADDRESS)
    c.equal("an allocation reports it", result_of("cuMemAlloc_v2", byref(address), 64), ILLEGAL_ADDRESS)
    c.finish()


if __name__ == "__main__":
    main()
