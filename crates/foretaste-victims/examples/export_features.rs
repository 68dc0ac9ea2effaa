//! Writes the features that the built-in surrogate learns from, for other programs to learn from the same.
//!
//! `export_features FILE --label COLUMN --out PATH`: dense features become `PATH` with the ending `.npy`, sparse
//! ones `.npz` as `scipy.sparse.load_npz` reads it. Prints what was written. The first image column is taken if
//! there is one, else all columns of sentences, else every other column but the label.

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_cast::cast;
use arrow_schema::{DataType, Field, SchemaRef};
use foretaste_formats::{OpenOptions, Source, decode_image};
use foretaste_num::ngrams::Csr;
use foretaste_victims::image::Picture;
use foretaste_victims::table::{Column, TableOptions};
use foretaste_victims::{Features, image, table, text};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let arg = |name: &str| std::env::args().skip_while(|a| a != name).nth(1);
    let need = |name: &str| arg(name).ok_or_else(|| format!("missing `{name}`"));
    let file = std::env::args().nth(1).ok_or("missing FILE")?;
    let source = Source::open(&[file], &OpenOptions::default())?;
    let batches = source.batches()?.map(|b| b.map(|b| b.batch)).collect::<Result<Vec<_>, _>>()?;
    let features = features(&source.schema(), &batches, &need("--label")?)?;
    let out = PathBuf::from(need("--out")?);
    match &features {
        Features::Dense { data, dim } => {
            let path = out.with_extension("npy");
            let shape = format!("({}, {dim})", features.len());
            let bytes: Vec<u8> = data.iter().flat_map(|v| v.to_le_bytes()).collect();
            npy(&mut BufWriter::new(File::create(&path)?), "<f4", &shape, &bytes)?;
            println!("{}: {} x {dim}", path.display(), features.len());
        }
        Features::Sparse(csr) => {
            let path = out.with_extension("npz");
            sparse(&path, csr)?;
            println!("{}: {} x {}, {} entries", path.display(), csr.rows(), csr.cols, csr.nnz());
        }
    }
    Ok(())
}

fn features(schema: &SchemaRef, batches: &[RecordBatch], label: &str) -> Outcome<Features> {
    let label = schema.index_of(label)?;
    let others: Vec<usize> = (0..schema.fields().len()).filter(|&i| i != label).collect();
    let is_image = |f: &Field| f.metadata().get("foretaste.role").is_some_and(|r| r == "image");
    if let Some(&i) = others.iter().find(|&&i| is_image(schema.field(i))) {
        return Ok(image::features(&pictures(schema.field(i), batches.iter().map(|b| b.column(i)))?));
    }
    let mut texts = vec![];
    let mut columns = vec![];
    for i in others {
        let parts: Vec<&dyn Array> = batches.iter().map(|b| b.column(i).as_ref()).collect();
        let Some(values) = values(&parts)? else { continue };
        match values {
            Values::Words(words) if sentences(&words) => texts.push(words),
            Values::Words(words) => columns.push(category(schema.field(i).name(), &words)),
            Values::Numbers(values) => {
                columns.push(Column::Number { name: schema.field(i).name().clone(), values });
            }
        }
    }
    if texts.is_empty() {
        return Ok(table::features(&columns, &TableOptions::default()));
    }
    let row = |i: usize| texts.iter().filter_map(|t| t[i].as_deref()).collect::<Vec<_>>().join("\n");
    let joined: Vec<String> = (0..texts[0].len()).map(row).collect();
    let joined: Vec<&str> = joined.iter().map(String::as_str).collect();
    Ok(text::features(&joined, &text::default_options()).1)
}

fn pictures<'a>(field: &Field, columns: impl Iterator<Item = &'a ArrayRef>) -> Outcome<Vec<Picture>> {
    let mut out = vec![];
    for column in columns {
        for row in 0..column.len() {
            let found = decode_image(field, column.as_ref(), row)?;
            out.push(found.map_or(Picture { width: 1, height: 1, channels: 1, bytes: vec![0] }, |d| {
                Picture {
                    width: d.width as usize,
                    height: d.height as usize,
                    channels: usize::from(d.channels),
                    bytes: d.pixels,
                }
            }));
        }
    }
    Ok(out)
}

