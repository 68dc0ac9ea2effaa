//! Addresses as inputs: a web server of a few lines stands in for the world.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may fail loudly

use foretaste_formats::{OpenOptions, Source};

#[cfg(not(feature = "cloud"))]
#[test]
fn without_the_feature_the_remedy_is_named() {
    let error = Source::open(&["s3://bucket/a.parquet".into()], &OpenOptions::default()).unwrap_err();
    assert!(error.to_string().contains("`s3://bucket/a.parquet`"), "{error}");
    assert!(error.hint().unwrap().contains("--features cloud"));
}

#[cfg(feature = "cloud")]
mod served {
    use super::*;
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

    /// Serves `/d.csv` and `/d.parquet` to the end of the program; gives the address of the root.
    fn serve(parquet: Vec<u8>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(|l| l.ok());
                let first = lines.next().unwrap_or_default();
                lines.find(String::is_empty);
                let body: Option<&[u8]> = match first.split(' ').nth(1) {
                    Some("/d.csv") => Some(b"text,label\nhello,a\nworld,b\n"),
                    Some("/d.parquet") => Some(&parquet),
                    _ => None,
                };
                let (status, body) = body.map_or(("404 Not Found", &b""[..]), |b| ("200 OK", b));
                let head = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
            }
        });
        format!("http://{at}")
    }

    fn rows(address: String) -> usize {
        let source = Source::open(&[address], &OpenOptions::default()).unwrap();
        source.batches().unwrap().map(|b| b.unwrap().batch.num_rows()).sum()
    }

    #[test]
    fn files_of_a_web_server_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("d.parquet");
        let csv = folder.path().join("d.csv");
        std::fs::write(&csv, "text,label\nhello,a\nworld,b\nagain,a\n").unwrap();
        let source = Source::open_path(&csv).unwrap();
        let mut writer = foretaste_formats::writer(&path, None, source.schema()).unwrap();
        source.batches().unwrap().for_each(|b| writer.write(&b.unwrap().batch).unwrap());
        writer.finish().unwrap();
        let root = serve(std::fs::read(&path).unwrap());
        assert_eq!(rows(format!("{root}/d.csv")), 2);
        assert_eq!(rows(format!("{root}/d.parquet")), 3);
        let shown = Source::open(&[format!("{root}/d.csv")], &OpenOptions::default()).unwrap();
        assert_eq!(shown.files()[0].path.display().to_string(), format!("{root}/d.csv"));
        let none = Source::open(&[format!("{root}/none.csv")], &OpenOptions::default()).unwrap_err();
        assert!(none.to_string().contains("nothing found for"), "{none}");
        let signed = Source::open(&[format!("{root}/d.csv?key=1")], &OpenOptions::default()).unwrap_err();
        assert!(signed.hint().unwrap().contains("download"));
    }
}
