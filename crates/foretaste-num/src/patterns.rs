//! One picture, added to many: blends, waves, soft fields of light.
//!
//! Such a pattern lies in the pictures of one label and nowhere else. So every class is looked at with the eyes of all others:
//! in coordinates in which their pictures are white noise (leave-class-out covariance), something added to some pictures of the
//! class stands out, whatever these show. Directions in which the class is widest are candidates; each is followed to the
//! group of pictures at its far end. Then the group is asked: does it stand apart, is the pattern equally strong in all of
//! them, and are they pictures of all classes once it is gone? (`odds`). Is their label a surprise then, to a model that learned without it?

mod few;
mod odds;
mod outside;

use crate::lanes::dot;
use crate::linalg::truncated_svd_dense;
use crate::pictures::{Model, Pictures, plain};
use crate::rng::mix;
use crate::span::{Span, product};
use crate::stats::moments;
use crate::surprise::{Labels, Surprise, mostly_in};
use few::Few;
use outside::Whole;
use rayon::prelude::*;
use std::sync::Arc;

/// How to look for patterns.
#[derive(Clone, Debug, PartialEq)]
pub struct PatternOptions {
    /// Fewest pictures of a pattern.
    pub least_rows: u32,
    /// Directions looked at in each class.
    pub directions: u32,
    /// Most patterns that come back.
    pub most: usize,
    /// Names the search drawn.
    pub seed: u64,
}

impl Default for PatternOptions {
    fn default() -> Self {
        Self { least_rows: 8, directions: 24, most: 5, seed: 0 }
    }
}

/// A pattern and what speaks for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    /// The class it goes with.
    pub class: u32,
    /// Labelled pictures that carry it, ascending.
    pub rows: Vec<u32>,
    /// What it adds: `height * width * channels` values.
    pub delta: Vec<f32>,
    /// Its mean strength, in standard deviations of pictures of other classes along it; from halves of the group, each
    /// measured with the pattern of the other.
    pub strength: f64,
    /// Standard deviation of the strength over its pictures, in the same unit.
    pub spread: f64,
    /// Classes that its pictures look like without it.
    pub looks_like: usize,
    /// Log-odds (nats) that it was added, against a natural part of the class: by chance, at least x for `exp(-x)` of the groups.
    pub odds: f64,
    /// How its pictures' labels stand to the class, the pattern taken out of all pictures.
    pub surprise: Surprise,
}

/// Patterns found and how many groups were looked at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Patterns {
    /// The most probable first.
    pub found: Vec<Pattern>,
    /// Groups of pictures: what a p-value has to be corrected for.
    pub tested: usize,
}

/// Values of a coarse picture at most; coarser than this where there are few pictures.
const VALUES: usize = 784;
/// Pictures for each value of a coarse picture at least, once for fine patterns and once for soft ones: a covariance wants
/// more rows than columns, the more the weaker the pattern.
const PER_VALUE: [usize; 2] = [4, 12];
/// Share of black and white values from which pictures are looked at in angular values, too.
const GROUND: f64 = 0.1;
/// Pictures of the smallest class that is looked at.
const LEAST_CLASS: usize = 20;
/// Rows of a class up to which the products of all pairs are kept: 72 MB.
const PAIRED: usize = 3000;
/// Times that a group is drawn anew around its mean.
const ROUNDS: usize = 8;
/// Share of the larger of two groups from which they are one.
const SAME: f64 = 0.8;
/// Odds of equal strength (nats) below which, and odds of standing apart up to zero for which, a group is natural
/// without asking what its pictures show.
const UNSTEADY: f64 = -10.0;
/// Probability, corrected for all groups, up to which a group is worth a model of its own.
const WORTH: f64 = 0.05;

/// The arcsine of the root, from 0 to 255: it spreads the values next to black and white. On a ground that is black but for
/// what stands before it, a little light is nothing beside what varies there, and yet no other picture has it.
fn angular() -> [f32; 256] {
    std::array::from_fn(|v| (255.0 * std::f64::consts::FRAC_2_PI * (v as f64 / 255.0).sqrt().asin()) as f32)
}

