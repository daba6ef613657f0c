//! Encodes the instructions of x86-64 that templates are made of: AVX2 and FMA on 256 bits, and a few on words.

use std::collections::HashMap;

/// A vector register.
pub(super) type Ymm = u8;

/// General registers that compiled code uses: those that a callee may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gpr {
    Rax = 0,
    Rcx = 1,
    Rdx = 2,
    Rsi = 6,
    Rdi = 7,
    R8 = 8,
    R9 = 9,
    R10 = 10,
    R11 = 11,
}

/// 32 bytes in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mem {
    At(Gpr, i32),
    /// A constant of the pool behind the code.
    Constant(usize),
}

/// The operand of an instruction that may lie in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rm {
    Reg(Ymm),
    Mem(Mem),
}

/// A place in the code that jumps name before it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Label(usize);

/// A vector instruction: prefix (0 none, 1: 66, 2: F3), map (1: 0F, 2: 0F38, 3: 0F3A), W, opcode.
#[derive(Debug, Clone, Copy)]
pub(super) struct Vex(u8, u8, u8, u8);

pub(super) mod v {
    use super::Vex;
    pub const ADD_PS: Vex = Vex(0, 1, 0, 0x58);
    pub const SUB_PS: Vex = Vex(0, 1, 0, 0x5c);
    pub const MUL_PS: Vex = Vex(0, 1, 0, 0x59);
    pub const DIV_PS: Vex = Vex(0, 1, 0, 0x5e);
    pub const MIN_PS: Vex = Vex(0, 1, 0, 0x5d);
    pub const MAX_PS: Vex = Vex(0, 1, 0, 0x5f);
    pub const SQRT_PS: Vex = Vex(0, 1, 0, 0x51);
    pub const COMPARE_PS: Vex = Vex(0, 1, 0, 0xc2);
    pub const SHUFFLE_PS: Vex = Vex(0, 1, 0, 0xc6);
    pub const FMA_213_PS: Vex = Vex(1, 2, 0, 0xa8);
    pub const FMA_231_PS: Vex = Vex(1, 2, 0, 0xb8);
    pub const FLOAT_OF_INT: Vex = Vex(0, 1, 0, 0x5b);
    pub const ADD_PD: Vex = Vex(1, 1, 0, 0x58);
    pub const SUB_PD: Vex = Vex(1, 1, 0, 0x5c);
    pub const MUL_PD: Vex = Vex(1, 1, 0, 0x59);
    pub const DIV_PD: Vex = Vex(1, 1, 0, 0x5e);
    pub const DOUBLE_OF_FLOAT: Vex = Vex(0, 1, 0, 0x5a);
    pub const FLOAT_OF_DOUBLE: Vex = Vex(1, 1, 0, 0x5a);
    pub const DOUBLE_OF_INT: Vex = Vex(2, 1, 0, 0xe6);
    pub const LOAD: Vex = Vex(0, 1, 0, 0x10);
    pub const STORE: Vex = Vex(0, 1, 0, 0x11);
    pub const SIGNS_PS: Vex = Vex(0, 1, 0, 0x50);
    /// Last source where the sign of the selector is set, else the first.
    pub const BLEND_PS: Vex = Vex(1, 3, 0, 0x4a);
    pub const BLEND_WORDS: Vex = Vex(1, 3, 0, 0x02);
    pub const AND: Vex = Vex(1, 1, 0, 0xdb);
    /// Not the first, and the second.
    pub const AND_NOT: Vex = Vex(1, 1, 0, 0xdf);
    pub const OR: Vex = Vex(1, 1, 0, 0xeb);
    pub const XOR: Vex = Vex(1, 1, 0, 0xef);
    pub const ADD_32: Vex = Vex(1, 1, 0, 0xfe);
    pub const SUB_32: Vex = Vex(1, 1, 0, 0xfa);
    pub const MUL_32: Vex = Vex(1, 2, 0, 0x40);
    pub const ADD_64: Vex = Vex(1, 1, 0, 0xd4);
    pub const SUB_64: Vex = Vex(1, 1, 0, 0xfb);
    pub const MUL_WIDE_U: Vex = Vex(1, 1, 0, 0xf4);
    pub const MUL_WIDE_S: Vex = Vex(1, 2, 0, 0x28);
    pub const MIN_U: Vex = Vex(1, 2, 0, 0x3b);
    pub const MIN_S: Vex = Vex(1, 2, 0, 0x39);
    pub const MAX_U: Vex = Vex(1, 2, 0, 0x3f);
    pub const MAX_S: Vex = Vex(1, 2, 0, 0x3d);
    pub const ABS_32: Vex = Vex(1, 2, 0, 0x1e);
    pub const SHIFT_LEFT_32: Vex = Vex(1, 2, 0, 0x47);
    pub const SHIFT_RIGHT_32: Vex = Vex(1, 2, 0, 0x45);
    pub const SHIFT_RIGHT_SIGNED_32: Vex = Vex(1, 2, 0, 0x46);
    pub const SHIFT_LEFT_64: Vex = Vex(1, 2, 1, 0x47);
    pub const SHIFT_RIGHT_64: Vex = Vex(1, 2, 1, 0x45);
    pub const EQUAL_32: Vex = Vex(1, 1, 0, 0x76);
    pub const GREATER_32: Vex = Vex(1, 1, 0, 0x66);
    pub const EQUAL_64: Vex = Vex(1, 2, 0, 0x29);
    pub const GREATER_64: Vex = Vex(1, 2, 0, 0x37);
    pub const ZERO_EXTEND: Vex = Vex(1, 2, 0, 0x35);
    pub const SIGN_EXTEND: Vex = Vex(1, 2, 0, 0x25);
    pub const INSERT_HALF: Vex = Vex(1, 3, 0, 0x38);
    pub const UPPER_HALF: Vex = Vex(1, 3, 0, 0x39);
    pub const PERMUTE_64: Vex = Vex(1, 3, 1, 0x00);
    pub const UNPACK_LOW: Vex = Vex(1, 1, 0, 0x62);
    pub const UNPACK_HIGH: Vex = Vex(1, 1, 0, 0x6a);
    pub const PERMUTE_HALVES: Vex = Vex(1, 3, 0, 0x46);
    pub const BROADCAST_32: Vex = Vex(1, 2, 0, 0x58);
    pub const BROADCAST_64: Vex = Vex(1, 2, 0, 0x59);
    pub const BROADCAST_PS: Vex = Vex(1, 2, 0, 0x18);
    pub const PERMUTE_32: Vex = Vex(1, 2, 0, 0x36);
    /// By constants: opcode and the register field that selects the operation.
    pub const LEFT_32: (Vex, u8) = (Vex(1, 1, 0, 0x72), 6);
    pub const RIGHT_SIGNED_32: (Vex, u8) = (Vex(1, 1, 0, 0x72), 4);
    pub const LEFT_64: (Vex, u8) = (Vex(1, 1, 0, 0x73), 6);
    pub const RIGHT_64: (Vex, u8) = (Vex(1, 1, 0, 0x73), 2);
}

