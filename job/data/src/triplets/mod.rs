//! Streams of training triplets: one JSON object a line, plain, `.gz` or `.zst`.

mod parse;

use std::path::PathBuf;

pub(crate) use parse::parse;

use crate::error::{DataError, SourceError};
use crate::lines::{Line, Lines};

/// A query, a text that answers it, and texts that do not.
#[derive(Clone, Debug, PartialEq)]
pub struct Triplet {
    /// The query.
    pub query: String,
    /// The document that answers it.
    pub positive: String,
    /// Documents that look like an answer and are none. May be empty.
    pub negatives: Vec<String>,
    /// What a teacher makes of the documents, where the data says so.
    pub teacher_scores: Option<TeacherScores>,
}

/// A teacher's relevance scores of one triplet's documents, on the teacher's own scale.
#[derive(Clone, Debug, PartialEq)]
pub struct TeacherScores {
    /// Of the positive.
    pub positive: f32,
    /// Of each hard negative.
    pub negatives: Vec<f32>,
}

/// The files that `globs` match, sorted by path, each once.
///
/// # Errors
/// No pattern, or one that is no glob or matches no file; a folder that may not be listed.
pub fn expand<S: AsRef<str>>(globs: &[S]) -> Result<Vec<PathBuf>, DataError> {
    if globs.is_empty() {
        return Err(SourceError::NoPattern.into());
    }
    let mut files = Vec::new();
    for pattern in globs {
        files.extend(matches(pattern.as_ref())?);
    }
    files.sort();
    files.dedup();
    Ok(files)
}

fn matches(pattern: &str) -> Result<Vec<PathBuf>, SourceError> {
    let paths = glob::glob(pattern).map_err(|error| SourceError::Pattern {
        pattern: pattern.to_owned(),
        reason: error.to_string(),
    })?;
    let mut files = Vec::new();
    for path in paths {
        let path = path.map_err(|error| SourceError::Open {
            path: error.path().to_owned(),
            source: error.into(),
        })?;
        if !path.is_dir() {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(SourceError::NoMatch {
            pattern: pattern.to_owned(),
        });
    }
    Ok(files)
}

/// The triplets of some files, in order. Ends after the first error; no triplet at all is an error too.
///
/// A line is `{"query": text, "positive": text}` with at most one of `"negative": text` and `"negatives": [text, ...]`,
/// and teacher scores as `"scores": [positive, negatives...]` or `"positive_score": number` with
/// `"negative_scores": [number, ...]`. Other keys are ignored.
pub struct Triplets {
    lines: FileLines,
}

impl Triplets {
    /// Opens nothing yet: a file that is missing is the error of its first triplet.
    pub fn read(files: &[PathBuf]) -> Self {
        Self {
            lines: FileLines::read(files),
        }
    }
}

impl Iterator for Triplets {
    type Item = Result<Triplet, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        let triplet = self.lines.next()?.and_then(|line| parse_line(&line));
        if triplet.is_err() {
            self.lines.stop();
        }
        Some(triplet.map_err(DataError::from))
    }
}

/// The triplet of a line, or its fault with file and line number.
pub(crate) fn parse_line(line: &Line) -> Result<Triplet, SourceError> {
    parse(&line.text).map_err(|fault| SourceError::Triplet {
        path: line.path.to_path_buf(),
        line: line.number,
        fault,
    })
}

/// The lines of some files, one file after the other. Ends after the first error; no line at all is an error too.
pub(crate) struct FileLines {
    files: Vec<PathBuf>,
    next_file: usize,
    current: Option<Lines>,
    is_empty: bool,
}

impl FileLines {
    pub(crate) fn read(files: &[PathBuf]) -> Self {
        Self {
            files: files.to_vec(),
            next_file: 0,
            current: None,
            is_empty: true,
        }
    }

    fn stop(&mut self) {
        self.next_file = self.files.len();
        self.current = None;
        self.is_empty = false;
    }

    fn advance(&mut self) -> Result<Option<Line>, SourceError> {
        loop {
            if let Some(lines) = &mut self.current {
                if let Some(line) = lines.next_line()? {
                    self.is_empty = false;
                    return Ok(Some(line));
                }
                self.current = None;
            }
            let Some(file) = self.files.get(self.next_file) else {
                break;
            };
            self.current = Some(Lines::open(file)?);
            self.next_file += 1;
        }
        if self.is_empty {
            return Err(SourceError::Empty {
                files: self.files.clone(),
            });
        }
        Ok(None)
    }
}

impl Iterator for FileLines {
    type Item = Result<Line, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        let line = self.advance();
        if line.is_err() {
            self.stop();
        }
        line.transpose()
    }
}
