//! Labels that models contradict which left out what fits worst, and what these samples do to a plain model.

use crate::gather::{Gathered, PerRow, row_at};
use crate::planted::{PLAIN, Planted, by_content, shared};
use foretaste_core::{Batch, Ctx, Detect, Growth, Kind, Lead, MISSING, Needs, Result, Role, Step, Suspicion, AtEffort, Effort};
use foretaste_macros::Catalogue;
use foretaste_num::stats::normal_sf;
use foretaste_num::trimmed::{Bench, Harm, TrimOptions, Trimmed};

/// Labels that turn a model round: far on the wrong side of one that was trained without what fits worst.
///
/// # What it finds
/// Attacks on the accuracy of models: labels changed where a linear model is hurt most, rows under wrong labels made to
/// harm it. Such samples vouch for each other and pull along every model that learns from all data.
///
/// # How it works
/// A stiff softmax regression on the vectors follows the bulk of each class. What fits worst is left out, three tenths of each
/// class, a softer model is fitted to the rest, and so on. Suspicion is the log-odds of another class against
/// the given one, by models that did not see the sample. Samples of one class of which such a model is sure that they
/// belong to another (odds of 55 to 1) are a group. A plain model is then trained with and without the group, and both
/// are asked about held-out samples of which the trimmed model is *not* sure: that choice does not look at labels, and
/// hardly any member is among them. McNemar's exact test, corrected for the number of groups, says whether the group
/// does harm; how much it does goes with it. Hard honest samples do harm, too, where a model has too few to learn from: so the
/// same is done three times under labels that were drawn from what held-out models say of the rows, and the group has to do
/// more harm than its like there. Where the trimmed models, when sure, meet the labels no more often than chance,
/// there is nothing to be harmed.
///
/// # Threat model
/// The attacker sets labels or adds rows, up to three tenths of a class, so that models go wrong in general.
///
/// # Cost
/// About 40 softmax regressions on at most 20,000 rows of at most 64 numbers; state is the vectors.
///
/// # Blind spots
/// Groups that do less harm than the test can see: few samples, classes that overlap so much that honest samples fill the
/// group. Poison beyond three tenths of a class is taken for the class. Harm is measured on a linear model. Honest samples
/// can do harm too, rare kinds of a class most of all: the group says what to look at, not who did it.
///
/// # Example
/// ```text
/// foretaste scan train.parquet --only trimmed-loss
/// ```
///
/// # References
/// Jagielski, Oprea, Biggio, Liu, Nita-Rotaru, Li, "Manipulating Machine Learning", IEEE S&P 2018 (TRIM, for regression). Shen,
/// Sanghavi, "Learning with Bad Training Data via Iterative Trimmed Loss Minimization", ICML 2019. The stiff start, the
/// trimming within classes and the test of harm are ours.
#[derive(Clone, Debug, Catalogue)]
pub struct TrimmedLoss {
    /// Share of each class that models are fitted on.
    #[param(min = 0.5, max = 1)]
    pub keep: f64,
    /// Most principal components of the vectors.
    #[param(min = 2, max = 512)]
    pub dims: usize,
    /// Most rows that models learn from.
    #[param(min = 100, max = 1000000)]
    pub rows: usize,
}

impl Default for TrimmedLoss {
    fn default() -> Self {
        let o = TrimOptions::default();
        Self { keep: o.keep, dims: o.dims, rows: o.max_rows }
    }
}

/// Log-odds (nats) from which the trimmed model is sure.
const SURE: f32 = 4.0;
/// Times that labels are drawn anew, to see what a group does that nobody made.
const DRAWS: u64 = 3;
/// Fewest samples of a group, and the most groups that are tried.
const LEAST: usize = 10;
const GROUPS: usize = 12;

impl Detect for TrimmedLoss {
    type State = Gathered;
    type Model = Planted;

    fn needs(&self) -> Needs {
        Needs::all(&[Role::Label, Role::Embedding]).growing(Growth::Data)
    }

