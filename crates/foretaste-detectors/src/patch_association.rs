//! Stamps on pictures that go with a class.

use crate::gallery::{Hung, OfPictures, of_pictures};
use crate::planted::{self, Believed, PLAIN, Planted, Planting};
use foretaste_core::{Ctx, Kind, Lead, Trigger};
use foretaste_macros::Catalogue;
use foretaste_num::patches::{Patch, PatchOptions, Patches, patches};

/// The same pixels at the same place of many pictures, which go with a class.
///
/// # What it finds
/// Backdoors by a patch: a stamp put on pictures that got the attacker's label, or on pictures of the target class alone.
///
/// # How it works
/// Two pictures of the world do not agree in every pixel of a window with contrast; a stamp does. Windows of 3 x 3 pixels are
/// counted by place and exact content; what many pictures share is grown to the whole stamp. Then the labels are held
/// against a model that did not see the pictures, with the stamp painted over (Poisson-binomial, corrected for all contents
/// looked at). Under a clean label the labels are no surprise; there the stamp must be purer than chance.
///
/// # Threat model
/// The attacker stamps the same opaque pixels at the same place on pictures of one size.
///
/// # Cost
/// A hash for every pixel of every picture, and a softmax regression out of fold: 5 seconds for 7,000 pictures of 32 x 32
/// pixels on two cores. State is the pictures.
///
/// # Blind spots
/// Stamps at changing places, see-through ones, and those that were compressed after stamping. Pictures of different
/// sizes. Drawn pictures (icons, digits) share windows by nature; their labels are no surprise then.
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
        for (patch, p) in believed(&found) {
            planting.take(lead(patch, &p, found.tested, all.channels, ctx), &patch.rows, p.planted);
        }
        planting.done()
    }

    fn unseen(&self, planted: &Planted, ctx: &Ctx) -> Option<String> {
        planted.unseen(("a stamp", "pictures"), self.least_rows, ctx)
    }
}

of_pictures!(PatchAssociation);

/// Stamps that are a surprise or pure beyond chance, the most believed first. Exact pixels do not repeat by nature, so that
/// either question is enough.
fn believed(found: &Patches) -> Vec<(&Patch, Believed)> {
    let mut out: Vec<(&Patch, Believed)> = vec![];
    for p in &found.found {
        let b = Believed::of(&p.surprise, found.tested);
        out.push((p, Believed { planted: b.surprise.min(b.purity), ..b }));
    }
    out.retain(|(_, b)| b.planted <= PLAIN);
    out.sort_by(|a, b| a.1.planted.total_cmp(&b.1.planted).then(b.0.surprise.z.total_cmp(&a.0.surprise.z)));
    out
}

fn lead(patch: &Patch, p: &Believed, tested: usize, channels: usize, ctx: &Ctx) -> Lead {
    let place = patch.place;
    let trigger = Trigger::Patch {
        left: place.left as u32,
        top: place.top as u32,
        width: place.width as u32,
        height: place.height as u32,
        channels: channels as u32,
        pixels: patch.pixels.clone(),
    };
    // labels that the rest of the picture bears out make it a watermark of the class as well as a clean-label trigger
    let kind = if p.surprise <= PLAIN { Kind::Backdoor } else { Kind::Shortcut };
    let (mut lead, class) = planted::lead(kind, trigger, patch.class, &patch.surprise, p.planted, ctx);
    lead.why.push(format!(
        "{} of {} pictures with exactly these pixels are labelled `{class}`. With them painted over, a model that did not see the pictures gives `{class}` a probability of {:.2} on average{}.",
        patch.surprise.hits,
        patch.rows.len(),
        patch.surprise.without,
        p.words(patch.surprise.z, tested, "contents of windows")
    ));
    lead
}
