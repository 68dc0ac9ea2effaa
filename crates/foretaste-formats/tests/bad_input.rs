//! Broken files give an error that says what, where, and what may help. Never a panic, never silence.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use arrow_schema::{DataType, Field};
use common::*;
use foretaste_formats::*;
use proptest::prelude::*;

/// The error for a file of these bytes must be of this kind and hold these words.
fn check(name: &str, bytes: impl AsRef<[u8]>, kind: &str, words: &[&str]) -> FormatError {
    let folder = Folder::new();
    let error = failure(&folder.file(name, bytes));
    let shown = error.to_string();
    let debug = format!("{error:?}");
    assert!(debug.starts_with(kind), "{name}: expected {kind}, got {debug}");
    for word in words {
        assert!(shown.contains(word), "{name}: no {word:?} in {shown:?}");
    }
    assert!(shown.contains(name), "{name}: no file in {shown:?}");
    error
}

#[test]
fn delimited_text() {
    check("a.csv", "", "Malformed", &["empty"]);
    check("a.csv", " \n\n", "Malformed", &["empty"]);
    check("a.csv", "a,b\n1,2\n\n1,2,3\n", "Malformed", &["expected `2` fields, found `3`", "line 4"]);
    let error = check("a.csv", "a,b\n1,2\n3\n", "Malformed", &["found `1`", "line 3"]);
    assert!(error.hint().is_some() && error.place().unwrap().line == Some(3));
    check("a.csv", "a,b\n1,2\n3,\"x\n4,5\n", "Malformed", &["never closed", "line 3"]);
    check("a.csv", "a,b\n1,\"x\"y\n", "Malformed", &["closing quote", "line 2"]);
    let error = check("a.csv", b"a,b\n1,caf\xe9 au lait\n", "Malformed", &["UTF-8", "line 2"]);
    assert!(error.hint().unwrap().contains("windows-1252"), "{:?}", error.hint());
    check("a.csv", b"a,b\n1,\0\n", "Malformed", &["NUL", "line 2"]);
    let wide: Vec<u8> = "\u{feff}a,b\n1,2\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(check("a.csv", &wide, "Unsupported", &["UTF-16"]).hint().unwrap().contains("iconv"));
    check("a.csv", &wide[2..], "Unsupported", &["UTF-16"]);
    check("a.csv", "a,b\r1,2\r3,4", "Unsupported", &["carriage"]);
}

#[test]
fn a_wrong_line_deep_in_a_large_file_is_named() {
    let good = "12345,some text that fills the line,0.5\n".repeat(200_000);
    let text = format!("a,b,c\n{good}1,2\n{good}");
    check("big.csv", &text, "Malformed", &["found `2`", "line 200002"]);
    let good = "{\"a\": 1, \"b\": \"some text that fills the line\"}\n".repeat(100_000);
    check("big.jsonl", format!("{good}{{\"a\": 1,}}\n{good}"), "Malformed", &["column", "line 100001"]);
}

#[test]
fn what_is_kept_and_noted() {
    let folder = Folder::new();
    let source = open(&folder.file("h.csv", "id,text\n")).unwrap();
    assert_eq!((source.rows(), all(&source).unwrap().num_rows()), (Some(0), 0));
    let source = open(&folder.file("d.csv", "x,x,,x_2\n1,2,3,4\n")).unwrap();
    let names: Vec<String> = source.schema().fields().iter().map(|f| f.name().clone()).collect();
    assert_eq!(names, ["x", "x_3", "column_3", "x_2"]);
    assert_eq!(source.notes().iter().filter(|n| n.kind == NoteKind::Renamed).count(), 2);
    let batch = read(&folder.file("n.csv", "x,y\nNaN,1\n-inf,\ninf,2\n")).unwrap();
    assert_eq!(strings(&batch, "x"), [Some("NaN".into()), Some("-inf".into()), Some("inf".into())]);
    assert_eq!(batch.column(1).null_count(), 1);
    let batch = read(&folder.file("b.csv", "\u{feff}a,b\n1,2\n")).unwrap();
    assert_eq!(batch.schema().field(0).name(), "a");
    let source = open(&folder.file("s.csv", "a;b\n1;x, y\n")).unwrap();
    assert!(source.notes().iter().any(|n| n.kind == NoteKind::Inferred && n.text.contains("`;`")));
}

