//! Growing a tree, the leaf of the largest gain first.

use super::bins::{Bins, GROUP};
use super::histogram::{Cell, Sample, subtract};
use super::split::{Candidate, Rules, Split, holds};
use super::tree::{Next, Node, Tree};
use rayon::prelude::*;
use std::ops::Range;

/// Additions below which a node is handled by one thread: waking others costs more.
const ALONE: usize = 1 << 15;

/// What all trees of a model share.
pub(super) struct Soil<'a> {
    pub(super) bins: &'a Bins,
    /// Filled bins of each feature.
    pub(super) filled: &'a [usize],
    /// Whether each feature is a category.
    pub(super) category: &'a [bool],
    pub(super) rules: Rules,
    pub(super) leaves: usize,
    /// No limit if zero.
    pub(super) depth: usize,
    pub(super) learning_rate: f64,
}

/// The histograms of a node: for each group of features, their bins one after another.
type Histograms = Vec<Vec<Cell>>;

struct Leaf {
    samples: Range<usize>,
    depth: usize,
    total: Cell,
    histograms: Histograms,
    best: Option<Split>,
    /// The node it hangs from, and on which side.
    parent: Option<(usize, usize)>,
}

/// Grows a tree for the samples, which it sorts by leaf. Also returns which samples are in which leaf.
pub(super) fn grow(soil: &Soil<'_>, samples: &mut [Sample]) -> (Tree, Vec<Range<usize>>) {
    let mut spare: Vec<Histograms> = vec![];
    let mut scratch = vec![Sample::default(); samples.len()];
    let mut tree = Tree::default();
    let mut leaves = vec![soil.root(samples)];
    while leaves.len() < soil.leaves.max(1) {
        // of equal gains the oldest
        let gain = |l: &Leaf| l.best.as_ref().map_or(0.0, |b| b.gain);
        let Some(at) = (0..leaves.len())
            .filter(|&i| leaves[i].best.is_some())
            .reduce(|a, b| if gain(&leaves[b]) > gain(&leaves[a]) { b } else { a })
        else {
            break;
        };
        let Some(split) = leaves[at].best.take() else { break };
        let node = tree.nodes.len();
        if let Some((parent, side)) = leaves[at].parent {
            tree.nodes[parent].next[side] = node as Next;
        }
        tree.nodes.push(Node {
            feature: split.feature as u32,
            left: split.left,
            next: [!(at as Next), !(leaves.len() as Next)],
        });
        let last = leaves.len() + 1 >= soil.leaves;
        let right =
            soil.divide(&mut leaves[at], &split, samples, &mut scratch, (!last).then_some(&mut spare));
        leaves[at].parent = Some((node, 0));
        leaves.push(Leaf { parent: Some((node, 1)), ..right });
        for i in [at, leaves.len() - 1] {
            if leaves[i].best.is_none() {
                spare.push(std::mem::take(&mut leaves[i].histograms));
            }
        }
    }
    tree.leaves = leaves.iter().map(|l| soil.value(l.total)).collect();
    (tree, leaves.into_iter().map(|l| l.samples).collect())
}

