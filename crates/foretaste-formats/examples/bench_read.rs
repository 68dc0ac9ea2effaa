//! Reads a file and prints what it took: `bench_read FILE`.

use std::time::Instant;

use foretaste_formats::{FormatError, OpenOptions, Source};

fn main() -> Result<(), FormatError> {
    let inputs: Vec<String> = std::env::args().skip(1).collect();
    let start = Instant::now();
    let source = Source::open(&inputs, &OpenOptions::default())?;
    let opened = start.elapsed().as_secs_f64();
    let mut rows = 0u64;
    for located in source.batches()? {
        rows += located?.batch.num_rows() as u64;
    }
    let wall = start.elapsed().as_secs_f64();
    for note in source.notes().iter().take(10) {
        eprintln!("{:?}: {}", note.kind, note.text);
    }
    let (cpu, peak) = usage();
    println!(
        "{{\"cpu_s\":{cpu:.2},\"wall_s\":{wall:.2},\"peak_kb\":{peak},\"rows\":{rows},\"open_s\":{opened:.2}}}"
    );
    Ok(())
}

/// CPU seconds of all threads and the largest resident size in KiB, from `/proc`; zeros elsewhere.
fn usage() -> (f64, u64) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or("").split(' ').collect();
    let ticks = |i: usize| fields.get(i).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|l| l.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0);
    ((ticks(11) + ticks(12)) / 100.0, peak)
}
