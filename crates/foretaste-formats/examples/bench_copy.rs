//! Copies a file through the reader and the writer: the least that any rewriting of data costs.
//!
//! `bench_copy FROM TO`

use foretaste_formats::{OpenOptions, Source, writer};
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(from), Some(to)) = (args.next(), args.next()) else { return Err("bench_copy FROM TO".into()) };
    let source = Source::open(&[from], &OpenOptions::default())?;
    let mut out = writer(Path::new(&to), None, source.schema())?;
    for batch in source.batches()? {
        out.write(&batch?.batch)?;
    }
    println!("{} rows", out.finish()?);
    Ok(())
}
