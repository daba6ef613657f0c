"""The driver API function by function: what the other clients call seldom or never. Each part checks numbers, and that what
CUDA rejects at once is rejected at once."""

import ctypes
import struct
import sys
from ctypes import byref, c_float, c_int, c_int64, c_size_t, c_uint, c_uint64, c_ubyte, c_void_p
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from checks import Checks  # noqa: E402
from driver import AFFINE, PTX_HEADER, CudaError, Device, launch  # noqa: E402

INVALID_VALUE, INVALID_HANDLE, NOT_FOUND, NOT_SUPPORTED = 1, 400, 500, 801
# What CUDA says of a handle that is not of a living object differs by function and version.
DEAD = (INVALID_VALUE, INVALID_HANDLE)

library = ctypes.CDLL("libcuda.so.1")
checks = Checks("driver API")


def result_of(name, *arguments):
    """The result code of a driver function; integers go as 64 bits, which every integer parameter takes."""
    function = getattr(library, name)
    function.restype = c_int
    return function(*[(c_int64(a) if a < 0 else c_uint64(a)) if isinstance(a, int) else a for a in arguments])


def call(name, *arguments):
    code = result_of(name, *arguments)
    if code != 0:
        raise CudaError(name, code)


def out(kind, name, *arguments, at=0):
    """Calls a function and returns what it writes through its parameter number `at`, which `arguments` leave out."""
    value = kind()
    arguments = list(arguments)
    arguments.insert(at, byref(value))
    call(name, *arguments)
    return value.value


def same(name, got, want):
    """As `equal`, for handles and what else differs from run to run: nothing goes into the summary."""
    checks.true(name, got == want, f"got {got}, expected {want}")


def rejected(name, want, function, *arguments):
    """The call gives the result `want`, or one of several."""
    got = result_of(function, *arguments)
    checks.true(name, got in (want if isinstance(want, tuple) else (want,)), f"gave {got}, expected {want}")


def words(device, address, count):
    return device.download(address, count, np.uint32)


def clear(memory, size):
    """Zeroes memory, also for streams that have no order with the default stream."""
    call("cuMemsetD8_v2", memory, 0, size)
    call("cuCtxSynchronize")


def streams(device):
    low, high = c_int(), c_int()
    call("cuCtxGetStreamPriorityRange", byref(low), byref(high))
    checks.true("priority range", high.value <= 0 <= low.value)
    call("cuCtxGetStreamPriorityRange", None, byref(high))
    plain = out(c_uint64, "cuStreamCreate", 1)
    urgent = out(c_uint64, "cuStreamCreateWithPriority", 1, high.value)
    checks.true("streams have handles of their own", len({plain, urgent, 0, 1, 2}) == 5)
    checks.equal("priority", out(c_int, "cuStreamGetPriority", urgent, at=1), high.value)
    checks.equal("flags", out(c_uint, "cuStreamGetFlags", plain, at=1), 1)
    checks.true("ids differ", out(c_uint64, "cuStreamGetId", plain, at=1) != out(c_uint64, "cuStreamGetId", urgent, at=1))
    same("context of a stream", out(c_uint64, "cuStreamGetCtx", plain, at=1), device.context.value)
    checks.equal("device of a stream", out(c_int, "cuStreamGetDevice", plain, at=1), 0)
    value = (c_int * 16)()
    call("cuStreamGetAttribute", urgent, 8, value)
    same("priority as an attribute", value[0], high.value)
    call("cuStreamSetAttribute", plain, 3, (c_uint * 16)(2))  # synchronisation policy: spin
    call("cuStreamCopyAttributes", urgent, plain)
    rejected("unknown stream flags", INVALID_VALUE, "cuStreamCreate", byref(c_uint64()), 0x80)
    rejected("no place for a stream", INVALID_VALUE, "cuStreamCreate", None, 0)
    call("cuStreamDestroy_v2", urgent)
    rejected("a destroyed stream", DEAD, "cuStreamGetFlags", urgent, byref(c_uint()))
    rejected("an event in place of a stream", DEAD, "cuStreamGetFlags", out(c_uint64, "cuEventCreate", 0), byref(c_uint()))
    call("cuStreamDestroy_v2", plain)


