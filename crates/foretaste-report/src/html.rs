//! One HTML file: opens offline, asks nobody for anything, and lets nothing of the data run.
//!
//! The template engine escapes every value at compile time; only our own style, our own script and the JSON of the
//! table (escaped against leaving its element) go in as they are. A content security policy forbids the rest.

mod glance;
mod plots;
mod table;
mod view;

use crate::{Render, ReportError, words};
use askama::Template;
use foretaste_core::{Report, SampleRow};
use std::io::Write;

pub use table::MAX_SAMPLES;

/// The report as one self-contained page.
pub struct Html;

impl Render for Html {
    fn id(&self) -> &'static str {
        "html"
    }

    fn file_name(&self) -> &'static str {
        "report.html"
    }

    fn render(&self, report: &Report, samples: &[SampleRow], out: &mut dyn Write) -> Result<(), ReportError> {
        let page = Page {
            style: include_str!("../templates/report.css"),
            script: include_str!("../templates/report.js"),
            view: view::View::new(report),
            samples: table::json(report, samples)?,
            some: samples.len() > MAX_SAMPLES,
            samples_shown: words::count(samples.len().min(MAX_SAMPLES) as u64),
            sample_count: words::count(samples.len() as u64),
        };
        Ok(out.write_all(page.render()?.as_bytes())?)
    }
}

#[derive(Template)]
#[template(path = "report.html")]
struct Page {
    style: &'static str,
    script: &'static str,
    view: view::View,
    samples: String,
    /// True if the table does not hold all samples.
    some: bool,
    samples_shown: String,
    sample_count: String,
}
