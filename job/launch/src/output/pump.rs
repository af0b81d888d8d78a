//! Threads that carry a rank's output to the launcher's.

use super::lines::{Lines, MAX_PIECE_BYTES, Piece};
use super::tag::tagged;
use crate::text::cut;
use std::io::{self, BufReader, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

/// The most that is kept of a line for messages about its rank.
const MAX_KEPT_BYTES: usize = 1024;

/// The last line that is not blank, of both streams of a rank together.
#[derive(Clone, Debug, Default)]
pub(crate) struct LastLine(Arc<Mutex<String>>);

impl LastLine {
    pub(crate) fn get(&self) -> String {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn note(&self, line: &[u8]) {
        let start = &line[..line.len().min(2 * MAX_KEPT_BYTES)];
        let text = String::from_utf8_lossy(start);
        let text = text.trim();
        if !text.is_empty() {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) =
                cut(text, MAX_KEPT_BYTES).into_owned();
        }
    }
}

/// Where a rank's output goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stream {
    Output,
    Error,
}

impl Stream {
    /// Writes all of it with nothing of other threads in between.
    fn write(self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Output => {
                let mut output = io::stdout().lock();
                output.write_all(bytes)?;
                output.flush()
            }
            Self::Error => io::stderr().lock().write_all(bytes),
        }
    }
}

/// Carries one stream of one rank.
#[derive(Debug)]
pub(crate) struct Pump {
    pub(crate) stream: Stream,
    /// The rank that its lines are marked with; none marks nothing and passes every byte on as it is.
    pub(crate) rank: Option<u32>,
    pub(crate) last_line: LastLine,
}

impl Pump {
    /// Starts to carry; `closed` is called when all of the stream has been passed on.
    pub(crate) fn start(
        self,
        source: impl Read + Send + 'static,
        closed: impl FnOnce() + Send + 'static,
    ) -> io::Result<JoinHandle<()>> {
        Builder::new().name("output".into()).spawn(move || {
            if let Err(error) = self.carry(source) {
                tracing::warn!("the output of a rank cannot be read on: {error}");
            }
            closed();
        })
    }

    fn carry(self, source: impl Read) -> io::Result<()> {
        let source = BufReader::with_capacity(MAX_PIECE_BYTES, source);
        match self.rank {
            Some(rank) => self.carry_lines(rank, Lines::new(source, MAX_PIECE_BYTES)),
            None => self.carry_bytes(source),
        }
    }

    fn carry_lines(self, rank: u32, mut lines: Lines<impl io::BufRead>) -> io::Result<()> {
        let mut sink = Sink::new(self.stream);
        while let Some(piece) = lines.next_piece()? {
            sink.write(&tagged(rank, &piece));
            self.note(&piece);
        }
        Ok(())
    }

    fn note(&self, piece: &Piece) {
        if piece.first {
            self.last_line.note(&piece.bytes);
        }
    }

    fn carry_bytes(self, mut source: BufReader<impl Read>) -> io::Result<()> {
        let mut sink = Sink::new(self.stream);
        let mut buffer = [0; 8192];
        let mut line = Vec::new();
        loop {
            let length = match source.read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            if length == 0 {
                self.last_line.note(&line);
                return Ok(());
            }
            let bytes = &buffer[..length];
            sink.write(bytes);
            for part in bytes.split_inclusive(|byte| *byte == b'\n') {
                let room = (2 * MAX_KEPT_BYTES).saturating_sub(line.len());
                line.extend_from_slice(&part[..part.len().min(room)]);
                if part.ends_with(b"\n") {
                    self.last_line.note(&line);
                    line.clear();
                }
            }
        }
    }
}

/// A stream of the launcher. When nobody reads it any more, what ranks print goes nowhere, but is still taken from
/// them: they must not stop for it.
#[derive(Debug)]
struct Sink {
    stream: Stream,
    open: bool,
}

impl Sink {
    fn new(stream: Stream) -> Self {
        Self { stream, open: true }
    }

    fn write(&mut self, bytes: &[u8]) {
        if self.open
            && let Err(error) = self.stream.write(bytes)
        {
            self.open = false;
            tracing::warn!("the ranks' output is lost from here on: {error}");
        }
    }
}
