//! Labels changed around one sample: a region that ends at a sphere.

use crate::gather::{Flat, Gathered, PerRow, row_at};
use crate::planted::{PLAIN, Planted, by_content};
use foretaste_core::{Batch, Ctx, Detect, Growth, Kind, Lead, Needs, Result, Role, Step, Suspicion, p_words};
use foretaste_macros::Catalogue;
use foretaste_num::label_region::{Region, RegionOptions, Regions, regions};

/// Labels of the samples nearest to one sample, changed together.
///
/// # What it finds
/// Targeted label flips: the samples nearest to an input that the attacker wants misread, or of one kind of customer or message,
/// relabelled as a whole. They vouch for each other, so that neighbours and flexible models learn them.
///
/// # How it works
/// Around each sample the labels of all others are put in order of distance. Where labels were changed around it, nearly all
/// within some distance are of one class, and right beyond it many are not: a sphere that cuts through samples which
/// belong together. Honest classes do not end like that: their share changes slowly with the distance and along the direction
/// in which the classes differ elsewhere, or whoever is near has the same label, too. The evidence is the log-likelihood that
/// the sphere gains over the better of these two explanations, each with the coefficients that suit it best. Members
/// are the samples of the class within the sphere, but those whose neighbours outside have the label as well.
///
/// # Threat model
/// The attacker sets labels and chooses what is near in vectors like those that are scanned: those of a public model, or made of
/// the columns or words as here.
///
/// # Cost
/// The distances of all rows to at most `rows` of them, and a partial sort of each. State is the vectors.
///
/// # Blind spots
/// Regions chosen by distances in which other samples are near than in the vectors that are scanned (another model, other weights
/// of words), or by a rule or a cluster instead of a ball: their edge is blurred, and nothing is found. Fewer than some 40
/// samples, or fewer than one in 200. A ball that holds most of a class. More than half of the samples beyond the surface
/// with the same label. Where classes overlap, part of the members had the label before.
///
/// # Example
/// ```text
/// foretaste scan train.csv --only label-region
/// ```
///
/// # References
/// Jagielski et al., "Subpopulation Data Poisoning Attacks", CCS 2021 (the attack). Kulldorff, "A Spatial Scan Statistic", 1997
/// (balls around each sample, compared by likelihood; the two explanations in place of a constant share are ours).
#[derive(Clone, Debug, Catalogue)]
pub struct LabelRegion {
    /// Most rows whose labels are looked at; more are sampled. Every row is tried as a centre.
    #[param(min = 100, max = 1000000)]
    pub rows: usize,
    /// Fewest samples of a region, among the rows that are looked at.
    #[param(min = 5, max = 1000000)]
    pub least: usize,
}

impl Default for LabelRegion {
    fn default() -> Self {
        let o = RegionOptions::default();
        Self { rows: o.rows, least: o.least }
    }
}

/// Share of the neighbours outside a region from which a member is taken to have its label without anybody's doing.
const OWN: f64 = 0.5;

/// Share of the label beyond the surface from which the report says that some members may have it rightly.
const SOME: f64 = 0.1;

impl Detect for LabelRegion {
    type State = Gathered;
    type Model = Planted;

    fn needs(&self) -> Needs {
        Needs::all(&[Role::Label, Role::Embedding]).growing(Growth::Data)
    }

    fn start(&self) -> Gathered {
        Gathered::default()
    }

    fn fold(&self, state: &mut Gathered, batch: &Batch, _ctx: &Ctx) -> Result<()> {
        if let Some(vectors) = &batch.vectors {
            state.push(batch, vectors);
        }
        Ok(())
    }

    fn merge(&self, into: &mut Gathered, from: Gathered) -> Result<()> {
        into.merge(from);
        Ok(())
    }

