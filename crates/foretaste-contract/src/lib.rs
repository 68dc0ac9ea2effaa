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

/// Asks one law of a whole catalogue; all failures are told at once.
///
/// # Panics
/// If an entry breaks the law, or there is no law of that name: this is the body of a test.
pub fn ask(laws: &[Law], entries: &[&foretaste_core::Entry], name: &str) {
    let asked: Vec<&Law> = laws.iter().filter(|l| l.name == name).collect();
    assert!(asked.len() == 1, "there are {} laws `{name}`", asked.len());
    for law in asked {
        let failures: Vec<String> =
            entries.iter().filter_map(|e| Some(format!("{}: {}", e.id, (law.check)(e).err()?))).collect();
        assert!(failures.is_empty(), "law `{name}`: {}\n  {}", law.says, failures.join("\n  "));
    }
}

/// One test a law, asked of every entry, and one test that no law is left out.
#[macro_export]
macro_rules! ask_laws {
    ($laws:expr, $entries:expr; $($test:ident $name:literal)*) => {
        $(#[test]
        fn $test() {
            $crate::ask($laws, $entries, $name);
        })*

        #[test]
        fn no_law_is_left_out() {
            assert_eq!($laws.iter().map(|l| l.name).collect::<Vec<_>>(), [$($name),*]);
        }
    };
}
