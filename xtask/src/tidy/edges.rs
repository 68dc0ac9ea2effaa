//! Which crate may depend on which. The absent edges are the invariants of the architecture.

use super::{Problem, Tree};
use toml::{Table, Value};

/// A crate, what it may depend on, and what its tests and examples may use besides.
struct Edges {
    name: &'static str,
    uses: &'static [&'static str],
    tests_use: &'static [&'static str],
}

const fn may(name: &'static str, uses: &'static [&'static str]) -> Edges {
    Edges { name, uses, tests_use: &[] }
}

/// What an author of an algorithm sees: words, the derive, kernels. No files, no other catalogue, no ground truth.
const ALGORITHM: &[&str] = &["foretaste-core", "foretaste-macros", "foretaste-num"];

/// What a face of the tool (terminal, Python) sees.
const FACE: &[&str] = &[
    "foretaste-core",
    "foretaste-flow",
    "foretaste-formats",
    "foretaste-detectors",
    "foretaste-attacks",
    "foretaste-victims",
    "foretaste-defences",
    "foretaste-report",
    "foretaste-seal",
];

const ALL: &[&str] = &[
    "foretaste-core",
    "foretaste-macros",
    "foretaste-num",
    "foretaste-flow",
    "foretaste-formats",
    "foretaste-detectors",
    "foretaste-attacks",
    "foretaste-victims",
    "foretaste-defences",
    "foretaste-report",
    "foretaste-seal",
    "foretaste-truth",
];

/// The whole table. A crate that is not in it fails.
const TABLE: &[Edges] = &[
    may("foretaste-num", &[]),
    Edges { name: "foretaste-macros", uses: &[], tests_use: &["foretaste-core"] },
    may("foretaste-core", &["foretaste-num"]),
    may("foretaste-formats", &["foretaste-core", "foretaste-num"]),
    may("foretaste-detectors", ALGORITHM),
    may("foretaste-attacks", ALGORITHM),
    Edges { name: "foretaste-victims", uses: ALGORITHM, tests_use: &["foretaste-formats"] },
    may("foretaste-defences", ALGORITHM),
    may("foretaste-report", &["foretaste-core"]),
    may("foretaste-embed", &["foretaste-num"]),
    may("foretaste-seal", &["foretaste-core"]),
    may("foretaste-truth", &["foretaste-core", "foretaste-seal"]),
    may(
        "foretaste-flow",
        &[
            "foretaste-core",
            "foretaste-num",
            "foretaste-formats",
            "foretaste-embed",
            "foretaste-detectors",
            "foretaste-attacks",
            "foretaste-victims",
            "foretaste-defences",
            "foretaste-report",
            "foretaste-seal",
            "foretaste-truth",
        ],
    ),
    may("foretaste", FACE),
    may("foretaste-python", FACE),
    may("foretaste-contract", ALL),
    may("foretaste-bench", ALL),
    may("foretaste-fuzz", ALL),
    // tasks must run when the rest does not compile
    may("xtask", &[]),
];

/// Checks every manifest against the table.
pub fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = vec![];
    for (path, text) in tree.all().filter(|(path, _)| path.ends_with("/Cargo.toml")) {
        let Ok(manifest) = text.parse::<Table>() else {
            problems.push(Problem::new(path, "is not TOML", "run `cargo metadata` to see where"));
            continue;
        };
        let Some(name) = manifest.get("package").and_then(|p| p.get("name")).and_then(Value::as_str) else {
            continue;
        };
        if !(name.starts_with("foretaste") || name == "xtask") {
            continue;
        }
        let Some(edges) = TABLE.iter().find(|e| e.name == name) else {
            let remedy = "add it to the table in xtask/src/tidy/edges.rs, and to ARCHITECTURE.md";
            problems.push(Problem::new(
                path,
                format!("crate `{name}` has no place in the architecture"),
                remedy,
            ));
            continue;
        };
        for (dependency, is_test) in own_dependencies(&manifest) {
            let to = dependency.as_str();
            if !(edges.uses.contains(&to) || is_test && edges.tests_use.contains(&to)) {
                let what = format!("`{name}` must not depend on `{to}`");
                let remedy =
                    "pass what you need through a trait of `foretaste-core`, or do it in `foretaste-flow`";
                problems.push(Problem::new(path, what, remedy));
            }
        }
    }
    problems
}

