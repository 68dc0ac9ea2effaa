//! Words, word n-grams and sparse document rows.
//!
//! A vocabulary is exact up to 64-bit hash collisions (about `m^2 / 2^65` for `m` distinct n-grams:
//! one in four million for three million n-grams). Words are scikit-learn's default pattern
//! `(?u)\b\w\w+\b` after lower-casing, so that results can be compared with it.

use std::ops::Range;

use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

use crate::rng::mix;

/// Documents handled by one task. Fixed, so that the work is split alike on any number of threads.
const CHUNK: usize = 256;
/// Parts of the hash space counted apart, each by one task.
const SHARDS: usize = 16;
/// Words of fewer characters are skipped, as in scikit-learn.
const MIN_CHARS: usize = 2;

/// A sparse matrix by rows: row `i` has the entries `indptr[i]..indptr[i + 1]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Csr {
    /// Start of each row's entries, and the end of the last: `rows + 1` numbers.
    pub indptr: Vec<usize>,
    /// Column of each entry, ascending within a row.
    pub indices: Vec<u32>,
    /// Value of each entry.
    pub values: Vec<f32>,
    /// Number of columns.
    pub cols: usize,
}

impl Default for Csr {
    fn default() -> Self {
        Self::empty(0)
    }
}

/// Entries below which a matrix is transposed in one piece.
const FEW: usize = 1 << 20;
/// Ranges of columns in which a larger matrix is transposed.
const PARTS: usize = 4;

impl Csr {
    /// A matrix of no rows and `cols` columns.
    #[must_use]
    pub fn empty(cols: usize) -> Self {
        Self { indptr: vec![0], indices: Vec::new(), values: Vec::new(), cols }
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.indptr.len().saturating_sub(1)
    }

    /// Number of stored entries.
    #[must_use]
    pub fn nnz(&self) -> usize {
        self.indices.len()
    }

    /// Columns and values of row `i`; empty when there is no such row.
    #[must_use]
    pub fn row(&self, i: usize) -> (&[u32], &[f32]) {
        match (self.indptr.get(i), self.indptr.get(i + 1)) {
            (Some(&a), Some(&b)) => (&self.indices[a..b], &self.values[a..b]),
            _ => (&[], &[]),
        }
    }

    /// An empty matrix that takes so many rows and entries without moving.
    #[must_use]
    pub fn with_room(cols: usize, rows: usize, entries: usize) -> Self {
        let mut out = Self::empty(cols);
        out.indptr.reserve_exact(rows);
        out.indices.reserve_exact(entries);
        out.values.reserve_exact(entries);
        out
    }

    /// Appends a row. `entries` are `(column, value)` with ascending columns below `cols`.
    pub fn push_row(&mut self, entries: impl IntoIterator<Item = (u32, f32)>) {
        for (column, value) in entries {
            self.indices.push(column);
            self.values.push(value);
        }
        self.indptr.push(self.indices.len());
    }

    /// The rows named by `rows`, in that order; a row that does not exist becomes an empty one.
    #[must_use]
    pub fn gather(&self, rows: &[u32]) -> Self {
        let entries = rows.iter().map(|&i| self.row(i as usize).0.len()).sum();
        let mut out = Self::with_room(self.cols, rows.len(), entries);
        for &i in rows {
            let (columns, values) = self.row(i as usize);
            out.push_row(columns.iter().copied().zip(values.iter().copied()));
        }
        out
    }

