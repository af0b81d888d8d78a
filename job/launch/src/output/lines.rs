//! A stream of bytes as lines, with a bound on how much of one is held.

use std::io::{self, BufRead};

/// The longest line, in bytes, that is passed on in one piece.
pub(super) const MAX_PIECE_BYTES: usize = 64 * 1024;

/// A line without its line end, or a part of a line that is too long for one piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) bytes: Vec<u8>,
    /// It begins the line.
    pub(super) first: bool,
    /// It ends the line.
    pub(super) last: bool,
}

/// Reads lines piece by piece.
#[derive(Debug)]
pub(super) struct Lines<R> {
    reader: R,
    limit: usize,
    held: Vec<u8>,
    /// The next piece begins a line.
    fresh: bool,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(reader: R, limit: usize) -> Self {
        Self {
            reader,
            limit,
            held: Vec::new(),
            fresh: true,
        }
    }

    /// The next line or part of one, or none at the end of the stream. What follows the last line end is a line too.
    pub(super) fn next_piece(&mut self) -> io::Result<Option<Piece>> {
        loop {
            let available = match self.reader.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            if available.is_empty() {
                let rest = !self.held.is_empty() || !self.fresh;
                return Ok(rest.then(|| self.take(self.held.len(), true)));
            }
            if self.held.len() >= self.limit && available[0] != b'\n' {
                return Ok(Some(self.take(character_boundary(&self.held), false)));
            }
            let room = &available[..available.len().min(self.limit - self.held.len() + 1)];
            match room.iter().position(|byte| *byte == b'\n') {
                Some(end) => {
                    self.held.extend_from_slice(&room[..end]);
                    self.reader.consume(end + 1);
                    return Ok(Some(self.take(self.held.len(), true)));
                }
                None => {
                    let more = room.len().min(self.limit - self.held.len());
                    self.held.extend_from_slice(&room[..more]);
                    self.reader.consume(more);
                }
            }
        }
    }

    fn take(&mut self, length: usize, last: bool) -> Piece {
        let rest = self.held.split_off(length);
        let bytes = std::mem::replace(&mut self.held, rest);
        let first = std::mem::replace(&mut self.fresh, last);
        Piece { bytes, first, last }
    }
}

/// Where the last whole UTF-8 character ends; the end of all bytes where these are no UTF-8.
fn character_boundary(bytes: &[u8]) -> usize {
    let tail = &bytes[bytes.len().saturating_sub(4)..];
    let broken = tail
        .iter()
        .rposition(|byte| byte & 0b1100_0000 != 0b1000_0000)
        .filter(|start| std::str::from_utf8(&tail[*start..]).is_err());
    match broken {
        // A piece never is empty, or the stream would not advance.
        Some(start) if bytes.len() - tail.len() + start > 0 => bytes.len() - tail.len() + start,
        _ => bytes.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::BufReader;

    fn pieces(input: &[u8], limit: usize, buffer: usize) -> Vec<Piece> {
        let mut lines = Lines::new(BufReader::with_capacity(buffer, input), limit);
        std::iter::from_fn(|| lines.next_piece().unwrap()).collect()
    }

    #[test]
    fn lines_come_whole_and_the_last_needs_no_end() {
        let found = pieces(b"one\n\ntwo\r\nthree", 100, 3);
        let texts: Vec<&[u8]> = found.iter().map(|piece| &*piece.bytes).collect();
        assert_eq!(texts, [&b"one"[..], b"", b"two\r", b"three"]);
        assert!(found.iter().all(|piece| piece.first && piece.last));
    }

    #[test]
    fn a_line_of_just_the_limit_is_one_piece() {
        let found = pieces(b"12345678\nx\n", 8, 64);
        assert_eq!(found.len(), 2);
        assert!(found[0].last);
    }

    #[test]
    fn a_long_line_is_split_between_characters() {
        let found = pieces("가나다라마\n".as_bytes(), 8, 64);
        let texts: Vec<&str> = found
            .iter()
            .map(|piece| std::str::from_utf8(&piece.bytes).unwrap())
            .collect();
        assert_eq!(texts, ["가나", "다라", "마"]);
        let ends: Vec<_> = found
            .iter()
            .map(|piece| (piece.first, piece.last))
            .collect();
        assert_eq!(ends, [(true, false), (false, false), (false, true)]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_no_piece_is_too_long(
            input in prop::collection::vec(prop::sample::select(b"ab\n\xea\xb0\x80\xff".to_vec()), 0..200),
            limit in 4..20_usize,
            buffer in 1..30_usize,
        ) {
            let mut joined = Vec::new();
            for piece in pieces(&input, limit, buffer) {
                prop_assert!(piece.bytes.len() <= limit);
                prop_assert!(!piece.bytes.contains(&b'\n'));
                joined.extend_from_slice(&piece.bytes);
                if piece.last {
                    joined.push(b'\n');
                }
            }
            let mut expected = input.clone();
            if !expected.is_empty() && expected.last() != Some(&b'\n') {
                expected.push(b'\n');
            }
            prop_assert_eq!(joined, expected);
        }
    }
}
