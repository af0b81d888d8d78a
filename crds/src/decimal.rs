//! Decimal numbers as strings: Kubernetes APIs carry no floats.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Pattern of a [`Decimal`]. Exponents have at most two digits, so that every match is a finite
/// `f64`.
pub(crate) const DECIMAL_PATTERN: &str = r"^(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?$";
const MAX_LENGTH: usize = 32;

/// A non-negative decimal number, kept as it was written (`"5e-5"` stays `"5e-5"`).
///
/// Two decimals are equal when their texts are equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Decimal {
    text: String,
}

/// Why a text is not a [`Decimal`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a non-negative decimal number such as \"0.01\" or \"5e-5\" \
     (at most {MAX_LENGTH} characters, exponent of at most two digits)"
)]
pub struct DecimalError {
    text: String,
}

impl Decimal {
    /// The text as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The nearest `f64`; always finite and not negative.
    pub fn value(&self) -> f64 {
        // The constructor has parsed this very text, so the fallback is never taken.
        self.text.parse().unwrap_or(f64::NAN)
    }

    /// Whether the number is exactly zero (`"0"`, `"0.00"`, `"0e5"`), or too small for an `f64`.
    pub fn is_zero(&self) -> bool {
        self.value() == 0.0
    }

    /// For texts of this crate's own defaults.
    pub(crate) fn constant(text: &'static str) -> Self {
        debug_assert!(is_decimal(text), "{text:?} is not a decimal");
        Self { text: text.into() }
    }
}

/// Hand-written twin of [`DECIMAL_PATTERN`], so that parsing needs no regular expression.
fn is_decimal(text: &str) -> bool {
    if text.len() > MAX_LENGTH {
        return false;
    }
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let whole_is_fine = are_digits(whole) && (whole == "0" || !whole.starts_with('0'));
    let exponent_is_fine = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        are_digits(digits) && digits.len() <= 2
    });
    whole_is_fine && fraction.is_none_or(are_digits) && exponent_is_fine
}

fn are_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl FromStr for Decimal {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if is_decimal(text) {
            Ok(Self { text: text.into() })
        } else {
            Err(DecimalError { text: text.into() })
        }
    }
}

impl TryFrom<String> for Decimal {
    type Error = DecimalError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Decimal> for String {
    fn from(decimal: Decimal) -> Self {
        decimal.text
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl JsonSchema for Decimal {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Decimal".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": DECIMAL_PATTERN, "maxLength": MAX_LENGTH})
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keeps_the_text_and_reads_the_value() {
        let decimal: Decimal = "5e-5".parse().unwrap();
        assert_eq!(decimal.as_str(), "5e-5");
        assert_eq!(decimal.value(), 5e-5);
        assert!(!decimal.is_zero());
        assert!("0.00".parse::<Decimal>().unwrap().is_zero());
    }

    #[test]
    fn refuses_what_is_not_a_decimal() {
        for text in [
            "", " 1", "1 ", "+1", "-1", ".5", "1.", "01", "1e", "1e+", "1e100", "NaN", "inf",
            "0x10", "1,5", "1_000", "٣",
        ] {
            assert!(text.parse::<Decimal>().is_err(), "{text:?} was accepted");
        }
        assert!("1".repeat(33).parse::<Decimal>().is_err());
        let message = "abc".parse::<Decimal>().unwrap_err().to_string();
        assert!(
            message.starts_with("\"abc\" is not a non-negative decimal"),
            "{message}"
        );
    }

    proptest! {
        #[test]
        fn every_match_of_the_pattern_is_finite_and_survives_json(text in "(0|[1-9][0-9]{0,9})(\\.[0-9]{1,9})?([eE][+-]?[0-9]{1,2})?") {
            let decimal: Decimal = text.parse().unwrap();
            prop_assert!(decimal.value().is_finite() && decimal.value() >= 0.0);
            prop_assert_eq!(decimal.value(), text.parse::<f64>().unwrap());
            let json = serde_json::to_string(&decimal).unwrap();
            prop_assert_eq!(&json, &format!("\"{text}\""));
            prop_assert_eq!(serde_json::from_str::<Decimal>(&json).unwrap(), decimal);
        }

        #[test]
        fn the_parser_and_the_schema_pattern_agree(text in "[0-9.eE+-]{0,36}|\\PC{0,8}") {
            let pattern = regex::Regex::new(DECIMAL_PATTERN).unwrap();
            let in_schema = text.chars().count() <= MAX_LENGTH && pattern.is_match(&text);
            prop_assert_eq!(text.parse::<Decimal>().is_ok(), in_schema);
        }
    }
}
