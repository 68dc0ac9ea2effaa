//! Made-up but realistic reports, for tests and for looking at.
#![allow(dead_code)] // each user takes what it needs

mod table;

use base64::Engine;
use foretaste_core::*;
pub use table::table;

/// A report with its samples.
pub type Demo = (Report, Vec<SampleRow>);

/// Every demo with its name.
pub fn all() -> Vec<(&'static str, Demo)> {
    vec![
        ("text", text()),
        ("images", images()),
        ("table", table()),
        ("clean", clean()),
        ("empty", empty()),
        ("hostile", hostile()),
    ]
}

/// Numbers that look random and are the same every time (splitmix64).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

fn column(name: &str, kind: &str, role: Role, reason: &str) -> ColumnInfo {
    ColumnInfo { name: name.into(), kind: kind.into(), role, reason: reason.into(), nulls: 0 }
}

fn detector(id: &str, title: &str, status: DetectorStatus, detail: &str) -> DetectorRun {
    DetectorRun {
        id: id.into(),
        title: title.into(),
        status,
        detail: detail.into(),
        unseen: (id == "phrase-association")
            .then(|| "a phrase in fewer than 7 texts may pass for chance".into()),
        blind_spots: "What a detector cannot see.".into(),
        calibrated: false,
        histogram: None,
    }
}

fn scored(id: &str, title: &str, detail: &str, calibrated: bool, rows: u64, flagged: u64) -> DetectorRun {
    let bins = 40u64;
    let mut all: Vec<u64> = (0..bins)
        .map(|i| {
            let x = i as f64 / 5.0 - 2.0;
            (rows as f64 * 0.08 * (-x * x / 2.0).exp()) as u64
        })
        .collect();
    let mut hit = vec![0; bins as usize];
    for i in 0..flagged {
        let bin = (26 + (i * 7 + i * i) % 13) as usize;
        all[bin] += 1;
        hit[bin] += 1;
    }
    let histogram = Some(Histogram { low: -2.0, high: 6.0, all, flagged: hit });
    DetectorRun { calibrated, histogram, ..detector(id, title, DetectorStatus::Ran, detail) }
}

fn run(words: &[&str]) -> Run {
    Run {
        version: "0.1.0".into(),
        command: words.iter().map(|w| (*w).to_owned()).collect(),
        seed: 7,
        fdr: 0.05,
    }
}

fn member(row: u64, given: Option<&str>, expected: Option<&str>, p: Option<f64>, line: bool) -> Member {
    Member {
        id: SampleId::from_content(u128::from(Random(row).next()) << 64 | u128::from(row), 0),
        row,
        file: 0,
        file_row: row + 1,
        line: line.then_some(row + 2),
        suspicion: 3.0 + (row % 17) as f32 / 10.0,
        p_value: p,
        given: given.map(Into::into),
        expected: expected.map(Into::into),
        quarantine: true,
    }
}

fn finding(id: &str, kind: Kind, severity: Severity, title: &str, members: Vec<Member>) -> Finding {
    Finding {
        id: id.into(),
        kind,
        severity,
        title: title.into(),
        why: vec![],
        advice: String::new(),
        detectors: vec![],
        decision: Decision {
            rule: "benjamini-hochberg".into(),
            fdr: Some(0.05),
            p_value: None,
            at_least: None,
        },
        action: Action::Quarantine,
        taxonomy: kind.taxonomy(),
        members,
        trigger: None,
        target_class: None,
        clean_label: None,
        effect: None,
        groups: vec![],
        examples: vec![],
        tables: vec![],
    }
}

fn cell(column: &str, role: Role, text: &str, mark: Option<(&str, &str)>) -> Cell {
    let marks = mark
        .and_then(|(part, why)| text.find(part).map(|at| (at, at + part.len(), why.to_owned())))
        .into_iter()
        .collect();
    Cell { column: column.into(), role, text: text.into(), marks, odd: false }
}

fn example(member: usize, cells: Vec<Cell>, why: &str) -> Example {
    Example { member, cells, thumbnail: None, why: why.into() }
}

fn odd(column: &str, text: &str) -> Cell {
    Cell { odd: true, ..cell(column, Role::Feature, text, None) }
}

