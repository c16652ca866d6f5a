//! What a plan asks for: the parts of a slice, each with its behaviours, in the order in which they are built.

use factum_contract::Contract;
use factum_contract::fixture::Fixtures;
use factum_core::EventName;

use super::behaviour::{Act, Behaviour, Part, PartKind};
use super::{Plan, Planned, Risk, Taker};

/// Kinds of broken payloads that one contract's tests name.
const BROKEN_MAX: usize = 8;

/// All parts, from the outside in: outer test, then for each event contract, producer, consumer; wiring, edge cases.
pub(super) fn all(plan: &Plan<'_>) -> Vec<Part> {
    let mut parts = vec![outer(plan)];
    for event in &plan.events {
        let Some(contract) = plan.contract(&event.name) else { continue };
        parts.push(self::contract(plan, event, contract));
        parts.push(producer(plan, event));
        parts.push(consumer(plan, event));
    }
    parts.push(wiring(plan));
    parts.push(edges(plan));
    parts
}

/// What a slice is told to begin with: the event that causes the first one, or a request.
pub(super) fn trigger(event: &Planned) -> String {
    match &event.cause {
        Some(cause) => format!("`{cause}` happens, as its contract's example"),
        None => format!("{} is asked for what makes `{}` happen", event.producer, event.name),
    }
}

fn outer(plan: &Plan<'_>) -> Part {
    let slice = plan.request.slice;
    let first = plan.events.first();
    let given = first.map(trigger).unwrap_or_default();
    let names: Vec<String> = plan.events.iter().map(|event| format!("`{}`", event.name)).collect();
    let handled: Vec<String> =
        plan.events.iter().flat_map(|event| &event.takers).map(|taker| format!("`{}`", taker.name)).collect();
    let handled =
        if handled.is_empty() { String::new() } else { format!(", handled by {}", handled.join(", ")) };
    Part {
        kind: PartKind::Outer,
        of: String::new(),
        intro: Vec::new(),
        behaviours: vec![Behaviour {
            says: format!("slice {}: {}", slice.ordinal, short(&slice.name)),
            input: given,
            asserts: format!("{} in the log, once each{handled}, no dead letter", names.join(", then ")),
            fails: first.map(first_failure).unwrap_or_default(),
            build: "nothing yet: the components below make it pass, one after the other".to_owned(),
            place: plan.dialect.test_path(PartKind::Outer),
            refactor: "names of the test, when the words of the slice have become clearer".to_owned(),
            act: Act::Outer,
            event: None,
        }],
        checks: Vec::new(),
        commit: None,
        mocks: "external services only",
        why: "The outer test says when the slice is done. It fails all the way, and for another reason after each component: that is how you see that each of them does something.",
    }
}

fn first_failure(event: &Planned) -> String {
    if event.is_new {
        format!("there is no contract `{}`", event.name)
    } else {
        format!("`{}` is not emitted", event.name)
    }
}

