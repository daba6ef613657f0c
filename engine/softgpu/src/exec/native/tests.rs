//! Random programs through both tiers. A launch that counts instructions executes the interpreter's functions alone, so
//! both see the same code.

use std::fmt::Write as _;
use std::sync::atomic::AtomicBool;

use crate::exec::*;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }
    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
    fn of<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len() as u64) as usize]
    }
}

/// Words, floats and longs of each thread.
const REGISTERS: [(&str, u64); 3] = [("r", 8), ("f", 8), ("d", 3)];
const IN_WORDS: usize = 1024;
/// Words that a thread gives: 8 words, 8 floats, 3 longs, 4 predicates.
const GIVEN: usize = 8 + 8 + 6 + 4;
const THREADS_MAX: usize = 3 * 96;

struct Writer<'a> {
    random: &'a mut Random,
    text: String,
    labels: u32,
    /// Some access may lie outside.
    faults: bool,
}

impl Writer<'_> {
    fn reg(&mut self, class: &str) -> String {
        let count = REGISTERS.iter().find(|(c, _)| *c == class).map_or(4, |(_, n)| *n);
        format!("%{class}{}", self.random.below(count))
    }

    /// A register, or a constant of its class.
    fn operand(&mut self, class: &str) -> String {
        if self.random.chance(75) {
            return self.reg(class);
        }
        match class {
            "f" => format!("0f{:08X}", float(self.random)),
            _ => self.random.of(&["0", "1", "-1", "31", "32", "5", "255", "-7", "123456789"]).into(),
        }
    }

    fn guard(&mut self) -> String {
        if !self.random.chance(15) {
            return String::new();
        }
        format!("@{}{} ", self.random.of(&["", "!"]), self.reg("p"))
    }

    fn line(&mut self, text: &str) {
        let _ = writeln!(self.text, "{text}");
    }

    fn instruction(&mut self) {
        let guard = self.guard();
        let ftz = self.random.of(&["", "", ".ftz"]);
        let text = match self.random.below(100) {
            0..25 => {
                let op = self.random.of(&[
                    "add.s32", "sub.s32", "mul.lo.s32", "mul.hi.u32", "mul.hi.s32", "min.u32", "min.s32", "max.u32", "max.s32", "and.b32",
                    "or.b32", "xor.b32", "shl.b32", "shr.u32", "shr.s32",
                ]);
                let (d, a, b) = (self.reg("r"), self.reg("r"), self.operand("r"));
                format!("{op} {d}, {a}, {b};")
            }
            25..30 => {
                let op = self.random.of(&["not.b32", "neg.s32", "abs.s32", "mov.u32"]);
                let (d, a) = (self.reg("r"), self.reg("r"));
                format!("{op} {d}, {a};")
            }
            30..34 => {
                let (d, a, b, c) = (self.reg("r"), self.reg("r"), self.operand("r"), self.reg("r"));
                format!("mad.lo.s32 {d}, {a}, {b}, {c};")
            }
            34..48 => {
                let op = self.random.of(&["add.rn", "sub.rn", "mul.rn", "div.rn", "min", "max"]);
                let (d, a, b) = (self.reg("f"), self.reg("f"), self.operand("f"));
                format!("{op}{ftz}.f32 {d}, {a}, {b};")
            }
            48..55 => {
                let (d, a, b, c) = (self.reg("f"), self.reg("f"), self.operand("f"), self.reg("f"));
                format!("fma.rn{ftz}.f32 {d}, {a}, {b}, {c};")
            }
            55..64 => {
                let op = self.random.of(&["neg", "abs", "sqrt.rn", "rcp.rn", "rsqrt.approx", "ex2.approx", "lg2.approx"]);
                let (d, a) = (self.reg("f"), self.reg("f"));
                format!("{op}{ftz}.f32 {d}, {a};")
            }
            64..69 => {
                let op = self.random.of(&["add.s64", "sub.s64", "and.b64", "or.b64", "xor.b64"]);
                let (d, a, b) = (self.reg("d"), self.reg("d"), self.operand("d"));
                format!("{op} {d}, {a}, {b};")
            }
            69..75 => {
                let (d, a, r, s) = (self.reg("d"), self.reg("d"), self.reg("r"), self.operand("r"));
                match self.random.below(7) {
                    0 => format!("mul.wide.u32 {d}, {r}, {s};"),
                    1 => format!("mul.wide.s32 {d}, {r}, {s};"),
                    2 => format!("mad.wide.s32 {d}, {r}, {s}, {a};"),
                    3 => format!("cvt.s64.s32 {d}, {r};"),
                    4 => format!("shl.b64 {d}, {a}, {s};"),
                    5 => format!("shr.u64 {d}, {a}, {s};"),
                    _ => format!("cvt.u32.u64 {r}, {a};"),
                }
            }
            75..87 => {
                let p = self.reg("p");
                let class = self.random.of(&["f", "r", "r", "d"]);
                let (a, b) = (self.reg(class), self.operand(class));
                let (op, ty) = match class {
                    "f" => {
                        let names =
                            ["eq", "ne", "lt", "le", "gt", "ge", "equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan"];
                        (format!("{}{ftz}", self.random.of(&names)), "f32")
                    }
                    "d" => (self.random.of(&["eq", "ne", "lt", "le", "gt", "ge"]).into(), self.random.of(&["s64", "u64"])),
                    _ => (self.random.of(&["eq", "ne", "lt", "le", "gt", "ge"]).into(), self.random.of(&["s32", "u32"])),
                };
                match self.random.below(4) {
                    0 => {
                        let q = self.reg("p");
                        if q == p { String::new() } else { format!("setp.{op}.{ty} {p}|{q}, {a}, {b};") }
                    }
                    _ => format!("setp.{op}.{ty} {p}, {a}, {b};"),
                }
            }
            87..91 => {
                let (p, q, s) = (self.reg("p"), self.reg("p"), self.reg("p"));
                match self.random.of(&["and", "or", "xor", "not"]) {
                    "not" => format!("not.pred {p}, {q};"),
                    op => format!("{op}.pred {p}, {q}, {s};"),
                }
            }
            91..96 => {
                let (class, ty) = [("r", "b32"), ("f", "f32"), ("d", "b64")][self.random.below(3) as usize];
                let (d, a, b, p) = (self.reg(class), self.reg(class), self.operand(class), self.reg("p"));
                format!("selp.{ty} {d}, {a}, {b}, {p};")
            }
            96..98 => format!("cvt.rn.f32.s32 {}, {};", self.reg("f"), self.reg("r")),
            _ => format!("mov.u32 {}, %ctaid.{};", self.reg("r"), self.random.of(&["x", "y", "z"])),
        };
        if !text.is_empty() {
            self.line(&format!("{guard}{text}"));
        }
    }

    /// An index into 1024 words, in %i; only with `faults` an index beyond them.
    fn index(&mut self) {
        let text = match self.random.below(7) {
            0 | 1 => "mov.u32 %i, %t;".into(),
            2 => format!("add.u32 %i, %t, {};", self.random.below(64)),
            3 => "and.b32 %i, %t, 15;".into(),
            4 => format!("mov.u32 %i, {};", self.random.below(512)),
            5 => "shr.u32 %i, %t, 4;".into(),
            _ => format!("and.b32 %i, {}, 511;", self.reg("r")),
        };
        self.line(&text);
        if self.faults && self.random.chance(20) {
            let lane = self.random.below(90);
            let far = 100_000 + self.random.below(1000);
            self.line(&format!("setp.eq.u32 %q, %t, {lane}; @%q mov.u32 %i, {far};"));
        }
    }

    fn access(&mut self) {
        self.index();
        let guard = if self.random.chance(10) { self.guard() } else { String::new() };
        let shared = self.random.chance(50);
        let (space, base) = if shared {
            self.line("shl.b32 %i, %i, 2; add.u32 %i, %i, %sb;");
            ("shared", "%i")
        } else {
            let text = self.random.of(&["mul.wide.u32 %a, %i, 4; add.s64 %a, %a, %pi;", "mad.wide.s32 %a, %i, 4, %pi;"]);
            self.line(text);
            ("global", "%a")
        };
        for _ in 0..=self.random.below(3) {
            let skip = self.random.of(&["", "+4", "+128", "+64"]);
            let class = self.random.of(&["r", "f"]);
            if self.random.chance(60) {
                let d = self.reg(class);
                self.line(&format!("{guard}ld.{space}.b32 {d}, [{base}{skip}];"));
            } else if self.random.chance(40) {
                let (x, y) = (self.random.below(4), self.random.below(4) + 4);
                let clear = if shared { "and.b32 %i, %i, -8;" } else { "and.b64 %a, %a, -8;" };
                self.line(&format!("{clear} {guard}ld.{space}.v2.b32 {{%{class}{x}, %{class}{y}}}, [{base}];"));
            } else {
                // Bits of floats stay floats: what is not a number may differ.
                let v = self.reg("r");
                self.line(&format!("{guard}st.{space}.b32 [{base}{skip}], {v};"));
            }
            for _ in 0..self.random.below(3) {
                self.instruction();
            }
        }
    }

    fn shuffle(&mut self) {
        let (d, a, p) = (self.reg("r"), self.reg("r"), self.reg("p"));
        let (mode, clamp) = [("up", 0), ("down", 31), ("bfly", 31), ("idx", 31)][self.random.below(4) as usize];
        let by = self.random.below(32);
        self.line(&format!("shfl.sync.{mode}.b32 {d}|{p}, {a}, {by}, {clamp}, -1;"));
    }

    fn body(&mut self, depth: u32) {
        for _ in 0..2 + self.random.below(6) {
            match self.random.below(10) {
                0..4 => {
                    for _ in 0..self.random.below(12) {
                        self.instruction();
                    }
                }
                4..6 => self.access(),
                6 if depth == 0 => self.shuffle(),
                7 if depth < 2 => {
                    let l = self.labels;
                    self.labels += 1;
                    let guard = format!("@{}{}", self.random.of(&["", "!"]), self.reg("p"));
                    self.line(&format!("{guard} bra L{l};"));
                    self.body(depth + 1);
                    self.line(&format!("L{l}:"));
                }
                8 if depth < 2 => {
                    let l = self.labels;
                    self.labels += 1;
                    let times = self.random.of(&["mov.u32", "and.b32"]);
                    let count = if times == "mov.u32" { "3".into() } else { "%t, 3".to_string() };
                    self.line(&format!("{times} %n{depth}, {count}; L{l}:"));
                    self.body(depth + 1);
                    self.line(&format!("sub.u32 %n{depth}, %n{depth}, 1; setp.gt.s32 %q, %n{depth}, 0; @%q bra L{l};"));
                }
                _ => self.instruction(),
            }
        }
    }
}

