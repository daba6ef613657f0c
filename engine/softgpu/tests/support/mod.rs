//! Runs one kernel on buffers of the test.
#![allow(dead_code)]

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use ringway_softgpu::exec::*;

/// A buffer in "device" memory: 256-byte aligned host memory.
pub struct Buffer {
    data: Vec<u128>,
    bytes: usize,
    skip: usize,
}

impl Buffer {
    pub fn new(bytes: usize) -> Buffer {
        let data = vec![0u128; bytes.div_ceil(16) + 32];
        let skip = data.as_ptr().cast::<u8>().align_offset(256);
        Buffer { data, bytes, skip }
    }
    pub fn from<T: Copy>(v: &[T]) -> Buffer {
        let mut b = Buffer::new(size_of_val(v));
        b.write(v);
        b
    }
    pub fn write<T: Copy>(&mut self, v: &[T]) {
        assert!(size_of_val(v) <= self.bytes);
        // SAFETY: the buffer holds `bytes` bytes from `skip` on, which may begin anywhere that `T` may, and `v` is elsewhere.
        unsafe {
            let p = self.data.as_mut_ptr().cast::<u8>().add(self.skip).cast::<T>();
            std::ptr::copy_nonoverlapping(v.as_ptr(), p, v.len());
        }
    }
    pub fn read<T: Copy>(&self) -> Vec<T> {
        let n = self.bytes / size_of::<T>();
        // SAFETY: the buffer holds `bytes` initialised bytes from that address on.
        unsafe { std::slice::from_raw_parts(self.address() as *const T, n).to_vec() }
    }
    pub fn address(&self) -> u64 {
        self.data.as_ptr() as u64 + self.skip as u64
    }
    pub fn range(&self) -> MemoryRange {
        MemoryRange { start: self.address(), end: self.address() + self.bytes as u64, writable: true }
    }
}

/// Parameter buffer builder.
#[derive(Default)]
pub struct Params(pub Vec<u8>);

impl Params {
    pub fn new() -> Params {
        Params::default()
    }
    pub fn u64(mut self, v: u64) -> Params {
        self.0.resize(self.0.len().next_multiple_of(8), 0);
        self.0.extend(v.to_le_bytes());
        self
    }
    pub fn u32(mut self, v: u32) -> Params {
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self.0.extend(v.to_le_bytes());
        self
    }
}

pub struct Run<'a> {
    pub grid: [u32; 3],
    pub block: [u32; 3],
    pub shared: u32,
    pub limits: Limits,
    pub cooperative: bool,
    pub deterministic: bool,
    pub heap: &'a dyn DeviceHeap,
    pub workspace: u64,
}

impl Default for Run<'_> {
    fn default() -> Self {
        Run {
            grid: [1; 3],
            block: [32, 1, 1],
            shared: 0,
            limits: Limits::default(),
            cooperative: false,
            deterministic: false,
            heap: &NoHeap,
            workspace: 0,
        }
    }
}

/// A program with its globals placed in buffers.
pub struct Loaded {
    pub program: Program,
    pub globals: Vec<Buffer>,
    /// What the race checker reported of all launches.
    pub races: Mutex<Vec<Race>>,
}

pub fn options() -> CompileOptions {
    CompileOptions { compute_capability: 121, ..CompileOptions::default() }
}

pub fn load(text: &str) -> Loaded {
    load_with(text, &options())
}

pub fn load_with(text: &str, options: &CompileOptions) -> Loaded {
    let program = compile_text(text, options).unwrap_or_else(|e| panic!("{e}"));
    let mut globals: Vec<Buffer> = program.globals.iter().map(|g| Buffer::new(g.size as usize)).collect();
    let addresses: Vec<u64> = globals.iter().map(Buffer::address).collect();
    for (k, g) in program.globals.iter().enumerate() {
        let mut bytes = g.init.clone();
        bytes.resize(g.size as usize, 0);
        for r in &g.relocations {
            let t = program.globals.iter().position(|x| x.name == r.symbol).unwrap();
            let a = addresses[t].wrapping_add_signed(r.addend) >> r.shift;
            let at = r.offset as usize;
            bytes[at..at + r.width as usize].copy_from_slice(&a.to_le_bytes()[..r.width as usize]);
        }
        globals[k].write(&bytes);
    }
    Loaded { program, globals, races: Mutex::default() }
}

impl Loaded {
    pub fn global(&self, name: &str) -> &Buffer {
        &self.globals[self.program.globals.iter().position(|g| g.name == name).unwrap()]
    }

