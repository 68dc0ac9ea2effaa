//! Outputs of verbs: free names, never an input, and two that belong together appear together.

use crate::dataset::Dataset;
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// Refuses names that are taken, unless they may be overwritten, and names that are given twice.
///
/// # Errors
/// If one is taken, is a folder, or stands for two outputs.
pub fn check_free(outputs: &[&Path], force: bool) -> Result<()> {
    for (i, path) in outputs.iter().enumerate() {
        if outputs[..i].iter().any(|other| resolved(other) == resolved(path)) {
            return Err(Error::file(*path, "two outputs cannot go to the same file", "name two files"));
        }
        if path.is_dir() {
            return Err(Error::file(*path, "this is a folder", "name a file"));
        }
        if path.exists() && !force {
            let hint = "choose another name, or overwrite it with --force";
            return Err(Error::file(*path, "the file exists already", hint));
        }
    }
    Ok(())
}

/// No output may replace a file of the input, however that file was named: in a folder or by a pattern.
///
/// # Errors
/// If one would.
pub fn keep_inputs(dataset: &Dataset, outputs: &[&Path]) -> Result<()> {
    let inputs: Vec<PathBuf> = dataset.source().files().iter().map(|f| resolved(&f.path)).collect();
    for path in outputs {
        if inputs.contains(&resolved(path)) {
            return Err(Error::file(
                *path,
                "the output is the input",
                "input files are never changed: choose another name",
            ));
        }
    }
    Ok(())
}

/// The path with links and dots resolved; of a file that does not exist yet, its folder's.
pub fn resolved(path: &Path) -> PathBuf {
    if let Ok(known) = std::fs::canonicalize(path) {
        return known;
    }
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (std::fs::canonicalize(folder), path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path.to_owned(),
    }
}

/// Puts both outputs in place, or neither: if one fails, what the other replaced comes back. The second is told what the
/// first gave.
///
/// # Errors
/// That of the one that failed.
pub fn place_both<A, B>(
    first: &Path,
    second: &Path,
    place_first: impl FnOnce() -> Result<A>,
    place_second: impl FnOnce(A) -> Result<B>,
) -> Result<B> {
    let first = Moved::away(first)?;
    let second = match Moved::away(second) {
        Ok(second) => second,
        Err(e) => {
            first.back();
            return Err(e);
        }
    };
    let done = place_first().and_then(place_second);
    for moved in [first, second] {
        if done.is_ok() { moved.forget() } else { moved.back() }
    }
    done
}

/// A file that stood where an output goes, under another name until both outputs are in place.
struct Moved<'a> {
    target: &'a Path,
    to: Option<PathBuf>,
}

impl<'a> Moved<'a> {
    fn away(target: &'a Path) -> Result<Self> {
        if !target.exists() {
            return Ok(Self { target, to: None });
        }
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let to = target.with_file_name(format!(".{name}.fore-old"));
        std::fs::rename(target, &to)
            .map_err(|e| Error::file(target, e, "choose a folder that can be written"))?;
        Ok(Self { target, to: Some(to) })
    }

    /// Takes the new file away, if it came, and puts the old one back.
    fn back(self) {
        let _ = std::fs::remove_file(self.target);
        if let Some(old) = self.to {
            let _ = std::fs::rename(old, self.target);
        }
    }

    fn forget(self) {
        if let Some(old) = self.to {
            let _ = std::fs::remove_file(old);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_outputs_appear_or_what_was_there_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let both = |first: fn(&Path) -> Result<()>, second: fn(&Path) -> Result<()>| {
            let (a, b) = (at("kept"), at("aside"));
            place_both(&a, &b, || first(&a), |()| second(&b))
        };
        let names = || {
            let mut all: Vec<String> = std::fs::read_dir(folder.path())
                .unwrap()
                .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
                .collect();
            all.sort();
            all
        };
        let put = |path: &Path| std::fs::write(path, "new").map_err(|e| Error::file(path, e, ""));
        let fail = |_: &Path| Err(Error::data("the disk is full", ""));
        assert!(both(put, fail).is_err());
        assert!(names().is_empty(), "nothing was there, nothing is: {:?}", names());
        std::fs::write(at("kept"), "old").unwrap();
        std::fs::write(at("aside"), "old").unwrap();
        assert!(both(put, fail).is_err());
        assert!(both(fail, put).is_err());
        let read = |name: &str| std::fs::read_to_string(at(name)).unwrap();
        assert_eq!((read("kept").as_str(), read("aside").as_str()), ("old", "old"));
        both(put, put).unwrap();
        assert_eq!((read("kept").as_str(), read("aside").as_str()), ("new", "new"));
        assert_eq!(names(), ["aside", "kept"], "no other files stay");
    }
}
