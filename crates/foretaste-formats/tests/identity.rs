//! Write then read is the identity, for every format that is written; and every format knows its own files.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::sync::Arc;

use arrow_array::*;
use arrow_schema::{DataType, Field, Schema};
use common::*;
use foretaste_formats::*;
use proptest::prelude::*;

#[test]
fn tables() {
    for name in ["a.parquet", "a.arrow", "a.feather", "a.arrows", "a.jsonl", "a.json"] {
        let folder = Folder::new();
        let batch = with_vectors();
        write(&folder.path(name), &batch);
        let source = open(&folder.path(name)).unwrap();
        same_values(&batch, &all(&source).unwrap());
        for _ in 0..2 {
            assert_eq!(all(&source).unwrap().num_rows(), 4, "a source can be read again");
        }
    }
}

#[test]
fn delimited_text() {
    for name in ["a.csv", "a.tsv"] {
        let folder = Folder::new();
        write(&folder.path(name), &mixed());
        let read = read(&folder.path(name)).unwrap();
        same_values(&mixed(), &read);
        assert_eq!(read.schema().field(0).data_type(), &DataType::Utf8, "007 stays text");
    }
}

#[test]
fn arrays() {
    let folder = Folder::new();
    write(&folder.path("a.npz"), &numbers());
    let read_back = read(&folder.path("a.npz")).unwrap();
    same_values(&numbers(), &read_back);
    for column in 0..numbers().num_columns() {
        let one = numbers().project(&[column]).unwrap();
        write(&folder.path("a.npy"), &one);
        let read_back = read(&folder.path("a.npy")).unwrap();
        assert_eq!(read_back.num_columns(), 1);
        let name = read_back.schema().field(0).name().clone();
        assert_eq!(name, if column == 0 { "embedding" } else { "value" });
        assert_eq!(
            format!("{:?}", one.column(0)),
            format!("{:?}", arrow_cast::cast(read_back.column(0), one.column(0).data_type()).unwrap())
        );
        std::fs::remove_file(folder.path("a.npy")).unwrap();
    }
}

#[test]
fn images_in_arrays() {
    let folder = Folder::new();
    let pixels: Vec<u8> = (0..24).collect();
    folder.file(
        "x.npz",
        npz(
            &[
                ("train_x", npy("|u1", false, "(2, 2, 2, 3)", &pixels)),
                ("train_y", npy("|u1", false, "(2,)", &[0, 1])),
                ("test_x", npy("|u1", false, "(1, 2, 2, 3)", &pixels[..12])),
            ],
            true,
        ),
    );
    let source = open(&folder.path("x.npz")).unwrap();
    let batch = all(&source).unwrap();
    assert_eq!((batch.num_rows(), batch.num_columns()), (2, 2));
    let schema = source.schema();
    assert_eq!(schema.field(0).name(), "x");
    assert_eq!(schema.field(0).metadata()["foretaste.image"], "raw:2x2x3");
    let image = decode_image(schema.field(0), batch.column(0).as_ref(), 1).unwrap().unwrap();
    assert_eq!((image.width, image.height, image.channels, &image.pixels[..]), (2, 2, 3, &pixels[12..]));
    assert!(source.notes().iter().any(|n| n.kind == NoteKind::Skipped && n.text.contains("`test_x`")));
    let test =
        Source::open(&[format!("{}#test", text(&folder.path("x.npz")))], &OpenOptions::default()).unwrap();
    assert_eq!((test.rows(), test.schema().field(0).name().as_str()), (Some(1), "x"));
    // Written images come back as images.
    write(&folder.path("y.npz"), &batch);
    let again = open(&folder.path("y.npz")).unwrap();
    assert_eq!(again.schema().field(0).metadata()["foretaste.image"], "raw:2x2x3");
    same_values(&batch, &all(&again).unwrap());
}

