//! perftest's programs: started, waited for with a bound, and their tables read.

use super::{Case, DEPTH, Ends, What};
use ringway_verbs::{Context, GidEntry, GidKind};
use std::io::Read;
use std::net::{IpAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// For a program to listen.
const PATIENCE: Duration = Duration::from_secs(30);
/// For one run.
const PERFTEST_TIMEOUT: Duration = Duration::from_secs(120);

/// perftest's run of the same: its median of half a round trip, or the mean of one message; nanoseconds.
pub(super) fn perftest(ends: &Ends, case: &Case) -> Result<f64, String> {
    // free at this moment
    let port = TcpListener::bind("0.0.0.0:0").and_then(|socket| socket.local_addr());
    let port = port.map_err(|error| error.to_string())?.port().to_string();
    let (bytes, rounds, mtu) = (
        case.bytes.to_string(),
        case.rounds.to_string(),
        ends.mtu.to_string(),
    );
    let command = |end: &(Context, GidEntry)| {
        let mut command = Command::new(case.tool);
        command.args(["-F", "-p", &port, "-s", &bytes, "-n", &rounds, "-m", &mtu]);
        command.args(["-d", end.0.name(), "-i", &end.1.port.to_string()]);
        if end.1.kind != GidKind::InfiniBand {
            command.args(["-x", &end.1.index.to_string()]);
        }
        match case.what {
            What::Write | What::Send => command.args(["-I", "0"]),
            What::SendAsleep => command.args(["-I", "0", "-e"]),
            What::Bandwidth => command.args(["-t", &DEPTH.to_string()]),
        };
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        command
    };
    let start = |mut command: Command| {
        let child = command.spawn().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                format!("{} is not installed (package perftest)", case.tool)
            }
            _ => format!("{}: {error}", case.tool),
        })?;
        Ok::<_, String>(Tool(child))
    };
    let mut server = start(command(&ends.server))?;
    server.listens(&port)?;
    let mut client = command(&ends.client);
    client.arg(match ends.server.1.gid.to_ip() {
        IpAddr::V4(address) if ends.server.1.kind != GidKind::InfiniBand => address.to_string(),
        _ => "127.0.0.1".into(),
    });
    let text = start(client)?.output()?;
    server.output()?;
    result_of(&text, case.what)
        .map(|value| match case.what {
            // MiB/s
            What::Bandwidth => case.bytes as f64 * 1e9 / (value * 1_048_576.0),
            _ => value * 1000.0,
        })
        .filter(|ns| ns.is_finite() && *ns > 0.0)
        .ok_or_else(|| format!("{} printed no result", case.tool))
}

/// The typical time in microseconds, or the average bandwidth in MiB/s, of perftest's table.
fn result_of(text: &str, what: What) -> Option<f64> {
    let mut lines = text
        .lines()
        .skip_while(|line| !line.trim_start().starts_with("#bytes"));
    let head = lines.next()?;
    let title = match what {
        What::Bandwidth => "BW average",
        _ => "t_typical",
    };
    // Titles may hold spaces; the units in brackets end them.
    let column = head
        .split(']')
        .position(|part| part.contains(title))
        .map(|at| at + 2)?; // #bytes and #iterations stand ahead of the first unit
    lines.next()?.split_whitespace().nth(column)?.parse().ok()
}

/// A running program of perftest; killed when dropped.
struct Tool(Child);

impl Drop for Tool {
    fn drop(&mut self) {
        if !matches!(self.0.try_wait(), Ok(Some(_))) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

impl Tool {
    /// Waits until a socket listens at the port.
    fn listens(&mut self, port: &str) -> Result<(), String> {
        let port = port.parse::<u16>().map_err(|error| error.to_string())?;
        let wanted = format!(":{port:04X} ");
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let listening = ["/proc/net/tcp", "/proc/net/tcp6"].iter().any(|path| {
                let text = std::fs::read_to_string(path).unwrap_or_default();
                text.lines().any(|line| {
                    let mut words = line.split_whitespace().skip(1);
                    let local = words
                        .next()
                        .is_some_and(|word| format!("{word} ").ends_with(&wanted));
                    local && words.nth(1) == Some("0A")
                })
            });
            if listening {
                return Ok(());
            }
            if let Ok(Some(status)) = self.0.try_wait() {
                return Err(format!(
                    "perftest's server ended with {status}: {}",
                    self.rest()
                ));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Err("perftest's server does not listen".into())
    }

    fn rest(&mut self) -> String {
        let mut text = String::new();
        if let Some(out) = &mut self.0.stdout {
            let _ = out.read_to_string(&mut text);
        }
        text.lines().last().unwrap_or_default().into()
    }

    /// What it prints, when it has ended. Its table is far smaller than a pipe holds.
    fn output(&mut self) -> Result<String, String> {
        let deadline = Instant::now() + PERFTEST_TIMEOUT;
        let status = loop {
            match self.0.try_wait().map_err(|error| error.to_string())? {
                Some(status) => break status,
                None if Instant::now() > deadline => {
                    return Err(format!(
                        "perftest was not done after {} s",
                        PERFTEST_TIMEOUT.as_secs()
                    ));
                }
                None => thread::sleep(Duration::from_millis(20)),
            }
        };
        let mut text = String::new();
        if let Some(out) = &mut self.0.stdout {
            out.read_to_string(&mut text)
                .map_err(|error| error.to_string())?;
        }
        if status.success() {
            Ok(text)
        } else {
            let last = text.lines().last().unwrap_or_default();
            Err(format!("perftest ended with {status}: {last}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_found_in_perftests_tables() {
        let latency = "
 #bytes #iterations    t_min[usec]    t_max[usec]  t_typical[usec]    t_avg[usec]    t_stdev[usec]   99% percentile[usec]   99.9% percentile[usec]
 64      1000          29.31          10012.01      30.17    \t       365.84      \t1354.59\t\t7991.73 \t\t10012.01
";
        assert_eq!(result_of(latency, What::Write), Some(30.17));
        let bandwidth = "
 #bytes     #iterations    BW peak[MB/sec]    BW average[MB/sec]   MsgRate[Mpps]
 65536      200              62.77              32.15  \t\t   0.000514
";
        assert_eq!(result_of(bandwidth, What::Bandwidth), Some(32.15));
        assert_eq!(result_of("", What::Send), None);
    }
}
