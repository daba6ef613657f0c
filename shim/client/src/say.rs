//! The few lines that Ringway itself says to the user, on standard error: with [`Line`] once a process, with [`say`] each time.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

/// A line that is said once.
#[derive(Debug)]
pub struct Line(AtomicBool);

impl Line {
    /// Not said yet.
    pub const fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    /// Says it, unless it was said.
    pub fn say(&self, text: std::fmt::Arguments<'_>) {
        if !self.0.swap(true, Ordering::Relaxed) {
            say(text);
        }
    }
}

impl Default for Line {
    fn default() -> Self {
        Self::new()
    }
}

/// Says a line now.
pub fn say(text: std::fmt::Arguments<'_>) {
    // A closed standard error is no reason to fail.
    let _ = std::io::stderr().write_all(format!("ringway: {text}\n").as_bytes());
}
