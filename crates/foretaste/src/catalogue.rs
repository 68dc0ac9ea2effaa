//! `foretaste explain` and `foretaste list`: the catalogue, as it is.

use anstream::println;
use anstyle::Style;
use clap::{Args, ValueEnum};
use foretaste_core::{Entry, Kind, Role};
use serde_json::{Value, json};
use std::process::ExitCode;

const BOLD: Style = Style::new().bold();

/// What a detector, attack or finding is, how it works, and what it cannot see.
#[derive(Args)]
pub struct ExplainArgs {
    /// Id of a detector, attack or kind of finding, or the beginning of one.
    name: String,
    /// Print Markdown.
    #[arg(long)]
    markdown: bool,
}

/// What there is.
#[derive(Args)]
pub struct ListArgs {
    /// What to list.
    #[arg(value_enum)]
    what: What,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum What {
    /// Detectors, with their parameters in JSON.
    Detectors,
    /// Attacks, with their parameters in JSON.
    Attacks,
    /// Built-in models, with their parameters in JSON.
    Victims,
    /// Kinds of findings.
    Findings,
    /// File formats.
    Formats,
    /// Roles of columns.
    Roles,
    /// The JSON schema of report.json.
    Schema,
}

/// Runs `explain`.
pub fn explain(args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    if let Some(kind) = Kind::ALL.into_iter().find(|k| k.word() == args.name)
        && !entries().any(|e| e.id == args.name)
    {
        explain_kind(kind);
        return Ok(ExitCode::SUCCESS);
    }
    let mut found: Vec<&Entry> = entries().filter(|e| e.id == args.name).collect();
    if found.is_empty() {
        found = entries().filter(|e| e.id.starts_with(&args.name)).collect();
    }
    if found.is_empty() {
        let known = entries().map(|e| e.id);
        return Err(foretaste_core::Error::unknown("detector, attack or finding", &args.name, known).into());
    }
    for (i, e) in found.iter().enumerate() {
        if i > 0 {
            println!();
        }
        if args.markdown { println!("{}", markdown(e)) } else { plain(e) }
    }
    Ok(ExitCode::SUCCESS)
}

/// Everything that has a page.
fn entries() -> impl Iterator<Item = &'static Entry> {
    foretaste_detectors::ENTRIES
        .iter()
        .chain(foretaste_attacks::ENTRIES)
        .chain(foretaste_victims::ENTRIES)
        .copied()
}

fn explain_kind(kind: Kind) {
    let t = kind.taxonomy();
    println!(
        "{BOLD}{kind}{BOLD:#}  a kind of finding\n\n{}\n\n{}, {}, {}",
        kind.meaning(),
        t.atlas,
        t.owasp,
        t.nist
    );
}

fn plain(e: &Entry) {
    println!("{BOLD}{}{BOLD:#}  {}", e.id, e.title);
    for line in e.doc.lines().skip(1).filter(|l| !l.starts_with("```")) {
        match line.strip_prefix("# ") {
            Some(head) => println!("{BOLD}{head}{BOLD:#}"),
            None => println!("{}{line}", if line.is_empty() { "" } else { "  " }),
        }
    }
    let defaults = (e.defaults)();
    if !e.params.is_empty() {
        let flag = if e.kind() == "detector" { format!("{}.NAME=VALUE", e.id) } else { "NAME=VALUE".into() };
        println!("\n{BOLD}Parameters{BOLD:#}  (--set {flag})");
    }
    for p in e.params {
        let default = defaults.get(p.name).map(Value::to_string).unwrap_or_default();
        println!("  {} = {default}  {}", p.name, p.doc.replace('\n', " "));
        if !p.choices.is_empty() {
            println!("      one of: {}", p.choices.join(", "));
        }
        if p.min.is_some() || p.max.is_some() {
            let bound = |b: Option<f64>| b.map_or("any".to_owned(), |b| b.to_string());
            println!("      from {} to {}", bound(p.min), bound(p.max));
        }
    }
}

fn markdown(e: &Entry) -> String {
    let mut out = format!("# {}\n\n{}\n", e.id, e.doc.replace("\n# ", "\n## "));
    let defaults = (e.defaults)();
    if !e.params.is_empty() {
        out.push_str("\n## Parameters\n\n| name | default | meaning |\n|---|---|---|\n");
    }
    for p in e.params {
        let default = defaults.get(p.name).map(Value::to_string).unwrap_or_default();
        out.push_str(&format!("| `{}` | `{default}` | {} |\n", p.name, p.doc.replace('\n', " ")));
    }
    out
}

fn listed(entries: &[&Entry]) -> Vec<(String, String, Value)> {
    entries.iter().map(|e| (e.id.into(), e.title.into(), e.schema())).collect()
}

/// Runs `list`.
pub fn list(args: &ListArgs) -> anyhow::Result<ExitCode> {
    let rows: Vec<(String, String, Value)> = match args.what {
        What::Detectors => listed(foretaste_detectors::ENTRIES),
        What::Victims => listed(foretaste_victims::ENTRIES),
        What::Attacks => listed(foretaste_attacks::ENTRIES),
        What::Findings => {
            Kind::ALL.iter().map(|k| (k.word().into(), k.meaning().into(), json!(k.taxonomy()))).collect()
        }
        What::Formats => foretaste_formats::formats()
            .iter()
            .map(|f| {
                (
                    f.id().to_owned(),
                    format!("{} ({})", f.title(), f.extensions().join(", ")),
                    json!(f.extensions()),
                )
            })
            .collect(),
        What::Roles => Role::ALL.iter().map(|r| (r.word().into(), r.meaning().into(), Value::Null)).collect(),
        What::Schema => {
            println!("{}", serde_json::to_string_pretty(&foretaste_report::json::schema())?);
            return Ok(ExitCode::SUCCESS);
        }
    };
    if args.json {
        let all: Vec<Value> = rows
            .into_iter()
            .map(|(id, title, more)| json!({"id": id, "title": title, "schema": more}))
            .collect();
        println!("{}", serde_json::to_string_pretty(&all)?);
        return Ok(ExitCode::SUCCESS);
    }
    let wide = rows.iter().map(|(id, ..)| id.len()).max().unwrap_or(0);
    for (id, title, _) in rows {
        println!("{BOLD}{id:wide$}{BOLD:#}  {title}");
    }
    Ok(ExitCode::SUCCESS)
}