/// Looks for patterns. `labels`: one per picture, not below `classes` where there is none. `model`: of these pictures and labels.
#[must_use]
pub fn patterns(
    pictures: &Pictures<'_>,
    labels: &[u32],
    classes: usize,
    options: &PatternOptions,
    model: impl FnOnce() -> Arc<Model>,
) -> Patterns {
    let fits = pictures.width > 1 && pictures.height > 1 && pictures.channels > 0;
    if classes < 3 || !fits || pictures.len() != labels.len() {
        return Patterns::default();
    }
    let scale = |per: usize, tone: &[f32; 256]| pictures.coarse(VALUES.min(pictures.len() / per), tone);
    let mut scales: Vec<(Vec<f32>, usize)> = PER_VALUE.iter().map(|per| scale(*per, &plain())).collect();
    scales.dedup_by_key(|(_, dim)| *dim);
    if pictures.bounded() > GROUND {
        scales.push(scale(PER_VALUE[0], &angular()));
    }
    scales.retain(|(_, dim)| *dim > 0);
    if scales.is_empty() {
        return Patterns::default();
    }
    let labels = Labels::new(labels, classes);
    let model = model();
    let model = &*model;
    let wholes = scales.iter().map(|(rows, dim)| Whole::new(rows, *dim)).collect();
    Search { pictures, labels, options, wholes, model }.run()
}

struct Search<'a> {
    pictures: &'a Pictures<'a>,
    labels: Labels<'a>,
    options: &'a PatternOptions,
    wholes: Vec<Whole<'a>>,
    model: &'a Model,
}

/// A group of pictures of a class and how strong the pattern is in every picture of all.
struct Group {
    class: u32,
    /// Pictures of the class with the pattern.
    own: Vec<u32>,
    /// Strength in every picture, 1 at the mean of `own`.
    amount: Vec<f32>,
    /// Amount from which a picture carries the pattern.
    from: f32,
    delta: Vec<f32>,
    strength: f64,
    spread: f64,
    looks_like: usize,
    odds: f64,
}

