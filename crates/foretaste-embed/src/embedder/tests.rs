//! The way from pictures to vectors, with a runtime that needs no library.

use super::*;
use crate::engine::Run;
use crate::small::{DIM, Small, of_tokens};

/// Runs [`Small`] in plain loops, and remembers nothing.
struct Plain {
    small: Small,
    /// Takes batches of this size only, whatever the file says.
    only: Option<usize>,
    /// Gives a map instead of a vector.
    map: bool,
}

impl Engine for Plain {
    fn worker(&self) -> Run<'_> {
        Box::new(|shape, numbers| {
            let [n, a, b, c] = shape;
            let (channels, side) = if self.small.last { (c, a) } else { (a, b) };
            if channels != self.small.channels || self.only.is_some_and(|o| o != n) {
                return Err(format!("no such\nshape: {shape:?}"));
            }
            let data = match numbers {
                Numbers::Floats(v) => v,
                Numbers::Bytes(v) => v.into_iter().map(f32::from).collect(),
            };
            let mut out = vec![];
            for sample in data.chunks_exact(channels * side * side) {
                let at = |i: usize, k: usize| {
                    if self.small.last { sample[i * channels + k] } else { sample[k * side * side + i] }
                };
                let pixels: Vec<f32> = (0..side * side)
                    .flat_map(|i| (0..channels).map(move |k| (i, k)))
                    .map(|(i, k)| at(i, k))
                    .collect();
                out.extend(self.small.run(&pixels, side));
            }
            let shape = if self.map { vec![n, 2, 2] } else { vec![n, DIM, 1, 1] };
            Ok(Output { shape, data: out })
        })
    }
}

fn plain(small: Small) -> Plain {
    Plain { small, only: None, map: false }
}

fn made(engine: Plain, options: &Options) -> std::result::Result<Embedder, (String, String)> {
    let facts = Facts::read(&engine.small.bytes()).unwrap();
    let model = ModelFile { facts, hash: "abc".into(), beside: vec![] };
    let asked = Asked::of(&model.facts, options)?;
    Embedder::with(Box::new(engine), model, asked, options)
}

fn picture(seed: usize, side: usize, channels: usize) -> Vec<u8> {
    (0..side * side * channels).map(|i| ((i * 37 + seed * 101) % 251) as u8).collect()
}

fn pixels(bytes: &[u8], side: usize, channels: usize) -> Pixels<'_> {
    Pixels { bytes, width: side, height: side, channels }
}

/// Vectors of 21 pictures that need no resizing are those of a naive run on scaled bytes.
fn check(small: Small, options: &Options, scale: impl Fn(f32) -> f32) -> Embedder {
    let (channels, naive) = (small.channels, small.clone());
    let embedder = made(plain(small), options).unwrap();
    let all: Vec<Vec<u8>> = (0..21).map(|i| picture(i, 8, channels)).collect();
    let views: Vec<Pixels<'_>> = all.iter().map(|b| pixels(b, 8, channels)).collect();
    let one = embedder.embed(&views, 1, &|_| ()).unwrap();
    assert_eq!(one, embedder.embed(&views, 5, &|_| ()).unwrap());
    for (bytes, got) in all.iter().zip(one.chunks_exact(DIM)) {
        let input: Vec<f32> = bytes.iter().map(|b| scale(f32::from(*b))).collect();
        let want = naive.run(&input, 8);
        assert!(
            got.iter().zip(&want).all(|(a, b)| (a - b).abs() < 1e-3 * b.abs().max(1.0)),
            "{got:?} {want:?}"
        );
    }
    embedder
}

#[test]
fn every_layout_gives_the_vectors_of_a_naive_run() {
    let unit = Options { scale: Some("unit".into()), ..Options::default() };
    let small = Small::default;
    check(small(), &unit, |b| b / 255.0);
    check(Small { last: true, shape: &[None, Some(8), Some(8), Some(3)], ..small() }, &unit, |b| b / 255.0);
    check(Small { channels: 1, shape: &[None, Some(1), Some(8), Some(8)], ..small() }, &unit, |b| b / 255.0);
    // a batch that is fixed: the last of 21 pictures stands in a batch of its own, filled up
    check(Small { shape: &[Some(5), Some(3), Some(8), Some(8)], ..small() }, &unit, |b| b / 255.0);
    let sized = Options { size: Some(8), ..unit.clone() };
    let open = Small { shape: &[None, Some(3), None, None], ..small() };
    assert!(check(open.clone(), &sized, |b| b / 255.0).settings().contains(&("embed-size", "8".into())));
    let grey_last = Small { channels: 1, last: true, shape: &[None; 4], ..small() };
    check(grey_last, &sized, |b| b / 255.0);
    let notes = made(plain(open), &unit).unwrap().notes().join("\n");
    assert!(notes.contains("no fixed size: 224 was taken"), "{notes}");
}

