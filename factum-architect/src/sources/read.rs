//! From text to [`Unit`]: one walk over the syntax tree, the same for every language.
//!
//! A file with mistakes in it is read as far as it goes: the parser leaves out what it cannot make sense of.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use factum_contract::{Source, Span};
use tree_sitter::{Node, Parser};

use super::language::{Language, Words};
use super::unit::{Arg, Call, Catch, Function, Note, Param, Unit, Write};
use super::walk::threads;

mod text;

use text::{cut, only_logs, squeezed, unquoted};

/// Deepest syntax that is followed: what is deeper was made by a machine.
const DEPTH_MAX: usize = 300;

/// Reads all sources that are in a known language; by as many threads as there are processors.
pub(super) fn all(sources: &[Source], first: usize) -> Vec<Unit> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut units: Vec<(usize, Unit)> = Vec::new();
        let mut parsers: BTreeMap<Language, Parser> = BTreeMap::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(source) = sources.get(index) else { return units };
            let Some(language) = Language::of(&source.name) else { continue };
            let parser = parsers.entry(language).or_insert_with(|| {
                let mut parser = Parser::new();
                // A grammar of another age than the parser reads nothing: the tests of every language would see it.
                let _ = parser.set_language(&language.grammar());
                parser
            });
            let Some(tree) = parser.parse(&source.text, None) else { continue };
            let file = u32::try_from(index + first).unwrap_or(u32::MAX);
            units.push((index, unit(source, language, tree.root_node(), file)));
        }
    };
    let parts = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads()).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_default()).collect::<Vec<_>>()
    });
    let mut units: Vec<(usize, Unit)> = parts.into_iter().flatten().collect();
    units.sort_by_key(|(index, _)| *index);
    units.into_iter().map(|(_, unit)| unit).collect()
}

fn unit(source: &Source, language: Language, root: Node<'_>, file: u32) -> Unit {
    let mut reader = Reader {
        text: &source.text,
        words: language.words(),
        language,
        file,
        unit: Unit {
            path: source.name.clone(),
            language,
            functions: vec![Function { text: source.text.clone(), ..Function::default() }],
            constants: BTreeMap::new(),
            imports: Vec::new(),
        },
        holder: String::new(),
        notes: Vec::new(),
        awaited: false,
        in_catch: false,
    };
    reader.walk(root, 0, 0);
    reader.unit
}

struct Reader<'t> {
    text: &'t str,
    words: &'static Words,
    language: Language,
    file: u32,
    unit: Unit,
    /// The class or impl around.
    holder: String,
    /// Decorators that wait for their function.
    notes: Vec<Note>,
    awaited: bool,
    in_catch: bool,
}

