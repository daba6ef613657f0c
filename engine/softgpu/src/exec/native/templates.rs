//! The templates: what each [`Shape`] becomes for a group of eight lanes.
//!
//! Each gives the bits of the function that the interpreter runs for the operation. Where an operand is not a number
//! the result is one of the operands' bit patterns in either tier, not always the same one if both are.

use super::assembler::{Assembler, Gpr, If, Label, Mem, Rm, Vex, Ymm, v};
use super::registers::{Bank, NEVER, SOMETIMES};
use super::run::{Access, Class, Reg, Step, Use, Uses};
use super::{INACTIVE, MERGE, place, straight};
use crate::exec::approx;
use crate::exec::warp_ops::WHOLE;
use crate::exec::shape::{Float, Integer, Long, Order, Shape};

const SIGN: u32 = 0x8000_0000;
const ONE: u32 = 0x3f80_0000;
/// What holds the addresses of the first streams.
const STREAM_REGISTERS: [Gpr; 4] = straight::REGISTERS;

/// How the words lie that loads read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Words {
    /// As streams say.
    AsStreams,
    /// By access: whether all lanes of a group get one word, else consecutive ones.
    Equal(u32),
    /// Consecutive for all lanes of the warp.
    Straight,
}

/// The compilation of one group of lanes.
pub(super) struct Group<'a> {
    pub asm: &'a mut Assembler,
    pub bank: Bank,
    pub number: usize,
    /// Some lanes are not active.
    pub masked: bool,
    /// The predicates that are read after the run, which are collected beside the register file.
    pub predicates: &'a [Reg],
    pub accesses: &'a [Access],
    pub words: Words,
}

