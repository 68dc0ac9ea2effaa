//! Stamps that sit at another place of every picture.
//!
//! Windows are counted by what they show, wherever that is; a picture counts once. A window without contrast says nothing of
//! where a stamp ends, so that stamps of one colour are counted as what they are: rectangles of one colour that nothing of
//! that colour touches. Over all places simple contents (an edge between black and white) repeat by nature and go with
//! classes. They do so in pictures that show their class elsewhere, too, so that a model which does not see them is right;
//! what is asked is whether it is not.

use super::{BACKGROUND, GROW, Patch, SIDE, Search};
use crate::pictures::{Model, Place};
use crate::rng::mix;
use crate::surprise::{mostly_in, surprise_z};
use rayon::prelude::*;
use std::cmp::Reverse;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// Windows that are counted at once: bounds the memory.
const AT_ONCE: usize = 1 << 25;
/// Tells rectangles of one colour from windows.
const RECTANGLE: u64 = 1 << 63;
/// Count at which a slot stops: more than that is not asked.
const FULL: u8 = 200;
/// Least surprise to a model that sees the stamp from which it is asked again without: what is reported is far above.
const WORTH_ASKING: f64 = 4.0;

/// A content, a picture that shows it, and where it does first.
type Seen = (u64, u32, u32);

/// A content that enough pictures share, and where each shows it.
pub(super) struct Moving {
    class: u32,
    z: f64,
    rows: Vec<u32>,
    at: Vec<Place>,
    rectangle: bool,
}

/// Lines of pixels added to a place on each side.
#[derive(Clone, Copy, Default)]
struct Margin {
    left: usize,
    top: usize,
    right: usize,
    bottom: usize,
}

