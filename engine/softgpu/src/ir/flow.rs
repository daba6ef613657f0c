//! Branches, calls, barriers and operations between lanes.

use super::function::{Lowerer, Opcode};
use super::inst::{Class, Field, Flow, Label, Lowered, V};
use super::operand::{Entity, Result};
use crate::exec::code::{CallSite, flag};
use crate::exec::system::Builtin;
use crate::exec::{control, system, warp_ops};
use crate::ptx::{Operand, Type, Variable};

impl Lowerer<'_, '_> {
    pub(super) fn branch_if(&mut self, p: V, not: bool, to: Label) {
        let mut i = Lowered::new(control::op("bra.if"));
        i.a = p.into();
        i.imm = u64::from(not);
        i.flow = Flow::BranchIf(to);
        self.emit(i);
    }

    pub(super) fn bra(&mut self, _op: &Opcode<'_>, o: &[Operand]) -> Result<()> {
        let Operand::Name(name, None) = self.operand(o, 0)? else { return self.invalid("branch target") };
        let to = self.label(name)?;
        match self.guard.take() {
            Some((p, not)) => self.branch_if(p, not, to),
            None => {
                let mut i = Lowered::new(control::op("bra"));
                i.flow = Flow::Branch(to);
                self.emit(i);
            }
        }
        Ok(())
    }

    pub(super) fn flow_instruction(&mut self, op: &Opcode<'_>, o: &[Operand]) -> Result<()> {
        match op.base {
            "brx" => {
                let index = self.source(self.operand(o, 0)?, Type::U32)?;
                let Operand::Name(list, None) = self.operand(o, 1)? else { return self.invalid("target list") };
                let mut labels = Vec::new();
                for name in self.targets(list)? {
                    labels.push(self.label(&name)?);
                }
                let mut i = Lowered::new(control::op("brx"));
                i.a = index.into();
                i.e = Field::Raw(labels.len() as u32);
                i.flow = Flow::Indexed(labels);
                self.emit(i);
                Ok(())
            }
            "ret" => {
                self.return_from();
                Ok(())
            }
            "exit" | "trap" | "brkpt" => {
                let mut i = Lowered::new(control::op(if op.base == "exit" { "exit" } else { "trap" }));
                i.flow = Flow::End;
                self.emit(i);
                Ok(())
            }
            "nanosleep" => {
                self.emit(Lowered::new(control::op("sleep")));
                Ok(())
            }
            "call" => self.call(o),
            "bar" | "barrier" => self.barrier(op, o),
            _ => self.lanes(op, o),
        }
    }

    fn barrier(&mut self, op: &Opcode<'_>, o: &[Operand]) -> Result<()> {
        if op.has("cluster") {
            // A cluster is one block; its barrier is one that the block's own numbers do not name.
            if op.has("wait") {
                let mut i = Lowered::new(control::op("bar"));
                i.a = self.bits(Class::W32, control::CLUSTER_BARRIER.into()).into();
                i.flags = 1;
                self.emit(i);
            } else if !op.has("arrive") {
                return self.invalid("arrive or wait missing");
            }
            return Ok(());
        }
        if op.has("warp") {
            let mut i = Lowered::new(control::op("bar.warp"));
            i.a = self.source(self.operand(o, 0)?, Type::U32)?.into();
            self.emit(i);
            return Ok(());
        }
        let mut i = Lowered::new(control::op("bar"));
        let mut k = 0;
        if op.has("red") {
            let kind = match op.one_of(&["popc", "and", "or"]) {
                Some("popc") => 1,
                Some("and") => 2,
                Some(_) => 3,
                None => return self.invalid("reduction missing"),
            };
            let ty = if kind == 1 { Type::U32 } else { Type::Pred };
            i.d = self.destination(self.operand(o, 0)?, ty)?.into();
            i.imm = kind << 8;
            k = 1;
            let (p, not) = self.predicate(self.operand(o, o.len() - 1)?)?;
            i.c = p.into();
            i.e = Field::Raw(u32::from(not));
        } else if op.has("arrive") {
            i.imm = 1;
        } else if !op.has("sync") {
            return self.unsupported("barrier form");
        }
        let last = if i.imm >> 8 != 0 { o.len() - 1 } else { o.len() };
        let id = match o.get(k) {
            Some(id) => self.source(id, Type::U32)?,
            None => self.bits(Class::W32, 0),
        };
        i.a = id.into();
        if k + 1 < last {
            i.b = self.source(self.operand(o, k + 1)?, Type::U32)?.into();
        }
        self.emit(i);
        Ok(())
    }

