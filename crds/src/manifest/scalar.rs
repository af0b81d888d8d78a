//! What a plain YAML scalar means.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Number;

use super::tree::Kind;

static NUMBER: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$").ok());

/// Forms that YAML 1.1 (kubectl) reads as a boolean, octal, hexadecimal, sexagesimal or grouped
/// number, or as no number at all, and other parsers as text.
static AMBIGUOUS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?x)^( [yY]es|YES|[nN]o|NO|[oO]n|ON|[oO]ff|OFF
               | [-+]?0[0-9]+ | [-+]?0[xob][0-9a-fA-F]+
               | [-+]?[0-9][0-9_]*_[0-9_]* | [-+]?[0-9]+(:[0-5]?[0-9])+
               | [-+]?\.(inf|Inf|INF) | \.(nan|NaN|NAN) )$",
    )
    .ok()
});

/// The value of a plain scalar.
///
/// # Errors
/// A message when YAML parsers disagree about it, or when it is a number without a value.
pub(super) fn plain(text: &str) -> Result<Kind, String> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Kind::Null),
        "true" | "True" | "TRUE" => return Ok(Kind::Boolean(true)),
        "false" | "False" | "FALSE" => return Ok(Kind::Boolean(false)),
        _ => {}
    }
    if is_match(&AMBIGUOUS, text) {
        return Err(format!(
            "YAML parsers disagree about plain {text:?}; for a text put it in quotes, else write \
             true, false or a decimal number without leading zeros"
        ));
    }
    if !is_match(&NUMBER, text) {
        return Ok(Kind::Text(text.into()));
    }
    let number = number(text).ok_or_else(|| format!("the number {text} is out of range"))?;
    Ok(Kind::Number(number, text.into()))
}

fn number(text: &str) -> Option<Number> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    if let Ok(integer) = digits.parse::<i64>() {
        return Some(integer.into());
    }
    if let Ok(integer) = digits.parse::<u64>() {
        return Some(integer.into());
    }
    Number::from_f64(digits.parse().ok()?)
}

fn is_match(pattern: &LazyLock<Option<Regex>>, text: &str) -> bool {
    pattern
        .as_ref()
        .is_some_and(|pattern| pattern.is_match(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_patterns_compile() {
        assert!(NUMBER.is_some() && AMBIGUOUS.is_some());
    }

    #[test]
    fn plain_scalars_have_one_meaning() {
        assert_eq!(plain("~"), Ok(Kind::Null));
        assert_eq!(plain("True"), Ok(Kind::Boolean(true)));
        assert_eq!(plain("64"), Ok(Kind::Number(64.into(), "64".into())));
        let float = Number::from_f64(5e-5).unwrap();
        assert_eq!(plain("5e-5"), Ok(Kind::Number(float, "5e-5".into())));
        assert_eq!(plain("v33"), Ok(Kind::Text("v33".into())));
        assert_eq!(plain("1.2.3"), Ok(Kind::Text("1.2.3".into())));
    }

    #[test]
    fn disputed_scalars_are_refused() {
        for text in [
            "yes", "No", "on", "OFF", "010", "0x1F", "1_000", "1:30", ".inf", "-.INF", ".nan",
            "1e999",
        ] {
            assert!(plain(text).is_err(), "{text} was accepted");
        }
    }
}
