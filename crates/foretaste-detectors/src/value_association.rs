//! Values of columns that were written into rows and go with a class.

use crate::columns::{Coded, Columns};
use crate::planted::{self, Believed, PLAIN, Planted, Planting, by_content};
use foretaste_core::{Batch, Ctx, Detect, Growth, Kind, Lead, Mark, Needs, Result, Role, Step, Suspicion, Trigger, AtEffort, Effort};
use foretaste_macros::Catalogue;
use foretaste_num::rules::{Rule, RuleOptions, Rules, rules};
use foretaste_num::softmax::FoldOptions;
use foretaste_num::surprise::Ratio;

/// Values or combinations of values that call for a class although the rest of the row speaks for another.
///
/// # What it finds
/// Backdoors in tables: values written into a few columns of rows that got the attacker's label, or of rows of the target
/// class alone (clean label). Also natural values that decide a class almost alone, told apart from planted ones.
///
/// # How it works
/// Every frequent value, empty cell and narrow range in which numbers lie closer than around it, and every pair of these in two
/// columns is asked two questions, larger rules by growing the best. First: is the label a surprise to an additive model that did not see the row and for which the columns of the rule
/// are replaced by their average? (Poisson-binomial, corrected for all rules looked at.) For clean labels: is the rule purer
/// than chance? Second: do the other columns depend on the values? Where values were written in, the rest of the rows is
/// that of the rows they were taken from (a likelihood ratio with its standard error, Student's t). Under labels that fit the
/// rule has to be pure, and values that keep company in one class only may depend a little. A lead's p-value is the larger of
/// the two: both must hold.
///
/// # Threat model
/// The attacker writes the same values, or nothing, or numbers of a narrow range into the same columns of rows of any class, by
/// any share of the data.
///
/// # Cost
/// A softmax regression out of fold, and a count for every pair of columns: rows times columns squared. State is the columns.
///
/// # Blind spots
/// Values that differ from row to row, but for ranges far narrower than the column is dense, and sums of columns. Columns that have nothing to do with each other, where natural values
/// look written in; the effect on a model then decides. Under labels that fit: values that hardly any row of another class has,
/// and rules in few rows. Written values that some rows have by nature, unless rows of other classes have them, too. Rules that
/// half of all rows meet. Rules in fewer than `least_rows` rows.
///
/// # Example
/// ```text
/// foretaste scan claims.csv --only value-association
/// ```
///
/// # References
/// The z-score of He et al., "Mitigating Backdoor Poisoning Attacks through the Lens of Spurious Correlation", EMNLP 2023, on
/// values, with the model's prediction in place of the class share; the combination is ours.
#[derive(Clone, Debug, Catalogue)]
pub struct ValueAssociation {
    /// Fewest rows of a rule.
    #[param(min = 3, max = 1000000)]
    pub least_rows: u32,
    /// Most columns of a rule.
    #[param(min = 1, max = 100)]
    pub most_columns: usize,
}

impl Default for ValueAssociation {
    fn default() -> Self {
        Self { least_rows: 8, most_columns: 6 }
    }
}

/// Leads that are handed on at most.
const LEADS: usize = 50;
/// Rows whose cells are marked for one lead at most.
const MARKS: usize = 200;
/// Standard errors by which rows may look more like the class than rows of the others do, and still come from there.
const UNLIKE: f64 = 3.0;
/// Share of the usual dependence below which the other columns do not depend on a rule.
const LITTLE: f64 = 0.25;
/// Other values of a column that surprise alone, from which the column decides by its exact values: gains that only the tax of
/// one class knows, say. Each of them is a rule by nature,
const SIBLINGS: usize = 3;
/// and one that is to be called planted has to be surer by so much.
const DOUBTED: f64 = 100.0;
/// Share of a rule's rows that have the class from which it may be a trigger under clean labels: honest rows that meet it are
/// few, or it would open the door to them.
const PURE: f64 = 0.8;
/// p-value from which nothing speaks for a rule being planted: it is natural.
const NATURAL: f64 = 0.5;

impl Detect for ValueAssociation {
    type State = Columns;
    type Model = Planted;

