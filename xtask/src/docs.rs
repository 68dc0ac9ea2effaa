//! `cargo xtask docs`: writes docs/reference/ from the catalogue. Nothing in there is written by hand or committed.

use crate::shell;
use anyhow::{Context, Result};
use serde_json::Value;
use std::fmt::Write as _;
use std::path::Path;

/// Runs it.
pub fn main(_args: &[String]) -> Result<()> {
    // an example of the contract crate prints the catalogue: it may depend on everything, this crate on nothing
    let mut cargo = shell::cargo();
    cargo.args(["run", "--quiet", "--package", "foretaste-contract", "--example", "catalogue"]);
    let text = shell::output(&mut cargo)?;
    let catalogue: Value = serde_json::from_str(&text).context("the catalogue is not JSON")?;
    let folder = shell::root().join("docs/reference");
    let pages = pages(&catalogue);
    // pages of what is no longer in the catalogue must go
    std::fs::remove_dir_all(&folder)
        .or_else(|e| if e.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(e) })?;
    for (name, text) in &pages {
        write(&folder.join(name), text)?;
    }
    println!("{} pages in {}", pages.len(), folder.display());
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, text).with_context(|| format!("`{}` cannot be written", path.display()))
}

/// File name and text of every page.
fn pages(catalogue: &Value) -> Vec<(String, String)> {
    let mut pages = vec![("README.md".to_owned(), index(catalogue))];
    for entry in list(catalogue, "detectors") {
        pages.push((format!("detectors/{}.md", word(entry, "id")), detector(entry)));
    }
    for entry in list(catalogue, "attacks") {
        pages.push((format!("attacks/{}.md", word(entry, "id")), detector(entry)));
    }
    pages.push(("roles.md".to_owned(), roles(catalogue)));
    if !list(catalogue, "formats").is_empty() {
        pages.push(("formats.md".to_owned(), formats(catalogue)));
    }
    if catalogue["report_schema"].is_object() {
        pages.push(("report.md".to_owned(), report(&catalogue["report_schema"])));
        pages.push(("report.schema.json".to_owned(), format!("{:#}\n", catalogue["report_schema"])));
    }
    pages
}

fn index(catalogue: &Value) -> String {
    let mut out = String::from(
        "# Reference\n\nMade by `cargo xtask docs` from the code's own comments.\n\n## Detectors\n\n",
    );
    for entry in list(catalogue, "detectors") {
        let (id, title) = (word(entry, "id"), word(entry, "title"));
        let _ = writeln!(out, "- [`{id}`](detectors/{id}.md): {title}");
    }
    if !list(catalogue, "attacks").is_empty() {
        out.push_str("\n## Attacks\n\n");
    }
    for entry in list(catalogue, "attacks") {
        let (id, title) = (word(entry, "id"), word(entry, "title"));
        let _ = writeln!(out, "- [`{id}`](attacks/{id}.md): {title}");
    }
    out.push_str("\n## Data and output\n\n- [Roles of columns](roles.md)\n");
    if !list(catalogue, "formats").is_empty() {
        out.push_str("- [Formats](formats.md)\n");
    }
    if catalogue["report_schema"].is_object() {
        out.push_str("- [The report](report.md), and its [JSON schema](report.schema.json)\n");
    }
    out
}

fn detector(entry: &Value) -> String {
    let mut out = format!("# {}\n\n", word(entry, "id"));
    // headings of the comment are one level below the page's title
    for line in word(entry, "doc").lines() {
        let deeper = if line.starts_with('#') && !line.starts_with("#[") { "#" } else { "" };
        let _ = writeln!(out, "{deeper}{line}");
    }
    let needs = &entry["needs"];
    let names = |key: &str| {
        list(needs, key).iter().map(|r| format!("`{}`", r.as_str().unwrap_or(""))).collect::<Vec<_>>()
    };
    let (all, any) = (names("all"), names("any"));
    out.push_str("\n## Needs\n\n");
    if !all.is_empty() {
        let _ = writeln!(out, "- all of: {}", all.join(", "));
    }
    if !any.is_empty() {
        let _ = writeln!(out, "- one of: {}", any.join(", "));
    }
    let _ = writeln!(out, "- memory: {}", word(needs, "growth"));
    let threat = &entry["threat"];
    if threat.is_object() {
        out.push_str("\n## Threat\n\n");
        let says = |key: &str| threat[key].to_string().trim_matches('"').to_owned();
        let _ = writeln!(out, "- goal: {}", says("goal"));
        let _ = writeln!(out, "- with its defaults, labels are clean: {}", says("clean-label"));
        let _ = writeln!(out, "- the attacker knows: {}", says("knowledge"));
        let _ = writeln!(out, "- {}, {}, {}", says("atlas"), says("owasp"), says("nist"));
    }
    out.push_str("\n## Parameters\n\n");
    let params = list(entry, "params");
    if params.is_empty() {
        out.push_str("None.\n");
    } else {
        out.push_str("| name | type | default | meaning |\n|---|---|---|---|\n");
        for p in params {
            let default = &entry["defaults"][word(p, "name")];
            let meaning = cell(word(p, "doc"));
            let _ = writeln!(out, "| `{}` | {} | `{default}` | {meaning} |", word(p, "name"), kind(p));
        }
    }
    let _ = writeln!(out, "\nSource: `{}`", word(entry, "source"));
    out
}

