//! Times boosted trees on a raw file: `bench_boost <train rows> <test rows> <kinds> <classes> <columns> <labels>`.
//!
//! `kinds` has an `n` (number) or a `c` (category) for each column; `columns` is a file of little-endian f64, column after
//! column, NaN where missing; `labels` one of u32. Training rows come first. `--threads <t>` and `--rounds <r>` do what
//! they say.

mod clock;

use clock::{Clock, peak_kb};
use foretaste_num::boost::{Column, Options, fit};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [train, test, kinds, classes, columns, labels, rest @ ..] = args.as_slice() else {
        return Err(
            "expected <train rows> <test rows> <kinds> <classes> <columns> <labels> [--threads t]".into()
        );
    };
    let (train, test, classes): (usize, usize, usize) = (train.parse()?, test.parse()?, classes.parse()?);
    let option = |name: &str| rest.iter().position(|a| a == name).and_then(|at| rest.get(at + 1));
    let mut options = Options::default();
    if let Some(rounds) = option("--rounds") {
        options.rounds = rounds.parse()?;
    }
    if let Some(t) = option("--threads") {
        rayon::ThreadPoolBuilder::new().num_threads(t.parse()?).build_global()?;
    }
    let rows = train + test;
    let values: Vec<f64> =
        std::fs::read(columns)?.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b)).collect();
    let labels: Vec<u32> =
        std::fs::read(labels)?.as_chunks::<4>().0.iter().map(|b| u32::from_le_bytes(*b)).collect();
    if values.len() != rows * kinds.len() || labels.len() != rows {
        return Err("the files do not have as many values as rows and columns say".into());
    }
    let codes: Vec<Vec<u32>> = values
        .chunks_exact(rows)
        .map(|c| c.iter().map(|v| if v.is_nan() { u32::MAX } else { *v as u32 }).collect())
        .collect();
    let part = |from: usize, to: usize| -> Vec<Column<'_>> {
        kinds
            .bytes()
            .zip(values.chunks_exact(rows))
            .zip(&codes)
            .map(
                |((kind, v), c)| {
                    if kind == b'c' { Column::Category(&c[from..to]) } else { Column::Number(&v[from..to]) }
                },
            )
            .collect()
    };
    let (learn, held) = (part(0, train), part(train, rows));
    let clock = Clock::start();
    let model = fit(&learn, &labels[..train], classes, &options);
    let (wall, cpu) = (clock.wall_s(), clock.cpu_s());
    let probs = model.predict(&held);
    let right = probs
        .chunks_exact(classes)
        .zip(&labels[train..])
        .filter(|(p, l)| (0..classes).reduce(|a, b| if p[b] > p[a] { b } else { a }) == Some(**l as usize))
        .count();
    let loss: f64 = probs
        .chunks_exact(classes)
        .zip(&labels[train..])
        .map(|(p, l)| -f64::from(p[*l as usize].max(1e-12)).ln())
        .sum::<f64>()
        / test.max(1) as f64;
    println!(
        "{{\"cpu_s\": {cpu:.3}, \"wall_s\": {wall:.3}, \"peak_kb\": {}, \"accuracy\": {:.5}, \"loss\": {loss:.5}}}",
        peak_kb(),
        right as f64 / test.max(1) as f64
    );
    Ok(())
}
