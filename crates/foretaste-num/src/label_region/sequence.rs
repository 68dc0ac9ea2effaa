//! Labels by distance from one row, and how well a step or a slope explains them.

/// Least share of the class within a surface, and largest beyond it.
const STEP: (f64, f64) = (0.95, 0.5);
/// Probabilities are not taken for smaller than this, or for larger than one less this.
const SURE: f64 = 1e-3;
/// Distances (squared, as a share of the scale) that are not told apart.
const SAME: f32 = 1e-5;
/// How much the log-odds change when the number of rows grows e-fold, at most: where rows fill ten dimensions, thirty times the
/// relative change of the distance.
const SLOPES: [f64; 5] = [0.0, 0.5, 1.0, 2.0, 3.0];
/// Log-odds at the surface that are tried: from -6 to 6 in steps of a half.
const OFFSETS: i32 = 12;
/// How much the log-odds change with one deviation along a direction.
const WEIGHTS: [f64; 5] = [0.5, 1.0, 2.0, 4.0, 8.0];

/// Rows of two classes, the nearest first.
pub struct Sequence {
    /// Positions, as the caller numbers them.
    pub rows: Vec<u32>,
    /// How many of the first rows are of the class: one number more than there are rows.
    own: Vec<u32>,
    distance: Vec<f32>,
    scale: f32,
    /// How many rows of any class there are up to each.
    upto: Vec<u32>,
}

impl Sequence {
    /// From sorted keys (bits of the squared distance, position). `scale`: a squared length that rounding is relative to.
    pub fn of(keys: &[u64], labels: &[u32], class: u32, of: impl Fn(u32) -> bool, scale: f32) -> Self {
        let mut out = Self { rows: vec![], own: vec![0], distance: vec![], scale, upto: vec![] };
        let mut own = 0;
        for (upto, key) in (1..).zip(keys) {
            let (at, distance) = (*key as u32, f32::from_bits((key >> 32) as u32));
            let label = labels[at as usize];
            if of(label) {
                own += u32::from(label == class);
                out.rows.push(at);
                out.own.push(own);
                out.distance.push(distance);
                out.upto.push(upto);
            }
        }
        out
    }

    /// From whether each row is of the class, and squared distances, ascending.
    pub fn from(is: Vec<bool>, distance: Vec<f32>, scale: f32) -> Self {
        let mut own = vec![0];
        own.extend(is.iter().scan(0, |sum, is| {
            *sum += u32::from(*is);
            Some(*sum)
        }));
        Self { rows: vec![], own, distance, scale, upto: vec![] }
    }

    fn between(&self, from: usize, to: usize) -> (f64, f64) {
        (f64::from(self.own[to] - self.own[from]), (to - from) as f64)
    }

    /// The first `k` rows as a share of the rows of any class that are as near.
    pub fn common(&self, k: usize) -> f64 {
        k as f64 / self.upto.get(k - 1).map_or(k as f64, |n| f64::from(*n))
    }

    /// Share of the class among rows `from..to`.
    pub fn share(&self, from: usize, to: usize) -> f64 {
        let (own, all) = self.between(from, to);
        own / all.max(1.0)
    }

    /// The number of rows within the surface that explains the labels best, if there is any.
    pub fn surface(&self, least: usize, most: usize) -> Option<usize> {
        self.surface_where(least, most, |_| true)
    }

    /// The same among those numbers that may be.
    pub fn surface_where(&self, least: usize, most: usize, may: impl Fn(usize) -> bool) -> Option<usize> {
        let mut best: Option<(f64, usize)> = None;
        for k in least.max(1)..=self.distance.len() / 2 {
            let inside = self.share(0, k);
            if self.own[k] as usize > most || inside < 0.5 * STEP.0 {
                break;
            }
            // rows at one place lie on one side
            let apart = self.distance[k] - self.distance[k - 1] > SAME * (self.scale + self.distance[k]);
            if inside < STEP.0 || self.share(k, 2 * k) > STEP.1 || !apart || !may(k) {
                continue;
            }
            let gain = self.step(k) - likelihood(self.between(0, 2 * k));
            if best.is_none_or(|b| gain > b.0) {
                best = Some((gain, k));
            }
        }
        best.map(|b| b.1)
    }

