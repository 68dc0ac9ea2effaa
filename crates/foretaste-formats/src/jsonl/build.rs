//! From objects to columns.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::*;
use arrow_array::new_null_array;
use arrow_schema::DataType;

use super::node::{Node, put};
use super::plan::Plan;

/// A value that does not fit its column.
pub(crate) struct Misfit {
    pub(crate) column: usize,
    pub(crate) value: String,
}

enum Column {
    Empty,
    Bool(BooleanBuilder),
    Int(Int64Builder),
    Float(Float64Builder),
    Text(StringBuilder),
    Large(LargeStringBuilder),
    Fixed(FixedSizeListBuilder<Float32Builder>, usize),
    Numbers(ListBuilder<Float32Builder>),
}

/// Columns under construction.
pub(crate) struct Builders {
    columns: Vec<Column>,
    rows: usize,
    /// For each column, rows it has a value (or null) for.
    filled: Vec<usize>,
}

impl Builders {
    pub(crate) fn new(types: &[DataType]) -> Builders {
        let column = |t: &DataType| match t {
            DataType::Null => Column::Empty,
            DataType::Boolean => Column::Bool(BooleanBuilder::new()),
            DataType::Int64 => Column::Int(Int64Builder::new()),
            DataType::Float64 => Column::Float(Float64Builder::new()),
            DataType::LargeUtf8 => Column::Large(LargeStringBuilder::new()),
            DataType::FixedSizeList(_, n) => {
                Column::Fixed(FixedSizeListBuilder::new(Float32Builder::new(), *n), *n as usize)
            }
            DataType::List(_) => Column::Numbers(ListBuilder::new(Float32Builder::new())),
            _ => Column::Text(StringBuilder::new()),
        };
        Builders { columns: types.iter().map(column).collect(), rows: 0, filled: vec![0; types.len()] }
    }

    /// Appends one object.
    pub(crate) fn row(&mut self, plan: &Plan, node: &Node<'_>) -> Result<(), Misfit> {
        self.place(plan, node)?;
        self.rows += 1;
        for column in 0..self.columns.len() {
            if self.filled[column] < self.rows {
                self.append(column, &Node::Null)?;
            }
        }
        Ok(())
    }

    fn place(&mut self, plan: &Plan, node: &Node<'_>) -> Result<(), Misfit> {
        match (plan, node) {
            (Plan::Column(column), node) => self.append(*column, node),
            (Plan::Object(children), Node::Map(items)) => {
                for (key, value) in items {
                    if let Some(child) = children.get(key.as_ref()) {
                        self.place(child, value)?;
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn append(&mut self, column: usize, node: &Node<'_>) -> Result<(), Misfit> {
        self.filled[column] += 1;
        match (&mut self.columns[column], node) {
            (Column::Empty, Node::Null) => {}
            (Column::Bool(b), Node::Bool(v)) => b.append_value(*v),
            (Column::Bool(b), Node::Null) => b.append_null(),
            (Column::Int(b), Node::Int(v)) => b.append_value(*v),
            (Column::Int(b), Node::Null) => b.append_null(),
            (Column::Float(b), Node::Float(v)) => b.append_value(*v),
            (Column::Float(b), Node::Int(v)) => b.append_value(*v as f64),
            (Column::Float(b), Node::Null) => b.append_null(),
            (Column::Text(b), Node::Null) => b.append_null(),
            (Column::Text(b), node) => text(node, |t| b.append_value(t)),
            (Column::Large(b), Node::Null) => b.append_null(),
            (Column::Large(b), node) => text(node, |t| b.append_value(t)),
            (Column::Fixed(b, n), Node::Null) => {
                (0..*n).for_each(|_| b.values().append_null());
                b.append(false)
            }
            (Column::Fixed(b, n), Node::List(items)) if items.len() == *n && are_numbers(items) => {
                put_numbers(items, b.values());
                b.append(true)
            }
            (Column::Numbers(b), Node::Null) => b.append(false),
            (Column::Numbers(b), Node::List(items)) if are_numbers(items) => {
                put_numbers(items, b.values());
                b.append(true)
            }
            _ => return Err(Misfit { column, value: shown(node) }),
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> Vec<ArrayRef> {
        let rows = self.rows;
        let finish = |column| -> ArrayRef {
            match column {
                Column::Empty => new_null_array(&DataType::Null, rows),
                Column::Bool(mut b) => Arc::new(b.finish()),
                Column::Int(mut b) => Arc::new(b.finish()),
                Column::Float(mut b) => Arc::new(b.finish()),
                Column::Text(mut b) => Arc::new(b.finish()),
                Column::Large(mut b) => Arc::new(b.finish()),
                Column::Fixed(mut b, _) => Arc::new(b.finish()),
                Column::Numbers(mut b) => Arc::new(b.finish()),
            }
        };
        self.columns.into_iter().map(finish).collect()
    }
}

fn are_numbers(items: &[Node<'_>]) -> bool {
    items.iter().all(|item| matches!(item, Node::Int(_) | Node::Float(_)))
}

fn put_numbers(items: &[Node<'_>], out: &mut Float32Builder) {
    for item in items {
        match item {
            Node::Int(v) => out.append_value(*v as f32),
            Node::Float(v) => out.append_value(*v as f32),
            _ => out.append_null(),
        }
    }
}

fn text(node: &Node<'_>, mut out: impl FnMut(&str)) {
    match node {
        Node::Text(text) => out(text),
        other => out(&json(other)),
    }
}

fn json(node: &Node<'_>) -> String {
    let mut out = Vec::new();
    put(node, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

fn shown(node: &Node<'_>) -> String {
    crate::error::shown(json(node).as_bytes())
}
