//! Every output over every demo report: well-formed, valid, and inert whatever the data say.
#![allow(clippy::unwrap_used)] // functions that tests share are tests too

mod demo;

use demo::{ATTACKS, Demo};
use foretaste_report::{Render, excerpt, renders, text::Text};
use serde_json::Value;

fn write(render: &dyn Render, demo: &Demo) -> Vec<u8> {
    let mut out = Vec::new();
    render.render(&demo.0, &demo.1, &mut out).unwrap();
    out
}

fn output(id: &str, demo: &Demo) -> String {
    let render = renders().iter().find(|r| r.id() == id).unwrap();
    String::from_utf8(write(*render, demo)).unwrap()
}

fn json(id: &str, demo: &Demo) -> Value {
    serde_json::from_str(&output(id, demo)).unwrap()
}

#[test]
fn ids_and_names_are_unique_and_the_same_report_gives_the_same_bytes() {
    let mut seen = std::collections::BTreeSet::new();
    let demo = demo::text();
    for r in renders() {
        assert!(seen.insert(r.id()) && seen.insert(r.file_name()), "{}", r.id());
        assert_eq!(write(*r, &demo), write(*r, &demo), "{}", r.id());
    }
}

#[test]
fn json_is_what_its_schema_says_and_reads_back() {
    let schema = foretaste_report::json::schema();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    for (name, demo) in demo::all() {
        let value = json("json", &demo);
        let errors: Vec<String> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
        let back: foretaste_core::Report = serde_json::from_value(value.clone()).unwrap();
        let again: Value = serde_json::from_str(&serde_json::to_string(&back).unwrap()).unwrap();
        assert!(alike(&again, &value), "{name}");
        let mut wrong = value;
        wrong["coverage"].as_object_mut().unwrap().remove("rows");
        assert!(!validator.is_valid(&wrong), "{name}");
    }
}

/// Equal, but for the last digits of a number, which the parser need not keep.
fn alike(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => {
            let (x, y) = (x.as_f64().unwrap(), y.as_f64().unwrap());
            (x - y).abs() <= 1e-12 * x.abs()
        }
        (Value::Array(x), Value::Array(y)) => x.len() == y.len() && x.iter().zip(y).all(|(x, y)| alike(x, y)),
        (Value::Object(x), Value::Object(y)) => {
            x.len() == y.len() && x.iter().zip(y).all(|((k, x), (l, y))| k == l && alike(x, y))
        }
        _ => a == b,
    }
}

#[test]
fn sarif_is_valid() {
    let schema: Value = serde_json::from_str(include_str!("schemas/sarif-2.1.0.json")).unwrap();
    let validator = jsonschema::draft7::new(&schema).unwrap();
    for (name, demo) in demo::all() {
        let log = json("sarif", &demo);
        let errors: Vec<String> =
            validator.iter_errors(&log).take(5).map(|e| format!("{e} at {}", e.instance_path())).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
        for result in log["runs"][0]["results"].as_array().unwrap() {
            let rule = result["ruleIndex"].as_u64().unwrap() as usize;
            assert_eq!(log["runs"][0]["tool"]["driver"]["rules"][rule]["id"], result["ruleId"]);
            let uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].as_str().unwrap();
            assert!(uri.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~/%".contains(&b)), "{uri}");
        }
    }
}

#[test]
fn sarif_points_at_lines_and_says_what_it_leaves_out() {
    let log = json("sarif", &demo::text());
    let first = &log["runs"][0]["results"][0];
    assert_eq!(first["locations"][0]["physicalLocation"]["region"]["startLine"], 42);
    assert_eq!(first["level"], "error");
    assert_eq!(first["taxa"][0]["id"], "AML.T0010");
    let log = json("sarif", &demo::images());
    let results = log["runs"][0]["results"].as_array().unwrap();
    assert_eq!(results.len(), 486 + 1000);
    assert!(results[0]["locations"][0]["logicalLocations"][0]["name"].as_str().unwrap().starts_with("row "));
    assert!(!results[486]["relatedLocations"].as_array().unwrap().is_empty());
    let said = log["runs"][0]["invocations"][0]["toolExecutionNotifications"].to_string();
    assert!(said.contains("1000 of 1310") && said.contains("heic"));
}