fn contract(plan: &Plan<'_>, event: &Planned, contract: &Contract) -> Part {
    let name = &event.name;
    let folder = plan.request.contracts_folder;
    let file = format!("{folder}/{name}.v{}.yaml", contract.version);
    let missing = if event.is_new {
        format!("there is no contract `{name}`")
    } else {
        "the test is not there yet".to_owned()
    };
    let mut behaviours = vec![Behaviour {
        says: format!("a valid `{name}` is accepted"),
        input: format!("the contract's first example: {}", example(contract)),
        asserts: "no flaw".to_owned(),
        fails: missing.clone(),
        build: format!(
            "the contract with {}, then `factum generate {}`",
            fields(contract),
            plan.dialect.generated()
        ),
        place: file.clone(),
        refactor: "summary and descriptions, so that another team understands them".to_owned(),
        act: Act::Valid,
        event: Some(name.clone()),
    }];
    for (says, what, path, rule) in broken(contract) {
        behaviours.push(Behaviour {
            says: format!("{says} is refused in `{name}`"),
            input: format!("the example, but {what}"),
            asserts: format!("refused at `{path}` by the rule `{rule}`"),
            fails: missing.clone(),
            build: format!("`{rule}` at `{path}` in the payload"),
            place: file.clone(),
            refactor: "bounds that repeat themselves".to_owned(),
            act: Act::Broken { rule, path },
            event: Some(name.clone()),
        });
    }
    behaviours.push(Behaviour {
        says: format!("the fixture of `{name}` can be made with other values"),
        input: format!("the example with another `{}`", contract.key.value),
        asserts: format!("valid, and only `{}` differs", contract.key.value),
        fails: missing,
        build: "the example under `examples:`, which the generated fixture is made of".to_owned(),
        place: file,
        refactor: "fixtures in other tests that this one replaces".to_owned(),
        act: Act::Fixture,
        event: Some(name.clone()),
    });
    let mut intro = Vec::new();
    if event.is_new {
        let owner = if event.is_owner_assumed {
            format!(", owned by {} until somebody says otherwise", contract.owner.value)
        } else {
            format!(", owned by {}", contract.owner.value)
        };
        let near = event.near.as_ref().map(|near| format!(" ({near})")).unwrap_or_default();
        intro.push(format!(
            "**Step 1**: `{name}` is not in the catalog{near}{owner}. Write it first: `factum contract new event {name} --owner {} --key {} --contracts {folder}`, or take the draft of `factum plan … --scaffold`.",
            contract.owner.value, contract.key.value
        ));
    }
    Part {
        kind: PartKind::Contract,
        of: name.to_string(),
        intro,
        behaviours,
        checks: vec![format!("`factum contract check {folder}` finds nothing")],
        commit: Some(format!("feat({}): describe {name}", contract.owner.value)),
        mocks: "nothing",
        why: "The contract comes first because both sides need it: with it, producer and consumer can be built and tested apart, even by two people.",
    }
}

fn producer(plan: &Plan<'_>, event: &Planned) -> Part {
    let name = &event.name;
    let place =
        plan.dialect.producer_path(event.producer_part.as_deref().unwrap_or(name.as_str()), &event.producer);
    let service = &event.producer;
    let input = trigger(event);
    let behaviours = vec![
        Behaviour {
            says: format!("{service} says `{name}`"),
            input: input.clone(),
            asserts: format!("one `{name}`{}", same_key(plan, event)),
            fails: format!("`{name}` is not emitted"),
            build: match &event.cause {
                Some(cause) => format!("what {service} does on `{cause}`, and the emit"),
                None => format!("what {service} does when it is asked, and the emit"),
            },
            place: place.clone(),
            refactor: "the mapping from what is known to the payload".to_owned(),
            act: Act::Says,
            event: Some(name.clone()),
        },
        Behaviour {
            says: format!("the `{name}` that {service} says keeps its contract"),
            input: input.clone(),
            asserts: "the payload is valid against the contract, every required field from real values"
                .to_owned(),
            fails: format!("`{name}` is not emitted"),
            build: "the payload from what is known, through the generated type".to_owned(),
            place: place.clone(),
            refactor: "values that are built twice".to_owned(),
            act: Act::Keeps,
            event: Some(name.clone()),
        },
        Behaviour {
            says: format!("when `{name}` cannot be emitted nothing has changed"),
            input: format!("{input}, and the bus refuses"),
            asserts: "no state is kept, the caller hears of it, the next try succeeds".to_owned(),
            fails: "the failure is swallowed, or the state is kept without its event".to_owned(),
            build: "state and event in one unit of work".to_owned(),
            place,
            refactor: "nothing: leave it as plain as it is".to_owned(),
            act: Act::Decide,
            event: Some(name.clone()),
        },
    ];
    Part {
        kind: PartKind::Producer,
        of: format!("{name} by {service}"),
        intro: Vec::new(),
        behaviours,
        checks: checks(plan, service),
        commit: Some(format!("feat({service}): say {name}")),
        mocks: "the bus only",
        why: "A producer is tested up to the bus and no further: who listens is none of its business.",
    }
}

fn same_key(plan: &Plan<'_>, event: &Planned) -> String {
    let key = plan.contract(&event.name).map(|contract| contract.key.value.clone()).unwrap_or_default();
    let cause = event.cause.as_ref().and_then(|cause| plan.contract(cause));
    match cause {
        Some(cause) if cause.payload.field(&key).is_some() => {
            format!(" with the `{key}` of `{}`", cause.name)
        }
        _ => format!(" with its `{key}`"),
    }
}

