//! Writes every output of a few made-up reports, to look at: `demo_report DIRECTORY`.

#[path = "../tests/demo/mod.rs"]
mod demo;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let to = std::path::PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "demo-reports".to_owned()));
    for (name, (report, samples)) in demo::all() {
        let directory = to.join(name);
        std::fs::create_dir_all(&directory)?;
        for render in foretaste_report::renders() {
            let mut file = std::fs::File::create(directory.join(render.file_name()))?;
            render.render(&report, &samples, &mut file)?;
        }
    }
    std::fs::write(
        to.join("report.schema.json"),
        serde_json::to_vec_pretty(&foretaste_report::json::schema())?,
    )?;
    Ok(())
}