/// A tag: name and attributes. Ours are written with double quotes, so this strict reading is the right one.
struct Tag {
    name: String,
    attributes: Vec<(String, String)>,
}

/// All start tags of a page, outside the elements whose text is not markup. Panics where markup is not strict.
fn tags(page: &str) -> Vec<Tag> {
    let mut out = Vec::new();
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if rest.starts_with(['!', '/']) {
            rest = &rest[rest.find('>').unwrap()..];
            continue;
        }
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap();
        let mut tag = Tag { name: rest[..end].to_owned(), attributes: vec![] };
        assert!(!tag.name.is_empty(), "a stray `<` before {:?}", &rest[..rest.len().min(40)]);
        rest = &rest[end..];
        loop {
            rest = rest.trim_start_matches([' ', '\n', '/']);
            if let Some(after) = rest.strip_prefix('>') {
                rest = after;
                break;
            }
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == ':')).unwrap();
            assert!(end > 0, "bad attribute in {} at {:?}", tag.name, &rest[..rest.len().min(40)]);
            let (name, after) = rest.split_at(end);
            let (value, after) = match after.strip_prefix("=\"") {
                Some(quoted) => quoted.split_once('"').unwrap(),
                None => ("", after),
            };
            tag.attributes.push((name.to_owned(), value.to_owned()));
            rest = after;
        }
        if ["script", "style"].contains(&tag.name.as_str()) {
            rest = &rest[rest.find(&format!("</{}", tag.name)).unwrap()..];
        }
        out.push(tag);
    }
    out
}

const ELEMENTS: &str = "html head meta title style body div aside p nav a b i button main header h1 h2 h3 dl dt dd \
    section ul li span table thead tbody tr th td caption details summary svg g text rect path figure figcaption img \
    article blockquote bdi mark code pre noscript input select option script";

#[test]
fn html_lets_nothing_of_the_data_run() {
    for (name, demo) in demo::all() {
        let page = output("html", &demo);
        let mut scripts = 0;
        for tag in tags(&page) {
            assert!(ELEMENTS.split_whitespace().any(|e| e == tag.name), "{name}: <{}>", tag.name);
            scripts += usize::from(tag.name == "script");
            for (key, value) in &tag.attributes {
                assert!(!key.starts_with("on"), "{name}: {key} in <{}>", tag.name);
                match key.as_str() {
                    "src" => assert!(value.starts_with("data:image/png;base64,"), "{name}: {value}"),
                    "href" => assert!(value.starts_with('#'), "{name}: {value}"),
                    "style" => {
                        assert!(value.starts_with("width:") && !value.contains(';'), "{name}: {value}")
                    }
                    "id" | "class" => assert!(!value.contains(['&', '\'']), "{name}: {value}"),
                    _ => {}
                }
            }
        }
        assert_eq!(scripts, 2, "{name}: ours, and the data of the table");
        assert_eq!(page.matches("<!").count(), 1, "{name}: the doctype alone");
        assert!(!page.chars().any(|c| c != '\n' && excerpt::is_hidden(c)), "{name}");
        for attack in &ATTACKS[..3] {
            assert!(!page.contains(attack), "{name}: {attack}");
        }
        let content =
            "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'";
        assert!(page.contains(content));
    }
}

#[test]
fn html_asks_nobody_for_anything() {
    let page = output("html", &demo::images());
    for remote in ["http:", "https:", "url(", "@import", "<link", "fetch(", "XMLHttp"] {
        assert!(!page.contains(remote), "{remote}");
    }
}

#[test]
fn html_template_trusts_only_what_is_ours() {
    let template = include_str!("../templates/report.html");
    let trusted: Vec<&str> =
        template.match_indices("|safe").map(|(at, _)| template[..at].rsplit("{{ ").next().unwrap()).collect();
    assert_eq!(trusted, ["style", "samples", "script"]);
}

