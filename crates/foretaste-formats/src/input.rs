//! One input: where its bytes are, what they are called, and how to get them decompressed.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempPath;

use crate::error::{FormatError, Place, Result};
use crate::options::Limits;

/// Bytes looked at to tell formats apart.
pub(crate) const HEAD: usize = 64 * 1024;

/// How the bytes of a file are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// As they are.
    Plain,
    /// gzip, one or several members.
    Gzip,
    /// Zstandard, one or several frames.
    Zstd,
}

/// One file (or folder) of a source. Cheap to clone; holds no bytes.
#[derive(Debug, Clone)]
pub struct Input {
    path: PathBuf,
    shown: PathBuf,
    name: PathBuf,
    selector: Option<String>,
    packing: Packing,
    found: bool,
    /// A temporary file lives as long as something reads it.
    _keep: Option<Arc<TempPath>>,
}

impl Input {
    /// A file or folder; packing is told from its first bytes.
    pub fn new(path: &Path, selector: Option<String>) -> Result<Input> {
        let packing = if path.is_dir() { Packing::Plain } else { packing_of(path)? };
        let name = if packing == Packing::Plain { path.to_path_buf() } else { unpacked_name(path) };
        Ok(Input {
            path: path.to_path_buf(),
            shown: path.to_path_buf(),
            name,
            selector,
            packing,
            found: false,
            _keep: None,
        })
    }

    /// Copies standard input into a temporary file, which lives as long as this value and its clones.
    pub fn standard_input(from: &mut dyn Read) -> Result<Input> {
        let shown = PathBuf::from("standard input");
        let temp = spool(from, &shown, u64::MAX)?;
        let packing = packing_of(&temp)?;
        Ok(Input {
            path: temp.to_path_buf(),
            name: PathBuf::from("-"),
            shown,
            selector: None,
            packing,
            found: false,
            _keep: Some(Arc::new(temp)),
        })
    }

    /// A temporary copy of what is called `shown`, which lives as long as this value and its clones.
    pub(crate) fn copied(temp: TempPath, shown: &Path) -> Result<Input> {
        let packing = packing_of(&temp)?;
        let name = if packing == Packing::Plain { shown.to_path_buf() } else { unpacked_name(shown) };
        Ok(Input {
            path: temp.to_path_buf(),
            shown: shown.to_path_buf(),
            name,
            selector: None,
            packing,
            found: false,
            _keep: Some(Arc::new(temp)),
        })
    }

    /// The same, as a file that was found in a folder rather than named.
    pub(crate) fn found_in_folder(mut self) -> Input {
        self.found = true;
        self
    }
    /// Whether it was found in a folder rather than named.
    pub(crate) fn found(&self) -> bool {
        self.found
    }

    /// Where the bytes are.
    pub fn path(&self) -> &Path {
        &self.path
    }
    /// What to call it in messages.
    pub fn shown(&self) -> &Path {
        &self.shown
    }
    /// Its name without `.gz` or `.zst`: what extensions are read from.
    pub fn name(&self) -> &Path {
        &self.name
    }
    /// What followed `#`: the part of the file that is wanted.
    pub fn selector(&self) -> Option<&str> {
        self.selector.as_deref()
    }
    /// How it is packed.
    pub fn packing(&self) -> Packing {
        self.packing
    }

    /// Size on disk, 0 for a folder.
    pub fn bytes(&self) -> u64 {
        self.path.metadata().map(|m| if m.is_dir() { 0 } else { m.len() }).unwrap_or(0)
    }

    /// Opens the file as it is on disk.
    pub fn file(&self) -> Result<File> {
        let file = File::open(&self.path).map_err(|e| FormatError::read(&self.shown, e))?;
        match file.metadata() {
            Ok(meta) if meta.is_dir() => {
                Err(FormatError::read(&self.shown, io::ErrorKind::IsADirectory.into()))
            }
            _ => Ok(file),
        }
    }

    /// The unpacked bytes in order. Reading past the limits gives an `io::Error` that `failed` below tells as such.
    pub fn reader(&self, limits: &Limits) -> Result<Box<dyn Read + Send>> {
        let file = self.file()?;
        let packed = file.metadata().map(|m| m.len()).unwrap_or(0);
        let inner: Box<dyn Read + Send> = match self.packing {
            Packing::Plain => return Ok(Box::new(file)),
            Packing::Gzip => {
                Box::new(flate2::read::MultiGzDecoder::new(io::BufReader::with_capacity(1 << 18, file)))
            }
            Packing::Zstd => Box::new(zstd::stream::read::Decoder::new(file).map_err(|e| self.failed(e))?),
        };
        Ok(Box::new(Bounded { inner, read: 0, packed, limits: *limits }))
    }

