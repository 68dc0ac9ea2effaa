//! What all backdoors share: who carries the trigger, under which label, and how success is measured.
//!
//! An attack writes [`Trigger`]; `backdoor!(Name)` makes it an [`foretaste_core::Attack`].

use crate::classes;
use foretaste_core::{Batch, Ctx, Edited, Kind, Knowledge, MISSING, Needs, Picked, Pool, Probe, Result, Use};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

/// The parameters that all backdoors have.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// Name of the target class; empty: chosen and told.
    pub target_class: &'a str,
    /// Name of the class that it works on; empty: all.
    pub source_class: &'a str,
    /// Only samples of the target class are poisoned, and labels stay.
    pub clean_label: bool,
    /// Cover samples for each poisoned one.
    pub cover_rate: f64,
}

/// Samples that get the trigger.
#[derive(Clone, Copy, Debug)]
pub struct Carriers<'a> {
    /// All samples that were picked.
    pub picked: &'a Picked,
    /// Positions of the carriers among them.
    pub which: &'a [usize],
    /// True for held-out samples that measure success, false for training samples.
    pub probe: bool,
}

/// What the author of a backdoor writes.
pub trait Trigger: Send + Sync + 'static {
    /// Catalogue id.
    const ID: &'static str;
    /// What is fixed before samples are chosen, besides the classes.
    type Pattern: Serialize + DeserializeOwned + Send + Sync + 'static;
    /// The common parameters.
    fn wish(&self) -> Wish<'_>;
    /// Roles it reads.
    fn needs(&self) -> Needs;
    /// What the attacker knows.
    fn knowledge(&self) -> Knowledge {
        Knowledge::Nothing
    }
    /// Fixes the pattern.
    fn pattern(&self, door: &Backdoor, data: &dyn Pool, ctx: &Ctx) -> Result<Self::Pattern>;
    /// Takes away rows that cannot carry the trigger.
    fn narrow(&self, _pattern: &Self::Pattern, _batch: &Batch, _uses: &mut [Use]) {}
    /// Puts the trigger into the carriers, one output each; labels are not its business.
    fn put(&self, pattern: &Self::Pattern, carriers: Carriers<'_>, ctx: &Ctx) -> Result<Edited>;
    /// The trigger in readable form.
    fn words(&self, pattern: &Self::Pattern) -> String;
    /// Kinds of findings that name it right.
    fn shows_as(&self) -> &'static [Kind] {
        if self.wish().clean_label { &[Kind::Backdoor, Kind::CleanLabel] } else { &[Kind::Backdoor] }
    }
    /// One more detail, by name.
    fn also(&self) -> Option<(&'static str, String)> {
        None
    }
}

/// Classes and pattern of a backdoor.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan<P> {
    /// Classes.
    pub door: Backdoor,
    /// Pattern.
    pub pattern: P,
}

/// Makes a [`Trigger`] an attack.
macro_rules! backdoor {
    ($name:ty) => {
        impl ::foretaste_core::Attack for $name {
            type Plan = $crate::backdoor::Plan<<$name as $crate::backdoor::Trigger>::Pattern>;

            fn threat(&self) -> ::foretaste_core::Threat {
                let (goal, knowledge) = (::foretaste_core::Goal::Backdoor, self.knowledge());
                ::foretaste_core::Threat::content(goal, self.wish().clean_label, knowledge)
            }
            fn needs(&self) -> ::foretaste_core::Needs {
                $crate::backdoor::Trigger::needs(self)
            }
            fn covers(&self, n: u64) -> u64 {
                (n as f64 * self.wish().cover_rate).round() as u64
            }
            fn plan(
                &self,
                data: &dyn ::foretaste_core::Pool,
                ctx: &::foretaste_core::Ctx,
            ) -> ::foretaste_core::Result<Self::Plan> {
                let door = $crate::backdoor::Backdoor::new(Self::ID, self.wish(), ctx)?;
                Ok($crate::backdoor::Plan { door, pattern: self.pattern(&door, data, ctx)? })
            }
            fn usable(
                &self,
                plan: &Self::Plan,
                batch: &::foretaste_core::Batch,
                _ctx: &::foretaste_core::Ctx,
            ) -> ::foretaste_core::Result<Vec<::foretaste_core::Use>> {
                let mut uses = plan.door.usable(batch);
                self.narrow(&plan.pattern, batch, &mut uses);
                Ok(uses)
            }
            fn craft(
                &self,
                plan: &Self::Plan,
                picked: &::foretaste_core::Picked,
                _n: u64,
                ctx: &::foretaste_core::Ctx,
            ) -> ::foretaste_core::Result<::foretaste_core::Edited> {
                let which: Vec<usize> = (0..picked.len()).collect();
                let carriers = $crate::backdoor::Carriers { picked, which: &which, probe: false };
                let edited = self.put(&plan.pattern, carriers, ctx)?;
                Ok(::foretaste_core::Edited { labels: plan.door.labels(picked), ..edited })
            }
            fn probe(
                &self,
                plan: &Self::Plan,
                held_out: &::foretaste_core::Picked,
                ctx: &::foretaste_core::Ctx,
            ) -> ::foretaste_core::Result<Option<::foretaste_core::Probe>> {
                let which = plan.door.victims(held_out);
                let carriers = $crate::backdoor::Carriers { picked: held_out, which: &which, probe: true };
                let inputs = self.put(&plan.pattern, carriers, ctx)?;
                Ok(Some(plan.door.probe(which, inputs)))
            }
            fn shows_as(&self) -> &'static [::foretaste_core::Kind] {
                $crate::backdoor::Trigger::shows_as(self)
            }
            fn describe(
                &self,
                plan: &Self::Plan,
                ctx: &::foretaste_core::Ctx,
            ) -> ::serde_json::Map<String, ::serde_json::Value> {
                let mut details = plan.door.describe(self.words(&plan.pattern), ctx);
                details.extend(self.also().map(|(name, text)| (name.to_owned(), text.into())));
                details
            }
        }
    };
}
pub(crate) use backdoor;

