//! The devices: how many, what they are, and the attributes they report (all derived from one compute capability).

use super::context::Primary;
use super::memory::arena::{Arena, MANAGED_BASE, device_base};
use super::memory::pool::DevicePools;
use super::result::{CUresult, R};
use super::settings::settings;
use parking_lot::Mutex;
use std::sync::OnceLock;

/// One software GPU.
pub struct Device {
    /// Its number.
    pub ordinal: u32,
    /// Compute capability.
    pub cc: (u32, u32),
    /// Its memory.
    pub arena: Arena,
    /// Its primary context.
    pub primary: Mutex<Primary>,
    /// Its default and current memory pool.
    pub pools: DevicePools,
    /// Launches so far (%gridid).
    pub grids: std::sync::atomic::AtomicU64,
}

/// Everything that exists once per process.
pub struct Driver {
    /// The devices.
    pub devices: Vec<Device>,
    /// Managed memory.
    pub managed: Arena,
}

static DRIVER: OnceLock<R<Driver>> = OnceLock::new();

/// Makes the devices: what `cuInit` does.
pub fn initialise() -> R {
    DRIVER
        .get_or_init(|| {
            let settings = settings();
            if settings.devices == 0 {
                return Err(CUresult::NO_DEVICE);
            }
            super::entry::watch_forks();
            let managed = Arena::new(MANAGED_BASE, 16 * settings.memory_bytes, 0)?;
            let devices = (0..settings.devices).map(Device::new).collect::<R<Vec<_>>>()?;
            Ok(Driver { devices, managed })
        })
        .as_ref()
        .map(|_| ())
        .map_err(|&error| error)
}

/// The driver, or CUDA_ERROR_NOT_INITIALIZED before `cuInit`.
pub fn driver() -> R<&'static Driver> {
    match DRIVER.get() {
        Some(Ok(driver)) => Ok(driver),
        Some(Err(error)) => Err(*error),
        None => Err(CUresult::NOT_INITIALIZED),
    }
}

/// The device of a number, or CUDA_ERROR_INVALID_DEVICE.
pub fn device(number: i32) -> R<&'static Device> {
    let driver = driver()?;
    usize::try_from(number).ok().and_then(|n| driver.devices.get(n)).ok_or(CUresult::INVALID_DEVICE)
}

/// The name every software GPU carries.
pub const NAME: &str = "Ringway Software GPU";
/// Blocks run on as many rayon threads as there are cores; the figure reported is fixed so that programs choose the same grids everywhere.
pub const MULTIPROCESSORS: u32 = 16;

impl Device {
    fn new(ordinal: u32) -> R<Device> {
        let base = device_base(ordinal, settings().share);
        Ok(Device {
            ordinal,
            cc: settings().compute_capability,
            arena: Arena::new(base, settings().memory_bytes, ordinal)?,
            primary: Mutex::new(Primary::new()),
            pools: DevicePools::default(),
            grids: std::sync::atomic::AtomicU64::new(0),
        })
    }

    /// Compute capability as major * 10 + minor.
    pub fn capability(&self) -> u32 {
        self.cc.0 * 10 + self.cc.1
    }

    /// A fixed identifier per device number.
    pub fn uuid(&self) -> [u8; 16] {
        let mut bytes = *b"RngwaySoftGPU\0\0\0";
        bytes[14..].copy_from_slice(&(self.ordinal as u16).to_be_bytes());
        bytes
    }

    /// PCI domain, bus and device: a domain no real device uses.
    pub fn pci(&self) -> (u32, u32, u32) {
        (0x5247, self.ordinal + 1, 0)
    }

    /// Most shared memory a block can have if it asks for it (`cuFuncSetAttribute`), bytes.
    pub fn shared_optin(&self) -> u32 {
        1024 * match self.cc {
            (7, 5) => 64,
            (8, 0) | (8, 7) => 163,
            (9, _) | (10, _) | (11, _) => 227,
            _ => 99,
        }
    }

    /// Shared memory of a multiprocessor, bytes.
    pub fn shared_per_multiprocessor(&self) -> u32 {
        1024 * match self.cc {
            (7, 5) => 64,
            (8, 0) | (8, 7) => 164,
            (9, _) | (10, _) | (11, _) => 228,
            _ => 100,
        }
    }