impl Search<'_> {
    /// Contents that enough pictures share, wherever they stand.
    pub(super) fn anywhere(&self) -> Vec<Vec<Seen>> {
        let (across, down) = (self.pictures.width + 1 - SIDE, self.pictures.height + 1 - SIDE);
        let windows = across * down * self.pictures.len();
        let parts = windows.div_ceil(AT_ONCE).max(1) as u64;
        (0..parts).flat_map(|part| self.repeated(part, parts, windows)).collect()
    }

    /// Those of one part of all contents.
    fn repeated(&self, part: u64, parts: u64, windows: usize) -> Vec<Vec<Seen>> {
        let slots = (2 * windows / parts as usize + 1).next_power_of_two();
        let filled: Vec<AtomicU8> = (0..slots).map(|_| AtomicU8::new(0)).collect();
        let slot = |hash: u64| &filled[(hash as usize / parts as usize) & (slots - 1)];
        let own = |hash: u64| hash % parts == part;
        let known: Vec<u32> =
            (0..self.labels.codes.len()).filter(|i| self.labels.knows(*i)).map(|i| i as u32).collect();
        // nearly every window stands alone: only what falls in a slot with enough others is worth keeping
        known.par_iter().for_each(|i| {
            for (hash, _) in self.contents(*i).into_iter().filter(|c| own(c.0)) {
                // one that is full stays so, on any number of threads
                let _ = slot(hash).fetch_update(Relaxed, Relaxed, |n| (n < FULL).then_some(n + 1));
            }
        });
        let least = self.options.least_rows;
        let enough = least.min(u32::from(FULL)) as u8;
        let mut seen: Vec<Seen> = known
            .par_iter()
            .flat_map_iter(|i| {
                let often = |c: &(u64, u32)| own(c.0) && slot(c.0).load(Relaxed) >= enough;
                self.contents(*i).into_iter().filter(often).map(|(hash, at)| (hash, *i, at))
            })
            .collect();
        seen.par_sort_unstable();
        let n = self.labels.codes.len() as f64;
        seen.chunk_by(|a, b| a.0 == b.0)
            .filter(|r| r.len() >= least as usize && (r.len() as f64) < BACKGROUND * n)
            .map(<[Seen]>::to_vec)
            .collect()
    }

    /// What a picture shows, each content once and where it stands first.
    fn contents(&self, i: u32) -> Vec<(u64, u32)> {
        let (w, h) = (self.pictures.width, self.pictures.height);
        let across = w + 1 - SIDE;
        let lines: Vec<super::Line> = (0..h)
            .flat_map(|y| (0..across).map(move |x| (x, y)))
            .map(|(x, y)| self.line(i as usize, x, y))
            .collect();
        let mut out = vec![];
        for y in 0..=h - SIDE {
            for x in 0..across {
                let window = std::array::from_fn(|k| lines[(y + k) * across + x]);
                if let Some(hash) = self.content(&window) {
                    out.push((hash & !RECTANGLE, (y * w + x) as u32));
                }
                if let Some(p) = self.rectangle(i as usize, x, y) {
                    let colour = self.pixel(i as usize, x, y).iter().fold(1, |h, v| mix(h ^ u64::from(*v)));
                    let size = ((p.width as u64) << 32) | p.height as u64;
                    out.push((mix(colour ^ size) | RECTANGLE, (y * w + x) as u32));
                }
            }
        }
        out.sort_unstable();
        out.dedup_by_key(|c| c.0);
        out
    }

    pub(super) fn pixel(&self, i: usize, x: usize, y: usize) -> &[u8] {
        let c = self.pictures.channels;
        &self.pictures.get(i)[(y * self.pictures.width + x) * c..][..c]
    }

    /// The rectangle of one colour with its upper left corner there, if no pixel beside it has that colour.
    fn rectangle(&self, i: usize, x: usize, y: usize) -> Option<Place> {
        let (w, h) = (self.pictures.width, self.pictures.height);
        let colour = self.pixel(i, x, y);
        let same = |x: usize, y: usize| self.pixel(i, x, y) == colour;
        if !same(x + 1, y) || !same(x, y + 1) || (x > 0 && same(x - 1, y)) || (y > 0 && same(x, y - 1)) {
            return None;
        }
        let width = (x..w).take_while(|u| same(*u, y)).count();
        let height = (y..h).take_while(|v| same(x, *v)).count();
        if width < SIDE || height < SIDE {
            return None;
        }
        let (right, bottom) = (x + width, y + height);
        let filled = (y..bottom).all(|v| (x..right).all(|u| same(u, v)));
        let aside = |v: usize| (x > 0 && same(x - 1, v)) || (right < w && same(right, v));
        let above = |u: usize| (y > 0 && same(u, y - 1)) || (bottom < h && same(u, bottom));
        let alone = filled && !(y..bottom).any(aside) && !(x..right).any(above);
        alone.then_some(Place { left: x, top: y, width, height })
    }

    /// Those of the contents whose place changes and whose labels surprise a model, the most surprising first; where contents
    /// are `rare`, those that go with a class, too. `fixed`: stamps that were found at one place, which are not told twice.
    pub(super) fn moving(
        &self,
        contents: &[Vec<Seen>],
        rare: bool,
        fixed: &[Patch],
        model: &Model,
    ) -> Vec<Moving> {
        let mut all: Vec<Moving> =
            contents.par_iter().filter_map(|seen| self.worth(seen, rare, model)).collect();
        all.sort_by(|a, b| {
            b.z.total_cmp(&a.z).then_with(|| a.at.cmp(&b.at)).then_with(|| a.rows.cmp(&b.rows))
        });
        let mut taken: Vec<Moving> = vec![];
        for m in all {
            if taken.len() >= self.options.most {
                break;
            }
            // what is beside a stamp may stand in honest pictures, too, so that those of the class are compared
            let own = self.labels.own(&m.rows, m.class);
            let told = fixed.iter().any(|f| mostly_in(&own, &f.rows));
            if !told && !taken.iter().any(|t| mostly_in(&own, &t.rows) || mostly_in(&t.rows, &m.rows)) {
                taken.push(m);
            }
        }
        taken
    }

    fn worth(&self, seen: &[Seen], rare: bool, model: &Model) -> Option<Moving> {
        let rows: Vec<u32> = seen.iter().map(|s| s.1).collect();
        let (class, enriched) = self.labels.enriched(&self.labels.counts(&rows))?;
        let p: Vec<f64> = rows.iter().map(|r| f64::from(model.of(*r as usize)[class as usize])).collect();
        let hits = self.labels.own(&rows, class).len();
        let z = surprise_z(hits, &p);
        let z = if rare { z.max(enriched) } else { z };
        if z < WORTH_ASKING || 2 * hits < rows.len() {
            return None;
        }
        let w = self.pictures.width;
        let (hash, row, at) = seen[0];
        let rectangle = hash & RECTANGLE != 0;
        let (width, height) = if rectangle {
            let p = self.rectangle(row as usize, at as usize % w, at as usize / w)?;
            (p.width, p.height)
        } else {
            (SIDE, SIDE)
        };
        let place = |s: &Seen| Place { left: s.2 as usize % w, top: s.2 as usize / w, width, height };
        let at: Vec<Place> = seen.iter().map(place).collect();
        (2 * most_common(&at).1 <= at.len()).then_some(Moving { class, z, rows, at, rectangle })
    }

    /// The whole stamp, the pictures that carry it, and what their labels say. `None` if too few carry the whole.
    pub(super) fn judge_moving(&self, m: Moving, model: &Model) -> Option<Patch> {
        let Moving { class, mut rows, mut at, .. } = m;
        let of_class = |(r, _): &(u32, Place)| self.labels.codes[*r as usize] == class;
        let carriers: Vec<(u32, Place)> =
            rows.iter().copied().zip(at.iter().copied()).filter(of_class).collect();
        let margin = self.margin(&carriers);
        let whole: Vec<(u32, Place)> =
            carriers.iter().filter_map(|(r, p)| Some((*r, self.widened(*p, margin)?))).collect();
        let (pixels, _) = self.agreed(&whole);
        let (width, height) = whole.first().map(|(_, p)| (p.width, p.height))?;
        if !m.rectangle {
            (rows, at) = self.carriers(&pixels, width, height).into_iter().unzip();
        }
        let (place, most) = most_common(&at);
        if rows.len() < self.options.least_rows as usize || 2 * most > at.len() {
            return None;
        }
        let p: Vec<f64> = rows
            .iter()
            .zip(&at)
            .map(|(r, p)| model.painted_over(self.pictures, *r as usize, *p)[class as usize])
            .collect();
        let surprise = self.labels.judge(&rows, class, &p);
        Some(Patch { place, places: at, pixels, class, rows, surprise })
    }

    /// Lines of pixels around places that nearly all pictures agree on, and other pictures at the same places do not.
    fn margin(&self, own: &[(u32, Place)]) -> Margin {
        let n = self.labels.codes.len();
        let step = (n / 512).max(1);
        let others: Vec<(u32, Place)> =
            (0..n).step_by(step).zip(own.iter().cycle()).map(|(i, (_, p))| (i as u32, *p)).collect();
        let mut margin = Margin::default();
        loop {
            let Margin { left, top, right, bottom } = margin;
            let grown = [
                Margin { left: left + 1, ..margin },
                Margin { top: top + 1, ..margin },
                Margin { right: right + 1, ..margin },
                Margin { bottom: bottom + 1, ..margin },
            ];
            let line = |p: Place, side: usize| match side {
                0 => Place { width: 1, ..p },
                1 => Place { height: 1, ..p },
                2 => Place { left: p.left + p.width - 1, width: 1, ..p },
                _ => Place { top: p.top + p.height - 1, height: 1, ..p },
            };
            let agrees = |side: usize| {
                let lines = |rows: &[(u32, Place)]| -> Vec<(u32, Place)> {
                    rows.iter()
                        .filter_map(|(r, p)| Some((*r, line(self.widened(*p, grown[side])?, side))))
                        .collect()
                };
                let (mine, theirs) = (lines(own), lines(&others));
                let (common, count) = self.agreed(&mine);
                let alike = theirs.iter().filter(|(r, p)| self.cut(*r as usize, *p) == common).count();
                count as f64 >= GROW * own.len() as f64 && (alike as f64) < BACKGROUND * theirs.len() as f64
            };
            match (0..4).find(|side| agrees(*side)) {
                Some(side) => margin = grown[side],
                None => return margin,
            }
        }
    }

    fn widened(&self, p: Place, m: Margin) -> Option<Place> {
        let (left, top) = (p.left.checked_sub(m.left)?, p.top.checked_sub(m.top)?);
        let (width, height) = (p.width + m.left + m.right, p.height + m.top + m.bottom);
        let fits = left + width <= self.pictures.width && top + height <= self.pictures.height;
        fits.then_some(Place { left, top, width, height })
    }

    /// Labelled pictures that show these pixels, and where they do first.
    fn carriers(&self, pixels: &[u8], width: usize, height: usize) -> Vec<(u32, Place)> {
        let (w, h, c) = (self.pictures.width, self.pictures.height, self.pictures.channels);
        let line = width * c;
        (0..self.labels.codes.len())
            .into_par_iter()
            .filter(|i| self.labels.knows(*i))
            .filter_map(|i| {
                let image = self.pictures.get(i);
                let shows = |x: usize, y: usize| {
                    pixels.chunks(line).zip(y..).all(|(own, v)| image[(v * w + x) * c..][..line] == *own)
                };
                let mut places = (0..=h - height).flat_map(|y| (0..=w - width).map(move |x| (x, y)));
                let (left, top) = places.find(|(x, y)| shows(*x, *y))?;
                Some((i as u32, Place { left, top, width, height }))
            })
            .collect()
    }
}

/// The place that occurs most often, the first of those, and how often it does.
fn most_common(places: &[Place]) -> (Place, usize) {
    let mut sorted = places.to_vec();
    sorted.sort_unstable();
    let best = sorted.chunk_by(|a, b| a == b).max_by_key(|run| (run.len(), Reverse(run[0])));
    best.map_or((Place { left: 0, top: 0, width: 0, height: 0 }, 0), |run| (run[0], run.len()))
}
