//! Reading shards through memory maps.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use memmap2::Mmap;
use xxhash_rust::xxh3::xxh3_64;

use super::format::{
    EXAMPLES_FILE, FORMAT_VERSION, HEADER_FILE, Header, IdWidth, RECORD_BYTES, SCORE_BYTES,
    SCORES_FILE, Section, TEXTS_FILE, TOKENS_FILE,
};
use super::{Example, Text};
use crate::triplets::TeacherScores;

/// The files of one folder, checked against their header.
#[derive(Debug)]
pub(super) struct ShardReader {
    id_width: IdWidth,
    tokens: Mmap,
    texts: Mmap,
    scores: Mmap,
    examples: Mmap,
}

/// Why there are no shards to read.
#[derive(Debug)]
pub(super) enum Unreadable {
    /// Nothing is there.
    Absent,
    /// Something is there, but not what it should be.
    Damaged(String),
}

impl ShardReader {
    /// Maps the files of a folder and reads each once, to compare its checksum.
    pub(super) fn open(
        folder: &Path,
        fingerprint: &str,
        id_width: IdWidth,
    ) -> Result<Self, Unreadable> {
        if !folder.exists() {
            return Err(Unreadable::Absent);
        }
        let damaged = |name: &str, error: &dyn std::fmt::Display| {
            Unreadable::Damaged(format!("{name}: {error}"))
        };
        let text =
            fs::read(folder.join(HEADER_FILE)).map_err(|error| damaged(HEADER_FILE, &error))?;
        let header: Header =
            serde_json::from_slice(&text).map_err(|error| damaged(HEADER_FILE, &error))?;
        let as_expected = header.format_version == FORMAT_VERSION
            && header.fingerprint == fingerprint
            && header.id_width == id_width;
        if !as_expected {
            return Err(damaged(HEADER_FILE, &"describes other shards"));
        }
        let open = |name: &str, section: Section, record: usize| {
            open_section(&folder.join(name), section, record)
                .map_err(|reason| damaged(name, &reason))
        };
        Ok(Self {
            id_width,
            tokens: open(TOKENS_FILE, header.tokens, id_width.bytes())?,
            texts: open(TEXTS_FILE, header.texts, RECORD_BYTES)?,
            scores: open(SCORES_FILE, header.scores, SCORE_BYTES)?,
            examples: open(EXAMPLES_FILE, header.examples, RECORD_BYTES)?,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.examples.len() / RECORD_BYTES
    }

    /// Example `index`; None where the files contradict each other.
    pub(super) fn example(&self, index: usize) -> Option<Example> {
        self.example_with(index, |text| self.text(text))
    }

    /// Example `index` without the tokens of its texts; None where the files contradict each other.
    pub(super) fn example_without_tokens(&self, index: usize) -> Option<Example> {
        self.example_with(index, |text| {
            let (_, id) = record(&self.texts, text)?;
            let tokens = Vec::new();
            Some(Text { id, tokens })
        })
    }

    fn example_with(&self, index: usize, text: impl Fn(usize) -> Option<Text>) -> Option<Example> {
        let (texts_start, scores_start) = previous_record(&self.examples, index)?;
        let (texts_end, scores_end) = record(&self.examples, index)?;
        let mut texts = (texts_start..texts_end).map(|number| text(number as usize));
        Some(Example {
            index,
            query: texts.next()??,
            positive: texts.next()??,
            negatives: texts.collect::<Option<_>>()?,
            teacher_scores: self.teacher_scores(scores_start as usize, scores_end as usize)?,
        })
    }

    /// Whether example `index` has teacher scores; None where the files contradict each other.
    pub(super) fn is_scored(&self, index: usize) -> Option<bool> {
        let (_, start) = previous_record(&self.examples, index)?;
        let (_, end) = record(&self.examples, index)?;
        Some(end > start)
    }

    fn text(&self, text: usize) -> Option<Text> {
        let (start, _) = previous_record(&self.texts, text)?;
        let (end, id) = record(&self.texts, text)?;
        let width = self.id_width.bytes();
        let bytes = self
            .tokens
            .get((start as usize).checked_mul(width)?..(end as usize).checked_mul(width)?)?;
        let tokens = match self.id_width {
            IdWidth::U16 => bytes
                .as_chunks()
                .0
                .iter()
                .map(|&token| u32::from(u16::from_le_bytes(token)))
                .collect(),
            IdWidth::U32 => bytes
                .as_chunks()
                .0
                .iter()
                .map(|&token| u32::from_le_bytes(token))
                .collect(),
        };
        Some(Text { id, tokens })
    }

    fn teacher_scores(&self, start: usize, end: usize) -> Option<Option<TeacherScores>> {
        let bytes = self
            .scores
            .get(start.checked_mul(SCORE_BYTES)?..end.checked_mul(SCORE_BYTES)?)?;
        let mut scores = bytes
            .as_chunks()
            .0
            .iter()
            .map(|&score| f32::from_le_bytes(score));
        let Some(positive) = scores.next() else {
            return Some(None);
        };
        Some(Some(TeacherScores {
            positive,
            negatives: scores.collect(),
        }))
    }
}

/// The two numbers of a record.
fn record(records: &[u8], index: usize) -> Option<(u64, u64)> {
    let (first, second) = records
        .get(index.checked_mul(RECORD_BYTES)?..)?
        .split_first_chunk()?;
    Some((
        u64::from_le_bytes(*first),
        u64::from_le_bytes(*second.first_chunk()?),
    ))
}

/// The record before, or zeros before the first.
fn previous_record(records: &[u8], index: usize) -> Option<(u64, u64)> {
    match index.checked_sub(1) {
        Some(previous) => record(records, previous),
        None => Some((0, 0)),
    }
}

fn open_section(path: &Path, section: Section, record_bytes: usize) -> Result<Mmap, String> {
    let map = File::open(path)
        .and_then(|file| map(&file))
        .map_err(|error| error.to_string())?;
    if map.len() as u64 != section.bytes || map.len() % record_bytes != 0 {
        return Err(format!(
            "has {} bytes instead of {}",
            map.len(),
            section.bytes
        ));
    }
    if xxh3_64(&map) != section.xxh3 {
        return Err("its checksum differs".to_owned());
    }
    Ok(map)
}

#[allow(unsafe_code)]
fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: a mapping is sound while nobody changes or shortens the file. Shards are written under another name,
    // put in place by a rename, and never opened for writing again; where they are remade, the old files are
    // unlinked, which leaves a mapping of them whole.
    unsafe { Mmap::map(file) }
}
