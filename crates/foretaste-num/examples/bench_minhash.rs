//! Times near-duplicate search over a file of texts, one a line.
//!
//! `bench_minhash --texts docs.txt --out groups.txt [--exact]`: writes one group a line, prints
//! `{"cpu_s":..,"wall_s":..,"peak_kb":..,"sketch_cpu_s":..}`; reading is not timed.

use std::error::Error;
use std::fmt::Write;
use std::time::Instant;

use foretaste_num::minhash::{Params, Sketch, groups, groups_of_texts};

fn arg(name: &str) -> Option<String> {
    let mut args = std::env::args().skip_while(|a| a != name);
    args.nth(1)
}

/// Processor seconds of this process, user and system.
fn cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let rest = stat.rsplit(')').next().unwrap_or_default();
    let ticks = rest.split_whitespace().skip(11).take(2).filter_map(|t| t.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}

fn peak_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with("VmHWM"));
    line.and_then(|l| l.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
}

fn main() -> Result<(), Box<dyn Error>> {
    let need = |name: &str| arg(name).ok_or_else(|| format!("missing `{name}`"));
    let all = std::fs::read_to_string(need("--texts")?)?;
    let texts: Vec<&str> = all.lines().collect();
    let params = Params::default();
    let (cpu, wall) = (cpu_s(), Instant::now());
    let mut sketched = 0.0;
    let found = if std::env::args().any(|a| a == "--exact") {
        groups_of_texts(&texts, &params)
    } else {
        let signatures = Sketch::new(&params).signatures(&texts);
        sketched = cpu_s() - cpu;
        groups(&signatures, &params)
    };
    println!(
        "{{\"cpu_s\":{:.3},\"wall_s\":{:.4},\"peak_kb\":{},\"sketch_cpu_s\":{sketched:.3},\"groups\":{}}}",
        cpu_s() - cpu,
        wall.elapsed().as_secs_f64(),
        peak_kb(),
        found.len()
    );
    let mut lines = String::new();
    for group in found {
        let names: Vec<String> = group.iter().map(u32::to_string).collect();
        writeln!(lines, "{}", names.join(" "))?;
    }
    std::fs::write(need("--out")?, lines)?;
    Ok(())
}
