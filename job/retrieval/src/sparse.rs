//! Exact search by dot product over sparse vectors, on an inverted index in memory.
//!
//! Postings lie flat, by term and within a term by document. A score is summed in f32 by ascending
//! term id, one query on one thread, so scores do not depend on how many queries run at once.

use std::collections::BTreeMap;
use std::ops::Range;

use rayon::prelude::*;

use crate::ranking::{DocumentIds, Ranking, RankingError, Run};
use crate::sparse_vector::{SparseVector, document_frequencies};

/// Why an index could not be built or searched.
#[derive(Debug, thiserror::Error)]
pub enum SparseIndexError {
    /// Not one vector per document id.
    #[error("{ids} document ids but {vectors} vectors; give one vector per document")]
    Lengths {
        /// Number of ids.
        ids: usize,
        /// Number of vectors.
        vectors: usize,
    },
    /// A query id is there twice.
    #[error("query {0:?} is there twice; give every query its own id")]
    DuplicateQuery(String),
    /// Hits could not be ranked.
    #[error("cannot rank the hits of a query: {0}")]
    Ranking(#[from] RankingError),
}

/// An inverted index of document vectors.
#[derive(Debug)]
pub struct SparseIndex {
    documents: DocumentIds,
    /// Term id → range of its postings.
    terms: BTreeMap<u32, Range<usize>>,
    /// By term, then by document.
    postings: Vec<Posting>,
}

/// A document that has the term.
#[derive(Debug, Clone, Copy, Default)]
struct Posting {
    document: u32,
    weight: f32,
}

impl SparseIndex {
    /// Indexes one vector per document, in corpus order.
    ///
    /// # Errors
    /// When there is not one vector per document id.
    pub fn build(
        documents: DocumentIds,
        vectors: &[SparseVector],
    ) -> Result<Self, SparseIndexError> {
        if documents.len() != vectors.len() {
            let (ids, vectors) = (documents.len(), vectors.len());
            return Err(SparseIndexError::Lengths { ids, vectors });
        }
        let mut total = 0;
        let mut terms: BTreeMap<u32, Range<usize>> = BTreeMap::new();
        for (id, count) in BTreeMap::from_iter(document_frequencies(vectors)) {
            terms.insert(id, total..total);
            total += count;
        }
        let mut postings = vec![Posting::default(); total];
        for (document, vector) in (0u32..).zip(vectors) {
            for (id, weight) in vector.iter() {
                // Each range grows into the room counted for it above.
                if let Some(range) = terms.get_mut(&id)
                    && let Some(posting) = postings.get_mut(range.end)
                {
                    *posting = Posting { document, weight };
                    range.end += 1;
                }
            }
        }
        Ok(Self {
            documents,
            terms,
            postings,
        })
    }

    /// Number of documents.
    #[must_use]
    pub fn documents(&self) -> usize {
        self.documents.len()
    }

    /// Number of (term, document) postings.
    #[must_use]
    pub fn postings(&self) -> usize {
        self.postings.len()
    }

    /// The best `k` documents with a dot product above zero.
    ///
    /// # Errors
    /// Never for finite products; typed because ranking refuses NaN.
    pub fn search(&self, query: &SparseVector, k: usize) -> Result<Ranking, RankingError> {
        self.search_with(&mut Accumulator::new(self.documents()), query, k)
    }

    /// Searches all queries, as many at a time as rayon has threads.
    ///
    /// # Errors
    /// When a query id is there twice.
    pub fn search_all(
        &self,
        queries: &[(String, SparseVector)],
        k: usize,
    ) -> Result<Run, SparseIndexError> {
        let rankings: Vec<Ranking> = queries
            .par_iter()
            .map_init(
                || Accumulator::new(self.documents()),
                |accumulator, (_, query)| self.search_with(accumulator, query, k),
            )
            .collect::<Result<_, _>>()?;
        let mut run = Run::new();
        for ((id, _), ranking) in queries.iter().zip(rankings) {
            if run.insert(id.clone(), ranking).is_some() {
                return Err(SparseIndexError::DuplicateQuery(id.clone()));
            }
        }
        Ok(run)
    }

    fn search_with(
        &self,
        accumulator: &mut Accumulator,
        query: &SparseVector,
        k: usize,
    ) -> Result<Ranking, RankingError> {
        for (id, query_weight) in query.iter() {
            for posting in self.postings_of(id) {
                accumulator.add(posting.document, query_weight * posting.weight);
            }
        }
        self.documents.rank(accumulator.drain(), k)
    }

    /// Empty for a term that no document has.
    fn postings_of(&self, id: u32) -> &[Posting] {
        let range = self.terms.get(&id).cloned();
        range
            .and_then(|range| self.postings.get(range))
            .unwrap_or_default()
    }
}

/// The scores of one query; a thread reuses it from query to query.
struct Accumulator {
    scores: Vec<f32>,
    touched: Vec<u32>,
}

impl Accumulator {
    fn new(documents: usize) -> Self {
        Self {
            scores: vec![0.0; documents],
            touched: Vec::new(),
        }
    }

    fn add(&mut self, document: u32, product: f32) {
        // Postings carry only numbers of documents that exist.
        if let Some(score) = self.scores.get_mut(document as usize) {
            if *score == 0.0 {
                self.touched.push(document);
            }
            *score += product;
        }
    }

    /// Hands out the scores above zero and leaves the accumulator clean. A document whose products
    /// underflowed to zero was touched more than once: it is handed out at most once all the same.
    fn drain(&mut self) -> impl Iterator<Item = (u32, f32)> + '_ {
        let Self { scores, touched } = self;
        touched
            .drain(..)
            .filter_map(|document| {
                Some((document, std::mem::take(scores.get_mut(document as usize)?)))
            })
            .filter(|(_, score)| *score > 0.0)
    }
}
