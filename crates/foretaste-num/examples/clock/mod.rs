//! What a bench tells of its own process.
//!
//! A folder, so that it is a part of examples and no example itself.

use std::time::Instant;

/// Processor and wall time since it was started.
pub struct Clock {
    cpu: f64,
    wall: Instant,
}

impl Clock {
    /// Starts.
    pub fn start() -> Self {
        Self { cpu: cpu_s(), wall: Instant::now() }
    }

    /// Processor seconds, user and system, in ticks of a hundredth.
    pub fn cpu_s(&self) -> f64 {
        cpu_s() - self.cpu
    }

    /// Seconds.
    pub fn wall_s(&self) -> f64 {
        self.wall.elapsed().as_secs_f64()
    }
}

fn cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let rest = stat.rsplit(')').next().unwrap_or_default();
    let ticks = rest.split_whitespace().skip(11).take(2).filter_map(|t| t.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}

/// Most memory that the process has had, in kilobytes.
pub fn peak_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with("VmHWM"));
    line.and_then(|l| l.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
}
