//! Shared by the tests: make files, read them whole.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::*;
use arrow_schema::{DataType, Field, Schema};
use foretaste_formats::*;

pub struct Folder(pub tempfile::TempDir);

impl Folder {
    pub fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
    pub fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

pub fn text(path: &Path) -> String {
    path.to_str().unwrap().to_string()
}

pub fn open(path: &Path) -> Result<Source, FormatError> {
    Source::open(&[text(path)], &OpenOptions::default())
}

/// All rows of a source as one batch; the places in the files are checked on the way.
pub fn all(source: &Source) -> Result<RecordBatch, FormatError> {
    let mut batches = Vec::new();
    let (mut file, mut row) = (0, 0);
    for located in source.batches()? {
        let located = located?;
        if located.file != file {
            (file, row) = (located.file, 0);
        }
        assert_eq!(located.first_row_in_file, row);
        row += located.batch.num_rows() as u64;
        batches.push(located.batch);
    }
    Ok(arrow_select::concat::concat_batches(&source.schema(), &batches).unwrap())
}

pub fn read(path: &Path) -> Result<RecordBatch, FormatError> {
    all(&open(path)?)
}

/// The error of opening or reading, which must name the file at its end and fit on one line.
pub fn failure(path: &Path) -> FormatError {
    let error = read(path).expect_err("this file must not be readable");
    let shown = error.to_string();
    assert!(!shown.contains('\n'), "{shown}");
    error
}

pub fn strings(batch: &RecordBatch, column: &str) -> Vec<Option<String>> {
    let array = arrow_cast::cast(batch.column_by_name(column).unwrap(), &DataType::Utf8).unwrap();
    array.as_any().downcast_ref::<StringArray>().unwrap().iter().map(|v| v.map(String::from)).collect()
}

pub fn write(path: &Path, batch: &RecordBatch) {
    let mut out = writer(path, None, batch.schema()).unwrap();
    out.write(batch).unwrap();
    assert!(!path.exists(), "the file appears only when it is complete");
    assert_eq!(out.finish().unwrap(), batch.num_rows() as u64);
}

pub fn vectors(rows: usize, width: i32) -> FixedSizeListArray {
    let values = Float32Array::from_iter_values((0..rows * width as usize).map(|i| i as f32 / 8.0 - 3.0));
    let item = Arc::new(Field::new_list_field(DataType::Float32, true));
    FixedSizeListArray::try_new(item, width, Arc::new(values), None).unwrap()
}

/// Text, numbers, truth values with nulls, and vectors: what every table format can hold.
pub fn mixed() -> RecordBatch {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(StringArray::from(vec!["007", "x\"y", "a,b", "line\nend"]))),
        ("text", Arc::new(StringArray::from(vec![Some(""), None, Some("é 字\t"), Some("\"")]))),
        ("n", Arc::new(Int64Array::from(vec![Some(i64::MAX), None, Some(-5), Some(0)]))),
        ("x", Arc::new(Float64Array::from(vec![Some(0.1), None, Some(f64::INFINITY), Some(-1e300)]))),
        ("b", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false), Some(true)]))),
    ];
    let fields: Vec<Field> =
        columns.iter().map(|(n, a)| Field::new(*n, a.data_type().clone(), true)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.into_iter().map(|c| c.1).collect()).unwrap()
}

pub fn with_vectors() -> RecordBatch {
    let batch = mixed();
    let list = vectors(batch.num_rows(), 3);
    let mut fields: Vec<Field> = batch.schema().fields().iter().map(|f| f.as_ref().clone()).collect();
    fields.push(Field::new("v", list.data_type().clone(), true));
    let mut columns = batch.columns().to_vec();
    columns.push(Arc::new(list));
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

/// Columns that arrays can hold.
pub fn numbers() -> RecordBatch {
    let fields = vec![
        Field::new("v", vectors(1, 4).data_type().clone(), false),
        Field::new("y", DataType::UInt8, false),
        Field::new("z", DataType::Float64, false),
        Field::new("k", DataType::Int32, false),
        Field::new("t", DataType::Boolean, false),
    ];
    let columns: Vec<ArrayRef> = vec![
        Arc::new(vectors(5, 4)),
        Arc::new(UInt8Array::from(vec![1, 2, 3, 0, 255])),
        Arc::new(Float64Array::from(vec![f64::INFINITY, 0.1, -2.0, 1e-300, 5.0])),
        Arc::new(Int32Array::from(vec![-1, i32::MAX, 0, 5, 6])),
        Arc::new(BooleanArray::from(vec![true, false, true, true, false])),
    ];
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

pub fn same_values(a: &RecordBatch, b: &RecordBatch) {
    assert_eq!(a.num_columns(), b.num_columns());
    for (field, (x, y)) in a.schema().fields().iter().zip(a.columns().iter().zip(b.columns())) {
        let name = b.schema().field(a.schema().index_of(field.name()).unwrap()).name().clone();
        assert_eq!(&name, field.name());
        let y = arrow_cast::cast(y, x.data_type()).unwrap();
        assert_eq!(x.to_data().normal(), y.to_data().normal(), "column {}", field.name());
    }
}

/// Array data without differences of field names inside lists.
trait Normal {
    fn normal(self) -> String;
}
impl Normal for arrow_data::ArrayData {
    fn normal(self) -> String {
        let array = make_array(self);
        let shown = arrow_cast::display::FormatOptions::default().with_null("null");
        let shown = arrow_cast::display::ArrayFormatter::try_new(array.as_ref(), &shown).unwrap();
        (0..array.len()).map(|i| format!("{:?}\n", shown.value(i).to_string())).collect()
    }
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

pub fn idx(shape: &[u32], values: &[u8]) -> Vec<u8> {
    let mut out = vec![0, 0, 8, shape.len() as u8];
    shape.iter().for_each(|n| out.extend(n.to_be_bytes()));
    out.extend(values);
    out
}

pub fn npy(descr: &str, fortran: bool, shape: &str, values: &[u8]) -> Vec<u8> {
    let fortran = if fortran { "True" } else { "False" };
    let text = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend((text.len() as u16).to_le_bytes());
    out.extend(text.as_bytes());
    out.extend(values);
    out
}

pub fn npz(entries: &[(&str, Vec<u8>)], deflate: bool) -> Vec<u8> {
    use std::io::Write;
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let method = if deflate { zip::CompressionMethod::Deflated } else { zip::CompressionMethod::Stored };
    let options = zip::write::SimpleFileOptions::default().compression_method(method);
    for (name, bytes) in entries {
        zip.start_file(format!("{name}.npy"), options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

pub fn safetensors(header: &str, values: &[u8]) -> Vec<u8> {
    let mut out = (header.len() as u64).to_le_bytes().to_vec();
    out.extend(header.as_bytes());
    out.extend(values);
    out
}

pub fn png(width: u32, height: u32) -> Vec<u8> {
    let image = image::RgbImage::from_fn(width, height, |x, y| image::Rgb([x as u8, y as u8, 7]));
    let mut out = std::io::Cursor::new(Vec::new());
    image.write_to(&mut out, image::ImageFormat::Png).unwrap();
    out.into_inner()
}

pub fn truncate(path: &Path, by: u64) {
    let file = File::options().write(true).open(path).unwrap();
    file.set_len(file.metadata().unwrap().len() - by).unwrap();
}
