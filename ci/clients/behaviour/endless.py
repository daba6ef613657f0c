"""Computes until something ends it: the program of the kill tests.

Prints "running" once it computes. A CUDA error ends it with one line and exit code 17.
"""

import sys
from ctypes import c_uint, c_uint64
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from driver import AFFINE, CudaError, Device, launch  # noqa: E402


def main():
    device = Device()
    affine = device.function(device.module(AFFINE), "affine")
    word = device.upload(np.array([1], np.uint32))
    rounds = 0
    while True:
        for _ in range(20):
            launch(affine, 1, 1, [c_uint64(word), c_uint(3), c_uint(1)])
        device.download(word, 1, np.uint32)
        rounds += 1
        if rounds == 20:
            print("running", flush=True)


if __name__ == "__main__":
    try:
        main()
    except CudaError as error:
        print(f"CUDA error: {error}", flush=True)
        sys.exit(17)
