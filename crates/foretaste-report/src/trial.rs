//! The table of a trial as one self-contained page: a heat map of what each defence leaves of each attack, bars, numbers.

use crate::ReportError;
use askama::Template;
use foretaste_core::{CLEAN, Interval, Summary, Trial};

#[derive(Template)]
#[template(path = "trial.html")]
struct Page<'a> {
    style: &'static str,
    trial: &'a Trial,
    maps: Vec<Map>,
    bars: Vec<Bars>,
    rows: Vec<Vec<String>>,
    scenario: String,
}

/// One victim: attacks down, defences across.
struct Map {
    victim: String,
    defences: Vec<String>,
    rows: Vec<(String, Vec<Cell>)>,
}

/// One cell of a heat map.
struct Cell {
    text: String,
    /// 0 (good for the defender) to 100.
    heat: u32,
    title: String,
}

/// One attack on one victim: bars a defence.
struct Bars {
    title: String,
    bars: Vec<Bar>,
}

struct Bar {
    defence: String,
    /// In hundredths of the full width.
    success: String,
    success_text: String,
    accuracy: String,
    accuracy_text: String,
}

/// The page.
///
/// # Errors
/// If a value cannot be written.
pub fn html(trial: &Trial) -> Result<String, ReportError> {
    let page = Page {
        style: include_str!("../templates/report.css"),
        trial,
        maps: maps(&trial.summary),
        bars: bars(&trial.summary),
        rows: trial.summary.iter().map(cells).collect(),
        scenario: serde_json::to_string_pretty(&trial.scenario)?,
    };
    Ok(page.render()?)
}

fn percent(i: &Interval) -> String {
    format!("{:.1}", 100.0 * i.mean)
}

/// Mean and ends of the interval; of one seed the mean alone.
fn with_interval(i: &Interval) -> String {
    if i.low == i.high {
        return percent(i);
    }
    format!("{:.1} ({:.1} to {:.1})", 100.0 * i.mean, 100.0 * i.low, 100.0 * i.high)
}

/// By which kind of finding the poison was named, in how many of the seeds, and whether that is right; none if nothing looked.
#[must_use]
pub fn named(s: &Summary) -> Option<String> {
    let findings = s.poison_findings?;
    if s.attack == CLEAN {
        return Some(if findings > 0.0 {
            format!("{findings:.1} findings of poison")
        } else {
            "no poison".into()
        });
    }
    let kinds = s.named.iter().map(|(kind, n)| {
        if *n == s.seeds { kind.word().to_owned() } else { format!("{} ({n} of {})", kind.word(), s.seeds) }
    });
    let kinds = kinds.collect::<Vec<_>>().join(", ");
    let found: usize = s.named.iter().map(|(_, n)| n).sum();
    Some(match found {
        0 => "not found".into(),
        _ if s.named_right == found => kinds,
        _ if s.named_right == 0 => format!("{kinds}: not its name"),
        _ => format!("{kinds}: right in {} of {found}", s.named_right),
    })
}

/// What the attacker has gained: success beyond what goes there anyway, or without probes the accuracy lost.
fn gain(s: &Summary) -> f64 {
    match (&s.attack_success_rate, &s.baseline_success_rate) {
        (Some(a), Some(b)) => (a.mean - b.mean).clamp(0.0, 1.0),
        (Some(a), None) => a.mean,
        _ => (s.clean_accuracy.mean - s.accuracy.mean).clamp(0.0, 1.0),
    }
}

fn distinct<'a>(values: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut out: Vec<String> = vec![];
    values.for_each(|v| {
        if !out.iter().any(|o| o == v) {
            out.push(v.to_owned());
        }
    });
    out
}

fn case(s: &Summary) -> String {
    if s.attack == CLEAN {
        return CLEAN.to_owned();
    }
    format!("{} at {} %", s.attack, 100.0 * s.poison_rate)
}