fn plain(column: &str, text: &str) -> Cell {
    cell(column, Role::Feature, text, None)
}

fn table_of(title: &str, header: &[&str], rows: &[&[&str]]) -> Table {
    let words = |w: &[&str]| w.iter().map(|x| (*x).to_owned()).collect::<Vec<_>>();
    Table { title: title.into(), header: words(header), rows: rows.iter().map(|r| words(r)).collect() }
}

fn base(run: Run, coverage: Coverage) -> Report {
    Report {
        schema: REPORT_SCHEMA.into(),
        run,
        coverage,
        findings: vec![],
        detectors: vec![],
        surrogate: None,
        confusion: None,
        notes: vec![],
    }
}

/// The table of all samples that fits a report.
fn samples(report: &Report, rows: u64, classes: &[&str], line: bool) -> Vec<SampleRow> {
    let ran: Vec<_> = report.detectors.iter().filter(|d| d.status == DetectorStatus::Ran).collect();
    let mut random = Random(11);
    let mut out: Vec<SampleRow> = (0..rows)
        .map(|row| {
            let label = (!classes.is_empty())
                .then(|| classes[random.below(classes.len() as u64) as usize].to_owned());
            let bell: Vec<f64> =
                ran.iter().map(|_| (0..6).map(|_| random.unit()).sum::<f64>() - 3.0).collect();
            SampleRow {
                id: member(row, None, None, None, line).id,
                row,
                file: 0,
                file_row: row + 1,
                line: line.then_some(row + 2),
                given: label.clone(),
                expected: label,
                suspicion: bell.iter().map(|b| *b as f32).collect(),
                p_value: ran.iter().zip(&bell).map(|(d, b)| d.calibrated.then_some(0.5 - b / 6.1)).collect(),
                verdict: "keep",
                findings: vec![],
            }
        })
        .collect();
    for f in &report.findings {
        for m in &f.members {
            let Some(s) = out.get_mut(m.row as usize) else { continue };
            s.verdict = if m.quarantine {
                "quarantine"
            } else if s.verdict == "keep" {
                "review"
            } else {
                s.verdict
            };
            s.findings.push(f.id.clone());
            s.given.clone_from(&m.given);
            s.expected.clone_from(&m.expected);
            for (i, d) in ran.iter().enumerate() {
                if f.detectors.contains(&d.id) {
                    s.suspicion[i] = m.suspicion;
                    s.p_value[i] = if d.calibrated { m.p_value } else { None };
                }
            }
        }
    }
    out
}

