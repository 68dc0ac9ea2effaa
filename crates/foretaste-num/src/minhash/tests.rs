use super::*;
use crate::rng::Rng;

fn text(rng: &mut Rng, words: usize) -> Vec<String> {
    (0..words).map(|_| format!("w{}", rng.below(5000))).collect()
}

/// The words with a share of them replaced.
fn edited(rng: &mut Rng, words: &[String], share: f64) -> Vec<String> {
    words
        .iter()
        .map(|w| if rng.unit() < share { format!("x{}", rng.below(5000)) } else { w.clone() })
        .collect()
}

#[test]
fn estimates_are_as_good_as_random_permutations() {
    let mut rng = Rng::new(1, "minhash");
    let sketch = Sketch::new(&Params::default());
    for words in [12, 60, 300] {
        let (mut bias, mut square, mut expected, n) = (0.0, 0.0, 0.0, 600);
        for t in 0..n {
            let a = text(&mut rng, words);
            let b = edited(&mut rng, &a, 0.001 + 0.2 * f64::from(t) / f64::from(n));
            let (a, b) = (a.join(" "), b.join(" "));
            let j = jaccard(&shingles(&a, Shingle::Words(3)), &shingles(&b, Shingle::Words(3)));
            let e = sketch.signature(&a).similarity(&sketch.signature(&b)) - j;
            bias += e / f64::from(n);
            square += e * e / f64::from(n);
            expected += j * (1.0 - j) / 128.0 / f64::from(n);
        }
        assert!(bias.abs() < 0.006, "{words} words: bias {bias}");
        let ratio = (square / expected).sqrt();
        assert!((0.85..1.15).contains(&ratio), "{words} words: error {ratio} times the binomial one");
    }
}

#[test]
fn groups_are_the_exact_ones_away_from_the_threshold() {
    let mut rng = Rng::new(2, "groups");
    let mut texts = Vec::new();
    for g in 0..60 {
        let base = text(&mut rng, 120);
        for _ in 0..1 + g % 4 {
            texts.push(edited(&mut rng, &base, 0.008).join(" "));
        }
        texts.push(edited(&mut rng, &base, 0.25).join(" "));
    }
    let params = Params::default();
    let signatures = Sketch::new(&params).signatures(&texts);
    let sets: Vec<_> = texts.iter().map(|t| shingles(t, params.shingle)).collect();
    let exact =
        groups_where(&signatures, &params, |i, j| jaccard(&sets[i as usize], &sets[j as usize]) >= 0.8);
    let mut naive: Vec<u32> = (0..texts.len() as u32).collect();
    for i in 0..texts.len() {
        for j in 0..i {
            if jaccard(&sets[i], &sets[j]) >= 0.8 {
                let (from, to) = (naive[i].max(naive[j]), naive[i].min(naive[j]));
                naive.iter_mut().filter(|r| **r == from).for_each(|r| *r = to);
            }
        }
    }
    let all = (0..texts.len() as u32)
        .map(|r| (0..naive.len() as u32).filter(|i| naive[*i as usize] == r).collect());
    let want: Vec<Vec<u32>> = all.filter(|g: &Vec<u32>| g.len() > 1).collect();
    assert_eq!(exact, want);
    assert_eq!(groups_of_texts(&texts, &params), want);
    assert!(want.len() > 30);
}

#[test]
fn degenerate_texts_are_linear_and_sane() {
    let params = Params::default();
    let sketch = Sketch::new(&params);
    let same = vec!["one and the same text"; 100_000];
    let found = groups(&sketch.signatures(&same), &params);
    assert_eq!((found.len(), found[0].len()), (1, 100_000));
    // templates that differ in one number: one group, though every signature is its own
    let words = (0..100).map(|w| format!("w{w}")).collect::<Vec<_>>().join(" ");
    let template: Vec<String> = (0..20_000).map(|i| format!("{words} {i}")).collect();
    assert_eq!(groups(&sketch.signatures(&template), &params)[0].len(), 20_000);
    assert!(groups(&sketch.signatures(&["", " ", "!!", "..."]), &params).is_empty());
    assert_eq!(groups(&sketch.signatures(&["Yes", "no", "yes!", ""]), &params), [[0, 2]]);
    assert!(groups(&sketch.signatures::<&str>(&[]), &params).is_empty());
    let tiny = Params { permutations: 0, ..params };
    assert_eq!(Sketch::new(&tiny).signature("a b").minima().len(), 1);
    assert!(sketch.signature("?").is_empty());
    assert_eq!(sketch.signature("?").similarity(&sketch.signature("?")), 0.0);
}

#[test]
fn threads_and_shards_change_nothing() {
    let mut rng = Rng::new(3, "threads");
    let texts: Vec<String> = (0..400).map(|_| text(&mut rng, 30).join(" ")).collect();
    let params = Params::default();
    let sketch = Sketch::new(&params);
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| sketch.signatures(&texts))
    };
    let all = run(1);
    assert_eq!(all, run(4));
    let mut halves = sketch.signatures(&texts[..150]);
    assert!(halves.append(sketch.signatures(&texts[150..])));
    assert_eq!(all, halves);
    assert!(!halves.append(Signatures::new(7)));
    assert_eq!(Signatures::from_minima(128, all.minima().to_vec()), Some(all));
    assert_eq!(Signatures::from_minima(128, vec![1]), None);
}

#[test]
fn merging_signatures_is_the_union_of_sets() {
    let p = Params { shingle: Shingle::Words(1), ..Params::default() };
    let mut a = sketch("red green", &p);
    a.merge(&sketch("blue", &p));
    assert_eq!(a, sketch("blue green red", &p));
}

#[test]
fn cutting_follows_the_rules() {
    let words = |t: &str| shingles(t, Shingle::Words(2)).len();
    assert_eq!((words("a b c d"), words("a, B.  c-d"), words("a"), words("a b a b")), (3, 3, 1, 2));
    assert_eq!(shingles("A, b!", Shingle::Words(2)), shingles("a b", Shingle::Words(2)));
    assert_ne!(shingles("a b", Shingle::Words(2)), shingles("b a", Shingle::Words(2)));
    // letters without spaces between words; the ASCII and the other path cut alike
    assert_eq!(shingles("\u{4f60}\u{597d}\u{5417}", Shingle::Words(1)).len(), 3);
    assert_eq!(shingles("\u{c9}tat b", Shingle::Words(1)), shingles("\u{e9}tat B", Shingle::Words(1)));
    let one = shingles("stop", Shingle::Words(1));
    assert!(shingles("stop \u{e9}", Shingle::Words(1)).contains(&one[0]));
    assert_eq!(shingles("abcd", Shingle::Chars(3)).len(), 2);
    assert_eq!(shingles("a  b!", Shingle::Chars(3)), shingles("A b", Shingle::Chars(3)));
}

#[test]
fn bands_find_pairs_at_the_threshold() {
    assert_eq!(Params::default().bands(), (21, 6));
    for threshold in [0.0, 0.3, 0.5, 0.95, 1.0, f64::NAN] {
        let (bands, rows) = Params { threshold, ..Params::default() }.bands();
        assert!(bands * rows <= 128 && bands >= 1 && rows >= 1);
    }
}
