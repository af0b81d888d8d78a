//! YAML text to trees, within bounds.

use std::borrow::Cow;
use std::collections::BTreeMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, StrInput, Tag};

use super::error::ManifestError;
use super::tree::{Entry, Kind, Node};
use super::{MAX_BYTES, MAX_DEPTH, scalar};
use crate::field_path::FieldPath;

/// Most memory that anchors and aliases may take, in bytes (about).
const MAX_EXPANDED: usize = 8 << 20;
const NODE_SIZE: usize = size_of::<Node>();

/// The documents of a text up to its first mistake, and the mistakes.
pub(super) fn documents(text: &str) -> (Vec<Node>, Vec<ManifestError>) {
    let mut reader = Reader::default();
    if text.len() > MAX_BYTES {
        let message = format!(
            "the manifest has {} bytes; the limit is {MAX_BYTES}",
            text.len()
        );
        reader.report(Marker::new(0, 1, 0), message);
        return (reader.documents, reader.errors);
    }
    if let Err(Stop) = reader.read(&mut Parser::new_from_str(text)) {
        reader.open.clear();
    }
    (reader.documents, reader.errors)
}

/// Reading cannot go on; the reason has been reported.
struct Stop;

/// A collection that is being read.
struct Open {
    node: Node,
    /// The key that waits for its value, in a mapping.
    key: Option<Key>,
    /// The line of each key so far, in a mapping.
    lines: BTreeMap<String, usize>,
    anchor: usize,
}

struct Key {
    text: String,
    line: usize,
    column: usize,
}

#[derive(Default)]
struct Reader {
    documents: Vec<Node>,
    errors: Vec<ManifestError>,
    open: Vec<Open>,
    anchors: BTreeMap<usize, Node>,
    expanded: usize,
}

