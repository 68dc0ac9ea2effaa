//! `simulate`, `score` and `trial`: the truth is exact, the bytes are the same, and what poison does is measured.

use crate::common::{Room, data, examples, table, texts};
use serde_json::Value;

fn manifest(room: &Room, name: &str) -> Value {
    serde_json::from_str(&room.read(name)).unwrap()
}

#[test]
fn a_manifest_says_what_really_changed() {
    let room = Room::new();
    let clean = texts(300);
    room.write("clean.jsonl", &clean);
    let args = [
        "simulate",
        "clean.jsonl",
        "--attack",
        "phrase-trigger",
        "--n-poison",
        "12",
        "--target-class",
        "ham",
    ];
    let out = ["--set", "phrase=at dawn", "--seed", "3", "--out", "bad.jsonl"];
    room.run(&[&args[..], &out[..]].concat())
        .expect(0, &["12 poisoned samples", "at dawn", "bad.manifest.json"]);
    let m = manifest(&room, "bad.manifest.json");
    assert_eq!((m["poisoned"].as_bool(), m["attacks"][0]["n-poison"].as_u64()), (Some(true), Some(12)));
    let after = room.read("bad.jsonl");
    let (before, after): (Vec<&str>, Vec<&str>) = (clean.lines().collect(), after.lines().collect());
    let listed: Vec<u64> =
        m["changes"].as_array().unwrap().iter().map(|c| c["row"].as_u64().unwrap()).collect();
    let changed: Vec<u64> = (0..before.len()).filter(|i| before[*i] != after[*i]).map(|i| i as u64).collect();
    assert_eq!(listed, changed, "the list is the difference of the files, line for line");
    for row in changed {
        let sample: Value = serde_json::from_str(after[row as usize]).unwrap();
        assert!(sample["text"].as_str().unwrap().contains("at dawn") && sample["label"] == "ham");
    }
}

#[test]
fn one_seed_gives_one_file() {
    let room = Room::new();
    room.write("t.csv", table(400, "", |_, yes| yes, |_| String::new()));
    let run = |out: &str, seed: &str, threads: &str| {
        let args = ["simulate", "t.csv", "--attack", "label-flip,mass-duplication", "--poison-rate", "0.05"];
        let more = ["--seed", seed, "--threads", threads, "--out", out];
        room.run(&[&args[..], &more[..]].concat()).expect(0, &["420 rows written"]);
        room.read(out)
    };
    let first = run("a.csv", "1", "1");
    assert_eq!(first, run("b.csv", "1", "4"));
    assert_ne!(first, run("c.csv", "2", "4"));
    let (a, b) = (manifest(&room, "a.manifest.json"), manifest(&room, "b.manifest.json"));
    assert_eq!((&a["changes"], &a["result"]["blake3"]), (&b["changes"], &b["result"]["blake3"]));
}

#[test]
fn ids_of_the_manifest_are_those_of_a_scan() {
    let room = Room::new();
    room.write("t.csv", table(600, "", |_, yes| yes, |_| String::new()));
    let args = ["simulate", "t.csv", "--attack", "label-flip", "--n-poison", "20", "--out", "bad.parquet"];
    room.run(&args).expect(0, &[]);
    room.run(&["scan", "bad.parquet", "--label", "label", "--report", "out"]).expect(1, &[]);
    let score = ["score", "--manifest", "bad.manifest.json", "--findings", "out/report.json", "--json"];
    let told = room.run(&score);
    told.expect(0, &[]);
    let score: Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!((score["n-poison"].as_u64(), score["unknown"].as_u64()), (Some(20), Some(0)));
    assert!(score["true-positive-rate"].as_f64().unwrap() > 0.8, "{score}");
    assert!(score["average-precision"].as_f64().unwrap() > 0.9, "{score}");
}

