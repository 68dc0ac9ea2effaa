//! Times what the detectors of planted behaviour compute for each class: `bench_signatures <rows of a class> <d> <file of
//! little-endian f32, class after class> <spectral|clusters|robust> [--out <file of f32>]`.

mod clock;

use clock::{Clock, peak_kb};
use foretaste_num::linalg::principal_components;
use foretaste_num::robust::{QueOptions, que};
use foretaste_num::spectral::signature;
use foretaste_num::two_means::two_means;
use rayon::prelude::*;
use std::error::Error;

fn clusters(rows: &[f32], d: usize) -> Vec<f32> {
    let p = principal_components(rows, rows.len() / d, d, 10, 1);
    let split = two_means(&p.projected, p.rank, 10, 1);
    let quality = (split.silhouette * (1.0 - 2.0 * split.share)) as f32;
    split.side.iter().map(|side| quality * side.clamp(0.0, 1.0)).collect()
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [n, d, path, what, rest @ ..] = args.as_slice() else {
        return Err("expected <rows of a class> <d> <file> <spectral|clusters|robust> [--out file]".into());
    };
    let (n, d): (usize, usize) = (n.parse()?, d.parse()?);
    let data: Vec<f32> =
        std::fs::read(path)?.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    let options = QueOptions { most: 64, trim: 0.5, alpha: 4.0, seed: 1 };
    let score = |rows: &[f32]| match what.as_str() {
        "spectral" => signature(rows, d, 1),
        "clusters" => clusters(rows, d),
        _ => que(rows, d, &options),
    };
    let clock = Clock::start();
    let scores: Vec<Vec<f32>> = data.par_chunks_exact(n * d).map(score).collect();
    let (wall, cpu) = (clock.wall_s(), clock.cpu_s());
    if let [flag, out] = rest
        && flag == "--out"
    {
        std::fs::write(out, scores.iter().flatten().flat_map(|s| s.to_le_bytes()).collect::<Vec<u8>>())?;
    }
    println!("{{\"cpu_s\": {cpu:.3}, \"wall_s\": {wall:.3}, \"peak_kb\": {}}}", peak_kb());
    Ok(())
}