    /// The transposed matrix: one row per column of this one, entries in the order of this one's rows.
    #[must_use]
    pub fn transposed(&self) -> Self {
        let mut indptr = vec![0usize; self.cols + 1];
        for &c in &self.indices {
            indptr[c as usize + 1] += 1;
        }
        for c in 0..self.cols {
            indptr[c + 1] += indptr[c];
        }
        let mut indices = vec![0u32; self.nnz()];
        let mut values = vec![0f32; self.nnz()];
        // Entries go all over the output. A range of columns at a time, they stay within what a cache holds, and ranges
        // need not know of each other; that all entries are read for each costs less.
        let parts = if self.nnz() < FEW { 1 } else { PARTS };
        let mut from = 0;
        let (mut rest_indices, mut rest_values) = (indices.as_mut_slice(), values.as_mut_slice());
        let mut tasks = Vec::with_capacity(parts);
        for part in 1..=parts {
            let entries = self.nnz() * part / parts;
            let to =
                if part == parts { self.cols } else { indptr.partition_point(|p| *p < entries).max(from) };
            let length = indptr[to] - indptr[from];
            let (own_indices, later_indices) = rest_indices.split_at_mut(length);
            let (own_values, later_values) = rest_values.split_at_mut(length);
            (rest_indices, rest_values) = (later_indices, later_values);
            tasks.push((from..to, own_indices, own_values));
            from = to;
        }
        tasks.into_par_iter().for_each(|(columns, indices, values)| {
            let start = indptr[columns.start];
            let mut next: Vec<usize> = indptr[columns.clone()].iter().map(|p| p - start).collect();
            for i in 0..self.rows() {
                let (of_row, row_values) = self.row(i);
                for (&c, &v) in of_row.iter().zip(row_values) {
                    // columns before the range wrap around and lie beyond it, too
                    if let Some(at) = next.get_mut((c as usize).wrapping_sub(columns.start)) {
                        indices[*at] = i as u32;
                        values[*at] = v;
                        *at += 1;
                    }
                }
            }
        });
        Self { indptr, indices, values, cols: self.rows() }
    }

    /// Scales each row to unit Euclidean length; rows of zeros stay as they are.
    pub fn l2_normalise(&mut self) {
        for i in 0..self.rows() {
            let row = &mut self.values[self.indptr[i]..self.indptr[i + 1]];
            let norm = row.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt();
            if norm > 0.0 {
                row.iter_mut().for_each(|v| *v = (f64::from(*v) / norm) as f32);
            }
        }
    }
}

/// What the value of an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weighting {
    /// How often the n-gram occurs in the document.
    Counts,
    /// One where the n-gram occurs.
    Binary,
    /// `(1 + ln count) * (1 + ln((1 + n) / (1 + df)))`, rows scaled to unit length: scikit-learn's
    /// `TfidfVectorizer(sublinear_tf=True)`.
    TfIdf,
}

/// How documents become rows.
#[derive(Clone, Debug, PartialEq)]
pub struct NgramOptions {
    /// Longest n-gram in words; n-grams of 1 to this many words are counted.
    pub max_n: usize,
    /// Fewest documents an n-gram must occur in. Two by default: an n-gram of one document says nothing
    /// about another one, so held-out predictions hardly change, while most columns of bigrams and
    /// trigrams go.
    pub min_df: u32,
    /// Most columns kept: those in the most documents, ties by first occurrence.
    pub max_features: usize,
    /// Values of the entries.
    pub weighting: Weighting,
}

impl Default for NgramOptions {
    fn default() -> Self {
        Self { max_n: 3, min_df: 2, max_features: 1 << 22, weighting: Weighting::Counts }
    }
}

/// The n-grams that have a column. Columns are ordered by first occurrence.
#[derive(Clone, Debug)]
pub struct Vocabulary {
    options: NgramOptions,
    columns: Table,
    df: Vec<u32>,
    first: Vec<u32>,
    documents: usize,
}

impl Vocabulary {
    /// Counts the n-grams of `texts` and gives those in at least `min_df` documents a column.
    #[must_use]
    pub fn build<S: AsRef<str> + Sync>(texts: &[S], options: &NgramOptions) -> Self {
        Self::build_with_rows(texts, options).0
    }

