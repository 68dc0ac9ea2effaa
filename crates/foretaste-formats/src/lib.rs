//! Data formats of foretaste. Every file, whatever its format, is a stream of Arrow record batches.
//!
//! [`Source::open`] finds files and their formats, [`Source::batches`] reads them as often as wanted with bounded
//! memory, [`writer`] writes. What had to be inferred is said in [`Source::notes`]; what cannot be read is a
//! [`FormatError`] that names file and line or row. A format is one file that implements [`Format`] and one line in
//! [`formats`].
//!
//! Text formats are read once when opened: the type of a column is known only after its last cell. Identifiers such
//! as `007` stay text, empty cells are null, `""` is empty text.
//!
//! ```
//! use foretaste_formats::{OpenOptions, Source};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("a.csv");
//! std::fs::write(&path, "id,text\n007,hello\n008,world\n")?;
//! let source = Source::open(&[path.to_string_lossy().into_owned()], &OpenOptions::default())?;
//! let rows: usize = source.batches()?.map(|b| b.map(|b| b.batch.num_rows())).sum::<Result<_, _>>()?;
//! assert_eq!((rows, source.schema().field(0).data_type()), (2, &arrow_schema::DataType::Utf8));
//! # Ok(())
//! # }
//! ```

mod ahead;
mod align;
mod apart;
mod arrow;
mod chat;
mod csv;
mod error;
mod expand;
mod folder;
mod format;
mod guard;
mod idx;
pub mod images;
mod input;
mod jsonl;
mod lengths;
mod npy;
mod npz;
mod options;
mod output;
mod parquet;
#[doc(hidden)]
pub mod probe;
mod remote;
mod safetensors;
mod source;
mod splice;
mod tensor;

pub use chat::{Chats, REASON};
pub use error::{FormatError, Place, Result};
pub use format::{
    BatchWriter, Format, Framing, Lines, Opened, Piece, Pieces, RawRows, format_named, formats,
};
pub use images::{DecodedImage, decode_image, decode_image_within};
pub use input::{Input, Packing};
pub use options::{Limits, Note, NoteKind, OpenOptions};
pub use output::{NewFile, writer};
pub use source::{FileInfo, Located, Source, copy_rows};
pub use splice::splice_rows;