impl<'t> Reader<'t> {
    fn str(&self, node: Node<'_>) -> &'t str {
        self.text.get(node.byte_range()).unwrap_or_default()
    }

    fn span(&self, node: Node<'_>) -> Span {
        let start = node.start_position();
        let line_start = node.start_byte().saturating_sub(start.column);
        let before = self.text.get(line_start..node.start_byte()).unwrap_or_default();
        let first_line = self.str(node).lines().next().unwrap_or_default();
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Span {
            file: self.file,
            line: number(start.row + 1),
            column: number(before.chars().count() + 1),
            length: number(first_line.trim_end().chars().count().clamp(1, 80)),
        }
    }

    fn walk(&mut self, node: Node<'_>, function: usize, depth: usize) {
        if depth > DEPTH_MAX {
            return;
        }
        let kind = node.kind();
        let words = self.words;
        if words.imports.contains(&kind) {
            let text = self.str(node).to_owned();
            self.unit.imports.push(text);
        } else if words.functions.contains(&kind) {
            self.function(node, function, None, depth);
            return;
        } else if words.calls.contains(&kind) {
            self.call(node, function, depth);
            return;
        } else if words.notes.contains(&kind) {
            let note = self.note(node);
            self.notes.push(note);
        } else if words.holders.contains(&kind) {
            self.holder(node, function, depth);
            return;
        } else if words.awaits.contains(&kind) {
            self.awaited = true;
        }
        if words.writes.contains(&kind) {
            self.write(node, function);
        }
        if words.bindings.contains(&kind) {
            self.binding(node);
        }
        if words.catches.contains(&kind) && self.is_catch(node) {
            let catch = self.catch(node);
            self.unit.functions[function].catches.push(catch);
            let before = std::mem::replace(&mut self.in_catch, true);
            self.children(node, function, depth);
            self.in_catch = before;
            return;
        }
        self.children(node, function, depth);
    }

    fn children(&mut self, node: Node<'_>, function: usize, depth: usize) {
        let mut cursor = node.walk();
        let children: Vec<Node<'_>> = node.named_children(&mut cursor).collect();
        for child in children {
            self.walk(child, function, depth + 1);
        }
    }

    fn holder(&mut self, node: Node<'_>, function: usize, depth: usize) {
        let head = match node.child_by_field_name("body") {
            Some(body) => self.text.get(node.start_byte()..body.start_byte()).unwrap_or_default(),
            None => self.str(node),
        };
        let before = std::mem::replace(&mut self.holder, squeezed(head));
        // Annotations of the class are not those of its first method.
        self.notes.clear();
        self.children(node, function, depth);
        self.holder = before;
    }

    /// Reads a function with all in it; answers with its index.
    fn function(&mut self, node: Node<'_>, outer: usize, handed_to: Option<usize>, depth: usize) -> usize {
        let name = node.child_by_field_name("name").map(|name| self.str(name).to_owned());
        let name = name.or_else(|| self.bound_name(node)).unwrap_or_default();
        // In Java annotations are inside of the method, in its modifiers; elsewhere they come before it.
        let mut notes = std::mem::take(&mut self.notes);
        if self.language == Language::Java {
            let mut cursor = node.walk();
            let modifiers = node.named_children(&mut cursor).find(|child| child.kind() == "modifiers");
            if let Some(modifiers) = modifiers {
                let mut cursor = modifiers.walk();
                let inside: Vec<Node<'_>> = modifiers
                    .named_children(&mut cursor)
                    .filter(|child| self.words.notes.contains(&child.kind()))
                    .collect();
                notes.extend(inside.into_iter().map(|child| self.note(child)));
            }
        }
        let params = node.child_by_field_name("parameters").or_else(|| node.child_by_field_name("parameter"));
        let params = params.map(|params| self.params(params)).unwrap_or_default();
        self.unit.functions.push(Function {
            name,
            span: self.span(node),
            params,
            notes,
            outer: Some(outer),
            handed_to,
            text: self.str(node).to_owned(),
            start: node.start_byte(),
            of: self.holder.clone(),
            ..Function::default()
        });
        let index = self.unit.functions.len() - 1;
        let before = (std::mem::take(&mut self.awaited), std::mem::take(&mut self.in_catch));
        if let Some(body) = node.child_by_field_name("body") {
            self.walk(body, index, depth + 1);
        }
        (self.awaited, self.in_catch) = before;
        index
    }

    /// The name that a closure is given: `const charge = async () => …`.
    fn bound_name(&self, node: Node<'_>) -> Option<String> {
        let parent = node.parent()?;
        let name = match parent.kind() {
            "variable_declarator" | "public_field_definition" | "let_declaration" => {
                parent.child_by_field_name("name").or_else(|| parent.child_by_field_name("pattern"))
            }
            "pair" => parent.child_by_field_name("key"),
            _ => None,
        };
        name.map(|name| self.str(name).to_owned())
    }

    fn params(&self, node: Node<'_>) -> Vec<Param> {
        if node.kind() == "identifier" {
            return vec![Param {
                name: self.str(node).to_owned(),
                kind: String::new(),
                span: self.span(node),
            }];
        }
        let mut cursor = node.walk();
        let all: Vec<Node<'_>> = node.named_children(&mut cursor).collect();
        let one = |param: Node<'_>| {
            let named = ["pattern", "name"].iter().find_map(|field| param.child_by_field_name(field));
            let first =
                named.or_else(|| if param.named_child_count() > 0 { param.named_child(0) } else { None });
            let name = first.map_or_else(|| self.str(param), |name| self.str(name)).to_owned();
            let kind = param.child_by_field_name("type").map(|kind| self.str(kind)).unwrap_or_default();
            let kind = kind.trim_start_matches(':').trim().to_owned();
            Param { name, kind, span: self.span(param) }
        };
        let is_own = |param: &Param| !matches!(param.name.as_str(), "self" | "&self" | "&mut self" | "this");
        all.into_iter()
            .filter(|param| !param.kind().contains("comment") && !param.kind().contains("self"))
            .map(one)
            .filter(is_own)
            .collect()
    }

