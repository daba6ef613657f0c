//! Lowering of one function: statements to instructions over virtual registers.

use std::collections::HashMap;

use super::inst::{Class, Field, Flow, Label, Lowered, Meaning, Patch, V};
use super::module::KernelBuild;
use super::opcode::{Family, family};
use super::operand::{Entity, Result, Scope, class_of};
use crate::exec::code::{ConstValue, ScalarFn, flag};
use crate::exec::{control, int, lane, mem, system};
use crate::ptx::{Function, Instruction, Operand, Space, Statement, Type};

/// A lowered function.
pub(super) struct LoweredFunction {
    pub code: Vec<Lowered>,
    pub classes: Vec<Class>,
    /// By register: introduced here, not declared in the PTX.
    pub temporary: Vec<bool>,
    /// Registers that hold constants for the whole launch (kernels only; functions set theirs on entry).
    pub fixed: Vec<(V, ConstValue)>,
    pub labels: usize,
    pub local_bytes: u32,
    pub returns: Vec<(u32, u32)>,
    pub params: Vec<(u32, u32)>,
    /// Kernel parameters.
    pub kernel_params: Vec<crate::exec::KernelParam>,
    pub param_bytes: u32,
    pub uses_alloca: bool,
}

/// An opcode taken apart.
pub(super) struct Opcode<'a> {
    pub text: &'a str,
    pub base: &'a str,
    /// Modifiers in order, without dots; types included.
    pub mods: Vec<&'a str>,
    /// The modifiers that are types.
    pub types: Vec<Type>,
}

impl<'a> Opcode<'a> {
    pub fn new(text: &'a str) -> Self {
        let mut parts = text.split('.');
        let base = parts.next().unwrap_or("");
        let mods: Vec<&str> = parts.collect();
        let types = mods.iter().filter_map(|m| Type::from_name(m)).collect();
        Opcode { text, base, mods, types }
    }

    pub fn has(&self, m: &str) -> bool {
        self.mods.contains(&m)
    }

    /// The first of `candidates` that is present.
    pub fn one_of<'b>(&self, candidates: &[&'b str]) -> Option<&'b str> {
        candidates.iter().find(|c| self.has(c)).copied()
    }
}

/// State while one function is lowered.
pub(super) struct Lowerer<'k, 'm> {
    pub kernel: &'k mut KernelBuild<'m>,
    pub name: String,
    pub is_entry: bool,
    pub line: u32,
    pub code: Vec<Lowered>,
    pub classes: Vec<Class>,
    declared: Vec<bool>,
    pub constants: HashMap<(Class, ConstValue), V>,
    pub scopes: Vec<Scope>,
    pub labels: u32,
    /// Where local memory that no open scope uses begins, and the most there was of it.
    pub local_top: u32,
    pub local_bytes: u32,
    pub returns: Vec<(u32, u32)>,
    pub params: Vec<(u32, u32)>,
    /// Formal parameters in registers: register, type, offset; the same for return values.
    register_returns: Vec<(V, Type, u32)>,
    pub guard: Option<(V, bool)>,
    pub stack_save: Option<V>,
}

impl<'k, 'm> Lowerer<'k, 'm> {
    pub fn lower(kernel: &'k mut KernelBuild<'m>, f: &Function) -> Result<LoweredFunction> {
        let mut l = Lowerer {
            kernel,
            name: f.name.clone(),
            is_entry: f.is_entry,
            line: f.line,
            code: Vec::new(),
            classes: Vec::new(),
            declared: Vec::new(),
            constants: HashMap::new(),
            scopes: vec![Scope::default()],
            labels: 0,
            local_top: 0,
            local_bytes: 0,
            returns: Vec::new(),
            params: Vec::new(),
            register_returns: Vec::new(),
            guard: None,
            stack_save: None,
        };
        let Some(body) = &f.body else {
            return l.unsupported(format!("function {} has no body and is not provided by the device", f.name));
        };
        let mut kernel_params = Vec::new();
        let mut param_bytes = 0u32;
        if f.is_entry {
            for p in &f.params {
                let offset = param_bytes.next_multiple_of(p.align.clamp(1, 256));
                let size = u32::try_from(p.size()).unwrap_or(u32::MAX);
                if size > 1 << 20 || offset > 1 << 20 {
                    return l.invalid("kernel parameter too large");
                }
                l.declare(&p.name, Entity::Param(offset));
                kernel_params.push(crate::exec::KernelParam { offset, size, align: p.align });
                param_bytes = offset + size;
            }
        } else {
            l.formals(f)?;
        }
        let uses_alloca = uses_alloca(body);
        if uses_alloca && !f.is_entry {
            let v = l.temp(Class::W64);
            let mut i = Lowered::new(mem::op("stack"));
            i.d = v.into();
            i.flags = flag::D64;
            l.emit(i);
            l.stack_save = Some(v);
        }
        l.body(body)?;
        if !matches!(l.code.last().map(|i| &i.flow), Some(Flow::End)) {
            l.return_from();
        }
        l.finish_constants();
        l.declared.resize(l.classes.len(), false);
        let fixed = if f.is_entry {
            l.constants.iter().map(|((_, value), v)| (*v, value.clone())).collect()
        } else {
            Vec::new()
        };
        Ok(LoweredFunction {
            temporary: l.declared.iter().map(|d| !d).collect(),
            code: l.code,
            classes: l.classes,
            fixed,
            labels: l.labels as usize,
            local_bytes: l.local_bytes,
            returns: l.returns,
            params: l.params,
            kernel_params,
            param_bytes,
            uses_alloca,
        })
    }

