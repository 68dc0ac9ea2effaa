//! The laws that every catalogue entry obeys.
//!
//! A law is a function from an [`Entry`](foretaste_core::Entry) to an answer: `Ok`, or what the entry did wrong, in words.
//! `tests/laws.rs` asks every law of every entry, so a newcomer is covered without writing a test. Every law has a mutant
//! ([`mutants`]) that it kills: a law that no broken detector breaks proves nothing.

pub mod attacks;
pub mod drive;
pub mod fixture;
pub mod laws;
pub mod mutants;
pub mod toy;
pub mod victims;

pub use fixture::{Fixture, Plant};
pub use laws::{LAWS, Law, Verdict};
