//! Results of the driver API, by number, name and text.

use std::fmt;

/// A CUresult other than success.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CudaError(u32);

macro_rules! results {
    ($($name:ident = $code:literal, $text:literal;)*) => {
        impl CudaError {
            $(#[doc = $text] pub const $name: CudaError = CudaError($code);)*
        }
        /// Every result that has a name, success included: number, CUDA's name, our text.
        pub const RESULTS: &[(u32, &str, &str)] = &[
            (0, "CUDA_SUCCESS", "no error"),
            $(($code, concat!("CUDA_ERROR_", stringify!($name)), $text),)*
        ];
    };
}

results! {
    INVALID_VALUE = 1, "an argument is invalid";
    OUT_OF_MEMORY = 2, "out of memory";
    NOT_INITIALIZED = 3, "cuInit has not been called, or it failed";
    DEINITIALIZED = 4, "the driver is shutting down";
    PROFILER_DISABLED = 5, "profiling is disabled for this run";
    PROFILER_NOT_INITIALIZED = 6, "the profiler was not initialised";
    PROFILER_ALREADY_STARTED = 7, "profiling is already on";
    PROFILER_ALREADY_STOPPED = 8, "profiling is already off";
    STUB_LIBRARY = 34, "a stub of the driver library was loaded in place of the driver";
    CALL_REQUIRES_NEWER_DRIVER = 36, "this call needs a newer driver";
    DEVICE_UNAVAILABLE = 46, "the device is busy or unavailable";
    MULTICAST_RESOURCE_FULL = 47, "no multicast resource is left";
    NO_DEVICE = 100, "no CUDA device was found";
    INVALID_DEVICE = 101, "there is no device with this number";
    DEVICE_NOT_LICENSED = 102, "the device has no valid licence";
    INVALID_IMAGE = 200, "the kernel image is invalid";
    INVALID_CONTEXT = 201, "no valid context is current";
    CONTEXT_ALREADY_CURRENT = 202, "the context is already current";
    MAP_FAILED = 205, "a mapping failed";
    UNMAP_FAILED = 206, "an unmapping failed";
    ARRAY_IS_MAPPED = 207, "the array is mapped";
    ALREADY_MAPPED = 208, "the resource is already mapped";
    NO_BINARY_FOR_GPU = 209, "there is no kernel image for this device";
    ALREADY_ACQUIRED = 210, "the resource is already acquired";
    NOT_MAPPED = 211, "the resource is not mapped";
    NOT_MAPPED_AS_ARRAY = 212, "the resource is not mapped as an array";
    NOT_MAPPED_AS_POINTER = 213, "the resource is not mapped as a pointer";
    ECC_UNCORRECTABLE = 214, "an uncorrectable memory error was found";
    UNSUPPORTED_LIMIT = 215, "the device does not support this limit";
    CONTEXT_ALREADY_IN_USE = 216, "the context is in use by another thread";
    PEER_ACCESS_UNSUPPORTED = 217, "the devices cannot reach each other's memory";
    INVALID_PTX = 218, "PTX could not be compiled";
    INVALID_GRAPHICS_CONTEXT = 219, "the graphics context is invalid";
    NVLINK_UNCORRECTABLE = 220, "an uncorrectable NVLink error was found";
    JIT_COMPILER_NOT_FOUND = 221, "the PTX compiler was not found";
    UNSUPPORTED_PTX_VERSION = 222, "the PTX is of a version that is not supported";
    JIT_COMPILATION_DISABLED = 223, "PTX compilation is disabled";
    UNSUPPORTED_EXEC_AFFINITY = 224, "this execution affinity is not supported";
    UNSUPPORTED_DEVSIDE_SYNC = 225, "the code synchronises on the device, which is not supported";
    CONTAINED = 226, "a memory error was contained";
    INSUFFICIENT_LOADER_VERSION = 227, "the loader is too old for this code";
    INVALID_SOURCE = 300, "the source is invalid";
    FILE_NOT_FOUND = 301, "the file was not found";
    SHARED_OBJECT_SYMBOL_NOT_FOUND = 302, "a symbol of a shared object was not found";
    SHARED_OBJECT_INIT_FAILED = 303, "a shared object could not be initialised";
    OPERATING_SYSTEM = 304, "the operating system refused";
    INVALID_HANDLE = 400, "the handle is invalid";
    ILLEGAL_STATE = 401, "the object is in a state that does not allow this";
    LOSSY_QUERY = 402, "the answer does not fit the older form of this query";
    NOT_FOUND = 500, "the name was not found";
    NOT_READY = 600, "work is still running";
    ILLEGAL_ADDRESS = 700, "a kernel used an address that is not its own";
    LAUNCH_OUT_OF_RESOURCES = 701, "the launch asks for too many resources";
    LAUNCH_TIMEOUT = 702, "a kernel ran for too long";
    LAUNCH_INCOMPATIBLE_TEXTURING = 703, "the launch uses an incompatible texturing mode";
    PEER_ACCESS_ALREADY_ENABLED = 704, "peer access is already enabled";
    PEER_ACCESS_NOT_ENABLED = 705, "peer access is not enabled";
    PRIMARY_CONTEXT_ACTIVE = 708, "the primary context is already active";
    CONTEXT_IS_DESTROYED = 709, "the context has been destroyed";
    ASSERT = 710, "an assertion failed on the device";
    TOO_MANY_PEERS = 711, "peer access is enabled to too many devices";
    HOST_MEMORY_ALREADY_REGISTERED = 712, "the host memory is already registered";
    HOST_MEMORY_NOT_REGISTERED = 713, "the host memory is not registered";
    HARDWARE_STACK_ERROR = 714, "a stack error on the device";
    ILLEGAL_INSTRUCTION = 715, "an illegal instruction on the device";
    MISALIGNED_ADDRESS = 716, "a kernel used a misaligned address";
    INVALID_ADDRESS_SPACE = 717, "a kernel used an address in the wrong space";
    INVALID_PC = 718, "a kernel jumped to an invalid address";
    LAUNCH_FAILED = 719, "a kernel failed";
    COOPERATIVE_LAUNCH_TOO_LARGE = 720, "a cooperative launch does not fit the device";
    TENSOR_MEMORY_LEAK = 721, "a kernel left tensor memory allocated";
    NOT_PERMITTED = 800, "the operation is not permitted";
    NOT_SUPPORTED = 801, "the operation is not supported";
    SYSTEM_NOT_READY = 802, "the system is not ready (the server or a service of it is gone)";
    SYSTEM_DRIVER_MISMATCH = 803, "the versions of the driver's parts differ";
    COMPAT_NOT_SUPPORTED_ON_DEVICE = 804, "the device does not support the compatibility mode";
    MPS_CONNECTION_FAILED = 805, "MPS could not be reached";
    MPS_RPC_FAILURE = 806, "a call to MPS failed";
    MPS_SERVER_NOT_READY = 807, "MPS is not ready";
    MPS_MAX_CLIENTS_REACHED = 808, "MPS has no room for another client";
    MPS_MAX_CONNECTIONS_REACHED = 809, "MPS has no connection left";
    MPS_CLIENT_TERMINATED = 810, "MPS ended this client";
    CDP_NOT_SUPPORTED = 811, "kernels cannot launch kernels here";
    CDP_VERSION_MISMATCH = 812, "two versions of kernel-side launch do not fit together";
    STREAM_CAPTURE_UNSUPPORTED = 900, "the operation is not permitted while a stream is capturing";
    STREAM_CAPTURE_INVALIDATED = 901, "the capture was invalidated by an earlier error";
    STREAM_CAPTURE_MERGE = 902, "the operation would merge two captures";
    STREAM_CAPTURE_UNMATCHED = 903, "the capture was not begun in this stream";
    STREAM_CAPTURE_UNJOINED = 904, "a forked stream was not joined before the capture ended";
    STREAM_CAPTURE_ISOLATION = 905, "the operation depends on work outside the capture";
    STREAM_CAPTURE_IMPLICIT = 906, "the operation would wait for a capturing stream";
    CAPTURED_EVENT = 907, "the event was recorded in a capturing stream";
    STREAM_CAPTURE_WRONG_THREAD = 908, "the capture was begun by another thread";
    TIMEOUT = 909, "the wait timed out";
    GRAPH_EXEC_UPDATE_FAILURE = 910, "the executable graph cannot be updated in this way";
    EXTERNAL_DEVICE = 911, "a device outside CUDA failed";
    INVALID_CLUSTER_SIZE = 912, "the cluster size is invalid";
    FUNCTION_NOT_LOADED = 913, "the function is not loaded";
    INVALID_RESOURCE_TYPE = 914, "the resource is of the wrong type";
    INVALID_RESOURCE_CONFIGURATION = 915, "the resource's configuration is invalid";
    KEY_ROTATION = 916, "a key is being changed";
    STREAM_DETACHED = 917, "the stream is detached";
    GRAPH_RECAPTURE_FAILURE = 918, "the capture does not fit the graph that it updates";
    FABRIC_NOT_READY = 919, "the fabric is not ready";
    UNKNOWN = 999, "an unknown error";
}

impl CudaError {
    /// The error with this number; `None` for 0, which is success. Numbers without a name are kept as they are.
    pub const fn from_code(code: u32) -> Option<Self> {
        if code == 0 { None } else { Some(Self(code)) }
    }
    /// Success or error, from a CUresult.
    pub const fn check(code: u32) -> Result<(), Self> {
        if code == 0 { Ok(()) } else { Err(Self(code)) }
    }
    /// The CUresult.
    pub const fn code(self) -> u32 {
        self.0
    }
    /// CUDA's name, such as `CUDA_ERROR_INVALID_VALUE`; `None` for a number without one.
    pub fn name(self) -> Option<&'static str> {
        result_name(self.0)
    }
    /// One line that says what the error means; `None` for a number without a name.
    pub fn text(self) -> Option<&'static str> {
        result_text(self.0)
    }
    /// Whether the error stays with its context for ever, as the driver's own documentation of the codes says
    /// ("the process must be terminated and relaunched").
    pub const fn is_sticky(self) -> bool {
        matches!(
            self.0,
            214 | 220 | 226 | 700 | 702 | 710 | 714..=719 | 721 | 810
        )
    }
}

