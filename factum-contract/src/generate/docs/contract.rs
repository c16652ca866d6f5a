//! The page of one contract version.

use askama::Template;

use super::drawing;
use super::graph::{Graph, Node};
use super::history::{self, Step};
use super::html::{self, Html};
use super::page::Page;
use super::said;
use super::site::{Part, Site};
use crate::contract::Contract;
use crate::schema::{Personal, Role, Schema, Shape};

/// Most senders or takers that a drawing shows; the tables show all.
const DRAWN_MAX: usize = 20;

#[derive(Template)]
#[template(path = "docs/contract.html")]
struct ContractPage {
    page: Page,
    name: Html,
    kind: &'static str,
    version: u32,
    badges: Vec<Badge>,
    summary: Option<String>,
    versions: Vec<VersionLink>,
    notices: Vec<Notice>,
    prose: Html,
    facts: Vec<Fact>,
    drawing: Html,
    senders: Vec<Html>,
    takers: Vec<Taker>,
    fields: Vec<FieldRow>,
    is_closed: bool,
    reserved: Vec<Html>,
    examples: Vec<Html>,
    allowed: Vec<Accepted>,
    steps: Vec<Step>,
}

/// A small label.
pub(super) struct Badge {
    pub(super) class: &'static str,
    pub(super) text: String,
}

/// Something that is said in a few words.
pub(super) struct Fact {
    pub(super) label: &'static str,
    pub(super) value: Html,
}

struct VersionLink {
    version: u32,
    href: String,
    is_here: bool,
    state: Option<&'static str>,
}

struct Notice {
    class: &'static str,
    text: Html,
}

struct Taker {
    who: Html,
    why: Html,
    failing: Html,
}

struct FieldRow {
    depth: usize,
    way: Html,
    name: Html,
    is_required: bool,
    value: Html,
    badges: Vec<Badge>,
    meaning: Html,
}

struct Accepted {
    rule: Html,
    reason: String,
    until: String,
}

/// Writes the page of a contract version.
pub(super) fn write(site: &Site<'_>, contract: &Contract) -> String {
    let name = contract.name.as_str();
    let mut page = Page::of_one(site, name, "contracts/_list.html", Some(contract));
    let root = page.root;
    let link = |word: &str| site.known(root, word);
    let mut fields = Vec::new();
    rows(&contract.payload, "", 0, &link, &mut fields);
    let steps = history::steps(site, contract, root);
    page.toc = vec![("flow", "Where it goes"), ("payload", "Payload")];
    page.toc.extend((!contract.examples.is_empty()).then_some(("examples", "Examples")));
    page.toc.extend((!contract.allow.is_empty()).then_some(("accepted", "Accepted findings")));
    page.toc.extend((!steps.is_empty()).then_some(("versions", "What changed")));
    let shown = ContractPage {
        name: Html::name(name),
        kind: contract.kind.as_str(),
        version: contract.version,
        badges: badges(contract),
        summary: contract.summary.clone(),
        versions: versions(site, contract, root),
        notices: notices(site, contract, root),
        prose: contract.description.as_deref().map(|text| html::prose(text, &link)).unwrap_or_default(),
        facts: facts(site, contract, root),
        drawing: drawing::draw(&flow(site, contract, root), &format!("Who sends {name}, and who takes it")),
        senders: senders(site, name, root),
        takers: site.takers(name).iter().map(|part| taker(*part, root, &link)).collect(),
        fields,
        is_closed: matches!(&contract.payload.shape, Shape::Object(object) if object.is_closed),
        reserved: contract.reserved.iter().map(|name| Html::name(name)).collect(),
        examples: contract.examples.iter().map(html::json).collect(),
        allowed: contract.allow.iter().map(accepted).collect(),
        steps,
        page,
    };
    super::rendered(&shown)
}

fn badges(contract: &Contract) -> Vec<Badge> {
    let mut badges = Vec::new();
    let mut add = |class, text: &str| badges.push(Badge { class, text: text.to_owned() });
    if contract.lifecycle.deprecated.is_some() {
        add("care", "deprecated");
    }
    if has_personal(&contract.payload) {
        add("person", "personal data");
    }
    badges
}

/// Whether a payload carries data of a person.
pub(super) fn has_personal(payload: &Schema) -> bool {
    let mut has = false;
    payload.walk(&mut |_, schema| has |= schema.personal.is_some());
    has
}

fn versions(site: &Site<'_>, contract: &Contract, root: &str) -> Vec<VersionLink> {
    let newest = site.newest(contract.name.as_str()).map(|newest| newest.version);
    let all = site.catalog.versions(contract.name.as_str()).rev();
    all.map(|other| VersionLink {
        version: other.version,
        href: format!("{root}{}", site.path_of(other)),
        is_here: other.version == contract.version,
        state: match other.lifecycle.deprecated {
            Some(_) => Some("deprecated"),
            None => (Some(other.version) == newest).then_some("newest"),
        },
    })
    .collect()
}