def events(device):
    first, second = device.stream(), device.stream()
    begin, end = out(c_uint64, "cuEventCreate", 0), out(c_uint64, "cuEventCreate", 0)
    checks.equal("an event that was never recorded is done", result_of("cuEventQuery", begin), 0)
    memory = device.alloc(1 << 20)
    call("cuEventRecord", begin, first)
    call("cuMemsetD32Async", memory, 7, 1 << 18, first)
    call("cuEventRecordWithFlags", end, first, 0)
    call("cuStreamWaitEvent", second, end, 0)
    call("cuMemsetD32Async", memory + 4096, 9, 1024, second)
    call("cuEventRecord_ptsz", end, second)
    call("cuEventSynchronize", end)
    checks.equal("query after synchronise", result_of("cuEventQuery", end), 0)
    got = words(device, memory, 4096)
    want = np.full(4096, 7, np.uint32)
    want[1024:2048] = 9
    checks.equal("streams in the order of their events", got, want)
    checks.true("elapsed time", out(c_float, "cuEventElapsedTime", begin, end) >= 0)
    untimed = out(c_uint64, "cuEventCreate", 2)
    call("cuEventRecord", untimed, first)
    call("cuEventSynchronize", untimed)
    rejected("time of an event without timing", DEAD, "cuEventElapsedTime", byref(c_float()), begin, untimed)
    rejected("unknown event flags", INVALID_VALUE, "cuEventCreate", byref(c_uint64()), 0x100)
    for event in begin, end, untimed:
        call("cuEventDestroy_v2", event)
    rejected("a destroyed event", DEAD, "cuEventRecord", begin, first)
    device.free(memory)


def memory_sets(device):
    memory = device.alloc(4096)
    stream = device.stream()
    clear(memory, 4096)
    call("cuMemsetD8Async", memory, 0x11, 64, stream)
    call("cuMemsetD16Async", memory + 64, 0x2222, 32, stream)
    call("cuMemsetD32Async", memory + 128, 0x33333333, 16, stream)
    call("cuMemsetD2D8Async", memory + 1024, 32, 0x44, 5, 3, stream)
    call("cuMemsetD2D16Async", memory + 1280, 32, 0x5555, 4, 3, stream)
    call("cuMemsetD2D32Async", memory + 1536, 32, 0x66666666, 3, 3, stream)
    call("cuStreamSynchronize", stream)
    want = np.zeros(4096, np.uint8)
    want[:64], want[64:128], want[128:192] = 0x11, 0x22, 0x33
    for row in range(3):
        want[1024 + 32 * row:][:5] = 0x44
        want[1280 + 32 * row:][:8] = 0x55
        want[1536 + 32 * row:][:12] = 0x66
    checks.equal("sets of three widths, in rows and flat", device.download(memory, 4096, np.uint8), want)
    call("cuMemsetD16_v2", memory, 0xABCD, 4)
    call("cuMemsetD32_v2_ptds", memory + 8, 0x01020304, 2)
    call("cuMemsetD2D8_v2", memory + 64, 16, 1, 2, 2)
    call("cuMemsetD2D16_v2", memory + 128, 16, 2, 2, 2)
    call("cuMemsetD2D32_v2", memory + 192, 16, 3, 2, 2)
    call("cuStreamSynchronize", 2)
    call("cuCtxSynchronize")
    want[:16] = np.frombuffer(struct.pack("<4H2I", *[0xABCD] * 4, *[0x01020304] * 2), np.uint8)
    for row in range(2):
        want[64 + 16 * row:][:2] = 1
        want[128 + 16 * row:][:4] = [2, 0, 2, 0]
        want[192 + 16 * row:][:8] = [3, 0, 0, 0, 3, 0, 0, 0]
    checks.equal("the same in the default streams", device.download(memory, 4096, np.uint8), want)
    rejected("a misaligned set", INVALID_VALUE, "cuMemsetD32_v2", memory + 2, 0, 4)
    rejected("a set beyond its allocation", INVALID_VALUE, "cuMemsetD8_v2", memory + 4000, 0, 97)
    rejected("a set of nowhere", INVALID_VALUE, "cuMemsetD8_v2", 0, 0, 97)
    device.free(memory)


