//! From what the user typed to files: folders, patterns, `-`, `file#part`.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{FormatError, Place, Result};
use crate::format::by_extension;
use crate::input::Input;
use crate::options::{Limits, Note, NoteKind, OpenOptions};

/// Turns inputs into files, in the order given; files of a pattern or folder are sorted by name.
pub(crate) fn expand(inputs: &[String], options: &OpenOptions, notes: &mut Vec<Note>) -> Result<Vec<Input>> {
    let mut out = Vec::new();
    for text in inputs {
        if text == "-" {
            out.push(Input::standard_input(&mut io::stdin().lock())?);
            continue;
        }
        if crate::remote::is_address(text) {
            out.extend(crate::remote::fetch(text, &options.limits)?);
            continue;
        }
        let (path, selector) = split_selector(text);
        if path.is_dir() {
            folder(&path, options, notes, &mut out)?;
        } else if fs::symlink_metadata(&path).is_ok() {
            out.push(Input::new(&path, selector)?);
        } else if text.contains(['*', '?', '[']) {
            pattern(text, options, notes, &mut out)?;
        } else {
            return Err(not_found(text, &path));
        }
        check_count(out.len(), &path, &options.limits)?;
    }
    if out.is_empty() {
        return Err(FormatError::NotFound {
            input: inputs.join(" "),
            hint: Some("name at least one file".into()),
        });
    }
    Ok(out)
}

fn check_count(files: usize, path: &Path, limits: &Limits) -> Result<()> {
    if files > limits.files {
        return Err(FormatError::limit(format!("more than `{}` files", limits.files), Place::file(path)));
    }
    Ok(())
}

fn not_found(text: &str, path: &Path) -> FormatError {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let hint = if !parent.exists() {
        format!("the folder `{}` does not exist", parent.display())
    } else {
        "check the spelling; patterns like `part-*.csv` and folders are allowed".into()
    };
    FormatError::NotFound { input: text.into(), hint: Some(hint) }
}

/// `file.npz#test` names a part, unless a file has that whole name.
fn split_selector(text: &str) -> (PathBuf, Option<String>) {
    let whole = PathBuf::from(text);
    if fs::symlink_metadata(&whole).is_err()
        && let Some((path, part)) = text.rsplit_once('#')
        && Path::new(path).exists()
    {
        return (PathBuf::from(path), Some(part.to_string()));
    }
    (whole, None)
}

fn pattern(text: &str, options: &OpenOptions, notes: &mut Vec<Note>, out: &mut Vec<Input>) -> Result<()> {
    let bad = |e: String| FormatError::NotFound { input: text.into(), hint: Some(e) };
    let found = glob::glob(text).map_err(|e| bad(format!("the pattern is not valid: {}", e.msg)))?;
    let mut files = Vec::new();
    for entry in found {
        let path = entry.map_err(|e| {
            let path = e.path().to_path_buf();
            FormatError::read(&path, e.into())
        })?;
        if path.is_file() {
            files.push(path);
        }
        check_count(files.len(), Path::new(text), &options.limits)?;
    }
    if files.is_empty() {
        return Err(bad("the pattern matches no file".into()));
    }
    out.extend(inputs_of(files, notes)?);
    Ok(())
}

/// Files as inputs, leaving out label files whose image file is there too: they are read as one.
fn inputs_of(files: Vec<PathBuf>, notes: &mut Vec<Note>) -> Result<Vec<Input>> {
    let mut out = vec![];
    let all: HashSet<PathBuf> = files.iter().cloned().collect();
    for file in files {
        if let Some(images) = crate::idx::images_beside(&file)
            && all.contains(&images)
        {
            let text = format!("read as the labels of `{}`", images.display());
            notes.push(Note::new(NoteKind::Inferred, text, &file));
            continue;
        }
        out.push(Input::new(&file, None)?);
    }
    Ok(out)
}