#[test]
fn json_arrays() {
    check("a.json", "[]", "Malformed", &["the array is empty"]);
    check("a.json", "[\n{\"a\": 1},\n{\"a\": \n2", "Malformed", &["no end", "line 4"]);
    check("a.json", "[\n{\"a\": 1},\n{\"a\": }\n]", "Malformed", &["broken JSON", "line 3"]);
    check("a.json", "[{\"a\": 1}]\n{}", "Malformed", &["behind the end", "line 2"]);
    check("a.json", "[{\"a\": 1},\n[2]]", "Malformed", &["where an object should begin", "line 2"]);
    check("a.json", format!("[{{\"a\":{}", "[".repeat(100_000)), "Malformed", &["no end"]);
    let folder = Folder::new();
    let source =
        open(&folder.file("a.json", "\u{feff}[\n{\"a\": 1,\n \"b\": \"x\"}\n,\n{\"a\": 2}]\n")).unwrap();
    let located = source.batches().unwrap().next().unwrap().unwrap();
    let lines = located.lines.unwrap();
    assert_eq!((lines.line(0), lines.line(1), source.files()[0].format), (Some(2), Some(5), "json"));
    let wrapped = format!("{{\"v\": 1, \"data\": [{}]}}", ["{\"a\": 1}"; 12].join(","));
    let error = check("a.json", wrapped, "Unsupported", &["one object", "`data`"]);
    assert!(error.hint().unwrap().contains("jq '.data'"));
    let chat = ["{\"role\": \"user\", \"content\": \"x\"}"; 12].join(",");
    assert_eq!(open(&folder.file("c.json", format!("{{\"messages\": [{chat}]}}"))).unwrap().rows(), Some(1));
    // lines that are called so are lines
    let source = open(&folder.file("b.json", "{\"a\": 1}\n{\"a\": 2}\n")).unwrap();
    assert_eq!((source.rows(), source.files()[0].format), (Some(2), "jsonl"));
}

#[test]
fn json_lines() {
    check("a.jsonl", "", "Malformed", &["empty"]);
    check("a.jsonl", "{\"a\": 1}\n{\"a\": \n", "Malformed", &["broken JSON", "line 2"]);
    check("a.jsonl", "{\"a\": 1}\n\n5\n", "Malformed", &["not an object", "`5`", "line 3"]);
    check("a.jsonl", "{\"a\": 1, \"a\": 2}\n", "Malformed", &["`a` stands twice", "line 1"]);
    check("a.jsonl", b"{\"a\": \"\xff\"}\n", "Malformed", &["UTF-8", "line 1"]);
    check("a.jsonl", "[".repeat(100_000), "Unsupported", &["JSON array"]);
    check("a.jsonl", format!("{{\"a\":{}", "[".repeat(100_000)), "Malformed", &["recursion", "line 1"]);
}

