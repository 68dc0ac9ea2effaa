//! Times training steps of the small network: `bench_cnn [--steps <n>] [--threads <t>] [--batch <n>]`. 28 x 28 x 1
//! random pictures, 10 classes, 16 and 32 channels, 128 hidden values.

mod clock;

use clock::{Clock, peak_kb};
use foretaste_num::cnn::{Cnn, Shape, Trainer};
use foretaste_num::rng::Rng;
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str, otherwise: usize| {
        let at = args.iter().position(|a| a == name).and_then(|at| args.get(at + 1));
        at.map_or(Ok(otherwise), |v| v.parse())
    };
    let (steps, threads, batch) = (option("--steps", 200)?, option("--threads", 1)?, option("--batch", 64)?);
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    let shape = Shape { side: 28, colours: 1, channels: 16, hidden: 128, classes: 10 };
    let mut rng = Rng::new(1, "bench");
    let inputs: Vec<f32> = (0..batch * shape.pixels()).map(|_| rng.unit() as f32).collect();
    let labels: Vec<u32> = (0..batch).map(|_| rng.below(10) as u32).collect();
    let mut trainer = Trainer::new(Cnn::new(shape, &[0.5], &[3.0], 1).ok_or("sizes")?);
    // buffers and thread pools are not timed
    let mut loss = 0.0;
    for _ in 0..5 {
        loss = trainer.step(&inputs, &labels, 0.01, 0.9, 0.0);
    }
    let clock = Clock::start();
    for _ in 0..steps {
        loss = trainer.step(&inputs, &labels, 0.01, 0.9, 0.0);
    }
    let (wall, cpu) = (clock.wall_s(), clock.cpu_s());
    eprintln!(
        "{:.1} steps/s of wall, {:.1} steps/s of CPU, loss {loss:.4}",
        steps as f64 / wall,
        steps as f64 / cpu
    );
    println!(
        "{{\"cpu_s\": {cpu:.3}, \"wall_s\": {wall:.3}, \"peak_kb\": {}, \"steps\": {steps}}}",
        peak_kb()
    );
    Ok(())
}
