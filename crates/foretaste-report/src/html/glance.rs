//! The first screen in plain sentences: what was looked at, what was found, why to believe it, what to do.

use super::view::Spans;
use crate::excerpt::short;
use crate::words::{self, Verdict};
use foretaste_core::{DetectorStatus, Finding, Report, Role};

/// Findings named on the first screen.
const NAMED: usize = 8;
/// Columns named for a role.
const COLUMNS: usize = 3;

/// Sentences and the findings they are about.
pub struct Glance {
    pub looked: Vec<Spans>,
    pub found: Vec<Named>,
    /// How many findings are not named.
    pub more: usize,
    pub believe: Vec<Spans>,
    pub act: Vec<Spans>,
}

/// A finding in one line.
pub struct Named {
    pub id: String,
    pub anchor: String,
    pub severity: &'static str,
    pub title: Spans,
    pub does: String,
}

impl Glance {
    pub fn new(report: &Report, verdict: &Verdict) -> Self {
        let found: Vec<Named> = report.findings.iter().take(NAMED).map(named).collect();
        Self {
            looked: vec![rows(report), roles(report), detectors(report)],
            more: report.findings.len() - found.len(),
            found,
            believe: believe(report, verdict),
            act: act(report),
        }
    }
}

fn named(f: &Finding) -> Named {
    let aside = words::quarantined(f);
    Named {
        id: short(&f.id, 8),
        anchor: f.id.chars().filter(char::is_ascii_alphanumeric).collect(),
        severity: f.severity.word(),
        title: words::spans(&short(&f.title, 160)),
        does: match aside {
            0 if f.asks_for_review() => "to review".to_owned(),
            0 => "about a group".to_owned(),
            n => format!("{} to set aside", words::count(n)),
        },
    }
}

fn rows(report: &Report) -> Spans {
    let c = &report.coverage;
    let files = match &c.inputs[..] {
        [one] => format!("`{}`", value(&one.path, 60)),
        all => words::plural(all.len() as u64, "file"),
    };
    let mut out = format!(
        "{} of {files}, {}.",
        words::plural(c.rows, "row"),
        words::plural(c.columns.len() as u64, "column")
    );
    if !c.skipped.is_empty() {
        out += &format!(" Not read: {}, see below.", words::plural(c.skipped.len() as u64, "part"));
    } else if c.complete {
        out += " Every row was read.";
    }
    words::spans(&out)
}

/// What the columns were taken for, since a wrong role makes wrong findings.
fn roles(report: &Report) -> Spans {
    let c = &report.coverage;
    let mut parts = vec![];
    for role in [
        Role::Label,
        Role::Target,
        Role::Text,
        Role::Image,
        Role::Prompt,
        Role::Response,
        Role::Embedding,
        Role::Source,
        Role::Annotator,
        Role::Time,
        Role::Feature,
        Role::Ignored,
    ] {
        let names: Vec<&str> =
            c.columns.iter().filter(|col| col.role == role).map(|col| col.name.as_str()).collect();
        if names.is_empty() {
            continue;
        }
        let shown: Vec<String> = names.iter().take(COLUMNS).map(|n| format!("`{}`", value(n, 24))).collect();
        let more = names
            .len()
            .checked_sub(COLUMNS)
            .filter(|n| *n > 0)
            .map(|n| format!(" and {} more", words::count(n as u64)));
        let classes = if role == Role::Label && !c.classes.is_empty() {
            format!(" ({})", words::plural(c.classes.len() as u64, "class"))
        } else {
            String::new()
        };
        parts.push(format!("{role} {}{}{classes}", shown.join(", "), more.unwrap_or_default()));
    }
    if parts.is_empty() {
        return words::spans("No column was recognised.");
    }
    words::spans(&format!("Taken for: {}.", parts.join("; ")))
}

fn detectors(report: &Report) -> Spans {
    let ran = words::detectors(report, DetectorStatus::Ran).count();
    let idle: Vec<&str> =
        report.detectors.iter().filter(|d| d.status != DetectorStatus::Ran).map(|d| d.id.as_str()).collect();
    let mut out = format!("{ran} of {} ran", words::plural(report.detectors.len() as u64, "detector"));
    if !idle.is_empty() {
        out += &format!("; not {}", idle.join(", "));
    }
    words::spans(&format!("{out}."))
}

