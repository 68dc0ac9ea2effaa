//! What the tests share: running the program, and small data made by rule.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Output;
use tempfile::TempDir;

/// What a run gave.
pub struct Run {
    /// Exit code; none if the program was killed, as by a panic.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Run {
    fn of(o: &Output) -> Self {
        let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
        Self { code: o.status.code(), out: text(&o.stdout), err: text(&o.stderr) }
    }

    /// Both streams, to search in.
    pub fn all(&self) -> String {
        format!("exit {:?}\n{}\n{}", self.code, self.out, self.err)
    }

    /// Asserts the exit code and that each of the words stands in the output.
    #[track_caller]
    pub fn expect(&self, code: i32, words: &[&str]) {
        let all = self.all();
        assert!(!all.contains("panicked"), "{all}");
        assert_eq!(self.code, Some(code), "{all}");
        for word in words {
            assert!(all.contains(word), "`{word}` is missing in:\n{all}");
        }
    }
}

/// An empty folder to work in, with the program at hand.
pub struct Room {
    dir: TempDir,
}

impl Room {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn run(&self, args: &[&str]) -> Run {
        self.feed(args, b"")
    }

    /// Runs with bytes on standard input.
    pub fn feed(&self, args: &[&str], stdin: &[u8]) -> Run {
        let mut command = assert_cmd::Command::cargo_bin("foretaste").unwrap();
        command.current_dir(self.dir.path()).env("COLUMNS", "120").args(args).write_stdin(stdin.to_vec());
        Run::of(&command.output().unwrap())
    }

    /// The JSON report of a scan; the exit code must be one of a scan that did its job.
    #[track_caller]
    pub fn scan(&self, args: &[&str]) -> Value {
        let all: Vec<&str> = ["scan"].iter().chain(args).chain(&["--json", "-"]).copied().collect();
        let run = self.run(&all);
        assert!(matches!(run.code, Some(0 | 1)), "{}", run.all());
        serde_json::from_str(&run.out).unwrap()
    }
}

/// The findings of a kind.
pub fn findings<'a>(report: &'a Value, kind: &str) -> Vec<&'a Value> {
    report["findings"].as_array().unwrap().iter().filter(|f| f["kind"] == kind).collect()
}

/// The lines of the members that a finding would set aside.
pub fn lines(finding: &Value) -> Vec<u64> {
    let members = finding["members"].as_array().unwrap();
    members.iter().filter_map(|m| m["line"].as_u64()).collect()
}

/// Numbers between 0 and 1 that look random and are the same everywhere.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(2).wrapping_add(1))
    }

    pub fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as f64 / (1u64 << 31) as f64
    }
}

/// A table of two clear classes; `label` may change a label, `more` adds cells after it.
pub fn table(
    rows: usize,
    more_names: &str,
    label: impl Fn(usize, bool) -> bool,
    more: impl Fn(usize) -> String,
) -> String {
    let mut dice = Dice::new(7);
    let mut out = format!("a,b,c,label{more_names}\n");
    for i in 0..rows {
        let yes = dice.next() < 0.5;
        let shift = if yes { 3.0 } else { 0.0 };
        let mut cell = || shift + dice.next() + dice.next();
        let (a, b, c) = (cell(), cell(), cell());
        let word = if label(i, yes) { "yes" } else { "no" };
        out += &format!("{a:.4},{b:.4},{c:.4},{word}{}\n", more(i));
    }
    out
}

/// Texts of two topics, as JSON lines.
pub fn texts(rows: usize) -> String {
    let (good, bad) =
        (["meet", "lunch", "home", "later", "thanks"], ["free", "prize", "claim", "urgent", "cash"]);
    let mut dice = Dice::new(11);
    let mut out = String::new();
    for i in 0..rows {
        let words = if i % 3 == 0 { bad } else { good };
        let mut word = || words[(dice.next() * 5.0) as usize % 5];
        let text = format!("{} {} {} {} number {i}", word(), word(), word(), word());
        out +=
            &format!("{{\"text\":\"{text}\",\"label\":\"{}\"}}\n", if i % 3 == 0 { "spam" } else { "ham" });
    }
    out
}

/// The examples that come with the project.
pub fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").canonicalize().unwrap()
}

/// A data set under `FORETASTE_DATA`, or a word that it is not there.
pub fn data(set: &str) -> Option<PathBuf> {
    let root = std::env::var_os("FORETASTE_DATA").map(PathBuf::from);
    let found = root
        .and_then(|r| ["data.parquet", "data.npz"].iter().map(|f| r.join(set).join(f)).find(|p| p.is_file()));
    if found.is_none() {
        println!("skipped: data set {set} not found");
    }
    found
}
