//! Every law is asked of every attack of the catalogue, and kills its mutants.

// helpers of tests stand outside of `#[test]` functions
#![allow(clippy::unwrap_used)]

use foretaste_attacks::ENTRIES;
use foretaste_contract::attacks::{Fault, LAWS, MUTANTS, broken};

foretaste_contract::ask_laws! {
    LAWS, ENTRIES;
    documented "documented"
    parameters "parameters"
    budget "budget"
    manifest "manifest"
    threat "threat"
    seed "seed"
    probe "probe"
    bytes "bytes"
    refusal "refusal"
}

#[test]
fn a_sound_attack_breaks_no_law() {
    let (_, _, sound) = MUTANTS.iter().find(|(fault, _, _)| *fault == Fault::None).unwrap();
    assert_eq!(broken(sound), []);
}

#[test]
fn every_mutant_dies_by_its_law() {
    for (fault, law, entry) in MUTANTS.iter().filter(|(fault, _, _)| *fault != Fault::None) {
        let law = LAWS.iter().find(|l| l.name == *law).unwrap();
        assert!((law.check)(entry).is_err(), "{fault:?} survives `{}`: {}", law.name, law.says);
    }
}

#[test]
fn every_law_has_a_mutant() {
    for law in LAWS.iter().filter(|l| !["documented", "parameters"].contains(&l.name)) {
        assert!(MUTANTS.iter().any(|(_, killer, _)| *killer == law.name), "`{}` has no mutant", law.name);
    }
}
