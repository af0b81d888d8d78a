//! Choosing the pieces of a WordPiece vocabulary by merging, over and over, the most frequent pair of pieces.
//!
//! The same procedure as the `tokenizers` library's WordPiece trainer (byte-pair merges, a prefix for pieces inside a
//! word), except that ties always go the same way: there they follow the order of a randomly seeded hash map.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};

/// Marks a piece that continues a word.
pub(super) const CONTINUATION: &str = "##";

/// A pair seen once is no pattern.
const MIN_PAIR_COUNT: u64 = 2;

/// The alphabet alone has this many pieces, more than there is room for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct AlphabetTooLarge(pub(super) usize);

type Pair = (u32, u32);

/// At most `room` pieces for words with these counts: every character, every character inside a word with its prefix
/// (each group sorted), then merges in the order they were made.
///
/// Stops early when no pair occurs twice. Among equally frequent pairs, the one of the older pieces is merged first.
pub(super) fn choose_pieces(
    words: &BTreeMap<String, u64>,
    room: usize,
) -> Result<Vec<String>, AlphabetTooLarge> {
    let pieces = alphabet(words);
    if pieces.len() > room {
        return Err(AlphabetTooLarge(pieces.len()));
    }
    let mut merger = Merger::new(words, pieces);
    while merger.pieces.len() < room {
        let Some(pair) = merger.most_frequent() else {
            break;
        };
        merger.merge(pair);
    }
    Ok(merger.pieces)
}

fn alphabet(words: &BTreeMap<String, u64>) -> Vec<String> {
    let characters: BTreeSet<char> = words.keys().flat_map(|word| word.chars()).collect();
    let continuations: BTreeSet<char> =
        words.keys().flat_map(|word| word.chars().skip(1)).collect();
    let prefixed = continuations
        .into_iter()
        .map(|character| format!("{CONTINUATION}{character}"));
    characters
        .into_iter()
        .map(String::from)
        .chain(prefixed)
        .collect()
}

struct Word {
    pieces: Vec<u32>,
    count: u64,
}

/// The words as pieces, and where each pair of neighbours occurs.
struct Merger {
    pieces: Vec<String>,
    ids: HashMap<String, u32>,
    words: Vec<Word>,
    /// Only ever looked up: the order of a hash map must not reach the result.
    counts: HashMap<Pair, u64>,
    /// Words that held the pair at some time.
    occurrences: HashMap<Pair, Vec<usize>>,
    /// A pair for every count it ever had; an entry whose count is no longer true is passed over.
    queue: BinaryHeap<(u64, Reverse<Pair>)>,
}

impl Merger {
    fn new(words: &BTreeMap<String, u64>, pieces: Vec<String>) -> Self {
        let ids: HashMap<String, u32> = pieces.iter().cloned().zip(0..).collect();
        let mut merger = Self {
            pieces,
            ids,
            words: Vec::with_capacity(words.len()),
            counts: HashMap::new(),
            occurrences: HashMap::new(),
            queue: BinaryHeap::new(),
        };
        let mut changed = BTreeSet::new();
        for (index, (word, &count)) in words.iter().enumerate() {
            let pieces = spell(word, &merger.ids);
            merger.count_pairs(index, &pieces, count, &mut changed);
            merger.words.push(Word { pieces, count });
        }
        merger.requeue(changed);
        merger
    }

    fn count_pairs(
        &mut self,
        word: usize,
        pieces: &[u32],
        count: u64,
        changed: &mut BTreeSet<Pair>,
    ) {
        for pair in pairs(pieces) {
            *self.counts.entry(pair).or_default() += count;
            let occurrences = self.occurrences.entry(pair).or_default();
            if occurrences.last() != Some(&word) {
                occurrences.push(word);
            }
            changed.insert(pair);
        }
    }

    fn requeue(&mut self, changed: BTreeSet<Pair>) {
        for pair in changed {
            let count = self.counts.get(&pair).copied().unwrap_or(0);
            if count >= MIN_PAIR_COUNT {
                self.queue.push((count, Reverse(pair)));
            }
        }
    }

    fn most_frequent(&mut self) -> Option<Pair> {
        while let Some((count, Reverse(pair))) = self.queue.pop() {
            if self.counts.get(&pair) == Some(&count) {
                return Some(pair);
            }
        }
        None
    }

    /// Makes one piece of a pair, wherever it occurs.
    fn merge(&mut self, pair: Pair) {
        let merged = self.merged_piece(pair);
        let mut words = self.occurrences.remove(&pair).unwrap_or_default();
        words.sort_unstable();
        words.dedup();
        let mut changed = BTreeSet::new();
        for index in words {
            let Some(word) = self.words.get_mut(index) else {
                continue;
            };
            let count = word.count;
            let before = std::mem::take(&mut word.pieces);
            for old in pairs(&before) {
                if let Some(total) = self.counts.get_mut(&old) {
                    *total -= count;
                }
                changed.insert(old);
            }
            let after = replace_pair(&before, pair, merged);
            self.count_pairs(index, &after, count, &mut changed);
            if let Some(word) = self.words.get_mut(index) {
                word.pieces = after;
            }
        }
        self.requeue(changed);
    }

