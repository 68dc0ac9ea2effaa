//! Words and numbers that the outputs share, so that they all say the same.

use crate::excerpt::visible;
use foretaste_core::{
    Action, ColumnInfo, Decision, DetectorRun, DetectorStatus, Finding, Member, Report, Role, Severity,
};
use std::collections::BTreeMap;

/// `45222` as `45,222`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// `1 row`, `2 rows`, `3 classes`.
pub fn plural(n: u64, word: &str) -> String {
    match (n, word) {
        (1, _) => format!("1 {word}"),
        (n, w) if w.ends_with('s') => format!("{} {w}es", count(n)),
        (n, w) => format!("{} {w}s", count(n)),
    }
}

/// A share in per cent, with one decimal where it says something.
pub fn percent(share: f64) -> String {
    let p = share * 100.0;
    if !p.is_finite() {
        "–".to_owned()
    } else if p > 0.0 && p < 0.05 {
        "< 0.1 %".to_owned()
    } else if (p - p.round()).abs() < 0.05 {
        format!("{p:.0} %")
    } else {
        format!("{p:.1} %")
    }
}

/// [`percent`] with one decimal always, for shares that stand under each other.
pub fn percent_even(share: f64) -> String {
    let text = percent(share);
    if text.contains(['.', '–']) { text } else { text.replace(" %", ".0 %") }
}

/// The share `part / whole`, or nothing to say for an empty whole.
#[allow(clippy::cast_precision_loss)] // rows fit into 53 bits
pub fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { f64::NAN } else { part as f64 / whole as f64 }
}

/// A number to three digits, in whichever form is shorter to read.
pub fn number(x: f64) -> String {
    let size = x.abs();
    if !x.is_finite() {
        "–".to_owned()
    } else if x == 0.0 {
        "0".to_owned()
    } else if !(1e-3..1e6).contains(&size) {
        format!("{x:.1e}")
    } else {
        let decimals = if size >= 100.0 {
            0
        } else if size >= 10.0 {
            1
        } else if size >= 1.0 {
            2
        } else {
            3
        };
        let text = format!("{x:.decimals$}");
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
    }
}

/// Bytes in decimal units.
#[allow(clippy::cast_precision_loss)]
pub fn bytes(n: u64) -> String {
    const UNITS: [(&str, f64); 3] = [("GB", 1e9), ("MB", 1e6), ("kB", 1e3)];
    match UNITS.iter().find(|u| n as f64 >= u.1) {
        Some((unit, size)) => format!("{:.1} {unit}", n as f64 / size),
        None => format!("{n} B"),
    }
}

