//! Never clean by omission: what was not read, not learned from, or left out is told, and ends a scan with 2 where
//! samples or labels may be missing.

use crate::common::{Dice, Room, findings, lines, table};
use serde_json::Value;

/// A picture of noise as PPM; `class` sets its brightness.
fn picture(seed: u64, class: usize) -> Vec<u8> {
    let mut dice = Dice::new(seed);
    let mut out = b"P6\n8 8\n255\n".to_vec();
    out.extend((0..192).map(|_| (dice.next() * 100.0) as u8 + 100 * class as u8));
    out
}

fn report(room: &Room) -> Value {
    serde_json::from_str(&room.read("out/report.json")).unwrap()
}

fn pictures(room: &Room, broken: usize) {
    for i in 0..60 {
        let class = i % 2;
        let bytes = if i < broken { b"no picture".to_vec() } else { picture(i as u64, class) };
        room.write(&format!("p/{}/{i:02}.ppm", ["dark", "light"][class]), bytes);
    }
}

#[test]
fn pictures_that_cannot_be_read_end_with_2_and_are_no_copies() {
    let room = Room::new();
    pictures(&room, 0);
    room.run(&["scan", "p", "--report", "out"]).expect(0, &["60 rows"]);
    pictures(&room, 3);
    for i in 3..5 {
        room.write(
            &format!("p/{}/{i:02}.ppm", ["dark", "light"][i % 2]),
            [b"broken too ".as_slice(), &[i as u8]].concat(),
        );
    }
    room.run(&["scan", "p", "--report", "out"]).expect(2, &["5 images could not be read"]);
    let report = report(&room);
    assert_eq!(report["coverage"]["complete"], false);
    // Three files hold the same bytes, which makes them copies; the other broken ones are like nothing else.
    for f in findings(&report, "near-duplicate") {
        assert_eq!(f["members"].as_array().unwrap().len(), 3, "{f:#}");
    }
}

#[test]
fn files_that_may_hold_samples_count_as_missing_and_words_about_them_do_not() {
    let room = Room::new();
    room.write("d/a.csv", table(100, "", |_, yes| yes, |_| String::new()));
    room.write("d/README.md", "about");
    room.write("d/LICENSE", "terms");
    room.run(&["scan", "d", "--fail-on", "never"]).expect(0, &["README.md"]);
    room.write("d/b.xlsx", "PK");
    room.run(&["scan", "d", "--fail-on", "never", "--report", "out"]).expect(2, &["b.xlsx"]);
    assert_eq!(report(&room)["coverage"]["complete"], false);
    pictures(&room, 0);
    room.write("p/labels.csv", "a,b");
    room.run(&["scan", "p", "--fail-on", "never"]).expect(2, &["labels.csv"]);
}

#[test]
fn embeddings_that_are_missing_are_told_and_are_no_copies() {
    let room = Room::new();
    let mut dice = Dice::new(3);
    let mut line = |i: usize| {
        let mut n = || format!("{:.3}", dice.next() + (i % 2) as f64);
        let v = format!("[{},{},{}]", n(), n(), n());
        let v = if i % 20 == 4 { "null".to_owned() } else { v };
        format!("{{\"v\":{v},\"label\":\"{}\"}}\n", ["a", "b"][i % 2])
    };
    room.write("d.jsonl", (0..120).map(&mut line).collect::<String>());
    room.run(&["scan", "d.jsonl", "--fail-on", "never", "--verbose", "--report", "out"])
        .expect(0, &["6 rows without an embedding", "the first is row 5"]);
    for f in findings(&report(&room), "near-duplicate") {
        assert!(lines(f).iter().all(|l| (l - 1) % 20 != 4), "{f:#}");
    }
}

#[test]
fn a_view_without_values_is_none() {
    let room = Room::new();
    room.write("d.csv", "text,label\nhello world this is,spam\nquite other words here,ham\n");
    let run = room.run(&["scan", "d.csv", "--fail-on", "never", "--verbose", "--json", "-"]);
    let report: Value = serde_json::from_str(&run.out).unwrap();
    let detectors = report["detectors"].as_array().unwrap();
    let far = detectors.iter().find(|d| d["id"] == "outlier-distance").unwrap();
    assert_eq!(far["status"], "skipped", "{far}");
    assert!(far["detail"].as_str().unwrap().starts_with("no vectors: "), "{far}");
    assert!(!report.to_string().contains("the role `embedding`"), "{report:#}");
}

#[test]
fn skipped_detectors_say_what_is_missing() {
    let room = Room::new();
    room.write("d.csv", "a,b,label\n".to_owned() + &"1,2,x\n3,4,x\n".repeat(30));
    let report = room.scan(&["d.csv", "--label", "label", "--fail-on", "never"]);
    let all = report["detectors"].to_string();
    assert!(all.contains("no class probabilities: the label has one class only (`x`)"), "{all}");
    assert!(!all.contains("role `prob`") && !all.contains("role `embedding`"), "{all}");
}

#[test]
fn columns_that_tell_the_label_are_left_out_unless_asked_for() {
    let room = Room::new();
    let fine = |i: usize, yes: bool| format!("{}{}", if yes { "y" } else { "n" }, i % 3);
    let mut dice = Dice::new(7);
    let mut data = "a,fine,label\n".to_owned();
    for i in 0..400 {
        let yes = dice.next() < 0.5;
        data += &format!(
            "{:.4},{},{}\n",
            dice.next() + f64::from(yes),
            fine(i, yes),
            if yes { "yes" } else { "no" }
        );
    }
    room.write("d.csv", data);
    let role = |report: &Value| report["coverage"]["columns"][1]["role"].as_str().unwrap().to_owned();
    let inferred = room.scan(&["d.csv"]);
    assert_eq!(role(&inferred), "ignored");
    let notes = inferred["notes"].to_string();
    assert!(notes.contains("column `fine` alone tells the label in all of the rows"), "{notes}");
    assert!(notes.contains("--feature fine"), "{notes}");
    let asked = room.scan(&["d.csv", "--feature", "fine"]);
    assert_eq!(role(&asked), "feature");
    assert!(asked["notes"].to_string().contains("read because you asked"));
}

#[test]
fn one_probability_of_two_is_told() {
    let room = Room::new();
    let more = |i: usize| format!(",0.{:02}", i % 97);
    room.write("d.csv", table(200, ",prob_yes", |_, yes| yes, more));
    let notes = room.scan(&["d.csv"])["notes"].to_string();
    for words in ["`prob_yes` is not read", "1 of 2 classes have one", "--feature prob_yes"] {
        assert!(notes.contains(words), "{notes}");
    }
}
