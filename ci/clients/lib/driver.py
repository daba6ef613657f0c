"""The CUDA driver through ctypes: what the behaviour programs are written on. Results other than 0 raise CudaError."""

import ctypes
import functools
from ctypes import byref, c_char_p, c_float, c_int, c_size_t, c_uint, c_uint64, c_void_p

import numpy as np

OUT_OF_MEMORY = 2
INVALID_VALUE = 1
NOT_READY = 600
ILLEGAL_ADDRESS = 700

HOST_FUNCTION = ctypes.CFUNCTYPE(None, c_void_p)


class CudaError(Exception):
    def __init__(self, function, code):
        super().__init__(f"{function} gave {code}")
        self.function, self.code = function, code


_library = ctypes.CDLL("libcuda.so.1")

_SIGNATURES = {
    "cuInit": [c_uint],
    "cuDeviceGetCount": [c_void_p],
    "cuDeviceGet": [c_void_p, c_int],
    "cuDeviceGetName": [c_void_p, c_int, c_int],
    "cuDeviceTotalMem_v2": [c_void_p, c_int],
    "cuDevicePrimaryCtxRetain": [c_void_p, c_int],
    "cuDevicePrimaryCtxRelease_v2": [c_int],
    "cuDevicePrimaryCtxReset_v2": [c_int],
    "cuCtxCreate_v2": [c_void_p, c_uint, c_int],
    "cuCtxDestroy_v2": [c_void_p],
    "cuCtxSetCurrent": [c_void_p],
    "cuCtxGetCurrent": [c_void_p],
    "cuCtxSynchronize": [],
    "cuMemGetInfo_v2": [c_void_p, c_void_p],
    "cuMemAlloc_v2": [c_void_p, c_size_t],
    "cuMemFree_v2": [c_uint64],
    "cuMemAllocPitch_v2": [c_void_p, c_void_p, c_size_t, c_size_t, c_uint],
    "cuMemAllocAsync": [c_void_p, c_size_t, c_void_p],
    "cuMemFreeAsync": [c_uint64, c_void_p],
    "cuMemGetAddressRange_v2": [c_void_p, c_void_p, c_uint64],
    "cuPointerGetAttribute": [c_void_p, c_int, c_uint64],
    "cuArrayCreate_v2": [c_void_p, c_void_p],
    "cuArrayDestroy": [c_void_p],
    "cuMemHostAlloc": [c_void_p, c_size_t, c_uint],
    "cuMemFreeHost": [c_void_p],
    "cuMemHostRegister_v2": [c_void_p, c_size_t, c_uint],
    "cuMemHostUnregister": [c_void_p],
    "cuMemcpyHtoD_v2": [c_uint64, c_void_p, c_size_t],
    "cuMemcpyDtoH_v2": [c_void_p, c_uint64, c_size_t],
    "cuMemcpyDtoD_v2": [c_uint64, c_uint64, c_size_t],
    "cuMemcpyHtoDAsync_v2": [c_uint64, c_void_p, c_size_t, c_void_p],
    "cuMemcpyDtoHAsync_v2": [c_void_p, c_uint64, c_size_t, c_void_p],
    "cuMemcpyDtoDAsync_v2": [c_uint64, c_uint64, c_size_t, c_void_p],
    "cuMemcpyPeer": [c_uint64, c_void_p, c_uint64, c_void_p, c_size_t],
    "cuMemcpyBatchAsync": [c_void_p, c_void_p, c_void_p, c_size_t, c_void_p, c_void_p, c_size_t, c_void_p, c_void_p],
    "cuMemcpyBatchAsync_v2": [c_void_p, c_void_p, c_void_p, c_size_t, c_void_p, c_void_p, c_size_t, c_void_p],
    "cuMemcpyWithAttributesAsync": [c_uint64, c_uint64, c_size_t, c_void_p, c_void_p],
    "cuMemsetD8_v2": [c_uint64, ctypes.c_ubyte, c_size_t],
    "cuMemsetD32Async": [c_uint64, c_uint, c_size_t, c_void_p],
    "cuModuleLoadData": [c_void_p, c_char_p],
    "cuModuleUnload": [c_void_p],
    "cuLibraryLoadData": [c_void_p, c_char_p, c_void_p, c_void_p, c_uint, c_void_p, c_void_p, c_uint],
    "cuLibraryGetKernel": [c_void_p, c_void_p, c_char_p],
    "cuLibraryUnload": [c_void_p],
    "cuKernelGetFunction": [c_void_p, c_void_p],
    "cuModuleGetFunction": [c_void_p, c_void_p, c_char_p],
    "cuLaunchKernel": [c_void_p, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, c_void_p, c_void_p, c_void_p],
    "cuLaunchHostFunc": [c_void_p, HOST_FUNCTION, c_void_p],
    "cuStreamCreate": [c_void_p, c_uint],
    "cuStreamDestroy_v2": [c_void_p],
    "cuStreamSynchronize": [c_void_p],
    "cuStreamQuery": [c_void_p],
    "cuStreamIsCapturing": [c_void_p, c_void_p],
    "cuStreamBeginCapture_v2": [c_void_p, c_int],
    "cuStreamEndCapture": [c_void_p, c_void_p],
    "cuGraphInstantiateWithFlags": [c_void_p, c_void_p, c_uint64],
    "cuGraphLaunch": [c_void_p, c_void_p],
    "cuGraphExecDestroy": [c_void_p],
    "cuGraphDestroy": [c_void_p],
    "cuStreamWaitEvent": [c_void_p, c_void_p, c_uint],
    "cuEventCreate": [c_void_p, c_uint],
    "cuEventDestroy_v2": [c_void_p],
    "cuEventRecord": [c_void_p, c_void_p],
    "cuEventRecordWithFlags": [c_void_p, c_void_p, c_uint],
    "cuEventSynchronize": [c_void_p],
    "cuEventQuery": [c_void_p],
    "cuEventElapsedTime": [c_void_p, c_void_p, c_void_p],
}


