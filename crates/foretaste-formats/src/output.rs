//! Files that appear whole or not at all: written beside the target, renamed at the end.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, SchemaRef};
use tempfile::NamedTempFile;

use crate::error::{FormatError, Place, Result};
use crate::format::{BatchWriter, by_extension, format_named};

/// A file under construction. Dropped, it is gone; the target is only touched by [`NewFile::place`].
pub struct NewFile {
    temp: BufWriter<NamedTempFile>,
    target: PathBuf,
}

impl NewFile {
    /// Starts a file that will be `target`.
    pub fn create(target: &Path) -> Result<NewFile> {
        let folder = target.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        builder.prefix(".").suffix(".fore-tmp");
        // Temporary files are private by default; the result should have the rights that any new file gets.
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let temp = builder.tempfile_in(folder).map_err(|e| FormatError::write(target, e))?;
        Ok(NewFile { temp: BufWriter::with_capacity(1 << 18, temp), target: target.to_path_buf() })
    }

    /// Where the file will be.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// The file itself, for writers that seek. Bytes written so far are in it.
    pub(crate) fn file(&mut self) -> Result<&mut File> {
        self.temp.flush().map_err(|e| FormatError::write(&self.target, e))?;
        Ok(self.temp.get_mut().as_file_mut())
    }

    /// Completes the file and renames it to the target.
    pub fn place(self) -> Result<()> {
        let target = self.target;
        let temp = self.temp.into_inner().map_err(|e| FormatError::write(&target, e.into_error()))?;
        temp.as_file().sync_all().map_err(|e| FormatError::write(&target, e))?;
        temp.persist(&target).map_err(|e| FormatError::write(&target, e.error))?;
        Ok(())
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.temp.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.temp.flush()
    }
}

/// Starts a file of the named format, or of the format that the name of `path` says.
///
/// Names ending in `.gz` or `.zst` are refused: compress afterwards, or write Parquet.
pub fn writer(path: &Path, format: Option<&str>, schema: SchemaRef) -> Result<Box<dyn BatchWriter>> {
    if crate::input::unpacked_name(path) != path {
        return Err(FormatError::unsupported("compressed text is not written", Place::file(path))
            .with_hint("write the plain file, or Parquet, which compresses itself"));
    }
    let format = match format {
        Some(id) => format_named(id)?,
        None => by_extension(path).ok_or_else(|| FormatError::UnknownFormat {
            what: format!("the name does not say the format: {}", path.display()),
            hint: Some("end the name in `.csv`, `.jsonl` or `.parquet`, or name the format".into()),
        })?,
    };
    format.writer(path, schema)
}

/// Refuses a batch that is not of the schema of the file.
pub(crate) fn check_batch(schema: &SchemaRef, batch: &RecordBatch, target: &Path) -> Result<()> {
    let ours = schema.fields();
    let theirs = batch.schema();
    let same = ours.len() == theirs.fields().len()
        && ours
            .iter()
            .zip(theirs.fields())
            .all(|(a, b)| a.name() == b.name() && a.data_type() == b.data_type());
    if same {
        return Ok(());
    }
    Err(FormatError::schema("the batch has other columns than the file", Place::file(target)))
}

/// Refuses a column that a format cannot hold.
pub(crate) fn refuse_column(format: &str, field: &Field, target: &Path) -> FormatError {
    FormatError::unsupported(
        format!("{format} cannot hold column `{}` of type `{}`", field.name(), field.data_type()),
        Place::file(target),
    )
    .with_hint("write Parquet, which holds every type")
}

/// Whether a type is a list of any of the three kinds, and of what.
pub(crate) fn list_item(data_type: &DataType) -> Option<&DataType> {
    match data_type {
        DataType::List(f) | DataType::LargeList(f) | DataType::FixedSizeList(f, _) => Some(f.data_type()),
        _ => None,
    }
}
