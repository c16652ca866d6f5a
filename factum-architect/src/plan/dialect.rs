//! Paths, names of tests and commands as a language and its test framework have them.

use std::collections::BTreeMap;

use super::behaviour::PartKind;
use super::spec::slug;
use super::{Request, language};
use crate::codebase::{Codebase, Language, Role};
use crate::design::phrase;

/// How one code base writes tests.
#[derive(Debug, Clone)]
pub(crate) struct Dialect {
    pub(crate) language: Language,
    pub(crate) framework: &'static str,
    pub(crate) package: Option<String>,
    /// Folder of tests.
    folder: String,
    /// `slice_2_loyalty`
    suite: String,
    producers: String,
    consumers: String,
    /// Folders of services.
    homes: BTreeMap<(Role, String), String>,
}

impl Dialect {
    pub(super) fn of(request: &Request<'_>) -> Self {
        let code = request.code;
        let language = language(code);
        let suite = format!(
            "slice_{}_{}",
            request.slice.ordinal.replace('-', "_"),
            slug(&request.spec.feature()).replace('-', "_")
        );
        let usual = |role| match language {
            Language::Rust | Language::TypeScript | Language::JavaScript => "src".to_owned(),
            Language::Java => "src/main/java".to_owned(),
            Language::Go => "internal".to_owned(),
            Language::Python => code.package.clone().map_or_else(
                || "src".to_owned(),
                |name| if role == Role::Says { name.clone() } else { name },
            ),
        };
        let home = |role| code.home(role).filter(|folder| !folder.is_empty()).unwrap_or_else(|| usual(role));
        let home = |role| home(role).replace('-', if language == Language::Python { "_" } else { "-" });
        Self {
            language,
            framework: code.tests.framework,
            package: code.package.clone(),
            folder: code.tests.folder.clone(),
            suite,
            producers: home(Role::Says),
            consumers: home(Role::Takes),
            homes: homes(code),
        }
    }

    /// The file of a part's tests.
    pub(super) fn test_path(&self, kind: PartKind) -> String {
        let (folder, suite, part) = (&self.folder, &self.suite, kind.file());
        let kebab = suite.replace('_', "-");
        match self.language {
            Language::Rust => format!("tests/{suite}/{part}.rs"),
            Language::TypeScript => format!("{folder}/{kebab}/{part}.test.ts"),
            Language::JavaScript => format!("{folder}/{kebab}/{part}.test.js"),
            Language::Python => format!("{folder}/{suite}/test_{part}.py"),
            Language::Java => format!("src/test/java/{}/{}Test.java", suite.replace('_', ""), pascal(part)),
            Language::Go => format!("{folder}/{}/{part}_test.go", suite.replace('_', "")),
        }
    }

    /// The suite's own name.
    pub(super) fn suite(&self) -> &str {
        &self.suite
    }

    /// A test's name from what it shows.
    pub(super) fn test_name(&self, says: &str) -> String {
        let words = phrase::words(says);
        match self.language {
            Language::Rust => words.join("_"),
            Language::TypeScript | Language::JavaScript => says.replace('`', ""),
            Language::Python => format!("test_{}", words.join("_")),
            Language::Java => camel(&words),
            Language::Go => format!("Test{}", pascal(&words.join(" "))),
        }
    }

    /// The command that runs one test alone.
    pub(super) fn command(&self, kind: PartKind, says: &str) -> String {
        let (path, name) = (self.test_path(kind), self.test_name(says));
        match self.language {
            Language::Rust => {
                let package = self.package.as_ref().map(|name| format!(" -p {name}")).unwrap_or_default();
                format!("cargo test{package} --test {} {}::{name} -- --exact", self.suite, kind.file())
            }
            Language::TypeScript | Language::JavaScript => match self.framework {
                "Jest" => format!("npx jest {path} -t '{name}'"),
                "Mocha" => format!("npx mocha {path} --grep '{name}'"),
                _ => format!("npx vitest run {path} -t '{name}'"),
            },
            Language::Python => format!("python -m pytest {path}::{name}"),
            Language::Java if self.framework.contains("Gradle") => {
                format!("./gradlew test --tests '{}Test.{name}'", pascal(kind.file()))
            }
            Language::Java => format!("mvn test -Dtest='{}Test#{name}'", pascal(kind.file())),
            Language::Go => format!(
                "go test ./{} -run '^{name}$' -v",
                path.rsplit_once('/').map_or(".", |(folder, _)| folder)
            ),
        }
    }

