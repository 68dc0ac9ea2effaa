//! What an attacker takes for the features of the victim: fixed ones that everybody knows, or those of a network of their own.

use crate::surrogate::{self, Canvas, Surrogate, canvases};
use foretaste_core::{Ctx, Error, Pool, Result};
use foretaste_num::cnn::Cnn;
use foretaste_num::hog;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

foretaste_core::choices! {
    /// What the attacker takes for the victim's features.
    pub enum Look {
        /// Histograms of gradients: the fixed features that `softmax-regression` and the other models without a network read.
        Histograms = "histograms",
        /// The hidden layers of a few small networks that the attacker trains on the data: what fools all of them is more likely to
        /// fool another.
        Network = "network",
    }
}

/// Learned features.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Eye {
    /// Histograms of gradients, standardised as the data are.
    Histograms {
        /// Colours of the pictures.
        colours: usize,
        /// Mean of each number.
        mean: Vec<f32>,
        /// One over its deviation, 0 for constants.
        scale: Vec<f32>,
    },
    /// Networks that differ in their first weights and in what order they learned.
    Network(Vec<Surrogate>),
}

/// Features, ready to be computed.
pub enum Sight<'a> {
    /// As in [`Eye::Histograms`].
    Histograms {
        /// Colours of the pictures.
        colours: usize,
        /// Mean of each number.
        mean: &'a [f32],
        /// One over its deviation.
        scale: &'a [f32],
    },
    /// Networks; their features stand one after another.
    Network(Vec<Cnn>),
}

impl Eye {
    /// Learns from pictures drawn from the data by the seed, clean as they are.
    pub fn learn(look: Look, entry: &str, data: &dyn Pool, ctx: &Ctx) -> Result<Self> {
        if look == Look::Network {
            return Ok(Self::Network(Surrogate::train_some(entry, data, ctx)?));
        }
        let picked = surrogate::sample(entry, data, ctx)?;
        let (_, canvases) = canvases(&picked);
        if canvases.is_empty() {
            let reason =
                "no sample has both a picture and a label; give the column with pictures the role `image`";
            return Err(Error::Unfit { entry: entry.into(), reason: reason.into() });
        }
        let colours = if canvases.iter().any(Canvas::coloured) { 3 } else { 1 };
        let rows: Vec<Vec<f32>> = canvases.par_iter().map(|canvas| histograms(canvas, colours)).collect();
        let n = rows.len() as f64;
        let (mut sum, mut square) = (vec![0f64; hog::width(colours)], vec![0f64; hog::width(colours)]);
        for row in &rows {
            for ((s, q), v) in sum.iter_mut().zip(&mut square).zip(row) {
                *s += f64::from(*v);
                *q += f64::from(*v).powi(2);
            }
        }
        let mean = sum.iter().map(|s| (s / n) as f32).collect();
        let scale = sum.iter().zip(&square).map(|(s, q)| {
            let variance = q / n - (s / n).powi(2);
            if variance > 1e-12 { variance.sqrt().recip() as f32 } else { 0.0 }
        });
        Ok(Self::Histograms { colours, mean, scale: scale.collect() })
    }

    /// Ready to be computed.
    pub fn open(&self) -> Result<Sight<'_>> {
        Ok(match self {
            Self::Histograms { colours, mean, scale } => Sight::Histograms { colours: *colours, mean, scale },
            Self::Network(surrogates) => {
                Sight::Network(surrogates.iter().map(Surrogate::network).collect::<Result<_>>()?)
            }
        })
    }
}

fn histograms(canvas: &Canvas<'_>, colours: usize) -> Vec<f32> {
    hog::features(&canvas.seen(hog::SIDE, colours), &canvas.seen(hog::THUMB, colours), colours)
}

