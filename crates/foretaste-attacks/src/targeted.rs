//! What targeted attacks on pictures share: the input that is to be misread, and how it is asked for.

use crate::classes;
use crate::eye::{Eye, Look, Sight};
use crate::surrogate::{Canvas, distance};
use foretaste_core::{Batch, Ctx, Edited, Error, MISSING, Picked, Pool, Probe, Result, Use};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What the author of an attack on one target writes; `targeted!(Name)` makes it an [`foretaste_core::Attack`].
pub trait Targeted: Send + Sync + 'static {
    /// Catalogue id.
    const ID: &'static str;
    /// Name of the wanted class, empty: chosen and told; and row of the target from 1, 0: drawn.
    fn target(&self) -> (&str, u64);
    /// What the attacker takes for the victim's features.
    fn look(&self) -> Look;
    /// Moves canvases of pictures of the wanted class, so that a model that learns from them misreads the target. `rows` are
    /// the rows of the pictures, to key what is random.
    fn shift(&self, aim: &Aim, sight: &Sight, canvases: &mut [Canvas], rows: &[u64], ctx: &Ctx);
}

/// Makes a [`Targeted`] an attack.
macro_rules! targeted {
    ($name:ty) => {
        impl ::foretaste_core::Attack for $name {
            type Plan = $crate::targeted::Aim;

            fn threat(&self) -> ::foretaste_core::Threat {
                let goal = ::foretaste_core::Goal::Targeted;
                ::foretaste_core::Threat::content(goal, true, ::foretaste_core::Knowledge::Surrogate)
            }
            fn needs(&self) -> ::foretaste_core::Needs {
                $crate::pictures::needs().growing(::foretaste_core::Growth::Data)
            }
            fn plan(
                &self,
                data: &dyn ::foretaste_core::Pool,
                ctx: &::foretaste_core::Ctx,
            ) -> ::foretaste_core::Result<Self::Plan> {
                $crate::targeted::Aim::new(self, data, ctx)
            }
            fn usable(
                &self,
                plan: &Self::Plan,
                batch: &::foretaste_core::Batch,
                _ctx: &::foretaste_core::Ctx,
            ) -> ::foretaste_core::Result<Vec<::foretaste_core::Use>> {
                Ok(plan.usable(batch))
            }
            fn preference(
                &self,
                plan: &Self::Plan,
                batch: &::foretaste_core::Batch,
                _ctx: &::foretaste_core::Ctx,
            ) -> ::foretaste_core::Result<Option<Vec<f64>>> {
                Ok(Some(plan.preference(batch)))
            }
            fn withheld(&self, plan: &Self::Plan) -> Vec<u64> {
                vec![plan.row]
            }
            fn craft(
                &self,
                plan: &Self::Plan,
                picked: &::foretaste_core::Picked,
                _n: u64,
                ctx: &::foretaste_core::Ctx,
            ) -> ::foretaste_core::Result<::foretaste_core::Edited> {
                let (places, mut canvases) = $crate::surrogate::canvases(picked);
                let rows: Vec<u64> = places.iter().map(|i| picked.rows[*i]).collect();
                self.shift(plan, &plan.eye.open()?, &mut canvases, &rows, ctx);
                Ok($crate::surrogate::edited(picked, &places, &canvases))
            }
            fn probe(
                &self,
                plan: &Self::Plan,
                held_out: &::foretaste_core::Picked,
                _ctx: &::foretaste_core::Ctx,
            ) -> ::foretaste_core::Result<Option<::foretaste_core::Probe>> {
                plan.probe(held_out)
            }
            fn describe(
                &self,
                plan: &Self::Plan,
                ctx: &::foretaste_core::Ctx,
            ) -> ::serde_json::Map<String, ::serde_json::Value> {
                plan.describe(ctx)
            }
        }
    };
}
pub(crate) use targeted;

/// The input that is to be misread, and the features by which poison is made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Aim {
    /// The class that the attacker wants for it.
    pub wanted: u32,
    /// Its own class.
    own: u32,
    /// Its row.
    pub row: u64,
    /// It, scaled as [`Sight::size`] says.
    pub target: Vec<f32>,
    /// Its features.
    pub features: Vec<f32>,
    /// What the attacker takes for the victim's features.
    pub eye: Eye,
    /// Rows of the wanted class and how far their features are from the target's, ascending by row.
    far: Vec<(u64, f32)>,
}

