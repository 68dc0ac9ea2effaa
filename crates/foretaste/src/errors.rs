//! How errors look: what is wrong first, then what to do.

use anstream::eprintln;
use anstyle::{AnsiColor, Style};
use std::process::ExitCode;

const BAD: Style = AnsiColor::Red.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default();

/// Prints an error and its hint; the code for "could not do the job". A closed pipe is no error.
pub fn show(error: &anyhow::Error) -> ExitCode {
    let broken_pipe = error.chain().any(|e| {
        e.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
    });
    if broken_pipe {
        return ExitCode::SUCCESS;
    }
    let mut said = String::new();
    for cause in error.chain() {
        let text = cause.to_string();
        // Transparent wrappers repeat their source.
        if !said.contains(&text) {
            if !said.is_empty() {
                said.push_str(": ");
            }
            said.push_str(&text);
        }
    }
    eprintln!("{BAD}error:{BAD:#} {}", foretaste_report::excerpt::visible(&said));
    if let Some(hint) = hint(error) {
        eprintln!("{HINT}hint:{HINT:#} {hint}");
    }
    ExitCode::from(2)
}

fn hint(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(|e| {
        if let Some(e) = e.downcast_ref::<foretaste_flow::Error>() {
            return e.hint();
        }
        e.downcast_ref::<foretaste_core::Error>().and_then(foretaste_core::Error::hint)
    })
}
