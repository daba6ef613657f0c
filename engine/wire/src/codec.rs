//! Reading and writing the payload of a record: a [`CallHeader`], then the call's arguments, packed, little endian.
//!
//! A writer never goes over the space it was given: what does not fit sets a flag that the owner checks once, with
//! [`Writer::overflowed`], so that a body is a straight line of writes. A reader works on bytes already copied out of
//! shared memory, checks every step, and never panics nor allocates more than the record holds.

/// A record that is not what its opcode says: the peer misbehaved, or is another version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The record ended before the value that was asked for.
    #[error("the record is too short: {wanted} bytes wanted, {left} left")]
    TooShort {
        /// Bytes that the value takes.
        wanted: usize,
        /// Bytes that were left.
        left: usize,
    },
    /// Bytes remain after the last argument.
    #[error("{0} bytes remain after the last argument")]
    Trailing(usize),
    /// A count in the record does not agree with the argument that it belongs to, or is over a limit.
    #[error("a count of {count} does not fit (expected or allowed: {limit})")]
    Count {
        /// Count found.
        count: u64,
        /// What the count should have been, or its limit.
        limit: u64,
    },
    /// A string holds a zero byte or is not UTF-8 where it has to be.
    #[error("a string is not well formed")]
    Text,
    /// A value outside its range (an enumeration, an identifier's kind).
    #[error("value {0:#x} is out of range")]
    Value(u64),
    /// No such operation.
    #[error("unknown opcode {0}")]
    Opcode(u32),
}

/// What every record starts with, after the ring's own header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallHeader {
    /// Context in which the call runs (a context's identifier given by the client; 0: none is needed).
    pub ctx: u32,
    /// Reply slot of the waiting thread, or [`CallHeader::NO_REPLY`].
    pub reply_slot: u16,
    /// Meant for the tag alone ([`crate::call::FLAG_SETTLE`] of a ping); else zero.
    pub flags: u16,
    /// Reserved; zero. (A record is named by its end position.)
    pub sequence: u32,
}

impl CallHeader {
    /// Size in bytes.
    pub const SIZE: usize = 12;
    /// `reply_slot` of a record that wants no answer.
    pub const NO_REPLY: u16 = 0xffff;

    /// Writes the header, in one piece: it is in every record.
    #[inline]
    pub fn write(&self, w: &mut impl Writer) {
        let mut bytes = [0; Self::SIZE];
        bytes[..4].copy_from_slice(&self.ctx.to_le_bytes());
        bytes[4..6].copy_from_slice(&self.reply_slot.to_le_bytes());
        bytes[6..8].copy_from_slice(&self.flags.to_le_bytes());
        bytes[8..].copy_from_slice(&self.sequence.to_le_bytes());
        w.put(&bytes);
    }

    /// Reads the header.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            ctx: r.u32()?,
            reply_slot: r.u16()?,
            flags: r.u16()?,
            sequence: r.u32()?,
        })
    }
}

/// Sink of a record's bytes. Only [`put`](Writer::put) and [`overflowed`](Writer::overflowed) are to be written for a
/// new place; the rest follows.
pub trait Writer {
    /// Appends bytes, or, where they do not fit, appends nothing and remembers it.
    fn put(&mut self, bytes: &[u8]);
    /// Whether anything did not fit.
    fn overflowed(&self) -> bool;