/// A word as a POSIX shell takes it, on one line whatever it holds.
pub fn quote(word: &str) -> String {
    let safe = |c: char| c.is_alphanumeric() || "-_./:=,+@%".contains(c);
    if !word.is_empty() && word.chars().all(safe) {
        return word.to_owned();
    }
    if word.chars().any(crate::excerpt::is_hidden) {
        // such a word can only be typed as an escape, and must not be pasted unseen
        return format!("$'{}'", ansi_c(word));
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn ansi_c(word: &str) -> String {
    let mut out = String::new();
    for c in word.chars() {
        match c {
            '\\' | '\'' => out.extend(['\\', c]),
            c if crate::excerpt::is_hidden(c) && u32::from(c) < 0x80 => {
                out += &format!("\\x{:02x}", u32::from(c))
            }
            c if crate::excerpt::is_hidden(c) => out += &format!("\\U{:08x}", u32::from(c)),
            c => out.push(c),
        }
    }
    out
}

/// A command as one line for a shell.
pub fn command(words: &[String]) -> String {
    words.iter().map(|w| quote(w)).collect::<Vec<_>>().join(" ")
}

/// What `clean` can do with the result of a scan, in words, and the command that does it, to be run where the scan
/// ran. `None` if there is nothing to take out, or if the data came from standard input and so cannot be read again.
pub fn clean_command(report: &Report) -> Option<(&'static str, String)> {
    let copies = |f: &Finding| f.kind == foretaste_core::Kind::NearDuplicate;
    let (why, more) = if report.findings.iter().any(|f| quarantined(f) > 0) {
        ("Set the suspicious samples aside; every row goes to one of two files, none is lost:", None)
    } else if report.findings.iter().any(copies) {
        ("Nothing has to go. To keep one of each group of copies:", Some("--duplicates"))
    } else {
        return None;
    };
    let told = &report.run.command;
    let inputs: Vec<String> = told.iter().skip(2).take_while(|w| !w.starts_with("--")).cloned().collect();
    if inputs.is_empty() || inputs.iter().any(|i| i == "-") {
        return None;
    }
    let value = |flag: &str| told.iter().position(|w| w == flag).and_then(|at| told.get(at + 1)).cloned();
    let format = report.coverage.inputs.first().map_or("", |i| i.format.as_str());
    let ending = if ["csv", "tsv", "json", "jsonl", "npz"].contains(&format) { format } else { "parquet" };
    let folder = report_folder(report).map_or(String::new(), |dir| format!("{dir}/"));
    let mut words: Vec<String> = vec!["foretaste".into(), "clean".into()];
    words.extend(inputs);
    for flag in ["--format", "--delimiter"] {
        words.extend(value(flag).into_iter().flat_map(|v| [flag.to_owned(), v]));
    }
    words.extend(told.iter().find(|w| *w == "--no-header").cloned());
    words.extend(["--findings".into(), format!("{folder}report.json")]);
    words.extend(["--kept".into(), format!("kept.{ending}")]);
    words.extend(["--quarantined".into(), format!("quarantine.{ending}")]);
    words.extend(more.map(str::to_owned));
    Some((why, command(&words)))
}

/// The folder that the scan was told to write its report into.
pub fn report_folder(report: &Report) -> Option<String> {
    let told = &report.run.command;
    let at = told.iter().position(|w| w == "--report")?;
    told.get(at + 1).map(|dir| if dir.len() > 1 { dir.trim_end_matches('/') } else { dir }.to_owned())
}

/// How many of a group stand under each label: `3× ham, 1× spam`, or just the label if all agree.
pub fn label_counts(members: &[&Member]) -> String {
    let mut by: BTreeMap<&str, u64> = BTreeMap::new();
    for m in members {
        if let Some(given) = &m.given {
            *by.entry(given).or_default() += 1;
        }
    }
    let mut by: Vec<_> = by.into_iter().collect();
    by.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    match by[..] {
        [(only, _)] => visible(only),
        _ => by.iter().map(|(l, n)| format!("{}× {}", count(*n), visible(l))).collect::<Vec<_>>().join(", "),
    }
}

/// The flag that gives a column its role, and so the one to change.
pub fn role_flag(column: &ColumnInfo) -> String {
    let flag = if column.role == Role::Ignored { "ignore" } else { column.role.word() };
    format!("--{flag} {}", quote(&column.name))
}

/// Where a member is: `adult.csv:18` for formats of lines, else `adult.parquet row 17`.
pub fn place(report: &Report, member: &Member) -> String {
    let path = report.coverage.inputs.get(member.file as usize).map_or("?", |i| i.path.as_str());
    match member.line {
        Some(line) => format!("{}:{line}", visible(path)),
        None => format!("{} row {}", visible(path), member.file_row),
    }
}

/// [`place`] without the name of the file, which needs no saying where there is only one.
pub fn short_place(report: &Report, member: &Member) -> String {
    match member.line {
        _ if report.coverage.inputs.len() != 1 => place(report, member),
        Some(line) => format!("line {line}"),
        None => format!("row {}", member.file_row),
    }
}

/// `ham → spam`, or whichever side is known.
pub fn labels(member: &Member) -> Option<String> {
    match (&member.given, &member.expected) {
        (Some(g), Some(e)) if g != e => Some(format!("{} → {}", visible(g), visible(e))),
        (Some(g), _) => Some(visible(g)),
        (None, Some(e)) => Some(format!("? → {}", visible(e))),
        (None, None) => None,
    }
}

/// A text in turns of prose and of values that stood in backticks.
pub fn spans(text: &str) -> Vec<(String, bool)> {
    let parts: Vec<&str> = text.split('`').collect();
    let closed = parts.len() % 2 == 1;
    let last = parts.len() - 1;
    parts
        .into_iter()
        .enumerate()
        .map(|(i, part)| {
            let value = i % 2 == 1 && (closed || i < last);
            let text = visible(part);
            (if i % 2 == 1 && !value { format!("`{text}") } else { text }, value)
        })
        .filter(|(text, _)| !text.is_empty())
        .collect()
}

/// How a finding was decided, in words.
pub fn decision(d: &Decision) -> String {
    let mut out = match d.rule.as_str() {
        "confirmed" => "Benjamini–Hochberg, then tried on a model".to_owned(),
        "harm" => "McNemar's test of a model with and without them".to_owned(),
        "apart" => {
            "two kinds of samples far apart in one class, and an exact test against other classes".to_owned()
        }
        "region" => "likelihood of a sphere around one sample against slow change and neighbours".to_owned(),
        "ends" => {
            "a model of the rows elsewhere, which they contradict in more than one direction".to_owned()
        }
        "constant" => "classes told apart by a constant, and a test of how many there are".to_owned(),
        "fact" => "a plain fact, no test needed".to_owned(),
        "benjamini-hochberg" => "Benjamini–Hochberg".to_owned(),
        "plan" => "Monte Carlo tests of the directions of labels that are probably wrong".to_owned(),
        "bonferroni" => "tests corrected for their number".to_owned(),
        "probable" => "more probable than not; no false-discovery level holds".to_owned(),
        "uncalibrated" => "uncalibrated: the score only orders".to_owned(),
        other => visible(other),
    };
    if let Some(fdr) = d.fdr {
        out += &format!(", at most {} false", percent(fdr));
    }
    if let Some(p) = d.p_value {
        out += &format!(", p = {}", number(p));
    }
    if let Some(n) = d.at_least {
        out += &format!(", at least {} wrong", count(n));
    }
    out
}

/// What `clean` does with the members of a finding.
pub fn action(a: Action) -> &'static str {
    match a {
        Action::Quarantine => "quarantine",
        Action::Review => "review",
    }
}

/// Detectors of one status.
pub fn detectors(report: &Report, status: DetectorStatus) -> impl Iterator<Item = &DetectorRun> {
    report.detectors.iter().filter(move |d| d.status == status)
}

/// The result in one sentence and its numbers.
pub struct Verdict {
    /// One sentence.
    pub headline: String,
    /// What it rests on, one sentence.
    pub basis: String,
    /// Gravest finding.
    pub worst: Option<Severity>,
    /// Samples that `clean` sets aside.
    pub quarantine: u64,
    /// Other samples in findings.
    pub review: u64,
    /// True if nothing was found though something was left unseen.
    pub doubtful: bool,
}

/// What to say first.
pub fn verdict(report: &Report) -> Verdict {
    let mut rows: BTreeMap<u64, bool> = BTreeMap::new();
    for f in &report.findings {
        for m in f.members.iter().filter(|m| m.quarantine || f.asks_for_review()) {
            *rows.entry(m.row).or_default() |= m.quarantine;
        }
    }
    let quarantine = rows.values().filter(|q| **q).count() as u64;
    let review = rows.len() as u64 - quarantine;
    let ran = detectors(report, DetectorStatus::Ran).count() as u64;
    let calibrated = detectors(report, DetectorStatus::Ran).filter(|d| d.calibrated).count();
    let level = percent(report.run.fdr);
    let doubtful = ran == 0 || !report.coverage.complete;
    let of_all = |n: u64| format!("{} of {}", count(n), plural(report.coverage.rows, "sample"));
    let headline = if !report.findings.is_empty() {
        let found = plural(report.findings.len() as u64, "finding");
        let grave =
            report.worst() >= Some(Severity::Medium) || report.findings.iter().any(|f| f.kind.is_poison());
        let found = if grave || doubtful { found } else { format!("No poison found; {found}") };
        match (quarantine, review) {
            (0, 0) => found,
            (0, r) => format!("{found}: nothing to set aside, {} to review", of_all(r)),
            (q, 0) => format!("{found}: {} to set aside", of_all(q)),
            (q, r) => format!("{found}: {} to set aside, {} to review", of_all(q), count(r)),
        }
    } else if ran == 0 {
        "Nothing was examined: no detector fits these data".to_owned()
    } else if doubtful {
        format!("Nothing to distrust at {level} false discovery in what was read, but not everything was")
    } else {
        format!("No poison found, nothing to distrust at {level} false discovery")
    };
    let skipped = report.detectors.len() as u64 - ran;
    let basis = format!(
        "{} looked at {}{}{}.",
        plural(ran, "detector"),
        plural(report.coverage.rows, "row"),
        match calibrated {
            0 => String::new(),
            n => format!(", {} with a stated false-alarm level ({level})", count(n as u64)),
        },
        if skipped == 0 { String::new() } else { format!("; {} did not run", count(skipped)) },
    );
    Verdict { headline, basis, worst: report.worst(), quarantine, review, doubtful }
}

/// Members that `clean` sets aside.
pub fn quarantined(finding: &Finding) -> u64 {
    finding.members.iter().filter(|m| m.quarantine).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(plural(1, "class"), "1 class");
        assert_eq!(plural(2, "class"), "2 classes");
        assert_eq!(percent(0.2481), "24.8 %");
        assert_eq!(percent(0.05), "5 %");
        assert_eq!(percent(1e-6), "< 0.1 %");
        assert_eq!(number(3.14e-12), "3.1e-12");
        assert_eq!(number(0.012_345), "0.012");
        assert_eq!(number(120.0), "120");
        assert_eq!(number(f64::NAN), "–");
        assert_eq!(bytes(4_200_000), "4.2 MB");
    }

    #[test]
    fn commands_are_safe_to_paste() {
        assert_eq!(quote("a b.csv"), "'a b.csv'");
        assert_eq!(quote("$(reboot)"), "'$(reboot)'");
        assert_eq!(quote("it's"), r"'it'\''s'");
        assert_eq!(quote("a\nb'"), r"$'a\x0ab\''");
        assert_eq!(quote("label=spam/ham:1"), "label=spam/ham:1");
    }

    #[test]
    fn values_stand_apart() {
        let parts = spans("column `a` = `b`");
        assert_eq!(parts.iter().filter(|p| p.1).count(), 2);
        assert_eq!(spans("odd ` one").iter().map(|p| p.0.as_str()).collect::<String>(), "odd ` one");
    }
}