fn notices(site: &Site<'_>, contract: &Contract, root: &str) -> Vec<Notice> {
    let mut notices = Vec::new();
    let life = &contract.lifecycle;
    if let Some(date) = life.deprecated {
        let mut text = format!("Deprecated since {date}: nobody should begin to read it.");
        if let Some(sunset) = life.sunset {
            text.push_str(&format!(" Gone from {sunset} on."));
        }
        let mut text = Html::text(&text).into_string();
        if let Some(name) = &life.replaced_by {
            text.push_str(&format!(" Use {} instead.", Site::contract_link(root, name.as_str())));
        }
        notices.push(Notice { class: "care", text: Html::trusted(text) });
    }
    if let Some(newest) =
        site.newest(contract.name.as_str()).filter(|newest| newest.version > contract.version)
    {
        let label = Html::text(&format!("version {}", newest.version));
        let link = Html::link(&format!("{root}{}", site.path_of(newest)), &label);
        notices.push(Notice { class: "", text: Html::trusted(format!("The newest is {link}.")) });
    }
    notices
}

fn facts(site: &Site<'_>, contract: &Contract, root: &str) -> Vec<Fact> {
    let system = &site.catalog.system;
    let mut facts = Vec::new();
    let mut add = |label, value: Html| facts.push(Fact { label, value });
    let with = |main: Html, beside: &str| Html::trusted(format!("{main} {}", Html::small(beside)));
    let owner = contract.owner.as_str();
    let owned = Html::link(&format!("{root}services/{owner}.html"), &Html::code(owner));
    let team = system.services.get(&contract.owner.value).and_then(|service| service.team.as_ref());
    add(
        "Owner",
        match team {
            Some(team) => with(owned, &team_said(site, team.as_str())),
            None => owned,
        },
    );
    let topic = system.topics.get(&contract.topic.value);
    let mut about = Vec::new();
    if let Some(topic) = topic {
        about.extend(
            topic.partitions.map(|count| format!("{count} partition{}", if count == 1 { "" } else { "s" })),
        );
        about.extend(topic.is_open.then(|| "personal data leaves unsealed".to_owned()));
    }
    let retention = topic.and_then(|topic| topic.retention).or(system.defaults.retention);
    about.extend(retention.map(|time| format!("kept for {}", said::duration(time))));
    let topic_link =
        Html::link(&format!("{root}services/_topics.html"), &Html::code(contract.topic.as_str()));
    add("Topic", with(topic_link, &about.join(", ")));
    add("Streams", Html::code(&format!("{}-<{}>", contract.category, contract.key.value)));
    add("Key", with(Html::code(&contract.key.value), &format!("ordering {}", contract.ordering)));
    add(
        "Compatibility",
        with(Html::code(contract.compatibility.as_str()), said::promise(contract.compatibility)),
    );
    let policy = match contract.policy {
        crate::contract::Policy::Lenient => "readers ignore what they do not know",
        crate::contract::Policy::Strict => "what is not declared is refused",
    };
    add("Policy", with(Html::code(contract.policy.as_str()), policy));
    add("Audience", Html::text(contract.audience.as_str()));
    add("Category", Html::text(contract.purpose.as_str()));
    let life = &contract.lifecycle;
    for (label, date) in
        [("In use since", life.since), ("Deprecated", life.deprecated), ("Sunset", life.sunset)]
    {
        if let Some(date) = date {
            add(label, Html::text(&date.to_string()));
        }
    }
    facts
}

/// A team and how to reach it.
pub(super) fn team_said(site: &Site<'_>, name: &str) -> String {
    let team = site.catalog.system.teams.get(name);
    match team.and_then(|team| team.contact.as_deref()) {
        Some(contact) => format!("team {name}, {contact}"),
        None => format!("team {name}"),
    }
}

fn senders(site: &Site<'_>, name: &str, root: &str) -> Vec<Html> {
    let parts = site.senders(name).iter();
    parts
        .map(|part| {
            let kind = Html::small(&match part {
                Part::Service(..) => "service".to_owned(),
                _ => format!("{} of {}", part.kind(), part.service()),
            });
            Html::trusted(format!("{} {kind}", part.link(root)))
        })
        .collect()
}

fn taker(part: Part<'_>, root: &str, link: &dyn Fn(&str) -> Option<String>) -> Taker {
    let kind = Html::small(&format!("{} of {}", part.kind(), part.service()));
    let who = Html::trusted(format!("{}<br>{kind}", part.link(root)));
    let why = part.description().map(|text| html::inline(text, link)).unwrap_or_default();
    let failing = match part {
        Part::Consumer(_, spec) => {
            let said = format!("{}; then {}", said::retry(spec), said::on_dead(&spec.dead_letters));
            Html::trusted(format!("<span class=\"small\">{}</span>", Html::text(&said)))
        }
        Part::Saga(..) => Html::small("steps have deadlines and compensations"),
        Part::Projection(..) => Html::small("can be built anew at any time"),
        Part::Service(..) => Html::default(),
    };
    Taker { who, why, failing }
}