#[test]
fn data_do_not_appear_without_their_manifest() {
    let room = Room::new();
    room.write("t.csv", table(100, "", |_, yes| yes, |_| String::new()));
    let args =
        ["simulate", "t.csv", "--attack", "label-flip", "--out", "o.csv", "--manifest", "no/such/m.json"];
    assert_eq!(room.run(&args).code, Some(2));
    assert!(!room.path("o.csv").exists());
}

#[test]
fn wrong_words_get_a_hint() {
    let room = Room::new();
    room.write("t.csv", table(100, "", |_, yes| yes, |_| String::new()));
    let run = |more: &[&str]| room.run(&[&["simulate", "t.csv", "--out", "o.csv"], more].concat());
    run(&["--attack", "label-flop"]).expect(2, &["unknown attack `label-flop`", "did you mean `label-flip`"]);
    run(&["--attack", "badnets"]).expect(2, &["`badnets` cannot run", "image"]);
    run(&["--attack", "label-flip", "--target-class", "maybe"]).expect(2, &["unknown class `maybe`"]);
    run(&["--attack", "label-flip", "--n-poison", "101"]).expect(2, &["wants 101", "100 can be used"]);
    run(&["--attack", "label-flip", "--poison-rate", "2"]).expect(2, &["is no share"]);
    run(&["--attack", "label-flip", "--set", "alpha=1"]).expect(2, &["parameter of `label-flip` `alpha`"]);
    room.run(&["simulate", "t.csv", "--attack", "label-flip", "--out", "t.csv", "--force"])
        .expect(2, &["the output is the input"]);
    // nor may a file of an input folder, however it is named
    std::fs::create_dir(room.path("in")).unwrap();
    std::fs::copy(room.path("t.csv"), room.path("in/a.csv")).unwrap();
    let args = ["simulate", "in", "--attack", "label-flip", "--out", "in/../in/a.csv", "--force"];
    room.run(&args).expect(2, &["the output is the input"]);
    assert_eq!(room.read("in/a.csv"), room.read("t.csv"));
    run(&["--attack", "label-flip", "--manifest", "o.csv"]).expect(2, &["same file"]);
    assert!(!room.path("o.csv").exists() && !room.path("o.manifest.json").exists());
}

#[test]
fn a_trial_shows_the_backdoor_and_goes_on_where_it_stopped() {
    let room = Room::new();
    room.write("t.jsonl", texts(900));
    let args = [
        "trial",
        "--data",
        "t.jsonl",
        "--attack",
        "phrase-trigger",
        "--target-class",
        "ham",
        "--out",
        "trial",
    ];
    let more = ["--poison-rate", "0.05", "--seed", "1", "--defence", "none,perfect,random"];
    let args = [&args[..], &more[..]].concat();
    room.run(&[&args[..], &["--dry-run"]].concat()).expect(0, &["2 units, 4 trainings"]);
    room.run(&args).expect(0, &["softmax-regression", "perfect"]);
    let trial: Value = serde_json::from_str(&room.read("trial/trial.json")).unwrap();
    let rows = trial["results"].as_array().unwrap();
    let success = |defence: &str| {
        let row = rows.iter().find(|r| r["defence"] == defence && !r["attack"].is_null()).unwrap();
        row["attack-success-rate"].as_f64().unwrap()
    };
    assert!(success("none") > 0.9 && success("perfect") < 0.2, "{rows:?}");
    let units: Vec<_> = std::fs::read_dir(room.path("trial/units")).unwrap().collect();
    assert_eq!(units.len(), 2);
    // what is there is not measured again: a changed figure stays
    let unit =
        units.iter().map(|u| u.as_ref().unwrap().path()).find(|p| p.display().to_string().contains("phrase"));
    let unit = unit.unwrap();
    let text = std::fs::read_to_string(&unit).unwrap();
    std::fs::write(&unit, text.replace("\"n-probes\": ", "\"n-probes\": 7")).unwrap();
    room.run(&args).expect(0, &[]);
    assert!(room.read("trial/trial.json").contains("\"n-probes\": 7"));
    let page = room.read("trial/trial.html");
    assert!(
        page.contains("phrase-trigger at 5 %") && !page.contains("http://") && !page.contains("https://")
    );
}