fn find(code: u32) -> Option<&'static (u32, &'static str, &'static str)> {
    RESULTS
        .binary_search_by_key(&code, |r| r.0)
        .ok()
        .map(|i| &RESULTS[i])
}

/// CUDA's name of a CUresult (0 included).
pub fn result_name(code: u32) -> Option<&'static str> {
    find(code).map(|r| r.1)
}

/// Our text for a CUresult (0 included).
pub fn result_text(code: u32) -> Option<&'static str> {
    find(code).map(|r| r.2)
}

impl fmt::Debug for CudaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({})", self.0),
            None => write!(f, "CUresult {}", self.0),
        }
    }
}

impl fmt::Display for CudaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.text() {
            Some(text) => write!(f, "{self:?}: {text}"),
            None => write!(f, "{self:?}"),
        }
    }
}

impl std::error::Error for CudaError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_sorted_and_unique() {
        assert!(RESULTS.windows(2).all(|w| w[0].0 < w[1].0));
    }

    #[test]
    fn names_follow_the_numbers() {
        assert_eq!(CudaError::NOT_SUPPORTED.code(), 801);
        assert_eq!(
            CudaError::NOT_SUPPORTED.name(),
            Some("CUDA_ERROR_NOT_SUPPORTED")
        );
        assert_eq!(result_name(0), Some("CUDA_SUCCESS"));
        assert_eq!(result_name(12345), None);
        assert_eq!(CudaError::check(0), Ok(()));
        assert_eq!(CudaError::check(700), Err(CudaError::ILLEGAL_ADDRESS));
        assert!(CudaError::ILLEGAL_ADDRESS.is_sticky() && !CudaError::INVALID_VALUE.is_sticky());
    }
}
