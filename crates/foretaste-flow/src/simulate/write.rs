//! Poisoned data to a file, and the list of changes with the ids that rows have there.

use super::poison::{Craft, Placement, Poison};
use super::pool::take_rows;
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::ids::content_hashes;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;
use foldhash::fast::FixedState;
use foretaste_core::{Batch, Entering, Role, SampleId, Strings, numbers};
use foretaste_formats::{NewFile, OpenOptions, Source, splice_rows, writer};
use foretaste_truth::{Change, DataState, Way};
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What was written.
pub struct Written {
    /// Rows.
    pub rows: u64,
    /// Changes in the order of the rows.
    pub changes: Vec<Change>,
    /// True if untouched rows were copied byte for byte.
    pub exact: bool,
}

/// Writes the poisoned data.
pub fn write(dataset: &Dataset, poison: &Poison, out: &Path) -> Result<Written> {
    let exact = copies(dataset.source(), out) && splice(dataset, poison, out)?;
    let mut file = if exact { None } else { Some(writer(out, None, dataset.schema.clone())?) };
    let mut ids = Ids::new(dataset, poison);
    let mut rows = 0;
    let mut places: Vec<(usize, u64)> = vec![];
    let mut batches = poison.batches(dataset)?;
    let mut next = batches.next();
    while let Some(batch) = next {
        let (records, crafted) = batch?;
        let write = || file.as_mut().map_or(Ok(()), |file| file.write(&records));
        // writing takes longest: ids and the next rows are made beside it
        let beside = || {
            ids.fold(dataset, records.clone(), rows, &crafted);
            batches.next()
        };
        let (written, after) = rayon::join(write, beside);
        written?;
        next = after;
        places.extend(crafted.iter().map(|(at, craft)| (*craft, rows + *at as u64)));
        rows += records.num_rows() as u64;
    }
    if let Some(file) = file {
        file.finish()?;
    }
    let changes = changes(dataset, poison, &places, ids.found)?;
    Ok(Written { rows, changes, exact: exact && dataset.source().keeps_bytes() })
}

/// Ids of crafted rows: those of the id column, or content hash and occurrence.
struct Ids {
    by_column: bool,
    seen: HashMap<u128, u32>,
    found: HashMap<usize, SampleId>,
    /// Columns of numbers and strings, and the keys that crafted rows have over them: other rows cannot be equal to
    /// a crafted one, and need no hash.
    screen: (Vec<usize>, HashSet<u64, FixedState>),
}

impl Ids {
    fn new(dataset: &Dataset, poison: &Poison) -> Self {
        let by_column = dataset.has(Role::Id);
        let mut seen = HashMap::new();
        if !by_column {
            for rows in &poison.rows {
                let batch = Batch::new(rows.clone(), Arc::clone(&dataset.roles), 0);
                seen.extend(content_hashes(&batch).into_iter().map(|h| (h, 0)));
            }
        }
        let screened = |at: &usize| poison.rows.iter().all(|r| keys(r.column(*at)).is_some());
        let columns: Vec<usize> = (0..dataset.schema.fields().len()).filter(screened).collect();
        let known = poison.rows.iter().filter_map(|r| row_keys(r, &columns)).flatten().collect();
        let screen = (columns, known);
        Self { by_column, seen, found: HashMap::new(), screen }
    }

    fn fold(
        &mut self,
        dataset: &Dataset,
        records: RecordBatch,
        first: u64,
        crafted: &BTreeMap<usize, usize>,
    ) {
        let batch = Batch::new(records, Arc::clone(&dataset.roles), first);
        if self.by_column {
            let Some((_, column)) = batch.column(Role::Id) else { return };
            let names = Strings::new(column);
            for (&at, &craft) in crafted {
                let id = names
                    .get(at)
                    .map_or_else(|| SampleId(format!("row-{}", first + at as u64)), SampleId::from_column);
                self.found.insert(craft, id);
            }
            return;
        }
        let (rows, batch) = self.screened(batch);
        for (at, hash) in rows.into_iter().zip(content_hashes(&batch)) {
            // only rows that look like a crafted one are counted
            let Some(n) = self.seen.get_mut(&hash) else { continue };
            if let Some(&craft) = crafted.get(&at) {
                self.found.insert(craft, SampleId::from_content(hash, *n));
            }
            *n += 1;
        }
    }

