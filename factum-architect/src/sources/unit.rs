//! One source file in the form that rules read, whatever its language.
//!
//! Functions (closures too) with what they call, write and catch, in the order of the text.

use std::collections::BTreeMap;

use factum_contract::Span;

use super::language::Language;

/// One source file.
#[derive(Debug, Clone)]
pub struct Unit {
    /// Its path, as findings print it.
    pub path: String,
    /// Its language.
    pub language: Language,
    /// Functions and closures; the first is the file itself.
    pub functions: Vec<Function>,
    /// Names that stand for one text: `TOPIC`, `TOPICS.placed`.
    pub constants: BTreeMap<String, String>,
    /// What it imports, as it is written.
    pub imports: Vec<String>,
}

/// A function, a method, a closure, or the file itself.
#[derive(Debug, Clone, Default)]
pub struct Function {
    /// Its name; empty for a closure.
    pub name: String,
    /// Where it begins.
    pub span: Span,
    /// What it takes.
    pub params: Vec<Param>,
    /// What it calls, in the order of the text.
    pub calls: Vec<Call>,
    /// What it assigns.
    pub writes: Vec<Write>,
    /// Failures that it catches.
    pub catches: Vec<Catch>,
    /// Decorators and annotations.
    pub notes: Vec<Note>,
    /// The function around it.
    pub outer: Option<usize>,
    /// The call of the function around it that it is handed to.
    pub handed_to: Option<usize>,
    /// Its text.
    pub text: String,
    /// Where its text begins, in bytes of the file.
    pub start: usize,
    /// The type whose method it is, as far as that is written: `Handler<OrderPlaced> for Mailer`.
    pub of: String,
}

/// A parameter.
#[derive(Debug, Clone)]
pub struct Param {
    /// Its name.
    pub name: String,
    /// Its type; empty where none is written.
    pub kind: String,
    /// Where it stands.
    pub span: Span,
}

/// A call.
#[derive(Debug, Clone)]
pub struct Call {
    /// What it is called on: `this.producer`; empty for a plain function.
    pub on: String,
    /// The function or method.
    pub name: String,
    /// What it is given.
    pub args: Vec<Arg>,
    /// Where it stands.
    pub span: Span,
    /// Where it begins, in bytes of the file.
    pub at: usize,
    /// Whether it is waited for.
    pub is_awaited: bool,
    /// Whether it stands where a failure is caught.
    pub is_in_catch: bool,
}

/// What a call is given.
#[derive(Debug, Clone)]
pub enum Arg {
    /// A text.
    Text(String),
    /// A name, perhaps dotted.
    Name(String),
    /// Fields with values, written in place.
    Object(Vec<(String, Arg)>),
    /// A list.
    List(Vec<Arg>),
    /// A value by its name: `queue="orders"`.
    Named(String, Box<Arg>),
    /// A call, with what it is given.
    Call(String, Vec<Arg>),
    /// A closure: its index among the functions.
    Closure(usize),
    /// Anything else, as written.
    Other(String),
}

impl Arg {
    /// The value of a field, of an object or of a named argument.
    #[must_use]
    pub fn field(&self, key: &str) -> Option<&Arg> {
        match self {
            Self::Object(fields) => fields.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            Self::Named(name, value) if name == key => Some(value),
            _ => None,
        }
    }
}

/// An assignment.
#[derive(Debug, Clone)]
pub struct Write {
    /// What is assigned: `event.total`.
    pub target: String,
    /// How: `=`, `+=`.
    pub sign: String,
    /// Where.
    pub span: Span,
}

/// A place where a failure is caught.
#[derive(Debug, Clone)]
pub struct Catch {
    /// Where.
    pub span: Span,
    /// What is done then, as text.
    pub body: String,
    /// Whether nothing is done but to write it down.
    pub only_logs: bool,
}

/// A decorator or annotation.
#[derive(Debug, Clone)]
pub struct Note {
    /// Its name: `KafkaListener`.
    pub name: String,
    /// Texts that it is given.
    pub texts: Vec<String>,
    /// Where.
    pub span: Span,
}

impl Unit {
    /// The text that an argument stands for, when that can be seen.
    #[must_use]
    pub fn text_of<'u>(&'u self, arg: &'u Arg) -> Option<&'u str> {
        match arg {
            Arg::Text(text) => Some(text),
            Arg::Name(name) => {
                self.constants.get(name.strip_prefix("this.").unwrap_or(name)).map(String::as_str)
            }
            Arg::Named(_, value) => self.text_of(value),
            Arg::List(items) => items.first().and_then(|item| self.text_of(item)),
            _ => None,
        }
    }

    /// Whether an import holds one of the words.
    #[must_use]
    pub fn imports_any(&self, words: &[&str]) -> bool {
        self.imports.iter().any(|import| words.iter().any(|word| import.contains(word)))
    }

    /// The text of a function and of the closures in it is one text: what is around a closure.
    #[must_use]
    pub fn outermost(&self, function: usize) -> usize {
        let mut at = function;
        while let Some(outer) =
            self.functions.get(at).and_then(|function| function.outer).filter(|outer| *outer != 0)
        {
            at = outer;
        }
        at
    }
}
