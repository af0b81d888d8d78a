//! Data sets in the BEIR layout: `corpus.jsonl`, `queries.jsonl` and `qrels/<split>.tsv`, each plain,
//! `.gz` or `.zst`.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::qrels::Qrels;
use crate::source::{COMPRESSION_SUFFIXES, Lines, SourceError};

/// Why a data set could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum BeirError {
    /// A file could not be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A file of the layout is not there.
    #[error("{} is missing (looked for it plain, .gz and .zst); is this a BEIR folder?", .0.display())]
    MissingFile(PathBuf),
    /// A file is there plain and compressed.
    #[error("{} and {} both exist; keep one", .0.display(), .1.display())]
    AmbiguousFile(PathBuf, PathBuf),
    /// The folder of judgments could not be listed.
    #[error("cannot list the splits in {}: {source}", folder.display())]
    Splits {
        /// The folder `qrels`.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The split does not exist.
    #[error("there is no split {split:?} in {}; there is: {}", folder.display(), listed(available))]
    UnknownSplit {
        /// The folder `qrels`.
        folder: PathBuf,
        /// What was asked for.
        split: String,
        /// What there is.
        available: Vec<String>,
    },
    /// A file has no records.
    #[error("{} has no records", .0.display())]
    Empty(PathBuf),
    /// A record is broken.
    #[error("{} line {line}: {problem}", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// What is wrong with it.
        problem: RecordProblem,
    },
}

/// What is wrong with one line.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordProblem {
    /// Not a JSON object.
    #[error("not a JSON object with `_id` and `text`: {0}")]
    Json(String),
    /// A field is absent.
    #[error("field `{0}` is missing; add it")]
    MissingField(&'static str),
    /// A field has the wrong type.
    #[error("field `{0}` is not a string; quote it")]
    NotAString(&'static str),
    /// A field that has to say something is empty.
    #[error("field `{0}` is empty; fill it or remove the record")]
    EmptyField(&'static str),
    /// An id or judgment is there twice.
    #[error("{0} is there twice; remove one")]
    Duplicate(String),
    /// A line of judgments does not have three columns.
    #[error("expected the columns query-id, corpus-id and score, separated by tabs, found {0}")]
    Columns(usize),
    /// Judgments start without a header.
    #[error(
        "the first line is a judgment; put the header `query-id\\tcorpus-id\\tscore` before it"
    )]
    MissingHeader,
    /// A grade is not a number.
    #[error("score {0:?} is not a whole number of 32 bits")]
    Score(String),
    /// A judgment names a query that does not exist.
    #[error("query {0:?} is not in the queries file; add it or remove the judgment")]
    UnknownQuery(String),
}

/// A text to find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// `_id`
    pub id: String,
    /// Empty when the record has none.
    pub title: String,
    /// Empty only when there is a title.
    pub text: String,
}

impl Document {
    /// What is indexed and encoded: title and text on lines of their own, or the text alone.
    #[must_use]
    pub fn contents(&self) -> Cow<'_, str> {
        if self.title.is_empty() {
            Cow::Borrowed(&self.text)
        } else {
            Cow::Owned(format!("{}\n{}", self.title, self.text))
        }
    }
}

/// A question to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// `_id`
    pub id: String,
    /// Never empty.
    pub text: String,
}

/// One split of a data set.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// Name that results carry.
    pub name: String,
    /// Split that was loaded.
    pub split: String,
    /// All documents, in the order of the file.
    pub corpus: Vec<Document>,
    /// The queries that the split judges, in the order of the file.
    pub queries: Vec<Query>,
    /// The split's judgments.
    pub qrels: Qrels,
    /// Queries of the file that the split does not judge; they are left out.
    pub unjudged_queries: usize,
    /// Judgments that name a document outside the corpus. They stay in the qrels: a relevant one
    /// counts as not retrieved, as in trec_eval.
    pub unknown_documents: usize,
}

impl Dataset {
    /// Number of (query, document) judgments.
    #[must_use]
    pub fn judgments(&self) -> usize {
        self.qrels.values().map(|grades| grades.len()).sum()
    }

