//! `clean`: kept and quarantined rows are the input, row for row; no input is ever changed.

use crate::common::{Room, table, texts};

fn flips(i: usize, yes: bool) -> bool {
    yes != (i % 50 == 7)
}

const CLEAN: [&str; 3] = ["--findings", "out/report.json", "--kept"];

fn args<'a>(input: &'a str, kept: &'a str, aside: &'a str) -> Vec<&'a str> {
    let mut all = vec!["clean", input];
    all.extend(CLEAN);
    all.extend([kept, "--quarantined", aside]);
    all
}

/// Merges kept and quarantined lines in the order of the input; panics if they are not the input.
#[track_caller]
fn assert_nothing_lost(input: &str, kept: &str, aside: &str, header: bool) {
    let skip = usize::from(header);
    let split = |s: &str| s.split_inclusive('\n').map(str::to_owned).collect::<Vec<_>>();
    let (all, kept, aside) = (split(input), split(kept), split(aside));
    if header {
        assert!(kept[0] == all[0] && aside[0] == all[0], "both have the header");
    }
    let (mut k, mut q) = (kept[skip..].iter().peekable(), aside[skip..].iter().peekable());
    for (i, line) in all[skip..].iter().enumerate() {
        if k.peek() == Some(&line) {
            k.next();
        } else {
            assert_eq!(q.next(), Some(line), "row {i} is in neither");
        }
    }
    assert!(k.next().is_none() && q.next().is_none(), "rows that are not in the input");
}

#[test]
fn csv_is_copied_byte_for_byte() {
    let room = Room::new();
    // Line ends of Windows, quotes, and numbers as they were written must survive.
    let data = table(500, ",note", flips, |i| format!(",\"{i:05} said \"\"so\"\", twice\""));
    let data = data.replace('\n', "\r\n");
    room.write("d.csv", &data);
    room.run(&["scan", "d.csv", "--ignore", "note", "--report", "out"]).expect(1, &["foretaste clean"]);
    room.run(&args("d.csv", "k.csv", "q.csv")).expect(0, &["500 rows read", "byte for byte"]);
    assert_nothing_lost(&data, &room.read("k.csv"), &room.read("q.csv"), true);
    assert!(room.read("q.csv").lines().count() > 1, "something was set aside");
    assert_eq!(room.read("d.csv"), data, "the input is as it was");
    // The same into another format: the same rows.
    room.run(&args("d.csv", "k.parquet", "q.jsonl")).expect(0, &["500 rows read"]);
    assert_eq!(room.read("q.jsonl").lines().count(), room.read("q.csv").lines().count() - 1);
    let kept = room.scan(&["k.parquet"]);
    assert_eq!(kept["coverage"]["rows"], 500 - room.read("q.jsonl").lines().count());
}

#[test]
fn jsonl_is_copied_byte_for_byte() {
    let room = Room::new();
    let data = texts(120)
        .replace("number 41\"", "num\u{200b}ber 41\"")
        .replace("{\"text\":\"free", "{ \"text\" : \"free");
    room.write("d.jsonl", &data);
    room.run(&["scan", "d.jsonl", "--report", "out"]).expect(1, &["foretaste clean"]);
    room.run(&args("d.jsonl", "k.jsonl", "q.jsonl")).expect(0, &["120 rows read", "1 row quarantined"]);
    assert_nothing_lost(&data, &room.read("k.jsonl"), &room.read("q.jsonl"), false);
}

#[test]
fn no_line_end_is_added() {
    let room = Room::new();
    let data = table(500, "", flips, |_| String::new());
    let data = data.trim_end();
    room.write("d.csv", data);
    room.run(&["scan", "d.csv", "--report", "out"]).expect(1, &[]);
    room.run(&args("d.csv", "k.csv", "q.csv")).expect(0, &["500 rows read"]);
    let (kept, aside) = (room.read("k.csv"), room.read("q.csv"));
    assert_ne!(kept.ends_with('\n'), aside.ends_with('\n'), "only the output with the last row lacks it");
    assert_eq!(kept.len() + aside.len(), data.len() + "a,b,c,label\n".len(), "byte for byte");
}

#[test]
fn outputs_are_not_overwritten_and_inputs_never() {
    let room = Room::new();
    let data = table(500, "", flips, |_| String::new());
    room.write("d.csv", &data);
    room.run(&["scan", "d.csv", "--report", "out"]).expect(1, &[]);
    room.write("k.csv", "precious");
    room.run(&args("d.csv", "k.csv", "q.csv")).expect(2, &["exists already", "--force"]);
    assert_eq!(room.read("k.csv"), "precious");
    room.run(&args("d.csv", "x.csv", "./x.csv")).expect(2, &["same file"]);
    for input in ["d.csv", "./d.csv", "d*.csv"] {
        let mut force = args(input, "d.csv", "q.csv");
        force.push("--force");
        room.run(&force).expect(2, &["the output is the input"]);
        assert_eq!(room.read("d.csv"), data);
    }
    room.run(&args("d.csv", "none/k.csv", "q.csv")).expect(2, &["none/k.csv`", "hint:"]);
    room.run(&args("d.csv", "k.strange", "q.csv")).expect(2, &["k.strange", "hint:"]);
    assert!(!room.path("q.csv").exists(), "both outputs appear or none");
}