impl Group<'_> {
    /// Compiles one step; None if it has no template in this form.
    pub fn step(&mut self, s: &Step, u: &Uses) -> Option<()> {
        let d = s.d?;
        match s.shape {
            Shape::Float { op, flush } => {
                let r = self.float(s, u, op, flush)?;
                self.finish(s, u, d, 0, r);
            }
            Shape::Integer(op) => {
                let r = self.integer(s, u, op)?;
                self.finish(s, u, d, 0, r);
            }
            Shape::Long(op) => {
                let r = self.long(s, u, op)?;
                self.finish(s, u, d, 0, r[0]);
                self.finish(s, u, d, 1, r[1]);
            }
            Shape::CompareFloat { op, flush } => {
                let a = self.number(s, u, 0, flush)?;
                let b = if flush { Rm::Reg(self.number(s, u, 1, true)?) } else { self.operand(s, u, 1, 0)? };
                let r = self.bank.take(self.asm);
                self.asm.op_imm(v::COMPARE_PS, r, a, b, op);
                self.truth(s, u, d, r);
            }
            Shape::CompareInteger { op, signed } => {
                let r = self.compare(s, u, op, signed)?;
                self.truth(s, u, d, r);
            }
            Shape::Select => self.select(s, u, d)?,
            Shape::Predicates => {
                let r = self.logic(s, u)?;
                self.finish(s, u, d, 0, r);
            }
            Shape::BlockIndex => {
                self.asm.load_long(Gpr::Rax, place::BLOCK);
                let r = self.bank.take(self.asm);
                self.asm.op1(v::BROADCAST_32, r, Rm::Mem(place::block_index(s.imm as usize % 3)));
                self.finish(s, u, d, 0, r);
            }
            Shape::Access => self.load(s, u, d),
            Shape::Shuffle | Shape::Join | Shape::Branch | Shape::BranchIf => return None,
        }
        self.bank.settle();
        Some(())
    }

    fn source(&mut self, s: &Step, u: &Uses, k: usize, half: usize) -> Option<Ymm> {
        Some(self.bank.read(self.asm, s.sources[k]?, half, u.sources[k]))
    }

    fn operand(&mut self, s: &Step, u: &Uses, k: usize, half: usize) -> Option<Rm> {
        Some(self.bank.operand(self.asm, s.sources[k]?, half, u.sources[k]))
    }

    /// A single-precision operand, subnormals flushed if wanted.
    fn number(&mut self, s: &Step, u: &Uses, k: usize, flush: bool) -> Option<Ymm> {
        let a = self.source(s, u, k, 0)?;
        if !flush {
            return Some(a);
        }
        let t = self.bank.take(self.asm);
        self.flush(t, a);
        Some(t)
    }

    /// d = a, a zero of its sign where it is subnormal; d is not a.
    fn flush(&mut self, d: Ymm, a: Ymm) {
        let (exponent, zero, value) = (self.asm.all(0x7f80_0000), self.asm.all(0), self.asm.all(!SIGN));
        self.asm.op(v::AND, d, a, exponent);
        self.asm.op(v::EQUAL_32, d, d, zero);
        self.asm.op(v::AND, d, d, value);
        self.asm.op(v::AND_NOT, d, d, Rm::Reg(a));
    }

    /// A register with one word in all lanes.
    fn constant(&mut self, word: u32) -> Ymm {
        let y = self.bank.take(self.asm);
        let c = self.asm.all(word);
        self.asm.op1(v::LOAD, y, c);
        y
    }

    fn op2(&mut self, op: Vex, a: Ymm, b: Rm) -> Ymm {
        let d = self.bank.take(self.asm);
        self.asm.op(op, d, a, b);
        d
    }

    fn float(&mut self, s: &Step, u: &Uses, op: Float, flush: bool) -> Option<Ymm> {
        let binary = match op {
            Float::Add => Some(v::ADD_PS),
            Float::Sub => Some(v::SUB_PS),
            Float::Mul => Some(v::MUL_PS),
            Float::Div => Some(v::DIV_PS),
            _ => None,
        };
        let r = if let Some(binary) = binary {
            let a = self.number(s, u, 0, flush)?;
            let b = if flush { Rm::Reg(self.number(s, u, 1, true)?) } else { self.operand(s, u, 1, 0)? };
            self.op2(binary, a, b)
        } else {
            match op {
                Float::Fma => self.fma(s, u, flush)?,
                Float::Min | Float::Max => {
                    let (a, b) = (self.number(s, u, 0, flush)?, self.number(s, u, 1, flush)?);
                    self.extreme(op == Float::Min, a, b)
                }
                _ => {
                    let a = self.number(s, u, 0, flush)?;
                    self.function(op, a)
                }
            }
        };
        if !flush {
            return Some(r);
        }
        let t = self.bank.take(self.asm);
        self.flush(t, r);
        self.bank.release(r);
        Some(t)
    }

    /// a b + c, without a copy where the register of c or a is free.
    fn fma(&mut self, s: &Step, u: &Uses, flush: bool) -> Option<Ymm> {
        if flush {
            let (a, b, c) = (self.number(s, u, 0, true)?, self.number(s, u, 1, true)?, self.number(s, u, 2, true)?);
            self.asm.op(v::FMA_231_PS, c, a, Rm::Reg(b));
            // c is a copy.
            return Some(c);
        }
        let [a, b, c] = [s.sources[0]?, s.sources[1]?, s.sources[2]?];
        let dies = |k: usize| u.sources[k] == NEVER && s.guard.is_none();
        if dies(2) && c != a && c != b {
            let x = self.source(s, u, 0, 0)?;
            self.source(s, u, 2, 0)?;
            let y = self.operand(s, u, 1, 0)?;
            let sum = self.bank.overwrite(c, 0)?;
            self.asm.op(v::FMA_231_PS, sum, x, y);
            return Some(sum);
        }
        let y = self.source(s, u, 1, 0)?;
        if dies(0) && a != b && a != c {
            self.source(s, u, 0, 0)?;
            let z = self.operand(s, u, 2, 0)?;
            let product = self.bank.overwrite(a, 0)?;
            self.asm.op(v::FMA_213_PS, product, y, z);
            return Some(product);
        }
        let x = self.operand(s, u, 0, 0)?;
        let z = self.operand(s, u, 2, 0)?;
        let d = self.bank.take(self.asm);
        self.asm.op1(v::LOAD, d, x);
        self.asm.op(v::FMA_213_PS, d, y, z);
        Some(d)
    }

    /// As `min32` and `max32` of the interpreter.
    fn extreme(&mut self, least: bool, a: Ymm, b: Ymm) -> Ymm {
        // The second where they are equal or either is not a number.
        let r = self.op2(if least { v::MIN_PS } else { v::MAX_PS }, a, Rm::Reg(b));
        let same = self.bank.take(self.asm);
        self.asm.op_imm(v::COMPARE_PS, same, a, Rm::Reg(b), 0);
        let zero = self.op2(if least { v::OR } else { v::AND }, a, Rm::Reg(b));
        self.asm.blend(r, r, Rm::Reg(zero), same);
        self.asm.op_imm(v::COMPARE_PS, same, b, Rm::Reg(b), 3);
        self.asm.blend(r, r, Rm::Reg(a), same);
        self.asm.op_imm(v::COMPARE_PS, same, a, Rm::Reg(a), 3);
        self.asm.blend(r, r, Rm::Reg(b), same);
        self.bank.release(same);
        self.bank.release(zero);
        r
    }

    fn function(&mut self, op: Float, a: Ymm) -> Ymm {
        let (sign, value) = (self.asm.all(SIGN), self.asm.all(!SIGN));
        match op {
            Float::Neg => self.op2(v::XOR, a, sign),
            Float::Abs => self.op2(v::AND, a, value),
            Float::Sqrt => {
                let d = self.bank.take(self.asm);
                self.asm.op1(v::SQRT_PS, d, Rm::Reg(a));
                d
            }
            Float::Reciprocal => {
                let d = self.constant(ONE);
                self.asm.op(v::DIV_PS, d, d, Rm::Reg(a));
                d
            }
            Float::ReciprocalSqrt => {
                let d = self.constant(ONE);
                let root = self.bank.take(self.asm);
                self.asm.op1(v::SQRT_PS, root, Rm::Reg(a));
                self.asm.op(v::DIV_PS, d, d, Rm::Reg(root));
                self.bank.release(root);
                d
            }
            Float::Log2 => self.log2(a),
            _ => self.exp2(a),
        }
    }

    /// As `approx::exp2`.
    fn exp2(&mut self, a: Ymm) -> Ymm {
        let round = self.asm.all(approx::ROUND.to_bits());
        let x = self.constant(approx::EXP2_MAX.to_bits());
        self.asm.op(v::MIN_PS, x, x, Rm::Reg(a));
        let low = self.constant((-approx::EXP2_MAX).to_bits());
        self.asm.op(v::MAX_PS, x, low, Rm::Reg(x));
        let n = self.op2(v::ADD_PS, x, round);
        self.asm.op(v::SUB_PS, low, n, round);
        self.asm.op(v::SUB_PS, x, x, Rm::Reg(low));
        self.asm.op(v::SUB_32, n, n, round);
        let p = self.constant(approx::EXP2_SERIES[0].to_bits());
        for c in &approx::EXP2_SERIES[1..] {
            let c = self.asm.all(c.to_bits());
            self.asm.op(v::FMA_213_PS, p, x, c);
        }
        let half = low;
        self.asm.shift(v::RIGHT_SIGNED_32, half, n, 1);
        self.asm.op(v::SUB_32, n, n, Rm::Reg(half));
        let bias = self.asm.all(127);
        for power in [half, n] {
            self.asm.op(v::ADD_32, power, power, bias);
            self.asm.shift(v::LEFT_32, power, power, 23);
            self.asm.op(v::MUL_PS, p, p, Rm::Reg(power));
        }
        for t in [x, half, n] {
            self.bank.release(t);
        }
        p
    }

    /// One double-precision number in all lanes.
    fn double(&mut self, x: f64) -> Rm {
        let (low, high) = (x.to_bits() as u32, (x.to_bits() >> 32) as u32);
        Rm::Mem(self.asm.constant([low, high, low, high, low, high, low, high]))
    }

    /// As `approx::log2`.
    fn log2(&mut self, a: Ymm) -> Ymm {
        let (t, r) = (self.bank.take(self.asm), self.bank.take(self.asm));
        for half in 0..2 {
            let (x, m, s) = (self.bank.take(self.asm), self.bank.take(self.asm), self.bank.take(self.asm));
            if half == 0 {
                self.asm.op1(v::DOUBLE_OF_FLOAT, x, Rm::Reg(a));
            } else {
                self.asm.upper_half(x, a);
                self.asm.op1(v::DOUBLE_OF_FLOAT, x, Rm::Reg(x));
            }
            // The exponent, in the lower words.
            let low = approx::LOG2_LOW as u32;
            let low = Rm::Mem(self.asm.constant([low, 0, low, 0, low, 0, low, 0]));
            self.asm.shift(v::RIGHT_64, t, x, 32);
            self.asm.op(v::SUB_32, t, t, low);
            self.asm.shift(v::RIGHT_SIGNED_32, t, t, 20);
            self.asm.shift(v::LEFT_64, m, t, 52);
            self.asm.op(v::SUB_64, m, x, Rm::Reg(m));
            let one = self.double(1.0);
            self.asm.op(v::ADD_PD, x, m, one);
            self.asm.op(v::SUB_PD, m, m, one);
            self.asm.op(v::DIV_PD, s, m, Rm::Reg(x));
            let z = m;
            self.asm.op(v::MUL_PD, z, s, Rm::Reg(s));
            let p = x;
            let first = self.double(approx::LOG2_SERIES[0]);
            self.asm.op1(v::LOAD, p, first);
            for c in &approx::LOG2_SERIES[1..] {
                let c = self.double(*c);
                self.asm.op(v::MUL_PD, p, p, Rm::Reg(z));
                self.asm.op(v::ADD_PD, p, p, c);
            }
            let factor = self.double(2.0 * std::f64::consts::LOG2_E);
            self.asm.op(v::MUL_PD, s, s, factor);
            self.asm.op(v::MUL_PD, s, s, Rm::Reg(p));
            let lower = Rm::Mem(self.asm.constant([0, 2, 4, 6, 0, 2, 4, 6]));
            self.asm.op1(v::LOAD, x, lower);
            self.asm.op(v::PERMUTE_32, t, x, Rm::Reg(t));
            self.asm.op1(v::DOUBLE_OF_INT, t, Rm::Reg(t));
            self.asm.op(v::ADD_PD, t, t, Rm::Reg(s));
            let to = if half == 0 { r } else { t };
            self.asm.op1(v::FLOAT_OF_DOUBLE, to, Rm::Reg(t));
            for y in [x, m, s] {
                self.bank.release(y);
            }
        }
        self.asm.op_imm(v::INSERT_HALF, r, r, Rm::Reg(t), 1);
        // Zeros, infinity, and what has no logarithm.
        let zero = self.asm.all(0);
        for (compare, with, result) in [
            (0, zero, f32::NEG_INFINITY.to_bits()),
            (0, self.asm.all(f32::INFINITY.to_bits()), f32::INFINITY.to_bits()),
            (0x19, zero, f32::NAN.to_bits()),
        ] {
            self.asm.op_imm(v::COMPARE_PS, t, a, with, compare);
            let result = self.asm.all(result);
            self.asm.blend(r, r, result, t);
        }
        self.bank.release(t);
        r
    }

    fn integer(&mut self, s: &Step, u: &Uses, op: Integer) -> Option<Ymm> {
        let simple = match op {
            Integer::Add => Some(v::ADD_32),
            Integer::Sub => Some(v::SUB_32),
            Integer::Mul => Some(v::MUL_32),
            Integer::Min { signed: false } => Some(v::MIN_U),
            Integer::Min { signed: true } => Some(v::MIN_S),
            Integer::Max { signed: false } => Some(v::MAX_U),
            Integer::Max { signed: true } => Some(v::MAX_S),
            Integer::And => Some(v::AND),
            Integer::Or => Some(v::OR),
            Integer::Xor => Some(v::XOR),
            // Both give zeros, or signs, where the distance is 32 or more.
            Integer::ShiftLeft => Some(v::SHIFT_LEFT_32),
            Integer::ShiftRight { signed: false } => Some(v::SHIFT_RIGHT_32),
            Integer::ShiftRight { signed: true } => Some(v::SHIFT_RIGHT_SIGNED_32),
            _ => None,
        };
        if let Some(simple) = simple {
            let a = self.source(s, u, 0, 0)?;
            let b = self.operand(s, u, 1, 0)?;
            return Some(self.op2(simple, a, b));
        }
        Some(match op {
            Integer::Copy => {
                let a = self.operand(s, u, 0, 0)?;
                let d = self.bank.take(self.asm);
                self.asm.op1(v::LOAD, d, a);
                d
            }
            Integer::Mad => {
                let a = self.source(s, u, 0, 0)?;
                let b = self.operand(s, u, 1, 0)?;
                let d = self.op2(v::MUL_32, a, b);
                let c = self.operand(s, u, 2, 0)?;
                self.asm.op(v::ADD_32, d, d, c);
                d
            }
            Integer::MulHigh { signed } => {
                let (a, b) = (self.source(s, u, 0, 0)?, self.source(s, u, 1, 0)?);
                let multiply = if signed { v::MUL_WIDE_S } else { v::MUL_WIDE_U };
                let even = self.op2(multiply, a, Rm::Reg(b));
                let (x, y) = (self.bank.take(self.asm), self.bank.take(self.asm));
                self.asm.shift(v::RIGHT_64, x, a, 32);
                self.asm.shift(v::RIGHT_64, y, b, 32);
                self.asm.op(multiply, x, x, Rm::Reg(y));
                self.asm.shift(v::RIGHT_64, even, even, 32);
                self.asm.op_imm(v::BLEND_WORDS, even, even, Rm::Reg(x), 0b1010_1010);
                self.bank.release(x);
                self.bank.release(y);
                even
            }
            Integer::Not => {
                let (a, ones) = (self.source(s, u, 0, 0)?, self.asm.all(!0));
                self.op2(v::XOR, a, ones)
            }
            Integer::Neg => {
                let (zero, a) = (self.constant(0), self.operand(s, u, 0, 0)?);
                self.asm.op(v::SUB_32, zero, zero, a);
                zero
            }
            Integer::Abs | Integer::ToFloat => {
                let a = self.operand(s, u, 0, 0)?;
                let d = self.bank.take(self.asm);
                self.asm.op1(if op == Integer::Abs { v::ABS_32 } else { v::FLOAT_OF_INT }, d, a);
                d
            }
            Integer::Low | Integer::High => {
                let (low, high) = (self.source(s, u, 0, 0)?, self.source(s, u, 0, 1)?);
                self.every_other(low, high, op == Integer::High)
            }
            _ => return None,
        })
    }

    /// The lower or upper words of eight 64-bit lanes.
    fn every_other(&mut self, low: Ymm, high: Ymm, upper: bool) -> Ymm {
        let d = self.bank.take(self.asm);
        self.asm.op_imm(v::SHUFFLE_PS, d, low, Rm::Reg(high), if upper { 0xdd } else { 0x88 });
        self.asm.op1_imm(v::PERMUTE_64, d, Rm::Reg(d), 0xd8);
        d
    }

    /// Eight words as twice four of 64 bits.
    fn widened(&mut self, a: Ymm, op: Vex) -> [Ymm; 2] {
        let (low, high) = (self.bank.take(self.asm), self.bank.take(self.asm));
        self.asm.op1(op, low, Rm::Reg(a));
        self.asm.upper_half(high, a);
        self.asm.op1(op, high, Rm::Reg(high));
        [low, high]
    }

    fn long(&mut self, s: &Step, u: &Uses, op: Long) -> Option<[Ymm; 2]> {
        let simple = match op {
            Long::Add => Some(v::ADD_64),
            Long::Sub => Some(v::SUB_64),
            Long::And => Some(v::AND),
            Long::Or => Some(v::OR),
            Long::Xor => Some(v::XOR),
            _ => None,
        };
        if let Some(simple) = simple {
            let mut r = [0; 2];
            for (half, r) in r.iter_mut().enumerate() {
                let a = self.source(s, u, 0, half)?;
                let b = self.operand(s, u, 1, half)?;
                *r = self.op2(simple, a, b);
            }
            return Some(r);
        }
        Some(match op {
            Long::Copy => {
                let mut r = [0; 2];
                for (half, r) in r.iter_mut().enumerate() {
                    let a = self.operand(s, u, 0, half)?;
                    *r = self.bank.take(self.asm);
                    self.asm.op1(v::LOAD, *r, a);
                }
                r
            }
            Long::ShiftLeft | Long::ShiftRight => {
                let by = self.source(s, u, 1, 0)?;
                let r = self.widened(by, v::ZERO_EXTEND);
                for (half, r) in r.iter().enumerate() {
                    let a = self.source(s, u, 0, half)?;
                    let shift = if op == Long::ShiftLeft { v::SHIFT_LEFT_64 } else { v::SHIFT_RIGHT_64 };
                    self.asm.op(shift, *r, a, Rm::Reg(*r));
                }
                r
            }
            Long::Extend { signed } => {
                let a = self.source(s, u, 0, 0)?;
                self.widened(a, if signed { v::SIGN_EXTEND } else { v::ZERO_EXTEND })
            }
            Long::MulWide { signed } | Long::MadWide { signed } => {
                let (a, b) = (self.source(s, u, 0, 0)?, self.source(s, u, 1, 0)?);
                let x = self.widened(a, v::ZERO_EXTEND);
                let y = self.widened(b, v::ZERO_EXTEND);
                for half in 0..2 {
                    let multiply = if signed { v::MUL_WIDE_S } else { v::MUL_WIDE_U };
                    self.asm.op(multiply, x[half], x[half], Rm::Reg(y[half]));
                    self.bank.release(y[half]);
                    if matches!(op, Long::MadWide { .. }) {
                        let c = self.operand(s, u, 2, half)?;
                        self.asm.op(v::ADD_64, x[half], x[half], c);
                    }
                }
                x
            }
            Long::Pack => {
                let (a, b) = (self.source(s, u, 0, 0)?, self.source(s, u, 1, 0)?);
                // Lanes 0, 1, 4, 5 and 2, 3, 6, 7.
                let low = self.op2(v::UNPACK_LOW, a, Rm::Reg(b));
                let high = self.op2(v::UNPACK_HIGH, a, Rm::Reg(b));
                let r = self.bank.take(self.asm);
                self.asm.op_imm(v::PERMUTE_HALVES, r, low, Rm::Reg(high), 0x20);
                self.asm.op_imm(v::PERMUTE_HALVES, high, low, Rm::Reg(high), 0x31);
                self.bank.release(low);
                [r, high]
            }
            _ => return None,
        })
    }

    fn compare(&mut self, s: &Step, u: &Uses, op: Order, signed: bool) -> Option<Ymm> {
        // As equal or greater, operands exchanged or the result negated.
        let (exchanged, negated) = match op {
            Order::Equal | Order::Greater => (false, false),
            Order::Unequal | Order::LessOrEqual => (false, true),
            Order::Less => (true, false),
            Order::GreaterOrEqual => (true, true),
        };
        let equality = matches!(op, Order::Equal | Order::Unequal);
        let wide = s.sources[0]?.class == Class::Long;
        let mut parts = [0; 2];
        for (half, part) in parts.iter_mut().enumerate().take(if wide { 2 } else { 1 }) {
            let (mut a, mut b) = (self.source(s, u, 0, half)?, self.source(s, u, 1, half)?);
            if !equality && !signed {
                let bias = if wide { Rm::Mem(self.asm.constant([0, SIGN, 0, SIGN, 0, SIGN, 0, SIGN])) } else { self.asm.all(SIGN) };
                (a, b) = (self.op2(v::XOR, a, bias), self.op2(v::XOR, b, bias));
            }
            if exchanged {
                (a, b) = (b, a);
            }
            let compare = match (equality, wide) {
                (true, false) => v::EQUAL_32,
                (true, true) => v::EQUAL_64,
                (false, false) => v::GREATER_32,
                (false, true) => v::GREATER_64,
            };
            *part = self.op2(compare, a, Rm::Reg(b));
        }
        let r = if wide { self.every_other(parts[0], parts[1], false) } else { parts[0] };
        if negated {
            let ones = self.asm.all(!0);
            self.asm.op(v::XOR, r, r, ones);
        }
        Some(r)
    }

    /// Binds a comparison's result and its complement.
    fn truth(&mut self, s: &Step, u: &Uses, d: Reg, r: Ymm) {
        // A result may be the guard, which both results are read under: that one comes last.
        let guards = s.e.zip(s.guard).is_some_and(|(e, (g, _))| e.number == g.number);
        let ones = self.asm.all(!0);
        let complement = s.e.map(|e| (e, self.op2(v::XOR, r, ones)));
        if guards {
            self.finish(s, u, d, 0, r);
        }
        if let Some((e, not)) = complement {
            self.result(s, u.e, e, 0, not, u.guard);
        }
        if !guards {
            self.finish(s, u, d, 0, r);
        }
    }

    fn select(&mut self, s: &Step, u: &Uses, d: Reg) -> Option<()> {
        let p = self.source(s, u, 2, 0)?;
        let wide = d.class == Class::Long;
        let chosen = if wide { self.widened(p, v::SIGN_EXTEND) } else { [p; 2] };
        let mut r = [0; 2];
        for half in 0..if wide { 2 } else { 1 } {
            let b = self.source(s, u, 1, half)?;
            let a = self.operand(s, u, 0, half)?;
            r[half] = self.bank.take(self.asm);
            self.asm.blend(r[half], b, a, chosen[half]);
        }
        for half in 0..if wide { 2 } else { 1 } {
            self.finish(s, u, d, half, r[half]);
        }
        Some(())
    }

    fn logic(&mut self, s: &Step, u: &Uses) -> Option<Ymm> {
        let ones = self.asm.all(!0);
        let read = |g: &mut Self, k: usize| -> Option<Ymm> {
            let a = g.source(s, u, k, 0)?;
            Some(if s.imm >> (8 + k) & 1 != 0 { g.op2(v::XOR, a, ones) } else { a })
        };
        let a = read(self, 0)?;
        Some(match s.imm & 255 {
            3 => self.op2(v::XOR, a, ones),
            k @ 0..=2 => {
                let b = read(self, 1)?;
                self.op2([v::AND, v::OR, v::XOR][k as usize], a, Rm::Reg(b))
            }
            _ => self.op2(v::OR, a, Rm::Reg(a)),
        })
    }

    /// Eight words of a stream.
    fn load(&mut self, s: &Step, u: &Uses, d: Reg) {
        let access = self.accesses[s.load.0];
        let stream = access.first + s.load.1;
        let disp = s.imm.wrapping_sub(access.lowest) as i32;
        let (equal, skip) = match self.words {
            Words::AsStreams => (None, 0),
            Words::Equal(bits) => (Some(bits >> s.load.0 & 1 != 0), 0),
            Words::Straight => (Some(false), 32 * self.number as i32),
        };
        if let (Some(equal), Some(from)) = (equal, STREAM_REGISTERS.get(stream)) {
            let at = Mem::At(*from, disp + skip);
            if equal {
                let r = self.bank.take(self.asm);
                self.asm.op1(v::BROADCAST_PS, r, Rm::Mem(at));
                self.finish(s, u, d, 0, r);
            } else if u.d.stays {
                let r = self.bank.take(self.asm);
                self.asm.op1(v::LOAD, r, Rm::Mem(at));
                self.finish(s, u, d, 0, r);
            } else {
                self.bank.bind_memory(d, at);
            }
            return;
        }
        let index = Reg { number: u32::MAX - stream as u32, slot: stream as u32, class: Class::Index };
        let index = self.bank.read(self.asm, index, 0, SOMETIMES);
        let from = match STREAM_REGISTERS.get(stream) {
            Some(r) => *r,
            None => {
                self.asm.load_long(Gpr::Rax, place::stream(stream, self.number));
                Gpr::Rax
            }
        };
        let r = self.op2(v::PERMUTE_32, index, Rm::Mem(Mem::At(from, disp)));
        self.finish(s, u, d, 0, r);
    }

    /// Takes the addresses of the first streams into registers.
    pub fn take_streams(&mut self) {
        if self.words == Words::Straight {
            return;
        }
        let count = self.accesses.iter().filter(|a| !a.store).map(|a| a.words).sum();
        for (stream, r) in STREAM_REGISTERS.iter().enumerate().take(count) {
            self.asm.load_long(*r, place::stream(stream, self.number));
        }
    }

    fn finish(&mut self, s: &Step, u: &Uses, d: Reg, half: usize, r: Ymm) {
        self.result(s, u.d, d, half, r, u.guard);
    }

    /// Makes `r` the value of a register, under the guard, and writes it if it stays.
    fn result(&mut self, s: &Step, used: Use, d: Reg, half: usize, r: Ymm, guard_next: usize) {
        let mut r = r;
        if let Some((guard, not)) = s.guard {
            let mut g = self.bank.read(self.asm, guard, 0, guard_next);
            if d.class == Class::Long {
                let wide = self.widened(g, v::SIGN_EXTEND);
                g = wide[half];
                self.bank.release(wide[1 - half]);
            }
            let old = self.bank.read(self.asm, d, half, NEVER);
            let merged = self.bank.take(self.asm);
            let (outside, inside) = if not { (r, old) } else { (old, r) };
            self.asm.blend(merged, outside, Rm::Reg(inside), g);
            r = merged;
        }
        if used.stays {
            if d.class == Class::Predicate {
                self.collect(d, r);
            } else {
                self.write(d, half, r);
            }
        }
        self.bank.bind(d, half, r, used.next, used.stays && d.class != Class::Predicate);
    }

    /// Writes the active lanes of a result.
    fn write(&mut self, d: Reg, half: usize, r: Ymm) {
        let to = self.bank.slot(d, half);
        if !self.masked {
            self.asm.store(to, r);
            return;
        }
        let inactive = if d.class == Class::Long {
            if half == 0 {
                self.asm.op1(v::SIGN_EXTEND, MERGE, Rm::Reg(INACTIVE));
            } else {
                self.asm.upper_half(MERGE, INACTIVE);
                self.asm.op1(v::SIGN_EXTEND, MERGE, Rm::Reg(MERGE));
            }
            MERGE
        } else {
            INACTIVE
        };
        self.asm.blend(MERGE, r, Rm::Mem(to), inactive);
        self.asm.store(to, MERGE);
    }

    /// Adds this group's lanes of a predicate to those collected.
    fn collect(&mut self, d: Reg, r: Ymm) {
        let Some(k) = self.predicates.iter().position(|p| p.number == d.number) else { return };
        let to = place::collected(k);
        self.asm.signs(Gpr::Rax, r);
        if self.number == 0 && !self.masked {
            self.asm.store_word(to, Gpr::Rax);
            return;
        }
        if self.number > 0 {
            self.asm.shift_left_word(Gpr::Rax, 8 * self.number as u8);
        }
        self.asm.or_into(to, Gpr::Rax);
    }

    /// Passes the group by if none of its lanes is active; else makes the mask of those that are not.
    pub fn enter(&mut self, past: Label) {
        self.asm.test_bits(place::MASK, 0xff << (8 * self.number));
        self.asm.jump_if(If::Equal, past);
        let bits = Rm::Mem(self.asm.constant(super::registers::lane_bits(self.number)));
        let zero = self.asm.all(0);
        self.asm.op1(v::BROADCAST_32, INACTIVE, Rm::Mem(place::MASK));
        self.asm.op(v::AND, INACTIVE, INACTIVE, bits);
        self.asm.op(v::EQUAL_32, INACTIVE, INACTIVE, zero);
    }
}

