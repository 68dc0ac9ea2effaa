//! A small data set on disk with every kind of column that an attack may want.

use super::Lacking;
use arrow_array::{
    ArrayRef, FixedSizeBinaryArray, FixedSizeListArray, Float32Array, Float64Array, RecordBatch, StringArray,
};
use arrow_schema::{DataType, Field, Schema};
use foretaste_core::{Batch, Role};
use foretaste_flow::Dataset;
use foretaste_flow::ids::content_hashes;
use foretaste_flow::simulate::Poison;
use foretaste_formats::{OpenOptions, writer};
use foretaste_num::rng::Rng;
use std::collections::BTreeMap;
use std::sync::Arc;

const ROWS: usize = 400;
const SIDE: usize = 12;
const DIM: i32 = 4;

/// The data set and the seed of what is done with it.
pub struct Sample {
    folder: Arc<tempfile::TempDir>,
    /// Seed of the run.
    pub seed: u64,
}

impl Sample {
    /// The rows drawn from `seed`, cut into `files` files.
    pub fn new(seed: u64, files: usize) -> Result<Self, String> {
        Self::write(seed, files, None)
    }

    /// A data set that lacks something.
    pub fn lacking(seed: u64, what: Lacking) -> Result<Self, String> {
        Self::write(seed, 1, Some(what))
    }

    fn write(seed: u64, files: usize, lacking: Option<Lacking>) -> Result<Self, String> {
        let batch = batch(seed, lacking).map_err(|e| e.to_string())?;
        let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
        let step = ROWS.div_ceil(files);
        for k in 0..files {
            let part = batch.slice(k * step, step.min(ROWS - k * step));
            let path = folder.path().join(format!("part-{k}.parquet"));
            let mut out = writer(&path, None, batch.schema()).map_err(|e| e.to_string())?;
            out.write(&part).map_err(|e| e.to_string())?;
            out.finish().map_err(|e| e.to_string())?;
        }
        Ok(Self { folder: Arc::new(folder), seed })
    }

    /// Opens it.
    pub fn open(&self) -> Result<Dataset, String> {
        self.open_as(&[])
    }

    /// Opens it with a number to be learned instead of a class.
    pub fn open_numeric(&self) -> Result<Dataset, String> {
        self.open_as(&[("label", Role::Ignored), ("x1", Role::Target)])
    }

    /// Opens it with texts that are asked and answered, and nothing labelled.
    pub fn open_asked(&self) -> Result<Dataset, String> {
        self.open_as(&[("label", Role::Ignored), ("text", Role::Prompt), ("reply", Role::Response)])
    }

    fn open_as(&self, others: &[(&str, Role)]) -> Result<Dataset, String> {
        let roles: BTreeMap<String, Role> = [
            ("text", Role::Text),
            ("reply", Role::Ignored),
            ("kind", Role::Feature),
            ("x0", Role::Feature),
            ("x1", Role::Feature),
            ("label", Role::Label),
            ("source", Role::Source),
            ("day", Role::Time),
            ("picture", Role::Image),
            ("vector", Role::Embedding),
        ]
        .into_iter()
        .chain(others.iter().copied())
        .filter(|(name, _)| self.has(name))
        .map(|(name, role)| (name.to_owned(), role))
        .collect();
        let inputs = [self.folder.path().display().to_string()];
        Dataset::open(&inputs, &OpenOptions::default(), &roles, 1 << 30, &|_| {}).map_err(|e| e.to_string())
    }

    fn has(&self, name: &str) -> bool {
        let path = self.folder.path().join("part-0.parquet").display().to_string();
        foretaste_formats::Source::open(&[path], &OpenOptions::default())
            .is_ok_and(|s| s.schema().field_with_name(name).is_ok())
    }

    /// Every row of the clean data, as hashes.
    pub fn rows(&self, dataset: &Dataset) -> Result<Vec<u128>, String> {
        let mut out = vec![];
        for batch in dataset.batches().map_err(|e| e.to_string())? {
            out.extend(hashes(dataset, &batch.map_err(|e| e.to_string())?.records));
        }
        Ok(out)
    }

    /// Every row of the poisoned data, and whether it was crafted.
    pub fn poisoned_rows(&self, dataset: &Dataset, poison: &Poison) -> Result<Vec<(u128, bool)>, String> {
        let mut out = vec![];
        for batch in poison.batches(dataset).map_err(|e| e.to_string())? {
            let (records, crafted) = batch.map_err(|e| e.to_string())?;
            let rows = hashes(dataset, &records).into_iter().enumerate();
            out.extend(rows.map(|(i, row)| (row, crafted.contains_key(&i))));
        }
        Ok(out)
    }
}