    /// Constants of functions are set when the function is entered.
    fn finish_constants(&mut self) {
        if self.is_entry {
            return;
        }
        let mut order: Vec<(V, ConstValue)> = self.constants.iter().map(|((_, c), v)| (*v, c.clone())).collect();
        order.sort_by_key(|(v, _)| *v);
        let mut head = Vec::with_capacity(order.len());
        for (v, value) in order {
            let mut i = Lowered::new(int::load_constant());
            i.d = v.into();
            if self.classes[v.0 as usize] == Class::W64 {
                i.flags = flag::D64;
            }
            match value {
                ConstValue::Bits(b) => i.imm = b,
                ConstValue::Symbol(name, addend) => {
                    i.e = Field::Raw(1);
                    i.x = Field::Raw(self.kernel.symbol(name, addend));
                }
            }
            head.push(i);
        }
        head.append(&mut self.code);
        self.code = head;
    }

    /// Declares return values and parameters of a function at the start of its local memory.
    fn formals(&mut self, f: &Function) -> Result<()> {
        let mut incoming = Vec::new();
        for (list, is_return) in [(&f.returns, true), (&f.params, false)] {
            for p in list {
                let at = self.reserve_local(p.size(), p.align)?;
                let size = p.size() as u32;
                if is_return { self.returns.push((at, size)) } else { self.params.push((at, size)) }
                if p.space == Space::Reg {
                    self.declare_variable(p)?;
                    if let Entity::Register(v, _) = self.lookup(&p.name)? {
                        if is_return {
                            self.register_returns.push((v[0], p.ty, at));
                        } else {
                            incoming.push((v[0], p.ty, at));
                        }
                    }
                } else {
                    self.declare(&p.name, Entity::Frame(at, size));
                }
            }
        }
        for (v, ty, at) in incoming {
            self.frame_access(false, v, ty, at);
        }
        Ok(())
    }

    pub fn new_label(&mut self) -> Label {
        self.labels += 1;
        Label(self.labels - 1)
    }

    /// Appends an instruction under the current guard.
    pub fn emit(&mut self, mut i: Lowered) {
        i.line = self.line;
        if i.flow == Flow::Next && i.guard.is_none() {
            i.guard = self.guard;
        }
        self.code.push(i);
    }

    /// d = op(a, b, c) with a vector operation.
    pub fn emit3(&mut self, f: crate::exec::code::OpFn, d: V, sources: &[V]) {
        self.emit3_meaning(f, d, sources, Meaning::Pure);
    }

    /// As [`emit3`](Self::emit3), saying more about what it computes.
    pub fn emit3_meaning(&mut self, f: crate::exec::code::OpFn, d: V, sources: &[V], meaning: Meaning) {
        let mut i = Lowered::new(f);
        i.meaning = meaning;
        i.d = d.into();
        for (k, v) in sources.iter().enumerate() {
            match k {
                0 => i.a = (*v).into(),
                1 => i.b = (*v).into(),
                2 => i.c = (*v).into(),
                _ => i.e = (*v).into(),
            }
        }
        self.emit(i);
    }

    /// d = s(a, b, c, e; imm), one lane at a time.
    pub fn emit_scalar(&mut self, s: ScalarFn, d: V, sources: &[V], imm: u64) {
        let mut i = Lowered::new(lane::scalar());
        i.meaning = Meaning::Pure;
        i.s = Some(s);
        i.imm = imm;
        i.d = d.into();
        match self.classes[d.0 as usize] {
            Class::P => i.flags |= flag::D_PRED,
            Class::W64 => i.flags |= flag::D64,
            Class::W32 => {}
        }
        for (k, v) in sources.iter().enumerate() {
            match self.classes[v.0 as usize] {
                Class::P => i.flags |= flag::A_PRED << k,
                Class::W64 => i.flags |= flag::A64 << k,
                Class::W32 => {}
            }
            let field = (*v).into();
            match k {
                0 => i.a = field,
                1 => i.b = field,
                2 => i.c = field,
                _ => i.e = field,
            }
        }
        self.emit(i);
    }

