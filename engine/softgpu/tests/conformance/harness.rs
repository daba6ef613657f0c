//! Runs generated kernels over lists of operands and compares with references; notes which opcodes were run.

use std::collections::BTreeSet;
use std::sync::Mutex;

use crate::exact::Format;
use crate::support::{Buffer, Params, Run, load};

pub const HEAD: &str = ".version 9.0\n.target sm_120\n.address_size 64\n";

static RAN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Notes that an opcode ran and that what it did was compared.
pub fn note(opcode: &str) {
    let base = opcode.split(['.', ' ']).next().unwrap_or("");
    RAN.lock().unwrap().insert(base.to_string());
}

pub fn ran() -> BTreeSet<String> {
    RAN.lock().unwrap().clone()
}

/// What a result must be.
#[derive(Clone, Copy, Debug)]
pub enum Want {
    Bits(u64),
    /// Any NaN of the format.
    Nan(Format),
    /// A number of the format within an absolute or a relative error, or within that many units in the last place.
    Near { format: Format, value: f64, absolute: f64, relative: f64 },
    /// Not stated by the manual.
    Anything,
}

impl Want {
    pub fn holds(self, got: u64) -> bool {
        match self {
            Want::Bits(b) => got == b,
            Want::Nan(f) => f.is_nan(got),
            Want::Anything => true,
            Want::Near { format, value, absolute, relative } => {
                let x = crate::exact::to_f64(format.decode(got));
                if value.is_nan() || x.is_nan() {
                    return value.is_nan() && x.is_nan();
                }
                let limit = crate::exact::to_f64(format.decode(format.max()));
                if value.is_infinite() || value.abs() > limit {
                    return x == value || (value.is_finite() && x.abs() >= limit * (1.0 - relative.max(1e-6)) && x.signum() == value.signum());
                }
                let room = absolute.max(relative * value.abs());
                (x - value).abs() <= room
            }
        }
    }
}

/// Exactly these bits, or any NaN where the reference says NaN.
pub fn exactly(format: Format, bits: u64) -> Want {
    if format.is_nan(bits) { Want::Nan(format) } else { Want::Bits(bits) }
}

/// Numbers by seed.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d)
    }
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

/// The kernel around `body`, which reads %in0.. and writes %out. With `lanes` only those threads execute it whose
/// number has the bit set; %out of the others keeps the value it had.
fn kernel(module: &str, decl: &str, body: &str, inputs: &[u32], out: u32, guarded: bool) -> String {
    let register = |bits: u32| format!("b{}", bits.max(16));
    let mut text = format!("{HEAD}{module}\n.visible .entry k(.param .u64 po, .param .u32 pn");
    for k in 0..inputs.len() {
        text += &format!(", .param .u64 p{k}");
    }
    text += ") {\n.reg .pred %beyond, %some; .reg .b32 %idx, %n, %t; .reg .b64 %ad, %of;\n";
    for (k, bits) in inputs.iter().enumerate() {
        text += &format!(".reg .{} %in{k}; ", register(*bits));
    }
    text += &format!(".reg .{} %out;\n{decl}\n", register(out));
    text += "mov.u32 %idx, %ctaid.x; mov.u32 %t, %ntid.x; mul.lo.u32 %idx, %idx, %t; mov.u32 %t, %tid.x; add.u32 %idx, %idx, %t;\n";
    text += "ld.param.u32 %n, [pn]; setp.ge.u32 %beyond, %idx, %n; @%beyond bra DONE;\n";
    for (k, bits) in inputs.iter().enumerate() {
        let s = bits / 8;
        text += &format!("ld.param.u64 %ad, [p{k}]; mul.wide.u32 %of, %idx, {s}; add.u64 %ad, %ad, %of; ld.global.b{bits} %in{k}, [%ad];\n");
    }
    if out == 128 {
        text += ".reg .b64 %zero; mov.b64 %zero, 0; mov.b128 %out, {%zero, %zero};\n";
    } else {
        text += &format!("mov.b{} %out, 0x5a;\n", out.max(16));
    }
    if guarded {
        text += "mul.lo.u32 %t, %idx, 0x9E3779B1; and.b32 %t, %t, 0x10000; setp.ne.u32 %some, %t, 0; @!%some bra SKIP;\n";
    }
    text += body;
    let s = out / 8;
    text += &format!("\nSKIP: ld.param.u64 %ad, [po]; mul.wide.u32 %of, %idx, {s}; add.u64 %ad, %ad, %of; st.global.b{out} [%ad], %out;\nDONE: ret;\n}}\n");
    text
}

