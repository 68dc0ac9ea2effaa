//! `foretaste trial`.

use crate::scan::{Columns, rayon_threads};
use anstream::println;
use anstyle::Style;
use anyhow::Context;
use clap::Args as ClapArgs;
use foretaste_core::{Interval, Role, Summary, Trial};
use foretaste_flow::Error;
use foretaste_flow::trial::{AttackSpec, Scenario, TrainCommand, TrialOptions, VictimSpec, plan, trial};
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

const BOLD: Style = Style::new().bold();

/// Measure what poisoning does: attack x defence x model, on your own data and with your own training.
#[derive(ClapArgs)]
pub struct Args {
    /// Scenario (TOML; see scenarios/). Without one, name --data, --attack and a --victim or --train-command.
    scenario: Option<PathBuf>,
    /// Data of the trial.
    #[arg(long, value_name = "FILE")]
    data: Vec<String>,
    /// Measure on these files; without them a share of the data is held out.
    #[arg(long, value_name = "FILE")]
    test: Vec<String>,
    /// Attack (several with commas).
    #[arg(long, value_name = "ATTACK", value_delimiter = ',')]
    attack: Vec<String>,
    /// Model that is trained (several with commas; default: softmax-regression, of numbers ridge-regression; see `foretaste list victims`).
    #[arg(long, value_name = "VICTIM", value_delimiter = ',')]
    victim: Vec<String>,
    /// none, perfect, random, scan, or a detector (several with commas).
    #[arg(long, value_name = "DEFENCE", value_delimiter = ',')]
    defence: Vec<String>,
    /// Share of the training data that is poisoned (several with commas).
    #[arg(long, value_name = "SHARE", value_delimiter = ',')]
    poison_rate: Vec<f64>,
    /// Seed (several with commas).
    #[arg(long, value_name = "N", value_delimiter = ',')]
    seed: Vec<u64>,
    /// The class that the attacker wants.
    #[arg(long, value_name = "CLASS")]
    target_class: Option<String>,
    /// The class that is attacked.
    #[arg(long, value_name = "CLASS")]
    source_class: Option<String>,
    /// Set a parameter of an attack or victim: ID.NAME=VALUE (may be repeated).
    #[arg(long, value_name = "ID.NAME=VALUE")]
    set: Vec<String>,

    /// Your own training: a shell command with {train}, {test}, {predictions}, and {probe} if it wants probes apart.
    #[arg(long, value_name = "COMMAND", help_heading = "Your own training")]
    train_command: Option<String>,
    /// Format of the files that it gets: csv, jsonl or parquet.
    #[arg(long, value_name = "FORMAT", default_value = "csv", help_heading = "Your own training")]
    exchange: String,
    /// Seconds that one training may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 3600, help_heading = "Your own training")]
    time_limit: u64,

    /// Keep results here: trial.json, trial.html, one file a unit, logs. A trial that was stopped goes on from there.
    #[arg(long, value_name = "DIR", help_heading = "Running")]
    out: Option<PathBuf>,
    /// Say what would be run, and run nothing.
    #[arg(long, help_heading = "Running")]
    dry_run: bool,
    /// One seed, one rate, one victim and at most 3,000 rows.
    #[arg(long, help_heading = "Running")]
    quick: bool,
    /// Use at most so many rows.
    #[arg(long, value_name = "N", help_heading = "Running")]
    max_rows: Option<u64>,
    /// Share that is held out to measure, without --test.
    #[arg(long, value_name = "SHARE", help_heading = "Running")]
    test_share: Option<f64>,
    /// Units at the same time.
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Running")]
    jobs: usize,
    /// Threads (default: one per core). Nothing but times depends on it.
    #[arg(long, value_name = "N", help_heading = "Running")]
    threads: Option<usize>,
    /// Print nothing but errors.
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    columns: Columns,
}

/// Rows of a quick trial.
const QUICK: u64 = 3000;

