//! Making shards: read, tokenise on all cores, write through. Memory does not grow with the data.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use rayon::prelude::*;
use tempfile::TempDir;
use xxhash_rust::xxh3::xxh3_64;

use super::format::IdWidth;
use super::writer::{EncodedExample, ShardWriter, sync_folder};
use super::{ShardSpec, Text, cache_error};
use crate::error::{DataError, ShardError, SourceError, TripletFault};
use crate::lines::Line;
use crate::tokenizer::Tokenizer;
use crate::triplets::{FileLines, TeacherScores, parse_line};

/// Lines that are tokenised at once: enough to keep many cores busy.
const LINES_AT_ONCE: usize = 4096;
/// Text that is tokenised at once, in bytes, so that long lines do not fill the memory. One line may exceed it.
const BYTES_AT_ONCE: usize = 16 * 1024 * 1024;
/// Chunks that are read ahead.
const CHUNKS_AHEAD: usize = 1;

type Chunk = Result<Vec<Line>, SourceError>;

/// An empty folder to make shards in, removed unless it is put in place. The caller holds the lock of `fingerprint`.
pub(super) fn start(cache: &Path, fingerprint: &str) -> Result<TempDir, ShardError> {
    let prefix = format!(".{fingerprint}-");
    remove_remains(cache, &prefix)?;
    // Shards are shared: tempfile's own default would keep them from other users.
    let permissions = fs::Permissions::from_mode(0o777);
    tempfile::Builder::new()
        .permissions(permissions)
        .prefix(&prefix)
        .tempdir_in(cache)
        .map_err(cache_error("create a folder in", cache))
}

/// Removes what a process that was killed left behind. None that lives is there: it would hold the lock.
fn remove_remains(cache: &Path, prefix: &str) -> Result<(), ShardError> {
    for entry in fs::read_dir(cache).map_err(cache_error("list", cache))? {
        let entry = entry.map_err(cache_error("list", cache))?;
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            fs::remove_dir_all(entry.path()).map_err(cache_error("remove", &entry.path()))?;
        }
    }
    Ok(())
}

/// Gives finished shards their name, at once or not at all.
pub(super) fn put_in_place(unfinished: TempDir, folder: &Path) -> Result<(), ShardError> {
    fs::rename(unfinished.path(), folder).map_err(cache_error("create", folder))?;
    // Nothing lies there any more that would have to be removed.
    let _ = unfinished.keep();
    folder.parent().map_or(Ok(()), sync_folder)
}

/// Writes the shards of a data set into an empty folder.
pub(super) fn build(
    spec: &ShardSpec,
    tokenizer: &Tokenizer,
    folder: &Path,
    fingerprint: &str,
    progress: &mut dyn FnMut(u64),
) -> Result<(), DataError> {
    let mut writer = ShardWriter::create(folder, IdWidth::of_vocabulary(tokenizer.vocab_size()))?;
    let mut done = 0;
    thread::scope(|scope| {
        let (sender, chunks) = sync_channel(CHUNKS_AHEAD);
        scope.spawn(move || send_chunks(FileLines::read(&spec.files), &sender));
        for chunk in chunks {
            let chunk = chunk?;
            let examples: Vec<_> = chunk
                .par_iter()
                .map(|line| encode(line, spec, tokenizer))
                .collect();
            // One by one, so that the error is always that of the first bad line.
            for example in examples {
                writer.push(&example?)?;
                done += 1;
            }
            progress(done);
        }
        Ok::<_, DataError>(())
    })?;
    Ok(writer.finish(fingerprint)?)
}

/// Sends lines in chunks until they end, one is bad, or nobody listens any more.
fn send_chunks(lines: FileLines, chunks: &SyncSender<Chunk>) {
    let mut chunk = Vec::new();
    let mut bytes = 0;
    for line in lines {
        match line {
            Ok(line) => {
                bytes += line.text.len();
                chunk.push(line);
            }
            Err(error) => {
                // The good lines first: one of them may be no triplet, and comes before.
                if chunks.send(Ok(chunk)).is_ok() {
                    let _ = chunks.send(Err(error));
                }
                return;
            }
        }
        if chunk.len() >= LINES_AT_ONCE || bytes >= BYTES_AT_ONCE {
            bytes = 0;
            if chunks.send(Ok(std::mem::take(&mut chunk))).is_err() {
                return;
            }
        }
    }
    let _ = chunks.send(Ok(chunk));
}

fn encode(
    line: &Line,
    spec: &ShardSpec,
    tokenizer: &Tokenizer,
) -> Result<EncodedExample, DataError> {
    let triplet = parse_line(line)?;
    let kept = triplet.negatives.len().min(spec.hard_negatives);
    let mut texts = Vec::with_capacity(2 + kept);
    let mut push = |text: &str, max_length: usize, field: &dyn Fn() -> String| {
        let tokens = tokenizer.encode(text, max_length)?;
        if tokens.is_empty() {
            let fault = TripletFault::NoTokens { field: field() };
            return Err(SourceError::Triplet {
                path: line.path.to_path_buf(),
                line: line.number,
                fault,
            }
            .into());
        }
        texts.push(Text {
            id: xxh3_64(text.as_bytes()),
            tokens,
        });
        Ok::<_, DataError>(())
    };
    push(&triplet.query, spec.query_max_length, &|| {
        "query".to_owned()
    })?;
    push(&triplet.positive, spec.document_max_length, &|| {
        "positive".to_owned()
    })?;
    for (index, negative) in triplet.negatives.iter().take(kept).enumerate() {
        push(negative, spec.document_max_length, &|| {
            format!("negatives[{index}]")
        })?;
    }
    let teacher_scores = triplet.teacher_scores.map(
        |TeacherScores {
             positive,
             mut negatives,
         }| {
            negatives.truncate(kept);
            TeacherScores {
                positive,
                negatives,
            }
        },
    );
    Ok(EncodedExample {
        texts,
        teacher_scores,
    })
}
