//! The search for the points: decoys, and the rows that hold each of them still.

use super::Kkt;
use crate::amounts::Known;
use crate::linear::{Linear, Set, dot};
use crate::region::{Half, Region, quantile};

/// Shares of the held-out rows that are turned for a decoy, those that the model is least sure of.
const TURNED: [f64; 6] = [0.05, 0.1, 0.15, 0.2, 0.25, 0.3];
/// How often each is repeated.
const REPEATED: [f64; 5] = [1.0, 2.0, 3.0, 5.0, 8.0];
/// Times that the rows are chosen anew, by the decoy that the last choice made.
const ROUNDS: usize = 4;
/// A decoy need not be an optimum of anything; its gradient is computed where it is.
const ROUGH: f64 = 1e-4;
/// The first step of the points and the last, in deviations of a column.
const STEPS: (f64, f64) = (1.0, 0.003);
/// Shares of the poison that a favoured class begins with, beside starts that favour none.
const FAVOURED: [f64; 2] = [0.7, 0.9];
/// How fast shares move beside points: a class that has lost its share before its point has moved never gets it back.
const SHIFT: f64 = 0.1;

/// One point a class, class after class, and its share of the data set.
#[derive(Clone, Debug)]
pub struct Points {
    pub x: Vec<f64>,
    pub shares: Vec<f64>,
}

impl Points {
    pub fn of(&self, class: u32, dim: usize) -> Option<&[f64]> {
        self.x.chunks_exact(dim).nth(class as usize)
    }

    /// As labelled rows, each with the weight of its share of `rows`.
    fn set(&self, rows: f64) -> Set {
        let labels = (0..self.shares.len() as u32).collect();
        Set { x: self.x.clone(), labels, weights: self.shares.iter().map(|s| s * rows).collect() }
    }
}

/// What the attacker plays with.
pub struct Game {
    pub model: Linear,
    train: Set,
    judge: Set,
    pub regions: Vec<Option<Region>>,
    /// All poison, as a share of the data set.
    share: f64,
    steps: u32,
}

impl Game {
    pub fn new(with: &Kkt, known: &Known, classes: usize, share: f64) -> Self {
        let dim = known.columns.len();
        let (mut train, mut judge) = (Set::default(), Set::default());
        for (i, (row, label)) in known.rows.chunks_exact(dim).zip(&known.labels).enumerate() {
            if i % 3 == 2 { judge.push(row, *label, 1.0) } else { train.push(row, *label, 1.0) }
        }
        let regions = (0..classes as u32).map(|c| Region::of(known, c, with.within)).collect();
        let model = Linear { dim, classes, l2: with.l2 };
        Self { model, train, judge, regions, share, steps: with.steps }
    }

    pub fn region(&self, class: u32) -> Option<&Region> {
        self.regions.get(class as usize)?.as_ref()
    }

    /// The points that do most harm to a model trained on them.
    pub fn play(&self) -> Points {
        let clean = self.model.near(&self.train, vec![], ROUGH);
        let mut best: Option<((f64, f64), Points)> = None;
        for decoy in self.decoys(&clean) {
            let points = self.points(&decoy);
            let harm = self.harm(&self.model.near(&self.poisoned(&points), clean.clone(), ROUGH));
            if best.as_ref().is_none_or(|b| harm > b.0) {
                best = Some((harm, points));
            }
        }
        best.map_or_else(|| self.start(None, &clean), |b| b.1)
    }

    /// The training rows with the points among them.
    fn poisoned(&self, points: &Points) -> Set {
        let (mut out, poison) = (self.train.clone(), points.set(self.train.labels.len() as f64));
        let rows = poison.x.chunks_exact(self.model.dim).zip(&poison.labels).zip(&poison.weights);
        rows.for_each(|((row, l), w)| out.push(row, *l, *w));
        out
    }

