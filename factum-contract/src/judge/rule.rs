//! Why a reader refuses a document: a stable list, fit for `allow`, for suppressions and for statistics.

use crate::words::words;

words! {
    /// Why a reader refuses a document. The words never change their meaning.
    BreakRule {
        /// The value is of a type that is not allowed (`type`).
        Type = "judge/type",
        /// The value is not among the listed ones (`enum`, `const`).
        Values = "judge/values",
        /// The number is beyond a bound (`minimum`, `maximum`, and the exclusive ones).
        Bounds = "judge/bounds",
        /// The number is not a multiple (`multipleOf`).
        Multiple = "judge/multiple",
        /// The text is too short or too long (`minLength`, `maxLength`).
        Length = "judge/length",
        /// The text does not match (`pattern`).
        Pattern = "judge/pattern",
        /// The text does not have the format (`format`).
        Format = "judge/format",
        /// A field is missing (`required`, `dependentRequired`).
        FieldMissing = "judge/field-missing",
        /// A field is not allowed (`additionalProperties`, `unevaluatedProperties`, `propertyNames`).
        FieldRefused = "judge/field-refused",
        /// There are too few or too many fields (`minProperties`, `maxProperties`).
        FieldCount = "judge/field-count",
        /// An item is not allowed (`additionalItems`, `items: false`, `unevaluatedItems`).
        ItemRefused = "judge/item-refused",
        /// There are too few or too many items (`minItems`, `maxItems`).
        ItemCount = "judge/item-count",
        /// Items are the same (`uniqueItems`).
        ItemsTwice = "judge/items-twice",
        /// Too few or too many items meet a rule (`contains`).
        Contains = "judge/contains",
        /// No branch accepts the value (`anyOf`, `oneOf`).
        NoBranch = "judge/no-branch",
        /// More than one branch accepts the value (`oneOf`).
        ManyBranches = "judge/many-branches",
        /// The value is excluded (`not`).
        Excluded = "judge/excluded",
        /// No value is allowed (`false`).
        Never = "judge/never",
        /// A rule outside this list.
        Other = "judge/other",
    }
}
