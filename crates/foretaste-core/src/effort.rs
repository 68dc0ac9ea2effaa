//! How much time a scan may take, and what that changes for one algorithm.

use crate::error::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much time a scan may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Effort {
    /// What costs most is left out.
    Quick,
    /// Everything that findings are made of, with its defaults.
    #[default]
    Normal,
    /// Higher limits and more tries, where that finds more; also detectors that only order.
    Deep,
}

impl Effort {
    /// Every effort, the least first.
    pub const ALL: [Effort; 3] = [Effort::Quick, Effort::Normal, Effort::Deep];

    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Effort::Quick => "quick",
            Effort::Normal => "normal",
            Effort::Deep => "deep",
        }
    }
}

impl std::fmt::Display for Effort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

impl std::str::FromStr for Effort {
    type Err = Error;
    fn from_str(s: &str) -> Result<Self> {
        Effort::ALL
            .into_iter()
            .find(|e| e.word() == s)
            .ok_or_else(|| Error::unknown("effort", s, Effort::ALL.map(Effort::word)))
    }
}

/// What one algorithm does at an effort.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AtEffort {
    /// It runs with its defaults.
    Same,
    /// It is left out.
    LeftOut,
    /// It is left out of tables with more feature columns than this.
    LeftOutBeyond {
        /// Most feature columns.
        columns: usize,
    },
    /// Parameters that take the place of the defaults; what the user sets goes before them.
    With(&'static [(&'static str, u64)]),
}
