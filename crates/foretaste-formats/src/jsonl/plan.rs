//! Which columns a set of objects has: seen value by value, then decided once.

use std::collections::HashMap;

use arrow_schema::DataType;

use super::node::Node;
use crate::csv::cell::Kind;

/// Objects in objects become columns down to this depth; deeper ones stay JSON text.
const DEPTH: usize = 6;
/// An object with more keys than this, below the top, is a map with data as keys: it stays JSON text.
const KEYS: usize = 256;
/// Whole numbers up to here are exact as 32-bit floats.
const EXACT: i64 = 1 << 24;

/// What was seen at one place of the objects.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    scalar: Option<Kind>,
    map: bool,
    /// Lengths of lists of numbers: smallest and largest.
    numbers: Option<(usize, usize)>,
    other_list: bool,
    names: Vec<String>,
    children: HashMap<String, Seen>,
    /// Where the last object had its children: most objects repeat the order.
    next: usize,
}

impl Seen {
    pub(crate) fn add(&mut self, node: &Node<'_>, depth: usize) {
        let scalar = match node {
            Node::Null => return,
            Node::Bool(_) => Kind::Bool,
            Node::Int(_) => Kind::Int,
            Node::Float(_) => Kind::Float,
            Node::Big(_) | Node::Text(_) => Kind::Text,
            Node::List(items) => return self.add_list(items),
            Node::Map(items) => return self.add_map(items, depth),
        };
        self.scalar = Some(self.scalar.map_or(scalar, |s| s.join(scalar)));
    }

    fn add_list(&mut self, items: &[Node<'_>]) {
        let number = |n: &Node<'_>| match n {
            Node::Int(v) => v.abs() <= EXACT,
            Node::Float(_) => true,
            _ => false,
        };
        if items.iter().all(number) {
            let n = items.len();
            self.numbers = Some(self.numbers.map_or((n, n), |(a, b)| (a.min(n), b.max(n))));
        } else {
            self.other_list = true;
        }
    }

    fn add_map(&mut self, items: &[(std::borrow::Cow<'_, str>, Node<'_>)], depth: usize) {
        self.map = true;
        if depth >= DEPTH || (depth > 0 && self.names.len() > KEYS) {
            return;
        }
        self.next = 0;
        for (key, value) in items {
            self.child(key).add(value, depth + 1);
        }
    }

    fn child(&mut self, key: &str) -> &mut Seen {
        if !self.children.contains_key(key) {
            self.names.push(key.to_string());
            self.children.insert(key.to_string(), Seen::default());
        }
        self.children.entry(key.to_string()).or_default()
    }

    /// Adds what was seen in a later part of the file.
    pub(crate) fn merge(&mut self, other: Seen) {
        self.scalar = match (self.scalar, other.scalar) {
            (Some(a), Some(b)) => Some(a.join(b)),
            (a, b) => a.or(b),
        };
        self.map |= other.map;
        self.other_list |= other.other_list;
        self.numbers = match (self.numbers, other.numbers) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (a, b) => a.or(b),
        };
        let mut children = other.children;
        for name in other.names {
            if let Some(child) = children.remove(&name) {
                self.child(&name).merge(child);
            }
        }
    }

    fn leaf(&self) -> Leaf {
        let lists = self.numbers.is_some() || self.other_list;
        match (self.scalar, self.map || lists) {
            (None, false) => Leaf::Scalar(Kind::Empty),
            (Some(kind), false) => Leaf::Scalar(kind),
            (None, true) if !self.map && !self.other_list => match self.numbers {
                Some((a, b)) if a == b && a > 0 => Leaf::Fixed(a),
                _ => Leaf::Numbers,
            },
            _ => Leaf::Json,
        }
    }

    fn flat(&self, depth: usize) -> bool {
        self.map
            && self.scalar.is_none()
            && self.numbers.is_none()
            && !self.other_list
            && !self.names.is_empty()
            && depth < DEPTH
            && (depth == 0 || self.names.len() <= KEYS)
    }

    /// Decides the columns: names with dots for nested objects, in order of first appearance.
    pub(crate) fn plan(&self) -> (Plan, Vec<(String, Leaf)>) {
        let mut columns = Vec::new();
        let plan = self.plan_below("", 0, &mut columns);
        (plan, columns)
    }

    fn plan_below(&self, path: &str, depth: usize, columns: &mut Vec<(String, Leaf)>) -> Plan {
        if !self.flat(depth) && depth > 0 {
            columns.push((path.to_string(), self.leaf()));
            return Plan::Column(columns.len() - 1);
        }
        let mut children = HashMap::new();
        for name in &self.names {
            let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            if let Some(child) = self.children.get(name) {
                children.insert(name.clone(), child.plan_below(&below, depth + 1, columns));
            }
        }
        Plan::Object(children)
    }
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaf {
    Scalar(Kind),
    /// Lists of numbers of this length.
    Fixed(usize),
    /// Lists of numbers.
    Numbers,
    /// Anything else, as JSON text.
    Json,
}

impl Leaf {
    pub(crate) fn data_type(self) -> DataType {
        match self {
            Leaf::Scalar(kind) => kind.data_type(),
            Leaf::Fixed(n) => DataType::new_fixed_size_list(DataType::Float32, n as i32, true),
            Leaf::Numbers => DataType::new_list(DataType::Float32, true),
            Leaf::Json => DataType::Utf8,
        }
    }
}

/// Where the values of objects go.
#[derive(Debug, Clone)]
pub(crate) enum Plan {
    Column(usize),
    Object(HashMap<String, Plan>),
}