/// Conditions of jumps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum If {
    Equal = 4,
    NotEqual = 5,
    AboveOrEqual = 3,
    Below = 2,
    Above = 7,
    Greater = 15,
    Negative = 8,
}

#[derive(Default)]
pub(super) struct Assembler {
    code: Vec<u8>,
    labels: Vec<Option<usize>>,
    /// Relative 32-bit fields to fill in: where, and what they name.
    jumps: Vec<(usize, Label)>,
    references: Vec<(usize, usize)>,
    constants: Vec<[u32; 8]>,
    known: HashMap<[u32; 8], usize>,
}

impl Assembler {
    pub fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    pub fn place(&mut self, l: Label) {
        self.labels[l.0] = Some(self.code.len());
    }

    /// Eight words.
    pub fn constant(&mut self, words: [u32; 8]) -> Mem {
        let next = self.constants.len();
        let k = *self.known.entry(words).or_insert(next);
        if k == next {
            self.constants.push(words);
        }
        Mem::Constant(k)
    }

    /// One word in all lanes.
    pub fn all(&mut self, word: u32) -> Rm {
        Rm::Mem(self.constant([word; 8]))
    }

    fn byte(&mut self, b: u8) {
        self.code.push(b);
    }

    fn word(&mut self, w: i32) {
        self.code.extend(w.to_le_bytes());
    }

