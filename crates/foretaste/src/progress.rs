//! Progress on long work: only on a terminal, only on stderr.

use foretaste_flow::Phase;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::Duration;

/// One line that says what is being done; rows and rate while they are known.
pub struct Progress {
    bar: ProgressBar,
    at: Mutex<(Option<Phase>, u64)>,
}

impl Progress {
    /// Hidden when `quiet` or when stderr is no terminal.
    pub fn new(quiet: bool) -> Self {
        let shown = !quiet && std::io::stderr().is_terminal();
        let bar = if shown { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        bar.enable_steady_tick(Duration::from_millis(120));
        Self { bar, at: Mutex::new((None, 0)) }
    }

    /// Called by the verb.
    pub fn on(&self, phase: Phase, rows: u64) {
        let mut at = self.at.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if at.0 != Some(phase) {
            // The first pass tells how many rows there are: the later ones can show what remains.
            let total = at.1;
            self.bar.reset();
            let known = at.0.is_some() && total > 0 && matches!(phase, Phase::Detecting | Phase::Embedding);
            self.bar.set_style(style(known));
            self.bar.set_length(if known { total } else { 0 });
            self.bar.set_message(words(phase));
            at.0 = Some(phase);
        }
        if phase == Phase::Reading {
            at.1 = rows;
        }
        self.bar.set_position(rows);
    }

    /// Takes the line away.
    pub fn done(&self) {
        self.bar.finish_and_clear();
    }
}

fn style(known: bool) -> ProgressStyle {
    let template = if known {
        "{spinner} {msg} {bar:24} {human_pos}/{human_len} rows, {per_sec}, {eta} left"
    } else {
        "{spinner} {msg} {human_pos} rows, {elapsed}"
    };
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

fn words(phase: Phase) -> &'static str {
    match phase {
        Phase::Reading => "reading",
        Phase::Embedding => "running your model",
        Phase::Learning => "training the surrogate",
        Phase::Detecting => "running detectors",
        Phase::Confirming => "trying triggers on a model",
        Phase::Deciding => "deciding",
    }
}