fn float(random: &mut Random) -> u32 {
    match random.below(12) {
        0 => [0, 0x8000_0000, 0x7f80_0000, 0xff80_0000, 0x7fc0_0000, 1, 0x8000_0001, 0x7f7f_ffff][random.below(8) as usize],
        1 => random.next() as u32,
        2 => random.next() as u32 & 0x807f_ffff,
        _ => ((random.below(4000) as f32 - 2000.0) / 64.0).to_bits(),
    }
}

fn program(random: &mut Random) -> String {
    let faults = random.chance(25);
    let mut w = Writer { random, text: String::new(), labels: 0, faults };
    w.line(".version 8.4\n.target sm_80\n.address_size 64");
    w.line(".visible .entry k(.param .u64 pin, .param .u64 pout) {");
    w.line(".reg .b32 %r<8>, %i, %t, %g, %m, %sb, %n0, %n1; .reg .f32 %f<8>; .reg .b64 %d<3>, %a, %pi, %po; .reg .pred %p<4>, %q;");
    w.line(".shared .align 8 .b32 s[1024];");
    w.line("mov.u32 %t, %tid.x; mov.u32 %m, %ctaid.x; mad.lo.u32 %g, %m, 96, %t; ld.param.u64 %pi, [pin]; ld.param.u64 %po, [pout];");
    w.line("mov.u32 %sb, s;");
    for k in 0..8 {
        w.line(&format!("mad.lo.u32 %i, %t, 8, {k}; mul.wide.u32 %a, %i, 4; add.s64 %a, %a, %pi; ld.global.u32 %r{k}, [%a];"));
        w.line(&format!("ld.global.f32 %f{k}, [%a+{}];", 4 * IN_WORDS));
        w.line(&format!("mad.lo.u32 %i, %t, 32, %sb; st.shared.b32 [%i+{}], %r{k};", 4 * k));
    }
    for k in 0..3 {
        w.line(&format!("mul.wide.s32 %d{k}, %r{k}, %r{};", k + 3));
    }
    for k in 0..4 {
        w.line(&format!("setp.lt.s32 %p{k}, %r{k}, {};", k * 100));
    }
    w.line("bar.sync 0;");
    w.body(0);
    w.line(&format!("mul.wide.u32 %a, %g, {}; add.s64 %po, %po, %a;", 4 * GIVEN));
    for k in 0..8 {
        w.line(&format!("st.global.b32 [%po+{}], %r{k}; st.global.f32 [%po+{}], %f{k};", 4 * k, 32 + 4 * k));
    }
    for k in 0..3 {
        w.line(&format!("st.global.b64 [%po+{}], %d{k};", 64 + 8 * k));
    }
    for k in 0..4 {
        w.line(&format!("selp.b32 %i, 1, 0, %p{k}; st.global.b32 [%po+{}], %i;", 88 + 4 * k));
    }
    w.line("ret; }");
    w.text
}

