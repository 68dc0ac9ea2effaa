use super::*;
use crate::rng::Rng;

/// Straight from the definition.
fn naive(base: &[f32], queries: Option<&[f32]>, dim: usize, k: usize, metric: Metric) -> Neighbours {
    let qs = queries.unwrap_or(base);
    let n = base.len().checked_div(dim).unwrap_or(0);
    let q = qs.len().checked_div(dim).unwrap_or(0);
    let mut out = Neighbours::empty(q, k);
    for i in 0..q {
        let x = &qs[i * dim..][..dim];
        let mut all: Vec<(f32, u32)> = (0..n)
            .filter(|&j| queries.is_some() || i != j)
            .filter_map(|j| between(x, &base[j * dim..][..dim], metric).map(|d| (d, j as u32)))
            .collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        for (s, (d, j)) in all.into_iter().take(k).enumerate() {
            out.index[i * k + s] = j;
            out.distance[i * k + s] = d;
        }
    }
    out
}

fn between(x: &[f32], y: &[f32], metric: Metric) -> Option<f32> {
    if x.iter().chain(y).any(|v| !v.is_finite()) {
        return None;
    }
    let length = |v: &[f32]| v.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
    let (p, q) = if metric == Metric::Cosine { (length(x), length(y)) } else { (1.0, 1.0) };
    if p == 0.0 || q == 0.0 {
        return Some(1.0);
    }
    let sum: f64 = x.iter().zip(y).map(|(&a, &b)| (f64::from(a) / p - f64::from(b) / q).powi(2)).sum();
    Some(if metric == Metric::Cosine { (sum / 2.0) as f32 } else { sum.sqrt() as f32 })
}

fn same(got: &Neighbours, want: &Neighbours, what: &str) {
    assert_eq!(got.index.len(), want.index.len(), "{what}");
    for (at, (g, w)) in got.distance.iter().zip(&want.distance).enumerate() {
        // the reference adds in another order
        assert!((g - w).abs() <= 1e-6 * w.abs() + 1e-9 || g == w, "{what}: distance {at}: {g} for {w}");
    }
    assert_eq!(got.index, want.index, "{what}");
}

fn both(data: &[f32], dim: usize, k: usize, metric: Metric, what: &str) {
    same(&self_neighbours(data, dim, k, metric), &naive(data, None, dim, k, metric), what);
}

fn normals(n: usize, key: &str) -> Vec<f32> {
    let mut r = Rng::new(3, key);
    (0..n).map(|_| r.normal() as f32).collect()
}

#[test]
fn random_points_of_many_shapes() {
    for (n, dim, k) in [(2, 1, 1), (7, 3, 2), (33, 5, 4), (300, 17, 10), (700, 64, 10), (650, 129, 3)] {
        for metric in [Metric::Euclidean, Metric::Cosine] {
            both(&normals(n * dim, "n"), dim, k, metric, &format!("{n} x {dim}, {k}, {metric:?}"));
        }
    }
    both(&normals(90 * 2100, "long"), 2100, 5, Metric::Euclidean, "rows longer than a piece");
}

#[test]
fn few_rows_are_padded() {
    for n in [0usize, 1, 2, 3] {
        both(&normals(n * 4, "few"), 4, 5, Metric::Euclidean, &format!("{n} rows"));
    }
    assert!(self_neighbours(&[], 0, 3, Metric::Euclidean).index.is_empty());
    assert!(self_neighbours(&[1.0, 2.0], 1, 0, Metric::Cosine).index.is_empty());
    assert_eq!(neighbours(&[], &[1.0], 1, 2, Metric::Euclidean).index, [u32::MAX; 2]);
    let lone = self_neighbours(&[1.0, 2.0], 2, 2, Metric::Euclidean);
    assert_eq!((lone.index, lone.distance), (vec![u32::MAX; 2], vec![f32::INFINITY; 2]));
}

#[test]
fn ties_go_to_the_smaller_index() {
    let mut r = Rng::new(1, "ties");
    // few values in few columns: crowds of equal distances, many rows alike
    for (dim, values) in [(2, 3), (6, 2), (12, 2), (9, 3)] {
        let data: Vec<f32> = (0..900 * dim).map(|_| r.below(values) as f32).collect();
        for k in [1, 5, 40] {
            both(&data, dim, k, Metric::Euclidean, &format!("{dim} columns of {values} values, {k}"));
        }
    }
    let grid: Vec<f32> = (0..600).flat_map(|i| [(i % 30) as f32, (i / 30) as f32]).collect();
    both(&grid, 2, 6, Metric::Euclidean, "grid");
    both(&vec![1.5; 500 * 3], 3, 4, Metric::Euclidean, "constant");
    both(&vec![0.0; 50 * 3], 3, 4, Metric::Cosine, "zero rows");
}

