//! Files behind an address: object stores and web servers, with the feature `cloud`.
//!
//! A file is copied once into a temporary file, as standard input is: text is read at least twice, and Parquet jumps.
//! What that may take is bounded by [`Limits::remote_bytes`](crate::Limits::remote_bytes).

use crate::error::{FormatError, Result};
use crate::input::Input;
use crate::options::Limits;

/// Beginnings of addresses that are read.
const SCHEMES: &[&str] =
    &["s3://", "s3a://", "gs://", "az://", "azure://", "abfs://", "abfss://", "https://", "http://"];

/// Whether an input is an address, not a path.
pub(crate) fn is_address(text: &str) -> bool {
    SCHEMES.iter().any(|s| text.get(..s.len()).is_some_and(|t| t.eq_ignore_ascii_case(s)))
}

/// What stands behind an address; of one that ends in `/` every data file below it, sorted.
///
/// # Errors
/// If there is nothing, access is refused, or the files are larger than the limit.
#[cfg(not(feature = "cloud"))]
pub(crate) fn fetch(text: &str, _limits: &Limits) -> Result<Vec<Input>> {
    Err(FormatError::NotFound {
        input: text.into(),
        hint: Some(
            "this build reads files of this machine only: `cargo install foretaste --features cloud` reads addresses"
                .into(),
        ),
    })
}

#[cfg(feature = "cloud")]
pub(crate) use with_stores::fetch;

#[cfg(feature = "cloud")]
mod with_stores {
    use super::*;
    use crate::error::Place;
    use crate::format::by_extension;
    use futures_util::{StreamExt, TryStreamExt};
    use object_store::path::Path as Key;
    use object_store::{ObjectStore, ObjectStoreExt, parse_url_opts};
    use std::io::Write;
    use std::path::{Path, PathBuf};
    use url::Url;

