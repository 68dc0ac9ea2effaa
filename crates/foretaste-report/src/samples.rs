//! The table of samples as Parquet: one row a sample, one pair of columns a detector.

use crate::{Render, ReportError, words};
use arrow_array::builder::{Float32Builder, Float64Builder, Int64Builder, ListBuilder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use foretaste_core::{DetectorStatus, Report, SampleRow};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

/// Samples in a row group. Bounds what is held in memory, and is large enough for readers that skip by statistics.
pub const ROW_GROUP: usize = 65_536;

/// `samples.parquet`: `id`, `row` (from 0), `file`, `file_row` and `line` (from 1), `given`, `expected`,
/// `suspicion_<detector>`, `p_<detector>` (null if uncalibrated), `verdict`, `findings` (a list of ids).
///
/// Whole numbers are signed 64-bit, since not every engine reads unsigned ones.
pub struct Samples;

impl Render for Samples {
    fn id(&self) -> &'static str {
        "samples"
    }

    fn file_name(&self) -> &'static str {
        "samples.parquet"
    }

    fn render(&self, report: &Report, samples: &[SampleRow], out: &mut dyn Write) -> Result<(), ReportError> {
        let ids: Vec<&str> = words::detectors(report, DetectorStatus::Ran).map(|d| d.id.as_str()).collect();
        let schema = Arc::new(schema(&ids));
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
            .set_max_row_group_row_count(Some(ROW_GROUP))
            .build();
        let sink = Sink::default();
        let mut writer = ArrowWriter::try_new(sink.clone(), schema.clone(), Some(properties))?;
        for chunk in samples.chunks(ROW_GROUP) {
            writer.write(&batch(report, chunk, ids.len(), &schema)?)?;
            writer.flush()?;
            sink.drain(out)?;
        }
        writer.close()?;
        sink.drain(out)?;
        Ok(out.flush()?)
    }
}

/// Where the encoder, which wants a writer that may change threads, leaves a row group to be passed on.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn drain(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        out.write_all(&bytes)
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn schema(detectors: &[&str]) -> Schema {
    let mut fields = vec![
        Field::new("id", DataType::Utf8, false),
        Field::new("row", DataType::Int64, false),
        Field::new("file", DataType::Utf8, true),
        Field::new("file_row", DataType::Int64, false),
        Field::new("line", DataType::Int64, true),
        Field::new("given", DataType::Utf8, true),
        Field::new("expected", DataType::Utf8, true),
    ];
    for id in detectors {
        fields.push(Field::new(format!("suspicion_{id}"), DataType::Float32, true));
        fields.push(Field::new(format!("p_{id}"), DataType::Float64, true));
    }
    fields.push(Field::new("verdict", DataType::Utf8, false));
    let item = Field::new_list_field(DataType::Utf8, true);
    fields.push(Field::new("findings", DataType::List(Arc::new(item)), false));
    Schema::new(fields)
}

fn batch(
    report: &Report,
    samples: &[SampleRow],
    detectors: usize,
    schema: &Arc<Schema>,
) -> Result<RecordBatch, ReportError> {
    let file = |s: &SampleRow| report.coverage.inputs.get(s.file as usize).map(|i| i.path.clone());
    let mut columns: Vec<ArrayRef> = vec![
        text(samples, |s| Some(s.id.0.clone())),
        whole(samples, |s| Some(s.row)),
        text(samples, file),
        whole(samples, |s| Some(s.file_row)),
        whole(samples, |s| s.line),
        text(samples, |s| s.given.clone()),
        text(samples, |s| s.expected.clone()),
    ];
    for d in 0..detectors {
        let mut suspicion = Float32Builder::with_capacity(samples.len());
        let mut p_value = Float64Builder::with_capacity(samples.len());
        for s in samples {
            suspicion.append_option(s.suspicion.get(d).copied());
            p_value.append_option(s.p_value.get(d).copied().flatten());
        }
        columns.push(Arc::new(suspicion.finish()));
        columns.push(Arc::new(p_value.finish()));
    }
    columns.push(text(samples, |s| Some(s.verdict.to_owned())));
    let mut findings = ListBuilder::new(StringBuilder::new());
    for s in samples {
        s.findings.iter().for_each(|f| findings.values().append_value(f));
        findings.append(true);
    }
    columns.push(Arc::new(findings.finish()));
    Ok(RecordBatch::try_new(schema.clone(), columns)?)
}

fn text(samples: &[SampleRow], value: impl Fn(&SampleRow) -> Option<String>) -> ArrayRef {
    let mut column = StringBuilder::new();
    samples.iter().for_each(|s| column.append_option(value(s)));
    Arc::new(column.finish())
}

fn whole(samples: &[SampleRow], value: impl Fn(&SampleRow) -> Option<u64>) -> ArrayRef {
    let mut column = Int64Builder::with_capacity(samples.len());
    samples.iter().for_each(|s| column.append_option(value(s).map(|n| i64::try_from(n).unwrap_or(i64::MAX))));
    Arc::new(column.finish())
}