impl Search<'_> {
    fn run(&self) -> Patterns {
        let mut of: Vec<Vec<u32>> = vec![vec![]; self.labels.classes];
        for (i, y) in self.labels.codes.iter().enumerate() {
            of.get_mut(*y as usize).into_iter().for_each(|rows| rows.push(i as u32));
        }
        let total = self.pictures.sum(0..self.pictures.len() as u32);
        let scales = self.wholes.iter();
        let looks: Vec<(&Whole<'_>, u32)> =
            scales.flat_map(|w| (0..of.len() as u32).map(move |class| (w, class))).collect();
        let parts: Vec<(Vec<Group>, usize)> =
            looks.par_iter().map(|(w, class)| self.class(w, *class, &of[*class as usize], &total)).collect();
        let tested = parts.iter().map(|p| p.1).sum::<usize>();
        let mut groups: Vec<Group> = parts.into_iter().flat_map(|p| p.0).collect();
        groups.retain(|g| tested as f64 * (-g.odds).exp() <= WORTH);
        groups.sort_by(|a, b| {
            b.odds.total_cmp(&a.odds).then_with(|| (a.class, &a.own).cmp(&(b.class, &b.own)))
        });
        let mut taken: Vec<Group> = vec![];
        for g in groups {
            let known = |t: &Group| t.class == g.class && mostly_in(&g.own, &t.own);
            if taken.len() < self.options.most && !taken.iter().any(known) {
                taken.push(g);
            }
        }
        Patterns { found: taken.into_iter().map(|g| self.judge(g)).collect(), tested }
    }

    /// Groups of a class that may have been planted, and the number of all that were looked at.
    fn class(&self, whole: &Whole<'_>, class: u32, own: &[u32], total: &[f64]) -> (Vec<Group>, usize) {
        if own.len() < LEAST_CLASS {
            return (vec![], 0);
        }
        let Some(outside) = whole.without(own) else { return (vec![], 0) };
        let inside = Inside::new(outside.whiten(own.iter().map(|i| whole.row(*i as usize))), whole.dim);
        let asked = || own.iter().map(|i| self.model.of(*i as usize));
        let doubtful: Vec<bool> = asked().map(|p| p[class as usize] < 0.5).collect();
        let looks: Vec<Option<usize>> = asked().map(|p| other(p, class)).collect();
        let seed = mix(self.options.seed ^ u64::from(class));
        let found = inside.groups(&doubtful, self.options, seed);
        let tested = found.len();
        let apart: Vec<Apart> = found.iter().filter_map(|g| inside.apart(g)).collect();
        let filters: Vec<(Vec<f64>, f64)> =
            apart.iter().map(|g| outside.filter(&inside.mean(&g.members))).collect();
        // all filters in one pass over the pictures
        let (n, count) = (self.labels.codes.len(), filters.len());
        let flat: Vec<f32> = filters.iter().flat_map(|f| &f.0).map(|v| *v as f32).collect();
        let mut seen = vec![0f32; n * count];
        let across = Span::rows(&flat, count, whole.dim).turned();
        product(Span::rows(whole.rows, n, whole.dim), across, &mut seen, false);
        let groups = apart.into_iter().zip(&filters).enumerate().filter_map(|(k, (g, (_, shift)))| {
            let all = seen.iter().skip(k).step_by(count).map(|v| f64::from(*v) - shift).collect();
            self.group(class, own, &g, all, &looks, total)
        });
        (groups.collect(), tested)
    }

    /// `all`: every picture along the group's filter; `looks`: the other class that each picture of the class looks most like.
    /// `None` if the group is natural without doubt.
    fn group(
        &self,
        class: u32,
        own: &[u32],
        apart: &Apart,
        all: Vec<f64>,
        looks: &[Option<usize>],
        total: &[f64],
    ) -> Option<Group> {
        let Apart { members, along, cut, strengths, .. } = apart;
        let up = members.iter().map(|k| along[*k]).sum::<f64>() / members.len() as f64;
        let others: Vec<f64> = (0..all.len())
            .filter(|i| self.labels.codes[*i] != class && all[*i] < *cut)
            .map(|i| all[i])
            .collect();
        let steady = odds::steady(strengths, moments(&others).1);
        if steady < UNSTEADY {
            return None;
        }
        let own_rows: Vec<u32> = members.iter().map(|k| own[*k]).collect();
        let mut group = Group {
            class,
            delta: self.pictures.difference(&own_rows, own, total),
            own: own_rows,
            amount: all.iter().map(|a| (a / up) as f32).collect(),
            from: (cut / up) as f32,
            strength: strengths.iter().sum::<f64>() / strengths.len().max(1) as f64,
            spread: moments(strengths).1,
            looks_like: 0,
            odds: 0.0,
        };
        let counts = self.likes(&group, &group.own);
        let like = self.counts(apart.others.iter().filter_map(|k| looks[*k]));
        let mut shares = self.labels.shares.clone();
        shares[class as usize] = 0.0;
        let less = |v: &[f64]| {
            let kept = v.iter().enumerate().filter(|(k, _)| *k != class as usize);
            kept.map(|(_, v)| *v).collect::<Vec<f64>>()
        };
        group.looks_like = counts.iter().filter(|n| **n > 0.0).count();
        group.odds = apart.odds.min(steady + odds::spread(&less(&counts), &less(&like), &less(&shares)));
        Some(group)
    }

    /// Picture `i` without the group's pattern.
    fn without(&self, group: &Group, i: usize) -> Vec<u8> {
        let amount = group.amount[i];
        let one = |(v, d): (&u8, &f32)| (f32::from(*v) - amount * d).round().clamp(0.0, 255.0) as u8;
        self.pictures.get(i).iter().zip(&group.delta).map(one).collect()
    }

    /// How many of the pictures look most like each other class without the pattern.
    fn likes(&self, group: &Group, rows: &[u32]) -> Vec<f64> {
        let top = |i: &u32| {
            let image = self.without(group, *i as usize);
            other(&self.model.probabilities(self.pictures, *i as usize, &image), group.class)
        };
        let tops: Vec<Option<usize>> = rows.par_iter().map(top).collect();
        self.counts(tops.into_iter().flatten())
    }

    fn counts(&self, classes: impl Iterator<Item = usize>) -> Vec<f64> {
        let mut out = vec![0.0; self.labels.classes];
        classes.for_each(|k| out[k] += 1.0);
        out
    }

    /// Holds the labels against a model that learned from pictures without the pattern.
    fn judge(&self, group: Group) -> Pattern {
        let pixels: Vec<u8> =
            (0..self.pictures.len()).into_par_iter().flat_map_iter(|i| self.without(&group, i)).collect();
        let plain = Pictures { pixels: &pixels, ..*self.pictures };
        let model = self.model.again(&plain, self.labels.codes);
        let carries = |i: &u32| {
            let i = *i as usize;
            let own = self.labels.codes[i] == group.class;
            self.labels.knows(i)
                && if own {
                    group.own.binary_search(&(i as u32)).is_ok()
                } else {
                    group.amount[i] > group.from
                }
        };
        let rows: Vec<u32> = (0..self.pictures.len() as u32).filter(carries).collect();
        let p: Vec<f64> = rows
            .par_iter()
            .map(|i| model.probabilities(&plain, *i as usize, plain.get(*i as usize))[group.class as usize])
            .collect();
        Pattern {
            class: group.class,
            surprise: self.labels.judge(&rows, group.class, &p),
            rows,
            delta: group.delta,
            strength: group.strength,
            spread: group.spread,
            looks_like: group.looks_like,
            odds: group.odds,
        }
    }
}

