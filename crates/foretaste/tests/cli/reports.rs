//! Exit codes, report files, standard streams, settings.

use crate::common::{Room, table, texts};
use serde_json::Value;

const FILES: [&str; 5] = ["report.html", "report.json", "report.md", "report.sarif", "samples.parquet"];

fn flips(i: usize, yes: bool) -> bool {
    yes != (i % 50 == 7)
}

#[test]
fn exit_codes_follow_the_severity() {
    let room = Room::new();
    room.write("d.csv", table(500, "", flips, |_| String::new()));
    for (level, code) in [("note", 1), ("low", 1), ("high", 0), ("never", 0)] {
        room.run(&["scan", "d.csv", "--fail-on", level]).expect(code, &["label"]);
    }
    room.write("clean.csv", table(300, "", |_, yes| yes, |_| String::new()));
    room.run(&["scan", "clean.csv"]).expect(0, &["nothing to distrust"]);
    // What nobody looked at is not clean.
    room.run(&["scan", "d.csv", "--only", "source-skew"]).expect(2, &["Nothing was examined"]);
}

#[test]
fn quiet_says_nothing_and_json_is_alone_on_stdout() {
    let room = Room::new();
    room.write("d.csv", table(500, "", flips, |_| String::new()));
    let quiet = room.run(&["scan", "d.csv", "--quiet"]);
    assert_eq!((quiet.code, quiet.all().as_str()), (Some(1), "exit Some(1)\n\n"));
    let report = room.scan(&["d.csv"]);
    assert_eq!(report["coverage"]["rows"], 500);
}

#[test]
fn the_report_is_of_the_published_schema() {
    let room = Room::new();
    let schema: Value = serde_json::from_str(&room.run(&["list", "schema"]).out).unwrap();
    let valid = jsonschema::validator_for(&schema).unwrap();
    room.write("d.csv", table(500, ",source", flips, |i| format!(",s{}", i % 3)));
    room.write("t.jsonl", texts(90).replace("number 41", "num\u{200b}ber 41"));
    for file in ["d.csv", "t.jsonl"] {
        let report = room.scan(&[file]);
        let wrong: Vec<String> = valid.iter_errors(&report).map(|e| e.to_string()).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}

#[test]
fn reports_do_not_depend_on_threads() {
    let room = Room::new();
    room.write("d.csv", table(400, ",source", flips, |i| format!(",s{}", i % 3)));
    room.write("t.jsonl", texts(200));
    for file in ["d.csv", "t.jsonl"] {
        let mut seen: Vec<Vec<Vec<u8>>> = vec![];
        for threads in ["1", "2", "5"] {
            let dir = format!("{file}-{threads}");
            // the folder is part of the command that repeats the scan, so all write into one of the same name
            let run = room.run(&["scan", file, "--threads", threads, "--report", "out", "--quiet"]);
            std::fs::rename(room.path("out"), room.path(&dir)).unwrap();
            assert!(matches!(run.code, Some(0 | 1)), "{}", run.all());
            seen.push(FILES.iter().map(|f| std::fs::read(room.path(&dir).join(f)).unwrap()).collect());
        }
        for other in &seen[1..] {
            for (i, name) in FILES.iter().enumerate() {
                assert!(seen[0][i] == other[i], "{file}: {name} depends on the number of threads");
            }
        }
    }
}

#[test]
fn the_report_folder_is_whole_and_tidy() {
    let room = Room::new();
    room.write("d.csv", table(500, "", flips, |_| String::new()));
    room.run(&["scan", "d.csv", "--report", "a/b/out"]).expect(1, &["foretaste clean d.csv"]);
    let mut names: Vec<String> = std::fs::read_dir(room.path("a/b/out"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, FILES);
    assert!(FILES.iter().all(|f| std::fs::metadata(room.path("a/b/out").join(f)).unwrap().len() > 100));
}

#[test]
fn standard_input_reads_as_the_file_does() {
    let room = Room::new();
    let data = texts(90);
    room.write("t.jsonl", &data);
    let run = room.feed(&["scan", "-", "--format", "jsonl"], data.as_bytes());
    run.expect(0, &["standard input", "90 rows"]);
    let ids = |v: &Value| v["coverage"]["columns"].clone();
    let piped = room.feed(&["scan", "-", "--json", "-"], data.as_bytes());
    let piped: Value = serde_json::from_str(&piped.out).unwrap();
    assert_eq!(ids(&piped), ids(&room.scan(&["t.jsonl"])));
}

#[test]
fn settings_come_from_the_file_and_flags_go_before() {
    let room = Room::new();
    room.write("d.csv", table(300, "", |_, yes| yes, |_| String::new()));
    room.write("foretaste.toml", "fdr = 0.2\nskip = [\"knn-label\"]\n[roles]\nc = \"ignored\"\n");
    let role = |report: &Value| {
        let columns = report["coverage"]["columns"].as_array().unwrap().clone();
        columns.into_iter().find(|c| c["name"] == "c").unwrap()["role"].clone()
    };
    let report = room.scan(&["d.csv"]);
    assert_eq!(role(&report), "ignored");
    assert!(report["run"].to_string().contains("0.2"), "{:#}", report["run"]);
    assert_eq!(role(&room.scan(&["d.csv", "--feature", "c"])), "feature");
    room.write("foretaste.toml", "fdrr = 0.2\n");
    room.run(&["scan", "d.csv"]).expect(2, &["foretaste.toml", "fdrr"]);
}

#[test]
fn patterns_and_several_files_are_one_data_set() {
    let room = Room::new();
    let data = table(300, "", |_, yes| yes, |_| String::new());
    room.write("part-1.csv", &data);
    room.write("part-2.csv", data.lines().take(101).map(|l| format!("{l}\n")).collect::<String>());
    let report = room.scan(&["part-*.csv"]);
    assert_eq!(report["coverage"]["rows"], 400);
    assert_eq!(report["coverage"]["inputs"].as_array().unwrap().len(), 2);
}