#[test]
fn html_draws_the_stamp_and_says_that_it_was_tried() {
    let mut demo = demo::images();
    let f = &mut demo.0.findings[0];
    f.kind = foretaste_core::Kind::Backdoor;
    f.decision.rule = "confirmed".into();
    f.trigger = Some(foretaste_core::Trigger::Patch {
        left: 3,
        top: 4,
        width: 2,
        height: 1,
        channels: 3,
        pixels: vec![255, 0, 0, 0, 0, 16],
    });
    f.target_class = Some("stop".into());
    let page = output("html", &demo);
    assert!(page.contains("<rect x=\"0\" y=\"0\" width=\"1\" height=\"1\" fill=\"#ff0000\"/>"));
    assert!(page.contains("<rect x=\"1\" y=\"0\" width=\"1\" height=\"1\" fill=\"#000010\"/>"));
    assert!(page.contains("the trigger turns a model") && !page.contains("a rule that was asked for"));
    let validator = jsonschema::draft202012::new(&foretaste_report::json::schema()).unwrap();
    assert!(validator.is_valid(&json("json", &demo)));
}

#[test]
fn html_draws_stamps_at_changing_places_and_frames() {
    use foretaste_core::Trigger;
    let mut demo = demo::images();
    let pixels = vec![255, 0, 0, 0, 0, 16];
    demo.0.findings[0].trigger = Some(Trigger::PatchAnywhere { width: 2, height: 1, channels: 3, pixels });
    let page = output("html", &demo);
    assert!(page.contains("patch of 2 x 1 pixels at changing places"));
    assert!(page.contains("<rect x=\"1\" y=\"0\" width=\"1\" height=\"1\" fill=\"#000010\"/>"));
    demo.0.findings[0].trigger = Some(Trigger::Frame { lines: 2, colour: vec![0, 9, 0] });
    let page = output("html", &demo);
    assert!(page.contains("frame of 2 pixels around the picture, colour 0, 9, 0"));
    // 12 squares on a side, 8 of them inside
    assert_eq!(page.matches("fill=\"#000900\"").count(), 12 * 12 - 8 * 8);
    demo.0.findings[0].trigger = Some(Trigger::Frame { lines: u32::MAX, colour: vec![] });
    output("html", &demo);
}

#[test]
fn html_table_holds_the_most_suspicious() {
    let demo = demo::images();
    let page = output("html", &demo);
    let data = page.split("id=\"data\">").nth(1).unwrap().split("</script>").next().unwrap();
    let data: Value = serde_json::from_str(data).unwrap();
    let rows = data["rows"].as_array().unwrap();
    assert_eq!(rows.len(), foretaste_report::html::MAX_SAMPLES);
    let verdict = data["head"].as_array().unwrap().iter().position(|h| h[1] == "verdict").unwrap();
    assert!(rows.iter().all(|r| r[verdict] == "quarantine"));
    assert_eq!(rows[0].as_array().unwrap().len(), data["head"].as_array().unwrap().len());
}

/// The text without our own styles, which are the only escape sequences allowed.
fn unstyled(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\x1b[") {
        out += before;
        let end = after.find(|c: char| !(c.is_ascii_digit() || c == ';')).unwrap();
        assert!(after[end..].starts_with('m'), "{:?}", &after[..end + 1]);
        rest = &after[end + 1..];
    }
    out + rest
}

#[test]
fn text_fits_a_screen_and_cannot_drive_the_terminal() {
    for (name, demo) in demo::all() {
        for width in [40, 72, 100, 160] {
            for verbose in [false, true] {
                let render = Text { width, verbose, took: Some("1.2 s".into()), next: None };
                let text = unstyled(&String::from_utf8(write(&render, &demo)).unwrap());
                assert!(!text.chars().any(|c| c != '\n' && excerpt::is_hidden(c)), "{name}");
                let lines: Vec<&str> = text.lines().collect();
                if width >= 100 && !verbose {
                    assert!(lines.len() <= 42, "{name}: {} lines\n{text}", lines.len());
                }
                for line in lines.iter().filter(|l| !l.contains("foretaste clean")) {
                    assert!(excerpt::width(line) <= width, "{name}, {width}: {line:?}");
                }
            }
        }
    }
}

