//! Groups of near-duplicate images, without comparing all pairs.

use std::collections::HashMap;

use super::ImageHash;

/// Members of one bucket that a probe looks at, at most: the most recent ones before the image.
const NEAR: usize = 256;
/// Width of a table key. Four tables cover the 64 bits.
const BITS: u32 = 16;

/// When two images are the same.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupParams {
    /// Largest Hamming distance of the pHashes, at most 15. Default 10: noise of four grey levels flips
    /// up to that many of the signs near the median, and the thumbnails refuse the false pairs it lets in.
    pub distance: u32,
    /// Least correlation of the thumbnails. Default 0.99: below it, chains of
    /// different garments form on small aligned images.
    pub correlation: f64,
    /// Largest mean absolute difference of the thumbnails in grey levels. Default 255, no limit, so that a
    /// brighter copy is still a copy.
    pub difference: f64,
}

impl Default for GroupParams {
    fn default() -> Self {
        Self { distance: 10, correlation: 0.99, difference: 255.0 }
    }
}

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

/// Groups of near-duplicate images.
///
/// Each group has at least two members, ascending; groups are ordered by their first member. Membership is
/// transitive. Byte-equal images are always joined; flat images only so. Pairs within `distance` are found by
/// the pigeonhole principle (Norouzi, Punjani and Fleet, *Fast Exact Search in Hamming Space with Multi-Index
/// Hashing*, 2014): one of four 16-bit parts differs in at most `distance / 4` bits. In a bucket of more than
/// 256 images only the latest 256 are compared, so time stays linear. At most 2^32 - 1 images are looked at.
#[must_use]
pub fn groups(images: &[ImageHash], params: &GroupParams) -> Vec<Vec<u32>> {
    let n = u32::try_from(images.len()).unwrap_or(u32::MAX);
    let mut sets = Sets((0..n).collect());
    let mut firsts: HashMap<u64, u32> = HashMap::new();
    let mut distinct = Vec::new();
    for i in 0..n {
        let first = *firsts.entry(images[i as usize].exact).or_insert(i);
        if first != i {
            sets.join(first, i);
        } else if !images[i as usize].flat {
            distinct.push(i);
        }
    }
    let distance = params.distance.min(BITS - 1);
    let masks = masks(distance / 4);
    for part in 0..4 {
        join_part(images, &distinct, part, &masks, &mut sets, |a, b| {
            (a.phash ^ b.phash).count_ones() <= distance
                && a.correlation(b) >= params.correlation
                && a.difference(b) <= params.difference
        });
    }
    let mut by_root: Vec<Vec<u32>> = vec![Vec::new(); n as usize];
    for i in 0..n {
        by_root[sets.root(i) as usize].push(i);
    }
    by_root.retain(|g| g.len() > 1);
    by_root
}

/// All 16-bit masks of at most `radius` bits, ascending.
fn masks(radius: u32) -> Vec<u16> {
    (0..=u16::MAX).filter(|m| m.count_ones() <= radius).collect()
}

fn join_part(
    images: &[ImageHash],
    distinct: &[u32],
    part: u32,
    masks: &[u16],
    sets: &mut Sets,
    same: impl Fn(&ImageHash, &ImageHash) -> bool,
) {
    let key = |i: u32| (images[i as usize].phash >> (part * BITS)) as u16;
    // counting sort: bucket k is members[starts[k]..starts[k + 1]], ascending
    let mut starts = vec![0usize; (1 << BITS) + 1];
    for &i in distinct {
        starts[key(i) as usize + 1] += 1;
    }
    for k in 0..1 << BITS {
        starts[k + 1] += starts[k];
    }
    // images are looked up before they are entered, so each pair is met once
    let mut ends = starts[..1 << BITS].to_vec();
    let mut members = vec![0u32; distinct.len()];
    for &i in distinct {
        let own = key(i);
        for &mask in masks {
            let bucket = (own ^ mask) as usize;
            let (start, end) = (starts[bucket], ends[bucket]);
            for &j in members[start.max(end.saturating_sub(NEAR))..end].iter().rev() {
                if sets.root(i) != sets.root(j) && same(&images[i as usize], &images[j as usize]) {
                    sets.join(i, j);
                }
            }
        }
        let end = &mut ends[own as usize];
        members[*end] = i;
        *end += 1;
    }
}