#[test]
fn any_training_can_be_a_victim() {
    let room = Room::new();
    room.write("t.jsonl", texts(300));
    // a model that knows one word: awk stands for anything that reads and writes files
    let model = r#"awk 'BEGIN{print "prediction"} NR>1{print (/prize|free|claim|urgent|cash/ ? "spam" : "ham")}' {test} > {predictions} && test -s {train}"#;
    let args =
        ["trial", "--data", "t.jsonl", "--attack", "phrase-trigger", "--target-class", "ham", "--seed", "1"];
    let own = ["--defence", "none", "--out", "trial", "--train-command"];
    room.run(&[&args[..], &own[..], &[model]].concat()).expect(0, &["command", "100.0"]);
    let bad = room.run(&[&args[..], &own[..], &["echo broken >&2; exit 3"]].concat());
    bad.expect(2, &["training command ended with", "broken"]);
    let short = room.run(&[&args[..], &own[..], &["echo ham > {predictions}"]].concat());
    short.expect(2, &["1 predictions for 90 test rows"]);
}

#[test]
fn a_trial_can_measure_on_files_of_their_own() {
    let room = Room::new();
    let rows = |n: usize| -> String {
        (0..n)
            .map(|i| format!("{},{},{}\n", i % 10, i % 7, if i % 10 + i % 7 < 8 { "low" } else { "high" }))
            .collect()
    };
    room.write("t.csv", format!("a,b,label\n{}", rows(300)));
    // other columns beside, another order, and a class that nobody has learned
    let turned: String = rows(40)
        .lines()
        .map(|l| {
            let cells: Vec<&str> = l.split(',').collect();
            format!("{},x,{},{}\n", cells[2], cells[1], cells[0])
        })
        .collect();
    room.write("own.csv", format!("label,extra,b,a\n{turned}odd,x,1,1\n"));
    room.write("narrow.csv", "a,label\n1,low\n2,high\n");
    room.write("broken.csv", "a,b,label\n1,1.5,low\n2,2,high\n");
    room.write("words.csv", "a,b,label\n1,x,low\n2,y,high\n");
    let args = [
        "trial",
        "--data",
        "t.csv",
        "--label",
        "label",
        "--attack",
        "label-flip",
        "--seed",
        "1",
        "--defence",
        "none",
        "--test",
    ];
    let done = room.run(&[&args[..], &["own.csv"]].concat());
    done.expect(0, &["measured on the 41 rows of own.csv", "1 of 41 test rows have no label", "3 (1 %)"]);
    room.run(&[&args[..], &["narrow.csv"]].concat())
        .expect(2, &["column `b` of the data is missing in the test files"]);
    room.run(&[&args[..], &["broken.csv"]].concat()).expect(2, &["column `b`", "fractions"]);
    room.run(&[&args[..], &["words.csv"]].concat()).expect(2, &["column `b`", "of another kind"]);
}

#[test]
fn a_training_of_numbers_is_measured_on_numbers() {
    let room = Room::new();
    let rows: String = (0..400).map(|i| format!("{},{},{}\n", i % 20, i % 7, 3 * (i % 20) + i % 7)).collect();
    room.write("t.csv", format!("a,b,price\n{rows}"));
    // the rule itself, from the columns that the test file still has
    let model = r#"head -1 {test} | grep -qx a,b && awk -F, 'NR>1{print 3*$1+$2}' {test} > {predictions} && test "$FORETASTE_TARGET" = price"#;
    let args =
        ["trial", "--data", "t.csv", "--target", "price", "--attack", "regression-poisoning", "--seed", "1"];
    let own = ["--defence", "none", "--train-command"];
    room.run(&[&args[..], &own[..], &[model]].concat()).expect(0, &["command", "100.0"]);
    let words = room.run(&[&args[..], &own[..], &["sed 1d {test} > {predictions}"]].concat());
    words.expect(2, &["line 1 is no number", "write one number a line"]);
}

