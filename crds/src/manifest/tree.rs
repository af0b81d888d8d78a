//! A YAML document as a tree that knows its positions.

use crate::field_path::{FieldPath, Segment};
use crate::manifest::error::ManifestError;

/// A value and where it begins.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    pub kind: Kind,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Null,
    /// Reported already.
    Unreadable,
    Boolean(bool),
    /// A number and how it was written.
    Number(serde_json::Number, String),
    Text(String),
    Sequence(Vec<Node>),
    Mapping(Vec<Entry>),
}

/// A member of a mapping.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub key: String,
    pub key_line: usize,
    pub key_column: usize,
    pub value: Node,
}

/// Nodes are compared by value, wherever they are.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

impl Node {
    /// A mistake at this node.
    pub fn error(&self, path: FieldPath, message: impl Into<String>) -> ManifestError {
        ManifestError {
            line: self.line,
            column: self.column,
            path,
            message: message.into(),
        }
    }

    /// The first member of that name.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.kind {
            Kind::Mapping(entries) => entries
                .iter()
                .find(|entry| entry.key == key)
                .map(|entry| &entry.value),
            _ => None,
        }
    }

    pub fn as_str(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The node at `path`, or the last one on the way to it.
    pub fn nearest(&self, path: &FieldPath) -> &Node {
        let mut node = self;
        for segment in path.segments() {
            let next = match (segment, &node.kind) {
                (Segment::Key(key), _) => node.get(key),
                (Segment::Index(index), Kind::Sequence(items)) => items.get(*index),
                (Segment::Index(_), _) => None,
            };
            let Some(next) = next else {
                break;
            };
            node = next;
        }
        node
    }

    /// The value in words, for messages.
    pub fn describe(&self) -> String {
        match &self.kind {
            Kind::Null => "nothing".into(),
            Kind::Unreadable => "a value that cannot be read".into(),
            Kind::Boolean(value) => format!("the boolean {value}"),
            Kind::Number(_, written) => format!("the number {written}"),
            Kind::Text(text) => format!("the text {}", shortened(text)),
            Kind::Sequence(_) => "a list".into(),
            Kind::Mapping(_) => "a mapping".into(),
        }
    }
}

/// The text in quotes, cut to a length that fits into a message.
pub(super) fn shortened(text: &str) -> String {
    const LONGEST: usize = 80;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}...", text.get(..end).unwrap_or(text)),
        None => format!("{text:?}"),
    }
}
