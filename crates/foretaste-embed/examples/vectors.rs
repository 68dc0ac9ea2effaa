//! Vectors of raw pictures, for comparison with another runtime (`bench/peers/embed.py`):
//! `vectors MODEL SCALE PICTURES WIDTH HEIGHT CHANNELS OUT`; bytes in, little-endian f32 out.

use foretaste_embed::{Embedder, Options};
use foretaste_num::scale::Pixels;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().collect();
    let [_, model, scale, pictures, width, height, channels, out] = args.as_slice() else {
        return Err("usage: vectors MODEL SCALE PICTURES WIDTH HEIGHT CHANNELS OUT".into());
    };
    let (width, height, channels): (usize, usize, usize) =
        (width.parse()?, height.parse()?, channels.parse()?);
    let options = Options { path: model.into(), scale: Some(scale.clone()), ..Options::default() };
    let embedder = Embedder::open(&options)?;
    embedder.notes().iter().for_each(|n| println!("{n}"));
    let bytes = std::fs::read(pictures)?;
    let all: Vec<Pixels<'_>> = bytes
        .chunks_exact((width * height * channels).max(1))
        .map(|bytes| Pixels { bytes, width, height, channels })
        .collect();
    let threads = std::thread::available_parallelism()?.get();
    let made = embedder.embed(&all, threads, &|_| ())?;
    std::fs::write(out, made.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>())?;
    Ok(())
}
