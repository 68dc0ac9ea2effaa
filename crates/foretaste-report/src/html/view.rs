//! What the template shows: strings, in the order of the page.

use super::glance::Glance;
use super::plots::{self, HeatMap, HistogramPlot};
use crate::excerpt::{Piece, around, short, visible};
use crate::words;
use foretaste_core::{DetectorStatus, Example, Finding, Report, Role, Trigger};

/// Columns shown before the rest is folded away.
const COLUMNS: usize = 14;
const CLASSES: usize = 24;
/// Characters of a text cell in an example.
const TEXT: usize = 700;
/// Members listed without script.
const MEMBERS: usize = 40;
const FILES: usize = 12;

/// A text in turns of prose and code.
pub type Spans = Vec<(String, bool)>;

/// The whole page.
pub struct View {
    pub version: String,
    pub headline: String,
    pub basis: String,
    /// CSS class of the verdict: a severity, `clean` or `doubtful`.
    pub tone: &'static str,
    pub figures: Vec<(String, String)>,
    /// The first screen in sentences.
    pub glance: Glance,
    pub findings: Vec<FindingView>,
    pub files: Vec<[String; 4]>,
    pub more_files: usize,
    pub skipped: Vec<(String, String)>,
    pub columns: Vec<ColumnView>,
    pub more_columns: Vec<ColumnView>,
    pub classes: Vec<ClassView>,
    pub classes_note: String,
    pub confusion: Option<HeatMap>,
    pub surrogate: Option<String>,
    pub plots: Vec<HistogramPlot>,
    pub detectors: Vec<DetectorView>,
    pub notes: Vec<Spans>,
    pub command: String,
    /// What to do and the command for it, if there is something to do.
    pub clean: Option<(&'static str, String)>,
    pub seed: u64,
    pub fdr: String,
}

pub struct ColumnView {
    pub name: String,
    pub kind: String,
    pub role: &'static str,
    pub reason: String,
    pub nulls: String,
    pub flag: String,
}

pub struct ClassView {
    pub name: String,
    pub rows: String,
    pub share: String,
    /// Width of the bar in per cent of the largest class.
    pub width: String,
}

pub struct DetectorView {
    pub id: String,
    pub title: String,
    pub detail: Spans,
    /// What it could not have seen in these data, and never can.
    pub unseen: Spans,
    pub status: &'static str,
    pub calibrated: bool,
}

pub struct FindingView {
    pub id: String,
    pub anchor: String,
    pub kind: &'static str,
    pub meaning: &'static str,
    pub severity: &'static str,
    pub title: Spans,
    pub title_text: String,
    pub why: Vec<Spans>,
    /// The stamp, pixel for pixel.
    pub stamp: Option<StampView>,
    pub advice: Spans,
    pub members: String,
    pub quarantined: String,
    pub action: &'static str,
    pub groups: usize,
    pub decision: String,
    pub detectors: String,
    pub taxonomy: Vec<(&'static str, String)>,
    pub images: Vec<ImageGroup>,
    pub texts: Vec<TextView>,
    pub grid: Option<GridView>,
    pub tables: Vec<TableView>,
    pub list: Vec<[String; 4]>,
    pub list_more: String,
}

/// Pictures under one head; empty if they are no group of copies.
pub struct ImageGroup {
    pub head: String,
    pub images: Vec<ImageView>,
}

/// A stamp as squares.
pub struct StampView {
    pub width: u32,
    pub height: u32,
    /// Left, top and colour of each pixel.
    pub squares: Vec<(u32, u32, String)>,
    pub words: String,
}

/// Squares of a stamp on a page at most; a larger one is shown by the examples.
const SQUARES: u32 = 1024;
/// Squares on a side of a pattern at most; of a larger one every second, third ... pixel is shown.
const SIDE: u32 = 32;
/// Squares across the empty inside of a frame.
const INSIDE: u32 = 8;

fn stamp(trigger: &Trigger) -> Option<StampView> {
    match trigger {
        Trigger::Patch { width, height, channels, pixels, .. }
        | Trigger::PatchAnywhere { width, height, channels, pixels } => {
            squares(*width, *height, *channels, pixels, trigger.words())
        }
        Trigger::Pattern { width, height, channels, delta } => {
            let most = delta.iter().fold(1f32, |m, d| m.max(d.abs()));
            let step = (width.max(height).div_ceil(SIDE)).max(1);
            let mut pixels = vec![];
            for y in (0..*height).step_by(step as usize) {
                for x in (0..*width).step_by(step as usize) {
                    let at = (y * width + x) as usize * *channels as usize;
                    let values = delta.get(at..at + *channels as usize)?;
                    // grey is nothing, black and white are the most that is taken and added
                    pixels.extend(values.iter().map(|d| (128.0 + 127.0 * d / most) as u8));
                }
            }
            let words = format!(
                "{}; grey: nothing added, white and black: {most:.0} of 255 more and less",
                trigger.words()
            );
            squares(width.div_ceil(step), height.div_ceil(step), *channels, &pixels, words)
        }
        Trigger::Frame { lines, colour } => {
            // a small picture stands for all
            let side = lines.checked_mul(2)?.checked_add(INSIDE)?;
            let area = (side <= SIDE).then_some((side * side) as usize)?;
            let pixels = colour.repeat(area);
            let mut view = squares(side, side, colour.len() as u32, &pixels, trigger.words())?;
            let outer = |at: u32| at < *lines || at + lines >= side;
            view.squares.retain(|(x, y, _)| outer(*x) || outer(*y));
            Some(view)
        }
        Trigger::Phrase { .. } | Trigger::Writing { .. } | Trigger::Rule { .. } => None,
    }
}

fn squares(width: u32, height: u32, channels: u32, pixels: &[u8], words: String) -> Option<StampView> {
    let channels = channels as usize;
    if channels == 0 || width.checked_mul(height).is_none_or(|n| n == 0 || n > SQUARES) {
        return None;
    }
    let square = |(i, p): (usize, &[u8])| {
        let (r, g, b) = if p.len() >= 3 { (p[0], p[1], p[2]) } else { (p[0], p[0], p[0]) };
        (i as u32 % width, i as u32 / width, format!("#{r:02x}{g:02x}{b:02x}"))
    };
    let squares = pixels.chunks_exact(channels).enumerate().map(square).collect();
    Some(StampView { width, height, squares, words })
}

/// An example that is a picture.
pub struct ImageView {
    pub source: String,
    pub place: String,
    pub given: String,
    pub expected: String,
    pub why: String,
}

/// An example with running text.
pub struct TextView {
    /// Where it is, or of a group of copies how many there are and where.
    pub place: String,
    pub given: String,
    pub expected: String,
    pub why: Spans,
    pub cells: Vec<CellView>,
}

pub struct CellView {
    pub column: String,
    pub odd: bool,
    pub prose: bool,
    pub pieces: Vec<Piece>,
}

/// Examples that are rows of a table.
pub struct GridView {
    pub header: Vec<String>,
    pub rows: Vec<GridRow>,
}

pub struct GridRow {
    /// How many copies, and where: the head of a group.
    pub head: String,
    pub place: String,
    pub given: String,
    pub expected: String,
    pub why: Spans,
    pub cells: Vec<CellView>,
}

pub struct TableView {
    pub title: String,
    /// Name, and whether the column holds numbers.
    pub header: Vec<(String, bool)>,
    pub rows: Vec<Vec<TableCell>>,
}

pub struct TableCell {
    pub text: String,
    pub numeric: bool,
    /// Width of a bar in per cent, for columns of shares.
    pub bar: Option<String>,
}

impl View {
    pub fn new(report: &Report) -> Self {
        let verdict = words::verdict(report);
        let c = &report.coverage;
        let mut columns: Vec<_> = c.columns.iter().map(column).collect();
        // features, the many, last: roles that were inferred are what the reader has to check
        columns.sort_by_key(|col| (col.role == Role::Feature.word(), col.role == Role::Ignored.word()));
        let more_columns = if columns.len() > COLUMNS + 3 { columns.split_off(COLUMNS) } else { vec![] };
        let files: Vec<_> = c
            .inputs
            .iter()
            .map(|i| [visible(&i.path), visible(&i.format), words::bytes(i.bytes), words::count(i.rows)])
            .take(FILES)
            .collect();
        View {
            version: visible(&report.run.version),
            tone: match verdict.worst {
                Some(s) => s.word(),
                None if verdict.doubtful => "doubtful",
                None => "clean",
            },
            figures: figures(report, &verdict),
            glance: Glance::new(report, &verdict),
            headline: verdict.headline,
            basis: verdict.basis,
            findings: report.findings.iter().map(|f| finding(report, f)).collect(),
            more_files: c.inputs.len() - files.len(),
            files,
            skipped: c.skipped.iter().map(|s| (visible(&s.path), visible(&s.reason))).collect(),
            columns,
            more_columns,
            classes: classes(report),
            classes_note: classes_note(report),
            confusion: report.confusion.as_ref().and_then(plots::heat_map),
            surrogate: surrogate(report),
            plots: words::detectors(report, DetectorStatus::Ran).filter_map(plots::histogram).collect(),
            detectors: report.detectors.iter().map(detector).collect(),
            notes: report.notes.iter().map(|n| words::spans(n)).collect(),
            command: visible(&words::command(&report.run.command)),
            clean: words::clean_command(report).map(|(why, c)| (why, visible(&c))),
            seed: report.run.seed,
            fdr: words::percent(report.run.fdr),
        }
    }
}

fn figures(report: &Report, verdict: &words::Verdict) -> Vec<(String, String)> {
    let c = &report.coverage;
    let ran = words::detectors(report, DetectorStatus::Ran).count();
    let mut out = vec![
        (words::count(c.rows), "rows".to_owned()),
        (words::count(report.findings.len() as u64), "findings".to_owned()),
        (words::count(verdict.quarantine), "to set aside".to_owned()),
        (words::count(verdict.review), "to review".to_owned()),
        (format!("{ran} / {}", report.detectors.len()), "detectors ran".to_owned()),
    ];
    if let Some(noise) = report.surrogate.as_ref().and_then(|s| s.noise_rate) {
        out.push((words::percent(noise), "labels wrong, estimated".to_owned()));
    }
    out
}

fn column(c: &foretaste_core::ColumnInfo) -> ColumnView {
    ColumnView {
        name: short(&c.name, 60),
        kind: visible(&c.kind),
        role: c.role.word(),
        reason: visible(&c.reason),
        nulls: if c.nulls == 0 { String::new() } else { words::count(c.nulls) },
        flag: short(&words::role_flag(c), 60),
    }
}

fn classes(report: &Report) -> Vec<ClassView> {
    let all = &report.coverage.classes;
    let rows = all.iter().map(|k| k.rows).sum();
    let top = all.iter().map(|k| k.rows).max().unwrap_or(0);
    all.iter()
        .take(CLASSES)
        .map(|k| ClassView {
            name: short(&k.name, 40),
            rows: words::count(k.rows),
            share: words::percent_even(words::share(k.rows, rows)),
            width: css_percent(words::share(k.rows, top)),
        })
        .collect()
}

fn classes_note(report: &Report) -> String {
    let c = &report.coverage;
    let mut parts = vec![];
    if c.classes.len() > CLASSES {
        parts.push(format!("{} more classes", c.classes.len() - CLASSES));
    }
    if c.unlabelled > 0 {
        parts.push(format!("{} without a label", words::plural(c.unlabelled, "row")));
    }
    parts.join("; ")
}

fn surrogate(report: &Report) -> Option<String> {
    let s = report.surrogate.as_ref()?;
    let mut out = format!(
        "Expected labels come from {}, trained {} times on the other rows; it agrees with {} of the given labels.",
        visible(&s.model),
        s.folds,
        words::percent(s.accuracy)
    );
    if let Some(noise) = s.noise_rate {
        out += &format!(" Estimated share of wrong labels: {}", words::percent(noise));
        if let Some((low, high)) = s.noise_interval {
            out += &format!(" (95 % interval {} to {})", words::percent(low), words::percent(high));
        }
        out.push('.');
    }
    Some(out)
}

fn detector(d: &foretaste_core::DetectorRun) -> DetectorView {
    DetectorView {
        id: visible(&d.id),
        title: visible(&d.title),
        detail: words::spans(&d.detail),
        unseen: words::spans(&match &d.unseen {
            Some(small) => format!("In these data: {small}. Never: {}", d.blind_spots),
            None => d.blind_spots.clone(),
        }),
        status: match d.status {
            DetectorStatus::Ran => "ran",
            DetectorStatus::Skipped => "skipped",
            DetectorStatus::Failed => "failed",
        },
        calibrated: d.calibrated,
    }
}

fn finding(report: &Report, f: &Finding) -> FindingView {
    let (images, rest): (Vec<&Example>, Vec<&Example>) =
        f.examples.iter().partition(|e| e.thumbnail.as_deref().is_some_and(is_picture));
    let running = |e: &&Example| e.cells.iter().any(|c| c.role.is_text()) || e.cells.len() < 2;
    let (texts, rows): (Vec<&Example>, Vec<&Example>) = rest.into_iter().partition(running);
    let list = f.members.iter().take(MEMBERS).map(|m| {
        let p = m
            .p_value
            .map_or_else(|| words::number(f64::from(m.suspicion)), |p| format!("p = {}", words::number(p)));
        [words::place(report, m), short(&m.id.0, 44), words::labels(m).unwrap_or_default(), p]
    });
    FindingView {
        id: visible(&f.id),
        anchor: f.id.chars().filter(char::is_ascii_alphanumeric).collect(),
        kind: f.kind.word(),
        meaning: f.kind.meaning(),
        severity: f.severity.word(),
        title: words::spans(&f.title),
        title_text: short(&f.title, 90),
        why: f.why.iter().map(|w| words::spans(w)).collect(),
        stamp: f.trigger.as_ref().and_then(stamp),
        advice: words::spans(&f.advice),
        members: words::plural(f.members.len() as u64, "sample"),
        quarantined: words::count(words::quarantined(f)),
        action: words::action(f.action),
        groups: f.groups.len(),
        decision: words::decision(&f.decision),
        detectors: f.detectors.iter().map(|d| visible(d)).collect::<Vec<_>>().join(", "),
        taxonomy: vec![
            ("MITRE ATLAS", visible(&f.taxonomy.atlas)),
            ("OWASP", visible(&f.taxonomy.owasp)),
            ("NIST AI 100-2", visible(&f.taxonomy.nist)),
        ],
        images: image_groups(report, f, &images),
        texts: texts.iter().enumerate().filter_map(|(i, e)| text(report, f, e, &texts[..i])).collect(),
        grid: grid(report, f, &rows),
        tables: f.tables.iter().map(table).collect(),
        list: list.collect(),
        list_more: match f.members.len().checked_sub(MEMBERS) {
            Some(more) if more > 0 => words::count(more as u64),
            _ => String::new(),
        },
    }
}

/// Place, given label, expected label (empty if it is the same or unknown).
fn member(report: &Report, f: &Finding, e: &Example) -> (String, String, String) {
    let Some(m) = f.members.get(e.member) else { return Default::default() };
    let label = |l: &Option<String>| l.as_ref().map(|l| short(l, 40)).unwrap_or_default();
    let expected = if m.given == m.expected { String::new() } else { label(&m.expected) };
    (words::short_place(report, m), label(&m.given), expected)
}

fn image(report: &Report, f: &Finding, e: &Example) -> ImageView {
    let (place, given, expected) = member(report, f, e);
    ImageView {
        source: e.thumbnail.clone().unwrap_or_default(),
        place,
        given,
        expected,
        why: visible(&e.why),
    }
}

/// Position of the group of copies that an example stands for.
fn group_of(f: &Finding, e: &Example) -> Option<usize> {
    f.groups.iter().position(|g| g.iter().any(|m| *m as usize == e.member))
}

/// `3 copies: line 7, line 9, line 12`.
fn group_head(report: &Report, f: &Finding, group: usize) -> String {
    let members: Vec<_> = f.groups[group].iter().filter_map(|m| f.members.get(*m as usize)).collect();
    let places: Vec<String> = members.iter().take(8).map(|m| words::short_place(report, m)).collect();
    let rest = if members.len() > 8 { ", …" } else { "" };
    format!("{} copies ({}): {}{rest}", members.len(), words::label_counts(&members), places.join(", "))
}

fn image_groups(report: &Report, f: &Finding, examples: &[&Example]) -> Vec<ImageGroup> {
    let mut out: Vec<(Option<usize>, ImageGroup)> = Vec::new();
    for e in examples {
        let group = group_of(f, e);
        match out.last_mut() {
            Some((last, images)) if *last == group => images.images.push(image(report, f, e)),
            _ => {
                let head = group.map(|g| group_head(report, f, g)).unwrap_or_default();
                out.push((group, ImageGroup { head, images: vec![image(report, f, e)] }));
            }
        }
    }
    out.into_iter().map(|(_, g)| g).collect()
}

/// Nothing for a copy that reads like one `before` it: the head of its group tells where it is.
fn text(report: &Report, f: &Finding, e: &Example, before: &[&Example]) -> Option<TextView> {
    let (mut place, mut given, expected) = member(report, f, e);
    let shown = |e: &Example| e.cells.iter().filter(|c| c.role != Role::Label).cloned().collect::<Vec<_>>();
    if let Some(group) = group_of(f, e) {
        let mut same = before.iter().filter(|b| group_of(f, b) == Some(group)).peekable();
        if same.peek().is_none() {
            place = group_head(report, f, group);
            given = String::new();
        } else if same.any(|b| shown(b) == shown(e)) {
            return None;
        }
    }
    let cells = shown(e);
    let cells = if cells.is_empty() { &e.cells } else { &cells };
    let why = words::spans(&short(&e.why, 400));
    Some(TextView { place, given, expected, why, cells: cells.iter().map(cell).collect() })
}

fn cell(c: &foretaste_core::Cell) -> CellView {
    let prose = c.role.is_text();
    let pieces = around(&c.text, &c.marks, if prose { TEXT } else { 80 });
    CellView { column: short(&c.column, 40), odd: c.odd, prose, pieces }
}

/// Rows under common heads; a cell that an example lacks stays empty.
fn grid(report: &Report, f: &Finding, examples: &[&Example]) -> Option<GridView> {
    let mut names: Vec<&str> = Vec::new();
    // the label stands in a column of its own, with what is expected
    for c in examples.iter().flat_map(|e| &e.cells).filter(|c| c.role != Role::Label) {
        if !names.contains(&c.column.as_str()) {
            names.push(&c.column);
        }
    }
    names.truncate(24);
    if names.is_empty() {
        return None;
    }
    let row = |(i, e): (usize, &&Example)| {
        let (place, given, expected) = member(report, f, e);
        let group = group_of(f, e).filter(|g| i == 0 || group_of(f, examples[i - 1]) != Some(*g));
        let head = group.map(|g| group_head(report, f, g)).unwrap_or_default();
        let find = |name: &&str| {
            e.cells.iter().find(|c| c.column == **name).map_or_else(
                || CellView { column: String::new(), odd: false, prose: false, pieces: vec![] },
                cell,
            )
        };
        let why = words::spans(&short(&e.why, 400));
        GridRow { head, place, given, expected, why, cells: names.iter().map(find).collect() }
    };
    Some(GridView {
        header: names.iter().map(|n| short(n, 30)).collect(),
        rows: examples.iter().enumerate().map(row).collect(),
    })
}

fn table(t: &foretaste_core::Table) -> TableView {
    let share = |text: &str| {
        let value = text.trim().strip_suffix('%')?.trim().parse::<f64>().ok()?;
        (0.0..=100.0).contains(&value).then(|| css_percent(value / 100.0))
    };
    let one = |text: &String| TableCell {
        text: short(text, 120),
        numeric: text.starts_with(|c: char| c.is_ascii_digit() || "-<+.".contains(c))
            && text.chars().all(|c| c.is_ascii_digit() || " ,.%-+e<".contains(c)),
        bar: share(text),
    };
    let rows: Vec<Vec<TableCell>> = t.rows.iter().map(|r| r.iter().map(one).collect()).collect();
    let numeric = |i: usize| rows.iter().all(|r| r.get(i).is_some_and(|c| c.numeric));
    let header = t.header.iter().enumerate().map(|(i, h)| (visible(h), numeric(i))).collect();
    TableView { title: visible(&t.title), header, rows }
}

/// Only what can be a picture and nothing else may become the source of one.
fn is_picture(uri: &str) -> bool {
    let data = ["png", "jpeg"].iter().find_map(|t| uri.strip_prefix(&format!("data:image/{t};base64,")));
    data.is_some_and(|d| d.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b)))
}

fn css_percent(share: f64) -> String {
    if share.is_finite() { format!("{:.2}%", (share * 100.0).clamp(0.0, 100.0)) } else { "0%".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use foretaste_core::Severity;

    #[test]
    fn only_pictures_are_shown() {
        assert!(is_picture("data:image/png;base64,AAAA+/=="));
        for bad in [
            "javascript:alert(1)",
            "data:image/svg+xml;base64,AAAA",
            "data:image/png;base64,A\" onerror=x",
            "http://x/y.png",
        ] {
            assert!(!is_picture(bad), "{bad}");
        }
    }

    #[test]
    fn severities_have_a_style() {
        let css = include_str!("../../templates/report.css");
        for s in [Severity::Note, Severity::Low, Severity::Medium, Severity::High] {
            assert!(css.contains(&format!(".{}", s.word())), "{s}");
        }
    }
}