fn is_chosen(k: usize) -> bool {
    (k as u32).wrapping_mul(0x9E37_79B1) & 0x10000 != 0
}

fn bytes(bits: u32, v: &[u64]) -> Vec<u8> {
    v.iter().flat_map(|x| x.to_le_bytes()[..bits as usize / 8].to_vec()).collect()
}

fn execute(text: &str, inputs: &[(u32, &[u64])], out: u32) -> Vec<u64> {
    let n = inputs[0].1.len();
    let s = out as usize / 8;
    let l = load(text);
    let out_buffer = Buffer::new(n * s);
    let buffers: Vec<Buffer> = inputs.iter().map(|(bits, v)| Buffer::from(&bytes(*bits, v))).collect();
    let mut params = Params::new().u64(out_buffer.address()).u32(n as u32);
    for b in &buffers {
        params = params.u64(b.address());
    }
    let mut all: Vec<&Buffer> = buffers.iter().collect();
    all.push(&out_buffer);
    let run = Run { grid: [(n as u32).div_ceil(128), 1, 1], block: [128, 1, 1], ..Run::default() };
    l.run("k", &run, &params, &all);
    out_buffer
        .read::<u8>()
        .chunks(s)
        .map(|c| {
            let mut b = [0; 8];
            b[..s].copy_from_slice(c);
            u64::from_le_bytes(b)
        })
        .collect()
}

/// Runs `body` over rows of operands and compares %out with what `want` says of each row. Once with all lanes, and
/// once with some, whose other lanes must be left alone.
pub fn check_body(name: &str, decl: &str, body: &str, inputs: &[(u32, &[u64])], out: u32, want: impl Fn(&[u64]) -> Want) {
    check_module(name, "", decl, body, inputs, out, want);
}

/// As [`check_body`] with declarations of the module. The body may use %idx, the number of the row.
pub fn check_module(name: &str, module: &str, decl: &str, body: &str, inputs: &[(u32, &[u64])], out: u32, want: impl Fn(&[u64]) -> Want) {
    let work = std::panic::AssertUnwindSafe(|| compare(name, module, decl, body, inputs, out, &want));
    attempt(body, work);
}

