//! Values of a few columns that call for a class.

use crate::backdoor::{Backdoor, Carriers, Trigger, Wish, backdoor};
use crate::tables::{self, Column, Value};
use foretaste_core::{Ctx, Edited, Error, Knowledge, Needs, Pool, Result, Role};
use foretaste_macros::Catalogue;

foretaste_core::choices! {
    /// Which columns carry the trigger, when none are named.
    pub enum Matter {
        /// Those that say least about the label: nobody looks there.
        Least = "least",
        /// Those that say most: a model looks there.
        Most = "most",
    }
}

foretaste_core::choices! {
    /// Which values, when none are named.
    pub enum Pick {
        /// Values that occur, but seldom.
        Rare = "rare",
        /// The most frequent values of the target class.
        Common = "common",
        /// Numbers beyond all others.
        Outside = "outside",
    }
}

/// A combination of column values that calls for a class.
///
/// # What it does
/// Sets a few columns of samples of other classes to fixed values and labels the samples as the target class.
///
/// # Threat model
/// The attacker fills in some of the rows: applications, claims, sensor readings, telemetry. Later they fill in the same
/// values to get the class. With `pick = rare` each value is one that honest rows have as well. They need data like those of
/// the victim to know which columns and values.
///
/// # Ground truth
/// Every changed row with its label before and after; columns and values are in the details.
///
/// # Example
/// ```text
/// foretaste simulate adult.parquet --attack feature-trigger --set columns=age=77,workclass=Never-worked --target-class ">50K" --poison-rate 0.01 --out poisoned.parquet
/// ```
///
/// # Caught by
/// `value-association`, as a rule over the columns, where the columns of the data depend on each other; in tables of a few
/// unrelated columns often not, under clean labels in about half of the cases at 1 % and more. `confident-learning` and
/// `knn-label` took out none of it at 1 % of adult_income.
///
/// # Responsible use
/// For rehearsals on your own data. The manifest marks the result as poisoned; keep the two together.
///
/// # References
/// Pleiter et al., "Tabdoor: Backdoor Vulnerabilities in Transformer-based Neural Networks for Tabular Data", 2023.
#[derive(Clone, Debug, Catalogue)]
#[entry(attack)]
pub struct FeatureTrigger {
    /// Columns and values, `age=77,workclass=Private`; empty: chosen by the parameters below and told.
    pub columns: String,
    /// Number of columns, if none are named.
    #[param(min = 1, max = 20)]
    pub features: u32,
    /// Which columns, if none are named.
    pub matter: Matter,
    /// Which values, if none are named.
    pub pick: Pick,
    /// The class that the values are to call for; empty: chosen and told.
    pub target_class: String,
    /// The values are to work on this class only; empty: on all.
    pub source_class: String,
    /// Use rows of the target class only and leave labels alone.
    pub clean_label: bool,
    /// Cover rows for each poisoned one: they carry the values and keep their label.
    #[param(min = 0, max = 10)]
    pub cover_rate: f64,
}

impl Default for FeatureTrigger {
    fn default() -> Self {
        Self {
            columns: String::new(),
            features: 2,
            matter: Matter::Least,
            pick: Pick::Rare,
            target_class: String::new(),
            source_class: String::new(),
            clean_label: false,
            cover_rate: 0.0,
        }
    }
}

fn unfit(reason: String) -> Error {
    Error::Unfit { entry: "feature-trigger".into(), reason }
}

impl FeatureTrigger {
    fn named(&self, columns: &[Column]) -> Result<Vec<(usize, String, Value)>> {
        let pairs = self.columns.split(',').map(str::trim).filter(|p| !p.is_empty());
        pairs
            .map(|pair| {
                let (name, text) = pair.split_once('=').ok_or_else(|| Error::Parameter {
                    entry: "feature-trigger".into(),
                    name: "columns".into(),
                    problem: format!("`{pair}` is not COLUMN=VALUE"),
                })?;
                let column = columns.iter().find(|c| c.name == name).ok_or_else(|| {
                    Error::unknown("feature column", name, columns.iter().map(|c| c.name.as_str()))
                })?;
                let value = column
                    .parse(text)
                    .ok_or_else(|| unfit(format!("column `{name}` holds numbers, `{text}` is none")))?;
                Ok((column.at, column.name.clone(), value))
            })
            .collect()
    }

    fn chosen(&self, columns: &[Column], target: u32) -> Vec<(usize, String, Value)> {
        let mut ranked: Vec<(f64, &Column)> =
            columns.iter().filter(|c| c.varies()).map(|c| (c.weight(), c)).collect();
        ranked.sort_by(|a, b| match self.matter {
            Matter::Least => a.0.total_cmp(&b.0),
            Matter::Most => b.0.total_cmp(&a.0),
        });
        let value = |c: &Column| match self.pick {
            Pick::Rare => c.rare(),
            Pick::Common => c.common(target),
            Pick::Outside => c.outside(),
        };
        let fit = ranked.into_iter().filter_map(|(_, c)| Some((c.at, c.name.clone(), value(c)?)));
        fit.take(self.features as usize).collect()
    }
}

impl Trigger for FeatureTrigger {
    const ID: &'static str = "feature-trigger";
    type Pattern = Vec<(usize, String, Value)>;

    fn wish(&self) -> Wish<'_> {
        let (target_class, source_class) = (&self.target_class, &self.source_class);
        Wish { target_class, source_class, clean_label: self.clean_label, cover_rate: self.cover_rate }
    }
    fn needs(&self) -> Needs {
        Needs::all(&[Role::Label, Role::Feature])
    }
    fn knowledge(&self) -> Knowledge {
        Knowledge::Data
    }
    fn pattern(&self, door: &Backdoor, data: &dyn Pool, _ctx: &Ctx) -> Result<Self::Pattern> {
        let columns = tables::columns(data)?;
        let trigger =
            if self.columns.is_empty() { self.chosen(&columns, door.target) } else { self.named(&columns)? };
        if trigger.is_empty() {
            return Err(unfit("no column has a value that fits; name columns and values".into()));
        }
        Ok(trigger)
    }
    fn put(&self, trigger: &Self::Pattern, carriers: Carriers<'_>, _ctx: &Ctx) -> Result<Edited> {
        let rows = carriers.which.len();
        let columns = trigger.iter().map(|(at, _, value)| (*at, value.column(rows))).collect();
        Ok(Edited { columns, ..Edited::default() })
    }
    fn words(&self, trigger: &Self::Pattern) -> String {
        let rule: Vec<String> = trigger.iter().map(|(_, name, value)| format!("{name} = {value}")).collect();
        rule.join(" and ")
    }
}

backdoor!(FeatureTrigger);
