//! The terminal: one screen that says what was looked at, what was found, and what to do.

use crate::excerpt::{Piece, around, short, visible, width};
use crate::{Render, ReportError, words};
use anstyle::{AnsiColor, Effects, Style};
use foretaste_core::{Cell, DetectorStatus, Example, Finding, Member, Report, Role, SampleRow, Severity};
use std::io::Write;

/// Lines of one screen; detail gives way until the text fits.
const SCREEN: usize = 40;
/// Columns below which no layout holds, and above which lines are too long to read.
const NARROW: usize = 40;
const WIDE: usize = 200;
const PLAIN_STYLE: Style = Style::new();
const QUIET: Style = Style::new().effects(Effects::DIMMED);
const STRONG: Style = Style::new().effects(Effects::BOLD);
const MARK: Style = AnsiColor::Yellow.on_default().effects(Effects::UNDERLINE);
const ESCAPED: Style = AnsiColor::Magenta.on_default();

/// The report for a terminal, with ANSI styles (the caller's stream strips them where nothing shows them).
#[derive(Clone, Debug)]
pub struct Text {
    /// Columns of the terminal.
    pub width: usize,
    /// Everything, instead of one screen.
    pub verbose: bool,
    /// How long it took, in words. A report holds no clock times, so the caller says.
    pub took: Option<String>,
    /// The scan as it was typed, with a folder for its report: what to do next where none was written.
    pub next: Option<String>,
}

/// 100 columns, one screen.
pub const PLAIN: Text = Text { width: 100, verbose: false, took: None, next: None };

impl Default for Text {
    fn default() -> Self {
        PLAIN
    }
}

impl Render for Text {
    fn id(&self) -> &'static str {
        "text"
    }

    fn file_name(&self) -> &'static str {
        "report.txt"
    }

    fn render(&self, report: &Report, _: &[SampleRow], out: &mut dyn Write) -> Result<(), ReportError> {
        let levels: &[Detail] = if self.verbose { &[Detail::ALL] } else { &Detail::LESS_AND_LESS };
        let mut lines = Vec::new();
        for detail in levels {
            lines = Screen::compose(self, report, *detail);
            if lines.len() <= SCREEN {
                break;
            }
        }
        for line in lines {
            writeln!(out, "{}", line.painted(self.width.clamp(NARROW, WIDE)))?;
        }
        Ok(())
    }
}

/// A line in parts of one style each.
struct Line {
    parts: Vec<(Style, String)>,
    /// Never cut: it is there to be copied.
    whole: bool,
}

impl Line {
    fn blank(&self) -> bool {
        self.parts.is_empty()
    }

    fn painted(&self, room: usize) -> String {
        let mut left = if self.whole { usize::MAX } else { room };
        let last = self.parts.len().saturating_sub(1);
        let mut out = String::new();
        for (i, (style, text)) in self.parts.iter().enumerate() {
            let text = if i == last { text.trim_end() } else { text.as_str() };
            let wide = width(text);
            if wide > left {
                out += &paint(*style, &short(text, left));
                break;
            }
            left -= wide;
            out += &paint(*style, text);
        }
        out
    }
}

fn plain(text: impl Into<String>) -> (Style, String) {
    (PLAIN_STYLE, text.into())
}

fn quiet(text: impl Into<String>) -> (Style, String) {
    (QUIET, text.into())
}

/// How many of each thing to show.
#[derive(Clone, Copy)]
struct Detail {
    files: usize,
    columns: usize,
    findings: usize,
    /// Reasons and examples of a finding; the first finding gets one more of each.
    whys: usize,
    examples: usize,
    /// Findings named in one line each, after those shown in full.
    named: usize,
    skipped: usize,
    notes: usize,
    advice: bool,
}

impl Detail {
    const ALL: Detail = Detail {
        files: usize::MAX,
        columns: usize::MAX,
        findings: usize::MAX,
        whys: usize::MAX,
        examples: 5,
        named: usize::MAX,
        skipped: usize::MAX,
        notes: usize::MAX,
        advice: true,
    };
    const LESS_AND_LESS: [Detail; 6] = [
        Detail {
            files: 4,
            columns: 6,
            findings: 6,
            whys: 2,
            examples: 3,
            named: 4,
            skipped: 6,
            notes: 4,
            advice: true,
        },
        Detail {
            files: 3,
            columns: 5,
            findings: 6,
            whys: 2,
            examples: 2,
            named: 4,
            skipped: 0,
            notes: 1,
            advice: true,
        },
        Detail {
            files: 2,
            columns: 5,
            findings: 5,
            whys: 1,
            examples: 2,
            named: 3,
            skipped: 0,
            notes: 1,
            advice: true,
        },
        Detail {
            files: 2,
            columns: 5,
            findings: 4,
            whys: 1,
            examples: 1,
            named: 4,
            skipped: 0,
            notes: 1,
            advice: true,
        },
        Detail {
            files: 2,
            columns: 5,
            findings: 3,
            whys: 1,
            examples: 1,
            named: 4,
            skipped: 0,
            notes: 1,
            advice: true,
        },
        Detail {
            files: 2,
            columns: 4,
            findings: 2,
            whys: 1,
            examples: 1,
            named: 3,
            skipped: 0,
            notes: 1,
            advice: false,
        },
    ];
}

