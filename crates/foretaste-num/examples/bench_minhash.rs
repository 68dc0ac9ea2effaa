//! Times near-duplicate search over a file of texts, one a line.
//!
//! `bench_minhash --texts docs.txt --out groups.txt [--exact]`: writes one group a line, prints
//! `{"cpu_s":..,"wall_s":..,"peak_kb":..,"sketch_cpu_s":..}`; reading is not timed.

mod clock;

use clock::{Clock, peak_kb};
use std::error::Error;
use std::fmt::Write;

use foretaste_num::minhash::{Params, Sketch, groups, groups_of_texts};

fn arg(name: &str) -> Option<String> {
    let mut args = std::env::args().skip_while(|a| a != name);
    args.nth(1)
}

fn main() -> Result<(), Box<dyn Error>> {
    let need = |name: &str| arg(name).ok_or_else(|| format!("missing `{name}`"));
    let all = std::fs::read_to_string(need("--texts")?)?;
    let texts: Vec<&str> = all.lines().collect();
    let params = Params::default();
    let clock = Clock::start();
    let mut sketched = 0.0;
    let found = if std::env::args().any(|a| a == "--exact") {
        groups_of_texts(&texts, &params)
    } else {
        let signatures = Sketch::new(&params).signatures(&texts);
        sketched = clock.cpu_s();
        groups(&signatures, &params)
    };
    println!(
        "{{\"cpu_s\":{:.3},\"wall_s\":{:.4},\"peak_kb\":{},\"sketch_cpu_s\":{sketched:.3},\"groups\":{}}}",
        clock.cpu_s(),
        clock.wall_s(),
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
