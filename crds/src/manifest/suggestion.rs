//! "Did you mean".

/// Share of the letters that may differ for a name to count as a misspelling.
const MAX_DIFFERENCE: f64 = 0.4;

/// `problem`, then the likely candidate, or all candidates when none is likely.
pub(super) fn one_of(problem: &str, found: &str, candidates: &[&str]) -> String {
    let likeness = |candidate: &&&str| {
        let similarity = strsim::normalized_damerau_levenshtein(
            &found.to_lowercase(),
            &candidate.to_lowercase(),
        );
        (similarity * 1e6) as u64
    };
    let threshold = ((1.0 - MAX_DIFFERENCE) * 1e6) as u64;
    match candidates.iter().max_by_key(likeness) {
        Some(best) if likeness(&best) >= threshold => {
            format!(
                "{problem}; did you mean {best:?}? (allowed: {})",
                candidates.join(", ")
            )
        }
        _ => format!("{problem}; allowed: {}", candidates.join(", ")),
    }
}
