//! The program `ringway-perf`; see the library.

fn main() -> std::process::ExitCode {
    ringway_perf::main()
}
