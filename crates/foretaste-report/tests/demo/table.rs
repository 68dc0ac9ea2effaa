//! A report on a table of people.

use super::*;

/// A table of people in two files.
pub fn table() -> Demo {
    let mut columns = vec![
        column("income", "string", Role::Label, "name; 2 values"),
        column("batch", "string", Role::Source, "name; 8 values"),
        column("annotator", "string", Role::Annotator, "name; 23 values"),
        column("id", "int64", Role::Id, "name; every value is different"),
        column("fnlwgt", "int64", Role::Ignored, "asked for"),
    ];
    for name in [
        "age",
        "workclass",
        "education",
        "education_num",
        "marital_status",
        "occupation",
        "relationship",
        "race",
        "sex",
        "capital_gain",
        "capital_loss",
        "hours_per_week",
        "native_country",
    ] {
        columns.push(column(
            name,
            if name.contains('_') { "int64" } else { "string" },
            Role::Feature,
            "number or category",
        ));
    }
    for i in 0..41 {
        columns.push(column(&format!("derived_{i:02}"), "float64", Role::Feature, "number"));
    }
    columns[6].nulls = 2799;
    let mut r = base(
        run(&[
            "foretaste",
            "scan",
            "census/train.parquet",
            "census/extra 2024.csv",
            "--label",
            "income",
            "--source",
            "batch",
            "--annotator",
            "annotator",
            "--id",
            "id",
            "--ignore",
            "fnlwgt",
        ]),
        Coverage {
            inputs: vec![
                InputFile {
                    path: "census/train.parquet".into(),
                    format: "parquet".into(),
                    bytes: 1_830_112,
                    rows: 40_222,
                },
                InputFile {
                    path: "census/extra 2024.csv".into(),
                    format: "csv".into(),
                    bytes: 712_000,
                    rows: 5000,
                },
            ],
            skipped: vec![],
            rows: 45_222,
            columns,
            classes: vec![
                ClassCount { name: "<=50K".into(), rows: 34_014 },
                ClassCount { name: ">50K".into(), rows: 11_188 },
            ],
            unlabelled: 20,
            complete: true,
        },
    );
    let person = |age: &str, hours: &str, gain: &str, strange: bool| {
        let age = if strange { odd("age", age) } else { plain("age", age) };
        let hours = if strange { odd("hours_per_week", hours) } else { plain("hours_per_week", hours) };
        vec![
            age,
            hours,
            plain("education", "Bachelors"),
            plain("occupation", "Exec-managerial"),
            plain("capital_gain", gain),
            plain("native_country", "United-States"),
        ]
    };
    let mut f1 = finding(
        "F1",
        Kind::LabelError,
        Severity::High,
        "618 labels contradict the rest of the row",
        (0..618)
            .map(|i| member(i * 61 + 4, Some("<=50K"), Some(">50K"), Some(1e-6 * (i + 1) as f64), false))
            .collect(),
    );
    f1.why = vec!["A model that did not see these rows gives their label a probability below 0.02; at most 31 of them are chance.".into(), "571 of them come from annotator `w-114`.".into()];
    f1.advice = "Have the labels checked, those of `w-114` first.".into();
    f1.detectors = vec!["label-noise".into()];
    f1.decision = Decision {
        rule: "benjamini-hochberg".into(),
        fdr: Some(0.05),
        p_value: Some(2e-19),
        at_least: Some(544),
    };
    f1.examples = vec![
        example(0, person("52", "60", "15,024", false), "p(<=50K) = 0.004"),
        example(1, person("47", "50", "7,688", false), "p(<=50K) = 0.009"),
        example(2, person("58", "55", "15,024", false), "p(<=50K) = 0.011"),
    ];
    let mut f2 = finding(
        "F2",
        Kind::SourceSkew,
        Severity::Medium,
        "Annotator `w-114` gives `<=50K` where others give `>50K`",
        (0..640)
            .map(|i| Member {
                quarantine: i < 571,
                ..member(i * 61 + 4, Some("<=50K"), Some(">50K"), None, false)
            })
            .collect(),
    );
    f2.why =
        vec!["38 % of the labels of `w-114` disagree with the model, against 4 % for the 22 others.".into()];
    f2.advice = "Leave out the labels of `w-114`, or have a sample of them labelled again.".into();
    f2.detectors = vec!["source-skew".into()];
    f2.decision =
        Decision { rule: "benjamini-hochberg".into(), fdr: Some(0.05), p_value: Some(4e-88), at_least: None };
    f2.tables = vec![table_of(
        "Disagreement by annotator",
        &["annotator", "labels", "disagree", "share"],
        &[
            &["w-114", "1,684", "640", "38.0 %"],
            &["w-007", "2,001", "102", "5.1 %"],
            &["w-031", "1,950", "88", "4.5 %"],
            &["20 others", "39,567", "1,522", "3.8 %"],
        ],
    )];
    let mut f3 = finding(
        "F3",
        Kind::Outlier,
        Severity::Low,
        "37 rows lie far from all others",
        (0..37)
            .map(|i| Member {
                quarantine: false,
                file: 1,
                line: Some(i * 90 + 2),
                file_row: i * 90 + 1,
                ..member(40_222 + i * 90, Some(">50K"), None, None, true)
            })
            .collect(),
    );
    f3.why = vec![
        "Their combination of `age` and `hours_per_week` stands outside what 99.99 % of the rows show."
            .into(),
    ];
    f3.advice = "Look for errors of entry.".into();
    f3.action = Action::Review;
    f3.detectors = vec!["robust-outlier".into()];
    f3.decision = Decision { rule: "uncalibrated".into(), fdr: None, p_value: None, at_least: None };
    f3.examples = vec![
        example(0, person("17", "99", "99,999", true), "age 17 with 99 hours"),
        example(1, person("90", "99", "0", true), "age 90 with 99 hours"),
    ];
    let mut f4 = finding(
        "F4",
        Kind::NearDuplicate,
        Severity::Note,
        "51 rows are exact copies",
        (0..102)
            .map(|i| Member {
                quarantine: i % 2 == 1,
                ..member(i * 400 + 9, Some("<=50K"), None, None, false)
            })
            .collect(),
    );
    f4.why = vec!["51 pairs of rows are equal in every column but the id.".into()];
    f4.advice = "Keep one of each.".into();
    f4.groups = (0..51).map(|g| vec![2 * g, 2 * g + 1]).collect();
    f4.detectors = vec!["near-duplicate".into()];
    f4.decision = Decision { rule: "fact".into(), fdr: None, p_value: None, at_least: Some(51) };
    f4.examples = vec![example(0, person("33", "40", "0", false), "equal to row 410")];
    r.findings = vec![f1, f2, f3, f4];
    r.detectors = vec![
        scored("label-noise", "Labels that the rest of the row contradicts", "5 folds", true, 45_222, 618),
        scored(
            "source-skew",
            "Labels, errors or copies concentrated in one source",
            "8 sources, 23 annotators",
            true,
            45_222,
            640,
        ),
        scored("robust-outlier", "Samples far from all others", "54 numeric columns", false, 45_222, 37),
        scored("near-duplicate", "Copies, exact or nearly so", "51 groups", false, 45_222, 102),
        detector(
            "hidden-content",
            "Characters that people do not see or take for others",
            DetectorStatus::Skipped,
            "needs a text column",
        ),
        detector(
            "image-outlier",
            "Images unlike all others",
            DetectorStatus::Skipped,
            "needs an image column",
        ),
    ];
    r.surrogate = Some(SurrogateRun {
        model: "boosted trees on 54 features".into(),
        folds: 5,
        accuracy: 0.861,
        noise_rate: Some(0.019),
        noise_interval: Some((0.015, 0.024)),
    });
    r.confusion = Some(Confusion {
        names: vec!["<=50K".into(), ">50K".into()],
        counts: vec![vec![31_900, 2114], vec![4101, 7087]],
        flagged: vec![vec![0, 618], vec![0, 0]],
    });
    r.notes = vec!["20 rows without a label were scored by the detectors that need none.".into()];
    let s = samples(&r, 45_222, &["<=50K", "<=50K", "<=50K", ">50K"], false);
    (r, s)
}