/// Memory after the launch, and how it ended.
fn run(memory: &mut [u64], kernel: &Kernel, input: &[u32], block: u32, counting: bool) -> (Vec<u32>, Vec<u32>, Option<String>) {
    memory.fill(0);
    let start = memory.as_mut_ptr() as u64;
    let out = start + 8 * IN_WORDS as u64;
    let end = start + 8 * memory.len() as u64;
    for (to, pair) in memory.iter_mut().zip(input.chunks(2)) {
        *to = u64::from(pair[0]) | u64::from(pair[1]) << 32;
    }
    let map = MemoryMap::new(vec![MemoryRange { start, end: out, writable: true }, MemoryRange { start: out, end, writable: true }]);
    let params: Vec<u8> = [start, out].iter().flat_map(|a| a.to_le_bytes()).collect();
    let arguments = Launch {
        kernel,
        grid: [3, 1, 1],
        block: [block, 1, 1],
        dynamic_shared_bytes: 0,
        params: &params,
        symbol: &|_| None,
        memory: &map,
        races: &|_| (),
        print: &|_| {},
        heap: &NoHeap,
        limits: Limits::default(),
        stop: &AtomicBool::new(false),
        cooperative: false,
        deterministic: true,
        device: DeviceView::default(),
    };
    let outcome = if counting { count_instructions(&arguments) } else { launch(&arguments) };
    let fault = outcome.err().map(|f| {
        format!("{:?} line {} block {:?} thread {:?} address {:x?}: {}", f.kind, f.ptx_line, f.block, f.thread, f.address, f.message)
    });
    let words: Vec<u32> = memory.iter().flat_map(|v| [*v as u32, (*v >> 32) as u32]).collect();
    let (input, output) = words.split_at(2 * IN_WORDS);
    (input.to_vec(), output.to_vec(), fault)
}

