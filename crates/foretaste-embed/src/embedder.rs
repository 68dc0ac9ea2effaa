//! A model that makes vectors of pictures.

use crate::engine::{self, Engine, Numbers, Output};
use crate::layout::{Layout, USUAL_SIDE};
use crate::proto::{Facts, Value};
use crate::scale::{HOW, Scale};
use crate::{Error, Result};
use foretaste_num::scale::Pixels;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Pictures of a run, where the model takes any number. Larger batches are hardly faster and take memory in each thread.
const BATCH: usize = 8;
/// Numbers of a batch, at most, as long as it holds more than one picture: 8 pictures of 256 x 256.
const BATCH_NUMBERS: usize = BATCH * 3 * 256 * 256;
/// Numbers of a batch that a file may ask for: one picture of 4096 x 4096.
const MOST_NUMBERS: usize = 3 << 24;

/// What the user says of a model. What is not said is inferred.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Its file.
    pub path: PathBuf,
    /// How bytes become numbers, as [`Scale::parse`] reads it.
    pub scale: Option<String>,
    /// Side of the square that pictures are scaled to, for models that take any size.
    pub size: Option<usize>,
    /// Name of the value to take, if not an output of the file's choice.
    pub output: Option<String>,
}

/// A model that makes vectors of pictures.
pub struct Embedder {
    engine: Box<dyn Engine>,
    path: PathBuf,
    bytes_in: bool,
    layout: Layout,
    scale: Scale,
    /// Width and height of what the model reads.
    size: (usize, usize),
    batch: usize,
    dim: usize,
    notes: Vec<String>,
    settings: Vec<(&'static str, String)>,
}

impl Embedder {
    /// Opens a model, infers what it wants, and runs it once.
    ///
    /// # Errors
    /// If this build has no runtime, the file is no model, reads no pictures, cannot be run, or does not give one vector
    /// a sample.
    pub fn open(options: &Options) -> Result<Self> {
        let told = |(problem, hint): (String, String)| Error { path: options.path.clone(), problem, hint };
        if !engine::AVAILABLE {
            let hint = "`cargo install foretaste --features onnx` (in a checkout: `cargo build --release --features onnx`) builds one that does, or leave --embed out";
            return Err(told(("this build runs no models".into(), hint.into())));
        }
        let model = read(&options.path).map_err(told)?;
        let asked = Asked::of(&model.facts, options).map_err(told)?;
        let engine = engine::load(&options.path, &asked.input.name, &asked.output).map_err(|e| {
            told((format!("the model cannot be loaded: {}", one_line(&e)), export_hint(&model.facts)))
        })?;
        Self::with(engine, model, asked, options).map_err(told)
    }

    fn with(
        engine: Box<dyn Engine>,
        model: ModelFile,
        asked: Asked,
        options: &Options,
    ) -> std::result::Result<Self, (String, String)> {
        let (layout, batch, shape) = first_run(engine.as_ref(), &asked, &model.facts)?;
        let size = asked.size(&layout)?;
        let dim = shape.iter().skip(1).product();
        let mut out = Self {
            engine,
            path: options.path.clone(),
            bytes_in: asked.input.kind == "u8",
            layout,
            scale: asked.scale.0,
            size,
            batch,
            dim,
            notes: vec![],
            settings: vec![("embed-scale", asked.scale.0.word())],
        };
        if layout.height.is_none() || layout.width.is_none() {
            out.settings.push(("embed-size", asked.side.to_string()));
        }
        if options.output.is_some() || asked.choice {
            out.settings.push(("embed-output", asked.output.clone()));
        }
        out.notes = out.told(&model, &asked, options);
        Ok(out)
    }

