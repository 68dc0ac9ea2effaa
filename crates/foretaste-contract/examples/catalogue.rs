//! Prints the catalogue as JSON; `cargo xtask docs` makes the reference pages of it.

use foretaste_core::{Entry, Growth, Needs, Role};
use serde_json::{Map, Value, json};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let detectors =
        foretaste_detectors::ENTRIES.iter().map(|e| detector(e)).collect::<Result<Vec<_>, _>>()?;
    let attacks = foretaste_attacks::ENTRIES.iter().map(|e| attack(e)).collect::<Result<Vec<_>, _>>()?;
    let report = schemars::schema_for!(foretaste_core::Report);
    let all = json!({ "detectors": detectors, "attacks": attacks, "roles": roles(), "formats": formats(), "report_schema": report });
    println!("{}", serde_json::to_string_pretty(&all)?);
    Ok(())
}

fn detector(entry: &Entry) -> Result<Value, foretaste_core::Error> {
    Ok(page(entry, &entry.detector(&Map::new())?.needs()))
}

fn attack(entry: &Entry) -> Result<Value, foretaste_core::Error> {
    let attack = entry.attack(&Map::new())?;
    let (threat, codes) = (attack.threat(), attack.threat().taxonomy());
    let mut page = page(entry, &attack.needs());
    page["threat"] = json!({
        "goal": threat.goal.word(), "clean-label": threat.clean_label, "knowledge": threat.knowledge.word(),
        "atlas": codes.atlas, "owasp": codes.owasp, "nist": codes.nist,
    });
    Ok(page)
}

fn page(entry: &Entry, needs: &Needs) -> Value {
    let words = |roles: &[Role]| roles.iter().map(|r| r.word()).collect::<Vec<_>>();
    let growth = match needs.growth {
        Growth::Constant => "does not grow with the rows".to_owned(),
        Growth::Sketch(bytes) => format!("{bytes} bytes a row"),
        Growth::Data => "as much as the vectors or probabilities of all rows".to_owned(),
    };
    let params: Vec<Value> = entry
        .params
        .iter()
        .map(|p| json!({ "name": p.name, "kind": p.kind, "choices": p.choices, "min": p.min, "max": p.max, "doc": p.doc }))
        .collect();
    json!({
        "id": entry.id, "title": entry.title, "doc": entry.doc, "source": entry.source, "params": params,
        "defaults": (entry.defaults)(), "schema": entry.schema(),
        "needs": { "all": words(&needs.all), "any": words(&needs.any), "growth": growth },
    })
}

/// Name, file name endings and title of every format.
fn formats() -> Vec<Value> {
    let names = |f: &dyn foretaste_formats::Format| {
        f.extensions().iter().map(|e| format!(".{e}")).collect::<Vec<_>>()
    };
    foretaste_formats::formats()
        .iter()
        .map(|f| json!({ "id": f.id(), "names": names(*f), "doc": f.title() }))
        .collect()
}

/// Word and comment of every role. The comments come through the schema, which is made of them.
fn roles() -> Vec<Value> {
    let schema = Value::from(schemars::schema_for!(Role));
    let variants = schema["oneOf"].as_array().cloned().unwrap_or_default();
    let doc = |word: &str| {
        variants.iter().find(|v| v["const"] == word).map_or(Value::Null, |v| v["description"].clone())
    };
    Role::ALL.iter().map(|r| json!({ "word": r.word(), "doc": doc(r.word()) })).collect()
}
