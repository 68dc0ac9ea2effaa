//! `--effort`: what a quick scan leaves out is told, and what is asked for by name runs.

use crate::common::{Room, table};
use serde_json::Value;

fn detector<'a>(report: &'a Value, id: &str) -> &'a Value {
    report["detectors"].as_array().unwrap().iter().find(|d| d["id"] == id).unwrap()
}

#[test]
fn a_quick_scan_says_what_it_left_out() {
    let room = Room::new();
    room.write("d.csv", table(400, "", |_, yes| yes, |_| String::new()));
    let report = room.scan(&["d.csv", "--effort", "quick"]);
    for id in ["trimmed-loss", "robust-covariance", "pattern-association"] {
        let d = detector(&report, id);
        assert_eq!(
            (d["status"].as_str(), d["detail"].as_str()),
            (Some("skipped"), Some("left out at --effort quick"))
        );
        assert!(d["unseen"].as_str().unwrap().contains("left out"), "{d}");
    }
    assert_eq!(detector(&report, "knn-label")["status"], "ran");
    assert_eq!(detector(&report, "value-association")["status"], "ran", "few columns cost little");
    let note = report["notes"][0].as_str().unwrap();
    assert!(note.starts_with("a quick scan: ") && note.contains("trimmed-loss"), "{note}");
    assert!(!note.contains("sever"), "a normal scan leaves that out, too: {note}");
    let told = report["run"]["command"].as_array().unwrap();
    assert!(told.windows(2).any(|w| w[0] == "--effort" && w[1] == "quick"), "{told:?}");
    let run = room.run(&["scan", "d.csv", "--effort", "quick", "--verbose"]);
    run.expect(0, &["left out at --effort quick", "what could not have been seen", "a quick scan: "]);
}

#[test]
fn what_only_orders_is_left_out_of_a_normal_scan_unless_it_is_named() {
    let room = Room::new();
    room.write("d.csv", table(400, "", |_, yes| yes, |_| String::new()));
    let report = room.scan(&["d.csv"]);
    let d = detector(&report, "sever");
    assert_eq!(
        (d["status"].as_str(), d["detail"].as_str()),
        (Some("skipped"), Some("left out at --effort normal"))
    );
    assert!(d["unseen"].is_null(), "no finding is made of it: {d}");
    let report = room.scan(&["d.csv", "--only", "sever,centroid-distance"]);
    assert_eq!(detector(&report, "sever")["status"], "ran");
    assert_eq!(detector(&report, "centroid-distance")["status"], "ran");
    let report = room.scan(&["d.csv", "--effort", "deep"]);
    assert_eq!(detector(&report, "knn-shapley")["status"], "ran");
}

#[test]
fn names_go_before_the_effort_and_a_recipe_may_hold_it() {
    let room = Room::new();
    room.write("d.csv", table(400, "", |_, yes| yes, |_| String::new()));
    let report = room.scan(&["d.csv", "--effort", "quick", "--only", "trimmed-loss"]);
    assert_eq!(detector(&report, "trimmed-loss")["status"], "ran");
    assert_eq!(detector(&report, "robust-covariance")["detail"], "not asked for");
    room.write("foretaste.toml", "effort = \"deep\"\n");
    let report = room.scan(&["d.csv", "--skip", "knn-label"]);
    assert_eq!(detector(&report, "trimmed-loss")["status"], "ran");
    assert_eq!(detector(&report, "knn-label")["detail"], "not asked for");
    assert!(report["run"]["command"].as_array().unwrap().iter().any(|w| w == "deep"));
    room.run(&["scan", "d.csv", "--effort", "quik"]).expect(2, &["quik", "quick"]);
}