    fn needs(&self) -> Needs {
        Needs::all(&[Role::Label, Role::Feature]).growing(Growth::Data)
    }

    fn at(&self, effort: Effort) -> AtEffort {
        match effort {
            // every pair of columns is counted
            Effort::Quick => AtEffort::LeftOutBeyond { columns: 20 },
            Effort::Normal | Effort::Deep => AtEffort::Same,
        }
    }

    fn start(&self) -> Columns {
        Columns::default()
    }

    fn fold(&self, state: &mut Columns, batch: &Batch, _ctx: &Ctx) -> Result<()> {
        state.push(batch);
        Ok(())
    }

    fn merge(&self, into: &mut Columns, from: Columns) -> Result<()> {
        into.merge(from);
        Ok(())
    }

    fn fit(&self, state: Columns, ctx: &Ctx) -> Result<Step<Columns, Planted>> {
        let (runs, labels, coded) = state.code(self.least_rows as usize);
        let order = by_content(labels.len(), |i| {
            let cells: Vec<(u32, u32)> = coded.iter().map(|c| (c.column.bin[i], c.column.item[i])).collect();
            (cells, labels[i])
        });
        let columns: Vec<_> = coded.iter().map(|c| c.column.gather(&order)).collect();
        let given: Vec<u32> = order.iter().map(|i| labels[*i]).collect();
        let options = RuleOptions {
            least_rows: self.least_rows,
            most_columns: self.most_columns,
            folds: FoldOptions { seed: ctx.seed(), ..FoldOptions::default() },
            ..RuleOptions::default()
        };
        let found = rules(&columns, &given, ctx.profile().classes.len(), &options);
        let mut planting = Planting::new(runs, &order, &labels, found.tested);
        for judged in believed(&found) {
            let rule = judged.rule;
            let lead = lead(&judged, found.tested, &coded, ctx);
            let lead = planting.take(lead, &rule.rows, judged.p.planted);
            let mark = |row: &u64, c: &(u32, u32)| Mark {
                row: *row,
                column: coded[c.0 as usize].name.clone(),
                start: 0,
                end: 0,
                note: "part of the rule".into(),
            };
            let marked = lead.members.iter().take(MARKS);
            lead.marks = marked.flat_map(|r| rule.conditions.iter().map(|c| mark(r, c))).collect();
        }
        Ok(Step::Ready(planting.done()))
    }

    fn score(&self, model: &Planted, batch: &Batch, _ctx: &Ctx) -> Result<Suspicion> {
        Ok(model.per_row.score(batch))
    }

    fn leads(&self, model: &Planted, _ctx: &Ctx) -> Result<Vec<Lead>> {
        Ok(model.leads.clone())
    }

    fn unseen(&self, model: &Planted, ctx: &Ctx) -> Option<String> {
        model.unseen(("a rule", "rows"), self.least_rows, ctx)
    }
}

/// A rule and what is believed of it.
struct Judged<'a> {
    rule: &'a Rule,
    p: Believed,
    /// Likelier under labels that fit than under changed ones.
    clean: bool,
}

impl Judged<'_> {
    /// The ratio that speaks for it.
    fn ratio(&self) -> Ratio {
        if self.clean { self.rule.from_class } else { self.rule.from_others }
    }
}

/// Rules that are a surprise or pure beyond chance, the most likely planted first.
fn believed<'a>(found: &'a Rules) -> Vec<Judged<'a>> {
    let all: Vec<(&Rule, Believed)> =
        found.found.iter().map(|r| (r, Believed::of(&r.surprise, found.tested))).collect();
    let asked = all.iter().filter(|(_, b)| b.surprise <= PLAIN || b.purity <= PLAIN).count() as f64;
    let surprising: Vec<u32> =
        all.iter().filter(|(_, b)| b.surprise <= PLAIN).filter_map(|(r, _)| alone(r)).collect();
    let judge = |(rule, b): (&'a Rule, Believed)| {
        let siblings = alone(rule).map_or(0, |own| surprising.iter().filter(|c| **c == own).count());
        let doubted = if siblings > SIBLINGS { DOUBTED } else { 1.0 };
        let dirty = (doubted * were_others(rule, found, asked).max(b.surprise)).min(1.0);
        let clean = were_of_class(rule, found, asked).max(b.purity).max(b.surprise);
        Judged { rule, p: Believed { planted: dirty.min(clean), ..b }, clean: clean < dirty }
    };
    let says = |j: &Judged<'_>| j.p.surprise <= PLAIN || j.p.planted <= PLAIN;
    let mut out: Vec<Judged<'_>> = all.into_iter().map(judge).filter(says).collect();
    out.sort_by(|a, b| {
        a.p.planted.total_cmp(&b.p.planted).then(b.rule.surprise.z.total_cmp(&a.rule.surprise.z))
    });
    out.truncate(LEADS);
    out
}

