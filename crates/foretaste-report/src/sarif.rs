//! SARIF 2.1.0: findings as results that code-scanning services and editors show at the line.

use crate::excerpt::{short, visible};
use crate::{Render, ReportError, words};
use foretaste_core::{DetectorStatus, Finding, Kind, Member, Report, SampleRow, Severity};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::io::Write;

/// Results written for one finding; the rest is counted in a notification. Services refuse larger files.
pub const MAX_PER_FINDING: usize = 1000;
/// Results written in all.
pub const MAX_RESULTS: usize = 25_000;
/// Other members of a duplicate group that a result points to.
const MAX_RELATED: usize = 5;

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
const TAXONOMIES: [(&str, &str, &str); 3] = [
    ("MITRE ATLAS", "MITRE", "Adversarial Threat Landscape for Artificial-Intelligence Systems"),
    ("OWASP LLM Top 10", "OWASP", "OWASP Top 10 for Large Language Model Applications"),
    (
        "NIST AI 100-2",
        "NIST",
        "Adversarial Machine Learning: A Taxonomy and Terminology of Attacks and Mitigations",
    ),
];

/// A SARIF log: rules are kinds of findings, results are members of findings.
pub struct Sarif;

impl Render for Sarif {
    fn id(&self) -> &'static str {
        "sarif"
    }

    fn file_name(&self) -> &'static str {
        "report.sarif"
    }

    fn render(&self, report: &Report, _: &[SampleRow], out: &mut dyn Write) -> Result<(), ReportError> {
        let mut out = std::io::BufWriter::new(out);
        serde_json::to_writer_pretty(&mut out, &log(report))?;
        out.write_all(b"\n")?;
        Ok(out.flush()?)
    }
}

fn log(report: &Report) -> Value {
    let (results, left_out) = results(report);
    let verdict = words::verdict(report);
    let taxonomies: Vec<Value> = (0..TAXONOMIES.len()).map(|t| taxonomy(report, t)).collect();
    let supported: Vec<Value> =
        TAXONOMIES.iter().enumerate().map(|(index, t)| json!({ "name": t.0, "index": index })).collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "foretaste",
                "version": report.run.version,
                "rules": Kind::ALL.map(rule),
                "supportedTaxonomies": supported,
            } },
            "invocations": [{
                "executionSuccessful": true,
                "arguments": report.run.command.get(1..).unwrap_or_default(),
                "toolExecutionNotifications": notifications(report, &left_out),
            }],
            "artifacts": artifacts(report),
            "taxonomies": taxonomies,
            "results": results,
            "properties": {
                "verdict": verdict.headline,
                "rows": report.coverage.rows,
                "complete": report.coverage.complete,
                "seed": report.run.seed,
                "fdr": report.run.fdr,
            },
        }],
    })
}

fn rule(kind: Kind) -> Value {
    let taxa = kind.taxonomy();
    json!({
        "id": kind.word(),
        "name": pascal(kind.word()),
        "shortDescription": { "text": kind.meaning() },
        "fullDescription": { "text": kind.meaning() },
        "help": { "text": format!(
            "{} `foretaste clean` sets the members to quarantine aside and keeps the rest; every row stays in one of \
             the two files.", kind.meaning()
        ) },
        "defaultConfiguration": { "level": "warning" },
        "properties": { "tags": ["training-data", taxa.atlas, taxa.owasp, taxa.nist] },
    })
}

fn pascal(word: &str) -> String {
    word.split('-').filter_map(|part| part.split_at_checked(1)).map(|(a, b)| a.to_uppercase() + b).collect()
}

fn taxonomy(report: &Report, which: usize) -> Value {
    let (name, organization, text) = TAXONOMIES[which];
    let codes: BTreeSet<String> = Kind::ALL
        .into_iter()
        .map(Kind::taxonomy)
        .chain(report.findings.iter().map(|f| f.taxonomy.clone()))
        .map(|t| [t.atlas, t.owasp, t.nist][which].clone())
        .collect();
    let taxa: Vec<Value> = codes.into_iter().map(|id| json!({ "id": id })).collect();
    json!({
        "name": name,
        "organization": organization,
        "shortDescription": { "text": text },
        "isComprehensive": false,
        "taxa": taxa,
    })
}

