//! A folder may hold several tables: which of its files are parts of one.

use std::collections::HashSet;

use arrow_schema::SchemaRef;

/// What is known of an opened file.
pub(crate) struct Candidate {
    pub(crate) schema: SchemaRef,
    pub(crate) bytes: u64,
    /// It was found in a folder; others were named, and are always read.
    pub(crate) found: bool,
}

/// For each file, whether it is read. Files that have at least a third of their columns in common are parts of one table; tables
/// that only belong together share a key. Files like one that was named are read, or if none was, the table with the most bytes.
pub(crate) fn one_table(files: &[Candidate]) -> Vec<bool> {
    let mut tables: Vec<(HashSet<&str>, Vec<usize>)> = vec![];
    for (i, file) in files.iter().enumerate() {
        let names: HashSet<&str> = file.schema.fields().iter().map(|f| f.name().as_str()).collect();
        match tables.iter_mut().find(|(first, _)| alike(first, &names)) {
            Some((_, members)) => members.push(i),
            None => tables.push((names, vec![i])),
        }
    }
    let named = |members: &[usize]| members.iter().any(|&i| !files[i].found);
    let any_named = files.iter().any(|f| !f.found);
    let bytes = |members: &[usize]| members.iter().map(|&i| files[i].bytes).sum::<u64>();
    let largest = tables.iter().map(|t| bytes(&t.1)).max();
    let main = tables.iter().position(|t| Some(bytes(&t.1)) == largest);
    let mut read = vec![false; files.len()];
    for (at, (_, members)) in tables.iter().enumerate() {
        if if any_named { named(members) } else { main == Some(at) } {
            members.iter().for_each(|&i| read[i] = true);
        }
    }
    read
}

fn alike(a: &HashSet<&str>, b: &HashSet<&str>) -> bool {
    let common = a.intersection(b).count();
    3 * common >= a.len() + b.len() - common
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_schema::{DataType, Field, Schema};
    use std::sync::Arc;

    fn file(names: &str, bytes: u64, found: bool) -> Candidate {
        let fields: Vec<Field> = names.split(' ').map(|n| Field::new(n, DataType::Utf8, true)).collect();
        Candidate { schema: Arc::new(Schema::new(fields)), bytes, found }
    }

    #[test]
    fn the_largest_table_of_a_folder_is_read() {
        let ratings = || file("user item rating time", 900, true);
        let files = [file("item title year", 100, true), ratings(), file("user age", 50, true), ratings()];
        assert_eq!(one_table(&files), [false, true, false, true]);
    }

    #[test]
    fn files_that_were_named_and_others_like_them_are_read() {
        let files = [file("a b", 1, false), file("x y", 900, true), file("b", 5, true), file("z", 1, false)];
        assert_eq!(one_table(&files), [true, false, true, true]);
    }

    #[test]
    fn a_column_more_or_less_makes_no_other_table() {
        let files = [file("text label", 9, true), file("text", 5, true), file("text label source", 5, true)];
        assert_eq!(one_table(&files), [true, true, true]);
        assert!(one_table(&[]).is_empty());
    }
}