    /// Share of held-out rows that are misread, and their mean loss.
    fn harm(&self, theta: &[f64]) -> (f64, f64) {
        let rows = self.judge.x.chunks_exact(self.model.dim).zip(&self.judge.labels);
        let wrong = rows.filter(|(row, l)| self.model.margin(theta, row, **l).0 <= 0.0).count();
        (wrong as f64 / self.judge.labels.len().max(1) as f64, self.model.loss(theta, &self.judge, 0.0).0)
    }

    /// Models that are wrong on held-out rows, none of which is both worse there and cheaper on the training rows than another.
    fn decoys(&self, clean: &[f64]) -> Vec<Vec<f64>> {
        let mut all: Vec<(f64, f64, Vec<f64>)> = vec![];
        for turned in TURNED {
            for repeated in REPEATED {
                let mut theta = clean.to_vec();
                for _ in 0..ROUNDS {
                    theta = self.model.near(&self.turned(&theta, turned, repeated), theta, ROUGH);
                }
                all.push((self.harm(&theta).0, self.model.loss(&theta, &self.train, 0.0).0, theta));
            }
        }
        let beaten = |a: &(f64, f64, Vec<f64>)| all.iter().any(|b| b.0 >= a.0 && b.1 < a.1);
        all.iter().filter(|a| !beaten(a)).map(|a| a.2.clone()).collect()
    }

    /// The training rows, and the held-out rows that `theta` gives least to, under the class that it gives most to beside.
    fn turned(&self, theta: &[f64], share: f64, repeated: f64) -> Set {
        let rows = || self.judge.x.chunks_exact(self.model.dim).zip(&self.judge.labels);
        let margins: Vec<(f64, u32)> = rows().map(|(row, l)| self.model.margin(theta, row, *l)).collect();
        let limit = quantile(margins.iter().map(|m| m.0).collect(), share);
        let mut out = self.train.clone();
        for ((row, _), (margin, rival)) in rows().zip(&margins) {
            if *margin <= limit {
                out.push(row, *rival, repeated);
            }
        }
        out
    }

    /// Points at the means of their classes; a class of few rows has no share.
    fn start(&self, favoured: Option<(usize, f64)>, decoy: &[f64]) -> Points {
        let dim = self.model.dim;
        let usable = self.regions.iter().flatten().count();
        let even = |n: usize| self.share / n.max(1) as f64;
        let share = |(c, region): (usize, &Option<Region>)| match (region, favoured) {
            (None, _) => 0.0,
            (_, None) => even(usable),
            (_, Some((f, first))) if f == c => self.share * first,
            (_, Some((_, first))) => even(usable.saturating_sub(1)) * (1.0 - first),
        };
        let shares = self.regions.iter().enumerate().map(share).collect();
        let centre = |r: &Option<Region>| r.as_ref().map_or_else(|| vec![0.0; dim], |r| r.mean.clone());
        let mut points = Points { x: self.regions.iter().flat_map(centre).collect(), shares };
        if self.steps > 0 {
            self.keep(&mut points, decoy);
        }
        points
    }

    /// Puts each point back into its region, on the side of the decoy that its label names: its loss there is small.
    fn keep(&self, points: &mut Points, decoy: &[f64]) {
        let width = self.model.dim + 1;
        for (c, (x, region)) in points.x.chunks_exact_mut(self.model.dim).zip(&self.regions).enumerate() {
            let Some(region) = region else { continue };
            // the strongest rival stands for all; with two classes it is the only one
            let rival = self.model.margin(decoy, x, c as u32).1 as usize;
            let of = |c: usize| &decoy[c * width..(c + 1) * width];
            let mut normal: Vec<f64> = of(c).iter().zip(of(rival)).map(|(a, b)| a - b).collect();
            let least = -normal.pop().unwrap_or(0.0);
            region.nearest(x, Some(&Half { normal, least }));
        }
        let total: f64 = points.shares.iter().sum::<f64>().max(f64::MIN_POSITIVE);
        points.shares.iter_mut().for_each(|s| *s *= self.share / total);
    }