    fn at(&self, effort: Effort) -> AtEffort {
        match effort {
            Effort::Quick => AtEffort::LeftOut,
            Effort::Normal => AtEffort::Same,
            Effort::Deep => AtEffort::With(&[("rows", 100_000)]),
        }
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
        let flat = state.flatten("trimmed-loss")?;
        let (cols, names) = (flat.cols, &ctx.profile().classes);
        let order = by_content(flat.labels.len(), |i| (flat.labels[i], flat.bits(i)));
        let (values, labels) = flat.in_order(&order);
        let options = TrimOptions {
            keep: self.keep,
            dims: self.dims,
            max_rows: self.rows,
            seed: ctx.seed(),
            ..TrimOptions::default()
        };
        let bench = Bench::new(&values, cols, &labels, names.len(), &options);
        let found = bench.trimmed();
        let score = shared(&order, |a, b| flat.same(a, b), &found.score);
        let mut leads = vec![];
        for group in harmful(&bench, &found, &labels, names.len()) {
            let mut at: Vec<usize> = group.rows.iter().map(|i| order[*i]).collect();
            at.sort_unstable();
            let members = at.iter().map(|i| row_at(&flat.runs, *i as u64)).collect();
            leads.push(lead(&group, members, names));
        }
        let per_row = PerRow { runs: flat.runs, suspicion: Suspicion::uncalibrated(score) };
        Ok(Step::Ready(Planted { per_row, leads, ..Planted::default() }))
    }

    fn score(&self, model: &Planted, batch: &Batch, _ctx: &Ctx) -> Result<Suspicion> {
        Ok(model.per_row.score(batch))
    }

    fn leads(&self, model: &Planted, _ctx: &Ctx) -> Result<Vec<Lead>> {
        Ok(model.leads.clone())
    }
}

/// A group that does harm.
struct Harmful {
    /// The class of which all have the label, if there is one.
    class: Option<u32>,
    /// Its p-value is corrected for all groups tried.
    harm: Harm,
    /// Share of samples that is gained without such a group under labels that nobody changed.
    innocent: f64,
    rows: Vec<usize>,
}

/// Groups that do harm.
fn harmful(bench: &Bench, found: &Trimmed, labels: &[u32], classes: usize) -> Vec<Harmful> {
    if !knows(found, labels, classes) {
        return vec![];
    }
    let keys = (0..classes as u32).map(Some).chain([None]);
    let mut groups: Vec<(Option<u32>, Vec<usize>)> = keys.map(|c| (c, group(found, labels, c))).collect();
    groups.retain(|g| g.1.len() >= LEAST);
    groups.sort_by_key(|g| (g.0.is_some(), std::cmp::Reverse(g.1.len()), g.0));
    groups.truncate(GROUPS);
    let tried = groups.len() as f64;
    let judge = |(class, rows): (Option<u32>, Vec<usize>)| {
        let mut harm = harm(bench, found, &rows);
        harm.p_value = (harm.p_value * tried).min(1.0);
        Harmful { class, harm, innocent: 0.0, rows }
    };
    let mut out: Vec<Harmful> =
        groups.into_iter().map(judge).filter(|group| group.harm.p_value <= PLAIN).collect();
    if out.is_empty() {
        return out;
    }
    let drawn: Vec<(Bench, Trimmed)> = bench.drawn(DRAWS).into_iter().map(|drawn| {
        let found = drawn.trimmed();
        (drawn, found)
    }).collect();
    for of in &mut out {
        let like = |(bench, found): &(Bench, Trimmed)| harm(bench, found, &group(found, bench.labels(), of.class));
        let innocent: Vec<Harm> = drawn.iter().map(like).collect();
        of.innocent = innocent.iter().map(Harm::gain).sum::<f64>() / innocent.len().max(1) as f64;
        of.harm.p_value = of.harm.p_value.max((beyond(&of.harm, &innocent) * tried).min(1.0));
    }
    out.retain(|group| group.harm.p_value <= PLAIN);
    out
}

