//! Near-duplicate texts: MinHash signatures and banded locality-sensitive hashing.
//!
//! Broder, *On the resemblance and containment of documents* (1997): the share of equal minima of two signatures
//! estimates the Jaccard similarity J of their shingle sets, with standard error `sqrt(J (1 - J) / permutations)`.
//! Banding after Leskovec, Rajaraman and Ullman, *Mining of Massive Datasets*, chapter 3.
//!
//! Real permutations, not one permutation with densification: a text of ten words has eight shingles, and
//! filling 128 bins from eight values makes the bins copies of one another. The minima are `a x + b` modulo 2^32
//! over well-mixed 32-bit shingle hashes `x`, which runs eight (AVX2) or sixteen (AVX-512) lanes at a time.
//!
//! A signature is a mergeable state: the minima of two parts of a text are the minima of their union, and
//! [`Signatures`] of two shards are appended.

mod groups;
mod shingle;

use rayon::prelude::*;

use crate::rng::mix;
pub use groups::{groups, groups_of_texts, groups_where};
pub use shingle::{Shingle, jaccard, shingles};

/// Texts per task: fixed, so that work is split alike on any number of threads.
const TEXTS: usize = 64;
/// Permutations worked on at once: their minima and coefficients fit the vector registers.
const LANES: usize = 32;

/// How texts are cut and compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Params {
    /// What the sets are made of. Default: runs of three words. Longer runs lose a short text to one edit (each
    /// edited word destroys as many runs as they are long); single words call any two texts on one topic alike.
    pub shingle: Shingle,
    /// Minima per signature, at least 1. Default 128: standard error at most 0.044.
    pub permutations: usize,
    /// Texts at or above this estimated similarity are near-duplicates, in `(0, 1]`. Default 0.8: with runs of
    /// three words about one word in thirty-three may differ, as deduplication of language-model corpora does.
    pub threshold: f64,
    /// Names the permutations. Signatures of different seeds cannot be compared.
    pub seed: u64,
}

impl Default for Params {
    fn default() -> Self {
        Self { shingle: Shingle::Words(3), permutations: 128, threshold: 0.8, seed: 0 }
    }
}

impl Params {
    /// Bands and rows per band: the most rows (fewest false candidates) that still offer a pair at the
    /// threshold as a candidate with probability 0.995, that is `1 - (1 - t^r)^b`.
    #[must_use]
    pub fn bands(&self) -> (usize, usize) {
        let n = self.permutations.max(1);
        let found = |r: usize| 1.0 - (1.0 - self.threshold.powi(r as i32)).powi((n / r) as i32);
        let rows = (1..=n.min(32)).rev().find(|&r| found(r) >= 0.995).unwrap_or(1);
        (n / rows, rows)
    }
}

/// The minima of one text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Signature(Vec<u32>);

impl Signature {
    /// The minima, one per permutation.
    #[must_use]
    pub fn minima(&self) -> &[u32] {
        &self.0
    }

    /// Has the text no shingle (no letter or digit)? Such a text is like no other.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        is_empty(&self.0)
    }

    /// Becomes the signature of the union of both sets. Signatures of other lengths are cut to the shorter.
    pub fn merge(&mut self, other: &Self) {
        self.0.truncate(other.0.len());
        for (a, b) in self.0.iter_mut().zip(&other.0) {
            *a = (*a).min(*b);
        }
    }

    /// Estimated Jaccard similarity, in `[0, 1]`; 0 if either text is empty.
    #[must_use]
    pub fn similarity(&self, other: &Self) -> f64 {
        similarity(&self.0, &other.0)
    }
}

fn is_empty(minima: &[u32]) -> bool {
    minima.iter().all(|&m| m == u32::MAX)
}

/// Number of equal minima.
fn equal(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).map(|(x, y)| u32::from(x == y)).sum::<u32>() as usize
}

fn similarity(a: &[u32], b: &[u32]) -> f64 {
    if is_empty(a) || is_empty(b) { 0.0 } else { equal(a, b) as f64 / a.len().min(b.len()) as f64 }
}

/// The signatures of many texts, in one flat array.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signatures {
    permutations: usize,
    minima: Vec<u32>,
}

impl Signatures {
    /// No texts yet.
    #[must_use]
    pub fn new(permutations: usize) -> Self {
        Self { permutations: permutations.max(1), minima: Vec::new() }
    }

    /// From minima row by row, as [`Self::minima`] gives them. None if they are not whole rows.
    #[must_use]
    pub fn from_minima(permutations: usize, minima: Vec<u32>) -> Option<Self> {
        (permutations > 0 && minima.len().is_multiple_of(permutations))
            .then_some(Self { permutations, minima })
    }

    /// All minima, row by row.
    #[must_use]
    pub fn minima(&self) -> &[u32] {
        &self.minima
    }