    /// Every inference, one sentence each.
    fn told(&self, model: &ModelFile, asked: &Asked, options: &Options) -> Vec<String> {
        let name = self.path.display();
        let dim = self.dim;
        let mut out = vec![
            format!(
                "pictures are read by `{name}` (BLAKE3 {}): {dim} numbers each, its output `{}`{}",
                model.hash,
                asked.output,
                if asked.choice { " (one of several, change it with --embed-output)" } else { "" }
            ),
            format!(
                "its input `{}` is {}: pictures are stretched to {}, between pixels by bilinear interpolation",
                asked.input.name,
                asked.input.shape(),
                self.layout.words(self.size)
            ),
        ];
        if (self.layout.height.is_none() || self.layout.width.is_none()) && options.size.is_none() {
            out.push(format!(
                "its input has no fixed size: {USUAL_SIDE} was taken, change it with --embed-size"
            ));
        }
        let change = if asked.scale.1.is_empty() {
            String::new()
        } else {
            format!(": {}; change it with --embed-scale", asked.scale.1)
        };
        out.push(format!("colours are scaled as {}{change}", asked.scale.0.words()));
        if let Some(before) = scores_of(&model.facts, &asked.output, dim) {
            out.push(format!("its output looks like scores of classes: `--embed-output {before}` takes the vectors that they are made from"));
        }
        out.extend(
            model.beside.iter().map(|(file, hash)| format!("its weights are in `{file}` (BLAKE3 {hash})")),
        );
        out
    }

    /// Numbers of a vector.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Name of the model's file, without its folder.
    #[must_use]
    pub fn name(&self) -> String {
        self.path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned())
    }

