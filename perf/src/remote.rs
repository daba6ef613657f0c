//! Programs under `ringway run`, and the server that they reach: started here, waited for with a bound, ended by pid.

use crate::cli::{Cli, Link};
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// For a server to start or to end, and for a program that was told to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// Makes both ends of a link over TCP behave as if the network was another.
pub const EMULATED_NETWORK: &str = "RINGWAY_EMULATED_NETWORK";

/// How measured programs are run.
pub struct Runner {
    ringway: PathBuf,
    driver: String,
    server: Option<String>,
}

impl Runner {
    /// As the command line says.
    pub fn new(cli: &Cli) -> Result<Self, String> {
        Ok(Self {
            ringway: find_ringway(cli.ringway.as_deref())?,
            driver: cli.driver.clone(),
            server: cli.server.clone(),
        })
    }

    /// A server of one's own, unless one was named.
    pub fn serve(&self) -> Result<Option<Server>, String> {
        match &self.server {
            Some(_) => Ok(None),
            None => Server::start(&self.ringway, &self.driver, None, &[]).map(Some),
        }
    }

    /// A server of one's own behind an emulated network.
    pub fn serve_over(&self, network: &str) -> Result<Server, String> {
        Server::start(&self.ringway, &self.driver, Some(network), &[])
    }

    /// Two servers of one's own, of which the first may connect to the second.
    pub fn serve_two(&self) -> Result<(Server, Server), String> {
        let second = Server::start(&self.ringway, &self.driver, None, &[])?;
        let first = Server::start(&self.ringway, &self.driver, None, &["--peer", &second.tcp])?;
        Ok((first, second))
    }

    /// The command that runs this program again as a CUDA program with a GPU of each of two servers, over TCP.
    pub fn command_on_two(&self, servers: [&Server; 2], task: &[&str]) -> Result<Command, String> {
        let mut command = Command::new(&self.ringway);
        command.args(["run", "-q", "-n", "2", "--link", "tcp"]);
        for server in servers {
            command.args(["--server", &server.tcp]);
        }
        self.child(command, &[], task)
    }

    /// `ringway netperf` over TCP to a server of one's own, behind an emulated network or none.
    pub fn netperf(&self, server: &Server, network: Option<&str>, options: &[&str]) -> Command {
        let mut command = Command::new(&self.ringway);
        command.args(["netperf", "--link", "tcp", "--server", &server.tcp]).args(options).stdin(Stdio::null());
        command.env_remove(EMULATED_NETWORK).envs(network.map(|network| (EMULATED_NETWORK, network)));
        command
    }

    /// `ringway why` of this program as a CUDA program, over TCP to a server of one's own. `options` are further ones for it.
    pub fn why(&self, server: &Server, options: &[&str], task: &[&str]) -> Result<Command, String> {
        let mut command = Command::new(&self.ringway);
        command.args(["why", "-q", "--link", "tcp", "--server", &server.tcp]).args(options);
        self.child(command, &[], task)
    }

    /// The command that runs this program again as a CUDA program with that link to its GPU: on `own`, on the named server,
    /// or on one that `ringway run` starts. `options` are further ones for `ringway run`.
    pub fn command(
        &self,
        link: Link,
        own: Option<&Server>,
        options: &[&str],
        task: &[&str],
    ) -> Result<Command, String> {
        self.command_under(link, own, options, &[], task)
    }

    /// The same with words before those of the program: another program that runs it.
    pub fn command_under(
        &self,
        link: Link,
        own: Option<&Server>,
        options: &[&str],
        under: &[OsString],
        task: &[&str],
    ) -> Result<Command, String> {
        let mut command = Command::new(&self.ringway);
        command.args(["run", "-q", "--driver", &self.driver]);
        if link == Link::Direct {
            command.arg("--direct").env_remove("RINGWAY_SERVER");
        } else {
            command.args(["--link", link.name()]);
            let server = own.map(|own| own.address(link)).or(self.server.as_deref());
            if let Some(server) = server {
                command.args(["--server", server]);
            }
            command.args(options);
        }
        self.child(command, under, task)
    }

    /// The same with this program as what is run.
    fn child(&self, mut command: Command, under: &[OsString], task: &[&str]) -> Result<Command, String> {
        command
            .arg("--")
            .args(under)
            .arg(std::env::current_exe().map_err(|error| error.to_string())?)
            .arg("child")
            .args(task);
        Ok(command)
    }

    /// The server's IP address; that of one started here is the loopback device's.
    pub fn address(&self) -> Result<String, String> {
        let Some(server) = &self.server else {
            return Ok("127.0.0.1".into());
        };
        let mut found = std::net::ToSocketAddrs::to_socket_addrs(server)
            .map_err(|error| format!("--server {server}: {error}"))?;
        found
            .next()
            .map(|address| address.ip().to_string())
            .ok_or_else(|| format!("--server {server}: no address"))
    }
}

/// The ringway program: named, beside this one, or in `PATH`.
fn find_ringway(named: Option<&Path>) -> Result<PathBuf, String> {
    if let Some(named) = named {
        return Ok(named.to_path_buf());
    }
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let beside = own.with_file_name("ringway");
    if beside.is_file() {
        return Ok(beside);
    }
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .map(|dir| dir.join("ringway"))
        .find(|path| path.is_file())
        .ok_or_else(|| {
            format!(
                "no ringway program beside {} or in PATH; build it (cargo build --release) or name it with --ringway",
                own.display()
            )
        })
}