    /// ModRM and what follows it; `after` bytes of immediate follow (addresses relative to the next instruction count them).
    fn modrm(&mut self, reg: u8, rm: Rm, after: usize) {
        let reg = (reg & 7) << 3;
        match rm {
            Rm::Reg(r) => self.byte(0xc0 | reg | r & 7),
            Rm::Mem(Mem::At(base, disp)) => {
                let b = base as u8 & 7;
                let short = i8::try_from(disp).is_ok();
                self.byte(if short { 0x40 } else { 0x80 } | reg | b);
                if short { self.byte(disp as u8) } else { self.word(disp) }
            }
            Rm::Mem(Mem::Constant(k)) => {
                self.byte(reg | 5);
                self.references.push((self.code.len(), k));
                // What the address is relative to lies behind the immediate.
                self.word(-(after as i32));
            }
        }
    }

    fn extended(rm: Rm) -> bool {
        match rm {
            Rm::Reg(r) => r >= 8,
            Rm::Mem(Mem::At(base, _)) => base as u8 >= 8,
            Rm::Mem(Mem::Constant(_)) => false,
        }
    }

    fn vex(&mut self, op: Vex, reg: u8, first: u8, rm: Rm, after: usize) {
        let Vex(prefix, map, w, opcode) = op;
        self.byte(0xc4);
        self.byte(u8::from(reg < 8) << 7 | 1 << 6 | u8::from(!Self::extended(rm)) << 5 | map);
        self.byte(w << 7 | (!first & 15) << 3 | 1 << 2 | prefix);
        self.byte(opcode);
        self.modrm(reg, rm, after);
    }

    /// d = op(a, b)
    pub fn op(&mut self, op: Vex, d: Ymm, a: Ymm, b: Rm) {
        self.vex(op, d, a, b, 0);
    }

    /// d = op(a)
    pub fn op1(&mut self, op: Vex, d: Ymm, a: Rm) {
        self.vex(op, d, 0, a, 0);
    }

    /// d = op(a, b; constant)
    pub fn op_imm(&mut self, op: Vex, d: Ymm, a: Ymm, b: Rm, imm: u8) {
        self.vex(op, d, a, b, 1);
        self.byte(imm);
    }

    /// d = op(a; constant)
    pub fn op1_imm(&mut self, op: Vex, d: Ymm, a: Rm, imm: u8) {
        self.op_imm(op, d, 0, a, imm);
    }

    /// d = a shifted by a constant.
    pub fn shift(&mut self, (op, kind): (Vex, u8), d: Ymm, a: Ymm, by: u8) {
        self.vex(op, kind, d, Rm::Reg(a), 1);
        self.byte(by);
    }

    /// d = b where the sign of `select` is set, else a.
    pub fn blend(&mut self, d: Ymm, a: Ymm, b: Rm, select: Ymm) {
        self.op_imm(v::BLEND_PS, d, a, b, select << 4);
    }

    /// The lower half of d = the upper half of a.
    pub fn upper_half(&mut self, d: Ymm, a: Ymm) {
        self.op1_imm(v::UPPER_HALF, a, Rm::Reg(d), 1);
    }

    pub fn store(&mut self, to: Mem, a: Ymm) {
        self.op1(v::STORE, a, Rm::Mem(to));
    }

    /// Word = signs of the eight lanes of a.
    pub fn signs(&mut self, d: Gpr, a: Ymm) {
        self.op1(v::SIGNS_PS, d as u8, Rm::Reg(a));
    }

    /// An instruction on general registers, 64 bits if `wide`.
    fn general(&mut self, opcode: &[u8], wide: bool, reg: u8, rm: Rm, after: usize) {
        let rex = 0x40 | u8::from(wide) << 3 | u8::from(reg >= 8) << 2 | u8::from(Self::extended(rm));
        if rex != 0x40 {
            self.byte(rex);
        }
        self.code.extend(opcode);
        self.modrm(reg, rm, after);
    }

    pub fn load_word(&mut self, d: Gpr, from: Mem) {
        self.general(&[0x8b], false, d as u8, Rm::Mem(from), 0);
    }