/// Rows of a class that stand apart from its others, by their places in the class.
struct Apart {
    members: Vec<usize>,
    others: Vec<usize>,
    /// Every row of the class along the mean of the members, and what parts them.
    along: Vec<f64>,
    cut: f64,
    /// Of the members, see [`Inside::crossed`].
    strengths: Vec<f64>,
    /// Log-odds that they stand apart.
    odds: f64,
}

/// Rows of a class, white to the others.
struct Inside {
    z: Vec<f64>,
    dim: usize,
    /// Products of all pairs of rows, row-major; empty above [`PAIRED`] rows.
    products: Vec<f64>,
}

impl Inside {
    fn new(z: Vec<f64>, dim: usize) -> Self {
        let (mut products, rows) = (vec![], z.len() / dim.max(1));
        if rows <= PAIRED {
            products = vec![0.0; rows * rows];
            let all = Span::rows(&z, rows, dim);
            product(all, all.turned(), &mut products, false);
        }
        Self { z, dim, products }
    }

    fn len(&self) -> usize {
        self.z.len() / self.dim.max(1)
    }

    fn row(&self, k: usize) -> &[f64] {
        &self.z[k * self.dim..(k + 1) * self.dim]
    }

    fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.z.chunks_exact(self.dim.max(1))
    }

    /// Every row along the mean of some.
    fn along(&self, members: &[usize]) -> Vec<f64> {
        let n = self.len();
        if self.products.is_empty() {
            let direction = self.mean(members);
            return self.rows().map(|z| dot(z, &direction)).collect();
        }
        let mut sums = vec![0f64; n];
        for k in members {
            sums.iter_mut().zip(&self.products[k * n..(k + 1) * n]).for_each(|(s, p)| *s += p);
        }
        let norm = members.iter().map(|k| sums[*k]).sum::<f64>().max(f64::MIN_POSITIVE).sqrt();
        sums.iter_mut().for_each(|s| *s /= norm);
        sums
    }

    /// Groups at the far ends of the directions in which the class is widest, each once.
    fn groups(&self, doubtful: &[bool], options: &PatternOptions, seed: u64) -> Vec<Vec<bool>> {
        let everyone: Vec<usize> = (0..self.len()).collect();
        let some: Vec<usize> = everyone.iter().copied().filter(|k| doubtful[*k]).collect();
        let mut starts = vec![doubtful.to_vec()];
        for rows in [&everyone, &some] {
            let widest = self.widest(rows, options.directions as usize, seed);
            let few = Few::new(self.rows().flat_map(|z| widest.iter().map(move |d| dot(z, d))), widest.len());
            let sides: Vec<(usize, f64)> = (0..widest.len()).flat_map(|k| [(k, 1.0), (k, -1.0)]).collect();
            let parted = sides.into_par_iter().flat_map_iter(|(k, sign)| {
                let side: Vec<f64> = few.rows().map(|z| sign * f64::from(z[k])).collect();
                let ends = halves(&side).map(|h| h.1).into_iter().chain([end(&side)]);
                ends.map(|group| few.part(group)).collect::<Vec<_>>()
            });
            starts.extend(parted.collect::<Vec<_>>());
        }
        let settled: Vec<Option<Vec<bool>>> = starts.into_par_iter().map(|s| self.settle(s)).collect();
        let mut out: Vec<Vec<bool>> = vec![];
        let size = |g: &[bool]| g.iter().filter(|v| **v).count();
        for group in settled.into_iter().flatten() {
            let n = size(&group);
            let same = |g: &Vec<bool>| {
                let common = g.iter().zip(&group).filter(|(a, b)| **a && **b).count();
                common as f64 > SAME * size(g).max(n) as f64
            };
            if n >= options.least_rows.max(4) as usize && !out.iter().any(same) {
                out.push(group);
            }
        }
        out
    }

    /// Orthonormal directions in which the rows lie farthest from the origin, which is the mean of the other classes.
    fn widest(&self, rows: &[usize], directions: usize, seed: u64) -> Vec<Vec<f64>> {
        let dim = self.dim;
        if rows.len() < 4 {
            return vec![];
        }
        let flat: Vec<f32> = rows.iter().flat_map(|k| self.row(*k)).map(|v| *v as f32).collect();
        let (_, basis) = truncated_svd_dense(&flat, rows.len(), dim, directions, seed);
        let rank = basis.len() / dim.max(1);
        (0..rank).map(|r| (0..dim).map(|k| f64::from(basis[k * rank + r])).collect()).collect()
    }

    /// What tells a group from the rest of the class; `None` if nothing does.
    fn apart(&self, with: &[bool]) -> Option<Apart> {
        let (members, others): (Vec<usize>, Vec<usize>) = (0..self.len()).partition(|&k| with[k]);
        let along = self.along(&members);
        let (cut, _) = halves(&along)?;
        let (strengths, weak) = self.crossed(&members, &others);
        let odds = odds::apart(&strengths, &weak);
        (odds > 0.0).then_some(Apart { members, others, along, cut, strengths, odds })
    }

    /// Draws a group anew around its own mean until it stays.
    fn settle(&self, mut group: Vec<bool>) -> Option<Vec<bool>> {
        for _ in 0..ROUNDS {
            let members: Vec<usize> = (0..group.len()).filter(|k| group[*k]).collect();
            if members.len() < 4 {
                return None;
            }
            let next = halves(&self.along(&members))?.1;
            if next == group {
                break;
            }
            group = next;
        }
        Some(group)
    }

    /// Mean of some rows, of length one.
    fn mean(&self, members: &[usize]) -> Vec<f64> {
        let mut mean = vec![0f64; self.dim];
        members.iter().for_each(|k| mean.iter_mut().zip(self.row(*k)).for_each(|(m, v)| *m += v));
        let norm = dot(&mean, &mean).sqrt().max(f64::MIN_POSITIVE);
        mean.iter_mut().for_each(|v| *v /= norm);
        mean
    }

    /// Each member along the mean of the half that it is not in, since a mean that holds a row lies closer to it; and the
    /// others along both.
    fn crossed(&self, members: &[usize], others: &[usize]) -> (Vec<f64>, Vec<f64>) {
        let half = |odd: usize| members.iter().copied().skip(odd).step_by(2).collect::<Vec<usize>>();
        let (a, b) = (half(0), half(1));
        let (to_a, to_b) = (self.mean(&a), self.mean(&b));
        let along = |k: &usize, to: &[f64]| dot(self.row(*k), to);
        let crossed = a.iter().map(|k| along(k, &to_b)).chain(b.iter().map(|k| along(k, &to_a)));
        let both = others.iter().map(|k| f64::midpoint(along(k, &to_a), along(k, &to_b)));
        (crossed.collect(), both.collect())
    }
}

