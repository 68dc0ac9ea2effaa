use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringBuilder, StructBuilder};
use arrow_array::{Array, ArrayRef, LargeStringArray, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Fields, Schema};

use super::{Chats, REASON};
use crate::images::ROLE;

fn batch(name: &str, column: ArrayRef) -> RecordBatch {
    let number: ArrayRef = Arc::new(arrow_array::Int64Array::from_iter_values(0..column.len() as i64));
    let fields =
        vec![Field::new(name, column.data_type().clone(), true), Field::new("n", DataType::Int64, false)];
    RecordBatch::try_new(Arc::new(Schema::new(fields)), vec![column, number]).unwrap()
}

fn texts(rows: &[Option<&str>]) -> RecordBatch {
    batch("chat", Arc::new(StringArray::from(rows.to_vec())))
}

/// Each made column with its texts.
fn read(batch: &RecordBatch) -> Option<Vec<(String, Vec<Option<String>>)>> {
    let chats = Chats::find(&batch.schema(), batch)?;
    let read = chats.read(batch).unwrap();
    assert_eq!(read.num_rows(), batch.num_rows());
    let cells = |column: &ArrayRef| {
        let column = column.as_any().downcast_ref::<LargeStringArray>().unwrap();
        (0..column.len()).map(|i| column.is_valid(i).then(|| column.value(i).to_owned())).collect()
    };
    let made = batch.num_columns()..read.num_columns();
    Some(made.map(|at| (read.schema().field(at).name().clone(), cells(read.column(at)))).collect())
}

fn said(texts: &[&str]) -> Vec<Option<String>> {
    texts.iter().map(|t| Some((*t).to_owned())).collect()
}

#[test]
fn lists_of_turns_as_json_whatever_their_keys() {
    let rows = [
        r#"[{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"c"},{"role":"assistant","content":"d"}]"#,
        r#" [{"from":"human","value":"e"},{"from":"gpt","value":"f","weight":1}]"#,
        r#"[{"user":"g","assistant":"h"}]"#,
        r#"[{"role":"user","content":[{"type":"text","text":"i"},{"type":"text","text":"j"}]},{"role":"assistant","content":null,"tool_calls":[{"x":1}]}]"#,
        r#"[{"role":"user","parts":[{"text":"k"}]},{"role":"model","parts":[{"text":"l"},{"text":"m"}]}]"#,
    ];
    let made = read(&texts(&rows.map(Some))).unwrap();
    assert_eq!(made[0], ("chat.user".into(), said(&["a\nc", "e", "g", "i\nj", "k"])));
    assert_eq!(made[1], ("chat.assistant".into(), said(&["b\nd", "f", "h", "[{\"x\":1}]", "l\nm"])));
    assert_eq!(made.len(), 2);
}

#[test]
fn the_systems_words_have_a_column_where_the_first_rows_have_them() {
    let plain = r#"[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]"#;
    let led = r#"[{"role":"system","content":"s"},{"role":"user","content":"a"},{"role":"tool","content":"t"},{"role":"assistant","content":"b"}]"#;
    let made = read(&texts(&[Some(plain), Some(led)])).unwrap();
    assert_eq!(made[0], ("chat.system".into(), vec![None, Some("s".into())]));
    assert_eq!(made[1].1, said(&["a", "a\nt"]));
    let first = texts(&[Some(plain)]);
    let chats = Chats::find(&first.schema(), &first).unwrap();
    let later = chats.read(&texts(&[Some(led)])).unwrap();
    let asked = later.column(2).as_any().downcast_ref::<LargeStringArray>().unwrap();
    assert_eq!(asked.value(0), "s\na\nt");
}

