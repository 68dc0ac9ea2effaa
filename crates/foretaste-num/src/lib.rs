//! Kernels of foretaste. Pure functions on slices: no I/O, no Arrow, no knowledge of poisoning.
//!
//! Laws of this crate: the same input gives the same bytes on any number of threads (work is split
//! by fixed sizes, never by the number of threads, and merged in order); ties are broken by index;
//! no function panics on empty, constant or non-finite input.

mod angle;
pub mod boost;
pub mod bursts;
pub mod centroid_distance;
pub mod class_shift;
pub mod cnn;
pub mod column_ends;
pub mod confident;
pub mod ecod;
pub mod fine_noise;
pub mod gradient_isolation;
pub mod gram_statistics;
pub mod habits;
pub mod hog;
pub mod knn;
pub mod label_calibration;
pub mod label_null;
pub mod label_pairs;
pub mod label_region;
pub mod label_ways;
mod lanes;
pub mod linalg;
pub mod linear;
pub mod members;
pub mod minhash;
pub mod mlp;
pub mod modes;
pub mod ngrams;
pub mod patches;
pub mod patterns;
pub mod phash;
pub mod phrases;
pub mod pictures;
mod reduced;
pub mod rng;
pub mod robust;
pub mod robust_margin;
pub mod rules;
pub mod scale;
pub mod sever;
pub mod shapley;
pub mod softmax;
mod span;
pub mod spectral;
pub mod spikes;
pub mod stats;
pub mod straight;
pub mod surprise;
pub mod trimmed;
pub mod trimmed_ridge;
pub mod two_means;
pub mod two_sample;