    /// Threads that can be resident on a multiprocessor.
    pub fn threads_per_multiprocessor(&self) -> u32 {
        match self.cc {
            (7, 5) => 1024,
            (8, 6) | (8, 7) | (8, 9) | (12, _) => 1536,
            _ => 2048,
        }
    }

    /// Blocks that can be resident on a multiprocessor.
    pub fn blocks_per_multiprocessor(&self) -> u32 {
        match self.cc {
            (7, 5) | (8, 6) | (8, 7) => 16,
            (8, 9) | (12, _) => 24,
            _ => 32,
        }
    }

    /// A `CUdevice_attribute`, or CUDA_ERROR_INVALID_VALUE for a number CUDA does not define.
    pub fn attribute(&self, attribute: i32) -> R<i32> {
        let (domain, bus, slot) = self.pci();
        let shared_reserved = if self.cc.0 >= 8 { 1024 } else { 0 };
        Ok(match attribute {
            1 => 1024,                                  // MAX_THREADS_PER_BLOCK
            2 | 3 => 1024,                              // MAX_BLOCK_DIM_X, _Y
            4 => 64,                                    // MAX_BLOCK_DIM_Z
            5 => i32::MAX,                              // MAX_GRID_DIM_X
            6 | 7 => 65535,                             // MAX_GRID_DIM_Y, _Z
            8 => 48 << 10,                              // MAX_SHARED_MEMORY_PER_BLOCK
            9 => 64 << 10,                              // TOTAL_CONSTANT_MEMORY
            10 => 32,                                   // WARP_SIZE
            11 => i32::MAX,                             // MAX_PITCH
            12 | 82 => 65536,                           // MAX_REGISTERS_PER_BLOCK, _PER_MULTIPROCESSOR
            13 => 1_410_000,                            // CLOCK_RATE, kHz
            14 => 512,                                  // TEXTURE_ALIGNMENT
            15 => 1,                                    // GPU_OVERLAP
            16 => MULTIPROCESSORS as i32,               // MULTIPROCESSOR_COUNT
            17 | 18 => 0,                               // KERNEL_EXEC_TIMEOUT, INTEGRATED
            19 => 1,                                    // CAN_MAP_HOST_MEMORY
            20 => 0,                                    // COMPUTE_MODE: default
            21 | 22 | 56 => 131_072,                    // widths of 1D and 2D textures and of 2D surfaces
            23 | 57 => 65536,                           // heights of 2D textures and surfaces
            27 | 28 | 42 | 45 | 46 | 52 | 53 | 55 | 61 | 63 | 64 | 66 | 67 | 73 | 74 | 77 => 32768,
            24 | 25 | 26 | 47 | 48 | 49 | 58 | 59 | 60 => 16384,
            29 | 43 | 62 | 65 => 2048,                  // layers of layered textures and surfaces
            54 | 68 => 2046,                            // faces of layered cubemaps
            30 => 512,                                  // SURFACE_ALIGNMENT
            31 => 1,                                    // CONCURRENT_KERNELS
            32 => 0,                                    // ECC_ENABLED
            33 => bus as i32,                           // PCI_BUS_ID
            34 => slot as i32,                          // PCI_DEVICE_ID
            35 => 0,                                    // TCC_DRIVER
            36 => 1_215_000,                            // MEMORY_CLOCK_RATE, kHz
            37 => 256,                                  // GLOBAL_MEMORY_BUS_WIDTH, bits
            38 => 4 << 20,                              // L2_CACHE_SIZE
            39 => self.threads_per_multiprocessor() as i32,
            40 => 2,                                    // ASYNC_ENGINE_COUNT
            41 => 1,                                    // UNIFIED_ADDRESSING
            44 => 1,                                    // CAN_TEX2D_GATHER
            50 => domain as i32,                        // PCI_DOMAIN_ID
            51 => 32,                                   // TEXTURE_PITCH_ALIGNMENT
            69 => 1 << 28,                              // MAXIMUM_TEXTURE1D_LINEAR_WIDTH
            70 => 131_072,                              // MAXIMUM_TEXTURE2D_LINEAR_WIDTH
            71 => 65000,                                // MAXIMUM_TEXTURE2D_LINEAR_HEIGHT
            72 => 2_097_120,                            // MAXIMUM_TEXTURE2D_LINEAR_PITCH
            75 => self.cc.0 as i32,                     // COMPUTE_CAPABILITY_MAJOR
            76 => self.cc.1 as i32,                     // COMPUTE_CAPABILITY_MINOR
            78..=80 => 1,                               // STREAM_PRIORITIES, GLOBAL_L1_CACHE, LOCAL_L1_CACHE
            81 => self.shared_per_multiprocessor() as i32,
            83 => 1,                                    // MANAGED_MEMORY
            84 => 0,                                    // MULTI_GPU_BOARD
            85 => self.ordinal as i32,                  // MULTI_GPU_BOARD_GROUP_ID
            86 => 1,                                    // HOST_NATIVE_ATOMIC_SUPPORTED
            87 => 2,                                    // SINGLE_TO_DOUBLE_PRECISION_PERF_RATIO
            88 => 0,                                    // PAGEABLE_MEMORY_ACCESS
            89 => 1,                                    // CONCURRENT_MANAGED_ACCESS
            90 | 91 => 1,                               // COMPUTE_PREEMPTION, CAN_USE_HOST_POINTER_FOR_REGISTERED_MEM
            92..=94 => 0,                               // first forms of the stream memory operations
            95 => 1,                                    // COOPERATIVE_LAUNCH
            96 => 0,                                    // COOPERATIVE_MULTI_DEVICE_LAUNCH
            97 => self.shared_optin() as i32,           // MAX_SHARED_MEMORY_PER_BLOCK_OPTIN
            98 => 0,                                    // CAN_FLUSH_REMOTE_WRITES
            99 => 1,                                    // HOST_REGISTER_SUPPORTED
            100 => 0,                                   // PAGEABLE_MEMORY_ACCESS_USES_HOST_PAGE_TABLES
            101 => 1,                                   // DIRECT_MANAGED_MEM_ACCESS_FROM_HOST
            102 => 1,                                   // VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED
            103 => 1,                                   // HANDLE_TYPE_POSIX_FILE_DESCRIPTOR_SUPPORTED
            104 | 105 => 0,                             // other shareable handle types
            106 => self.blocks_per_multiprocessor() as i32,
            107 | 110 => 0,                             // GENERIC_COMPRESSION, GPU_DIRECT_RDMA_WITH_CUDA_VMM
            108 => if self.cc.0 >= 8 { 3 << 20 } else { 0 },            // MAX_PERSISTING_L2_CACHE_SIZE
            109 => if self.cc.0 >= 8 { 128 << 20 } else { 0 },          // MAX_ACCESS_POLICY_WINDOW_SIZE
            111 => shared_reserved,                     // RESERVED_SHARED_MEMORY_PER_BLOCK
            112 => 0,                                   // SPARSE_CUDA_ARRAY_SUPPORTED
            113 => 1,                                   // READ_ONLY_HOST_REGISTER_SUPPORTED
            114 => 0,                                   // TIMELINE_SEMAPHORE_INTEROP_SUPPORTED
            115 => 1,                                   // MEMORY_POOLS_SUPPORTED
            116..=118 | 120 | 121 => 0,                 // GPUDirect RDMA, CLUSTER_LAUNCH, deferred arrays
            119 => 1,                                   // MEMPOOL_SUPPORTED_HANDLE_TYPES: file descriptors
            122 | 123 => 1,                             // 64-bit stream memory operations and their NOR
            124 => 0,                                   // DMA_BUF
            125 => 1,                                   // IPC_EVENT_SUPPORTED
            126 => 1,                                   // MEM_SYNC_DOMAIN_COUNT
            127 | 128 => 0,                             // TENSOR_MAP_ACCESS, HANDLE_TYPE_FABRIC
            129 => 0,                                   // UNIFIED_FUNCTION_POINTERS
            130 => 0,                                   // NUMA_CONFIG: none
            131 => -1,                                  // NUMA_ID
            132 | 133 => 0,                             // MULTICAST, MPS
            134 => -1,                                  // HOST_NUMA_ID: none
            135..=138 => 0,
            139 => 0x5247,                              // GPU_PCI_DEVICE_ID
            140..=162 => 0,
            _ => return Err(CUresult::INVALID_VALUE),
        })
    }
}
