//! The laws of victims, asked of a small data set with every kind of column.

use crate::attacks::Sample;
use crate::laws::{Law, Verdict};
use foretaste_core::{AnyVictim, Ctx, Entry, Matrix, Picked};
use foretaste_flow::simulate::pick;
use serde_json::Map;

/// Every law of victims.
pub const LAWS: &[Law] = &[
    Law { name: "documented", says: "the comment has its headings, each with a text", check: documented },
    Law {
        name: "parameters",
        says: "defaults are within bounds and in the schema; wrong values are refused",
        check: crate::laws::parameters,
    },
    Law { name: "learns", says: "it beats guessing on data that tell the class", check: learns },
    Law {
        name: "probabilities",
        says: "probabilities are finite, not negative and sum to one",
        check: probabilities,
    },
    Law { name: "threads", says: "one thread and three give the same model and answers", check: threads },
    Law { name: "bytes", says: "the model survives bytes, and foreign models are refused", check: bytes },
    Law { name: "blind", says: "labels of the inputs do not change the answers", check: blind },
];

/// Headings of a victim's comment.
pub const HEADINGS: [&str; 5] = ["What it is", "How it learns", "Cost", "Example", "References"];

fn documented(entry: &Entry) -> Verdict {
    crate::laws::documented_with(entry, &HEADINGS)
}

/// A victim with its defaults, training samples, held-out samples.
struct Bench {
    victim: Box<dyn AnyVictim>,
    train: Picked,
    test: Picked,
    ctx: Ctx,
}

fn bench(entry: &Entry) -> Result<Bench, String> {
    let victim = entry.victim(&Map::new()).map_err(|e| format!("cannot be made with its defaults: {e}"))?;
    let sample = Sample::new(11, 1)?;
    let dataset = sample.open()?;
    let dataset = dataset
        .of_rows(
            &foretaste_flow::simulate::take_rows(&dataset, &(0..dataset.rows).collect::<Vec<_>>())
                .map_err(|e| e.to_string())?,
        )
        .map_err(|e| e.to_string())?;
    let ctx = Ctx::new(11, dataset.profile());
    let rows = |odd: bool| -> Vec<u64> { (0..dataset.rows).filter(|r| (r % 4 == 3) == odd).collect() };
    let part = |odd| pick(&dataset, &rows(odd)).map_err(|e| e.to_string());
    Ok(Bench { victim, train: part(false)?, test: part(true)?, ctx })
}

impl Bench {
    fn answers(&self) -> Result<Matrix, String> {
        let told = |e: foretaste_core::Error| format!("fails on sound data: {e}");
        let model = self.victim.train(&self.train, &self.ctx).map_err(told)?;
        self.victim.predict(&model, &self.test, &self.ctx).map_err(told)
    }
}

fn learns(entry: &Entry) -> Verdict {
    let bench = bench(entry)?;
    let answers = bench.answers()?;
    let top = |row: &[f32]| (0..row.len()).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap_or(0) as u32;
    let right = (0..bench.test.len()).filter(|&i| top(answers.row(i)) == bench.test.label(i)).count();
    let counts = &bench.ctx.profile().class_counts;
    let most = counts.iter().copied().max().unwrap_or(0) as f64 / counts.iter().sum::<u64>().max(1) as f64;
    let accuracy = right as f64 / bench.test.len().max(1) as f64;
    if accuracy < most + 0.05 {
        return Err(format!("accuracy {accuracy:.2}, and guessing gives {most:.2}"));
    }
    Ok(())
}

fn probabilities(entry: &Entry) -> Verdict {
    let bench = bench(entry)?;
    let answers = bench.answers()?;
    if answers.rows() != bench.test.len() || answers.cols() != bench.ctx.profile().classes.len() {
        return Err(format!(
            "{} x {} answers for {} inputs",
            answers.rows(),
            answers.cols(),
            bench.test.len()
        ));
    }
    for i in 0..answers.rows() {
        let row = answers.row(i);
        let sum: f32 = row.iter().sum();
        if row.iter().any(|p| !p.is_finite() || *p < 0.0) || (sum - 1.0).abs() > 1e-3 {
            return Err(format!("the probabilities of input {i} are {row:?}"));
        }
    }
    Ok(())
}

fn threads(entry: &Entry) -> Verdict {
    let bench = bench(entry)?;
    let run = |n: usize| -> Result<(Vec<u8>, Matrix), String> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n).build().map_err(|e| e.to_string())?;
        pool.install(|| {
            let model = bench.victim.train(&bench.train, &bench.ctx).map_err(|e| e.to_string())?;
            let answers = bench.victim.predict(&model, &bench.test, &bench.ctx).map_err(|e| e.to_string())?;
            Ok((bench.victim.save_model(&model).map_err(|e| e.to_string())?, answers))
        })
    };
    let (one, three) = (run(1)?, run(3)?);
    if one.0 != three.0 {
        return Err("the model depends on the number of threads".into());
    }
    if one.1.values() != three.1.values() {
        return Err("the answers depend on the number of threads".into());
    }
    Ok(())
}

fn bytes(entry: &Entry) -> Verdict {
    let bench = bench(entry)?;
    let model = bench.victim.train(&bench.train, &bench.ctx).map_err(|e| e.to_string())?;
    let saved = bench.victim.save_model(&model).map_err(|e| e.to_string())?;
    let again = bench.victim.load_model(&saved).map_err(|e| format!("does not read its own model: {e}"))?;
    let ask = |m| bench.victim.predict(m, &bench.test, &bench.ctx).map_err(|e| e.to_string());
    if ask(&model)?.values() != ask(&again)?.values() {
        return Err("the model says other things after a way through bytes".into());
    }
    let stranger: foretaste_core::Sealed = Box::new("not a model");
    if bench.victim.predict(&stranger, &bench.test, &bench.ctx).is_ok() {
        return Err("takes a foreign model".into());
    }
    Ok(())
}

fn blind(entry: &Entry) -> Verdict {
    let mut bench = bench(entry)?;
    let model = bench.victim.train(&bench.train, &bench.ctx).map_err(|e| e.to_string())?;
    let before = bench.victim.predict(&model, &bench.test, &bench.ctx).map_err(|e| e.to_string())?;
    bench.test.batch.labels = None;
    let after = bench.victim.predict(&model, &bench.test, &bench.ctx).map_err(|e| e.to_string())?;
    if before.values() != after.values() {
        return Err("looks at the labels of its inputs".into());
    }
    Ok(())
}
