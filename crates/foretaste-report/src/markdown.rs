//! A summary for continuous integration, in GitHub-flavoured Markdown.

use crate::excerpt::{self, around, visible};
use crate::{Render, ReportError, words};
use foretaste_core::{DetectorStatus, Example, Finding, Report, SampleRow, Severity};
use std::fmt::Write as _;
use std::io::Write;

/// Findings shown in full; a comment holds 65,536 characters.
const MAX_FINDINGS: usize = 25;
const MAX_EXAMPLES: usize = 3;
/// Columns of an excerpt.
const EXCERPT: usize = 160;

/// Verdict, table of findings, examples to unfold. Text of the data is inert: no markup, mention or link survives.
pub struct Markdown;

impl Render for Markdown {
    fn id(&self) -> &'static str {
        "markdown"
    }

    fn file_name(&self) -> &'static str {
        "report.md"
    }

    fn render(&self, report: &Report, _: &[SampleRow], out: &mut dyn Write) -> Result<(), ReportError> {
        Ok(out.write_all(page(report).as_bytes())?)
    }
}

fn page(report: &Report) -> String {
    let verdict = words::verdict(report);
    let mut out = String::new();
    line(&mut out, &format!("## foretaste: {}\n", prose(&verdict.headline)));
    line(&mut out, &format!("{}\n", prose(&verdict.basis)));
    if !report.findings.is_empty() {
        findings(&mut out, report);
    }
    coverage(&mut out, report);
    not_looked_at(&mut out, report);
    for note in &report.notes {
        line(&mut out, &format!("> {}\n>", prose(note)));
    }
    line(&mut out, "\nRepeat it, or act on it:\n");
    let mut commands = vec![encode(&visible(&words::command(&report.run.command)))];
    commands.extend(words::clean_command(report).map(|(_, c)| encode(&visible(&c))));
    line(&mut out, &format!("<pre>{}</pre>", commands.join("\n")));
    out
}

fn findings(out: &mut String, report: &Report) {
    line(out, "| | Finding | Kind | Samples | Set aside | Decided by |");
    line(out, "|---|---|---|--:|--:|---|");
    for f in report.findings.iter().take(MAX_FINDINGS) {
        let cells = [
            format!("{} {}", sign(f.severity), f.severity),
            format!("**{}** {}", prose(&f.id), prose(&f.title)),
            f.kind.word().to_owned(),
            words::count(f.members.len() as u64),
            words::count(words::quarantined(f)),
            prose(&words::decision(&f.decision)),
        ];
        line(out, &format!("| {} |", cells.join(" | ")));
    }
    line(out, "");
    if let Some(more) = report.findings.len().checked_sub(MAX_FINDINGS).filter(|n| *n > 0) {
        line(out, &format!("{} more are in the JSON report.\n", words::plural(more as u64, "finding")));
    }
    for f in report.findings.iter().take(MAX_FINDINGS) {
        details(out, report, f);
    }
}

fn details(out: &mut String, report: &Report, f: &Finding) {
    line(out, &format!("<details><summary><b>{}</b> {}</summary>\n", prose(&f.id), prose(&f.title)));
    for why in &f.why {
        line(out, &format!("- {}", prose(why)));
    }
    line(out, &format!("- {} \\[{}\\]\n", prose(&f.advice), codes(f)));
    let shown: Vec<&Example> = f.examples.iter().take(MAX_EXAMPLES).collect();
    if !shown.is_empty() {
        line(out, "| Where | Label | Sample |");
        line(out, "|---|---|---|");
    }
    for e in shown {
        let member = f.members.get(e.member);
        let place = member.map(|m| words::place(report, m)).unwrap_or_default();
        let labels = member.and_then(words::labels).unwrap_or_default();
        line(out, &format!("| {} | {} | {} |", code(&place), code(&labels), sample(e)));
    }
    line(out, "\n</details>\n");
}

fn sample(e: &Example) -> String {
    let cells: Vec<String> = e
        .cells
        .iter()
        .take(3)
        .map(|c| {
            let pieces = around(&c.text, &c.marks, EXCERPT);
            // an escape inside a mark is a piece of its own, but one mark to the eye
            let text = pieces.iter().map(mark).collect::<String>().replace("</b><b>", "");
            format!("{}: <code>{text}</code>", code(&c.column))
        })
        .collect();
    if cells.is_empty() { prose(&e.why) } else { cells.join("<br>") }
}

