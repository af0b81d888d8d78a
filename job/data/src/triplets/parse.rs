//! One line of JSON to one triplet.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{TeacherScores, Triplet};
use crate::error::TripletFault;

/// The fields of a line, still JSON: so each can be blamed by name.
#[derive(Deserialize)]
struct RawTriplet<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    query: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    positive: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    negative: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    negatives: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    scores: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    positive_score: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    negative_scores: Option<&'a RawValue>,
}

/// Keeps a `null` apart from a field that is not there.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// The triplet of one line.
pub(crate) fn parse(line: &str) -> Result<Triplet, TripletFault> {
    // Checked first: serde would take an array for an object's fields in order.
    match kind(line.trim_start()) {
        "an object" | "nothing" => {}
        found => {
            serde_json::from_str::<&RawValue>(line).map_err(broken)?;
            return Err(TripletFault::NotAnObject { found });
        }
    }
    let raw: RawTriplet = serde_json::from_str(line).map_err(broken)?;
    let query = text(
        raw.query.ok_or(TripletFault::Missing { field: "query" })?,
        "query",
    )?;
    let positive = text(
        raw.positive
            .ok_or(TripletFault::Missing { field: "positive" })?,
        "positive",
    )?;
    let negatives = negatives(&raw)?;
    let teacher_scores = teacher_scores(&raw, negatives.len())?;
    Ok(Triplet {
        query,
        positive,
        negatives,
        teacher_scores,
    })
}

fn negatives(raw: &RawTriplet) -> Result<Vec<String>, TripletFault> {
    match (raw.negative, raw.negatives) {
        (Some(_), Some(_)) => Err(TripletFault::Ambiguous {
            first: "negative",
            second: "negatives",
        }),
        (Some(negative), None) => Ok(vec![text(negative, "negative")?]),
        (None, Some(list)) => array(list, "negatives", "an array of strings")?
            .into_iter()
            .enumerate()
            .map(|(index, negative)| text(negative, &format!("negatives[{index}]")))
            .collect(),
        (None, None) => Ok(Vec::new()),
    }
}

fn teacher_scores(
    raw: &RawTriplet,
    negatives: usize,
) -> Result<Option<TeacherScores>, TripletFault> {
    match (raw.scores, raw.positive_score, raw.negative_scores) {
        (None, None, None) => Ok(None),
        (Some(_), Some(_), _) => Err(TripletFault::Ambiguous {
            first: "scores",
            second: "positive_score",
        }),
        (Some(_), None, Some(_)) => Err(TripletFault::Ambiguous {
            first: "scores",
            second: "negative_scores",
        }),
        (Some(list), None, None) => {
            let mut scores = scores(list, "scores", 1 + negatives)?.into_iter();
            Ok(scores.next().map(|positive| TeacherScores {
                positive,
                negatives: scores.collect(),
            }))
        }
        (None, None, Some(_)) => Err(TripletFault::Missing {
            field: "positive_score",
        }),
        (None, Some(_), None) if negatives > 0 => Err(TripletFault::Missing {
            field: "negative_scores",
        }),
        (None, Some(positive), list) => Ok(Some(TeacherScores {
            positive: score(positive, "positive_score")?,
            negatives: list.map_or(Ok(Vec::new()), |list| {
                scores(list, "negative_scores", negatives)
            })?,
        })),
    }
}

fn scores(list: &RawValue, field: &'static str, expected: usize) -> Result<Vec<f32>, TripletFault> {
    let list = array(list, field, "an array of numbers")?;
    if list.len() != expected {
        return Err(TripletFault::ScoreCount {
            field,
            expected,
            found: list.len(),
        });
    }
    list.into_iter()
        .enumerate()
        .map(|(index, value)| score(value, &format!("{field}[{index}]")))
        .collect()
}

fn score(value: &RawValue, field: &str) -> Result<f32, TripletFault> {
    let expected = "a number";
    if kind(value.get()) != expected {
        return Err(wrong_type(value, field, expected));
    }
    // Parsed by hand: serde_json has no answer to 1e999 but "number out of range".
    match value.get().parse::<f32>() {
        Ok(score) if score.is_finite() => Ok(score),
        _ => Err(TripletFault::NotFinite {
            field: field.to_owned(),
        }),
    }
}

fn text(value: &RawValue, field: &str) -> Result<String, TripletFault> {
    let expected = "a string";
    if kind(value.get()) != expected {
        return Err(wrong_type(value, field, expected));
    }
    let text: String = serde_json::from_str(value.get()).map_err(|error| TripletFault::Json {
        reason: format!("field `{field}`: {}", without_line(&error)),
    })?;
    if text.trim().is_empty() {
        return Err(TripletFault::Blank {
            field: field.to_owned(),
        });
    }
    Ok(text)
}

fn array<'a>(
    value: &'a RawValue,
    field: &str,
    expected: &'static str,
) -> Result<Vec<&'a RawValue>, TripletFault> {
    if kind(value.get()) != "an array" {
        return Err(wrong_type(value, field, expected));
    }
    serde_json::from_str(value.get()).map_err(broken)
}

fn wrong_type(value: &RawValue, field: &str, expected: &'static str) -> TripletFault {
    TripletFault::WrongType {
        field: field.to_owned(),
        expected,
        found: kind(value.get()),
    }
}

fn broken(error: serde_json::Error) -> TripletFault {
    TripletFault::Json {
        reason: without_line(&error),
    }
}

/// What the parser said of a text of one line, whose number it does not know.
fn without_line(error: &serde_json::Error) -> String {
    error
        .to_string()
        .replace(" at line 1 column ", " at column ")
}

/// What a JSON text is, by its first character.
fn kind(json: &str) -> &'static str {
    match json.bytes().next() {
        None => "nothing",
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        Some(_) => "a number",
    }
}
