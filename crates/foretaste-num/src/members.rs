//! The rows of each class.

/// Places of the rows of each class, ascending; rows whose label is not below `classes` are in none.
#[must_use]
pub fn by_class(labels: &[u32], classes: usize) -> Vec<Vec<usize>> {
    let mut out: Vec<Vec<usize>> = vec![vec![]; classes];
    for (row, label) in labels.iter().enumerate() {
        if let Some(of) = out.get_mut(*label as usize) {
            of.push(row);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_with_their_class_and_strangers_nowhere() {
        assert_eq!(by_class(&[1, 0, 7, 1, u32::MAX], 3), [vec![1], vec![0, 3], vec![]]);
        assert!(by_class(&[0], 0).is_empty());
    }
}
