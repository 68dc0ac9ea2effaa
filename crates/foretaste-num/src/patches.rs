//! Pixels that stand in many pictures and go with a class: at the same place, or at changing ones (`anywhere`), or around
//! the picture (`frames`).
//!
//! Two pictures of the world do not agree in every pixel of a window with contrast; a stamp does. Every window of 3 x 3
//! pixels at every place is counted by its exact content. What many pictures share is grown to the whole stamp and asked:
//! is the label a surprise to a model that did not see the picture, with the stamp painted over?

mod anywhere;
mod frames;

pub use frames::Frame;

use rayon::prelude::*;
use std::sync::Arc;

use crate::pictures::{Model, Pictures, Place};
use crate::rng::mix;
use crate::surprise::{Labels, Surprise, mostly_in};

/// How to look for stamps.
#[derive(Clone, Debug, PartialEq)]
pub struct PatchOptions {
    /// Fewest pictures of a stamp.
    pub least_rows: u32,
    /// Least difference between the darkest and the brightest value of a window that counts.
    pub contrast: u8,
    /// Most stamps that come back.
    pub most: usize,
}

impl Default for PatchOptions {
    fn default() -> Self {
        Self { least_rows: 5, contrast: 40, most: 20 }
    }
}

/// A stamp and what speaks for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Patch {
    /// Where it sits; where it sits most often if the place changes.
    pub place: Place,
    /// Where it sits in each of the rows, if the place changes; empty otherwise.
    pub places: Vec<Place>,
    /// Its pixels, row by row, channels interleaved.
    pub pixels: Vec<u8>,
    /// The class it goes with.
    pub class: u32,
    /// Labelled pictures that carry it, ascending.
    pub rows: Vec<u32>,
    /// How its pictures' labels stand to the class, the stamp painted over.
    pub surprise: Surprise,
}

/// Stamps found and how many contents were looked at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Patches {
    /// Those at one place, the most surprising first.
    pub found: Vec<Patch>,
    /// Contents of windows in enough pictures: what a p-value has to be corrected for.
    pub tested: usize,
    /// Those at changing places, the most surprising first.
    pub moving: Vec<Patch>,
    /// Frames, the most surprising first.
    pub frames: Vec<Frame>,
    /// What a p-value of the last two has to be corrected for: contents in enough pictures by place, wherever they stand, and
    /// frames.
    pub tested_anywhere: usize,
    /// True if so few contents repeat wherever they stand that nature does not make them, and their purity speaks.
    pub rare: bool,
}

/// Pixels on a side of a window.
const SIDE: usize = 3;
/// Share of a stamp's pictures of the class that must agree in every pixel of a line for the stamp to grow.
const GROW: f64 = 0.95;
/// Share of the pictures from which a content is background.
const BACKGROUND: f64 = 0.3;
/// Contents that repeat at changing places, for each picture, up to which they do not do so by nature: photographs of road signs
/// have 0.0006, clothes on black ground 0.17.
const RARE: f64 = 0.02;

/// Looks for stamps. `labels`: one per picture, not below `classes` where there is none. `model`: of these pictures and labels;
/// not asked for if no content repeats.
#[must_use]
pub fn patches(
    pictures: &Pictures<'_>,
    labels: &[u32],
    classes: usize,
    options: &PatchOptions,
    model: impl FnOnce() -> Arc<Model>,
) -> Patches {
    let fits = pictures.width >= SIDE && pictures.height >= SIDE && pictures.channels > 0;
    if classes < 2 || !fits || pictures.len() != labels.len() {
        return Patches::default();
    }
    Search { pictures, labels: Labels::new(labels, classes), options }.run(model)
}

/// A content that enough pictures share.
struct Shared {
    class: u32,
    enriched: f64,
    place: Place,
    rows: Vec<u32>,
}

/// One line of a window: its darkest and brightest value, and a hash of its content.
#[derive(Clone, Copy)]
struct Line {
    low: u8,
    high: u8,
    hash: u64,
}

struct Search<'a> {
    pictures: &'a Pictures<'a>,
    labels: Labels<'a>,
    options: &'a PatchOptions,
}