    fn call(&mut self, node: Node<'_>, function: usize, depth: usize) {
        let is_awaited = std::mem::take(&mut self.awaited) || self.is_awaited_after(node);
        let (on, name) = self.callee(node);
        let index = self.unit.functions[function].calls.len();
        let span = self.span(node);
        self.unit.functions[function].calls.push(Call {
            on,
            name,
            args: Vec::new(),
            span,
            at: node.start_byte(),
            is_awaited,
            is_in_catch: self.in_catch,
        });
        // What the callee itself calls: `client.channel("a").send(…)`.
        for field in ["function", "object", "constructor", "value"] {
            if let Some(inner) = node.child_by_field_name(field).filter(|inner| inner.named_child_count() > 0)
            {
                self.walk(inner, function, depth + 1);
            }
        }
        let args = node.child_by_field_name("arguments");
        let args: Vec<Arg> = match args {
            Some(args) => {
                let mut cursor = args.walk();
                let all: Vec<Node<'_>> = args.named_children(&mut cursor).collect();
                all.into_iter().map(|arg| self.arg(arg, function, Some(index), depth + 1)).collect()
            }
            None if node.kind() == "macro_invocation" => self.macro_args(node),
            None => Vec::new(),
        };
        self.unit.functions[function].calls[index].args = args;
    }

    /// Rust waits after the call.
    fn is_awaited_after(&self, node: Node<'_>) -> bool {
        self.language == Language::Rust
            && node.parent().is_some_and(|parent| parent.kind() == "await_expression")
    }

    /// `json!({…})` is an object written in place; of other macros the texts are kept.
    fn macro_args(&self, node: Node<'_>) -> Vec<Arg> {
        let name = node.child_by_field_name("macro").map(|name| self.str(name)).unwrap_or_default();
        if name.rsplit("::").next() == Some("json") {
            return vec![Arg::Object(Vec::new())];
        }
        vec![Arg::Other(cut(self.str(node)))]
    }

    /// What is called, and on what.
    fn callee(&self, node: Node<'_>) -> (String, String) {
        let named = |field: &str| node.child_by_field_name(field);
        if self.language == Language::Java {
            let name = named("name").or_else(|| named("type")).map(|name| self.str(name)).unwrap_or_default();
            let name = name.split('<').next().unwrap_or_default();
            let on = named("object").map(|on| self.str(on)).unwrap_or_default();
            return (cut(on), name.to_owned());
        }
        let callee = named("function").or_else(|| named("constructor")).or_else(|| named("macro"));
        let Some(callee) = callee else { return Default::default() };
        let callee = match callee.kind() {
            "generic_function" => callee.child_by_field_name("function").unwrap_or(callee),
            _ => callee,
        };
        let last = ["field", "property", "attribute", "name"]
            .iter()
            .find_map(|field| callee.child_by_field_name(field));
        let on =
            ["value", "object", "operand", "path"].iter().find_map(|field| callee.child_by_field_name(field));
        match last.filter(|_| on.is_some()) {
            Some(last) => (on.map(|on| cut(self.str(on))).unwrap_or_default(), self.str(last).to_owned()),
            None => (String::new(), cut(self.str(callee))),
        }
    }

