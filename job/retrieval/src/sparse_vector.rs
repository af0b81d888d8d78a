//! A sparse vector, and what is measured on many of them.

use std::collections::HashMap;

/// Why ids and values do not make a sparse vector.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SparseVectorError {
    /// Not one value per id.
    #[error("a sparse vector has {ids} ids but {values} values; give one value per id")]
    Lengths {
        /// Number of ids.
        ids: usize,
        /// Number of values.
        values: usize,
    },
    /// The ids do not increase strictly.
    #[error(
        "id {id} at position {position} does not follow its predecessor in ascending order; sort the ids and merge duplicates"
    )]
    Order {
        /// Position in the vector, from 0.
        position: usize,
        /// The id.
        id: u32,
    },
    /// A value is zero, negative, infinite or NaN.
    #[error("the value of id {id} is {value}; values are finite and above zero, leave zeros out")]
    Value {
        /// The id.
        id: u32,
        /// Its value.
        value: f32,
    },
}

/// Term ids, strictly ascending, each with a finite weight above zero. May be empty.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SparseVector {
    ids: Vec<u32>,
    values: Vec<f32>,
}

impl SparseVector {
    /// Takes ids and their values.
    ///
    /// # Errors
    /// When the lengths differ, the ids do not increase strictly, or a value is not finite and above zero.
    pub fn new(ids: Vec<u32>, values: Vec<f32>) -> Result<Self, SparseVectorError> {
        if ids.len() != values.len() {
            return Err(SparseVectorError::Lengths {
                ids: ids.len(),
                values: values.len(),
            });
        }
        let mut successors = (1..).zip(ids.array_windows());
        if let Some((position, &[_, id])) = successors.find(|(_, [left, right])| left >= right) {
            return Err(SparseVectorError::Order { position, id });
        }
        let allowed = |value: f32| value.is_finite() && value > 0.0;
        match ids.iter().zip(&values).find(|(_, value)| !allowed(**value)) {
            Some((&id, &value)) => Err(SparseVectorError::Value { id, value }),
            None => Ok(Self { ids, values }),
        }
    }

    /// Term ids, strictly ascending.
    #[must_use]
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// Weights, one per id.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Number of terms with a weight.
    #[must_use]
    pub fn active_dimensions(&self) -> usize {
        self.ids.len()
    }

    /// (id, weight) by ascending id.
    pub fn iter(&self) -> impl Iterator<Item = (u32, f32)> + '_ {
        self.ids.iter().copied().zip(self.values.iter().copied())
    }
}

/// Mean number of active dimensions; `None` without vectors.
#[must_use]
pub fn mean_active_dimensions(vectors: &[SparseVector]) -> Option<f64> {
    let active: usize = vectors.iter().map(SparseVector::active_dimensions).sum();
    (!vectors.is_empty()).then(|| active as f64 / vectors.len() as f64)
}

/// Expected multiplications to score one document for one query: Σ_j P(q_j > 0) · P(d_j > 0).
///
/// The retrieval FLOPS of Paria et al. 2020 ("Minimizing FLOPs to Learn Efficient Sparse
/// Representations") as the SPLADE papers report it. `None` when either side is empty.
#[must_use]
pub fn flops(queries: &[SparseVector], documents: &[SparseVector]) -> Option<f64> {
    if queries.is_empty() || documents.is_empty() {
        return None;
    }
    let in_queries = document_frequencies(queries);
    // Products of counts are summed as integers: exact, and the same in any order.
    let pairs: u128 = document_frequencies(documents)
        .iter()
        .filter_map(|(id, count)| Some(*count as u128 * *in_queries.get(id)? as u128))
        .sum();
    Some(pairs as f64 / (queries.len() as f64 * documents.len() as f64))
}

/// Term id → number of vectors in which it is active.
pub(crate) fn document_frequencies(vectors: &[SparseVector]) -> HashMap<u32, usize> {
    let mut frequencies = HashMap::new();
    for id in vectors.iter().flat_map(SparseVector::ids) {
        *frequencies.entry(*id).or_insert(0) += 1;
    }
    frequencies
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(ids: &[u32]) -> SparseVector {
        SparseVector::new(ids.to_vec(), vec![1.5; ids.len()]).unwrap()
    }

    #[test]
    fn only_ascending_ids_with_positive_values_make_a_vector() {
        use SparseVectorError::{Lengths, Order, Value};
        let new = |ids: &[u32], values: &[f32]| SparseVector::new(ids.to_vec(), values.to_vec());
        assert!(new(&[], &[]).is_ok());
        assert!(new(&[0, 7, u32::MAX], &[0.1, 2.0, f32::MIN_POSITIVE]).is_ok());
        assert_eq!(new(&[1], &[]), Err(Lengths { ids: 1, values: 0 }));
        assert_eq!(
            new(&[1, 3, 3], &[1.0; 3]),
            Err(Order { position: 2, id: 3 })
        );
        assert_eq!(new(&[4, 3], &[1.0; 2]), Err(Order { position: 1, id: 3 }));
        assert_eq!(new(&[4], &[0.0]), Err(Value { id: 4, value: 0.0 }));
        assert_eq!(new(&[4], &[-1.0]), Err(Value { id: 4, value: -1.0 }));
        assert!(matches!(
            new(&[4], &[f32::INFINITY]),
            Err(Value { id: 4, .. })
        ));
        assert!(matches!(new(&[4], &[f32::NAN]), Err(Value { id: 4, .. })));
    }

    #[test]
    fn active_dimensions_are_averaged_over_all_vectors() {
        assert_eq!(
            mean_active_dimensions(&[vector(&[1, 2, 3]), vector(&[])]),
            Some(1.5)
        );
        assert_eq!(mean_active_dimensions(&[]), None);
    }

    #[test]
    fn flops_multiply_the_activation_probabilities() {
        let queries = [vector(&[1, 2]), vector(&[2])];
        let documents = [vector(&[2, 3]), vector(&[1, 2]), vector(&[]), vector(&[2])];
        // Term 1: 1/2 · 1/4, term 2: 2/2 · 3/4, term 3: 0 · 1/4.
        assert_eq!(flops(&queries, &documents), Some(0.125 + 0.75));
        assert_eq!(flops(&[], &documents), None);
        assert_eq!(flops(&queries, &[]), None);
    }
}