/// Type of a parameter with its bounds or choices.
fn kind(param: &Value) -> String {
    let choices: Vec<String> =
        list(param, "choices").iter().map(|c| format!("`{}`", c.as_str().unwrap_or(""))).collect();
    if !choices.is_empty() {
        return choices.join(", ");
    }
    let kind = word(param, "kind");
    match (param["min"].as_f64(), param["max"].as_f64()) {
        (Some(min), Some(max)) => format!("{kind}, {min} to {max}"),
        (Some(min), None) => format!("{kind}, at least {min}"),
        (None, Some(max)) => format!("{kind}, at most {max}"),
        (None, None) => kind.to_owned(),
    }
}

fn roles(catalogue: &Value) -> String {
    let mut out =
        String::from("# Roles of columns\n\nWhat a column means. Inferred, printed, and set by flags.\n\n");
    out.push_str("| role | meaning |\n|---|---|\n");
    for role in list(catalogue, "roles") {
        let _ = writeln!(out, "| `{}` | {} |", word(role, "word"), cell(word(role, "doc")));
    }
    out
}

fn formats(catalogue: &Value) -> String {
    let mut out = String::from("# Formats\n\n| format | names | reads |\n|---|---|---|\n");
    for f in list(catalogue, "formats") {
        let names: Vec<String> =
            list(f, "names").iter().map(|n| format!("`{}`", n.as_str().unwrap_or(""))).collect();
        let _ = writeln!(out, "| `{}` | {} | {} |", word(f, "id"), names.join(", "), cell(word(f, "doc")));
    }
    out
}

/// One table for the report and one for each type in it.
fn report(schema: &Value) -> String {
    let mut out = String::from("# The report\n\n`report.json` follows [this schema](report.schema.json).\n");
    type_table(&mut out, "Report", schema);
    for (name, definition) in schema["$defs"].as_object().into_iter().flatten() {
        type_table(&mut out, name, definition);
    }
    out
}

fn type_table(out: &mut String, name: &str, schema: &Value) {
    let _ = writeln!(out, "\n## {name}\n\n{}\n", word(schema, "description"));
    let Some(properties) = schema["properties"].as_object() else { return };
    out.push_str("| field | type | meaning |\n|---|---|---|\n");
    for (field, about) in properties {
        let meaning = cell(word(about, "description"));
        let _ = writeln!(out, "| `{field}` | {} | {meaning} |", type_name(about));
    }
}

fn type_name(schema: &Value) -> String {
    if let Some(target) = schema["$ref"].as_str() {
        return target.rsplit('/').next().unwrap_or(target).to_owned();
    }
    if let Some(options) = schema["anyOf"].as_array() {
        return options.iter().map(type_name).collect::<Vec<_>>().join(" or ");
    }
    match &schema["type"] {
        Value::String(t) if t == "array" => format!("list of {}", type_name(&schema["items"])),
        Value::String(t) => t.clone(),
        Value::Array(ts) => ts.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ => "any".to_owned(),
    }
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn word<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or("")
}

/// Text that fits into a cell of a table.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_toy_gets_its_page_and_its_line() {
        let toy = json!({
            "id": "toy", "title": "Finds toys", "doc": "Finds toys.\n\n# Cost\nNone.", "source": "toy.rs",
            "needs": {"all": ["text"], "any": [], "growth": "constant"},
            "params": [{"name": "k", "kind": "integer", "choices": [], "min": 1, "max": null, "doc": "How\nmany | much."}],
            "defaults": {"k": 3},
        });
        let pages = pages(&json!({"detectors": [toy], "roles": [{"word": "id", "doc": "Names it."}]}));
        let page = |name: &str| pages.iter().find(|(n, _)| n == name).map(|(_, text)| text.as_str()).unwrap();
        assert!(page("README.md").contains("[`toy`](detectors/toy.md): Finds toys"));
        let toy = page("detectors/toy.md");
        for part in
            ["\n## Cost\n", "- all of: `text`", "| `k` | integer, at least 1 | `3` | How many \\| much. |"]
        {
            assert!(toy.contains(part), "{part} is not in {toy}");
        }
        assert!(page("roles.md").contains("| `id` | Names it. |"));
    }
}
