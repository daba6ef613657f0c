//! What `ringway top` draws.

use crate::output::{age, bytes, cut};
use crate::overview::{GpuView, LeaseState, LeaseView, Overview, ServerView};
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Paragraph, Row, Table, Widget};
use ringway_wire::pool::ServerState;
use std::cmp::Reverse;

/// Cells of a bar.
const BAR: usize = 20;
const HELP: &str = "q quit  s order  r reverse  u user  arrows, PgUp, PgDn move";

/// In which order leases are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Sort {
    /// Oldest first.
    Age,
    /// By user.
    User,
    /// Greatest memory first.
    Memory,
    /// Most GPUs first.
    Gpus,
    /// By server.
    Server,
    /// By program.
    Program,
}

impl Sort {
    /// The one after it, around again.
    pub fn next(self) -> Self {
        match self {
            Self::Age => Self::User,
            Self::User => Self::Memory,
            Self::Memory => Self::Gpus,
            Self::Gpus => Self::Server,
            Self::Server => Self::Program,
            Self::Program => Self::Age,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::User => "user",
            Self::Memory => "memory",
            Self::Gpus => "GPUs",
            Self::Server => "server",
            Self::Program => "program",
        }
    }

    fn sort(self, leases: &mut [&LeaseView]) {
        // Sorting is stable: equal ones stay oldest first.
        leases.sort_by_key(|lease| Reverse(lease.age_s));
        match self {
            Self::Age => {}
            Self::User => leases.sort_by(|a, b| a.user.cmp(&b.user)),
            Self::Memory => leases.sort_by_key(|lease| Reverse(lease.memory_bytes())),
            Self::Gpus => leases.sort_by_key(|lease| Reverse(lease.slices.len())),
            Self::Server => leases.sort_by(|a, b| a.servers().cmp(&b.servers())),
            Self::Program => leases.sort_by(|a, b| a.program.cmp(&b.program)),
        }
    }
}

/// What is shown, and how.
pub struct View {
    found: Option<Overview>,
    /// Why there is nothing newer.
    why: Option<String>,
    pub sort: Sort,
    pub is_reversed: bool,
    /// Whose leases; empty: all.
    pub user: String,
    /// A user's name that is being typed.
    pub typed: Option<String>,
    /// Leases that are above the screen.
    pub first: usize,
}

impl View {
    /// Of nothing yet.
    pub fn new(sort: Sort, user: String) -> Self {
        Self { found: None, why: None, sort, is_reversed: false, user, typed: None, first: 0 }
    }

    /// Takes what was found; where nothing was, what was there before is shown on.
    pub fn take(&mut self, found: Overview, why: Option<String>) {
        if why.is_none() || !found.servers.is_empty() || self.found.is_none() {
            self.found = Some(found);
        }
        self.why = why;
    }

