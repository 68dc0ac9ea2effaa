use super::*;
use crate::rng::Rng;

const COLUMNS: usize = 5;
const RATE: usize = 40;

/// Honest rows whose target follows from their numbers, and rows at corners whose target contradicts that if `planted`, or follows it.
fn draw(seed: u64, rows: usize, corners: usize, planted: bool) -> (Vec<f64>, Vec<f64>) {
    let mut rng = Rng::new(seed, "column-ends");
    let (mut x, mut y) = (vec![], vec![]);
    for i in 0..rows + corners {
        let mut row: Vec<f64> = (0..COLUMNS).map(|_| rng.normal().clamp(-2.8, 2.8)).collect();
        if i >= rows {
            row.iter_mut().for_each(|v| *v = if *v > 0.0 { 3.0 } else { -3.0 });
        }
        let law = row[0] + 0.7 * row[1] - 0.5 * row[2];
        let against = planted && i >= rows;
        y.push(if against { if law > 0.0 { -3.0 } else { 3.0 } } else { law + 0.8 * rng.normal() });
        x.extend(row);
    }
    (x, y)
}

fn looked_at(x: &[f64]) -> Ends {
    let columns: Vec<Vec<f64>> =
        (0..COLUMNS).map(|c| x.iter().skip(c).step_by(COLUMNS).copied().collect()).collect();
    ends(&columns.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

fn of(x: &[f64], wanted: Wanted<'_>) -> Option<Corner> {
    let narrow: Vec<f32> = x.iter().map(|v| *v as f32).collect();
    corner(&narrow, COLUMNS, wanted, &looked_at(x), 1)
}

#[test]
fn ends_are_counted_as_written_down() {
    let (x, _) = draw(1, 300, 12, true);
    let found = looked_at(&x);
    for i in 0..312 {
        let (mut count, mut surprise) = (0, 0.0);
        for c in 0..COLUMNS {
            let column: Vec<f64> = x.iter().skip(c).step_by(COLUMNS).copied().collect();
            for end in [
                column.iter().copied().fold(f64::MAX, f64::min),
                column.iter().copied().fold(f64::MIN, f64::max),
            ] {
                if column[i] == end {
                    count += 1;
                    surprise -= (column.iter().filter(|v| **v == end).count() as f64 / 312.0).ln();
                }
            }
        }
        assert_eq!(found.count[i], count);
        assert!((f64::from(found.surprise[i]) - surprise).abs() < 1e-4);
    }
    assert_eq!(
        found.ends.iter().map(|e| e.rows.len()).sum::<usize>(),
        found.count.iter().sum::<u32>() as usize
    );
}

#[test]
fn corners_that_contradict_the_rest_are_found() {
    let (x, y) = draw(2, 1_000, RATE, true);
    let found = of(&x, Wanted::Numbers(&y)).unwrap();
    assert_eq!((found.ends, found.rows), (3, RATE as u64));
    assert!(found.members.iter().all(|i| *i >= 1_000) && found.members.len() * 10 >= RATE * 9);
    assert!(found.p_value <= 2e-3, "{}", found.p_value);
    let classes: Vec<u32> = y.iter().map(|v| u32::from(*v > 0.0)).collect();
    let found = of(&x, Wanted::Classes(&classes, 2)).unwrap();
    assert!(found.members.iter().all(|i| *i >= 1_000) && found.members.len() * 10 >= RATE * 9);
    assert!(found.p_value <= 2e-3, "{}", found.p_value);
}

#[test]
fn numbers_at_both_of_their_ends_are_found_though_the_law_does_not_oppose_them() {
    let (x, mut y) = draw(3, 1_000, RATE, false);
    // the attacker thinks of another law: half of the corners get the one end and half the other
    for (i, v) in y[1_000..].iter_mut().enumerate() {
        *v = if i % 2 == 0 { 7.0 } else { -7.0 };
    }
    let found = of(&x, Wanted::Numbers(&y)).unwrap();
    assert!(found.at_both_ends && found.p_value <= 1e-3, "{found:?}");
    assert_eq!(found.members, (1_000..1_000 + RATE as u32).collect::<Vec<u32>>());
}

#[test]
fn few_of_the_ends_are_nature() {
    // the same contradiction, but always at the least of the first three columns
    let (mut x, mut y) = draw(4, 1_000, RATE, false);
    for (i, row) in x.chunks_exact_mut(COLUMNS).enumerate().skip(1_000) {
        row[..3].fill(-3.0);
        row[3..].fill(0.1);
        y[i] = if i % 2 == 0 { 7.0 } else { -7.0 };
    }
    assert_eq!(of(&x, Wanted::Numbers(&y)), None);
}

#[test]
fn another_order_is_the_same() {
    let (x, y) = draw(2, 1_000, RATE, true);
    let order: Vec<usize> = (0..1_040).map(|i| (i * 7 + 3) % 1_040).collect();
    let turned: Vec<f64> = order.iter().flat_map(|i| &x[i * COLUMNS..(i + 1) * COLUMNS]).copied().collect();
    let wanted: Vec<f64> = order.iter().map(|i| y[*i]).collect();
    assert_eq!(looked_at(&x).in_order(&order), looked_at(&turned));
    let narrow: Vec<f32> = turned.iter().map(|v| *v as f32).collect();
    let found =
        corner(&narrow, COLUMNS, Wanted::Numbers(&wanted), &looked_at(&x).in_order(&order), 1).unwrap();
    assert!(found.members.iter().all(|i| order[*i as usize] >= 1_000));
}

#[test]
fn natural_corners_follow_the_law_or_bend_it_one_way() {
    for seed in 0..20 {
        let (x, mut y) = draw(seed, 1_000, RATE, false);
        assert_eq!(of(&x, Wanted::Numbers(&y)), None);
        let classes: Vec<u32> = y.iter().map(|v| u32::from(*v > 0.0)).collect();
        assert_eq!(of(&x, Wanted::Classes(&classes, 2)), None);
        // a law that bends: all extremes are far above what it says
        y[1_000..].iter_mut().for_each(|v| *v += 9.0);
        assert!(of(&x, Wanted::Numbers(&y)).is_none());
        assert!(of(&x, Wanted::Classes(&[&classes[..1_000], &[1; RATE]].concat(), 2)).is_none());
    }
}

#[test]
fn odd_input_says_nothing() {
    assert_eq!(ends(&[]), Ends::default());
    assert!(ends(&[&[f64::NAN; 40]]).ends.is_empty());
    assert!(ends(&[&[1.0, 2.0, 3.0].repeat(20)]).ends.is_empty());
    let none = |x: &[f32], dim, wanted: Wanted<'_>, count: &[u32]| {
        let at = Ends { ends: vec![], count: count.to_vec(), surprise: vec![0.0; count.len()] };
        corner(x, dim, wanted, &at, 1).is_none()
    };
    assert!(none(&[], 0, Wanted::Numbers(&[]), &[]));
    assert!(none(&[0.0; 80], 2, Wanted::Numbers(&[1.0; 40]), &[3; 40]));
    let some: Vec<u32> = (0..400).map(|i| if i < 40 { 5 } else { 0 }).collect();
    assert!(none(&[f32::NAN; 400], 1, Wanted::Numbers(&[f64::NAN; 400]), &some));
    assert!(none(&[0.0; 400], 1, Wanted::Numbers(&[2.0; 400]), &some));
    assert!(none(&[0.0; 400], 1, Wanted::Classes(&[7; 400], 2), &some));
}
