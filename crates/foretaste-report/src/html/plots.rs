//! Plots as numbers for inline SVG. The template writes the elements, so that all text in them is escaped.

use crate::excerpt::short;
use crate::words;
use foretaste_core::{Confusion, DetectorRun, Histogram};

/// Size of a histogram's plot area in user units.
const WIDTH: f64 = 300.0;
const HEIGHT: f64 = 84.0;

/// A histogram of suspicion.
pub struct HistogramPlot {
    /// Catalogue id of the detector.
    pub id: String,
    /// Bars of all rows, behind.
    pub all: Vec<Bar>,
    /// Bars of flagged rows, in front.
    pub flagged: Vec<Bar>,
    /// Lower edge of the first bin.
    pub low: String,
    /// Upper edge of the last bin.
    pub high: String,
    /// Height of the highest bar, in words.
    pub top: String,
    /// True if heights are logarithms.
    pub log: bool,
    /// Rows flagged.
    pub total_flagged: String,
}

/// A bar in user units.
pub struct Bar {
    pub x: String,
    pub y: String,
    pub width: String,
    pub height: String,
    pub title: String,
}

/// The plot of a detector's suspicion, if there is something to show.
pub fn histogram(d: &DetectorRun) -> Option<HistogramPlot> {
    let h = d.histogram.as_ref()?;
    let top = *h.all.iter().max()?;
    if top == 0 {
        return None;
    }
    let typical = {
        let mut filled: Vec<u64> = h.all.iter().copied().filter(|n| *n > 0).collect();
        filled.sort_unstable();
        filled[filled.len() / 2]
    };
    // a tail of a few among thousands would be invisible on a linear scale
    let log = top > 40 * typical.max(1) || h.flagged.iter().any(|f| *f > 0 && *f * 40 < top);
    Some(HistogramPlot {
        id: short(&d.id, 40),
        all: bars(h, &h.all, top, log),
        flagged: bars(h, &h.flagged, top, log),
        low: words::number(h.low),
        high: words::number(h.high),
        top: words::plural(top, "row"),
        log,
        total_flagged: words::count(h.flagged.iter().sum()),
    })
}

#[allow(clippy::cast_precision_loss)]
fn bars(h: &Histogram, counts: &[u64], top: u64, log: bool) -> Vec<Bar> {
    let step = WIDTH / h.all.len() as f64;
    let size = |n: u64| if log { (n as f64 + 1.0).ln() } else { n as f64 };
    let edge = |i: usize| h.low + (h.high - h.low) * i as f64 / h.all.len() as f64;
    counts
        .iter()
        .take(h.all.len())
        .enumerate()
        .filter(|(_, n)| **n > 0)
        .map(|(i, n)| {
            // at least a visible sliver
            let height = (HEIGHT * size(*n) / size(top)).clamp(1.5, HEIGHT);
            Bar {
                x: coordinate(i as f64 * step + 0.4),
                y: coordinate(HEIGHT - height),
                width: coordinate((step - 0.8).max(0.4)),
                height: coordinate(height),
                title: format!(
                    "{} to {}: {}",
                    words::number(edge(i)),
                    words::number(edge(i + 1)),
                    words::plural(*n, "row")
                ),
            }
        })
        .collect()
}

/// A heat map of given against expected labels.
pub struct HeatMap {
    /// Size of the drawing.
    pub width: String,
    pub height: String,
    /// Side of a cell.
    pub side: String,
    pub cells: Vec<HeatCell>,
    pub rows: Vec<Label>,
    pub columns: Vec<Label>,
    /// Middle of the map, for the heads of its axes.
    pub middle_x: String,
    pub middle_y: String,
}

/// A cell of a heat map.
pub struct HeatCell {
    pub x: String,
    pub y: String,
    /// Middle, for the number.
    pub text_x: String,
    pub text_y: String,
    /// Number to print, empty if the cells are too small.
    pub text: String,
    pub title: String,
    /// Opacity of the colour, 0 to 1.
    pub heat: String,
    /// True where given and expected agree.
    pub diagonal: bool,
    /// True if the colour is so strong that the number has to be light.
    pub strong: bool,
}

/// A class name beside the map.
pub struct Label {
    pub x: String,
    pub y: String,
    pub text: String,
}

/// The map of a confusion matrix. Colour is the share of the row that is expected elsewhere, on a square-root scale,
/// since a per cent of flips must show.
#[allow(clippy::cast_precision_loss)]
pub fn heat_map(c: &Confusion) -> Option<HeatMap> {
    let n = c.names.len().min(c.counts.len());
    if n < 2 {
        return None;
    }
    let names: Vec<String> = c.names.iter().take(n).map(|name| short(name, 16)).collect();
    let longest = names.iter().map(|s| crate::excerpt::width(s)).max().unwrap_or(0) as f64;
    let side = if n <= 6 {
        56.0
    } else if n <= 12 {
        40.0
    } else {
        24.0
    };
    let margin = 26.0 + longest * 6.6;
    let mut map = HeatMap {
        width: coordinate(margin + side * n as f64 + 40.0),
        height: coordinate(margin + side * n as f64 + 6.0),
        side: coordinate(side - 2.0),
        cells: Vec::with_capacity(n * n),
        rows: vec![],
        columns: vec![],
        middle_x: coordinate(margin + side * n as f64 / 2.0),
        middle_y: coordinate(margin + side * n as f64 / 2.0),
    };
    for (i, name) in names.iter().enumerate() {
        let along = margin + side * (i as f64 + 0.5);
        map.rows.push(Label { x: coordinate(margin - 8.0), y: coordinate(along + 4.0), text: name.clone() });
        map.columns.push(Label {
            x: coordinate(along + 4.0),
            y: coordinate(margin - 8.0),
            text: name.clone(),
        });
        let row: u64 = c.counts[i].iter().sum();
        for j in 0..n {
            map.cells.push(heat_cell(c, (i, j), row, margin, side, &names));
        }
    }
    Some(map)
}

#[allow(clippy::cast_precision_loss)]
fn heat_cell(
    c: &Confusion,
    (i, j): (usize, usize),
    row: u64,
    margin: f64,
    side: f64,
    names: &[String],
) -> HeatCell {
    let at = |m: &[Vec<u64>]| m.get(i).and_then(|r| r.get(j)).copied().unwrap_or(0);
    let (count, flagged) = (at(&c.counts), at(&c.flagged));
    let share = words::share(count, row);
    let heat = if share.is_nan() { 0.0 } else { share.sqrt() };
    let (x, y) = (margin + side * j as f64, margin + side * i as f64);
    let mut title = format!("given {}, expected {}: {}", names[i], names[j], words::plural(count, "sample"));
    if flagged > 0 {
        title += &format!(", {} flagged", words::count(flagged));
    }
    let text = if side < 40.0 || count == 0 { String::new() } else { compact(count) };
    HeatCell {
        x: coordinate(x),
        y: coordinate(y),
        text_x: coordinate(x + side / 2.0 - 1.0),
        text_y: coordinate(y + side / 2.0 + 3.0),
        text,
        title,
        heat: format!("{:.3}", if i == j { heat * 0.5 } else { heat }),
        diagonal: i == j,
        strong: i != j && heat > 0.55,
    }
}

/// `45,222` as `45k`: a cell holds four characters.
fn compact(n: u64) -> String {
    match n {
        0..10_000 => words::count(n),
        10_000..1_000_000 => format!("{}k", n / 1000),
        _ => format!("{}M", n / 1_000_000),
    }
}

fn coordinate(x: f64) -> String {
    format!("{x:.1}")
}