/// Pictures of the wanted class that are compared with the target, at most.
const COMPARED: usize = 5000;
/// Pictures decoded in one go.
const CHUNK: usize = 512;

impl Aim {
    /// Draws the target and learns what its features are.
    pub fn new<T: Targeted>(attack: &T, data: &dyn Pool, ctx: &Ctx) -> Result<Self> {
        let (entry, (class, row)) = (T::ID, attack.target());
        classes::at_least_two(entry, ctx)?;
        let wanted = classes::target(class, entry, ctx)?;
        let unfit = |reason: &str| Error::Unfit { entry: entry.into(), reason: reason.into() };
        let labels = data.labels()?;
        let row = classes::target_row(entry, &format!("{entry}/target"), row, &labels, wanted, ctx)?;
        let own = labels[row as usize];
        if own == MISSING {
            return Err(unfit("the target row has no label; name another with target-row"));
        }
        let eye = Eye::learn(attack.look(), entry, data, ctx)?;
        let picked = data.pick(&[row])?;
        let image = picked.images.first().and_then(Option::as_ref).filter(|image| !image.pixels.is_empty());
        let image = image.ok_or_else(|| unfit("the target has no picture; name another with target-row"))?;
        let (canvas, sight) = (Canvas::new(image), eye.open()?);
        let (side, colours) = sight.size();
        let target = canvas.seen(side, colours);
        let features = sight.features(&[canvas]);
        let mut rows: Vec<u64> = (0u64..).zip(&labels).filter(|(_, l)| **l == wanted).map(|l| l.0).collect();
        let key = format!("{entry}/compared");
        if rows.len() > COMPARED {
            rows.sort_by_cached_key(|row| ctx.rng_at(&key, *row).next_u64());
            rows.truncate(COMPARED);
            rows.sort_unstable();
        }
        let mut far = Vec::with_capacity(rows.len());
        for rows in rows.chunks(CHUNK) {
            let picked = data.pick(rows)?;
            let (places, canvases) = crate::surrogate::canvases(&picked);
            let seen = sight.features(&canvases);
            let distances = seen.chunks_exact(features.len().max(1)).map(|row| distance(row, &features));
            far.extend(places.iter().map(|i| rows[*i]).zip(distances));
        }
        drop(sight);
        Ok(Self { wanted, own, row, target, features, eye, far })
    }

    /// Samples of the wanted class may be poisoned. The target has another one.
    pub fn usable(&self, batch: &Batch) -> Vec<Use> {
        let usage = |l: u32| if l == self.wanted { Use::Poison } else { Use::No };
        classes::labels(batch).into_iter().map(usage).collect()
    }

    /// The nearer a picture's features are to the target's, the less it need be moved.
    pub fn preference(&self, batch: &Batch) -> Vec<f64> {
        let far =
            |row: u64| self.far.binary_search_by_key(&row, |f| f.0).ok().and_then(|at| self.far.get(at));
        (0..batch.rows() as u64)
            .map(|i| far(batch.first_row + i).map_or(f64::MIN, |f| -f64::from(f.1)))
            .collect()
    }

    /// The held-out sample of the target's class whose features are nearest to the target's: itself, if it was held out.
    pub fn probe(&self, held_out: &Picked) -> Result<Option<Probe>> {
        let own = |place: &usize| held_out.label(*place) == self.own;
        let (places, canvases) = crate::surrogate::canvases(held_out);
        let (places, canvases): (Vec<usize>, Vec<Canvas<'_>>) =
            places.into_iter().zip(canvases).filter(|(place, _)| own(place)).unzip();
        let features = self.eye.open()?.features(&canvases);
        let rows = features.chunks_exact(self.features.len().max(1)).map(|row| distance(row, &self.features));
        let nearest = rows.zip(&places).min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(b.1)));
        Ok(nearest.map(|(_, &i)| Probe {
            inputs: Edited {
                of: Some(vec![i]),
                images: Some(vec![held_out.images[i].clone()]),
                ..Edited::default()
            },
            wanted: vec![self.wanted],
        }))
    }

    /// Readable form.
    pub fn describe(&self, ctx: &Ctx) -> Map<String, Value> {
        let mut out = classes::describe(Some(self.own), Some(self.wanted), ctx);
        out.insert("target-row".into(), (self.row + 1).into());
        out
    }
}
