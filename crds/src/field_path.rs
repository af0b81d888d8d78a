//! The way to a field inside a resource.

use std::fmt;

/// One step of a [`FieldPath`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Segment {
    /// A member of an object.
    Key(String),
    /// An item of a list, counted from 0.
    Index(usize),
}

/// The way from the root of a resource to a field, shown as `spec.data.train[0]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct FieldPath {
    segments: Vec<Segment>,
}

impl FieldPath {
    /// Reads a dotted path of plain member names: `spec.loss.flops`.
    pub fn of(dotted: &str) -> Self {
        dotted
            .split('.')
            .fold(Self::default(), |path, name| path.key(name))
    }

    /// The path of a member of the object here.
    pub fn key(&self, name: impl Into<String>) -> Self {
        self.with(Segment::Key(name.into()))
    }

    /// The path of an item of the list here.
    pub fn index(&self, index: usize) -> Self {
        self.with(Segment::Index(index))
    }

    /// The steps, from the root.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Whether one of the two lies on the way to the other (or both are the same).
    pub fn touches(&self, other: &Self) -> bool {
        self.segments
            .iter()
            .zip(&other.segments)
            .all(|(own, theirs)| own == theirs)
    }

    fn with(&self, segment: Segment) -> Self {
        let mut segments = self.segments.clone();
        segments.push(segment);
        Self { segments }
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.segments.iter().enumerate() {
            match segment {
                Segment::Index(index) => write!(formatter, "[{index}]")?,
                Segment::Key(name) if !is_plain(name) => write!(formatter, "[{name:?}]")?,
                Segment::Key(name) if position == 0 => formatter.write_str(name)?,
                Segment::Key(name) => write!(formatter, ".{name}")?,
            }
        }
        Ok(())
    }
}

fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name
            .chars()
            .all(|symbol| symbol.is_alphanumeric() || matches!(symbol, '_' | '-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_members_items_and_odd_names() {
        let path = FieldPath::of("spec.gang")
            .key("nodeSelector")
            .key("a.b/c")
            .index(2)
            .key("x");
        assert_eq!(path.to_string(), "spec.gang.nodeSelector[\"a.b/c\"][2].x");
    }

    #[test]
    fn touches_ancestors_and_descendants_only() {
        let optimizer = FieldPath::of("spec.optimizer");
        assert!(optimizer.touches(&optimizer.key("epochs")));
        assert!(optimizer.key("epochs").touches(&optimizer));
        assert!(!optimizer.key("epochs").touches(&optimizer.key("maxSteps")));
    }
}
