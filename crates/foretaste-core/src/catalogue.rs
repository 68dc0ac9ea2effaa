//! The catalogue: a documented parameter struct *is* an entry.
//!
//! `#[derive(Catalogue)]` (crate `foretaste-macros`) on the struct of a detector, attack or victim makes a `pub static ENTRY` of its module.
//! CLI, TOML, JSON schema, reference page, `explain` and the contract tests read nothing else.

use crate::attack::AnyAttack;
use crate::detect::AnyDetect;
use crate::error::{Error, Result};
use crate::victim::AnyVictim;
use serde_json::{Map, Value};

/// The value of a parameter, as JSON.
pub type Json = Value;

/// A parameter of an entry.
#[derive(Clone, Debug)]
pub struct Param {
    /// Name, kebab or snake as in the struct.
    pub name: &'static str,
    /// `bool`, `integer`, `number`, `string`, or the choices.
    pub kind: &'static str,
    /// Allowed words, for choices.
    pub choices: &'static [&'static str],
    /// Lower bound, inclusive.
    pub min: Option<f64>,
    /// Upper bound, inclusive.
    pub max: Option<f64>,
    /// Text of the field comment.
    pub doc: &'static str,
}

/// Makes a detector from parameters given by name, over the defaults.
pub type MakeDetector = fn(&Map<String, Value>) -> Result<Box<dyn AnyDetect>>;

/// Makes an attack from parameters given by name, over the defaults.
pub type MakeAttack = fn(&Map<String, Value>) -> Result<Box<dyn AnyAttack>>;

/// Makes a victim from parameters given by name, over the defaults.
pub type MakeVictim = fn(&Map<String, Value>) -> Result<Box<dyn AnyVictim>>;

/// How an entry is made from parameters.
#[derive(Clone, Copy, Debug)]
pub enum Make {
    /// A detector.
    Detector(MakeDetector),
    /// An attack.
    Attack(MakeAttack),
    /// A victim.
    Victim(MakeVictim),
}

/// One thing that foretaste offers.
#[derive(Debug)]
pub struct Entry {
    /// Kebab-case id.
    pub id: &'static str,
    /// First line of the struct's comment.
    pub title: &'static str,
    /// The whole comment, in Markdown.
    pub doc: &'static str,
    /// Its parameters.
    pub params: &'static [Param],
    /// Default values, by name.
    pub defaults: fn() -> Map<String, Value>,
    /// The maker.
    pub make: Make,
    /// Where its source is, for the reference page.
    pub source: &'static str,
}

impl Entry {
    /// Makes the detector with these parameters over the defaults.
    ///
    /// # Errors
    /// If it is no detector, a name is unknown or a value is out of its bounds.
    pub fn detector(&self, params: &Map<String, Value>) -> Result<Box<dyn AnyDetect>> {
        match self.make {
            Make::Detector(make) => make(params),
            _ => Err(Error::unknown("detector", self.id, [])),
        }
    }

    /// Makes the attack with these parameters over the defaults.
    ///
    /// # Errors
    /// If it is no attack, a name is unknown or a value is out of its bounds.
    pub fn attack(&self, params: &Map<String, Value>) -> Result<Box<dyn AnyAttack>> {
        match self.make {
            Make::Attack(make) => make(params),
            _ => Err(Error::unknown("attack", self.id, [])),
        }
    }

    /// Makes the victim with these parameters over the defaults.
    ///
    /// # Errors
    /// If it is no victim, a name is unknown or a value is out of its bounds.
    pub fn victim(&self, params: &Map<String, Value>) -> Result<Box<dyn AnyVictim>> {
        match self.make {
            Make::Victim(make) => make(params),
            _ => Err(Error::unknown("victim", self.id, [])),
        }
    }

    /// What kind of thing it is.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.make {
            Make::Detector(_) => "detector",
            Make::Attack(_) => "attack",
            Make::Victim(_) => "victim",
        }
    }

    /// The JSON schema of the parameters.
    #[must_use]
    pub fn schema(&self) -> Value {
        let defaults = (self.defaults)();
        let mut properties = Map::new();
        for p in self.params {
            let mut one = Map::new();
            one.insert("description".into(), p.doc.into());
            if p.choices.is_empty() {
                one.insert("type".into(), p.kind.into());
            } else {
                one.insert("enum".into(), p.choices.into());
            }
            for (key, bound) in [("minimum", p.min), ("maximum", p.max)] {
                if let Some(b) = bound {
                    one.insert(key.into(), b.into());
                }
            }
            if let Some(d) = defaults.get(p.name) {
                one.insert("default".into(), d.clone());
            }
            properties.insert(p.name.into(), one.into());
        }
        serde_json::json!({
            "title": self.id,
            "description": self.title,
            "type": "object",
            "properties": properties,
            "additionalProperties": false,
        })
    }

    /// The text under a heading of the comment (`# Blind spots`), if it is there.
    #[must_use]
    pub fn section(&self, heading: &str) -> Option<&'static str> {
        let start = self
            .doc
            .lines()
            .position(|l| l.trim_start_matches('#').trim() == heading && l.starts_with('#'))?;
        let from: usize = self.doc.split_inclusive('\n').take(start + 1).map(str::len).sum();
        let rest = &self.doc[from..];
        let end = rest.find("\n#").unwrap_or(rest.len());
        Some(rest[..end].trim())
    }
}

/// A type that a parameter may have.
pub trait ParamValue: Sized {
    /// As in [`Param::kind`].
    const KIND: &'static str;
    /// As in [`Param::choices`].
    const CHOICES: &'static [&'static str] = &[];
    /// Reads it.
    ///
    /// # Errors
    /// In words, if the value has another type.
    fn read(value: &Value) -> std::result::Result<Self, String>;
    /// Writes it.
    fn write(&self) -> Value;
}

