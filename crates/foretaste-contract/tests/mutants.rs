//! Every law kills its mutants, and spares what is sound.

// helpers of tests stand outside of `#[test]` functions
#![allow(clippy::unwrap_used)]

use foretaste_contract::laws::{LAWS, broken};
use foretaste_contract::mutants::{Fault, MUTANTS};
use foretaste_contract::toy;
use foretaste_core::{Entry, Param};

#[test]
fn sound_detectors_break_no_law() {
    let (_, _, sound) = MUTANTS.iter().find(|(fault, _, _)| *fault == Fault::None).unwrap();
    assert_eq!(broken(sound), []);
    // the toy finds capitals, of which the fixture has none
    let broken = broken(&toy::ENTRY);
    assert!(broken.iter().all(|(law, _)| ["informative", "sign"].contains(law)), "{broken:?}");
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
    let of_entries = ["documented", "parameters"];
    for law in LAWS.iter().filter(|l| !of_entries.contains(&l.name)) {
        assert!(MUTANTS.iter().any(|(_, killer, _)| *killer == law.name), "`{}` has no mutant", law.name);
    }
}

/// The toy with a change, and the law that must notice.
fn dies(law: &str, change: impl FnOnce(&mut Entry)) {
    let t = &toy::ENTRY;
    let mut entry = Entry {
        id: t.id,
        title: t.title,
        doc: t.doc,
        params: t.params,
        defaults: t.defaults,
        make: t.make,
        source: t.source,
    };
    let law = LAWS.iter().find(|l| l.name == law).unwrap();
    assert_eq!((law.check)(&entry), Ok(()));
    change(&mut entry);
    assert!((law.check)(&entry).is_err(), "survives `{}`", law.name);
}

#[test]
fn entries_without_texts_die() {
    dies("documented", |e| e.doc = "Texts that shout.\n\n# What it finds\nCapitals.\n");
    dies("documented", |e| e.title = "");
    dies("documented", |e| e.id = "Shouting_Texts");
    dies("documented", |e| {
        e.params = &[Param { name: "weight", kind: "number", choices: &[], min: None, max: None, doc: "" }]
    });
}

#[test]
fn entries_with_wrong_parameters_die() {
    dies("parameters", |e| e.defaults = serde_json::Map::new);
    // promises a bound that it does not keep
    dies("parameters", |e| {
        e.params = &[Param {
            name: "weight",
            kind: "number",
            choices: &[],
            min: Some(5.0),
            max: None,
            doc: "Factor.",
        }];
    });
    dies("parameters", |e| {
        e.params = &[Param {
            name: "weight",
            kind: "string",
            choices: &["loud"],
            min: None,
            max: None,
            doc: "Factor.",
        }];
    });
}

#[test]
fn the_guide_shows_the_toy_as_it_is() {
    let guide = include_str!("../../../CONTRIBUTING.md");
    let toy = include_str!("../src/toy.rs");
    let (_, code) = toy.split_once("\n\n").unwrap();
    assert!(
        guide.contains(code.trim_end()),
        "CONTRIBUTING.md does not show src/toy.rs as it is: copy it there"
    );
}