    /// The id of the joined piece, which another pair may have made before.
    fn merged_piece(&mut self, (left, right): Pair) -> u32 {
        let text = |id: u32| self.pieces.get(id as usize).map_or("", String::as_str);
        let right = text(right);
        let joined = format!(
            "{}{}",
            text(left),
            right.strip_prefix(CONTINUATION).unwrap_or(right)
        );
        let next = self.pieces.len() as u32;
        let id = *self.ids.entry(joined.clone()).or_insert(next);
        if id == next {
            self.pieces.push(joined);
        }
        id
    }
}

fn pairs(pieces: &[u32]) -> impl Iterator<Item = Pair> {
    pieces.iter().copied().zip(pieces.iter().copied().skip(1))
}

fn spell(word: &str, ids: &HashMap<String, u32>) -> Vec<u32> {
    let piece = |(index, character): (usize, char)| match index {
        0 => ids.get(&String::from(character)),
        _ => ids.get(&format!("{CONTINUATION}{character}")),
    };
    word.chars()
        .enumerate()
        .filter_map(piece)
        .copied()
        .collect()
}

fn replace_pair(pieces: &[u32], pair: Pair, merged: u32) -> Vec<u32> {
    let mut replaced = Vec::with_capacity(pieces.len());
    let mut rest = pieces;
    while let Some((&first, tail)) = rest.split_first() {
        if (Some(&first), tail.first()) == (Some(&pair.0), Some(&pair.1)) {
            replaced.push(merged);
            rest = tail.get(1..).unwrap_or_default();
        } else {
            replaced.push(first);
            rest = tail;
        }
    }
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counted(words: &[(&str, u64)]) -> BTreeMap<String, u64> {
        words
            .iter()
            .map(|&(word, count)| (word.to_owned(), count))
            .collect()
    }

    /// The definition, word by word: count all pairs anew for every merge.
    fn naive(words: &BTreeMap<String, u64>, room: usize) -> Vec<String> {
        let mut pieces = alphabet(words);
        let mut spelled: Vec<(Vec<String>, u64)> = words
            .iter()
            .map(|(word, &count)| {
                let spelled = word
                    .chars()
                    .enumerate()
                    .map(|(index, character)| match index {
                        0 => character.to_string(),
                        _ => format!("##{character}"),
                    });
                (spelled.collect(), count)
            })
            .collect();
        while pieces.len() < room {
            let place = |piece: &str| pieces.iter().position(|other| other == piece).unwrap();
            let mut counts: BTreeMap<(usize, usize), u64> = BTreeMap::new();
            for (word, count) in &spelled {
                for pair in word.windows(2) {
                    *counts
                        .entry((place(&pair[0]), place(&pair[1])))
                        .or_default() += count;
                }
            }
            let best = counts
                .into_iter()
                .max_by_key(|&(pair, count)| (count, Reverse(pair)));
            let Some(((left, right), 2..)) = best else {
                break;
            };
            let (left, right) = (pieces[left].clone(), pieces[right].clone());
            let joined = format!("{left}{}", right.trim_start_matches('#'));
            for (word, _) in &mut spelled {
                let mut index = 0;
                while index + 1 < word.len() {
                    if word[index] == left && word[index + 1] == right {
                        word[index] = joined.clone();
                        word.remove(index + 1);
                    }
                    index += 1;
                }
            }
            if !pieces.contains(&joined) {
                pieces.push(joined);
            }
        }
        pieces
    }

    #[test]
    fn merges_the_most_frequent_pair_first() {
        let words = counted(&[
            ("hug", 10),
            ("pug", 5),
            ("pun", 12),
            ("bun", 4),
            ("hugs", 5),
        ]);
        let pieces = choose_pieces(&words, 14).unwrap();
        // b g h n p s u, then ##g ##n ##s ##u; u+g occurs 20 times; after that u+n 16, h+ug 15, p+u 12.
        assert_eq!(
            pieces[..11],
            [
                "b", "g", "h", "n", "p", "s", "u", "##g", "##n", "##s", "##u"
            ]
        );
        assert_eq!(pieces[11..], ["##ug", "##un", "hug"]);
    }

    #[test]
    fn refuses_a_room_that_the_alphabet_overflows() {
        assert_eq!(
            choose_pieces(&counted(&[("abc", 9)]), 4),
            Err(AlphabetTooLarge(5))
        );
        assert_eq!(choose_pieces(&counted(&[("abc", 9)]), 5).unwrap().len(), 5);
    }

    #[test]
    fn makes_no_piece_of_a_pair_seen_once() {
        assert_eq!(
            choose_pieces(&counted(&[("abc", 1)]), 100).unwrap().len(),
            5
        );
    }

    proptest! {
        #[test]
        fn equals_counting_anew_for_every_merge(
            words in prop::collection::btree_map("[a-c가나]{1,8}", 1u64..6, 1..12),
            extra in 0usize..40,
        ) {
            let room = alphabet(&words).len() + extra;
            prop_assert_eq!(choose_pieces(&words, room).unwrap(), naive(&words, room));
        }
    }
}