    fn fit(&self, state: Gathered, ctx: &Ctx) -> Result<Step<Gathered, Planted>> {
        let flat = state.flatten("label-region")?;
        let names = &ctx.profile().classes;
        let (order, found) = self.look(&flat, names.len(), ctx.seed());
        let mut score = vec![0f32; flat.labels.len()];
        let mut leads = vec![];
        for region in &found.regions {
            for (at, own) in &region.members {
                let score = &mut score[order[*at]];
                *score = score.max((region.nats * (1.0 - own)) as f32);
            }
            let p = (found.tried as f64 * (-region.nats).exp()).min(1.0);
            if p <= PLAIN {
                leads.push(lead(region, p, names, &flat.labels, &order, |at| row_at(&flat.runs, at as u64)));
            }
        }
        let per_row = PerRow { runs: flat.runs, suspicion: Suspicion::uncalibrated(score) };
        Ok(Step::Ready(Planted { per_row, leads, tested: found.tried }))
    }

    fn score(&self, model: &Planted, batch: &Batch, _ctx: &Ctx) -> Result<Suspicion> {
        Ok(model.per_row.score(batch))
    }

    fn leads(&self, model: &Planted, _ctx: &Ctx) -> Result<Vec<Lead>> {
        Ok(model.leads.clone())
    }
}

impl LabelRegion {
    /// Regions by positions in an order that does not depend on where rows stand.
    fn look(&self, flat: &Flat, classes: usize, seed: u64) -> (Vec<usize>, Regions) {
        let order = by_content(flat.labels.len(), |i| (flat.bits(i), flat.labels[i]));
        let (values, labels) = flat.in_order(&order);
        let options = RegionOptions { rows: self.rows, least: self.least, seed, ..RegionOptions::default() };
        let found = regions(&values, flat.cols, &labels, classes, &options);
        (order, found)
    }
}

fn lead(
    region: &Region,
    p: f64,
    names: &[String],
    labels: &[u32],
    order: &[usize],
    row: impl Fn(usize) -> u64,
) -> Lead {
    let name = |c: u32| names.get(c as usize).map_or("", String::as_str);
    let class = name(region.class);
    let mut members: Vec<u64> =
        region.members.iter().filter(|m| m.1 < OWN).map(|m| row(order[m.0])).collect();
    members.sort_unstable();
    let around = region.around.map_or("other classes".to_owned(), |c| format!("`{}`", name(c)));
    let subject = format!("labels changed to `{class}` around one sample, among {around}");
    let centre = order[region.centre];
    let mut lead = Lead::new(Kind::LabelPoisoning, subject, members);
    lead.family = Lead::REGION.into();
    lead.statistic = ("nats".into(), region.nats);
    lead.numbers.push((Lead::CENTRE.into(), row(centre) as f64));
    lead.p_value = Some(p);
    lead.class = Some(region.class);
    let of = region.around.map_or("all".to_owned(), |c| format!("`{class}` and `{}`", name(c)));
    lead.why.push(format!(
        "Of the {} samples nearest to that one ({of}), {:.0} % are labelled `{class}`; of as many that come next, {:.0} %.",
        region.inside.0,
        100.0 * region.inside.1,
        100.0 * region.beyond
    ));
    if region.beyond >= SOME {
        lead.why.push(format!(
            "Up to {:.0} % of those may have had the label before: nothing tells them from the others.",
            100.0 * region.beyond
        ));
    }
    lead.why.push(format!(
        "No slow change with the distance or from class to class, and no neighbours, explain these labels as well as that sphere ({:.0} nats of likelihood less, {}, corrected for all samples and classes).",
        region.nats,
        p_words(p)
    ));
    let honest = region.members.iter().filter(|m| m.1 >= OWN).count();
    if honest > 0 {
        lead.why.push(format!("{honest} more samples in it are left out: their neighbours outside have the label, too."));
    }
    if labels.get(centre).is_some_and(|l| *l != region.class) {
        lead.why.push("The sample in the middle has another label: it may be what somebody wants to be misread.".into());
    }
    lead
}