    /// Appends one byte.
    fn u8(&mut self, v: u8) {
        self.put(&[v]);
    }
    /// Appends two bytes.
    fn u16(&mut self, v: u16) {
        self.put(&v.to_le_bytes());
    }
    /// Appends four bytes.
    fn u32(&mut self, v: u32) {
        self.put(&v.to_le_bytes());
    }
    /// Appends four bytes.
    fn i32(&mut self, v: i32) {
        self.put(&v.to_le_bytes());
    }
    /// Appends eight bytes.
    fn u64(&mut self, v: u64) {
        self.put(&v.to_le_bytes());
    }
    /// Appends eight bytes.
    fn i64(&mut self, v: i64) {
        self.put(&v.to_le_bytes());
    }
    /// Appends eight bytes.
    fn usize(&mut self, v: usize) {
        self.put(&(v as u64).to_le_bytes());
    }
    /// Appends four bytes.
    fn f32(&mut self, v: f32) {
        self.put(&v.to_le_bytes());
    }
    /// Appends eight bytes.
    fn f64(&mut self, v: f64) {
        self.put(&v.to_le_bytes());
    }
    /// Appends a length of four bytes and the bytes. A length over `u32` overflows.
    fn bytes(&mut self, v: &[u8]) {
        // A wrong length is never seen: the bytes behind it do not fit either, and the record is dropped.
        self.u32(u32::try_from(v.len()).unwrap_or(u32::MAX));
        self.put(v);
    }
}

/// Writes into a slice.
#[derive(Debug)]
pub struct SliceWriter<'a> {
    space: &'a mut [u8],
    used: usize,
    overflowed: bool,
}

impl<'a> SliceWriter<'a> {
    /// A writer at the start of `space`.
    pub fn new(space: &'a mut [u8]) -> Self {
        Self {
            space,
            used: 0,
            overflowed: false,
        }
    }
    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.used
    }
    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }
    /// What was written so far.
    pub fn written(&self) -> &[u8] {
        &self.space[..self.used]
    }
}

impl<'a> SliceWriter<'a> {
    /// Lets `fill` write the next `size` bytes in place; where it gives false, or they do not fit, the writer has overflowed.
    #[inline]
    pub fn fill(&mut self, size: usize, fill: impl FnOnce(&mut [u8]) -> bool) {
        let place = self.space.get_mut(self.used..).and_then(|rest| rest.get_mut(..size));
        if !self.overflowed && place.is_some_and(fill) {
            self.used += size;
        } else {
            self.overflowed = true;
        }
    }
}

impl Writer for SliceWriter<'_> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        match self
            .space
            .get_mut(self.used..)
            .and_then(|rest| rest.get_mut(..bytes.len()))
        {
            Some(place) if !self.overflowed => {
                place.copy_from_slice(bytes);
                self.used += bytes.len();
            }
            _ => self.overflowed = true,
        }
    }
    fn overflowed(&self) -> bool {
        self.overflowed
    }
}

/// Writes into a vector, up to a limit.
#[derive(Debug)]
pub struct VecWriter {
    bytes: Vec<u8>,
    size_max: usize,
    overflowed: bool,
}

impl VecWriter {
    /// An empty writer that takes at most `size_max` bytes.
    pub fn new(size_max: usize) -> Self {
        Self {
            bytes: Vec::new(),
            size_max,
            overflowed: false,
        }
    }
    /// What was written.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes
    }
    /// Empties the writer and keeps its memory, for the next record.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.overflowed = false;
    }
    /// Bytes that still fit.
    pub fn space_left(&self) -> usize {
        self.size_max.saturating_sub(self.bytes.len())
    }
}

impl Writer for VecWriter {
    fn put(&mut self, bytes: &[u8]) {
        if self.overflowed || bytes.len() > self.space_left() {
            self.overflowed = true;
        } else {
            self.bytes.extend_from_slice(bytes);
        }
    }
    fn overflowed(&self) -> bool {
        self.overflowed
    }
}

/// Reads a record from its start to its end.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

macro_rules! read_number {
    ($($name:ident: $t:ty),*) => {$(
        /// Reads one value of this type.
        #[inline]
        pub fn $name(&mut self) -> Result<$t, Malformed> {
            Ok(<$t>::from_le_bytes(self.array()?))
        }
    )*};
}

impl<'a> Reader<'a> {
    /// A reader of `record`, which must already be private to this process.
    pub fn new(record: &'a [u8]) -> Self {
        Self { rest: record }
    }

