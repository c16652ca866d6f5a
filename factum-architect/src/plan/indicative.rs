//! Code that shows the shape of a part's first test, in the language of the code base. Real names, no answers.

use super::behaviour::{Part, PartKind};
use super::dialect::pascal;
use super::{Plan, Planned, steps};
use crate::codebase::Language;

/// The code of a part; none where it has nothing of its own to show.
pub(super) fn code(plan: &Plan<'_>, part: &Part) -> Option<String> {
    let event = plan
        .events
        .iter()
        .find(|event| part.of.split(' ').next() == Some(event.name.as_str()))
        .or(plan.events.first())?;
    let first = part.behaviours.first()?;
    let name = plan.dialect.test_name(&first.says);
    let body = match part.kind {
        PartKind::Outer => outer(plan, event),
        PartKind::Contract => contract(plan, event),
        PartKind::Producer => producer(plan, event),
        PartKind::Consumer => consumer(plan, event),
        PartKind::Wiring | PartKind::Edges => return None,
    };
    Some(test(plan.dialect.language, plan.dialect.framework, &name, &body))
}

/// A test around lines.
fn test(language: Language, framework: &str, name: &str, body: &[String]) -> String {
    let inside = |indent: &str| body.iter().map(|line| format!("{indent}{line}\n")).collect::<String>();
    match language {
        Language::Rust => format!("#[tokio::test]\nasync fn {name}() {{\n{}}}", inside("    ")),
        Language::TypeScript | Language::JavaScript => {
            let word = if framework == "Vitest" { "test" } else { "it" };
            format!("{word}('{name}', async () => {{\n{}}});", inside("  "))
        }
        Language::Python => format!("def {name}():\n{}", inside("    ")),
        Language::Java => format!("@Test\nvoid {name}() {{\n{}}}", inside("    ")),
        Language::Go => format!("func {name}(t *testing.T) {{\n{}}}", inside("\t")),
    }
}

fn lines<const N: usize>(lines: [String; N]) -> Vec<String> {
    lines.into()
}

fn outer(plan: &Plan<'_>, event: &Planned) -> Vec<String> {
    let name = &event.name;
    let given = event.cause.as_ref().map_or_else(|| event.producer.clone(), ToString::to_string);
    match plan.dialect.language {
        Language::Rust => lines([
            "let slice = Slice::start().await;".to_owned(),
            format!("slice.happens(\"{given}\").await;"),
            format!("assert_eq!(slice.count(\"{name}\").await, 1);"),
        ]),
        Language::TypeScript | Language::JavaScript => lines([
            "const program = await startProgram();".to_owned(),
            format!("await program.happens('{given}');"),
            format!(
                "await program.until(() => program.log.filter((event) => event.type === '{name}').length === 1);"
            ),
        ]),
        Language::Python => lines([
            "program = start_program()".to_owned(),
            format!("program.happens(\"{given}\")"),
            format!("assert program.types().count(\"{name}\") == 1"),
        ]),
        Language::Java => lines([
            format!("program.happens(\"{given}\");"),
            format!("await().until(() -> program.count(\"{name}\") == 1);"),
        ]),
        Language::Go => lines([
            format!("program.Happens(t, \"{given}\")"),
            format!(
                "require.Eventually(t, func() bool {{ return program.Count(\"{name}\") == 1 }}, 5*time.Second, 10*time.Millisecond)"
            ),
        ]),
    }
}

fn contract(plan: &Plan<'_>, event: &Planned) -> Vec<String> {
    let name = event.name.as_str();
    let type_name = pascal(name);
    let example = plan.contract(&event.name).map(steps::example).unwrap_or_default();
    let example = example.trim_matches('`').to_owned();
    match plan.dialect.language {
        Language::Rust => lines([
            format!("let json = r#\"{example}\"#;"),
            format!("assert!({type_name}::from_json(json).is_ok());"),
        ]),
        Language::TypeScript | Language::JavaScript => {
            lines([format!("expect(create{type_name}({example})).toBeDefined();")])
        }
        Language::Python => lines([format!("{type_name}.model_validate_json('{example}')")]),
        Language::Java => lines([
            format!("var example = \"\"\"\n        {example}\n        \"\"\";"),
            format!("assertTrue(schema(\"{name}\").validate(example).isEmpty());"),
        ]),
        Language::Go => lines([
            format!("example := []byte(`{example}`)"),
            format!("require.NoError(t, schema(t, \"{name}\").Validate(example))"),
        ]),
    }
}

fn producer(plan: &Plan<'_>, event: &Planned) -> Vec<String> {
    let name = event.name.as_str();
    let key = plan.contract(&event.name).map(|contract| contract.key.value.clone()).unwrap_or_default();
    let given = event.cause.as_ref().map_or_else(|| event.producer.clone(), ToString::to_string);
    match plan.dialect.language {
        Language::Rust => lines([
            "let slice = Slice::start().await;".to_owned(),
            format!("let cause = slice.happens(\"{given}\").await;"),
            format!("let said = slice.only(\"{name}\").await;"),
            format!("assert_eq!(said[\"{key}\"], cause[\"{key}\"]);"),
        ]),
        Language::TypeScript | Language::JavaScript => lines([
            "const bus = new RecordingBus();".to_owned(),
            format!("await say(bus, example('{given}'));"),
            format!("expect(bus.only('{name}').{key}).toBe(example('{given}').{key});"),
        ]),
        Language::Python => lines([
            "bus = RecordingBus()".to_owned(),
            format!("say(bus, example(\"{given}\"))"),
            format!("assert bus.only(\"{name}\")[\"{key}\"] == example(\"{given}\")[\"{key}\"]"),
        ]),
        Language::Java => lines([
            format!("producer.on(example(\"{given}\"));"),
            format!(
                "assertEquals(example(\"{given}\").get(\"{key}\"), bus.only(\"{name}\").get(\"{key}\"));"
            ),
        ]),
        Language::Go => lines([
            format!("producer.On(ctx, example(t, \"{given}\"))"),
            format!(
                "require.Equal(t, example(t, \"{given}\")[\"{key}\"], bus.Only(t, \"{name}\")[\"{key}\"])"
            ),
        ]),
    }
}

fn consumer(plan: &Plan<'_>, event: &Planned) -> Vec<String> {
    let name = event.name.as_str();
    let taker = event.takers.first().map_or_else(String::new, |taker| taker.name.clone());
    match plan.dialect.language {
        Language::Rust => lines([
            "let slice = Slice::start().await;".to_owned(),
            format!("slice.happens(\"{name}\").await;"),
            format!("assert!(slice.has_handled(\"{taker}\").await);"),
        ]),
        Language::TypeScript | Language::JavaScript => lines([
            format!("await handle(example('{name}'));"),
            format!("expect(effectsOf('{taker}')).toHaveLength(1);"),
        ]),
        Language::Python => lines([
            format!("handle(example(\"{name}\"))"),
            format!("assert len(effects_of(\"{taker}\")) == 1"),
        ]),
        Language::Java => lines([
            format!("consumer.handle(example(\"{name}\"));"),
            format!("assertEquals(1, effects.of(\"{taker}\").size());"),
        ]),
        Language::Go => lines([
            format!("require.NoError(t, consumer.Handle(ctx, example(t, \"{name}\")))"),
            format!("require.Len(t, effects.Of(\"{taker}\"), 1)"),
        ]),
    }
}
