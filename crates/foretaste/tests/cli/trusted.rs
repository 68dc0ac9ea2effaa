//! `--trusted`: what differs from data that the user vouches for, and nothing else.

use crate::common::{Room, findings, lines, table, texts};
use serde_json::Value;

/// The lines of a table by turns in two files with the same header.
fn halves(room: &Room, data: &str, change: impl Fn(usize, &str) -> String) {
    let (header, rows) = data.split_once('\n').unwrap();
    let (mut new, mut old) = (format!("{header}\n"), format!("{header}\n"));
    for (i, line) in rows.lines().enumerate() {
        if i % 2 == 0 {
            new += &(change(i / 2, line) + "\n");
        } else {
            old += &format!("{line}\n");
        }
    }
    room.write("new.csv", new);
    room.write("good.csv", old);
}

fn plain(rows: usize) -> String {
    table(rows, "", |_, yes| yes, |_| String::new())
}

fn scan(room: &Room) -> Value {
    room.scan(&["new.csv", "--trusted", "good.csv", "--only", "near-duplicate"])
}

fn titles(report: &Value) -> Vec<String> {
    findings(report, "drift").iter().map(|f| f["title"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn halves_of_one_collection_do_not_differ() {
    let room = Room::new();
    halves(&room, &plain(1200), |_, line| line.to_owned());
    let report = scan(&room);
    assert!(titles(&report).is_empty(), "{:?}", titles(&report));
    let note = report["notes"][0].as_str().unwrap();
    assert!(
        note.starts_with("compared with 600 trusted rows of `good.csv`") && note.ends_with("no drift"),
        "{note}"
    );
    assert_eq!(report["coverage"]["rows"], 600, "trusted rows are not scanned");
    let told = report["run"]["command"].as_array().unwrap();
    assert!(told.iter().any(|w| w == "--trusted"), "{told:?}");
}

#[test]
fn a_moved_column_is_named_with_its_size() {
    let room = Room::new();
    halves(&room, &plain(1200), |_, line| {
        let mut cells: Vec<String> = line.split(',').map(str::to_owned).collect();
        cells[1] = format!("{:.4}", cells[1].parse::<f64>().unwrap() + 1.0);
        cells.join(",")
    });
    let report = scan(&room);
    let columns = titles(&report);
    assert!(columns.iter().any(|t| t == "column `b` differs from the trusted data"), "{columns:?}");
    let run = room.run(&[
        "scan",
        "new.csv",
        "--trusted",
        "good.csv",
        "--only",
        "near-duplicate",
        "--report",
        "out",
    ]);
    run.expect(1, &["column `b` differs from the trusted data", "median"]);
    for file in ["out/report.html", "out/report.json", "out/report.sarif", "out/report.md"] {
        assert!(room.read(file).contains("differs from the trusted data"), "{file}");
    }
    assert!(room.read("out/report.sarif").contains("\"ruleId\": \"drift\""));
}

#[test]
fn labels_that_a_trusted_model_contradicts_are_listed() {
    let room = Room::new();
    let flipped = |i: usize| i % 12 == 5;
    halves(&room, &plain(1600), |i, line| match line.rsplit_once(',') {
        Some((cells, label)) if flipped(i) => {
            format!("{cells},{}", if label == "yes" { "no" } else { "yes" })
        }
        _ => line.to_owned(),
    });
    let report = scan(&room);
    let found: Vec<&Value> =
        findings(&report, "drift").into_iter().filter(|f| f["severity"] == "medium").collect();
    assert_eq!(found.len(), 1, "{:?}", titles(&report));
    assert!(found[0]["title"].as_str().unwrap().contains("contradicted by a model of the trusted data"));
    let listed = lines(found[0]);
    let right = listed.iter().filter(|l| flipped(**l as usize - 2)).count();
    assert!(right >= 55 && right * 10 >= listed.len() * 9, "{right} of 66, {} listed", listed.len());
    assert!(found[0]["members"][0]["expected"].is_string() && found[0]["members"][0]["quarantine"] == false);
}

#[test]
fn columns_and_classes_that_do_not_fit_are_told() {
    let room = Room::new();
    let data = table(400, ",d", |_, yes| yes, |i| format!(",{}", i % 7));
    halves(&room, &data, |i, line| match i {
        3 | 9 => line.replace(",yes,", ",other,").replace(",no,", ",other,"),
        _ => line.to_owned(),
    });
    let without: String =
        room.read("good.csv").lines().map(|l| l.rsplit_once(',').unwrap().0.to_owned() + "\n").collect();
    room.write("good.csv", without);
    let report =
        room.scan(&["new.csv", "--trusted", "good.csv", "--label", "label", "--only", "near-duplicate"]);
    let told = titles(&report);
    assert!(told.iter().any(|t| t == "column `d` is missing in the trusted data"), "{told:?}");
    assert!(told.iter().any(|t| t == "class `other` is unknown to the trusted data (2 samples)"), "{told:?}");
    room.write("alien.csv", "x,y\n1,2\n3,4\n");
    room.run(&["scan", "new.csv", "--trusted", "alien.csv"]).expect(2, &["share no column", "hint:"]);
    room.run(&["scan", "new.csv", "--trusted", "absent.csv"]).expect(2, &["absent.csv"]);
    room.feed(&["scan", "-", "--trusted", "-"], b"a,b\n1,2\n").expect(2, &["standard input", "hint:"]);
}

#[test]
fn copies_are_counted_and_other_labels_named() {
    let room = Room::new();
    let all = texts(120);
    room.write("good.jsonl", &all);
    room.write("new.jsonl", all.replacen("\"label\":\"spam\"", "\"label\":\"ham\"", 1));
    room.write("foretaste.toml", "trusted = [\"good.jsonl\"]\nonly = [\"near-duplicate\"]\n");
    let report = room.scan(&["new.jsonl"]);
    assert!(report["notes"][0].as_str().unwrap().contains("120 rows are also in the trusted data"));
    let told = titles(&report);
    assert!(
        told.iter().any(|t| t == "1 sample copied from the trusted data under another label"),
        "{told:?}"
    );
}

#[test]
fn few_rows_are_not_compared() {
    let room = Room::new();
    halves(&room, &plain(60), |_, line| line.to_owned());
    let good: String = room.read("good.csv").lines().take(11).map(|l| l.to_owned() + "\n").collect();
    room.write("good.csv", good);
    let report = scan(&room);
    assert!(titles(&report).is_empty());
    let notes = report["notes"].to_string();
    assert!(notes.contains("10 rows are too few to compare"), "{notes}");
}