    fn leases<'a>(&self, found: &'a Overview) -> Vec<&'a LeaseView> {
        let mut leases: Vec<&LeaseView> = found.leases.iter().filter(|lease| self.user.is_empty() || lease.user == self.user).collect();
        self.sort.sort(&mut leases);
        if self.is_reversed {
            leases.reverse();
        }
        leases
    }

    /// One frame as text, as high as it needs to be.
    pub fn text(&mut self, width: u16) -> String {
        let rows = self.found.as_ref().map_or(0, |found| found.servers.iter().map(|server| server.gpus.len()).sum::<usize>() + found.leases.len() + found.queue.len());
        let height = u16::try_from(rows.saturating_add(10)).unwrap_or(u16::MAX).min(u16::MAX / width.max(1));
        let area = Rect::new(0, 0, width, height);
        let mut buffer = Buffer::empty(area);
        self.draw_within(area, &mut buffer, true);
        let lines = (0..height).map(|y| {
            let line: String = (0..width).map(|x| buffer[(x, y)].symbol()).collect();
            line.trim_end().to_owned()
        });
        lines.collect::<Vec<_>>().join("\n").trim_end().to_owned() + "\n"
    }

    /// Draws a frame.
    pub fn draw(&mut self, area: Rect, buffer: &mut Buffer) {
        self.draw_within(area, buffer, false);
    }

    fn draw_within(&mut self, area: Rect, buffer: &mut Buffer, is_text: bool) {
        let Some(found) = self.found.take() else {
            Paragraph::new(self.why.as_deref().unwrap_or("asking ...")).render(area, buffer);
            return;
        };
        let leases = self.leases(&found);
        let queue: Vec<_> = found.queue.iter().filter(|request| self.user.is_empty() || request.user == self.user).collect();
        let gpus: usize = found.servers.iter().map(|server| server.gpus.len().max(1)).sum();
        let most = |rows: usize, of_screen: u16| {
            let all = u16::try_from(rows + 2).unwrap_or(u16::MAX);
            Constraint::Length(if is_text { all } else { all.min(area.height * of_screen / 100) })
        };
        let lease_space = if is_text { Constraint::Length(u16::try_from(leases.len() + 2).unwrap_or(u16::MAX)) } else { Constraint::Min(3) };
        let queue_space = if queue.is_empty() { Constraint::Length(0) } else { most(queue.len(), 30) };
        let help_space = Constraint::Length(u16::from(!is_text));
        let parts = [Constraint::Length(1), Constraint::Length(u16::from(self.why.is_some())), most(gpus, 45), lease_space, queue_space, help_space];
        let [head, trouble, gpu_area, lease_area, queue_area, help] = Layout::vertical(parts).areas(area);
        self.head(&found).render(head, buffer);
        if let Some(why) = &self.why {
            Paragraph::new(format!("not all is new: {why}")).red().render(trouble, buffer);
        }
        gpu_table(&found.servers).render(gpu_area, buffer);
        let room = usize::from(lease_area.height.saturating_sub(2));
        self.first = self.first.min(leases.len().saturating_sub(room));
        lease_table(&leases[self.first..]).render(lease_area, buffer);
        if !queue.is_empty() {
            let rows = queue.iter().map(|request| {
                let wants = [vec![request.wants_text()], request.filters.clone()].concat().join(", ");
                let place = request.place.to_string();
                Row::new([place, request.id.clone(), cut(&request.user, 16), age(request.age_s), wants, cut(&request.program, 32), request.why.clone()])
            });
            let widths = [5, 16, 16, 12, 20, 24].map(Constraint::Length).into_iter().chain([Constraint::Min(10)]);
            let heads = ["place", "request", "user", "waits", "for", "program", "why"];
            Table::new(rows, widths).header(Row::new(heads).bold()).render(queue_area, buffer);
        }
        if !is_text {
            self.help_line().render(help, buffer);
        }
        self.found = Some(found);
    }

    fn head(&self, found: &Overview) -> Line<'static> {
        let sum = |of: &dyn Fn(&GpuView) -> u64| found.servers.iter().fold(0u64, |sum, server| sum.saturating_add(server.sum(of)));
        let (all, leased) = (sum(&|gpu| gpu.memory_bytes), sum(&|gpu| gpu.leased_bytes));
        let gpus: usize = found.servers.iter().map(|server| server.gpus.len()).sum();
        let up = found.servers.iter().filter(|server| server.state == ServerState::Up).count();
        let percent = if all == 0 { 0.0 } else { 100.0 * leased as f64 / all as f64 };
        let what = found.pool.as_ref().map_or_else(|| found.address.clone(), |pool| format!("pool {pool} at {}", found.address));
        Line::from(format!(
            "{what}  servers {up} of {} up  GPUs {gpus}  memory leased {percent:.0} %  leases {}  queue {}",
            found.servers.len(),
            found.leases.len(),
            found.queue.len()
        ))
        .bold()
    }

    fn help_line(&self) -> Line<'static> {
        match &self.typed {
            Some(typed) => Line::from(format!("user: {typed}_   (Enter takes it, none is all, Esc leaves it)")).bold(),
            None => {
                let way = if self.is_reversed { ", reversed" } else { "" };
                let user = if self.user.is_empty() { "all" } else { &self.user };
                Line::from(format!("{HELP}   order: {}{way}, user: {user}", self.sort.name())).dim()
            }
        }
    }
}

fn state(server: &ServerView) -> Span<'static> {
    match server.state {
        ServerState::Up => "up".green(),
        ServerState::Draining => "draining".yellow(),
        ServerState::Down => "down".red(),
    }
}

/// A bar of what is leased (#) and kept for requests (+), and what is free.
fn bar(gpu: &GpuView) -> Line<'static> {
    let cells = |bytes: u64| (bytes as f64 / gpu.memory_bytes.max(1) as f64 * BAR as f64).round() as usize;
    let leased = cells(gpu.leased_bytes).min(BAR);
    let kept = cells(gpu.leased_bytes.saturating_add(gpu.kept_bytes)).min(BAR) - leased;
    let colour = match gpu.leased_bytes.saturating_mul(100) / gpu.memory_bytes.max(1) {
        0..=69 => Color::Green,
        70..=94 => Color::Yellow,
        _ => Color::Red,
    };
    Line::from(vec![
        "[".into(),
        Span::styled("#".repeat(leased), Style::new().fg(colour)),
        Span::styled("+".repeat(kept), Style::new().fg(Color::Cyan)),
        ".".repeat(BAR - leased - kept).dim(),
        "]".into(),
    ])
}