#[test]
fn scalings_are_inferred_told_and_overridden() {
    let bytes = Small { kind: 2, ..Small::default() };
    check(bytes, &Options::default(), |b| b);
    let embedder = check(
        Small { metadata: &[("Image.NominalPixelRange", "Normalized_1_1")], ..Small::default() },
        &Options::default(),
        |b| b / 127.5 - 1.0,
    );
    assert!(embedder.notes().iter().any(|n| n.contains("`symmetric` (-1 to 1): the file says")));
    let given = Options { scale: Some("127,128".into()), ..Options::default() };
    let embedder = check(Small::default(), &given, |b| (b - 127.0) / 128.0);
    assert_eq!(embedder.settings(), [("embed-scale", "127,128".to_owned())]);
    assert!(embedder.notes()[0].contains("(BLAKE3 abc): 4 numbers each, its output `vector`"));
}

#[test]
fn a_batch_that_a_constant_fixes_is_found() {
    let embedder = made(Plain { only: Some(1), ..plain(Small::default()) }, &Options::default()).unwrap();
    assert_eq!(embedder.batch, 1);
}

#[test]
fn what_cannot_be_used_says_why() {
    let none = Options::default();
    let refused = |small: Small, options: &Options, word: &str| {
        let (problem, hint) = made(plain(small), options).err().unwrap();
        assert!(problem.contains(word) && !hint.is_empty(), "{problem}\n{hint}");
    };
    let small = Small::default;
    let tokens = picture_input(&Facts::read(&of_tokens()).unwrap()).unwrap_err().0;
    assert!(
        tokens.contains("`input_ids` is i64[N,?]: models of text (token ids) are not supported yet"),
        "{tokens}"
    );
    refused(Small { kind: 10, ..small() }, &none, "is f16[N,3,8,8]: only f32 and u8");
    refused(Small { shape: &[None, Some(20)], ..small() }, &none, "rows of numbers, not pictures");
    refused(small(), &Options { scale: Some("bright".into()), ..none.clone() }, "`bright` is no scaling");
    let bytes = Options { scale: Some("unit".into()), ..none.clone() };
    refused(Small { kind: 2, ..small() }, &bytes, "`picture` is bytes: they are not scaled");
    refused(small(), &Options { size: Some(9), ..none.clone() }, "`--embed-size 9` does not fit");
    refused(small(), &Options { output: Some("pooled".into()), ..none.clone() }, "no value `pooled`");
    refused(Small { channels: 1, ..small() }, &none, "cannot be run: no such shape: [8, 3, 8, 8]");
    let (problem, hint) = made(Plain { map: true, ..plain(small()) }, &none).err().unwrap();
    assert_eq!(problem, "its output `vector` is f32[8,2,2] for 8 pictures: not one vector a picture");
    assert!(hint.contains("--embed-output (its outputs: `vector` f32[N,4])"), "{hint}");
}

#[test]
fn equal_vectors_and_a_failing_model_are_errors() {
    let embedder = made(plain(Small::default()), &Options::default()).unwrap();
    let black = vec![0; 243];
    // different pictures that look the same, and the same picture
    let twice = [pixels(&black[..192], 8, 3), pixels(&black, 9, 3), pixels(&black[..192], 8, 3)];
    assert!(embedder.embed(&[twice[0]; 4], 2, &|_| ()).is_ok());
    let told = embedder.embed(&twice, 2, &|_| ()).unwrap_err();
    assert!(told.problem.contains("same vector for every picture") && told.hint.contains("--embed-scale"));
    assert_eq!(embedder.embed(&[], 2, &|_| ()).unwrap(), []);
    let broken = Embedder { layout: Layout { channels: 1, ..embedder.layout }, ..embedder };
    assert!(broken.embed(&twice, 2, &|_| ()).unwrap_err().problem.contains("cannot be run: no such shape"));
}