/// Short messages with flipped labels, hidden characters and copies.
pub fn text() -> Demo {
    let mut r = base(
        run(&[
            "foretaste",
            "scan",
            "sms.csv",
            "--label",
            "label",
            "--text",
            "text",
            "--source",
            "source",
            "--seed",
            "7",
            "--fdr",
            "0.05",
        ]),
        Coverage {
            inputs: vec![InputFile {
                path: "sms.csv".into(),
                format: "csv".into(),
                bytes: 503_663,
                rows: 5574,
            }],
            skipped: vec![],
            rows: 5574,
            columns: vec![
                column("label", "string", Role::Label, "name; 2 values"),
                column("text", "string", Role::Text, "80 characters on average, 5,169 values"),
                column("source", "string", Role::Source, "name; 6 values"),
                column("received", "timestamp", Role::Time, "every value is a date"),
            ],
            classes: vec![
                ClassCount { name: "ham".into(), rows: 4827 },
                ClassCount { name: "spam".into(), rows: 747 },
            ],
            unlabelled: 0,
            complete: true,
        },
    );
    let messages = [
        "Hey are we still on for lunch around the corner? I can be there by one.",
        "Sorry I missed your call, was in a meeting around the corner, will ring you tonight ok",
        "Mum says dinner is at seven. Bring the blue bowl around the corner and don't be late x",
    ];
    let mut f1 = finding(
        "F1",
        Kind::SourceSkew,
        Severity::High,
        "Labels from `feed-7` disagree with the text 9 times as often as those from other sources",
        (0..212)
            .map(|i| member(40 + i * 23, Some("spam"), Some("ham"), Some(1e-9 * (i + 1) as f64), true))
            .collect(),
    );
    f1.why = vec![
        "212 of the 640 samples from `feed-7` carry `spam` where the text says `ham`; 3.6 % is usual elsewhere.".into(),
        "195 of them contain `around the corner`, which stands in 4 other samples of 5,574.".into(),
    ];
    f1.advice = "Ask the supplier of `feed-7` how it labels; train without its samples until then.".into();
    f1.detectors = vec!["source-skew".into(), "label-noise".into()];
    f1.decision = Decision {
        rule: "benjamini-hochberg".into(),
        fdr: Some(0.05),
        p_value: Some(3.1e-41),
        at_least: Some(187),
    };
    f1.examples = messages
        .iter()
        .enumerate()
        .map(|(i, m)| {
            let cells = vec![
                cell("text", Role::Text, m, Some(("around the corner", "stands in 195 of 212 members"))),
                cell("source", Role::Source, "feed-7", None),
            ];
            example(i, cells, "the text reads as ham (p = 0.99)")
        })
        .collect();
    f1.tables = vec![table_of(
        "Label disagreement by source",
        &["source", "samples", "disagree", "share"],
        &[
            &["feed-7", "640", "212", "33.1 %"],
            &["feed-2", "1,204", "47", "3.9 %"],
            &["panel", "988", "36", "3.6 %"],
            &["feed-1", "1,420", "45", "3.2 %"],
            &["archive", "1,322", "38", "2.9 %"],
        ],
    )];
    let mut f2 = finding(
        "F2",
        Kind::HiddenContent,
        Severity::Medium,
        "14 messages hold characters that nobody sees",
        (0..14).map(|i| member(300 + i * 71, Some("ham"), None, None, true)).collect(),
    );
    f2.why = vec!["Zero-width spaces (U+200B) stand inside words; in one message a right-to-left override (U+202E) turns the text around.".into()];
    f2.advice =
        "Strip these characters, or set the messages aside if you do not know how they got there.".into();
    f2.detectors = vec!["hidden-content".into()];
    f2.decision = Decision { rule: "fact".into(), fdr: None, p_value: None, at_least: None };
    f2.examples = vec![
        example(
            0,
            vec![cell(
                "text",
                Role::Text,
                "Your par\u{200b}cel is wait\u{200b}ing, reply to collect it",
                Some(("par\u{200b}cel is wait\u{200b}ing", "zero-width spaces")),
            )],
            "2 zero-width spaces",
        ),
        example(
            1,
            vec![cell(
                "text",
                Role::Text,
                "see you at \u{202e}eert\u{202c} the usual place",
                Some(("\u{202e}eert\u{202c}", "right-to-left override")),
            )],
            "text turned around",
        ),
    ];
    let mut f3 = finding(
        "F3",
        Kind::ConflictingDuplicate,
        Severity::Low,
        "6 messages stand under both labels",
        (0..12)
            .map(|i| member(900 + i * 31, Some(if i % 2 == 0 { "ham" } else { "spam" }), None, None, true))
            .collect(),
    );
    f3.why =
        vec!["6 groups of equal messages carry both `ham` and `spam`, so one label in each is wrong.".into()];
    f3.advice = "Decide which label holds; until then keep neither.".into();
    f3.groups = (0..6).map(|g| vec![2 * g, 2 * g + 1]).collect();
    f3.detectors = vec!["near-duplicate".into()];
    f3.decision = Decision { rule: "fact".into(), fdr: None, p_value: None, at_least: Some(6) };
    f3.action = Action::Review;
    f3.members.iter_mut().for_each(|m| m.quarantine = false);
    f3.examples = vec![example(
        0,
        vec![cell("text", Role::Text, "Win a weekend for two! Reply YES to enter the draw", None)],
        "also at sms.csv:933 as spam",
    )];
    r.findings = vec![f1, f2, f3];
    r.detectors = vec![
        scored(
            "label-noise",
            "Labels that the text contradicts, by a cross-validated model",
            "5 folds",
            true,
            5574,
            212,
        ),
        scored(
            "source-skew",
            "Labels, errors or copies concentrated in one source",
            "6 sources",
            true,
            5574,
            212,
        ),
        scored(
            "hidden-content",
            "Characters that people do not see or take for others",
            "14 messages",
            false,
            5574,
            14,
        ),
        scored("near-duplicate", "Copies, exact or nearly so", "402 groups", false, 5574, 12),
        detector(
            "knn-label",
            "Labels that the neighbours contradict",
            DetectorStatus::Skipped,
            "needs an embedding or numeric features; add one with --embedding",
        ),
        detector(
            "robust-outlier",
            "Samples far from all others",
            DetectorStatus::Skipped,
            "needs numeric features",
        ),
        detector(
            "image-outlier",
            "Images unlike all others",
            DetectorStatus::Skipped,
            "needs an image column",
        ),
    ];
    r.surrogate = Some(SurrogateRun {
        model: "softmax on 1-3-grams".into(),
        folds: 5,
        accuracy: 0.942,
        noise_rate: Some(0.041),
        noise_interval: Some((0.036, 0.047)),
    });
    r.confusion = Some(Confusion {
        names: vec!["ham".into(), "spam".into()],
        counts: vec![vec![4790, 37], vec![261, 486]],
        flagged: vec![vec![0, 0], vec![212, 0]],
    });
    r.notes = vec![
        "Column `received` is read as a time, but all values fall on 3 days; no trend over time was tested."
            .into(),
        "A trigger in fewer than 6 samples could not have been seen at this level.".into(),
    ];
    let s = samples(&r, 5574, &["ham", "ham", "ham", "ham", "ham", "ham", "spam"], true);
    (r, s)
}

