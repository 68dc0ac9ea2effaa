//! `foretaste simulate`.

use crate::progress::Progress;
use crate::scan::{Columns, Reading, rayon_threads};
use anstream::{eprintln, println};
use anstyle::Style;
use clap::Args as ClapArgs;
use foretaste_core::{Budget, Entering, Role};
use foretaste_flow::columns::count;
use foretaste_flow::simulate::{Delivery, SimulateOptions, Simulated, Timing, simulate};
use foretaste_flow::{Error, Phase};
use foretaste_report::quote;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

const BOLD: Style = Style::new().bold();

/// Poison a copy of a data set on purpose, and write down exactly what was done.
#[derive(ClapArgs)]
pub struct Args {
    /// Files, folders or patterns; they are never changed.
    #[arg(required = true)]
    inputs: Vec<String>,
    /// Attack (see `foretaste list attacks`; several are applied one after the other).
    #[arg(long, value_name = "ATTACK", value_delimiter = ',', required = true)]
    attack: Vec<String>,
    /// Where the poisoned data go; the extension decides the format.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Where the manifest goes (default: beside the data, as NAME.manifest.json).
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// Overwrite existing outputs.
    #[arg(long)]
    force: bool,
    /// Print nothing but errors.
    #[arg(long, short)]
    quiet: bool,

    /// Share of the data set that is poisoned by each attack (default: 0.01).
    #[arg(long, value_name = "SHARE", help_heading = "Budget", group = "budget")]
    poison_rate: Option<f64>,
    /// Number of poisoned samples of each attack.
    #[arg(long, value_name = "N", help_heading = "Budget", group = "budget")]
    n_poison: Option<u64>,
    /// Share of the samples that the attack may use, such as those of the source class.
    #[arg(long, value_name = "SHARE", help_heading = "Budget", group = "budget")]
    eligible_rate: Option<f64>,

    /// The class that the attacker wants.
    #[arg(long, value_name = "CLASS", help_heading = "Attack")]
    target_class: Option<String>,
    /// The class that is attacked.
    #[arg(long, value_name = "CLASS", help_heading = "Attack")]
    source_class: Option<String>,
    /// Set a parameter: NAME=VALUE, or ATTACK.NAME=VALUE with several attacks (may be repeated).
    #[arg(long, value_name = "NAME=VALUE", help_heading = "Attack")]
    set: Vec<String>,
    /// Seed of all randomness: the same seed gives the same bytes.
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Attack")]
    seed: u64,

    /// How poison comes in: modify samples, insert new ones, or replace others (default: as is usual for the attack).
    #[arg(long, value_name = "WAY", help_heading = "Delivery")]
    enter: Option<String>,
    /// Poison only samples of this source or annotator.
    #[arg(long, value_name = "NAME", help_heading = "Delivery")]
    from_source: Option<String>,
    /// Write this into the source column of poisoned samples.
    #[arg(long, value_name = "NAME", help_heading = "Delivery")]
    as_source: Option<String>,
    /// Inserted samples come all at once.
    #[arg(long, help_heading = "Delivery", conflicts_with = "drip")]
    burst: bool,
    /// Inserted samples come evenly over time.
    #[arg(long, help_heading = "Delivery")]
    drip: bool,

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
    let options = options(args)?;
    let progress = Progress::new(args.quiet);
    let done = simulate(&options, &|rows| progress.on(Phase::Reading, rows));
    progress.done();
    let done = done?;
    if !args.quiet {
        show(args, &done);
    }
    Ok(ExitCode::SUCCESS)
}

fn options(args: &Args) -> anyhow::Result<SimulateOptions> {
    let mut roles: BTreeMap<String, Role> = BTreeMap::new();
    args.columns.put(&mut roles)?;
    let timing = match (args.burst, args.drip) {
        (true, _) => Timing::Burst,
        (_, true) => Timing::Drip,
        _ => Timing::Random,
    };
    Ok(SimulateOptions {
        inputs: args.inputs.clone(),
        open: args.reading.options()?,
        roles,
        attacks: attacks(&args.attack, &args.set, &args.target_class, &args.source_class)?,
        budget: budget(args)?,
        enter: args.enter.as_deref().map(str::parse::<Entering>).transpose()?,
        delivery: Delivery {
            from_source: args.from_source.clone(),
            as_source: args.as_source.clone(),
            timing,
        },
        seed: args.seed,
        out: args.out.clone(),
        manifest: args.manifest.clone(),
        force: args.force,
    })
}

