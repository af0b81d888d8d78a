//! TREC run files: `query Q0 document rank score tag`, one hit per line.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::ranking::{Hit, Ranking, RankingError, Run};
use crate::source::{Lines, SourceError};

/// Why a run could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteRunError {
    /// A name that the format cannot carry.
    #[error(
        "{what} {name:?} is empty or contains white space, which separates the columns of a run file; rename it"
    )]
    Name {
        /// Query, document or tag.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A score that the format cannot carry.
    #[error("query {query:?}: the score of document {document:?} is infinite")]
    Infinite {
        /// Query id.
        query: String,
        /// Document id.
        document: String,
    },
    /// Writing failed.
    #[error("cannot write the run: {0}")]
    Io(#[from] io::Error),
}

/// Why a run file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadRunError {
    /// The file could not be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A line does not have six columns.
    #[error("{} line {line}: expected six columns (query Q0 document rank score tag), found {found}", path.display())]
    Columns {
        /// The file.
        path: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// Number of columns.
        found: usize,
    },
    /// A score is not a finite number.
    #[error("{} line {line}: score {score:?} is not a finite 32-bit number", path.display())]
    Score {
        /// The file.
        path: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// The column.
        score: String,
    },
    /// A query has a document twice.
    #[error("{} line {line}: query {query:?} already has document {document:?}; remove one", path.display())]
    Duplicate {
        /// The file.
        path: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// Query id.
        query: String,
        /// Document id.
        document: String,
    },
    /// The hits of a query cannot be ranked.
    #[error("{}: cannot rank the hits of query {query:?}: {source}", path.display())]
    Ranking {
        /// The file.
        path: PathBuf,
        /// Query id.
        query: String,
        /// Why.
        source: RankingError,
    },
}

/// Writes a run, best hit first, ranks from 1, scores with the fewest digits that read back as the
/// same f32. A query without hits leaves no line: judged later, it counts as zero either way.
///
/// # Errors
/// When an id or the tag is empty or has white space, a score is infinite, or writing fails.
pub fn write_run(mut writer: impl Write, run: &Run, tag: &str) -> Result<(), WriteRunError> {
    check_name("tag", tag)?;
    for (query, ranking) in run {
        check_name("query", query)?;
        for (rank, hit) in (1usize..).zip(ranking.hits()) {
            let Hit { document, score } = hit;
            check_name("document", document)?;
            if score.is_infinite() {
                let (query, document) = (query.clone(), document.to_string());
                return Err(WriteRunError::Infinite { query, document });
            }
            writeln!(writer, "{query} Q0 {document} {rank} {score} {tag}")?;
        }
    }
    writer.flush()?;
    Ok(())
}

fn check_name(what: &'static str, name: &str) -> Result<(), WriteRunError> {
    if name.is_empty() || name.contains(char::is_whitespace) {
        return Err(WriteRunError::Name {
            what,
            name: name.to_owned(),
        });
    }
    Ok(())
}

/// Reads a run file, plain, `.gz` or `.zst`.
///
/// Rank and tag are not looked at, as in trec_eval: scores, rounded to f32, decide the order.
///
/// # Errors
/// When the file cannot be read, or a line is malformed or repeats a document of its query.
pub fn read_run(path: &Path) -> Result<Run, ReadRunError> {
    let mut lines = Lines::open(path)?;
    let mut scores: BTreeMap<String, HashMap<Arc<str>, f32>> = BTreeMap::new();
    while let Some((line, text)) = lines.next_line()? {
        let columns: Vec<&str> = text.split_whitespace().collect();
        let [query, _, document, _, score, _] = columns[..] else {
            return Err(ReadRunError::Columns {
                path: path.to_owned(),
                line,
                found: columns.len(),
            });
        };
        let score = parse_score(score).ok_or_else(|| ReadRunError::Score {
            path: path.to_owned(),
            line,
            score: score.to_owned(),
        })?;
        let of_query = scores.entry(query.to_owned()).or_default();
        if of_query.insert(document.into(), score).is_some() {
            return Err(ReadRunError::Duplicate {
                path: path.to_owned(),
                line,
                query: query.to_owned(),
                document: document.to_string(),
            });
        }
    }
    scores
        .into_iter()
        .map(|(query, scores)| ranked(path, query, scores))
        .collect()
}

/// By way of f64, as trec_eval does, so that a tie there is a tie here.
fn parse_score(text: &str) -> Option<f32> {
    let score = text.parse::<f64>().ok()? as f32;
    score.is_finite().then_some(score)
}

fn ranked(
    path: &Path,
    query: String,
    scores: HashMap<Arc<str>, f32>,
) -> Result<(String, Ranking), ReadRunError> {
    let hits = scores
        .into_iter()
        .map(|(document, score)| Hit { document, score });
    match Ranking::from_hits(hits.collect()) {
        Ok(ranking) => Ok((query, ranking)),
        Err(source) => Err(ReadRunError::Ranking {
            path: path.to_owned(),
            query,
            source,
        }),
    }
}