    /// As [`Vocabulary::build`], with the rows of the same texts, without reading them twice.
    #[must_use]
    pub fn build_with_rows<S: AsRef<str> + Sync>(texts: &[S], options: &NgramOptions) -> (Self, Csr) {
        let chunks: Vec<Counted> = texts.par_chunks(CHUNK).map(|c| Counted::new(c, options.max_n)).collect();
        let shards: Vec<Shard> = (0..SHARDS).into_par_iter().map(|s| Shard::count(&chunks, s)).collect();
        let (mut vocabulary, column_of) = Self::choose(&shards, options, texts.len());
        let parts: Vec<Csr> = chunks
            .par_iter()
            .enumerate()
            .map(|(c, chunk)| chunk.rows(c, &shards, &column_of, vocabulary.len()))
            .collect();
        vocabulary.documents = texts.len();
        let mut rows = concatenate(&parts, vocabulary.len());
        vocabulary.weigh(&mut rows);
        (vocabulary, rows)
    }

    /// Numbers the n-grams to keep by first occurrence. Also returns the column of each shard's n-grams.
    fn choose(shards: &[Shard], options: &NgramOptions, documents: usize) -> (Self, Vec<Vec<u32>>) {
        let mut kept: Vec<(u64, u32, u32)> = Vec::new();
        for (s, shard) in shards.iter().enumerate() {
            for (local, &(first, df)) in shard.seen.iter().enumerate() {
                if df >= options.min_df {
                    kept.push((first, s as u32, local as u32));
                }
            }
        }
        let df_of = |&(_, s, local): &(u64, u32, u32)| shards[s as usize].seen[local as usize].1;
        if kept.len() > options.max_features {
            kept.par_sort_unstable_by_key(|k| (std::cmp::Reverse(df_of(k)), k.0));
            kept.truncate(options.max_features);
        }
        kept.par_sort_unstable();
        let mut column_of: Vec<Vec<u32>> = shards.iter().map(|s| vec![u32::MAX; s.seen.len()]).collect();
        let mut columns = Table::with_capacity(kept.len());
        for (column, &(_, s, local)) in kept.iter().enumerate() {
            column_of[s as usize][local as usize] = column as u32;
            columns.insert(shards[s as usize].hashes[local as usize]);
        }
        let df = kept.iter().map(df_of).collect();
        let first = kept.iter().map(|k| (k.0 >> 32) as u32).collect();
        (Self { options: options.clone(), columns, df, first, documents }, column_of)
    }

    /// Rows of any texts over this vocabulary's columns; unknown n-grams are left out.
    #[must_use]
    pub fn vectorise<S: AsRef<str> + Sync>(&self, texts: &[S]) -> Csr {
        let parts: Vec<Csr> = texts
            .par_chunks(CHUNK)
            .map(|chunk| {
                let counted = Counted::new(chunk, self.options.max_n);
                counted.rows_by(self.len(), |_, hash| self.columns.get(hash))
            })
            .collect();
        let mut rows = concatenate(&parts, self.len());
        self.weigh(&mut rows);
        rows
    }

    /// Turns counts into the chosen values.
    fn weigh(&self, rows: &mut Csr) {
        match self.options.weighting {
            Weighting::Counts => {}
            Weighting::Binary => rows.values.iter_mut().for_each(|v| *v = 1.0),
            Weighting::TfIdf => {
                let n = 1.0 + self.documents as f64;
                let idf: Vec<f64> = self.df.iter().map(|&d| 1.0 + (n / (1.0 + f64::from(d))).ln()).collect();
                for (v, &c) in rows.values.iter_mut().zip(&rows.indices) {
                    *v = ((1.0 + f64::from(*v).ln()) * idf[c as usize]) as f32;
                }
                rows.l2_normalise();
            }
        }
    }

    /// Number of columns.
    #[must_use]
    pub fn len(&self) -> usize {
        self.df.len()
    }