/// Rules of decision that are our own; any other was asked for.
const RULES: [&str; 12] = [
    "confirmed",
    "harm",
    "benjamini-hochberg",
    "plan",
    "bonferroni",
    "apart",
    "region",
    "ends",
    "constant",
    "probable",
    "fact",
    "uncalibrated",
];

/// What each group of findings rests on.
fn believe(report: &Report, verdict: &Verdict) -> Vec<Spans> {
    if report.findings.is_empty() {
        return vec![words::spans(&verdict.basis)];
    }
    let by = |test: &dyn Fn(&str) -> bool| {
        let ids: Vec<String> =
            report.findings.iter().filter(|f| test(&f.decision.rule)).map(|f| short(&f.id, 8)).collect();
        (!ids.is_empty()).then(|| ids.join(", "))
    };
    let mut out = vec![];
    if let Some(ids) = by(&|r| r == "confirmed") {
        out.push(words::spans(&format!(
            "{ids}: tested, corrected for all that was looked at, and tried: put into held-out samples, the trigger turns a model."
        )));
    }
    if let Some(ids) = by(&|r| r == "harm") {
        out.push(words::spans(&format!(
            "{ids}: tested, corrected for the groups tried: without these samples a model is right more often on samples that it has not seen."
        )));
    }
    if let Some(ids) = by(&|r| r == "benjamini-hochberg") {
        out.push(words::spans(&format!(
            "{ids}: tested. At most {} are expected to be false alarms, as far as the model behind it is calibrated; no sample was judged by a model that had seen it.",
            words::percent(report.run.fdr)
        )));
    }
    if let Some(ids) = by(&|r| r == "plan") {
        out.push(words::spans(&format!(
            "{ids}: tested. All directions of labels that are probably wrong, taken together, go with neither chance nor confusion; who belongs to the plan is told by the model's probabilities."
        )));
    }
    if let Some(ids) = by(&|r| r == "bonferroni") {
        out.push(words::spans(&format!(
            "{ids}: tested, corrected for all that was compared: at most {} of scans without a difference say anything.",
            words::percent(report.run.fdr)
        )));
    }
    if let Some(ids) = by(&|r| r == "apart") {
        out.push(words::spans(&format!(
            "{ids}: two kinds of samples in one class, farther apart than in any honest data at hand; of that distance no level can be stated. An exact test says that other classes are not like it."
        )));
    }
    if let Some(ids) = by(&|r| r == "region") {
        out.push(words::spans(&format!(
            "{ids}: a likelihood, corrected for all samples and classes: a sphere around one sample says the labels better than the distance, the direction between the classes or the neighbours do."
        )));
    }
    if let Some(ids) = by(&|r| r == "ends") {
        out.push(words::spans(&format!(
            "{ids}: a model that was trained on the rows elsewhere contradicts most of them, and in more than one direction, which a law that bends at its ends does not explain; tested, corrected for what was tried."
        )));
    }
    if let Some(ids) = by(&|r| r == "constant") {
        out.push(words::spans(&format!(
            "{ids}: a limit from the honest data at hand says which classes are too steady, and an exact test that so many of them are beyond chance."
        )));
    }
    if let Some(ids) = by(&|r| r == "probable") {
        out.push(words::spans(&format!(
            "{ids}: more probably wrong than right, by the same model; the stated level does not hold for them."
        )));
    }
    if let Some(ids) = by(&|r| r == "fact") {
        out.push(words::spans(&format!(
            "{ids}: facts. What is there is shown and marked; see for yourself."
        )));
    }
    if let Some(ids) = by(&|r| r == "uncalibrated") {
        out.push(words::spans(&format!(
            "{ids}: only an order, the oddest first. No share of false alarms is claimed."
        )));
    }
    if let Some(ids) = by(&|r| !RULES.contains(&r)) {
        out.push(words::spans(&format!("{ids}: decided by a rule that was asked for; see there.")));
    }
    out
}

fn act(report: &Report) -> Vec<Spans> {
    let mut out = vec![];
    if let Some(first) = report.findings.first() {
        out.push(words::spans(&format!("Look at the examples, from {} on; if a column was taken for the wrong thing, scan again with the flag under Coverage.", short(&first.id, 8))));
    } else {
        out.push(words::spans(
            "Nothing, as far as these detectors see; what each cannot see is in `foretaste explain`.",
        ));
    }
    out
}

/// A value for a sentence of ours: what stands in backticks must not end them.
fn value(text: &str, room: usize) -> String {
    short(&text.replace('`', "'"), room)
}