/// Writes the active lanes of the predicates that a run has collected.
pub(super) fn write_predicates(asm: &mut Assembler, predicates: &[Reg], masked: bool) {
    for (k, p) in predicates.iter().enumerate() {
        let to = Mem::At(Gpr::Rdx, p.slot as i32);
        asm.load_word(Gpr::Rax, place::collected(k));
        if masked {
            // old ^ (old ^ new) & mask
            asm.load_word(Gpr::Rcx, to);
            asm.xor_words(Gpr::Rax, Gpr::Rcx);
            asm.and_word(Gpr::Rax, place::MASK);
            asm.xor_words(Gpr::Rax, Gpr::Rcx);
        }
        asm.store_word(to, Gpr::Rax);
    }
}

/// d = what lanes get in a shuffle of the whole warp by a constant.
pub(super) fn shuffle(asm: &mut Assembler, a: Reg, d: Reg, imm: u64) {
    let from = &WHOLE[(imm & 3) as usize][(imm >> 8 & 31) as usize];
    let place = |r: Reg, group: usize| Mem::At(Gpr::Rdx, (r.slot as usize + 32 * group) as i32);
    // Results first: a may be d.
    for group in 0..4 {
        let lanes = &from[group * 8..group * 8 + 8];
        let result = group as Ymm;
        let mut sources: Vec<u8> = lanes.iter().map(|l| l / 8).collect();
        sources.dedup();
        sources.sort_unstable();
        sources.dedup();
        let index: [u32; 8] = std::array::from_fn(|l| u32::from(lanes[l] % 8));
        let straight = index == [0, 1, 2, 3, 4, 5, 6, 7];
        if !straight {
            let index = asm.constant(index);
            asm.op1(v::LOAD, 4, Rm::Mem(index));
        }
        for (n, source) in sources.iter().enumerate() {
            let to = if n == 0 { result } else { 5 };
            let at = Rm::Mem(place(a, usize::from(*source)));
            if straight { asm.op1(v::LOAD, to, at) } else { asm.op(v::PERMUTE_32, to, 4, at) }
            if n > 0 {
                let mine = lanes.iter().enumerate().fold(0, |m, (l, from)| m | u8::from(from / 8 == *source) << l);
                asm.op_imm(v::BLEND_WORDS, result, result, Rm::Reg(to), mine);
            }
        }
    }
    for group in 0..4 {
        asm.store(place(d, group), group as Ymm);
    }
}
