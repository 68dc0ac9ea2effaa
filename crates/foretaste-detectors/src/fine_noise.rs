//! Pictures of one class that carry more fine noise than what they show explains.

use crate::gather::{Gathered, PerRow, row_at};
use crate::planted::{PLAIN, Planted};
use foretaste_core::{
    Batch, Ctx, Detect, Growth, Kind, Lead, MISSING, Matrix, Needs, Result, Role, Step, Suspicion,
};
use foretaste_macros::Catalogue;
use foretaste_num::fine_noise::{Filters, LEAST_SIDE, describe_twice, width};
use foretaste_num::modes::widest_split;
use foretaste_num::pictures::Pictures;
use foretaste_num::stats::hypergeometric_sf;
use rayon::prelude::*;

/// Pictures that were moved a little, as optimisers do, under a label that stays right.
///
/// # What it finds
/// Clean-label and targeted poison in pictures: feature collisions, polytopes around a target, matched gradients, hidden
/// triggers, label-consistent backdoors. All of them move every pixel by some steps of a gradient, and that leaves noise
/// finer than anything the pictures show.
///
/// # How it works
/// Each picture is described by how strongly it bends at three scales, once as it is and once with noise put over it. The linear
/// discriminant between the two, learned from the data themselves, is a filter that sees noise and looks away from how honest
/// pictures differ. It is learned for each class from the pictures of the others, so that poison teaches nothing about itself, even
/// where it is half of its class. What it says orders the pictures. Each class is cut in two where both parts are farthest from each other
/// for their widths; that distance says whether some pictures of the class are of another kind, and an exact test whether as
/// many pictures of other classes are.
///
/// # Threat model
/// The attacker supplies some pictures of one class and changes their pixels, not their labels.
///
/// # Cost
/// A few passes over the pixels: less than a second for 10,000 pictures of 28 x 28. State is some 60 numbers a picture.
///
/// # Blind spots
/// Noise that all pictures carry, or pictures of all classes. A class beside which there are fewer than some sixty pictures. Pictures that are scaled down before they are looked at lose what
/// is finest. Perturbations that are smooth, or optimised against this filter. A class photographed with two cameras looks
/// the same: the finding says what was seen, not who did it. Pictures with a side below 6 pixels.
///
/// # Example
/// ```text
/// foretaste scan signs.npz --only fine-noise
/// ```
///
/// # References
/// Immerkaer, "Fast Noise Variance Estimation", 1996 (the mask). Fisher, "The Use of Multiple Measurements in Taxonomic
/// Problems", 1936 (the filter). Ashman, Bird, Zepf, "Detecting Bimodality in Astronomical Datasets", 1994 (the distance, here
/// without its root of two). Learning the filter from noise put over the data, without the class, is ours.
#[derive(Clone, Debug, Catalogue)]
pub struct FineNoise {
    /// Fewest pictures that are taken for a kind of their own.
    #[param(min = 3, max = 1000000)]
    pub least_rows: u32,
}

impl Default for FineNoise {
    fn default() -> Self {
        Self { least_rows: 10 }
    }
}

impl Detect for FineNoise {
    type State = Gathered;
    type Model = Planted;

    fn needs(&self) -> Needs {
        Needs::all(&[Role::Label, Role::Image]).growing(Growth::Data)
    }

    fn start(&self) -> Gathered {
        Gathered::default()
    }

    fn fold(&self, state: &mut Gathered, batch: &Batch, _ctx: &Ctx) -> Result<()> {
        let Some(p) = &batch.pixels else { return Ok(()) };
        let all =
            Pictures { pixels: p.values(), width: p.width, height: p.height, channels: p.channels };
        if all.width.min(all.height) < LEAST_SIDE || all.len() != batch.rows() {
            return Ok(());
        }
        let rows: Vec<Vec<f32>> = (0..all.len()).into_par_iter().map(|i| describe_twice(&all, i)).collect();
        state.push(batch, &Matrix::new(rows.concat(), 2 * width(all.channels)));
        Ok(())
    }

    fn merge(&self, into: &mut Gathered, from: Gathered) -> Result<()> {
        into.merge(from);
        Ok(())
    }