#[test]
fn both_tiers_do_the_same() {
    if !super::enabled() {
        return;
    }
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut faults = 0;
    let mut memory = vec![0u64; IN_WORDS + THREADS_MAX * GIVEN.div_ceil(2)];
    for round in 0..600 {
        let text = program(&mut random);
        let compiled = compile_text(&text, &CompileOptions::default()).unwrap_or_else(|e| panic!("{e}\n{text}"));
        let kernel = compiled.kernels["k"].as_ref().unwrap_or_else(|e| panic!("{e}\n{text}"));
        assert!(kernel.code.native.is_some());
        let mut input: Vec<u32> = (0..IN_WORDS).map(|_| if random.chance(50) { random.next() as u32 } else { random.below(200) as u32 }).collect();
        input.extend((0..IN_WORDS).map(|_| float(&mut random)));
        // What a shuffle reads from a lane that does not exist is anything.
        let blocks = if text.contains("shfl") { &[32, 96][..] } else { &[32, 20, 96, 45] };
        for block in blocks.iter().copied() {
            let native = run(&mut memory, kernel, &input, block, false);
            let interpreted = run(&mut memory, kernel, &input, block, true);
            assert_eq!(native.2, interpreted.2, "round {round}, block {block}\n{text}");
            faults += u32::from(native.2.is_some());
            assert_eq!(native.0, interpreted.0, "round {round}, block {block}, memory\n{text}");
            for (k, (a, b)) in native.1.iter().zip(&interpreted.1).enumerate() {
                let is_float = (8..16).contains(&(k % GIVEN));
                let same = a == b || is_float && f32::from_bits(*a).is_nan() && f32::from_bits(*b).is_nan();
                assert!(same, "round {round}, block {block}, thread {}, value {}: {a:#x}, not {b:#x}\n{text}", k / GIVEN, k % GIVEN);
            }
        }
    }
    assert!(faults > 50, "{faults}");
}