impl Reader {
    fn read<'input>(&mut self, parser: &mut Parser<'input, StrInput<'input>>) -> Result<(), Stop> {
        while let Some(event) = parser.next_event() {
            match event {
                Ok((event, span)) => self.event(event, span.start)?,
                Err(error) => {
                    let message = format!(
                        "not valid YAML: {}; the rest of the text was not read",
                        error.info()
                    );
                    self.report(*error.marker(), message);
                    return Err(Stop);
                }
            }
        }
        Ok(())
    }

    fn event(&mut self, event: Event<'_>, at: Marker) -> Result<(), Stop> {
        match event {
            Event::DocumentStart(_) => {
                self.anchors.clear();
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag, at);
                let kind = self.scalar(&text, style, at);
                self.value(node(at, kind), anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_tag(tag, at);
                self.begin(node(at, Kind::Sequence(Vec::new())), anchor)
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_tag(tag, at);
                self.begin(node(at, Kind::Mapping(Vec::new())), anchor)
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(open) => self.value(open.node, open.anchor),
                None => Ok(()),
            },
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some(copy) => {
                    self.spend(size(&copy), &copy)?;
                    self.value(copy, 0)
                }
                None => {
                    self.report(at, "the alias refers to a value that contains it".into());
                    Err(Stop)
                }
            },
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, at: Marker) -> Kind {
        let awaits_key = self
            .open
            .last()
            .is_some_and(|open| is_mapping(&open.node) && open.key.is_none());
        if style != ScalarStyle::Plain || awaits_key {
            return Kind::Text(text.into());
        }
        scalar::plain(text).unwrap_or_else(|message| {
            self.report(at, message);
            Kind::Unreadable
        })
    }

    fn begin(&mut self, node: Node, anchor: usize) -> Result<(), Stop> {
        if self.open.len() >= MAX_DEPTH {
            let message = format!("nested deeper than {MAX_DEPTH} levels");
            self.errors.push(node.error(FieldPath::default(), message));
            return Err(Stop);
        }
        self.open.push(Open {
            node,
            key: None,
            lines: BTreeMap::new(),
            anchor,
        });
        Ok(())
    }

    /// Puts a finished value where it belongs: into the open collection, or among the documents.
    fn value(&mut self, node: Node, anchor: usize) -> Result<(), Stop> {
        if anchor > 0 {
            self.spend(size(&node), &node)?;
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut() {
            None => self.documents.push(node),
            Some(Open {
                node:
                    Node {
                        kind: Kind::Sequence(items),
                        ..
                    },
                ..
            }) => items.push(node),
            Some(open) => match open.key.take() {
                Some(key) => self.member(key, node),
                None => return self.key(node),
            },
        }
        Ok(())
    }

    /// Remembers a key of the open mapping until its value comes.
    fn key(&mut self, node: Node) -> Result<(), Stop> {
        let Kind::Text(text) = node.kind else {
            let message = format!("a key must be a text, found {}", node.describe());
            self.errors.push(node.error(self.path(), message));
            return Err(Stop);
        };
        if let Some(open) = self.open.last_mut() {
            open.key = Some(Key {
                text,
                line: node.line,
                column: node.column,
            });
        }
        Ok(())
    }

    /// Puts a member into the open mapping.
    fn member(&mut self, key: Key, value: Node) {
        let path = self.path().key(key.text.clone());
        let at_key = Node {
            line: key.line,
            column: key.column,
            kind: Kind::Null,
        };
        if key.text == "<<" {
            let message = "merge keys (<<) are not supported: repeat the fields";
            return self.errors.push(at_key.error(path, message));
        }
        let Some(Open {
            node:
                Node {
                    kind: Kind::Mapping(entries),
                    ..
                },
            lines,
            ..
        }) = self.open.last_mut()
        else {
            return;
        };
        match lines.insert(key.text.clone(), key.line) {
            None => entries.push(Entry {
                key: key.text,
                key_line: key.line,
                key_column: key.column,
                value,
            }),
            Some(first) => {
                let message = format!("the field is set already in line {first}");
                self.errors.push(at_key.error(path, message));
            }
        }
    }

    /// Accounts for memory.
    fn spend(&mut self, bytes: usize, for_node: &Node) -> Result<(), Stop> {
        self.expanded += bytes;
        if self.expanded > MAX_EXPANDED {
            let message = format!("anchors and aliases unfold to more than {MAX_EXPANDED} bytes");
            self.errors
                .push(for_node.error(FieldPath::default(), message));
            return Err(Stop);
        }
        Ok(())
    }

    /// Where the next value goes.
    fn path(&self) -> FieldPath {
        self.open.iter().fold(FieldPath::default(), |path, open| {
            match (&open.node.kind, &open.key) {
                (Kind::Sequence(items), _) => path.index(items.len()),
                (_, Some(key)) => path.key(key.text.clone()),
                (_, None) => path,
            }
        })
    }

    fn refuse_tag(&mut self, tag: Option<Cow<'_, Tag>>, at: Marker) {
        if let Some(tag) = tag {
            self.report(
                at,
                format!("the tag {tag} is not supported; put texts in quotes instead"),
            );
        }
    }

    fn report(&mut self, at: Marker, message: String) {
        let (line, column) = (at.line(), at.col() + 1);
        self.errors.push(ManifestError {
            line,
            column,
            path: self.path(),
            message,
        });
    }
}

fn node(at: Marker, kind: Kind) -> Node {
    Node {
        line: at.line(),
        column: at.col() + 1,
        kind,
    }
}

fn is_mapping(node: &Node) -> bool {
    matches!(node.kind, Kind::Mapping(_))
}

/// About the memory of a node, all its parts included.
fn size(node: &Node) -> usize {
    NODE_SIZE
        + match &node.kind {
            Kind::Null | Kind::Unreadable | Kind::Boolean(_) => 0,
            Kind::Number(_, text) | Kind::Text(text) => text.len(),
            Kind::Sequence(items) => items.iter().map(size).sum(),
            Kind::Mapping(entries) => entries
                .iter()
                .map(|entry| entry.key.len() + size(&entry.value))
                .sum(),
        }
}
