//! Regions of one label that end at a sphere: where the distance from one row tells the label better than anything near does.
//!
//! Whoever changes the labels of the rows nearest to a target makes a ball in which all rows have one label, and beyond
//! which other rows go on as before. Neighbours do not see its surface, since it cuts through what belongs together; honest
//! classes do not end like that. For each row as the centre, the labels of the others, by distance, are explained
//! by a step and by what honest classes do: a share that changes slowly with the distance and along the direction in which the
//! classes differ elsewhere, and the neighbours' labels. The evidence is the log-likelihood that the step gains over the
//! best of these.

mod counts;
mod explain;
mod points;
mod sequence;
#[cfg(test)]
mod tests;

use crate::knn::{Metric, Neighbours, neighbours, self_neighbours};
use crate::rng::Rng;
use counts::{Promise, Scratch};
use points::Points;
use rayon::prelude::*;
use sequence::Sequence;
use std::collections::BTreeSet;

/// How regions are looked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RegionOptions {
    /// Most rows whose labels are looked at; more are sampled. Every row is tried as a centre.
    pub rows: usize,
    /// Fewest rows of a region among those looked at.
    pub least: usize,
    /// Largest share of its class that a region may hold: a whole class may well be a ball.
    pub share: f64,
    /// Names the sample.
    pub seed: u64,
}

impl Default for RegionOptions {
    fn default() -> Self {
        Self { rows: 8192, least: 12, share: 0.85, seed: 0 }
    }
}

/// A ball in which the labels are others than around it.
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    /// Row in the middle, which may be a target: it need not have the label itself.
    pub centre: usize,
    /// Label in the ball.
    pub class: u32,
    /// The class around it; `None`: all others.
    pub around: Option<u32>,
    /// Rows of these classes in the ball, of those looked at, and the share of `class` among them.
    pub inside: (usize, f64),
    /// Share of `class` among as many rows beyond the surface.
    pub beyond: f64,
    /// Log-likelihood (nats) that the surface gains over the better of all other explanations.
    pub nats: f64,
    /// Rows of `class` in the ball, ascending, and the share of `class` among the rows nearest to each outside of it (of the
    /// centre, if it is one of them, 0).
    pub members: Vec<(usize, f64)>,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Regions {
    /// The strongest first; none shares most of its members with one before it.
    pub regions: Vec<Region>,
    /// Centres, times the pairs of classes that were tried at each.
    pub tried: usize,
}

/// Evidence (nats) below which nothing is kept.
const WEAK: f64 = 5.0;
/// Rows that one task takes as centres, and how many of them are looked at closely together.
const CENTRES: usize = 256;
const CLOSELY: usize = 32;
/// Neighbours of each row among which those of two classes are looked for.
const NEAR: usize = 64;
/// Neighbours outside the ball that say what a member would be without it.
const OUTSIDE: usize = 10;
/// Most candidates whose members are listed, and most regions.
const LISTED: (usize, usize) = (200, 16);
/// Nearest rows that are counted first; then twice as many, and so on.
const FIRST: usize = 16;
/// Least share of the rows in a ball that are of the two classes: it is to be about these.
const COMMON: f64 = 0.4;
/// Rows that are put in order, as a multiple of those among which nearly all are of one class.
const WINDOW: usize = 4;
/// In the counts that decide where it is looked closely: least share inside, largest share well outside.
const COARSE: (f64, f64) = (0.9, 0.6);
/// The same in the first look.
const ROUGH: (f64, f64) = (0.8, 0.7);
/// Rows from which on there is a first look at every so many of them.
const LOOKS: [(usize, usize); 2] = [(16_384, 8), (4096, 4)];

