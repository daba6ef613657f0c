//! The command line.

use crate::bench;
use crate::child::Task;
use crate::rdma;
use clap::{Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// How many sessions suite scale starts.
pub const SESSIONS: [u16; 7] = [1, 2, 4, 8, 16, 32, 64];

/// Measures Ringway: submit cost, waiting calls, copies and idle sessions, each beside the machine's own floor.
///
/// Without a subcommand: the numbers that matter, beside their goals.
#[derive(Debug, Parser)]
#[command(name = "ringway-perf", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub what: Option<What>,
    /// Links to measure; `direct` is the driver without Ringway.
    #[arg(
        long,
        global = true,
        value_delimiter = ',',
        default_values = ["shm", "tcp"],
        value_name = "LINK"
    )]
    pub link: Vec<Link>,
    /// Write the rows to FILE as a JSON array.
    #[arg(long, global = true, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write a report with pictures to FILE, as one HTML page.
    #[arg(long, global = true, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// GPU of the embedded server: `auto`, `softgpu`, or a libcuda.so.1.
    #[arg(long, global = true, default_value = "softgpu", value_name = "WHICH")]
    pub driver: String,
    /// Server to measure instead of an embedded one (HOST:PORT or unix:/PATH).
    #[arg(long, global = true, value_name = "ADDR")]
    pub server: Option<String>,
    /// The ringway program, if not the one beside this one.
    #[arg(long, global = true, value_name = "FILE")]
    pub ringway: Option<PathBuf>,
    /// As few samples as can be: for a test that it works, not for numbers.
    #[arg(long, global = true)]
    pub quick: bool,
}

/// What to measure.
#[derive(Debug, Subcommand)]
pub enum What {
    /// A lane by itself, without CUDA: a record there, an answer back.
    Ring,
    /// Posted calls: what a launch costs the thread that makes it.
    Submit,
    /// Waiting calls: there and back.
    Call,
    /// Copies in both directions, 1 byte to 256 MiB, pageable and pinned.
    Copy,
    /// CPU time and memory of a session that does nothing.
    Idle,
    /// From the start of `ringway run` to the first kernel's end, and what of it where; beside the same without Ringway.
    Start {
        /// Starts on each link, in turn; by default 30.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..10_000))]
        rounds: Option<u16>,
    },
    /// Whole programs, shaped as training steps, decoding of tokens and a pipeline of copies, beside the same without Ringway.
    App {
        /// Runs on each link, in turn; by default 9.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..10_000))]
        rounds: Option<u16>,
    },
    /// Whole programs over emulated networks, beside the same without Ringway and beside what `ringway why` predicts.
    Networks {
        /// Round trips to emulate, in us or ms.
        #[arg(long, value_delimiter = ',', value_name = "TIME,...")]
        rtt: Vec<String>,
        /// Bandwidths to emulate, in Gbit; each with each round trip.
        #[arg(long, value_delimiter = ',', value_name = "RATE,...")]
        bandwidth: Vec<String>,
        /// Runs over each network, in turn; by default 5.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..10_000))]
        rounds: Option<u16>,
    },
    /// Many sessions of one server at once: what chatty ones cost a quiet one, all calls, memory a session.
    Scale {
        /// How many sessions, each number in turn; at most 256.
        #[arg(
            long,
            value_delimiter = ',',
            default_values_t = SESSIONS,
            value_name = "N,...",
            value_parser = clap::value_parser!(u16).range(1..=256)
        )]
        sessions: Vec<u16>,
    },
    /// One program on 1, 2 and 4 GPUs of one server that compute by themselves: all launches a second.
    Gpus,
    /// Copies between devices of two servers of one program, straight and by the program's machine, beside a raw socket.
    Servers,
    /// Calls of the driver API one by one, beside the same without Ringway.
    Api {
        /// Only calls whose symbol contains TEXT.
        #[arg(long, value_name = "TEXT", default_value = "")]
        call: String,
    },
    /// Speed of the software GPU's interpreter, beside the same computations compiled.
    Softgpu {
        /// Only cases whose name contains TEXT.
        #[arg(long, value_name = "TEXT", default_value = "")]
        case: String,
    },
    /// Instructions that calls and parts of Ringway take, counted by callgrind (valgrind must be installed): the same on a busy machine.
    Instructions {
        /// Only cases whose name contains TEXT.
        #[arg(long, value_name = "TEXT", default_value = "")]
        case: String,
        /// Compare with the counts in FILE; a case that takes over 3 % more is an error.
        #[arg(long, value_name = "FILE")]
        baseline: Option<PathBuf>,
        /// Write the counts to FILE.
        #[arg(long, value_name = "FILE", conflicts_with = "case")]
        write_baseline: Option<PathBuf>,
    },
    /// Ringway's verbs layer beside perftest, which must be installed, on the same RDMA devices.
    Rdma {
        /// Device to measure with itself, or two (SERVER:CLIENT); the first one if none is named.
        #[arg(long, value_name = "DEVICE[:DEVICE]")]
        device: Vec<rdma::Way>,
        /// Runs of ours and of perftest's, in turn.
        #[arg(
            long,
            default_value_t = 7,
            value_name = "N",
            value_parser = clap::value_parser!(u16).range(1..1000)
        )]
        pairs: u16,
    },
    /// The numbers that matter, beside their goals: what is measured without a subcommand.
    Brief,
    /// Everything but rdma.
    All,
    /// What runs as a CUDA program under `ringway run`.
    #[command(hide = true)]
    Child {
        #[command(subcommand)]
        task: Task,
    },
}