    /// Whether a BEIR folder has the files of a split. It reads none of them.
    ///
    /// # Errors
    /// When a file is missing, or the split does not exist.
    pub fn look(folder: &Path, split: &str) -> Result<(), BeirError> {
        Files::locate(folder, split).map(drop)
    }

    /// Loads one split of a BEIR folder.
    ///
    /// # Errors
    /// When a file is missing, cannot be read or has a broken record, or the split does not exist.
    pub fn load(folder: &Path, name: &str, split: &str) -> Result<Self, BeirError> {
        let files = Files::locate(folder, split)?;
        let corpus = read_corpus(&files.corpus)?;
        let all_queries = read_queries(&files.queries)?;
        let query_ids = all_queries.iter().map(|query| query.id.as_str()).collect();
        let qrels = read_qrels(&files.qrels, &query_ids)?;

        let documents: HashSet<&str> = corpus.iter().map(|document| document.id.as_str()).collect();
        let judged_documents = qrels.values().flat_map(|grades| grades.keys());
        let unknown_documents = judged_documents
            .filter(|id| !documents.contains(id.as_str()))
            .count();
        let total = all_queries.len();
        let queries: Vec<Query> = all_queries
            .into_iter()
            .filter(|query| qrels.contains_key(&query.id))
            .collect();
        Ok(Self {
            name: name.to_owned(),
            split: split.to_owned(),
            unjudged_queries: total - queries.len(),
            corpus,
            queries,
            qrels,
            unknown_documents,
        })
    }
}

/// The files of one split.
struct Files {
    corpus: PathBuf,
    queries: PathBuf,
    qrels: PathBuf,
}

impl Files {
    fn locate(folder: &Path, split: &str) -> Result<Self, BeirError> {
        Ok(Self {
            qrels: locate_split(&folder.join("qrels"), split)?,
            corpus: locate(folder, "corpus.jsonl")?,
            queries: locate(folder, "queries.jsonl")?,
        })
    }
}

