//! Rules that go beyond types and schema: what settings mean together.
//!
//! Most of them are CEL rules in the custom resource definition too, so that the API server refuses
//! what a local run refuses. Everything here is pure and reports all faults, not the first.

mod benchmark;
mod pod;
mod training;

use crate::decimal::Decimal;
use crate::field_path::FieldPath;

pub use benchmark::validate_benchmark;
pub use training::validate_training;

/// A fault in a resource.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct FieldError {
    /// The field at fault.
    pub path: FieldPath,
    /// What is wrong and what to do.
    pub message: String,
    /// Other fields whose values the rule looked at.
    pub related: Vec<FieldPath>,
}

/// Collects faults.
#[derive(Default)]
struct Faults(Vec<FieldError>);

impl Faults {
    fn add(&mut self, path: FieldPath, message: impl Into<String>) {
        self.add_related(path, message, &[]);
    }

    /// `related` are dotted paths.
    fn add_related(&mut self, path: FieldPath, message: impl Into<String>, related: &[&str]) {
        let related = related.iter().map(|dotted| FieldPath::of(dotted)).collect();
        self.0.push(FieldError {
            path,
            message: message.into(),
            related,
        });
    }

    fn above_zero(&mut self, path: FieldPath, decimal: &Decimal) {
        if decimal.is_zero() {
            self.add(path, "must be greater than 0");
        }
    }

    fn up_to_one(&mut self, path: FieldPath, decimal: &Decimal) {
        if decimal.value() > 1.0 {
            self.add(path, format!("must be from 0 to 1, found {decimal}"));
        }
    }

    fn below_one(&mut self, path: FieldPath, decimal: &Decimal) {
        if decimal.value() >= 1.0 {
            self.add(
                path,
                format!("must be at least 0 and below 1, found {decimal}"),
            );
        }
    }

    /// A name from which names of other objects are made.
    fn object_name(&mut self, name: Option<&str>, longest: usize) {
        let path = FieldPath::of("metadata.name");
        let Some(name) = name else {
            return self.add(path, "required field is missing");
        };
        let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let is_label = name.bytes().all(|byte| is_inner(byte) || byte == b'-')
            && name.bytes().next().is_some_and(is_inner)
            && name.bytes().last().is_some_and(is_inner);
        if !is_label || name.len() > longest {
            self.add(
                path,
                format!(
                    "{name:?} must be lower-case letters, digits and '-', at most {longest} \
                     characters: names of jobs and pods are made from it"
                ),
            );
        }
    }
}
