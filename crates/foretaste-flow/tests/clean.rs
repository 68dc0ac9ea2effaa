//! `clean` of formats that are written anew: kept and quarantined rows are the input, value for value.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may fail loudly

use arrow_array::builder::{Float32Builder, ListBuilder, StringBuilder};
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, UInt8Array,
};
use foretaste_core::Role;
use foretaste_flow::clean::{CleanOptions, clean};
use foretaste_flow::{Recipe, scan};
use foretaste_formats::{OpenOptions, Source, writer};
use std::path::Path;
use std::sync::Arc;

const ROWS: usize = 600;

/// Two clear classes with some labels flipped, and a column of every kind with missing values.
fn batch() -> RecordBatch {
    let number =
        |i: usize| ((i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f64 / f64::from(1 << 24);
    let yes = |i: usize| i.is_multiple_of(2);
    let some = |i: usize| i % 7 != 3;
    let mut lists = ListBuilder::new(Float32Builder::new());
    let mut words = ListBuilder::new(StringBuilder::new());
    for i in 0..ROWS {
        lists.append_option(some(i).then(|| (0..i % 4).map(|v| Some(v as f32 / 3.0))));
        words.append_option(some(i).then(|| [Some("a"), None].into_iter().take(i % 3)));
    }
    let all = 0..ROWS;
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "x",
            Arc::new(Float64Array::from_iter_values(
                all.clone().map(|i| number(i) + if yes(i) { 3.0 } else { 0.0 }),
            )),
        ),
        (
            "y",
            Arc::new(Float64Array::from_iter(all.clone().map(|i| {
                Some(if i == 5 { f64::NAN } else { number(i + 9999) + if yes(i) { 3.0 } else { 0.0 } })
            }))),
        ),
        (
            "large",
            Arc::new(Int64Array::from_iter(all.clone().map(|i| some(i).then_some(i64::MAX - i as i64 % 5)))),
        ),
        ("byte", Arc::new(UInt8Array::from_iter_values(all.clone().map(|i| (i % 251) as u8)))),
        ("flag", Arc::new(BooleanArray::from_iter(all.clone().map(|i| some(i).then_some(i % 5 == 0))))),
        (
            "word",
            Arc::new(StringArray::from_iter(
                all.clone().map(|i| some(i).then(|| format!("w,\"{}\n", i % 11))),
            )),
        ),
        (
            "bytes",
            Arc::new(BinaryArray::from_iter(all.clone().map(|i| some(i).then(|| vec![i as u8, 0, 255])))),
        ),
        (
            "at",
            Arc::new(TimestampMicrosecondArray::from_iter(
                all.clone().map(|i| some(i).then_some(i as i64 * 1_234_567)),
            )),
        ),
        ("lists", Arc::new(lists.finish())),
        ("words", Arc::new(words.finish())),
        (
            "label",
            Arc::new(StringArray::from_iter_values(
                all.map(|i| if yes(i) != (i % 50 == 7) { "yes" } else { "no" }),
            )),
        ),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true))).unwrap()
}

/// Every row of a file as the words of all its cells, sorted.
fn rows(path: &Path) -> Vec<String> {
    let source = Source::open_path(path).unwrap();
    let options = arrow_cast::display::FormatOptions::default().with_null("<null>");
    let mut out = vec![];
    for located in source.batches().unwrap() {
        let batch = located.unwrap().batch;
        let columns: Vec<_> = batch
            .columns()
            .iter()
            .map(|c| arrow_cast::display::ArrayFormatter::try_new(c.as_ref(), &options).unwrap())
            .collect();
        for i in 0..batch.num_rows() {
            out.push(columns.iter().map(|c| c.value(i).to_string()).collect::<Vec<_>>().join("|"));
        }
    }
    out.sort();
    out
}

#[test]
fn kept_and_quarantined_rows_are_the_input_value_for_value() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let batch = batch();
    let mut out = writer(&at("d.parquet"), None, batch.schema()).unwrap();
    out.write(&batch).unwrap();
    out.finish().unwrap();
    let input = at("d.parquet").to_string_lossy().into_owned();
    let recipe = Recipe {
        inputs: vec![input.clone()],
        roles: [("label", Role::Label), ("x", Role::Feature), ("y", Role::Feature), ("at", Role::Ignored)]
            .map(|(n, r)| (n.to_owned(), r))
            .into(),
        ..Recipe::default()
    };
    let report = scan(&recipe, &|_, _| {}).unwrap().report;
    std::fs::write(at("report.json"), serde_json::to_string(&report).unwrap()).unwrap();
    for format in ["parquet", "arrow"] {
        let options = CleanOptions {
            inputs: vec![input.clone()],
            open: OpenOptions::default(),
            findings: at("report.json"),
            kept: at(&format!("kept.{format}")),
            quarantined: at(&format!("aside.{format}")),
            only: vec![],
            review: false,
            duplicates: false,
            force: false,
        };
        let done = clean(&options).unwrap();
        assert!(!done.split.quarantined.is_empty(), "something was set aside");
        let (kept, aside) = (rows(&options.kept), rows(&options.quarantined));
        assert_eq!(aside.len(), done.split.quarantined.len());
        let mut both = [kept, aside].concat();
        both.sort();
        assert!(both == rows(&at("d.parquet")), "{format}");
        assert_eq!(both.len(), ROWS);
    }
}
