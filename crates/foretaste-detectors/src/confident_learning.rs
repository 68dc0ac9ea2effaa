//! Labels that a model which did not see the sample contradicts.

use crate::gather::{Flat, Gathered, PerRow, row_at};
use crate::planted::Planted;
use foretaste_core::{
    Batch, Ctx, Detect, Error, Growth, Kind, Lead, MISSING, Needs, ParamValue, Result, Role, Step, Suspicion, Table,
};
use foretaste_macros::Catalogue;
use foretaste_num::confident::{self, Options, Rule, Score};
use foretaste_num::label_calibration::label_calibration;
use foretaste_num::label_null::label_null;
use foretaste_num::label_pairs::{Moved, along, moved};
use foretaste_num::label_ways::ways;
use serde_json::Value;

/// Labels that the rest of the data contradict, judged by a model that did not see the sample.
///
/// # What it finds
/// Wrong labels: scattered errors, random flips; and labels that were moved from one class to another, which it names.
///
/// # How it works
/// Class probabilities come from the user's own model (role `prob`) or are made out of fold by a built-in surrogate.
/// They are calibrated on the given labels with a temperature, a noise floor and, for two classes, an offset; a transition
/// matrix between true and given classes is fitted by EM. Suspicion is the probability that the given label is wrong. Its
/// p-value is the share of honest labels that would look as bad, computed from the calibrated probabilities themselves, so no
/// rate of errors is asked for. The rules and scores of confident learning are there too: with `rule` one of them decides which labels
/// are called wrong (they have no false-alarm level), with `score` one of them orders.
///
/// *Moved labels*: a model learns them and is not surprised. But among the samples that are surely of class `a`, natural
/// confusion with `b` dies out, and labels that somebody moved to `b` do not. Their number in the sure half is compared with
/// the same class's other wrong labels, with the labels `b` of other classes and with the reverse direction; the p-value is
/// exact given the sums and corrected for the number of directions. Who was moved is read off an isotonic regression of
/// the labels on the odds of the two classes. Where every class is moved to another, and few of each, no pair stands out: all
/// labels that are more probably wrong than right are compared with labels dealt at random and with confusion that goes both
/// ways, and the regression is that of all directions together.
///
/// # Threat model
/// The attacker changes labels, by chance or between two classes, and the majority of labels near each sample is right.
///
/// # Cost
/// The surrogate: five fits. The rest is linear in rows times classes (times classes again for the transition matrix,
/// up to a limit, then noise is taken as uniform). State is the probabilities.
///
/// # Blind spots
/// Flips concentrated in a region or in copies: the surrogate learns them and is not surprised. Features that do not
/// determine the class: honest labels look no better than wrong ones, and little is found. Backdoors. A pair is not named
/// if a class has fewer than about 40 samples that the model gives to it, if most of the class was moved, or, of two
/// classes, if the reverse direction is as frequent (that is what random flips look like). A plan needs three directions.
///
/// # Example
/// ```text
/// foretaste scan train.csv --only confident-learning --set confident-learning.rule=prune-by-noise-rate
/// ```
///
/// # References
/// Northcutt, Jiang, Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR 2021.
/// Heyse, "A False Discovery Rate Procedure for Categorical Data", 2011.
/// Besag, Clifford, "Sequential Monte Carlo p-values", Biometrika 1991.
/// Przyborowski, Wilenski, "Homogeneity of Results in Testing Samples from Poisson Series", 1940 (comparing two counts).
#[derive(Clone, Debug, Default, Catalogue)]
pub struct ConfidentLearning {
    /// Which labels are called wrong: `fdr` keeps the stated false-discovery level, the others are published rules.
    pub rule: Decide,
    /// What orders: `wrong-label` is the probability of a wrong label, the others are published scores.
    pub score: Order,
}

/// Values of the parameter `rule`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Decide {
    /// Benjamini-Hochberg on the p-values.
    #[default]
    Fdr,
    /// A rule of confident learning.
    Published(Rule),
}

