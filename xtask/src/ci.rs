//! `cargo xtask ci`: `test`, and what is too slow or too far away for every save.

use crate::{shell, test};
use anyhow::Result;

/// Runs it.
pub fn main(args: &[String]) -> Result<()> {
    test::main(args)?;
    shell::run(shell::cargo().args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))?;
    if shell::has("cargo-deny") {
        shell::run(shell::cargo().args(["deny", "check"]))?;
    } else {
        println!("\nskipped: `cargo deny check` (cargo-deny is not installed)");
    }
    Ok(())
}
