//! Fine patterns that all pictures of a class have in common, whatever they show.

use crate::gather::{PerRow, add_run, row_at};
use crate::planted::{PLAIN, Planted};
use foretaste_core::{Batch, Ctx, Detect, Growth, Kind, Lead, MISSING, Needs, Result, Role, Step, Suspicion, Table};
use foretaste_macros::Catalogue;
use foretaste_num::class_noise::{Patterns, Shape, class_noise};
use foretaste_num::rng::mix;
use serde::{Deserialize, Serialize};

/// Noise, one pattern a class, that a model can learn in place of what the pictures show.
///
/// # What it finds
/// Unlearnable data: a pattern that depends on the class alone was added to nearly all pictures. Models learn the pattern
/// and fail on pictures without it.
///
/// # How it works
/// The fine part of a picture is each pixel less its neighbours. The pattern of a class is the mean fine part of its
/// pictures less that of the others, taken from one half of the pictures and looked for in the other. Edges of honest pictures
/// are strong in one and weak in the next, so that the pattern's strength varies by half of its mean and more. What was
/// added varies little. The p-value of a class is that of so little variation if honest patterns varied by `natural` of their
/// mean at least (normal approximation, Bonferroni over classes). How many pictures the pattern alone names goes with it.
///
/// # Threat model
/// The attacker adds one and the same pattern to all pictures of a class and leaves labels as they are.
///
/// # Cost
/// One product of every picture with the pattern of every class. State is the pictures.
///
/// # Blind spots
/// Patterns that change from picture to picture; patterns on half of the pictures; smooth ones without edges. Pictures of
/// different sizes. `natural` is what was seen on few data sets, no law: drawn pictures and tiny ones (digits of 8 x 8 pixels)
/// are as alike as noise, so that the finding is for review.
///
/// # Example
/// ```text
/// foretaste scan signs.npz --only class-noise
/// ```
///
/// # References
/// Yu, Zhang, Chen, Yin, Liu, "Availability Attacks Create Shortcuts", KDD 2022 (the attack and that simple models see it). The
/// test of variation is ours.
#[derive(Clone, Debug, Catalogue)]
pub struct ClassNoise {
    /// Least variation of an honest class's pattern, as a share of its mean.
    #[param(min = 0.01, max = 10)]
    pub natural: f64,
}

impl Default for ClassNoise {
    fn default() -> Self {
        Self { natural: 0.4 }
    }
}

/// Pictures in pieces, in any order.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Pieces {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Piece {
    first_row: u64,
    labels: Vec<u32>,
    pixels: Vec<u8>,
    shape: (usize, usize, usize),
}

impl Detect for ClassNoise {
    type State = Pieces;
    type Model = Planted;

    fn needs(&self) -> Needs {
        Needs::all(&[Role::Label, Role::Image]).growing(Growth::Data)
    }

    fn start(&self) -> Pieces {
        Pieces::default()
    }

    fn fold(&self, state: &mut Pieces, batch: &Batch, _ctx: &Ctx) -> Result<()> {
        let labels = batch.labels.as_ref().map_or_else(|| vec![MISSING; batch.rows()], |l| l.to_vec());
        let (pixels, shape) = match &batch.pixels {
            Some(p) => (p.values().to_vec(), (p.width, p.height, p.channels)),
            None => (vec![], (0, 0, 0)),
        };
        state.pieces.push(Piece { first_row: batch.first_row, labels, pixels, shape });
        Ok(())
    }

    fn merge(&self, into: &mut Pieces, from: Pieces) -> Result<()> {
        into.pieces.extend(from.pieces);
        Ok(())
    }

    fn fit(&self, mut state: Pieces, ctx: &Ctx) -> Result<Step<Pieces, Planted>> {
        state.pieces.sort_by_key(|p| p.first_row);
        let (mut runs, mut labels, mut pixels) = (vec![], vec![], vec![]);
        let (width, height, channels) = state.pieces.first().map_or((0, 0, 0), |p| p.shape);
        for p in state.pieces {
            add_run(&mut runs, p.first_row, p.labels.len() as u64);
            labels.extend(p.labels);
            pixels.extend(p.pixels);
        }
        let shape = Shape { width, height, channels };
        let size = width * height * channels;
        // halves by content: they do not depend on the order of rows, and copies stay together
        let half = |i: usize| {
            let view = pixels.get(i * size..(i + 1) * size).unwrap_or_default();
            view.iter().fold(ctx.seed(), |h, p| mix(h ^ u64::from(*p))) & 1 == 1
        };
        let half: Vec<bool> = (0..labels.len()).map(half).collect();
        let names = &ctx.profile().classes;
        let found = class_noise(&pixels, shape, &labels, names.len(), &half, self.natural);
        let leads = lead(&found, &labels, &runs, names).into_iter().collect();
        let per_row = PerRow { runs, suspicion: Suspicion::uncalibrated(found.score) };
        Ok(Step::Ready(Planted { per_row, leads }))
    }

    fn score(&self, model: &Planted, batch: &Batch, _ctx: &Ctx) -> Result<Suspicion> {
        Ok(model.per_row.score(batch))
    }

    fn leads(&self, model: &Planted, _ctx: &Ctx) -> Result<Vec<Lead>> {
        Ok(model.leads.clone())
    }
}

/// The classes whose pattern varies too little, together.
fn lead(found: &Patterns, labels: &[u32], runs: &[(u64, u64)], names: &[String]) -> Option<Lead> {
    let tested = found.classes.iter().filter(|c| c.pictures > 0).count() as f64;
    let corrected = |c: usize| (found.classes[c].p_value * tested.max(1.0)).min(1.0);
    let mut odd: Vec<usize> = (0..found.classes.len()).filter(|c| corrected(*c) <= PLAIN).collect();
    odd.sort_by(|a, b| found.classes[*a].p_value.total_cmp(&found.classes[*b].p_value).then(a.cmp(b)));
    let first = *odd.first()?;
    let is_odd = |l: &u32| odd.contains(&(*l as usize));
    let rows: Vec<u64> =
        (0..labels.len()).filter(|i| is_odd(&labels[*i])).map(|i| row_at(runs, i as u64)).collect();
    let of = |f: &dyn Fn(usize) -> u64| odd.iter().map(|c| f(*c)).sum::<u64>();
    let named = of(&|c| found.classes[c].named) as f64 / of(&|c| found.classes[c].pictures).max(1) as f64;
    let subject = format!("a fine pattern in all pictures of {} of {} classes", odd.len(), names.len());
    let mut lead = Lead::new(Kind::Availability, subject, rows);
    lead.family = "class-noise".into();
    lead.statistic = ("share of pictures whose class the pattern alone names".into(), named);
    lead.p_value = Some(corrected(first));
    lead.why.push(format!(
        "Each pixel less its neighbours, these classes have patterns of their own that hardly vary from picture to picture, whatever it shows (p = {:.1e} if they varied as in honest pictures, corrected for all classes). The patterns alone name the class of {:.0} % of the pictures, judged by patterns of other pictures.",
        corrected(first),
        100.0 * named
    ));
    let cells = odd.iter().take(20).map(|c| {
        let k = &found.classes[*c];
        let share = 100.0 * k.named as f64 / k.pictures.max(1) as f64;
        let name = names.get(*c).cloned().unwrap_or_default();
        vec![name, k.pictures.to_string(), format!("{:.2}", k.variation), format!("{share:.0} %")]
    });
    lead.tables.push(Table {
        title: "classes with a pattern".into(),
        header: vec!["class".into(), "pictures".into(), "variation over mean".into(), "named by it".into()],
        rows: cells.collect(),
    });
    Some(lead)
}
