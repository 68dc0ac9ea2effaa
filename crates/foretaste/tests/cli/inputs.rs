//! Every kind of file, from the command line.

use crate::common::{Room, table, texts};

const ROWS: usize = 300;

/// A zstd frame of unpacked blocks.
fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0x28, 0xb5, 0x2f, 0xfd, 0xa0];
    out.extend((bytes.len() as u32).to_le_bytes());
    let blocks: Vec<&[u8]> = bytes.chunks(100_000).collect();
    for (i, block) in blocks.iter().enumerate() {
        let last = u32::from(i + 1 == blocks.len());
        out.extend(&(((block.len() as u32) << 3) | last).to_le_bytes()[..3]);
        out.extend(*block);
    }
    out
}

fn data() -> String {
    table(ROWS, "", |_, yes| yes, |_| String::new())
}

#[test]
fn packed_text_is_read() {
    let room = Room::new();
    room.write("d.csv.zst", zstd(data().as_bytes()));
    assert_eq!(room.scan(&["d.csv.zst"])["coverage"]["rows"], ROWS);
    room.write("d.jsonl.zst", zstd(texts(90).as_bytes()));
    assert_eq!(room.scan(&["d.jsonl.zst"])["coverage"]["inputs"][0]["format"], "jsonl");
    let packed = zstd(data().as_bytes());
    room.write("cut.csv.zst", &packed[..packed.len() - 9]);
    room.run(&["scan", "cut.csv.zst"]).expect(2, &["zstd", "cut.csv.zst", "hint:"]);
}

#[test]
fn arrow_files_are_read_as_the_text_they_came_from() {
    let room = Room::new();
    room.write("d.csv", table(ROWS, "", |i, yes| yes != (i % 50 == 7), |_| String::new()));
    room.run(&["scan", "d.csv", "--report", "out"]).expect(1, &[]);
    let clean = |kept: &str, aside: &str| {
        let args =
            ["clean", "d.csv", "--findings", "out/report.json", "--kept", kept, "--quarantined", aside];
        room.run(&args).expect(0, &["300 rows read"]);
    };
    for end in ["arrow", "arrows", "parquet"] {
        let (kept, aside) = (format!("k.{end}"), format!("q.{end}"));
        clean(&kept, &aside);
        let rows = |f: &str| room.scan(&[f, "--label", "label"])["coverage"]["rows"].as_u64().unwrap();
        assert_eq!(rows(&kept) + rows(&aside), ROWS as u64, "{end}");
    }
    let bytes = std::fs::read(room.path("k.arrow")).unwrap();
    room.write("cut.arrow", &bytes[..bytes.len() / 2]);
    room.run(&["scan", "cut.arrow"]).expect(2, &["Arrow", "cut.arrow", "hint:"]);
}

/// Images of 4 by 4 of two brightnesses, and their labels, as IDX bodies.
fn images() -> (Vec<u8>, Vec<u8>) {
    let labels: Vec<u8> = (0..ROWS).map(|i| (i % 2) as u8).collect();
    let pixels = (0..ROWS * 16).map(|i| (i * 37 % 90) as u8 + 120 * labels[i / 16]).collect();
    (pixels, labels)
}

#[test]
fn idx_files_are_read_with_their_labels() {
    let room = Room::new();
    let (pixels, labels) = images();
    let n = (ROWS as u32).to_be_bytes();
    let side = 4u32.to_be_bytes();
    room.write("t-images-idx3-ubyte", [&[0, 0, 8, 3][..], &n, &side, &side, &pixels].concat());
    room.write("t-labels-idx1-ubyte", [&[0, 0, 8, 1][..], &n, &labels].concat());
    let report = room.scan(&["t-images-idx3-ubyte", "--fail-on", "never"]);
    assert_eq!(report["coverage"]["rows"], ROWS);
    assert_eq!(report["coverage"]["classes"].as_array().unwrap().len(), 2, "{:#}", report["coverage"]);
}

