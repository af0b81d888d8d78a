//! A tree against a structural schema, every mistake reported.
//!
//! Follows the API server: `null` counts as absent, unknown fields are refused, lists of type set
//! and map hold nothing twice. CEL rules are not evaluated; see [`crate::validation`].

use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray,
};
use regex::Regex;
use serde_json::{Map, Value};

use super::error::ManifestError;
use super::suggestion::one_of;
use super::tree::{Entry, Kind, Node, shortened};
use crate::decimal::DECIMAL_PATTERN;
use crate::field_path::FieldPath;
use crate::schema::{map_values, pattern_in_words, union_members};

/// Collects the mistakes of one resource.
#[derive(Default)]
pub(super) struct Checker {
    errors: Vec<ManifestError>,
    patterns: BTreeMap<String, Option<Regex>>,
}

impl Checker {
    /// The mistakes found so far.
    pub fn into_errors(self) -> Vec<ManifestError> {
        self.errors
    }

    /// The value without its mistakes; none when the node itself is one. Optional parts at fault
    /// are left out, required ones replaced by a stand-in, so that the rules on everything else can
    /// still be checked.
    pub fn check(
        &mut self,
        node: &Node,
        schema: &JSONSchemaProps,
        path: &FieldPath,
    ) -> Option<Value> {
        let int_or_string = schema.x_kubernetes_int_or_string == Some(true);
        let expected = schema.type_.as_deref().unwrap_or_default();
        match (&node.kind, expected) {
            (Kind::Unreadable, _) => None,
            (Kind::Mapping(entries), "object") => {
                Some(Value::Object(self.mapping(node, entries, schema, path)))
            }
            (Kind::Sequence(items), "array") => self.sequence(node, items, schema, path),
            (Kind::Text(text), "string") => self.text(node, text, schema, path),
            (Kind::Text(text), _) if int_or_string => self.text(node, text, schema, path),
            (Kind::Number(number, _), _) if int_or_string && is_natural(number) => {
                Some(Value::String(number.to_string()))
            }
            (Kind::Number(number, _), "integer") if number.is_i64() || number.is_u64() => {
                self.number(node, number, schema, path)
            }
            (Kind::Number(number, _), "number") => self.number(node, number, schema, path),
            (Kind::Boolean(value), "boolean") => Some(Value::Bool(*value)),
            // A field without a type takes anything, and nobody reads it.
            (_, "") if !int_or_string => None,
            _ => {
                self.wrong_type(node, schema, path);
                None
            }
        }
    }

    fn report(&mut self, node: &Node, path: &FieldPath, message: impl Into<String>) {
        self.errors.push(node.error(path.clone(), message));
    }

    fn wrong_type(&mut self, node: &Node, schema: &JSONSchemaProps, path: &FieldPath) {
        let is_decimal = schema.pattern.as_deref() == Some(DECIMAL_PATTERN);
        let message = match (&node.kind, is_decimal) {
            (Kind::Number(_, written), true) => {
                format!("a decimal is written as a text: put it in quotes, \"{written}\"")
            }
            _ => format!(
                "expected {}, found {}",
                type_in_words(schema),
                node.describe()
            ),
        };
        self.report(node, path, message);
    }

    fn mapping(
        &mut self,
        node: &Node,
        entries: &[Entry],
        schema: &JSONSchemaProps,
        path: &FieldPath,
    ) -> Map<String, Value> {
        let empty = BTreeMap::new();
        let properties = schema.properties.as_ref().unwrap_or(&empty);
        let values = map_values(schema);
        let mut members = Map::new();
        for entry in entries
            .iter()
            .filter(|entry| entry.value.kind != Kind::Null)
        {
            let path = path.key(entry.key.clone());
            if let Some(field) = properties.get(&entry.key).or(values) {
                if let Some(value) = self.check(&entry.value, field, &path) {
                    members.insert(entry.key.clone(), value);
                }
            } else {
                self.unknown_field(entry, properties, path);
            }
        }
        let present: Vec<&str> = entries
            .iter()
            .filter(|entry| entry.value.kind != Kind::Null)
            .map(|entry| entry.key.as_str())
            .collect();
        for name in schema.required.iter().flatten() {
            if !present.contains(&name.as_str()) {
                self.report(node, &path.key(name.clone()), "required field is missing");
            }
            if let Some(field) = properties.get(name).filter(|_| !members.contains_key(name)) {
                members.insert(name.clone(), stand_in(field));
            }
        }
        self.union(node, &present, schema, path);
        self.at_most(node, "members", present.len(), schema.max_properties, path);
        members
    }