thread_local! {
    static FAILURES: std::cell::RefCell<Vec<String>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// Runs one form of a case: if it fails, the case goes on with its other forms and fails at its end.
pub fn attempt(what: &str, work: impl FnOnce() + std::panic::UnwindSafe) {
    if let Err(panic) = std::panic::catch_unwind(work) {
        let text = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        FAILURES.with(|f| f.borrow_mut().push(format!("{what}\n    {}", text.unwrap_or_default())));
    }
}

/// What failed in this thread since the last call.
pub fn take_failures() -> Vec<String> {
    FAILURES.with(std::cell::RefCell::take)
}

fn compare(name: &str, module: &str, decl: &str, body: &str, inputs: &[(u32, &[u64])], out: u32, want: &dyn Fn(&[u64]) -> Want) {
    let n = inputs[0].1.len();
    assert!(n > 0 && inputs.iter().all(|(_, v)| v.len() == n), "{name}: lists of different lengths");
    note(name);
    let widths: Vec<u32> = inputs.iter().map(|(b, _)| *b).collect();
    let some = execute(&kernel(module, decl, body, &widths, out, true), inputs, out);
    let all = execute(&kernel(module, decl, body, &widths, out, false), inputs, out);
    for k in 0..n {
        let row: Vec<u64> = inputs.iter().map(|(_, v)| v[k]).collect();
        let w = want(&row);
        assert!(w.holds(all[k]), "{name} of {row:x?}: got {:#x}, want {w:x?}", all[k]);
        if is_chosen(k) && matches!(w, Want::Nan(_)) {
            assert!(w.holds(some[k]), "{name} of {row:x?} with some lanes off: got {:#x}, want {w:x?}", some[k]);
        } else if is_chosen(k) {
            assert_eq!(some[k], all[k], "{name} of {row:x?} differs when some lanes are off");
        } else {
            assert_eq!(some[k], 0x5a, "{name} wrote to a lane that was off");
        }
    }
}

/// `instr %out, %in0, ...;`
pub fn check(instr: &str, inputs: &[(u32, &[u64])], out: u32, want: impl Fn(&[u64]) -> Want) {
    let operands: String = (0..inputs.len()).map(|k| format!(", %in{k}")).collect();
    check_body(instr, "", &format!("{instr} %out{operands};"), inputs, out, want);
}

/// As [`check`] with results that are bits.
pub fn check_bits(instr: &str, inputs: &[(u32, &[u64])], out: u32, want: impl Fn(&[u64]) -> u64) {
    check(instr, inputs, out, |v| Want::Bits(want(v)));
}

pub fn mask(bits: u32) -> u64 {
    if bits >= 64 { !0 } else { (1 << bits) - 1 }
}

/// The number that the low bits are.
pub fn number(v: u64, bits: u32, signed: bool) -> i128 {
    let v = v & mask(bits);
    if signed && v >> (bits - 1) & 1 != 0 { i128::from(v) - (1i128 << bits) } else { i128::from(v) }
}

/// Integers worth trying, and some by seed.
pub fn integers(bits: u32, random: usize) -> Vec<u64> {
    let m = mask(bits);
    let top = 1u64 << (bits - 1);
    let mut v = vec![0, 1, 2, 3, 7, 15, 16, 24, 31, 32, 33, 63, 64, 65, 127, 128, 255, 256, top, top - 1, top + 1, m, m - 1, m - 2, m >> 8, 0x5555_5555_5555_5555 & m, 0xaaaa_aaaa_aaaa_aaaa & m, m << (bits / 2) & m, m >> (bits / 2)];
    let mut r = Random::new(u64::from(bits));
    for k in 0..random {
        v.push(r.next() >> (k % 40) & m);
    }
    v
}

/// Floating-point bit patterns worth trying, and some by seed.
pub fn floats(f: Format, random: usize) -> Vec<u64> {
    let sign = f.sign_bit();
    let one = (f.bias() as u64) << f.mant;
    let ulp = 1u64;
    let mut v = vec![0, 1, 2, (1 << f.mant) - 1, 1 << f.mant, (1 << f.mant) + 1, 3 << (f.mant - 1), one - ulp, one, one + ulp, one + (1 << (f.mant - 1)), one + (1 << f.mant), one - (1 << f.mant), f.max(), f.max() - 1, f.max() / 2, sign - 1];
    if !f.finite_only {
        v.extend([f.inf(), f.inf() + 1, f.inf() | 1 << (f.mant - 1)]);
    }
    // Halves, thirds, integers around powers of two.
    for k in [2u64, 5, f.mant.into(), u64::from(f.mant) + 1] {
        if (k as i32) <= f.bias() {
            v.extend([(k << f.mant) + one, (k << f.mant) + one + 1, (k << f.mant) + one - 1]);
        }
    }
    let mut v: Vec<u64> = v.iter().flat_map(|x| [*x, x | sign]).collect();
    let mut r = Random::new(u64::from(f.mant));
    for k in 0..random {
        let x = r.next() & (sign | (sign - 1));
        v.push(match k % 3 {
            0 => x,
            // Near one, where sums cancel.
            1 => x & (sign | ((1 << f.mant) - 1)) | (one + ((x >> 7 & 3) << f.mant)),
            _ => x & (sign | ((1 << f.mant) - 1)) | ((u64::from(f.exp) + (x >> 9 & 15)) % (1 << f.exp)) << f.mant,
        });
    }
    v
}

/// Every pair of the two lists.
pub fn pairs(a: &[u64], b: &[u64]) -> (Vec<u64>, Vec<u64>) {
    (a.iter().flat_map(|x| std::iter::repeat_n(*x, b.len())).collect(), a.iter().flat_map(|_| b.iter().copied()).collect())
}

/// Every triple if there are not too many, else rows chosen by seed.
pub fn triples(a: &[u64], b: &[u64], c: &[u64], most: usize) -> [Vec<u64>; 3] {
    let total = a.len() * b.len() * c.len();
    let mut r = Random::new(total as u64);
    let mut out = [Vec::new(), Vec::new(), Vec::new()];
    for k in 0..total.min(most) {
        let k = if total <= most { k } else { r.next() as usize % total };
        out[0].push(a[k % a.len()]);
        out[1].push(b[k / a.len() % b.len()]);
        out[2].push(c[k / a.len() / b.len()]);
    }
    out
}