macro_rules! integers {
    ($($t:ty),*) => {$(
        impl ParamValue for $t {
            const KIND: &'static str = "integer";
            fn read(value: &Value) -> std::result::Result<Self, String> {
                value.as_u64().and_then(|v| <$t>::try_from(v).ok())
                    .ok_or_else(|| format!("`{value}` is not a whole number in range"))
            }
            fn write(&self) -> Value { Value::from(*self as u64) }
        }
    )*};
}
integers!(u32, u64, usize);

impl ParamValue for f64 {
    const KIND: &'static str = "number";
    fn read(value: &Value) -> std::result::Result<Self, String> {
        value.as_f64().ok_or_else(|| format!("`{value}` is not a number"))
    }
    fn write(&self) -> Value {
        Value::from(*self)
    }
}

impl ParamValue for bool {
    const KIND: &'static str = "boolean";
    fn read(value: &Value) -> std::result::Result<Self, String> {
        value.as_bool().ok_or_else(|| format!("`{value}` is neither `true` nor `false`"))
    }
    fn write(&self) -> Value {
        Value::from(*self)
    }
}

impl ParamValue for String {
    const KIND: &'static str = "string";
    fn read(value: &Value) -> std::result::Result<Self, String> {
        value.as_str().map(str::to_owned).ok_or_else(|| format!("`{value}` is not a string"))
    }
    fn write(&self) -> Value {
        Value::from(self.as_str())
    }
}

/// What the derive writes for a parameter struct.
pub trait Parameters: Default + Sized {
    /// The entry's id.
    const ID: &'static str;
    /// Parameter descriptions, in the order of the fields.
    const PARAMS: &'static [Param];
    /// Sets one field.
    ///
    /// # Errors
    /// In words, if the value has another type.
    fn set(&mut self, name: &str, value: &Value) -> std::result::Result<(), String>;
    /// Reads one field.
    fn get(&self, name: &str) -> Option<Value>;

    /// The defaults with these values put over them.
    ///
    /// # Errors
    /// If a name is unknown or a value is out of its type or bounds.
    fn with(params: &Map<String, Value>) -> Result<Self> {
        let mut out = Self::default();
        for (name, value) in params {
            let name = name.replace('-', "_");
            let Some(p) = Self::PARAMS.iter().find(|p| p.name == name) else {
                let known = Self::PARAMS.iter().map(|p| p.name);
                return Err(Error::unknown(format!("parameter of `{}`", Self::ID), &name, known));
            };
            let bad =
                |problem: String| Error::Parameter { entry: Self::ID.into(), name: name.clone(), problem };
            out.set(&name, value).map_err(bad)?;
            if let Some(v) = value.as_f64()
                && (p.min.is_some_and(|m| v < m) || p.max.is_some_and(|m| v > m))
            {
                let show = |b: Option<f64>| b.map_or("any".to_owned(), |b| b.to_string());
                return Err(bad(format!("`{value}` is not within {} to {}", show(p.min), show(p.max))));
            }
        }
        Ok(out)
    }

    /// All fields by name.
    fn values() -> Map<String, Value> {
        let defaults = Self::default();
        Self::PARAMS.iter().filter_map(|p| Some((p.name.to_owned(), defaults.get(p.name)?))).collect()
    }
}

/// The entry with this id.
///
/// # Errors
/// If there is none; the error names the nearest.
pub fn find(entries: &[&'static Entry], id: &str) -> Result<&'static Entry> {
    let kind = entries.first().map_or("entry", |e| e.kind());
    let known = || entries.iter().map(|e| e.id);
    entries.iter().copied().find(|e| e.id == id).ok_or_else(|| Error::unknown(kind, id, known()))
}

/// Declares the files of a catalogue crate and the list of their entries. A module without an entry does not compile.
#[macro_export]
macro_rules! catalogue {
    ($($(#[$attr:meta])* pub mod $module:ident;)*) => {
        $($(#[$attr])* pub mod $module;)*
        /// Every entry of this crate, in the order of the list.
        pub static ENTRIES: &[&$crate::Entry] = &[$(&$module::ENTRY),*];

        /// The entry with this id.
        ///
        /// # Errors
        /// If there is none; the error names the nearest.
        pub fn entry(id: &str) -> $crate::Result<&'static $crate::Entry> {
            $crate::catalogue::find(ENTRIES, id)
        }
    };
}

/// Declares a parameter type of a few words, the first of them the default.
///
/// ```
/// foretaste_core::choices! {
///     /// Which end.
///     pub enum End {
///         /// The first.
///         Start = "start",
///         /// The last.
///         Finish = "finish",
///     }
/// }
/// assert_eq!(End::default().to_string(), "start");
/// ```
#[macro_export]
macro_rules! choices {
    ($(#[$meta:meta])* pub enum $name:ident { $(#[$first_meta:meta])* $first:ident = $first_word:literal,
        $($(#[$variant_meta:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub enum $name { $(#[$first_meta])* #[default] $first, $($(#[$variant_meta])* $variant,)* }

        impl $crate::ParamValue for $name {
            const KIND: &'static str = "string";
            const CHOICES: &'static [&'static str] = &[$first_word, $($word),*];
            fn read(value: &$crate::catalogue::Json) -> ::std::result::Result<Self, String> {
                match value.as_str() {
                    Some($first_word) => Ok(Self::$first),
                    $(Some($word) => Ok(Self::$variant),)*
                    _ => Err(format!("{value} is none of {}", Self::CHOICES.join(", "))),
                }
            }
            fn write(&self) -> $crate::catalogue::Json {
                self.to_string().into()
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(match self { Self::$first => $first_word, $(Self::$variant => $word,)* })
            }
        }
    };
}
