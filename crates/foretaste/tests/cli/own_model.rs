//! `scan --embed`: vectors of pictures by the user's own model.

use crate::common::Room;

#[path = "../../../foretaste-embed/src/small.rs"]
mod small;

/// Pictures of two classes, 8 x 8, as a folder of files.
fn pictures(room: &Room) {
    for i in 0..60usize {
        let class = if i.is_multiple_of(2) { "dark" } else { "light" };
        let mut file = b"P6 8 8 255\n".to_vec();
        let base = if i.is_multiple_of(2) { 20 } else { 150 };
        file.extend((0..192).map(|k| (base + (k * 37 + i * 101) % 90) as u8));
        room.write(&format!("pictures/{class}/{i:03}.ppm"), file);
    }
    room.write("small.onnx", small::Small::default().bytes());
    room.write("tokens.onnx", small::of_tokens());
    room.write("words.csv", "text,label\nfree prize now,a\nsee you at lunch,b\n");
}

#[cfg(not(feature = "onnx"))]
#[test]
fn a_build_without_the_feature_says_how_to_build_it() {
    let room = Room::new();
    pictures(&room);
    room.run(&["scan", "pictures", "--embed", "small.onnx"])
        .expect(2, &["`small.onnx`: this build runs no models", "hint:", "--features onnx"]);
    room.run(&["scan", "pictures", "--embed-scale", "unit"]).expect(2, &["--embed MODEL"]);
}

#[cfg(feature = "onnx")]
#[test]
fn pictures_are_read_by_the_model_and_the_report_says_so() {
    let room = Room::new();
    pictures(&room);
    let command = ["pictures", "--embed", "small.onnx"];
    let report = room.scan(&command);
    let hash = blake3(&room.path("small.onnx"));
    let notes = report["notes"].to_string();
    for part in [&hash, "4 numbers each", "f32[N,3,8,8]", "`imagenet`", "a guess", "--embed-scale"] {
        assert!(notes.contains(part), "{part}: {notes}");
    }
    let model = report["surrogate"]["model"].as_str().unwrap();
    assert!(model.contains("vectors of small.onnx"), "{model}");
    let words = report["run"]["command"].to_string();
    assert!(words.contains(r#""--embed","small.onnx","--embed-scale","imagenet""#), "{words}");
    let again = room.scan(&[&command[..], &["--threads", "3"]].concat());
    assert_eq!(report, again);
    room.write("foretaste.toml", "embed = \"small.onnx\"\nembed-scale = \"127,128\"\n");
    let notes = room.scan(&["pictures"])["notes"].to_string();
    assert!(notes.contains("`127,128`") && !notes.contains("a guess"), "{notes}");
}

#[cfg(feature = "onnx")]
#[test]
fn models_and_data_that_do_not_fit_are_told() {
    let room = Room::new();
    pictures(&room);
    let scan = |input: &str, model: &str, more: &[&str]| {
        room.run(&[&["scan", input, "--embed", model], more].concat())
    };
    scan("pictures", "tokens.onnx", &[])
        .expect(2, &["`tokens.onnx`", "token ids", "not supported yet", "hint:"]);
    scan("pictures", "words.csv", &[]).expect(2, &["`words.csv`: it is no ONNX model", "hint:"]);
    scan("pictures", "none.onnx", &[]).expect(2, &["`none.onnx`", "--embed"]);
    scan("words.csv", "small.onnx", &[]).expect(2, &["no column holds any", "--image"]);
    scan("pictures", "small.onnx", &["--embed-scale", "bright"])
        .expect(2, &["`bright` is no scaling", "imagenet"]);
    scan("pictures", "small.onnx", &["--embed-output", "map"])
        .expect(2, &["`map` is f32[8,4,3,3]", "--embed-output"]);
}

#[cfg(feature = "onnx")]
fn blake3(path: &std::path::Path) -> String {
    blake3::hash(&std::fs::read(path).unwrap()).to_hex().to_string()
}