/// Looks for regions. `data`: rows of `dim` numbers; `labels`: one a row, not below `classes` where there is none. Rows without
/// a label or with numbers that are not finite are left out; nothing is found where the shapes do not fit.
#[must_use]
pub fn regions(data: &[f32], dim: usize, labels: &[u32], classes: usize, options: &RegionOptions) -> Regions {
    if dim == 0 || data.len() != labels.len() * dim || classes < 2 {
        return Regions::default();
    }
    let row = |i: usize| &data[i * dim..(i + 1) * dim];
    let usable = |i: &usize| (labels[*i] as usize) < classes && row(*i).iter().all(|v| v.is_finite());
    let known: Vec<usize> = (0..labels.len()).filter(usable).collect();
    if known.len() < 4 * options.least.max(FIRST) {
        return Regions::default();
    }
    let field = Field::new(data, dim, labels, classes, &known, options);
    let blocks: Vec<(Vec<Found>, usize)> =
        known.par_chunks(CENTRES).map(|centres| field.search(data, centres)).collect();
    let tried = blocks.iter().map(|b| b.1).sum();
    let mut found: Vec<Found> = blocks.into_iter().flat_map(|b| b.0).collect();
    found.sort_by(|a, b| b.nats.total_cmp(&a.nats).then(a.centre.cmp(&b.centre)));
    found.truncate(LISTED.0);
    let mut taken = vec![false; labels.len()];
    let mut out = vec![];
    for f in &found {
        let Some(region) = field.region(data, &known, labels, f, &taken) else { continue };
        region.members.iter().for_each(|m| taken[m.0] = true);
        out.push(region);
        if out.len() == LISTED.1 {
            break;
        }
    }
    Regions { regions: out, tried }
}

/// The rows whose labels are looked at.
struct Field {
    dim: usize,
    /// Mean of all of them, taken off so that differences stay exact.
    mean: Vec<f32>,
    all: Points,
    /// Some of them, for a first look, and how many of these are counted first.
    some: Points,
    first: usize,
    /// How many there are of each class.
    counts: Vec<usize>,
    near: Neighbours,
    votes: explain::Kept,
    options: RegionOptions,
}

/// A candidate.
struct Found {
    centre: usize,
    class: u32,
    around: Option<u32>,
    inside: (usize, f64),
    beyond: f64,
    nats: f64,
}

impl Field {
    fn new(
        data: &[f32],
        dim: usize,
        labels: &[u32],
        classes: usize,
        known: &[usize],
        options: &RegionOptions,
    ) -> Self {
        let mut rows = known.to_vec();
        if rows.len() > options.rows {
            Rng::new(options.seed, "label-region").shuffle(&mut rows);
            rows.truncate(options.rows);
            rows.sort_unstable();
        }
        let mut sums = vec![0.0; dim];
        for i in &rows {
            sums.iter_mut().zip(&data[i * dim..(i + 1) * dim]).for_each(|(s, v)| *s += f64::from(*v));
        }
        let mean: Vec<f32> = sums.iter().map(|s| (s / rows.len() as f64) as f32).collect();
        let all = Points::of(data, dim, labels, rows, &mean);
        let apart = LOOKS.iter().find(|l| known.len() >= l.0).map_or(0, |l| l.1);
        let some = if apart > 0 { all.rows.iter().copied().step_by(apart).collect() } else { vec![] };
        let some = Points::of(data, dim, labels, some, &mean);
        let near = self_neighbours(&all.values, dim, NEAR, Metric::Euclidean);
        let mut counts = vec![0; classes];
        all.labels.iter().for_each(|l| counts[*l as usize] += 1);
        Self {
            dim,
            mean,
            all,
            some,
            first: (2 * FIRST).checked_div(apart).unwrap_or(0),
            counts,
            near,
            votes: explain::Kept::default(),
            options: *options,
        }
    }

    /// Candidates around some rows, and how many pairs of classes were tried.
    fn search(&self, data: &[f32], centres: &[usize]) -> (Vec<Found>, usize) {
        let classes = self.counts.len();
        let (mut out, mut tried) = (vec![], 0);
        let mut scratch = Scratch::default();
        let mut left = vec![];
        if self.some.rows.is_empty() {
            left.extend_from_slice(centres);
        } else {
            self.some.distances(data, centres, &self.mean, &mut scratch, |row, _, scratch| {
                scratch.count(&self.some.labels, classes, self.first);
                if scratch.promising(ROUGH, &|_| usize::MAX).next().is_some() {
                    left.push(row);
                }
            });
            // what is not looked at closely was tried all the same, with one class that fills the ball
            tried += (centres.len() - left.len()) * others(classes);
        }
        for centres in left.chunks(CLOSELY) {
            self.all.distances(data, centres, &self.mean, &mut scratch, |row, scale, scratch| {
                tried += self.around(row, scale, scratch, &mut out);
            });
        }
        (out, tried)
    }