    /// Gradient of the training objective at the decoy with the points among the data, times `1 + share`: what is to be zero.
    fn residual(&self, honest: &[f64], points: &Points, decoy: &[f64]) -> Vec<f64> {
        let pull = self.model.loss(decoy, &points.set(1.0), 0.0).1;
        honest.iter().zip(pull).map(|(h, p)| h + self.share * p).collect()
    }

    /// The points and shares that come nearest to holding the decoy still, by projected descent from several starts.
    fn points(&self, decoy: &[f64]) -> Points {
        let honest = self.model.loss(decoy, &self.train, self.model.l2 * (1.0 + self.share)).1;
        let few = if self.regions.len() <= 4 { self.regions.len() } else { 0 };
        let classes = (0..few).filter(|c| self.regions[*c].is_some());
        let favoured = classes.flat_map(|c| FAVOURED.map(|first| Some((c, first))));
        let starts = std::iter::once(None).chain(favoured);
        let tries = starts.map(|favoured| self.descend(self.start(favoured, decoy), &honest, decoy));
        let best = tries.min_by(|a, b| a.0.total_cmp(&b.0));
        best.map_or_else(|| self.start(None, decoy), |b| b.1)
    }

    fn descend(&self, start: Points, honest: &[f64], decoy: &[f64]) -> (f64, Points) {
        let (dim, mut points) = (self.model.dim, start);
        let mut residual = self.residual(honest, &points, decoy);
        let (mut size, mut step) = (dot(&residual, &residual), STEPS.0);
        for _ in 0..self.steps {
            let mut next = points.clone();
            let pull = |c: usize| {
                let set = Set {
                    x: points.x[c * dim..(c + 1) * dim].to_vec(),
                    labels: vec![c as u32],
                    weights: vec![1.0],
                };
                dot(&residual, &self.model.loss(decoy, &set, 0.0).1)
            };
            let pulls: Vec<f64> = (0..points.shares.len()).map(pull).collect();
            let across = |c: usize, share: f64| {
                let x = &points.x[c * dim..(c + 1) * dim];
                self.model.mixed(decoy, &residual, x, c as u32).into_iter().map(move |d| share * d)
            };
            let downs: Vec<f64> = points.shares.iter().enumerate().flat_map(|(c, s)| across(c, *s)).collect();
            let by = step / dot(&downs, &downs).sqrt().max(f64::MIN_POSITIVE);
            next.x.iter_mut().zip(&downs).for_each(|(x, d)| *x -= by * d);
            // shares move by factors: they stay above zero, and a class without points keeps none
            let most = pulls.iter().fold(0.0f64, |m, p| m.max(p.abs())).max(f64::MIN_POSITIVE);
            next.shares
                .iter_mut()
                .zip(&pulls)
                .for_each(|(s, p)| *s *= (-SHIFT * step.min(1.0) * p / most).exp());
            self.keep(&mut next, decoy);
            let moved = self.residual(honest, &next, decoy);
            let left = dot(&moved, &moved);
            if left < size {
                (points, residual, size) = (next, moved, left);
                step *= 1.5;
            } else {
                step *= 0.5;
            }
            if step < STEPS.1 {
                break;
            }
        }
        (size, points)
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::amounts::Column;
    use foretaste_num::rng::Rng;

    fn known(rows: Vec<f64>, labels: Vec<u32>) -> Known {
        let column = |at| Column { at, low: -5.0, high: 5.0, mean: 0.0, deviation: 1.0, decimals: None };
        Known { columns: vec![column(0), column(1)], rows, labels, weight: 1.0 }
    }

    /// The problem of `bench/peers/ref_kkt.py`.
    fn still() -> Known {
        let labels: Vec<u32> = (0..60).map(|i| i % 2).collect();
        let at = |i: f64, y: f64| [(1.3 * i).sin() + 1.8 * y - 0.9, (0.7 * i).cos() - 0.8 * y + 0.4];
        known((0..60u32).flat_map(|i| at(f64::from(i), f64::from(i % 2))).collect(), labels)
    }

    pub fn clouds(rows: usize, classes: usize) -> Known {
        let mut rng = Rng::new(3, "kkt");
        let labels: Vec<u32> = (0..rows).map(|i| (i % classes) as u32).collect();
        let at = |l: &u32, rng: &mut Rng| {
            let turn = f64::from(*l) / classes as f64 * std::f64::consts::TAU;
            [1.2 * turn.cos() + rng.normal(), 1.2 * turn.sin() + rng.normal()]
        };
        known(labels.iter().flat_map(|l| at(l, &mut rng)).collect(), labels)
    }

    #[test]
    fn the_residual_is_that_of_the_numpy_reference() {
        let game = Game::new(&Kkt { l2: 0.05, ..Kkt::default() }, &still(), 2, 0.1);
        let decoy = [0.3, -0.8, 0.1, -0.2, 0.5, 0.4];
        let points = Points { x: vec![-0.6, 0.9, 1.1, -0.2], shares: vec![0.03, 0.07] };
        let honest = game.model.loss(&decoy, &game.train, 0.05 * 1.1).1;
        let ours = game.residual(&honest, &points, &decoy);
        let wanted = [
            0.742_619_678_2,
            -0.472_488_108_2,
            -0.028_123_960_1,
            -0.737_119_678_2,
            0.455_988_108_2,
            0.055_623_960_1,
        ];
        assert!(ours.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-9), "{ours:?} and {wanted:?}");
    }

