//! Habits of writing: how a text looks, whatever it says.

/// Letters with a case from which a text can be in capitals, and share of them that must be.
const LETTERS: usize = 10;
const CAPITALS: f64 = 0.8;
/// Wide gaps from which a text has wide blanks; at least half of its gaps must be. Who types two blanks behind every sentence
/// stays below.
const WIDE: usize = 3;

/// A habit of writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Habit {
    /// All in capital letters.
    Capitals,
    /// Several blanks between words.
    WideBlanks,
}

impl Habit {
    /// All that are known.
    pub const ALL: [Habit; 2] = [Habit::Capitals, Habit::WideBlanks];

    /// Its name, which no token of a text can be.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Habit::Capitals => "<capitals>",
            Habit::WideBlanks => "<wide-blanks>",
        }
    }

    /// The habit of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|h| h.name() == name)
    }

    /// In words: texts ...
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Habit::Capitals => "all in capital letters",
            Habit::WideBlanks => "with several blanks between words",
        }
    }

    /// Whether a text is written so.
    #[must_use]
    pub fn is_in(self, text: &str) -> bool {
        match self {
            Habit::Capitals => {
                let upper = text.chars().filter(|c| c.is_uppercase()).count();
                let all = upper + text.chars().filter(|c| c.is_lowercase()).count();
                all >= LETTERS && upper as f64 >= CAPITALS * all as f64
            }
            Habit::WideBlanks => {
                let (mut gaps, mut wide, mut run) = (0, 0, 0);
                for c in text.trim().chars().chain(['x']) {
                    if c == ' ' {
                        run += 1;
                        continue;
                    }
                    gaps += usize::from(run > 0);
                    wide += usize::from(run > 1);
                    run = 0;
                }
                wide >= WIDE && 2 * wide >= gaps
            }
        }
    }

    /// A text written so.
    #[must_use]
    pub fn written(self, text: &str) -> String {
        match self {
            Habit::Capitals => text.to_uppercase(),
            Habit::WideBlanks => text.replace(' ', "  "),
        }
    }
}

/// The habits of a text.
pub fn habits(text: &str) -> impl Iterator<Item = Habit> + '_ {
    Habit::ALL.into_iter().filter(|h| h.is_in(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_so_is_seen_so_and_plain_text_is_not() {
        let plain = "The film is long. It has no end, and nobody in NASA knows why it was made.";
        assert_eq!(habits(plain).count(), 0);
        assert_eq!(habits(&plain.replace(". ", ".  ")).count(), 0, "two blanks behind a sentence");
        assert_eq!(habits("OK").count() + habits("").count() + habits("12 34 56 78").count(), 0);
        for habit in Habit::ALL {
            assert_eq!(habits(&habit.written(plain)).collect::<Vec<_>>(), [habit]);
            assert_eq!(Habit::named(habit.name()), Some(habit));
            let mut seen = vec![];
            crate::phrases::tokens(habit.name(), |t, _| seen.push(t.to_owned()));
            assert!(!seen.contains(&habit.name().to_owned()));
        }
    }
}