impl ParamValue for Decide {
    const KIND: &'static str = "string";
    const CHOICES: &'static [&'static str] = &[
        "fdr",
        "prune-by-noise-rate",
        "prune-by-class",
        "both",
        "confident-learning",
        "predicted-neq-given",
        "low-self-confidence",
        "low-normalized-margin",
    ];
    fn read(value: &Value) -> std::result::Result<Self, String> {
        match value.as_str() {
            Some("fdr") => Ok(Self::Fdr),
            Some(s) => s.parse().map(Self::Published).map_err(|_| choices(value, Self::CHOICES)),
            None => Err(choices(value, Self::CHOICES)),
        }
    }
    fn write(&self) -> Value {
        match self {
            Self::Fdr => "fdr".into(),
            Self::Published(rule) => rule.name().into(),
        }
    }
}

/// Values of the parameter `score`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Probability of a wrong label.
    #[default]
    WrongLabel,
    /// A score of confident learning.
    Published(Score),
}

impl ParamValue for Order {
    const KIND: &'static str = "string";
    const CHOICES: &'static [&'static str] =
        &["wrong-label", "self-confidence", "normalized-margin", "confidence-weighted-entropy"];
    fn read(value: &Value) -> std::result::Result<Self, String> {
        match value.as_str() {
            Some("wrong-label") => Ok(Self::WrongLabel),
            Some(s) => s.parse().map(Self::Published).map_err(|_| choices(value, Self::CHOICES)),
            None => Err(choices(value, Self::CHOICES)),
        }
    }
    fn write(&self) -> Value {
        match self {
            Self::WrongLabel => "wrong-label".into(),
            Self::Published(score) => score.name().into(),
        }
    }
}

fn choices(value: &Value, known: &[&str]) -> String {
    format!("{value} is none of {}", known.join(", "))
}

impl Detect for ConfidentLearning {
    type State = Gathered;
    type Model = Planted;

    fn needs(&self) -> Needs {
        Needs::all(&[Role::Label, Role::Prob]).growing(Growth::Data)
    }

    fn start(&self) -> Gathered {
        Gathered::default()
    }

    fn fold(&self, state: &mut Gathered, batch: &Batch, _ctx: &Ctx) -> Result<()> {
        if let Some(probs) = &batch.probs {
            state.push(batch, probs);
        }
        Ok(())
    }

    fn merge(&self, into: &mut Gathered, from: Gathered) -> Result<()> {
        into.merge(from);
        Ok(())
    }

    fn fit(&self, state: Gathered, ctx: &Ctx) -> Result<Step<Gathered, Planted>> {
        let mut flat = state.flatten("confident-learning")?;
        let classes = flat.cols;
        if flat.labels.iter().any(|l| *l != MISSING && *l as usize >= classes) {
            let reason = format!("there are more classes than the {classes} columns of probabilities");
            return Err(Error::Unfit { entry: "confident-learning".into(), reason });
        }
        repair(&mut flat.values, classes, ctx);
        let calibration = label_calibration(&flat.values, &flat.labels, classes);
        let null = label_null(&calibration.q0, &flat.labels, classes, calibration.floor);
        let pairs = moved(&calibration.q0, &flat.labels, classes);
        let issues = self.published(&flat)?;
        let score = match (&self.score, &issues) {
            (Order::Published(_), Some(issues)) => issues.score.iter().map(|q| 1.0 - q).collect(),
            _ if null.wrong.len() == flat.labels.len() => null.wrong,
            _ => vec![0.0; flat.labels.len()],
        };
        let mut suspicion = Suspicion {
            score,
            p_value: Some(if null.p_value.is_empty() { vec![1.0; flat.labels.len()] } else { null.p_value }),
            expected: Some(if null.expected.is_empty() { vec![MISSING; flat.labels.len()] } else { null.expected }),
            picked: issues.map(|i| i.flagged).filter(|_| self.rule != Decide::Fdr),
            probable: self.score == Order::WrongLabel && self.rule == Decide::Fdr,
        };
        if self.score == Order::WrongLabel {
            pairs.iter().for_each(|pair| informed(&mut suspicion, pair));
        }
        let mut leads: Vec<Lead> = pairs.iter().map(|pair| lead(pair, &flat.runs, ctx)).collect();
        if suspicion.probable {
            leads.extend(plan(&mut suspicion, &calibration.q0, &flat, ctx));
        }
        Ok(Step::Ready(Planted {
            per_row: PerRow { runs: flat.runs, suspicion },
            leads,
            ..Planted::default()
        }))
    }