    pub fn copy(&mut self, d: V, a: V) {
        match self.classes[d.0 as usize] {
            Class::P => self.logic(4, d, a, None, 0),
            c => self.emit3_meaning(int::copy(c == Class::W64), d, &[a], Meaning::Copy),
        }
    }

    /// Predicate logic: kind 0 and, 1 or, 2 xor, 3 not, 4 copy; `negate` bit 0 for a, bit 1 for b.
    pub fn logic(&mut self, kind: u64, d: V, a: V, b: Option<V>, negate: u64) {
        let mut i = Lowered::new(int::pred_logic());
        i.meaning = Meaning::Pure;
        i.d = d.into();
        i.a = a.into();
        i.b = b.map_or(Field::None, Field::Reg);
        i.imm = kind | negate << 8;
        self.emit(i);
    }

    pub fn predicate_constant(&mut self, value: bool) -> V {
        let v = self.temp(Class::P);
        let mut i = Lowered::new(int::pred_set());
        i.d = v.into();
        i.imm = u64::from(value);
        self.emit(i);
        v
    }

    /// Address of a variable of the activation, inside functions.
    pub fn frame_address(&mut self, at: i64, class: Class) -> V {
        let v = self.temp(class);
        let mut i = Lowered::new(mem::op("frame"));
        i.d = v.into();
        i.imm = at as u64;
        i.flags = if class == Class::W64 { flag::D64 } else { 0 };
        self.emit(i);
        v
    }

    /// Address of dynamic shared memory, known when all of the kernel has been lowered.
    pub fn dynamic_shared(&mut self, offset: i64, class: Class) -> V {
        let v = self.temp(class);
        let mut i = Lowered::new(int::load_constant());
        i.meaning = Meaning::Pure;
        i.d = v.into();
        i.imm = offset as u64;
        i.patch = Patch::DynamicShared;
        i.flags = if class == Class::W64 { flag::D64 } else { 0 };
        self.emit(i);
        v
    }

    pub fn special(&mut self, number: u64) -> Result<(V, Type)> {
        let ty = match system::register_bits(number) {
            64 => Type::U64,
            1 => Type::Pred,
            _ => Type::U32,
        };
        let v = self.temp(class_of(ty));
        let (op, imm) = system::read_register(number);
        let mut i = Lowered::new(op);
        i.meaning = match system::register_stays(number) {
            Some(system::Stays::InLaunch) => Meaning::Pure,
            Some(system::Stays::InThread) => Meaning::ByLane,
            None => Meaning::Opaque,
        };
        i.d = v.into();
        i.imm = imm;
        i.flags = match ty {
            Type::U64 => flag::D64,
            Type::Pred => flag::D_PRED,
            _ => 0,
        };
        self.emit(i);
        Ok((v, ty))
    }

    fn body(&mut self, list: &[Statement]) -> Result<()> {
        for s in list {
            match s {
                Statement::Label(name, line) => {
                    let l = self.new_label();
                    let scope = self.scopes.last_mut();
                    if let Some(scope) = scope
                        && scope.labels.insert(name.clone(), l).is_some()
                    {
                        self.line = *line;
                        return self.invalid(format!("label {name} defined twice"));
                    }
                }
                Statement::Targets(name, list) => {
                    if let Some(scope) = self.scopes.last_mut() {
                        scope.targets.insert(name.clone(), list.clone());
                    }
                }
                _ => {}
            }
        }
        for s in list {
            match s {
                Statement::Label(name, line) => {
                    self.line = *line;
                    let l = self.label(name)?;
                    self.place_label(l);
                }
                Statement::Variable(v) => {
                    self.declare_variable(v)?;
                }
                Statement::Block(inner) => {
                    // What a scope declares ends with it: parameters of one call lie where those of the last one lay.
                    let top = self.local_top;
                    self.scopes.push(Scope::default());
                    self.body(inner)?;
                    self.scopes.pop();
                    self.local_top = top;
                }
                Statement::Instruction(i) => {
                    self.line = i.line;
                    self.instruction(i)?;
                }
                Statement::Targets(..) | Statement::Prototype(..) => {}
            }
        }
        Ok(())
    }