    /// shfl, vote, match, redux, elect, activemask.
    fn lanes(&mut self, op: &Opcode<'_>, o: &[Operand]) -> Result<()> {
        let Some(f) = warp_ops::op(op.base) else { return self.unsupported("operation") };
        let mut i = Lowered::new(f);
        let sync = op.has("sync");
        let (first, second) = match o.first() {
            Some(Operand::Pair(a, b)) => (&**a, Some(&**b)),
            Some(a) => (a, None),
            None => return self.invalid("too few operands"),
        };
        if let Some(p) = second {
            i.e = self.destination(p, Type::Pred)?.into();
            i.e_def = true;
        }
        let member = |l: &mut Self, k: usize| -> Result<Field> {
            if !sync {
                return Ok(Field::None);
            }
            let op = l.operand(o, k)?;
            Ok(l.source(op, Type::U32)?.into())
        };
        match op.base {
            "shfl" => {
                i.imm = match op.one_of(&["up", "down", "bfly", "idx"]) {
                    Some("up") => 0,
                    Some("down") => 1,
                    Some("bfly") => 2,
                    Some(_) => 3,
                    None => return self.invalid("mode missing"),
                };
                i.d = self.destination(first, Type::B32)?.into();
                i.a = self.source(self.operand(o, 1)?, Type::B32)?.into();
                i.b = self.source(self.operand(o, 2)?, Type::U32)?.into();
                i.c = self.source(self.operand(o, 3)?, Type::U32)?.into();
                i.x = member(self, 4)?;
                if let (Operand::Int(b), Operand::Int(c)) = (self.operand(o, 2)?, self.operand(o, 3)?)
                    && let Some((f, imm)) = warp_ops::shuffle_whole(i.imm, *b, *c)
                {
                    (i.f, i.imm) = (f, imm);
                }
            }
            "vote" => {
                i.imm = match op.one_of(&["all", "any", "uni", "ballot"]) {
                    Some("all") => 0,
                    Some("any") => 1,
                    Some("uni") => 2,
                    Some(_) => 3,
                    None => return self.invalid("mode missing"),
                };
                i.d = self.destination(first, if i.imm == 3 { Type::B32 } else { Type::Pred })?.into();
                let (p, not) = self.predicate(self.operand(o, 1)?)?;
                i.a = p.into();
                i.e = Field::Raw(u32::from(not));
                i.x = member(self, 2)?;
            }
            "match" => {
                i.imm = u64::from(op.has("all"));
                i.d = self.destination(first, Type::B32)?.into();
                let wide = op.types.contains(&Type::B64);
                i.a = self.source(self.operand(o, 1)?, if wide { Type::B64 } else { Type::B32 })?.into();
                i.flags = if wide { flag::A64 } else { 0 };
                i.x = member(self, 2)?;
            }
            "redux" => {
                let ty = op.types.first().copied().unwrap_or(Type::B32);
                i.imm = match (op.one_of(&["add", "min", "max", "and", "or", "xor"]), ty) {
                    (Some("add"), _) => 0,
                    (Some("min"), Type::F32) => 8,
                    (Some("max"), Type::F32) => 9,
                    (Some("min"), Type::S32) => 3,
                    (Some("max"), Type::S32) => 4,
                    (Some("min"), _) => 1,
                    (Some("max"), _) => 2,
                    (Some("and"), _) => 5,
                    (Some("or"), _) => 6,
                    (Some(_), _) => 7,
                    (None, _) => return self.invalid("operation missing"),
                };
                i.imm |= u64::from(op.has("abs")) << 4 | u64::from(op.has("NaN")) << 5;
                i.d = self.destination(first, Type::B32)?.into();
                i.a = self.source(self.operand(o, 1)?, Type::B32)?.into();
                i.x = member(self, 2)?;
            }
            "elect" => {
                if *first != Operand::Sink {
                    i.d = self.destination(first, Type::B32)?.into();
                }
                i.x = member(self, 1)?;
            }
            _ => i.d = self.destination(first, Type::B32)?.into(),
        }
        self.emit(i);
        Ok(())
    }

