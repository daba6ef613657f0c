//! Splits PTX text into tokens (PTX ISA, section 4, "Syntax").

use super::ParseError;

/// One token; identifiers borrow from the text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Token<'a> {
    /// Identifier: letters, digits, `_`, `$`, `%`.
    Ident(&'a str),
    /// `.name` without the dot; may hold `::`.
    Dot(&'a str),
    /// Integer literal, two's complement.
    Int(u64),
    /// `0f........`
    F32(u32),
    /// `0d................` or a decimal floating-point literal.
    F64(u64),
    /// String literal, without quotes, escapes untouched.
    Str(&'a str),
    /// Any other character; `<<` and `>>` are `Shl` and `Shr`.
    Punct(char),
    Shl,
    Shr,
    End,
}

pub(super) struct Lexer<'a> {
    text: &'a str,
    pos: usize,
    pub(super) line: u32,
}

fn ident_char(c: u8) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, b'_' | b'$' | b'%') || c >= 0x80
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Lexer { text, pos: 0, line: 1 }
    }

    pub(super) fn error<T>(&self, message: impl Into<String>) -> Result<T, ParseError> {
        Err(ParseError { line: self.line, message: message.into() })
    }

    fn byte(&self, at: usize) -> u8 {
        self.text.as_bytes().get(at).copied().unwrap_or(0)
    }

    fn skip_blank(&mut self) -> Result<(), ParseError> {
        let b = self.text.as_bytes();
        while self.pos < b.len() {
            match b[self.pos] {
                b'\n' => {
                    self.line += 1;
                    self.pos += 1;
                }
                c if c.is_ascii_whitespace() || c == 0 => self.pos += 1,
                b'/' if self.byte(self.pos + 1) == b'/' => self.skip_line(),
                b'/' if self.byte(self.pos + 1) == b'*' => {
                    let Some(n) = self.text.get(self.pos + 2..).and_then(|t| t.find("*/")) else {
                        return self.error("comment without end");
                    };
                    let end = self.pos + 2 + n + 2;
                    self.line += b[self.pos..end].iter().filter(|c| **c == b'\n').count() as u32;
                    self.pos = end;
                }
                b'#' => self.skip_line(),
                b'@' if self.byte(self.pos + 1) == b'@' => self.skip_line(),
                _ => break,
            }
        }
        Ok(())
    }

    /// Skips to the end of the current line (`.loc`, `.file` have no other end).
    pub(super) fn skip_line(&mut self) {
        let b = self.text.as_bytes();
        while self.pos < b.len() && b[self.pos] != b'\n' {
            self.pos += 1;
        }
    }

    /// Skips a balanced `{ }` whose opening brace was the last token (debug sections).
    pub(super) fn skip_braces(&mut self) -> Result<(), ParseError> {
        let b = self.text.as_bytes();
        let mut depth = 1;
        while self.pos < b.len() {
            match b[self.pos] {
                b'\n' => self.line += 1,
                b'{' => depth += 1,
                b'}' => depth -= 1,
                _ => {}
            }
            self.pos += 1;
            if depth == 0 {
                return Ok(());
            }
        }
        self.error("section without end")
    }

    fn take_while(&mut self, from: usize, keep: impl Fn(u8) -> bool) -> &'a str {
        let b = self.text.as_bytes();
        let mut end = from;
        while end < b.len() && keep(b[end]) {
            end += 1;
        }
        self.pos = end;
        &self.text[from..end]
    }

    pub(super) fn next(&mut self) -> Result<Token<'a>, ParseError> {
        self.skip_blank()?;
        let b = self.text.as_bytes();
        let Some(&c) = b.get(self.pos) else { return Ok(Token::End) };
        if c == b'.' && (ident_char(self.byte(self.pos + 1))) {
            let start = self.pos + 1;
            let mut end = start;
            while end < b.len() && (ident_char(b[end]) || (b[end] == b':' && self.byte(end + 1) == b':')) {
                end += if b[end] == b':' { 2 } else { 1 };
            }
            self.pos = end;
            return Ok(Token::Dot(&self.text[start..end]));
        }
        if c.is_ascii_digit() {
            return self.number();
        }
        if ident_char(c) && !(c == b'%' && !ident_char(self.byte(self.pos + 1))) {
            return Ok(Token::Ident(self.take_while(self.pos, ident_char)));
        }
        if c == b'"' {
            let start = self.pos + 1;
            let mut end = start;
            while end < b.len() && b[end] != b'"' {
                if b[end] == b'\\' {
                    end += 1;
                }
                if self.byte(end) == b'\n' {
                    self.line += 1;
                }
                end += 1;
            }
            if end >= b.len() {
                return self.error("string without end");
            }
            self.pos = end + 1;
            return match self.text.get(start..end) {
                Some(s) => Ok(Token::Str(s)),
                None => self.error("string is not text"),
            };
        }
        self.pos += 1;
        if c == b'<' && self.byte(self.pos) == b'<' {
            self.pos += 1;
            return Ok(Token::Shl);
        }
        if c == b'>' && self.byte(self.pos) == b'>' {
            self.pos += 1;
            return Ok(Token::Shr);
        }
        Ok(Token::Punct(c as char))
    }

    fn number(&mut self) -> Result<Token<'a>, ParseError> {
        let start = self.pos;
        let second = self.byte(start + 1);
        let hex = |s: &str| u64::from_str_radix(s, 16).ok();
        if self.byte(start) == b'0' && matches!(second, b'f' | b'F' | b'd' | b'D') {
            let digits = self.take_while(start + 2, |c| c.is_ascii_hexdigit());
            let single = matches!(second, b'f' | b'F');
            return match (single, digits.len(), hex(digits)) {
                (true, 8, Some(v)) => Ok(Token::F32(v as u32)),
                (false, 16, Some(v)) => Ok(Token::F64(v)),
                _ => self.error(format!("malformed floating-point literal 0{}{digits}", second as char)),
            };
        }
        let value = if self.byte(start) == b'0' && matches!(second, b'x' | b'X') {
            let digits = self.take_while(start + 2, |c| c.is_ascii_hexdigit());
            hex(digits)
        } else if self.byte(start) == b'0' && matches!(second, b'b' | b'B') {
            let digits = self.take_while(start + 2, |c| c.is_ascii_digit());
            u64::from_str_radix(digits, 2).ok()
        } else {
            let digits = self.take_while(start, |c| c.is_ascii_digit());
            let fraction = self.byte(self.pos) == b'.' && !self.byte(self.pos + 1).is_ascii_alphabetic();
            let exponent = matches!(self.byte(self.pos), b'e' | b'E');
            if fraction || exponent {
                if fraction {
                    self.take_while(self.pos + 1, |c| c.is_ascii_digit());
                }
                if matches!(self.byte(self.pos), b'e' | b'E') {
                    let sign = usize::from(matches!(self.byte(self.pos + 1), b'+' | b'-'));
                    self.take_while(self.pos + 1 + sign, |c| c.is_ascii_digit());
                }
                return match self.text[start..self.pos].parse::<f64>() {
                    Ok(v) => Ok(Token::F64(v.to_bits())),
                    Err(_) => self.error("malformed floating-point literal"),
                };
            }
            if digits.len() > 1 && digits.starts_with('0') {
                u64::from_str_radix(digits, 8).ok()
            } else {
                digits.parse().ok()
            }
        };
        let Some(value) = value else { return self.error("malformed or too large integer literal") };
        if self.byte(self.pos) == b'U' {
            self.pos += 1;
        }
        Ok(Token::Int(value))
    }
}