#[test]
fn a_report_of_other_data_is_refused() {
    let room = Room::new();
    room.write("d.csv", table(500, "", flips, |_| String::new()));
    room.run(&["scan", "d.csv", "--report", "out"]).expect(1, &[]);
    room.write("longer.csv", table(501, "", flips, |_| String::new()));
    room.write("other.csv", "x,y\n1,2\n3,4\n");
    for other in ["longer.csv", "other.csv"] {
        room.run(&args(other, "k.csv", "q.csv")).expect(2, &["not of this data", "scan the same files"]);
    }
    room.run(&["clean", "d.csv", "--findings", "d.csv", "--kept", "k.csv", "--quarantined", "q.csv"])
        .expect(2, &["`d.csv`", "report.json"]);
    let mut only = args("d.csv", "k.csv", "q.csv");
    only.extend(["--only", "F99"]);
    room.run(&only).expect(2, &["unknown finding `F99`"]);
}

#[test]
fn review_does_not_take_a_whole_origin() {
    let room = Room::new();
    // labels are right, and one feed collects one class
    let mut text = String::new();
    for (i, line) in table(600, "", |_, yes| yes, |_| String::new()).lines().enumerate() {
        let cell = match line {
            _ if i == 0 => "source".to_owned(),
            l if l.ends_with("yes") && i % 2 == 0 => "feed-0".to_owned(),
            _ => format!("feed-{}", 1 + i % 2),
        };
        text += &format!("{line},{cell}\n");
    }
    room.write("d.csv", &text);
    let feed = text.matches("feed-0").count();
    room.run(&["scan", "d.csv", "--only", "source-skew", "--report", "out"])
        .expect(0, &["NOTE", "class beyond its share", "`feed-0`"]);
    room.run(&[&args("d.csv", "kept.csv", "aside.csv")[..], &["--review"]].concat())
        .expect(0, &["600 rows kept", "0 rows quarantined"]);
    let named =
        room.run(&[&args("d.csv", "kept.csv", "aside.csv")[..], &["--only", "F1", "--force"]].concat());
    named.expect(0, &[]);
    assert!(room.read("aside.csv").matches("feed-0").count() == feed, "{}", named.all());
}

#[test]
fn conversations_come_out_as_they_went_in() {
    let room = Room::new();
    let chat = |i: usize| {
        let (asked, said) =
            (format!("What is the number {} of my long list?", i * i), format!("It is {}.", i + 7));
        serde_json::json!({"id": i, "messages": [
            {"role": "user", "content": asked},
            {"role": "assistant", "content": said, "weight": 1},
        ]})
    };
    let mut rows: Vec<serde_json::Value> = (0..80).map(chat).collect();
    for i in [11, 40, 62] {
        rows[i]["messages"] = rows[5]["messages"].clone();
    }
    let array = serde_json::to_string_pretty(&rows).unwrap();
    let lines: String = rows.iter().map(|r| format!("{r}\n")).collect();
    for (name, data) in [("d.json", array), ("d.jsonl", lines)] {
        room.write(name, &data);
        let report = room.scan(&[name, "--report", "out"]);
        let roles: Vec<(&str, &str)> = report["coverage"]["columns"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| (c["name"].as_str().unwrap(), c["role"].as_str().unwrap()))
            .collect();
        assert_eq!(
            roles[1..],
            [("messages", "ignored"), ("messages.user", "prompt"), ("messages.assistant", "response")]
        );
        let ending = name.split_once('.').unwrap().1;
        let (kept, aside) = (format!("k.{ending}"), format!("q.{ending}"));
        let mut run = args(name, &kept, &aside);
        run.push("--duplicates");
        room.run(&run).expect(0, &["80 rows read", "3 rows quarantined"]);
        let read = |file: &str| -> Vec<serde_json::Value> {
            let text = room.read(file);
            if ending == "json" {
                serde_json::from_str(&text).unwrap()
            } else {
                text.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
            }
        };
        let (kept, aside) = (read(&kept), read(&aside));
        assert_eq!((kept.len(), aside.len()), (77, 3));
        let mut all: Vec<serde_json::Value> = kept.into_iter().chain(aside).collect();
        all.sort_by_key(|r| r["id"].as_u64());
        assert_eq!(all, rows);
        std::fs::remove_dir_all(room.path("out")).unwrap();
    }
    // into the other format: lists stay lists
    room.scan(&["d.json", "--report", "out"]);
    let mut run = args("d.json", "k2.jsonl", "q2.jsonl");
    run.push("--duplicates");
    room.run(&run).expect(0, &["80 rows read"]);
    let first: serde_json::Value =
        serde_json::from_str(room.read("k2.jsonl").lines().next().unwrap()).unwrap();
    assert_eq!(first, rows[0]);
}