    /// Whether no n-gram has a column.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.df.is_empty()
    }

    /// In how many documents the n-gram of each column occurs.
    #[must_use]
    pub fn document_frequency(&self) -> &[u32] {
        &self.df
    }

    /// The document in which the n-gram of `column` occurs first.
    #[must_use]
    pub fn first_document(&self, column: u32) -> Option<usize> {
        self.first.get(column as usize).map(|&d| d as usize)
    }

    /// The column of an n-gram given as text, words parted by anything that is no word character.
    #[must_use]
    pub fn column(&self, ngram: &str) -> Option<u32> {
        let mut hashes = Vec::new();
        word_hashes(ngram, &mut |hash, _| hashes.push(hash));
        let (&head, tail) = hashes.split_first()?;
        self.columns.get(tail.iter().fold(start(head), |h, &w| extend(h, w)))
    }

    /// The n-gram of `column` as it stands in `texts` (those the vocabulary was built from): its words
    /// and what parts them. `None` when it is not there.
    #[must_use]
    pub fn ngram<'t, S: AsRef<str>>(&self, texts: &'t [S], column: u32) -> Option<&'t str> {
        let text = texts.get(self.first_document(column)?)?.as_ref();
        let wanted = self.columns.keys.get(column as usize).copied()?;
        let mut words = Vec::new();
        word_hashes(text, &mut |hash, span| words.push((hash, span)));
        for i in 0..words.len() {
            let mut hash = 0;
            for (n, (word, span)) in words.iter().enumerate().skip(i).take(self.options.max_n) {
                hash = if n == i { start(*word) } else { extend(hash, *word) };
                if hash == wanted {
                    return text.get(words[i].1.start..span.end);
                }
            }
        }
        None
    }
}

/// Calls `each` with every word of `text` (lower-cased) and its place in bytes.
///
/// A word is a run of at least two letters, digits or underscores.
pub fn words(text: &str, mut each: impl FnMut(&str, Range<usize>)) {
    scan_words(text, &mut |word, span| {
        if let Ok(word) = std::str::from_utf8(word) {
            each(word, span);
        }
    });
}

/// The words of `text`, lower-cased.
#[must_use]
pub fn tokenise(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    words(text, |word, _| out.push(word.to_owned()));
    out
}

fn word_hashes(text: &str, each: &mut impl FnMut(u64, Range<usize>)) {
    scan_words(text, &mut |word, span| each(xxh3_64(word), span));
}

/// Lower-case of an ASCII word byte, zero for other ASCII bytes.
const ASCII_WORD: [u8; 128] = {
    let mut table = [0u8; 128];
    let mut b = 0u8;
    while b < 128 {
        if b.is_ascii_alphanumeric() || b == b'_' {
            table[b as usize] = b.to_ascii_lowercase();
        }
        b += 1;
    }
    table
};

/// Finds words; bytes of the lower-cased word are valid UTF-8.
fn scan_words(text: &str, each: &mut impl FnMut(&[u8], Range<usize>)) {
    let bytes = text.as_bytes();
    let mut word: Vec<u8> = Vec::with_capacity(32);
    let mut chars = 0;
    let mut begin = 0;
    let mut at = 0;
    while at < bytes.len() {
        let b = bytes[at];
        let width = if b < 128 {
            let lower = ASCII_WORD[b as usize];
            if lower != 0 {
                word.push(lower);
                chars += 1;
                at += 1;
                continue;
            }
            1
        } else {
            let Some(c) = text[at..].chars().next() else { break };
            if c.is_alphanumeric() {
                let mut buffer = [0u8; 4];
                for l in c.to_lowercase() {
                    word.extend_from_slice(l.encode_utf8(&mut buffer).as_bytes());
                }
                chars += 1;
                at += c.len_utf8();
                continue;
            }
            c.len_utf8()
        };
        if chars >= MIN_CHARS {
            each(&word, begin..at);
        }
        word.clear();
        chars = 0;
        at += width;
        begin = at;
    }
    if chars >= MIN_CHARS {
        each(&word, begin..at);
    }
}

/// Hash of a one-word n-gram.
fn start(word: u64) -> u64 {
    mix(word)
}

/// Hash of an n-gram lengthened by a word. Not symmetric, so the order of words counts.
fn extend(ngram: u64, word: u64) -> u64 {
    mix(ngram.rotate_left(23) ^ word)
}

fn shard_of(hash: u64) -> usize {
    (hash >> 60) as usize % SHARDS
}