    fn fit(&self, state: Gathered, ctx: &Ctx) -> Result<Step<Gathered, Planted>> {
        let flat = state.flatten("fine-noise")?;
        let names = &ctx.profile().classes;
        let filters = Filters::new(&flat.values, flat.cols / 2, &flat.labels, names.len());
        let rows = flat.values.chunks_exact(flat.cols.max(1)).zip(&flat.labels);
        let score = rows.map(|(row, y)| filters.score(row, *y)).collect();
        let of = |c: u32| self.apart(c, &filters.scores(&flat.values, c), &flat.labels);
        let found: Vec<Option<Apart>> = (0..names.len() as u32).into_par_iter().map(of).collect();
        let leads = found
            .into_iter()
            .flatten()
            .filter(|f| f.p_value * names.len() as f64 <= PLAIN)
            .map(|f| f.lead(names, |at| row_at(&flat.runs, at as u64)))
            .collect();
        let per_row = PerRow { runs: flat.runs, suspicion: Suspicion::uncalibrated(score) };
        Ok(Step::Ready(Planted { per_row, leads, tested: names.len() }))
    }

    fn score(&self, model: &Planted, batch: &Batch, _ctx: &Ctx) -> Result<Suspicion> {
        Ok(model.per_row.score(batch))
    }

    fn leads(&self, model: &Planted, _ctx: &Ctx) -> Result<Vec<Lead>> {
        Ok(model.leads.clone())
    }
}

/// The noisier kind of pictures in a class.
struct Apart {
    class: u32,
    /// Positions, ascending.
    members: Vec<usize>,
    of: usize,
    separation: f64,
    /// Pictures of other classes that are as noisy, and how many there are.
    elsewhere: (u64, u64),
    p_value: f64,
}

impl FineNoise {
    fn apart(&self, class: u32, score: &[f32], labels: &[u32]) -> Option<Apart> {
        let own: Vec<usize> = (0..labels.len()).filter(|i| labels[*i] == class).collect();
        let values: Vec<f64> = own.iter().map(|i| f64::from(score[*i])).collect();
        let split = widest_split(&values, self.least_rows as usize)?;
        let (separation, cut) = (split.separation, split.cut);
        let members: Vec<usize> = own.iter().copied().filter(|i| f64::from(score[*i]) >= cut).collect();
        let others = || (0..labels.len()).filter(|i| labels[*i] != class && labels[*i] != MISSING);
        let as_noisy = others().filter(|i| f64::from(score[*i]) >= cut).count() as u64;
        let (rest, k) = (others().count() as u64, members.len() as u64);
        let all = rest + own.len() as u64;
        // at a fixed size of the upper part it is exact; the size was chosen among all
        let sizes = (own.len() + 1 - 2 * (self.least_rows as usize).min(own.len() / 2)) as f64;
        let p_value = (sizes * hypergeometric_sf(k, all, k + as_noisy, own.len() as u64)).min(1.0);
        let elsewhere = (as_noisy, rest);
        Some(Apart { class, members, of: own.len(), separation, elsewhere, p_value })
    }
}

impl Apart {
    fn lead(self, names: &[String], row: impl Fn(usize) -> u64) -> Lead {
        let name = names.get(self.class as usize).map_or("", String::as_str);
        let n = self.members.len();
        let mut lead = Lead::new(
            Kind::CleanLabel,
            format!("pictures of `{name}` with fine noise over them"),
            self.members.into_iter().map(row).collect(),
        );
        lead.members.sort_unstable();
        lead.statistic = ("separation".into(), self.separation);
        let (as_noisy, rest) = self.elsewhere;
        lead.numbers.push((Lead::ELSEWHERE.into(), as_noisy as f64 / rest.max(1) as f64));
        lead.p_value = Some((self.p_value * names.len() as f64).min(1.0));
        lead.class = Some(self.class);
        lead.why.push(format!(
            "{n} of {} pictures of `{name}` carry fine noise that the others of the class do not: two kinds of pictures, {:.1} standard deviations apart.",
            self.of, self.separation
        ));
        lead.why.push(format!(
            "Of {} pictures of other classes {} are as noisy (exact test, p = {:.1e}, corrected for the classes and cuts).",
            rest,
            as_noisy,
            lead.p_value.unwrap_or(1.0)
        ));
        lead
    }
}
