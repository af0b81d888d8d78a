//! Text files read line by line, plain or compressed, with a bound on the length of a line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use flate2::bufread::MultiGzDecoder;

use crate::error::SourceError;

/// The longest line that is read, in bytes after decompression and without its line end.
pub(crate) const MAX_LINE_BYTES: usize = 16 * 1024 * 1024;

/// How a file is compressed, by the ending of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    pub(crate) fn of(path: &Path) -> Self {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("gz") => Self::Gzip,
            Some("zst") => Self::Zstd,
            _ => Self::None,
        }
    }
}

/// One line and where it stands.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) path: Arc<Path>,
    /// From 1.
    pub(crate) number: u64,
    /// Without the line end.
    pub(crate) text: String,
}

/// The lines of one file, without their line ends (`\n` or `\r\n`).
pub(crate) struct Lines {
    reader: Box<dyn BufRead + Send>,
    path: Arc<Path>,
    number: u64,
}

impl Lines {
    pub(crate) fn open(path: &Path) -> Result<Self, SourceError> {
        let reader = decompressed(path).map_err(|source| SourceError::Open {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            reader,
            path: Arc::from(path),
            number: 0,
        })
    }

    /// The next line, or None at the end of the file.
    pub(crate) fn next_line(&mut self) -> Result<Option<Line>, SourceError> {
        self.number += 1;
        let (path, line) = (|| self.path.to_path_buf(), self.number);
        // Room for a line of the longest length and its line end: anything beyond is too long.
        let longest = MAX_LINE_BYTES as u64 + 2;
        let mut bytes = Vec::new();
        let read = self
            .reader
            .by_ref()
            .take(longest)
            .read_until(b'\n', &mut bytes)
            .map_err(|source| SourceError::Read {
                path: path(),
                line,
                source,
            })?;
        if read == 0 {
            return Ok(None);
        }
        cut_line_end(&mut bytes);
        if bytes.len() > MAX_LINE_BYTES {
            return Err(SourceError::LineTooLong { path: path(), line });
        }
        let text = String::from_utf8(bytes).map_err(|error| SourceError::NotUtf8 {
            path: path(),
            line,
            valid: error.utf8_error().valid_up_to(),
        })?;
        Ok(Some(Line {
            path: self.path.clone(),
            number: line,
            text,
        }))
    }
}

fn decompressed(path: &Path) -> io::Result<Box<dyn BufRead + Send>> {
    let file = BufReader::with_capacity(1 << 16, File::open(path)?);
    Ok(match Compression::of(path) {
        Compression::None => Box::new(file),
        Compression::Gzip => Box::new(BufReader::new(MultiGzDecoder::new(file))),
        Compression::Zstd => Box::new(BufReader::new(zstd::stream::read::Decoder::with_buffer(
            file,
        )?)),
    })
}

fn cut_line_end(line: &mut Vec<u8>) {
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
}