@functools.cache
def _function(name):
    function = getattr(_library, name)
    function.argtypes, function.restype = _SIGNATURES[name], c_int
    return function


def call(name, *arguments):
    """Calls a driver function; raises CudaError unless it gives CUDA_SUCCESS."""
    code = _function(name)(*arguments)
    if code != 0:
        raise CudaError(name, code)


def result_of(name, *arguments):
    """Calls a driver function and returns its result code."""
    return _function(name)(*arguments)


def device_count():
    call("cuInit", 0)
    count = c_int()
    call("cuDeviceGetCount", byref(count))
    return count.value


class Device:
    """A device with its primary context current in this thread."""

    def __init__(self, ordinal=0):
        call("cuInit", 0)
        self.ordinal = c_int()
        call("cuDeviceGet", byref(self.ordinal), ordinal)
        self.context = c_void_p()
        call("cuDevicePrimaryCtxRetain", byref(self.context), self.ordinal)
        self.use()

    def use(self):
        """Makes the device's context current in the calling thread."""
        call("cuCtxSetCurrent", self.context)

    @property
    def total_memory(self):
        size = c_size_t()
        call("cuDeviceTotalMem_v2", byref(size), self.ordinal)
        return size.value

    def memory_info(self):
        free, total = c_size_t(), c_size_t()
        call("cuMemGetInfo_v2", byref(free), byref(total))
        return free.value, total.value

    def alloc(self, size):
        address = c_uint64()
        call("cuMemAlloc_v2", byref(address), size)
        return address.value

    def free(self, address):
        call("cuMemFree_v2", address)

    def pinned(self, size):
        """Pinned host memory as a numpy array of bytes; free it with free_pinned."""
        address = c_void_p()
        call("cuMemHostAlloc", byref(address), size, 0)
        return np.ctypeslib.as_array(ctypes.cast(address, ctypes.POINTER(ctypes.c_ubyte)), (size,))

    def free_pinned(self, array):
        call("cuMemFreeHost", array.ctypes.data)

    def upload(self, array):
        """A new allocation with the array's bytes."""
        array = np.ascontiguousarray(array)
        address = self.alloc(array.nbytes)
        call("cuMemcpyHtoD_v2", address, array.ctypes.data, array.nbytes)
        return address

    def download(self, address, shape, dtype):
        array = np.empty(shape, dtype)
        call("cuMemcpyDtoH_v2", array.ctypes.data, address, array.nbytes)
        return array

    def stream(self):
        handle = c_void_p()
        call("cuStreamCreate", byref(handle), 1)  # non-blocking: no order with the default stream
        return handle

    def event(self, timing=False):
        handle = c_void_p()
        call("cuEventCreate", byref(handle), 0 if timing else 2)
        return handle

    def module(self, ptx):
        handle = c_void_p()
        call("cuModuleLoadData", byref(handle), ptx.encode() + b"\0")
        return handle

    def function(self, module, name):
        handle = c_void_p()
        call("cuModuleGetFunction", byref(handle), module, name.encode())
        return handle

    def synchronize(self):
        call("cuCtxSynchronize")


