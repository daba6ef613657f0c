//! Liveness and linear-scan assignment of virtual registers to frame slots.
//!
//! Lanes are independent columns of the register file, so liveness is that of a scalar program even when lanes
//! diverge: an instruction writes only its active lanes.

use super::inst::{Class, Flow, Lowered, V};

/// Slots of one function's frame.
pub(super) struct Frame {
    /// Byte offset of each virtual register.
    pub slots: Vec<u32>,
    pub bytes: u32,
    /// 32-bit registers per thread at the point of highest pressure (64-bit ones count twice).
    pub pressure: u32,
}

/// What is read later, by basic block.
pub(super) struct Liveness {
    /// Start and end of each block.
    pub blocks: Vec<(usize, usize)>,
    words: usize,
    live_in: Vec<u64>,
    live_out: Vec<u64>,
}

fn bits(set: &[u64]) -> impl Iterator<Item = usize> {
    set.iter().enumerate().flat_map(|(w, bits)| {
        let mut bits = *bits;
        std::iter::from_fn(move || {
            (bits != 0).then(|| {
                let k = w * 64 + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                k
            })
        })
    })
}

impl Liveness {
    /// Numbers of the registers that are read after a block.
    pub fn after(&self, block: usize) -> impl Iterator<Item = u32> {
        bits(&self.live_out[block * self.words..(block + 1) * self.words]).map(|v| v as u32)
    }
}

/// Start and end of every basic block.
fn blocks(code: &[Lowered]) -> Vec<(usize, usize)> {
    let mut list = Vec::new();
    let mut start = 0;
    for (k, i) in code.iter().enumerate() {
        if matches!(i.flow, Flow::Label(_)) && k > start {
            list.push((start, k));
            start = k;
        }
        if !matches!(i.flow, Flow::Next | Flow::Label(_)) {
            list.push((start, k + 1));
            start = k + 1;
        }
    }
    if start < code.len() {
        list.push((start, code.len()));
    }
    list
}

/// Finds out what is live where.
pub(super) fn liveness(code: &[Lowered], classes: &[Class], temporary: &[bool], labels: usize) -> Liveness {
    let n = classes.len();
    let words = n.div_ceil(64);
    let blocks = blocks(code);
    let mut label_block = vec![usize::MAX; labels];
    for (b, (start, _)) in blocks.iter().enumerate() {
        if let Flow::Label(l) = code[*start].flow {
            label_block[l.0 as usize] = b;
        }
    }
    let mut successors: Vec<Vec<usize>> = Vec::with_capacity(blocks.len());
    for (b, (_, end)) in blocks.iter().enumerate() {
        let mut s = Vec::new();
        let last = &code[end - 1];
        match &last.flow {
            Flow::Branch(l) => s.push(label_block[l.0 as usize]),
            Flow::BranchIf(l) => s.extend([label_block[l.0 as usize], b + 1]),
            Flow::Indexed(list) => s.extend(list.iter().map(|l| label_block[l.0 as usize])),
            Flow::End => {}
            Flow::Next | Flow::Label(_) => s.push(b + 1),
        }
        s.retain(|k| *k < blocks.len());
        successors.push(s);
    }
    // Upward-exposed uses and unconditional definitions per block.
    let mut gen_set = vec![0u64; words * blocks.len()];
    let mut kill = vec![0u64; words * blocks.len()];
    for (b, (start, end)) in blocks.iter().enumerate() {
        let (g, k) = (&mut gen_set[b * words..(b + 1) * words], &mut kill[b * words..(b + 1) * words]);
        for i in &code[*start..*end] {
            let guarded = i.guard.is_some();
            i.for_registers(|v, def| {
                let (w, bit) = (v.0 as usize / 64, 1u64 << (v.0 % 64));
                // A guarded write to a temporary is complete: its readers have the same guard.
                if def && (!guarded || temporary[v.0 as usize]) {
                    k[w] |= bit;
                } else if !def && k[w] & bit == 0 {
                    g[w] |= bit;
                }
            });
        }
    }
    let mut live_in = gen_set.clone();
    let mut live_out = vec![0u64; words * blocks.len()];
    let mut predecessors: Vec<Vec<usize>> = vec![Vec::new(); blocks.len()];
    for (b, s) in successors.iter().enumerate() {
        for t in s {
            predecessors[*t].push(b);
        }
    }
    let mut work: Vec<usize> = (0..blocks.len()).collect();
    let mut queued = vec![true; blocks.len()];
    while let Some(b) = work.pop() {
        queued[b] = false;
        let mut changed = false;
        for w in 0..words {
            let out = successors[b].iter().fold(0, |m, s| m | live_in[s * words + w]);
            live_out[b * words + w] = out;
            let new = gen_set[b * words + w] | out & !kill[b * words + w];
            if new != live_in[b * words + w] {
                live_in[b * words + w] = new;
                changed = true;
            }
        }
        if changed {
            for p in &predecessors[b] {
                if !queued[*p] {
                    queued[*p] = true;
                    work.push(*p);
                }
            }
        }
    }
    Liveness { blocks, words, live_in, live_out }
}