    fn score(&self, model: &Planted, batch: &Batch, _ctx: &Ctx) -> Result<Suspicion> {
        Ok(model.per_row.score(batch))
    }

    fn leads(&self, model: &Planted, _ctx: &Ctx) -> Result<Vec<Lead>> {
        Ok(model.leads.clone())
    }
}

/// What is known once a pair is: its samples are as likely wrong as the pair says.
fn informed(suspicion: &mut Suspicion, pair: &Moved) {
    for (i, wrong) in &pair.samples {
        let i = *i as usize;
        suspicion.score[i] = suspicion.score[i].max(*wrong);
        if let Some(expected) = &mut suspicion.expected {
            expected[i] = pair.from;
        }
    }
}

/// Corrected p-value above which a plan says nothing.
const PLAIN: f64 = 0.05;
/// Probability from which on a label counts as wrong.
const WRONG: f32 = 0.5;

/// The lead that labels go from class to class by a plan, if the wrong ones do; its samples are as likely wrong as it says.
fn plan(suspicion: &mut Suspicion, q0: &[f32], flat: &Flat, ctx: &Ctx) -> Option<Lead> {
    let expected = suspicion.expected.as_mut()?;
    let known = |l: u32| (l as usize) < flat.cols;
    let doubted = |i: &usize| suspicion.score[*i] > WRONG && known(flat.labels[*i]) && known(expected[*i]);
    let rows = (0..flat.labels.len()).filter(doubted);
    let wrong: Vec<(u32, u32)> = rows.map(|i| (expected[i], flat.labels[i])).collect();
    let found = ways(&wrong, &ctx.profile().class_counts, 0).filter(|w| w.p_value <= PLAIN)?;
    let mut directions = found.pairs;
    directions.sort_by_key(|(a, b, n)| (std::cmp::Reverse(*n), *a, *b));
    let on: Vec<(u32, u32)> = directions.iter().map(|(a, b, _)| (*a, *b)).collect();
    for (i, from, wrong) in along(q0, &flat.labels, flat.cols, &on) {
        let i = i as usize;
        suspicion.score[i] = suspicion.score[i].max(wrong);
        expected[i] = from;
    }
    let member = |i: &usize| suspicion.score[*i] > WRONG && on.contains(&(expected[*i], flat.labels[*i]));
    let members = (0..flat.labels.len()).filter(member).map(|i| row_at(&flat.runs, i as u64)).collect();
    let mut lead = Lead::new(Kind::LabelPoisoning, "labels moved from class to class by a plan", members);
    lead.family = "class-plan".into();
    lead.p_value = Some(found.p_value);
    lead.statistic = ("directions".into(), on.len() as f64);
    lead.why.push(format!(
        "{} labels are probably wrong. {} of {} classes that lost two samples or more lost most of them to one other class, which did not lose as many to them. Labels dealt at random do not go together like that, and confusion goes both ways (p = {:.1e}, the larger of two tests by draws, with 1e-4 as the least possible).",
        wrong.len(), on.len(), found.classes, found.p_value
    ));
    let name = |c: u32| ctx.profile().classes.get(c as usize).map_or_else(|| c.to_string(), Clone::clone);
    lead.tables.push(Table {
        title: "directions of the plan".into(),
        header: vec!["from".into(), "to".into(), "probably wrong".into()],
        rows: directions.iter().map(|(a, b, n)| vec![name(*a), name(*b), n.to_string()]).collect(),
    });
    Some(lead)
}

