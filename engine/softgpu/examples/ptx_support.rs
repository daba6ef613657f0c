//! Says which kernels of PTX files the software GPU can run, and why not: `ptx_support FILE...`

use ringway_softgpu::exec::{CompileOptions, compile_text};

fn main() {
    let options = CompileOptions { compute_capability: 121, ..CompileOptions::default() };
    let (mut good, mut bad) = (0, 0);
    for path in std::env::args().skip(1) {
        let text = match std::fs::read(&path) {
            Ok(b) => String::from_utf8_lossy(&b).trim_end_matches('\0').to_string(),
            Err(e) => {
                println!("{path}: {e}");
                continue;
            }
        };
        let start = std::time::Instant::now();
        match compile_text(&text, &options) {
            Err(e) => {
                bad += 1;
                println!("{path}: {e}");
            }
            Ok(p) => {
                for (name, k) in &p.kernels {
                    match k {
                        Ok(_) => good += 1,
                        Err(e) => {
                            bad += 1;
                            println!("{path}: {name}: {e}");
                        }
                    }
                }
                println!("{path}: {} kernels in {:.1} ms", p.kernels.len(), start.elapsed().as_secs_f64() * 1e3);
            }
        }
    }
    println!("{good} kernels can run, {bad} cannot");
}
