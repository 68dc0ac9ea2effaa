//! The report as JSON, and the JSON schema that describes it.

use crate::{Render, ReportError};
use foretaste_core::{REPORT_SCHEMA, Report, SampleRow};
use schemars::generate::SchemaSettings;
use serde_json::Value;
use std::io::Write;

/// The whole report, indented, in the order of its types; the same report gives the same bytes.
pub struct Json;

impl Render for Json {
    fn id(&self) -> &'static str {
        "json"
    }

    fn file_name(&self) -> &'static str {
        "report.json"
    }

    fn render(&self, report: &Report, _: &[SampleRow], out: &mut dyn Write) -> Result<(), ReportError> {
        let mut out = std::io::BufWriter::new(out);
        serde_json::to_writer_pretty(&mut out, report)?;
        out.write_all(b"\n")?;
        Ok(out.flush()?)
    }
}

/// The JSON schema (draft 2020-12) of what [`Json`] writes.
#[must_use]
pub fn schema() -> Value {
    let mut schema =
        SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<Report>();
    schema.insert("$id".to_owned(), Value::from(format!("urn:{}", REPORT_SCHEMA.replace('/', ":"))));
    schema.to_value()
}
