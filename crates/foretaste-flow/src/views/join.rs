//! Kinds of features side by side in one row.

use foretaste_core::Matrix;
use foretaste_num::ngrams::Csr;
use foretaste_victims::Features;

/// Sparse rows side by side; dense ones stay apart. One regression over texts and columns adds up what both say,
/// where a committee of two would count the classes' shares twice.
///
/// Blocks keep their scale: rows of n-grams have unit length, rows of a table one for each column.
pub fn sparse(blocks: Vec<Features>) -> Vec<Features> {
    let (mut out, mut parts) = (vec![], vec![]);
    for block in blocks {
        match block {
            Features::Sparse(csr) => parts.push(csr),
            dense @ Features::Dense { .. } => out.push(dense),
        }
    }
    match parts.len() {
        0 => {}
        1 => out.extend(parts.into_iter().map(Features::Sparse)),
        _ => out.push(Features::Sparse(joined(&parts))),
    }
    out
}

fn joined(parts: &[Csr]) -> Csr {
    let mut out = Csr::empty(parts.iter().map(|p| p.cols).sum());
    for row in 0..parts.iter().map(Csr::rows).min().unwrap_or(0) {
        let mut first = 0;
        out.push_row(parts.iter().flat_map(|p| {
            let shift = first as u32;
            first += p.cols;
            let (indices, values) = p.row(row);
            indices.iter().zip(values).map(move |(i, v)| (i + shift, *v))
        }));
    }
    out
}

/// Dense rows side by side, each block scaled so that two random rows are equally far apart in it: no block decides
/// alone who is near. Blocks in which all rows are alike are left out.
pub fn side_by_side(blocks: Vec<Matrix>) -> Option<Matrix> {
    let rows = blocks.iter().map(Matrix::rows).max()?;
    let mut kept: Vec<(Matrix, f32)> = vec![];
    for block in blocks {
        let spread = spread(&block);
        if block.rows() == rows && spread > 0.0 && spread.is_finite() {
            kept.push((block, (1.0 / spread.sqrt()) as f32));
        }
    }
    if kept.len() < 2 {
        return kept.pop().map(|(block, _)| block);
    }
    let cols = kept.iter().map(|(b, _)| b.cols()).sum();
    let mut data = Vec::with_capacity(rows * cols);
    for row in 0..rows {
        for (block, factor) in &kept {
            data.extend(block.row(row).iter().map(|v| v * factor));
        }
    }
    Some(Matrix::new(data, cols))
}

/// Mean squared distance of a row from the mean row.
fn spread(block: &Matrix) -> f64 {
    let n = block.rows().max(1) as f64;
    let (mut sums, mut squares) = (vec![0f64; block.cols()], 0f64);
    for row in block.values().chunks_exact(block.cols().max(1)) {
        for (s, v) in sums.iter_mut().zip(row) {
            *s += f64::from(*v);
            squares += f64::from(*v) * f64::from(*v);
        }
    }
    let spread = squares / n - sums.iter().map(|s| (s / n).powi(2)).sum::<f64>();
    // what cancellation leaves of equal rows is no spread
    if spread > 1e-9 * squares / n { spread } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_side_by_side() {
        let csr = |cols: usize, rows: &[&[(u32, f32)]]| {
            let mut out = Csr::empty(cols);
            rows.iter().for_each(|r| out.push_row(r.iter().copied()));
            out
        };
        let a = csr(3, &[&[(2, 1.0)], &[]]);
        let b = csr(2, &[&[(0, 5.0)], &[(1, 6.0)]]);
        let want = csr(5, &[&[(2, 1.0), (3, 5.0)], &[(4, 6.0)]]);
        assert_eq!(sparse(vec![Features::Sparse(a), Features::Sparse(b)]), [Features::Sparse(want)]);
    }

    #[test]
    fn blocks_weigh_the_same_and_blocks_without_values_are_left_out() {
        let near = Matrix::new(vec![0.0, 1.0, 0.0, 1.0], 1);
        let wide = Matrix::new(vec![0.0, 0.0, 300.0, 300.0], 1);
        let same = Matrix::new(vec![7.0; 4], 1);
        let out = side_by_side(vec![near.clone(), same.clone(), wide]).unwrap();
        assert_eq!((out.rows(), out.cols()), (4, 2));
        assert_eq!(out.row(3), [2.0, 2.0]);
        assert_eq!(side_by_side(vec![near.clone(), same.clone()]).unwrap().values(), near.values());
        assert!(side_by_side(vec![same, Matrix::new(vec![], 0)]).is_none());
    }
}