    pub fn load_long(&mut self, d: Gpr, from: Mem) {
        self.general(&[0x8b], true, d as u8, Rm::Mem(from), 0);
    }

    pub fn load_word_signed(&mut self, d: Gpr, from: Mem) {
        self.general(&[0x63], true, d as u8, Rm::Mem(from), 0);
    }

    pub fn store_long(&mut self, to: Mem, a: Gpr) {
        self.general(&[0x89], true, a as u8, Rm::Mem(to), 0);
    }

    pub fn move_long(&mut self, d: Gpr, a: Gpr) {
        self.general(&[0x8b], true, d as u8, Rm::Reg(a as u8), 0);
    }

    pub fn add_long(&mut self, d: Gpr, with: Mem) {
        self.general(&[0x03], true, d as u8, Rm::Mem(with), 0);
    }

    pub fn add_to_word(&mut self, d: Gpr, value: i32) {
        self.general(&[0x81], false, 0, Rm::Reg(d as u8), 4);
        self.word(value);
    }

    pub fn add_to_long(&mut self, d: Gpr, value: i32) {
        self.general(&[0x81], true, 0, Rm::Reg(d as u8), 4);
        self.word(value);
    }

    pub fn subtract_from_long(&mut self, d: Gpr, value: i32) {
        self.general(&[0x81], true, 5, Rm::Reg(d as u8), 4);
        self.word(value);
    }

    pub fn subtract_longs(&mut self, d: Gpr, a: Gpr) {
        self.general(&[0x2b], true, d as u8, Rm::Reg(a as u8), 0);
    }

    pub fn compare_longs(&mut self, a: Gpr, b: Gpr) {
        self.general(&[0x3b], true, a as u8, Rm::Reg(b as u8), 0);
    }

    pub fn compare_long_with(&mut self, a: Gpr, value: i32) {
        self.general(&[0x81], true, 7, Rm::Reg(a as u8), 4);
        self.word(value);
    }

    pub fn compare_word_with(&mut self, a: Gpr, value: i32) {
        self.general(&[0x81], false, 7, Rm::Reg(a as u8), 4);
        self.word(value);
    }

    pub fn compare_byte_with(&mut self, a: Mem, value: u8) {
        self.general(&[0x80], false, 7, Rm::Mem(a), 1);
        self.byte(value);
    }

    /// Whether the word has any of the bits.
    pub fn test_with(&mut self, a: Gpr, bits: i32) {
        self.general(&[0xf7], false, 0, Rm::Reg(a as u8), 4);
        self.word(bits);
    }

    pub fn shift_left_long(&mut self, d: Gpr, by: u8) {
        self.general(&[0xc1], true, 4, Rm::Reg(d as u8), 1);
        self.byte(by);
    }

    /// d = a + 2 b
    pub fn twice_added(&mut self, d: Gpr, a: Gpr, b: Gpr) {
        let (d, a, b) = (d as u8, a as u8, b as u8);
        self.byte(0x48 | (d >> 3) << 2 | (b >> 3) << 1 | a >> 3);
        self.byte(0x8d);
        self.byte(0x44 | (d & 7) << 3);
        self.byte(0x40 | (b & 7) << 3 | a & 7);
        self.byte(0);
    }

    /// Asks for the memory there.
    pub fn prefetch(&mut self, a: Gpr, skip: i32) {
        self.general(&[0x0f, 0x18], false, 1, Rm::Mem(Mem::At(a, skip)), 0);
    }

    pub fn store_word(&mut self, to: Mem, a: Gpr) {
        self.general(&[0x89], false, a as u8, Rm::Mem(to), 0);
    }

    pub fn set_word(&mut self, to: Mem, value: i32) {
        self.general(&[0xc7], false, 0, Rm::Mem(to), 4);
        self.word(value);
    }

    pub fn and_word(&mut self, d: Gpr, with: Mem) {
        self.general(&[0x23], false, d as u8, Rm::Mem(with), 0);
    }

    pub fn or_word(&mut self, d: Gpr, with: Mem) {
        self.general(&[0x0b], false, d as u8, Rm::Mem(with), 0);
    }