#[test]
fn class_scores_are_told_from_vectors() {
    let node = |op: &str, from: &str, to: &str| crate::proto::Node {
        op: op.into(),
        inputs: vec![from.into(), "weights".into()],
        outputs: vec![to.into()],
    };
    let nodes = vec![
        node("Flatten", "pool", "vector"),
        node("Gemm", "vector", "logits"),
        node("Softmax", "logits", "p"),
    ];
    let facts = Facts { nodes, ..Facts::default() };
    assert_eq!(scores_of(&facts, "p", 43).as_deref(), Some("vector"));
    assert_eq!(scores_of(&facts, "logits", 1000).as_deref(), Some("vector"));
    assert_eq!(scores_of(&facts, "logits", 512), None);
    assert_eq!(scores_of(&facts, "vector", 1000), None);
}

#[test]
#[cfg(not(feature = "onnx"))]
fn a_build_without_a_runtime_says_how_to_get_one() {
    let told = Embedder::open(&Options { path: "m.onnx".into(), ..Options::default() }).err().unwrap();
    assert_eq!(told.to_string(), "`m.onnx`: this build runs no models");
    assert!(told.hint.contains("--features onnx"));
}

/// With the runtime: the same, from files.
#[cfg(feature = "onnx")]
mod from_files {
    use super::*;

    fn opened(small: &Small, options: Options) -> Result<Embedder> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("small.onnx");
        std::fs::write(&path, small.bytes()).unwrap();
        Embedder::open(&Options { path, ..options })
    }

    #[test]
    fn the_runtime_gives_what_plain_loops_give() {
        let unit = Options { scale: Some("unit".into()), ..Options::default() };
        let small = Small::default;
        for small in [
            small(),
            Small { last: true, shape: &[None, Some(8), Some(8), Some(3)], ..small() },
            Small { channels: 1, shape: &[Some(4), Some(1), Some(8), Some(8)], ..small() },
            Small { kind: 2, ..small() },
            Small { divide: 255.0, ..small() },
            Small { channels: 1, last: true, shape: &[None, None, None, None], ..small() },
        ] {
            let mut options = if small.divide > 0.0 { Options::default() } else { unit.clone() };
            options.size = small.shape[1].is_none().then_some(8);
            if small.kind == 2 {
                options.scale = None;
            }
            let embedder = opened(&small, options).unwrap();
            let factor = if small.kind == 2 { 1.0 } else { 255.0 };
            let all: Vec<Vec<u8>> = (0..21).map(|i| picture(i, 8, small.channels)).collect();
            let views: Vec<Pixels<'_>> = all.iter().map(|b| pixels(b, 8, small.channels)).collect();
            let got = embedder.embed(&views, 3, &|_| ()).unwrap();
            assert_eq!(got, embedder.embed(&views, 1, &|_| ()).unwrap());
            for (bytes, got) in all.iter().zip(got.chunks_exact(DIM)) {
                let input: Vec<f32> = bytes.iter().map(|b| f32::from(*b) / factor).collect();
                let want = small.run(&input, 8);
                assert!(
                    got.iter().zip(&want).all(|(a, b)| (a - b).abs() < 1e-3 * b.abs().max(1.0)),
                    "{got:?} {want:?}"
                );
            }
        }
    }

    #[test]
    fn inner_values_can_be_taken_and_unknown_operations_are_told() {
        let inner = Options { output: Some("means".into()), ..Options::default() };
        assert_eq!(opened(&Small::default(), inner).unwrap().dim(), DIM);
        let map = Small { pooled: false, ..Small::default() };
        let told = opened(&map, Options::default()).err().unwrap();
        assert!(
            told.problem.contains("its output `vector` is f32[8,4,3,3] for 8 pictures: not one vector"),
            "{told}"
        );
        let strange = Small { relu: "Frobnicate", ..Small::default() };
        let told = opened(&strange, Options::default()).err().unwrap();
        assert!(told.problem.contains("Frobnicate") && told.problem.contains("cannot be"), "{told}");
    }

    #[test]
    fn damaged_files_never_panic() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("small.onnx");
        for bytes in crate::small::cut(&Small::default().bytes()).into_iter().step_by(7) {
            std::fs::write(&path, bytes).unwrap();
            let _ = Embedder::open(&Options { path: path.clone(), ..Options::default() });
        }
    }
}