    /// The rows of a batch that may be equal to a crafted one.
    fn screened(&self, batch: Batch) -> (Vec<usize>, Batch) {
        let whole = |batch: Batch| ((0..batch.rows()).collect(), batch);
        let (columns, known) = &self.screen;
        let Some(keys) = row_keys(&batch.records, columns) else { return whole(batch) };
        let rows: Vec<usize> = (0..keys.len()).filter(|i| known.contains(&keys[*i])).collect();
        let places = rows.iter().map(|i| *i as u32).collect();
        match super::pool::take(&batch.records, &places) {
            Ok(records) => (rows, Batch { records, ..batch }),
            Err(_) => whole(batch),
        }
    }
}

/// Equal rows have equal keys over these columns; `None` where one of them has no keys.
fn row_keys(records: &RecordBatch, columns: &[usize]) -> Option<Vec<u64>> {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut out = vec![0u64; records.num_rows()];
    for at in columns {
        let keys = keys(records.column(*at))?;
        out.iter_mut().zip(keys).for_each(|(k, cell)| *k = (k.rotate_left(23) ^ cell).wrapping_mul(ODD));
    }
    Some(out)
}

/// Equal cells have equal keys; `None` for columns that are neither numbers nor strings.
fn keys(column: &ArrayRef) -> Option<Vec<u64>> {
    if let Some(values) = numbers(column) {
        return Some(
            values.into_iter().map(|v| if v.is_nan() { u64::MAX } else { (v + 0.0).to_bits() }).collect(),
        );
    }
    if !matches!(column.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) {
        return None;
    }
    let strings = Strings::new(column);
    let key = |i: usize| strings.get(i).map_or(u64::MAX, |s| xxhash_rust::xxh3::xxh3_64(s.as_bytes()));
    Some((0..strings.len()).map(key).collect())
}

fn changes(
    dataset: &Dataset,
    poison: &Poison,
    places: &[(usize, u64)],
    mut ids: HashMap<usize, SampleId>,
) -> Result<Vec<Change>> {
    let patterns: Vec<u64> = places.iter().map(|(craft, _)| poison.crafts[*craft].made_from).collect();
    let before = take_rows(dataset, &patterns)?;
    let label_at = dataset.roles.iter().position(|r| *r == Role::Label);
    let label = |records: &RecordBatch, row: usize| {
        let code = dataset.codes_of(&records.column(label_at?).slice(row, 1)).first().copied()?;
        dataset.classes.get(code as usize).cloned()
    };
    let change = |(k, ((at, row), id)): (usize, (&(usize, u64), SampleId))| {
        let craft: &Craft = &poison.crafts[*at];
        let after = &poison.rows[craft.attack];
        let differs = |c: &usize| {
            let (old, new) = (before.column(*c).slice(k, 1), after.column(*c).slice(craft.at, 1));
            old.to_data() != new.to_data()
        };
        let columns: Vec<usize> = (0..dataset.schema.fields().len()).filter(differs).collect();
        let (way, clean_row) = match (craft.place, poison.runs[craft.attack].enter) {
            (Placement::Before(_), _) => (Way::Inserted, None),
            (Placement::At(row), Entering::Replace) => (Way::Replaced, Some(row)),
            (Placement::At(row), _) => (Way::Modified, Some(row)),
        };
        Change {
            id,
            row: *row,
            way,
            clean_row,
            made_from: craft.made_from,
            attack: craft.attack,
            cover: craft.cover,
            label_before: label(&before, k),
            label_after: label(after, craft.at),
            columns: columns.into_iter().map(|c| dataset.schema.field(c).name().clone()).collect(),
        }
    };
    let name = |(at, row): &(usize, u64)| ids.remove(at).unwrap_or_else(|| SampleId(format!("row-{row}")));
    let names: Vec<SampleId> = places.iter().map(name).collect();
    Ok(places.par_iter().zip(names).enumerate().map(change).collect())
}

