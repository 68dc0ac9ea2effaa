//! The inner loop: products of a few rows with a few columns, tested against the limits of both
//! while they are still in registers.
//!
//! The code is plain Rust that the compiler vectorises; it is compiled once for each instruction set
//! and chosen when the program runs. Every variant gives the same neighbours, because a product only
//! decides who is looked at again (see [`super::lists`]).

/// Instruction set of the inner loop, with the width of its panels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// Whatever the build targets.
    Portable,
    /// AVX2 and FMA.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512F.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

/// Columns longer than this are multiplied in pieces, so that a row panel stays in the first cache.
pub const DEPTH: usize = 1024;

impl Isa {
    /// The best one of this machine.
    #[must_use]
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if std::arch::is_x86_feature_detected!("avx512f") {
                return Self::Avx512;
            }
            if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
                return Self::Avx2;
            }
        }
        Self::Portable
    }

    /// Rows of a tile and columns of a tile.
    #[must_use]
    pub fn shape(self) -> (usize, usize) {
        match self {
            Self::Portable if cfg!(target_arch = "x86_64") => (4, 8),
            Self::Portable => (6, 16),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => (6, 16),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => (12, 32),
        }
    }
}

/// A pair that may be one of the nearest of its row or of its column.
#[derive(Clone, Copy, Debug)]
pub struct Hit {
    /// Row, counted within the row block.
    pub row: u32,
    /// Column, counted within the column block.
    pub col: u32,
    /// Lower bound of the scaled squared distance.
    pub lower: f32,
}

/// Panels of rows, one after another, each `dim` times `width` values, with half the squared norms
/// (shrunk by the possible error), padded to whole panels.
#[derive(Clone, Copy)]
pub struct Panels<'a> {
    pub dim: usize,
    pub values: &'a [f32],
    pub half: &'a [f32],
}

/// One side of a sweep.
#[derive(Clone, Copy)]
pub struct Edge<'a> {
    pub full: Panels<'a>,
    /// A few coordinates whose distances are never larger; empty if they are of no use.
    pub coarse: Panels<'a>,
    /// Half the largest squared distance still of interest to each row, padded to whole panels.
    pub bound: &'a [f32],
}

/// A row block against a column block.
#[derive(Clone, Copy)]
pub struct Sweep<'a> {
    /// Rows, in panels of the tile's rows.
    pub rows: Edge<'a>,
    /// Columns, in panels of the tile's columns.
    pub cols: Edge<'a>,
    /// True when both are the same block: only pairs above the diagonal count.
    pub diagonal: bool,
}

/// Where a sweep goes on, and what the coarse coordinates were worth so far.
#[derive(Clone, Copy, Default)]
pub struct Course {
    /// Next row panel.
    pub next: usize,
    /// Row panels to go without the coarse test, after it let nearly everything pass.
    blind: u32,
    /// The same when it was last counted: longer each time, until the test pays again.
    pause: u32,
}

/// Most row panels until the coarse test is tried again.
const PAUSE: u32 = 15;

