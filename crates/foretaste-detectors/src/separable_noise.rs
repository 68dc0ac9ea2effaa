//! Noise that is the same in all pictures of a class.

use crate::gallery::{Hung, OfPictures, of_pictures};
use crate::planted::{Planted, Planting};
use foretaste_core::{Ctx, Kind, Lead, Trigger};
use foretaste_macros::Catalogue;
use foretaste_num::class_shift::{Shift, class_shifts};
use foretaste_num::pictures::Pictures;

/// A pattern that all pictures of a class have in common and things do not: noise that a model learns in their place.
///
/// # What it finds
/// Unlearnable pictures, made so that a model trained on them knows nothing of others: to each, something was added that
/// depends on its class alone and tells the classes apart better than what they show.
///
/// # How it works
/// Linear discriminants of coarse pictures say along which direction a class differs most from the others, and every
/// picture is measured along one that was found without it. Things differ in light, size and cut, and so does the strength of
/// what tells them apart; what was added is equally strong in all. So the variation of the strength is held against that
/// of the pictures' contrast; pictures far from most of their class are left out, three times. One class may be steady by
/// nature (one sign photographed twenty times); that a good part of the classes is, is a finding.
///
/// # Threat model
/// The attacker changes all pictures of some classes, or nearly all, and leaves the labels alone.
///
/// # Cost
/// One covariance of at most 400 values and its factors; a fraction of a second for 10,000 pictures. State is the pictures.
///
/// # Blind spots
/// Noise in four fifths of the pictures of a class or fewer (a network loses 2 to 6 points then, not 60). Noise that differs from picture to picture, found by minimising a
/// model's error on each, or warps. Noise of a few of 255 that changes from pixel to pixel. Classes of fewer than sixteen
/// pictures, and data of fewer than four classes. Pictures of things that were all cut out and lit alike, such as
/// scanned digits, have little contrast to compare with.
///
/// # Example
/// ```text
/// foretaste scan clothes.npz --only separable-noise
/// ```
///
/// # References
/// Fisher, "The Use of Multiple Measurements in Taxonomic Problems", 1936; Rao, "The Utilization of Multiple Measurements in
/// Problems of Biological Classification", 1948 (discriminants). Yu, Zhang, Chen, Yin, Liu, "Availability Attacks Create
/// Shortcuts", 2022 (such noise is linearly separable). Holding the variation of the strength against that of the contrast is
/// ours.
#[derive(Clone, Debug, Default, Catalogue)]
pub struct SeparableNoise {}

/// Names leads of classes that a pattern tells apart; whether it is noise is decided over all of them.
pub const SHIFTS: &str = "class-shift";

impl OfPictures for SeparableNoise {
    fn judge(&self, hung: &Hung, ctx: &Ctx) -> Planted {
        let all = hung.pictures();
        let classes = ctx.profile().classes.len();
        let found = class_shifts(&all, &hung.given, classes, ctx.seed());
        let mut planting = Planting::new(hung.runs.clone(), &hung.order, &hung.labels, found.len());
        for shift in &found {
            planting.take(lead(shift, &all, ctx), &shift.rows, shift.variation);
        }
        planting.done()
    }
}

of_pictures!(SeparableNoise);

fn lead(shift: &Shift, all: &Pictures<'_>, ctx: &Ctx) -> Lead {
    let name = ctx.profile().classes.get(shift.class as usize).map_or("", String::as_str);
    let mut lead = Lead::new(Kind::Availability, format!("pictures of `{name}`"), vec![]);
    lead.family = SHIFTS.into();
    lead.class = Some(shift.class);
    lead.statistic = ("strength".into(), shift.strength);
    lead.numbers.push((Lead::OF_CLASS.into(), shift.rows.len() as f64 / shift.of.max(1) as f64));
    lead.numbers.push((Lead::VARIATION.into(), shift.variation.min(f64::MAX)));
    lead.numbers.push((Lead::CONTRAST.into(), shift.contrast));
    lead.trigger = Some(Trigger::Pattern {
        width: all.width as u32,
        height: all.height as u32,
        channels: all.channels as u32,
        delta: shift.delta.clone(),
    });
    lead
}
