//! `list` and `explain`: everything that is listed can be explained.

use crate::common::Room;
use serde_json::Value;

fn listed(room: &Room, what: &str) -> Vec<String> {
    let run = room.run(&["list", what, "--json"]);
    run.expect(0, &[]);
    let all: Vec<Value> = serde_json::from_str(&run.out).unwrap();
    all.iter().map(|v| v["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_detector_and_finding_can_be_explained() {
    let room = Room::new();
    let detectors = listed(&room, "detectors");
    assert!(detectors.len() >= 7, "{detectors:?}");
    for id in &detectors {
        room.run(&["explain", id]).expect(0, &[id, "What it finds", "Blind spots"]);
        room.run(&["explain", id, "--markdown"]).expect(0, &[&format!("# {id}"), "## Blind spots"]);
    }
    for id in listed(&room, "findings") {
        room.run(&["explain", &id]).expect(0, &[&id]);
    }
}

#[test]
fn lists_hold_what_the_readme_names() {
    let room = Room::new();
    let kinds = listed(&room, "findings");
    for kind in [
        "label-poisoning",
        "label-error",
        "source-skew",
        "drift",
        "hidden-content",
        "conflicting-duplicate",
        "near-duplicate",
        "outlier",
    ] {
        assert!(kinds.iter().any(|k| k == kind), "{kind} is missing in {kinds:?}");
    }
    room.run(&["list", "formats"]).expect(0, &["csv", "jsonl", "parquet", "npz", "safetensors"]);
    room.run(&["list", "roles"]).expect(0, &["label", "annotator", "ignored"]);
    room.run(&["--version"]).expect(0, &["foretaste"]);
    room.run(&[]).expect(2, &["Usage"]);
}

#[test]
fn every_role_is_a_flag() {
    let room = Room::new();
    let help = room.run(&["scan", "--help"]).out;
    for role in listed(&room, "roles") {
        let flag = if role == "ignored" { "--ignore ".to_owned() } else { format!("--{role} ") };
        assert!(help.contains(&flag), "the report prints `{flag}`, which scan does not know");
    }
}