fn budget(args: &Args) -> Result<Budget, Error> {
    let share = |name: &str, rate: f64| {
        if rate > 0.0 && rate <= 1.0 {
            return Ok(rate);
        }
        Err(Error::data(
            format!("`--{name} {rate}` is no share"),
            "give a number above 0 and up to 1, 0.01 for one percent",
        ))
    };
    Ok(match (args.n_poison, args.eligible_rate, args.poison_rate) {
        (Some(n), ..) => Budget::NPoison(n),
        (_, Some(rate), _) => Budget::EligibleRate(share("eligible-rate", rate)?),
        (_, _, rate) => Budget::PoisonRate(share("poison-rate", rate.unwrap_or(0.01))?),
    })
}

/// Attacks with their parameters: classes go to each attack that knows them, `NAME=VALUE` to the one there is.
fn attacks(
    ids: &[String],
    set: &[String],
    target: &Option<String>,
    source: &Option<String>,
) -> anyhow::Result<Vec<(String, Map<String, Value>)>> {
    let mut out: Vec<(String, Map<String, Value>)> = vec![];
    for id in ids {
        let entry = foretaste_attacks::entry(id)?;
        let mut parameters = Map::new();
        for (name, value) in [("target_class", target), ("source_class", source)] {
            if let Some(value) = value {
                if !entry.params.iter().any(|p| p.name == name) && ids.len() == 1 {
                    let known = entry.params.iter().map(|p| p.name);
                    return Err(
                        foretaste_core::Error::unknown(format!("parameter of `{id}`"), name, known).into()
                    );
                }
                parameters.insert(name.into(), value.clone().into());
            }
        }
        parameters.retain(|name, _| entry.params.iter().any(|p| p.name == name));
        out.push((id.clone(), parameters));
    }
    for one in set {
        let bad = || {
            Error::data(
                format!("`--set {one}` is not NAME=VALUE"),
                "for example --set alpha=0.15, or --set blended.alpha=0.15",
            )
        };
        let (path, text) = one.split_once('=').ok_or_else(bad)?;
        let (id, name) = match path.split_once('.') {
            Some((id, name)) => (Some(id), name),
            None => (None, path),
        };
        let mut hit = false;
        for (attack, parameters) in &mut out {
            if id.is_none_or(|id| id == attack) {
                parameters.insert(name.replace('-', "_"), typed(attack, name, text)?);
                hit = true;
            }
        }
        if !hit {
            return Err(foretaste_core::Error::unknown(
                "attack of this run",
                id.unwrap_or_default(),
                ids.iter().map(String::as_str),
            )
            .into());
        }
    }
    Ok(out)
}

/// A value in the type of its parameter: `7` is a number for a number and a word for a word.
fn typed(attack: &str, name: &str, text: &str) -> anyhow::Result<Value> {
    let entry = foretaste_attacks::entry(attack)?;
    let is_text = entry.params.iter().any(|p| p.name == name.replace('-', "_") && p.kind == "string");
    let plain = || Value::String(text.to_owned());
    Ok(if is_text { plain() } else { serde_json::from_str(text).unwrap_or_else(|_| plain()) })
}

fn show(args: &Args, done: &Simulated) {
    let m = &done.manifest;
    let files = args.inputs.iter().map(|i| quote(i)).collect::<Vec<_>>().join(" ");
    println!("{} of {files}", count(m.clean.rows, "row"));
    for (name, a) in
        done.assigned.iter().filter(|(_, a)| matches!(a.role, Role::Label | Role::Id) || a.role.is_text())
    {
        println!("  {name} is {}: {}", a.role, a.reason);
    }
    for run in &m.attacks {
        println!("{BOLD}{}{BOLD:#}  {}, {}", run.attack, run.threat.goal.word(), run.taxonomy.atlas);
        let cover = if run.n_cover > 0 {
            format!(" and {}", count(run.n_cover, "cover sample"))
        } else {
            String::new()
        };
        let share = 100.0 * run.n_poison as f64 / m.result.rows.max(1) as f64;
        println!(
            "  {}{cover} of {} usable, {share:.2} % of the result",
            count(run.n_poison, "poisoned sample"),
            run.eligible
        );
        for (name, value) in &run.details {
            println!("  {name}: {}", foretaste_report::excerpt::visible(&words(value)));
        }
    }
    for note in &done.notes {
        println!("note: {note}");
    }
    println!("{} written to {}", count(m.result.rows, "row"), args.out.display());
    println!("manifest in {}", done.manifest_path.display());
    if done.exact {
        println!("untouched rows were copied byte for byte");
    }
    eprintln!(
        "These data are poisoned on purpose: keep them and their manifest together, and away from training."
    );
    println!(
        "next: foretaste scan {0} --report out/ && foretaste score --manifest {1} --findings out/report.json",
        quote(&args.out.display().to_string()),
        quote(&done.manifest_path.display().to_string())
    );
}

fn words(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
