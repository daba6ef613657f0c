"""pynvml and gpustat: the devices of the lease, as monitoring programs see them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pynvml

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from checks import Checks  # noqa: E402


def main():
    c = Checks("pynvml and gpustat")
    expected = int(os.environ.get("EXPECT_DEVICES", "1"))
    pynvml.nvmlInit()
    c.true("driver version", len(pynvml.nvmlSystemGetDriverVersion()) > 0)
    c.true("CUDA version", pynvml.nvmlSystemGetCudaDriverVersion() >= 12000)
    count = pynvml.nvmlDeviceGetCount()
    c.equal("device count", count, expected)
    seen = set()
    for index in range(count):
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        name, uuid = pynvml.nvmlDeviceGetName(handle), pynvml.nvmlDeviceGetUUID(handle)
        c.true(f"name of {index}", len(name) > 0, repr(name))
        c.true(f"uuid of {index}", uuid.startswith("GPU-") and len(uuid) == 40 and uuid not in seen, repr(uuid))
        seen.add(uuid)
        c.equal(f"index of {index}", pynvml.nvmlDeviceGetIndex(handle), index)
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
        c.true(f"memory of {index}", memory.total > 0 and memory.used + memory.free <= memory.total, str(memory))
        major, minor = pynvml.nvmlDeviceGetCudaComputeCapability(handle)
        c.true(f"compute capability of {index}", (major, minor) >= (7, 5), f"{major}.{minor}")
        again = pynvml.nvmlDeviceGetHandleByUUID(uuid)
        c.equal(f"handle by uuid of {index}", pynvml.nvmlDeviceGetIndex(again), index)
        if "EXPECT_MEMORY" in os.environ:
            c.equal(f"slice of {index}", memory.total, int(os.environ["EXPECT_MEMORY"]))
    try:
        pynvml.nvmlDeviceGetHandleByIndex(count)
        c.true("index out of range is refused", False)
    except pynvml.NVMLError as error:
        c.true("index out of range is refused", error.value == pynvml.NVML_ERROR_INVALID_ARGUMENT, str(error))
    pynvml.nvmlShutdown()

    result = subprocess.run([str(Path(sys.executable).parent / "gpustat"), "--json"], capture_output=True, text=True, timeout=60)
    if c.true("gpustat runs", result.returncode == 0, result.stdout[-500:] + result.stderr[-500:]):
        gpus = json.loads(result.stdout)["gpus"]
        c.equal("gpustat's devices", len(gpus), expected)
        c.true("gpustat's memory", all(gpu["memory.total"] > 0 for gpu in gpus))
        c.true("gpustat's names", all(gpu["name"] for gpu in gpus))
    c.finish()


if __name__ == "__main__":
    main()