#[test]
fn safetensors_are_read() {
    let room = Room::new();
    let vectors: Vec<u8> = (0..ROWS * 4)
        .flat_map(|i| (((i * 31 % 17) as f32) + 40.0 * ((i / 4) % 2) as f32).to_le_bytes())
        .collect();
    let labels: Vec<u8> = (0..ROWS).flat_map(|i| ((i % 2) as i64).to_le_bytes()).collect();
    let header = format!(
        "{{\"embedding\":{{\"dtype\":\"F32\",\"shape\":[{ROWS},4],\"data_offsets\":[0,{}]}},\"label\":{{\"dtype\":\"I64\",\"shape\":[{ROWS}],\"data_offsets\":[{},{}]}}}}",
        vectors.len(),
        vectors.len(),
        vectors.len() + labels.len()
    );
    let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vectors, &labels].concat();
    room.write("d.safetensors", bytes);
    let report = room.scan(&["d.safetensors", "--fail-on", "never"]);
    assert_eq!(report["coverage"]["rows"], ROWS);
    assert!(
        report["surrogate"]["model"].as_str().unwrap().contains("embedding"),
        "{:#}",
        report["surrogate"]
    );
}

#[test]
fn tabs_can_be_named() {
    let room = Room::new();
    room.write("d.txt", data().replace(',', "\t"));
    for name in ["\\t", "tab", "\t"] {
        let report = room.scan(&["d.txt", "--format", "csv", "--delimiter", name, "--fail-on", "never"]);
        assert_eq!(report["coverage"]["columns"].as_array().unwrap().len(), 4, "{name:?}");
    }
    room.run(&["scan", "d.txt", "--delimiter", "tabs"]).expect(2, &["`tabs`", "hint:"]);
}

#[cfg(not(feature = "cloud"))]
#[test]
fn addresses_need_a_feature_and_say_so() {
    let room = Room::new();
    room.run(&["scan", "s3://bucket/a.parquet"])
        .expect(2, &["s3://bucket/a.parquet", "hint:", "--features cloud"]);
}

/// An NPY array.
fn npy(kind: &str, shape: &str, values: &[u8]) -> Vec<u8> {
    let mut header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}");
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend((header.len() as u16).to_le_bytes());
    out.extend(header.as_bytes());
    out.extend(values);
    out
}

/// A zip archive of stored files.
fn zip(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let crc = |bytes: &[u8]| {
        !bytes.iter().fold(!0u32, |mut c, b| {
            c ^= u32::from(*b);
            (0..8).for_each(|_| c = if c & 1 == 1 { (c >> 1) ^ 0xedb8_8320 } else { c >> 1 });
            c
        })
    };
    let (mut out, mut index) = (vec![], vec![]);
    for (name, bytes) in files {
        let start = out.len() as u32;
        let mut about = vec![20, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        about.extend(crc(bytes).to_le_bytes());
        about.extend((bytes.len() as u32).to_le_bytes());
        about.extend((bytes.len() as u32).to_le_bytes());
        about.extend((name.len() as u16).to_le_bytes());
        about.extend([0, 0]);
        out.extend(b"PK\x03\x04");
        out.extend(&about);
        out.extend(name.as_bytes());
        out.extend(bytes);
        index.extend(b"PK\x01\x02\x14\x00");
        index.extend(&about);
        index.extend([0; 10]);
        index.extend(start.to_le_bytes());
        index.extend(name.as_bytes());
    }
    let start = out.len() as u32;
    out.extend(&index);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend((files.len() as u16).to_le_bytes());
    out.extend((files.len() as u16).to_le_bytes());
    out.extend((index.len() as u32).to_le_bytes());
    out.extend(start.to_le_bytes());
    out.extend([0, 0]);
    out
}

#[test]
fn labels_of_another_length_do_not_pass_in_silence() {
    let room = Room::new();
    let (pixels, labels) = images();
    let x = || npy("|u1", &format!("({ROWS}, 4, 4)"), &pixels);
    let y = |n: usize| npy("|u1", &format!("({n},)"), &labels[..n]);
    room.write("ok.npz", zip(&[("x.npy", x()), ("y.npy", y(ROWS))]));
    room.run(&["scan", "ok.npz", "--fail-on", "never"]).expect(0, &["300 rows"]);
    for n in [ROWS - 1, 20] {
        room.write("bad.npz", zip(&[("x.npy", x()), ("y.npy", y(n))]));
        room.run(&["scan", "bad.npz", "--fail-on", "never"]).expect(2, &["`y`", "another number of rows"]);
    }
}
