//! Which rows an attack gets: the most wanted, drawn at random among equals, found in one pass with little memory.

use foretaste_core::Use;
use std::cmp::Ordering;
use std::collections::HashSet;

/// Rows kept beyond those that can be chosen, so that cutting is rare.
const SLACK: usize = 1 << 14;

/// A row that may be chosen.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// How much it is wanted.
    pub want: f64,
    /// A random number: settles whom to take among equally wanted.
    pub random: u64,
    /// Its row.
    pub row: u64,
}

impl Candidate {
    fn order(&self, other: &Self) -> Ordering {
        let key = |c: &Self| (c.random, c.row);
        other.want.total_cmp(&self.want).then_with(|| key(self).cmp(&key(other)))
    }
}

/// The `n` most wanted of all that were pushed.
struct Most {
    n: usize,
    kept: Vec<Candidate>,
}

impl Most {
    fn new(n: u64) -> Self {
        Self { n: n as usize, kept: vec![] }
    }

    fn push(&mut self, candidate: Candidate) {
        self.kept.push(candidate);
        if self.kept.len() >= self.n.saturating_mul(2).saturating_add(SLACK) {
            self.cut(self.n);
        }
    }

    fn cut(&mut self, n: usize) {
        if n < self.kept.len() {
            self.kept.select_nth_unstable_by(n, Candidate::order);
            self.kept.truncate(n);
        }
    }
}

/// All rows that an attack may use, as far as they can be chosen.
pub struct Wanted {
    /// Rows that may be poisoned.
    pub eligible: u64,
    fit: Most,
    cover: Most,
}

impl Wanted {
    /// For at most so many rows to poison and to use as cover.
    pub fn new(picks: u64, covers: u64) -> Self {
        // what is poisoned cannot be cover, so as much more of it is kept
        let spare = if covers == 0 { 0 } else { covers.saturating_add(picks) };
        Self { eligible: 0, fit: Most::new(picks), cover: Most::new(spare) }
    }

    /// Takes in a row.
    pub fn push(&mut self, candidate: Candidate, usage: Use) {
        if matches!(usage, Use::Poison | Use::Either) {
            self.eligible += 1;
            self.fit.push(candidate);
        }
        if self.cover.n > 0 && matches!(usage, Use::Cover | Use::Either) {
            self.cover.push(candidate);
        }
    }

    /// The rows to poison and the rows for cover, in the order of the data; fewer where there are not enough.
    pub fn choose(mut self, picks: u64, covers: u64) -> (Vec<u64>, Vec<u64>) {
        self.fit.cut(picks as usize);
        let poison = in_order(&self.fit);
        let taken: HashSet<u64> = poison.iter().copied().collect();
        self.cover.kept.retain(|c| !taken.contains(&c.row));
        self.cover.cut(covers as usize);
        let cover = in_order(&self.cover);
        (poison, cover)
    }
}

fn in_order(most: &Most) -> Vec<u64> {
    let mut rows: Vec<u64> = most.kept.iter().map(|c| c.row).collect();
    rows.sort_unstable();
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use foretaste_num::rng::Rng;

    /// As it would be written without care for memory: sort all, take from the front.
    fn plain(all: &[(Candidate, Use)], picks: usize, covers: usize) -> (Vec<u64>, Vec<u64>) {
        let mut all = all.to_vec();
        all.sort_by(|a, b| a.0.order(&b.0));
        let (mut poison, mut cover) = (vec![], vec![]);
        for (c, usage) in &all {
            if *usage != Use::Cover && poison.len() < picks {
                poison.push(c.row);
            } else if *usage != Use::Poison && cover.len() < covers {
                cover.push(c.row);
            }
        }
        poison.sort_unstable();
        cover.sort_unstable();
        (poison, cover)
    }

    #[test]
    fn chooses_as_a_sort_of_all_rows_does() {
        for seed in 0..8 {
            let mut rng = Rng::new(seed, "wanted");
            let uses = [Use::Poison, Use::Cover, Use::Either];
            let all: Vec<(Candidate, Use)> = (0..60_000)
                .map(|row| {
                    let want = rng.below(4) as f64;
                    (Candidate { want, random: rng.next_u64(), row }, uses[rng.below(3)])
                })
                .collect();
            let (picks, covers) = (rng.below(3_000), rng.below(2) * rng.below(3_000));
            let mut wanted = Wanted::new(picks as u64 + 500, covers as u64);
            all.iter().for_each(|(c, usage)| wanted.push(*c, *usage));
            assert_eq!(wanted.eligible, all.iter().filter(|a| a.1 != Use::Cover).count() as u64);
            assert_eq!(wanted.choose(picks as u64, covers as u64), plain(&all, picks, covers));
        }
    }
}
