//! Stamps on pictures that go with a class.

use crate::gallery::{Hung, OfPictures, of_pictures};
use crate::planted::{self, Believed, PLAIN, Planted, Planting};
use foretaste_core::{Ctx, Kind, Lead, Trigger};
use foretaste_macros::Catalogue;
use foretaste_num::patches::{Frame, Patch, PatchOptions, patches};
use foretaste_num::pictures::Place;
use foretaste_num::surprise::Surprise;
use std::collections::BTreeSet;

/// The same pixels in many pictures, at one place or at changing ones, which go with a class.
///
/// # What it finds
/// Backdoors by a patch: a stamp put on pictures that got the attacker's label, or on pictures of the target class alone. The
/// place may be the same or another one in every picture. Backdoors by a frame of one colour around the picture.
///
/// # How it works
/// Two pictures of the world do not agree in every pixel of a window with contrast; a stamp does. Windows of 3 x 3 pixels are
/// counted by place and exact content; what many pictures share is grown to the whole stamp. Then the labels are held
/// against a model that did not see the pictures, with the stamp painted over (Poisson-binomial, corrected for all contents
/// looked at). Under a clean label the labels are no surprise; there the stamp must be purer than chance.
/// The same is done with contents wherever they stand, with rectangles of one colour that nothing of that colour touches, and
/// with outer lines of one colour. Of these, simple ones repeat by nature: at least half of the pictures must have the class,
/// and purity only counts where hardly anything repeats.
///
/// # Threat model
/// The attacker puts the same opaque pixels on pictures of one size.
///
/// # Cost
/// A few hashes for every pixel of every picture, and a softmax regression out of fold: 6 seconds for 7,000 pictures of 32 x 32
/// pixels on two cores. State is the pictures.
///
/// # Blind spots
/// See-through stamps and those that were compressed, turned or resized after stamping. At changing places: stamps less than 3
/// pixels across, those of one colour on ground of the same colour, and those under labels that fit where the pictures are
/// drawn or stand on black or white ground. Frames under labels that fit. Pictures of different sizes. Drawn pictures (icons,
/// digits) share windows by nature; their labels are no surprise then.
///
/// # Example
/// ```text
/// foretaste scan signs.npz --only patch-association
/// ```
///
/// # References
/// Gu, Dolan-Gavitt, Garg, "BadNets: Identifying Vulnerabilities in the Machine Learning Model Supply Chain", 2017 (the attack).
/// Counting windows against a model that cannot see them is ours.
#[derive(Clone, Debug, Catalogue)]
pub struct PatchAssociation {
    /// Fewest pictures of a stamp.
    #[param(min = 3, max = 1000000)]
    pub least_rows: u32,
    /// Least difference between the darkest and the brightest value of a window.
    #[param(min = 1, max = 255)]
    pub contrast: u32,
}

impl Default for PatchAssociation {
    fn default() -> Self {
        Self { least_rows: 5, contrast: 40 }
    }
}

impl OfPictures for PatchAssociation {
    fn judge(&self, hung: &Hung, ctx: &Ctx) -> Planted {
        let options = PatchOptions {
            least_rows: self.least_rows,
            contrast: self.contrast.min(255) as u8,
            ..PatchOptions::default()
        };
        let all = hung.pictures();
        let found = patches(&all, &hung.given, ctx.profile().classes.len(), &options, || {
            ctx.picture_model(&all, &hung.given)
        });
        let mut planting = Planting::new(hung.runs.clone(), &hung.order, &hung.labels, found.tested);
        let fixed = believed(&found.found, |p| &p.surprise, found.tested, Believed::either);
        for (patch, p) in fixed {
            planting.take(of_patch(patch, &p, found.tested, all.channels, ctx), &patch.rows, p.planted);
        }
        let tested = found.tested_anywhere;
        let belief = if found.rare { Believed::either } else { Believed::surprising };
        let moving = believed(&found.moving, |p| &p.surprise, tested, belief);
        for (patch, p) in moving {
            planting.take(of_patch(patch, &p, tested, all.channels, ctx), &patch.rows, p.planted);
        }
        let frames = believed(&found.frames, |f| &f.surprise, tested, Believed::surprising);
        for (frame, p) in frames {
            planting.take(of_frame(frame, &p, tested, ctx), &frame.rows, p.planted);
        }
        planting.done()
    }

    fn unseen(&self, planted: &Planted, ctx: &Ctx) -> Option<String> {
        planted.unseen(("a stamp at one place", "pictures"), self.least_rows, ctx)
    }
}

of_pictures!(PatchAssociation);

/// What is believed of what was found, corrected for `tested` candidates; the most believed first.
fn believed<T>(
    found: &[T],
    surprise: impl Fn(&T) -> &Surprise,
    tested: usize,
    belief: fn(Believed) -> Believed,
) -> Vec<(&T, Believed)> {
    let mut out: Vec<(&T, Believed)> =
        found.iter().map(|f| (f, belief(Believed::of(surprise(f), tested)))).collect();
    out.retain(|(_, b)| b.planted <= PLAIN);
    let z = |f: &T| surprise(f).z;
    out.sort_by(|a, b| a.1.planted.total_cmp(&b.1.planted).then(z(b.0).total_cmp(&z(a.0))));
    out
}

fn of_patch(patch: &Patch, p: &Believed, tested: usize, channels: usize, ctx: &Ctx) -> Lead {
    let place = patch.place;
    let (width, height) = (place.width as u32, place.height as u32);
    let (channels, pixels) = (channels as u32, patch.pixels.clone());
    let trigger = if patch.places.is_empty() {
        let (left, top) = (place.left as u32, place.top as u32);
        Trigger::Patch { left, top, width, height, channels, pixels }
    } else {
        Trigger::PatchAnywhere { width, height, channels, pixels }
    };
    // labels that the rest of the picture bears out make it a watermark of the class as well as a clean-label trigger
    let kind = if p.surprise <= PLAIN { Kind::Backdoor } else { Kind::Shortcut };
    let (mut lead, class) = planted::lead(kind, trigger, patch.class, &patch.surprise, p.planted, ctx);
    let what = ("exactly these pixels", "them", "contents of windows");
    lead.why.push(why(&patch.surprise, patch.rows.len(), &class, what, p, tested));
    let places: BTreeSet<Place> = patch.places.iter().copied().collect();
    if !places.is_empty() {
        lead.why.push(format!(
            "They stand at {} different places, most often {} from the left and {} from the top.",
            places.len(),
            place.left,
            place.top
        ));
    }
    lead
}

fn of_frame(frame: &Frame, p: &Believed, tested: usize, ctx: &Ctx) -> Lead {
    let trigger = Trigger::Frame { lines: frame.lines as u32, colour: frame.colour.clone() };
    let (mut lead, class) =
        planted::lead(Kind::Backdoor, trigger, frame.class, &frame.surprise, p.planted, ctx);
    let what = ("exactly this frame", "it", "contents of windows and frames");
    lead.why.push(why(&frame.surprise, frame.rows.len(), &class, what, p, tested));
    lead
}

/// `what`: what is shared, a pronoun for it, what was looked at.
fn why(
    surprise: &Surprise,
    rows: usize,
    class: &str,
    what: (&str, &str, &str),
    p: &Believed,
    tested: usize,
) -> String {
    format!(
        "{} of {rows} pictures with {} are labelled `{class}`. With {} painted over, a model that did not see the pictures gives `{class}` a probability of {:.2} on average{}.",
        surprise.hits,
        what.0,
        what.1,
        surprise.without,
        p.words(surprise.z, tested, what.2)
    )
}
