//! What can go wrong, split by what the caller can do about it.

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of the vocabulary or of an algorithm. Messages say what is wrong first and hold values in backticks.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The user named something that the catalogue does not hold.
    #[error("unknown {what} `{name}`")]
    Unknown {
        /// What kind of thing was looked for: `detector`, `parameter of knn-label`, `role`.
        what: String,
        /// The name as given.
        name: String,
        /// Names that exist, nearest first.
        known: Vec<String>,
    },
    /// A parameter has a value out of its type or bounds.
    #[error("parameter `{name}` of `{entry}`: {problem}")]
    Parameter {
        /// Catalogue id.
        entry: String,
        /// Parameter name.
        name: String,
        /// What is wrong with the value.
        problem: String,
    },
    /// The data lack what the algorithm needs.
    #[error("`{entry}` cannot run: {reason}")]
    Unfit {
        /// Catalogue id.
        entry: String,
        /// What is missing, and the remedy.
        reason: String,
    },
    /// A state or model cannot be merged or read back.
    #[error("state of `{entry}` cannot be used: {reason}")]
    State {
        /// Catalogue id.
        entry: String,
        /// What is wrong.
        reason: String,
    },
}

impl Error {
    /// An [`Error::Unknown`] with the known names ordered by edit distance to the wrong one.
    #[must_use]
    pub fn unknown<'a>(
        what: impl Into<String>,
        name: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let mut known: Vec<String> = known.into_iter().map(str::to_owned).collect();
        known.sort_by_cached_key(|k| (edit_distance(k, name), k.clone()));
        Self::Unknown { what: what.into(), name: name.to_owned(), known }
    }

    /// What the user can do, printed as `hint:` lines.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { known, .. } if !known.is_empty() => {
                let near: Vec<String> = known.iter().take(3).map(|k| format!("`{k}`")).collect();
                Some(format!("did you mean {}?", near.join(", ")))
            }
            _ => None,
        }
    }
}

fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let cost = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_name_the_nearest() {
        let e = Error::unknown("detector", "knn-labels", ["outlier", "knn-label", "hidden-content"]);
        assert_eq!(e.to_string(), "unknown detector `knn-labels`");
        assert!(e.hint().unwrap().starts_with("did you mean `knn-label`"));
    }
}