def pools(device):
    first = out(c_uint64, "cuDeviceGetDefaultMemPool", 0)
    same("one default pool", out(c_uint64, "cuDeviceGetDefaultMemPool", 0), first)
    same("the current pool is the default one", out(c_uint64, "cuDeviceGetMemPool", 0), first)
    properties = bytearray(88)
    struct.pack_into("<IIii", properties, 0, 1, 0, 1, 0)  # pinned memory of device 0
    pool = out(c_uint64, "cuMemPoolCreate", (c_ubyte * 88).from_buffer(properties))
    checks.true("a pool of its own", pool != first)
    call("cuMemPoolSetAttribute", pool, 4, byref(c_uint64(1 << 20)))  # release threshold
    checks.equal("release threshold", out(c_uint64, "cuMemPoolGetAttribute", pool, 4, at=2), 1 << 20)
    location = struct.pack("<ii", 1, 0)
    checks.equal("access to a pool", out(c_uint, "cuMemPoolGetAccess", pool, location), 3)
    call("cuMemPoolSetAccess", pool, struct.pack("<iiI", 1, 0, 3), 1)
    stream = device.stream()
    memory = out(c_uint64, "cuMemAllocFromPoolAsync", 4096, pool, stream)
    call("cuMemsetD32Async", memory, 77, 1024, stream)
    got = np.zeros(1024, np.uint32)
    call("cuMemcpyDtoHAsync_v2", got.ctypes.data, memory, 4096, stream)
    call("cuStreamSynchronize", stream)
    checks.equal("memory from a pool", got, np.full(1024, 77, np.uint32))
    checks.true("memory in use", out(c_uint64, "cuMemPoolGetAttribute", pool, 7, at=2) >= 4096)
    call("cuMemFreeAsync", memory, stream)
    call("cuStreamSynchronize", stream)
    call("cuMemPoolTrimTo", pool, 0)
    call("cuDeviceSetMemPool", 0, pool)
    same("another current pool", out(c_uint64, "cuDeviceGetMemPool", 0), pool)
    call("cuDeviceSetMemPool", 0, first)
    call("cuMemPoolDestroy", pool)
    rejected("a destroyed pool", DEAD, "cuMemPoolTrimTo", pool, 0)