fn lead(pair: &Moved, runs: &[(u64, u64)], ctx: &Ctx) -> Lead {
    let name = |c: u32| ctx.profile().classes.get(c as usize).map_or_else(|| c.to_string(), Clone::clone);
    let (from, to) = (name(pair.from), name(pair.to));
    let mut members: Vec<u64> = pair.samples.iter().map(|(i, _)| row_at(runs, u64::from(*i))).collect();
    members.sort_unstable();
    let mut lead = Lead::new(Kind::LabelPoisoning, format!("labels moved from `{from}` to `{to}`"), members);
    lead.family = "class-pair".into();
    lead.class = Some(pair.to);
    lead.p_value = Some(pair.p_value);
    lead.statistic = ("sure".into(), pair.hits as f64);
    let share = 100.0 * pair.hits as f64 / pair.sure as f64;
    lead.why.push(format!(
        "Of {} samples that are surely `{from}` by their content, {} are labelled `{to}` ({share:.1} %); scattered noise and natural confusion would leave at most {} there (p = {:.1e}, corrected for the number of pairs).",
        pair.sure, pair.hits, few(pair.expected), pair.p_value
    ));
    lead.tables.push(Table {
        title: "among the samples that are surely of the first class".into(),
        header: vec!["from".into(), "to".into(), "samples".into(), "moved".into(), "expected".into()],
        rows: vec![vec![from, to, pair.sure.to_string(), pair.hits.to_string(), format!("{:.1}", pair.expected)]],
    });
    lead
}

/// A number of samples that may be less than one.
fn few(expected: f64) -> String {
    if expected >= 0.95 { format!("{expected:.0}") } else { "one".into() }
}

impl ConfidentLearning {
    /// The published rule and score, over the labelled rows; rows without a label are put back unflagged.
    fn published(&self, flat: &Flat) -> Result<Option<confident::Issues>> {
        let options = Options {
            rule: if let Decide::Published(rule) = self.rule { rule } else { Rule::default() },
            score: if let Order::Published(score) = self.score { score } else { Score::default() },
            ..Options::default()
        };
        if self.rule == Decide::Fdr && self.score == Order::WrongLabel {
            return Ok(None);
        }
        let labelled: Vec<usize> = (0..flat.labels.len()).filter(|&i| flat.labels[i] != MISSING).collect();
        let labels: Vec<u32> = labelled.iter().map(|&i| flat.labels[i]).collect();
        let probs: Vec<f32> =
            labelled.iter().flat_map(|&i| flat.values[i * flat.cols..(i + 1) * flat.cols].iter().copied()).collect();
        let found = confident::find_label_issues(&labels, &probs, flat.cols, &options)
            .map_err(|e| Error::Unfit { entry: "confident-learning".into(), reason: e.to_string() })?;
        let mut whole = confident::Issues {
            flagged: vec![false; flat.labels.len()],
            score: vec![1.0; flat.labels.len()],
            joint: found.joint,
        };
        for (at, i) in labelled.into_iter().enumerate() {
            whole.flagged[i] = found.flagged[at];
            whole.score[i] = found.score[at];
        }
        Ok(Some(whole))
    }
}

/// Rows that are no distribution (NaN, negative, sum far from 1) become one: renormalised, or uniform if nothing is left.
fn repair(values: &mut [f32], classes: usize, ctx: &Ctx) {
    let mut repaired = 0;
    for row in values.chunks_exact_mut(classes.max(1)) {
        let sum: f32 = row.iter().sum();
        if row.iter().all(|p| *p >= 0.0) && (sum - 1.0).abs() < 1e-3 {
            continue;
        }
        repaired += 1;
        row.iter_mut().for_each(|p| *p = if p.is_finite() { p.max(0.0) } else { 0.0 });
        let sum: f32 = row.iter().sum();
        let n = row.len() as f32;
        row.iter_mut().for_each(|p| *p = if sum > 0.0 && sum.is_finite() { *p / sum } else { 1.0 / n });
    }
    if repaired > 0 {
        ctx.note(format!("{repaired} rows of class probabilities did not sum to 1 and were normalised"));
    }
}