    fn unknown_field(
        &mut self,
        entry: &Entry,
        properties: &BTreeMap<String, JSONSchemaProps>,
        path: FieldPath,
    ) {
        let names: Vec<&str> = properties.keys().map(String::as_str).collect();
        let message = if names.is_empty() {
            "unknown field; none are allowed here".into()
        } else {
            one_of("unknown field", &entry.key, &names)
        };
        let (line, column) = (entry.key_line, entry.key_column);
        self.errors.push(ManifestError {
            line,
            column,
            path,
            message,
        });
    }

    fn union(&mut self, node: &Node, present: &[&str], schema: &JSONSchemaProps, path: &FieldPath) {
        let Some(members) = union_members(schema) else {
            return;
        };
        let set: Vec<&str> = members
            .iter()
            .filter(|name| present.contains(name))
            .copied()
            .collect();
        if set.len() != 1 {
            let found = if set.is_empty() {
                "none".into()
            } else {
                set.join(", ")
            };
            let message = format!(
                "exactly one of {} must be set, found {found}",
                members.join(", ")
            );
            self.report(node, path, message);
        }
    }

    fn sequence(
        &mut self,
        node: &Node,
        items: &[Node],
        schema: &JSONSchemaProps,
        path: &FieldPath,
    ) -> Option<Value> {
        self.at_least(node, "items", items.len(), schema.min_items, path);
        let fits = self.at_most(node, "items", items.len(), schema.max_items, path);
        let Some(JSONSchemaPropsOrArray::Schema(item_schema)) = &schema.items else {
            return None;
        };
        // A list beyond its bound is reported once, not item by item.
        if !fits {
            return None;
        }
        self.twice(items, schema, path);
        let checked = items
            .iter()
            .enumerate()
            .map(|(index, item)| {
                let value = self.check(item, item_schema, &path.index(index));
                value.unwrap_or_else(|| stand_in(item_schema))
            })
            .collect();
        Some(Value::Array(checked))
    }

    /// Reports what a list of type set or map holds twice.
    fn twice(&mut self, items: &[Node], schema: &JSONSchemaProps, path: &FieldPath) {
        let keys = schema
            .x_kubernetes_list_map_keys
            .as_deref()
            .unwrap_or_default();
        let is_set = schema.x_kubernetes_list_type.as_deref() == Some("set");
        let mut first_lines = BTreeMap::new();
        for (index, item) in items.iter().enumerate() {
            let (identity, path) = match keys {
                [key] => (item.get(key), path.index(index).key(key.clone())),
                _ if is_set => (Some(item), path.index(index)),
                _ => return,
            };
            let Some((node, text)) = identity.and_then(|node| Some((node, node.as_str()?))) else {
                continue;
            };
            if let Some(line) = first_lines.insert(text, node.line) {
                let message = format!("{} is in the list already, in line {line}", shortened(text));
                self.report(node, &path, message);
            }
        }
    }

    fn text(
        &mut self,
        node: &Node,
        text: &str,
        schema: &JSONSchemaProps,
        path: &FieldPath,
    ) -> Option<Value> {
        if let Some(allowed) = &schema.enum_ {
            let names: Vec<&str> = allowed
                .iter()
                .filter_map(|value| value.0.as_str())
                .collect();
            if !names.contains(&text) {
                let problem = format!("{} is not allowed", shortened(text));
                self.report(node, path, one_of(&problem, text, &names));
                return None;
            }
        }
        let length = text.chars().count();
        let fits = self.at_most(node, "characters", length, schema.max_length, path)
            && self.at_least(node, "characters", length, schema.min_length, path);
        if let Some(pattern) = schema.pattern.as_deref().filter(|_| fits)
            && !self.matches(pattern, text)
        {
            let expected = pattern_in_words(pattern)
                .map_or_else(|| format!("a text that matches {pattern}"), str::to_owned);
            self.report(node, path, format!("{} is not {expected}", shortened(text)));
            return None;
        }
        fits.then(|| Value::String(text.into()))
    }

