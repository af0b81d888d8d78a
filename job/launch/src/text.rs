//! Text that must fit.

use std::borrow::Cow;

/// What stands where the rest of a text was.
const MARK: &str = " [cut]";

/// The text if it has at most `limit` bytes, else its beginning and a mark, in at most `limit` bytes.
pub(crate) fn cut(text: &str, limit: usize) -> Cow<'_, str> {
    if text.len() <= limit {
        return Cow::Borrowed(text);
    }
    let kept = text.floor_char_boundary(limit.saturating_sub(MARK.len()));
    Cow::Owned(format!("{}{MARK}", &text[..kept]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn fits_and_says_where_it_was_cut(text in "[가-힣a-z\u{1F600}]{0,60}", limit in 6..80_usize) {
            let short = cut(&text, limit);
            prop_assert!(short.len() <= limit);
            match short.strip_suffix(MARK) {
                Some(kept) => prop_assert!(text.starts_with(kept) && kept.len() + 4 + MARK.len() > limit),
                None => prop_assert_eq!(&*short, &*text),
            }
        }
    }
}
