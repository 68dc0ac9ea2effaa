//! Labels, errors or copies concentrated in one origin.

mod clock;

use self::clock::{Clock, times};
use crate::content;
use crate::gather::add_run;
use foretaste_core::{
    Batch, Ctx, Detect, Growth, Kind, Lead, MISSING, Needs, Result, Role, Step, Strings, Suspicion, Table,
};
use foretaste_macros::Catalogue;
use foretaste_num::bursts::bursts;
use foretaste_num::stats::{binomial_sf, hypergeometric_sf};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// Labels, errors or copies concentrated in one source, annotator or time window.
///
/// # What it finds
/// A supplier whose labels are wrong more often than its samples are hard, one that delivers more of one class
/// than the rest, one that repeats itself; an annotator who errs more than the others; a burst in time.
///
/// # How it works
/// For every value of every source or annotator column, and for every window of time (20 windows of equal size), three
/// exact one-sided tests: *errors*, the number of labels that are not the most probable class, against the binomial with
/// the mean that the class probabilities predict, scaled to the whole data set; *labels*, the number of each class
/// in the origin, hypergeometric against the rest; *copies*, the number of rows whose content stands more than once,
/// hypergeometric. *Bursts* of errors are looked for in all windows of 16 samples, 32, 64 and so on, too; what is listed is
/// the burst from its likeliest first sample to its likeliest last one. p-values are multiplied by the number of tests.
/// The binomial is at least as wide as the sum of unequal coins that it stands for, so the tests err on the safe side.
///
/// # Threat model
/// The attacker controls one source, account or time of delivery, not the majority of them.
///
/// # Cost
/// One pass, and an order by time; state is 40 bytes a row.
///
/// # Blind spots
/// Attackers who spread over many sources. Sources that differ for honest reasons are reported too, as what they are:
/// different. Sources of fewer than 5 rows. Bursts of fewer than some ten errors, or of copies or one class within less than a
/// window of time. Dates written with the day first.
///
/// # Example
/// ```text
/// foretaste scan reviews.csv --source reviewer --only source-skew
/// ```
///
/// # References
/// Fisher's exact test; Hoeffding, "On the Distribution of the Number of Successes in Independent Trials", 1956 (why the
/// binomial is safe).
#[derive(Clone, Debug, Catalogue)]
pub struct SourceSkew {
    /// Sources with fewer rows are not tested.
    #[param(min = 2)]
    pub min_rows: usize,
    /// Number of time windows of equal size.
    #[param(min = 2, max = 1000)]
    pub windows: usize,
}

impl Default for SourceSkew {
    fn default() -> Self {
        Self { min_rows: 5, windows: 20 }
    }
}

/// Origins of the rows, and what each test needs to know of them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Origins {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Piece {
    first_row: u64,
    rows: Vec<Row>,
    columns: Vec<(String, Vec<Option<String>>)>,
    times: Vec<(String, Clock, Vec<f64>)>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Row {
    content: u64,
    label: u32,
    wrong: Option<f32>,
    own: Option<f32>,
    predicted: u32,
}

/// p-value of a test, its lead, and the positions of its members.
type Tests = Vec<(f64, Lead, Vec<usize>)>;

/// Scores per row and the leads.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Skews {
    runs: Vec<(u64, u64)>,
    score: Vec<f32>,
    leads: Vec<Lead>,
}

impl Detect for SourceSkew {
    type State = Origins;
    type Model = Skews;

    fn needs(&self) -> Needs {
        Needs::any(&[Role::Source, Role::Annotator, Role::Time]).growing(Growth::Sketch(40))
    }

    fn start(&self) -> Origins {
        Origins::default()
    }

    fn fold(&self, state: &mut Origins, batch: &Batch, _ctx: &Ctx) -> Result<()> {
        let columns = batch.columns(|r| matches!(r, Role::Source | Role::Annotator)).map(|(name, column)| {
            let strings = Strings::new(column);
            (name.to_owned(), (0..batch.rows()).map(|i| strings.get(i).map(str::to_owned)).collect())
        });
        let columns = columns.collect();
        let times = batch
            .columns(|r| r == Role::Time)
            .map(|(name, column)| {
                let (clock, times) = times(column);
                (name.to_owned(), clock, times)
            })
            .collect();
        let content = content::hashes(batch);
        let rows = (0..batch.rows()).map(|i| row_of(batch, i, content[i].0)).collect();
        state.pieces.push(Piece { first_row: batch.first_row, rows, columns, times });
        Ok(())
    }