/// True if rows can be copied as bytes: one text format for input and output.
fn copies(source: &Source, out: &Path) -> bool {
    let ending = out.extension().and_then(|e| e.to_str()).unwrap_or_default().to_lowercase();
    let fits = |format: &str| match format {
        "csv" => ending == "csv",
        "tsv" => ending == "tsv",
        "json" => ending == "json",
        "jsonl" => matches!(ending.as_str(), "jsonl" | "ndjson"),
        _ => false,
    };
    source.files().iter().all(|f| fits(f.format))
}

/// Copies rows as bytes with the crafted ones between them; false if the two do not have the same header.
fn splice(dataset: &Dataset, poison: &Poison, out: &Path) -> Result<bool> {
    let folder = out.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let ending = out.extension().and_then(|e| e.to_str()).unwrap_or("csv");
    let temp = tempfile::Builder::new()
        .prefix(".")
        .suffix(".fore-tmp")
        .tempdir_in(folder)
        .map_err(|e| Error::file(out, e, "choose a folder that can be written"))?;
    let path = temp.path().join(format!("crafted.{ending}"));
    let mut file = writer(&path, None, dataset.schema.clone())?;
    let order: Vec<(usize, usize)> = poison.crafts.iter().map(|c| (c.attack, c.at)).collect();
    let sources: Vec<&RecordBatch> = poison.rows.iter().collect();
    if !order.is_empty() {
        file.write(&arrow_select::interleave::interleave_record_batch(&sources, &order)?)?;
    }
    file.finish()?;
    let crafted = Source::open(&[path.display().to_string()], &OpenOptions::default())?;
    let mut target = NewFile::create(out)?;
    let mut next = 0;
    // crafted rows stand in the order of their places, so each row asks for the next few
    let done = splice_rows(dataset.source(), &crafted, &mut target, &mut |row| {
        let mut stays = true;
        let from = next;
        while poison.crafts.get(next).is_some_and(|c| match c.place {
            Placement::Before(at) => at == row,
            Placement::At(at) => at == row,
        }) {
            stays &= poison.crafts[next].place != Placement::At(row);
            next += 1;
        }
        (next - from, stays)
    });
    match done {
        Ok(_) => {
            target.place()?;
            Ok(true)
        }
        Err(foretaste_formats::FormatError::Unsupported { .. }) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// Names, rows and hash of files.
pub fn state(files: &[PathBuf], rows: u64) -> Result<DataState> {
    let mut hasher = blake3::Hasher::new();
    for path in files {
        hash_file(path, &mut hasher)?;
    }
    let name = |p: &PathBuf| p.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(DataState {
        files: files.iter().map(name).collect(),
        rows,
        blake3: hasher.finalize().to_hex().to_string(),
    })
}

/// A folder counts as its files in the order of their names; what is no file, such as standard input, as nothing.
fn hash_file(path: &Path, hasher: &mut blake3::Hasher) -> Result<()> {
    let unread = |e: std::io::Error| Error::file(path, e, "check that the file can still be read");
    if path.is_dir() {
        let mut inside: Vec<PathBuf> =
            std::fs::read_dir(path).map_err(unread)?.filter_map(|e| Some(e.ok()?.path())).collect();
        inside.sort();
        return inside.iter().try_for_each(|p| hash_file(p, hasher));
    }
    if !path.is_file() {
        return Ok(());
    }
    let mut file = std::fs::File::open(path).map_err(unread)?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer).map_err(unread)? {
            0 => return Ok(()),
            n => hasher.update(&buffer[..n]),
        };
    }
}

/// Writes a small text file, whole or not at all.
pub fn text(path: &Path, text: &str) -> Result<()> {
    let mut file = NewFile::create(path)?;
    file.write_all(text.as_bytes()).map_err(|e| Error::file(path, e, "is the disk full?"))?;
    Ok(file.place()?)
}