fn gpu_table(servers: &[ServerView]) -> Table<'_> {
    let mut rows = Vec::new();
    for server in servers {
        if server.gpus.is_empty() {
            rows.push(Row::new([Cell::from(server.name.clone()), Cell::from(state(server)), Cell::from("no GPUs")]));
        }
        for gpu in &server.gpus {
            let numbers = format!("{} of {} MiB", gpu.leased_bytes >> 20, gpu.memory_bytes >> 20);
            let used = (gpu.used.allocated_bytes >> 20).to_string();
            let busy = format!("{:.0} %", f64::from(gpu.used.busy_thousandths) / 10.0);
            rows.push(Row::new([
                Cell::from(server.name.clone()),
                Cell::from(state(server)),
                Cell::from(gpu.ordinal.to_string()),
                Cell::from(bar(gpu)),
                Cell::from(numbers),
                Cell::from(used),
                Cell::from(busy),
                Cell::from(gpu.leases.to_string()),
                Cell::from(gpu.name.clone()),
            ]));
        }
    }
    let widths = [16, 8, 3, BAR as u16 + 2, 20, 7, 5, 6].map(Constraint::Length).into_iter().chain([Constraint::Min(10)]);
    Table::new(rows, widths).header(Row::new(["server", "state", "GPU", "memory leased", "", "used", "busy", "leases", "name"]).bold())
}