    pub fn mark_declared(&mut self, from: usize) {
        self.declared.resize(self.classes.len(), false);
        for d in &mut self.declared[from..] {
            *d = true;
        }
    }

    pub fn place_label(&mut self, l: Label) {
        let mut i = Lowered::new(control::op("join"));
        i.flow = Flow::Label(l);
        self.emit(i);
    }

    /// Branches over the instructions that `f` emits where the guard does not hold.
    fn under_branch(&mut self, f: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        let Some((p, not)) = self.guard.take() else { return f(self) };
        let skip = self.new_label();
        self.branch_if(p, !not, skip);
        f(self)?;
        self.place_label(skip);
        Ok(())
    }

    fn instruction(&mut self, i: &Instruction) -> Result<()> {
        self.guard = match &i.guard {
            None => None,
            Some((name, not)) => {
                let mut p = self.source(&Operand::Name(name.clone(), None), Type::Pred)?;
                if self.kernel.races {
                    // What is noted after the instruction has the guard it began with.
                    let kept = self.temp(Class::P);
                    self.logic(4, kept, p, None, 0);
                    p = kept;
                }
                Some((p, *not))
            }
        };
        let op = Opcode::new(&i.opcode);
        let o = &i.operands;
        let first = self.code.len();
        let after = self.note_before(&op, o)?;
        let guard = self.guard;
        let result = match family(op.base) {
            // Conditional branches are instructions of their own.
            Some(Family::Branch) => self.bra(&op, o),
            Some(Family::Flow) => self.under_branch(|l| l.flow_instruction(&op, o)),
            Some(Family::Matrix) => self.under_branch(|l| l.matrix_instruction(&op, o)),
            Some(Family::Lanes) => self.flow_instruction(&op, o),
            Some(Family::Async) => self.matrix_instruction(&op, o),
            Some(Family::Memory) => self.memory_instruction(&op, o),
            Some(Family::Fence) => self.fence(&op),
            Some(Family::Hint) => self.hint(&op, o),
            Some(Family::Arithmetic) => self.arithmetic_instruction(&op, o),
            Some(Family::Texture) => self.texture_instruction(&op, o),
            Some(Family::Video) => self.video(&op, o),
            None => self.unsupported("this instruction is not implemented"),
        };
        self.guard = guard;
        self.note_after(after);
        self.guard = None;
        if let Some(last) = self.code[first..].iter_mut().rfind(|l| !matches!(l.flow, Flow::Label(_))) {
            last.counted = true;
        }
        result.map_err(|mut e| {
            if !e.message.contains(op.text) {
                e.message = format!("{}: {}", op.text, e.message);
            }
            e
        })
    }

    /// membar, fence.
    fn fence(&mut self, op: &Opcode<'_>) -> Result<()> {
        let quiet = op.has("proxy") || op.has("mbarrier_init");
        self.emit(Lowered::new(control::op(if quiet { "nothing" } else { "fence" })));
        Ok(())
    }

    /// Advice: nothing but a policy, which only advice takes, has a result.
    fn hint(&mut self, op: &Opcode<'_>, o: &[Operand]) -> Result<()> {
        match op.base {
            "createpolicy" => {
                let d = self.destination(self.operand(o, 0)?, Type::B64)?;
                let zero = self.bits(Class::W64, 0);
                self.copy(d, zero);
            }
            "prefetch" | "prefetchu" | "applypriority" | "discard" if !op.has("tensormap") => {
                self.resolve_place(op, self.operand(o, 0)?)?;
            }
            _ => {}
        }
        Ok(())
    }

    pub fn operand<'o>(&self, o: &'o [Operand], k: usize) -> Result<&'o Operand> {
        match o.get(k) {
            Some(o) => Ok(o),
            None => self.invalid("too few operands"),
        }
    }

    /// Emits the end of the function: values returned in registers, then `ret`.
    pub fn return_from(&mut self) {
        for (v, ty, at) in self.register_returns.clone() {
            self.frame_access(true, v, ty, at);
        }
        if let Some(v) = self.stack_save {
            let mut i = Lowered::new(mem::op("stack"));
            i.a = v.into();
            i.flags = flag::A64;
            i.imm = 1;
            self.emit(i);
        }
        let mut i = Lowered::new(control::op("ret"));
        i.flow = Flow::End;
        self.emit(i);
    }
}

fn uses_alloca(body: &[Statement]) -> bool {
    body.iter().any(|s| match s {
        Statement::Instruction(i) => i.opcode.starts_with("alloca"),
        Statement::Block(b) => uses_alloca(b),
        _ => false,
    })
}
