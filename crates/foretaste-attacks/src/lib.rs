//! Attacks of foretaste, one file each: rehearsals of data poisoning, so that a defence can be measured before it is needed.
//!
//! An attack says what it needs, which samples it may use, and what it makes of those it is given. It never writes a
//! data set or a manifest: the driver applies its edits and records what really changed. Adding one is a new file and
//! one line in the list below.

mod amounts;
mod backdoor;
mod classes;
mod eye;
mod likeness;
mod linear;
mod pictures;
mod region;
mod surrogate;
mod tables;
mod targeted;
mod texts;

pub use texts::insert;

foretaste_core::catalogue! {
    pub mod adversarial_flip;
    pub mod badnets;
    pub mod blended;
    pub mod bullseye_polytope;
    pub mod feature_collision;
    pub mod feature_trigger;
    pub mod gradient_matching;
    pub mod gradient_poisoning;
    pub mod hidden_trigger;
    pub mod instruction_backdoor;
    pub mod invisible_trigger;
    pub mod kkt;
    pub mod label_consistent;
    pub mod label_flip;
    pub mod low_frequency;
    pub mod mass_duplication;
    pub mod pair_flip;
    pub mod phrase_trigger;
    pub mod regression_poisoning;
    pub mod sinusoidal;
    pub mod source_flip;
    pub mod stray_injection;
    pub mod subpopulation_flip;
    pub mod target_flip;
    pub mod unlearnable_noise;
    pub mod warped;
}
