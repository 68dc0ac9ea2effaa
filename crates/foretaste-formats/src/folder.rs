//! A folder of images, one sub-folder for each class.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use crate::ahead::{Ordered, in_flight};
use crate::error::{FormatError, Place, Result};
use crate::expand::{is_image_name, leave, walk};
use crate::format::{Format, Opened, Piece, Pieces};
use crate::images::{ENCODED, mark, with_role};
use crate::input::Input;
use crate::options::{Limits, Note, OpenOptions};

/// Images in folders: columns `path`, `label` (the folder's name), `image` (the bytes of the file), and `split` where
/// the first folders are called train, test or the like.
pub struct ImageFolder;

/// Files read together.
const BATCH_FILES: usize = 64;
const SPLITS: &[&str] = &["train", "test", "val", "valid", "validation"];

impl Format for ImageFolder {
    fn id(&self) -> &'static str {
        "image-folder"
    }
    fn title(&self) -> &'static str {
        "folder of images"
    }
    fn extensions(&self) -> &'static [&'static str] {
        &[]
    }
    fn sniff(&self, _head: &[u8], path: &Path) -> bool {
        path.is_dir()
    }
    fn open(&self, input: &Input, options: &OpenOptions) -> Result<Box<dyn Opened>> {
        let root = input.path();
        if !root.is_dir() {
            return Err(FormatError::unsupported(
                "this is a file, not a folder of images",
                Place::file(root),
            ));
        }
        let mut notes = Vec::new();
        let (files, others): (Vec<PathBuf>, Vec<PathBuf>) =
            walk(root, &options.limits, &mut notes)?.into_iter().partition(|f| is_image_name(f));
        leave(others, "not an image", root, &mut notes);
        if files.is_empty() {
            return Err(FormatError::malformed("the folder holds no images", Place::file(root)));
        }
        let first = |f: &PathBuf| f.strip_prefix(root).ok()?.iter().next()?.to_str().map(str::to_string);
        let split = files.iter().all(|f| first(f).is_some_and(|n| SPLITS.contains(&n.as_str())));
        let mut fields = vec![
            with_role(Field::new("path", DataType::Utf8, false), "id"),
            with_role(Field::new("label", DataType::Utf8, true), "label"),
            mark(Field::new("image", DataType::Binary, false), ENCODED),
        ];
        if split {
            fields.push(with_role(Field::new("split", DataType::Utf8, false), "split"));
        }
        let schema = Arc::new(Schema::new(fields));
        Ok(Box::new(FolderData {
            root: root.to_path_buf(),
            files: Arc::new(files),
            schema,
            notes,
            limits: options.limits,
        }))
    }
}

struct FolderData {
    root: PathBuf,
    files: Arc<Vec<PathBuf>>,
    schema: SchemaRef,
    notes: Vec<Note>,
    limits: Limits,
}

impl Opened for FolderData {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
    fn rows(&self) -> Option<u64> {
        Some(self.files.len() as u64)
    }
    fn notes(&self) -> Vec<Note> {
        self.notes.clone()
    }
    fn batches(&self) -> Result<Pieces> {
        Ok(Box::new(Reading {
            root: self.root.clone(),
            files: self.files.clone(),
            schema: self.schema.clone(),
            limits: self.limits,
            next: 0,
            jobs: Ordered::new(),
        }))
    }
}

struct Reading {
    root: PathBuf,
    files: Arc<Vec<PathBuf>>,
    schema: SchemaRef,
    limits: Limits,
    next: usize,
    jobs: Ordered<Result<Piece>>,
}

impl Iterator for Reading {
    type Item = Result<Piece>;
    fn next(&mut self) -> Option<Result<Piece>> {
        while self.jobs.len() < in_flight() && self.next < self.files.len() {
            let (start, end) = (self.next, (self.next + BATCH_FILES).min(self.files.len()));
            let (files, root, schema, limits) =
                (self.files.clone(), self.root.clone(), self.schema.clone(), self.limits);
            self.jobs.push(move || read(&root, &files[start..end], schema, start as u64, &limits));
            self.next = end;
        }
        self.jobs.pop()
    }
}

fn read(root: &Path, files: &[PathBuf], schema: SchemaRef, first_row: u64, limits: &Limits) -> Result<Piece> {
    let (mut paths, mut labels, mut images, mut splits) = (vec![], vec![], vec![], vec![]);
    let splits_known = schema.fields().len() > 3;
    for file in files {
        let failed = |e| FormatError::read(file, e);
        let size = std::fs::metadata(file).map_err(failed)?.len();
        if size > limits.row_bytes as u64 {
            let what = format!("the image file has `{size}` bytes, more than `{}`", limits.row_bytes);
            return Err(FormatError::limit(what, Place::file(file)));
        }
        images.push(std::fs::read(file).map_err(failed)?);
        let below = file.strip_prefix(root).unwrap_or(file);
        let name = |p: &Path| p.to_string_lossy().into_owned();
        // A file right below `train` has no class.
        let class = below.parent().filter(|p| !(splits_known && p.iter().count() == 1));
        labels.push(class.and_then(Path::file_name).map(|n| name(n.as_ref())));
        splits.push(below.iter().next().map(|n| name(n.as_ref())).unwrap_or_default());
        paths.push(name(below));
    }
    let mut arrays: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(paths)),
        Arc::new(StringArray::from(labels)),
        Arc::new(BinaryArray::from_iter_values(images)),
    ];
    if splits_known {
        arrays.push(Arc::new(StringArray::from(splits)));
    }
    let batch = RecordBatch::try_new(schema, arrays).map_err(|e| {
        FormatError::malformed(format!("the columns do not fit together: {e}"), Place::file(root))
    })?;
    Ok(Piece { batch, first_row, lines: None })
}