impl Soil<'_> {
    /// What is added to the score of samples in a leaf: a shortened Newton step.
    fn value(&self, total: Cell) -> f32 {
        let step = self.rules.step(self.rules.scale.sums(total));
        (self.learning_rate * step) as f32
    }

    fn may_split(&self, count: usize, depth: usize) -> bool {
        count as u64 >= 2 * self.rules.min_leaf.max(1) && (self.depth == 0 || depth < self.depth)
    }

    /// The features of a group: number and cells.
    fn group(&self, g: usize) -> impl Iterator<Item = (usize, usize)> {
        let first = g * GROUP;
        (first..(first + GROUP).min(self.filled.len())).map(|f| (f, self.filled[f] + 1))
    }

    fn root(&self, samples: &[Sample]) -> Leaf {
        let total = self.rules.scale.total(samples);
        let (mut histograms, mut best) = (vec![], None);
        if self.may_split(samples.len(), 0) {
            let build = |g: usize| {
                let mut cells = vec![];
                self.fold(g, samples, &mut cells);
                let best = self.best(g, &cells, total);
                (cells, best)
            };
            let all: Vec<_> = (0..self.bins.groups.len()).into_par_iter().map(build).collect();
            for (cells, found) in all {
                histograms.push(cells);
                best = better(best, found);
            }
        }
        Leaf { samples: 0..samples.len(), depth: 0, total, histograms, best, parent: None }
    }

    /// Histograms of the samples in the features of group `g`, one after another.
    fn fold(&self, g: usize, samples: &[Sample], out: &mut Vec<Cell>) {
        let mut wide = [[[0u64; 2]; 256]; GROUP];
        self.rules.scale.fold(&self.bins.groups[g], samples, &mut wide);
        out.clear();
        for (lane, (_, cells)) in self.group(g).enumerate() {
            out.extend_from_slice(&wide[lane][..cells]);
        }
    }

    /// The best split over the features of group `g`.
    fn best(&self, g: usize, cells: &[Cell], total: Cell) -> Option<Split> {
        let (mut rest, mut best) = (cells, None);
        for (feature, n) in self.group(g) {
            let (cells, after) = rest.split_at(n.min(rest.len()));
            rest = after;
            let category = self.category[feature];
            best = better(best, self.rules.best(&Candidate { feature, cells, category, total }));
        }
        best
    }

    /// Divides a leaf: it becomes the left part, the right one is returned. Without `spare` neither will be split again.
    fn divide(
        &self,
        leaf: &mut Leaf,
        split: &Split,
        samples: &mut [Sample],
        scratch: &mut [Sample],
        spare: Option<&mut Vec<Histograms>>,
    ) -> Leaf {
        let (start, end) = (leaf.samples.start, leaf.samples.end);
        let middle = start + self.partition(split, &mut samples[start..end], scratch);
        let depth = leaf.depth + 1;
        let new =
            |samples, total| Leaf { samples, depth, total, histograms: vec![], best: None, parent: None };
        let mut left = new(start..middle, split.sums);
        let mut right = new(middle..end, subtract(leaf.total, split.sums));
        let wanted = [&left, &right].map(|l| self.may_split(l.samples.len(), depth));
        if let Some(spare) = spare
            && wanted.contains(&true)
        {
            let parent = std::mem::take(&mut leaf.histograms);
            let fresh = spare.pop().unwrap_or_default();
            if middle - start <= end - middle {
                self.children([&mut left, &mut right], wanted, parent, fresh, samples);
            } else {
                self.children([&mut right, &mut left], [wanted[1], wanted[0]], parent, fresh, samples);
            }
        }
        left.histograms =
            if left.histograms.is_empty() { std::mem::take(&mut leaf.histograms) } else { left.histograms };
        *leaf = left;
        right
    }

    /// Histograms and best splits of the smaller child, by adding, and of the larger, by subtraction from the parent's.
    fn children(
        &self,
        [small, large]: [&mut Leaf; 2],
        wanted: [bool; 2],
        mut parent: Histograms,
        mut fresh: Histograms,
        samples: &[Sample],
    ) {
        fresh.resize_with(parent.len(), Vec::new);
        let part = &samples[small.samples.clone()];
        let totals = [small.total, large.total];
        let each = |(g, (new, old)): (usize, (&mut Vec<Cell>, &mut Vec<Cell>))| {
            self.fold(g, part, new);
            old.iter_mut().zip(new.iter()).for_each(|(o, n)| *o = subtract(*o, *n));
            let look = |cells: &[Cell], k: usize| wanted[k].then(|| self.best(g, cells, totals[k])).flatten();
            [look(new, 0), look(old, 1)]
        };
        let groups = parent.len();
        let found: Vec<[Option<Split>; 2]> = if part.len() * groups * GROUP < ALONE {
            fresh.iter_mut().zip(&mut parent).enumerate().map(each).collect()
        } else {
            fresh.par_iter_mut().zip(&mut parent).enumerate().map(each).collect()
        };
        for [a, b] in found {
            small.best = better(small.best.take(), a);
            large.best = better(large.best.take(), b);
        }
        (small.histograms, large.histograms) = (fresh, parent);
    }

    /// Puts the samples that go left first, both parts in the order they had, and says how many they are.
    fn partition(&self, split: &Split, samples: &mut [Sample], scratch: &mut [Sample]) -> usize {
        let (group, lane) = (&self.bins.groups[split.feature / GROUP], split.feature % GROUP);
        let goes: [bool; 256] = std::array::from_fn(|bin| holds(&split.left, bin as u8));
        let (mut left, mut right) = (0, 0);
        for k in 0..samples.len() {
            let sample = samples[k];
            let goes = goes[usize::from(group[sample.row as usize][lane])];
            // both are written and one is kept: no branch to guess
            samples[left] = sample;
            scratch[right] = sample;
            left += usize::from(goes);
            right += usize::from(!goes);
        }
        samples[left..].copy_from_slice(&scratch[..right]);
        left
    }
}

/// The better of two splits; the first if they are equal.
fn better(a: Option<Split>, b: Option<Split>) -> Option<Split> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if b.gain > a.gain { b } else { a }),
        (a, b) => a.or(b),
    }
}
