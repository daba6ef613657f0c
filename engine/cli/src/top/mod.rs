//! `ringway top`: what goes on in a pool or on servers, on a terminal screen.
//!
//! One thread asks, again and again; this one draws (`screen.rs`) and listens to the keys. The terminal is given back as it was however this
//! ends: in order, by an error, by a signal, by a panic.

mod screen;

use crate::access::Server;
use crate::overview::{Overview, SourceArgs};
use crate::{EXIT_RINGWAY, Failure};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use screen::{Sort, View};
use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// How long a key may stay unseen.
const KEY_WAIT: Duration = Duration::from_millis(100);
/// Characters of a user's name that can be typed.
const USER_MAX: usize = 64;

/// Options of `ringway top`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  ringway top --server poolhost:7767
  ringway top --user alice --sort memory
  ringway top --once | head -20                one frame as text, for scripts

Keys: q or Ctrl-C quits, s next order, r other way around, u type a user's name (Enter takes it, none is all, Esc leaves it), arrows and
PgUp/PgDn move through the leases.")]
pub struct TopArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// Show the leases and requests of this user alone.
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    user: String,
    /// Order of the leases.
    #[arg(long, value_enum, default_value_t = Sort::Age, value_name = "KEY")]
    sort: Sort,
    /// Seconds between two looks.
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=3600))]
    interval: u64,
    /// Print one frame as text and end.
    #[arg(long)]
    once: bool,
}

/// Shows it.
pub fn top(args: &TopArgs) -> Result<ExitCode, Failure> {
    let servers = args.source.all()?;
    let mut view = View::new(args.sort, args.user.clone());
    if args.once {
        let (found, failures) = Overview::of_all(&servers);
        for failure in &failures {
            eprintln!("ringway: {}", failure.message());
        }
        if failures.len() == servers.len() {
            return Ok(ExitCode::from(EXIT_RINGWAY));
        }
        view.take(found, None);
        crate::print(&view.text(width()))?;
        return Ok(if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_RINGWAY) });
    }
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Err(Failure::new("`ringway top` needs a terminal; --once prints one frame as text"));
    }
    let stopped = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&stopped))?;
    }
    let (send, looks) = channel();
    let (stop, is_stopped) = channel();
    let interval = Duration::from_secs(args.interval);
    std::thread::Builder::new().name("look".into()).spawn(move || look_again(&servers, interval, &send, &is_stopped))?;
    let shown = show(&mut view, &looks, &stopped);
    // The thread may be waiting for a server; it ends with the process.
    drop(stop);
    shown.map(|()| ExitCode::SUCCESS)
}

/// Columns of the terminal, or of a wide page.
fn width() -> u16 {
    const PAGE: u16 = 120;
    if !std::io::stdout().is_terminal() {
        return PAGE;
    }
    ratatui::crossterm::terminal::size().map_or(PAGE, |(columns, _)| columns.max(40))
}

type Look = (Overview, Option<String>);

/// Asks until nobody wants to know any more.
fn look_again(servers: &[Server], interval: Duration, send: &Sender<Look>, is_stopped: &Receiver<()>) {
    loop {
        let (found, failures) = Overview::of_all(servers);
        let why: Vec<&str> = failures.iter().map(Failure::message).collect();
        let why = (!why.is_empty()).then(|| why.join("; "));
        if send.send((found, why)).is_err() || is_stopped.recv_timeout(interval) != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}

/// The terminal, until it is dropped.
struct Screen(ratatui::DefaultTerminal);

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

fn show(view: &mut View, looks: &Receiver<Look>, stopped: &AtomicBool) -> Result<(), Failure> {
    // A panic restores the terminal too: this sets a hook.
    let mut screen = Screen(ratatui::try_init()?);
    while !stopped.load(Ordering::Relaxed) {
        while let Ok((found, why)) = looks.try_recv() {
            view.take(found, why);
        }
        screen.0.draw(|frame| {
            let area = frame.area();
            view.draw(area, frame.buffer_mut());
        })?;
        if event::poll(KEY_WAIT)? && is_end(view, &event::read()?) {
            break;
        }
    }
    Ok(())
}

/// Does what a key says; whether it says that this is to end.
fn is_end(view: &mut View, event: &Event) -> bool {
    let Event::Key(KeyEvent { code, modifiers, kind: KeyEventKind::Press | KeyEventKind::Repeat, .. }) = event else { return false };
    if *code == KeyCode::Char('c') && modifiers.contains(KeyModifiers::CONTROL) {
        return true;
    }
    if let Some(typed) = &mut view.typed {
        match code {
            KeyCode::Char(c) if typed.chars().count() < USER_MAX => typed.push(*c),
            KeyCode::Backspace => drop(typed.pop()),
            KeyCode::Enter => {
                view.user = view.typed.take().unwrap_or_default();
                view.first = 0;
            }
            KeyCode::Esc => view.typed = None,
            _ => {}
        }
        return false;
    }
    match code {
        KeyCode::Char('q') => return true,
        KeyCode::Char('s') => view.sort = view.sort.next(),
        KeyCode::Char('r') => view.is_reversed = !view.is_reversed,
        KeyCode::Char('u') => view.typed = Some(view.user.clone()),
        KeyCode::Down => view.first += 1,
        KeyCode::Up => view.first = view.first.saturating_sub(1),
        KeyCode::PageDown => view.first += 10,
        KeyCode::PageUp => view.first = view.first.saturating_sub(10),
        KeyCode::Home => view.first = 0,
        _ => {}
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(view: &mut View, code: KeyCode) -> bool {
        is_end(view, &Event::Key(KeyEvent::new(code, KeyModifiers::NONE)))
    }

    #[test]
    fn keys() {
        let mut view = View::new(Sort::Age, String::new());
        assert!(!press(&mut view, KeyCode::Char('s')));
        assert_eq!(view.sort, Sort::Age.next());
        press(&mut view, KeyCode::Char('u'));
        for c in "bobq".chars() {
            assert!(!press(&mut view, KeyCode::Char(c)), "while a name is typed q is a letter");
        }
        press(&mut view, KeyCode::Backspace);
        press(&mut view, KeyCode::Enter);
        assert_eq!(view.user, "bob");
        press(&mut view, KeyCode::Char('u'));
        press(&mut view, KeyCode::Char('x'));
        press(&mut view, KeyCode::Esc);
        assert_eq!((view.user.as_str(), &view.typed), ("bob", &None));
        press(&mut view, KeyCode::Up);
        assert_eq!(view.first, 0);
        assert!(press(&mut view, KeyCode::Char('q')));
        press(&mut view, KeyCode::Char('u'));
        assert!(is_end(&mut view, &Event::Key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL))));
    }

    #[test]
    fn orders_come_around() {
        let mut sort = Sort::Age;
        let mut seen = vec![sort];
        while sort.next() != Sort::Age {
            sort = sort.next();
            assert!(!seen.contains(&sort));
            seen.push(sort);
        }
        assert_eq!(seen.len(), <Sort as clap::ValueEnum>::value_variants().len());
    }
}