/// Rows of which the trimmed models are sure that they belong to another class, with the label `class` if it is given.
fn group(found: &Trimmed, labels: &[u32], class: Option<u32>) -> Vec<usize> {
    let inside = |i: &usize| {
        let label = labels[*i];
        label != MISSING
            && found.sure[*i] > SURE
            && found.top[*i] != label
            && class.is_none_or(|c| c == label)
    };
    (0..labels.len()).filter(inside).collect()
}

/// What a group does to a plain model, judged by rows of which the trimmed models are not sure.
fn harm(bench: &Bench, found: &Trimmed, group: &[usize]) -> Harm {
    let mut members = vec![false; bench.labels().len()];
    group.iter().for_each(|i| members[*i] = true);
    bench.harm(&members, &|i| found.sure[i] <= SURE)
}

/// Probability of so many rows gained if the group were like the `innocent` ones: normal, both sides counted.
fn beyond(harm: &Harm, innocent: &[Harm]) -> f64 {
    let gained = |h: &Harm| h.better as f64 - h.worse as f64;
    let differ = |h: &Harm| (h.better + h.worse) as f64;
    let n = innocent.len().max(1) as f64;
    let expected = innocent.iter().map(gained).sum::<f64>() / n;
    let variance = differ(harm) + innocent.iter().map(differ).sum::<f64>() / (n * n);
    normal_sf((gained(harm) - expected) / variance.max(1.0).sqrt())
}

/// Whether what the trimmed models are sure of has to do with the labels: three standard deviations more agreements than if
/// both were exchanged at random. No row is judged by a model that saw its label, so that random labels agree by chance.
fn knows(found: &Trimmed, labels: &[u32], classes: usize) -> bool {
    let (mut agree, mut n) = (0.0, 0.0f64);
    let (mut tops, mut given) = (vec![0.0f64; classes], vec![0.0f64; classes]);
    for (i, label) in labels.iter().enumerate().filter(|(i, _)| found.sure[*i] > SURE) {
        let (top, label) = (found.top[i] as usize, *label as usize);
        if top < classes && label < classes {
            n += 1.0;
            agree += f64::from(u8::from(top == label));
            tops[top] += 1.0;
            given[label] += 1.0;
        }
    }
    let chance: f64 = tops.iter().zip(&given).map(|(t, g)| t * g).sum::<f64>() / n.max(1.0);
    agree > chance + 3.0 * (chance * (1.0 - chance / n.max(1.0))).sqrt()
}

fn lead(group: &Harmful, members: Vec<u64>, names: &[String]) -> Lead {
    let Harmful { class, harm, innocent, .. } = group;
    let name = class.and_then(|c| names.get(c as usize));
    let subject = name.map_or("labels of any class".to_owned(), |n| format!("label `{n}`"));
    let mut lead = Lead::new(Kind::Availability, subject, members);
    lead.statistic = ("share of samples gained without them".into(), harm.gain());
    lead.numbers.push((Lead::REPAIRED.into(), harm.repaired()));
    lead.p_value = Some(harm.p_value);
    lead.class = *class;
    let (low, high) = harm.interval();
    lead.why.push(
        "A model that was trained without what fits worst is sure that they belong to another class (odds of 55 to 1 and more)."
            .into(),
    );
    lead.why.push(format!(
        "Asked about {} held-out samples of which that model is not sure, a plain model trained without them is right on {} that it misses with them, and misses {} that it had: over all samples {:+.1} points of accuracy ({:+.1} to {:+.1}), {:.0} % of its errors. Where labels are drawn from what models say instead, such a group costs {:.1} points (p = {:.1e}, the larger of both tests, corrected for the groups tried).",
        harm.judged,
        harm.better,
        harm.worse,
        100.0 * harm.gain(),
        100.0 * low,
        100.0 * high,
        100.0 * harm.repaired(),
        100.0 * innocent,
        harm.p_value
    ));
    lead
}