/// Names of our crates in all tables of dependencies, those for tests marked.
fn own_dependencies(manifest: &Table) -> Vec<(String, bool)> {
    let mut tables = vec![manifest];
    if let Some(targets) = manifest.get("target").and_then(Value::as_table) {
        tables.extend(targets.values().filter_map(Value::as_table));
    }
    let mut out = vec![];
    for table in tables {
        for (kind, is_test) in
            [("dependencies", false), ("build-dependencies", false), ("dev-dependencies", true)]
        {
            for (key, value) in table.get(kind).and_then(Value::as_table).into_iter().flatten() {
                let name = value.get("package").and_then(Value::as_str).unwrap_or(key);
                if name.starts_with("foretaste") {
                    out.push((name.to_owned(), is_test));
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::expect;
    use super::*;

    fn manifest(name: &str, rest: &str) -> String {
        format!("[package]\nname = \"{name}\"\n{rest}")
    }

    #[test]
    fn allowed_edges_pass() {
        let ok =
            manifest("foretaste-detectors", "[dependencies]\nforetaste-core.workspace = true\nserde = \"1\"");
        expect(check, &[("crates/d/Cargo.toml", &ok)], None);
    }

    #[test]
    fn every_forbidden_way_to_an_edge_fails() {
        for rest in [
            "[dependencies]\nforetaste-truth.workspace = true",
            "[dev-dependencies]\nforetaste-truth.workspace = true",
            "[build-dependencies]\nforetaste-truth.workspace = true",
            "[dependencies]\ntruth = { package = \"foretaste-truth\", path = \"../t\" }",
            "[target.'cfg(unix)'.dependencies]\nforetaste-truth.workspace = true",
        ] {
            let bad = manifest("foretaste-detectors", rest);
            let told = "`foretaste-detectors` must not depend on `foretaste-truth`";
            expect(check, &[("crates/d/Cargo.toml", &bad)], Some(told));
        }
    }

    #[test]
    fn kernels_stand_alone_and_catalogues_do_not_meet() {
        for (from, to) in [
            ("foretaste-num", "foretaste-core"),
            ("foretaste-core", "foretaste-macros"),
            ("foretaste-attacks", "foretaste-detectors"),
            ("foretaste-victims", "foretaste-defences"),
            ("foretaste-formats", "foretaste-flow"),
            ("foretaste", "foretaste-truth"),
        ] {
            let bad = manifest(from, &format!("[dependencies]\n{to}.workspace = true"));
            expect(check, &[("crates/x/Cargo.toml", &bad)], Some(&format!("must not depend on `{to}`")));
        }
    }

    #[test]
    fn tests_may_use_more_only_where_the_table_says() {
        let rest = "[dev-dependencies]\nforetaste-formats.workspace = true";
        expect(check, &[("crates/v/Cargo.toml", &manifest("foretaste-victims", rest))], None);
        let rest = "[dependencies]\nforetaste-formats.workspace = true";
        expect(
            check,
            &[("crates/v/Cargo.toml", &manifest("foretaste-victims", rest))],
            Some("must not depend"),
        );
    }

    #[test]
    fn strangers_need_a_place() {
        expect(check, &[("crates/u/Cargo.toml", &manifest("foretaste-utils", ""))], Some("edges.rs"));
    }

    #[test]
    fn the_table_has_no_cycle() {
        // repeatedly take away the crates all of whose dependencies are gone
        let mut left: Vec<&Edges> = TABLE.iter().collect();
        while !left.is_empty() {
            let names: Vec<&str> = left.iter().map(|e| e.name).collect();
            let before = left.len();
            left.retain(|e| e.uses.iter().any(|u| names.contains(u)));
            assert!(left.len() < before, "cycle among {names:?}");
        }
    }
}