#[test]
fn later_rows_that_are_no_conversation_count_as_asked_and_none_is_lost() {
    let first = texts(&[Some(r#"[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]"#)]);
    let chats = Chats::find(&first.schema(), &first).unwrap();
    let later = chats.read(&texts(&[Some("just words"), None, Some("[1, 2]"), Some("[{]")])).unwrap();
    let cells = |at: usize| later.column(at).as_any().downcast_ref::<LargeStringArray>().unwrap().clone();
    assert_eq!(cells(2).iter().collect::<Vec<_>>(), [Some("just words"), None, Some("[1, 2]"), Some("[{]")]);
    assert_eq!(cells(3).null_count(), 4);
    assert_eq!(chats.names().collect::<Vec<_>>(), ["chat"]);
    assert_eq!(chats.schema().field(0).metadata()[ROLE], "ignored");
    assert_eq!(chats.schema().field(3).metadata()[ROLE], "response");
    assert!(chats.schema().field(2).metadata()[REASON].contains("`chat`"));
}

#[test]
fn nested_columns() {
    let parts = Fields::from(vec![
        Field::new("content", DataType::Utf8, true),
        Field::new("role", DataType::Utf8, true),
    ]);
    let turns =
        StructBuilder::new(parts, vec![Box::new(StringBuilder::new()), Box::new(StringBuilder::new())]);
    let mut list = ListBuilder::new(turns);
    let rows: [&[(&str, Option<&str>)]; 3] = [
        &[("a", Some("user")), ("b", Some("assistant"))],
        &[("c", None), ("d", Some("Assistant")), ("e", Some("stranger"))],
        &[],
    ];
    for row in rows {
        for (content, role) in row {
            let turn = list.values();
            turn.field_builder::<StringBuilder>(0).unwrap().append_value(content);
            turn.field_builder::<StringBuilder>(1).unwrap().append_option(*role);
            turn.append(true);
        }
        list.append(!row.is_empty());
    }
    let whole = batch("messages", Arc::new(list.finish()));
    let made = read(&whole).unwrap();
    assert_eq!(made[0], ("messages.user".into(), vec![Some("a".into()), Some("c\ne".into()), None]));
    assert_eq!(made[1].1, vec![Some("b".into()), Some("d".into()), None]);
    // a slice has its own offsets
    let made = read(&whole.slice(1, 2)).unwrap();
    assert_eq!(made[0].1, vec![Some("c\ne".into()), None]);
}

#[test]
fn templates() {
    let cases = [
        ("<s>[INST] a [/INST] b </s><s>[INST] c [/INST] d </s>", "a\nc", "b\nd"),
        ("### Instruction:\na\n\n### Input:\nc\n\n### Response:\nb", "a\nc", "b"),
        ("<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n", "a", "b"),
        ("\n\nHuman: a\n\nAssistant: b: Human: no", "a", "b: Human: no"),
        ("USER: a ASSISTANT: b</s>", "a", "b"),
        ("<start_of_turn>user\na<end_of_turn>\n<start_of_turn>model\nb<end_of_turn>", "a", "b"),
        ("### Human: a### Assistant: b", "a", "b"),
        ("Question: a\nAnswer: b", "a", "b"),
    ];
    for (text, asked, answered) in cases {
        let made = read(&texts(&[Some(text)])).unwrap_or_else(|| panic!("{text}"));
        assert_eq!((&made[0].1, &made[1].1), (&said(&[asked]), &said(&[answered])), "{text}");
    }
    let led = read(&texts(&[Some("Below is a task.\n### Instruction:\na\n### Response:\nb")])).unwrap();
    assert_eq!(led[0], ("chat.system".into(), said(&["Below is a task."])));
}

#[test]
fn other_texts_and_lists_are_left_alone() {
    assert!(read(&texts(&[Some("USER: only one side"), Some("words")])).is_none());
    assert!(read(&texts(&[Some("[INST] a [/INST]"), Some("[INST] b [/INST] ")])).is_none(), "prompts");
    assert!(read(&texts(&[Some(r#"[{"role":"user","x":"a"},{"role":"assistant","x":"b"}]"#)])).is_none());
    assert!(read(&texts(&[Some(r#"[{"name":"a"}]"#)])).is_none());
    assert!(read(&texts(&[Some("[1, 2, 3]")])).is_none());
    assert!(read(&texts(&[None, None])).is_none());
    let mut mixed = vec![Some("USER: a ASSISTANT: b"); 9];
    mixed.push(Some("plain words"));
    assert!(read(&texts(&mixed)).is_none(), "nine of ten are too few");
    // a column of that name is there already
    let one = texts(&[Some("USER: a ASSISTANT: b")]);
    let fields =
        vec![Field::new("chat", DataType::Utf8, true), Field::new("chat.user", DataType::Int64, false)];
    let taken = RecordBatch::try_new(Arc::new(Schema::new(fields)), one.columns().to_vec()).unwrap();
    assert!(read(&taken).is_none());
}

#[test]
fn what_two_answers_have_in_common_is_asked_once() {
    let chat = |asked: &str, said: &str| {
        format!(r#"[{{"role":"user","content":"{asked}"}},{{"role":"assistant","content":"{said}"}}]"#)
    };
    let column = |rows: [String; 2]| Arc::new(StringArray::from(rows.to_vec())) as ArrayRef;
    let batch = RecordBatch::try_from_iter([
        ("chosen", column([chat("a", "b"), chat("c", "d")])),
        ("rejected", column([chat("a", "e"), chat("f", "g")])),
    ])
    .unwrap();
    let made = read(&batch).unwrap();
    let names: Vec<&str> = made.iter().map(|m| m.0.as_str()).collect();
    assert_eq!(names, ["chosen.user", "chosen.assistant", "rejected.user", "rejected.assistant"]);
    assert_eq!(made[0].1, said(&["a", "c"]));
    assert_eq!(made[2].1, vec![None, Some("f".into())]);
    assert_eq!(made[3].1, said(&["e", "g"]));
}

#[test]
fn a_turn_of_one_speaker_is_read_as_in_other_data() {
    let first = texts(&[Some(r#"[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]"#)]);
    let chats = Chats::find(&first.schema(), &first).unwrap();
    let asked = chats.read_of(&texts(&[Some(r#"[{"role":"user","content":"only asked"}]"#)]));
    let cell = |name: &str| {
        let column = asked.column_by_name(name).unwrap().as_any().downcast_ref::<LargeStringArray>().unwrap();
        column.is_valid(0).then(|| column.value(0).to_owned())
    };
    assert_eq!((cell("chat.user"), cell("chat.assistant")), (Some("only asked".into()), None));
    let other = batch("words", Arc::new(StringArray::from(vec!["a"])));
    assert_eq!(chats.read_of(&other), other);
}
