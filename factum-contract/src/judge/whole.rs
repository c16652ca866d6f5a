//! A validator of whole JSON Schema, every dialect and word of it.

use jsonschema::PatternOptions;
use jsonschema::error::ValidationErrorKind as Kind;
use serde_json::Value;

use super::dialect::{Dialect, Formats};
use super::witness::Refusal;
use super::{BreakRule, format};

/// Most steps a pattern that is not linear may go back.
const BACKTRACK_MAX: usize = 100_000;

pub(super) struct Validator(jsonschema::Validator);

impl Validator {
    pub(super) fn new(schema: &Value, formats: Formats) -> Result<Self, String> {
        let is_asserted = formats == Formats::Asserted;
        let mut options = jsonschema::options()
            .with_draft(draft(Dialect::of(schema)))
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
            .map(Self)
            .map_err(|error| format!("a schema cannot be compiled: {error}"))
    }

    pub(super) fn is_valid(&self, document: &Value) -> bool {
        self.0.is_valid(document)
    }

    pub(super) fn refusal(&self, document: &Value) -> Option<Refusal> {
        self.0.iter_errors(document).next().map(|error| said(&error))
    }

    #[cfg(test)]
    pub(super) fn refusals(&self, document: &Value) -> Vec<Refusal> {
        self.0.iter_errors(document).map(|error| said(&error)).collect()
    }
}

fn said(error: &jsonschema::ValidationError<'_>) -> Refusal {
    Refusal {
        rule: rule(error.kind()),
        path: error.instance_path().as_str().to_owned(),
        schema_path: error.schema_path().as_str().to_owned(),
        message: error.to_string(),
    }
}

fn draft(dialect: Dialect) -> jsonschema::Draft {
    match dialect {
        Dialect::Draft4 => jsonschema::Draft::Draft4,
        Dialect::Draft7 => jsonschema::Draft::Draft7,
        Dialect::Draft2019 => jsonschema::Draft::Draft201909,
        Dialect::Draft2020 | Dialect::Foreign => jsonschema::Draft::Draft202012,
    }
}

fn rule(kind: &Kind) -> BreakRule {
    match kind {
        Kind::Type { .. } => BreakRule::Type,
        Kind::Enum { .. } | Kind::Constant { .. } => BreakRule::Values,
        Kind::Minimum { .. }
        | Kind::Maximum { .. }
        | Kind::ExclusiveMinimum { .. }
        | Kind::ExclusiveMaximum { .. } => BreakRule::Bounds,
        Kind::MultipleOf { .. } => BreakRule::Multiple,
        Kind::MinLength { .. } | Kind::MaxLength { .. } => BreakRule::Length,
        Kind::Pattern { .. } => BreakRule::Pattern,
        Kind::Format { .. } => BreakRule::Format,
        Kind::Required { .. } => BreakRule::FieldMissing,
        Kind::AdditionalProperties { .. }
        | Kind::UnevaluatedProperties { .. }
        | Kind::PropertyNames { .. } => BreakRule::FieldRefused,
        Kind::MinProperties { .. } | Kind::MaxProperties { .. } => BreakRule::FieldCount,
        Kind::AdditionalItems { .. } | Kind::UnevaluatedItems { .. } => BreakRule::ItemRefused,
        Kind::MinItems { .. } | Kind::MaxItems { .. } => BreakRule::ItemCount,
        Kind::UniqueItems => BreakRule::ItemsTwice,
        Kind::Contains => BreakRule::Contains,
        Kind::AnyOf { .. } | Kind::OneOfNotValid { .. } => BreakRule::NoBranch,
        Kind::OneOfMultipleValid { .. } => BreakRule::ManyBranches,
        Kind::Not { .. } => BreakRule::Excluded,
        Kind::FalseSchema => BreakRule::Never,
        _ => BreakRule::Other,
    }
}