/// Target, source and labelling of a backdoor.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Backdoor {
    /// The class that the trigger is to call for.
    pub target: u32,
    /// The trigger is to work on this class only; `None`: on all.
    pub source: Option<u32>,
    /// Only samples of the target class are poisoned, and labels stay.
    pub clean_label: bool,
    /// Cover samples are wanted.
    pub cover: bool,
}

impl Backdoor {
    /// Resolves the names of the parameters.
    pub fn new(entry: &str, wish: Wish<'_>, ctx: &Ctx) -> Result<Self> {
        classes::at_least_two(entry, ctx)?;
        let target = classes::target(wish.target_class, entry, ctx)?;
        let source = classes::optional(wish.source_class, ctx)?;
        Ok(Self { target, source, clean_label: wish.clean_label, cover: wish.cover_rate > 0.0 })
    }

    /// What each row of a batch may be used for.
    pub fn usable(&self, batch: &Batch) -> Vec<Use> {
        classes::labels(batch).into_iter().map(|label| self.usage(label)).collect()
    }

    fn usage(&self, label: u32) -> Use {
        let poison = self.is_poison(label);
        // With a source class, cover shows that the trigger means nothing elsewhere; without, that it means little at all.
        let cover = self.cover && label != MISSING && label != self.target && self.source != Some(label);
        match (poison, cover) {
            (true, true) => Use::Either,
            (true, false) => Use::Poison,
            (false, true) => Use::Cover,
            (false, false) => Use::No,
        }
    }

    fn is_poison(&self, label: u32) -> bool {
        if self.clean_label {
            return label == self.target;
        }
        label != MISSING && label != self.target && self.source.is_none_or(|s| s == label)
    }

    /// The labels that picked samples get.
    pub fn labels(&self, picked: &Picked) -> Option<Vec<u32>> {
        let label = |i: usize| if picked.cover[i] { picked.label(i) } else { self.target };
        (!self.clean_label).then(|| (0..picked.len()).map(label).collect())
    }

    /// Held-out samples that should be turned: those of other classes, or of the source class.
    pub fn victims(&self, held_out: &Picked) -> Vec<usize> {
        (0..held_out.len())
            .filter(|&i| {
                let label = held_out.label(i);
                label != MISSING && label != self.target && self.source.is_none_or(|s| s == label)
            })
            .collect()
    }

    /// Wraps edited inputs, one for each victim, as a probe.
    pub fn probe(&self, victims: Vec<usize>, inputs: Edited) -> Probe {
        let wanted = vec![self.target; victims.len()];
        Probe { inputs: Edited { of: Some(victims), ..inputs }, wanted }
    }

    /// Readable form.
    pub fn describe(&self, trigger: String, ctx: &Ctx) -> Map<String, Value> {
        let mut out = classes::describe(self.source, Some(self.target), ctx);
        out.insert("clean-label".into(), self.clean_label.into());
        out.insert("trigger".into(), trigger.into());
        out
    }
}