/// Distinct n-grams of a chunk of documents with their counts, document after document.
struct Counted {
    ends: Vec<usize>,
    hashes: Vec<u64>,
    counts: Vec<u32>,
    /// Entries of each shard, in order: `by_shard[s]`.
    by_shard: Vec<Vec<u32>>,
}

impl Counted {
    fn new<S: AsRef<str>>(texts: &[S], max_n: usize) -> Self {
        let mut out = Self {
            ends: Vec::new(),
            hashes: Vec::new(),
            counts: Vec::new(),
            by_shard: vec![Vec::new(); SHARDS],
        };
        let mut seen = Table::with_capacity(1024);
        // the hashes of the n-grams that end at the last word, shortest last
        let mut open: Vec<u64> = Vec::with_capacity(max_n + 1);
        for text in texts {
            seen.clear();
            open.clear();
            let base = out.hashes.len();
            word_hashes(text.as_ref(), &mut |word, _| {
                open.iter_mut().for_each(|h| *h = extend(*h, word));
                open.push(start(word));
                if open.len() > max_n {
                    open.remove(0);
                }
                for &hash in open.iter().rev() {
                    let local = seen.insert(hash) as usize;
                    if base + local == out.hashes.len() {
                        out.by_shard[shard_of(hash)].push(out.hashes.len() as u32);
                        out.hashes.push(hash);
                        out.counts.push(1);
                    } else {
                        out.counts[base + local] += 1;
                    }
                }
            });
            out.ends.push(out.hashes.len());
        }
        out
    }

    /// Rows with columns from `column(entry, hash)`, values are counts.
    fn rows_by(&self, cols: usize, column: impl Fn(usize, u64) -> Option<u32>) -> Csr {
        let mut out = Csr::empty(cols);
        let mut row: Vec<(u32, f32)> = Vec::new();
        let mut from = 0;
        for &end in &self.ends {
            row.clear();
            row.extend(
                (from..end).filter_map(|e| column(e, self.hashes[e]).map(|c| (c, self.counts[e] as f32))),
            );
            row.sort_unstable_by_key(|&(c, _)| c);
            out.push_row(row.iter().copied());
            from = end;
        }
        out
    }

    /// Rows of chunk number `chunk`, with the columns that the shards' numbers were given.
    fn rows(&self, chunk: usize, shards: &[Shard], column_of: &[Vec<u32>], cols: usize) -> Csr {
        let mut columns = vec![u32::MAX; self.hashes.len()];
        for (s, entries) in self.by_shard.iter().enumerate() {
            for (&e, &local) in entries.iter().zip(&shards[s].ids[chunk]) {
                columns[e as usize] = column_of[s][local as usize];
            }
        }
        self.rows_by(cols, |e, _| (columns[e] != u32::MAX).then_some(columns[e]))
    }
}

/// The n-grams of one part of the hash space.
struct Shard {
    hashes: Vec<u64>,
    /// First occurrence (document in the high half, place in its chunk in the low) and document frequency.
    seen: Vec<(u64, u32)>,
    /// Number of each entry, chunk by chunk, in the order of the chunk's `by_shard`.
    ids: Vec<Vec<u32>>,
}

impl Shard {
    fn count(chunks: &[Counted], shard: usize) -> Self {
        let mut table = Table::with_capacity(1024);
        let mut seen: Vec<(u64, u32)> = Vec::new();
        let mut ids = Vec::with_capacity(chunks.len());
        for (c, chunk) in chunks.iter().enumerate() {
            let mut document = 0;
            let mut of_chunk = Vec::with_capacity(chunk.by_shard[shard].len());
            for &e in &chunk.by_shard[shard] {
                while chunk.ends[document] <= e as usize {
                    document += 1;
                }
                let id = table.insert(chunk.hashes[e as usize]);
                if id as usize == seen.len() {
                    seen.push(((((c * CHUNK + document) as u64) << 32) | u64::from(e), 0));
                }
                seen[id as usize].1 += 1;
                of_chunk.push(id);
            }
            ids.push(of_chunk);
        }
        Self { hashes: table.keys, seen, ids }
    }
}