    /// Places a call argument or return value in local memory: offset and size.
    fn call_slot(&mut self, op: &Operand, formal: Option<&Variable>, store: bool) -> Result<(u32, u32)> {
        if let Operand::Name(name, None) = op
            && let Entity::Frame(at, size) = self.lookup(name)?
        {
            return Ok((at, size));
        }
        // A register or constant travels through memory of this activation.
        let ty = match (formal, op) {
            (Some(v), _) => v.ty,
            (None, Operand::Name(name, None)) => match self.lookup(name)? {
                Entity::Register(_, t) => t,
                _ => Type::B64,
            },
            _ => Type::B32,
        };
        let at = self.reserve_local(u64::from(ty.size()), ty.size())?;
        if store {
            let v = self.source(op, ty)?;
            self.frame_access(true, v, ty, at);
        }
        Ok((at, ty.size()))
    }

    fn call(&mut self, o: &[Operand]) -> Result<()> {
        let (returns, rest) = match o.first() {
            Some(Operand::List(r)) => (&r[..], &o[1..]),
            _ => (&[][..], o),
        };
        let Some(Operand::Name(target, None)) = rest.first() else { return self.invalid("call target") };
        let args = match rest.get(1) {
            Some(Operand::List(a)) => &a[..],
            _ => &[][..],
        };
        let callee = match self.lookup(target)? {
            Entity::Function(name) => Some(name),
            Entity::Register(..) => None,
            _ => return self.invalid("call target is no function"),
        };
        let module = self.kernel.module;
        let formals = callee.as_ref().and_then(|n| module.functions.get(n.as_str()).copied());
        let mut site = CallSite::default();
        for (k, a) in args.iter().enumerate() {
            site.args.push(self.call_slot(a, formals.and_then(|f| f.params.get(k)), true)?);
        }
        for (k, r) in returns.iter().enumerate() {
            site.returns.push(self.call_slot(r, formals.and_then(|f| f.returns.get(k)), false)?);
        }
        let builtin = callee.as_deref().filter(|_| formals.is_none_or(|f| f.body.is_none())).and_then(Builtin::from_name);
        let mut i;
        if let Some(b) = builtin {
            self.kernel.uses_heap |= matches!(b, Builtin::Malloc | Builtin::Free);
            i = Lowered::new(system::call_builtin());
            i.imm = match b {
                Builtin::Vprintf => 0,
                Builtin::Malloc => 1,
                Builtin::Free => 2,
                Builtin::AssertFail => 3,
            };
        } else if let Some(name) = &callee {
            if formals.is_none_or(|f| f.body.is_none()) {
                return self.unsupported(format!("function {name} has no body and is not provided by the device"));
            }
            site.callee = Some(self.kernel.function(name));
            let caller = self.name.clone();
            self.kernel.note_call(&caller, name);
            i = Lowered::new(control::op("call"));
        } else {
            self.kernel.indirect_call();
            i = Lowered::new(control::op("call.indirect"));
            i.a = self.source(&Operand::Name(target.clone(), None), Type::U64)?.into();
        }
        self.kernel.calls.push(site.clone());
        i.x = Field::Raw(self.kernel.calls.len() as u32 - 1);
        self.emit(i);
        for (r, (at, _)) in returns.iter().zip(site.returns) {
            if let Operand::Name(name, None) = r
                && let Entity::Register(v, ty) = self.lookup(name)?
            {
                self.frame_access(false, v[0], ty, at);
            }
        }
        Ok(())
    }
}