fn consumer(plan: &Plan<'_>, event: &Planned) -> Part {
    let name = &event.name;
    let mut part = Part {
        kind: PartKind::Consumer,
        of: name.to_string(),
        intro: Vec::new(),
        behaviours: Vec::new(),
        checks: Vec::new(),
        commit: None,
        mocks: "at most the database",
        why: "Deliveries repeat. A consumer that was never given the same event twice in a test will be given it twice in production.",
    };
    if event.takers.is_empty() {
        part.intro.push(format!(
            "Neither the slice nor the catalog names a consumer of `{name}`: there is nothing to build here. Who reacts to it is an open question; when it is answered, add the consumer to system.yaml and plan again."
        ));
        return part;
    }
    for taker in &event.takers {
        part.behaviours.extend(taken(plan, name, taker));
        part.checks.extend(checks(plan, &taker.service));
    }
    part.checks.dedup();
    let services: Vec<&str> = event.takers.iter().map(|taker| taker.service.as_str()).collect();
    part.of = format!(
        "{name} by {}",
        event.takers.iter().map(|taker| taker.name.as_str()).collect::<Vec<_>>().join(", ")
    );
    part.commit = Some(format!("feat({}): react to {name}", services.first().unwrap_or(&"consumer")));
    part
}

fn taken(plan: &Plan<'_>, name: &EventName, taker: &Taker) -> [Behaviour; 3] {
    let place = plan.dialect.consumer_path(&taker.name, &taker.service);
    let then: Vec<String> = taker.then.iter().map(|event| format!("`{event}`")).collect();
    let effect = if then.is_empty() {
        "its effect is there, once".to_owned()
    } else {
        format!("{} follows, once", then.join(" or "))
    };
    [
        Behaviour {
            says: format!("{} handles `{name}`", taker.name),
            input: format!("the example of `{name}`"),
            asserts: effect.clone(),
            fails: format!("`{}` does not handle `{name}`", taker.name),
            build: format!("the handler of `{}`", taker.name),
            place: place.clone(),
            refactor: "rules out of the handler, into functions without a bus".to_owned(),
            act: Act::Handles(taker.name.clone()),
            event: Some(name.clone()),
        },
        Behaviour {
            says: format!("{} ignores the same `{name}` a second time", taker.name),
            input: format!("the same `{name}` twice"),
            asserts: format!("{effect}; the second time changes nothing"),
            fails: "its effect is there twice".to_owned(),
            build: format!("idempotency by {}, committed with the effect", taker.idempotency),
            place: place.clone(),
            refactor: "one place that decides what \"the same\" is".to_owned(),
            act: Act::Twice(taker.name.clone()),
            event: Some(name.clone()),
        },
        Behaviour {
            says: format!("{} refuses a malformed `{name}`", taker.name),
            input: format!("a `{name}` that breaks its contract"),
            asserts: "no effect, not tried again, findable with its reason".to_owned(),
            fails: "the handler runs on it, or it is tried for ever".to_owned(),
            build: "the check against the contract before the handler".to_owned(),
            place,
            refactor: "nothing: leave it as plain as it is".to_owned(),
            act: Act::Malformed,
            event: Some(name.clone()),
        },
    ]
}

