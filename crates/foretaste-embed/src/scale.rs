//! Bytes of a picture as the numbers that a model was trained on.

use crate::proto::Facts;

/// `(byte - mean) / deviation`, for red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// Subtracted, on bytes 0 to 255.
    pub mean: [f32; 3],
    /// Divides what is left.
    pub deviation: [f32; 3],
}

/// Scalings with a name: what they do, and who uses them.
pub const NAMED: [(&str, Scale, &str); 4] = [
    (
        "imagenet",
        Scale { mean: [123.675, 116.28, 103.53], deviation: [58.395, 57.12, 57.375] },
        "mean and deviation of ImageNet's colours",
    ),
    ("unit", Scale { mean: [0.0; 3], deviation: [255.0; 3] }, "0 to 1"),
    ("symmetric", Scale { mean: [127.5; 3], deviation: [127.5; 3] }, "-1 to 1"),
    ("raw", Scale { mean: [0.0; 3], deviation: [1.0; 3] }, "0 to 255"),
];

/// Remedy of a scaling that cannot be read.
pub const HOW: &str = "give imagenet, unit (0 to 1), symmetric (-1 to 1), raw (0 to 255), MEAN,DEVIATION, or three means and three deviations, for example 127,128; all are of bytes 0 to 255";

impl Scale {
    /// Reads a name, `mean,deviation`, or three means and three deviations.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Some((_, scale, _)) = NAMED.iter().find(|(name, ..)| *name == text) {
            return Some(*scale);
        }
        let numbers: Vec<f32> = text.split(',').map(|n| n.trim().parse()).collect::<Result<_, _>>().ok()?;
        let (mean, deviation) = match numbers[..] {
            [m, d] => ([m; 3], [d; 3]),
            [a, b, c, d, e, f] => ([a, b, c], [d, e, f]),
            _ => return None,
        };
        let usable =
            mean.iter().all(|m| m.is_finite()) && deviation.iter().all(|d| d.is_finite() && *d > 0.0);
        usable.then_some(Self { mean, deviation })
    }

    /// What [`Scale::parse`] reads back: the name if it has one.
    #[must_use]
    pub fn word(&self) -> String {
        if let Some((name, ..)) = NAMED.iter().find(|(_, scale, _)| scale == self) {
            return (*name).to_owned();
        }
        let all: Vec<String> = self.mean.iter().chain(&self.deviation).map(f32::to_string).collect();
        let same = self.mean == [self.mean[0]; 3] && self.deviation == [self.deviation[0]; 3];
        if same { format!("{},{}", all[0], all[3]) } else { all.join(",") }
    }

    /// The word, and what it does.
    #[must_use]
    pub fn words(&self) -> String {
        let word = self.word();
        match NAMED.iter().find(|(name, ..)| *name == word) {
            Some((.., what)) => format!("`{word}` ({what})"),
            None => format!("`{word}`"),
        }
    }

    /// A byte of colour `c` as the model reads it.
    #[must_use]
    pub fn apply(&self, byte: f32, c: usize) -> f32 {
        (byte - self.mean[c]) / self.deviation[c]
    }

    /// The scaling that a model's file asks for, and how that is known.
    #[must_use]
    pub fn infer(facts: &Facts) -> (Self, String) {
        let of = |word: &str| Self::parse(word).unwrap_or(NAMED[0].1);
        let Some(input) = facts.inputs.first() else { return (of("imagenet"), "it is the usual one".into()) };
        if input.kind == "u8" {
            return (of("raw"), "its input is bytes".into());
        }
        if let Some(range) = facts.metadata.get("Image.NominalPixelRange") {
            let known =
                [("Normalized_0_1", "unit"), ("Normalized_1_1", "symmetric"), ("NominalRange_0_255", "raw")];
            if let Some((_, word)) = known.iter().find(|(name, _)| name == range) {
                return (of(word), format!("the file says `{range}`"));
            }
        }
        if let Some((word, first)) = own(facts, &input.name) {
            return (of(word), format!("the model's first operations ({first}) scale the rest of the way"));
        }
        (
            of("imagenet"),
            "a guess, nothing in the file says it, and vectors of a wrong scaling are poor".into(),
        )
    }
}

