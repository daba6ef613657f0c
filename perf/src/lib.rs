//! `ringway-perf`: what Ringway costs, beside what the machine gives in the same run.
//!
//! `lib.rs` runs the suites that were asked for and reports. Each runs this program again as a CUDA program under
//! `ringway run` (`remote.rs`); `child.rs` is that program, `driver` the CUDA driver API that it calls.
//!
//! | file | |
//! |---|---|
//! | `ring.rs` | suite ring: a lane by itself, between two threads |
//! | `bench.rs` | suites submit, call, copy, idle: one program a suite and link, each case beside its floor (`floors.rs`) |
//! | `start.rs`, `app` | suites start and app: programs beside the same programs directly on the driver (`turns.rs`) |
//! | `networks.rs` | suite networks: the programs of app over emulated networks, beside what `ringway why` predicts |
//! | `api` | suite api: calls of the driver API one by one |
//! | `scale.rs` | suite scale: many sessions of one server at once |
//! | `gpus.rs` | suite gpus: one program on several GPUs of one server |
//! | `servers.rs` | suite servers: copies between two servers of one program |
//! | `instructions` | how many instructions calls and parts take, counted by callgrind |
//! | `parts` | parts of Ringway by themselves; `perf/benches` times them |
//! | `softgpu` | the software GPU's interpreter, no driver |
//! | `rdma` | the verbs layer beside perftest |
//! | `samples.rs`, `pairs.rs`, `row.rs` | times, case and floor in turn, what is reported |
//! | `table.rs`, `goals.rs`, `html` | reports |

mod api;
mod app;
mod bench;
mod child;
mod cli;
mod clock;
pub mod driver;
mod environment;
mod floors;
mod goals;
mod gpus;
mod html;
mod idle;
mod instructions;
mod networks;
mod pairs;
pub mod parts;
mod processes;
mod progress;
mod rdma;
mod remote;
mod ring;
mod row;
mod samples;
mod scale;
mod servers;
mod softgpu;
mod start;
mod table;
mod turns;

use clap::Parser;
use cli::{Cli, Effort, What};
use row::Row;
use std::path::Path;
use std::process::ExitCode;

/// The program.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match &cli.what {
        Some(What::Child { task }) => child::run(task).map_err(|error| error.to_string()),
        _ => report(&cli),
    };
    progress::done();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("ringway-perf: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Measures and reports.
fn report(cli: &Cli) -> Result<(), String> {
    // Found out now rather than after the measurement.
    for (option, file, empty) in [("json", &cli.json, "[]\n"), ("html", &cli.html, "")] {
        write(option, file.as_deref(), || Ok(empty.into()))?;
    }
    let mut environment = environment::describe();
    print!("{environment}");
    let rows = measure(cli)?;
    progress::done();
    if cli.effort() != Effort::Brief {
        println!("{}", table::table(&rows));
    }
    print!("{}", networks::summary(&rows));
    if cli.effort() != Effort::Quick {
        print!("{}", goals::summary(&rows));
    }
    if cli.effort() == Effort::Brief {
        println!("\n`ringway-perf all` prints every case with its quantiles.");
    }
    let after = format!("load after the measurement {}", environment::load());
    println!("{after}");
    environment.push_str(&format!("driver {}\n{after}\n", cli.driver));
    write("json", cli.json.as_deref(), || {
        let text = serde_json::to_string_pretty(&rows).map_err(|error| error.to_string())?;
        Ok(text + "\n")
    })?;
    write("html", cli.html.as_deref(), || {
        Ok(html::page(&environment, &rows, cli.quick))
    })
}

/// Writes what an option asks for, if it was given.
fn write(
    option: &str,
    file: Option<&Path>,
    text: impl FnOnce() -> Result<String, String>,
) -> Result<(), String> {
    let Some(file) = file else { return Ok(()) };
    std::fs::write(file, text()?).map_err(|error| format!("--{option} {}: {error}", file.display()))
}

/// The rows of every suite that was asked for.
fn measure(cli: &Cli) -> Result<Vec<Row>, String> {
    let effort = cli.effort();
    let what = cli.what.as_ref().unwrap_or(&What::Brief);
    let mut rows = match what {
        What::Ring | What::All => ring::measure(cli, effort)?,
        _ => Vec::new(),
    };
    rows.extend(bench::measure(cli, cli.suites(), effort)?);
    match what {
        What::Brief => {
            rows.extend(start::measure(cli, None, effort)?);
            rows.extend(app::measure(cli, None, effort)?);
        }
        What::All => {
            rows.extend(start::measure(cli, None, effort)?);
            rows.extend(app::measure(cli, None, effort)?);
            if cli.server.is_none() {
                rows.extend(networks::measure(cli, &[], &[], None, effort)?);
            }
            rows.extend(scale::measure(cli, &cli::SESSIONS, effort)?);
            if cli.server.is_none() {
                rows.extend(gpus::measure(cli, effort)?);
                rows.extend(servers::measure(cli, effort)?);
            }
            rows.extend(api::measure(cli, "", effort)?);
            rows.extend(softgpu::run("", effort)?);
        }
        What::Start { rounds } => rows.extend(start::measure(cli, *rounds, effort)?),
        What::App { rounds } => rows.extend(app::measure(cli, *rounds, effort)?),
        What::Networks { rtt, bandwidth, rounds } => rows.extend(networks::measure(cli, rtt, bandwidth, *rounds, effort)?),
        What::Scale { sessions } => rows.extend(scale::measure(cli, sessions, effort)?),
        What::Gpus => rows.extend(gpus::measure(cli, effort)?),
        What::Servers => rows.extend(servers::measure(cli, effort)?),
        What::Api { call } => rows.extend(api::measure(cli, call, effort)?),
        What::Softgpu { case } => rows.extend(softgpu::run(case, effort)?),
        What::Instructions {
            case,
            baseline,
            write_baseline,
        } => rows.extend(instructions::measure(
            cli,
            case,
            baseline.as_deref(),
            write_baseline.as_deref(),
        )?),
        What::Rdma { device, pairs } => {
            rows.extend(rdma::run(
                device,
                (*pairs).into(),
                cli.quick,
                progress::say,
            )?);
        }
        What::Ring | What::Submit | What::Call | What::Copy | What::Idle | What::Child { .. } => {}
    }
    Ok(rows)
}
