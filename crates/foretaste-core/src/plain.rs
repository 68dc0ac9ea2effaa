//! Values whose type only their maker knows, and their bytes.

use crate::error::{Error, Result};
use serde::{Serialize, de::DeserializeOwned};
use std::any::Any;

/// A state, model or plan whose type only its maker knows.
pub type Sealed = Box<dyn Any + Send + Sync>;

/// The error for what another entry made.
pub(crate) fn foreign(id: &str) -> Error {
    Error::State { entry: id.into(), reason: "it was made by another entry".into() }
}

pub(crate) fn open<'a, T: 'static>(id: &str, sealed: &'a Sealed) -> Result<&'a T> {
    sealed.downcast_ref::<T>().ok_or_else(|| foreign(id))
}

pub(crate) fn save<T: Serialize>(id: &str, value: &T) -> Result<Vec<u8>> {
    postcard::to_stdvec(value).map_err(|e| Error::State { entry: id.into(), reason: e.to_string() })
}

pub(crate) fn load<T: DeserializeOwned>(id: &str, bytes: &[u8]) -> Result<T> {
    postcard::from_bytes(bytes).map_err(|e| Error::State { entry: id.into(), reason: e.to_string() })
}