fn lease_table(leases: &[&LeaseView]) -> Table<'static> {
    let rows: Vec<Row<'static>> = leases.iter().map(|lease| {
        let state = match lease.state {
            LeaseState::Running => "running".green(),
            LeaseState::Held => "held".dim(),
            LeaseState::Granted => "granted".yellow(),
            LeaseState::Orphaned => "orphaned".red(),
        };
        let gpus: Vec<String> = lease.slices.iter().map(|slice| format!("{}:{}", slice.server, slice.ordinal)).collect();
        Row::new([
            Cell::from(lease.id.clone()),
            Cell::from(cut(&lease.user, 16)),
            Cell::from(cut(&lease.host, 16)),
            Cell::from(state),
            Cell::from(lease.sessions.to_string()),
            Cell::from(age(lease.age_s)),
            Cell::from((lease.memory_bytes() >> 20).to_string()),
            Cell::from((lease.allocated_bytes() >> 20).to_string()),
            Cell::from(lease.busy_text()),
            Cell::from(bytes(lease.used.up_bytes_per_s)),
            Cell::from(bytes(lease.used.down_bytes_per_s)),
            Cell::from(lease.used.waits_per_s.to_string()),
            Cell::from(gpus.join(" ")),
            Cell::from(cut(&lease.program, 60)),
        ])
    }).collect();
    let widths = [16, 12, 12, 8, 5, 11, 7, 7, 5, 9, 9, 7].map(Constraint::Length).into_iter().chain([Constraint::Fill(1), Constraint::Fill(2)]);
    let heads = ["lease", "user", "host", "state", "procs", "age", "MiB", "used", "busy", "up/s", "down/s", "waits/s", "GPUs", "program"];
    Table::new(rows, widths).header(Row::new(heads).bold())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overview::{QueueView, SliceView};
    use ringway_wire::control::{LeaseUse, MemoryAsk, SliceUse};
    use std::collections::BTreeMap;

    fn lease(user: &str, age_s: u64, mib: &[u64]) -> LeaseView {
        LeaseView {
            id: format!("{age_s:016x}"),
            user: user.into(),
            group: String::new(),
            host: "host".into(),
            program: "train".into(),
            pid: 1,
            state: LeaseState::Running,
            sessions: 1,
            age_s,
            used: LeaseUse {
                slices: vec![SliceUse { allocated_bytes: 7 << 20, busy_thousandths: 500 }; mib.len()],
                up_bytes_per_s: 2 << 10,
                down_bytes_per_s: 5,
                waits_per_s: 3,
                ..LeaseUse::default()
            },
            slices: mib.iter().enumerate().map(|(at, mib)| SliceView { server: "s1".into(), ordinal: at as u32, memory_bytes: mib << 20 }).collect(),
        }
    }

    fn pool() -> Overview {
        let gpu = |ordinal, leased_mib: u64| GpuView {
            ordinal,
            name: "GPU X".into(),
            uuid: None,
            compute_capability: (8, 0),
            memory_bytes: 1000 << 20,
            leased_bytes: leased_mib << 20,
            kept_bytes: 0,
            leases: 1,
            used: SliceUse { allocated_bytes: 30 << 20, busy_thousandths: 421 },
        };
        let server = ServerView {
            name: "s1".into(),
            state: ServerState::Up,
            address: "h:1".into(),
            hostname: "h".into(),
            version: String::new(),
            driver: String::new(),
            silent_ms: Some(0),
            labels: BTreeMap::new(),
            gpus: vec![gpu(0, 500), gpu(1, 100)],
        };
        let request = QueueView {
            id: "00000000000000aa".into(),
            place: 1,
            user: "carol".into(),
            group: String::new(),
            host: "h".into(),
            program: "p".into(),
            pid: 2,
            priority: 0,
            gpus: 2,
            memory: MemoryAsk::Mib(900),
            filters: Vec::new(),
            age_s: 4,
            why: "no room".into(),
        };
        Overview {
            pool: Some("lab".into()),
            address: "p:1".into(),
            version: String::new(),
            servers: vec![server],
            leases: vec![lease("bob", 10, &[500]), lease("alice", 70, &[60, 40])],
            queue: vec![request],
        }
    }

    #[test]
    fn a_frame_as_text() {
        let mut view = View::new(Sort::Age, String::new());
        view.take(pool(), None);
        let text = view.text(160);
        let lines: Vec<String> = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).filter(|line| !line.is_empty()).collect();
        assert_eq!(
            lines,
            [
                "pool lab at p:1 servers 1 of 1 up GPUs 2 memory leased 30 % leases 2 queue 1",
                "server state GPU memory leased used busy leases name",
                "s1 up 0 [##########..........] 500 of 1000 MiB 30 42 % 1 GPU X",
                "s1 up 1 [##..................] 100 of 1000 MiB 30 42 % 1 GPU X",
                "lease user host state procs age MiB used busy up/s down/s waits/s GPUs program",
                "0000000000000046 alice host running 1 1 min 10 s 100 14 50 % 2.00 KiB 5 B 3 s1:0 s1:1 train",
                "000000000000000a bob host running 1 10 s 500 7 50 % 2.00 KiB 5 B 3 s1:0 train",
                "place request user waits for program why",
                "1 00000000000000aa carol 4 s 2 x 900 MiB p no room",
            ]
        );
    }

    #[test]
    fn orders_and_users() {
        let found = pool();
        let users = |view: &View| view.leases(&found).iter().map(|lease| lease.user.clone()).collect::<Vec<_>>();
        let mut view = View::new(Sort::Age, String::new());
        assert_eq!(users(&view), ["alice", "bob"]);
        view.sort = Sort::Memory;
        assert_eq!(users(&view), ["bob", "alice"]);
        view.sort = Sort::Gpus;
        assert_eq!(users(&view), ["alice", "bob"]);
        view.is_reversed = true;
        assert_eq!(users(&view), ["bob", "alice"]);
        view.user = "alice".into();
        assert_eq!(users(&view), ["alice"]);
    }

    #[test]
    fn a_small_terminal_and_one_of_no_size_are_drawn_too() {
        let mut view = View::new(Sort::Age, String::new());
        for (width, height) in [(0, 0), (1, 1), (10, 3), (80, 8)] {
            let area = Rect::new(0, 0, width, height);
            view.draw(area, &mut Buffer::empty(area));
            view.take(pool(), Some("the server is gone".into()));
            view.first = 99;
            view.draw(area, &mut Buffer::empty(area));
        }
        assert!(view.first < 3);
    }

    #[test]
    fn bars_are_never_too_long() {
        let mut gpu = pool().servers[0].gpus[0].clone();
        for (leased, kept, memory) in [(0, 0, 0), (5, 5, 10), (10, 10, 10), (u64::MAX, u64::MAX, 1), (1, 0, u64::MAX)] {
            (gpu.leased_bytes, gpu.kept_bytes, gpu.memory_bytes) = (leased, kept, memory);
            assert_eq!(bar(&gpu).width(), BAR + 2);
        }
    }
}
