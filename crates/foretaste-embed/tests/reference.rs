//! A real model beside onnxruntime, where it is at hand: `models/` beside the folder that `FORETASTE_DATA` names.
#![cfg(feature = "onnx")]

use foretaste_embed::{Embedder, Options};
use foretaste_num::scale::Pixels;
use std::path::PathBuf;

const MODEL: &str = "efficientnet_lite0_embed.onnx";

/// A picture by rule; `bench/peers/embed.py` draws the same and wrote the numbers that are wanted.
fn drawn(seed: usize, width: usize, height: usize) -> Vec<u8> {
    let byte = |i: usize| {
        let (x, y, c) = (i / 3 % width, i / 3 / width, i % 3);
        ((x * 7 + y * 13 + c * 50 + seed * 29 + x * y % 17 * 5) % 256) as u8
    };
    (0..width * height * 3).map(byte).collect()
}

#[test]
fn vectors_are_those_of_onnxruntime() {
    let folder = std::env::var_os("FORETASTE_DATA").map(PathBuf::from);
    let Some(path) = folder.map(|f| f.join("../models").join(MODEL)).filter(|p| p.is_file()) else {
        println!("skipped: models/{MODEL} is not beside FORETASTE_DATA");
        return;
    };
    let options = Options { path, scale: Some("127,128".into()), ..Options::default() };
    let embedder = Embedder::open(&options).unwrap();
    let pictures: Vec<Vec<u8>> = (0..4).map(|seed| drawn(seed, 40, 30)).collect();
    let views: Vec<Pixels<'_>> =
        pictures.iter().map(|bytes| Pixels { bytes, width: 40, height: 30, channels: 3 }).collect();
    let got = embedder.embed(&views, 2, &|_| ()).unwrap();
    for (line, row) in include_str!("efficientnet_lite0.txt").lines().zip(got.chunks_exact(1280)) {
        let want: Vec<f32> = line.split(' ').map(|n| n.parse().unwrap()).collect();
        let norm = row.iter().map(|v| v * v).sum::<f32>().sqrt();
        let close = |a: f32, b: f32| (a - b).abs() < 1e-3;
        assert!(row.iter().zip(&want[..16]).all(|(a, b)| close(*a, *b)), "{:?}\n{want:?}", &row[..16]);
        assert!(close(norm, want[16]), "{norm} {}", want[16]);
    }
}