def virtual_memory(device):
    properties = bytearray(32)
    struct.pack_into("<IIii", properties, 0, 1, 0, 1, 0)
    properties = (c_ubyte * 32).from_buffer(properties)
    grain = out(c_size_t, "cuMemGetAllocationGranularity", properties, 0)
    checks.true("a granularity", grain >= 4096 and grain & (grain - 1) == 0)
    start = out(c_uint64, "cuMemAddressReserve", 4 * grain, 0, 0, 0)
    parts = [out(c_uint64, "cuMemCreate", grain, properties, 0) for _ in range(2)]
    call("cuMemMap", start, grain, 0, parts[0], 0)
    call("cuMemMap", start + grain, grain, 0, parts[1], 0)
    call("cuMemSetAccess", start, 2 * grain, struct.pack("<iiI", 1, 0, 3), 1)
    checks.equal("access of a mapping", out(c_uint64, "cuMemGetAccess", struct.pack("<ii", 1, 0), start), 3)
    read = (c_ubyte * 32)()
    call("cuMemGetAllocationPropertiesFromHandle", read, parts[0])
    checks.equal("properties come back", bytes(read)[:16], bytes(properties)[:16])
    data = np.arange(2 * grain // 4, dtype=np.uint32)
    call("cuMemcpyHtoD_v2", start, data.ctypes.data, data.nbytes)
    call("cuMemsetD32_v2", start + grain - 8, 5, 4)
    data[grain // 4 - 2:][:4] = 5
    checks.equal("data across two mappings", words(device, start, data.size), data)
    # The same physical memory at another address.
    call("cuMemMap", start + 2 * grain, grain, 0, parts[1], 0)
    call("cuMemSetAccess", start + 2 * grain, grain, struct.pack("<iiI", 1, 0, 3), 1)
    checks.equal("one memory at two addresses", words(device, start + 2 * grain, grain // 4), data[grain // 4:])
    for part in parts:
        call("cuMemRelease", part)
    rejected("a released handle", DEAD, "cuMemRelease", parts[0])
    checks.equal("released memory lives while it is mapped", words(device, start, 16), data[:16])
    call("cuMemUnmap", start, 3 * grain)
    rejected("half a range", INVALID_VALUE, "cuMemAddressFree", start, grain)
    call("cuMemAddressFree", start, 4 * grain)
    free, total = device.memory_info()
    checks.true("nothing is left behind", 0 < free <= total)


SAMPLE = PTX_HEADER + """
.visible .entry sample(.param .u64 texture, .param .u64 surface, .param .u64 out)
{
    .reg .b32 %t<6>;
    .reg .f32 %x, %y, %v<4>;
    .reg .b64 %a, %s, %o, %p;
    ld.param.u64 %a, [texture];
    ld.param.u64 %s, [surface];
    ld.param.u64 %o, [out];
    mov.u32 %t0, %tid.x;
    mov.u32 %t1, %ctaid.x;
    cvt.rn.f32.u32 %x, %t0;
    cvt.rn.f32.u32 %y, %t1;
    add.f32 %x, %x, 0f3F800000;
    add.f32 %y, %y, 0f3F000000;
    tex.2d.v4.f32.f32 {%v0, %v1, %v2, %v3}, [%a, {%x, %y}];
    mov.u32 %t2, %ntid.x;
    mad.lo.u32 %t3, %t1, %t2, %t0;
    mul.wide.u32 %p, %t3, 4;
    add.u64 %o, %o, %p;
    st.global.f32 [%o], %v0;
    shl.b32 %t4, %t0, 2;
    suld.b.2d.b32.trap {%t5}, [%s, {%t4, %t1}];
    add.u32 %t5, %t5, %t3;
    sust.b.2d.b32.trap [%s, {%t4, %t1}], {%t5};
    ret;
}
"""
FLOAT, UINT = 0x20, 3
HOST, DEVICE, ARRAY = 1, 2, 3


def box(source, target, size, at=(0, 0, 0), to=(0, 0, 0)):
    """A CUDA_MEMCPY3D; a side is its kind, its address or handle, and for memory its pitch and height."""
    def side(where, start):
        kind, base, pitch, height = (*where, 0, 0)[:4]
        places = [base if kind == k else 0 for k in (HOST, DEVICE, ARRAY)]
        return struct.pack("<4QI4x3Q8x2Q", *start, 0, kind, *places, pitch, height)
    return side(source, at) + side(target, to) + struct.pack("<3Q", *size)


def arrays(device):
    # The first launch of a context may take memory for itself.
    word = device.alloc(4)
    launch(device.function(device.module(AFFINE), "affine"), 1, 1, [c_uint64(word), c_uint(1), c_uint(1)])
    call("cuCtxSynchronize")
    device.free(word)
    free = device.memory_info()[0]
    width, height = 300, 70
    flat = out(c_uint64, "cuArrayCreate_v2", struct.pack("<QQII", width, height, FLOAT, 1))
    canvas = out(c_uint64, "cuArray3DCreate_v2", struct.pack("<QQQIII4x", width, height, 0, UINT, 1, 2))
    line = out(c_uint64, "cuArray3DCreate_v2", struct.pack("<QQQIII4x", 1000, 0, 0, UINT, 1, 0))
    volume = out(c_uint64, "cuArray3DCreate_v2", struct.pack("<QQQIII4x", 40, 30, 20, UINT, 1, 0))
    charged = free - device.memory_info()[0]
    checks.true("arrays count", 4 * (2 * width * height + 1000 + 24000) <= charged < 1 << 20, f"{charged} bytes")
    read = (c_ubyte * 40)()
    call("cuArray3DGetDescriptor_v2", read, volume)
    checks.equal("a descriptor comes back", struct.unpack("<QQQIII4x", bytes(read)), (40, 30, 20, UINT, 1, 0))

    # One dimension, by offsets in bytes; host memory is read when the call is made.
    numbers = np.arange(1000, dtype=np.uint32)
    call("cuMemcpyHtoA_v2", line, 0, numbers.ctypes.data, 4000)
    memory = device.alloc(1 << 20)
    call("cuMemcpyAtoD_v2", memory, line, 400, 3600)
    checks.equal("array to device", words(device, memory, 900), numbers[100:])
    call("cuMemcpyDtoA_v2", line, 0, memory, 2000)
    got = np.zeros(1000, np.uint32)
    call("cuMemcpyAtoH_v2", got.ctypes.data, line, 0, 4000)
    want = np.concatenate([numbers[100:600], numbers[500:]])
    checks.equal("device to array, array to host", got, want)
    stream = device.stream()
    pinned = device.pinned(4000)
    call("cuMemcpyHtoAAsync_v2", line, 8, numbers.ctypes.data, 800, stream)
    call("cuMemcpyAtoHAsync_v2", pinned.ctypes.data, line, 0, 4000, stream)
    call("cuStreamSynchronize", stream)
    want[2:202] = numbers[:200]
    checks.equal("the same in a stream", pinned.view(np.uint32), want)
    call("cuMemcpyAtoA_v2", line, 2000, line, 0, 2000)
    call("cuMemcpyAtoH_v2", got.ctypes.data, line, 2000, 2000)
    checks.equal("array to array", got[:500], want[:500])
    rejected("beyond an array", INVALID_VALUE, "cuMemcpyHtoA_v2", line, 4, numbers.ctypes.data, 4000)

    # Boxes: host rows with gaps in, device memory with gaps, host rows with gaps out.
    picture = np.arange(width * height, dtype=np.float32).reshape(height, width) * np.float32(0.25)
    wide = np.full((height, width + 7), -1, np.float32)
    wide[:, :width] = picture
    call("cuMemcpy3D_v2", box((HOST, wide.ctypes.data, wide.strides[0], height), (ARRAY, flat), (width * 4, height, 1)))
    back = np.full((50, 123), -2, np.float32)
    call("cuMemcpy3D_v2", box((ARRAY, flat), (HOST, back.ctypes.data, back.strides[0], 50), (400, 50, 1), at=(40, 3, 0)))
    want = np.full((50, 123), -2, np.float32)
    want[:, :100] = picture[3:53, 10:110]
    checks.equal("a box out of an array", back, want)
    cube = np.arange(24000, dtype=np.uint32).reshape(20, 30, 40)
    call("cuMemcpy3DAsync_v2", box((HOST, cube.ctypes.data, 160, 30), (ARRAY, volume), (160, 30, 20)), stream)
    call("cuMemcpy3DAsync_v2", box((ARRAY, volume), (DEVICE, memory, 256, 16), (64, 10, 5), at=(16, 2, 3)), stream)
    call("cuStreamSynchronize", stream)
    got = words(device, memory, 64 * 16 * 5).reshape(5, 16, 64)[:, :10, :16]
    checks.equal("a box to device memory", got, cube[3:8, 2:12, 4:20])
    got = np.zeros((20, 30, 40), np.uint32)
    call("cuMemcpy3D_v2", box((ARRAY, volume), (HOST, got.ctypes.data, 160, 30), (160, 30, 20)))
    checks.equal("a volume there and back", got, cube)
    rejected("a box beyond its array", INVALID_VALUE, "cuMemcpy3D_v2",
             box((ARRAY, volume), (HOST, got.ctypes.data, 160, 30), (160, 30, 20), at=(0, 0, 1)))

    # A node of a graph, from array to array and on to device memory.
    graph = out(c_uint64, "cuGraphCreate", 0)
    twin = out(c_uint64, "cuArray3DCreate_v2", struct.pack("<QQQIII4x", 40, 30, 20, UINT, 1, 0))
    first = out(c_uint64, "cuGraphAddMemcpyNode", graph, None, 0, box((ARRAY, volume), (ARRAY, twin), (160, 30, 20)), device.context)
    out(c_uint64, "cuGraphAddMemcpyNode", graph, (c_uint64 * 1)(first), 1,
        box((ARRAY, twin), (DEVICE, memory, 160, 30), (160, 30, 2), at=(0, 0, 18)), device.context)
    run = out(c_uint64, "cuGraphInstantiateWithFlags", graph, 0)
    call("cuGraphLaunch", run, stream)
    call("cuStreamSynchronize", stream)
    checks.equal("arrays in a graph", words(device, memory, 2400).reshape(2, 30, 40), cube[18:])
    call("cuGraphExecDestroy", run)
    call("cuGraphDestroy", graph)
    call("cuArrayDestroy", twin)

    # A large one, in many pieces.
    big = out(c_uint64, "cuArrayCreate_v2", struct.pack("<QQII", 1 << 10, 1 << 10, FLOAT, 4))
    data = np.arange(1 << 22, dtype=np.float32)
    rows = box((HOST, data.ctypes.data, 1 << 14, 1 << 10), (ARRAY, big), (1 << 14, 1 << 10, 1))
    call("cuMemcpy3D_v2", rows)
    got = np.zeros(1 << 22, np.float32)
    call("cuMemcpy3D_v2", box((ARRAY, big), (HOST, got.ctypes.data, 1 << 14, 1 << 10), (1 << 14, 1 << 10, 1)))
    checks.true("16 MiB there and back", np.array_equal(got, data))
    call("cuArrayDestroy", big)

    # Objects.
    module = device.module(SAMPLE)
    kernel = device.function(module, "sample")
    resource = lambda array: struct.pack("<QQ128x", 0, array)
    sampling = bytearray(104)
    struct.pack_into("<IIII", sampling, 0, 1, 1, 1, 1)  # clamped, filtered
    sampling = (c_ubyte * 104).from_buffer(sampling)
    texture = out(c_uint64, "cuTexObjectCreate", resource(flat), sampling, None)
    surface = out(c_uint64, "cuSurfObjectCreate", resource(canvas))
    described = (c_ubyte * 144)()
    call("cuTexObjectGetResourceDesc", described, texture)
    same("a texture's resource comes back", bytes(described)[:16], resource(flat)[:16])
    call("cuSurfObjectGetResourceDesc", described, surface)
    same("a surface's resource comes back", bytes(described)[:16], resource(canvas)[:16])
    launch(kernel, height, width, [c_uint64(texture), c_uint64(surface), c_uint64(memory)])
    call("cuTexObjectDestroy", texture)
    call("cuSurfObjectDestroy", surface)
    got = device.download(memory, (height, width), np.float32)
    right = np.concatenate([picture[:, 1:], picture[:, -1:]], axis=1)
    checks.equal("a filtered texture", got, (picture + right) / 2)
    painted = np.zeros((height, width), np.uint32)
    call("cuMemcpy3D_v2", box((ARRAY, canvas), (HOST, painted.ctypes.data, width * 4, height), (width * 4, height, 1)))
    checks.equal("a painted surface", painted, np.arange(width * height, dtype=np.uint32).reshape(height, width))
    rejected("a texture that is gone", INVALID_VALUE, "cuTexObjectDestroy", texture)

    # Mipmaps end with all their levels.
    mipmap = out(c_uint64, "cuMipmappedArrayCreate", struct.pack("<QQQIII4x", 64, 64, 0, FLOAT, 1, 0), 7)
    level = out(c_uint64, "cuMipmappedArrayGetLevel", mipmap, 2)
    call("cuArray3DGetDescriptor_v2", read, level)
    checks.equal("a level", struct.unpack("<QQQIII4x", bytes(read))[:2], (16, 16))
    call("cuMemcpy3D_v2", box((HOST, picture.ctypes.data, width * 4, height), (ARRAY, level), (64, 16, 1)))
    rejected("beyond a level", INVALID_VALUE, "cuMemcpy3D_v2",
             box((HOST, picture.ctypes.data, width * 4, height), (ARRAY, level), (68, 16, 1)))
    call("cuMipmappedArrayDestroy", mipmap)
    rejected("a level of what is gone", DEAD, "cuArray3DGetDescriptor_v2", read, level)

    for array in flat, canvas, line, volume:
        call("cuArrayDestroy", array)
    rejected("an array that is gone", DEAD, "cuArrayDestroy", flat)
    device.free(memory)
    same("arrays give their memory back", device.memory_info()[0], free)
    rejected("an array of no format", INVALID_VALUE, "cuArrayCreate_v2", byref(c_uint64()), struct.pack("<QQII", 4, 4, 0x44, 1))
    rejected("an array larger than the device", 2, "cuArray3DCreate_v2", byref(c_uint64()),
             struct.pack("<QQQIII4x", 8192, 8192, 2000, FLOAT, 4, 0))


def graph_nodes(function, graph):
    count = c_size_t()
    call(function, graph, None, byref(count))
    nodes = (c_uint64 * (count.value + 2))(*[99] * (count.value + 2))
    room = c_size_t(count.value + 2)
    call(function, graph, nodes, byref(room))
    checks.equal(f"{function}: number", room.value, count.value)
    checks.equal(f"{function}: rest is null", list(nodes[count.value:]), [0, 0])
    return list(nodes[:count.value])


def graphs(device):
    memory = device.alloc(4096)
    clear(memory, 4096)
    graph = out(c_uint64, "cuGraphCreate", 0)

    def memset_parameters(at, value, count):
        return struct.pack("<QQIIQQ", memory + at, 0, value, 4, count, 1)

    def dependencies(*nodes):
        return (c_uint64 * max(len(nodes), 1))(*nodes), len(nodes)

    a = out(c_uint64, "cuGraphAddMemsetNode", graph, None, 0, memset_parameters(0, 1, 64), device.context)
    b = out(c_uint64, "cuGraphAddMemsetNode", graph, *dependencies(a), memset_parameters(128, 2, 64), device.context)
    empty = out(c_uint64, "cuGraphAddEmptyNode", graph, *dependencies(a))
    end = out(c_uint64, "cuGraphAddMemsetNode", graph, *dependencies(b, empty), memset_parameters(256, 3, 16), device.context)
    same("nodes", sorted(graph_nodes("cuGraphGetNodes", graph)), sorted([a, b, empty, end]))
    same("roots", graph_nodes("cuGraphGetRootNodes", graph), [a])
    same("dependencies of a node", sorted(graph_nodes("cuGraphNodeGetDependencies", end)), sorted([b, empty]))
    same("dependents of a node", sorted(graph_nodes("cuGraphNodeGetDependentNodes", a)), sorted([b, empty]))
    count = c_size_t()
    call("cuGraphGetEdges", graph, None, None, byref(count))
    origins, targets = (c_uint64 * count.value)(), (c_uint64 * count.value)()
    call("cuGraphGetEdges", graph, origins, targets, byref(count))
    same("edges", sorted(zip(origins, targets)), sorted([(a, b), (a, empty), (b, end), (empty, end)]))
    checks.equal("type of a memset node", out(c_uint, "cuGraphNodeGetType", a, at=1), 2)
    checks.equal("type of an empty node", out(c_uint, "cuGraphNodeGetType", empty, at=1), 5)
    read = (c_ubyte * 40)()
    call("cuGraphMemsetNodeGetParams", b, read)
    checks.equal("parameters come back", struct.unpack("<QQIIQQ", bytes(read))[2:], (2, 4, 64, 1))
    call("cuGraphRemoveDependencies", graph, *dependencies(empty)[:1], (c_uint64 * 1)(end), 1)
    same("a dependency taken away", graph_nodes("cuGraphNodeGetDependencies", end), [b])
    call("cuGraphAddDependencies", graph, *dependencies(empty)[:1], (c_uint64 * 1)(end), 1)

    copy = out(c_uint64, "cuGraphClone", graph)
    found = out(c_uint64, "cuGraphNodeFindInClone", end, copy)
    checks.true("a node in the clone", found in graph_nodes("cuGraphGetNodes", copy) and found != end)
    call("cuGraphMemsetNodeSetParams", found, memset_parameters(256, 30, 16))

    stream = device.stream()
    run = out(c_uint64, "cuGraphInstantiateWithFlags", graph, 0)
    run_copy = out(c_uint64, "cuGraphInstantiateWithFlags", copy, 0)
    checks.equal("flags of an executable graph", out(c_uint64, "cuGraphExecGetFlags", run, at=1), 0)
    call("cuGraphUpload", run, stream)
    call("cuGraphLaunch", run, stream)
    call("cuStreamSynchronize", stream)
    want = np.zeros(1024, np.uint32)
    want[:32], want[32:96], want[64:80] = 1, 2, 3
    checks.equal("a launch", words(device, memory, 1024), want)
    call("cuGraphLaunch", run_copy, stream)
    call("cuStreamSynchronize", stream)
    want[64:80] = 30
    checks.equal("a launch of the clone", words(device, memory, 1024), want)
    call("cuGraphExecMemsetNodeSetParams", run, end, memset_parameters(256, 300, 16), device.context)
    call("cuGraphNodeSetEnabled", run, b, 0)
    checks.equal("a disabled node", out(c_uint, "cuGraphNodeGetEnabled", run, b, at=2), 0)
    clear(memory, 4096)
    call("cuGraphLaunch", run, stream)
    call("cuStreamSynchronize", stream)
    want = np.zeros(1024, np.uint32)
    want[:64], want[64:80] = 1, 300
    checks.equal("a launch with a changed and a disabled node", words(device, memory, 1024), want)

    outer = out(c_uint64, "cuGraphCreate", 0)
    child = out(c_uint64, "cuGraphAddChildGraphNode", outer, None, 0, graph)
    event, other = out(c_uint64, "cuEventCreate", 0), out(c_uint64, "cuEventCreate", 0)
    record = out(c_uint64, "cuGraphAddEventRecordNode", outer, *dependencies(child), event)
    wait = out(c_uint64, "cuGraphAddEventWaitNode", outer, *dependencies(record), event)
    same("event of a node", out(c_uint64, "cuGraphEventRecordNodeGetEvent", record, at=1), event)
    call("cuGraphEventWaitNodeSetEvent", wait, other)
    same("another event of a node", out(c_uint64, "cuGraphEventWaitNodeGetEvent", wait, at=1), other)
    inner = out(c_uint64, "cuGraphChildGraphNodeGetGraph", child, at=1)
    checks.equal("nodes of a child graph", len(graph_nodes("cuGraphGetNodes", inner)), 4)
    call("cuGraphDestroyNode", wait)
    rejected("a destroyed node", DEAD, "cuGraphNodeGetType", wait, byref(c_uint()))
    run_outer = c_uint64()
    call("cuGraphInstantiate_v2", byref(run_outer), outer, None, None, 0)
    clear(memory, 4096)
    call("cuGraphLaunch", run_outer, stream)
    call("cuEventSynchronize", event)
    want = np.zeros(1024, np.uint32)
    want[:32], want[32:96], want[64:80] = 1, 2, 3
    checks.equal("a launch with a child graph", words(device, memory, 1024), want)
    for each in run, run_copy, run_outer.value:
        call("cuGraphExecDestroy", each)
    for each in graph, copy, outer:
        call("cuGraphDestroy", each)
    rejected("a destroyed graph", DEAD, "cuGraphGetNodes", graph, None, byref(count))
    rejected("unknown graph flags", INVALID_VALUE, "cuGraphCreate", byref(c_uint64()), 1)
    device.free(memory)


def contexts(device):
    stack = out(c_size_t, "cuCtxGetLimit", 0)
    checks.true("a stack limit", stack > 0)
    call("cuCtxSetLimit", 0, 4096)
    checks.equal("another stack limit", out(c_size_t, "cuCtxGetLimit", 0), 4096)
    call("cuCtxSetLimit", 0, stack)
    rejected("an unknown limit", 215, "cuCtxSetLimit", 1000, 1)
    call("cuCtxSetCacheConfig", 1)
    checks.true("a cache preference", out(c_uint, "cuCtxGetCacheConfig") in (0, 1))
    rejected("an unknown cache preference", INVALID_VALUE, "cuCtxSetCacheConfig", 9)
    checks.true("an API version", out(c_uint, "cuCtxGetApiVersion", device.context, at=1) >= 3020)
    checks.true("an id", out(c_uint64, "cuCtxGetId", device.context, at=1) > 0)
    checks.equal("device of the context", out(c_int, "cuCtxGetDevice"), 0)
    name = ctypes.c_char_p()
    call("cuGetErrorName", 700, byref(name))
    checks.equal("name of an error", name.value.decode(), "CUDA_ERROR_ILLEGAL_ADDRESS")
    rejected("name of no error", INVALID_VALUE, "cuGetErrorName", 12345, byref(name))


def functions(device):
    module = device.module(AFFINE)
    function = device.function(module, "affine")
    threads = out(c_int, "cuFuncGetAttribute", 0, function)
    checks.true("threads per block", threads >= 32)
    blocks = out(c_int, "cuOccupancyMaxActiveBlocksPerMultiprocessor", function, 128, 0)
    checks.true("blocks per multiprocessor", blocks >= 1)
    same("the same with flags", out(c_int, "cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags", function, 128, 0, 0), blocks)
    shared = out(c_size_t, "cuOccupancyAvailableDynamicSMemPerBlock", function, 1, 128)
    checks.true("dynamic shared memory", shared > 0)
    call("cuFuncSetCacheConfig", function, 2)
    checks.equal("functions of a module", out(c_uint, "cuModuleGetFunctionCount", module), 1)
    offset, size = c_size_t(), c_size_t()
    call("cuFuncGetParamInfo", function, 1, byref(offset), byref(size))
    checks.equal("layout of a parameter", (offset.value, size.value), (8, 4))
    rejected("a function that is not there", NOT_FOUND, "cuModuleGetFunction", byref(c_uint64()), module, b"nothing")


def memory_operations(device):
    memory = device.alloc(64)
    clear(memory, 64)
    first, second = device.stream(), device.stream()
    call("cuStreamWaitValue32_v2", first, memory, 5, 1)  # until equal
    call("cuMemsetD32Async", memory + 8, 6, 1, first)
    call("cuStreamWriteValue32_v2", second, memory, 5, 0)
    call("cuStreamSynchronize", first)
    call("cuStreamWriteValue64_v2", first, memory + 16, 0x1122334455667788, 0)
    call("cuStreamSynchronize", first)
    want = np.zeros(16, np.uint32)
    want[0], want[2], want[4], want[5] = 5, 6, 0x55667788, 0x11223344
    checks.equal("a stream waits for another's write", words(device, memory, 16), want)
    device.free(memory)


def entry_points(_device):
    def resolve(name, version, flags=0):
        address, status = c_void_p(), c_int(-1)
        code = result_of("cuGetProcAddress_v2", name.encode(), byref(address), version, flags, byref(status))
        return code, address.value, status.value

    def exported(name):
        return ctypes.cast(getattr(library, name), c_void_p).value

    for name, version, flags, symbol in [
        ("cuMemAlloc", 12000, 0, "cuMemAlloc_v2"),
        ("cuStreamGetCaptureInfo", 11030, 0, "cuStreamGetCaptureInfo_v2"),
        ("cuStreamGetCaptureInfo", 12030, 2, "cuStreamGetCaptureInfo_v3_ptsz"),
        ("cuMemcpyHtoD", 12000, 2, "cuMemcpyHtoD_v2_ptds"),
        ("cuCtxCreate", 11000, 0, "cuCtxCreate_v2"),
    ]:
        same(f"{name} of {version}, flags {flags}", resolve(name, version, flags), (0, exported(symbol), 0))
    for name, version, status in [("cuNothing", 13000, 1), ("cuGetProcAddress", 11020, 2)]:
        code, address, got = resolve(name, version)
        same(f"{name} of {version} is not there", (address, got), (None, status))
        checks.true(f"result of {name}", code in (0, NOT_FOUND))


def refusals(_device):
    for function, arguments in [
        ("cuGreenCtxCreate", (byref(c_uint64()), None, 0, 1)),
        ("cuMulticastCreate", (byref(c_uint64()), None)),
        ("cuImportExternalMemory", (byref(c_uint64()), None)),
        ("cuGraphicsGLRegisterBuffer", (byref(c_uint64()), 1, 0)),
        ("cuMemAlloc", (byref(c_uint()), 16)),  # the form of CUDA 3.1, with 32-bit addresses
    ]:
        rejected(f"{function} is refused", NOT_SUPPORTED, function, *arguments)


def main():
    device = Device()
    for part in (streams, events, memory_sets, pools, virtual_memory, arrays, graphs, contexts, functions, memory_operations,
                 entry_points, refusals):
        try:
            part(device)
        except CudaError as error:
            checks.true(f"{part.__name__} comes to its end", False, str(error))
        else:
            checks.true(f"{part.__name__} comes to its end", True)
    checks.equal("no error is left over", result_of("cuCtxSynchronize"), 0)
    checks.finish()


if __name__ == "__main__":
    main()