    /// Turns an error of a reader into one that names the cause and the file.
    pub(crate) fn failed(&self, error: io::Error) -> FormatError {
        let at = Place::file(&self.shown);
        if let Some(bomb) = error.get_ref().and_then(|e| e.downcast_ref::<Bomb>()) {
            return FormatError::limit(bomb.0.clone(), at)
                .with_hint("raise the limit only if the file is trusted");
        }
        if let Some(broken) = error.get_ref().and_then(|e| e.downcast_ref::<Broken>()) {
            return FormatError::malformed(broken.0.clone(), at);
        }
        let kind = match self.packing {
            Packing::Plain => return FormatError::read(&self.shown, error),
            Packing::Gzip => "gzip",
            Packing::Zstd => "zstd",
        };
        let text = error.to_string();
        if error.kind() == io::ErrorKind::UnexpectedEof || text.contains("incomplete frame") {
            FormatError::malformed(format!("the {kind} data ends too early"), at)
                .with_hint("the file was cut off: copy or download it again")
        } else if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::NotFound) {
            FormatError::read(&self.shown, error)
        } else {
            FormatError::malformed(format!("broken {kind} data: {text}"), at)
        }
    }

    /// The first bytes, unpacked; fewer if the file is shorter or its packing breaks.
    pub fn head(&self, limits: &Limits) -> Result<Vec<u8>> {
        if self.path.is_dir() {
            return Ok(Vec::new());
        }
        let mut head = Vec::new();
        let read = self.reader(limits)?.take(HEAD as u64).read_to_end(&mut head);
        match read {
            // Plain files fail here for good; a packed one that breaks later is reported by the format with its place.
            Err(e) if head.is_empty() => Err(self.failed(e)),
            _ => Ok(head),
        }
    }

    /// The same input with bytes that can be read anywhere: packed files are unpacked into a temporary file.
    pub fn seekable(&self, limits: &Limits) -> Result<Input> {
        if self.packing == Packing::Plain {
            return Ok(self.clone());
        }
        let mut reader = self.reader(limits)?;
        let temp = spool(&mut reader, &self.shown, u64::MAX).map_err(|e| match e {
            FormatError::Read { source, .. } => self.failed(source),
            other => other,
        })?;
        Ok(Input {
            path: temp.to_path_buf(),
            packing: Packing::Plain,
            _keep: Some(Arc::new(temp)),
            ..self.clone()
        })
    }
}

fn spool(from: &mut dyn Read, shown: &Path, most: u64) -> Result<TempPath> {
    let mut temp =
        tempfile::NamedTempFile::new().map_err(|e| FormatError::write(Path::new("temporary file"), e))?;
    let mut buffer = vec![0u8; 1 << 18];
    let mut total = 0u64;
    while total < most {
        let n = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(FormatError::read(shown, e)),
        };
        total += n as u64;
        temp.write_all(&buffer[..n]).map_err(|e| FormatError::write(temp.path(), e))?;
    }
    temp.flush().map_err(|e| FormatError::write(temp.path(), e))?;
    Ok(temp.into_temp_path())
}

fn packing_of(path: &Path) -> Result<Packing> {
    let mut magic = [0u8; 4];
    let mut file = File::open(path).map_err(|e| FormatError::read(path, e))?;
    let n = read_up_to(&mut file, &mut magic).map_err(|e| FormatError::read(path, e))?;
    Ok(match &magic[..n] {
        [0x1f, 0x8b, ..] => Packing::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd] => Packing::Zstd,
        _ => Packing::Plain,
    })
}

/// The name without the ending that names the packing.
pub(crate) fn unpacked_name(path: &Path) -> PathBuf {
    match path.extension().and_then(|e| e.to_str()) {
        Some("gz" | "gzip" | "zst" | "zstd" | "GZ" | "ZST") => path.with_extension(""),
        _ => path.to_path_buf(),
    }
}

/// Fills `buffer` as far as the reader goes.
pub(crate) fn read_up_to(reader: &mut (impl Read + ?Sized), buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

/// Fills `buffer` from a position of a file, without moving a cursor that other threads may share.
pub(crate) fn read_at(file: &File, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileExt;
        let mut filled = 0;
        while filled < buffer.len() {
            match file.read_at(&mut buffer[filled..], at + filled as u64) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(filled)
    }
    #[cfg(not(unix))]
    {
        use std::os::windows::fs::FileExt;
        let mut filled = 0;
        while filled < buffer.len() {
            match file.seek_read(&mut buffer[filled..], at + filled as u64)? {
                0 => break,
                n => filled += n,
            }
        }
        Ok(filled)
    }
}

/// A reader over a shared file with a cursor of its own.
#[derive(Debug, Clone)]
pub(crate) struct Cursor {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Cursor {
    pub(crate) fn new(file: Arc<File>, at: u64, len: u64) -> Cursor {
        Cursor { file, at, end: at.saturating_add(len) }
    }
}

impl Read for Cursor {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let want = (self.end.saturating_sub(self.at)).min(buffer.len() as u64) as usize;
        let n = read_at(&self.file, self.at, &mut buffer[..want])?;
        self.at += n as u64;
        Ok(n)
    }
}

impl Seek for Cursor {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.end.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Bomb(String);

/// Carries a finding about the data through `io::Error`.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Broken(pub(crate) String);

struct Bounded {
    inner: Box<dyn Read + Send>,
    read: u64,
    packed: u64,
    limits: Limits,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.read += n as u64;
        check_ratio(self.read, self.packed, &self.limits).map_err(|text| io::Error::other(Bomb(text)))?;
        Ok(n)
    }
}

/// Says why a packed file has become too large, if it has.
pub(crate) fn check_ratio(unpacked: u64, packed: u64, limits: &Limits) -> std::result::Result<(), String> {
    if unpacked > limits.decompressed_bytes {
        return Err(format!("unpacks to more than `{}` bytes", limits.decompressed_bytes));
    }
    if unpacked > (256 << 20) && unpacked / packed.max(1) > limits.ratio {
        return Err(format!("unpacks to more than `{}` times its size", limits.ratio));
    }
    Ok(())
}