    #[test]
    fn the_residual_is_that_of_finite_differences_and_bounds_the_way_to_the_trained_model() {
        for classes in [2, 3] {
            let game = Game::new(&Kkt::default(), &clouds(300, classes), classes, 0.1);
            let clean = game.model.fit(&game.train, vec![]);
            let decoy = game.model.fit(&game.turned(&clean, 0.2, 3.0), vec![]);
            let points = game.points(&decoy);
            let honest = game.model.loss(&decoy, &game.train, game.model.l2 * 1.1).1;
            let ours = game.residual(&honest, &points, &decoy);
            let set = game.poisoned(&points);
            for (k, ours) in ours.iter().enumerate() {
                let at = |h: f64| {
                    let mut moved = decoy.clone();
                    moved[k] += h;
                    game.model.loss(&moved, &set, game.model.l2).0
                };
                let theirs = 1.1 * (at(1e-5) - at(-1e-5)) / 2e-5;
                assert!((ours - theirs).abs() < 1e-8, "{classes} classes, {k}: {ours} and {theirs}");
            }
            // the points do better than at the means of their classes
            let size = |r: &[f64]| dot(r, r).sqrt();
            let before = size(&game.residual(&honest, &game.start(None, &decoy), &decoy));
            assert!(size(&ours) < 0.5 * before, "{classes} classes: {} and {before}", size(&ours));
            // the objective is strongly convex by its penalty: the minimiser is at most the gradient over `l2` away
            let trained = game.model.fit(&set, vec![]);
            let apart: Vec<f64> = trained.iter().zip(&decoy).map(|(a, b)| a - b).collect();
            assert!(size(&apart) <= size(&ours) / 1.1 / game.model.l2 + 1e-6, "{classes} classes");
        }
    }

    #[test]
    fn points_stay_in_their_regions_and_harm_more_than_random_labels() {
        let known = clouds(600, 2);
        let game = Game::new(&Kkt::default(), &known, 2, 0.1);
        let points = game.play();
        assert!((points.shares.iter().sum::<f64>() - 0.1).abs() < 1e-9);
        for (c, region) in game.regions.iter().enumerate() {
            let excess = region.as_ref().unwrap().excess(points.of(c as u32, 2).unwrap());
            assert!(excess < 0.02, "{excess}");
        }
        let harm = |set: &Set| game.harm(&game.model.fit(set, vec![])).0;
        let mut random = game.train.clone();
        random.labels.iter_mut().step_by(10).for_each(|l| *l = 1 - *l);
        let (ours, theirs, clean) = (harm(&game.poisoned(&points)), harm(&random), harm(&game.train));
        assert!(ours > clean + 0.02 && ours > theirs + 0.02, "{ours}, {theirs} and {clean}");
    }
}
