//! Confirms counterexamples with a validator that knows nothing of how they were found.
//!
//! With `tooling` it is a whole JSON Schema validator, for schemas of any origin; without, one for what contracts say.

use serde_json::Value;

use super::dialect::Formats;
use super::{Break, BreakRule, Side};

#[cfg(not(feature = "tooling"))]
use super::plain::Validator;
#[cfg(feature = "tooling")]
use super::whole::Validator;

/// Validators of both sides.
pub(super) struct Witness {
    writer: Vec<Validator>,
    reader: Validator,
}

/// Why a validator refuses a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) rule: BreakRule,
    /// JSON pointer to the refused value.
    pub(super) path: String,
    /// JSON pointer to the keyword.
    pub(super) schema_path: String,
    pub(super) message: String,
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
            std::iter::once(writer).chain(guard).map(|schema| Validator::new(schema, formats)).collect();
        Ok(Self { writer: writer?, reader: Validator::new(reader, formats)? })
    }

    /// What the document shows, when the writer allows it and the reader refuses it.
    pub(super) fn check(&self, document: &Value, side: Side) -> Option<Break> {
        if !self.writer.iter().all(|validator| validator.is_valid(document)) {
            return None;
        }
        let Refusal { rule, path, schema_path, message } = self.reader.refusal(document)?;
        Some(Break { rule, path, schema_path, side, counterexample: document.clone(), message })
    }
}
