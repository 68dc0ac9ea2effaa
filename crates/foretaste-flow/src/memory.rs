//! How much memory there is.

/// Bytes that the machine can give now; 4 GiB where it does not say.
#[must_use]
pub fn available() -> u64 {
    let known = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find(|l| l.starts_with("MemAvailable:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kb| kb * 1024)
    });
    known.unwrap_or(4 << 30)
}

/// Begins to measure [`peak`] anew, where the system can (Linux).
pub fn reset_peak() {
    // writing 5 resets the high-water mark of the process; where that is not allowed the mark stays, and says too much
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// Most bytes that this process held at once since [`reset_peak`]; `None` where the system does not say.
#[must_use]
pub fn peak() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|l| l.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kb| kb * 1024)
}