fn maps(summary: &[Summary]) -> Vec<Map> {
    distinct(summary.iter().map(|s| s.victim.as_str()))
        .into_iter()
        .map(|victim| {
            let own: Vec<&Summary> = summary.iter().filter(|s| s.victim == victim).collect();
            // clean data see fewer defences, and would put them into another order
            let ordered =
                own.iter().filter(|s| s.attack != CLEAN).chain(own.iter().filter(|s| s.attack == CLEAN));
            let defences = distinct(ordered.map(|s| s.defence.as_str()));
            let cases: Vec<String> = own.iter().map(|s| case(s)).collect();
            let rows = distinct(cases.iter().map(String::as_str))
                .into_iter()
                .map(|name| {
                    let cell = |d: &String| {
                        own.iter().find(|s| case(s) == name && s.defence == *d).map_or(
                            Cell { text: String::new(), heat: 0, title: String::new() },
                            |s| Cell {
                                text: s.attack_success_rate.as_ref().map_or_else(
                                    || format!("{:+.1}", 100.0 * (s.accuracy.mean - s.clean_accuracy.mean)),
                                    percent,
                                ),
                                heat: (100.0 * gain(s)).round() as u32,
                                title: format!("accuracy {}", with_interval(&s.accuracy)),
                            },
                        )
                    };
                    (name.clone(), defences.iter().map(cell).collect())
                })
                .collect();
            Map { victim, defences, rows }
        })
        .collect()
}

fn bars(summary: &[Summary]) -> Vec<Bars> {
    let mut out: Vec<Bars> = vec![];
    for s in summary {
        let title = format!("{}: {}", s.victim, case(s));
        let success = s.attack_success_rate.as_ref();
        let bar = Bar {
            defence: s.defence.clone(),
            success: format!("{:.2}", 100.0 * success.map_or(0.0, |i| i.mean)),
            success_text: success.map_or("no target".into(), |i| format!("{} %", with_interval(i))),
            accuracy: format!("{:.2}", 100.0 * s.accuracy.mean.max(0.0)),
            accuracy_text: format!("{} %", with_interval(&s.accuracy)),
        };
        match out.iter_mut().find(|b| b.title == title) {
            Some(known) => known.bars.push(bar),
            None => out.push(Bars { title, bars: vec![bar] }),
        }
    }
    out
}

fn cells(s: &Summary) -> Vec<String> {
    let maybe = |i: &Option<Interval>| i.as_ref().map_or("-".to_owned(), with_interval);
    vec![
        s.victim.clone(),
        s.attack.clone(),
        format!("{:.0} ({} %)", s.n_poison, 100.0 * s.poison_rate),
        s.defence.clone(),
        with_interval(&s.accuracy),
        with_interval(&s.clean_accuracy),
        maybe(&s.attack_success_rate),
        maybe(&s.baseline_success_rate),
        with_interval(&s.true_positive_rate),
        format!("{:.2}", 100.0 * s.false_positive_rate.mean),
        maybe(&s.average_precision),
        named(s).unwrap_or_else(|| "-".into()),
        format!("{:.1}", s.defence_seconds),
        format!("{:.1}", s.seconds),
        s.megabytes.map_or("-".into(), |m| format!("{m:.0}")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use foretaste_core::{TRIAL_SCHEMA, summarise};

    #[test]
    fn names_of_the_data_cannot_leave_their_place() {
        let row = |defence: &str, success: f64| foretaste_core::Row {
            seed: 1,
            victim: "softmax-regression".into(),
            attack: Some("<script>alert(1)</script>".into()),
            poison_rate: 0.01,
            n_poison: 10,
            n_train: 1000,
            defence: defence.into(),
            removed: 0,
            removed_poison: 0,
            true_positive_rate: 0.0,
            false_positive_rate: 0.0,
            accuracy: 0.9,
            clean_accuracy: 0.9,
            attack_success_rate: Some(success),
            baseline_success_rate: Some(0.1),
            n_probes: 100,
            detection: None,
            seconds: 1.0,
            defence_seconds: 0.0,
            megabytes: None,
        };
        let rows = vec![row("none", 0.95), row("perfect", 0.1)];
        let trial = Trial {
            schema: TRIAL_SCHEMA.into(),
            version: "0".into(),
            scenario: serde_json::json!({"name": "</pre><b>"}),
            name: "<i>".into(),
            about: String::new(),
            rows: 1000,
            classes: vec!["a".into(), "b".into()],
            target: Some("<u>".into()),
            summary: summarise(&rows),
            results: rows,
            notes: vec!["<u>".into()],
            failed: vec![foretaste_core::Failed { what: "<u>".into(), why: "<u>".into() }],
        };
        let page = html(&trial).unwrap();
        assert!(
            !page.contains("<script")
                && !page.contains("<i>")
                && !page.contains("</pre><b>")
                && !page.contains("<u>")
        );
        assert!(page.contains("95.0") && page.contains("color-mix(in srgb,#c4452f 85%"));
    }
}
