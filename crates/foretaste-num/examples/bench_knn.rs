//! Times `self_neighbours` on a raw file: `bench_knn <n> <d> <k> <file of little-endian f32> [--out
//! <file of u32>] [--threads <t>] [--cosine]`.

mod clock;

use clock::{Clock, peak_kb};
use foretaste_num::knn::{Metric, self_neighbours};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [n, d, k, path, rest @ ..] = args.as_slice() else {
        return Err("expected <n> <d> <k> <file> [--out file] [--threads t] [--cosine]".into());
    };
    let (n, d, k): (usize, usize, usize) = (n.parse()?, d.parse()?, k.parse()?);
    let data: Vec<f32> =
        std::fs::read(path)?.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).take(n * d).collect();
    let option = |name: &str| rest.iter().position(|a| a == name).and_then(|at| rest.get(at + 1));
    if let Some(threads) = option("--threads") {
        rayon::ThreadPoolBuilder::new().num_threads(threads.parse()?).build_global()?;
    }
    let metric = if rest.iter().any(|a| a == "--cosine") { Metric::Cosine } else { Metric::Euclidean };
    let clock = Clock::start();
    let near = self_neighbours(&data, d, k, metric);
    let (wall, cpu) = (clock.wall_s(), clock.cpu_s());
    if let Some(out) = option("--out") {
        std::fs::write(out, near.index.iter().flat_map(|i| i.to_le_bytes()).collect::<Vec<u8>>())?;
    }
    println!("{{\"cpu_s\": {cpu:.3}, \"wall_s\": {wall:.3}, \"peak_kb\": {}}}", peak_kb());
    Ok(())
}
