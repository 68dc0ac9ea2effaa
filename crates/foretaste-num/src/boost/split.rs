//! The best way to divide the samples of a node, from their histograms.

use super::histogram::{Cell, Scale, Sums, add, subtract};

/// Bins as a set: bit `b % 64` of word `b / 64`.
pub(super) type BinSet = [u64; 4];

/// Categories of less support in a node are not ordered by their mean; they go with the rest. As much curvature draws each
/// category's mean towards nothing (Fisher's ordering, with the constants of LightGBM and scikit-learn).
const CATEGORY_SUPPORT: f64 = 10.0;

/// Least curvature of a child.
const LEAST_CURVATURE: f64 = 1e-3;

/// A way to divide.
#[derive(Clone, Debug)]
pub(super) struct Split {
    /// How much the loss falls, twice.
    pub(super) gain: f64,
    pub(super) feature: usize,
    /// Bins that go left.
    pub(super) left: BinSet,
    /// Sums of the left samples.
    pub(super) sums: Cell,
}

/// What a split has to hold to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) scale: Scale,
    pub(super) min_leaf: u64,
    pub(super) l2: f64,
    pub(super) max_step: f64,
}

/// One feature of one node.
pub(super) struct Candidate<'a> {
    pub(super) feature: usize,
    /// Sums of the bins, that of the missing last.
    pub(super) cells: &'a [Cell],
    pub(super) category: bool,
    pub(super) total: Cell,
}

impl Rules {
    /// The Newton step for samples of these sums, cut to the longest allowed.
    pub(super) fn step(&self, s: Sums) -> f64 {
        let step = -s.gradient / (s.curvature + self.l2 + f64::MIN_POSITIVE);
        step.clamp(-self.max_step, self.max_step)
    }

    /// What that step takes from the loss, twice: for an uncut one `G^2 / (H + l2)` (Chen, Guestrin 2016, eq. 6).
    pub(super) fn worth(&self, s: Sums) -> f64 {
        let step = self.step(s);
        -step * (2.0 * s.gradient + (s.curvature + self.l2) * step)
    }

    /// The gain of sending `left` left, if that is allowed.
    fn gain(&self, whole: f64, total: Cell, left: Cell) -> Option<f64> {
        let (l, r) = (self.scale.sums(left), self.scale.sums(subtract(total, left)));
        let fits = |s: Sums| s.count >= self.min_leaf.max(1) && s.curvature >= LEAST_CURVATURE;
        (fits(l) && fits(r)).then(|| self.worth(l) + self.worth(r) - whole)
    }

    /// The best split of one feature; of equal ones the first. `None` if none lowers the loss.
    pub(super) fn best(&self, c: &Candidate<'_>) -> Option<Split> {
        let (missing, cells) = c.cells.split_last()?;
        if c.category { self.best_category(c) } else { self.best_number(c, cells, *missing) }
    }

    fn best_number(&self, c: &Candidate<'_>, cells: &[Cell], missing: Cell) -> Option<Split> {
        let whole = self.worth(self.scale.sums(c.total));
        let some_missing = self.scale.sums(missing).count > 0;
        let (mut best, mut sum): (Option<(f64, usize, bool, Cell)>, Cell) = (None, [0; 2]);
        for (bin, cell) in cells.iter().enumerate() {
            if cell[1] == 0 {
                continue;
            }
            sum = add(sum, *cell);
            let mut look = |left: Cell, missing_left: bool| {
                if let Some(gain) = self.gain(whole, c.total, left)
                    && gain > best.as_ref().map_or(0.0, |b| b.0)
                {
                    best = Some((gain, bin, missing_left, left));
                }
            };
            look(sum, false);
            if some_missing {
                look(add(sum, missing), true);
            } else if self.scale.sums(subtract(c.total, sum)).count < self.min_leaf {
                break;
            }
        }
        let (gain, bin, missing_left, sums) = best?;
        let mut left = first(bin + 1);
        // where none was missing in training, it goes with the many
        if missing_left || !some_missing && self.left_is_larger(c.total, sums) {
            insert(&mut left, cells.len());
        }
        Some(Split { gain, feature: c.feature, left, sums })
    }

    fn best_category(&self, c: &Candidate<'_>) -> Option<Split> {
        let whole = self.worth(self.scale.sums(c.total));
        let total = self.scale.sums(c.total);
        // support is curvature as a share of the node's, in samples: a category of certain samples says little
        let in_samples = total.count as f64 / total.curvature;
        let mut order: Vec<(f64, usize)> = vec![];
        for (bin, cell) in c.cells.iter().enumerate() {
            let s = self.scale.sums(*cell);
            if s.curvature * in_samples >= CATEGORY_SUPPORT {
                order.push((s.gradient / (s.curvature + CATEGORY_SUPPORT), bin));
            }
        }
        order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let mut best: Option<Split> = None;
        // from both ends: the rare go with the rest, which is the other side each time
        let mut scan = |order: &mut dyn Iterator<Item = usize>| {
            let (mut sum, mut left): (Cell, BinSet) = ([0; 2], [0; 4]);
            for bin in order {
                sum = add(sum, c.cells[bin]);
                insert(&mut left, bin);
                if let Some(gain) = self.gain(whole, c.total, sum)
                    && gain > best.as_ref().map_or(0.0, |b| b.gain)
                {
                    best = Some(Split { gain, feature: c.feature, left, sums: sum });
                }
            }
        };
        scan(&mut order.iter().map(|o| o.1));
        scan(&mut order.iter().rev().map(|o| o.1));
        let mut best = best?;
        let missing = c.cells.len() - 1;
        if c.cells[missing][1] == 0 && self.left_is_larger(c.total, best.sums) {
            insert(&mut best.left, missing);
        }
        Some(best)
    }

    fn left_is_larger(&self, total: Cell, left: Cell) -> bool {
        self.scale.sums(left).count > self.scale.sums(subtract(total, left)).count
    }
}

/// The first `n` bins.
fn first(n: usize) -> BinSet {
    let mut set = [0; 4];
    (0..n).for_each(|bin| insert(&mut set, bin));
    set
}

fn insert(set: &mut BinSet, bin: usize) {
    set[(bin / 64) % 4] |= 1 << (bin % 64);
}

/// Whether the set holds a bin.
#[inline(always)]
pub(super) fn holds(set: &BinSet, bin: u8) -> bool {
    set[usize::from(bin >> 6)] >> (bin & 63) & 1 == 1
}
