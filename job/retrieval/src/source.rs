//! Text files read line by line, plain or compressed, with a bound on the length of a line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

/// The longest line that is read, in bytes after decompression and without its line end.
pub const MAX_LINE_BYTES: usize = 16 * 1024 * 1024;

/// The endings under which a text file is looked up and recognised.
pub(crate) const COMPRESSION_SUFFIXES: [&str; 3] = ["", ".gz", ".zst"];

/// Why a text file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The file does not exist or may not be opened.
    #[error("cannot open {}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Reading or decompressing failed.
    #[error("cannot read {} at line {line}: {source}; is the file complete?", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// What the system or the decompressor said.
        source: io::Error,
    },
    /// A line is longer than [`MAX_LINE_BYTES`].
    #[error("{} line {line} is longer than {MAX_LINE_BYTES} bytes; split the record or check that the file is text", path.display())]
    LineTooLong {
        /// The file.
        path: PathBuf,
        /// Line number, from 1.
        line: usize,
    },
    /// A line is not UTF-8.
    #[error("{} line {line} is not UTF-8; convert the file", path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// Line number, from 1.
        line: usize,
    },
}

/// The lines of one file, without their line ends (`\n` or `\r\n`).
pub(crate) struct Lines {
    reader: Box<dyn BufRead>,
    path: PathBuf,
    line: usize,
    buffer: Vec<u8>,
}

impl Lines {
    /// Opens a file; `.gz` and `.zst` names are decompressed.
    pub(crate) fn open(path: &Path) -> Result<Self, SourceError> {
        let reader = decompressed(path).map_err(|source| SourceError::Open {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            reader,
            path: path.to_owned(),
            line: 0,
            buffer: Vec::new(),
        })
    }

    /// The next line and its number (from 1), or `None` at the end of the file.
    pub(crate) fn next_line(&mut self) -> Result<Option<(usize, &str)>, SourceError> {
        self.buffer.clear();
        self.line += 1;
        let (path, line) = (&self.path, self.line);
        // Room for a line of the longest length and its line end: anything beyond is too long.
        let longest = MAX_LINE_BYTES as u64 + 2;
        let read = self
            .reader
            .by_ref()
            .take(longest)
            .read_until(b'\n', &mut self.buffer)
            .map_err(|source| SourceError::Read {
                path: path.clone(),
                line,
                source,
            })?;
        if read == 0 {
            return Ok(None);
        }
        let content = without_line_end(&self.buffer);
        if content.len() > MAX_LINE_BYTES {
            return Err(SourceError::LineTooLong {
                path: path.clone(),
                line,
            });
        }
        match str::from_utf8(content) {
            Ok(text) => Ok(Some((line, text))),
            Err(_) => Err(SourceError::NotUtf8 {
                path: path.clone(),
                line,
            }),
        }
    }
}

fn decompressed(path: &Path) -> io::Result<Box<dyn BufRead>> {
    let file = BufReader::new(File::open(path)?);
    Ok(
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("gz") => Box::new(BufReader::new(MultiGzDecoder::new(file))),
            Some("zst") => Box::new(BufReader::new(zstd::stream::read::Decoder::with_buffer(
                file,
            )?)),
            _ => Box::new(file),
        },
    )
}

fn without_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}