/// What a model wants that shifts and scales its input itself, and by which operations.
fn own(facts: &Facts, input: &str) -> Option<(&'static str, String)> {
    // the input `x` is at this point `factor * x + shift`
    let (mut factor, mut shift, mut at, mut done) = (1.0f64, 0.0f64, input.to_owned(), vec![]);
    // a chain of operations that are no arithmetic on constants ends it; files may hold circles
    for _ in 0..16 {
        let Some(node) = facts.reader(&at) else { break };
        let other = node.inputs.iter().find(|i| **i != at).and_then(|i| facts.constants.get(i)).copied();
        let from_left = node.inputs.first() == Some(&at);
        match (node.op.as_str(), other) {
            ("Transpose" | "Cast" | "Identity" | "Pad" | "Resize", _) => {}
            ("Add", Some(c)) => shift += c,
            ("Sub", Some(c)) if from_left => shift -= c,
            ("Mul", Some(c)) => (factor, shift) = (factor * c, shift * c),
            ("Div", Some(c)) if from_left && c != 0.0 => (factor, shift) = (factor / c, shift / c),
            _ => break,
        }
        if other.is_some() {
            done.push(node.op.clone());
        }
        let Some(next) = node.outputs.first() else { break };
        at.clone_from(next);
    }
    if done.is_empty() {
        return None;
    }
    let word = if factor.abs() <= 1.0 / 32.0 || (shift / factor).abs() > 16.0 {
        "raw"
    } else if factor > 1.5 && shift < 0.0 {
        "unit"
    } else {
        return None;
    };
    Some((word, done.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{Node, Value};

    #[test]
    fn words_are_read_and_written() {
        for (text, word) in [
            ("imagenet", "imagenet"),
            ("127.5,127.5", "symmetric"),
            ("0, 255", "unit"),
            ("127,128", "127,128"),
            ("1,2,3,4,5,6", "1,2,3,4,5,6"),
        ] {
            assert_eq!(Scale::parse(text).unwrap().word(), word);
        }
        for text in ["", "5", "1,0", "1,nan", "1,2,3", "Imagenet", "1,-2"] {
            assert!(Scale::parse(text).is_none(), "{text}");
        }
        let near = |a: f32, b: f32| (a - b).abs() < 1e-6;
        assert!(near(Scale::parse("imagenet").unwrap().apply(255.0 * 0.485, 0), 0.0));
        assert!(near(Scale::parse("127,128").unwrap().apply(255.0, 2), 1.0));
    }

    /// A model that does these operations with constants first.
    fn check(kind: &str, metadata: Option<&str>, operations: &[(&str, f64)], expect: &str) {
        let mut facts = Facts::default();
        facts.inputs.push(Value { name: "v0".into(), kind: kind.into(), dims: None });
        facts.metadata.extend(metadata.map(|m| ("Image.NominalPixelRange".to_owned(), m.to_owned())));
        for (i, (op, c)) in operations.iter().enumerate() {
            facts.constants.insert(format!("c{i}"), *c);
            let inputs = vec![format!("v{i}"), format!("c{i}")];
            facts.nodes.push(Node { op: (*op).into(), inputs, outputs: vec![format!("v{}", i + 1)] });
        }
        assert_eq!(Scale::infer(&facts).0.word(), expect, "{operations:?}");
    }

    #[test]
    fn a_scaling_is_inferred_from_what_the_model_does_first() {
        check("f32", None, &[], "imagenet");
        check("f32", None, &[("Conv", 0.1)], "imagenet");
        check("u8", None, &[], "raw");
        check("f32", Some("Normalized_1_1"), &[], "symmetric");
        check("f32", None, &[("Div", 255.0), ("Sub", 0.45), ("Div", 0.225), ("Conv", 0.0)], "raw");
        check("f32", None, &[("Mul", 1.0 / 127.5), ("Sub", 1.0)], "raw");
        check("f32", None, &[("Sub", 116.0), ("Conv", 0.0)], "raw");
        check("f32", None, &[("Sub", 0.45), ("Div", 0.225)], "unit");
        check("f32", None, &[("Mul", 2.0), ("Sub", 1.0)], "unit");
        check("f32", None, &[("Add", 1.0)], "imagenet");
        check("f32", None, &[("Div", 0.0)], "imagenet");
    }
}