enum Values {
    Numbers(Vec<f64>),
    Words(Vec<Option<String>>),
}

/// The values of a column; `None` for a kind that is neither numbers nor strings.
fn values(parts: &[&dyn Array]) -> Outcome<Option<Values>> {
    let Some(kind) = parts.first().map(|p| p.data_type().clone()) else { return Ok(None) };
    if kind.is_numeric() || kind == DataType::Boolean {
        let mut out = vec![];
        for part in parts {
            let part = cast(*part, &DataType::Float64)?;
            let numbers = part.as_primitive::<Float64Type>().iter();
            out.extend(numbers.map(|v| v.filter(|v| v.is_finite()).unwrap_or(f64::NAN)));
        }
        return Ok(Some(Values::Numbers(out)));
    }
    if !matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(..)) {
        return Ok(None);
    }
    let mut out = vec![];
    for part in parts {
        let part = cast(*part, &DataType::LargeUtf8)?;
        out.extend(part.as_string::<i64>().iter().map(|v| v.map(str::to_owned)));
    }
    Ok(Some(Values::Words(out)))
}

/// Whether a column holds sentences rather than names: many words, and mostly different ones.
fn sentences(words: &[Option<String>]) -> bool {
    let present: Vec<&str> = words.iter().flatten().map(String::as_str).collect();
    let n = present.len().max(1) as f64;
    let count = present.iter().map(|t| t.split_whitespace().count()).sum::<usize>() as f64;
    let length = present.iter().map(|t| t.chars().count()).sum::<usize>() as f64;
    let distinct = present.iter().collect::<std::collections::HashSet<_>>().len() as f64;
    (count / n >= 3.0 || length / n > 60.0) && distinct / n > 0.2
}

fn category(name: &str, words: &[Option<String>]) -> Column {
    let mut levels = std::collections::HashMap::new();
    let mut codes = Vec::with_capacity(words.len());
    for word in words {
        let next = levels.len() as u32;
        codes.push(word.as_deref().map_or(u32::MAX, |w| *levels.entry(w).or_insert(next)));
    }
    Column::Category { name: name.to_owned(), codes, levels: levels.len() }
}

/// Writes a compressed sparse row matrix the way `scipy.sparse.save_npz` does.
fn sparse(path: &Path, csr: &Csr) -> Outcome<()> {
    let mut archive = ZipWriter::new(BufWriter::new(File::create(path)?));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).large_file(true);
    let mut member = |name: &str, kind: &str, shape: String, bytes: Vec<u8>| -> Outcome<()> {
        archive.start_file(format!("{name}.npy"), stored)?;
        npy(&mut archive, kind, &shape, &bytes)
    };
    let wide = |v: &[usize]| v.iter().flat_map(|&v| (v as i64).to_le_bytes()).collect::<Vec<u8>>();
    let indices = csr.indices.iter().flat_map(|&v| i64::from(v).to_le_bytes()).collect();
    let values = csr.values.iter().flat_map(|v| v.to_le_bytes()).collect();
    member("indices", "<i8", format!("({},)", csr.nnz()), indices)?;
    member("indptr", "<i8", format!("({},)", csr.indptr.len()), wide(&csr.indptr))?;
    member("format", "|S3", "()".into(), b"csr".to_vec())?;
    member("shape", "<i8", "(2,)".into(), wide(&[csr.rows(), csr.cols]))?;
    member("data", "<f4", format!("({},)", csr.nnz()), values)?;
    archive.finish()?.flush()?;
    Ok(())
}

/// Writes an array in NPY version 1: its header is padded so that the values start at a multiple of 64.
fn npy(out: &mut impl Write, kind: &str, shape: &str, bytes: &[u8]) -> Outcome<()> {
    let head = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}");
    let length = (10 + head.len() + 1).next_multiple_of(64) - 10;
    out.write_all(b"\x93NUMPY\x01\x00")?;
    out.write_all(&u16::try_from(length)?.to_le_bytes())?;
    writeln!(out, "{head:<width$}", width = length - 1)?;
    out.write_all(bytes)?;
    Ok(())
}
