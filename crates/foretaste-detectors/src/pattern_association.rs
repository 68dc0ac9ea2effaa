//! Patterns over whole pictures that go with a class.

use crate::gallery::{Hung, OfPictures, of_pictures};
use crate::planted::{self, Believed, PLAIN, Planted, Planting};
use foretaste_core::{Ctx, Kind, Lead, Trigger, AtEffort, Effort};
use foretaste_macros::Catalogue;
use foretaste_num::patterns::{Pattern, PatternOptions, patterns};
use foretaste_num::pictures::Pictures;

/// One see-through pattern over many pictures, which goes with a class.
///
/// # What it finds
/// Backdoors by something mixed into whole pictures that got the attacker's label: a blended picture, waves, a soft field of
/// light. The eye may see nothing of it.
///
/// # How it works
/// Each class is looked at in coordinates in which the pictures of all other classes are white noise (leave-class-out
/// covariance of coarse pictures, at two scales; where a tenth of the values is black or white, also of the arcsine of their root,
/// in which faint light on black ground is not lost beside what stands on it). There, what was added to some pictures of the
/// class stands out whatever they show. Groups at the ends of the widest directions, parted from the rest of the class along
/// Fisher's discriminant, are asked four questions. Do they stand apart from the rest of the class?
/// Is the pattern equally strong in all of them? Light and shape vary by nature, an added pattern does not. Without it, are
/// they pictures of all classes? A natural group looks like few. These are likelihood ratios, turned into a p-value (Markov)
/// and corrected for all groups. And are their labels a surprise to a model that did not see the pictures and learned from
/// pictures without the pattern (Poisson-binomial)?
///
/// # Threat model
/// The attacker adds the same pattern to pictures of several classes and labels them as one.
///
/// # Cost
/// A covariance of at most 784 values and its factors for each class, a softmax regression out of fold, and one more for
/// each pattern found: 8 to 10 seconds for 10,000 pictures of 28 x 28 in 10 classes, 5 to 6 for 6,700 of 32 x 32 in 43, on two cores.
/// State is the pictures.
///
/// # Blind spots
/// Clean labels. Pictures of one class only, put into one other. Patterns that differ from picture to picture, warps among
/// them, tints, pictures turned round, and soft fields that black ground mostly cuts off. Fewer than some twenty pictures, since "all classes" cannot be told from a few. Two classes. Pictures of different sizes.
///
/// # Example
/// ```text
/// foretaste scan signs.npz --only pattern-association
/// ```
///
/// # References
/// Chen et al., "Targeted Backdoor Attacks on Deep Learning Systems Using Data Poisoning", 2017; Barni, Kallas, Tondi, "A
/// New Backdoor Attack in CNNs by Training Set Corruption Without Label Poisoning", 2019 (attacks). Hayase et al., "SPECTRE:
/// Defending Against Backdoor Attacks Using Robust Statistics", 2021 (whitening shows what spectra hide). Leaving out the class
/// and the ratios are ours.
#[derive(Clone, Debug, Catalogue)]
pub struct PatternAssociation {
    /// Fewest pictures of a pattern.
    #[param(min = 4, max = 1000000)]
    pub least_rows: u32,
    /// Directions looked at in each class.
    #[param(min = 1, max = 200)]
    pub directions: u32,
}

impl Default for PatternAssociation {
    fn default() -> Self {
        Self { least_rows: 8, directions: 24 }
    }
}

impl OfPictures for PatternAssociation {
    fn at(&self, effort: Effort) -> AtEffort {
        match effort {
            Effort::Quick => AtEffort::LeftOut,
            Effort::Normal => AtEffort::Same,
            Effort::Deep => AtEffort::With(&[("directions", 64)]),
        }
    }

    fn judge(&self, hung: &Hung, ctx: &Ctx) -> Planted {
        let options = PatternOptions {
            least_rows: self.least_rows,
            directions: self.directions,
            seed: ctx.seed(),
            ..PatternOptions::default()
        };
        let all = hung.pictures();
        let found = patterns(&all, &hung.given, ctx.profile().classes.len(), &options, || {
            ctx.picture_model(&all, &hung.given)
        });
        let mut planting = Planting::new(hung.runs.clone(), &hung.order, &hung.labels, found.tested);
        for pattern in &found.found {
            let believed = believed(pattern, found.tested);
            if believed.planted <= PLAIN {
                planting.take(
                    lead(pattern, &believed, found.tested, &all, ctx),
                    &pattern.rows,
                    believed.planted,
                );
            }
        }
        planting.done()
    }
}

of_pictures!(PatternAssociation);

/// Both must hold: that the labels are a surprise, and that nature does not make such groups.
fn believed(pattern: &Pattern, tested: usize) -> Believed {
    let b = Believed::of(&pattern.surprise, tested);
    let natural = (2.0 * tested as f64 * (-pattern.odds).exp()).min(1.0);
    Believed { planted: b.surprise.max(natural), ..b }
}

fn lead(pattern: &Pattern, p: &Believed, tested: usize, all: &Pictures<'_>, ctx: &Ctx) -> Lead {
    let trigger = Trigger::Pattern {
        width: all.width as u32,
        height: all.height as u32,
        channels: all.channels as u32,
        delta: pattern.delta.clone(),
    };
    let (mut lead, class) =
        planted::lead(Kind::Backdoor, trigger, pattern.class, &pattern.surprise, p.planted, ctx);
    // pictures of all classes under one label: that label fits none, whatever a model half led astray makes of it
    lead.without = None;
    lead.why.push(format!(
        "{} of {} pictures with the pattern are labelled `{class}`. With it taken out of all pictures, a model that did not see them gives `{class}` a probability of {:.2} on average{}.",
        pattern.surprise.hits,
        pattern.rows.len(),
        pattern.surprise.without,
        p.words(pattern.surprise.z, tested, "groups of pictures")
    ));
    lead.why.push(format!(
        "The pattern is equally strong in all of them ({:.1} standard deviations of other pictures, give or take {:.1}), and without it they look like pictures of {} other classes: nature does not make such groups (log-odds {:.0}).",
        pattern.strength, pattern.spread, pattern.looks_like, pattern.odds
    ));
    lead
}
