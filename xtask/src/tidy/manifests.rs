//! Manifests take licence, edition and lints from the workspace, and dependencies by name only.

use super::{Problem, Tree};
use toml::{Table, Value};

const INHERITED: &[&str] = &["version", "edition", "rust-version", "license"];

/// Checks every manifest of a member.
pub fn check(tree: &Tree) -> Vec<Problem> {
    let members = tree.all().filter(|(path, _)| {
        *path == "xtask/Cargo.toml" || path.starts_with("crates/") && path.ends_with("/Cargo.toml")
    });
    members
        .flat_map(|(path, text)| text.parse::<Table>().map(|m| member(path, &m)).unwrap_or_default())
        .collect()
}

fn member(path: &str, manifest: &Table) -> Vec<Problem> {
    let mut problems = vec![];
    let package = manifest.get("package").and_then(Value::as_table);
    for key in INHERITED {
        if !package.and_then(|p| p.get(*key)).is_some_and(inherits) {
            let what = format!("`{key}` is not the workspace's");
            problems.push(Problem::new(
                path,
                what,
                format!("write `{key}.workspace = true` under [package]"),
            ));
        }
    }
    if package.and_then(|p| p.get("description")).and_then(Value::as_str).is_none_or(str::is_empty) {
        problems.push(Problem::new(path, "has no description", "say in one line what the crate is for"));
    }
    if !manifest.get("lints").is_some_and(inherits) {
        problems.push(Problem::new(path, "does not use the lints", "write `workspace = true` under [lints]"));
    }
    for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
        for (name, value) in manifest.get(kind).and_then(Value::as_table).into_iter().flatten() {
            if !inherits(value) {
                let what = format!("dependency `{name}` has its own version");
                let remedy =
                    "name it in [workspace.dependencies] with its reason, and here with `.workspace = true`";
                problems.push(Problem::new(path, what, remedy));
            }
        }
    }
    problems
}

fn inherits(value: &Value) -> bool {
    value.get("workspace").and_then(Value::as_bool) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::super::expect;
    use super::*;

    const GOOD: &str = "[package]\nname = \"x\"\ndescription = \"X.\"\nversion.workspace = true\nedition.workspace = true\n\
                        rust-version.workspace = true\nlicense.workspace = true\n[dependencies]\nserde.workspace = true\n\
                        [lints]\nworkspace = true\n";

    #[test]
    fn good_passes_and_each_loss_fails() {
        expect(check, &[("crates/x/Cargo.toml", GOOD)], None);
        for (from, to, told) in [
            ("license.workspace = true", "license = \"GPL-3.0\"", "`license`"),
            ("license.workspace = true\n", "", "`license`"),
            ("description = \"X.\"", "description = \"\"", "description"),
            ("[lints]\nworkspace = true", "", "lints"),
            ("serde.workspace = true", "serde = \"1\"", "`serde`"),
        ] {
            expect(check, &[("crates/x/Cargo.toml", &GOOD.replace(from, to))], Some(told));
        }
    }
}