    fn merge(&self, into: &mut Origins, from: Origins) -> Result<()> {
        into.pieces.extend(from.pieces);
        Ok(())
    }

    fn fit(&self, mut state: Origins, ctx: &Ctx) -> Result<Step<Origins, Skews>> {
        state.pieces.sort_by_key(|p| p.first_row);
        let all = Whole::new(&state, ctx.profile().classes.len());
        let mut groups = groups_by_value(&state, self.min_rows);
        let calendars = calendars(&state);
        groups.extend(calendars.iter().flat_map(|c| c.windows(self.windows, self.min_rows)));
        let mut tests: Tests = vec![];
        let mut count = 0;
        for group in &groups {
            count += all.test(group, ctx, &mut tests);
        }
        for calendar in &calendars {
            count += all.test_bursts(calendar, self.windows, &mut tests);
        }
        let mut out = Skews { runs: all.runs.clone(), score: vec![0.0; all.rows.len()], leads: vec![] };
        for (p, mut lead, at) in tests {
            let adjusted = (p * count as f64).min(1.0);
            lead.p_value = Some(adjusted);
            let strength = (-adjusted.max(1e-300).log10()) as f32;
            at.iter().for_each(|&i| out.score[i] = out.score[i].max(strength));
            if adjusted < 1.0 {
                out.leads.push(lead);
            }
        }
        out.leads.sort_by(|a, b| a.p_value.unwrap_or(1.0).total_cmp(&b.p_value.unwrap_or(1.0)).then_with(|| a.subject.cmp(&b.subject)));
        Ok(Step::Ready(out))
    }

    fn score(&self, model: &Skews, batch: &Batch, _ctx: &Ctx) -> Result<Suspicion> {
        let per_row = crate::gather::PerRow { runs: model.runs.clone(), suspicion: Suspicion::uncalibrated(model.score.clone()) };
        Ok(per_row.score(batch))
    }

    fn leads(&self, model: &Skews, _ctx: &Ctx) -> Result<Vec<Lead>> {
        Ok(model.leads.clone())
    }
}

fn row_of(batch: &Batch, i: usize, content: u64) -> Row {
    let label = batch.labels.as_ref().map_or(MISSING, |l| l[i]);
    let probs = batch.probs.as_ref().map(|p| p.row(i)).filter(|p| (label as usize) < p.len());
    let top = probs.map(|p| p.iter().enumerate().fold((MISSING, -1.0f32), |b, (c, v)| if *v > b.1 { (c as u32, *v) } else { b }));
    Row {
        content,
        label,
        wrong: top.map(|(_, p)| (1.0 - p).clamp(0.0, 1.0)),
        own: probs.map(|p| p[label as usize]),
        predicted: top.map_or(MISSING, |(c, _)| c),
    }
}

/// Rows of one origin: positions in the whole.
struct Group {
    subject: String,
    at: Vec<usize>,
}

fn groups_by_value(state: &Origins, min_rows: usize) -> Vec<Group> {
    let mut by: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
    let mut first = 0;
    for piece in &state.pieces {
        for (name, values) in &piece.columns {
            for (i, value) in values.iter().enumerate() {
                if let Some(value) = value {
                    by.entry((name, value)).or_default().push(first + i);
                }
            }
        }
        first += piece.rows.len();
    }
    let few = by.into_iter().filter(|(_, at)| at.len() >= min_rows && at.len() < first);
    few.map(|((name, value), at)| Group { subject: format!("`{name}` = `{value}`"), at }).collect()
}

/// The rows of a time column in its order.
struct Calendar {
    name: String,
    clock: Clock,
    /// Time and position in the whole.
    rows: Vec<(f64, usize)>,
}

