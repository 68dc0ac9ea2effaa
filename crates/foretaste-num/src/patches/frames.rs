//! Frames: the outer lines of a picture, all of one colour.
//!
//! No window inside a frame has contrast, and those on its inner edge show what the picture shows; so frames are a content of
//! their own, told apart by colour and by how many lines they have.

use super::{BACKGROUND, Search};
use crate::pictures::Model;
use crate::surprise::Surprise;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// A frame and what speaks for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// Pixels from the edge of the picture to where the frame ends.
    pub lines: usize,
    /// Its colour, one value a channel.
    pub colour: Vec<u8>,
    /// The class it goes with.
    pub class: u32,
    /// Labelled pictures that have it, ascending.
    pub rows: Vec<u32>,
    /// How its pictures' labels stand to the class, the frame painted over.
    pub surprise: Surprise,
}

/// Frames by their lines and colour, and the pictures that have them.
pub(super) type Framed = BTreeMap<(usize, Vec<u8>), Vec<u32>>;

impl Search<'_> {
    /// Frames that enough pictures have.
    pub(super) fn framed(&self) -> Framed {
        let n = self.labels.codes.len();
        let frames: Vec<Option<(usize, Vec<u8>)>> = (0..n).into_par_iter().map(|i| self.frame(i)).collect();
        let mut out = Framed::new();
        for (i, frame) in frames.into_iter().enumerate().filter(|(i, _)| self.labels.knows(*i)) {
            if let Some(frame) = frame {
                out.entry(frame).or_default().push(i as u32);
            }
        }
        let least = self.options.least_rows as usize;
        out.retain(|_, rows| rows.len() >= least && (rows.len() as f64) < BACKGROUND * n as f64);
        out
    }

    /// Outer lines of one colour, and that colour. `None` if there are none or nothing is inside.
    fn frame(&self, i: usize) -> Option<(usize, Vec<u8>)> {
        let (w, h) = (self.pictures.width, self.pictures.height);
        let colour = self.pixel(i, 0, 0);
        let same = |x: usize, y: usize| self.pixel(i, x, y) == colour;
        let line = |k: usize| {
            let across = (k..w - k).all(|x| same(x, k) && same(x, h - 1 - k));
            across && (k..h - k).all(|y| same(k, y) && same(w - 1 - k, y))
        };
        let most = w.min(h).div_ceil(2);
        let lines = (0..most).take_while(|k| line(*k)).count();
        (lines > 0 && 2 * lines < w.min(h)).then(|| (lines, colour.to_vec()))
    }

    /// What the labels say of frames of which at least half of the pictures are of one class; the most surprising first.
    pub(super) fn judge_frames(&self, framed: Framed, model: &Model) -> Vec<Frame> {
        let mut out: Vec<Frame> = framed
            .into_par_iter()
            .filter_map(|((lines, colour), rows)| {
                let (class, _) = self.labels.enriched(&self.labels.counts(&rows))?;
                if 2 * self.labels.own(&rows, class).len() < rows.len() {
                    return None;
                }
                let hidden = |r: &u32| {
                    let image = self.without_frame(*r as usize, lines);
                    model.probabilities(self.pictures, *r as usize, &image)[class as usize]
                };
                let p: Vec<f64> = rows.iter().map(hidden).collect();
                let surprise = self.labels.judge(&rows, class, &p);
                Some(Frame { lines, colour, class, rows, surprise })
            })
            .collect();
        out.sort_by(|a, b| b.surprise.z.total_cmp(&a.surprise.z).then_with(|| a.rows.cmp(&b.rows)));
        out.truncate(self.options.most);
        out
    }

    /// The picture, what is inside the frame drawn out to the edge.
    fn without_frame(&self, i: usize, lines: usize) -> Vec<u8> {
        let (w, h) = (self.pictures.width, self.pictures.height);
        let inside = |at: usize, n: usize| at.clamp(lines, n - 1 - lines);
        (0..h)
            .flat_map(|y| (0..w).map(move |x| (x, y)))
            .flat_map(|(x, y)| self.pixel(i, inside(x, w), inside(y, h)))
            .copied()
            .collect()
    }
}
