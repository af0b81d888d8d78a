//! The one order of hits: score as f32 descending, then document id bytes descending.
//!
//! That is the order in which trec_eval (and pytrec_eval) reads a run, whatever its rank column says.
//! The engines, the run files and the metrics all go through it, so a cut at k never depends on
//! insertion order or on the number of threads.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// One retrieved document.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// Document id.
    pub document: Arc<str>,
    /// Score, higher is better.
    pub score: f32,
}

/// Query id → ranking.
pub type Run = BTreeMap<String, Ranking>;

/// Why hits do not make a ranking.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RankingError {
    /// A document is there twice.
    #[error("document {0:?} is there twice; merge its scores first")]
    DuplicateDocument(String),
    /// A score is not a number.
    #[error("the score of document {0:?} is NaN; check the values it was computed from")]
    NotANumber(String),
    /// A document number lies outside the corpus.
    #[error("document number {number} lies outside the corpus of {documents} documents")]
    UnknownDocument {
        /// The number.
        number: u32,
        /// Size of the corpus.
        documents: usize,
    },
    /// More documents than 32-bit numbers can tell apart.
    #[error("{0} documents are more than the index can number (2^32 - 1); split the corpus")]
    TooManyDocuments(usize),
}

/// Hits of one query in trec_eval's order, each document once, no score NaN.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ranking {
    hits: Vec<Hit>,
}

impl Ranking {
    /// Orders hits that come in any order.
    ///
    /// # Errors
    /// When a document is there twice or a score is NaN.
    pub fn from_hits(mut hits: Vec<Hit>) -> Result<Self, RankingError> {
        let mut seen = HashSet::with_capacity(hits.len());
        for hit in &hits {
            if hit.score.is_nan() {
                return Err(RankingError::NotANumber(hit.document.to_string()));
            }
            if !seen.insert(&*hit.document) {
                return Err(RankingError::DuplicateDocument(hit.document.to_string()));
            }
        }
        hits.sort_unstable_by(trec_order);
        Ok(Self { hits })
    }

    /// The hits, best first.
    #[must_use]
    pub fn hits(&self) -> &[Hit] {
        &self.hits
    }
}

/// Best first: score descending, then document id bytes descending.
#[must_use]
pub fn trec_order(left: &Hit, right: &Hit) -> Ordering {
    descending(left.score, right.score).then_with(|| right.document.cmp(&left.document))
}

/// Scores are compared as numbers, so 0.0 and -0.0 tie as they do in trec_eval. NaN has been refused.
fn descending(left: f32, right: f32) -> Ordering {
    right.partial_cmp(&left).unwrap_or(Ordering::Equal)
}

/// The ids of a corpus. A document's number is its position in the corpus.
///
/// Holds the order of the ids, so that ranking by number never compares strings.
#[derive(Debug, Clone)]
pub struct DocumentIds {
    /// Ids in descending byte order.
    ordered: Vec<Arc<str>>,
    /// Document number → position in `ordered`: among equal scores the lower goes first.
    precedence: Vec<u32>,
}

impl DocumentIds {
    /// Takes the ids in corpus order.
    ///
    /// # Errors
    /// When an id is there twice or there are more than 2^32 - 1.
    pub fn new<I: Into<Arc<str>>>(ids: impl IntoIterator<Item = I>) -> Result<Self, RankingError> {
        let ids: Vec<Arc<str>> = ids.into_iter().map(Into::into).collect();
        let documents =
            u32::try_from(ids.len()).map_err(|_| RankingError::TooManyDocuments(ids.len()))?;
        let mut numbered: Vec<(Arc<str>, u32)> = ids.into_iter().zip(0..documents).collect();
        numbered.sort_unstable_by(|left, right| right.cmp(left));
        if let Some([twin, _]) = numbered
            .array_windows()
            .find(|[left, right]| left.0 == right.0)
        {
            return Err(RankingError::DuplicateDocument(twin.0.to_string()));
        }
        let (ordered, numbers): (Vec<Arc<str>>, Vec<u32>) = numbered.into_iter().unzip();
        let mut positions: Vec<(u32, u32)> = numbers.into_iter().zip(0..documents).collect();
        positions.sort_unstable();
        let precedence = positions
            .into_iter()
            .map(|(_, position)| position)
            .collect();
        Ok(Self {
            ordered,
            precedence,
        })
    }