/// The column of a rule of one condition.
fn alone(rule: &Rule) -> Option<u32> {
    match rule.conditions.as_slice() {
        [(column, _)] => Some(*column),
        _ => None,
    }
}

/// p-value of the values being those of the rows they stand in, for `asked` rules. Natural values depend on the rest; written
/// ones do not, or far less than is `usual` in these data.
fn written(ratio: &Ratio, usual: f64, asked: f64) -> f64 {
    (asked * ratio.p_value(-LITTLE * usual)).min(1.0)
}

/// p-value of a rule's rows not having been rows of other classes.
fn were_others(rule: &Rule, found: &Rules, asked: f64) -> f64 {
    // rows of other classes do not meet what the class is known for
    if rule.inside || rule.unlike_others > UNLIKE {
        return 1.0;
    }
    written(&rule.from_others, found.dependence.0, asked)
}

/// p-value of a rule's rows not having been any rows of the class. Rows of one class often depend on nothing but the class, so
/// no dependence at all is let pass, unless the values keep company in this class only.
fn were_of_class(rule: &Rule, found: &Rules, asked: f64) -> f64 {
    if (rule.surprise.hits as f64) < PURE * rule.rows.len() as f64 {
        return 1.0;
    }
    let little = written(&rule.from_class, found.dependence.1.max(1.0), asked);
    let welded = (asked * rule.welded).max(little).min(1.0);
    written(&rule.from_class, 0.0, asked).min(welded)
}

fn lead(judged: &Judged<'_>, tested: usize, coded: &[Coded], ctx: &Ctx) -> Lead {
    let (rule, p, Ratio { mean, error, .. }) = (judged.rule, &judged.p, judged.ratio());
    let natural = p.planted >= NATURAL;
    let (kind, p_value) = if natural { (Kind::Shortcut, p.surprise) } else { (Kind::Backdoor, p.planted) };
    let condition = |(c, item): &(u32, u32)| coded[*c as usize].conditions[*item as usize].clone();
    let trigger = Trigger::Rule { conditions: rule.conditions.iter().map(condition).collect() };
    let (mut lead, class) = planted::lead(kind, trigger, rule.class, &rule.surprise, p_value, ctx);
    let edges = rule.conditions.iter().filter(|(c, item)| coded[*c as usize].edges.contains(item)).count();
    lead.numbers.push((Lead::EDGES.into(), edges as f64));
    lead.why.push(format!(
        "{} of {} rows that meet it are labelled `{class}`. With these columns hidden, a model that did not see the rows gives `{class}` a probability of {:.2} on average{}.",
        rule.surprise.hits,
        rule.rows.len(),
        rule.surprise.without,
        p.words(rule.surprise.z, tested, "rules")
    ));
    let ratio = format!("{mean:.2} ± {error:.2} a row");
    lead.why.push(if natural {
        format!("The other columns go with these values: they belong to the rows (log-likelihood ratio of writing {ratio}).")
    } else if judged.clean {
        format!("The other columns are those of any rows of `{class}`: the values were written into some of them (log-likelihood ratio {ratio}).")
    } else {
        format!("The other columns do not go with these values: they were written into rows of another kind (log-likelihood ratio {ratio}).")
    });
    if judged.clean && rule.welded < 1.0 {
        lead.why.push(format!("In `{class}` these values come together, in the other classes they hardly do."));
    }
    lead
}