/// How the measured program reaches its GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Link {
    Shm,
    Tcp,
    Rdma,
    Direct,
}

impl Link {
    /// As in a row, and for `ringway run --link`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Shm => "shm",
            Self::Tcp => "tcp",
            Self::Rdma => "rdma",
            Self::Direct => "direct",
        }
    }
}

/// How many samples are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Effort {
    /// As few as can be.
    Quick,
    /// For the numbers that matter.
    Brief,
    /// For quantiles.
    Full,
}

impl Effort {
    /// One of three.
    pub fn pick<T>(self, quick: T, brief: T, full: T) -> T {
        match self {
            Self::Quick => quick,
            Self::Brief => brief,
            Self::Full => full,
        }
    }

    /// As on the command line.
    pub fn name(self) -> &'static str {
        self.pick("quick", "brief", "full")
    }
}

impl Cli {
    /// The suites of `bench.rs` that were asked for.
    pub fn suites(&self) -> &'static [bench::Suite] {
        use bench::Suite;
        match self.what {
            None | Some(What::Brief | What::All) => &Suite::ALL,
            Some(What::Submit) => &[Suite::Submit],
            Some(What::Call) => &[Suite::Call],
            Some(What::Copy) => &[Suite::Copy],
            Some(What::Idle) => &[Suite::Idle],
            Some(_) => &[],
        }
    }

    /// How many samples were asked for.
    pub fn effort(&self) -> Effort {
        match (self.quick, &self.what) {
            (true, _) => Effort::Quick,
            (false, None | Some(What::Brief)) => Effort::Brief,
            (false, Some(_)) => Effort::Full,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_effort_is_what_was_asked_for() {
        let effort = |words: &[&str]| {
            Cli::try_parse_from([&["ringway-perf"], words].concat())
                .expect("a command line")
                .effort()
        };
        assert_eq!(effort(&[]), Effort::Brief);
        assert_eq!(effort(&["all"]), Effort::Full);
        assert_eq!(effort(&["rdma", "--quick", "--pairs", "3"]), Effort::Quick);
        assert_eq!(effort(&["--quick"]), Effort::Quick);
    }

    #[test]
    fn scale_takes_numbers_within_its_bound() {
        let parse = |list| Cli::try_parse_from(["ringway-perf", "scale", "--sessions", list]);
        assert!(parse("1,64,256").is_ok());
        assert!(parse("0").is_err());
        assert!(parse("257").is_err());
    }
}
