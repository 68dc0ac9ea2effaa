//! What poisoned samples carry, and what it does to a model.

use foretaste_num::habits::Habit;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something that can be put into a sample and calls for a class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// Words that stand side by side, lower-cased, parted by blanks.
    Phrase {
        /// The words; `*` stands for any one word.
        words: String,
    },
    /// A way of writing.
    Writing {
        /// `<capitals>` or `<wide-blanks>`.
        habit: String,
    },
    /// Values of columns, all at once.
    Rule {
        /// One a column.
        conditions: Vec<Condition>,
    },
    /// Pixels at a place.
    Patch {
        /// Pixels from the left edge.
        left: u32,
        /// Pixels from the upper edge.
        top: u32,
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
        /// Values a pixel: 1 grey, 3 colour.
        channels: u32,
        /// `height * width * channels` values, row by row, channels interleaved.
        pixels: Vec<u8>,
    },
    /// A picture added to pictures.
    Pattern {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
        /// Values a pixel: 1 grey, 3 colour.
        channels: u32,
        /// What is added to each of `height * width * channels` values, from -255 to 255.
        delta: Vec<f32>,
    },
    /// Pixels at a place that changes from picture to picture.
    PatchAnywhere {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
        /// Values a pixel: 1 grey, 3 colour.
        channels: u32,
        /// `height * width * channels` values, row by row, channels interleaved.
        pixels: Vec<u8>,
    },
    /// The outer lines of a picture in one colour.
    Frame {
        /// Pixels from the edge of the picture to where the frame ends.
        lines: u32,
        /// One value a channel.
        colour: Vec<u8>,
    },
}

/// A value of a column, a range of its numbers, or that there is none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Condition {
    /// Column name.
    pub column: String,
    /// The value as text; of a range, the smallest number; nothing for an empty cell.
    pub value: Option<String>,
    /// The largest number of a range.
    pub to: Option<String>,
}

impl Condition {
    /// The value alone: `77`, `1.5 to 2`, empty.
    #[must_use]
    pub fn value_words(&self) -> String {
        match (&self.value, &self.to) {
            (None, _) => "empty".into(),
            (Some(value), None) => format!("`{value}`"),
            (Some(from), Some(to)) => format!("`{from}` to `{to}`"),
        }
    }

    /// Column and value: `hours` = `77`.
    #[must_use]
    pub fn words(&self) -> String {
        let (column, value) = (&self.column, self.value_words());
        match (&self.value, &self.to) {
            (None, _) => format!("`{column}` is empty"),
            (Some(_), None) => format!("`{column}` = {value}"),
            (Some(_), Some(_)) => format!("`{column}` from {value}"),
        }
    }
}

impl Trigger {
    /// Noun and readable form: phrase "around the corner".
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Phrase { words } => {
                let noun = if words.contains(' ') { "phrase" } else { "word" };
                format!("{noun} \"{words}\"")
            }
            Self::Writing { habit } => {
                let words = Habit::named(habit).map_or(habit.clone(), |h| h.words().to_owned());
                format!("a text {words}")
            }
            Self::Rule { conditions } => {
                let all: Vec<String> = conditions.iter().map(Condition::words).collect();
                format!("rule {}", all.join(" and "))
            }
            Self::Patch { left, top, width, height, .. } => {
                format!("patch of {width} x {height} pixels, {left} from the left and {top} from the top")
            }
            Self::Pattern { .. } => "pattern over the whole picture".into(),
            Self::PatchAnywhere { width, height, .. } => {
                format!("patch of {width} x {height} pixels at changing places")
            }
            Self::Frame { lines, colour } => {
                let values: Vec<String> = colour.iter().map(u8::to_string).collect();
                let pixels = if *lines == 1 { "pixel" } else { "pixels" };
                format!("frame of {lines} {pixels} around the picture, colour {}", values.join(", "))
            }
        }
    }
}

/// What a trigger did to held-out samples of other classes, measured on a model trained on the data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Effect {
    /// Catalogue id of the model.
    pub victim: String,
    /// Held-out samples that the model did not give the class before.
    pub n_probes: u64,
    /// Of them, those that it gives the class once they carry the trigger.
    pub turned: u64,
    /// The attack success rate, `turned / n_probes`.
    pub attack_success_rate: f64,
    /// 95 % interval of the rate (Wilson).
    pub interval: (f64, f64),
    /// The rate of something harmless put in the same places.
    pub control_rate: f64,
    /// Probability that the trigger turns so many more than what is harmless, by chance (Fisher, one-sided).
    pub p_value: f64,
}