struct Screen<'a> {
    text: &'a Text,
    report: &'a Report,
    detail: Detail,
    width: usize,
    lines: Vec<Line>,
}

impl Screen<'_> {
    fn compose(text: &Text, report: &Report, detail: Detail) -> Vec<Line> {
        let width = text.width.clamp(NARROW, WIDE);
        let mut screen = Screen { text, report, detail, width, lines: Vec::new() };
        screen.coverage();
        screen.verdict();
        screen.findings();
        screen.not_seen();
        screen.not_looked_at();
        screen.notes();
        screen.next();
        screen.lines
    }

    fn put(&mut self, parts: impl IntoIterator<Item = (Style, String)>) {
        self.lines.push(Line { parts: parts.into_iter().collect(), whole: false });
    }

    fn blank(&mut self) {
        if self.lines.last().is_some_and(|l| !l.blank()) {
            self.put([]);
        }
    }

    /// A text of our own and the data's, folded to the width under an indent.
    fn wrapped(&mut self, indent: usize, style: Style, text: &str, most: usize) {
        let room = self.width.saturating_sub(indent);
        for line in wrap(&visible(text), room, most) {
            self.put([plain(" ".repeat(indent)), (style, line)]);
        }
    }

    fn coverage(&mut self) {
        let c = &self.report.coverage;
        let mut head = format!(
            "Looked at {} in {}, {}",
            words::plural(c.rows, "row"),
            words::plural(c.inputs.len() as u64, "file"),
            words::plural(c.columns.len() as u64, "column"),
        );
        if let Some(took) = &self.text.took {
            head += &format!(" ({})", visible(took));
        }
        self.put([(STRONG, head)]);
        for input in c.inputs.iter().take(self.detail.files) {
            let path = short(&input.path, self.width / 2);
            let facts = format!(
                "{}, {}, {}",
                visible(&input.format),
                words::bytes(input.bytes),
                words::plural(input.rows, "row")
            );
            self.put([plain(format!("  {path}  ")), quiet(facts)]);
        }
        fold(&mut self.lines, c.inputs.len(), self.detail.files, "file");
        for s in c.skipped.iter().take(self.detail.files) {
            let text = short(&format!("{}: {}", s.path, s.reason), self.width);
            self.put([plain("  "), (severity_style(Severity::Medium), "not read ".to_owned()), plain(text)]);
        }
        fold(&mut self.lines, c.skipped.len(), self.detail.files, "file not read");
        self.columns();
        self.classes();
    }

    /// Columns that are not plain features first: their roles are the inferences that may be wrong.
    fn columns(&mut self) {
        let all = &self.report.coverage.columns;
        let (features, told): (Vec<_>, Vec<_>) = all.iter().partition(|c| c.role == Role::Feature);
        let room = if told.len() + features.len() <= self.detail.columns.saturating_add(1) {
            all.len()
        } else {
            self.detail.columns
        };
        let alone: Vec<_> = told.iter().chain(&features).take(room).copied().collect();
        let name = alone.iter().map(|c| width(&short(&c.name, 24))).max().unwrap_or(0);
        let role = alone.iter().map(|c| c.role.word().len()).max().unwrap_or(0);
        let flags: Vec<String> = alone.iter().map(|c| visible(&words::role_flag(c))).collect();
        // on a narrow terminal the flags give way
        let flag_room =
            if self.width < 80 { 0 } else { flags.iter().map(|f| width(f)).max().unwrap_or(0).min(34) };
        let reason_room = self.width.saturating_sub(name + role + flag_room + 8).max(10);
        for (c, flag) in alone.iter().zip(&flags) {
            let flag = if flag_room == 0 { String::new() } else { short(flag, flag_room) };
            let reason = pad(&short(&c.reason, reason_room), reason_room);
            let head = format!("  {}  {}  ", pad(&short(&c.name, 24), name), pad(c.role.word(), role));
            self.put([plain(head), quiet(format!("{reason}  ")), quiet(flag)]);
        }
        let rest: Vec<_> = told.iter().chain(&features).skip(alone.len()).collect();
        if !rest.is_empty() {
            let word = if rest.iter().all(|c| c.role == Role::Feature) { "feature" } else { "column" };
            let names: Vec<String> = rest.iter().take(12).map(|c| short(&c.name, 20)).collect();
            let word = if rest.len() == 1 { word.to_owned() } else { format!("{word}s") };
            let line = format!("  {} more {word}: {}", words::count(rest.len() as u64), names.join(", "));
            let line = if rest.len() > 12 { format!("{line}, …") } else { line };
            self.put([quiet(line)]);
        }
    }

    fn classes(&mut self) {
        let c = &self.report.coverage;
        if c.classes.is_empty() {
            return;
        }
        let rows = c.classes.iter().map(|k| k.rows).sum();
        let each: Vec<String> = c
            .classes
            .iter()
            .take(6)
            .map(|k| {
                let share = words::percent_even(words::share(k.rows, rows));
                format!("{} {} ({share})", short(&k.name, 20), words::count(k.rows))
            })
            .collect();
        let mut line = format!("  {}: {}", words::plural(c.classes.len() as u64, "class"), each.join(", "));
        if c.classes.len() > 6 {
            line += ", …";
        }
        if c.unlabelled > 0 {
            line += &format!("; {} without a label", words::count(c.unlabelled));
        }
        self.put([plain(line)]);
    }

    fn verdict(&mut self) {
        self.blank();
        let verdict = words::verdict(self.report);
        let style = match verdict.worst {
            Some(severity) => severity_style(severity),
            None if verdict.doubtful => severity_style(Severity::Medium),
            None => AnsiColor::Green.on_default().effects(Effects::BOLD),
        };
        self.wrapped(0, style.effects(Effects::BOLD), &verdict.headline, 3);
        if self.report.findings.is_empty() {
            self.wrapped(2, PLAIN_STYLE, &verdict.basis, 3);
            let ran: Vec<&str> =
                words::detectors(self.report, DetectorStatus::Ran).map(|d| d.id.as_str()).collect();
            if !ran.is_empty() {
                self.wrapped(2, QUIET, &format!("looked: {}", ran.join(", ")), 4);
            }
        }
    }

    fn findings(&mut self) {
        let report = self.report;
        let full = self.detail.findings.min(report.findings.len());
        let detail = self.detail;
        for (i, f) in report.findings[..full].iter().enumerate() {
            self.blank();
            let more = usize::from(i == 0);
            self.detail.whys = detail.whys.saturating_add(more);
            self.detail.examples = detail.examples.saturating_add(more);
            self.finding(f);
            self.detail = detail;
        }
        let rest = &report.findings[full..];
        if !rest.is_empty() {
            self.blank();
        }
        for f in rest.iter().take(self.detail.named) {
            self.title(f);
        }
        fold(&mut self.lines, rest.len(), self.detail.named, "finding");
    }

    fn title(&mut self, f: &Finding) {
        let room = self.width.saturating_sub(14);
        let severity = pad(&f.severity.word().to_uppercase(), 6);
        let lines = wrap(&visible(&f.title), room, 2);
        for (i, line) in lines.into_iter().enumerate() {
            let head = if i == 0 { severity.clone() } else { " ".repeat(6) };
            let id = if i == 0 { pad(&short(&f.id, 4), 4) } else { " ".repeat(4) };
            self.put([(severity_style(f.severity), head), plain(format!("  {id}  ")), (STRONG, line)]);
        }
    }

    fn finding(&mut self, f: &Finding) {
        self.title(f);
        for why in f.why.iter().take(self.detail.whys) {
            self.wrapped(8, PLAIN_STYLE, why, 5);
        }
        if self.text.verbose {
            self.wrapped(8, QUIET, &format!("decided: {}", words::decision(&f.decision)), 2);
        }
        if f.groups.is_empty() {
            let shown: Vec<&Example> = f.examples.iter().take(self.detail.examples).collect();
            for e in &shown {
                self.example(f, e);
            }
            let more = f.members.len().saturating_sub(shown.len());
            if more > 0 && self.text.verbose {
                self.wrapped(8, QUIET, &format!("{} more", words::count(more as u64)), 1);
            }
        } else {
            self.groups(f);
        }
        if self.detail.advice {
            for (i, line) in
                wrap(&visible(&f.advice), self.width.saturating_sub(10), 4).into_iter().enumerate()
            {
                self.put([plain("        "), quiet(if i == 0 { "→ " } else { "  " }), plain(line)]);
            }
        }
    }

    fn example(&mut self, f: &Finding, e: &Example) {
        let member = f.members.get(e.member);
        let place =
            short(&member.map(|m| words::short_place(self.report, m)).unwrap_or_default(), self.width / 3);
        let labels = member.and_then(words::labels).unwrap_or_default();
        self.shown(place, &labels, e);
    }

    /// A line for each group of copies: how many, under which labels, what, and where the first ones are.
    fn groups(&mut self, f: &Finding) {
        for group in f.groups.iter().take(self.detail.examples) {
            let members: Vec<&Member> = group.iter().filter_map(|m| f.members.get(*m as usize)).collect();
            let Some(e) = f.examples.iter().find(|e| group.contains(&(e.member as u32))) else { continue };
            let copies = format!("{} ×", words::count(members.len() as u64));
            self.shown(copies, &words::label_counts(&members), e);
            let places = members.iter().take(6).map(|m| words::short_place(self.report, m));
            let rest = if members.len() > 6 { ", …" } else { "" };
            let line = format!("at {}{rest}", places.collect::<Vec<_>>().join(", "));
            self.wrapped(12, QUIET, &line, 1);
        }
    }

    fn shown(&mut self, head: String, labels: &str, e: &Example) {
        let labels = short(labels, 30);
        let used = 8 + width(&head) + width(&labels) + 4;
        let room = self.width.saturating_sub(used).max(20);
        let labels = if labels.is_empty() { labels } else { format!("{labels}  ") };
        let mut line = vec![plain("        "), quiet(format!("{head}  ")), plain(labels)];
        line.extend(cells(e, room));
        self.put(line);
    }

    /// What would have been too small to be told from chance.
    fn not_seen(&mut self) {
        let told: Vec<(&str, &str)> = self
            .report
            .detectors
            .iter()
            .filter_map(|d| Some((d.id.as_str(), d.unseen.as_deref()?)))
            .collect();
        if told.is_empty() || self.detail.skipped == 0 {
            return;
        }
        self.blank();
        self.put([quiet("what could not have been seen")]);
        let name = told.iter().map(|t| width(t.0)).max().unwrap_or(0).min(28);
        for (id, unseen) in told {
            for (i, line) in
                wrap(&visible(unseen), self.width.saturating_sub(name + 4), 3).into_iter().enumerate()
            {
                let id = if i == 0 { short(id, 28) } else { String::new() };
                self.put([quiet(format!("  {}  {line}", pad(&id, name)))]);
            }
        }
    }

    fn not_looked_at(&mut self) {
        let idle: Vec<_> = self.report.detectors.iter().filter(|d| d.status != DetectorStatus::Ran).collect();
        if idle.is_empty() {
            return;
        }
        self.blank();
        let failed = idle.iter().filter(|d| d.status == DetectorStatus::Failed).count();
        let mut head = format!("{} did not run", words::plural(idle.len() as u64, "detector"));
        if failed > 0 {
            head += &format!(" ({} failed)", words::count(failed as u64));
        }
        if self.detail.skipped == 0 {
            let ids: Vec<&str> = idle.iter().map(|d| d.id.as_str()).collect();
            let line = visible(&format!("{head}: {}", ids.join(", ")));
            self.put([quiet(line)]);
            return;
        }
        self.put([quiet(head)]);
        let name = idle.iter().take(self.detail.skipped).map(|d| width(&d.id)).max().unwrap_or(0).min(28);
        for d in idle.iter().take(self.detail.skipped) {
            let style =
                if d.status == DetectorStatus::Failed { severity_style(Severity::Medium) } else { QUIET };
            let reason = wrap(&visible(&d.detail), self.width.saturating_sub(name + 4), 3);
            for (i, line) in reason.into_iter().enumerate() {
                let id = if i == 0 { short(&d.id, 28) } else { String::new() };
                self.put([(style, format!("  {}  {line}", pad(&id, name)))]);
            }
        }
        fold(&mut self.lines, idle.len(), self.detail.skipped, "detector");
    }

    fn notes(&mut self) {
        let report = self.report;
        if report.notes.is_empty() {
            return;
        }
        self.blank();
        for note in report.notes.iter().take(self.detail.notes) {
            for (i, line) in wrap(&visible(note), self.width.saturating_sub(6), 3).into_iter().enumerate() {
                self.put([quiet(format!("{}{line}", if i == 0 { "note: " } else { "      " }))]);
            }
        }
        fold(&mut self.lines, report.notes.len(), self.detail.notes, "note");
    }

    fn next(&mut self) {
        self.blank();
        let folder = words::report_folder(self.report);
        if let Some(folder) = &folder {
            self.put([plain(
                "All of it, with examples, plots and the table of samples; open it in a browser:",
            )]);
            self.command(&words::quote(&format!("{folder}/report.html")));
        }
        let clean = words::clean_command(self.report);
        match (&self.text.next, clean) {
            (Some(look), _) if folder.is_none() && !self.report.findings.is_empty() => {
                self.put([plain("To see examples and plots, and to write what `foretaste clean` reads:")]);
                self.command(look);
            }
            (_, Some((why, command))) => {
                self.put([plain(why)]);
                self.command(&command);
            }
            _ => {}
        }
    }

    fn command(&mut self, command: &str) {
        self.lines.push(Line { parts: vec![plain("  "), (STRONG, visible(command))], whole: true });
    }
}