fn calendars(state: &Origins) -> Vec<Calendar> {
    let mut by: BTreeMap<&str, Calendar> = BTreeMap::new();
    let mut first = 0;
    for piece in &state.pieces {
        for (name, clock, times) in &piece.times {
            let known = times.iter().enumerate().filter(|(_, t)| t.is_finite());
            let calendar = by.entry(name).or_insert_with(|| Calendar { name: name.clone(), clock: *clock, rows: vec![] });
            calendar.rows.extend(known.map(|(i, t)| (*t, first + i)));
        }
        first += piece.rows.len();
    }
    let mut out: Vec<Calendar> = by.into_values().collect();
    out.iter_mut().for_each(|c| c.rows.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))));
    out
}

impl Calendar {
    /// Windows of equal size.
    fn windows(&self, windows: usize, min_rows: usize) -> Vec<Group> {
        let size = self.window(windows);
        let few = self.rows.chunks(size).filter(|w| w.len() >= min_rows && w.len() < self.rows.len());
        few.map(|window| self.group(window)).collect()
    }

    /// Rows of one window.
    fn window(&self, windows: usize) -> usize {
        self.rows.len().div_ceil(windows).max(1)
    }

    /// Some rows that follow each other.
    fn group(&self, rows: &[(f64, usize)]) -> Group {
        let mut at: Vec<usize> = rows.iter().map(|(_, i)| *i).collect();
        at.sort_unstable();
        let words = |r: Option<&(f64, usize)>| r.map(|r| self.clock.words(r.0)).unwrap_or_default();
        let subject = format!("`{}` from {} to {}", self.name, words(rows.first()), words(rows.last()));
        Group { subject, at }
    }
}

/// All rows in order, and the totals that groups are compared with.
struct Whole {
    runs: Vec<(u64, u64)>,
    row_numbers: Vec<u64>,
    rows: Vec<Row>,
    copied: Vec<bool>,
    class_counts: Vec<u64>,
    labelled: u64,
    copies: u64,
    /// Errors seen per error predicted.
    scale: f64,
}

impl Whole {
    fn new(state: &Origins, classes: usize) -> Self {
        let (mut runs, mut row_numbers, mut rows) = (vec![], vec![], vec![]);
        for piece in &state.pieces {
            add_run(&mut runs, piece.first_row, piece.rows.len() as u64);
            row_numbers.extend(piece.first_row..piece.first_row + piece.rows.len() as u64);
            rows.extend_from_slice(&piece.rows);
        }
        let mut times: HashMap<u64, u32> = HashMap::new();
        rows.iter().for_each(|r: &Row| *times.entry(r.content).or_default() += 1);
        let copied: Vec<bool> = rows.iter().map(|r| r.content != 0 && times[&r.content] > 1).collect();
        let mut class_counts = vec![0u64; classes];
        for r in &rows {
            if let Some(n) = class_counts.get_mut(r.label as usize) {
                *n += 1;
            }
        }
        let seen = rows.iter().filter(|r| is_error(r)).count() as f64;
        let predicted: f64 = rows.iter().filter_map(|r| r.wrong).map(f64::from).sum();
        let copies = copied.iter().filter(|c| **c).count() as u64;
        let labelled = class_counts.iter().sum();
        let scale = if predicted > 0.0 { (seen / predicted).max(1.0) } else { 1.0 };
        Self { runs, row_numbers, rows, copied, class_counts, labelled, copies, scale }
    }

    /// Errors within less than a window of time.
    fn test_bursts(&self, calendar: &Calendar, windows: usize, out: &mut Tests) -> usize {
        let rows: Vec<(f64, usize)> = calendar.rows.iter().copied().filter(|(_, i)| self.is_judged(*i)).collect();
        let hit: Vec<bool> = rows.iter().map(|(_, i)| is_error(&self.rows[*i])).collect();
        let mean: Vec<f64> = rows.iter().map(|(_, i)| self.mean(*i)).collect();
        let seen = bursts(&hit, &mean, calendar.window(windows));
        for burst in &seen.found {
            self.errors(&calendar.group(&rows[burst.start..burst.end]), Some(burst.p_value), out);
        }
        seen.tested
    }

