//! Success of the targeted attacks where they work: a softmax regression on the features of a fixed network.
//!
//! `FORETASTE_PICTURES` names a file of samples one after another: a byte of label (0 to 9), then 28 x 28 bytes of grey.
//! Run with `cargo test --release -p foretaste-attacks transfer -- --ignored --nocapture`.

use super::*;
use crate::bullseye_polytope::BullseyePolytope;
use crate::feature_collision::FeatureCollision;
use crate::gradient_matching::GradientMatching;
use arrow_array::{RecordBatch, RecordBatchOptions};
use foretaste_core::Attack;
use foretaste_num::rng::Rng;
use foretaste_num::softmax::{FitOptions, Rows, Softmax, fit};
use std::sync::Arc;

const TRAIN: usize = 2000;
const POISON: usize = 20;
const TARGETS: usize = 20;

fn picked(samples: &[(u32, Image)], rows: &[usize]) -> Picked {
    let schema = Arc::new(arrow_schema::Schema::empty());
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    let records = RecordBatch::try_new_with_options(schema, vec![], &options).unwrap();
    let mut batch = Batch::new(records, Arc::from([]), 0);
    batch.labels = Some(rows.iter().map(|r| samples[*r].0).collect());
    let images = rows.iter().map(|r| Some(samples[*r].1.clone())).collect();
    Picked { batch, rows: rows.iter().map(|r| *r as u64).collect(), cover: vec![false; rows.len()], images }
}

fn learned(samples: &[(u32, Image)], channels: usize, hidden: usize, seed: u64) -> Surrogate {
    let shape = Shape { side: 28, colours: 1, channels, hidden, classes: 10 };
    let (labels, images): (Vec<u32>, Vec<&Image>) = samples.iter().map(|(l, i)| (*l, i)).unzip();
    let inputs: Vec<f32> = images.iter().flat_map(|i| scaled(i, 28, 1)).collect();
    let options = TrainOptions { epochs: EPOCHS, seed, ..TrainOptions::default() };
    Surrogate::of(&train(shape, &inputs, &labels, &options).unwrap())
}

fn head(cnn: &Cnn, features: &[f32], labels: &[u32]) -> Softmax {
    let rows = Rows::Dense { data: features, dim: cnn.shape().hidden };
    fit(rows, labels, None, 10, &FitOptions::default())
}

fn answer(cnn: &Cnn, head: &Softmax, target: &[f32]) -> u32 {
    let features = cnn.features(target);
    let p = head.predict_proba(Rows::Dense { data: &features, dim: cnn.shape().hidden });
    (0..10u32).max_by(|a, b| p[*a as usize].total_cmp(&p[*b as usize])).unwrap()
}

#[test]
#[ignore = "needs a file of pictures and takes minutes"]
fn transfer() {
    let bytes = std::fs::read(std::env::var("FORETASTE_PICTURES").unwrap()).unwrap();
    let samples: Vec<(u32, Image)> = bytes
        .chunks_exact(785)
        .map(|s| (u32::from(s[0]), Image { width: 28, height: 28, channels: 1, pixels: s[1..].to_vec() }))
        .collect();
    // what the network saw, what the victim's last layer learns from, what is held out
    let (public, rest) = samples.split_at(3000);
    let (own, held_out) = rest.split_at(TRAIN);
    let known = learned(public, CHANNELS, HIDDEN, 1);
    let unknown = learned(public, 2 * CHANNELS, 2 * HIDDEN, 2);
    for epsilon in [16.0, 32.0, 64.0] {
        let collision = FeatureCollision { epsilon, ..FeatureCollision::default() };
        let watermark = FeatureCollision { epsilon, opacity: 0.3, ..FeatureCollision::default() };
        let bullseye = BullseyePolytope { epsilon, ..BullseyePolytope::default() };
        let matching = GradientMatching { epsilon, ..GradientMatching::default() };
        measure("feature-collision", &collision, epsilon, own, held_out, [&known, &unknown]);
        measure("feature-collision, opacity 0.3", &watermark, epsilon, own, held_out, [&known, &unknown]);
        measure("bullseye-polytope", &bullseye, epsilon, own, held_out, [&known, &unknown]);
        measure("gradient-matching", &matching, epsilon, own, held_out, [&known, &unknown]);
    }
}

fn measure<A: Attack<Plan = Aim>>(
    name: &str,
    attack: &A,
    epsilon: f64,
    own: &[(u32, Image)],
    held_out: &[(u32, Image)],
    victims: [&Surrogate; 2],
) {
    let (mut before, mut after) = ([0; 2], [0; 2]);
    let mut rng = Rng::new(5, "transfer");
    let inputs: Vec<f32> = own.iter().flat_map(|(_, i)| scaled(i, 28, 1)).collect();
    let labels: Vec<u32> = own.iter().map(|s| s.0).collect();
    let nets = victims.map(|v| v.network().unwrap());
    let clean = nets.each_ref().map(|cnn| cnn.features(&inputs));
    let heads = [0, 1].map(|v| head(&nets[v], &clean[v], &labels));
    for _ in 0..TARGETS {
        let (label, image) = &held_out[rng.below(held_out.len())];
        let wanted = classes::other(*label, 10, rng.unit());
        let target = scaled(image, 28, 1);
        let aim = Aim { wanted, own: *label, row: 0, target: target.clone(), surrogate: victims[0].clone() };
        let mut rows: Vec<usize> = (0..own.len()).filter(|r| own[*r].0 == wanted).collect();
        rng.shuffle(&mut rows);
        rows.truncate(POISON);
        let made = attack.craft(&aim, &picked(own, &rows), POISON as u64, &Ctx::default()).unwrap();
        let made: Vec<f32> =
            made.images.unwrap().iter().flatten().flat_map(|image| scaled(image, 28, 1)).collect();
        for (v, cnn) in nets.iter().enumerate() {
            let k = cnn.shape().hidden;
            let mut features = clean[v].clone();
            for (row, f) in rows.iter().zip(cnn.features(&made).chunks_exact(k)) {
                features[row * k..][..k].copy_from_slice(f);
            }
            before[v] += usize::from(answer(cnn, &heads[v], &target) == wanted);
            after[v] += usize::from(answer(cnn, &head(cnn, &features, &labels), &target) == wanted);
        }
    }
    println!(
        "{name}, epsilon {epsilon}: known network {} -> {}, unknown {} -> {} of {TARGETS}",
        before[0], after[0], before[1], after[1]
    );
}
