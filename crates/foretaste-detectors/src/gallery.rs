//! Pictures in pieces: the state of detectors that look at all of them at once.

use crate::gather::add_run;
use crate::planted::{Planted, by_content};
use foretaste_core::{AtEffort, Batch, Ctx, Effort, MISSING};
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
        let mut sorted = Vec::with_capacity(pixels.len());
        order.iter().for_each(|i| sorted.extend_from_slice(view(*i)));
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

/// What the author of a detector writes who looks at all pictures at once; [`of_pictures`] makes it a `Detect`.
pub trait OfPictures {
    /// Looks for what was planted.
    fn judge(&self, hung: &Hung, ctx: &Ctx) -> Planted;
    /// As in `Detect`.
    fn unseen(&self, _planted: &Planted, _ctx: &Ctx) -> Option<String> {
        None
    }
    /// As in `Detect`.
    fn at(&self, _effort: Effort) -> AtEffort {
        AtEffort::Same
    }
}

/// Makes an [`OfPictures`] a detector.
macro_rules! of_pictures {
    ($name:ty) => {
        impl ::foretaste_core::Detect for $name {
            type State = $crate::gallery::Gallery;
            type Model = $crate::planted::Planted;

            fn needs(&self) -> ::foretaste_core::Needs {
                use ::foretaste_core::{Growth, Needs, Role};
                Needs::all(&[Role::Label, Role::Image]).growing(Growth::Data)
            }
            fn at(&self, effort: ::foretaste_core::Effort) -> ::foretaste_core::AtEffort {
                $crate::gallery::OfPictures::at(self, effort)
            }
            fn start(&self) -> Self::State {
                Self::State::default()
            }
            fn fold(
                &self,
                state: &mut Self::State,
                batch: &::foretaste_core::Batch,
                _ctx: &::foretaste_core::Ctx,
            ) -> ::foretaste_core::Result<()> {
                state.add(batch);
                Ok(())
            }
            fn merge(&self, into: &mut Self::State, from: Self::State) -> ::foretaste_core::Result<()> {
                into.merge(from);
                Ok(())
            }
            fn fit(
                &self,
                state: Self::State,
                ctx: &::foretaste_core::Ctx,
            ) -> ::foretaste_core::Result<::foretaste_core::Step<Self::State, Self::Model>> {
                let planted = $crate::gallery::OfPictures::judge(self, &state.hung(), ctx);
                Ok(::foretaste_core::Step::Ready(planted))
            }
            fn score(
                &self,
                model: &Self::Model,
                batch: &::foretaste_core::Batch,
                _ctx: &::foretaste_core::Ctx,
            ) -> ::foretaste_core::Result<::foretaste_core::Suspicion> {
                Ok(model.per_row.score(batch))
            }
            fn leads(
                &self,
                model: &Self::Model,
                _ctx: &::foretaste_core::Ctx,
            ) -> ::foretaste_core::Result<Vec<::foretaste_core::Lead>> {
                Ok(model.leads.clone())
            }
            fn unseen(&self, model: &Self::Model, ctx: &::foretaste_core::Ctx) -> Option<String> {
                $crate::gallery::OfPictures::unseen(self, model, ctx)
            }
        }
    };
}
pub(crate) use of_pictures;

/// A number that stands for the content of a picture.
fn content(pixels: &[u8]) -> u64 {
    pixels.iter().fold(0, |h, p| mix(h ^ u64::from(*p)))
}
