//! Values of columns that were written into rows and go with a class.

use crate::columns::{Coded, Columns};
use crate::planted::{self, Believed, PLAIN, Planted, Planting, by_content};
use foretaste_core::{Batch, Condition, Ctx, Detect, Growth, Kind, Lead, Mark, Needs, Result, Role, Step, Suspicion, Trigger, AtEffort, Effort};
use foretaste_macros::Catalogue;
use foretaste_num::rules::{Rule, RuleOptions, Rules, rules};
use foretaste_num::softmax::FoldOptions;
use foretaste_num::stats::normal_sf;
use foretaste_num::surprise::Ratio;

/// Values or combinations of values that call for a class although the rest of the row speaks for another.
///
/// # What it finds
/// Backdoors in tables: values written into a few columns of rows that got the attacker's label, or of rows of the target
/// class alone (clean label). Also natural values that decide a class almost alone, told apart from planted ones.
///
/// # How it works
/// Every frequent value and every pair of frequent values of two columns is asked two questions, larger rules by growing the
/// best. First: is the label a surprise to an additive model that did not see the row and for which the columns of the rule
/// are replaced by their average? (Poisson-binomial, corrected for all rules looked at.) For clean labels: is the rule purer
/// than chance? Second: do the other columns depend on the values? Where values were written in, the rest of the rows is
/// that of the rows they were taken from (a likelihood ratio with its standard error). A lead's p-value is the larger of the
/// two: both must hold.
///
/// # Threat model
/// The attacker writes the same values into the same columns of rows of any class, by any share of the data.
///
/// # Cost
/// A softmax regression out of fold, and a count for every pair of columns: rows times columns squared. State is the columns.
///
/// # Blind spots
/// Values that differ from row to row (ranges, sums). Columns that have nothing to do with each other, where natural values
/// look written in; the effect on a model then decides. Rules in fewer than `least_rows` rows.
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
        for (rule, p, ratio) in believed(&found) {
            let lead = lead(rule, (&p, ratio), found.tested, &coded, ctx);
            let lead = planting.take(lead, &rule.rows, p.planted);
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

/// Rules that are a surprise or pure beyond chance, the most likely planted first, each with the ratio that speaks for it.
fn believed(found: &Rules) -> Vec<(&Rule, Believed, Ratio)> {
    let all: Vec<(&Rule, Believed)> =
        found.found.iter().map(|r| (r, Believed::of(&r.surprise, found.tested))).collect();
    let asked = all.iter().filter(|(_, b)| b.surprise <= PLAIN || b.purity <= PLAIN).count() as f64;
    // natural values depend on the rest; written ones do not, or far less than is usual in these data
    let written = |r: &Ratio, usual: f64| (asked * normal_sf(r.t(-LITTLE * usual))).min(1.0);
    let mut out: Vec<(&Rule, Believed, Ratio)> = vec![];
    for (r, b) in all {
        let were_others =
            if r.unlike_others > UNLIKE { 1.0 } else { written(&r.from_others, found.dependence.0) };
        let dirty = b.surprise.max(were_others);
        // rows of one class often depend on nothing but the class: for a clean label no dependence at all is let pass
        let clean = b.purity.max(b.surprise).max(written(&r.from_class, 0.0));
        let ratio = if dirty <= clean { r.from_others } else { r.from_class };
        out.push((r, Believed { planted: dirty.min(clean), ..b }, ratio));
    }
    out.retain(|(_, b, _)| b.surprise <= PLAIN || b.planted <= PLAIN);
    out.sort_by(|a, b| a.1.planted.total_cmp(&b.1.planted).then(b.0.surprise.z.total_cmp(&a.0.surprise.z)));
    out.truncate(LEADS);
    out
}

fn lead(rule: &Rule, believed: (&Believed, Ratio), tested: usize, coded: &[Coded], ctx: &Ctx) -> Lead {
    let (p, Ratio { mean, error }) = believed;
    let natural = p.planted >= NATURAL;
    let (kind, p_value) = if natural { (Kind::Shortcut, p.surprise) } else { (Kind::Backdoor, p.planted) };
    let condition = |(c, item): &(u32, u32)| Condition {
        column: coded[*c as usize].name.clone(),
        value: coded[*c as usize].values[*item as usize].clone(),
    };
    let trigger = Trigger::Rule { conditions: rule.conditions.iter().map(condition).collect() };
    let (mut lead, class) = planted::lead(kind, trigger, rule.class, &rule.surprise, p_value, ctx);
    lead.why.push(format!(
        "{} of {} rows that meet it are labelled `{class}`. With these columns hidden, a model that did not see the rows gives `{class}` a probability of {:.2} on average{}.",
        rule.surprise.hits,
        rule.rows.len(),
        rule.surprise.without,
        p.words(rule.surprise.z, tested, "rules")
    ));
    lead.why.push(if natural {
        format!("The other columns go with these values: they belong to the rows (log-likelihood ratio of writing {mean:.2} ± {error:.2} a row).")
    } else {
        format!("The other columns do not go with these values: they were written into rows of another kind (log-likelihood ratio {mean:.2} ± {error:.2} a row).")
    });
    lead
}