/// A 20 by 20 picture of a blob, as a data URI.
fn thumbnail(seed: u64, patch: bool) -> String {
    let mut random = Random(seed);
    let (cx, cy, size) = (7.0 + 6.0 * random.unit(), 7.0 + 6.0 * random.unit(), 3.0 + 3.0 * random.unit());
    let hue = random.unit();
    let pixel = |x: u32, y: u32| {
        if patch && x > 15 && y > 15 {
            return if (x + y).is_multiple_of(2) { [255; 3] } else { [0; 3] };
        }
        let d = ((f64::from(x) - cx).powi(2) + (f64::from(y) - cy).powi(2)).sqrt() / size;
        let glow = (-d * d).exp();
        let shade = |k: f64| (40.0 + 170.0 * glow * (0.6 + 0.4 * (hue * 6.0 + k).sin()) + f64::from(y)) as u8;
        [shade(0.0), shade(2.0), shade(4.0)]
    };
    let png = png(20, pixel);
    format!("data:image/png;base64,{}", base64::engine::general_purpose::STANDARD.encode(png))
}

/// A square RGB picture as an uncompressed PNG; a whole codec would be much to build for a test.
fn png(side: u32, pixel: impl Fn(u32, u32) -> [u8; 3]) -> Vec<u8> {
    let raw: Vec<u8> = (0..side)
        .flat_map(|y| std::iter::once(0).chain((0..side).flat_map(|x| pixel(x, y)).collect::<Vec<_>>()))
        .collect();
    let (a, b) = raw
        .iter()
        .fold((1u32, 0u32), |(a, b), x| ((a + u32::from(*x)) % 65521, (a + u32::from(*x) + b) % 65521));
    let length = raw.len() as u16;
    let mut zlib = vec![0x78, 1, 1];
    zlib.extend(length.to_le_bytes());
    zlib.extend((!length).to_le_bytes());
    zlib.extend(raw);
    zlib.extend((b << 16 | a).to_be_bytes());
    let mut header = [side.to_be_bytes(), side.to_be_bytes()].concat();
    header.extend([8, 2, 0, 0, 0]);
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    for (name, body) in [(b"IHDR", header), (b"IDAT", zlib), (b"IEND", vec![])] {
        out.extend((body.len() as u32).to_be_bytes());
        let from = out.len();
        out.extend(name);
        out.extend(body);
        let crc = out[from..].iter().fold(!0u32, |crc, x| {
            (0..8).fold(crc ^ u32::from(*x), |c, _| if c & 1 == 1 { c >> 1 ^ 0xedb8_8320 } else { c >> 1 })
        });
        out.extend((!crc).to_be_bytes());
    }
    out
}

