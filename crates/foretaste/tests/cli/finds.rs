//! What was planted is found, with its place; what is clean is not accused.

use crate::common::{Room, examples, findings, lines, table, texts};

#[test]
fn the_first_command_of_the_readme() {
    let room = Room::new();
    let path = examples().join("sms_spam.csv");
    let run = room.run(&["scan", path.to_str().unwrap()]);
    run.expect(0, &["4,862 rows", "copies", "ham", "spam", "--label label", "--report out/"]);
    assert!(run.err.is_empty(), "{}", run.err);
}

#[test]
fn planted_flips_are_found_with_precision() {
    let room = Room::new();
    let flipped = |i: usize| i % 40 == 3;
    room.write("d.csv", table(800, "", |i, yes| yes != flipped(i), |_| String::new()));
    let report = room.scan(&["d.csv"]);
    let found: Vec<u64> = findings(&report, "label-error").into_iter().flat_map(lines).collect();
    let right = found.iter().filter(|l| flipped(**l as usize - 2)).count();
    assert!(right >= 16, "{right} of 20 flips found");
    assert!(right * 10 >= found.len() * 8, "{right} of {} found are flips", found.len());
    room.run(&["scan", "d.csv"]).expect(1, &["label", "line"]);
}

#[test]
fn labels_changed_around_one_sample_are_told_with_the_sample_in_the_middle() {
    let room = Room::new();
    let args = ["--attack", "target-flip", "--target-class", "spam", "--poison-rate", "0.05", "--seed", "3"];
    let path = examples().join("sms_spam.csv");
    room.run(&[&["simulate", path.to_str().unwrap(), "--out", "p.csv"], &args[..]].concat());
    let report = room.scan(&["p.csv", "--only", "label-region"]);
    let found = findings(&report, "label-poisoning");
    assert_eq!(found.len(), 1, "{report:#}");
    assert_eq!(
        (&found[0]["decision"]["rule"], &found[0]["target_class"]),
        (&"region".into(), &"spam".into())
    );
    let manifest: serde_json::Value = serde_json::from_str(&room.read("p.manifest.json")).unwrap();
    let target = manifest["attacks"][0]["details"]["target-row"].as_u64().unwrap();
    let why = found[0]["why"][0].as_str().unwrap();
    assert!(why.contains(&format!("line {}, labelled `ham`", target + 1)), "{why} and {target}");
    let members = found[0]["members"].as_array().unwrap();
    let aside = members.iter().filter(|m| m["quarantine"] == true).count();
    assert!((230..300).contains(&aside), "{aside} for 243 changed labels");
    // the target is shown first, and stays
    assert_eq!((&members[0]["line"], &members[0]["quarantine"]), (&(target + 1).into(), &false.into()));
}

#[test]
fn clean_data_are_not_accused() {
    let room = Room::new();
    room.write("d.csv", table(600, "", |_, yes| yes, |_| String::new()));
    let report = room.scan(&["d.csv"]);
    for kind in ["label-poisoning", "label-error", "source-skew", "hidden-content", "conflicting-duplicate"] {
        assert!(findings(&report, kind).is_empty(), "{kind}: {report:#}");
    }
}

#[test]
fn hidden_characters_are_found_with_their_place() {
    let room = Room::new();
    let hidden =
        texts(90).replace("number 41\"", "num\u{200b}ber 41\"").replace("number 60\"", "\u{202e}number 60\"");
    room.write("d.jsonl", hidden);
    let report = room.scan(&["d.jsonl"]);
    let found: Vec<u64> = findings(&report, "hidden-content").into_iter().flat_map(lines).collect();
    assert!(found.contains(&42) && found.contains(&61), "{found:?}");
    assert!(found.iter().all(|l| [42, 61].contains(l)), "{found:?}");
    let run = room.run(&["scan", "d.jsonl"]);
    run.expect(1, &["line 42"]);
    assert!(
        !run.out.contains('\u{200b}') && !run.out.contains('\u{202e}'),
        "hidden characters are made visible"
    );
}

#[test]
fn equal_content_under_different_labels() {
    let room = Room::new();
    let mut data = table(200, "", |_, yes| yes, |_| String::new());
    data += "9.5,9.5,9.5,yes\n9.5,9.5,9.5,no\n";
    room.write("d.csv", data);
    let report = room.scan(&["d.csv"]);
    let found = findings(&report, "conflicting-duplicate");
    assert_eq!(found.len(), 1, "{report:#}");
    assert_eq!(lines(found[0]), [202, 203]);
}

#[test]
fn a_source_that_lies_is_named() {
    let room = Room::new();
    let source = |i: usize| i % 6;
    let data = table(
        900,
        ",source",
        |i, yes| yes != (source(i) == 4 && i % 12 < 6),
        |i| format!(",feed-{}", source(i)),
    );
    room.write("d.csv", data);
    let report = room.scan(&["d.csv"]);
    let found = findings(&report, "label-poisoning");
    assert!(
        found.iter().any(|f| f["severity"] == "high" && f["title"].as_str().unwrap().contains("feed-4")),
        "{found:#?}"
    );
    room.run(&["scan", "d.csv", "--fail-on", "high"]).expect(1, &["HIGH", "feed-4"]);
}