impl Search<'_> {
    fn run(&self, model: impl FnOnce() -> Arc<Model>) -> Patches {
        let (w, h) = (self.pictures.width, self.pictures.height);
        let parts: Vec<(Vec<Shared>, usize)> =
            (0..=w - SIDE).into_par_iter().flat_map_iter(|x| self.column(x, h)).collect();
        let tested = parts.iter().map(|p| p.1).sum();
        let mut shared: Vec<Shared> = parts.into_iter().flat_map(|p| p.0).collect();
        shared.sort_by(|a, b| b.enriched.total_cmp(&a.enriched).then(a.place.cmp(&b.place)));
        let mut taken: Vec<Shared> = vec![];
        for s in shared {
            if taken.len() >= self.options.most {
                break;
            }
            if !taken.iter().any(|t| mostly_in(&s.rows, &t.rows) || mostly_in(&t.rows, &s.rows)) {
                taken.push(s);
            }
        }
        let (contents, framed) = (self.anywhere(), self.framed());
        let tested_anywhere = tested + contents.len() + framed.len();
        if taken.is_empty() && contents.is_empty() && framed.is_empty() {
            return Patches { tested, tested_anywhere, ..Patches::default() };
        }
        let model = model();
        let by_surprise =
            |a: &Patch, b: &Patch| b.surprise.z.total_cmp(&a.surprise.z).then(a.place.cmp(&b.place));
        let mut found: Vec<Patch> = taken.into_par_iter().map(|s| self.judge(s, &model)).collect();
        found.sort_by(by_surprise);
        let rare = contents.len() as f64 <= RARE * self.labels.codes.len() as f64;
        let moving = self.moving(&contents, rare, &found, &model);
        let mut moving: Vec<Patch> =
            moving.into_par_iter().filter_map(|m| self.judge_moving(m, &model)).collect();
        moving.sort_by(by_surprise);
        let frames = self.judge_frames(framed, &model);
        Patches { found, tested, moving, frames, tested_anywhere, rare }
    }

    /// The windows of one column of places, from the top, as [`Search::shared`] says.
    fn column(&self, x: usize, height: usize) -> Vec<(Vec<Shared>, usize)> {
        let known: Vec<u32> =
            (0..self.labels.codes.len()).filter(|i| self.labels.knows(*i)).map(|i| i as u32).collect();
        // the lines of a window, each read once for all windows that it is part of
        let mut lines: [Vec<Line>; SIDE] = Default::default();
        let mut out = Vec::with_capacity(height + 1 - SIDE);
        for y in 0..height {
            lines.rotate_left(1);
            lines[SIDE - 1] = known.iter().map(|i| self.line(*i as usize, x, y)).collect();
            if y + 1 >= SIDE {
                out.push(self.shared(x, y + 1 - SIDE, &known, &lines));
            }
        }
        out
    }

    fn line(&self, i: usize, x: usize, y: usize) -> Line {
        let c = self.pictures.channels;
        let pixels = &self.pictures.get(i)[(y * self.pictures.width + x) * c..][..SIDE * c];
        let (low, high) = pixels.iter().fold((255u8, 0u8), |(a, b), p| (a.min(*p), b.max(*p)));
        // seven values fit a word
        let word = |p: &[u8]| p.iter().fold(0u64, |w, v| (w << 8) ^ u64::from(*v));
        Line { low, high, hash: pixels.chunks(7).fold(0, |h, p| mix(h.rotate_left(9) ^ word(p))) }
    }

    /// What stands for a window of these lines, if it has contrast.
    fn content(&self, lines: &[Line; SIDE]) -> Option<u64> {
        let (mut low, mut high, mut hash) = (255u8, 0u8, 0u64);
        for line in lines {
            (low, high) = (line.low.min(low), line.high.max(high));
            hash = mix(hash.rotate_left(9) ^ line.hash);
        }
        (high - low >= self.options.contrast).then_some(hash)
    }

    /// Contents of the window at a place that enough pictures share, and the number of them. `lines`: of the window, from the
    /// top, one of each picture that is `known`.
    fn shared(&self, x: usize, y: usize, known: &[u32], lines: &[Vec<Line>; SIDE]) -> (Vec<Shared>, usize) {
        let content = |k: usize| self.content(&std::array::from_fn(|v| lines[v][k]));
        let mut seen: Vec<(u64, u32)> =
            known.iter().enumerate().filter_map(|(k, i)| Some((content(k)?, *i))).collect();
        // nearly every window stands alone: what falls in a slot with too few others is not worth its place in the sort
        let slots = (2 * seen.len()).next_power_of_two();
        let slot = |s: &(u64, u32)| (s.0 as usize) & (slots - 1);
        let mut filled = vec![0u32; slots];
        seen.iter().for_each(|s| filled[slot(s)] += 1);
        seen.retain(|s| filled[slot(s)] >= self.options.least_rows);
        seen.sort_unstable();
        let n = self.labels.codes.len() as f64;
        let mut kept: Vec<Vec<u32>> = seen
            .chunk_by(|a, b| a.0 == b.0)
            .filter(|r| r.len() >= self.options.least_rows as usize && (r.len() as f64) < BACKGROUND * n)
            .map(|r| r.iter().map(|s| s.1).collect())
            .collect();
        kept.sort();
        let tested = kept.len();
        let share = |rows: Vec<u32>| {
            let (class, enriched) = self.labels.enriched(&self.labels.counts(&rows))?;
            let place = Place { left: x, top: y, width: SIDE, height: SIDE };
            Some(Shared { class, enriched, place, rows })
        };
        (kept.into_iter().filter_map(share).collect(), tested)
    }

    fn judge(&self, s: Shared, model: &Model) -> Patch {
        let own = self.labels.own(&s.rows, s.class);
        let place = self.grow(s.place, &own);
        let pixels = self.common(place, &own);
        let agrees = |r: &u32| self.cut(*r as usize, place) == pixels;
        let exact: Vec<u32> = s.rows.iter().copied().filter(agrees).collect();
        let rows = if exact.len() * 10 >= s.rows.len() * 9 { exact } else { s.rows };
        let p: Vec<f64> = rows
            .iter()
            .map(|r| model.painted_over(self.pictures, *r as usize, place)[s.class as usize])
            .collect();
        let surprise = self.labels.judge(&rows, s.class, &p);
        Patch { place, places: vec![], pixels, class: s.class, surprise, rows }
    }

    fn cut(&self, i: usize, place: Place) -> Vec<u8> {
        let (image, line, c) =
            (self.pictures.get(i), self.pictures.width * self.pictures.channels, self.pictures.channels);
        let row = |v: usize| &image[v * line + place.left * c..v * line + (place.left + place.width) * c];
        (place.top..place.top + place.height).flat_map(row).copied().collect()
    }

    /// The content that most of the pictures show at the place.
    fn common(&self, place: Place, rows: &[u32]) -> Vec<u8> {
        self.agreed(&rows.iter().map(|r| (*r, place)).collect::<Vec<_>>()).0
    }

    /// The content that most of the pictures show, each at a place of its own, and how many do.
    fn agreed(&self, places: &[(u32, Place)]) -> (Vec<u8>, usize) {
        let mut cuts: Vec<Vec<u8>> = places.iter().map(|(r, p)| self.cut(*r as usize, *p)).collect();
        cuts.sort();
        let best = cuts.chunk_by(|a, b| a == b).max_by_key(|run| run.len());
        best.map(|run| (run[0].clone(), run.len())).unwrap_or_default()
    }

    /// Adds lines of pixels on each side while nearly all pictures agree on them and other pictures do not.
    fn grow(&self, mut place: Place, own: &[u32]) -> Place {
        let step = (self.labels.codes.len() / 512).max(1);
        let others: Vec<u32> = (0..self.labels.codes.len()).step_by(step).map(|i| i as u32).collect();
        loop {
            let Place { left, top, width, height } = place;
            let mut grown = vec![];
            if left > 0 {
                grown.push((
                    Place { left: left - 1, width: width + 1, ..place },
                    Place { left: left - 1, width: 1, ..place },
                ));
            }
            if top > 0 {
                grown.push((
                    Place { top: top - 1, height: height + 1, ..place },
                    Place { top: top - 1, height: 1, ..place },
                ));
            }
            if left + width < self.pictures.width {
                grown.push((
                    Place { width: width + 1, ..place },
                    Place { left: left + width, width: 1, ..place },
                ));
            }
            if top + height < self.pictures.height {
                grown.push((
                    Place { height: height + 1, ..place },
                    Place { top: top + height, height: 1, ..place },
                ));
            }
            let next = grown.into_iter().find(|(_, line)| {
                let common = self.common(*line, own);
                let share = |rows: &[u32]| {
                    let n = rows.iter().filter(|r| self.cut(**r as usize, *line) == common).count();
                    n as f64 / rows.len().max(1) as f64
                };
                share(own) >= GROW && share(&others) < BACKGROUND
            });
            match next {
                Some((larger, _)) => place = larger,
                None => return place,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use crate::softmax::FoldOptions;

    /// Noisy pictures with a bright half that tells the class; `poison` of class 0 get a stamp and label 1.
    fn pictures(n: usize, poison: usize) -> (Vec<u8>, Vec<u32>) {
        let mut rng = Rng::new(5, "patches");
        let (mut pixels, mut labels) = (vec![], vec![]);
        for i in 0..n {
            let class = (i % 2) as u32;
            let mut image: Vec<u8> = (0..256)
                .map(|p| {
                    (80.0 + 60.0 * f64::from((p % 16 < 8) == (class == 0)) + 25.0 * rng.normal())
                        .clamp(0.0, 255.0) as u8
                })
                .collect();
            let planted = class == 0 && i / 2 < poison;
            if planted {
                for (k, at) in
                    [(11, 11), (12, 11), (13, 11), (11, 12), (12, 12), (13, 12), (11, 13), (12, 13), (13, 13)]
                        .iter()
                        .enumerate()
                {
                    image[at.1 * 16 + at.0] = if k % 2 == 0 { 255 } else { 0 };
                }
            }
            pixels.extend(image);
            labels.push(if planted { 1 } else { class });
        }
        (pixels, labels)
    }

    fn model(all: &Pictures<'_>, labels: &[u32]) -> Arc<Model> {
        Arc::new(Model::new(all, labels, 2, &FoldOptions::default()))
    }

    #[test]
    fn a_stamp_is_found_pixel_for_pixel() {
        let (pixels, labels) = pictures(800, 12);
        let all = Pictures { pixels: &pixels, width: 16, height: 16, channels: 1 };
        let out = patches(&all, &labels, 2, &PatchOptions::default(), || model(&all, &labels));
        let best = &out.found[0];
        assert_eq!(best.place, Place { left: 11, top: 11, width: 3, height: 3 });
        assert_eq!(best.pixels, [255, 0, 255, 0, 255, 0, 255, 0, 255]);
        assert_eq!((best.class, best.surprise.hits, best.rows.len()), (1, 12, 12));
        assert!(best.surprise.p_value < 1e-6 && best.surprise.without < 0.3, "{:?}", best.surprise);
    }

    /// The same pictures, each stamp (4 x 3 pixels) or frame put by `put`, which gets the picture and its number.
    fn changed(put: impl Fn(&mut [u8], usize)) -> (Vec<u8>, Vec<u32>) {
        let (mut pixels, mut labels) = pictures(800, 0);
        for i in (0..24).step_by(2) {
            put(&mut pixels[i * 256..][..256], i);
            labels[i] = 1;
        }
        (pixels, labels)
    }

    fn found(pixels: &[u8], labels: &[u32]) -> Patches {
        let all = Pictures { pixels, width: 16, height: 16, channels: 1 };
        patches(&all, labels, 2, &PatchOptions::default(), || model(&all, labels))
    }

    #[test]
    fn a_stamp_at_changing_places_is_found_pixel_for_pixel() {
        let stamp = [255, 0, 90, 200, 0, 140, 255, 7, 30, 255, 0, 61];
        let at = |i: usize| Place { left: (5 * i) % 13, top: (3 * i) % 14, width: 4, height: 3 };
        let (pixels, labels) = changed(|image, i| {
            for (k, v) in stamp.iter().enumerate() {
                image[(at(i).top + k / 4) * 16 + at(i).left + k % 4] = *v;
            }
        });
        let out = found(&pixels, &labels);
        assert!(out.found.is_empty() && out.frames.is_empty() && out.moving.len() == 1);
        let best = &out.moving[0];
        let rows: Vec<u32> = (0..24).step_by(2).collect();
        let places: Vec<Place> = rows.iter().map(|r| at(*r as usize)).collect();
        assert_eq!((&best.pixels[..], &best.rows, &best.places), (&stamp[..], &rows, &places));
        assert_eq!((best.class, best.surprise.hits), (1, 12));
        assert!(best.surprise.p_value < 1e-6, "{:?}", best.surprise);
    }

    #[test]
    fn a_stamp_of_one_colour_is_a_rectangle_that_nothing_touches() {
        let (pixels, labels) = changed(|image, i| {
            (0..20).for_each(|k| image[((3 * i) % 12 + k / 5) * 16 + (5 * i) % 11 + k % 5] = 130);
        });
        let out = found(&pixels, &labels);
        assert_eq!(out.moving.len(), 1);
        let (best, place) = (&out.moving[0], out.moving[0].place);
        assert_eq!((place.width, place.height, &best.pixels[..]), (5, 4, &[130; 20][..]));
        assert!(best.rows.len() >= 9 && best.rows.iter().all(|r| r % 2 == 0 && *r < 24), "{:?}", best.rows);
    }

    #[test]
    fn a_frame_is_found() {
        let (pixels, labels) = changed(|image, _| {
            let outer = |k: usize| k % 16 < 2 || k % 16 > 13 || !(32..224).contains(&k);
            (0..256).filter(|k| outer(*k)).for_each(|k| image[k] = 0);
        });
        let out = found(&pixels, &labels);
        let best = &out.frames[0];
        assert_eq!((best.lines, &best.colour[..], best.class, best.rows.len()), (2, &[0][..], 1, 12));
        assert!(best.surprise.p_value < 1e-6, "{:?}", best.surprise);
    }

    #[test]
    fn pictures_of_the_world_share_no_window() {
        let (pixels, labels) = pictures(800, 0);
        let all = Pictures { pixels: &pixels, width: 16, height: 16, channels: 1 };
        let out = patches(&all, &labels, 2, &PatchOptions::default(), || model(&all, &labels));
        assert_eq!(out, Patches::default());
    }

    #[test]
    fn nothing_to_look_at_is_no_trouble() {
        let none = Pictures { pixels: &[], width: 0, height: 0, channels: 0 };
        assert_eq!(
            patches(&none, &[], 2, &PatchOptions::default(), || model(&none, &[])),
            Patches::default()
        );
    }
}