/// Who sends it, itself, who takes it, and what those send.
fn flow(site: &Site<'_>, contract: &Contract, root: &str) -> Graph {
    let name = contract.name.as_str();
    let mut graph = Graph::default();
    let class = if contract.kind.as_str() == "event" { "event here" } else { "command here" };
    let here = graph.add(Node { label: name.to_owned(), note: None, class, href: None });
    for part in site.senders(name).iter().take(DRAWN_MAX) {
        let sender = graph.add(part_node(*part, root));
        graph.join(sender, here, "", None);
    }
    for part in site.takers(name).iter().take(DRAWN_MAX) {
        let is_sender = site.senders(name).iter().any(|other| other.path() == part.path());
        let taker = graph.add(part_node(*part, root));
        graph.join(here, taker, "", None);
        // What a saga sends has its own page, and would fill this one.
        if is_sender || matches!(part, Part::Saga(..)) {
            continue;
        }
        for sent in part.sends().into_iter().filter(|sent| sent.as_str() != name) {
            let node = contract_node(site, sent.as_str(), root);
            let next = graph.nodes.iter().position(|other| other.href == node.href && node.href.is_some());
            let next = next.unwrap_or_else(|| graph.add(node));
            graph.join(taker, next, "", None);
        }
    }
    graph
}

/// The box of a part.
pub(super) fn part_node(part: Part<'_>, root: &str) -> Node {
    let (class, note) = match part {
        Part::Service(..) => ("service", "service".to_owned()),
        Part::Saga(..) => ("saga", format!("saga of {}", part.service())),
        _ => ("consumer", format!("{} of {}", part.kind(), part.service())),
    };
    let href = Some(format!("{root}{}", part.path()));
    Node { label: part.name().to_owned(), note: Some(note), class, href }
}

/// The box of a contract.
pub(super) fn contract_node(site: &Site<'_>, name: &str, root: &str) -> Node {
    let kind = site.newest(name).map_or("event", |contract| contract.kind.as_str());
    let class = if kind == "command" { "command" } else { "event" };
    let href = Some(format!("{root}{}", super::site::path_of_name(name)));
    Node { label: name.to_owned(), note: None, class, href }
}

fn rows(
    schema: &Schema,
    way: &str,
    depth: usize,
    link: &dyn Fn(&str) -> Option<String>,
    rows_found: &mut Vec<FieldRow>,
) {
    match &schema.shape {
        Shape::Object(object) => {
            for field in &object.fields {
                rows_found.push(row(way, &field.name, depth, field.is_required, &field.schema, link));
                rows(&field.schema, &format!("{way}{}.", field.name), depth + 1, link, rows_found);
            }
        }
        Shape::List(list) => {
            let way = format!("{}[].", way.trim_end_matches('.'));
            item(&list.items, &way, depth, link, rows_found);
        }
        Shape::Map(values) => {
            let way = format!("{}{{}}.", way.trim_end_matches('.'));
            item(values, &way, depth, link, rows_found);
        }
        _ => {}
    }
}

/// What a list or a map holds: its fields, or a row of its own when there is something to say of a plain value.
fn item(
    schema: &Schema,
    way: &str,
    depth: usize,
    link: &dyn Fn(&str) -> Option<String>,
    rows_found: &mut Vec<FieldRow>,
) {
    if !matches!(schema.shape, Shape::Object(_)) {
        rows_found.push(row("", way.trim_end_matches('.'), depth, true, schema, link));
    }
    rows(schema, way, depth, link, rows_found);
}

fn row(
    way: &str,
    name: &str,
    depth: usize,
    is_required: bool,
    schema: &Schema,
    link: &dyn Fn(&str) -> Option<String>,
) -> FieldRow {
    let mut badges = Vec::new();
    let mut add = |class, text: String| badges.push(Badge { class, text });
    match schema.role {
        Role::Identifier => add("event", "identifier".to_owned()),
        Role::Metadata => add("", "metadata".to_owned()),
        Role::Fact => {}
    }
    if let Some(unit) = &schema.unit {
        add("", format!("unit {unit}"));
    }
    match &schema.personal {
        Some(Personal::Subject) => add("person", "names a person".to_owned()),
        Some(Personal::Of(subject)) => add("person", format!("personal data of {subject}")),
        None => {}
    }
    if let Some(default) = &schema.default {
        add("", format!("default {default}"));
    }
    if schema.is_deprecated {
        add("care", "deprecated".to_owned());
    }
    FieldRow {
        depth: depth.min(3),
        way: Html::name(way),
        name: Html::name(name),
        is_required,
        value: said::value(schema),
        badges,
        meaning: schema.description.as_deref().map(|text| html::inline(text, link)).unwrap_or_default(),
    }
}

fn accepted(allow: &crate::contract::Allow) -> Accepted {
    Accepted {
        rule: Html::name(&allow.rule.value),
        reason: allow.reason.clone(),
        until: allow.until.map_or_else(|| "for good".to_owned(), |date| format!("until {date}")),
    }
}
