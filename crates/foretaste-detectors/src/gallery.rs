//! Pictures in pieces: the state of detectors that look at all of them at once.

use crate::gather::add_run;
use crate::planted::by_content;
use foretaste_core::{Batch, MISSING};
use foretaste_num::pictures::Pictures;
use foretaste_num::rng::mix;
use serde::{Deserialize, Serialize};

/// Pictures and their labels, in any order.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Gallery {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Piece {
    first_row: u64,
    labels: Vec<u32>,
    pixels: Vec<u8>,
    shape: (usize, usize, usize),
}

impl Gallery {
    pub fn add(&mut self, batch: &Batch) {
        let labels = batch.labels.as_ref().map_or_else(|| vec![MISSING; batch.rows()], |l| l.to_vec());
        let (pixels, shape) = match &batch.pixels {
            Some(p) => (p.values().to_vec(), (p.width, p.height, p.channels)),
            None => (vec![], (0, 0, 0)),
        };
        self.pieces.push(Piece { first_row: batch.first_row, labels, pixels, shape });
    }

    pub fn merge(&mut self, from: Self) {
        self.pieces.extend(from.pieces);
    }

    /// All pictures in an order that depends on nothing but what they show.
    pub fn hung(mut self) -> Hung {
        self.pieces.sort_by_key(|p| p.first_row);
        let (mut runs, mut labels, mut pixels) = (vec![], vec![], vec![]);
        let shape = self.pieces.first().map_or((0, 0, 0), |p| p.shape);
        for p in self.pieces {
            add_run(&mut runs, p.first_row, p.labels.len() as u64);
            labels.extend(p.labels);
            pixels.extend(p.pixels);
        }
        let size = shape.0 * shape.1 * shape.2;
        if pixels.len() != size * labels.len() {
            pixels.clear();
        }
        let view = |i: usize| pixels.get(i * size..(i + 1) * size).unwrap_or_default();
        let order = by_content(labels.len(), |i| (content(view(i)), labels[i]));
        let sorted = order.iter().flat_map(|i| view(*i)).copied().collect();
        let given = order.iter().map(|i| labels[*i]).collect();
        Hung { runs, labels, order, sorted, given, shape }
    }
}

/// Pictures in the order of their content.
pub struct Hung {
    /// Runs of rows as they came.
    pub runs: Vec<(u64, u64)>,
    /// Labels as they came.
    pub labels: Vec<u32>,
    /// Which row each place holds.
    pub order: Vec<usize>,
    sorted: Vec<u8>,
    /// Labels by place.
    pub given: Vec<u32>,
    shape: (usize, usize, usize),
}

impl Hung {
    /// The pictures by place.
    pub fn pictures(&self) -> Pictures<'_> {
        let (width, height, channels) = self.shape;
        Pictures { pixels: &self.sorted, width, height, channels }
    }
}

/// A number that stands for the content of a picture.
fn content(pixels: &[u8]) -> u64 {
    pixels.iter().fold(0, |h, p| mix(h ^ u64::from(*p)))
}
