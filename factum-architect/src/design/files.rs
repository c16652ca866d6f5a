//! A model as files of a catalog: `system.yaml`, and a draft for each event and command.
//!
//! The drafts are those of `factum contract new`, so that a designed catalog passes `check` and looks like any other.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use factum_contract::Source;
use factum_contract::template::{self, FieldOutline, Outline};
use factum_contract::words::ServiceName;
use factum_core::EventName;

use super::model::{Fact, Model, Reader, Workflow};
use super::questions::Question;

/// The files of a model, by name; `source` is the text that it was read from.
pub(super) fn files(model: &Model, questions: &[Question], source: &str) -> Vec<Source> {
    let mut files = vec![Source::new("system.yaml", system(model, source))];
    for (name, fact) in &model.facts {
        files.extend(contract(name, fact, questions, &model.system));
    }
    files
}

fn contract(name: &str, fact: &Fact, questions: &[Question], system: &str) -> Option<Source> {
    let event: EventName = name.parse().ok()?;
    let owner: ServiceName = fact.owner.parse().ok()?;
    let mut fields: Vec<FieldOutline> = fact.fields.clone();
    if fields.iter().all(|field| field.name != fact.key) {
        fields.insert(0, format!("{}:text!:identifier", fact.key).parse().ok()?);
    }
    let outline = Outline {
        summary: Some(summary(fact)),
        topic: fact.topic.as_deref().and_then(|topic| topic.parse().ok()),
        key: Some(fact.key.clone()),
        fields,
        ..Outline::default()
    };
    let draft = template::contract(fact.kind, &event, &owner, &outline);
    let mut text = draft.text;
    let open: Vec<String> = questions
        .iter()
        .filter(|question| question.about.iter().any(|about| about == name))
        .map(|question| question.number.to_string())
        .collect();
    if !open.is_empty() {
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(text, "# open questions: {} of docs/architecture/{system}.md", open.join(", "));
    }
    Some(Source::new(draft.name, text))
}

fn summary(fact: &Fact) -> String {
    let who: Vec<&str> = fact.said_by.iter().map(String::as_str).collect();
    let because = fact.because.as_deref().map(|because| format!(" {because}")).unwrap_or_default();
    match who.as_slice() {
        [] => "Nobody is said to say it.".to_owned(),
        who => format!("Said by {}{because}.", who.join(", ")),
    }
}

fn system(model: &Model, source: &str) -> String {
    let mut out = format!(
        "# Read from {source} by `factum design`. Edit what you like: the same command keeps your edits when it runs again.\n\
        system: {}\n\
        defaults: {{ compatibility: backward, policy: lenient }}\n",
        model.system
    );
    let teams: BTreeSet<&String> =
        model.services.values().filter_map(|service| service.team.as_ref()).collect();
    if !teams.is_empty() {
        out.push_str("\nteams:\n");
        teams.iter().for_each(|team| _ = writeln!(out, "  {team}: {{}}"));
    }
    out.push_str("\nservices:\n");
    for (name, service) in &model.services {
        let team = service.team.as_ref().map(|team| format!("team: {team}"));
        let emits = (!service.emits.is_empty()).then(|| format!("emits: {}", list(&service.emits)));
        let said: Vec<String> = team.into_iter().chain(emits).collect();
        let said = if said.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", said.join(", ")) };
        let _ = writeln!(out, "  {name}: {said}");
    }
    let mut topics: BTreeSet<(&String, &String)> = BTreeSet::new();
    topics.extend(model.facts.values().filter_map(|fact| Some((fact.topic.as_ref()?, &fact.owner))));
    let named: BTreeSet<&String> = topics.iter().map(|(topic, _)| *topic).collect();
    if !named.is_empty() {
        out.push_str("\ntopics:\n");
        for topic in named {
            let owner = topics.iter().find(|(name, _)| *name == topic).map(|(_, owner)| *owner);
            let _ = writeln!(out, "  {topic}: {{ owner: {} }}", owner.map_or("", String::as_str));
        }
    }
    if !model.consumers.is_empty() {
        out.push_str("\nconsumers:\n");
        model.consumers.iter().for_each(|(name, reader)| consumer(&mut out, name, reader, model));
    }
    if !model.sagas.is_empty() {
        out.push_str("\nsagas:\n");
        model.sagas.iter().for_each(|(name, saga)| workflow(&mut out, name, saga));
    }
    if !model.views.is_empty() {
        out.push_str("\nprojections:\n");
        for (name, (service, on)) in &model.views {
            let _ = writeln!(out, "  {name}: {{ service: {service}, on: [{}] }}", on.join(", "));
        }
    }
    out
}

fn consumer(out: &mut String, name: &str, reader: &Reader, model: &Model) {
    let _ = writeln!(out, "  {name}:\n    service: {}", reader.service);
    if !reader.does.is_empty() {
        let text = reader.does.join("; ");
        let _ = writeln!(out, "    description: {}", serde_json::Value::from(text));
    }
    let _ = writeln!(out, "    on: {}", list(&reader.on));
    if !reader.emits.is_empty() {
        let _ = writeln!(out, "    emits: {}", list(&reader.emits));
    }
    if !reader.calls.is_empty() {
        let _ = writeln!(out, "    calls: {}", list(&reader.calls));
    }
    let is_field = |field: &&String| {
        reader.on.iter().all(|event| {
            model.facts.get(event).is_some_and(|fact| {
                fact.key == **field
                    || fact.fields.iter().any(|known| known.name == **field && known.is_required)
            })
        })
    };
    match reader.idempotent_by.as_ref().filter(is_field) {
        Some(field) => _ = writeln!(out, "    idempotency: {{ by: {field} }}"),
        None => out.push_str("    idempotency: { by: event-id }\n"),
    }
    if let Some(attempts) = reader.attempts {
        let _ = writeln!(out, "    retry: {{ attempts: {attempts} }}");
    }
    let owner = reader.dead_owner.as_ref().filter(|owner| {
        model.services.contains_key(*owner)
            || model.services.values().any(|service| service.team.as_ref() == Some(owner))
    });
    let owner = owner.map(|owner| format!("owner: {owner}"));
    let on_dead = reader.on_dead.as_ref().map(|word| format!("on_dead: {word}"));
    let said: Vec<String> = owner.into_iter().chain(on_dead).collect();
    if !said.is_empty() {
        let _ = writeln!(out, "    dead_letters: {{ {} }}", said.join(", "));
    }
    if let Some(replay) = &reader.replay {
        let _ = writeln!(out, "    replay: {replay}");
    }
}

fn workflow(out: &mut String, name: &str, saga: &Workflow) {
    let _ = writeln!(
        out,
        "  {name}:\n    service: {}\n    starts: {}\n    correlate: {}\n    steps:",
        saga.service, saga.starts, saga.correlate
    );
    for step in &saga.steps {
        let mut said = vec![format!("on: {}", step.on)];
        let names = |names: &[String]| {
            if names.len() == 1 { names[0].clone() } else { format!("[{}]", names.join(", ")) }
        };
        if !step.then.is_empty() {
            said.push(format!("then: {}", names(&step.then)));
        }
        if let Some((within, otherwise)) = &step.within {
            said.push(format!("within: {within}, otherwise: {}", names(otherwise)));
        }
        if !step.compensate.is_empty() {
            said.push(format!("compensate: {}", names(&step.compensate)));
        }
        let _ = writeln!(out, "      - {{ {} }}", said.join(", "));
    }
}

fn list(names: &BTreeSet<String>) -> String {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    format!("[{}]", names.join(", "))
}
