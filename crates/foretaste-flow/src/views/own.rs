//! Pictures as vectors of the user's own model.

use crate::columns::count;
use crate::error::{Error, Result};
use crate::recipe::Recipe;
use foretaste_embed::{Embedder, Options};
use foretaste_num::scale::Pixels;
use foretaste_victims::image::Picture;

impl From<foretaste_embed::Error> for Error {
    fn from(e: foretaste_embed::Error) -> Self {
        Self::file(e.path, e.problem, e.hint)
    }
}

/// The model that a recipe names, opened and tried on a blank picture.
///
/// # Errors
/// If it cannot be used, or the recipe has settings of a model but names none.
pub fn open(recipe: &Recipe) -> Result<Option<Embedder>> {
    let Some(path) = &recipe.embed else {
        if recipe.embed_scale.is_some() || recipe.embed_size.is_some() || recipe.embed_output.is_some() {
            return Err(Error::data(
                "`--embed-scale`, `--embed-size` and `--embed-output` say how to use a model, and none is named",
                "name it with --embed MODEL",
            ));
        }
        return Ok(None);
    };
    let options = Options {
        path: path.into(),
        scale: recipe.embed_scale.clone(),
        size: recipe.embed_size.map(|n| n as usize),
        output: recipe.embed_output.clone(),
    };
    Ok(Some(Embedder::open(&options)?))
}

/// A model, and who hears how many pictures it has read.
#[derive(Clone, Copy)]
pub struct Own<'a> {
    /// The model.
    pub model: &'a Embedder,
    /// Called with the number of pictures read so far.
    pub tick: &'a (dyn Fn(u64) + Sync),
}

impl Own<'_> {
    /// What features of it are called.
    pub fn title(&self) -> String {
        format!("vectors of {}", self.model.name())
    }

    /// One vector a picture; those of broken pictures are zeros, which are near nothing.
    pub fn vectors(
        &self,
        pictures: &[Picture],
        broken: &[usize],
        notes: &mut Vec<String>,
    ) -> Result<Vec<f32>> {
        let views: Vec<Pixels<'_>> = pictures
            .iter()
            .map(|p| Pixels { bytes: &p.bytes, width: p.width, height: p.height, channels: p.channels })
            .collect();
        let mut out = self.model.embed(&views, rayon::current_num_threads(), self.tick)?;
        let dim = self.model.dim().max(1);
        for &i in broken {
            out[i * dim..(i + 1) * dim].fill(0.0);
        }
        let mut odd = 0;
        for row in out.chunks_exact_mut(dim).filter(|r| r.iter().any(|v| !v.is_finite())) {
            odd += 1;
            row.iter_mut().filter(|v| !v.is_finite()).for_each(|v| *v = 0.0);
        }
        notes.extend(self.model.notes().iter().cloned());
        if odd > 0 {
            let n = count(odd, "picture");
            notes.push(format!("{n} got numbers that are not finite from the model: these count as 0"));
        }
        Ok(out)
    }
}