#[test]
fn packed_text() {
    let text = "a,b\n".to_string() + &"1,2\n".repeat(100_000);
    let packed = gzip(text.as_bytes());
    check("a.csv.gz", &packed[..packed.len() / 2], "Malformed", &["gzip", "too early"]);
    let mut damaged = packed.clone();
    damaged[packed.len() - 6] ^= 0x55;
    check("a.csv.gz", damaged, "Malformed", &["gzip"]);
    let packed = zstd::encode_all(text.as_bytes(), 1).unwrap();
    check("a.csv.zst", &packed[..packed.len() / 2], "Malformed", &["zstd", "too early"]);
    let folder = Folder::new();
    let path = folder.file("a.csv.gz", gzip(text.as_bytes()));
    let limits = Limits { decompressed_bytes: 1000, ..Limits::default() };
    let error =
        Source::open(&[common::text(&path)], &OpenOptions { limits, ..OpenOptions::default() }).unwrap_err();
    assert!(matches!(error, FormatError::Limit { .. }), "{error}");
    let limits = Limits { row_bytes: 1 << 20, ..Limits::default() };
    let path = folder.file("long.csv", format!("a,b\n1,\"{}", "x".repeat(8 << 20)));
    let error =
        Source::open(&[common::text(&path)], &OpenOptions { limits, ..OpenOptions::default() }).unwrap_err();
    assert!(matches!(error, FormatError::Limit { .. }) && error.to_string().contains("line 2"), "{error}");
}

#[test]
fn parquet_and_arrow() {
    let folder = Folder::new();
    for name in ["a.parquet", "a.arrow"] {
        write(&folder.path(name), &mixed());
        let bytes = std::fs::read(folder.path(name)).unwrap();
        check(name, &bytes[..bytes.len() - 7], "Malformed", &[]);
        check(name, &bytes[..bytes.len() / 2], "Malformed", &[]);
        check(name, "", "Malformed", &["empty"]);
        check(name, "id,text\n1,2\n", "Malformed", &["not a", "`id,"]);
    }
    write(&folder.path("a.arrows"), &mixed());
    let bytes = std::fs::read(folder.path("a.arrows")).unwrap();
    check("a.arrows", &bytes[..bytes.len() - 100], "Malformed", &[]);
    check("a.feather", "FEA1....", "Unsupported", &["version 1"]);
}

#[test]
fn arrays() {
    check("a.npy", npy("<f4", false, "(3,)", &[0; 8]), "Malformed", &["fewer", "`(3)`"]);
    check("a.npy", npy("<f4", false, "(1,)", &[0; 8]), "Malformed", &["more"]);
    check(
        "a.npy",
        npy("<f8", false, "(4294967296, 4294967296, 4294967296)", &[0; 8]),
        "Malformed",
        &["impossible"],
    );
    check("a.npy", npy("<f8", false, "(1000000000000,)", &[0; 8]), "Malformed", &["fewer"]);
    assert!(
        check("a.npy", npy("|O", false, "(1,)", &[0; 8]), "Unsupported", &["runs code"]).hint().is_some()
    );
    check("a.npy", npy("<c8", false, "(1,)", &[0; 8]), "Unsupported", &["`<c8`"]);
    check("a.npy", npy("<f4", false, "()", &[0; 4]), "Unsupported", &["single value"]);
    check("a.npy", npy("<f4", false, "(2, 0)", &[]), "Unsupported", &["empty"]);
    check("a.npy", b"\x93NUMPY\x01\x00\xff\xff{", "Malformed", &["header"]);
    check("a.npy", "", "Malformed", &["empty"]);
    let entries = [("x", npy("<f4", false, "(2,)", &[0; 8])), ("y", npy("|O", false, "(2,)", &[0; 8]))];
    check("a.npz", npz(&entries, false), "Unsupported", &["`y`", "runs code"]);
    let bytes = npz(&entries[..1], true);
    check("a.npz", &bytes[..bytes.len() - 10], "Malformed", &["archive"]);
    check("a.npz", npz(&[("x", npy("<f4", false, "(3,)", &[0; 8]))], true), "Malformed", &["`x`", "fewer"]);
    let mut damaged = npz(&entries[..1], false);
    let at = damaged.windows(4).position(|w| w == b"desc").unwrap();
    damaged[at + 58] ^= 1;
    check("a.npz", damaged, "Malformed", &["`x`"]);
    let bomb = npz(&[("x", npy("|u1", false, "(300000000,)", &vec![0; 300_000_000]))], true);
    let folder = Folder::new();
    let limits = Limits { ratio: 200, ..Limits::default() };
    let path = text(&folder.file("bomb.npz", bomb));
    let error = Source::open(&[path], &OpenOptions { limits, ..OpenOptions::default() }).unwrap_err();
    assert!(matches!(error, FormatError::Limit { .. }) && error.to_string().contains("`200`"), "{error}");
    check("a.idx", idx(&[2, 28, 28], &[0; 100]), "Malformed", &["fewer"]);
    check("a.idx", idx(&[u32::MAX, u32::MAX, u32::MAX], &[0; 100]), "Malformed", &[]);
    check("a.idx", [0, 0, 8, 3, 0], "Malformed", &["cut off"]);
    let header = r#"{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,80]}}"#;
    check("a.safetensors", safetensors(header, &[0; 8]), "Malformed", &["`x`", "`0..80`"]);
    check("a.safetensors", [255; 20], "Malformed", &[]);
}