impl Sight<'_> {
    /// Side and colours of the pictures that are looked at.
    pub fn size(&self) -> (usize, usize) {
        match self {
            Self::Histograms { colours, .. } => (hog::SIDE, *colours),
            Self::Network(networks) => {
                networks.first().map_or((0, 0), |n| (n.shape().side, n.shape().colours))
            }
        }
    }

    /// Features of canvases, one row after another.
    pub fn features(&self, canvases: &[Canvas<'_>]) -> Vec<f32> {
        match self {
            Self::Histograms { colours, mean, scale } => {
                let standard = |canvas: &Canvas<'_>| -> Vec<f32> {
                    let row = histograms(canvas, *colours);
                    row.iter().zip(mean.iter().zip(*scale)).map(|(v, (m, s))| (v - m) * s).collect()
                };
                let rows: Vec<Vec<f32>> = canvases.par_iter().map(standard).collect();
                rows.concat()
            }
            Self::Network(networks) => {
                let (side, colours) = self.size();
                let seen = surrogate::inputs(canvases, side, colours);
                let each: Vec<(usize, Vec<f32>)> =
                    networks.iter().map(|n| (n.shape().hidden, n.features(&seen))).collect();
                (0..canvases.len())
                    .flat_map(|i| each.iter().flat_map(move |(h, f)| &f[i * h..(i + 1) * h]))
                    .copied()
                    .collect()
            }
        }
    }

    /// Gradients of the canvases' values, of `sum_j weights[i, j] * feature_j(canvas i)`.
    pub fn gradients(&self, canvases: &[Canvas<'_>], weights: &[f32]) -> Vec<Vec<f32>> {
        match self {
            Self::Histograms { colours, scale, .. } => {
                let each = canvases.par_iter().zip(weights.par_chunks_exact(scale.len().max(1)));
                each.map(|(canvas, weights)| {
                    let weights: Vec<f32> = weights.iter().zip(*scale).map(|(w, s)| w * s).collect();
                    let (square, thumb) =
                        (canvas.seen(hog::SIDE, *colours), canvas.seen(hog::THUMB, *colours));
                    let (of_square, of_thumb) = hog::gradient(&square, &thumb, *colours, &weights);
                    let mut out = canvas.back(&of_square, hog::SIDE, *colours);
                    let coarse = canvas.back(&of_thumb, hog::THUMB, *colours);
                    out.iter_mut().zip(coarse).for_each(|(o, c)| *o += c);
                    out
                })
                .collect()
            }
            Self::Network(networks) => {
                let (side, colours) = self.size();
                let seen = surrogate::inputs(canvases, side, colours);
                let width: usize = networks.iter().map(|n| n.shape().hidden).sum();
                let (mut d, mut first) = (vec![0f32; seen.len()], 0);
                for network in networks {
                    let h = network.shape().hidden;
                    let own: Vec<f32> =
                        weights.chunks_exact(width).flat_map(|w| &w[first..first + h]).copied().collect();
                    let of = network.feature_input_gradient(&seen, &own);
                    d.iter_mut().zip(of).for_each(|(d, o)| *d += o);
                    first += h;
                }
                surrogate::back(canvases, &d, side, colours)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surrogate::tests::network;

    #[test]
    fn gradients_are_those_of_finite_differences() {
        // drawn: where colours or directions tie, there is no gradient
        let mut rng = foretaste_num::rng::Rng::new(4, "eye");
        let pixels = (0..19 * 14 * 3).map(|_| rng.below(256) as u8).collect();
        let image = foretaste_core::Image { width: 19, height: 14, channels: 3, pixels };
        for eye in [
            Eye::Histograms { colours: 3, mean: vec![0.1; hog::width(3)], scale: vec![2.0; hog::width(3)] },
            Eye::Network(vec![network(3, 7), network(3, 8)]),
        ] {
            let sight = eye.open().unwrap();
            let mut canvas = [Canvas::new(&image)];
            let weights: Vec<f32> =
                (0..sight.features(&canvas).len()).map(|j| (j % 7) as f32 - 3.0).collect();
            let gradient = sight.gradients(&canvas, &weights).concat();
            let mut value = |at: usize, h: f32| {
                canvas[0].now[at] += h;
                let sum: f64 = sight
                    .features(&canvas)
                    .iter()
                    .zip(&weights)
                    .map(|(f, w)| f64::from(*f) * f64::from(*w))
                    .sum();
                canvas[0].now[at] -= h;
                sum
            };
            let (mut smooth, mut all) = (0, 0);
            for at in (0..gradient.len()).step_by(61) {
                let (down, here, up) = (value(at, -2e-3), value(at, 0.0), value(at, 2e-3));
                let want = (up - down) / 4e-3;
                all += 1;
                // at a kink the two sides differ, and there is no gradient
                if ((up - here) - (here - down)).abs() / 2e-3 > 0.1 * (1.0 + want.abs()) {
                    continue;
                }
                smooth += 1;
                let got = f64::from(gradient[at]);
                assert!((got - want).abs() < 0.1 * (1.0 + want.abs()), "{at}: {got} and {want}");
            }
            assert!(2 * smooth >= all, "{smooth} of {all} places are smooth");
        }
    }
}
