//! `foretaste trace`.

use crate::progress::Progress;
use crate::scan::{Columns, Reading, rayon_threads};
use anstream::println;
use anstyle::{AnsiColor, Style};
use clap::Args as ClapArgs;
use foretaste_core::Role;
use foretaste_flow::Phase;
use foretaste_flow::columns::{count, thousands};
use foretaste_flow::trace::{Group, Trace, TraceOptions, Without, trace};
use foretaste_report::excerpt::{Piece, around, short, visible, width};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const CHANGED: Style = AnsiColor::Red.on_default().bold();

/// Which training samples make a model say this about an input.
#[derive(ClapArgs)]
pub struct Args {
    /// Training data: files, folders or patterns.
    #[arg(required = true)]
    inputs: Vec<String>,
    /// Input to explain, in the columns of the training data: JSON object or list of objects, or any format that is read.
    #[arg(long = "input", value_name = "FILE", required_unless_present = "row")]
    input: Vec<String>,
    /// Explain this row of the training data, from 1; it is left out of the training (may be repeated).
    #[arg(long, value_name = "N")]
    row: Vec<u64>,
    /// The answer to explain (default: the label of the input, else what the model says).
    #[arg(long, value_name = "CLASS")]
    predicted: Option<String>,
    /// Training samples to name.
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: usize,
    /// Neighbours that vote in the second opinion.
    #[arg(long, value_name = "N", default_value_t = 10)]
    neighbours: usize,
    /// Seed of the random samples that are left out for comparison.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Write everything as JSON to this file; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Print nothing but errors.
    #[arg(long, short)]
    quiet: bool,

    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    columns: Columns,
    /// Threads (default: one per core). The result does not depend on it.
    #[arg(long, value_name = "N", help_heading = "Running")]
    threads: Option<usize>,
}

/// Runs the verb.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if let Some(n) = args.threads {
        rayon_threads(n)?;
    }
    let mut roles: BTreeMap<String, Role> = BTreeMap::new();
    args.columns.put(&mut roles)?;
    let options = TraceOptions {
        inputs: args.inputs.clone(),
        open: args.reading.options()?,
        roles,
        questions: args.input.clone(),
        rows: args.row.clone(),
        predicted: args.predicted.clone(),
        top: args.top,
        k: args.neighbours,
        seed: args.seed,
    };
    let progress = Progress::new(args.quiet);
    let done = trace(&options, &|rows| progress.on(Phase::Reading, rows));
    progress.done();
    let done = done?;
    let mut on_stdout = false;
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&done)?;
        on_stdout = path.as_os_str() == "-";
        if on_stdout {
            println!("{text}");
        } else {
            foretaste_flow::simulate::write_text(path, &text)?;
        }
    }
    if !args.quiet && !on_stdout {
        show(&done);
    }
    Ok(ExitCode::SUCCESS)
}

/// Labels that are shown.
const LABELS: usize = 4;
/// Inputs that are shown on the first screen.
const INPUTS: usize = 3;

fn show(t: &Trace) {
    let columns = crate::scan::width();
    println!(
        "{BOLD}{}{BOLD:#}  {}, {}; {} agrees with {} of the labels",
        short(&t.files.join(", "), 60),
        count(t.rows, "sample"),
        format_args!("{} classes", t.classes.len()),
        t.model,
        percent(t.agreement)
    );
    for a in t.asked.iter().take(INPUTS) {
        let says = if a.says == a.explained {
            String::new()
        } else {
            format!(" (the model says `{}`)", visible(&a.says))
        };
        println!(
            "{}: {BOLD}`{}` with probability {:.3}{BOLD:#}{says}",
            short(&a.place, 50),
            visible(&a.explained),
            a.probability
        );
        println!("  {DIM}{}{DIM:#}", short(&a.excerpt, columns.saturating_sub(2)));
    }
    if t.asked.len() > INPUTS {
        println!("{DIM}and {}{DIM:#}", count((t.asked.len() - INPUTS) as u64, "more input"));
    }
    samples(t, columns);
    groups(t, columns);
    without(t, columns);
    for note in &t.notes {
        println!("{DIM}note: {}{DIM:#}", visible(note));
    }
}