#[test]
fn text_says_what_matters() {
    let text = unstyled(&output("text", &demo::text()));
    for part in [
        "5,574 rows",
        "--label label",
        "name; 2 values",
        "3 findings",
        "HIGH",
        "feed-7",
        "around the corner",
        "spam → ham",
        "line 42",
        "par\\u{200b}cel",
        "knn-label",
        "foretaste clean sms.csv --findings report.json",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    let clean = unstyled(&output("text", &demo::clean()));
    assert!(clean.contains("No poison found, nothing to distrust at 5 % false discovery\n"), "{clean}");
    assert!(clean.contains("looked: label-noise, source-skew"), "{clean}");
    assert!(unstyled(&output("text", &demo::empty())).contains("Nothing was examined"));
}

/// The screens as they were last looked at. With `FORETASTE_BLESS=1` they are written anew, to be read in the diff.
#[test]
fn text_looks_as_it_was_reviewed() {
    for (name, demo) in demo::all().into_iter().filter(|(name, _)| *name != "hostile") {
        let render = Text { took: Some("1.2 s".into()), ..Text::default() };
        let text = unstyled(&String::from_utf8(write(&render, &demo)).unwrap());
        let path = format!("{}/tests/screens/{name}.txt", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("FORETASTE_BLESS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "{name}: FORETASTE_BLESS=1 accepts it");
    }
}

#[test]
fn counts_leave_out_the_members_of_a_skew() {
    let mut demo = demo::text();
    demo.0.findings.truncate(1);
    let f = &mut demo.0.findings[0];
    f.kind = foretaste_core::Kind::SourceSkew;
    f.members.iter_mut().for_each(|m| m.quarantine = false);
    let text = unstyled(&output("text", &demo));
    assert!(text.contains("1 finding\n"), "{text}");
    assert!(!text.contains("to review") && !text.contains("foretaste clean sms.csv"), "{text}");
}

#[test]
fn markdown_is_inert() {
    for (name, demo) in demo::all() {
        let page = output("markdown", &demo);
        assert!(page.len() < 1_000_000, "{name}: {} bytes", page.len());
        for tag in tags(&page) {
            let ours = ["details", "summary", "b", "br", "code", "pre"].contains(&tag.name.as_str());
            assert!(ours && tag.attributes.is_empty(), "{name}: <{}>", tag.name);
        }
        assert!(!page.contains("@m") && !page.contains("http://") && !page.contains("]("), "{name}");
        assert!(!page.chars().any(|c| c != '\n' && excerpt::is_hidden(c)), "{name}");
        let bars: std::collections::BTreeSet<usize> = page
            .lines()
            .filter(|l| l.starts_with("| ") && l.contains("**"))
            .map(|l| l.matches('|').count())
            .collect();
        assert!(bars.len() <= 1, "{name}: a cell breaks the table");
    }
    assert!(output("markdown", &demo::text()).len() < 65_536);
}

#[test]
fn samples_read_back() {
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Float64Type, Int64Type};
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    let demo = demo::text();
    let file = tempfile_with(&write(&foretaste_report::samples::Samples, &demo));
    let reader =
        ParquetRecordBatchReaderBuilder::try_new(file).unwrap().with_batch_size(10_000).build().unwrap();
    let batches: Vec<_> = reader.map(Result::unwrap).collect();
    assert_eq!(batches.iter().map(|b| b.num_rows()).sum::<usize>(), 5574);
    let b = &batches[0];
    let text = |name: &str| b.column_by_name(name).unwrap().as_string::<i32>().clone();
    assert_eq!(text("id").value(40), demo.1[40].id.0);
    assert_eq!(text("file").value(0), "sms.csv");
    assert_eq!(text("verdict").value(40), "quarantine");
    assert_eq!(b.column_by_name("line").unwrap().as_primitive::<Int64Type>().value(40), 42);
    assert_eq!(
        b.column_by_name("findings").unwrap().as_list::<i32>().value(40).as_string::<i32>().value(0),
        "F1"
    );
    let p = b.column_by_name("p_label-noise").unwrap().as_primitive::<Float64Type>().clone();
    assert_eq!(Some(p.value(40)), demo.1[40].p_value[0]);
    assert_eq!(b.column_by_name("p_hidden-content").unwrap().null_count(), 5574);
}

#[test]
fn an_empty_table_of_samples_is_a_table() {
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    let file = tempfile_with(&write(&foretaste_report::samples::Samples, &demo::empty()));
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    assert_eq!(reader.schema().fields().len(), 9);
    assert_eq!(reader.metadata().file_metadata().num_rows(), 0);
}

fn tempfile_with(bytes: &[u8]) -> std::fs::File {
    use std::io::{Seek, Write};
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}
