//! The small convolutional network learns, on made and on real pictures.

// helpers of tests stand outside of `#[test]` functions
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use arrow_array::RecordBatch;
use arrow_schema::Schema;
use foretaste_core::{Batch, Ctx, Image, MISSING, Matrix, Picked, Profile};
use serde_json::{Map, Value, json};
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

fn picked(images: Vec<Option<Image>>, labels: Vec<u32>) -> Picked {
    let mut batch = Batch::new(RecordBatch::new_empty(Arc::new(Schema::empty())), Arc::new([]), 0);
    let n = labels.len();
    batch.labels = Some(labels.into());
    Picked { batch, rows: (0..n as u64).collect(), cover: vec![false; n], images }
}

fn ctx(classes: usize, seed: u64) -> Ctx {
    let classes = (0..classes).map(|c| c.to_string()).collect();
    Ctx::new(seed, Profile { classes, ..Profile::default() })
}

fn set(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

/// Bars, upright or flat, of several sizes, grey or in colour; some without a picture or a label.
fn bars(n: usize, colour: bool) -> Picked {
    let image = |i: usize| {
        let (side, channels) = (10 + i % 30, if colour && i.is_multiple_of(3) { 3 } else { 1 });
        let value = |at: usize| {
            let (x, y) = (at / channels % side, at / channels / side);
            let along = if i.is_multiple_of(2) { x } else { y };
            if (along * 16 / side + i / 2) % 4 < 2 { 220 } else { 20 + (i % 40) as u8 }
        };
        let pixels = (0..side * side * channels).map(value).collect();
        Image { width: side as u32, height: side as u32, channels: channels as u8, pixels }
    };
    let images = (0..n).map(|i| (i % 17 != 5).then(|| image(i))).collect();
    picked(images, (0..n as u32).map(|i| if i % 23 == 7 { MISSING } else { i % 2 }).collect())
}

fn share_right(probabilities: &Matrix, labels: impl Fn(usize) -> u32, of: &[usize]) -> f64 {
    let right = |&&i: &&usize| {
        let row = probabilities.row(i);
        row.iter().all(|p| *p <= row[labels(i) as usize])
    };
    of.iter().filter(right).count() as f64 / of.len() as f64
}

#[test]
fn it_learns_survives_bytes_and_does_not_depend_on_threads() {
    let params = set(&json!({"channels": 8, "hidden": 32, "epochs": 20, "batch": 16, "learning_rate": 0.02}));
    let victim = foretaste_victims::entry("small-cnn").unwrap().victim(&params).unwrap();
    for colour in [false, true] {
        let (samples, ctx) = (bars(240, colour), ctx(2, 3));
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| victim.save_model(&victim.train(&samples, &ctx).unwrap()).unwrap())
        };
        let bytes = run(1);
        assert!(bytes == run(2), "the same bytes on two threads");
        let model = victim.load_model(&bytes).unwrap();
        let inputs = bars(240, true);
        let probabilities = victim.predict(&model, &inputs, &ctx).unwrap();
        assert_eq!((probabilities.rows(), probabilities.cols()), (240, 2));
        assert!(probabilities.values().iter().all(|p| p.is_finite() && *p >= 0.0));
        assert_eq!(probabilities.row(5), [0.5, 0.5], "no picture, no opinion");
        let seen: Vec<usize> = (0..240).filter(|i| inputs.images[*i].is_some()).collect();
        let accuracy = share_right(&probabilities, |i| i as u32 % 2, &seen);
        assert!(accuracy > 0.95, "{accuracy}");
    }
}

#[test]
fn what_cannot_be_learned_from_is_refused_in_words() {
    let of = |params: Value| foretaste_victims::entry("small-cnn").unwrap().victim(&set(&params)).unwrap();
    let nothing = of(json!({})).train(&picked(vec![None; 3], vec![0, 1, 0]), &ctx(2, 0)).err().unwrap();
    assert!(nothing.to_string().contains("no sample has both a picture and a label"), "{nothing}");
    let odd = of(json!({"side": 30})).train(&bars(20, false), &ctx(2, 0)).err().unwrap();
    assert!(odd.to_string().contains("`30` is not a multiple of 4"), "{odd}");
    let broken = Image { width: 0, height: 0, channels: 1, pixels: vec![] };
    let short = Image { width: 9, height: 9, channels: 3, pixels: vec![1, 2] };
    let samples = picked(vec![Some(broken), Some(short)], vec![0, 1]);
    let victim = of(json!({"epochs": 1, "channels": 2}));
    let model = victim.train(&samples, &ctx(2, 0)).unwrap();
    assert!(victim.predict(&model, &samples, &ctx(2, 0)).unwrap().values().iter().all(|p| p.is_finite()));
}

/// An array of bytes in an NPZ file.
fn member(archive: &mut zip::ZipArchive<std::fs::File>, name: &str) -> Vec<u8> {
    let mut bytes = vec![];
    archive.by_name(&format!("{name}.npy")).unwrap().read_to_end(&mut bytes).unwrap();
    let head = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    bytes.split_off(head)
}

/// Accuracy on the test pictures of a real data set, trained with the defaults; `None` with a word if it is not there.
fn accuracy(name: &str, side: u32, channels: u8, classes: usize) -> Option<f64> {
    let root = std::env::var_os("FORETASTE_DATA").map(PathBuf::from);
    let path = root.map(|r| r.join(name).join("data.npz")).filter(|p| p.exists());
    let Some(path) = path else {
        eprintln!("skipped: {name} is not below FORETASTE_DATA");
        return None;
    };
    let mut archive = zip::ZipArchive::new(std::fs::File::open(path).unwrap()).unwrap();
    let mut part = |part: &str| {
        let size = (side * side) as usize * usize::from(channels);
        let pixels = member(&mut archive, &format!("{part}_x"));
        let image = |p: &[u8]| Some(Image { width: side, height: side, channels, pixels: p.to_vec() });
        let labels = member(&mut archive, &format!("{part}_y")).into_iter().map(u32::from).collect();
        picked(pixels.chunks_exact(size).map(image).collect(), labels)
    };
    let (samples, held_out, ctx) = (part("train"), part("test"), ctx(classes, 0));
    let victim = foretaste_victims::entry("small-cnn").unwrap().victim(&Map::new()).unwrap();
    let start = std::time::Instant::now();
    let model = victim.train(&samples, &ctx).unwrap();
    let seconds = start.elapsed().as_secs_f64();
    let probabilities = victim.predict(&model, &held_out, &ctx).unwrap();
    let all: Vec<usize> = (0..held_out.len()).collect();
    let share = share_right(&probabilities, |i| held_out.label(i), &all);
    eprintln!("{name}: {share:.4} of {} test pictures, trained in {seconds:.1} s", all.len());
    Some(share)
}

#[test]
fn clothes_are_told_apart() {
    assert!(accuracy("fashion_mnist", 28, 1, 10).is_none_or(|share| share >= 0.87));
}

#[test]
fn signs_are_told_apart() {
    assert!(accuracy("gtsrb", 32, 3, 43).is_none_or(|share| share >= 0.8));
}