def launch(function, grid, block, arguments, stream=None, shared=0):
    """Launches with kernelParams; arguments are ctypes values."""
    pointers = (c_void_p * len(arguments))(*[ctypes.cast(byref(value), c_void_p) for value in arguments])
    grid, block = (tuple(n) + (1, 1))[:3] if isinstance(grid, tuple) else (grid, 1, 1), (tuple(block) + (1, 1))[:3] if isinstance(block, tuple) else (block, 1, 1)
    call("cuLaunchKernel", function, *grid, *block, shared, stream, pointers, None)


def elapsed_ms(begin, end):
    value = c_float()
    call("cuEventElapsedTime", byref(value), begin, end)
    return value.value


PTX_HEADER = ".version 7.0\n.target sm_75\n.address_size 64\n"

AFFINE = PTX_HEADER + """
.visible .entry affine(.param .u64 word, .param .u32 factor, .param .u32 term)
{
    .reg .u64 %rd<2>;
    .reg .u32 %r<4>;
    ld.param.u64 %rd1, [word];
    ld.param.u32 %r1, [factor];
    ld.param.u32 %r2, [term];
    ld.global.u32 %r3, [%rd1];
    mad.lo.u32 %r3, %r3, %r1, %r2;
    st.global.u32 [%rd1], %r3;
    ret;
}
"""

FILL = PTX_HEADER + """
.visible .entry fill(.param .u64 words, .param .u64 count, .param .u32 key)
{
    .reg .pred %p<2>;
    .reg .u64 %rd<8>;
    .reg .u32 %r<8>;
    ld.param.u64 %rd1, [words];
    ld.param.u64 %rd2, [count];
    ld.param.u32 %r1, [key];
    mov.u32 %r2, %ctaid.x;
    mov.u32 %r3, %ntid.x;
    mov.u32 %r4, %tid.x;
    mad.lo.u32 %r5, %r2, %r3, %r4;
    cvt.u64.u32 %rd3, %r5;
    setp.ge.u64 %p1, %rd3, %rd2;
    @%p1 bra DONE;
    mul.lo.u32 %r6, %r5, 2654435761;
    xor.b32 %r6, %r6, %r1;
    shl.b64 %rd4, %rd3, 2;
    add.u64 %rd5, %rd1, %rd4;
    st.global.u32 [%rd5], %r6;
DONE:
    ret;
}

.visible .entry count_other(.param .u64 words, .param .u64 count, .param .u32 key, .param .u32 by_index, .param .u64 result)
{
    .reg .pred %p<4>;
    .reg .u64 %rd<8>;
    .reg .u32 %r<12>;
    ld.param.u64 %rd1, [words];
    ld.param.u64 %rd2, [count];
    ld.param.u32 %r1, [key];
    ld.param.u32 %r10, [by_index];
    ld.param.u64 %rd6, [result];
    mov.u32 %r2, %ctaid.x;
    mov.u32 %r3, %ntid.x;
    mov.u32 %r4, %tid.x;
    mad.lo.u32 %r5, %r2, %r3, %r4;
    cvt.u64.u32 %rd3, %r5;
    setp.ge.u64 %p1, %rd3, %rd2;
    @%p1 bra DONE;
    mul.lo.u32 %r6, %r5, 2654435761;
    mul.lo.u32 %r6, %r6, %r10;
    xor.b32 %r6, %r6, %r1;
    shl.b64 %rd4, %rd3, 2;
    add.u64 %rd5, %rd1, %rd4;
    ld.global.u32 %r7, [%rd5];
    setp.eq.u32 %p2, %r7, %r6;
    @%p2 bra DONE;
    red.global.add.u32 [%rd6], 1;
DONE:
    ret;
}
"""