    fn arg(&mut self, node: Node<'_>, function: usize, call: Option<usize>, depth: usize) -> Arg {
        let words = self.words;
        let kind = node.kind();
        if depth > DEPTH_MAX {
            return Arg::Other(String::new());
        }
        if words.functions.contains(&kind) {
            return Arg::Closure(self.function(node, function, call, depth));
        }
        if words.texts.contains(&kind) {
            // Texts with holes in them are no names.
            let has_holes = self.str(node).contains("${")
                || self.str(node).starts_with("f\"")
                || self.str(node).starts_with("f'");
            return if has_holes {
                Arg::Other(cut(self.str(node)))
            } else {
                Arg::Text(unquoted(self.str(node)))
            };
        }
        if words.calls.contains(&kind) {
            let before = self.unit.functions[function].calls.len();
            self.walk(node, function, depth + 1);
            let call = self.unit.functions[function].calls.get(before).cloned();
            // `json!({…}).to_string()`: what is turned into text was written in place.
            let written = ["json!(", "dumps({", "stringify({", "Map.of("];
            return match call {
                Some(call) if written.iter().any(|start| call.on.contains(start)) => Arg::Object(Vec::new()),
                Some(call) => Arg::Call(call.name, call.args),
                None => Arg::Other(String::new()),
            };
        }
        if words.objects.contains(&kind) {
            return self.object(node, function, call, depth);
        }
        if words.lists.contains(&kind) {
            let mut cursor = node.walk();
            let items: Vec<Node<'_>> = node.named_children(&mut cursor).collect();
            return Arg::List(
                items.into_iter().map(|item| self.arg(item, function, call, depth + 1)).collect(),
            );
        }
        if words.names.contains(&kind) {
            return Arg::Name(cut(self.str(node)));
        }
        match kind {
            "keyword_argument" => {
                let name = node
                    .child_by_field_name("name")
                    .map(|name| self.str(name).to_owned())
                    .unwrap_or_default();
                let value = node.child_by_field_name("value");
                let value = value.map_or_else(
                    || Arg::Other(String::new()),
                    |value| self.arg(value, function, call, depth + 1),
                );
                Arg::Named(name, Box::new(value))
            }
            // `&x`, `x as T`, `await x`, `(x)`, `x?`, `*x`: what is inside.
            "reference_expression"
            | "unary_expression"
            | "as_expression"
            | "await_expression"
            | "parenthesized_expression"
            | "try_expression"
            | "satisfies_expression"
            | "non_null_expression"
            | "cast_expression"
            | "await"
            | "spread_element" => {
                let inner = node.child_by_field_name("value").or_else(|| node.child_by_field_name("operand"));
                match inner.or_else(|| node.named_child(0)) {
                    Some(inner) => self.arg(inner, function, call, depth + 1),
                    None => Arg::Other(cut(self.str(node))),
                }
            }
            _ => {
                self.walk(node, function, depth + 1);
                Arg::Other(cut(self.str(node)))
            }
        }
    }

    fn object(&mut self, node: Node<'_>, function: usize, call: Option<usize>, depth: usize) -> Arg {
        let body = node.child_by_field_name("body").unwrap_or(node);
        let mut cursor = body.walk();
        let all: Vec<Node<'_>> = body.named_children(&mut cursor).collect();
        let mut fields = Vec::new();
        if self.language == Language::Go {
            // The type comes first: `kafka.Message{…}`; of what is a list the items are read.
            let kind =
                node.child_by_field_name("type").map(|kind| self.str(kind).to_owned()).unwrap_or_default();
            fields.push(("".to_owned(), Arg::Name(kind)));
        }
        for one in all {
            match one.kind() {
                kind if self.words.fields.contains(&kind) => {
                    let key = ["key", "field", "name"]
                        .iter()
                        .find_map(|field| one.child_by_field_name(field))
                        .or_else(|| one.named_child(0));
                    let value = one.child_by_field_name("value").or_else(|| one.named_child(1));
                    let (Some(key), Some(value)) = (key, value) else { continue };
                    let key = unquoted(self.str(key));
                    let value = if value.kind() == "literal_element" {
                        value.named_child(0).unwrap_or(value)
                    } else {
                        value
                    };
                    let value = self.arg(value, function, call, depth + 1);
                    fields.push((key, value));
                }
                "shorthand_property_identifier" | "shorthand_field_initializer" => {
                    let name = self.str(one).to_owned();
                    fields.push((name.clone(), Arg::Name(name)));
                }
                "method_definition" => {
                    let name = one
                        .child_by_field_name("name")
                        .map(|name| self.str(name).to_owned())
                        .unwrap_or_default();
                    let inner = self.function(one, function, call, depth + 1);
                    fields.push((name, Arg::Closure(inner)));
                }
                _ => {
                    let value = self.arg(one, function, call, depth + 1);
                    fields.push((String::new(), value));
                }
            }
        }
        Arg::Object(fields)
    }