#[test]
fn bad_rows_are_nobodys_neighbours() {
    let mut data = normals(400 * 7, "bad");
    data[3 * 7 + 2] = f32::NAN;
    data[200 * 7] = f32::INFINITY;
    data[399 * 7 + 6] = f32::NEG_INFINITY;
    for metric in [Metric::Euclidean, Metric::Cosine] {
        both(&data, 7, 6, metric, "bad rows");
    }
    let all = vec![f32::NAN; 40];
    assert!(self_neighbours(&all, 4, 2, Metric::Euclidean).index.iter().all(|&i| i == u32::MAX));
}

#[test]
fn scales_that_cancel_or_overflow() {
    // near pairs far from the origin, a column of heavy tail, huge and tiny values
    let near: Vec<f32> = normals(500 * 8, "near").iter().map(|v| 1000.0 + 0.01 * v).collect();
    both(&near, 8, 5, Metric::Euclidean, "far from the origin");
    let mut heavy = normals(500 * 8, "heavy");
    for (i, v) in heavy.iter_mut().step_by(8).enumerate() {
        *v = if i % 50 == 0 { 1e9 * *v } else { *v };
    }
    both(&heavy, 8, 5, Metric::Euclidean, "heavy tail");
    for scale in [1e-36f32, 1e30, 1e37] {
        let data: Vec<f32> = normals(300 * 5, "scale").iter().map(|v| v * scale).collect();
        both(&data, 5, 4, Metric::Euclidean, "scale");
    }
    let mut lone = normals(300 * 5, "lone").iter().map(|v| v * 1e-10).collect::<Vec<_>>();
    lone[7] = 3e38;
    both(&lone, 5, 4, Metric::Euclidean, "one huge value");
}

#[test]
fn others_against_a_base() {
    let (mut base, mut queries) = (normals(530 * 19, "base"), normals(210 * 19, "queries"));
    base.copy_within(0..19 * 30, 19 * 100);
    queries[..19 * 5].copy_from_slice(&base[..19 * 5]);
    queries[19 * 7] = f32::NAN;
    for metric in [Metric::Euclidean, Metric::Cosine] {
        let got = neighbours(&base, &queries, 19, 8, metric);
        same(&got, &naive(&base, Some(&queries), 19, 8, metric), &format!("{metric:?}"));
    }
    let few = neighbours(&base[..38], &queries, 19, 4, Metric::Euclidean);
    same(&few, &naive(&base[..38], Some(&queries), 19, 4, Metric::Euclidean), "base smaller than k");
}

#[test]
fn instruction_sets_and_threads_agree() {
    let mut data = normals(1700 * 40, "threads");
    data.copy_within(0..40 * 50, 40 * 900);
    let rows = Rows { data: &data, dim: 40 };
    let groups = Groups::of(rows, &rows.finite());
    for metric in [Metric::Euclidean, Metric::Cosine] {
        let plain = among_themselves(rows, &groups, 9, metric, Isa::Portable);
        assert!(plain == among_themselves(rows, &groups, 9, metric, Isa::detect()));
        let one = on(1, || self_neighbours(&data, 40, 9, metric));
        for threads in [2, 3] {
            assert!(one == on(threads, || self_neighbours(&data, 40, 9, metric)));
        }
    }
}

/// Clusters near a subspace, with copies, shifted away from the origin: what the coarse coordinates
/// are for.
fn clusters(n: usize, dim: usize) -> Vec<f32> {
    let mut r = Rng::new(4, "clusters");
    let directions: Vec<f32> = (0..20 * dim).map(|_| r.normal() as f32).collect();
    let centres: Vec<f32> = (0..12 * 20).map(|_| 3.0 * r.normal() as f32).collect();
    let mut data = Vec::with_capacity(n * dim);
    for _ in 0..n {
        let centre = r.below(12) * 20;
        let at: Vec<f32> = (0..20).map(|c| centres[centre + c] + r.normal() as f32).collect();
        for c in 0..dim {
            let along: f32 = (0..20).map(|d| at[d] * directions[d * dim + c]).sum();
            data.push(5.0 + along + 0.1 * r.normal() as f32);
        }
    }
    data.copy_within(0..dim * 40, dim * (n - 50));
    data
}

#[test]
fn coarse_coordinates_lose_nobody() {
    let (n, dim) = (2600, 72);
    let data = clusters(n, dim);
    for metric in [Metric::Euclidean, Metric::Cosine] {
        both(&data, dim, 10, metric, &format!("clusters, {metric:?}"));
        let queries = clusters(300, dim);
        let got = neighbours(&data, &queries, dim, 7, metric);
        same(&got, &naive(&data, Some(&queries), dim, 7, metric), "queries among clusters");
        let one = on(1, || self_neighbours(&data, dim, 10, metric));
        assert!(one == on(3, || self_neighbours(&data, dim, 10, metric)));
    }
    let mut r = Rng::new(6, "bits");
    let bits: Vec<f32> = (0..n * dim).map(|_| if r.below(8) == 0 { 1.0 } else { 0.0 }).collect();
    both(&bits, dim, 5, Metric::Euclidean, "ties among many");
    both(&normals(n * dim, "no structure"), dim, 5, Metric::Euclidean, "no structure");
}

fn on<T: Send>(threads: usize, f: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(f)
}