/// Numbers distinct hashes in the order they come. Open addressing; the keys are hashes already.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    slots: Vec<u32>,
    keys: Vec<u64>,
}

impl Table {
    pub(crate) fn with_capacity(n: usize) -> Self {
        Self { slots: vec![u32::MAX; (2 * n).next_power_of_two().max(16)], keys: Vec::with_capacity(n) }
    }

    fn clear(&mut self) {
        // emptying by key is cheaper than wiping a table that one long document made big
        let mask = self.slots.len() - 1;
        if self.keys.len() * 8 > self.slots.len() {
            self.slots.fill(u32::MAX);
        } else {
            for &key in &self.keys {
                let mut at = key as usize & mask;
                while self.slots[at] != u32::MAX {
                    self.slots[at] = u32::MAX;
                    at = (at + 1) & mask;
                }
            }
        }
        self.keys.clear();
    }

    pub(crate) fn get(&self, key: u64) -> Option<u32> {
        let mask = self.slots.len() - 1;
        let mut at = key as usize & mask;
        while self.slots[at] != u32::MAX {
            if self.keys[self.slots[at] as usize] == key {
                return Some(self.slots[at]);
            }
            at = (at + 1) & mask;
        }
        None
    }

    /// The number of `key`, a new one if it was not there.
    pub(crate) fn insert(&mut self, key: u64) -> u32 {
        if self.keys.len() * 2 >= self.slots.len() {
            self.grow();
        }
        let mask = self.slots.len() - 1;
        let mut at = key as usize & mask;
        while self.slots[at] != u32::MAX {
            if self.keys[self.slots[at] as usize] == key {
                return self.slots[at];
            }
            at = (at + 1) & mask;
        }
        let id = self.keys.len() as u32;
        self.slots[at] = id;
        self.keys.push(key);
        id
    }

    fn grow(&mut self) {
        self.slots = vec![u32::MAX; self.slots.len() * 2];
        let mask = self.slots.len() - 1;
        for (id, &key) in self.keys.iter().enumerate() {
            let mut at = key as usize & mask;
            while self.slots[at] != u32::MAX {
                at = (at + 1) & mask;
            }
            self.slots[at] = id as u32;
        }
    }
}