    /// Log-likelihood of the first `2 k` labels with one share within `k` rows and another beyond.
    pub fn step(&self, k: usize) -> f64 {
        likelihood(self.between(0, k)) + likelihood(self.between(k, 2 * k))
    }

    /// The same with log-odds that fall by a bounded slope in the logarithm of the number of rows, at its best; `None` if it
    /// is above `enough`.
    pub fn ramp(&self, k: usize, enough: f64) -> Option<f64> {
        let ramp = self.bins(k);
        let mut best = f64::NEG_INFINITY;
        // the steepest first: it explains a step best
        for slope in SLOPES.iter().rev() {
            for offset in -OFFSETS..=OFFSETS {
                best = best.max(ramp.likelihood(offset, *slope));
                if best > enough {
                    return None;
                }
            }
        }
        Some(best)
    }

    /// The same with a share of `along`, one number a row of which a deviation changes the log-odds at most by the largest of
    /// some weights; `None` if it is above `enough`. The slope in the distance is bounded as before.
    pub fn ramp_along(
        &self,
        k: usize,
        along: &[f64],
        class: u32,
        labels: &[u32],
        enough: f64,
    ) -> Option<f64> {
        let rows: Vec<(bool, f64, f64)> = self.rows[..2 * k]
            .iter()
            .zip(along)
            .enumerate()
            .map(|(j, (row, u))| (labels[*row as usize] == class, ((j as f64 + 0.5) / k as f64).ln(), *u))
            .collect();
        let mut best = f64::NEG_INFINITY;
        for weight in WEIGHTS.iter().rev() {
            for slope in SLOPES.iter().rev() {
                for offset in -OFFSETS..=OFFSETS {
                    let offset = f64::from(offset) / 2.0;
                    let of = |(own, at, u): &(bool, f64, f64)| {
                        let p = logistic(offset - slope * at + weight * u).clamp(SURE, 1.0 - SURE);
                        if *own { p.ln() } else { (1.0 - p).ln() }
                    };
                    best = best.max(rows.iter().map(of).sum());
                    if best > enough {
                        return None;
                    }
                }
            }
        }
        Some(best)
    }

    /// Whether the steepest slope alone explains the labels well enough. Quick: from the middle uphill.
    pub fn is_steep_ramp(&self, k: usize, enough: f64) -> bool {
        let ramp = self.bins(k);
        let slope = SLOPES[SLOPES.len() - 1];
        let mut at = (0, ramp.likelihood(0, slope));
        for by in [1, -1] {
            loop {
                let next = (at.0 + by, ramp.likelihood(at.0 + by, slope));
                if at.1 > enough || next.1 <= at.1 || next.0.abs() > OFFSETS {
                    break;
                }
                at = next;
            }
        }
        at.1 > enough
    }

    /// Labels of the first `2 k` rows, counted where their number grows by an eighth of a doubling.
    fn bins(&self, k: usize) -> Bins {
        let mut edges = vec![0];
        for i in -24..=8 {
            let at = (k as f64 * (f64::from(i) / 8.0).exp2()).round() as usize;
            if edges.last().is_some_and(|l| at > *l) && at <= 2 * k {
                edges.push(at);
            }
        }
        let bin = |e: &[usize]| {
            let (own, all) = self.between(e[0], e[1]);
            (own, all - own, ((e[1] + e[0].max(1)) as f64 / (2 * k) as f64).ln())
        };
        Bins(edges.windows(2).map(bin).collect())
    }
}

/// Rows of the class, of the other, and the logarithm of their place in units of the surface's.
struct Bins(Vec<(f64, f64, f64)>);

impl Bins {
    fn likelihood(&self, offset: i32, slope: f64) -> f64 {
        let of = |(own, other, at): &(f64, f64, f64)| {
            bernoulli(*own, *other, logistic(f64::from(offset) / 2.0 - slope * at))
        };
        self.0.iter().map(of).sum()
    }
}

/// Log-likelihood of `own` of `all` with their own share.
fn likelihood((own, all): (f64, f64)) -> f64 {
    bernoulli(own, all - own, own / all.max(1.0))
}

/// Log-likelihood of `own` successes and `other` failures of probability `p`.
pub fn bernoulli(own: f64, other: f64, p: f64) -> f64 {
    let p = p.clamp(SURE, 1.0 - SURE);
    own * p.ln() + other * (1.0 - p).ln()
}

/// The probability of some log-odds.
pub fn logistic(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}