fn artifacts(report: &Report) -> Vec<Value> {
    let one = |i: &foretaste_core::InputFile| {
        json!({
            "location": location_of(&i.path),
            "length": i64::try_from(i.bytes).unwrap_or(-1),
            "properties": { "format": i.format, "rows": i.rows },
        })
    };
    report.coverage.inputs.iter().map(one).collect()
}

/// What was not looked at, what was left out here, and what the scan noted.
fn notifications(report: &Report, left_out: &[(String, usize, usize)]) -> Vec<Value> {
    let mut out = Vec::new();
    let mut say =
        |level: &str, text: String| out.push(json!({ "level": level, "message": { "text": text } }));
    for s in &report.coverage.skipped {
        say("warning", format!("Not read: {}: {}", visible(&s.path), visible(&s.reason)));
    }
    for (id, shown, all) in left_out {
        say(
            "note",
            format!("{id}: {shown} of {all} members are listed as results; the table of samples holds all."),
        );
    }
    for d in words::detectors(report, DetectorStatus::Failed) {
        say("error", format!("Detector {} failed: {}", d.id, visible(&d.detail)));
    }
    for d in words::detectors(report, DetectorStatus::Skipped) {
        say("note", format!("Detector {} did not run: {}", d.id, visible(&d.detail)));
    }
    for n in &report.notes {
        say("note", visible(n));
    }
    out
}

/// The results, and for findings that were cut: id, members shown, members in all.
fn results(report: &Report) -> (Vec<Value>, Vec<(String, usize, usize)>) {
    let (mut out, mut left_out) = (Vec::new(), Vec::new());
    for finding in &report.findings {
        let shown = finding.members.len().min(MAX_PER_FINDING).min(MAX_RESULTS.saturating_sub(out.len()));
        let context = Context::new(report, finding, shown);
        if finding.members.is_empty() {
            out.push(context.result(None));
        }
        out.extend((0..shown).map(|m| context.result(Some(m))));
        if shown < finding.members.len() {
            left_out.push((visible(&finding.id), shown, finding.members.len()));
        }
    }
    (out, left_out)
}

struct Context<'a> {
    report: &'a Report,
    finding: &'a Finding,
    shown: usize,
    /// Index of the duplicate group of each member.
    group: Vec<Option<usize>>,
}

impl<'a> Context<'a> {
    fn new(report: &'a Report, finding: &'a Finding, shown: usize) -> Self {
        let mut group = vec![None; finding.members.len()];
        for (g, members) in finding.groups.iter().enumerate() {
            for m in members {
                if let Some(slot) = group.get_mut(*m as usize) {
                    *slot = Some(g);
                }
            }
        }
        Self { report, finding, shown, group }
    }

    fn result(&self, position: Option<usize>) -> Value {
        let f = self.finding;
        let member = position.and_then(|p| f.members.get(p));
        let mut out = Map::new();
        let mut put = |key: &str, value: Value| out.insert(key.to_owned(), value);
        put("ruleId", json!(f.kind.word()));
        put("ruleIndex", json!(Kind::ALL.iter().position(|k| *k == f.kind)));
        put("level", json!(level(f.severity)));
        put("message", json!({ "text": self.message(member) }));
        if let Some(m) = member {
            put("locations", json!([self.location(m, None)]));
            let print = format!("{}:{}", f.kind.word(), m.id);
            put("partialFingerprints", json!({ "foretasteSample/v1": print }));
        }
        let related = self.related(position);
        if !related.is_empty() {
            put("relatedLocations", json!(related));
        }
        put("taxa", taxa(f));
        put("properties", self.properties(member));
        Value::Object(out)
    }

    fn message(&self, member: Option<&Member>) -> String {
        let f = self.finding;
        let mut out = visible(&f.title);
        if let Some(labels) = member.and_then(words::labels) {
            out += &format!(" (label: {labels})");
        }
        if let Some(why) = f.why.first() {
            out += &format!(". {}", visible(why).trim_end_matches('.'));
        }
        out += &format!(". {}", visible(&f.advice));
        if self.shown < f.members.len() {
            out += &format!(" ({} of {} members are listed here.)", self.shown, f.members.len());
        }
        out
    }