    /// The best candidate around one row, if there is any, is added to `out`.
    fn around(&self, centre: usize, scale: f32, scratch: &mut Scratch, out: &mut Vec<Found>) -> usize {
        let classes = self.counts.len();
        scratch.count(&self.all.labels, classes, FIRST);
        let promising: Vec<Promise> = scratch.promising(COARSE, &|c| self.most(c)).collect();
        if let Some(upto) = promising.iter().map(|p| p.2).max() {
            let upto = (WINDOW * upto).min(scratch.keys.len());
            if upto < scratch.keys.len() {
                scratch.keys.select_nth_unstable(upto - 1);
            }
            scratch.keys[..upto].sort_unstable();
            let keys = &scratch.keys[..upto];
            let best = promising
                .into_iter()
                .filter_map(|(class, around, upto)| {
                    let keys = &keys[..(WINDOW * upto).min(keys.len())];
                    self.judged(centre, class, around, scale, keys)
                })
                .max_by(|a, b| {
                    a.nats.total_cmp(&b.nats).then(b.class.cmp(&a.class)).then(b.around.cmp(&a.around))
                });
            out.extend(best);
        }
        scratch.filling().count() * others(classes)
    }

    /// The most rows of a class that a region may hold.
    fn most(&self, class: usize) -> usize {
        (self.options.share * self.counts[class] as f64) as usize
    }

    /// The best surface between two classes around a row.
    fn judged(
        &self,
        centre: usize,
        class: u32,
        around: Option<u32>,
        scale: f32,
        keys: &[u64],
    ) -> Option<Found> {
        let of = |l: u32| l == class || around.is_none_or(|a| a == l);
        let sequence = Sequence::of(keys, &self.all.labels, class, of, scale);
        let k = sequence.surface(self.options.least, self.most(class as usize))?;
        if sequence.common(k) < COMMON {
            return None;
        }
        let step = sequence.step(k);
        // the cheapest explanations first
        let enough = step - WEAK;
        if sequence.is_steep_ramp(k, enough) {
            return None;
        }
        let window = &sequence.rows[..2 * k];
        let votes =
            self.votes.of(class, around, || explain::Votes::of(&self.near, &self.all.labels, class, of));
        let near = votes.explain(window, enough)?;
        let slow = sequence.ramp(k, enough)?;
        let along =
            sequence.ramp_along(k, &self.along(window, class, of), class, &self.all.labels, enough)?;
        let nats = step - slow.max(near).max(along);
        let (inside, beyond) = ((k, sequence.share(0, k)), sequence.share(k, 2 * k));
        Some(Found { centre, class, around, inside, beyond, nats })
    }

    /// How far some rows lie towards the class and away from the others, as the rows outside of them have it: the product with
    /// the difference of the means, brought to mean zero and deviation one.
    fn along(&self, window: &[u32], class: u32, of: impl Fn(u32) -> bool) -> Vec<f64> {
        let mut within = vec![false; self.all.labels.len()];
        window.iter().for_each(|i| within[*i as usize] = true);
        let (mut sums, mut counts) = ([vec![0.0; self.dim], vec![0.0; self.dim]], [0.0f64; 2]);
        for (i, x) in self.all.values.chunks_exact(self.dim).enumerate() {
            let label = self.all.labels[i];
            if !within[i] && of(label) {
                let side = usize::from(label != class);
                counts[side] += 1.0;
                sums[side].iter_mut().zip(x).for_each(|(s, v)| *s += f64::from(*v));
            }
        }
        let [own, other] = &sums;
        let direction: Vec<f64> =
            own.iter().zip(other).map(|(a, b)| a / counts[0].max(1.0) - b / counts[1].max(1.0)).collect();
        let at = |i: &u32| {
            let x = &self.all.values[*i as usize * self.dim..(*i as usize + 1) * self.dim];
            x.iter().zip(&direction).map(|(v, d)| f64::from(*v) * d).sum::<f64>()
        };
        let values: Vec<f64> = window.iter().map(at).collect();
        let n = values.len().max(1) as f64;
        let mean = values.iter().sum::<f64>() / n;
        let deviation = (values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n).sqrt();
        values.iter().map(|v| (v - mean) / deviation.max(f64::MIN_POSITIVE)).collect()
    }