fn listed(names: &[String]) -> String {
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

/// The one file of that name, plain or compressed.
fn locate(folder: &Path, name: &str) -> Result<PathBuf, BeirError> {
    let candidates = COMPRESSION_SUFFIXES.map(|suffix| folder.join(format!("{name}{suffix}")));
    let mut existing = candidates.into_iter().filter(|path| path.exists());
    match (existing.next(), existing.next()) {
        (Some(path), None) => Ok(path),
        (Some(first), Some(second)) => Err(BeirError::AmbiguousFile(first, second)),
        (None, _) => Err(BeirError::MissingFile(folder.join(name))),
    }
}

/// Only a split that the folder lists is opened: the name never becomes a path by itself.
fn locate_split(folder: &Path, split: &str) -> Result<PathBuf, BeirError> {
    let splits = |source| BeirError::Splits {
        folder: folder.to_owned(),
        source,
    };
    let mut available = BTreeSet::new();
    for entry in folder.read_dir().map_err(splits)? {
        let name = entry.map_err(splits)?.file_name();
        let name = name.to_string_lossy();
        let stem = COMPRESSION_SUFFIXES
            .iter()
            .find_map(|suffix| name.strip_suffix(&format!(".tsv{suffix}")));
        available.extend(stem.map(str::to_owned));
    }
    if available.contains(split) {
        return locate(folder, &format!("{split}.tsv"));
    }
    Err(BeirError::UnknownSplit {
        folder: folder.to_owned(),
        split: split.to_owned(),
        available: available.into_iter().collect(),
    })
}

/// A line of the corpus or of the queries; `metadata` and the like are ignored.
#[derive(Deserialize)]
struct RawRecord {
    #[serde(rename = "_id")]
    id: Option<Value>,
    title: Option<Value>,
    text: Option<Value>,
}

fn read_corpus(path: &Path) -> Result<Vec<Document>, BeirError> {
    read_records(path, |record| {
        let id = filled("_id", record.id)?;
        let title = optional("title", record.title)?.unwrap_or_default();
        let text = optional("text", record.text)?.ok_or(RecordProblem::MissingField("text"))?;
        if text.is_empty() && title.is_empty() {
            return Err(RecordProblem::EmptyField("text"));
        }
        Ok((id.clone(), Document { id, title, text }))
    })
}

fn read_queries(path: &Path) -> Result<Vec<Query>, BeirError> {
    read_records(path, |record| {
        let id = filled("_id", record.id)?;
        let text = filled("text", record.text)?;
        Ok((id.clone(), Query { id, text }))
    })
}

/// Reads JSON lines into (id, record) with unique ids.
fn read_records<T>(
    path: &Path,
    parse: impl Fn(RawRecord) -> Result<(String, T), RecordProblem>,
) -> Result<Vec<T>, BeirError> {
    let mut lines = Lines::open(path)?;
    let mut seen = HashSet::new();
    let mut records = Vec::new();
    while let Some((line, text)) = lines.next_line()? {
        let broken = |problem| BeirError::Record {
            path: path.to_owned(),
            line,
            problem,
        };
        let record = serde_json::from_str(text).map_err(|error: serde_json::Error| {
            let reason = error.to_string();
            // The parser sees one line, whose number it does not know.
            broken(RecordProblem::Json(
                reason.replace(" at line 1 column ", " at column "),
            ))
        })?;
        let (id, record) = parse(record).map_err(broken)?;
        if seen.contains(&id) {
            return Err(broken(RecordProblem::Duplicate(format!("_id {id:?}"))));
        }
        seen.insert(id);
        records.push(record);
    }
    if records.is_empty() {
        return Err(BeirError::Empty(path.to_owned()));
    }
    Ok(records)
}

fn optional(field: &'static str, value: Option<Value>) -> Result<Option<String>, RecordProblem> {
    match value {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(RecordProblem::NotAString(field)),
    }
}

fn filled(field: &'static str, value: Option<Value>) -> Result<String, RecordProblem> {
    let text = optional(field, value)?.ok_or(RecordProblem::MissingField(field))?;
    if text.is_empty() {
        Err(RecordProblem::EmptyField(field))
    } else {
        Ok(text)
    }
}

fn read_qrels(path: &Path, queries: &HashSet<&str>) -> Result<Qrels, BeirError> {
    let mut lines = Lines::open(path)?;
    let mut qrels = Qrels::new();
    while let Some((line, text)) = lines.next_line()? {
        let judged = if line == 1 {
            check_header(text)
        } else {
            judge(text, queries, &mut qrels)
        };
        judged.map_err(|problem| BeirError::Record {
            path: path.to_owned(),
            line,
            problem,
        })?;
    }
    if qrels.is_empty() {
        return Err(BeirError::Empty(path.to_owned()));
    }
    Ok(qrels)
}

fn columns(line: &str) -> Result<[&str; 3], RecordProblem> {
    let columns: Vec<&str> = line.split('\t').collect();
    columns
        .try_into()
        .map_err(|columns: Vec<&str>| RecordProblem::Columns(columns.len()))
}

/// Headers are worded in more than one way; what they never have is a number for a score.
fn check_header(line: &str) -> Result<(), RecordProblem> {
    let [_, _, score] = columns(line)?;
    if score.trim().parse::<f64>().is_ok() {
        Err(RecordProblem::MissingHeader)
    } else {
        Ok(())
    }
}

fn judge(line: &str, queries: &HashSet<&str>, qrels: &mut Qrels) -> Result<(), RecordProblem> {
    let [query, document, score] = columns(line)?;
    if document.is_empty() {
        return Err(RecordProblem::EmptyField("corpus-id"));
    }
    if !queries.contains(query) {
        return Err(RecordProblem::UnknownQuery(query.to_owned()));
    }
    let grade = score
        .parse()
        .map_err(|_| RecordProblem::Score(score.to_owned()))?;
    let grades = qrels.entry(query.to_owned()).or_default();
    if grades.insert(document.to_owned(), grade).is_some() {
        let pair = format!("the judgment of query {query:?} and document {document:?}");
        return Err(RecordProblem::Duplicate(pair));
    }
    Ok(())
}