/// Assigns slots. `fixed` registers (constants) get slots of their own that nothing else uses.
pub(super) fn allocate(code: &[Lowered], classes: &[Class], fixed: &[V], live: &Liveness) -> Frame {
    let n = classes.len();
    let Liveness { blocks, words, live_in, live_out } = live;
    let words = *words;
    // Intervals without holes.
    let mut first = vec![usize::MAX; n];
    let mut last = vec![0usize; n];
    let mut touch = |v: usize, at: usize| {
        first[v] = first[v].min(at);
        last[v] = last[v].max(at);
    };
    for (b, (start, end)) in blocks.iter().enumerate() {
        for (at, set) in [(*start, live_in), (*end, live_out)] {
            bits(&set[b * words..(b + 1) * words]).for_each(|v| touch(v, at));
        }
        for (k, i) in code[*start..*end].iter().enumerate() {
            i.for_registers(|v, _| touch(v.0 as usize, start + k));
            // Several destinations of one instruction may not share a slot.
            if i.e_def || (i.side_def && i.side.len() > 1) {
                i.for_registers(|v, _| touch(v.0 as usize, start + k + 1));
            }
        }
    }
    let mut is_fixed = vec![false; n];
    for v in fixed {
        is_fixed[v.0 as usize] = true;
    }
    let mut order: Vec<usize> = (0..n).filter(|v| first[*v] != usize::MAX && !is_fixed[*v]).collect();
    order.sort_by_key(|v| first[*v]);

    let mut index = vec![0u32; n];
    let mut counts = [0u32; 3];
    let mut free: [Vec<u32>; 3] = Default::default();
    // Registers in use, the earliest end on top.
    let mut active = std::collections::BinaryHeap::new();
    let class_of = |v: usize| match classes[v] {
        Class::P => 0,
        Class::W32 => 1,
        Class::W64 => 2,
    };
    for v in order {
        while let Some(&std::cmp::Reverse((end, u))) = active.peek() {
            // A register last read where another is written may share its slot: operations read before they write.
            if end <= first[v] {
                active.pop();
                let u: usize = u;
                free[class_of(u)].push(index[u]);
            } else {
                break;
            }
        }
        let c = class_of(v);
        index[v] = free[c].pop().unwrap_or_else(|| {
            counts[c] += 1;
            counts[c] - 1
        });
        active.push(std::cmp::Reverse((last[v].max(first[v] + usize::from(last[v] == first[v])), v)));
    }
    let pressure = counts[1] + 2 * counts[2] + counts[0].div_ceil(8);
    for v in fixed {
        let c = class_of(v.0 as usize);
        index[v.0 as usize] = counts[c];
        counts[c] += 1;
    }
    let preds = (counts[0] * 4).next_multiple_of(64);
    let narrow = preds + counts[1] * 128;
    let bytes = narrow + counts[2] * 256;
    let slots = (0..n)
        .map(|v| match classes[v] {
            Class::P => index[v] * 4,
            Class::W32 => preds + index[v] * 128,
            Class::W64 => narrow + index[v] * 256,
        })
        .collect();
    Frame { slots, bytes: bytes.max(64), pressure }
}
