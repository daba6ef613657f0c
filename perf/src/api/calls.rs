//! How a call of the driver API is declared and made: by its symbol, with arguments that are read anew each time.

use libloading::Library;
use std::cell::RefCell;
use std::ffi::{c_uint, c_void};

/// CUDA's result "not ready", which a query may give.
const NOT_READY: c_uint = 600;

/// One call.
pub struct Call {
    /// The symbol.
    pub symbol: &'static str,
    /// Whether it is measured, or only there to clean up behind one that is.
    pub measured: bool,
    make: Box<dyn Fn() -> c_uint>,
}

impl Call {
    /// A call that is measured.
    pub fn new(symbol: &'static str, make: impl Fn() -> c_uint + 'static) -> Self {
        Self {
            symbol,
            measured: true,
            make: Box::new(make),
        }
    }

    /// The same, not measured.
    pub fn aside(self) -> Self {
        Self {
            measured: false,
            ..self
        }
    }

    /// Makes it; the driver's result if it failed.
    #[inline]
    pub fn make(&self) -> Result<(), c_uint> {
        match (self.make)() {
            0 | NOT_READY => Ok(()),
            code => Err(code),
        }
    }
}

/// Calls that are made one after the other: one that can be repeated by itself, or several that undo each other.
pub type Cycle = Vec<Call>;

/// The calls that this driver has.
pub struct Calls<'a> {
    pub library: &'a Library,
    pub cycles: Vec<Cycle>,
    /// Symbols that it lacks.
    pub missing: Vec<&'static str>,
}

impl Calls<'_> {
    /// Adds a cycle unless the driver lacks one of its functions.
    pub fn add(&mut self, calls: Vec<Result<Call, &'static str>>) {
        let missing = calls.iter().filter_map(|call| call.as_ref().err());
        self.missing.extend(missing);
        if let Ok(cycle) = calls.into_iter().collect() {
            self.cycles.push(cycle);
        }
    }
}

/// One call: `call!(library, cuName(value => type, ...))`. Every `value` is evaluated each time, and must be of values that
/// can be copied.
macro_rules! call {
    ($library:expr, $symbol:ident($($value:expr => $param:ty),* $(,)?)) => {{
        const SYMBOL: &str = stringify!($symbol);
        type Function = unsafe extern "C" fn($($param),*) -> std::ffi::c_uint;
        // SAFETY: the parameters are those that CUDA documents for this symbol.
        match unsafe { $library.get::<Function>(concat!(stringify!($symbol), "\0").as_bytes()) } {
            Ok(function) => {
                let function = *function;
                // SAFETY: handles are those that the driver gave, pointers lead to scratch memory of the size that CUDA
                // asks for, and the driver outlives the calls: it is never unloaded while they are made.
                Ok($crate::api::calls::Call::new(SYMBOL, move || unsafe { function($($value),*) }))
            }
            Err(_) => Err(SYMBOL),
        }
    }};
}

/// Cycles in one go: `cycles!(calls, library; [a(...)], [b(...), c(...), aside d(...)])`.
macro_rules! cycles {
    ($calls:expr; $([$($(@$aside:ident)? $symbol:ident($($value:expr => $param:ty),* $(,)?)),+ $(,)?]),+ $(,)?) => {{
        let library = $calls.library;
        $($calls.add(vec![$({
            let call = $crate::api::calls::call!(library, $symbol($($value => $param),*));
            $(let call = $crate::api::calls::$aside(call);)?
            call
        }),+]);)+
    }};
}

/// The call is not measured: `@aside`.
pub fn aside(call: Result<Call, &'static str>) -> Result<Call, &'static str> {
    call.map(Call::aside)
}

pub(crate) use {call, cycles};

/// Memory for what calls write and read: zeroed slots of 1 KiB, which stay where they are until the scratch is dropped.
#[derive(Default)]
pub struct Scratch(RefCell<Vec<Vec<u64>>>);

/// 8-byte words of a slot.
const SLOT_WORDS: usize = 128;

impl Scratch {
    /// A new slot.
    pub fn slot(&self) -> *mut c_void {
        let mut slot = vec![0; SLOT_WORDS];
        let at: *mut u64 = slot.as_mut_ptr();
        self.0.borrow_mut().push(slot);
        at.cast()
    }

    /// A new slot that begins with these words.
    pub fn words(&self, words: &[u64]) -> *mut c_void {
        let slot = self.slot();
        for (index, word) in words.iter().enumerate().take(SLOT_WORDS) {
            // SAFETY: within the slot that has just been made.
            unsafe { slot.cast::<u64>().add(index).write(*word) };
        }
        slot
    }
}
