//! What programs that compute do: kernels over memory, several streams, events, copies that do not wait.

use super::{DeviceMemory, Driver, PinnedMemory, Result, check};
use std::ffi::{c_uint, c_void};

/// Threads of a block of [`AddWords`].
const THREADS: u32 = 256;

/// A stream of the program's own.
pub struct Stream(*mut c_void);

/// An event without a time.
pub struct Event(*mut c_void);

/// The kernel that adds a number to each 32-bit word.
pub struct AddWords(*mut c_void);

impl Driver {
    /// Makes a stream that does not wait for the default stream.
    pub fn stream(&self) -> Result<Stream> {
        let mut stream = std::ptr::null_mut();
        // SAFETY: an out-pointer to a local; CU_STREAM_NON_BLOCKING.
        check("cuStreamCreate", unsafe {
            (self.f.stream_create)(&raw mut stream, 1)
        })?;
        Ok(Stream(stream))
    }

    /// Makes an event.
    pub fn event(&self) -> Result<Event> {
        let mut event = std::ptr::null_mut();
        // SAFETY: an out-pointer to a local; CU_EVENT_DISABLE_TIMING.
        check("cuEventCreate", unsafe {
            (self.f.event_create)(&raw mut event, 2)
        })?;
        Ok(Event(event))
    }

    /// Looks the kernel up.
    pub fn add_words(&self) -> Result<AddWords> {
        self.function(c"add_words").map(AddWords)
    }

    /// Adds `by` to the first `words` words, when the stream gets there.
    pub fn add(
        &self,
        kernel: &AddWords,
        to: &DeviceMemory<'_>,
        words: u32,
        by: u32,
        stream: &Stream,
    ) -> Result<()> {
        let mut params: [*mut c_void; 3] = [
            (&raw const to.at).cast_mut().cast(),
            (&raw const words).cast_mut().cast(),
            (&raw const by).cast_mut().cast(),
        ];
        // SAFETY: three pointers to values of the types of the kernel's parameters; the memory holds as many words by the
        // one caller.
        check("cuLaunchKernel", unsafe {
            (self.f.launch_kernel)(
                kernel.0,
                words.div_ceil(THREADS),
                1,
                1,
                THREADS,
                1,
                1,
                0,
                stream.0,
                params.as_mut_ptr(),
                std::ptr::null_mut(),
            )
        })
    }

    /// Copies pinned memory to the device when the stream gets there. The memory must be left alone until then.
    pub fn upload_later(
        &self,
        to: &DeviceMemory<'_>,
        from: &PinnedMemory<'_>,
        stream: &Stream,
    ) -> Result<()> {
        // SAFETY: both were allocated with the same number of bytes by the one caller, who waits before either goes.
        check("cuMemcpyHtoDAsync", unsafe {
            (self.f.memcpy_htod_async)(to.at, from.at, from.bytes, stream.0)
        })
    }

    /// Copies the beginning of device memory to pinned memory when the stream gets there.
    pub fn download_later(
        &self,
        to: &PinnedMemory<'_>,
        from: &DeviceMemory<'_>,
        stream: &Stream,
    ) -> Result<()> {
        // SAFETY: `from` holds at least as many bytes as `to` by the one caller, who waits before either goes.
        check("cuMemcpyDtoHAsync", unsafe {
            (self.f.memcpy_dtoh_async)(to.at, from.at, to.bytes, stream.0)
        })
    }

    /// Records an event.
    pub fn record(&self, event: &Event, stream: &Stream) -> Result<()> {
        // SAFETY: an event and a stream of this context.
        check("cuEventRecord", unsafe {
            (self.f.event_record)(event.0, stream.0)
        })
    }

    /// Waits until what the event was recorded behind is done.
    pub fn wait_for(&self, event: &Event) -> Result<()> {
        // SAFETY: an event of this context.
        check("cuEventSynchronize", unsafe {
            (self.f.event_synchronize)(event.0)
        })
    }

    /// Waits for a stream.
    pub fn wait(&self, stream: &Stream) -> Result<()> {
        // SAFETY: a stream of this context.
        check("cuStreamSynchronize", unsafe {
            (self.f.stream_synchronize)(stream.0)
        })
    }

    /// Fills device memory with a word and waits.
    pub fn fill(&self, memory: &DeviceMemory<'_>, word: c_uint, words: usize) -> Result<()> {
        // SAFETY: the memory holds as many words by the one caller.
        unsafe {
            check("cuMemsetD32", (self.f.memset_d32)(memory.at, word, words))?;
        }
        self.synchronize_all()
    }

    /// Waits for everything in the context.
    pub fn synchronize_all(&self) -> Result<()> {
        // SAFETY: a context is current.
        check("cuCtxSynchronize", unsafe { (self.f.ctx_synchronize)() })
    }
}

impl PinnedMemory<'_> {
    /// A word of it, read anew each time: a copy may have changed it.
    pub fn word(&self, index: usize) -> u32 {
        assert!((index + 1) * 4 <= self.bytes);
        // SAFETY: within the allocation, which is aligned to a page; whoever reads has waited for the copy.
        unsafe { self.at.cast::<u32>().add(index).read_volatile() }
    }
}