/// A folder is a folder of data files if it holds any, else a folder of images.
fn folder(path: &Path, options: &OpenOptions, notes: &mut Vec<Note>, out: &mut Vec<Input>) -> Result<()> {
    if options.format.as_deref() == Some("image-folder") {
        out.push(Input::new(path, None)?);
        return Ok(());
    }
    let (mut data, mut images, mut others) = (Vec::new(), 0usize, Vec::new());
    let mut seen = Vec::new();
    for file in walk(path, &options.limits, &mut seen)? {
        if is_image_name(&file) {
            images += 1;
        } else if by_extension(&file).is_some() || crate::idx::is_idx_name(&file) {
            data.push(file);
        } else {
            others.push(file);
        }
    }
    if images > data.len() {
        out.push(Input::new(path, None)?);
        return Ok(());
    }
    // A folder of images is walked again by its format, which makes these notes itself.
    notes.extend(seen);
    if data.is_empty() {
        return Err(FormatError::NotFound {
            input: path.display().to_string(),
            hint: Some("the folder holds no data files and no images of a known kind".into()),
        });
    }
    leave(others, "not a data file of a known kind", path, notes);
    if images > 0 {
        let text = format!("{images} images beside more data files");
        notes.push(Note::new(NoteKind::Unread, text, path));
    }
    out.extend(inputs_of(data, notes)?.into_iter().map(Input::found_in_folder));
    Ok(())
}

/// Notes files that are not read. Those that may hold samples count as unread: a scan without them is not whole.
pub(crate) fn leave(files: Vec<PathBuf>, why: &str, root: &Path, notes: &mut Vec<Note>) {
    let (about, unread): (Vec<PathBuf>, Vec<PathBuf>) = files.into_iter().partition(|f| is_about_data(f));
    for (files, kind) in [(unread, NoteKind::Unread), (about, NoteKind::Skipped)] {
        for file in files.iter().take(20) {
            notes.push(Note::new(kind, why, file));
        }
        if files.len() > 20 {
            notes.push(Note::new(kind, format!("{} more files: {why}", files.len() - 20), root));
        }
    }
}

/// Whether a name says that the file tells of data and holds none: words, terms of use, settings, checksums, code.
fn is_about_data(path: &Path) -> bool {
    let lower =
        |s: Option<&std::ffi::OsStr>| s.and_then(|s| s.to_str()).unwrap_or_default().to_ascii_lowercase();
    let (stem, ending) = (lower(path.file_stem()), lower(path.extension()));
    let words = [
        "readme",
        "license",
        "licence",
        "copying",
        "notice",
        "changelog",
        "citation",
        "_success",
        "makefile",
    ];
    let endings = [
        "md", "rst", "html", "htm", "pdf", "yaml", "yml", "toml", "ini", "cfg", "lock", "log", "crc", "md5",
        "sha1", "sha256", "sha512", "sig", "asc", "bib", "py", "ipynb", "sh", "r", "rs", "js", "css",
    ];
    words.iter().any(|w| stem.starts_with(w)) || endings.contains(&ending.as_str())
}

/// Whether a name ends like an image that can be decoded.
pub(crate) fn is_image_name(path: &Path) -> bool {
    let ending = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
    matches!(ending.as_deref(), Some("png" | "jpg" | "jpeg" | "ppm" | "pgm" | "pbm" | "pnm" | "bmp"))
}

/// Every file below `root`, sorted. Hidden files are left out; a link into a folder that is already being read is
/// noted and not followed again.
pub(crate) fn walk(root: &Path, limits: &Limits, notes: &mut Vec<Note>) -> Result<Vec<PathBuf>> {
    let mut seen = HashSet::new();
    let mut files = Vec::new();
    let mut todo = vec![root.to_path_buf()];
    while let Some(folder) = todo.pop() {
        let real = fs::canonicalize(&folder).map_err(|e| FormatError::read(&folder, e))?;
        if !seen.insert(real) {
            notes.push(Note::new(NoteKind::Skipped, "a link to a folder that is read already", &folder));
            continue;
        }
        let mut entries = Vec::new();
        for entry in fs::read_dir(&folder).map_err(|e| FormatError::read(&folder, e))? {
            entries.push(entry.map_err(|e| FormatError::read(&folder, e))?.path());
        }
        entries.sort();
        for path in entries {
            if path.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(b".")) {
                continue;
            }
            match fs::metadata(&path) {
                Ok(meta) if meta.is_dir() => todo.push(path),
                Ok(meta) if meta.is_file() => files.push(path),
                Ok(_) => notes.push(Note::new(NoteKind::Unread, "neither a file nor a folder", &path)),
                Err(e) => notes.push(Note::new(NoteKind::Unread, format!("cannot be read: {e}"), &path)),
            }
        }
        check_count(files.len(), root, limits)?;
    }
    files.sort();
    Ok(files)
}
