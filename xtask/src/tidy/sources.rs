//! Rules for single files: length, unfinished work, machine paths, doors that algorithms do not have.

use super::{Problem, Tree};

/// Lines of a source file, at most.
const LIMIT: usize = 800;

/// Left behind by unfinished work. Written in halves, so that this file passes its own rule.
const UNFINISHED: &[&str] = &[concat!("todo", "!("), concat!("dbg", "!("), concat!("unimplemented", "!(")];

/// Paths of somebody's machine.
const MACHINES: &[&str] =
    &[concat!("/wo", "rk/"), concat!("/fa", "rm/"), concat!("/tmp/bash", "_jobs"), concat!("/ro", "ot/")];

/// An algorithm opens no file, reads no clock, starts no thread and prints nothing: drivers do.
const DOORS: &[(&str, &str)] = &[
    ("std::fs", "opens files"),
    ("std::time", "reads a clock"),
    ("std::thread", "starts threads"),
    ("std::env", "reads the environment"),
    ("std::process", "starts processes"),
    ("println!(", "prints"),
];

const ALGORITHMS: &[&str] = &["detectors", "attacks", "victims", "defences", "num", "core"];

/// Checks every text file.
pub fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = vec![];
    for (path, text) in tree.all() {
        let source = path.ends_with(".rs") || path.ends_with(".py");
        let lines = text.lines().count();
        if source && lines > LIMIT {
            let what = format!("{lines} lines, more than {LIMIT}");
            problems.push(Problem::new(path, what, "split it where its parts have names of their own"));
        }
        for (number, line) in (1..).zip(text.lines()) {
            let place = || format!("{path}:{number}");
            if let Some(word) = MACHINES.iter().find(|m| contains_path(line, m)) {
                let what = format!("names a path of one machine, `{word}`");
                problems.push(Problem::new(
                    place(),
                    what,
                    "use a path inside the project, or FORETASTE_DATA",
                ));
            }
            if let Some(word) = UNFINISHED.iter().find(|w| path.ends_with(".rs") && line.contains(**w)) {
                let what = format!("holds `{})`", word);
                problems.push(Problem::new(
                    place(),
                    what,
                    "finish it, or return an error that says what is missing",
                ));
            }
        }
        problems.extend(doors(path, text));
    }
    problems
}

/// True if the line holds the path from its root, not as the middle of another.
fn contains_path(line: &str, path: &str) -> bool {
    line.match_indices(path)
        .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-}".contains(c)))
}

/// What an algorithm file reaches for before its tests begin.
fn doors(path: &str, text: &str) -> Vec<Problem> {
    let of_algorithms = ALGORITHMS.iter().any(|a| path.starts_with(&format!("crates/foretaste-{a}/src/")));
    if !of_algorithms || !path.ends_with(".rs") || path.ends_with("/tests.rs") {
        return vec![];
    }
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let mut problems = vec![];
    for (number, line) in (1..).zip(code.lines()).filter(|(_, line)| !line.trim_start().starts_with("//")) {
        if let Some((door, deed)) = DOORS.iter().find(|(door, _)| line.contains(door)) {
            let what = format!("an algorithm {deed} (`{door}`)");
            problems.push(Problem::new(
                format!("{path}:{number}"),
                what,
                "let the driver do it and pass the result",
            ));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::super::expect;
    use super::*;

    #[test]
    fn long_files_fail() {
        expect(check, &[("a.rs", &"\n".repeat(LIMIT))], None);
        expect(check, &[("a.py", &"\n".repeat(LIMIT + 1))], Some("801 lines"));
        expect(check, &[("a.md", &"\n".repeat(LIMIT + 1))], None);
    }

    #[test]
    fn unfinished_work_fails() {
        for word in UNFINISHED {
            expect(check, &[("a.rs", &format!("fn f() {{\n    {word})\n}}"))], Some("a.rs:2"));
        }
    }

    #[test]
    fn machine_paths_fail_wherever_they_stand() {
        for path in MACHINES {
            expect(check, &[("docs/a.md", &format!("see {path}x"))], Some("docs/a.md:1"));
            expect(check, &[("a.md", &format!("home{path}x and ${{X}}{path}y"))], None);
        }
    }

    #[test]
    fn algorithms_have_no_doors_but_their_tests_do() {
        let file = "crates/foretaste-detectors/src/x.rs";
        expect(check, &[(file, "use std::fs;\n")], Some("opens files"));
        expect(check, &[(file, "/// not std::fs\n#[cfg(test)]\nmod tests {\nuse std::fs;\n}\n")], None);
        expect(check, &[("crates/foretaste-flow/src/x.rs", "use std::fs;\n")], None);
    }
}