/// A program that is running; told to end, and if need be made to, when dropped.
pub struct Running {
    child: Child,
    name: String,
}

impl Running {
    /// Starts it, from the thread that lives as long as it. What it prints is read with [`Running::output`] or [`Running::lines`].
    pub fn start(mut command: Command, name: &str) -> Result<Self, String> {
        // It ends with this program, however that ends: the kernel sends it SIGTERM then.
        // SAFETY: one system call, which may be made between fork and exec.
        unsafe {
            command.pre_exec(|| {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
                Ok(())
            });
        }
        let child = command
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: {error}", command.get_program().display()))?;
        Ok(Self {
            child,
            name: name.into(),
        })
    }

    /// Its process identifier.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The pipe to its standard input, if the command asked for one.
    pub fn stdin(&mut self) -> Option<std::process::ChildStdin> {
        self.child.stdin.take()
    }

    /// What it prints, line by line, as it prints it; the end of the channel is the end of its output.
    pub fn lines(&mut self) -> Result<mpsc::Receiver<String>, String> {
        let out = self.child.stdout.take().ok_or("no output")?;
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(receiver)
    }

    /// All that it prints, when it has ended well.
    pub fn output(mut self, timeout: Duration) -> Result<String, String> {
        let mut out = self.child.stdout.take().ok_or("no output")?;
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let mut text = String::new();
            let read = out.read_to_string(&mut text).map(|_| text);
            let _ = sender.send(read);
        });
        let text = receiver
            .recv_timeout(timeout)
            .map_err(|_| format!("{}: not done after {} s", self.name, timeout.as_secs()))?
            .map_err(|error| format!("{}: {error}", self.name))?;
        self.well()?;
        Ok(text)
    }

    /// Waits, for a bounded time, until it has ended, and well.
    pub fn well(&mut self) -> Result<(), String> {
        match self.wait(PATIENCE)? {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(format!(
                "{}: the measuring program ended with {status}",
                self.name
            )),
            None => Err(format!(
                "{}: not ended {} s after its output",
                self.name,
                PATIENCE.as_secs()
            )),
        }
    }

    fn wait(&mut self, limit: Duration) -> Result<Option<ExitStatus>, String> {
        let deadline = Instant::now() + limit;
        loop {
            match self.child.try_wait().map_err(|error| error.to_string())? {
                Some(status) => return Ok(Some(status)),
                None if Instant::now() > deadline => return Ok(None),
                None => std::thread::sleep(Duration::from_millis(1)),
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        if let Ok(pid) = libc::pid_t::try_from(self.child.id()) {
            // SAFETY: a signal to a child that has not been waited for, so the identifier is still its own. SIGTERM, because
            // `ringway run` passes it on, and `ringway serve` cleans up.
            unsafe { libc::kill(pid, libc::SIGTERM) };
        }
        if !matches!(self.wait(PATIENCE), Ok(Some(_))) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// A `ringway serve` that lives as long as this value.
pub struct Server {
    // Ended, by its drop, before the pipe to its standard input is closed.
    running: Running,
    unix: String,
    tcp: String,
    _lines: mpsc::Receiver<String>,
    _stdin: Option<std::process::ChildStdin>,
}

impl Server {
    fn start(ringway: &Path, driver: &str, network: Option<&str>, options: &[&str]) -> Result<Self, String> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let socket = std::env::temp_dir().join(format!(
            "ringway-perf-{}-{}.sock",
            std::process::id(),
            NUMBER.fetch_add(1, Ordering::Relaxed)
        ));
        let unix = format!("unix:{}", socket.display());
        let mut command = Command::new(ringway);
        // It ends with its standard input, so with this program however that ends.
        command
            .args(["serve", "--announce", "--until-eof", "--driver", driver])
            .args(["--listen", &unix, "--listen", "127.0.0.1:0"])
            .args(options)
            .env_remove("RINGWAY_TOKEN")
            .env_remove(EMULATED_NETWORK)
            .envs(network.map(|network| (EMULATED_NETWORK, network)))
            .stdin(Stdio::piped());
        if std::env::var_os("RINGWAY_LOG").is_none() {
            command.env("RINGWAY_LOG", "warn");
        }
        let mut running = Running::start(command, "ringway serve")?;
        let stdin = running.stdin();
        let lines = running.lines()?;
        let line = lines
            .recv_timeout(PATIENCE)
            .map_err(|_| "ringway serve did not get ready; its own words are above")?;
        let tcp = line
            .split_whitespace()
            .find(|word| word.starts_with("127.0.0.1:"))
            .ok_or_else(|| format!("ringway serve announced no TCP address: {line}"))?
            .to_owned();
        Ok(Self {
            running,
            unix,
            tcp,
            _lines: lines,
            _stdin: stdin,
        })
    }

    /// Its process identifier.
    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    fn address(&self, link: Link) -> &str {
        match link {
            Link::Shm => &self.unix,
            Link::Tcp | Link::Rdma | Link::Direct => &self.tcp,
        }
    }
}
