//! `cargo xtask bench`: measurements beside other projects, which anyone can repeat.
//!
//! The peers live in a folder of their own (`bench-peers/`, not committed), with the versions in
//! `bench/peers/requirements.txt`. `FORETASTE_PYTHON` names a Python that has them already.

use crate::{data, shell};
use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::process::Command;

/// Name, script, and whether it needs the benches of the libraries besides the binary.
const KINDS: &[(&str, &str, bool)] = &[
    ("peers", "peers.py", true),
    ("labels", "labels.py", true),
    ("published", "published.py", false),
    ("grid", "grid.py", false),
    ("drift", "drift.py", false),
    ("attacks", "attacks.py", false),
];

/// Runs the named kind with the rest of the words, which its script explains (`--help`).
pub fn main(args: &[String]) -> Result<()> {
    let known = "`peers`, `labels`, `published`, `grid`, `drift` or `attacks`";
    let Some((name, rest)) = args.split_first() else { bail!("missing kind of benchmark\nhint: {known}") };
    let Some((_, script, examples)) = KINDS.iter().find(|(kind, _, _)| kind == name) else {
        bail!("unknown benchmark `{name}`\nhint: {known}");
    };
    let python = python()?;
    build(*examples)?;
    let mut command = Command::new(python);
    command.arg(shell::root().join("bench/peers").join(script)).args(rest);
    command.env("FORETASTE_BIN", shell::target().join("release")).env("FORETASTE_SCRATCH", scratch()?);
    // settings for another machine's kernels would make a peer slower than it is
    command.env_remove("OPENBLAS_CORETYPE").env_remove("OPENBLAS_L2_SIZE");
    if let Some(folder) = data::folder() {
        command.env("FORETASTE_DATA", folder);
    }
    shell::run(&mut command)
}

fn build(examples: bool) -> Result<()> {
    shell::run(shell::cargo().args(["build", "--release", "--package", "foretaste"]))?;
    if examples {
        let mut cargo = shell::cargo();
        cargo.args(["build", "--release", "--examples"]);
        for package in ["foretaste-num", "foretaste-victims", "foretaste-formats"] {
            cargo.args(["--package", package]);
        }
        shell::run(&mut cargo)?;
    }
    Ok(())
}

fn folder() -> PathBuf {
    shell::root().join("bench-peers")
}

fn scratch() -> Result<PathBuf> {
    let scratch = folder().join("scratch");
    std::fs::create_dir_all(&scratch)?;
    Ok(scratch)
}

/// A Python that has the peers: the one named by `FORETASTE_PYTHON`, else one made here.
pub fn python() -> Result<PathBuf> {
    if let Some(given) = std::env::var_os("FORETASTE_PYTHON").filter(|v| !v.is_empty()) {
        return Ok(given.into());
    }
    let wanted = shell::root().join("bench/peers/requirements.txt");
    let wanted_text =
        std::fs::read_to_string(&wanted).context("bench/peers/requirements.txt cannot be read")?;
    let venv = folder().join("venv");
    let python = venv.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    // the list that was installed, to install again only when it changes
    let installed = venv.join("installed.txt");
    if std::fs::read_to_string(&installed).is_ok_and(|text| text == wanted_text) {
        return Ok(python);
    }
    let system = if cfg!(windows) { "python" } else { "python3" };
    shell::run(Command::new(system).args(["-m", "venv"]).arg(&venv))?;
    shell::run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "-r"]).arg(&wanted))?;
    std::fs::write(&installed, wanted_text)?;
    Ok(python)
}