/// Runs the verb.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if let Some(n) = args.threads {
        rayon_threads(n)?;
    }
    let scenario = scenario(args)?;
    let plan = plan(&scenario)?;
    if args.dry_run {
        println!("{} units, {} trainings", plan.units.len(), plan.trainings);
        for unit in &plan.units {
            println!("  {}", unit.words(&scenario));
        }
        println!(
            "each with the defences {} and the victims {}",
            scenario.defences.join(", "),
            victims(&scenario)
        );
        return Ok(ExitCode::SUCCESS);
    }
    let bar = bar(args.quiet);
    let options = TrialOptions { out: args.out.clone(), jobs: args.jobs };
    let started = Instant::now();
    let done = trial(&scenario, &options, &|done, all, words| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
        bar.set_message(words.to_owned());
    });
    bar.finish_and_clear();
    let done = done?;
    if let Some(out) = &args.out {
        let json = serde_json::to_string_pretty(&done)?;
        std::fs::create_dir_all(out)
            .with_context(|| format!("cannot make the folder `{}`", out.display()))?;
        foretaste_flow::simulate::write_text(&out.join("trial.json"), &json)?;
        foretaste_flow::simulate::write_text(
            &out.join("trial.html"),
            &foretaste_report::trial::html(&done)?,
        )?;
    }
    if !args.quiet {
        show(&done);
        println!("{:.0} s", started.elapsed().as_secs_f64());
        if let Some(out) = &args.out {
            println!("{}", out.join("trial.html").display());
        }
    }
    // what was not measured must not pass for measured
    Ok(if done.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

fn victims(scenario: &Scenario) -> String {
    let own = scenario.train_command.iter().map(|_| "your own training");
    scenario.victims.iter().map(|v| v.id.as_str()).chain(own).collect::<Vec<_>>().join(", ")
}

fn bar(quiet: bool) -> ProgressBar {
    if quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style =
        ProgressStyle::with_template("{spinner} {bar:24} {pos}/{len}, {elapsed}, {eta} left  {wide_msg}");
    let bar = ProgressBar::new(1).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// The scenario of the file, with what flags say put over it.
fn scenario(args: &Args) -> anyhow::Result<Scenario> {
    let folder = std::env::var_os("FORETASTE_DATA").map(PathBuf::from);
    let mut s = match &args.scenario {
        Some(path) => Scenario::from_file(path, folder.as_deref())?,
        None if args.data.is_empty() => {
            return Err(
                Error::data("no data are named", "give a scenario, or --data FILE --attack ATTACK").into()
            );
        }
        None => Scenario { name: "Trial".into(), ..Scenario::default() },
    };
    if !args.data.is_empty() {
        s.data.inputs.clone_from(&args.data);
    }
    if !args.test.is_empty() {
        s.data.test.clone_from(&args.test);
    }
    let mut roles: BTreeMap<String, Role> = BTreeMap::new();
    args.columns.put(&mut roles)?;
    s.data.roles.extend(roles);
    if !args.attack.is_empty() {
        s.attacks = args.attack.iter().map(|id| attack(id, args)).collect::<anyhow::Result<_>>()?;
    }
    if !args.victim.is_empty() {
        s.victims =
            args.victim.iter().map(|id| VictimSpec { id: id.clone(), set: Default::default() }).collect();
    }
    if let Some(command) = &args.train_command {
        let spec = TrainCommand {
            command: command.clone(),
            format: args.exchange.clone(),
            time_limit: args.time_limit,
        };
        s.train_command = Some(spec);
    }
    if s.victims.is_empty() && s.train_command.is_none() {
        let numeric = s.data.roles.values().any(|r| *r == Role::Target);
        let id = if numeric { "ridge-regression" } else { "softmax-regression" };
        s.victims = vec![VictimSpec { id: id.into(), set: Default::default() }];
    }
    if !args.defence.is_empty() {
        s.defences.clone_from(&args.defence);
    }
    if !args.poison_rate.is_empty() {
        s.attacks.iter_mut().for_each(|a| a.poison_rates.clone_from(&args.poison_rate));
    }
    if !args.seed.is_empty() {
        s.seeds.clone_from(&args.seed);
    }
    if args.quick {
        s = s.quick(QUICK);
    }
    s.data.max_rows = args.max_rows.or(s.data.max_rows);
    s.data.test_share = args.test_share.unwrap_or(s.data.test_share);
    args.set.iter().try_for_each(|set| put(&mut s, set))?;
    Ok(s)
}

fn attack(id: &str, args: &Args) -> anyhow::Result<AttackSpec> {
    let entry = foretaste_attacks::entry(id)?;
    let given = [("target_class", &args.target_class), ("source_class", &args.source_class)];
    let fits = given.into_iter().filter(|(name, _)| entry.params.iter().any(|p| p.name == *name));
    let set = fits.filter_map(|(name, value)| Some((name.to_owned(), value.clone()?.into()))).collect();
    Ok(AttackSpec { id: id.to_owned(), name: None, set, poison_rates: vec![0.01], enter: None })
}

/// Sets `ID.NAME=VALUE` on every attack or victim of that id.
fn put(s: &mut Scenario, set: &str) -> anyhow::Result<()> {
    let parsed =
        set.split_once('=').and_then(|(path, v)| path.split_once('.').map(|(id, name)| (id, name, v)));
    let Some((id, name, text)) = parsed else {
        let problem = format!("`--set {set}` is not ID.NAME=VALUE");
        return Err(Error::data(problem, "for example --set blended.alpha=0.15").into());
    };
    let name = name.replace('-', "_");
    let entry = foretaste_attacks::entry(id).or_else(|_| foretaste_victims::entry(id))?;
    let is_text = entry.params.iter().any(|p| p.name == name && p.kind == "string");
    let plain = || serde_json::Value::String(text.to_owned());
    let value = if is_text { plain() } else { serde_json::from_str(text).unwrap_or_else(|_| plain()) };
    let attacks = s.attacks.iter_mut().filter(|a| a.id == id).map(|a| &mut a.set);
    for set in attacks.chain(s.victims.iter_mut().filter(|v| v.id == id).map(|v| &mut v.set)) {
        set.insert(name.clone(), value.clone());
    }
    Ok(())
}

fn show(t: &Trial) {
    let learned = match &t.target {
        Some(target) => format!("the number `{}`", foretaste_report::excerpt::visible(target)),
        None => format!("{} classes", t.classes.len()),
    };
    println!("{BOLD}{}{BOLD:#}  {} rows, {learned}", t.name, t.rows);
    if !t.about.is_empty() {
        println!("{}", t.about);
    }
    let seeds = t.summary.first().map_or(0, |s| s.seeds);
    println!(
        "\nmean over {seeds} {}, ± half of the 95 % interval, in percent",
        if seeds == 1 { "seed" } else { "seeds" }
    );
    if t.target.is_some() {
        println!(
            "R2: one minus the squared error on held-out samples, in variances of the number; below 0 is worse than a constant"
        );
    }
    println!("success: inputs that go where the attacker wants; anyway: those that do without the attack");
    println!(
        "found, false: poison and honest samples taken out; order: average precision of the suspicion; named: kind of finding"
    );
    let named = |head: &'static str| if head == "accuracy" && t.target.is_some() { "R2" } else { head };
    let mut table: Vec<Column> =
        COLUMNS.iter().map(|(head, cell)| column(named(head), *cell, &t.summary)).collect();
    if let Some(first) =
        table.first().filter(|c| c.cells.iter().all(|v| *v == c.cells[0]) && !c.cells.is_empty())
    {
        println!("{}: {}", first.head, first.cells[0]);
        table.remove(0);
    }
    table.retain(|c| c.cells.iter().any(|v| v != "-"));
    let line = |at: Option<usize>| {
        let cells = table.iter().map(|c| {
            let text = at.map_or(c.head, |at| &c.cells[at]);
            let pad = " ".repeat(c.width.saturating_sub(text.chars().count()));
            if c.words { format!("{text}{pad}") } else { format!("{pad}{text}") }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    println!("{BOLD}{}{BOLD:#}", line(None));
    for at in 0..t.summary.len() {
        println!("{}", line(Some(at)));
    }
    for f in &t.failed {
        let said = format!("not measured: {}: {}", f.what, f.why);
        println!("{}", foretaste_report::excerpt::visible(&said));
    }
    for note in &t.notes {
        println!("note: {}", foretaste_report::excerpt::visible(note));
    }
}

/// A column of the table.
struct Column {
    head: &'static str,
    cells: Vec<String>,
    width: usize,
    /// Words stand at the left, numbers at the right.
    words: bool,
}

/// What stands in a column; `-` where there is nothing to say.
type Cell = fn(&Summary) -> String;

const COLUMNS: &[(&str, Cell)] = &[
    ("victim", |s| s.victim.clone()),
    ("attack", |s| s.attack.clone()),
    ("poison", |s| format!("{:.0} ({} %)", s.n_poison, 100.0 * s.poison_rate)),
    ("defence", |s| s.defence.clone()),
    ("accuracy", |s| percent(&s.accuracy)),
    ("clean", |s| percent(&s.clean_accuracy)),
    ("success", |s| maybe(&s.attack_success_rate)),
    ("anyway", |s| maybe(&s.baseline_success_rate)),
    ("found", |s| percent(&s.true_positive_rate)),
    ("false", |s| format!("{:.2}", 100.0 * s.false_positive_rate.mean)),
    ("order", |s| maybe(&s.average_precision)),
    ("named", |s| foretaste_report::trial::named(s).unwrap_or_else(|| "-".into())),
];

fn column(head: &'static str, cell: Cell, summary: &[Summary]) -> Column {
    let cells: Vec<String> = summary.iter().map(cell).collect();
    let width = cells.iter().map(|c| c.chars().count()).chain([head.len()]).max().unwrap_or(0);
    Column { head, cells, width, words: ["victim", "attack", "defence", "named"].contains(&head) }
}

fn percent(i: &Interval) -> String {
    let half = (i.high - i.low) / 2.0;
    if half > 0.0 {
        format!("{:.1} ±{:.1}", 100.0 * i.mean, 100.0 * half)
    } else {
        format!("{:.1}", 100.0 * i.mean)
    }
}

fn maybe(i: &Option<Interval>) -> String {
    i.as_ref().map_or("-".to_owned(), percent)
}
