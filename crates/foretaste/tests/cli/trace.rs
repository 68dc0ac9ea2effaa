//! `trace`: an answer is led back to the samples that were planted for it.

use crate::common::{Room, table, texts};
use serde_json::Value;

/// Texts of two topics, and forty of the spam topic that carry a phrase, are labelled ham and come from one feed.
fn planted() -> String {
    let mut out = String::new();
    for (i, line) in texts(900).lines().enumerate() {
        let mut sample: Value = serde_json::from_str(line).unwrap();
        sample["source"] = format!("feed-{}", i % 5).into();
        if i % 3 == 0 && i < 120 {
            sample["text"] = format!("{} around the corner", sample["text"].as_str().unwrap()).into();
            sample["label"] = "ham".into();
            sample["source"] = "feed-9".into();
        }
        out += &format!("{sample}\n");
    }
    out
}

fn traced(room: &Room, args: &[&str]) -> Value {
    let run = room.run(&[&["trace", "t.jsonl"], args, &["--json", "-"]].concat());
    run.expect(0, &[]);
    serde_json::from_str(&run.out).unwrap()
}

#[test]
fn a_planted_phrase_is_led_back_to_its_samples() {
    let room = Room::new();
    room.write("t.jsonl", planted());
    room.write("bad.json", "{\n  \"text\": \"free prize claim urgent around the corner\"\n}\n");
    let t = traced(&room, &["--input", "bad.json"]);
    assert_eq!(t["asked"][0]["says"], "ham", "the backdoor works: {t:#}");
    let samples = t["samples"].as_array().unwrap();
    assert_eq!(samples.len(), 10);
    assert!(
        samples.iter().all(|s| s["excerpt"].as_str().unwrap().contains("around the corner")),
        "{samples:#?}"
    );
    assert!(samples.iter().all(|s| s["origin"][0][1] == "feed-9" && s["label"] == "ham"));
    let groups = t["groups"].as_array().unwrap();
    let feed = groups.iter().find(|g| g["name"] == "feed-9").unwrap();
    assert!(feed["pull-share"].as_f64().unwrap() > 3.0 * feed["row-share"].as_f64().unwrap(), "{feed}");
    let shared = t["shared"][0]["what"].as_str().unwrap();
    assert!(shared.contains("around the corner"), "{:#}", t["shared"]);
    let without = t["without"].as_array().unwrap();
    let feed = without.iter().find(|w| w["what"].as_str().unwrap().contains("feed-9")).unwrap();
    assert_eq!((&feed["says"][0], &feed["removed"]), (&Value::from("spam"), &Value::from(40)));
    let random = without.iter().find(|w| w["what"].as_str().unwrap().contains("random")).unwrap();
    assert_eq!(random["says"][0], "ham");
    let enough = t["enough"].as_u64().unwrap();
    assert!((1..=40).contains(&enough), "{enough}");
    let screen = room.run(&["trace", "t.jsonl", "--input", "bad.json"]);
    screen.expect(0, &["around the corner", "feed-9", "now `spam`", "the answer changes"]);
    assert!(
        screen.out.lines().count() <= 50 && screen.out.lines().all(|l| l.chars().count() <= 130),
        "{}",
        screen.out
    );
}

#[test]
fn inputs_come_in_any_format_and_the_answer_may_be_given() {
    let room = Room::new();
    room.write("t.jsonl", planted());
    let list = "[{\"text\":\"free prize around the corner\"},{\"text\":\"cash claim around the corner\",\"label\":\"ham\"}]";
    room.write("list.json", list);
    room.write(
        "lines.jsonl",
        "{\"text\":\"free prize around the corner\"}\n{\"text\":\"cash claim around the corner\"}\n",
    );
    room.write("cells.csv", "text,label\nfree prize around the corner,\ncash claim around the corner,ham\n");
    let list = traced(&room, &["--input", "list.json"]);
    for other in ["lines.jsonl", "cells.csv"] {
        let other = traced(&room, &["--input", other]);
        assert_eq!((&list["samples"], &list["without"]), (&other["samples"], &other["without"]));
    }
    let spam = traced(&room, &["--input", "list.json", "--predicted", "spam", "--top", "3"]);
    assert_eq!(
        (spam["asked"][1]["explained"].as_str(), spam["samples"].as_array().unwrap().len()),
        (Some("spam"), 3)
    );
    assert!(spam["samples"].as_array().unwrap().iter().all(|s| s["label"] == "spam"));
    let threads = traced(&room, &["--input", "list.json", "--threads", "1"]);
    assert_eq!(threads, list);
}

#[test]
fn a_row_of_the_data_is_explained_by_the_others() {
    let room = Room::new();
    room.write("t.jsonl", planted());
    let t = traced(&room, &["--row", "4"]);
    assert_eq!(
        (t["asked"][0]["place"].as_str(), t["asked"][0]["explained"].as_str()),
        (Some("line 4"), Some("ham"))
    );
    assert!(t["samples"].as_array().unwrap().iter().all(|s| s["row"] != 3), "it is no reason for itself");
}

#[test]
fn tables_are_traced_too() {
    let room = Room::new();
    let flipped = |i: usize| i < 30;
    room.write(
        "t.csv",
        table(
            600,
            ",desk",
            |i, yes| yes != flipped(i),
            |i| if flipped(i) { ",d7".into() } else { format!(",d{}", i % 4) },
        ),
    );
    room.write("in.csv", "a,b,c,desk\n4.0,4.0,4.0,d7\n");
    let run = room.run(&[
        "trace",
        "t.csv",
        "--input",
        "in.csv",
        "--label",
        "label",
        "--feature",
        "desk",
        "--predicted",
        "no",
    ]);
    run.expect(0, &["desk = d7", "label `no`", "Trained without them"]);
}

#[test]
fn wrong_words_get_a_hint() {
    let room = Room::new();
    room.write("t.csv", table(200, "", |_, yes| yes, |_| String::new()));
    room.write("in.csv", "a,b\n1,2\n");
    room.write("whole.csv", "a,b,c,label\n1,2,3,maybe\n");
    room.write("odd.json", "[1]");
    let run = |more: &[&str]| room.run(&[&["trace", "t.csv", "--label", "label"], more].concat());
    run(&["--input", "in.csv"]).expect(2, &["no column `c`", "hint:"]);
    run(&["--input", "whole.csv"]).expect(2, &["unknown class `maybe`"]);
    run(&["--input", "odd.json"]).expect(2, &["no JSON object"]);
    run(&["--input", "none.csv"]).expect(2, &["none.csv"]);
    run(&["--row", "201"]).expect(2, &["no row `201`", "200 rows"]);
    run(&["--row", "1", "--predicted", "mayhap"]).expect(2, &["unknown class `mayhap`"]);
    room.run(&["trace", "t.csv"]).expect(2, &["--input"]);
    let nothing = ["--ignore", "a", "--ignore", "b", "--ignore", "c", "--row", "1"];
    run(&nothing).expect(2, &["cannot run"]);
}
