//! What to run, as text: the same for the command line, `foretaste.toml` and a program.

use crate::error::{Error, Result};
use foretaste_core::catalogue::Json;
use foretaste_core::{Effort, Role};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// What to run. Every field may be left out.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Recipe {
    /// Files, folders, patterns; `-` is standard input.
    pub inputs: Vec<String>,
    /// Files of the same kind that the user vouches for: what differs from them is told.
    pub trusted: Vec<String>,
    /// Format id, if it is not to be recognised.
    pub format: Option<String>,
    /// Delimiter of CSV files: one character, or `\t` or `tab`.
    pub delimiter: Option<String>,
    /// Whether CSV files have a header.
    pub header: Option<bool>,
    /// Roles of columns by name; the others are inferred.
    pub roles: BTreeMap<String, Role>,
    /// Run only these detectors.
    pub only: Vec<String>,
    /// Do not run these.
    pub skip: Vec<String>,
    /// Parameters of detectors: `[set.knn-label] k = 20`.
    pub set: BTreeMap<String, serde_json::Map<String, Json>>,
    /// How much time the scan may take: `quick`, `normal` or `deep`.
    pub effort: Effort,
    /// False-discovery level of all decisions.
    pub fdr: f64,
    /// Seed of all randomness.
    pub seed: u64,
    /// Folds of the surrogate.
    pub folds: u32,
    /// Megabytes that states and vectors may take; 0: half of what is free.
    pub memory: u64,
    /// Most rows for an exact search of neighbours.
    pub neighbour_rows: u64,
    /// ONNX model that makes vectors of pictures; without it they are gradient histograms.
    pub embed: Option<String>,
    /// How that model wants colours: a name, `mean,deviation`, or three of each; inferred if left out.
    pub embed_scale: Option<String>,
    /// Side of the pictures that it gets, if it takes any size.
    pub embed_size: Option<u32>,
    /// Name of the value to take from it, if not its output.
    pub embed_output: Option<String>,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            inputs: vec![],
            trusted: vec![],
            format: None,
            delimiter: None,
            header: None,
            roles: BTreeMap::new(),
            only: vec![],
            skip: vec![],
            set: BTreeMap::new(),
            effort: Effort::default(),
            fdr: 0.05,
            seed: 0,
            folds: 5,
            memory: 0,
            neighbour_rows: NEIGHBOUR_ROWS,
            embed: None,
            embed_scale: None,
            embed_size: None,
            embed_output: None,
        }
    }
}

/// Most rows for an exact search of neighbours, unless said otherwise.
const NEIGHBOUR_ROWS: u64 = 300_000;

impl Recipe {
    /// Most rows for an exact search of neighbours at the effort asked for. A number that the user gave stays.
    #[must_use]
    pub fn neighbour_limit(&self) -> u64 {
        match self.effort {
            Effort::Quick if self.neighbour_rows == NEIGHBOUR_ROWS => 30_000,
            Effort::Deep if self.neighbour_rows == NEIGHBOUR_ROWS => 1_000_000,
            _ => self.neighbour_rows,
        }
    }

    /// Reads a recipe from TOML.
    ///
    /// # Errors
    /// If the file cannot be read, is no TOML, or names an unknown field.
    pub fn from_file(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(|e| Error::file(path, e, "check the path given to --config"))?;
        toml::from_str(&text).map_err(|e| {
            Error::file(path, e.to_string().trim().to_owned(), "see `foretaste scan --help` for the names")
        })
    }

    /// Checks the numbers.
    ///
    /// # Errors
    /// If one is out of range.
    pub fn check(&self) -> Result<()> {
        if self.inputs.is_empty() {
            return Err(Error::data(
                "no input given",
                "name a file, a folder, a pattern, or `-` for standard input",
            ));
        }
        if !(self.fdr > 0.0 && self.fdr < 1.0) {
            return Err(Error::data(
                format!("`--fdr {}` is not between 0 and 1", self.fdr),
                "0.05 is the default",
            ));
        }
        if !(2..=100).contains(&self.folds) {
            return Err(Error::data(
                format!("`--folds {}` is not within 2 to 100", self.folds),
                "5 is the default",
            ));
        }
        crate::trusted::check(&self.inputs, &self.trusted)?;
        self.delimiter.as_deref().map(delimiter).transpose()?;
        Ok(())
    }
}

/// The byte that a delimiter's name stands for: shells and TOML make it hard to type a tab.
///
/// # Errors
/// If it is not one character.
pub fn delimiter(name: &str) -> Result<u8> {
    match name.as_bytes() {
        b"\\t" | b"tab" => Ok(b'\t'),
        [one] if one.is_ascii() => Ok(*one),
        _ => Err(Error::data(
            format!("the delimiter `{name}` is not one character"),
            "use for example --delimiter ';', or --delimiter tab",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delimiters_have_names() {
        assert_eq!(
            [
                delimiter(";").unwrap(),
                delimiter("\\t").unwrap(),
                delimiter("\t").unwrap(),
                delimiter("tab").unwrap()
            ],
            *b";\t\t\t"
        );
        assert!(delimiter("").is_err() && delimiter("ab").is_err() && delimiter("\u{e9}").is_err());
    }

    #[test]
    fn an_effort_moves_the_limit_of_neighbours_and_a_number_given_stays() {
        let limit =
            |effort, rows| Recipe { effort, neighbour_rows: rows, ..Recipe::default() }.neighbour_limit();
        let usual = Recipe::default().neighbour_rows;
        assert!(limit(Effort::Quick, usual) < usual && limit(Effort::Deep, usual) > usual);
        assert_eq!(
            (limit(Effort::Normal, usual), limit(Effort::Quick, 77), limit(Effort::Deep, 77)),
            (usual, 77, 77)
        );
    }

    #[test]
    fn toml_reads_and_unknown_names_are_refused() {
        let dir = std::env::temp_dir().join("foretaste-recipe-test");
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("foretaste.toml");
        std::fs::write(&path, "fdr = 0.1\n[roles]\nincome = \"label\"\n[set.knn-label]\nk = 20\n").unwrap();
        let r = Recipe::from_file(&path).unwrap();
        assert_eq!(
            (r.fdr, r.roles["income"], r.set["knn-label"]["k"].as_u64()),
            (0.1, Role::Label, Some(20))
        );
        std::fs::write(&path, "fdrr = 0.1\n").unwrap();
        assert!(Recipe::from_file(&path).unwrap_err().to_string().contains("fdrr"));
    }
}
