//! Spans of time on the command line.

use std::str::FromStr;
use std::time::Duration;

/// Longest span that can be named: one year.
const SECONDS_MAX: f64 = 365.0 * 86_400.0;

/// A span of time as `90s`, `1.5m`, `2h`, `7d` or plain seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is no time; write it as 90s, 30m, 2h or 1d, or 0");
        let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
        let unit = match &text[digits.len()..] {
            "" | "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => return Err(wrong()),
        };
        let seconds = digits.parse::<f64>().map_err(|_| wrong())? * unit;
        if !(0.0..=SECONDS_MAX).contains(&seconds) {
            return Err(format!("'{text}' is out of range; it can be 0 to 365d"));
        }
        Ok(Self(Duration::from_secs_f64(seconds)))
    }
}

#[cfg(test)]
mod tests {
    use super::Span;
    use std::time::Duration;

    #[test]
    fn times_are_read() {
        for (text, seconds) in [("0", 0.0), ("90", 90.0), ("90s", 90.0), ("1.5m", 90.0), ("2min", 120.0), ("2h", 7200.0), ("365d", 31_536_000.0)] {
            assert_eq!(text.parse(), Ok(Span(Duration::from_secs_f64(seconds))), "{text}");
        }
        for text in ["", "s", "-1", "1w", "nan", "inf", "366d", "1e300h", "2 h", "é"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }
}