fn wiring(plan: &Plan<'_>) -> Part {
    let mut behaviours = Vec::new();
    for event in &plan.events {
        let Some(contract) = plan.contract(&event.name) else { continue };
        let (name, topic) = (&event.name, contract.topic.as_str());
        behaviours.push(Behaviour {
            says: format!("`{name}` has the same names on both sides"),
            input: "the catalog, and what the program runs".to_owned(),
            asserts: format!(
                "topic `{topic}`, event `{name}`, key `{}` in producer, subscription and catalog",
                contract.key.value
            ),
            fails: format!("{} does not emit `{name}` in the catalog", event.producer),
            build: format!(
                "`emits: [{name}]` at {}, and each consumer with `on: [{name}]`",
                event.producer_part.as_ref().unwrap_or(&event.producer)
            ),
            place: format!("{}/system.yaml", plan.request.contracts_folder),
            refactor: "names that are written as text in the code: take the generated ones".to_owned(),
            act: Act::Names,
            event: Some(name.clone()),
        });
        for taker in &event.takers {
            behaviours.push(Behaviour {
                says: format!("{} is subscribed to `{name}`", taker.name),
                input: "the program as it is started".to_owned(),
                asserts: format!("`{}` runs, and `{topic}` reaches it", taker.name),
                fails: format!("`{}` is not run: `{name}` is not routed to it", taker.name),
                build: format!("`{}` where the program is put together", taker.name),
                place: "where the program registers its consumers".to_owned(),
                refactor: "the order of registration: by service".to_owned(),
                act: Act::Subscribed(taker.name.clone()),
                event: Some(name.clone()),
            });
        }
    }
    let scope = plan.events.first().map_or("slice", |event| event.producer.as_str());
    Part {
        kind: PartKind::Wiring,
        of: String::new(),
        intro: Vec::new(),
        behaviours,
        checks: Vec::new(),
        commit: Some(format!("feat({scope}): wire slice {}", plan.request.slice.ordinal)),
        mocks: "nothing",
        why: "Most lost events are lost here: two names that differ by one letter, and nobody told.",
    }
}

fn edges(plan: &Plan<'_>) -> Part {
    let (risk, _) = plan.risk;
    let mut behaviours = Vec::new();
    for event in &plan.events {
        // Where nobody takes it here, the edges are those of what makes it happen.
        let subject = event.cause.as_ref().filter(|_| event.takers.is_empty()).unwrap_or(&event.name);
        let name = subject.as_str();
        let who = match event.takers.first() {
            Some(taker) => taker.name.clone(),
            None => event.producer_part.clone().unwrap_or_else(|| event.producer.clone()),
        };
        let place = event.takers.first().map_or_else(
            || {
                plan.dialect.producer_path(
                    event.producer_part.as_deref().unwrap_or(event.name.as_str()),
                    &event.producer,
                )
            },
            |taker| plan.dialect.consumer_path(&taker.name, &taker.service),
        );
        let mut add =
            |least: Risk, act: Act, says: String, input: String, asserts: &str, fails: &str, build: &str| {
                if risk >= least {
                    let (asserts, fails, build) = (asserts.to_owned(), fails.to_owned(), build.to_owned());
                    behaviours.push(Behaviour {
                        says,
                        input,
                        asserts,
                        fails,
                        build,
                        place: place.clone(),
                        refactor: "nothing, unless two edges share their set-up".to_owned(),
                        act,
                        event: Some(subject.clone()),
                    });
                }
            };
        let optional = optional(plan, subject);
        let optional = if optional.is_empty() {
            "anything that may be left out".to_owned()
        } else {
            optional.join(", ")
        };
        add(
            Risk::Low,
            Act::WithoutOptional,
            format!("`{name}` without its optional fields is handled"),
            format!("the example without {optional}"),
            "handled as if they had no value",
            "a missing field is an error",
            "defaults where values are used",
        );
        add(
            Risk::Low,
            Act::WithUnknown,
            format!("`{name}` with unknown fields is handled"),
            "the example with a field that the contract does not have".to_owned(),
            "handled, the field kept in the stored bytes",
            "an unknown field is an error",
            "readers that ignore what they do not know",
        );
        add(
            Risk::Moderate,
            Act::Decide,
            format!("{who} succeeds when `{name}` is tried again"),
            "a failure that passes, once".to_owned(),
            "one effect, no dead letter",
            "the first failure is the last word",
            "the retry policy of the catalog",
        );
        add(
            Risk::Moderate,
            Act::Decide,
            format!("action and emit around `{name}` are one"),
            "a crash between them".to_owned(),
            "both, or neither",
            "the one without the other",
            "one unit of work, or an outbox",
        );
        add(
            Risk::Moderate,
            Act::Decide,
            format!("{who} takes `{name}` twice at the same moment"),
            "the same event on two workers".to_owned(),
            "one effect",
            "two effects",
            "the mark committed with the effect",
        );
        add(
            Risk::High,
            Act::Decide,
            format!("a poisonous `{name}` ends as a dead letter"),
            "an event that always fails".to_owned(),
            "a dead letter with its reason after all attempts, other keys go on",
            "it blocks the rest, or is lost",
            "attempts and dead letters of the catalog",
        );
        add(
            Risk::High,
            Act::Decide,
            format!("the order of `{name}` is kept for one key"),
            "two events of one key, the first of which fails once".to_owned(),
            "effects in the order of the log",
            "the second overtakes the first",
            "the key of the contract",
        );
        add(
            Risk::High,
            Act::Decide,
            format!("an old consumer reads a newer `{name}`"),
            "a next version with one more optional field".to_owned(),
            "handled as before",
            "it is refused",
            "a compatible next version, shown by `factum contract diff`",
        );
        add(
            Risk::High,
            Act::Decide,
            format!("many `{name}` at once do not overrun {who}"),
            "a thousand events while it is slow".to_owned(),
            "all handled, memory bounded, lag falls again",
            "a queue that grows without bound",
            "bounded batches",
        );
    }
    let scope = plan.events.first().map_or("slice", |event| event.producer.as_str());
    Part {
        kind: PartKind::Edges,
        of: String::new(),
        intro: vec![format!("Risk: **{}**, from {}.", risk.as_str(), plan.risk.1)],
        behaviours,
        checks: Vec::new(),
        commit: Some(format!("test({scope}): edge cases of slice {}", plan.request.slice.ordinal)),
        mocks: "the bus at most",
        why: "Edges come last because they are tests of something that works; how many there are follows from what a mistake would cost.",
    }
}