    pub fn launch(&self, kernel: &str, run: &Run, params: &Params, buffers: &[&Buffer]) -> (Result<LaunchStats, Box<Fault>>, String) {
        let kernel = self.program.kernels[kernel].as_ref().unwrap_or_else(|e| panic!("{e}"));
        let memory = MemoryMap::new(
            buffers.iter().map(|b| b.range()).chain(self.globals.iter().map(Buffer::range)).collect(),
        );
        let printed = Mutex::new(String::new());
        let stop = AtomicBool::new(false);
        let mut p = params.0.clone();
        p.resize(p.len().max(kernel.param_bytes as usize), 0);
        let r = launch(&Launch {
            kernel,
            grid: run.grid,
            block: run.block,
            dynamic_shared_bytes: run.shared,
            params: &p,
            symbol: &|name| {
                self.program.globals.iter().position(|g| g.name == name).map(|k| self.globals[k].address())
            },
            memory: &memory,
            print: &|s| printed.lock().unwrap().push_str(s),
            races: &|race| self.races.lock().unwrap().push(race.clone()),
            heap: run.heap,
            limits: run.limits,
            stop: &stop,
            cooperative: run.cooperative,
            deterministic: run.deterministic,
            device: DeviceView { grid_workspace: run.workspace, ..DeviceView::default() },
        });
        (r, printed.into_inner().unwrap())
    }

    pub fn run(&self, kernel: &str, run: &Run, params: &Params, buffers: &[&Buffer]) -> String {
        let (r, text) = self.launch(kernel, run, params, buffers);
        r.unwrap_or_else(|f| panic!("{f}"));
        text
    }
}

pub const HEAD: &str = ".version 8.4\n.target sm_80\n.address_size 64\n";

/// A kernel that runs `body` for one input element of type `inputs[k]` each and stores %out; registers declared by the
/// caller in `decl`. Runs one lane per row.
pub fn evaluate(decl: &str, body: &str, inputs: &[(&str, Vec<u64>)], out: &str) -> Vec<u64> {
    let size = |t: &str| -> usize { t.trim_start_matches(|c: char| c.is_ascii_alphabetic()).parse::<usize>().unwrap() / 8 };
    let n = inputs[0].1.len();
    let mut text = format!("{HEAD}.visible .entry k(.param .u64 po, .param .u32 pn");
    for k in 0..inputs.len() {
        text += &format!(", .param .u64 p{k}");
    }
    text += ") {\n.reg .pred %guard; .reg .b32 %idx, %n, %t; .reg .b64 %ad, %of; ";
    for (k, (t, _)) in inputs.iter().enumerate() {
        let reg = if size(t) == 1 { "b16".to_string() } else { format!("b{}", size(t) * 8) };
        text += &format!(".reg .{reg} %in{k}; ");
    }
    let out_reg = if size(out) == 1 { "b16".into() } else { format!("b{}", size(out) * 8) };
    text += &format!(".reg .{out_reg} %out; {decl}\n");
    text += "mov.u32 %idx, %ctaid.x; mov.u32 %t, %ntid.x; mul.lo.u32 %idx, %idx, %t; mov.u32 %t, %tid.x; add.u32 %idx, %idx, %t;\n";
    text += "ld.param.u32 %n, [pn]; setp.ge.u32 %guard, %idx, %n; @%guard bra DONE;\n";
    for (k, (t, _)) in inputs.iter().enumerate() {
        let s = size(t);
        text += &format!("ld.param.u64 %ad, [p{k}]; mul.wide.u32 %of, %idx, {s}; add.u64 %ad, %ad, %of; ld.global.b{} %in{k}, [%ad];\n", s * 8);
    }
    text += body;
    let s = size(out);
    text += &format!("\nld.param.u64 %ad, [po]; mul.wide.u32 %of, %idx, {s}; add.u64 %ad, %ad, %of; st.global.b{} [%ad], %out;\nDONE: ret;\n}}\n", s * 8);
    let l = load(&text);
    let out_buffer = Buffer::new(n * s);
    let bytes = |t: &str, v: &[u64]| -> Vec<u8> { v.iter().flat_map(|x| x.to_le_bytes()[..size(t)].to_vec()).collect() };
    let buffers: Vec<Buffer> = inputs.iter().map(|(t, v)| Buffer::from(&bytes(t, v))).collect();
    let mut params = Params::new().u64(out_buffer.address()).u32(n as u32);
    for b in &buffers {
        params = params.u64(b.address());
    }
    let mut all: Vec<&Buffer> = buffers.iter().collect();
    all.push(&out_buffer);
    let run = Run { grid: [(n as u32).div_ceil(64), 1, 1], block: [64, 1, 1], ..Run::default() };
    l.run("k", &run, &params, &all);
    out_buffer.read::<u8>().chunks(s).map(|c| {
        let mut b = [0; 8];
        b[..s].copy_from_slice(c);
        u64::from_le_bytes(b)
    }).collect()
}