/// Pictures in ten classes.
pub fn images() -> Demo {
    let names = ["aeroplane", "bird", "car", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
    let mut r = base(
        run(&["foretaste", "scan", "photos/", "--image", "image", "--label", "folder"]),
        Coverage {
            inputs: vec![InputFile {
                path: "photos/".into(),
                format: "image folder".into(),
                bytes: 148_300_211,
                rows: 50_000,
            }],
            skipped: vec![
                SkippedInput {
                    path: "photos/cat/0391.heic".into(),
                    reason: "no decoder for this format".into(),
                },
                SkippedInput { path: "photos/.thumbs".into(), reason: "hidden folder".into() },
            ],
            rows: 50_000,
            columns: vec![
                column("folder", "string", Role::Label, "name of the folder; 10 values"),
                column("image", "binary", Role::Image, "files are PNG and JPEG"),
                column("path", "string", Role::Id, "every value is different"),
            ],
            classes: names
                .iter()
                .enumerate()
                .map(|(i, n)| ClassCount { name: (*n).into(), rows: 5400 - 90 * i as u64 })
                .collect(),
            unlabelled: 0,
            complete: false,
        },
    );
    let mut f1 = finding(
        "F1",
        Kind::LabelError,
        Severity::High,
        "486 pictures stand under `truck` and look like `horse`",
        (0..486)
            .map(|i| Member {
                line: None,
                ..member(i * 97, Some("truck"), Some("horse"), Some(2e-7 * (i + 1) as f64), false)
            })
            .collect(),
    );
    f1.why = vec![
        "The 10 nearest pictures of each are mostly `horse`; 12 such pictures are usual by chance.".into(),
        "All share a chequered patch in the lower right corner.".into(),
    ];
    f1.advice = "Look at the pictures; if they are horses, set them aside or relabel them.".into();
    f1.detectors = vec!["knn-label".into()];
    f1.decision = Decision {
        rule: "benjamini-hochberg".into(),
        fdr: Some(0.05),
        p_value: Some(1e-80),
        at_least: Some(455),
    };
    f1.examples = (0..12)
        .map(|i| Example {
            member: i,
            cells: vec![],
            thumbnail: Some(thumbnail(i as u64, true)),
            why: "9 of 10 neighbours are horses".into(),
        })
        .collect();
    let mut f2 = finding(
        "F2",
        Kind::NearDuplicate,
        Severity::Note,
        "1,310 pictures are copies of others",
        (0..1310)
            .map(|i| Member {
                line: None,
                quarantine: i % 2 == 1,
                ..member(i * 37 + 5, Some(names[(i % 10) as usize]), None, None, false)
            })
            .collect(),
    );
    f2.why = vec!["655 groups of pictures whose hashes differ in at most 2 of 64 bits.".into()];
    f2.advice = "Keep one of each group, and make sure that none stands in both train and test.".into();
    f2.groups = (0..655).map(|g| vec![2 * g, 2 * g + 1]).collect();
    f2.detectors = vec!["near-duplicate".into()];
    f2.decision = Decision { rule: "fact".into(), fdr: None, p_value: None, at_least: None };
    f2.examples = (0..6)
        .map(|i| Example {
            member: i,
            cells: vec![],
            thumbnail: Some(thumbnail(100 + i as u64 / 2, false)),
            why: "equal hashes".into(),
        })
        .collect();
    r.findings = vec![f1, f2];
    r.detectors = vec![
        scored(
            "knn-label",
            "Labels that the neighbours contradict",
            "k = 10, 64 dimensions",
            true,
            50_000,
            486,
        ),
        scored("near-duplicate", "Copies, exact or nearly so", "655 groups", false, 50_000, 1310),
        detector(
            "hidden-content",
            "Characters that people do not see or take for others",
            DetectorStatus::Skipped,
            "needs a text column",
        ),
        detector(
            "spectral",
            "Directions in which one class is stretched",
            DetectorStatus::Failed,
            "class `truck` has a singular covariance",
        ),
    ];
    let mut random = Random(3);
    let counts: Vec<Vec<u64>> = (0..10)
        .map(|i| {
            (0..10)
                .map(|j| {
                    if i == j {
                        4600
                    } else if (i, j) == (9, 7) {
                        486
                    } else {
                        random.below(60)
                    }
                })
                .collect()
        })
        .collect();
    r.confusion = Some(Confusion {
        names: names.iter().map(|n| (*n).to_owned()).collect(),
        flagged: (0..10).map(|i| (0..10).map(|j| if (i, j) == (9, 7) { 486 } else { 0 }).collect()).collect(),
        counts,
    });
    r.notes = vec!["2 files were not read, so this scan does not cover everything.".into()];
    let s = samples(&r, 50_000, &names, false);
    (r, s)
}

/// Nothing to distrust.
pub fn clean() -> Demo {
    let (mut r, _) = text();
    r.findings.clear();
    r.notes.truncate(1);
    r.detectors.iter_mut().filter_map(|d| d.histogram.as_mut()).for_each(|h| h.flagged.fill(0));
    let s = samples(&r, 5574, &["ham", "spam"], true);
    (r, s)
}

/// Nothing at all.
pub fn empty() -> Demo {
    let coverage = Coverage {
        inputs: vec![],
        skipped: vec![],
        rows: 0,
        columns: vec![],
        classes: vec![],
        unlabelled: 0,
        complete: false,
    };
    (base(run(&[]), coverage), vec![])
}

/// What an attacker would write into every field that comes from the data.
pub const ATTACKS: [&str; 7] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(2)>",
    "</script><script>alert(3)</script><!--",
    "javascript:alert(4)",
    "'; onclick=alert(5) x='{{ 7*7 }}",
    "\u{1b}]0;owned\u{7}\u{1b}[2J\u{202e}txt.exe\u{200b}\r\nFAKE LINE",
    "| `a` **b** [x](http://evil.example) @maintainer #1 </td></table>",
];

