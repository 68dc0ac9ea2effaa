//! From a text to the hashes of its shingles.

use xxhash_rust::xxh3::xxh3_64;

use crate::rng::mix;

/// What the set of a text is made of. Letter case and punctuation are ignored in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shingle {
    /// Runs of this many words (at least 1). A text of fewer words is one run. Letters of scripts written
    /// without spaces count as a word each.
    Words(usize),
    /// Runs of this many letters (at least 1), words joined by single spaces. Stands typing errors better.
    Chars(usize),
}

/// Buffers used again from text to text.
#[derive(Default)]
pub(super) struct Scratch {
    text: Vec<u8>,
    folded: String,
    words: Vec<u64>,
    ends: Vec<usize>,
    hashes: Vec<u32>,
}

/// Bytes of words: letters, digits and everything that is not ASCII.
const WORD: [bool; 256] = {
    let mut t = [false; 256];
    let mut b = 0;
    while b < 256 {
        t[b] = b >= 128 || (b as u8).is_ascii_alphanumeric();
        b += 1;
    }
    t
};

/// Is the letter a word of its own (Thai to Khmer blocks, kana, Han)?
fn alone(c: char) -> bool {
    matches!(u32::from(c),
        0x0E00..=0x0EFF | 0x1000..=0x109F | 0x1780..=0x17FF | 0x3040..=0x30FF | 0x3400..=0x9FFF
        | 0xF900..=0xFAFF | 0x20000..=0x3FFFF)
}

impl Scratch {
    /// Hashes of all shingles, in order, with repeats.
    pub fn hashes(&mut self, text: &str, shingle: Shingle) -> &[u32] {
        self.hashes.clear();
        match shingle {
            Shingle::Words(k) => {
                self.words.clear();
                if text.is_ascii() {
                    self.ascii_words(text);
                } else {
                    self.other_words(text);
                }
                self.runs(k.max(1));
            }
            Shingle::Chars(k) => self.letters(text, k.max(1)),
        }
        &self.hashes
    }

    fn ascii_words(&mut self, text: &str) {
        self.text.clear();
        self.text.extend_from_slice(text.as_bytes());
        self.text.make_ascii_lowercase();
        let mut start = None;
        for (at, &b) in self.text.iter().enumerate() {
            match (start, WORD[b as usize]) {
                (None, true) => start = Some(at),
                (Some(from), false) => {
                    self.words.push(xxh3_64(&self.text[from..at]));
                    start = None;
                }
                _ => {}
            }
        }
        if let Some(from) = start {
            self.words.push(xxh3_64(&self.text[from..]));
        }
    }

    fn other_words(&mut self, text: &str) {
        let lower = text.to_lowercase();
        for run in lower.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()) {
            let mut from = 0;
            for (at, c) in run.char_indices().filter(|(_, c)| alone(*c)) {
                if from < at {
                    self.words.push(xxh3_64(&run.as_bytes()[from..at]));
                }
                from = at + c.len_utf8();
                self.words.push(xxh3_64(&run.as_bytes()[at..from]));
            }
            if from < run.len() {
                self.words.push(xxh3_64(&run.as_bytes()[from..]));
            }
        }
    }

    fn runs(&mut self, k: usize) {
        // a factor per position: the same words in another order are another run
        let factor = |j: usize| mix(j as u64) | 1;
        let one = |run: &[u64]| {
            let sum =
                run.iter().enumerate().fold(0u64, |s, (j, w)| s.wrapping_add(w.wrapping_mul(factor(j))));
            (mix(sum) >> 32) as u32
        };
        if self.words.len() < k {
            if !self.words.is_empty() {
                self.hashes.push(one(&self.words));
            }
        } else if k == 3 {
            let f = [factor(0), factor(1), factor(2)];
            self.hashes.extend(self.words.windows(3).map(|w| {
                let sum = w[0].wrapping_mul(f[0]).wrapping_add(w[1].wrapping_mul(f[1]));
                (mix(sum.wrapping_add(w[2].wrapping_mul(f[2]))) >> 32) as u32
            }));
        } else {
            self.hashes.extend(self.words.windows(k).map(one));
        }
    }

    fn letters(&mut self, text: &str, k: usize) {
        self.folded.clear();
        let lower = text.to_lowercase();
        for word in lower.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()) {
            if !self.folded.is_empty() {
                self.folded.push(' ');
            }
            self.folded.push_str(word);
        }
        let bytes = self.folded.as_bytes();
        self.ends.clear();
        self.ends.extend(self.folded.char_indices().map(|(at, _)| at));
        self.ends.push(bytes.len());
        let letters = self.ends.len() - 1;
        let hash = |run: &[u8]| (xxh3_64(run) >> 32) as u32;
        if letters < k {
            if letters > 0 {
                self.hashes.push(hash(bytes));
            }
        } else {
            self.hashes.extend(self.ends.windows(k + 1).map(|w| hash(&bytes[w[0]..w[k]])));
        }
    }
}

/// The set of shingle hashes of a text, ascending: for an exact comparison with [`jaccard`].
#[must_use]
pub fn shingles(text: &str, shingle: Shingle) -> Vec<u32> {
    let mut scratch = Scratch::default();
    scratch.hashes(text, shingle);
    let mut set = scratch.hashes;
    set.sort_unstable();
    set.dedup();
    set
}

/// Jaccard similarity of two ascending sets; 0 if either is empty.
#[must_use]
pub fn jaccard(a: &[u32], b: &[u32]) -> f64 {
    let (mut i, mut j, mut both) = (0, 0, 0usize);
    while i < a.len() && j < b.len() {
        both += usize::from(a[i] == b[j]);
        let (x, y) = (a[i], b[j]);
        i += usize::from(x <= y);
        j += usize::from(y <= x);
    }
    if both == 0 { 0.0 } else { both as f64 / (a.len() + b.len() - both) as f64 }
}
