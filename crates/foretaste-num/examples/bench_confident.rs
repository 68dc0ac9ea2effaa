//! Times confident learning on raw files and writes what it flags.
//!
//! `bench_confident --labels y.u32 --probs p.f32 --classes 10 --rule both --out flags.u8 [--score s.f32]`:
//! little-endian arrays without a header. Prints `{"cpu_s":..,"wall_s":..,"peak_kb":..}`; reading is not timed.

mod clock;

use clock::{Clock, peak_kb};
use std::error::Error;

use foretaste_num::confident::{Options, find_label_issues};

fn arg(name: &str) -> Option<String> {
    let mut args = std::env::args().skip_while(|a| a != name);
    args.nth(1)
}

/// Four-byte values of a raw file.
fn read<T>(path: &str, of: impl Fn([u8; 4]) -> T) -> Result<Vec<T>, Box<dyn Error>> {
    use std::io::Read;
    let mut file = std::io::BufReader::with_capacity(1 << 20, std::fs::File::open(path)?);
    let n = std::fs::metadata(path)?.len() / 4;
    let mut out = Vec::with_capacity(usize::try_from(n)?);
    let mut word = [0u8; 4];
    for _ in 0..n {
        file.read_exact(&mut word)?;
        out.push(of(word));
    }
    Ok(out)
}

fn main() -> Result<(), Box<dyn Error>> {
    let need = |name: &str| arg(name).ok_or_else(|| format!("missing `{name}`"));
    let labels = read(&need("--labels")?, u32::from_le_bytes)?;
    let probs = read(&need("--probs")?, f32::from_le_bytes)?;
    let classes: usize = need("--classes")?.parse()?;
    let repeat: u32 = arg("--repeat").map_or(Ok(1), |r| r.parse())?;
    let mut options = Options { rule: need("--rule")?.parse()?, ..Options::default() };
    if let Some(f) = arg("--frac-noise") {
        options.frac_noise = f.parse()?;
    }
    if let Some(m) = arg("--min-examples") {
        options.min_examples_per_class = m.parse()?;
    }
    let before_kb = peak_kb();
    let clock = Clock::start();
    let mut issues = find_label_issues(&labels, &probs, classes, &options)?;
    for _ in 1..repeat {
        issues = find_label_issues(&labels, &probs, classes, &options)?;
    }
    let each = |t: f64| t / f64::from(repeat);
    println!(
        "{{\"cpu_s\":{:.4},\"wall_s\":{:.4},\"peak_kb\":{},\"input_kb\":{before_kb},\"flagged\":{},\"noise_rate\":{}}}",
        each(clock.cpu_s()),
        each(clock.wall_s()),
        peak_kb(),
        issues.count(),
        issues.joint.noise_rate()
    );
    std::fs::write(need("--out")?, issues.flagged.iter().map(|f| u8::from(*f)).collect::<Vec<_>>())?;
    if let Some(path) = arg("--calibrated") {
        std::fs::write(
            path,
            issues.joint.calibrated.iter().flat_map(|c| c.to_le_bytes()).collect::<Vec<_>>(),
        )?;
    }
    Ok(())
}