    /// Whether a row has a label and a model that says something about it.
    fn is_judged(&self, i: usize) -> bool {
        self.rows[i].label != MISSING && self.rows[i].wrong.is_some()
    }

    /// How many errors are expected of a row.
    fn mean(&self, i: usize) -> f64 {
        self.rows[i].wrong.map_or(0.0, f64::from) * self.scale
    }

    /// Runs the tests of one group; returns how many there were.
    fn test(&self, group: &Group, ctx: &Ctx, out: &mut Tests) -> usize {
        let known: Vec<usize> = group.at.iter().copied().filter(|&i| self.rows[i].label != MISSING).collect();
        self.errors(group, None, out) + self.test_labels(group, &known, ctx, out) + self.test_copies(group, out)
    }

    /// Errors of a group; `p_value`: if another test found it.
    fn errors(&self, group: &Group, p_value: Option<f64>, out: &mut Tests) -> usize {
        let with: Vec<usize> = group.at.iter().copied().filter(|&i| self.is_judged(i)).collect();
        if with.is_empty() {
            return 0;
        }
        let errors: Vec<usize> = with.iter().copied().filter(|&i| is_error(&self.rows[i])).collect();
        let mean: f64 = with.iter().map(|&i| self.mean(i)).sum();
        let n = with.len() as u64;
        let p = p_value.unwrap_or_else(|| binomial_sf(errors.len() as u64, n, (mean / n as f64).min(1.0)));
        let words = format!("{}: {} of {n} labels contradicted, {mean:.1} expected", group.subject, errors.len());
        self.lead(p, words, "errors", errors, mean, out);
        1
    }

    fn test_labels(&self, group: &Group, known: &[usize], ctx: &Ctx, out: &mut Tests) -> usize {
        let n = known.len() as u64;
        let mut tests = 0;
        for (class, total) in self.class_counts.iter().enumerate() {
            let members: Vec<usize> = known.iter().copied().filter(|&i| self.rows[i].label as usize == class).collect();
            if members.is_empty() || *total == self.labelled {
                continue;
            }
            tests += 1;
            let k = members.len() as u64;
            let mean = *total as f64 * n as f64 / self.labelled as f64;
            let p = hypergeometric_sf(k, self.labelled, *total, n);
            let name = ctx.profile().classes.get(class).map_or("", String::as_str);
            let words = format!("{}: {k} of {n} labelled `{name}`, {mean:.1} expected", group.subject);
            self.lead(p, words, "labels", members, mean, out);
        }
        tests
    }

    fn test_copies(&self, group: &Group, out: &mut Tests) -> usize {
        if self.copies == 0 {
            return 0;
        }
        let copies: Vec<usize> = group.at.iter().copied().filter(|&i| self.copied[i]).collect();
        let (n, all) = (group.at.len() as u64, self.rows.len() as u64);
        let mean = self.copies as f64 * n as f64 / all as f64;
        let p = hypergeometric_sf(copies.len() as u64, all, self.copies, n);
        let words = format!("{}: {} of {n} rows are copies, {mean:.1} expected", group.subject, copies.len());
        self.lead(p, words, "copies", copies, mean, out);
        1
    }

    fn lead(&self, p: f64, words: String, what: &str, at: Vec<usize>, mean: f64, out: &mut Tests) {
        let mut lead = Lead::new(Kind::SourceSkew, words, at.iter().map(|&i| self.row_numbers[i]).collect());
        lead.statistic = ("surplus".into(), at.len() as f64 - mean);
        lead.family = what.into();
        lead.tables.push(Table {
            title: "observed against expected".into(),
            header: vec!["observed".into(), "expected".into(), "ratio".into()],
            rows: vec![vec![at.len().to_string(), format!("{mean:.1}"), format!("{:.1}", at.len() as f64 / mean.max(1e-9))]],
        });
        out.push((p, lead, at));
    }
}

fn is_error(r: &Row) -> bool {
    r.own.is_some() && r.predicted != r.label
}