/// The cells worth showing on one line: of a text its marked part; of a table the odd cells, then others while there
/// is room; or the reason if there is nothing to show. The label stands before them already.
fn cells(e: &Example, room: usize) -> Vec<(Style, String)> {
    let shown: Vec<&Cell> = e.cells.iter().filter(|c| c.role != Role::Label).collect();
    if let Some(text) = shown.iter().filter(|c| c.role.is_text()).max_by_key(|c| !c.marks.is_empty() || c.odd)
    {
        return styled(around(&text.text, &text.marks, room));
    }
    if shown.is_empty() {
        return vec![plain(short(&e.why, room))];
    }
    let mut left = room;
    let mut out: Vec<(Style, String)> = Vec::new();
    for c in shown {
        let (name, value) = (short(&c.column, 18), short(&c.text, 24));
        let wide = width(&name) + 1 + width(&value) + 2;
        if wide > left && !out.is_empty() {
            break;
        }
        left = left.saturating_sub(wide);
        out.push(quiet(format!("{name}=")));
        out.push((if c.odd || !c.marks.is_empty() { MARK } else { PLAIN_STYLE }, value));
        out.push(plain("  "));
    }
    out
}

fn styled(pieces: Vec<Piece>) -> Vec<(Style, String)> {
    let style = |p: &Piece| match (p.escaped, p.mark.is_some()) {
        (true, _) => ESCAPED,
        (_, true) => MARK,
        _ => PLAIN_STYLE,
    };
    pieces.into_iter().map(|p| (style(&p), p.text)).collect()
}

