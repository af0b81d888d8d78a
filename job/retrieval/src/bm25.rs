//! BM25 as Lucene computes it since version 8, with exact document lengths.
//!
//! idf(t) = ln(1 + (N - df + 0.5) / (df + 0.5)) and
//! score = Σ_t idf(t) · tf / (tf + k1 · (1 - b + b · length / average length)),
//! a term counting as often as the query repeats it. The variant "Lucene (accurate)" of Kamphuis et
//! al., ECIR 2020; `bm25s` calls it "lucene". No factor k1 + 1: it scales all scores alike.
//!
//! Everything but the query is known when the corpus is: the weight of a term in a document is
//! computed once, and searching is the dot product of [`SparseIndex`].

use std::collections::{BTreeMap, HashMap};

use rayon::prelude::*;

use crate::analyzer::{Analyzer, AnalyzerError};
use crate::ranking::{DocumentIds, Ranking, RankingError, Run};
use crate::sparse::{SparseIndex, SparseIndexError};
use crate::sparse_vector::{SparseVector, SparseVectorError};

/// Documents whose terms are held as strings at the same time while indexing.
const CHUNK: usize = 4096;

/// Why an index could not be built or searched.
#[derive(Debug, thiserror::Error)]
pub enum Bm25Error {
    /// k1 or b lies outside its range.
    #[error("BM25 needs 0 <= k1 <= 100 and 0 <= b <= 1, got k1 {k1} and b {b}")]
    Parameters {
        /// Saturation of the term frequency.
        k1: f64,
        /// Normalisation by length.
        b: f64,
    },
    /// Not one text per document id.
    #[error("{ids} document ids but {texts} texts; give one text per document")]
    Lengths {
        /// Number of ids.
        ids: usize,
        /// Number of texts.
        texts: usize,
    },
    /// More distinct terms than 32-bit numbers can tell apart.
    #[error("the corpus has more than 2^32 - 1 distinct terms; use another analyzer")]
    TooManyTerms,
    /// The analyzer failed.
    #[error(transparent)]
    Analyzer(#[from] AnalyzerError),
    /// Weights do not make a vector.
    #[error("cannot weigh the terms of a text: {0}")]
    Weights(#[from] SparseVectorError),
    /// The underlying index refused.
    #[error(transparent)]
    Index(#[from] SparseIndexError),
    /// Hits could not be ranked.
    #[error("cannot rank the hits of a query: {0}")]
    Ranking(#[from] RankingError),
}

/// k1 and b, within their ranges.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bm25Parameters {
    k1: f64,
    b: f64,
}

impl Bm25Parameters {
    /// Checks `0 <= k1 <= 100` (saturation of the term frequency) and `0 <= b <= 1` (normalisation
    /// by length).
    ///
    /// # Errors
    /// When one lies outside.
    pub fn new(k1: f64, b: f64) -> Result<Self, Bm25Error> {
        if (0.0..=100.0).contains(&k1) && (0.0..=1.0).contains(&b) {
            Ok(Self { k1, b })
        } else {
            Err(Bm25Error::Parameters { k1, b })
        }
    }

    fn idf(documents: usize, document_frequency: u32) -> f64 {
        let frequency = f64::from(document_frequency);
        ((documents as f64 - frequency + 0.5) / (frequency + 0.5)).ln_1p()
    }

    fn saturated(self, term_frequency: u32, relative_length: f64) -> f64 {
        let frequency = f64::from(term_frequency);
        frequency / (frequency + self.k1 * (1.0 - self.b + self.b * relative_length))
    }
}

impl Default for Bm25Parameters {
    /// k1 1.2, b 0.75, as Lucene and OpenSearch (`bm25s` and most Python packages: k1 1.5).
    fn default() -> Self {
        Self { k1: 1.2, b: 0.75 }
    }
}

/// A corpus ready for BM25.
#[derive(Debug)]
pub struct Bm25Index {
    analyzer: Analyzer,
    /// Term → number, by first appearance in the corpus.
    vocabulary: HashMap<String, u32>,
    impacts: SparseIndex,
}

impl Bm25Index {
    /// Indexes one text per document, in corpus order.
    ///
    /// # Errors
    /// When there is not one text per id, or the analyzer fails.
    pub fn build<T: AsRef<str> + Sync>(
        documents: DocumentIds,
        texts: &[T],
        analyzer: Analyzer,
        parameters: Bm25Parameters,
    ) -> Result<Self, Bm25Error> {
        if documents.len() != texts.len() {
            return Err(Bm25Error::Lengths {
                ids: documents.len(),
                texts: texts.len(),
            });
        }
        let counts = TermCounts::of(texts, &analyzer)?;
        let vectors = counts.impacts(parameters)?;
        let impacts = SparseIndex::build(documents, &vectors)?;
        Ok(Self {
            analyzer,
            vocabulary: counts.vocabulary,
            impacts,
        })
    }

    /// The best `k` documents that share a term with the query.
    ///
    /// # Errors
    /// When the analyzer fails.
    pub fn search(&self, query: &str, k: usize) -> Result<Ranking, Bm25Error> {
        Ok(self.impacts.search(&self.query_vector(query)?, k)?)
    }

    /// Searches (id, text) queries, as many at a time as rayon has threads.
    ///
    /// # Errors
    /// When the analyzer fails or a query id is there twice.
    pub fn search_all(&self, queries: &[(&str, &str)], k: usize) -> Result<Run, Bm25Error> {
        let vectors: Vec<(String, SparseVector)> = queries
            .par_iter()
            .map(|(id, text)| Ok(((*id).to_owned(), self.query_vector(text)?)))
            .collect::<Result<_, Bm25Error>>()?;
        Ok(self.impacts.search_all(&vectors, k)?)
    }

    /// How often the query names each term of the corpus. Terms no document has score nothing.
    fn query_vector(&self, text: &str) -> Result<SparseVector, Bm25Error> {
        let mut counts: BTreeMap<u32, u32> = BTreeMap::new();
        for term in self.analyzer.terms(text)? {
            if let Some(number) = self.vocabulary.get(&term) {
                *counts.entry(*number).or_default() += 1;
            }
        }
        let (ids, counts): (Vec<u32>, Vec<f32>) = counts
            .into_iter()
            .map(|(number, count)| (number, count as f32))
            .unzip();
        Ok(SparseVector::new(ids, counts)?)
    }
}

/// What the corpus says about its terms.
#[derive(Default)]
struct TermCounts {
    vocabulary: HashMap<String, u32>,
    /// Term number → documents that have it.
    document_frequencies: Vec<u32>,
    documents: Vec<DocumentTerms>,
}

struct DocumentTerms {
    /// Number of terms, repetitions counted.
    length: usize,
    /// (term number, frequency) by ascending number.
    frequencies: Vec<(u32, u32)>,
}

impl TermCounts {
    fn of<T: AsRef<str> + Sync>(texts: &[T], analyzer: &Analyzer) -> Result<Self, Bm25Error> {
        let mut counts = Self::default();
        for chunk in texts.chunks(CHUNK) {
            let analyzed: Vec<Vec<String>> = chunk
                .par_iter()
                .map(|text| analyzer.terms(text.as_ref()))
                .collect::<Result<_, _>>()?;
            for terms in analyzed {
                counts.push(terms)?;
            }
        }
        Ok(counts)
    }

    fn push(&mut self, terms: Vec<String>) -> Result<(), Bm25Error> {
        let length = terms.len();
        let mut frequencies: BTreeMap<u32, u32> = BTreeMap::new();
        for term in terms {
            *frequencies.entry(self.number(term)?).or_default() += 1;
        }
        for number in frequencies.keys() {
            // Numbering a term made room for its count.
            if let Some(count) = self.document_frequencies.get_mut(*number as usize) {
                *count += 1;
            }
        }
        let frequencies = frequencies.into_iter().collect();
        self.documents.push(DocumentTerms {
            length,
            frequencies,
        });
        Ok(())
    }

    fn number(&mut self, term: String) -> Result<u32, Bm25Error> {
        if let Some(number) = self.vocabulary.get(&term) {
            return Ok(*number);
        }
        let next =
            u32::try_from(self.document_frequencies.len()).map_err(|_| Bm25Error::TooManyTerms)?;
        self.vocabulary.insert(term, next);
        self.document_frequencies.push(0);
        Ok(next)
    }

    /// Every document's terms with their weight, rounded to f32 once.
    fn impacts(&self, parameters: Bm25Parameters) -> Result<Vec<SparseVector>, Bm25Error> {
        let documents = self.documents.len();
        let total: usize = self.documents.iter().map(|document| document.length).sum();
        let average_length = total as f64 / documents as f64;
        let idf: Vec<f64> = self
            .document_frequencies
            .iter()
            .map(|frequency| Bm25Parameters::idf(documents, *frequency))
            .collect();
        self.documents
            .par_iter()
            .map(|document| {
                let relative_length = document.length as f64 / average_length;
                let weighted = document
                    .frequencies
                    .iter()
                    .filter_map(|&(number, frequency)| {
                        let saturated = parameters.saturated(frequency, relative_length);
                        Some((number, (idf.get(number as usize)? * saturated) as f32))
                    });
                let (ids, weights) = weighted.unzip();
                Ok(SparseVector::new(ids, weights)?)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(texts: &[&str]) -> Bm25Index {
        let ids = DocumentIds::new((0..texts.len()).map(|number| format!("d{number}"))).unwrap();
        let parameters = Bm25Parameters::new(1.5, 0.75).unwrap();
        Bm25Index::build(ids, texts, Analyzer::Whitespace, parameters).unwrap()
    }

    fn found(index: &Bm25Index, query: &str) -> Vec<(String, f32)> {
        let ranking = index.search(query, 10).unwrap();
        ranking
            .hits()
            .iter()
            .map(|hit| (hit.document.to_string(), hit.score))
            .collect()
    }

    #[test]
    fn a_score_is_what_the_formula_says() {
        // N = 2, average length 2.5; "a": df 1, tf 2, length 3.
        let expected =
            (1.0f64 + (2.0 - 1.0 + 0.5) / 1.5).ln() * 2.0 / (2.0 + 1.5 * (0.25 + 0.75 * 3.0 / 2.5));
        let index = index(&["a b a", "c d"]);
        let hits = found(&index, "A x");
        assert_eq!(hits.len(), 1);
        assert_eq!(hits[0].0, "d0");
        assert!(
            (f64::from(hits[0].1) - expected).abs() < 1e-7,
            "{} {expected}",
            hits[0].1
        );
    }

    #[test]
    fn a_repeated_query_term_counts_again() {
        let index = index(&["a b", "c d"]);
        assert_eq!(found(&index, "a a")[0].1, 2.0 * found(&index, "a")[0].1);
    }

    #[test]
    fn a_term_of_all_documents_still_scores_and_ties_go_by_id_descending() {
        let index = index(&["a", "a", "a"]);
        let hits = found(&index, "a");
        let order: Vec<&str> = hits.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(order, ["d2", "d1", "d0"]);
        assert!(hits[2].1 > 0.0);
    }

    #[test]
    fn nothing_in_common_finds_nothing() {
        assert!(found(&index(&["a", ""]), "b").is_empty());
        assert!(found(&index(&["a", ""]), "").is_empty());
        assert!(found(&index(&["", ""]), "a").is_empty());
        assert!(found(&index(&[]), "a").is_empty());
    }

    #[test]
    fn wrong_input_is_refused() {
        assert!(Bm25Parameters::new(1.2, 0.75).is_ok());
        assert!(Bm25Parameters::new(-0.1, 0.5).is_err());
        assert!(Bm25Parameters::new(f64::NAN, 0.5).is_err());
        assert!(Bm25Parameters::new(1.0, 1.1).is_err());
        let ids = DocumentIds::new(["a", "b"]).unwrap();
        let built = Bm25Index::build(ids, &["x"], Analyzer::Whitespace, Bm25Parameters::default());
        assert!(matches!(
            built,
            Err(Bm25Error::Lengths { ids: 2, texts: 1 })
        ));
        let twice = index(&["a"]).search_all(&[("q", "a"), ("q", "b")], 1);
        assert!(matches!(
            twice,
            Err(Bm25Error::Index(SparseIndexError::DuplicateQuery(id))) if id == "q"
        ));
    }
}