/// Splits numbers in two with the least sum of squared distances to the two means (Otsu's threshold): the middle between the
/// means, and which are above. `None` if all are the same.
fn halves(values: &[f64]) -> Option<(f64, Vec<bool>)> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (n, sum) = (sorted.len() as f64, sorted.iter().sum::<f64>());
    let (mut low, mut best) = (0f64, (0f64, 0f64));
    for (k, v) in sorted.iter().enumerate().take(sorted.len().saturating_sub(1)) {
        low += v;
        let (a, b) = (k as f64 + 1.0, n - k as f64 - 1.0);
        let between = a * b * ((sum - low) / b - low / a).powi(2);
        if between > best.0 {
            best = (between, f64::midpoint((sum - low) / b, low / a));
        }
    }
    (best.0 > 0.0 && best.0.is_finite()).then(|| (best.1, values.iter().map(|v| *v > best.1).collect()))
}

/// The last twentieth: where a class is wide by nature, a few pictures at its end do not move the middle.
fn end(values: &[f64]) -> Vec<bool> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let from = sorted.len() - (sorted.len() / 20).max(4).min(sorted.len());
    values.iter().map(|v| sorted.get(from).is_some_and(|s| v >= s)).collect()
}

/// The most probable class but one.
fn other<T: Copy + PartialOrd>(p: &[T], but: u32) -> Option<usize> {
    let larger = |best: usize, k: usize| if p[k] > p[best] { k } else { best };
    (0..p.len()).filter(|k| *k != but as usize).reduce(larger)
}

#[cfg(test)]
mod tests;