fn bmp(width: i32, height: i32) -> Vec<u8> {
    let mut out = b"BM".to_vec();
    out.extend([0; 8]);
    out.extend(54u32.to_le_bytes());
    out.extend(40u32.to_le_bytes());
    out.extend(width.to_le_bytes());
    out.extend(height.to_le_bytes());
    out.extend([1, 0, 24, 0]);
    out.extend([0; 24]);
    out
}

#[test]
fn images() {
    let field = Field::new("image", DataType::Binary, true);
    let mut tall = png(1, 1);
    tall[16..20].copy_from_slice(&60_000u32.to_be_bytes());
    tall[20..24].copy_from_slice(&60_000u32.to_be_bytes());
    let mut none = png(1, 1);
    none[16..20].copy_from_slice(&[0; 4]);
    let cases: Vec<(Vec<u8>, &str, &str)> = vec![
        (tall, "Limit", "`60000x60000`"),
        (bmp(60_000, 60_000), "Limit", "`60000x60000`"),
        (b"P6 60000 60000 255 ".to_vec(), "Limit", "`60000x60000`"),
        (none, "Malformed", "no pixels"),
        (bmp(0, 5), "Malformed", "no pixels"),
        (b"P5 0 0 255 ".to_vec(), "Malformed", ""),
        (b"hello, I am text".to_vec(), "Malformed", "not an image"),
        (vec![], "Malformed", "empty"),
        (png(9, 9)[..60].to_vec(), "Malformed", "cannot be decoded"),
    ];
    for (bytes, kind, words) in cases {
        let array = arrow_array::BinaryArray::from(vec![&b"x"[..], &bytes[..]]);
        let error = decode_image(&field, &array, 1).unwrap_err();
        let shown = error.to_string();
        assert!(format!("{error:?}").starts_with(kind) && shown.contains(words), "{shown}");
        assert!(shown.ends_with("row 2"), "{shown}");
    }
    let raw = field.clone().with_metadata([("foretaste.image".into(), "raw:60000x60000x3".into())].into());
    let array = arrow_array::BinaryArray::from(vec![&b"x"[..]]);
    assert!(matches!(decode_image(&raw, &array, 0), Err(FormatError::Limit { .. })));
    assert!(decode_image(&raw, &array, 5).is_err());
}

#[test]
fn names_and_files() {
    let folder = Folder::new();
    let options = OpenOptions::default();
    let error = Source::open(&[text(&folder.path("absent.csv"))], &options).unwrap_err();
    assert!(matches!(error, FormatError::NotFound { .. }));
    assert!(Source::open(&[], &options).is_err());
    std::fs::create_dir(folder.path("empty")).unwrap();
    assert!(open(&folder.path("empty")).is_err());
    let path = folder.file("a.csv", "a\n1\n");
    let options = OpenOptions { format: Some("xls".into()), ..OpenOptions::default() };
    let error = Source::open(&[text(&path)], &options).unwrap_err();
    assert!(matches!(error, FormatError::UnknownFormat { .. }) && error.hint().unwrap().contains("parquet"));
    check("a.bin", [1, 2, 0, 3, 255], "UnknownFormat", &["unknown format"]);
    // Types that cannot be joined name the file.
    folder.file("t/a.jsonl", "{\"v\": [1, 2]}\n");
    folder.file("t/b.jsonl", "{\"v\": true}\n");
    let error = open(&folder.path("t")).unwrap_err();
    assert!(matches!(error, FormatError::Schema { .. }) && error.to_string().contains("b.jsonl"), "{error}");
}

