//! Times out-of-fold class probabilities of texts.
//!
//! `bench_text --texts F.txt --labels F.u32 [--folds 5] --out F.f32`: a text a line, a raw little-endian class
//! number a text. Writes raw probabilities `texts x classes`, prints
//! `{"cpu_s":..,"wall_s":..,"peak_kb":..,"columns":..,"accuracy":..}`; reading and writing are not timed.

#[path = "../../foretaste-num/examples/clock/mod.rs"]
mod clock;

use clock::{Clock, peak_kb};
use std::error::Error;

use foretaste_num::softmax::FoldOptions;
use foretaste_victims::{Features, surrogate, text};

fn arg(name: &str) -> Option<String> {
    let mut args = std::env::args().skip_while(|a| a != name);
    args.nth(1)
}

fn main() -> Result<(), Box<dyn Error>> {
    let need = |name: &str| arg(name).ok_or_else(|| format!("missing `{name}`"));
    let all = std::fs::read_to_string(need("--texts")?)?;
    let texts: Vec<&str> = all.lines().collect();
    let raw = std::fs::read(need("--labels")?)?;
    let labels: Vec<u32> =
        raw.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    if labels.len() != texts.len() {
        return Err(format!("{} labels for {} texts", labels.len(), texts.len()).into());
    }
    let classes = labels.iter().max().map_or(0, |m| *m as usize + 1);
    let folds = arg("--folds").map_or(Ok(5), |f| f.parse())?;
    let clock = Clock::start();
    let (_, features) = text::features(&texts, &text::default_options());
    let out = surrogate(&features, &labels, classes, None, &FoldOptions { folds, ..FoldOptions::default() });
    println!(
        "{{\"cpu_s\":{:.3},\"wall_s\":{:.4},\"peak_kb\":{},\"columns\":{},\"accuracy\":{:.4}}}",
        clock.cpu_s(),
        clock.wall_s(),
        peak_kb(),
        if let Features::Sparse(csr) = &features { csr.cols } else { 0 },
        out.accuracy
    );
    let bytes: Vec<u8> = out.probs.iter().flat_map(|p| p.to_le_bytes()).collect();
    std::fs::write(need("--out")?, bytes)?;
    Ok(())
}