/// Boundaries that are written down are checked after each component that could cross them.
fn checks(plan: &Plan<'_>, service: &str) -> Vec<String> {
    match &plan.request.code.boundaries {
        Some(page) => vec![format!(
            "what was added stands in the module of {service}, and imports nothing that {} forbids",
            page.path
        )],
        None => vec![format!("what was added stands with {service}, and imports no other service")],
    }
}

fn optional(plan: &Plan<'_>, name: &EventName) -> Vec<String> {
    let Some(contract) = plan.contract(name) else { return Vec::new() };
    contract
        .payload
        .fields()
        .iter()
        .filter(|field| !field.is_required)
        .map(|field| format!("`{}`", field.name))
        .collect()
}

/// The fields of a contract, required ones first.
pub(super) fn fields(contract: &Contract) -> String {
    let mut fields: Vec<_> = contract.payload.fields().iter().collect();
    fields.sort_by_key(|field| !field.is_required);
    let shown = |field: &&factum_contract::schema::Field| {
        format!(
            "`{}` ({}{})",
            field.name,
            field.schema.summary(),
            if field.is_required { "" } else { ", optional" }
        )
    };
    fields.iter().map(shown).collect::<Vec<_>>().join(", ")
}

/// The first example, as JSON on one line.
pub(super) fn example(contract: &Contract) -> String {
    contract.examples.first().map_or_else(
        || "none yet".to_owned(),
        |node| format!("`{}`", node.to_json_text().split_whitespace().collect::<Vec<_>>().join(" ")),
    )
}

/// One broken payload of each kind: a name for it, what was done, path, rule.
pub(super) fn broken(contract: &Contract) -> Vec<(String, String, String, String)> {
    let Ok(fixtures) = Fixtures::of(contract) else { return Vec::new() };
    let mut kinds: Vec<(String, String, String, String)> = Vec::new();
    // What is no JSON at all is refused before any rule of the contract.
    let is_json = |json: &str| serde_json::from_str::<serde_json::Value>(json).is_ok();
    for one in fixtures.broken().into_iter().filter(|one| is_json(&one.json)) {
        if kinds.len() < BROKEN_MAX && kinds.iter().all(|(_, _, _, rule)| *rule != one.rule) {
            let path = if one.path.is_empty() { "/".to_owned() } else { one.path.clone() };
            let field = path.trim_matches('/').replace('/', " ");
            let field = if field.is_empty() { "a payload".to_owned() } else { format!("`{field}`") };
            kinds.push((
                format!("{field} against the rule {}", one.rule),
                one.what.clone(),
                path,
                one.rule.to_owned(),
            ));
        }
    }
    kinds
}

fn short(name: &str) -> String {
    name.split_whitespace().take(8).collect::<Vec<_>>().join(" ")
}