    /// The command that runs all tests of the slice.
    pub(super) fn command_all(&self) -> String {
        match self.language {
            Language::Rust => {
                let package = self.package.as_ref().map(|name| format!(" -p {name}")).unwrap_or_default();
                format!("cargo test{package} --test {}", self.suite)
            }
            Language::TypeScript | Language::JavaScript => {
                let folder = format!("{}/{}", self.folder, self.suite.replace('_', "-"));
                match self.framework {
                    "Jest" => format!("npx jest {folder}"),
                    "Mocha" => format!("npx mocha '{folder}/*.test.*'"),
                    _ => format!("npx vitest run {folder}"),
                }
            }
            Language::Python => format!("python -m pytest {}/{}", self.folder, self.suite),
            Language::Java if self.framework.contains("Gradle") => {
                format!("./gradlew test --tests '{}.*'", self.suite.replace('_', ""))
            }
            Language::Java => format!("mvn test -Dtest='{}/*Test'", self.suite.replace('_', "")),
            Language::Go => format!("go test ./{}/{}", self.folder, self.suite.replace('_', "")),
        }
    }

    /// Where what says an event is built: with the rest of its service, else where events are said.
    pub(super) fn producer_path(&self, name: &str, service: &str) -> String {
        self.source(self.homes.get(&(Role::Says, service.to_owned())).unwrap_or(&self.producers), name)
    }

    /// Where what takes an event is built.
    pub(super) fn consumer_path(&self, name: &str, service: &str) -> String {
        self.source(self.homes.get(&(Role::Takes, service.to_owned())).unwrap_or(&self.consumers), name)
    }

    fn source(&self, folder: &str, name: &str) -> String {
        let words = phrase::words(name);
        match self.language {
            Language::Rust => format!("{folder}/{}.rs", words.join("_")),
            Language::TypeScript => format!("{folder}/{}.ts", words.join("-")),
            Language::JavaScript => format!("{folder}/{}.js", words.join("-")),
            Language::Python => format!("{folder}/{}.py", words.join("_")),
            Language::Java => format!("{folder}/{}.java", pascal(&words.join(" "))),
            Language::Go => format!("{folder}/{}.go", words.join("_")),
        }
    }

    /// How a test waits for what happens later.
    pub(super) fn waiting(&self) -> &'static str {
        match (self.language, self.framework) {
            (Language::Rust, _) => "`running.settled(…)`: all that the event caused has been handled",
            (Language::TypeScript | Language::JavaScript, "Vitest") => "`vi.waitFor(() => …)`",
            (Language::TypeScript | Language::JavaScript, _) => {
                "a loop that asks until it is so, at most five seconds"
            }
            (Language::Python, _) => "a loop that asks until it is so, at most five seconds",
            (Language::Java, _) => "Awaitility: `await().until(…)`",
            (Language::Go, _) => "`require.Eventually(…)`",
        }
    }

    /// Target of `factum generate` for the language, where there is one.
    pub(super) fn generated(&self) -> &'static str {
        match self.language {
            Language::Rust => "rust",
            Language::TypeScript | Language::JavaScript => "typescript",
            Language::Python => "python",
            Language::Java | Language::Go => "json-schema",
        }
    }
}

/// The folder of each service where it says, or takes, the most.
fn homes(code: &Codebase) -> BTreeMap<(Role, String), String> {
    let mut found = BTreeMap::new();
    for service in code.uses.iter().filter_map(|used| used.service.as_ref()) {
        for (role, other) in [(Role::Says, Role::Takes), (Role::Takes, Role::Says)] {
            let folder = code.home_of(role, Some(service)).or_else(|| code.home_of(other, Some(service)));
            found.extend(folder.map(|folder| ((role, service.clone()), folder)));
        }
    }
    found
}

/// `LoyaltyEarned`
pub(crate) fn pascal(text: &str) -> String {
    phrase::words(text).iter().map(|word| capital(word)).collect()
}

fn camel(words: &[String]) -> String {
    let rest = words.iter().skip(1).map(|word| capital(word));
    words.first().cloned().into_iter().chain(rest).collect()
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}
