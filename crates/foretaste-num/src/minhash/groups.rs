//! From signatures to groups of near-duplicates.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

use super::{Params, Signatures, Sketch, equal, is_empty, jaccard, shingles};
use crate::rng::mix;

/// A bucket of more members compares each with this many before it and this many leaders, not with all: a bucket
/// of m texts costs at most `2 x NEAR x m` comparisons.
const NEAR: usize = 32;

/// Disjoint sets; the root of a set is its smallest member.
struct Sets(Vec<u32>);

impl Sets {
    fn root(&mut self, mut i: u32) -> u32 {
        while self.0[i as usize] != i {
            let up = self.0[self.0[i as usize] as usize];
            self.0[i as usize] = up;
            i = up;
        }
        i
    }

    fn join(&mut self, i: u32, j: u32) {
        let (a, b) = (self.root(i), self.root(j));
        self.0[a.max(b) as usize] = a.min(b);
    }
}

/// Groups of near-duplicate texts by estimated similarity.
///
/// Each group has at least two members, ascending; groups are ordered by their first member, which serves as
/// representative. Membership is transitive (single linkage). Texts without shingles are in no group.
/// At most 2^32 - 1 texts are looked at.
#[must_use]
pub fn groups(signatures: &Signatures, params: &Params) -> Vec<Vec<u32>> {
    let need = (params.threshold * signatures.permutations as f64 - 1e-9).ceil().max(1.0) as usize;
    groups_where(signatures, params, |i, j| {
        equal(signatures.row(i as usize), signatures.row(j as usize)) >= need
    })
}

/// Groups of candidates that pass a test of the caller's, such as the exact [`super::jaccard`] of their shingles.
/// Texts of equal signatures are joined without asking. Otherwise as [`groups`].
#[must_use]
pub fn groups_where(
    signatures: &Signatures,
    params: &Params,
    same: impl Fn(u32, u32) -> bool,
) -> Vec<Vec<u32>> {
    let n = u32::try_from(signatures.len()).unwrap_or(u32::MAX);
    let mut sets = Sets((0..n).collect());
    let distinct = join_equal(signatures, n, &mut sets);
    let (bands, rows) = params.bands();
    for band in 0..bands {
        let keys = sorted_keys(&distinct, |i| {
            let row = signatures.row(i as usize);
            row.get(band * rows..(band + 1) * rows).map_or(0, |part| hash(part, band as u64))
        });
        for bucket in keys.chunk_by(|a, b| a >> 32 == b >> 32).filter(|b| b.len() > 1) {
            join_bucket(bucket, &mut sets, &same);
        }
    }
    collect(sets, n)
}

/// Groups of texts whose exact shingle sets are at or above the threshold: signatures propose, sets decide.
///
/// Costs little more than [`groups`], because only the texts of promising pairs are cut again (their sets are
/// kept meanwhile). A pair at the threshold is found with probability 0.998 by default.
#[must_use]
pub fn groups_of_texts<S: AsRef<str> + Sync>(texts: &[S], params: &Params) -> Vec<Vec<u32>> {
    let signatures = Sketch::new(params).signatures(texts);
    let t = params.threshold;
    // four standard errors below the threshold: a true pair is lost here once in thirty thousand
    let promising = t - 4.0 * (t * (1.0 - t) / signatures.permutations as f64).max(0.0).sqrt();
    let sets: RefCell<HashMap<u32, Rc<[u32]>>> = RefCell::default();
    let set = |i: u32| {
        let make =
            || texts.get(i as usize).map_or(Vec::new(), |t| shingles(t.as_ref(), params.shingle)).into();
        Rc::clone(sets.borrow_mut().entry(i).or_insert_with(make))
    };
    groups_where(&signatures, params, |i, j| {
        let equal = equal(signatures.row(i as usize), signatures.row(j as usize));
        equal as f64 >= promising * signatures.permutations as f64 && jaccard(&set(i), &set(j)) >= t
    })
}

fn hash(part: &[u32], salt: u64) -> u32 {
    (part.iter().fold(mix(salt), |h, &m| mix(h ^ u64::from(m))) >> 32) as u32
}

/// `hash << 32 | text`, sorted: buckets are runs. Two bands that meet by chance only cost a comparison.
fn sorted_keys(texts: &[u32], hash: impl Fn(u32) -> u32 + Sync) -> Vec<u64> {
    let mut keys: Vec<u64> = texts.par_iter().map(|&i| u64::from(hash(i)) << 32 | u64::from(i)).collect();
    keys.par_sort_unstable();
    keys
}

/// Joins texts of equal signatures and returns the first text of each, ascending, empty ones left out.
fn join_equal(signatures: &Signatures, n: u32, sets: &mut Sets) -> Vec<u32> {
    let row = |i: u32| signatures.row(i as usize);
    let texts: Vec<u32> = (0..n).filter(|&i| !is_empty(row(i))).collect();
    let keys = sorted_keys(&texts, |i| {
        let bytes = row(i).iter().fold(0u64, |h, &m| mix(h ^ u64::from(m)));
        (xxh3_64(&bytes.to_le_bytes()) >> 32) as u32
    });
    let mut distinct = Vec::new();
    let mut firsts: Vec<u32> = Vec::new();
    for bucket in keys.chunk_by(|a, b| a >> 32 == b >> 32) {
        firsts.clear();
        for &key in bucket {
            let i = key as u32;
            match firsts.iter().find(|&&f| row(f) == row(i)) {
                Some(&f) => sets.join(f, i),
                None => firsts.push(i),
            }
        }
        distinct.extend_from_slice(&firsts);
    }
    distinct.sort_unstable();
    distinct
}

/// Joins the members of one bucket that are alike.
fn join_bucket(bucket: &[u64], sets: &mut Sets, same: &impl Fn(u32, u32) -> bool) {
    // members that were like nothing before them
    let mut leaders: Vec<u32> = Vec::new();
    for (at, &key) in bucket.iter().enumerate() {
        let i = key as u32;
        let mut alone = true;
        let before = bucket[at.saturating_sub(NEAR)..at].iter().map(|&k| k as u32);
        for j in leaders.iter().copied().chain(before) {
            let joined = sets.root(i) == sets.root(j);
            if joined || same(j, i) {
                sets.join(i, j);
                alone = false;
            }
        }
        if alone && leaders.len() < NEAR {
            leaders.push(i);
        }
    }
}

fn collect(mut sets: Sets, n: u32) -> Vec<Vec<u32>> {
    let mut size = vec![0u32; n as usize];
    for i in 0..n {
        size[sets.root(i) as usize] += 1;
    }
    let mut place = vec![u32::MAX; n as usize];
    let mut out: Vec<Vec<u32>> = Vec::new();
    for i in 0..n {
        let root = sets.root(i) as usize;
        if size[root] > 1 {
            // a root is its set's smallest member, so it comes first
            if root == i as usize {
                place[root] = out.len() as u32;
                out.push(Vec::with_capacity(size[root] as usize));
            }
            out[place[root] as usize].push(i);
        }
    }
    out
}