    /// See the twin without the feature.
    pub(crate) fn fetch(text: &str, limits: &Limits) -> Result<Vec<Input>> {
        let url = Url::parse(text).map_err(|e| not_found(text, format!("the address is not valid: {e}")))?;
        if url.query().is_some() {
            return Err(not_found(
                text,
                "addresses with a `?` part (signed links) are not read: download the file first".into(),
            ));
        }
        let (store, key) = parse_url_opts(&url, options(&url)).map_err(|e| not_found(text, e.to_string()))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| FormatError::read(Path::new(text), e))?;
        runtime.block_on(copy_all(store.as_ref(), &key, text, limits))
    }

    fn not_found(text: &str, hint: String) -> FormatError {
        FormatError::NotFound { input: text.into(), hint: Some(hint) }
    }

    /// Keys and regions come from the environment, under the names that each provider's own tools use.
    fn options(url: &Url) -> Vec<(String, String)> {
        let ours = |name: &str| ["AWS_", "GOOGLE_", "AZURE_"].iter().any(|p| name.starts_with(p));
        let mut out: Vec<(String, String)> = std::env::vars().filter(|(name, _)| ours(name)).collect();
        if url.scheme() == "http" {
            out.push(("allow_http".into(), "true".into()));
        }
        out
    }

    /// Copies one object, or every data file below a prefix.
    pub(super) async fn copy_all(
        store: &dyn ObjectStore,
        key: &Key,
        text: &str,
        limits: &Limits,
    ) -> Result<Vec<Input>> {
        let mut left = limits.remote_bytes;
        if !text.ends_with('/') {
            return Ok(vec![copy(store, key, Path::new(text), &mut left, limits).await?]);
        }
        let failed = |e: object_store::Error| refused(Path::new(text), &e);
        let mut keys: Vec<Key> =
            store.list(Some(key)).map_ok(|m| m.location).try_collect().await.map_err(failed)?;
        keys.retain(|k| by_extension(Path::new(k.as_ref())).is_some());
        keys.sort();
        if keys.is_empty() {
            return Err(not_found(text, "no data file of a known kind lies below it".into()));
        }
        let mut out = vec![];
        for k in keys {
            let below = k.as_ref().strip_prefix(key.as_ref()).unwrap_or(k.as_ref());
            let shown = PathBuf::from(format!("{text}{}", below.trim_start_matches('/')));
            out.push(copy(store, &k, &shown, &mut left, limits).await?);
        }
        Ok(out)
    }

    async fn copy(
        store: &dyn ObjectStore,
        key: &Key,
        shown: &Path,
        left: &mut u64,
        limits: &Limits,
    ) -> Result<Input> {
        let too_large = || {
            let what = format!("remote files have more than `{}` bytes", limits.remote_bytes);
            FormatError::limit(what, Place::file(shown))
                .with_hint("copy the files to this machine and scan the copy")
        };
        let got = store.get(key).await.map_err(|e| refused(shown, &e))?;
        if got.meta.size > *left {
            return Err(too_large());
        }
        let mut temp =
            tempfile::NamedTempFile::new().map_err(|e| FormatError::write(Path::new("temporary file"), e))?;
        let mut chunks = got.into_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|e| refused(shown, &e))?;
            // a server may send more than it promised
            *left = left.checked_sub(chunk.len() as u64).ok_or_else(too_large)?;
            temp.write_all(&chunk).map_err(|e| FormatError::write(temp.path(), e))?;
        }
        temp.flush().map_err(|e| FormatError::write(temp.path(), e))?;
        Input::copied(temp.into_temp_path(), shown)
    }

    fn refused(shown: &Path, error: &object_store::Error) -> FormatError {
        let text = shown.display().to_string();
        match error {
            object_store::Error::NotFound { .. } => not_found(&text, "check the address".into()),
            object_store::Error::Unauthenticated { .. } | object_store::Error::PermissionDenied { .. } => {
                not_found(&text, "access is refused: check the keys in the environment".into())
            }
            other => FormatError::read(shown, std::io::Error::other(other.to_string())),
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use object_store::memory::InMemory;

        fn run<T>(work: impl Future<Output = T>) -> T {
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
        }

        fn store() -> InMemory {
            let store = InMemory::new();
            for (key, bytes) in
                [("d/b.csv", "a\n3\n"), ("d/a.csv", "a\n1\n2\n"), ("d/notes.md", "x"), ("e.csv", "a\n9\n")]
            {
                run(store.put(&Key::from(key), bytes.into())).unwrap();
            }
            store
        }

        #[test]
        fn one_object_and_all_below_a_prefix() {
            let (store, limits) = (store(), Limits::default());
            let one = run(copy_all(&store, &Key::from("e.csv"), "s3://x/e.csv", &limits)).unwrap();
            assert_eq!(std::fs::read(one[0].path()).unwrap(), b"a\n9\n");
            let all = run(copy_all(&store, &Key::from("d"), "s3://x/d/", &limits)).unwrap();
            let shown: Vec<String> = all.iter().map(|i| i.shown().display().to_string()).collect();
            assert_eq!(shown, ["s3://x/d/a.csv", "s3://x/d/b.csv"]);
        }

        #[test]
        fn what_is_absent_or_too_large_is_told() {
            let store = store();
            let none = run(copy_all(&store, &Key::from("no.csv"), "s3://x/no.csv", &Limits::default()));
            assert!(none.unwrap_err().to_string().contains("nothing found for `s3://x/no.csv`"));
            let small = Limits { remote_bytes: 5, ..Limits::default() };
            let large = run(copy_all(&store, &Key::from("d/a.csv"), "s3://x/d/a.csv", &small));
            assert!(large.unwrap_err().to_string().contains("more than `5` bytes"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_paths() {
        assert!(is_address("s3://bucket/a.parquet") && is_address("HTTP://localhost/a.csv"));
        assert!(!is_address("data/a.csv") && !is_address("s3:/a") && !is_address("ünï"));
    }
}
