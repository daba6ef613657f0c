//! Signals: those sent to `ringway run` go to the program, and a program that a signal ended ends `run` the same way.

use signal_hook::consts::{
    SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGUSR1, SIGUSR2, SIGWINCH,
};
use signal_hook::iterator::Signals;
use std::io::IsTerminal;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// Signals that are passed on.
const PASSED: [i32; 7] = [
    SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT, SIGTSTP,
];

/// Passes signals to the process `pid` until the program ends. A terminal sends SIGINT and SIGQUIT to the whole
/// foreground group, so those are only kept from ending `run` itself; without a terminal they are passed on too.
///
/// # Errors
/// What the kernel says.
pub fn pass_to(pid: u32) -> std::io::Result<()> {
    let terminal = std::io::stdin().is_terminal();
    let mut signals = Signals::new(PASSED.iter().copied().chain([SIGINT, SIGQUIT]))?;
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            for signal in signals.forever() {
                if terminal && matches!(signal, SIGINT | SIGQUIT) {
                    continue;
                }
                // SAFETY: a plain system call; `pid` is our own child, which is not reaped before this process ends its work.
                unsafe { libc::kill(pid as libc::pid_t, signal) };
            }
        })?;
    Ok(())
}

/// The exit code as a shell would see it; where a signal ended the program, ends this process by the same signal.
pub fn end_like(status: ExitStatus) -> u8 {
    if let Some(signal) = status.signal() {
        // SAFETY: system calls with valid arguments. No second core dump is wanted for the same fault.
        unsafe {
            let limit = libc::rlimit {
                rlim_cur: 0,
                rlim_max: 0,
            };
            libc::setrlimit(libc::RLIMIT_CORE, &raw const limit);
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
        }
        // Reached only where the signal is blocked or ignored.
        return 128u8.saturating_add(signal as u8);
    }
    status
        .code()
        .and_then(|code| u8::try_from(code & 0xff).ok())
        .unwrap_or(crate::EXIT_RINGWAY)
}
