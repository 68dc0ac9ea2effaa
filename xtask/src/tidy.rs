//! `cargo xtask tidy`: rules of the house that the compiler cannot check.
//!
//! Each rule is a pure function from the tree of files to problems, so each is tested with a tree that breaks it.

mod catalogue;
mod edges;
mod manifests;
mod readme;
mod sources;

use crate::shell;
use anyhow::{Result, bail};
use std::collections::BTreeMap;
use std::path::Path;

/// Files of the project by path from the workspace's folder, with slashes. Files that are not UTF-8 are left out.
#[derive(Default)]
pub struct Tree {
    files: BTreeMap<String, String>,
}

impl Tree {
    /// Everything that is, or would be, under version control.
    pub fn read(root: &Path) -> Result<Self> {
        let mut git = std::process::Command::new("git");
        git.current_dir(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
        let names = shell::output(&mut git)?;
        let files = names
            .split('\0')
            .filter(|name| !name.is_empty())
            .filter_map(|name| Some((name.to_owned(), std::fs::read_to_string(root.join(name)).ok()?)))
            .collect();
        Ok(Self { files })
    }

    /// The text of a file.
    pub fn get(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// Path and text of all files.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// Path and text of the files below a folder (`crates/x/src/`) with an ending (`.rs`).
    pub fn below<'a>(&'a self, folder: &'a str, ending: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.all().filter(move |(path, _)| path.starts_with(folder) && path.ends_with(ending))
    }

    #[cfg(test)]
    pub fn of(files: &[(&str, &str)]) -> Self {
        Self { files: files.iter().map(|(p, t)| ((*p).to_owned(), (*t).to_owned())).collect() }
    }
}

/// A broken rule: where, what, and what to do.
#[derive(Debug)]
pub struct Problem {
    /// File, and line if there is one: `a/b.rs:12`.
    pub place: String,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

impl Problem {
    /// A problem.
    pub fn new(place: impl Into<String>, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { place: place.into(), what: what.into(), remedy: remedy.into() }
    }
}

type Rule = fn(&Tree) -> Vec<Problem>;

const RULES: &[(&str, Rule)] = &[
    ("crates depend only on what the table allows", edges::check),
    ("manifests inherit from the workspace", manifests::check),
    ("files are short, finished and free of machine paths", sources::check),
    ("detectors are in the catalogue and say what they must", catalogue::check),
    ("the README's commands exist", readme::check),
];

/// Runs it.
pub fn main(_args: &[String]) -> Result<()> {
    let tree = Tree::read(&shell::root())?;
    let mut count = 0;
    for (name, rule) in RULES {
        let problems = rule(&tree);
        println!("{:<4} {name}", if problems.is_empty() { "ok" } else { "FAIL" });
        for Problem { place, what, remedy } in &problems {
            println!("     {place}: {what}\n       hint: {remedy}");
        }
        count += problems.len();
    }
    if count > 0 {
        bail!("{count} broken rules");
    }
    Ok(())
}

/// Asserts that a rule finds nothing in a tree, or exactly one problem that contains a text.
#[cfg(test)]
pub fn expect(rule: Rule, files: &[(&str, &str)], problem: Option<&str>) {
    let found = rule(&Tree::of(files));
    match problem {
        None => assert!(found.is_empty(), "{found:?}"),
        Some(text) => {
            assert_eq!(found.len(), 1, "{found:?}");
            let all = format!("{}: {} hint: {}", found[0].place, found[0].what, found[0].remedy);
            assert!(all.contains(text), "`{text}` is not in `{all}`");
        }
    }
}
