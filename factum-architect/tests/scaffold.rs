//! Scaffolds in TypeScript and Python, judged by the real compilers and run: they are strictly typed, and fail for the one
//! reason that they state until their decision is taken.

#![allow(clippy::unwrap_used, reason = "in a test, what cannot go on stops")]

use std::path::{Path, PathBuf};
use std::process::Command;

use factum_architect::scaffold::{self, Kind, Lang, Request};
use factum_contract::generate::{python, typescript};
use factum_contract::{Catalog, folder};

/// The flagship's contracts: personal values, money, lists, several versions.
fn catalog() -> Catalog {
    let contracts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/orders/contracts");
    Catalog::read(&folder::read(&contracts).unwrap()).unwrap()
}

fn events(catalog: &Catalog) -> Vec<&str> {
    let events = catalog.latest().filter(|contract| contract.kind == factum_core::Kind::Event);
    events.map(|contract| contract.name.as_str()).collect()
}

/// Writes a consumer of every event into a folder; answers how many.
fn consumers(catalog: &Catalog, lang: Lang, folder: &Path) -> usize {
    let events = events(catalog);
    for event in &events {
        let name = format!("mail.on-{}", event.replace('.', "-"));
        let request = Request {
            kind: Kind::Consumer,
            name: &name,
            event: Some(event),
            service: Some("orders"),
            lang,
            catalog,
            folder: "src",
            contracts: "contracts",
        };
        for file in scaffold::scaffold(&request).unwrap().files {
            let path = folder.join(&file.name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, file.text).unwrap();
        }
    }
    assert!(events.len() >= 5, "{events:?}");
    events.len()
}

/// Whether it ended well, and what it said.
fn call(program: &Path, arguments: &[&str], folder: &Path) -> (bool, String) {
    let output = Command::new(program).args(arguments).current_dir(folder).output();
    let output = output.unwrap_or_else(|error| panic!("{} cannot be started: {error}", program.display()));
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

/// Takes the one decision of every consumer in a folder: to do nothing.
fn decide(folder: &Path, from: &str, to: &str) {
    let mut decided = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        if let Some(line) = text.lines().find(|line| line.trim_start().starts_with(from)) {
            std::fs::write(&path, text.replace(line, to)).unwrap();
            decided += 1;
        }
    }
    assert!(decided > 0);
}

fn workshop() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("src");
    std::fs::create_dir_all(source.join("events")).unwrap();
    (folder, source)
}

#[test]
fn a_consumer_in_typescript_is_strictly_typed_and_fails_until_it_is_decided() {
    let test = "scaffold::a_consumer_in_typescript_is_strictly_typed_and_fails_until_it_is_decided";
    let Some(tools) = xtask::tools::or_skip(test, "typescript") else { return };
    let (folder, source) = workshop();
    let catalog = catalog();
    typescript::generate(&catalog).unwrap().write(&source.join("events")).unwrap();
    let count = consumers(&catalog, Lang::TypeScript, folder.path());
    std::fs::write(folder.path().join("package.json"), r#"{"private":true,"type":"module"}"#).unwrap();
    let modules = tools.join("node_modules");
    let options = serde_json::json!({
        "compilerOptions": {
            "strict": true, "noUncheckedIndexedAccess": true, "exactOptionalPropertyTypes": true,
            "noImplicitReturns": true, "noPropertyAccessFromIndexSignature": true, "noUnusedLocals": true,
            "noUnusedParameters": true, "verbatimModuleSyntax": true, "isolatedModules": true,
            "target": "es2022", "lib": ["es2022"], "module": "nodenext", "skipLibCheck": true,
            "typeRoots": [modules.join("@types")], "types": ["node"], "rootDir": "src", "outDir": "out",
        },
        "include": ["src"],
    });
    std::fs::write(folder.path().join("tsconfig.json"), options.to_string()).unwrap();
    let compiler = modules.join("typescript/bin/tsc").display().to_string();
    let compile = || {
        let (compiles, said) = call(Path::new("node"), &[&compiler, "-p", "."], folder.path());
        assert!(compiles, "{said}");
    };
    let run = || call(Path::new("node"), &["--test", "--test-reporter=tap", "out"], folder.path());
    compile();
    let (passes, said) = run();
    assert!(!passes, "{said}");
    assert!(said.contains(&format!("# pass {}\n# fail {count}\n", 2 * count)), "{said}");
    for event in events(&catalog) {
        let reason = format!("DECIDE: what mail.on-{} does on {event}", event.replace('.', "-"));
        assert!(said.contains(&reason), "{reason} is not in:\n{said}");
    }

    decide(&source, "throw new Error(`DECIDE", "  void event;");
    compile();
    let (passes, said) = run();
    assert!(passes && said.contains(&format!("# pass {}\n# fail 0\n", 3 * count)), "{said}");
}

/// Runs every test of a folder, and says of each what became of it.
const EVERY_TEST: &str = "import glob, importlib
for path in sorted(glob.glob('test_*.py')):
    module = importlib.import_module(path[:-3])
    for name, test in sorted(vars(module).items()):
        if name.startswith('test_'):
            try:
                test()
                print('passes', name)
            except NotImplementedError as error:
                print('fails', name, error)
";

#[test]
fn a_consumer_in_python_is_strictly_typed_and_fails_until_it_is_decided() {
    let test = "scaffold::a_consumer_in_python_is_strictly_typed_and_fails_until_it_is_decided";
    let Some(tools) = xtask::tools::or_skip(test, "python") else { return };
    let interpreter = xtask::tools::python(&tools);
    let (folder, source) = workshop();
    let catalog = catalog();
    python::generate(&catalog).unwrap().write(&source.join("events")).unwrap();
    let count = consumers(&catalog, Lang::Python, folder.path());
    let check = || {
        let (is_strict, said) = call(&interpreter, &["-m", "mypy", "--strict", "."], &source);
        assert!(is_strict, "{said}");
    };
    let run = || {
        let (ended, said) = call(&interpreter, &["-c", EVERY_TEST], &source);
        assert!(ended, "{said}");
        (said.matches("passes ").count(), said.matches("fails ").count(), said)
    };
    check();
    let (passed, failed, said) = run();
    assert_eq!((passed, failed), (2 * count, count), "{said}");
    for event in events(&catalog) {
        let reason = format!("DECIDE: what mail.on-{} does on {event}", event.replace('.', "-"));
        assert!(said.contains(&reason), "{reason} is not in:\n{said}");
    }

    decide(&source, "raise NotImplementedError(\"DECIDE", "    del event");
    check();
    let (passed, failed, said) = run();
    assert_eq!((passed, failed), (3 * count, 0), "{said}");
}