/// Files that made decoders panic or allocate without bound, as fuzzing found them: an error that names the file.
#[test]
fn files_that_crashed_a_decoder_are_refused() {
    let mut seen = 0;
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/crashes");
    for entry in std::fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        let format = path.extension().unwrap().to_str().unwrap().to_owned();
        let told = probe::read_bytes(&format, &std::fs::read(&path).unwrap());
        let error = told.expect_err(path.to_str().unwrap());
        assert!(matches!(error, FormatError::Malformed { .. } | FormatError::Limit { .. }), "{error:?}");
        assert!(error.to_string().contains("standard input"), "{error}");
        seen += 1;
    }
    assert!(seen >= 10);
}

fn samples() -> Vec<(&'static str, Vec<u8>)> {
    let folder = Folder::new();
    let mut out = Vec::new();
    for name in ["parquet", "arrow", "arrows", "jsonl", "json", "csv", "tsv"] {
        write(&folder.path(&format!("a.{name}")), &mixed());
        out.push((name, std::fs::read(folder.path(&format!("a.{name}"))).unwrap()));
    }
    out.push(("npy", npy("<f4", true, "(2, 3)", &[1; 24])));
    out.push((
        "npz",
        npz(
            &[("x", npy("|u1", false, "(2, 2, 2)", &[7; 8])), ("y", npy("<i8", false, "(2,)", &[1; 16]))],
            true,
        ),
    ));
    out.push(("idx", idx(&[2, 2, 2], &[3; 8])));
    out.push((
        "safetensors",
        safetensors(r#"{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, &[0; 8]),
    ));
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Damaged files and images give rows or an error, also where a decoder of others panics.
    #[test]
    fn mutated_bytes_never_panic(
        which in 0usize..10,
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
        shorten: bool,
    ) {
        let samples = samples();
        let (format, mut bytes) = samples[which].clone();
        for (at, value) in &edits {
            let at = at.index(bytes.len());
            bytes[at] = *value;
        }
        if shorten {
            bytes.truncate(cut.index(bytes.len()));
        }
        drop(probe::read_bytes(format, &bytes));
        let mut image = if which % 2 == 0 { png(3, 3) } else { bmp(2, 2) };
        for (at, value) in &edits {
            let at = at.index(image.len());
            image[at] = *value;
        }
        drop(probe::read_image(&image));
    }

    /// Any bytes at all.
    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "[a{}\\[\\]\",:\n\r0-9.e;\t-]{0,200}") {
        for format in ["csv", "tsv", "jsonl", "json", "npy", "npz", "idx", "safetensors", "parquet"] {
            drop(probe::read_bytes(format, &bytes));
            drop(probe::read_bytes(format, text.as_bytes()));
        }
        drop(probe::read_image(&bytes));
        probe::read_chat(&text);
    }

    /// Any list of turns, and any text with marks.
    #[test]
    fn random_conversations_lose_no_row(
        turns in prop::collection::vec(("(role|from|user|x)", "[a-z\\[\\]\"]{0,8}", "(content|value|assistant)"), 0..4),
        marked in "(USER: |ASSISTANT:|\\[INST\\]|\\[/INST\\]|### Response:|Human:|\n|é|\u{2028}|a){0,12}",
    ) {
        let turn = |(who, what, key): &(String, String, String)| {
            format!("{{{:?}:{:?},{:?}:{:?}}}", who, what, key, what)
        };
        probe::read_chat(&format!("[{}]", turns.iter().map(turn).collect::<Vec<_>>().join(",")));
        probe::read_chat(&marked);
    }
}