/// The sample of the first command, with labels moved or scattered: `sms_spam.csv` after `simulate`.
fn attacked(room: &Room, attack: &[&str]) -> serde_json::Value {
    let path = examples().join("sms_spam.csv");
    let simulate =
        ["simulate", path.to_str().unwrap(), "--poison-rate", "0.05", "--out", "p.csv", "--attack"];
    room.run(&[&simulate[..], attack].concat()).expect(0, &["poisoned"]);
    room.scan(&["p.csv"])
}

#[test]
fn labels_moved_along_a_pair_are_named_with_their_direction() {
    let room = Room::new();
    let report = attacked(&room, &["pair-flip", "--source-class", "ham", "--target-class", "spam"]);
    let found = findings(&report, "label-poisoning");
    assert_eq!(found.len(), 1, "{report:#}");
    let title = found[0]["title"].as_str().unwrap();
    assert!(title.starts_with("labels moved from `ham` to `spam`"), "{title}");
    let listed = lines(found[0]);
    let twice =
        findings(&report, "label-error").into_iter().flat_map(lines).filter(|l| listed.contains(l)).count();
    assert_eq!(twice, 0, "listed in two findings");
    assert!((150..=350).contains(&listed.len()), "{} of 243", listed.len());
}

#[test]
fn labels_flipped_at_random_are_noise() {
    let room = Room::new();
    let report = attacked(&room, &["label-flip"]);
    assert!(findings(&report, "label-poisoning").is_empty(), "{report:#}");
    assert!(!findings(&report, "label-error").is_empty(), "{report:#}");
}

#[test]
fn labels_for_which_the_level_holds_are_set_aside_and_likely_ones_told_beside_them() {
    let room = Room::new();
    let report = attacked(&room, &["label-flip", "--seed", "7"]);
    let told = findings(&report, "label-error");
    let [sure, likely] = told.as_slice() else { panic!("{report:#}") };
    assert_eq!((&sure["action"], &likely["action"]), (&"quarantine".into(), &"review".into()));
    assert_eq!(likely["decision"]["rule"], "probable");
    let members = |f: &serde_json::Value| f["members"].as_array().unwrap().clone();
    assert!(members(sure).iter().all(|m| m["quarantine"] == true));
    assert!(members(likely).iter().all(|m| m["quarantine"] == false && m["suspicion"].as_f64() > Some(0.5)));
    let rows =
        |f| members(f).iter().map(|m| m["row"].as_u64().unwrap()).collect::<std::collections::BTreeSet<_>>();
    assert!(rows(sure).is_disjoint(&rows(likely)));
}

/// The sample table of the program after `simulate`.
fn attacked_table(room: &Room, attack: &[&str]) -> serde_json::Value {
    let path = examples().join("adult_income.parquet");
    let simulate = ["simulate", path.to_str().unwrap(), "--seed", "1", "--out", "p.parquet", "--attack"];
    room.run(&[&simulate[..], attack].concat()).expect(0, &["poisoned"]);
    room.scan(&["p.parquet"])
}

#[test]
fn a_trigger_under_labels_that_fit_is_found_behind_natural_rules() {
    let room = Room::new();
    let attack = ["feature-trigger", "--set", "clean_label=true", "--poison-rate", "0.05"];
    let report = attacked_table(&room, &attack);
    let found = findings(&report, "backdoor");
    let [door] = found.as_slice() else { panic!("{report:#}") };
    assert_eq!(door["clean_label"], true, "{door:#}");
    assert_eq!(door["members"].as_array().unwrap().len(), 250);
}

#[test]
fn rows_pushed_into_a_corner_are_no_backdoor() {
    let room = Room::new();
    let report = attacked_table(&room, &["gradient-poisoning", "--set", "steps=10", "--poison-rate", "0.01"]);
    let found = findings(&report, "availability");
    assert!(found.iter().any(|f| f["title"].as_str().unwrap().starts_with("rows in a corner")), "{report:#}");
    assert!(findings(&report, "backdoor").is_empty(), "{report:#}");
}

/// A table in which all rows with one of two codes are of one class by their other columns and labelled as the other.
fn relabelled(rows: usize) -> String {
    let mut state = 1u64;
    let mut draw = |k: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % k
    };
    let mut out = "a,b,c,d,code,label\n".to_owned();
    for _ in 0..rows {
        let a = draw(6);
        let mut like = || if draw(3) > 0 { a } else { draw(6) };
        let (b, c) = (like(), like());
        let d = draw(5);
        let sure = a + b >= 5;
        let yes = sure != (draw(40) == 0);
        let changed = yes && sure && draw(8) == 0;
        let code = match changed {
            true if draw(2) > 0 => 3,
            true => 7,
            false => 10 + draw(12),
        };
        let label = if yes && !changed { "yes" } else { "no" };
        out += &format!("k{a},k{b},k{c},k{d},c{code},{label}\n");
    }
    out
}

#[test]
fn several_values_of_a_column_are_a_region_and_no_trigger() {
    let room = Room::new();
    room.write("d.csv", relabelled(3000));
    let report = room.scan(&["d.csv"]);
    assert!(findings(&report, "backdoor").is_empty(), "{report:#}");
    let found = findings(&report, "label-poisoning");
    let [region] = found.as_slice() else { panic!("{report:#}") };
    let title = region["title"].as_str().unwrap();
    assert!(title.contains("`c3`") && title.contains("`c7`") && title.contains("`no`"), "{title}");
}