    /// What was inferred, one sentence each; the model's hash is in the first.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The settings that repeat this, inferences included: names of flags and their values.
    #[must_use]
    pub fn settings(&self) -> &[(&'static str, String)] {
        &self.settings
    }

    /// One vector a picture, row by row, on `threads` threads; `tick` hears how many are done. The numbers do not depend
    /// on `threads`: a batch is always of the same pictures and is run by one thread.
    ///
    /// # Errors
    /// If the model fails, or gives the same vector for all of several different pictures.
    pub fn embed(
        &self,
        pictures: &[Pixels<'_>],
        threads: usize,
        tick: &(dyn Fn(u64) + Sync),
    ) -> Result<Vec<f32>> {
        let mut out = vec![0f32; pictures.len() * self.dim];
        let done = AtomicU64::new(0);
        let failed = Mutex::new(None);
        let work =
            Mutex::new(pictures.chunks(self.batch).zip(out.chunks_mut((self.batch * self.dim).max(1))));
        std::thread::scope(|scope| {
            for _ in 0..threads.clamp(1, pictures.len().div_ceil(self.batch).max(1)) {
                scope.spawn(|| {
                    let mut run = self.engine.worker();
                    loop {
                        let next = open(&work).next();
                        let Some((pictures, to)) = next.filter(|_| open(&failed).is_none()) else { return };
                        match self.batch(&mut run, pictures) {
                            Ok(data) => to.copy_from_slice(&data[..to.len()]),
                            Err(why) => *open(&failed) = Some(why),
                        }
                        let n = pictures.len() as u64;
                        tick(done.fetch_add(n, Ordering::Relaxed) + n);
                    }
                });
            }
        });
        if let Some(why) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            let problem = format!("the model cannot be run: {}", one_line(&why));
            return Err(Error {
                path: self.path.clone(),
                problem,
                hint: "try it on a few pictures in the program that wrote it".into(),
            });
        }
        self.check(pictures, &out)?;
        Ok(out)
    }

    /// Vectors of the pictures of one batch, and of what fills it up.
    fn batch(
        &self,
        run: &mut engine::Run<'_>,
        pictures: &[Pixels<'_>],
    ) -> std::result::Result<Vec<f32>, String> {
        // a model of a fixed batch gets blanks behind the last picture
        let n = self.layout.batch.unwrap_or(pictures.len());
        let numbers = numbers(pictures, n, &self.layout, self.size, &self.scale, self.bytes_in);
        let output = run(self.layout.shape(n, self.size), numbers)?;
        if output.data.len() != n * self.dim {
            return Err(format!(
                "{} pictures gave {} numbers instead of {}",
                n,
                output.data.len(),
                n * self.dim
            ));
        }
        Ok(output.data)
    }

    fn check(&self, pictures: &[Pixels<'_>], out: &[f32]) -> Result<()> {
        let wrong = |problem: &str| {
            Err(Error {
                path: self.path.clone(),
                problem: problem.into(),
                hint: "the scaling may be wrong (--embed-scale), or the output (--embed-output)".into(),
            })
        };
        let mut rows = out.chunks_exact(self.dim.max(1));
        if !out.is_empty() && !out.iter().any(|v| v.is_finite()) {
            return wrong("no number that it gave is finite");
        }
        let first = rows.next().unwrap_or_default();
        let differ = pictures.windows(2).any(|two| two[0].bytes != two[1].bytes);
        if rows.len() > 1 && differ && rows.all(|r| r == first) {
            return wrong("it gave the same vector for every picture");
        }
        Ok(())
    }
}

fn open<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A model's file, read.
struct ModelFile {
    facts: Facts,
    hash: String,
    /// Files of weights and their hashes.
    beside: Vec<(String, String)>,
}

fn read(path: &Path) -> std::result::Result<ModelFile, (String, String)> {
    let unreadable = |e: std::io::Error| (e.to_string(), "check the path given to --embed".to_owned());
    let bytes = std::fs::read(path).map_err(unreadable)?;
    let hash = blake3::hash(&bytes).to_hex().to_string();
    let facts = Facts::read(&bytes).map_err(|e| {
        (
            format!("it is no ONNX model: {e}"),
            "--embed takes a file written by an exporter to ONNX".to_owned(),
        )
    })?;
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    let mut beside = vec![];
    for name in &facts.beside {
        let hashed = std::fs::File::open(folder.join(name)).and_then(|mut f| {
            let mut hasher = blake3::Hasher::new();
            std::io::copy(&mut f, &mut hasher)?;
            Ok(hasher.finalize().to_hex().to_string())
        });
        let hash = hashed.map_err(|e| {
            (
                format!("its weights in `{name}` cannot be read: {e}"),
                "put that file into the model's folder".to_owned(),
            )
        })?;
        beside.push((name.clone(), hash));
    }
    Ok(ModelFile { facts, hash, beside })
}

/// What will be asked of a model.
struct Asked {
    input: Value,
    layouts: Vec<Layout>,
    output: String,
    /// True if the output is one of several.
    choice: bool,
    /// The scaling, and how it is known if it was inferred.
    scale: (Scale, String),
    /// Side of pictures, where the model leaves it open.
    side: usize,
    sized: bool,
}

impl Asked {
    fn of(facts: &Facts, options: &Options) -> std::result::Result<Self, (String, String)> {
        let input = picture_input(facts)?;
        let layouts = Layout::all(&input)?;
        let (output, choice) = match &options.output {
            Some(name) if facts.maker(name).is_none() => {
                let all: Vec<String> = facts.outputs.iter().map(|o| format!("`{}`", o.name)).collect();
                return Err((
                    format!("it has no value `{name}`"),
                    format!(
                        "its outputs are {}; any value between its operations can be named",
                        all.join(", ")
                    ),
                ));
            }
            Some(name) => (name.clone(), false),
            None => usual_output(facts)?,
        };
        let scale = match &options.scale {
            Some(text) => match Scale::parse(text) {
                Some(scale) if input.kind == "u8" && scale.word() != "raw" => {
                    let what = format!("its input `{}` is bytes: they are not scaled", input.name);
                    return Err((what, "leave --embed-scale out".into()));
                }
                Some(scale) => (scale, String::new()),
                None => return Err((format!("`{text}` is no scaling"), HOW.into())),
            },
            None => Scale::infer(facts),
        };
        let side = options.size.unwrap_or(USUAL_SIDE);
        if side == 0 || side > 4096 {
            return Err((
                format!("`--embed-size {side}` is not within 1 to 4096"),
                format!("{USUAL_SIDE} is usual"),
            ));
        }
        Ok(Self { input, layouts, output, choice, scale, side, sized: options.size.is_some() })
    }

    /// Width and height of what the model reads.
    fn size(&self, layout: &Layout) -> std::result::Result<(usize, usize), (String, String)> {
        let size = (layout.width.unwrap_or(self.side), layout.height.unwrap_or(self.side));
        if self.sized && size != (self.side, self.side) {
            let what = format!(
                "its input `{}` is {}: `--embed-size {}` does not fit",
                self.input.name,
                self.input.shape(),
                self.side
            );
            return Err((what, "leave --embed-size out".into()));
        }
        if size.0.max(size.1) > 4096 {
            return Err((
                format!("its pictures are {} x {}, more than 4096", size.0, size.1),
                "take a smaller model".into(),
            ));
        }
        Ok(size)
    }
}

/// The input that pictures go into.
fn picture_input(facts: &Facts) -> std::result::Result<Value, (String, String)> {
    let is_text = |v: &Value| {
        matches!(v.kind.as_str(), "i64" | "i32" | "string")
            || ["input_ids", "attention_mask"].contains(&v.name.as_str())
    };
    let shown: Vec<String> = facts.inputs.iter().map(|v| format!("`{}` {}", v.name, v.shape())).collect();
    if let Some(v) = facts.inputs.iter().find(|v| is_text(v)) {
        return Err((
            format!("its input `{}` is {}: models of text (token ids) are not supported yet", v.name, v.shape()),
            "put vectors of your texts into a column (--embedding COLUMN), or leave --embed out: texts are read without a model".into(),
        ));
    }
    match facts.inputs.as_slice() {
        [one] if one.kind == "f32" || one.kind == "u8" => Ok(one.clone()),
        [one] => Err((
            format!("its input `{}` is {}: only f32 and u8 are read", one.name, one.shape()),
            "export it with an input of f32 (in PyTorch: model.float() first)".into(),
        )),
        _ => Err((
            format!("it has {} inputs ({}) instead of one", shown.len(), shown.join(", ")),
            "export the part that reads pictures alone".into(),
        )),
    }
}

/// The output to take, and whether there were others.
fn usual_output(facts: &Facts) -> std::result::Result<(String, bool), (String, String)> {
    let flat = |v: &&Value| v.dims.as_ref().is_none_or(|d| d.len() == 2);
    let named = |v: &&Value| ["embed", "pool", "feature"].iter().any(|w| v.name.to_lowercase().contains(w));
    let outputs = || facts.outputs.iter();
    let best =
        outputs().filter(flat).find(named).or_else(|| outputs().find(flat)).or_else(|| outputs().next());
    match best {
        Some(v) => Ok((v.name.clone(), facts.outputs.len() > 1)),
        None => {
            Err(("it has no output".into(), "export it again, or name a value with --embed-output".into()))
        }
    }
}

/// The first layout and batch that the model takes, and the sizes of what it gives for that batch.
fn first_run(
    engine: &dyn Engine,
    asked: &Asked,
    facts: &Facts,
) -> std::result::Result<(Layout, usize, Vec<usize>), (String, String)> {
    let mut run = engine.worker();
    let mut wrong = None;
    for layout in &asked.layouts {
        let size = asked.size(layout)?;
        if layout.batch.unwrap_or(1).saturating_mul(size.0 * size.1 * layout.channels) > MOST_NUMBERS {
            return Err((
                format!("its batches of {} are too large", asked.input.shape()),
                "export it with a free batch".into(),
            ));
        }
        let usual = (BATCH_NUMBERS / (3 * size.0 * size.1)).clamp(1, BATCH);
        // some files say that the batch is free although a constant inside is not
        let batches = match layout.batch {
            Some(n) => vec![n],
            None if usual > 1 => vec![usual, 1],
            None => vec![1],
        };
        for n in batches {
            let input = numbers(&[], n, layout, size, &asked.scale.0, asked.input.kind == "u8");
            match run(layout.shape(n, size), input) {
                Ok(output) => match vector_of(&output, n) {
                    None => return Ok((*layout, n, output.shape)),
                    Some(why) => {
                        let hint = format!(
                            "export it with a pooled output, or name another value with --embed-output (its outputs: {})",
                            facts
                                .outputs
                                .iter()
                                .map(|o| format!("`{}` {}", o.name, o.shape()))
                                .collect::<Vec<_>>()
                                .join(", ")
                        );
                        wrong.get_or_insert((format!("its output `{}` is {why}", asked.output), hint));
                    }
                },
                Err(why) => {
                    wrong.get_or_insert((
                        format!("the model cannot be run: {}", one_line(&why)),
                        export_hint(facts),
                    ));
                }
            }
        }
    }
    Err(wrong.unwrap_or_else(|| ("it takes no pictures".into(), String::new())))
}

/// Why an output is not one vector for each of `n` samples; `None` if it is.
fn vector_of(output: &Output, n: usize) -> Option<String> {
    let dims = output.shape.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
    let long = output.shape.iter().skip(1).filter(|d| **d != 1).count();
    let told = |why: &str| Some(format!("f32[{dims}] for {n} pictures: {why}"));
    if output.shape.first() != Some(&n) {
        return told("not one row a picture");
    }
    match long {
        0 => told("one number a picture is no vector"),
        1 => None,
        _ => told("not one vector a picture"),
    }
}

/// The value that class scores are computed from, if the output looks like such scores.
fn scores_of(facts: &Facts, output: &str, dim: usize) -> Option<String> {
    /// Classes of ImageNet in its editions.
    const USUAL: [usize; 4] = [1000, 1001, 21_841, 21_843];
    let mut node = facts.maker(output)?;
    let mut sure = false;
    for _ in 0..4 {
        match node.op.as_str() {
            "Softmax" | "LogSoftmax" => sure = true,
            "Add" | "Identity" | "Flatten" | "Reshape" => {}
            "Gemm" | "MatMul" => {
                return node.inputs.first().filter(|_| sure || USUAL.contains(&dim)).cloned();
            }
            _ => return None,
        }
        node = node.inputs.iter().find_map(|i| facts.maker(i))?;
    }
    None
}

/// Pictures as the model reads them, filled up to `n` with grey.
fn numbers(
    pictures: &[Pixels<'_>],
    n: usize,
    layout: &Layout,
    size: (usize, usize),
    scale: &Scale,
    bytes: bool,
) -> Numbers {
    let colours = layout.channels;
    let area = size.0 * size.1;
    let mut data = Vec::with_capacity(n * area * colours);
    for i in 0..n {
        let start = data.len();
        let Some(picture) = pictures.get(i) else {
            data.resize(start + area * colours, 127.0);
            continue;
        };
        let values = picture.scaled(size.0, size.1, colours);
        if layout.channels_last {
            data.extend(values.iter().map(|v| v * 255.0));
        } else {
            for c in 0..colours {
                data.extend(values.iter().skip(c).step_by(colours).map(|v| v * 255.0));
            }
        }
    }
    if bytes {
        // out of 0 to 255 by rounding errors only; `as` keeps to the range
        return Numbers::Bytes(data.into_iter().map(|v| v.round() as u8).collect());
    }
    for (i, v) in data.iter_mut().enumerate() {
        let c = if layout.channels_last { i % colours } else { i / area % colours };
        *v = scale.apply(*v, c);
    }
    Numbers::Floats(data)
}

fn export_hint(facts: &Facts) -> String {
    let from =
        if facts.producer.is_empty() { String::new() } else { format!(" in {}", one_line(&facts.producer)) };
    format!("export it again{from} with usual operations in f32 (opset 13 to 17), or simplify it first")
}

/// Words of others as one line of bounded length.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(300).collect()
}

#[cfg(test)]
mod tests;
