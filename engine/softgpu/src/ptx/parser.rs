//! Recursive-descent parser over [`super::lexer`] tokens.

use super::lexer::{Lexer, Token};
use super::*;

type Result<T> = std::result::Result<T, ParseError>;

/// Braces and parentheses may nest this deep; deeper text is refused rather than overflowing the stack.
const MAX_NESTING: u32 = 64;

pub(super) struct Parser<'a> {
    lexer: Lexer<'a>,
    token: Token<'a>,
    /// Line of `token`.
    line: u32,
    depth: u32,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str) -> Result<Self> {
        let mut p = Parser { lexer: Lexer::new(text), token: Token::End, line: 1, depth: 0 };
        p.bump()?;
        Ok(p)
    }

    fn bump(&mut self) -> Result<Token<'a>> {
        let next = self.lexer.next()?;
        self.line = self.lexer.line;
        Ok(std::mem::replace(&mut self.token, next))
    }

    fn error<T>(&self, message: impl Into<String>) -> Result<T> {
        Err(ParseError { line: self.line, message: message.into() })
    }

    fn unexpected<T>(&self, wanted: &str) -> Result<T> {
        self.error(format!("expected {wanted}, found {:?}", self.token))
    }

    fn is(&self, c: char) -> bool {
        self.token == Token::Punct(c)
    }

    fn accept(&mut self, c: char) -> Result<bool> {
        let yes = self.is(c);
        if yes {
            self.bump()?;
        }
        Ok(yes)
    }

    fn expect(&mut self, c: char) -> Result<()> {
        if self.accept(c)? { Ok(()) } else { self.unexpected(&format!("'{c}'")) }
    }

    fn ident(&mut self) -> Result<String> {
        match self.bump()? {
            Token::Ident(s) => Ok(s.to_string()),
            t => self.error(format!("expected a name, found {t:?}")),
        }
    }

    fn nested<T>(&mut self, f: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= MAX_NESTING {
            return self.error("nested too deeply");
        }
        self.depth += 1;
        let r = f(self);
        self.depth -= 1;
        r
    }

    pub(super) fn module(mut self) -> Result<Module> {
        let mut m = Module { address_size: 64, ..Module::default() };
        let mut linkage = Linkage::None;
        loop {
            match self.token {
                Token::End => break,
                Token::Punct(';') => {
                    self.bump()?;
                }
                Token::Dot(d) => match d {
                    "version" => {
                        self.bump()?;
                        m.version = match self.bump()? {
                            Token::F64(bits) => (f64::from_bits(bits) * 10.0).round() as u32,
                            Token::Int(v) => (v.min(1000) * 10) as u32,
                            _ => return self.error("malformed .version"),
                        };
                    }
                    "target" => {
                        self.bump()?;
                        loop {
                            let name = self.ident()?;
                            if let Some(sm) = name.strip_prefix("sm_")
                                && m.target == 0
                            {
                                let digits = sm.trim_end_matches(|c: char| c.is_ascii_alphabetic());
                                let Ok(n) = digits.parse() else { return self.error(format!("unknown target {name}")) };
                                m.target = n;
                                m.target_suffix = sm[digits.len()..].chars().next();
                            }
                            if !self.accept(',')? {
                                break;
                            }
                        }
                    }
                    "address_size" => {
                        self.bump()?;
                        m.address_size = self.small_int()?;
                    }
                    "extern" => linkage = self.linkage(Linkage::Extern)?,
                    "visible" => linkage = self.linkage(Linkage::Visible)?,
                    "weak" => linkage = self.linkage(Linkage::Weak)?,
                    "common" => linkage = self.linkage(Linkage::Common)?,
                    "file" | "loc" => {
                        self.lexer.skip_line();
                        self.bump()?;
                    }
                    "pragma" => self.skip_statement()?,
                    "section" => {
                        while !self.is('{') {
                            if self.token == Token::End {
                                return self.unexpected("'{'");
                            }
                            self.bump()?;
                        }
                        self.lexer.skip_braces()?;
                        self.bump()?;
                    }
                    "alias" => {
                        self.bump()?;
                        let a = self.ident()?;
                        self.expect(',')?;
                        let b = self.ident()?;
                        self.expect(';')?;
                        m.aliases.push((a, b));
                    }
                    "entry" | "func" => {
                        let f = self.function(std::mem::take(&mut linkage))?;
                        m.functions.push(f);
                    }
                    _ => {
                        let vars = self.variables(std::mem::take(&mut linkage))?;
                        m.variables.extend(vars);
                    }
                },
                _ => return self.unexpected("a directive"),
            }
        }
        if m.version == 0 || m.target == 0 {
            return self.error(".version or .target is missing");
        }
        Ok(m)
    }

    fn linkage(&mut self, l: Linkage) -> Result<Linkage> {
        self.bump()?;
        Ok(l)
    }

    fn skip_statement(&mut self) -> Result<()> {
        while !self.is(';') {
            if self.token == Token::End {
                return self.unexpected("';'");
            }
            self.bump()?;
        }
        self.bump()?;
        Ok(())
    }

    fn small_int(&mut self) -> Result<u32> {
        let v = self.constant()?;
        match u32::try_from(v as i64) {
            Ok(v) => Ok(v),
            Err(_) => self.error("number out of range"),
        }
    }

    fn function(&mut self, linkage: Linkage) -> Result<Function> {
        let is_entry = self.bump()? == Token::Dot("entry");
        let mut f = Function {
            name: String::new(),
            is_entry,
            linkage,
            returns: Vec::new(),
            params: Vec::new(),
            body: None,
            max_threads: None,
            required_threads: None,
            cluster: [1; 3],
            line: 0,
        };
        self.skip_attribute()?;
        if self.is('(') {
            f.returns = self.param_list()?;
        }
        f.line = self.line;
        f.name = self.ident()?;
        if self.is('(') {
            f.params = self.param_list()?;
        }
        loop {
            match self.token {
                Token::Dot("maxntid") => f.max_threads = Some(self.triple()?),
                Token::Dot("reqntid") => f.required_threads = Some(self.triple()?),
                Token::Dot("reqnctapercluster") => f.cluster = self.triple()?,
                Token::Dot("pragma") => self.skip_statement()?,
                Token::Dot("file" | "loc") => {
                    self.lexer.skip_line();
                    self.bump()?;
                }
                Token::Dot(_) => {
                    // minnctapersm, maxnreg, noreturn, explicitcluster, reqnctapercluster, abi_preserve, ...
                    self.bump()?;
                    while matches!(self.token, Token::Int(_)) {
                        self.bump()?;
                        self.accept(',')?;
                    }
                }
                Token::Punct(';') => {
                    self.bump()?;
                    return Ok(f);
                }
                Token::Punct('{') => {
                    f.body = Some(self.block()?);
                    return Ok(f);
                }
                _ => return self.unexpected("function body"),
            }
        }
    }

    fn triple(&mut self) -> Result<[u32; 3]> {
        self.bump()?;
        let mut v = [1; 3];
        for slot in &mut v {
            *slot = self.small_int()?;
            if !self.accept(',')? {
                break;
            }
        }
        Ok(v)
    }

    fn param_list(&mut self) -> Result<Vec<Variable>> {
        self.expect('(')?;
        let mut list = Vec::new();
        while !self.is(')') {
            let mut v = self.declaration_head(Linkage::None)?;
            self.declarator(&mut v)?;
            list.push(v);
            if !self.accept(',')? {
                break;
            }
        }
        self.expect(')')?;
        Ok(list)
    }

    fn skip_attribute(&mut self) -> Result<bool> {
        let mut managed = false;
        while self.token == Token::Dot("attribute") {
            self.bump()?;
            self.expect('(')?;
            let mut depth = 1;
            while depth > 0 {
                match self.bump()? {
                    Token::Punct('(') => depth += 1,
                    Token::Punct(')') => depth -= 1,
                    Token::Dot("managed") => managed = true,
                    Token::End => return self.unexpected("')'"),
                    _ => {}
                }
            }
        }
        Ok(managed)
    }

    /// `.space .align n .v2 .type`, in any order that compilers write.
    fn declaration_head(&mut self, linkage: Linkage) -> Result<Variable> {
        let mut v = Variable {
            name: String::new(),
            range: None,
            space: Space::Reg,
            ty: Type::B8,
            vector: 1,
            elements: Some(1),
            is_array: false,
            align: 0,
            init: Vec::new(),
            linkage,
            managed: false,
            line: self.line,
        };
        let mut space = None;
        let mut ty = None;
        let mut pointer = false;
        loop {
            v.managed |= self.skip_attribute()?;
            let Token::Dot(d) = self.token else { break };
            match d {
                "reg" if !pointer => space = Some(Space::Reg),
                "sreg" => space = Some(Space::Reg),
                "ptr" => pointer = true,
                "const" | "global" | "local" | "shared" | "param" if pointer => {}
                "const" => space = Some(Space::Const),
                "global" => space = Some(Space::Global),
                "local" => space = Some(Space::Local),
                "param" | "param::entry" | "param::func" => space = Some(Space::Param),
                "shared" | "shared::cta" => space = Some(Space::Shared),
                "tex" => space = Some(Space::Tex),
                "align" => {
                    self.bump()?;
                    let a = self.small_int()?;
                    if !a.is_power_of_two() || a > 1 << 16 {
                        return self.error("alignment is not a power of two up to 65536");
                    }
                    if !pointer {
                        v.align = a;
                    }
                    continue;
                }
                "v2" => v.vector = 2,
                "v4" => v.vector = 4,
                "v8" => v.vector = 8,
                // Old forms of linkage inside function scope, and clauses without effect here.
                "extern" => v.linkage = Linkage::Extern,
                "visible" => v.linkage = Linkage::Visible,
                "weak" => v.linkage = Linkage::Weak,
                "common" => v.linkage = Linkage::Common,
                _ => match Type::from_name(d) {
                    Some(t) => ty = Some(t),
                    None => return self.error(format!("unknown directive or type .{d}")),
                },
            }
            self.bump()?;
        }
        let (Some(space), Some(ty)) = (space, ty) else { return self.error("declaration lacks a state space or a type") };
        // The old form of a texture reference (section 5.1.8).
        let (space, ty) = if space == Space::Tex { (Space::Global, Type::TexRef) } else { (space, ty) };
        v.space = space;
        v.ty = ty;
        if v.align == 0 {
            v.align = (ty.size() * v.vector).next_power_of_two();
        }
        Ok(v)
    }

    /// Name, dimensions and range of one declarator.
    fn declarator(&mut self, v: &mut Variable) -> Result<()> {
        v.line = self.line;
        v.name = self.ident()?;
        if self.accept('<')? {
            v.range = Some(self.small_int()?);
            self.expect('>')?;
        }
        let mut elements: Option<u64> = Some(1);
        while self.accept('[')? {
            v.is_array = true;
            if self.accept(']')? {
                elements = None;
                continue;
            }
            let n = self.constant()?;
            elements = match elements {
                Some(e) => match e.checked_mul(n).filter(|t| *t < 1 << 40) {
                    Some(t) => Some(t),
                    None => return self.error("array too large"),
                },
                // `[][4]`: only the first dimension may be open.
                None => None,
            };
            self.expect(']')?;
        }
        v.elements = elements;
        Ok(())
    }

    fn variables(&mut self, linkage: Linkage) -> Result<Vec<Variable>> {
        let head = self.declaration_head(linkage)?;
        let mut list = Vec::new();
        loop {
            let mut v = head.clone();
            self.declarator(&mut v)?;
            if self.accept('=')? {
                let dims_given = v.elements;
                self.initialiser(&mut v.init)?;
                if dims_given.is_none() {
                    v.elements = Some(v.init.len() as u64);
                }
            }
            if v.init.len() as u64 > v.elements.unwrap_or(0).saturating_mul(u64::from(v.vector)) {
                // Those of references are properties, one after the other.
                if !matches!(v.ty, Type::TexRef | Type::SamplerRef | Type::SurfRef) {
                    return self.error(format!("initialiser of {} has too many values", v.name));
                }
            }
            list.push(v);
            if !self.accept(',')? {
                break;
            }
        }
        self.expect(';')?;
        Ok(list)
    }

    fn initialiser(&mut self, out: &mut Vec<InitValue>) -> Result<()> {
        if self.accept('{')? {
            while !self.is('}') {
                self.nested(|p| p.initialiser(out))?;
                if !self.accept(',')? {
                    break;
                }
            }
            return self.expect('}');
        }
        match self.token {
            Token::Ident(_) => {
                let v = self.symbol_value()?;
                // `name = value` inside sampler initialisers.
                if self.accept('=')? {
                    return self.nested(|p| p.initialiser(out));
                }
                out.push(v);
            }
            Token::F32(b) => {
                self.bump()?;
                out.push(InitValue::F32(b));
            }
            Token::F64(b) => {
                self.bump()?;
                out.push(InitValue::F64(b));
            }
            Token::Punct('-') => {
                // A negative floating-point literal, or an integer expression.
                self.bump()?;
                match self.token {
                    Token::F32(b) => {
                        self.bump()?;
                        out.push(InitValue::F32(b ^ 1 << 31));
                    }
                    Token::F64(b) => {
                        self.bump()?;
                        out.push(InitValue::F64(b ^ 1 << 63));
                    }
                    _ => {
                        let v = self.unary()?;
                        let v = self.binary(v.wrapping_neg(), 0)?;
                        out.push(InitValue::Int(v));
                    }
                }
            }
            _ => {
                let v = self.constant()?;
                // `0xFF(symbol)`: the byte of the symbol's address that the mask selects.
                if self.is('(') {
                    self.bump()?;
                    let mut s = self.symbol_value()?;
                    self.expect(')')?;
                    if let InitValue::Symbol { shift, .. } = &mut s {
                        *shift = v.trailing_zeros().min(63);
                    }
                    out.push(s);
                } else {
                    out.push(InitValue::Int(v));
                }
            }
        }
        Ok(())
    }

    fn symbol_value(&mut self) -> Result<InitValue> {
        let name = self.ident()?;
        let name = if name == "generic" && self.accept('(')? {
            let inner = self.ident()?;
            let off = self.offset()?;
            self.expect(')')?;
            let more = self.offset()?;
            return Ok(InitValue::Symbol { name: inner, addend: off.wrapping_add(more), shift: 0 });
        } else {
            name
        };
        let addend = self.offset()?;
        Ok(InitValue::Symbol { name, addend, shift: 0 })
    }

    /// Optional `+ n` or `- n`, repeated.
    fn offset(&mut self) -> Result<i64> {
        let mut sum = 0i64;
        loop {
            if self.accept('+')? {
                sum = sum.wrapping_add(self.unary()? as i64);
            } else if self.accept('-')? {
                sum = sum.wrapping_sub(self.unary()? as i64);
            } else {
                return Ok(sum);
            }
        }
    }

    /// Constant integer expression (section 4.5).
    fn constant(&mut self) -> Result<u64> {
        let left = self.unary()?;
        self.binary(left, 0)
    }

    fn unary(&mut self) -> Result<u64> {
        self.nested(|p| match p.token {
            Token::Int(v) => {
                p.bump()?;
                Ok(v)
            }
            Token::Punct('-') => {
                p.bump()?;
                Ok(p.unary()?.wrapping_neg())
            }
            Token::Punct('+') => {
                p.bump()?;
                p.unary()
            }
            Token::Punct('~') => {
                p.bump()?;
                Ok(!p.unary()?)
            }
            Token::Punct('!') => {
                p.bump()?;
                Ok(u64::from(p.unary()? == 0))
            }
            Token::Punct('(') => {
                p.bump()?;
                if let Token::Dot("s64" | "u64") = p.token {
                    p.bump()?;
                    p.expect(')')?;
                    return p.unary();
                }
                let v = p.constant()?;
                p.expect(')')?;
                Ok(v)
            }
            Token::Ident("WARP_SZ") => {
                p.bump()?;
                Ok(32)
            }
            _ => p.unexpected("an integer"),
        })
    }

    fn binary(&mut self, mut left: u64, min: u32) -> Result<u64> {
        loop {
            let (level, op) = match self.token {
                Token::Punct(c @ ('*' | '/' | '%')) => (6, c),
                Token::Punct(c @ ('+' | '-')) => (5, c),
                Token::Shl => (4, '<'),
                Token::Shr => (4, '>'),
                Token::Punct('&') => (3, '&'),
                Token::Punct('^') => (2, '^'),
                Token::Punct('|') => (1, '|'),
                _ => return Ok(left),
            };
            if level <= min {
                return Ok(left);
            }
            self.bump()?;
            let right = self.unary()?;
            let right = self.nested(|p| p.binary(right, level))?;
            left = match op {
                '*' => left.wrapping_mul(right),
                '/' | '%' if right == 0 => return self.error("division by zero"),
                '/' => left / right,
                '%' => left % right,
                '+' => left.wrapping_add(right),
                '-' => left.wrapping_sub(right),
                '<' => left.checked_shl(right as u32).unwrap_or(0),
                '>' => left.checked_shr(right as u32).unwrap_or(0),
                '&' => left & right,
                '^' => left ^ right,
                _ => left | right,
            };
        }
    }

    fn block(&mut self) -> Result<Vec<Statement>> {
        self.nested(|p| {
            p.expect('{')?;
            let mut list = Vec::new();
            while !p.is('}') {
                p.statement(&mut list)?;
            }
            p.bump()?;
            Ok(list)
        })
    }

    fn statement(&mut self, out: &mut Vec<Statement>) -> Result<()> {
        match self.token {
            Token::Punct('{') => out.push(Statement::Block(self.block()?)),
            Token::Punct(';') => {
                self.bump()?;
            }
            Token::Dot("loc" | "file") => {
                self.lexer.skip_line();
                self.bump()?;
            }
            Token::Dot("pragma") => self.skip_statement()?,
            Token::Dot("section") => {
                while !self.is('{') {
                    if self.token == Token::End {
                        return self.unexpected("'{'");
                    }
                    self.bump()?;
                }
                self.lexer.skip_braces()?;
                self.bump()?;
            }
            Token::Dot(_) => {
                let vars = self.variables(Linkage::None)?;
                out.extend(vars.into_iter().map(Statement::Variable));
            }
            Token::Punct('@') => {
                self.bump()?;
                let not = self.accept('!')?;
                let p = self.ident()?;
                let line = self.line;
                let op = self.ident()?;
                out.push(Statement::Instruction(self.instruction(op, line, Some((p, not)))?));
            }
            Token::Ident(name) => {
                let line = self.line;
                self.bump()?;
                if self.accept(':')? {
                    match self.token {
                        Token::Dot("branchtargets" | "calltargets") => {
                            self.bump()?;
                            let mut list = Vec::new();
                            loop {
                                list.push(self.ident()?);
                                if !self.accept(',')? {
                                    break;
                                }
                            }
                            self.expect(';')?;
                            out.push(Statement::Targets(name.into(), list));
                        }
                        Token::Dot("callprototype") => {
                            self.bump()?;
                            let returns = if self.is('(') { self.param_list()? } else { Vec::new() };
                            if matches!(self.token, Token::Ident(_)) {
                                self.bump()?;
                            }
                            let params = if self.is('(') { self.param_list()? } else { Vec::new() };
                            self.skip_statement()?;
                            out.push(Statement::Prototype(name.into(), returns, params));
                        }
                        _ => out.push(Statement::Label(name.into(), line)),
                    }
                } else {
                    out.push(Statement::Instruction(self.instruction(name.into(), line, None)?));
                }
            }
            _ => return self.unexpected("a statement"),
        }
        Ok(())
    }

    fn instruction(&mut self, mut opcode: String, line: u32, guard: Option<(String, bool)>) -> Result<Instruction> {
        while let Token::Dot(d) = self.token {
            opcode.push('.');
            opcode.push_str(d);
            self.bump()?;
        }
        let mut operands = Vec::new();
        while !self.is(';') {
            operands.push(self.operand()?);
            if !self.accept(',')? {
                break;
            }
        }
        self.expect(';')?;
        Ok(Instruction { line, guard, opcode, operands })
    }

    fn operand(&mut self) -> Result<Operand> {
        let first = self.nested(Self::operand_single)?;
        if self.accept('|')? {
            let second = self.nested(Self::operand_single)?;
            return Ok(Operand::Pair(Box::new(first), Box::new(second)));
        }
        Ok(first)
    }

    fn operand_list(&mut self, end: char) -> Result<Vec<Operand>> {
        self.bump()?;
        let mut list = Vec::new();
        while !self.is(end) {
            list.push(self.operand()?);
            if !self.accept(',')? {
                break;
            }
        }
        self.expect(end)?;
        Ok(list)
    }

    fn operand_single(&mut self) -> Result<Operand> {
        match self.token {
            Token::Punct('{') => Ok(Operand::Vector(self.operand_list('}')?)),
            Token::Punct('(') => Ok(Operand::List(self.operand_list(')')?)),
            Token::Punct('!') => {
                self.bump()?;
                Ok(Operand::Not(Box::new(self.nested(Self::operand_single)?)))
            }
            Token::Punct('[') => {
                self.bump()?;
                let base = self.nested(Self::operand_single)?;
                let (base, offset) = match base {
                    Operand::NameOffset(n, o) => (Operand::Name(n, None), o),
                    b => {
                        let o = self.offset()?;
                        (b, o)
                    }
                };
                let mut more = Vec::new();
                while self.accept(',')? {
                    more.push(self.operand()?);
                }
                self.expect(']')?;
                Ok(Operand::Address(Box::new(base), offset, more))
            }
            Token::Ident("_") => {
                self.bump()?;
                Ok(Operand::Sink)
            }
            Token::Ident("WARP_SZ") => {
                self.bump()?;
                Ok(Operand::Int(32))
            }
            Token::Ident(name) => {
                self.bump()?;
                if let Token::Dot(c) = self.token {
                    let c = match c {
                        "x" | "r" => 'x',
                        "y" | "g" => 'y',
                        "z" | "b" => 'z',
                        "w" | "a" => 'w',
                        s if s.len() <= 5 && s.starts_with(['b', 'h']) && s[1..].bytes().all(|c| c.is_ascii_digit()) => {
                            let part = Operand::Part(name.into(), s.into());
                            self.bump()?;
                            return Ok(part);
                        }
                        _ => return self.error(format!("unknown component .{c}")),
                    };
                    self.bump()?;
                    return Ok(Operand::Name(name.into(), Some(c)));
                }
                if self.is('+') || self.is('-') {
                    return Ok(Operand::NameOffset(name.into(), self.offset()?));
                }
                if self.accept('[')? {
                    // `array[4]` stands for the address of that byte.
                    let n = self.constant()?;
                    self.expect(']')?;
                    return Ok(Operand::NameOffset(name.into(), n as i64));
                }
                Ok(Operand::Name(name.into(), None))
            }
            Token::F32(b) => {
                self.bump()?;
                Ok(Operand::F32(b))
            }
            Token::F64(b) => {
                self.bump()?;
                Ok(Operand::F64(b))
            }
            Token::Punct('-') => {
                self.bump()?;
                match self.token {
                    Token::F32(b) => {
                        self.bump()?;
                        Ok(Operand::F32(b ^ 1 << 31))
                    }
                    Token::F64(b) => {
                        self.bump()?;
                        Ok(Operand::F64(b ^ 1 << 63))
                    }
                    Token::Ident(name) if name != "WARP_SZ" => Ok(Operand::Negative(Box::new(self.nested(Self::operand_single)?))),
                    _ => Ok(Operand::Int(self.unary()?.wrapping_neg())),
                }
            }
            // No binary operators here: `|` separates predicate pairs.
            _ => Ok(Operand::Int(self.unary()?)),
        }
    }
}