    fn note(&self, node: Node<'_>) -> Note {
        let text = self.str(node);
        let name: String = text
            .trim_start_matches(['@', '#', '['])
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_' || *c == '.')
            .collect();
        let mut texts = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find(['"', '\'', '`']) {
            let quote = &rest[open..=open];
            let inside = &rest[open + 1..];
            let Some(close) = inside.find(quote) else { break };
            texts.push(inside[..close].to_owned());
            rest = &inside[close + 1..];
        }
        Note { name, texts, span: self.span(node) }
    }

    fn write(&mut self, node: Node<'_>, function: usize) {
        let Some(left) = node
            .child_by_field_name("left")
            .or_else(|| node.child_by_field_name("argument"))
            .or_else(|| node.named_child(0))
        else {
            return;
        };
        let sign = node.child_by_field_name("operator").map(|sign| self.str(sign).to_owned());
        let target = cut(self.str(left));
        let span = self.span(node);
        self.unit.functions[function].writes.push(Write {
            target,
            sign: sign.unwrap_or_else(|| "=".to_owned()),
            span,
        });
    }

    /// A name that stands for a text, or for an object of texts.
    fn binding(&mut self, node: Node<'_>) {
        let name = ["name", "pattern", "left"].iter().find_map(|field| node.child_by_field_name(field));
        let value = ["value", "right"].iter().find_map(|field| node.child_by_field_name(field));
        let (Some(name), Some(value)) = (name, value) else { return };
        let value = match value.kind() {
            "expression_list" if value.named_child_count() == 1 => value.named_child(0).unwrap_or(value),
            "as_expression" | "satisfies_expression" => value.named_child(0).unwrap_or(value),
            _ => value,
        };
        let name = self.str(name).to_owned();
        if self.words.texts.contains(&value.kind()) {
            self.unit.constants.insert(name, unquoted(self.str(value)));
            return;
        }
        if !self.words.objects.contains(&value.kind()) {
            return;
        }
        let mut cursor = value.walk();
        let pairs: Vec<Node<'_>> = value
            .named_children(&mut cursor)
            .filter(|pair| self.words.fields.contains(&pair.kind()))
            .collect();
        for pair in pairs {
            let (Some(key), Some(text)) =
                (pair.child_by_field_name("key"), pair.child_by_field_name("value"))
            else {
                continue;
            };
            if self.words.texts.contains(&text.kind()) {
                let key = format!("{name}.{}", unquoted(self.str(key)));
                self.unit.constants.insert(key, unquoted(self.str(text)));
            }
        }
    }

    /// Whether a branch is one in which a failure is held.
    fn is_catch(&self, node: Node<'_>) -> bool {
        match (self.language, node.kind()) {
            (Language::Rust, "match_arm") => node
                .child_by_field_name("pattern")
                .is_some_and(|pattern| self.str(pattern).starts_with("Err(")),
            (Language::Rust, _) => {
                let condition = node.child_by_field_name("condition").map(|condition| self.str(condition));
                condition.is_some_and(|text| text.starts_with("let Err("))
            }
            (Language::Go, _) => {
                let condition = node.child_by_field_name("condition").map(|condition| self.str(condition));
                condition.is_some_and(|text| text.contains("err != nil"))
            }
            _ => true,
        }
    }

    fn catch(&self, node: Node<'_>) -> Catch {
        // In Python a `value` is what is caught.
        let fields: &[&str] = match self.language {
            Language::Rust => &["consequence", "value"],
            _ => &["body", "consequence"],
        };
        let body = fields.iter().find_map(|field| node.child_by_field_name(field));
        let last = node.named_child_count().checked_sub(1).and_then(|last| node.named_child(last));
        let body = body.or(last);
        let body = body.map(|body| self.str(body)).unwrap_or_default();
        Catch { span: self.span(node), body: body.to_owned(), only_logs: only_logs(body) }
    }
}
