//! Confirms counterexamples with a validator that knows nothing of how they were found.

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

use super::dialect::{Dialect, Formats};
use super::{Break, BreakRule, Side, format};

/// Most steps a pattern that is not linear may go back.
const BACKTRACK_MAX: usize = 100_000;

/// Validators of both sides.
pub(super) struct Witness {
    writer: Vec<Validator>,
    reader: Validator,
}

impl Witness {
    /// Compiles both sides; says which side cannot be compiled and why.
    pub(super) fn new(
        writer: &Value,
        guard: Option<&Value>,
        reader: &Value,
        formats: Formats,
    ) -> Result<Self, String> {
        let writer: Result<Vec<Validator>, String> =
            std::iter::once(writer).chain(guard).map(|schema| compile(schema, formats)).collect();
        Ok(Self { writer: writer?, reader: compile(reader, formats)? })
    }

    /// What the document shows, when the writer allows it and the reader refuses it.
    pub(super) fn check(&self, document: &Value, side: Side) -> Option<Break> {
        if !self.writer.iter().all(|validator| validator.is_valid(document)) {
            return None;
        }
        let error = self.reader.iter_errors(document).next()?;
        Some(Break {
            rule: BreakRule::of(error.kind()),
            path: error.instance_path().as_str().to_owned(),
            schema_path: error.schema_path().as_str().to_owned(),
            side,
            counterexample: document.clone(),
            message: error.to_string(),
        })
    }
}

pub(super) fn compile(schema: &Value, formats: Formats) -> Result<Validator, String> {
    let is_asserted = formats == Formats::Asserted;
    let mut options = jsonschema::options()
        .with_draft(Dialect::of(schema).of_validator())
        .should_validate_formats(is_asserted)
        .should_ignore_unknown_formats(true);
    if is_asserted {
        for (name, check) in format::checks() {
            options = options.with_format(name, check);
        }
    }
    let linear = options.clone().with_pattern_options(PatternOptions::regex()).build(schema);
    linear
        .or_else(|_| {
            // Patterns with look-around need the slower matcher.
            let patterns = PatternOptions::fancy_regex().backtrack_limit(BACKTRACK_MAX);
            options.with_pattern_options(patterns).build(schema)
        })
        .map_err(|error| format!("a schema cannot be compiled: {error}"))
}
