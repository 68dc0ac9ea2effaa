//! How a model wants its pictures: where the channels are, how many, and of which size.

use crate::proto::Value;

/// Side of the picture where the model takes any: what most image models were trained on.
pub const USUAL_SIDE: usize = 224;

/// The shape of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Samples of a run, if the model takes only so many.
    pub batch: Option<usize>,
    /// 1 grey, 3 colour.
    pub channels: usize,
    /// True for `[N, height, width, channels]`, false for `[N, channels, height, width]`.
    pub channels_last: bool,
    /// Rows of a picture, if fixed.
    pub height: Option<usize>,
    /// Pixels of a row, if fixed.
    pub width: Option<usize>,
}

impl Layout {
    /// The layouts that fit an input, the most usual first. More than one only where the file leaves the channels open.
    ///
    /// # Errors
    /// If the input cannot hold pictures: what is wrong, and the remedy.
    pub fn all(input: &Value) -> Result<Vec<Self>, (String, String)> {
        let wrong = |why: &str| {
            let what = format!("its input `{}` is {}: {why}", input.name, input.shape());
            (what, "export it with an input of [N, 3, height, width] or [N, height, width, 3]".to_owned())
        };
        let unknown = [None; 4];
        let dims = match input.dims.as_deref() {
            None => &unknown,
            Some(&[a, b, c, d]) => &[a, b, c, d],
            Some([_, _]) => return Err(wrong("rows of numbers, not pictures")),
            Some(_) => return Err(wrong("not a batch of pictures")),
        };
        let [batch, first, middle, last] = *dims;
        let known = |size: Option<usize>| size.filter(|n| *n == 1 || *n == 3);
        // what the file says goes before what it leaves open; channels first is what most exporters write
        let open: &[(bool, usize)] = match (known(first), known(last), first, last) {
            (Some(n), ..) => &[(false, n)],
            (None, Some(n), ..) => &[(true, n)],
            (None, None, None, None) => &[(false, 3), (false, 1), (true, 3), (true, 1)],
            (None, None, None, Some(_)) => &[(false, 3), (false, 1)],
            (None, None, Some(_), None) => &[(true, 3), (true, 1)],
            _ => return Err(wrong("neither its second nor its last size is 1 or 3 channels")),
        };
        let one = |&(channels_last, channels): &(bool, usize)| {
            let (height, width) = if channels_last { (first, middle) } else { (middle, last) };
            Self { batch, channels, channels_last, height, width }
        };
        Ok(open.iter().map(one).collect())
    }

    /// `224 x 224 pixels, RGB, channels first`.
    #[must_use]
    pub fn words(&self, (width, height): (usize, usize)) -> String {
        let kind = if self.channels == 1 { "grey".to_owned() } else { "RGB".to_owned() };
        let place = if self.channels_last { "channels last" } else { "channels first" };
        format!("{width} x {height} pixels, {kind}, {place}")
    }

    /// The sizes of a batch.
    #[must_use]
    pub fn shape(&self, batch: usize, (width, height): (usize, usize)) -> [usize; 4] {
        if self.channels_last {
            [batch, height, width, self.channels]
        } else {
            [batch, self.channels, height, width]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(dims: &[Option<usize>], expect: &[(bool, usize)]) {
        let input = Value { name: "x".into(), kind: "f32".into(), dims: Some(dims.to_vec()) };
        let found =
            Layout::all(&input).map(|all| all.iter().map(|l| (l.channels_last, l.channels)).collect());
        assert_eq!(found.unwrap_or_else(|_| vec![]), expect, "{}", input.shape());
    }

    #[test]
    fn layouts_are_read_from_sizes() {
        check(&[None, Some(3), Some(224), Some(224)], &[(false, 3)]);
        check(&[Some(1), Some(28), Some(28), Some(1)], &[(true, 1)]);
        check(&[None, Some(1), Some(28), Some(28)], &[(false, 1)]);
        check(&[None, Some(3), None, None], &[(false, 3)]);
        check(&[None, None, None, Some(3)], &[(true, 3)]);
        check(&[None, None, Some(32), Some(32)], &[(false, 3), (false, 1)]);
        check(&[None, Some(32), Some(32), None], &[(true, 3), (true, 1)]);
        check(&[None; 4], &[(false, 3), (false, 1), (true, 3), (true, 1)]);
        check(&[None, Some(4), Some(32), Some(32)], &[]);
        check(&[None, Some(20)], &[]);
        check(&[None, Some(3), Some(20)], &[]);
        assert_eq!(Layout::all(&Value::default()).unwrap().len(), 4);
    }

    #[test]
    fn the_places_of_height_and_width_follow_the_channels() {
        let dims = |d: [usize; 4]| Some(d.map(Some).to_vec());
        let value = |d| Value { name: "x".into(), kind: "f32".into(), dims: dims(d) };
        let first = Layout::all(&value([2, 3, 10, 20])).unwrap()[0];
        assert_eq!((first.batch, first.height, first.width), (Some(2), Some(10), Some(20)));
        assert_eq!(first.shape(2, (20, 10)), [2, 3, 10, 20]);
        let last = Layout::all(&value([2, 10, 20, 3])).unwrap()[0];
        assert_eq!((last.height, last.width), (Some(10), Some(20)));
        assert_eq!(last.shape(2, (20, 10)), [2, 10, 20, 3]);
    }
}
