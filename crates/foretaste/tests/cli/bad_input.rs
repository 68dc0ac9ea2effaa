//! Input that cannot be right: exit code 2, what is wrong, where, and what to do. Never a panic.

use crate::common::{Room, table, texts};

#[test]
fn files_that_cannot_be_read_say_why() {
    let room = Room::new();
    let cases: &[(&str, &[u8], &[&str])] = &[
        ("empty.csv", b"", &["error: the file is empty"]),
        ("header.csv", b"text,label\n", &["no rows", "hint:", "more than a header"]),
        ("ragged.csv", b"a,b,label\n1,2,x\n3,4\n5,6,y\n", &["ragged.csv, line 3", "fields", "hint:"]),
        ("latin.csv", b"text,label\ncaf\xe9 au lait,x\nmore,y\n", &["UTF-8", "line 2", "hint:", "iconv"]),
        ("quote.csv", b"text,label\n\"never closed,x\nfoo,y\n", &["quote", "line 2", "hint:"]),
        ("nul.csv", b"text,label\na\0b,x\nfoo,y\n", &["NUL", "line 2", "hint:"]),
        ("broken.jsonl", b"{\"a\":1}\n{bad\n", &["broken JSON", "line 2", "hint:"]),
        ("array.json", b"[{\"a\":1},\n{\"a\":2}", &["array has no end", "line 2", "hint:", "jq"]),
        ("cut.parquet", b"PAR1 and no more", &["Parquet", "hint:"]),
    ];
    for (name, bytes, words) in cases {
        room.write(name, bytes);
        let run = room.run(&["scan", name]);
        run.expect(2, words);
        assert!(run.out.is_empty(), "{name}: words of errors go to stderr\n{}", run.out);
    }
    room.write("folder/notes.md", "no data");
    room.run(&["scan", "folder"]).expect(2, &["error:", "hint:"]);
    room.run(&["scan", "absent.csv"]).expect(2, &["nothing found for `absent.csv`", "hint:"]);
    room.feed(&["scan", "-"], b"").expect(2, &["the file is empty"]);
}

#[test]
fn odd_data_do_not_break_it() {
    let room = Room::new();
    let same = "a,b,label\n".to_owned() + &"1,2,x\n".repeat(50);
    let numbers = "a,label\n".to_owned() + &"nan,x\ninf,y\n-inf,x\n,y\n1,x\n".repeat(12);
    let unlabelled = "a,b,label\n".to_owned() + &"1,2,x\n3,4,\n5,6,y\n".repeat(20);
    for (name, text) in [
        ("one.csv", "text,label\nhello world this is,spam\n"),
        ("two.csv", "text,label\nhello world this is,spam\nanother line of words,ham\n"),
        ("same.csv", &same),
        ("numbers.csv", &numbers),
        ("unlabelled.csv", &unlabelled),
        ("column.csv", &("text\n".to_owned() + &"word ".repeat(20_000) + "\nshort one here\n")),
        ("lists.jsonl", &"{\"v\":[1,2],\"label\":1}\n{\"v\":[1],\"label\":0}\n".repeat(20)),
    ] {
        room.write(name, text);
        let run = room.run(&["scan", name]);
        assert!(run.code.is_some() && !run.all().contains("panicked"), "{name}: {}", run.all());
    }
}

#[test]
fn wrong_names_name_the_right_ones() {
    let room = Room::new();
    room.write("d.jsonl", texts(60));
    for (flags, words) in [
        (["--label", "lable"], &["unknown column", "`lable`", "did you mean `label`"][..]),
        (["--role", "label=lbl"], &["unknown role `lbl`", "did you mean `label`"]),
        (["--role", "label"], &["is not COLUMN=ROLE", "hint:"]),
        (["--only", "knn-labl"], &["unknown detector `knn-labl`", "did you mean `knn-label`"]),
        (["--set", "knn-label.kk=3"], &["`kk`", "did you mean `k`"]),
        (["--set", "knn-label.k=many"], &["`k`", "many"]),
        (["--set", "knn-label"], &["is not DETECTOR.NAME=VALUE", "hint:"]),
        (["--fail-on", "hihg"], &["unknown severity `hihg`", "did you mean `high`"]),
        (["--fdr", "2"], &["`--fdr 2` is not between 0 and 1", "hint:"]),
        (["--folds", "1"], &["`--folds 1`", "hint:"]),
        (["--format", "jsn"], &["no format `jsn`", "jsonl"]),
        (["--config", "none.toml"], &["none.toml", "hint:"]),
        (["--label", "text"], &["`text` cannot be the label", "hint:", "--label"]),
    ] {
        room.run(&["scan", "d.jsonl", flags[0], flags[1]]).expect(2, words);
    }
    room.run(&["scan", "d.jsonl", "--text", "text", "--feature", "text"]).expect(2, &["two roles"]);
    room.run(&["explain", "knn-labl"]).expect(2, &["did you mean `knn-label`"]);
}

#[test]
fn probabilities_must_fit_the_classes() {
    let room = Room::new();
    let line = |i: usize| format!("{{\"a\":{i},\"label\":{},\"prob\":[0.2,0.3,0.5]}}\n", i % 2);
    room.write("p.jsonl", (0..40).map(line).collect::<String>());
    room.run(&["scan", "p.jsonl"]).expect(2, &["3 probabilities a row for 2 classes", "hint:"]);
}

#[test]
fn outputs_that_cannot_be_written_say_so() {
    let room = Room::new();
    room.write("d.csv", table(80, "", |_, yes| yes, |_| String::new()));
    room.write("taken", "a file");
    room.run(&["scan", "d.csv", "--report", "taken"]).expect(2, &["`taken`", "hint:"]);
    room.run(&["scan", "d.csv", "--json", "no/such/folder.json"])
        .expect(2, &["`no/such/folder.json`", "hint:"]);
    assert_eq!(room.read("taken"), "a file");
}