/// One hash a row over the cells of all columns.
fn hashes(dataset: &Dataset, records: &RecordBatch) -> Vec<u128> {
    content_hashes(&Batch::new(records.clone(), Arc::clone(&dataset.roles), 0))
}

fn batch(seed: u64, lacking: Option<Lacking>) -> Result<RecordBatch, arrow_schema::ArrowError> {
    let mut rng = Rng::new(seed, "attack-sample");
    let classes = if lacking == Some(Lacking::Classes) { 1 } else { 3 };
    let labels: Vec<usize> =
        (0..ROWS).map(|_| if rng.unit() < 0.5 { 0 } else { rng.below(classes) }).collect();
    let words = ["amber", "birch", "cedar", "delta", "ember", "fjord"];
    let text = |rng: &mut Rng, i: usize| {
        // one word in three speaks for the class
        let word = |rng: &mut Rng| if rng.unit() < 0.33 { words[2 * labels[i]] } else { words[rng.below(6)] };
        let drawn: Vec<&str> = (0..4 + rng.below(6)).map(|_| word(rng)).collect();
        format!("{} n{i}", drawn.join(" "))
    };
    let texts: Vec<String> = (0..ROWS).map(|i| text(&mut rng, i)).collect();
    let replies: Vec<String> = (0..ROWS).map(|i| format!("This is answer number {i}.")).collect();
    let kinds: Vec<String> = (0..ROWS).map(|_| format!("k{}", rng.below(5))).collect();
    let number = |rng: &mut Rng, shift: f64| {
        (0..ROWS).map(|i| labels[i] as f64 * 2.0 * shift + rng.normal()).collect()
    };
    let (x0, x1): (Vec<f64>, Vec<f64>) = (number(&mut rng, 1.0), number(&mut rng, 0.0));
    let days: Vec<f64> = (0..ROWS).map(|_| (rng.unit() * 365.0).floor()).collect();
    let sources: Vec<String> = (0..ROWS).map(|_| format!("feed-{}", rng.below(3))).collect();
    let pixels: Vec<u8> = (0..ROWS * SIDE * SIDE * 3)
        .map(|at| {
            // classes differ in where pictures are bright
            let (row, x) = (at / (SIDE * SIDE * 3), at / 3 % SIDE);
            let bright = if x / 4 == labels[row] { 60 } else { 0 };
            40 + bright + rng.below(100) as u8
        })
        .collect();
    let vectors: Vec<f32> = (0..ROWS * DIM as usize)
        .map(|at| {
            rng.normal() as f32 + if at % DIM as usize == labels[at / DIM as usize] { 2.0 } else { 0.0 }
        })
        .collect();
    let string = |v: Vec<String>| -> ArrayRef { Arc::new(StringArray::from(v)) };
    let float = |v: Vec<f64>| -> ArrayRef { Arc::new(Float64Array::from(v)) };
    let label = string(labels.iter().map(|l| format!("class-{l}")).collect());
    let mut columns: Vec<(Field, ArrayRef)> = vec![
        (Field::new("label", DataType::Utf8, true), label),
        (Field::new("x1", DataType::Float64, true), float(x1)),
    ];
    if lacking != Some(Lacking::Content) {
        let size = (SIDE * SIDE * 3) as i32;
        let picture: ArrayRef = Arc::new(FixedSizeBinaryArray::try_from_iter(
            pixels.chunks_exact(size as usize).map(<[u8]>::to_vec),
        )?);
        let shape = [("foretaste.role", "image"), ("foretaste.image", "raw:12x12x3")];
        let metadata = shape.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let item = Arc::new(Field::new("item", DataType::Float32, true));
        let vector: ArrayRef = Arc::new(FixedSizeListArray::try_new(
            Arc::clone(&item),
            DIM,
            Arc::new(Float32Array::from(vectors)),
            None,
        )?);
        columns.extend([
            (Field::new("text", DataType::Utf8, true), string(texts)),
            (Field::new("reply", DataType::Utf8, true), string(replies)),
            (Field::new("kind", DataType::Utf8, true), string(kinds)),
            (Field::new("x0", DataType::Float64, true), float(x0)),
            (Field::new("source", DataType::Utf8, true), string(sources)),
            (Field::new("day", DataType::Float64, true), float(days)),
            (Field::new("picture", DataType::FixedSizeBinary(size), true).with_metadata(metadata), picture),
            (Field::new("vector", vector.data_type().clone(), true), vector),
        ]);
    }
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = columns.into_iter().unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
}
