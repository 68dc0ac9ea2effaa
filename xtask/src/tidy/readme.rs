//! What the README tells a stranger to type exists: tasks, verbs, flags, files.

use super::{Problem, Tree};

const BINARY: &str = "crates/foretaste/src/";

/// Checks the commands in the README's code blocks.
pub fn check(tree: &Tree) -> Vec<Problem> {
    let Some(readme) = tree.get("README.md") else {
        return vec![Problem::new(
            "README.md",
            "is missing",
            "one screen: what it is, first command, where to read on",
        )];
    };
    let mut problems = vec![];
    let mut inside = false;
    for (number, line) in (1..).zip(readme.lines()) {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if inside {
            let words: Vec<&str> = line.split('#').next().unwrap_or_default().split_whitespace().collect();
            let told = |what: String| Problem::new(format!("README.md:{number}"), what, "correct the README");
            problems.extend(command(tree, &words).into_iter().map(told));
        }
    }
    problems
}

/// What of a command does not exist.
fn command(tree: &Tree, words: &[&str]) -> Vec<String> {
    let mut missing = vec![];
    let tasks = tree.get("xtask/src/main.rs").unwrap_or_default();
    if let Some(task) = after(words, &["cargo", "xtask"]).filter(|t| !tasks.contains(&format!("(\"{t}\","))) {
        missing.push(format!("there is no task `{task}`"));
    }
    let ours = ["--", "foretaste"].iter().find_map(|start| words.iter().position(|w| w == start));
    let is_verb = |w: &&&str| w.starts_with(|c: char| c.is_ascii_lowercase());
    if let Some(verb) = ours.and_then(|at| words.get(at + 1)).filter(is_verb) {
        let rest = &words[ours.unwrap_or(0) + 1..];
        if !knows(tree, &verb.replace('-', "_")) {
            missing.push(format!("there is no verb `{verb}`"));
        }
        for flag in rest.iter().filter_map(|w| w.strip_prefix("--")).filter(|f| !f.is_empty()) {
            let name = flag.split('=').next().unwrap_or(flag);
            if !knows(tree, &name.replace('-', "_")) {
                missing.push(format!("there is no flag `--{name}`"));
            }
        }
    }
    for file in words.iter().filter(|w| w.starts_with("examples/")) {
        if !exists(tree, file) {
            missing.push(format!("there is no file `{file}`"));
        }
    }
    missing
}

/// The binary's source names it, as a file, a field or a variant.
fn knows(tree: &Tree, word: &str) -> bool {
    let camel: String = word.split('_').map(capital).collect();
    let is_word =
        |text: &str, w: &str| text.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|t| t == w);
    tree.below(BINARY, ".rs").any(|(path, text)| {
        path.ends_with(&format!("/{word}.rs")) || is_word(text, word) || is_word(text, &camel)
    })
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}

/// Files that are not text are not in the tree, so their folder's README must name them.
fn exists(tree: &Tree, file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or(file);
    tree.get(file).is_some()
        || tree.get("examples/README.md").is_some_and(|r| r.contains(&format!("`{name}`")))
}

fn after<'a>(words: &[&'a str], start: &[&str]) -> Option<&'a str> {
    words.windows(start.len() + 1).find(|w| w.starts_with(start)).map(|w| w[start.len()])
}

#[cfg(test)]
mod tests {
    use super::super::expect;
    use super::*;

    fn with(readme: &str, problem: Option<&str>) {
        let readme = format!("```\n{readme}\n```\n");
        let files = [
            ("README.md", readme.as_str()),
            ("xtask/src/main.rs", "(\"test\", \"all\", test::main)"),
            ("crates/foretaste/src/scan.rs", "struct Scan { label: String, fail_on: u8 }"),
            ("examples/a.csv", ""),
        ];
        expect(check, &files, problem);
    }

    #[test]
    fn commands_that_exist_pass() {
        with("cargo run --release -- scan examples/a.csv --label x --fail-on high # comment", None);
        with("cargo xtask test", None);
        with("pip install something", None);
    }

    #[test]
    fn commands_that_do_not_exist_fail() {
        with("cargo xtask tests", Some("no task `tests`"));
        with("foretaste sniff x.csv", Some("no verb `sniff`"));
        with("foretaste scan x.csv --lable y", Some("no flag `--lable`"));
        with("foretaste scan examples/b.csv", Some("no file `examples/b.csv`"));
        expect(check, &[], Some("README.md: is missing"));
    }
}
