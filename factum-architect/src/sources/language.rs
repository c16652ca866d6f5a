//! The languages that are read, and what their grammars call things.

/// A language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Language {
    /// Rust.
    Rust,
    /// TypeScript, and JavaScript, which is read as the same.
    TypeScript,
    /// Python.
    Python,
    /// Java.
    Java,
    /// Go.
    Go,
}

/// What a grammar calls things.
pub(super) struct Words {
    /// Functions, methods and closures.
    pub(super) functions: &'static [&'static str],
    /// Calls.
    pub(super) calls: &'static [&'static str],
    /// Texts.
    pub(super) texts: &'static [&'static str],
    /// Names, dotted ones too.
    pub(super) names: &'static [&'static str],
    /// Objects, dictionaries, structs written in place.
    pub(super) objects: &'static [&'static str],
    /// One field of them.
    pub(super) fields: &'static [&'static str],
    /// Lists.
    pub(super) lists: &'static [&'static str],
    /// Assignments.
    pub(super) writes: &'static [&'static str],
    /// Places where failures are caught.
    pub(super) catches: &'static [&'static str],
    /// Decorators and annotations.
    pub(super) notes: &'static [&'static str],
    /// Imports.
    pub(super) imports: &'static [&'static str],
    /// What gives a name to a value.
    pub(super) bindings: &'static [&'static str],
    /// Waiting for a value.
    pub(super) awaits: &'static [&'static str],
    /// What holds methods.
    pub(super) holders: &'static [&'static str],
}

impl Language {
    /// The language of a file, by its name; test files and generated declarations are none.
    #[must_use]
    pub fn of(path: &str) -> Option<Self> {
        let ending = path.rsplit('.').next()?;
        match ending {
            "rs" => Some(Self::Rust),
            "ts" if path.ends_with(".d.ts") => None,
            "ts" | "tsx" | "mts" | "cts" | "js" | "jsx" | "mjs" | "cjs" => Some(Self::TypeScript),
            "py" => Some(Self::Python),
            "java" => Some(Self::Java),
            "go" => Some(Self::Go),
            _ => None,
        }
    }

    /// Whether a file tests others: what it publishes is no traffic.
    #[must_use]
    pub fn is_test(path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        let in_folder = path.split('/').any(|part| {
            matches!(
                part,
                "tests" | "test" | "__tests__" | "spec" | "testdata" | "fixtures" | "e2e" | "__mocks__"
            )
        });
        in_folder
            || name.contains(".test.")
            || name.contains(".spec.")
            || name.ends_with("_test.go")
            || name.ends_with("_test.py")
            || name.starts_with("test_")
            || name.ends_with("Test.java")
            || name.ends_with("Tests.java")
            || name.ends_with("IT.java")
    }

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::TypeScript => "TypeScript",
            Self::Python => "Python",
            Self::Java => "Java",
            Self::Go => "Go",
        }
    }

    pub(super) fn grammar(self) -> tree_sitter::Language {
        match self {
            Self::Rust => tree_sitter_rust::LANGUAGE.into(),
            Self::TypeScript => tree_sitter_typescript::LANGUAGE_TSX.into(),
            Self::Python => tree_sitter_python::LANGUAGE.into(),
            Self::Java => tree_sitter_java::LANGUAGE.into(),
            Self::Go => tree_sitter_go::LANGUAGE.into(),
        }
    }

    pub(super) fn words(self) -> &'static Words {
        match self {
            Self::Rust => &RUST,
            Self::TypeScript => &TYPESCRIPT,
            Self::Python => &PYTHON,
            Self::Java => &JAVA,
            Self::Go => &GO,
        }
    }
}

const RUST: Words = Words {
    functions: &["function_item", "closure_expression"],
    calls: &["call_expression", "macro_invocation"],
    texts: &["string_literal", "raw_string_literal"],
    names: &["identifier", "field_expression", "scoped_identifier", "self"],
    objects: &["struct_expression"],
    fields: &["field_initializer"],
    lists: &["array_expression"],
    writes: &["assignment_expression", "compound_assignment_expr"],
    catches: &["match_arm", "if_expression"],
    notes: &["attribute_item"],
    imports: &["use_declaration"],
    bindings: &["const_item", "static_item", "let_declaration"],
    awaits: &["await_expression"],
    holders: &["impl_item"],
};

const TYPESCRIPT: Words = Words {
    functions: &[
        "function_declaration",
        "function_expression",
        "arrow_function",
        "method_definition",
        "generator_function_declaration",
    ],
    calls: &["call_expression", "new_expression"],
    texts: &["string", "template_string"],
    names: &["identifier", "member_expression", "this", "property_identifier"],
    objects: &["object"],
    fields: &["pair"],
    lists: &["array"],
    writes: &["assignment_expression", "augmented_assignment_expression", "update_expression"],
    catches: &["catch_clause"],
    notes: &["decorator"],
    imports: &["import_statement"],
    bindings: &["variable_declarator", "public_field_definition", "enum_assignment"],
    awaits: &["await_expression"],
    holders: &["class_declaration"],
};

const PYTHON: Words = Words {
    functions: &["function_definition", "lambda"],
    calls: &["call"],
    texts: &["string"],
    names: &["identifier", "attribute"],
    objects: &["dictionary"],
    fields: &["pair"],
    lists: &["list", "tuple"],
    writes: &["assignment", "augmented_assignment"],
    catches: &["except_clause"],
    notes: &["decorator"],
    imports: &["import_statement", "import_from_statement"],
    bindings: &["assignment"],
    awaits: &["await"],
    holders: &["class_definition"],
};

const JAVA: Words = Words {
    functions: &["method_declaration", "constructor_declaration", "lambda_expression"],
    calls: &["method_invocation", "object_creation_expression"],
    texts: &["string_literal"],
    names: &["identifier", "field_access", "this"],
    objects: &[],
    fields: &[],
    lists: &["array_initializer"],
    writes: &["assignment_expression", "update_expression"],
    catches: &["catch_clause"],
    notes: &["annotation", "marker_annotation"],
    imports: &["import_declaration"],
    bindings: &["variable_declarator"],
    awaits: &[],
    holders: &["class_declaration"],
};

const GO: Words = Words {
    functions: &["function_declaration", "method_declaration", "func_literal"],
    calls: &["call_expression"],
    texts: &["interpreted_string_literal", "raw_string_literal"],
    names: &["identifier", "selector_expression"],
    objects: &["composite_literal"],
    fields: &["keyed_element"],
    lists: &[],
    writes: &["assignment_statement", "inc_statement"],
    catches: &["if_statement"],
    notes: &[],
    imports: &["import_spec"],
    bindings: &["const_spec", "var_spec", "short_var_declaration"],
    awaits: &[],
    holders: &[],
};
