//! What all backdoors share: who carries the trigger, under which label, and how success is measured.

use crate::classes;
use foretaste_core::{Batch, Ctx, Edited, MISSING, Picked, Probe, Result, Use};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

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
    pub fn new(
        entry: &str,
        target: &str,
        source: &str,
        clean_label: bool,
        cover_rate: f64,
        ctx: &Ctx,
    ) -> Result<Self> {
        let target = classes::target(target, entry, ctx)?;
        let source = classes::optional(source, ctx)?;
        Ok(Self { target, source, clean_label, cover: cover_rate > 0.0 })
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
    pub fn probe(&self, victims: Vec<usize>, inputs: Edited) -> Option<Probe> {
        let wanted = vec![self.target; victims.len()];
        Some(Probe { inputs: Edited { of: Some(victims), labels: None, ..inputs }, wanted })
    }

    /// Readable form.
    pub fn describe(&self, ctx: &Ctx) -> Map<String, Value> {
        let name = |c: u32| ctx.profile().classes.get(c as usize).cloned().unwrap_or_default();
        let mut out = Map::new();
        out.insert("target-class".into(), name(self.target).into());
        if let Some(source) = self.source {
            out.insert("source-class".into(), name(source).into());
        }
        out.insert("clean-label".into(), self.clean_label.into());
        out
    }
}

/// Cover samples for `n` poisoned ones.
pub fn covers(n: u64, rate: f64) -> u64 {
    (n as f64 * rate).round() as u64
}