    /// memory |= a
    pub fn or_into(&mut self, to: Mem, a: Gpr) {
        self.general(&[0x09], false, a as u8, Rm::Mem(to), 0);
    }

    pub fn not_word(&mut self, d: Gpr) {
        self.general(&[0xf7], false, 2, Rm::Reg(d as u8), 0);
    }

    pub fn xor_words(&mut self, d: Gpr, a: Gpr) {
        self.general(&[0x33], false, d as u8, Rm::Reg(a as u8), 0);
    }

    pub fn shift_left_word(&mut self, d: Gpr, by: u8) {
        self.general(&[0xc1], false, 4, Rm::Reg(d as u8), 1);
        self.byte(by);
    }

    pub fn decrement_word(&mut self, d: Gpr) {
        self.general(&[0xff], false, 1, Rm::Reg(d as u8), 0);
    }

    pub fn compare_word(&mut self, a: Gpr, with: Mem) {
        self.general(&[0x3b], false, a as u8, Rm::Mem(with), 0);
    }

    pub fn compare_long(&mut self, a: Gpr, with: Mem) {
        self.general(&[0x3b], true, a as u8, Rm::Mem(with), 0);
    }

    pub fn compare_with(&mut self, a: Gpr, value: i8) {
        self.general(&[0x83], false, 7, Rm::Reg(a as u8), 1);
        self.byte(value as u8);
    }

    /// Whether the word has any of the bits.
    pub fn test_bits(&mut self, a: Mem, bits: u32) {
        self.general(&[0xf7], false, 0, Rm::Mem(a), 4);
        self.word(bits as i32);
    }

    pub fn set_long(&mut self, d: Gpr, value: u64) {
        self.byte(0x48 | u8::from(d as u8 >= 8));
        self.byte(0xb8 | d as u8 & 7);
        self.code.extend(value.to_le_bytes());
    }

    pub fn push(&mut self, a: Gpr) {
        self.byte(0x50 | a as u8);
    }

    pub fn pop(&mut self, a: Gpr) {
        self.byte(0x58 | a as u8);
    }

    /// Sets the flags for the sign of a word.
    pub fn test_word(&mut self, a: Gpr) {
        self.code.extend([0x85, 0xc0 | (a as u8) << 3 | a as u8]);
    }

    pub fn call(&mut self, a: Gpr) {
        self.code.extend([0xff, 0xd0 | a as u8]);
    }

    pub fn jump_to(&mut self, a: Gpr) {
        self.code.extend([0xff, 0xe0 | a as u8]);
    }

    pub fn ret(&mut self) {
        // Vector registers are used whole here, and need not be by who called.
        self.code.extend([0xc5, 0xf8, 0x77]);
        self.byte(0xc3);
    }

    pub fn jump(&mut self, to: Label) {
        self.byte(0xe9);
        self.jumps.push((self.code.len(), to));
        self.word(0);
    }

    pub fn jump_if(&mut self, condition: If, to: Label) {
        self.code.extend([0x0f, 0x80 | condition as u8]);
        self.jumps.push((self.code.len(), to));
        self.word(0);
    }

    /// The code with its constants, and where labels lie in it.
    pub fn finish(mut self) -> (Vec<u8>, impl Fn(Label) -> Option<usize>) {
        for (at, to) in &self.jumps {
            // Every label that is jumped to was placed; a jump to itself would show in tests.
            let target = self.labels[to.0].unwrap_or(*at);
            let distance = target as i32 - (*at as i32 + 4);
            self.code[*at..*at + 4].copy_from_slice(&distance.to_le_bytes());
        }
        let pool = self.code.len().next_multiple_of(32);
        for (at, k) in &self.references {
            let after = i32::from_le_bytes([self.code[*at], self.code[*at + 1], self.code[*at + 2], self.code[*at + 3]]);
            let distance = (pool + k * 32) as i32 - (*at as i32 + 4) + after;
            self.code[*at..*at + 4].copy_from_slice(&distance.to_le_bytes());
        }
        self.code.resize(pool, 0xcc);
        for c in &self.constants {
            self.code.extend(c.iter().flat_map(|w| w.to_le_bytes()));
        }
        let labels = self.labels;
        (self.code, move |l: Label| labels[l.0])
    }
}
