//! Templates: texts in which marks say who speaks.

use super::{Said, Speaker};
use Speaker::{Assistant, System, User};

/// Marks of one template.
#[derive(Debug)]
pub(crate) struct Template {
    /// Who speaks after each mark.
    marks: &'static [(&'static str, Speaker)],
    /// Signs that belong to the template and are said by nobody.
    ends: &'static [&'static str],
    /// Whether marks stand at the beginning of a line only.
    at_line: bool,
}

const fn tagged(marks: &'static [(&'static str, Speaker)], ends: &'static [&'static str]) -> Template {
    Template { marks, ends, at_line: false }
}

const fn lines(marks: &'static [(&'static str, Speaker)]) -> Template {
    Template { marks, ends: &[], at_line: true }
}

/// Those that cannot stand in a text by chance first.
pub(crate) static ALL: [Template; 12] = [
    tagged(
        &[
            ("<|im_start|>user", User),
            ("<|im_start|>assistant", Assistant),
            ("<|im_start|>system", System),
            ("<|im_start|>tool", User),
        ],
        &["<|im_end|>", "<|endoftext|>"],
    ),
    tagged(
        &[
            ("<|start_header_id|>user<|end_header_id|>", User),
            ("<|start_header_id|>assistant<|end_header_id|>", Assistant),
            ("<|start_header_id|>system<|end_header_id|>", System),
        ],
        &["<|eot_id|>", "<|begin_of_text|>", "<|end_of_text|>"],
    ),
    tagged(&[("[/INST]", Assistant), ("[INST]", User)], &["<s>", "</s>"]),
    tagged(
        &[("<start_of_turn>user", User), ("<start_of_turn>model", Assistant)],
        &["<end_of_turn>", "<bos>", "<eos>"],
    ),
    tagged(
        &[("<|user|>", User), ("<|assistant|>", Assistant), ("<|system|>", System)],
        &["<|end|>", "<|endoftext|>", "</s>", "<s>"],
    ),
    tagged(
        &[("<|prompter|>", User), ("<|assistant|>", Assistant), ("<|system|>", System)],
        &["<|endoftext|>"],
    ),
    lines(&[
        ("### Instruction:", User),
        ("### Input:", User),
        ("### Response:", Assistant),
        ("### Output:", Assistant),
    ]),
    tagged(
        &[("### Human:", User), ("### User:", User), ("### Assistant:", Assistant), ("### System:", System)],
        &["</s>", "<s>"],
    ),
    tagged(&[("USER:", User), ("ASSISTANT:", Assistant), ("SYSTEM:", System)], &["</s>", "<s>"]),
    lines(&[("Human:", User), ("Assistant:", Assistant), ("System:", System)]),
    lines(&[("User:", User), ("Assistant:", Assistant), ("Bot:", Assistant), ("System:", System)]),
    lines(&[("Question:", User), ("Answer:", Assistant)]),
];

impl Template {
    /// The mark before what the model says.
    pub(crate) fn shown(&self) -> &'static str {
        self.marks.iter().find(|m| m.1 == Assistant).map_or("", |m| m.0)
    }

    /// The next mark from `from` on: where it starts, where it ends, who speaks then.
    fn next(&self, text: &str, from: usize) -> Option<(usize, usize, Speaker)> {
        self.marks
            .iter()
            .filter_map(|(mark, who)| self.find(text, from, mark).map(|at| (at, at + mark.len(), *who)))
            .min()
    }

    fn find(&self, text: &str, from: usize, mark: &str) -> Option<usize> {
        let found =
            memchr::memmem::find_iter(text.as_bytes().get(from..)?, mark.as_bytes()).map(|at| from + at);
        let at_line = |at: &usize| {
            text[..*at].trim_end_matches([' ', '\t']).ends_with('\n') || text[..*at].trim().is_empty()
        };
        found.into_iter().find(|at| !self.at_line || at_line(at))
    }

    /// The turns; what stands before the first mark is the system's. `None` if there is no mark.
    pub(crate) fn said(&self, text: &str) -> Option<Said> {
        let (start, mut from, mut who) = self.next(text, 0)?;
        let mut out = vec![];
        let mut add = |who: Speaker, text: &str| {
            let text = self.ends.iter().fold(text.to_owned(), |t, end| t.replace(end, ""));
            let text = text.trim();
            if who != System || !text.is_empty() {
                out.push((who, text.to_owned()));
            }
        };
        add(System, &text[..start]);
        while let Some((start, end, next)) = self.next(text, from) {
            add(who, &text[from..start]);
            (from, who) = (end, next);
        }
        add(who, &text[from..]);
        Some(out)
    }
}
