//! Every law is asked of every victim of the catalogue.

// helpers of tests stand outside of `#[test]` functions
#![allow(clippy::unwrap_used)]

use foretaste_contract::victims::LAWS;
use foretaste_victims::ENTRIES;

/// Asks one law of the whole catalogue; all failures are told at once.
fn ask(name: &str) {
    let law = LAWS.iter().find(|l| l.name == name).unwrap();
    let failures: Vec<String> =
        ENTRIES.iter().filter_map(|e| Some(format!("{}: {}", e.id, (law.check)(e).err()?))).collect();
    assert!(failures.is_empty(), "law `{name}`: {}\n  {}", law.says, failures.join("\n  "));
}

macro_rules! laws {
    ($($test:ident $name:literal)*) => {
        $(#[test]
        fn $test() {
            ask($name);
        })*

        #[test]
        fn no_law_is_left_out() {
            assert_eq!(LAWS.iter().map(|l| l.name).collect::<Vec<_>>(), [$($name),*]);
        }
    };
}

laws! {
    documented "documented"
    parameters "parameters"
    learns "learns"
    probabilities "probabilities"
    threads "threads"
    bytes "bytes"
    blind "blind"
}
