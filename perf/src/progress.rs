//! One line on a terminal that says what is measured; nothing elsewhere.

use std::io::IsTerminal;

/// Says what is being done.
pub fn say(what: &str) {
    if std::io::stderr().is_terminal() {
        let what: String = what.chars().take(70).collect();
        eprint!("\r\x1b[Kmeasuring {what} ...");
    }
}

/// Takes the line away.
pub fn done() {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K");
    }
}
