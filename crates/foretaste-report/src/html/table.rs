//! The most suspicious samples as JSON inside the page.

use crate::excerpt::short;
use crate::{ReportError, words};
use foretaste_core::{DetectorStatus, Report, SampleRow};
use serde_json::{Value, json};

/// Samples in the page's table. More would make the page slow; `samples.parquet` holds all.
pub const MAX_SAMPLES: usize = 1000;

/// `{"head": [[name, kind], ...], "rows": [[...], ...]}`, safe inside a script element.
pub fn json(report: &Report, samples: &[SampleRow]) -> Result<String, ReportError> {
    let ran: Vec<_> = words::detectors(report, DetectorStatus::Ran).collect();
    let with_lines = samples.iter().any(|s| s.line.is_some());
    let mut head = vec![(if with_lines { "Line" } else { "Row" }, "number")];
    let several_files = report.coverage.inputs.len() > 1;
    if several_files {
        head.push(("File", "text"));
    }
    head.extend([("Verdict", "verdict"), ("Findings", "text"), ("Given", "text"), ("Expected", "text")]);
    head.push(("Sample", "text"));
    let mut head: Vec<Value> = head.into_iter().map(|(name, kind)| json!([name, kind, ""])).collect();
    for d in &ran {
        head.push(json!([short(&d.id, 40), "number", if d.calibrated { "p" } else { "s" }]));
    }
    let rows: Vec<Value> = most_suspicious(samples)
        .into_iter()
        .map(|s| {
            let mut row = vec![json!(s.line.filter(|_| with_lines).unwrap_or(s.file_row))];
            if several_files {
                row.push(json!(report.coverage.inputs.get(s.file as usize).map(|i| short(&i.path, 60))));
            }
            let label = |l: &Option<String>| json!(l.as_ref().map(|l| short(l, 40)));
            row.extend([
                json!(s.verdict),
                json!(short(&s.findings.join(" "), 80)),
                label(&s.given),
                label(&s.expected),
                json!(short(&s.id.0, 60)),
            ]);
            row.extend((0..ran.len()).map(|d| match ran[d].calibrated {
                true => json!(s.p_value.get(d).copied().flatten()),
                false => json!(s.suspicion.get(d).copied()),
            }));
            Value::Array(row)
        })
        .collect();
    Ok(in_script(&serde_json::to_string(&json!({ "head": head, "rows": rows }))?))
}

/// JSON that cannot end, or change the parsing of, the script element around it.
pub fn in_script(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

/// By verdict, then by the number of findings, the smallest p-value, the highest suspicion relative to the range of
/// its detector, and the row, so that the order is total.
fn most_suspicious(samples: &[SampleRow]) -> Vec<&SampleRow> {
    let ranges = ranges(samples);
    let key = |s: &SampleRow| {
        let verdict = match s.verdict {
            "quarantine" => 0u8,
            "review" => 1,
            _ => 2,
        };
        let p = s.p_value.iter().flatten().copied().fold(f64::INFINITY, f64::min);
        let relative = s
            .suspicion
            .iter()
            .zip(&ranges)
            .map(|(x, (low, high))| (x - low) / (high - low).max(f32::MIN_POSITIVE));
        let top = relative.filter(|r| r.is_finite()).fold(0f32, f32::max);
        (verdict, usize::MAX - s.findings.len(), Ordered(p), Ordered(f64::from(-top)), s.row)
    };
    let mut keyed: Vec<_> = samples.iter().map(|s| (key(s), s)).collect();
    if keyed.len() > MAX_SAMPLES {
        keyed.select_nth_unstable_by(MAX_SAMPLES, |a, b| a.0.cmp(&b.0));
        keyed.truncate(MAX_SAMPLES);
    }
    keyed.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    keyed.into_iter().map(|(_, s)| s).collect()
}

fn ranges(samples: &[SampleRow]) -> Vec<(f32, f32)> {
    let mut out: Vec<(f32, f32)> = Vec::new();
    for s in samples {
        out.resize(out.len().max(s.suspicion.len()), (f32::INFINITY, f32::NEG_INFINITY));
        for (range, x) in out.iter_mut().zip(&s.suspicion).filter(|(_, x)| x.is_finite()) {
            *range = (range.0.min(*x), range.1.max(*x));
        }
    }
    out
}

/// A float in its total order.
struct Ordered(f64);

impl PartialEq for Ordered {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}
impl Eq for Ordered {}
impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_the_script_element() {
        let hostile = json!(["</script><script>alert(1)</script>", "<!--", "]]>", "\u{2028}"]);
        let text = in_script(&hostile.to_string());
        assert!(!text.contains(['<', '>', '&', '\u{2028}']));
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), hostile);
    }
}