impl Sweep<'_> {
    /// Collects hits from row panel `course.next` on; stops early once there are `enough`, so that the
    /// caller can tighten the bounds.
    pub fn run(&self, isa: Isa, course: &mut Course, enough: usize, hits: &mut Vec<Hit>) {
        match isa {
            Isa::Portable if cfg!(target_arch = "x86_64") => sweep::<4, 8, false>(self, course, enough, hits),
            Isa::Portable => sweep::<6, 16, { cfg!(target_arch = "aarch64") }>(self, course, enough, hits),
            // SAFETY: `detect` gives this variant only where the processor has these features.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => unsafe { sweep_avx2(self, course, enough, hits) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => unsafe { sweep_avx512(self, course, enough, hits) },
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn sweep_avx2(s: &Sweep, course: &mut Course, enough: usize, hits: &mut Vec<Hit>) {
    sweep::<6, 16, true>(s, course, enough, hits);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx2,fma")]
fn sweep_avx512(s: &Sweep, course: &mut Course, enough: usize, hits: &mut Vec<Hit>) {
    sweep::<12, 32, true>(s, course, enough, hits);
}

#[inline(always)]
fn sweep<const MR: usize, const NR: usize, const FMA: bool>(
    s: &Sweep,
    course: &mut Course,
    enough: usize,
    hits: &mut Vec<Hit>,
) {
    let (row_panels, col_panels) = (s.rows.bound.len() / MR, s.cols.bound.len() / NR);
    let dim = s.rows.full.dim;
    let mut partial = if dim > DEPTH { vec![[[0f32; NR]; MR]; col_panels] } else { Vec::new() };
    let mut wanted: Vec<usize> = Vec::with_capacity(col_panels);
    while course.next < row_panels && hits.len() < enough {
        let p = course.next;
        course.next += 1;
        let start = if s.diagonal { p * MR / NR } else { 0 };
        wanted.clear();
        choose::<MR, NR, FMA>(s, p, start..col_panels, course, &mut wanted);
        let a = s.rows.full.panel::<MR>(p);
        let mut k = 0;
        while dim - k > DEPTH {
            for &q in &wanted {
                let b = s.cols.full.panel::<NR>(q);
                let before = if k == 0 { [[0f32; NR]; MR] } else { partial[q] };
                partial[q] = product::<MR, NR, FMA>(&a[k..k + DEPTH], &b[k..k + DEPTH], before);
            }
            k += DEPTH;
        }
        for &q in &wanted {
            let before = if k == 0 { [[0f32; NR]; MR] } else { partial[q] };
            let dots = product::<MR, NR, FMA>(&a[k..], &s.cols.full.panel::<NR>(q)[k..], before);
            let limits = Limits::new((s.rows.full, s.rows.bound, p), (s.cols.full, s.cols.bound, q));
            if limits.any(&dots) {
                limits.collect(&dots, p * MR, q * NR, s.diagonal, hits);
            }
        }
    }
}

/// The column panels that have to be multiplied with row panel `p`: those where the coarse distance
/// of some pair is within a bound.
#[inline(always)]
fn choose<const MR: usize, const NR: usize, const FMA: bool>(
    s: &Sweep,
    p: usize,
    among: std::ops::Range<usize>,
    course: &mut Course,
    wanted: &mut Vec<usize>,
) {
    let (rows, cols) = (s.rows.coarse, s.cols.coarse);
    if rows.dim == 0 || course.blind > 0 {
        course.blind = course.blind.saturating_sub(1);
        wanted.extend(among);
        return;
    }
    let tiles = among.len();
    for q in among {
        let dots = product::<MR, NR, FMA>(rows.panel(p), cols.panel(q), [[0f32; NR]; MR]);
        if Limits::new((rows, s.rows.bound, p), (cols, s.cols.bound, q)).any(&dots) {
            wanted.push(q);
        }
    }
    // the test pays while what it saves is more than it costs
    let saved = (tiles - wanted.len()) * s.rows.full.dim;
    let pays = saved >= tiles * rows.dim * 3 / 2;
    course.pause = if pays { 0 } else { (2 * course.pause + 1).min(PAUSE) };
    course.blind = course.pause;
}

impl<'a> Panels<'a> {
    #[inline(always)]
    fn panel<const W: usize>(&self, at: usize) -> &'a [[f32; W]] {
        self.values[at * self.dim * W..][..self.dim * W].as_chunks::<W>().0
    }
}

#[inline(always)]
fn product<const MR: usize, const NR: usize, const FMA: bool>(
    a: &[[f32; MR]],
    b: &[[f32; NR]],
    mut acc: [[f32; NR]; MR],
) -> [[f32; NR]; MR] {
    for (a, b) in a.iter().zip(b) {
        for r in 0..MR {
            for c in 0..NR {
                acc[r][c] = if FMA { a[r].mul_add(b[c], acc[r][c]) } else { acc[r][c] + a[r] * b[c] };
            }
        }
    }
    acc
}

struct Limits<'a, const MR: usize, const NR: usize> {
    half_r: &'a [f32; MR],
    bound_r: &'a [f32; MR],
    half_c: &'a [f32; NR],
    bound_c: &'a [f32; NR],
}

impl<'a, const MR: usize, const NR: usize> Limits<'a, MR, NR> {
    #[inline(always)]
    fn new(rows: (Panels<'a>, &'a [f32], usize), cols: (Panels<'a>, &'a [f32], usize)) -> Self {
        Self {
            half_r: &rows.0.half.as_chunks().0[rows.2],
            bound_r: &rows.1.as_chunks().0[rows.2],
            half_c: &cols.0.half.as_chunks().0[cols.2],
            bound_c: &cols.1.as_chunks().0[cols.2],
        }
    }

    /// Not negative where pair `(r, c)` is of interest to its row or its column: from
    /// `norm_r + norm_c - 2 dot <= bound` with everything halved.
    #[inline(always)]
    fn excess(&self, dots: &[[f32; NR]; MR], r: usize, c: usize) -> f32 {
        let (row, col) = (self.bound_r[r], self.bound_c[c]);
        (dots[r][c] + if row > col { row } else { col }) - (self.half_r[r] + self.half_c[c])
    }

    #[inline(always)]
    fn any(&self, dots: &[[f32; NR]; MR]) -> bool {
        // the sign bit stays only where every excess is negative: cheaper than comparisons
        let mut signs = [u32::MAX; NR];
        for r in 0..MR {
            for (c, sign) in signs.iter_mut().enumerate() {
                *sign &= self.excess(dots, r, c).to_bits();
            }
        }
        !negative(&signs)
    }

    #[inline(always)]
    fn collect(&self, dots: &[[f32; NR]; MR], r0: usize, c0: usize, diagonal: bool, hits: &mut Vec<Hit>) {
        for r in 0..MR {
            let mut signs = [0u32; NR];
            for (c, sign) in signs.iter_mut().enumerate() {
                *sign = self.excess(dots, r, c).to_bits();
            }
            for (piece, signs) in signs.as_chunks::<8>().0.iter().enumerate() {
                if negative(signs) {
                    continue;
                }
                for (c, sign) in signs.iter().enumerate() {
                    let c = piece * 8 + c;
                    if sign >> 31 == 0 && (!diagonal || c0 + c > r0 + r) {
                        let lower = 2.0 * (self.half_r[r] + self.half_c[c] - dots[r][c]);
                        hits.push(Hit { row: (r0 + r) as u32, col: (c0 + c) as u32, lower: lower.max(0.0) });
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn negative<const N: usize>(bits: &[u32; N]) -> bool {
    bits.iter().fold(u32::MAX, |x, y| x & y) >> 31 == 1
}