    /// Number of texts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.minima.len() / self.permutations.max(1)
    }

    /// Are there no texts?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.minima.is_empty()
    }

    /// Minima of text i; empty if there is no such text.
    #[must_use]
    pub fn row(&self, i: usize) -> &[u32] {
        self.minima.get(i * self.permutations..(i + 1) * self.permutations).unwrap_or(&[])
    }

    /// Adds a text. Says whether its signature has the right length; if not, nothing is added.
    pub fn push(&mut self, signature: &Signature) -> bool {
        let fits = signature.0.len() == self.permutations;
        if fits {
            self.minima.extend_from_slice(&signature.0);
        }
        fits
    }

    /// Adds the texts of another shard after these. Says whether the lengths agree; if not, nothing is added.
    pub fn append(&mut self, mut other: Self) -> bool {
        let fits = other.permutations == self.permutations;
        if fits {
            self.minima.append(&mut other.minima);
        }
        fits
    }

    /// Estimated Jaccard similarity of texts i and j; 0 if either is empty or missing.
    #[must_use]
    pub fn similarity(&self, i: usize, j: usize) -> f64 {
        similarity(self.row(i), self.row(j))
    }
}

/// Turns texts into signatures: the coefficients of the permutations, made once.
#[derive(Clone, Debug)]
pub struct Sketch {
    params: Params,
    a: Vec<u32>,
    b: Vec<u32>,
}

impl Sketch {
    /// Permutations for these parameters.
    #[must_use]
    pub fn new(params: &Params) -> Self {
        let n = params.permutations.max(1).next_multiple_of(LANES);
        let key = mix(params.seed ^ 0x6d69_6e68_6173_6821);
        let draw = |i: usize| mix(key.wrapping_add(i as u64));
        // an odd factor makes `a x + b` a bijection of 32-bit numbers
        let a = (0..n).map(|i| (draw(i) >> 32) as u32 | 1).collect();
        let b = (0..n).map(|i| draw(i) as u32).collect();
        Self { params: params.clone(), a, b }
    }

    /// Signature of one text.
    #[must_use]
    pub fn signature(&self, text: &str) -> Signature {
        let mut out = vec![u32::MAX; self.params.permutations.max(1)];
        self.write(text, &mut shingle::Scratch::default(), &mut out);
        Signature(out)
    }

    /// Signatures of many texts, on all threads of the current pool.
    #[must_use]
    pub fn signatures<S: AsRef<str> + Sync>(&self, texts: &[S]) -> Signatures {
        let permutations = self.params.permutations.max(1);
        let mut minima = vec![u32::MAX; texts.len() * permutations];
        let out = minima.par_chunks_mut(permutations * TEXTS);
        out.zip(texts.par_chunks(TEXTS)).for_each_init(shingle::Scratch::default, |scratch, (out, texts)| {
            for (out, text) in out.chunks_exact_mut(permutations).zip(texts) {
                self.write(text.as_ref(), scratch, out);
            }
        });
        Signatures { permutations, minima }
    }

    fn write(&self, text: &str, scratch: &mut shingle::Scratch, out: &mut [u32]) {
        let hashes = scratch.hashes(text, self.params.shingle);
        let coefficients = self.a.chunks_exact(LANES).zip(self.b.chunks_exact(LANES));
        for (out, (a, b)) in out.chunks_mut(LANES).zip(coefficients) {
            let mut minima = [u32::MAX; LANES];
            lower(&mut minima, a, b, hashes);
            out.copy_from_slice(&minima[..out.len()]);
        }
    }
}

/// Lowers each minimum to the least `a x + b` over all x.
fn lower(minima: &mut [u32; LANES], a: &[u32], b: &[u32], hashes: &[u32]) {
    #[cfg(target_arch = "x86_64")]
    {
        if std::arch::is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has the instructions that the function is compiled for
            return unsafe { lower_avx512(minima, a, b, hashes) };
        }
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: as above
            return unsafe { lower_avx2(minima, a, b, hashes) };
        }
    }
    lower_lanes(minima, a, b, hashes);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn lower_avx512(minima: &mut [u32; LANES], a: &[u32], b: &[u32], hashes: &[u32]) {
    lower_lanes(minima, a, b, hashes);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn lower_avx2(minima: &mut [u32; LANES], a: &[u32], b: &[u32], hashes: &[u32]) {
    lower_lanes(minima, a, b, hashes);
}

/// The one source of all variants: whole numbers, so every variant gives the same bits.
#[inline(always)]
fn lower_lanes(minima: &mut [u32; LANES], a: &[u32], b: &[u32], hashes: &[u32]) {
    let (Ok(a), Ok(b)) = (<&[u32; LANES]>::try_from(a), <&[u32; LANES]>::try_from(b)) else { return };
    let mut m = *minima;
    for &x in hashes {
        for l in 0..LANES {
            m[l] = m[l].min(a[l].wrapping_mul(x).wrapping_add(b[l]));
        }
    }
    *minima = m;
}

/// Signature of one text. For many texts, [`Sketch::signatures`] makes the permutations once.
#[must_use]
pub fn sketch(text: &str, params: &Params) -> Signature {
    Sketch::new(params).signature(text)
}

#[cfg(test)]
mod tests;