    fn location(&self, member: &Member, message: Option<String>) -> Value {
        let mut out = Map::new();
        if let Some(input) = self.report.coverage.inputs.get(member.file as usize) {
            let mut artifact = location_of(&input.path);
            artifact["index"] = json!(member.file);
            let mut place = json!({ "artifactLocation": artifact });
            if let Some(line) = member.line.filter(|l| *l > 0) {
                place["region"] = json!({ "startLine": line });
            }
            out.insert("physicalLocation".into(), place);
        }
        if member.line.is_none() {
            out.insert("logicalLocations".into(), json!([{ "name": format!("row {}", member.file_row) }]));
        }
        if let Some(text) = message {
            out.insert("message".into(), json!({ "text": text }));
        }
        Value::Object(out)
    }

    /// The other members of the same duplicate group.
    fn related(&self, position: Option<usize>) -> Vec<Value> {
        let Some(group) = position.and_then(|p| self.group.get(p).copied().flatten()) else { return vec![] };
        let others = self.finding.groups[group].iter().map(|m| *m as usize).filter(|m| Some(*m) != position);
        others
            .filter_map(|m| self.finding.members.get(m))
            .take(MAX_RELATED)
            .map(|m| self.location(m, Some("same content".to_owned())))
            .collect()
    }

    fn properties(&self, member: Option<&Member>) -> Value {
        let f = self.finding;
        let mut out = json!({
            "finding": f.id,
            "severity": f.severity.word(),
            "detectors": f.detectors,
            "rule": f.decision.rule,
            "action": words::action(f.action),
        });
        let (Some(object), Some(m)) = (out.as_object_mut(), member) else { return out };
        object.insert("sampleId".into(), json!(short(&m.id.0, 200)));
        object.insert("row".into(), json!(m.row));
        object.insert("suspicion".into(), json!(m.suspicion));
        object.insert("quarantine".into(), json!(m.quarantine));
        let more = [("pValue", json!(m.p_value)), ("given", json!(m.given)), ("expected", json!(m.expected))];
        object.extend(more.into_iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k.to_owned(), v)));
        out
    }
}

fn taxa(f: &Finding) -> Value {
    let codes = [&f.taxonomy.atlas, &f.taxonomy.owasp, &f.taxonomy.nist];
    let one = |(index, id): (usize, &String)| json!({ "id": id, "toolComponent": { "name": TAXONOMIES[index].0, "index": index } });
    codes.into_iter().enumerate().map(one).collect()
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Note => "note",
    }
}

/// A path as an artifact: relative to the root of the sources, or as a file URI if it is absolute.
fn location_of(path: &str) -> Value {
    let path = path.replace('\\', "/");
    let drive =
        path.as_bytes().get(1) == Some(&b':') && path.as_bytes().first().is_some_and(u8::is_ascii_alphabetic);
    if path.starts_with('/') {
        json!({ "uri": format!("file://{}", percent_encode(&path)) })
    } else if drive {
        json!({ "uri": format!("file:///{}", percent_encode(&path)) })
    } else {
        json!({ "uri": percent_encode(path.trim_start_matches("./")), "uriBaseId": "%SRCROOT%" })
    }
}

/// RFC 3986: everything but unreserved characters and the separators of a path. A colon too, or a relative path
/// such as `javascript:x` would be a scheme.
fn percent_encode(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for b in path.bytes() {
        if b.is_ascii_alphanumeric() || b"-._~/".contains(&b) {
            out.push(char::from(b));
        } else {
            out += &format!("%{b:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_uris() {
        assert_eq!(location_of("./a b/ü.csv")["uri"], "a%20b/%C3%BC.csv");
        assert_eq!(location_of("/data/x.csv")["uri"], "file:///data/x.csv");
        assert_eq!(location_of("javascript:alert(1)")["uri"], "javascript%3Aalert%281%29");
        assert_eq!(location_of(r"C:\x.csv")["uri"], "file:///C%3A/x.csv");
        assert_eq!(pascal("near-duplicate"), "NearDuplicate");
    }
}
