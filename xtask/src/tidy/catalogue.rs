//! A detector or attack that nobody can find is none: it is listed, named after its file, and documented.

use super::{Problem, Tree};

/// Headings of a detector's comment, in this order.
pub const HEADINGS: &[&str] =
    &["What it finds", "How it works", "Threat model", "Cost", "Blind spots", "Example", "References"];

/// Headings of an attack's comment, in this order.
pub const ATTACK_HEADINGS: &[&str] = &[
    "What it does",
    "Threat model",
    "Ground truth",
    "Example",
    "Caught by",
    "Responsible use",
    "References",
];

/// Headings of a victim's comment, in this order.
pub const VICTIM_HEADINGS: &[&str] = &["What it is", "How it learns", "Cost", "Example", "References"];

/// Checks the files of detectors, attacks and victims.
pub fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = folder(tree, "crates/foretaste-detectors/src/", HEADINGS);
    problems.extend(folder(tree, "crates/foretaste-attacks/src/", ATTACK_HEADINGS));
    problems.extend(folder(tree, "crates/foretaste-victims/src/", VICTIM_HEADINGS));
    problems
}

fn folder(tree: &Tree, src: &str, headings: &[&str]) -> Vec<Problem> {
    let list = tree.get(&format!("{src}lib.rs")).unwrap_or_default();
    let mut problems = vec![];
    for (path, text) in tree.below(src, ".rs") {
        let Some(stem) = path.strip_prefix(src).and_then(|p| p.strip_suffix(".rs")) else { continue };
        // `x/part.rs` belongs to `x.rs`
        if stem == "lib" || stem.contains('/') {
            continue;
        }
        let entry = Entry::of(text);
        let listed = lists(list, stem, entry.is_some());
        match entry {
            _ if !listed => {
                let remedy = format!("add `pub mod {stem};` to `catalogue!` in {src}lib.rs");
                problems.push(Problem::new(path, "is not in the catalogue's list", remedy));
            }
            None => {}
            Some(entry) => problems.extend(entry.problems(path, stem, headings)),
        }
    }
    problems
}

/// True if `lib.rs` declares the module: in the catalogue if it is an entry, anywhere if it is not.
fn lists(list: &str, stem: &str, is_entry: bool) -> bool {
    let catalogue = list.split("catalogue!").nth(1).unwrap_or_default();
    let place = if is_entry { catalogue } else { list };
    place.lines().any(|line| line.trim().trim_start_matches("pub ") == format!("mod {stem};"))
}

/// The parameter struct of a file and its comment.
struct Entry {
    line: usize,
    id: String,
    doc: Vec<String>,
}

impl Entry {
    fn of(text: &str) -> Option<Self> {
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let at = lines.iter().position(|l| l.starts_with("#[derive(") && l.contains("Catalogue"))?;
        let doc_start = lines[..at].iter().rposition(|l| !l.starts_with("///")).map_or(0, |i| i + 1);
        let doc = lines[doc_start..at].iter().map(|l| l.trim_start_matches('/').trim().to_owned()).collect();
        let named = lines[at..].iter().find_map(|l| l.strip_prefix("pub struct "))?;
        let name: String = named.chars().take_while(|c| c.is_alphanumeric()).collect();
        let given =
            lines[at..].iter().take(4).find_map(|l| l.strip_prefix("#[entry(id = \"")?.split('"').next());
        Some(Self { line: at + 1, id: given.map_or_else(|| kebab(&name), str::to_owned), doc })
    }

    fn problems(&self, path: &str, stem: &str, headings: &[&str]) -> Vec<Problem> {
        let place = format!("{path}:{}", self.line);
        let mut problems = vec![];
        if !self.id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') {
            let what = format!("id `{}` is not in kebab case", self.id);
            problems.push(Problem::new(&place, what, "small letters, digits and hyphens"));
        } else if self.id != stem.replace('_', "-") {
            let what = format!("id `{}` is not the file's name", self.id);
            problems.push(Problem::new(&place, what, format!("name the struct after the file: `{stem}`")));
        }
        let found: Vec<&str> = self.doc.iter().filter_map(|l| l.strip_prefix("# ")).map(str::trim).collect();
        for heading in headings.iter().filter(|h| !found.contains(*h)) {
            let what = format!("the comment has no heading `# {heading}`");
            problems.push(Problem::new(&place, what, "add it; the comment is the reference page"));
        }
        for (i, line) in self.doc.iter().enumerate().filter(|(_, l)| l.starts_with("# ")) {
            if self.doc[i + 1..].iter().find(|l| !l.is_empty()).is_none_or(|next| next.starts_with("# ")) {
                problems.push(Problem::new(
                    &place,
                    format!("`{line}` has no text"),
                    "write it, or say `None known.`",
                ));
            }
        }
        problems
    }
}

fn kebab(camel: &str) -> String {
    let mut out = String::new();
    for (i, c) in camel.chars().enumerate() {
        if c.is_uppercase() && i > 0 {
            out.push('-');
        }
        out.extend(c.to_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::expect;
    use super::*;

    const LIB: (&str, &str) =
        ("crates/foretaste-detectors/src/lib.rs", "catalogue! {\n    pub mod knn_label;\n}\n");
    const FILE: &str = "crates/foretaste-detectors/src/knn_label.rs";

    fn detector() -> String {
        let doc: String = HEADINGS.iter().map(|h| format!("/// # {h}\n/// Text.\n")).collect();
        format!("/// Title.\n///\n{doc}#[derive(Clone, Debug, Catalogue)]\npub struct KnnLabel {{}}\n")
    }

    #[test]
    fn a_documented_listed_detector_passes() {
        expect(check, &[LIB, (FILE, &detector())], None);
        expect(
            check,
            &[LIB, (FILE, &detector()), ("crates/foretaste-detectors/src/knn_label/part.rs", "")],
            None,
        );
    }

    #[test]
    fn each_lost_heading_fails() {
        for heading in HEADINGS {
            let bad = detector().replace(&format!("/// # {heading}\n/// Text.\n"), "");
            expect(check, &[LIB, (FILE, &bad)], Some(&format!("`# {heading}`")));
        }
        let empty = detector().replace("/// # Cost\n/// Text.\n", "/// # Cost\n");
        expect(check, &[LIB, (FILE, &empty)], Some("`# Cost` has no text"));
    }

    #[test]
    fn unlisted_and_misnamed_fail() {
        let other = "crates/foretaste-detectors/src/outlier.rs";
        let stray = detector().replace("KnnLabel", "Outlier");
        expect(check, &[LIB, (FILE, &detector()), (other, &stray)], Some("pub mod outlier;"));
        let hidden = ("crates/foretaste-detectors/src/lib.rs", "pub mod knn_label;\ncatalogue! {}\n");
        expect(check, &[hidden, (FILE, &detector())], Some("not in the catalogue"));
        expect(check, &[LIB, (FILE, &detector().replace("KnnLabel", "Neighbours"))], Some("`neighbours`"));
        let snake = detector().replace("pub struct", "#[entry(id = \"knn_label\")]\npub struct");
        expect(check, &[LIB, (FILE, &snake)], Some("kebab"));
    }
}