    /// Bytes not yet read.
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    /// Takes the next `size` bytes.
    #[inline]
    pub fn take(&mut self, size: usize) -> Result<&'a [u8], Malformed> {
        match self.rest.split_at_checked(size) {
            Some((head, tail)) => {
                self.rest = tail;
                Ok(head)
            }
            None => Err(Malformed::TooShort {
                wanted: size,
                left: self.rest.len(),
            }),
        }
    }

    /// Takes the next `N` bytes.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    read_number!(u8: u8, u16: u16, u32: u32, i32: i32, u64: u64, i64: i64, f32: f32, f64: f64);

    /// Reads eight bytes as a size.
    #[inline]
    pub fn usize(&mut self) -> Result<usize, Malformed> {
        let v = self.u64()?;
        usize::try_from(v).map_err(|_| Malformed::Value(v))
    }

    /// Reads what [`Writer::bytes`] wrote.
    pub fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let size = self.u32()?;
        self.take(usize::try_from(size).map_err(|_| Malformed::Value(u64::from(size)))?)
    }

    /// Reads a string written with [`Writer::bytes`] as one that C can take.
    pub fn c_string(&mut self) -> Result<std::ffi::CString, Malformed> {
        std::ffi::CString::new(self.bytes()?).map_err(|_| Malformed::Text)
    }

    /// Reads an array's count and checks it against the argument `expected` that says how long the array is, and
    /// against the bytes left (`element_size` each). The elements follow.
    pub fn count(&mut self, expected: u64, element_size: usize) -> Result<usize, Malformed> {
        let count = u64::from(self.u32()?);
        if count != expected {
            return Err(Malformed::Count {
                count,
                limit: expected,
            });
        }
        let count = usize::try_from(count).map_err(|_| Malformed::Value(count))?;
        match count.checked_mul(element_size) {
            Some(size) if size <= self.rest.len() => Ok(count),
            _ => Err(Malformed::TooShort {
                wanted: count.saturating_mul(element_size),
                left: self.rest.len(),
            }),
        }
    }

    /// Says that the record must be read to its end here.
    #[inline]
    pub fn end(&self) -> Result<(), Malformed> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(Malformed::Trailing(self.rest.len()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_filled_in_place_counts_if_it_fits_and_is_whole() {
        let mut space = [9; 4];
        let mut w = SliceWriter::new(&mut space);
        w.fill(3, |place| {
            place.copy_from_slice(&[1, 2, 3]);
            true
        });
        assert!((w.len(), w.overflowed()) == (3, false));
        w.fill(2, |_| true);
        assert!(w.overflowed(), "one byte is left");
        assert_eq!(space, [1, 2, 3, 9]);
        let mut w = SliceWriter::new(&mut space);
        w.fill(1, |_| false);
        assert!(w.overflowed());
    }

    #[derive(Debug, Clone)]
    enum Value {
        U8(u8),
        U16(u16),
        U32(u32),
        I32(i32),
        U64(u64),
        I64(i64),
        Usize(usize),
        F64(f64),
        Bytes(Vec<u8>),
    }

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            any::<u8>().prop_map(Value::U8),
            any::<u16>().prop_map(Value::U16),
            any::<u32>().prop_map(Value::U32),
            any::<i32>().prop_map(Value::I32),
            any::<u64>().prop_map(Value::U64),
            any::<i64>().prop_map(Value::I64),
            any::<usize>().prop_map(Value::Usize),
            (-1e300f64..1e300).prop_map(Value::F64),
            proptest::collection::vec(any::<u8>(), 0..40).prop_map(Value::Bytes),
        ]
    }

    fn write(values: &[Value], w: &mut impl Writer) {
        for v in values {
            match v {
                Value::U8(v) => w.u8(*v),
                Value::U16(v) => w.u16(*v),
                Value::U32(v) => w.u32(*v),
                Value::I32(v) => w.i32(*v),
                Value::U64(v) => w.u64(*v),
                Value::I64(v) => w.i64(*v),
                Value::Usize(v) => w.usize(*v),
                Value::F64(v) => w.f64(*v),
                Value::Bytes(v) => w.bytes(v),
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(values in proptest::collection::vec(value(), 0..20)) {
            let mut w = VecWriter::new(4096);
            write(&values, &mut w);
            prop_assert!(!w.overflowed());
            let mut r = Reader::new(w.as_slice());
            for v in &values {
                match v {
                    Value::U8(v) => prop_assert_eq!(r.u8().unwrap(), *v),
                    Value::U16(v) => prop_assert_eq!(r.u16().unwrap(), *v),
                    Value::U32(v) => prop_assert_eq!(r.u32().unwrap(), *v),
                    Value::I32(v) => prop_assert_eq!(r.i32().unwrap(), *v),
                    Value::U64(v) => prop_assert_eq!(r.u64().unwrap(), *v),
                    Value::I64(v) => prop_assert_eq!(r.i64().unwrap(), *v),
                    Value::Usize(v) => prop_assert_eq!(r.usize().unwrap(), *v),
                    Value::F64(v) => prop_assert_eq!(r.f64().unwrap(), *v),
                    Value::Bytes(v) => prop_assert_eq!(r.bytes().unwrap(), v.as_slice()),
                }
            }
            prop_assert_eq!(r.end(), Ok(()));
        }

        #[test]
        fn a_small_space_is_never_passed(values in proptest::collection::vec(value(), 0..20), space in 0usize..64) {
            let mut whole = VecWriter::new(4096);
            write(&values, &mut whole);
            let mut memory = [0xa5; 128];
            let mut w = SliceWriter::new(&mut memory[..space]);
            write(&values, &mut w);
            let (used, overflowed) = (w.len(), w.overflowed());
            prop_assert_eq!(overflowed, whole.as_slice().len() > space);
            prop_assert!(used <= space);
            prop_assert_eq!(&memory[..used], &whole.as_slice()[..used]);
            prop_assert!(memory[space..].iter().all(|b| *b == 0xa5));
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), steps in proptest::collection::vec(0u8..14, 0..40)) {
            let mut r = Reader::new(&bytes);
            for step in steps {
                let before = r.left();
                let failed = match step {
                    0 => r.u8().is_err(),
                    1 => r.u16().is_err(),
                    2 => r.u32().is_err(),
                    3 => r.i32().is_err(),
                    4 => r.u64().is_err(),
                    5 => r.i64().is_err(),
                    6 => r.usize().is_err(),
                    7 => r.f32().is_err(),
                    8 => r.f64().is_err(),
                    9 => r.bytes().is_err(),
                    10 => r.c_string().is_err(),
                    11 => CallHeader::read(&mut r).is_err(),
                    12 => match r.clone().u32() {
                        Ok(n) => r.count(u64::from(n), 8).map(|n| prop_assert_count(n, r.left())).is_err(),
                        Err(_) => true,
                    },
                    _ => r.end().is_err(),
                };
                prop_assert!(r.left() <= before);
                let _ = failed;
            }
        }
    }

    fn prop_assert_count(count: usize, left: usize) {
        assert!(count * 8 <= left);
    }

    #[test]
    fn header_has_its_golden_bytes() {
        let header = CallHeader {
            ctx: 0x0403_0201,
            reply_slot: 0x0605,
            flags: 0,
            sequence: 0x0c0b_0a09,
        };
        let mut bytes = [0; CallHeader::SIZE];
        header.write(&mut SliceWriter::new(&mut bytes));
        assert_eq!(bytes, [1, 2, 3, 4, 5, 6, 0, 0, 9, 10, 11, 12]);
        assert_eq!(CallHeader::read(&mut Reader::new(&bytes)), Ok(header));
    }

    #[test]
    fn strings_with_a_zero_byte_are_refused() {
        let mut w = VecWriter::new(64);
        w.bytes(b"ab\0c");
        assert_eq!(Reader::new(w.as_slice()).c_string(), Err(Malformed::Text));
    }

    #[test]
    fn counts_must_agree() {
        let mut w = VecWriter::new(64);
        w.u32(3);
        assert_eq!(
            Reader::new(w.as_slice()).count(4, 1),
            Err(Malformed::Count { count: 3, limit: 4 })
        );
        assert!(matches!(
            Reader::new(w.as_slice()).count(3, 1),
            Err(Malformed::TooShort { .. })
        ));
    }
}