fn concatenate(parts: &[Csr], cols: usize) -> Csr {
    let mut out = Csr::empty(cols);
    out.indptr.reserve(parts.iter().map(Csr::rows).sum());
    out.indices.reserve_exact(parts.iter().map(Csr::nnz).sum());
    out.values.reserve_exact(parts.iter().map(Csr::nnz).sum());
    for part in parts {
        let base = out.indices.len();
        out.indptr.extend(part.indptr[1..].iter().map(|&p| base + p));
        out.indices.extend_from_slice(&part.indices);
        out.values.extend_from_slice(&part.values);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn words_follow_scikit_learns_pattern() {
        assert_eq!(tokenise("I'm a Foo_1, don't  ÉTÉ x9!"), ["foo_1", "don", "été", "x9"]);
        assert!(tokenise("a b . ,").is_empty());
        assert!(tokenise("").is_empty());
    }

    fn naive(texts: &[&str], max_n: usize, min_df: usize) -> Vec<BTreeMap<String, usize>> {
        let docs: Vec<BTreeMap<String, usize>> = texts
            .iter()
            .map(|t| {
                let words = tokenise(t);
                let mut counts = BTreeMap::new();
                for n in 1..=max_n {
                    for gram in words.windows(n) {
                        *counts.entry(gram.join(" ")).or_insert(0) += 1;
                    }
                }
                counts
            })
            .collect();
        let df = |g: &str| docs.iter().filter(|d| d.contains_key(g)).count();
        docs.iter()
            .map(|d| d.iter().filter(|(g, _)| df(g) >= min_df).map(|(g, &c)| (g.clone(), c)).collect())
            .collect()
    }

    #[test]
    fn counts_agree_with_a_naive_count() {
        let texts: Vec<String> = (0..600u64)
            .map(|i| {
                (0..(i % 13)).map(|j| format!("w{}", mix(i * 31 + j) % 40)).collect::<Vec<_>>().join(" ")
            })
            .collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        for min_df in [1, 2] {
            let options = NgramOptions { min_df, ..NgramOptions::default() };
            let (vocabulary, rows) = Vocabulary::build_with_rows(&texts, &options);
            assert_eq!(vocabulary.vectorise(&texts), rows);
            for (i, doc) in naive(&texts, 3, min_df as usize).iter().enumerate() {
                let mut expected: Vec<(u32, f32)> =
                    doc.iter().map(|(g, &c)| (vocabulary.column(g).unwrap(), c as f32)).collect();
                expected.sort_by_key(|e| e.0);
                let (columns, values) = rows.row(i);
                let got: Vec<(u32, f32)> = columns.iter().copied().zip(values.iter().copied()).collect();
                assert_eq!(got, expected, "document {i}");
            }
            for c in 0..vocabulary.len() as u32 {
                let text = vocabulary.ngram(&texts, c).unwrap();
                assert_eq!(vocabulary.column(text), Some(c));
            }
        }
    }

    #[test]
    fn columns_come_in_order_of_first_occurrence() {
        let (v, rows) = Vocabulary::build_with_rows(
            &["bb aa", "aa cc"],
            &NgramOptions { min_df: 1, ..Default::default() },
        );
        assert_eq!(v.column("bb"), Some(0));
        assert_eq!(v.column("aa"), Some(1));
        assert_eq!(v.column("bb aa"), Some(2));
        assert_eq!(rows.cols, 5);
    }

    #[test]
    fn tf_idf_matches_scikit_learn() {
        // TfidfVectorizer(sublinear_tf=True).fit_transform(["aa aa bb", "bb cc"])
        let options = NgramOptions { max_n: 1, min_df: 1, weighting: Weighting::TfIdf, ..Default::default() };
        let (_, rows) = Vocabulary::build_with_rows(&["aa aa bb", "bb cc"], &options);
        let expected = [0.921_906_97_f32, 0.387_411_33, 0.579_738_7, 0.814_802_47];
        for (got, want) in rows.values.iter().zip(expected) {
            assert!((got - want).abs() < 1e-6, "{:?}", rows.values);
        }
    }

    #[test]
    fn odd_input_is_no_trouble() {
        let none: [&str; 0] = [];
        assert_eq!(Vocabulary::build_with_rows(&none, &NgramOptions::default()).1.rows(), 0);
        let (v, rows) = Vocabulary::build_with_rows(&["", "", "zz zz zz"], &NgramOptions::default());
        assert!(v.is_empty());
        assert_eq!(rows.rows(), 3);
        let zero = NgramOptions { max_n: 0, ..Default::default() };
        assert_eq!(Vocabulary::build_with_rows(&["aa bb"; 3], &zero).1.nnz(), 0);
    }

    #[test]
    fn a_large_matrix_is_transposed_in_ranges() {
        let mut rng = crate::rng::Rng::new(1, "transposed");
        let (rows, cols) = (3_000, 1_500);
        let mut m = Csr::empty(cols);
        for _ in 0..rows {
            // few columns hold most of the entries, and the last ones none
            let mut columns: Vec<u32> =
                (0..500).map(|_| (rng.unit() * rng.unit() * 1_400.0) as u32).collect();
            columns.sort_unstable();
            columns.dedup();
            m.push_row(columns.into_iter().map(|c| (c, c as f32 + 0.5)));
        }
        assert!(m.nnz() > FEW);
        let t = m.transposed();
        assert_eq!((t.rows(), t.cols), (cols, rows));
        assert!((0..cols).all(|c| t.row(c).0.is_sorted() && t.row(c).1.iter().all(|v| *v == c as f32 + 0.5)));
        assert_eq!(t.transposed(), m);
    }
}