#[test]
fn orders_and_byte_orders() {
    let folder = Folder::new();
    // The matrix [[1, 2, 3], [4, 5, 6]] column by column, big endian.
    let values: Vec<u8> = [1f64, 4.0, 2.0, 5.0, 3.0, 6.0].iter().flat_map(|v| v.to_be_bytes()).collect();
    let bytes = npy(">f8", true, "(2, 3)", &values);
    folder.file("a.npy", &bytes);
    folder.file("b.npz", npz(&[("m", bytes.clone())], false));
    folder.file("c.npz", npz(&[("m", bytes)], true));
    for name in ["a.npy", "b.npz", "c.npz"] {
        let source = open(&folder.path(name)).unwrap();
        let shown = format!("{:?}", all(&source).unwrap().column(0));
        let at: Vec<usize> =
            ["1.0", "2.0", "3.0", "4.0", "5.0", "6.0"].iter().map(|v| shown.find(v).unwrap()).collect();
        assert!(at.is_sorted(), "{shown}");
        assert!(source.notes().iter().any(|n| n.kind == NoteKind::Converted));
    }
    // Three axes: [[[0,1],[2,3]],[[4,5],[6,7]]] with the first axis fastest.
    let values: Vec<u8> =
        [0f32, 4.0, 2.0, 6.0, 1.0, 5.0, 3.0, 7.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    folder.file("d.npy", npy("<f4", true, "(2, 2, 2)", &values));
    let batch = read(&folder.path("d.npy")).unwrap();
    let list = batch.column(0).as_any().downcast_ref::<FixedSizeListArray>().unwrap().clone();
    let values = list.values().as_any().downcast_ref::<Float32Array>().unwrap().values().to_vec();
    assert_eq!(values, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
    folder.file(
        "u.npy",
        npy(
            "<U3",
            false,
            "(2,)",
            &"ab\0é\0\0".chars().flat_map(|c| (c as u32).to_le_bytes()).collect::<Vec<u8>>(),
        ),
    );
    assert_eq!(
        strings(&read(&folder.path("u.npy")).unwrap(), "value"),
        [Some("ab".into()), Some("é".into())]
    );
}

#[test]
fn idx_pairs_and_image_folders() {
    let folder = Folder::new();
    folder.file("m/train-images-idx3-ubyte.gz", gzip(&idx(&[2, 2, 2], &[0, 1, 2, 3, 4, 5, 6, 7])));
    folder.file("m/train-labels-idx1-ubyte.gz", gzip(&idx(&[2], &[9, 3])));
    for path in [folder.path("m"), folder.path("m/train-images-idx3-ubyte.gz")] {
        let source = open(&path).unwrap();
        let batch = all(&source).unwrap();
        assert_eq!(strings(&batch, "label"), [Some("9".into()), Some("3".into())]);
        let image = decode_image(source.schema().field(0), batch.column(0).as_ref(), 1).unwrap().unwrap();
        assert_eq!((image.width, image.pixels), (2, vec![4, 5, 6, 7]));
        assert_eq!(source.files().len(), 1);
    }
    folder.file("i/cat/1.png", png(3, 2));
    folder.file("i/dog/2.ppm", b"P6 1 1 255 abc");
    folder.file("i/dog/readme.md", b"no image");
    #[cfg(unix)]
    std::os::unix::fs::symlink(folder.path("i"), folder.path("i/dog/loop")).unwrap();
    let source = open(&folder.path("i")).unwrap();
    let batch = all(&source).unwrap();
    assert_eq!(strings(&batch, "label"), [Some("cat".into()), Some("dog".into())]);
    assert_eq!(strings(&batch, "path"), [Some("cat/1.png".into()), Some("dog/2.ppm".into())]);
    let image = decode_image(source.schema().field(2), batch.column(2).as_ref(), 0).unwrap().unwrap();
    assert_eq!((image.width, image.height, image.channels), (3, 2, 3));
    assert_eq!(image.pixels[15..], [2, 1, 7]);
    let skipped = source.notes().iter().filter(|n| n.kind == NoteKind::Skipped).count();
    assert_eq!(skipped, if cfg!(unix) { 2 } else { 1 }, "{:?}", source.notes());
}

#[test]
fn hugging_face_images_and_safetensors() {
    let folder = Folder::new();
    let fields = vec![Field::new("bytes", DataType::Binary, true), Field::new("path", DataType::Utf8, true)];
    let bytes: ArrayRef = Arc::new(BinaryArray::from_opt_vec(vec![Some(&png(2, 2)[..]), None]));
    let paths: ArrayRef = Arc::new(StringArray::from(vec![Some("a.png"), None]));
    let images = StructArray::from(fields.into_iter().map(Arc::new).zip([bytes, paths]).collect::<Vec<_>>());
    let schema = Schema::new(vec![Field::new("image", images.data_type().clone(), true)]);
    write(
        &folder.path("h.parquet"),
        &RecordBatch::try_new(Arc::new(schema), vec![Arc::new(images)]).unwrap(),
    );
    let source = open(&folder.path("h.parquet")).unwrap();
    let batch = all(&source).unwrap();
    assert_eq!(source.schema().field(0).metadata()["foretaste.role"], "image");
    assert_eq!(
        decode_image(source.schema().field(0), batch.column(0).as_ref(), 0).unwrap().unwrap().width,
        2
    );
    assert_eq!(decode_image(source.schema().field(0), batch.column(0).as_ref(), 1).unwrap(), None);

    let values: Vec<u8> =
        (0..6).flat_map(|v| (v as f32).to_le_bytes()).chain([3, 0, 0, 0, 4, 0, 0, 0]).collect();
    let header = r#"{"emb":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"y":{"dtype":"I32","shape":[2],"data_offsets":[24,32]}}"#;
    folder.file("e.safetensors", safetensors(header, &values));
    let batch = read(&folder.path("e.safetensors")).unwrap();
    assert_eq!(strings(&batch, "y"), [Some("3".into()), Some("4".into())]);
    assert!(matches!(batch.schema().field(0).data_type(), DataType::FixedSizeList(_, 3)));
}

#[test]
fn sniffing_is_right_about_all_formats() {
    let folder = Folder::new();
    for name in ["a.parquet", "a.arrow", "a.arrows", "a.jsonl", "a.json", "a.csv", "a.tsv"] {
        write(&folder.path(name), &mixed());
    }
    write(&folder.path("a.npz"), &numbers());
    write(&folder.path("a.npy"), &numbers().project(&[0]).unwrap());
    folder.file("a.idx", idx(&[2, 2, 2], &[0; 8]));
    folder
        .file("a.safetensors", safetensors(r#"{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#, &[1]));
    for id in
        ["parquet", "arrow", "arrows", "jsonl", "json", "csv", "tsv", "npz", "npy", "idx", "safetensors"]
    {
        let bytes = std::fs::read(folder.path(&format!("a.{id}"))).unwrap();
        // With its own name, without one, with one that says nothing, and packed.
        for name in [format!("b.{id}"), "nameless".into(), "b.bin".into()] {
            let path = folder.file(&name, &bytes);
            let format = open(&path).unwrap().files()[0].format;
            // A nameless table with tabs is the same to both names of delimited text.
            assert_eq!(format, id, "{name}");
            let claims: Vec<&str> =
                formats().iter().filter(|f| f.sniff(&bytes, &path)).map(|f| f.id()).collect();
            assert_eq!(claims.first(), Some(&id), "{name}: {claims:?}");
            let packed = folder.file(&format!("{name}.gz"), gzip(&bytes));
            assert_eq!(open(&packed).unwrap().files()[0].format, id, "{name}.gz");
        }
    }
    let zstd = zstd::encode_all(&b"a,b\n1,2\n"[..], 1).unwrap();
    assert_eq!(read(&folder.file("z.csv.zst", zstd)).unwrap().num_rows(), 1);
}

#[test]
fn files_of_one_set() {
    let folder = Folder::new();
    folder.file("p1.csv", "a,b\n1,x\n");
    folder.file("p2.csv", "b,a\ny,2.5\n");
    folder.file("p3.csv", "a,c\n007,true\n");
    let pattern = text(&folder.path("p*.csv"));
    for input in [pattern, text(folder.0.path())] {
        let source = Source::open(&[input], &OpenOptions::default()).unwrap();
        let batch = all(&source).unwrap();
        assert_eq!(strings(&batch, "a"), [Some("1".into()), Some("2.5".into()), Some("007".into())]);
        assert_eq!(strings(&batch, "b"), [Some("x".into()), Some("y".into()), None]);
        assert_eq!(source.files().len(), 3);
        assert!(source.notes().iter().any(|n| n.kind == NoteKind::Missing && n.text.contains("`b`")));
    }
    let error = Source::open(&[text(&folder.path("q*.csv"))], &OpenOptions::default()).unwrap_err();
    assert!(matches!(error, FormatError::NotFound { .. }) && error.hint().is_some());
}

#[test]
fn the_whole_file_decides_types() {
    let folder = Folder::new();
    let mut text = String::from("n,m,k\n");
    (0..400_000).for_each(|i| text.push_str(&format!("{i},{i},{i}\n")));
    text.push_str("1.5,late,007\n");
    let path = folder.file("late.csv", &text);
    let source = open(&path).unwrap();
    let types: Vec<String> = source.schema().fields().iter().map(|f| f.data_type().to_string()).collect();
    assert_eq!(types, ["Float64", "Utf8", "Utf8"]);
    assert_eq!(source.rows(), Some(400_001));
    let batch = all(&source).unwrap();
    assert_eq!(strings(&batch, "m").last().unwrap().as_deref(), Some("late"));
    assert_eq!(batch.num_rows(), 400_001);
}

#[test]
fn lines_and_raw_rows() {
    let folder = Folder::new();
    let text = "\u{feff}a,b\r\n1,\"x\ny\"\r\n\r\n2,z\r\n3,\"\"";
    let source = open(&folder.file("a.csv", text)).unwrap();
    let located = source.batches().unwrap().next().unwrap().unwrap();
    let lines = located.lines.unwrap();
    assert_eq!((0..3).map(|i| lines.line(i).unwrap()).collect::<Vec<_>>(), [2, 5, 6]);
    let (mut kept, mut rest) = (Vec::new(), Vec::new());
    let counts = copy_rows(&source, &|row| row != 1, &mut kept, &mut rest).unwrap();
    assert_eq!(counts, (2, 1));
    assert_eq!(String::from_utf8(kept).unwrap(), "\u{feff}a,b\r\n1,\"x\ny\"\r\n\r\n3,\"\"");
    assert_eq!(String::from_utf8(rest).unwrap(), "\u{feff}a,b\r\n2,z\r\n");
    assert_eq!(
        strings(&all(&source).unwrap(), "b"),
        [Some("x\ny".into()), Some("z".into()), Some(String::new())]
    );
    let source = open(&folder.file("a.jsonl", "{\"a\": 1.50}\n\n{\"a\":2}\n")).unwrap();
    let (mut kept, mut rest) = (Vec::new(), Vec::new());
    copy_rows(&source, &|row| row == 0, &mut kept, &mut rest).unwrap();
    assert_eq!((kept.as_slice(), rest.as_slice()), (&b"{\"a\": 1.50}\n\n"[..], &b"{\"a\":2}\n"[..]));
    let source = open(&folder.file("a.json", "[{\"a\": 1.50},\n\n {\"a\":2},{\"a\":\"x\\n\"}]")).unwrap();
    let split = |keep: &dyn Fn(u64) -> bool| {
        let (mut kept, mut rest) = (Vec::new(), Vec::new());
        copy_rows(&source, keep, &mut kept, &mut rest).unwrap();
        [kept, rest].map(|bytes| String::from_utf8(bytes).unwrap())
    };
    assert_eq!(split(&|row| row != 1), ["[\n{\"a\": 1.50},\n{\"a\":\"x\\n\"}\n]\n", "[\n{\"a\":2}\n]\n"]);
    assert_eq!(split(&|_| true)[1].split_whitespace().collect::<String>(), "[]");
}

#[test]
fn nested_objects() {
    let folder = Folder::new();
    let text = r#"{"id": "1", "u": {"name": "x", "age": 3}, "v": [1, 2.5], "t": ["a"], "n": NaN}
{"id": "2", "u": {"name": "y"}, "v": [3, 4], "big": 18446744073709551615}
{"id": "3", "v": null, "late": {"deep": true}, "n": 1}
"#;
    let batch = read(&folder.file("a.jsonl", text)).unwrap();
    let names: Vec<String> = batch.schema().fields().iter().map(|f| f.name().clone()).collect();
    assert_eq!(names, ["id", "u.name", "u.age", "v", "t", "n", "big", "late.deep"]);
    assert!(matches!(batch.schema().field(3).data_type(), DataType::FixedSizeList(_, 2)));
    assert_eq!(strings(&batch, "t"), [Some("[\"a\"]".into()), None, None]);
    assert_eq!(strings(&batch, "big")[1].as_deref(), Some("18446744073709551615"));
    assert_eq!(strings(&batch, "n"), [Some("NaN".into()), None, Some("1.0".into())]);
}

#[test]
fn an_unfinished_file_leaves_nothing() {
    let folder = Folder::new();
    folder.file("a.csv", "old");
    for name in ["a.csv", "a.jsonl", "a.parquet", "a.arrow"] {
        let mut out = writer(&folder.path(name), None, mixed().schema()).unwrap();
        out.write(&mixed()).unwrap();
        drop(out);
    }
    assert_eq!(std::fs::read_dir(folder.0.path()).unwrap().count(), 1);
    assert_eq!(std::fs::read(folder.path("a.csv")).unwrap(), b"old");
    assert!(writer(&folder.path("a.csv.gz"), None, mixed().schema()).is_err());
    assert!(writer(&folder.path("a.idx"), None, mixed().schema()).is_err());
}

#[test]
fn dictionaries_are_handed_out_plain() {
    let folder = Folder::new();
    let array: DictionaryArray<arrow_array::types::Int32Type> = vec!["a", "b", "a"].into_iter().collect();
    let schema = Schema::new(vec![Field::new("c", array.data_type().clone(), true)]);
    let batch = RecordBatch::try_new(Arc::new(schema), vec![Arc::new(array)]).unwrap();
    for name in ["d.parquet", "d.arrow"] {
        write(&folder.path(name), &batch);
        let read = read(&folder.path(name)).unwrap();
        assert_eq!(read.schema().field(0).data_type(), &DataType::Utf8);
        assert_eq!(strings(&read, "c")[1].as_deref(), Some("b"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Any text survives CSV, with its nulls and empty strings.
    #[test]
    fn csv_quoting(cells in prop::collection::vec((prop::option::of("[a ,;\t|\"\n\ré'.-]{0,12}"), "x[\" ,\n]{0,3}"), 1..20), tsv: bool) {
        let folder = Folder::new();
        let a: ArrayRef = Arc::new(StringArray::from(cells.iter().map(|c| c.0.clone()).collect::<Vec<_>>()));
        let b: ArrayRef = Arc::new(StringArray::from(cells.iter().map(|c| Some(c.1.clone())).collect::<Vec<_>>()));
        let batch = RecordBatch::try_from_iter([("a", a), ("b", b)]).unwrap();
        let path = folder.path(if tsv { "a.tsv" } else { "a.csv" });
        write(&path, &batch);
        let types = [("a".to_string(), DataType::Utf8), ("b".to_string(), DataType::Utf8)].into();
        let delimiter = Some(if tsv { b'\t' } else { b',' });
        let options = OpenOptions { has_header: Some(true), delimiter, types, batch_rows: 3, ..OpenOptions::default() };
        let source = Source::open(&[text(&path)], &options).unwrap();
        let read = all(&source).unwrap();
        prop_assert_eq!(strings(&batch, "a"), strings(&read, "a"));
        prop_assert_eq!(strings(&batch, "b"), strings(&read, "b"));
    }
}
