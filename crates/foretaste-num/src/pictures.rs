//! Pictures of one size, and what a model sees of them: what the searches for stamps and patterns share.

mod model;

pub use model::Model;

/// Pictures of one size: row by row, channels interleaved.
#[derive(Clone, Copy, Debug)]
pub struct Pictures<'a> {
    /// `n * height * width * channels` values.
    pub pixels: &'a [u8],
    /// Pixels across.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
    /// Values a pixel.
    pub channels: usize,
}

impl<'a> Pictures<'a> {
    /// Values of one picture.
    #[must_use]
    pub fn size(&self) -> usize {
        self.width * self.height * self.channels
    }

    /// Number of pictures.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pixels.len().checked_div(self.size()).unwrap_or(0)
    }

    /// True if there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values of picture `i`.
    #[must_use]
    pub fn get(&self, i: usize) -> &'a [u8] {
        &self.pixels[i * self.size()..(i + 1) * self.size()]
    }
}

/// A rectangle of pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Pixels from the left.
    pub left: usize,
    /// Pixels from the top.
    pub top: usize,
    /// Pixels across.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
}
