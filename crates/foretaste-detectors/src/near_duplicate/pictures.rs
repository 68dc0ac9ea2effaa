//! Image hashes as bytes, to travel inside a state.

use foretaste_num::phash::ImageHash;

/// Bytes of one hash: pHash, dHash, exact hash, flat, thumbnail.
const BYTES: usize = 8 + 8 + 8 + 1 + 256;

/// Appends the hashes.
pub fn write(hashes: &[ImageHash], out: &mut Vec<u8>) {
    for h in hashes {
        for word in [h.phash, h.dhash, h.exact] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.push(u8::from(h.flat));
        out.extend_from_slice(&h.thumb);
    }
}

/// Reads what [`write`] wrote; an incomplete rest is left out.
pub fn read(bytes: &[u8]) -> Vec<ImageHash> {
    bytes.chunks_exact(BYTES).filter_map(one).collect()
}

fn one(bytes: &[u8]) -> Option<ImageHash> {
    let word = |at: usize| bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
    Some(ImageHash {
        phash: word(0)?,
        dhash: word(8)?,
        exact: word(16)?,
        flat: *bytes.get(24)? == 1,
        thumb: bytes.get(25..)?.try_into().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use foretaste_num::phash::{Image, hash};

    #[test]
    fn hashes_survive_bytes() {
        let pixels: Vec<u8> = (0..28 * 28).map(|i| (i * 7 % 251) as u8).collect();
        let h = hash(Image { pixels: &pixels, width: 28, height: 28, channels: 1 }).unwrap();
        let mut bytes = vec![];
        write(&[h.clone(), h.clone()], &mut bytes);
        assert_eq!(read(&bytes), vec![h.clone(), h]);
        assert!(read(&bytes[..100]).is_empty());
    }
}
