//! Times exact KNN-Shapley values: `bench_shapley <rows> <queries> <d> <k> <file: rows and queries as little-endian f32> [--out
//! <file of f64>]`. Labels are the row number modulo 10.

mod clock;

use clock::{Clock, peak_kb};
use foretaste_num::shapley::knn_shapley_mean;
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [n, q, d, k, path, rest @ ..] = args.as_slice() else {
        return Err("expected <rows> <queries> <d> <k> <file> [--out file]".into());
    };
    let (n, q, d, k): (usize, usize, usize, usize) = (n.parse()?, q.parse()?, d.parse()?, k.parse()?);
    let data: Vec<f32> =
        std::fs::read(path)?.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    let (base, queries) = data.split_at(n * d);
    let labels = |rows: usize| (0..rows as u32).map(|i| i % 10).collect::<Vec<u32>>();
    let clock = Clock::start();
    let values = knn_shapley_mean(base, &labels(n), queries, &labels(q), d, k);
    let (wall, cpu) = (clock.wall_s(), clock.cpu_s());
    if let [flag, out] = rest
        && flag == "--out"
    {
        std::fs::write(out, values.iter().flat_map(|s| s.to_le_bytes()).collect::<Vec<u8>>())?;
    }
    println!("{{\"cpu_s\": {cpu:.3}, \"wall_s\": {wall:.3}, \"peak_kb\": {}}}", peak_kb());
    Ok(())
}