fn paint(style: Style, text: &str) -> String {
    if style == PLAIN_STYLE || text.is_empty() { text.to_owned() } else { format!("{style}{text}{style:#}") }
}

fn severity_style(severity: Severity) -> Style {
    let colour = match severity {
        Severity::High => AnsiColor::Red,
        Severity::Medium => AnsiColor::Yellow,
        Severity::Low => AnsiColor::Blue,
        Severity::Note => return QUIET,
    };
    colour.on_default().effects(Effects::BOLD)
}

fn pad(text: &str, to: usize) -> String {
    format!("{text}{}", " ".repeat(to.saturating_sub(width(text))))
}

/// Says what was left out of a list of `all` of which `shown` are there.
fn fold(lines: &mut Vec<Line>, all: usize, shown: usize, word: &str) {
    if let Some(more) = all.checked_sub(shown).filter(|n| *n > 0) {
        let plural = if more == 1 || word.contains(' ') { "" } else { "s" };
        let text = format!("  {} more {word}{plural} (--verbose shows all)", words::count(more as u64));
        lines.push(Line { parts: vec![quiet(text)], whole: false });
    }
}

/// Folds a text at spaces; a word longer than a line is cut, and so is what does not fit into `most` lines.
fn wrap(text: &str, room: usize, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split(' ').filter(|w| !w.is_empty()) {
        let word = short(word, room);
        let fits = |line: &String| line.is_empty() || width(line) + 1 + width(&word) <= room;
        match lines.last_mut() {
            Some(last) if fits(last) => {
                if !last.is_empty() {
                    last.push(' ');
                }
                last.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    if lines.len() > most {
        let rest = lines.split_off(most.saturating_sub(1)).join(" ");
        lines.push(short(&rest, room));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_and_cuts() {
        assert_eq!(wrap("one two three", 7, 9), ["one two", "three"]);
        assert_eq!(wrap("one two three four", 7, 2), ["one two", "three…"]);
        assert_eq!(wrap("", 7, 2), [""]);
        assert!(wrap(&"x".repeat(500), 20, 3).iter().all(|l| width(l) <= 20));
    }
}