#[test]
#[cfg(unix)]
fn any_filter_can_be_a_defence_and_what_cannot_be_done_is_told() {
    let room = Room::new();
    room.write("t.jsonl", texts(300));
    let scenario = |flag: &str| {
        format!(
            r#"
seeds = [1]
defences = ["none", "mine"]
[data]
inputs = ["t.jsonl"]
label = "label"
[[victims]]
id = "naive-bayes"
[[attacks]]
id = "phrase-trigger"
poison-rates = [0.05]
set = {{ target_class = "spam" }}
[[attacks]]
id = "blended"
[[defence-commands]]
name = "mine"
command = "{flag}"
"#
        )
    };
    room.write(
        "s.toml",
        scenario("test -s {train} && test $FORETASTE_LABEL = label && printf '0\\n3\\n' > {flagged}"),
    );
    let run = room.run(&["trial", "s.toml", "--out", "trial"]);
    run.expect(2, &["mine", "not measured", "blended"]);
    let trial: Value = serde_json::from_str(&room.read("trial/trial.json")).unwrap();
    let row = trial["results"]
        .as_array()
        .unwrap()
        .iter()
        .find(|r| r["defence"] == "mine" && r["attack"] == "phrase-trigger");
    assert_eq!(row.unwrap()["removed"], 2);
    // the attack's own results stay; a filter that names rows which are not there is told with its line
    room.write("s.toml", scenario("echo 999999 > {flagged}"));
    room.run(&["trial", "s.toml"]).expect(2, &["line 1 is no row of 0 to"]);
}

#[test]
fn every_scenario_can_be_planned() {
    let room = Room::new();
    let folder = examples().join("../scenarios");
    for file in std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()) {
        if file.extension().is_none_or(|e| e != "toml") {
            continue;
        }
        let run = room.run(&["trial", file.to_str().unwrap(), "--dry-run"]);
        if run.all().contains("are not there") {
            println!("skipped: the data of {} are not found", file.display());
            continue;
        }
        run.expect(0, &["units"]);
    }
}

#[test]
fn a_sticker_is_measured_on_real_signs() {
    let Some(path) = data("gtsrb") else { return };
    let room = Room::new();
    let path = path.to_str().unwrap();
    let args = ["simulate", path, "--attack", "badnets", "--source-class", "14", "--target-class", "1"];
    let out = ["--n-poison", "20", "--out", "signs.parquet"];
    room.run(&[&args[..], &out[..]].concat()).expect(0, &["20 poisoned samples"]);
    let m = manifest(&room, "signs.manifest.json");
    let columns = &m["changes"][0]["columns"];
    assert_eq!(columns.as_array().map(Vec::len), Some(2), "picture and label: {columns}");
}

#[test]
fn a_planted_phrase_is_named_set_aside_and_gone() {
    let room = Room::new();
    let clean = examples().join("sms_spam.csv").display().to_string();
    let simulate = ["simulate", &clean, "--attack", "phrase-trigger", "--target-class", "spam"];
    let more = ["--poison-rate", "0.01", "--seed", "11", "--out", "bad.csv"];
    room.run(&[&simulate[..], &more[..]].concat()).expect(0, &["49 poisoned samples"]);
    room.run(&["scan", "bad.csv", "--report", "out"])
        .expect(1, &["phrase \"around the corner\" calls for `spam`"]);
    room.run(&["score", "--manifest", "bad.manifest.json", "--findings", "out/report.json"])
        .expect(0, &["100.0 % of the poison"]);
    let clean = ["clean", "bad.csv", "--findings", "out/report.json", "--kept", "k.csv"];
    room.run(&[&clean[..], &["--quarantined", "q.csv"]].concat()).expect(0, &[]);
    room.run(&["scan", "k.csv", "--report", "after"]);
    assert!(!room.read("after/report.json").contains("\"backdoor\""), "the phrase is gone");
}
