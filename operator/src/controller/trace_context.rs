//! A fresh W3C trace context, for an attempt that may begin.

/// A `traceparent` of version 00 with random ids, sampled. Neither id is zero, which would make it invalid.
pub fn fresh() -> String {
    let trace = fastrand::u128(1..);
    let span = fastrand::u64(1..);
    format!("00-{trace:032x}-{span:016x}-01")
}

#[cfg(test)]
mod tests {
    use super::fresh;

    #[test]
    fn it_has_the_form_of_the_standard_and_is_new_each_time() {
        let (one, other) = (fresh(), fresh());
        assert_ne!(one, other);
        let parts: Vec<&str> = one.split('-').collect();
        assert_eq!(
            parts.iter().map(|part| part.len()).collect::<Vec<_>>(),
            [2, 32, 16, 2]
        );
        assert!(
            parts
                .concat()
                .chars()
                .all(|digit| matches!(digit, '0'..='9' | 'a'..='f'))
        );
    }
}