    /// All rows of a candidate's ball; `None` if most of its members are taken.
    fn region(
        &self,
        data: &[f32],
        known: &[usize],
        labels: &[u32],
        found: &Found,
        taken: &[bool],
    ) -> Option<Region> {
        let dim = self.dim;
        let row = |i: usize| &data[i * dim..(i + 1) * dim];
        let from = row(found.centre);
        let of = |l: u32| l == found.class || found.around.is_none_or(|a| a == l);
        let apart =
            |i: usize| row(i).iter().zip(from).map(|(a, b)| f64::from(a - b) * f64::from(a - b)).sum::<f64>();
        let mut ordered: Vec<(f64, usize)> = known
            .par_iter()
            .filter(|i| **i != found.centre && of(labels[**i]))
            .map(|i| (apart(*i), *i))
            .collect();
        ordered.par_sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let is: Vec<bool> = ordered.iter().map(|o| labels[o.1] == found.class).collect();
        let all = Sequence::from(is, ordered.iter().map(|o| o.0 as f32).collect(), 0.0);
        // the sample says where to look: the surface among all rows is near
        let whole = known.iter().filter(|i| labels[**i] == found.class).count();
        let most = (self.options.share * whole as f64) as usize;
        let scale = known.len() as f64 / self.all.rows.len() as f64;
        let near = |k: usize| (0.7..=1.4).contains(&(k as f64 / (found.inside.0 as f64 * scale)));
        let k = all.surface_where(self.options.least, most, near)?;
        let inside: Vec<usize> =
            ordered[..k].iter().map(|o| o.1).filter(|i| labels[*i] == found.class).collect();
        if 2 * inside.iter().filter(|i| !taken[**i]).count() <= inside.len() {
            return None;
        }
        let outside: Vec<usize> = {
            let inner: BTreeSet<usize> = ordered[..k].iter().map(|o| o.1).collect();
            self.all.rows.iter().copied().filter(|i| of(labels[*i]) && !inner.contains(i)).collect()
        };
        let gather = |rows: &[usize]| rows.iter().flat_map(|i| row(*i)).copied().collect::<Vec<f32>>();
        let near = neighbours(&gather(&outside), &gather(&inside), dim, OUTSIDE, Metric::Euclidean);
        let share = |m: usize| {
            let of =
                near.index[m * OUTSIDE..(m + 1) * OUTSIDE].iter().filter_map(|j| outside.get(*j as usize));
            let (own, all) = of.fold((0, 0), |(o, a), i| (o + usize::from(labels[*i] == found.class), a + 1));
            f64::from(own as u32) / f64::from(all.max(1) as u32)
        };
        let mut members: Vec<(usize, f64)> = inside.iter().enumerate().map(|(m, i)| (*i, share(m))).collect();
        if labels[found.centre] == found.class {
            members.push((found.centre, 0.0));
        }
        members.sort_unstable_by_key(|m| m.0);
        Some(Region {
            centre: found.centre,
            class: found.class,
            around: found.around,
            inside: found.inside,
            beyond: found.beyond,
            nats: found.nats,
            members,
        })
    }
}

/// How many choices of other classes there are: each, and all together where there are more than two.
fn others(classes: usize) -> usize {
    if classes > 2 { classes } else { 1 }
}