fn mark(piece: &excerpt::Piece) -> String {
    let text = encode(&piece.text);
    if piece.mark.is_some() { format!("<b>{text}</b>") } else { text }
}

fn codes(f: &Finding) -> String {
    [&f.taxonomy.atlas, &f.taxonomy.owasp, &f.taxonomy.nist].map(|c| prose(c)).join(", ")
}

fn coverage(out: &mut String, report: &Report) {
    let c = &report.coverage;
    line(out, "<details><summary>What was looked at</summary>\n");
    for input in &c.inputs {
        let size = format!("{}, {}", words::plural(input.rows, "row"), words::bytes(input.bytes));
        line(out, &format!("- {} ({}, {size})", code(&input.path), prose(&input.format)));
    }
    let roles: Vec<String> =
        c.columns.iter().take(40).map(|col| format!("{} {}", code(&col.name), col.role)).collect();
    line(out, &format!("- {}: {}", words::plural(c.columns.len() as u64, "column"), roles.join(", ")));
    if !c.classes.is_empty() {
        let classes: Vec<String> = c
            .classes
            .iter()
            .take(20)
            .map(|k| format!("{} {}", code(&k.name), words::count(k.rows)))
            .collect();
        line(out, &format!("- {}: {}", words::plural(c.classes.len() as u64, "class"), classes.join(", ")));
    }
    line(out, "\n</details>\n");
}

fn not_looked_at(out: &mut String, report: &Report) {
    let idle = report.detectors.iter().filter(|d| d.status != DetectorStatus::Ran);
    let lines: Vec<String> = report
        .coverage
        .skipped
        .iter()
        .map(|s| format!("- {}: {}", code(&s.path), prose(&s.reason)))
        .chain(idle.map(|d| format!("- {}: {}", code(&d.id), prose(&d.detail))))
        .collect();
    if !lines.is_empty() {
        let head = format!("<details><summary>What was not ({})</summary>\n", lines.len());
        line(out, &format!("{head}\n{}\n\n</details>\n", lines.join("\n")));
    }
}

fn sign(severity: Severity) -> &'static str {
    match severity {
        Severity::High => "🔴",
        Severity::Medium => "🟠",
        Severity::Low => "🔵",
        Severity::Note => "⚪",
    }
}

fn line(out: &mut String, text: &str) {
    let _ = writeln!(out, "{text}"); // a String takes everything
}

/// A value of the data.
fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("<code>{}</code>", encode(&visible(text))) }
}

/// A sentence; values in backticks become code.
fn prose(text: &str) -> String {
    let span = |(text, value): (String, bool)| {
        if value { format!("<code>{}</code>", encode(&text)) } else { encode(&text) }
    };
    words::spans(text).into_iter().map(span).collect()
}

/// Markup, mentions and links are recognised by ASCII punctuation, and never in a character reference. Mentions and
/// issue numbers are looked for once more in the finished page, where only a character in between helps.
fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let mut before = ' ';
    for c in text.chars() {
        let _ = match c {
            '@' | '#' => write!(out, "&#{};&#8203;", u32::from(c)),
            '.' if before.eq_ignore_ascii_case(&'w') => write!(out, "&#46;"),
            ',' | ';' | '%' | '(' | ')' | '?' | '/' | '.' | '-' | '+' | '=' | '\'' | '"' => {
                write!(out, "{c}")
            }
            c if c.is_ascii_punctuation() => write!(out, "&#{};", u32::from(c)),
            c => write!(out, "{c}"),
        };
        before = c;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_are_inert() {
        let all = "|`*_<>[]!@user #12 https://x.y www.a.b ~~a~~ \\ $x$ &amp;";
        let out = encode(all);
        for c in "|`*_<>[]!@:~\\$".chars() {
            assert!(!out.contains(c), "{c} in {out}");
        }
        assert!(out.contains("&#64;&#8203;user") && out.contains("www&#46;a"));
        assert_eq!(prose("column `a|b`"), "column <code>a&#124;b</code>");
        assert!(!code("a\nb\u{202e}").contains(['\n', '\u{202e}']));
    }
}