fn samples(t: &Trace, columns: usize) {
    println!("\n{BOLD}Samples that pull most towards the answer{BOLD:#}");
    if t.samples.is_empty() {
        println!("  none");
        return;
    }
    let label = |l: &Option<String>| l.as_deref().map_or("-".to_owned(), |l| short(l, 16));
    let origin = |s: &foretaste_flow::trace::Sample| {
        s.origin.first().map_or(String::new(), |(_, value)| short(value, 14))
    };
    let place = longest(t.samples.iter().map(|s| short(&s.place, 40)), "place");
    let labels = longest(t.samples.iter().map(|s| label(&s.label)), "label");
    let any_origin = t.samples.iter().any(|s| !s.origin.is_empty());
    let origins = if any_origin { longest(t.samples.iter().map(origin), "origin") } else { 0 };
    let head = format!(
        "  {}  {}  {:>6}  {:>10}{}",
        padded("place", place),
        padded("label", labels),
        "pull",
        "neighbours",
        if any_origin { format!("  {}", padded("origin", origins)) } else { String::new() }
    );
    println!("{DIM}{head}{DIM:#}");
    let phrase = t.shared.iter().find_map(|s| s.phrase());
    for s in &t.samples {
        let from = if any_origin { format!("  {}", padded(&origin(s), origins)) } else { String::new() };
        let start = format!(
            "  {}  {}  {:>6}  {:>10.4}{from}",
            padded(&short(&s.place, 40), place),
            padded(&label(&s.label), labels),
            percent(s.pull_share),
            s.shapley
        );
        let room = columns.saturating_sub(width(&start) + 2).max(10);
        println!("{start}  {}", excerpt(&s.excerpt, phrase, room));
    }
}

/// The part of a sample around a phrase, or its beginning.
fn excerpt(text: &str, phrase: Option<&str>, room: usize) -> String {
    let at = phrase.and_then(|p| Some((text.to_ascii_lowercase().find(p)?, p.len())));
    let marks: Vec<(usize, usize, String)> =
        at.map(|(from, len)| (from, from + len, String::new())).into_iter().collect();
    let piece = |p: Piece| match p.mark {
        Some(_) => format!("{BOLD}{}{BOLD:#}", p.text),
        None => format!("{DIM}{}{DIM:#}", p.text),
    };
    around(text, &marks, room).into_iter().map(piece).collect()
}

fn groups(t: &Trace, columns: usize) {
    println!("\n{BOLD}Who pulls{BOLD:#}");
    let name = |g: &Group| match (&g.column, g.kind.as_str()) {
        (Some(column), _) => format!("{column} `{}`", g.name),
        (None, "label") => format!("label `{}`", g.name),
        _ => format!("family of {} (nearly alike)", g.name),
    };
    let shown = |g: &Group| short(&name(g), columns.saturating_sub(50).max(20));
    let wide = longest(t.groups.iter().map(shown), "");
    let labels = t.groups.iter().filter(|g| g.kind == "label");
    for g in labels.take(LABELS).chain(t.groups.iter().filter(|g| g.kind != "label")) {
        println!(
            "  {}  {:>14}  {:>6} of the data  {:>6} of the pull",
            padded(&shown(g), wide),
            count(g.rows, "sample"),
            percent(g.row_share),
            percent(g.pull_share)
        );
    }
    for s in &t.shared {
        println!(
            "  {BOLD}{}{BOLD:#}: in {} of the {} strongest samples and in {} of all others",
            short(&s.what, columns.saturating_sub(60).max(20)),
            s.strongest_with,
            s.strongest,
            thousands(s.others_with)
        );
    }
}

fn without(t: &Trace, columns: usize) {
    println!("\n{BOLD}Trained without them{BOLD:#}");
    let before: Vec<String> = t.without.first().map_or(vec![], |w| w.says.clone());
    let what = |w: &Without| {
        let told = w.removed == 0 || w.what.contains(&thousands(w.removed));
        let n = if !told { format!(" ({})", thousands(w.removed)) } else { String::new() };
        short(&format!("{}{n}", w.what), columns.saturating_sub(40).max(20))
    };
    let wide = longest(t.without.iter().map(what), "");
    for w in &t.without {
        let changed = w.says.iter().zip(&before).filter(|(a, b)| a != b).count();
        let says = match (changed, w.says.as_slice()) {
            (0, _) => String::new(),
            (_, [one]) => format!("  {CHANGED}now `{}`{CHANGED:#}", visible(one)),
            (n, all) => format!("  {CHANGED}{n} of {} answers change{CHANGED:#}", all.len()),
        };
        println!("  {}  probability {:.3}{says}", padded(&what(w), wide), w.probability);
    }
    match t.enough {
        Some(n) => println!(
            "{BOLD}Without the {} the answer changes{BOLD:#} ({} of the data).",
            if n == 1 {
                "strongest sample".to_owned()
            } else {
                format!("{} strongest samples", thousands(n))
            },
            percent(n as f64 / t.rows.max(1) as f64)
        ),
        None if t.asked.iter().any(|a| a.says == a.explained) => {
            println!("Without the {} strongest samples the answer stays.", thousands(t.looked_up_to));
        }
        None => {}
    }
}

fn longest(texts: impl Iterator<Item = String>, head: &str) -> usize {
    texts.map(|t| width(&t)).chain([head.len()]).max().unwrap_or(0)
}

/// Filled with spaces to so many terminal columns.
fn padded(text: &str, to: usize) -> String {
    format!("{text}{}", " ".repeat(to.saturating_sub(width(text))))
}

fn percent(share: f64) -> String {
    match 100.0 * share {
        p if !(0.005..99.95).contains(&p) => format!("{p:.0} %"),
        p if p >= 10.0 => format!("{p:.1} %"),
        p => format!("{p:.2} %"),
    }
}
