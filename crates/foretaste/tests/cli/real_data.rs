//! Real data sets, where they are at hand: `FORETASTE_DATA` names their folder.

use crate::common::{Room, data, examples};

/// What each column of interest should be taken for.
#[test]
fn roles_of_real_tables_are_guessed_right() {
    let room = Room::new();
    for (set, column, role) in [
        ("sms_spam", "label", "label"),
        ("credit_default", "default", "label"),
        ("vehicle_claim_fraud", "FraudFound_P", "label"),
        ("spambase", "type", "label"),
        ("xquad_en", "qid", "id"),
        ("instructions", "src", "source"),
        ("movielens_100k", "rating", "rating"),
    ] {
        let Some(path) = data(set) else { continue };
        // Roles do not depend on the detector: the cheapest that runs will do.
        let only = if set == "movielens_100k" { "source-skew" } else { "near-duplicate" };
        let report = room.scan(&[path.to_str().unwrap(), "--only", only]);
        let columns = report["coverage"]["columns"].as_array().unwrap();
        let found = columns.iter().find(|c| c["name"] == column).unwrap();
        assert_eq!(found["role"], role, "{set}: {found}");
    }
}

#[test]
fn the_examples_can_be_read() {
    let room = Room::new();
    for (file, rows) in
        [("sms_spam.csv", "4,862"), ("adult_income.parquet", " rows"), ("fashion_mnist.npz", " rows")]
    {
        let path = examples().join(file);
        let run = room.run(&["scan", path.to_str().unwrap(), "--only", "near-duplicate"]);
        assert!(matches!(run.code, Some(0 | 1)) && run.out.contains(rows), "{file}: {}", run.all());
    }
}