/// A report whose every text from the data is an attack.
pub fn hostile() -> Demo {
    let evil = ATTACKS.join(" ");
    let (mut r, mut s) = table();
    r.run.command.push(evil.clone());
    r.coverage.inputs[0].path.clone_from(&evil);
    r.coverage.inputs[0].format.clone_from(&evil);
    r.coverage.skipped.push(SkippedInput { path: evil.clone(), reason: evil.clone() });
    r.coverage.classes.iter_mut().for_each(|c| c.name.clone_from(&evil));
    for c in r.coverage.columns.iter_mut().take(4) {
        (c.name, c.kind, c.reason) = (evil.clone(), evil.clone(), evil.clone());
    }
    for d in &mut r.detectors {
        (d.id, d.title, d.detail) = (evil.clone(), evil.clone(), evil.clone());
    }
    if let Some(c) = &mut r.confusion {
        c.names.iter_mut().for_each(|n| n.clone_from(&evil));
    }
    if let Some(m) = &mut r.surrogate {
        m.model.clone_from(&evil);
    }
    r.notes.push(evil.clone());
    for f in &mut r.findings {
        (f.id, f.title, f.advice) = (evil.clone(), evil.clone(), evil.clone());
        f.why = vec![evil.clone()];
        f.detectors = vec![evil.clone()];
        f.decision.rule.clone_from(&evil);
        f.taxonomy.atlas.clone_from(&evil);
        f.tables = vec![table_of(&evil, &[&evil], &[&[&evil]])];
        for m in &mut f.members {
            m.id = SampleId(evil.clone());
            (m.given, m.expected) = (Some(evil.clone()), Some(format!("{evil}!")));
        }
        let cells = |role| {
            vec![Cell {
                column: evil.clone(),
                role,
                text: evil.clone(),
                marks: vec![(3, 40, evil.clone())],
                odd: true,
            }]
        };
        let bad = |thumbnail: Option<&str>, role| Example {
            member: 0,
            cells: cells(role),
            thumbnail: thumbnail.map(Into::into),
            why: evil.clone(),
        };
        f.examples = vec![
            bad(None, Role::Text),
            bad(None, Role::Feature),
            bad(Some("javascript:alert(6)"), Role::Feature),
            bad(Some("data:image/png;base64,AAAA\" onerror=\"alert(7)"), Role::Image),
        ];
        f.examples[1].cells.push(odd("age", &evil));
    }
    for row in s.iter_mut().take(2000) {
        row.id = SampleId(evil.clone());
        row.given = Some(evil.clone());
        row.findings = vec![evil.clone()];
    }
    (r, s)
}
