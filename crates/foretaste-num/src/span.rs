//! Products of matrices that lie in slices, rows overlapping or not: the one door to `gemm`.

use gemm::{Parallelism, gemm};

/// What matrices are made of.
pub(crate) trait Number: Copy + Default + Send + Sync + std::ops::AddAssign + 'static {
    const ONE: Self;
}
impl Number for f32 {
    const ONE: Self = 1.0;
}
impl Number for f64 {
    const ONE: Self = 1.0;
}

/// A matrix inside a slice: element `(r, c)` is at `r * down + c * across`. Rows may overlap: that is what makes the
/// windows of a convolution a matrix without copying them.
#[derive(Clone, Copy)]
pub(crate) struct Span<'a, T> {
    pub data: &'a [T],
    pub rows: usize,
    pub cols: usize,
    pub down: usize,
    pub across: usize,
}

impl<'a, T> Span<'a, T> {
    /// Row-major, rows one after another.
    pub fn rows(data: &'a [T], rows: usize, cols: usize) -> Self {
        Self { data, rows, cols, down: cols, across: 1 }
    }

    /// The same elements with rows and columns exchanged.
    pub fn turned(self) -> Self {
        Self { rows: self.cols, cols: self.rows, down: self.across, across: self.down, ..self }
    }

    /// Whether every element lies in the slice.
    fn fits(&self) -> bool {
        self.rows == 0
            || self.cols == 0
            || (self.rows - 1) * self.down + (self.cols - 1) * self.across < self.data.len()
    }
}

/// `out = a b`, or `out += a b` if `add`; `out` is row-major of `a.rows` x `b.cols`, on this thread.
/// Leaves `out` alone unless the shapes fit.
pub(crate) fn product<T: Number>(a: Span<T>, b: Span<T>, out: &mut [T], add: bool) {
    let fits = a.fits() && b.fits() && a.cols == b.rows && out.len() >= a.rows * b.cols;
    if !fits || a.rows == 0 || b.cols == 0 {
        return;
    }
    if a.cols == 0 {
        if !add {
            out[..a.rows * b.cols].fill(T::default());
        }
        return;
    }
    // SAFETY: `fits` says that every element which the strides reach lies in its slice and that `out` holds
    // `a.rows * b.cols` elements, written row-major; it is borrowed mutably, so nothing else refers to it.
    unsafe {
        gemm(
            a.rows,
            b.cols,
            a.cols,
            out.as_mut_ptr(),
            1,
            b.cols as isize,
            add,
            a.data.as_ptr(),
            a.across as isize,
            a.down as isize,
            b.data.as_ptr(),
            b.across as isize,
            b.down as isize,
            if add { T::ONE } else { T::default() },
            T::ONE,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strides_turns_and_sums_are_as_written() {
        // rows overlap: (1 2 3), (2 3 4)
        let a = Span { data: &[1.0, 2.0, 3.0, 4.0], rows: 2, cols: 3, down: 1, across: 1 };
        let ones = Span::rows(&[1.0; 3], 3, 1);
        let mut out = [10.0, 10.0];
        product(a, ones, &mut out, true);
        assert_eq!(out, [16.0, 19.0]);
        product(ones.turned(), a.turned(), &mut out, false);
        assert_eq!(out, [6.0, 9.0]);
    }

    #[test]
    fn shapes_that_do_not_fit_change_nothing_and_no_columns_give_zeros() {
        let mut out = [7.0f64; 2];
        product(Span::rows(&[1.0], 2, 1), Span::rows(&[1.0], 1, 1), &mut out, false);
        product(Span::rows(&[1.0; 2], 2, 1), Span::rows(&[1.0; 2], 2, 1), &mut out, false);
        assert_eq!(out, [7.0, 7.0]);
        product(Span::rows(&[], 2, 0), Span::rows(&[], 0, 1), &mut out, false);
        assert_eq!(out, [0.0, 0.0]);
    }
}
