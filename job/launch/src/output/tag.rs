//! A line with its rank: as a prefix, or in a JSON object as a member.

use super::lines::Piece;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

/// The bytes to print for a piece of a rank's line, with the line end.
pub(super) fn tagged(rank: u32, piece: &Piece) -> Vec<u8> {
    let whole = piece.first && piece.last;
    if whole && let Some(line) = tagged_json(rank, &piece.bytes) {
        return line;
    }
    let mut line = format!("[rank {rank}] ").into_bytes();
    if !piece.first {
        line.extend_from_slice(b"[continued] ");
    }
    line.extend_from_slice(&piece.bytes);
    if !piece.last {
        line.extend_from_slice(b" [continues]");
    }
    line.push(b'\n');
    line
}

/// All that matters of an object: whether it has a member `rank`, be it null.
#[derive(Deserialize)]
struct Object {
    #[serde(default, deserialize_with = "is_there")]
    rank: bool,
}

fn is_there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

/// The line with a member `rank`, if it is a JSON object; nothing else of it changes.
fn tagged_json(rank: u32, line: &[u8]) -> Option<Vec<u8>> {
    let inside = line.strip_prefix(b"{")?;
    let object: Object = serde_json::from_slice(line).ok()?;
    let mut tagged = Vec::with_capacity(line.len() + 16);
    tagged.push(b'{');
    if !object.rank {
        tagged.extend_from_slice(format!("\"rank\":{rank}").as_bytes());
        let is_empty = inside.trim_ascii_start().starts_with(b"}");
        if !is_empty {
            tagged.push(b',');
        }
    }
    tagged.extend_from_slice(inside);
    tagged.push(b'\n');
    Some(tagged)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(rank: u32, text: &str) -> String {
        let piece = Piece {
            bytes: text.into(),
            first: true,
            last: true,
        };
        String::from_utf8(tagged(rank, &piece)).unwrap()
    }

    #[test]
    fn plain_lines_get_a_prefix() {
        assert_eq!(line(3, "한국어"), "[rank 3] 한국어\n");
        assert_eq!(line(3, ""), "[rank 3] \n");
    }

    #[test]
    fn objects_stay_json_and_get_a_member() {
        assert_eq!(
            line(3, r#"{"level":"INFO","fields":{"rank":9}}"#),
            "{\"rank\":3,\"level\":\"INFO\",\"fields\":{\"rank\":9}}\n"
        );
        assert_eq!(line(0, "{}"), "{\"rank\":0}\n");
        assert_eq!(line(0, "{ }"), "{\"rank\":0 }\n");
    }

    #[test]
    fn an_object_that_names_its_rank_stays_as_it_is() {
        for own in [r#"{"message":"x","rank":7}"#, r#"{"rank":null}"#] {
            assert_eq!(line(3, own), format!("{own}\n"));
        }
    }

    #[test]
    fn what_only_looks_like_json_is_plain() {
        for text in ["{broken", "{\"a\":1} trailing", "[1, 2]"] {
            assert_eq!(line(1, text), format!("[rank 1] {text}\n"));
        }
    }

    #[test]
    fn parts_of_a_line_are_marked_and_are_no_json() {
        let part = |first, last| Piece {
            bytes: b"{}".to_vec(),
            first,
            last,
        };
        assert_eq!(tagged(1, &part(true, false)), b"[rank 1] {} [continues]\n");
        assert_eq!(
            tagged(1, &part(false, false)),
            b"[rank 1] [continued] {} [continues]\n"
        );
        assert_eq!(tagged(1, &part(false, true)), b"[rank 1] [continued] {}\n");
    }
}
