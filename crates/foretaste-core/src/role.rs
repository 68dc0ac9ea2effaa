//! What a column means.

use crate::error::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a column means to foretaste.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Names the sample.
    Id,
    /// The class that a model is to learn.
    Label,
    /// The number that a model is to learn.
    Target,
    /// A number or category that a model reads.
    Feature,
    /// Free text that a model reads.
    Text,
    /// A picture that a model reads.
    Image,
    /// A vector that stands for the sample.
    Embedding,
    /// Where the sample came from.
    Source,
    /// Who labelled it.
    Annotator,
    /// When it was made or collected.
    Time,
    /// Which part it belongs to (train, test).
    Split,
    /// The probability of one class, or a vector of all, from the user's own model.
    Prob,
    /// Who rated.
    User,
    /// What was rated.
    Item,
    /// How it was rated.
    Rating,
    /// What a language model is asked.
    Prompt,
    /// What it should answer.
    Response,
    /// A search query.
    Query,
    /// A passage to be retrieved.
    Document,
    /// Not read.
    Ignored,
}

impl Role {
    /// Every role, in the order of the documentation.
    pub const ALL: [Role; 20] = [
        Role::Id,
        Role::Label,
        Role::Target,
        Role::Feature,
        Role::Text,
        Role::Image,
        Role::Embedding,
        Role::Source,
        Role::Annotator,
        Role::Time,
        Role::Split,
        Role::Prob,
        Role::User,
        Role::Item,
        Role::Rating,
        Role::Prompt,
        Role::Response,
        Role::Query,
        Role::Document,
        Role::Ignored,
    ];

    /// The word for it, as in flags and reports.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Role::Id => "id",
            Role::Label => "label",
            Role::Target => "target",
            Role::Feature => "feature",
            Role::Text => "text",
            Role::Image => "image",
            Role::Embedding => "embedding",
            Role::Source => "source",
            Role::Annotator => "annotator",
            Role::Time => "time",
            Role::Split => "split",
            Role::Prob => "prob",
            Role::User => "user",
            Role::Item => "item",
            Role::Rating => "rating",
            Role::Prompt => "prompt",
            Role::Response => "response",
            Role::Query => "query",
            Role::Document => "document",
            Role::Ignored => "ignored",
        }
    }

    /// What it means, in a few words.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Role::Id => "Names the sample",
            Role::Label => "The class that a model is to learn",
            Role::Target => "The number that a model is to learn",
            Role::Feature => "A number or category that a model reads",
            Role::Text => "Free text that a model reads",
            Role::Image => "A picture that a model reads",
            Role::Embedding => "A vector that stands for the sample",
            Role::Source => "Where the sample came from",
            Role::Annotator => "Who labelled it",
            Role::Time => "When it was made or collected",
            Role::Split => "Which part it belongs to (train, test)",
            Role::Prob => "The probability of one class, or a vector of all, from the user's own model",
            Role::User => "Who rated",
            Role::Item => "What was rated",
            Role::Rating => "How it was rated",
            Role::Prompt => "What a language model is asked",
            Role::Response => "What it should answer",
            Role::Query => "A search query",
            Role::Document => "A passage to be retrieved",
            Role::Ignored => "Not read",
        }
    }

    /// Columns of free text, whatever part they play.
    #[must_use]
    pub fn is_text(self) -> bool {
        matches!(self, Role::Text | Role::Prompt | Role::Response | Role::Query | Role::Document)
    }

    /// Columns of free text that a response answers.
    #[must_use]
    pub fn asks(self) -> bool {
        self.is_text() && self != Role::Response
    }

    /// Which columns a response answers: the prompts, and where none is called so, every other text.
    #[must_use]
    pub fn asked(roles: impl IntoIterator<Item = Role>) -> fn(Role) -> bool {
        if roles.into_iter().any(|r| r == Role::Prompt) { |r| r == Role::Prompt } else { Role::asks }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

impl std::str::FromStr for Role {
    type Err = Error;
    fn from_str(s: &str) -> Result<Self> {
        Role::ALL
            .into_iter()
            .find(|r| r.word() == s)
            .ok_or_else(|| Error::unknown("role", s, Role::ALL.iter().map(|r| r.word())))
    }
}