    /// Number of documents.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ordered.len()
    }

    /// True without documents.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ordered.is_empty()
    }

    /// The best `k` of (document number, score) candidates, in trec_eval's order.
    ///
    /// # Errors
    /// When a score is NaN, a number lies outside the corpus, or a document is among the best twice.
    pub fn rank(
        &self,
        candidates: impl IntoIterator<Item = (u32, f32)>,
        k: usize,
    ) -> Result<Ranking, RankingError> {
        let mut best = Vec::new();
        for (number, score) in candidates {
            best.push((score, self.position(number, score)?));
        }
        let order = |left: &(f32, u32), right: &(f32, u32)| {
            descending(left.0, right.0).then(left.1.cmp(&right.1))
        };
        if k < best.len() {
            best.select_nth_unstable_by(k, order);
            best.truncate(k);
        }
        best.sort_unstable_by(order);
        let hits = best.into_iter().filter_map(|(score, position)| {
            let document = Arc::clone(self.ordered.get(position as usize)?);
            Some(Hit { document, score })
        });
        // Already in order; what remains is the check that no document came twice.
        Ranking::from_hits(hits.collect())
    }

    /// Where a candidate goes among equal scores; always a valid index of `ordered`.
    fn position(&self, number: u32, score: f32) -> Result<u32, RankingError> {
        let unknown = RankingError::UnknownDocument {
            number,
            documents: self.len(),
        };
        let position = *self.precedence.get(number as usize).ok_or(unknown)?;
        match self.ordered.get(position as usize) {
            Some(id) if score.is_nan() => Err(RankingError::NotANumber(id.to_string())),
            _ => Ok(position),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hit(document: &str, score: f32) -> Hit {
        Hit {
            document: document.into(),
            score,
        }
    }

    fn documents(ranking: &Ranking) -> Vec<&str> {
        ranking.hits().iter().map(|hit| &*hit.document).collect()
    }

    #[test]
    fn equal_scores_go_by_id_bytes_descending() {
        let hits = vec![
            hit("d10", 1.0),
            hit("d9", 1.0),
            hit("가", 1.0),
            hit("a", 2.0),
        ];
        let ranking = Ranking::from_hits(hits).unwrap();
        assert_eq!(documents(&ranking), ["a", "가", "d9", "d10"]);
    }

    #[test]
    fn both_zeros_tie() {
        let ranking = Ranking::from_hits(vec![hit("a", 0.0), hit("b", -0.0)]).unwrap();
        assert_eq!(documents(&ranking), ["b", "a"]);
    }

    #[test]
    fn twice_the_same_document_or_nan_is_no_ranking() {
        let twice = Ranking::from_hits(vec![hit("a", 1.0), hit("b", 3.0), hit("a", 2.0)]);
        assert_eq!(twice, Err(RankingError::DuplicateDocument("a".into())));
        let nan = Ranking::from_hits(vec![hit("a", f32::NAN)]);
        assert_eq!(nan, Err(RankingError::NotANumber("a".into())));
    }

    #[test]
    fn ids_of_a_corpus_are_unique() {
        let error = DocumentIds::new(["a", "b", "a"]).unwrap_err();
        assert_eq!(error, RankingError::DuplicateDocument("a".into()));
    }

    #[test]
    fn candidates_are_checked() {
        let ids = DocumentIds::new(["a", "b"]).unwrap();
        assert_eq!(
            ids.rank([(2, 1.0)], 1),
            Err(RankingError::UnknownDocument {
                number: 2,
                documents: 2
            })
        );
        assert_eq!(
            ids.rank([(1, f32::NAN)], 1),
            Err(RankingError::NotANumber("b".into()))
        );
        assert_eq!(
            ids.rank([(1, 1.0), (0, 1.0), (1, 2.0)], 3),
            Err(RankingError::DuplicateDocument("b".into()))
        );
    }

    proptest! {
        #[test]
        fn top_k_is_the_head_of_the_whole_order(
            scored in prop::collection::hash_map("[a-c가나]{1,4}", -2i8..3, 0..60),
            k in 0usize..70,
        ) {
            // A hash map hands the names out in no particular order.
            let (names, scores): (Vec<String>, Vec<f32>) =
                scored.into_iter().map(|(name, score)| (name, f32::from(score))).unzip();
            let ids = DocumentIds::new(names.iter().map(String::as_str)).unwrap();
            let mut whole: Vec<Hit> =
                names.iter().zip(&scores).map(|(name, score)| hit(name, *score)).collect();
            whole.sort_by(|left, right| {
                (right.score, right.document.as_bytes())
                    .partial_cmp(&(left.score, left.document.as_bytes()))
                    .unwrap()
            });
            whole.truncate(k);
            let ranked = ids.rank((0u32..).zip(scores), k).unwrap();
            prop_assert_eq!(ranked.hits(), whole.as_slice());
        }
    }
}