    fn matches(&mut self, pattern: &str, text: &str) -> bool {
        let compiled = self
            .patterns
            .entry(pattern.into())
            .or_insert_with(|| Regex::new(pattern).ok());
        compiled
            .as_ref()
            .is_some_and(|pattern| pattern.is_match(text))
    }

    fn number(
        &mut self,
        node: &Node,
        number: &serde_json::Number,
        schema: &JSONSchemaProps,
        path: &FieldPath,
    ) -> Option<Value> {
        let value = number.as_f64().unwrap_or(f64::NAN);
        let minimum = schema.minimum.unwrap_or(f64::NEG_INFINITY);
        let maximum = schema.maximum.unwrap_or(f64::INFINITY);
        if value < minimum {
            self.report(
                node,
                path,
                format!("must be at least {minimum}, found {number}"),
            );
            None
        } else if value > maximum {
            self.report(
                node,
                path,
                format!("must be at most {maximum}, found {number}"),
            );
            None
        } else {
            Some(Value::Number(number.clone()))
        }
    }

    fn at_most(
        &mut self,
        node: &Node,
        unit: &str,
        count: usize,
        limit: Option<i64>,
        path: &FieldPath,
    ) -> bool {
        let fits = limit.is_none_or(|limit| i64::try_from(count).is_ok_and(|count| count <= limit));
        if !fits {
            let limit = limit.unwrap_or_default();
            self.report(
                node,
                path,
                format!("must have at most {limit} {unit}, found {count}"),
            );
        }
        fits
    }

    fn at_least(
        &mut self,
        node: &Node,
        unit: &str,
        count: usize,
        limit: Option<i64>,
        path: &FieldPath,
    ) -> bool {
        let fits = limit.is_none_or(|limit| i64::try_from(count).is_ok_and(|count| count >= limit));
        if !fits {
            let limit = limit.unwrap_or_default();
            self.report(
                node,
                path,
                format!("must have at least {limit} {unit}, found {count}"),
            );
        }
        fits
    }
}

/// Some value that the types accept, in place of one that has been reported.
fn stand_in(schema: &JSONSchemaProps) -> Value {
    let field = |name: &str| {
        let field = schema.properties.as_ref()?.get(name)?;
        Some((name.to_owned(), stand_in(field)))
    };
    match schema.type_.as_deref() {
        Some("object") => {
            let required = schema.required.iter().flatten().map(String::as_str);
            let member = union_members(schema).and_then(|members| members.first().copied());
            Value::Object(required.chain(member).filter_map(field).collect())
        }
        Some("array") => Value::Array(Vec::new()),
        Some("boolean") => Value::Bool(false),
        Some("integer" | "number") => Value::from(schema.minimum.unwrap_or(1.0) as i64),
        _ => match schema.enum_.as_ref().and_then(|allowed| allowed.first()) {
            Some(first) => first.0.clone(),
            None if schema.pattern.as_deref() == Some(DECIMAL_PATTERN) => "1".into(),
            None => "x".into(),
        },
    }
}

fn is_natural(number: &serde_json::Number) -> bool {
    number.is_u64()
}

fn type_in_words(schema: &JSONSchemaProps) -> &str {
    match schema.type_.as_deref() {
        Some("object") => "a mapping",
        Some("array") => "a list",
        Some("string") => "a text",
        Some("integer") => "an integer",
        Some("number") => "a number",
        Some("boolean") => "true or false",
        _ => "a quantity such as 2, \"500m\" or \"16Gi\"",
    }
}
