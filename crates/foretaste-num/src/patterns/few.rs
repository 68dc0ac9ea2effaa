//! Groups of pictures, parted from their class in a few directions.

use super::{ROUNDS, halves};
use crate::linalg::gram;
use crate::linalg::positive::solve;

/// Rows of a class in a few of the white coordinates.
pub(super) struct Few {
    values: Vec<f32>,
    dim: usize,
    /// Sum of all rows, and of their products.
    sum: Vec<f64>,
    gram: Vec<f64>,
}

impl Few {
    pub fn new(values: impl Iterator<Item = f64>, dim: usize) -> Self {
        let values: Vec<f32> = values.map(|v| v as f32).collect();
        let (sum, gram) = (total(&values, dim), gram(&values, dim));
        Self { values, dim, sum, gram }
    }

    pub fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.dim.max(1))
    }

    /// Draws a group anew until it stays, along the line that parts it best from the other rows (Fisher's discriminant): a
    /// class may be wide by nature in the direction of a pattern, and its widest pictures join a group that is drawn along the
    /// mean alone.
    pub fn part(&self, mut group: Vec<bool>) -> Vec<bool> {
        for _ in 0..ROUNDS {
            let next = self.line(&group).and_then(|line| {
                let along: Vec<f64> = self.rows().map(|z| against(z, &line)).collect();
                Some(halves(&along)?.1)
            });
            match next {
                Some(next) if next != group => group = next,
                _ => break,
            }
        }
        group
    }

    fn line(&self, group: &[bool]) -> Option<Vec<f64>> {
        let (n, own) = (group.len(), group.iter().filter(|g| **g).count());
        if own < 4 || n - own < 4 {
            return None;
        }
        // the smaller part is summed, the larger is what is left of the whole
        let less = 2 * own < n;
        let picked = self.rows().zip(group).filter(|(_, g)| **g == less).flat_map(|(z, _)| z);
        let picked: Vec<f32> = picked.copied().collect();
        let minus =
            |all: &[f64], part: &[f64]| all.iter().zip(part).map(|(a, p)| a - p).collect::<Vec<f64>>();
        let (one, products) = (total(&picked, self.dim), gram(&picked, self.dim));
        let other = minus(&self.sum, &one);
        let (mut own_mean, mut mean) = if less { (one, other) } else { (other, one) };
        let mut within = if less { minus(&self.gram, &products) } else { products };
        let left = (n - own) as f64;
        own_mean.iter_mut().for_each(|v| *v /= own as f64);
        mean.iter_mut().for_each(|v| *v /= left);
        // pictures of other classes vary by one in all directions, those of this class as the rest does besides
        for i in 0..self.dim {
            for j in 0..self.dim {
                let at = i * self.dim + j;
                within[at] = within[at] / left - mean[i] * mean[j] + f64::from(u8::from(i == j));
            }
        }
        solve(&within, &minus(&own_mean, &mean))
    }
}

fn total(rows: &[f32], dim: usize) -> Vec<f64> {
    let mut sum = vec![0f64; dim];
    rows.chunks_exact(dim.max(1)).for_each(|z| sum.iter_mut().zip(z).for_each(|(s, v)| *s += f64::from(*v)));
    sum
}

fn against(z: &[f32], line: &[f64]) -> f64 {
    z.iter().zip(line).map(|(v, l)| f64::from(*v) * l).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn a_group_is_parted_from_a_class_that_is_wide_where_it_lies() {
        let (n, dim, planted) = (400, 6, 120);
        let mut rng = Rng::new(1, "few");
        // the class is four times as wide along the first direction, in which most of the pattern lies
        let mut row = |k: usize| {
            let mut z: Vec<f64> = (0..dim).map(|_| rng.normal()).collect();
            if k < planted {
                z[0] += 8.0;
                z[1] += 6.0;
            } else {
                z[0] *= 4.0;
            }
            z
        };
        let rows: Vec<f64> = (0..n).flat_map(&mut row).collect();
        let few = Few::new(rows.into_iter(), dim);
        // what is widest: the far end of the first direction, natural rows among it
        let first: Vec<f64> = few.rows().map(|z| f64::from(z[0])).collect();
        let start = halves(&first).unwrap().1;
        let wrong = |group: &[bool]| group.iter().enumerate().filter(|(k, g)| **g != (*k < planted)).count();
        assert!(wrong(&start) > 20, "{}", wrong(&start));
        let parted = few.part(start);
        assert!(wrong(&parted) <= 4, "{}", wrong(&parted));
    }

    #[test]
    fn too_few_rows_stay_as_they_are() {
        let few = Few::new([0.0, 1.0, 2.0, 3.0, 9.0].into_iter(), 1);
        let group = vec![false, false, false, false, true];
        assert_eq!(few.part(group.clone()), group);
    }
}
