//! The pages of services, consumers, sagas and projections.

use askama::Template;
use factum_core::EventName;

use super::contract::{Fact, contract_node, part_node, team_said};
use super::drawing;
use super::graph::{Graph, Node};
use super::html::{self, Html};
use super::page::Page;
use super::said;
use super::site::{Part, Site};
use crate::contract::Contract;
use crate::system::{ConsumerSpec, SagaSpec, Service};

#[derive(Template)]
#[template(path = "docs/part.html")]
struct PartPage {
    page: Page,
    kind: &'static str,
    prose: Html,
    facts: Vec<Fact>,
    drawing_title: &'static str,
    drawing: Html,
    tables: Vec<Table>,
}

/// A table with a heading.
struct Table {
    id: &'static str,
    title: &'static str,
    columns: Vec<&'static str>,
    rows: Vec<Vec<Html>>,
}

/// Writes the page of a part.
pub(super) fn write(site: &Site<'_>, part: Part<'_>) -> String {
    let list = format!("{}s/_list.html", part.kind());
    let mut page = Page::of_one(site, part.name(), &list, None);
    let root = page.root;
    let link = |word: &str| site.known(root, word);
    let (drawing_title, graph) = match part {
        Part::Service(name, _) => ("What comes in and goes out", service_flow(site, name, part, root)),
        Part::Saga(_, spec) => ("Steps", saga_flow(site, spec, root)),
        Part::Consumer(..) | Part::Projection(..) => {
            ("What comes in and goes out", reader_flow(site, part, root))
        }
    };
    let mut tables = match part {
        Part::Service(name, _) => service_tables(site, name, root),
        Part::Saga(_, spec) => vec![saga_table(spec, root)],
        Part::Consumer(..) | Part::Projection(..) => vec![
            contracts_table(site, "takes", "Takes", part.takes(), root),
            contracts_table(site, "sends", "Sends", part.sends(), root),
        ],
    };
    page.is_wide = matches!(part, Part::Saga(..));
    tables.retain(|table| !table.rows.is_empty());
    if !page.is_wide {
        page.toc.push(("flow", drawing_title));
        page.toc.extend(tables.iter().map(|table| (table.id, table.title)));
    }
    let mut drawing = drawing::draw(&graph, &format!("{} of {}", drawing_title, part.name()));
    if matches!(part, Part::Saga(..)) {
        let legend = "<p class=\"legend\">Dotted: sent when nothing came in time. Dashed: undoes the steps before.</p>";
        drawing = Html::trusted(format!("{drawing}{legend}"));
    }
    super::rendered(&PartPage {
        kind: part.kind(),
        prose: part.description().map(|text| html::prose(text, &link)).unwrap_or_default(),
        facts: match part {
            Part::Service(_, spec) => service_facts(site, spec),
            Part::Consumer(_, spec) => consumer_facts(spec, part, root),
            Part::Saga(_, spec) => saga_facts(spec, part, root),
            Part::Projection(..) => vec![of_service(part, root)],
        },
        drawing_title,
        drawing,
        tables,
        page,
    })
}

fn of_service(part: Part<'_>, root: &str) -> Fact {
    let name = part.service();
    Fact { label: "Service", value: Html::link(&format!("{root}services/{name}.html"), &Html::code(name)) }
}

fn service_facts(site: &Site<'_>, spec: &Service) -> Vec<Fact> {
    let mut facts = Vec::new();
    if let Some(team) = &spec.team {
        let said = team_said(site, team.as_str());
        let about = site.catalog.system.teams.get(team.as_str()).and_then(|team| team.description.as_deref());
        let beside = about.map(Html::small).unwrap_or_default();
        facts.push(Fact { label: "Team", value: Html::trusted(format!("{} {beside}", Html::text(&said))) });
    }
    if let Some(store) = &spec.datastore {
        facts.push(Fact { label: "Keeps its data in", value: Html::code(store) });
    }
    facts
}

fn consumer_facts(spec: &ConsumerSpec, part: Part<'_>, root: &str) -> Vec<Fact> {
    let mut facts = vec![of_service(part, root)];
    let mut add = |label, value: Html| facts.push(Fact { label, value });
    let plain = |text: &str| html::inline(text, &|_| None);
    if !spec.calls.is_empty() {
        add("Calls, outside the store", Html::join(spec.calls.iter().map(|call| Html::code(call)), ", "));
    }
    match &spec.idempotency {
        Some(idempotency) => add("Twice is harmless", plain(&said::idempotency(idempotency))),
        None => add("Twice is harmless", Html::badge("care", "not said")),
    }
    add("Tries again", Html::text(&said::retry(spec)));
    let letters = &spec.dead_letters;
    let mut dead = vec![said::on_dead(letters).to_owned()];
    dead.extend(letters.owner.as_ref().map(|owner| format!("{} looks after them", owner.value)));
    dead.extend(letters.alert.as_ref().map(|alert| format!("alert by {alert}")));
    let mut dead = Html::text(&dead.join(", ")).into_string();
    if let Some(runbook) = &letters.runbook {
        dead.push_str(&format!("; runbook {}", Html::code(runbook)));
    }
    add("Dead letters", Html::trusted(dead));
    add(
        "Replay",
        match spec.replay {
            Some(replay) => Html::text(said::replay(replay)),
            None => Html::badge("care", "not said"),
        },
    );
    if let Some(lanes) = spec.lanes {
        add("Lanes", Html::text(&format!("{lanes}, each key in one")));
    }
    facts
}

fn saga_facts(spec: &SagaSpec, part: Part<'_>, root: &str) -> Vec<Fact> {
    vec![
        of_service(part, root),
        Fact { label: "Starts with", value: Site::contract_link(root, spec.starts.as_str()) },
        Fact { label: "Keeps together by", value: Html::code(&spec.correlate.value) },
    ]
}

/// Boxes that are added once.
struct Flow<'s, 'c> {
    site: &'s Site<'c>,
    root: &'s str,
    graph: Graph,
}

impl Flow<'_, '_> {
    fn contract(&mut self, name: &EventName) -> usize {
        let node = contract_node(self.site, name.as_str(), self.root);
        self.once(node)
    }

    fn part(&mut self, part: Part<'_>) -> usize {
        self.once(part_node(part, self.root))
    }

    fn once(&mut self, node: Node) -> usize {
        let found = self.graph.nodes.iter().position(|other| other.href.is_some() && other.href == node.href);
        found.unwrap_or_else(|| self.graph.add(node))
    }

    /// A part with all that it takes and sends.
    fn around(&mut self, part: Part<'_>) -> usize {
        let middle = self.part(part);
        for name in part.takes() {
            let from = self.contract(name);
            self.graph.join(from, middle, "", None);
        }
        for name in part.sends() {
            let to = self.contract(name);
            self.graph.join(middle, to, "", None);
        }
        middle
    }
}

/// Everything that sends and takes, of all services.
pub(super) fn whole_flow(site: &Site<'_>, root: &str) -> Graph {
    let mut flow = Flow { site, root, graph: Graph::default() };
    for part in site.parts.iter().copied() {
        if !part.takes().is_empty() || !part.sends().is_empty() {
            flow.around(part);
        }
    }
    flow.graph
}

fn reader_flow(site: &Site<'_>, part: Part<'_>, root: &str) -> Graph {
    let mut flow = Flow { site, root, graph: Graph::default() };
    let middle = flow.around(part);
    flow.graph.nodes[middle].class = "consumer here";
    if let Part::Consumer(_, spec) = part {
        for call in &spec.calls {
            let note = Some("outside the store".to_owned());
            let outside = flow.graph.add(Node { label: call.clone(), note, class: "outside", href: None });
            flow.graph.join(middle, outside, "", None);
        }
    }
    flow.graph
}

fn service_flow(site: &Site<'_>, name: &str, service: Part<'_>, root: &str) -> Graph {
    let mut flow = Flow { site, root, graph: Graph::default() };
    for part in site.parts.iter().copied().filter(|part| part.service() == name && part.kind() != "service") {
        flow.around(part);
    }
    if !service.sends().is_empty() {
        let middle = flow.around(service);
        flow.graph.nodes[middle].class = "service here";
    }
    flow.graph
}

/// The steps of a saga, with the consumers between a command and the event that it waits for.
fn saga_flow(site: &Site<'_>, spec: &SagaSpec, root: &str) -> Graph {
    let mut flow = Flow { site, root, graph: Graph::default() };
    flow.contract(&spec.starts.value);
    for step in &spec.steps {
        let on = flow.contract(&step.on.value);
        for name in &step.then {
            let to = flow.contract(&name.value);
            flow.graph.join(on, to, "", None);
        }
        for name in &step.otherwise {
            let to = flow.contract(&name.value);
            flow.graph.join(on, to, "late", step.within.map(said::duration));
        }
        for name in &step.compensate {
            let to = flow.contract(&name.value);
            flow.graph.join(on, to, "undo", None);
        }
    }
    let awaited: Vec<&EventName> = spec.steps.iter().map(|step| &step.on.value).collect();
    let sent = spec.steps.iter().flat_map(|step| step.then.iter());
    for command in sent {
        for part in site.takers(command.as_str()) {
            for event in part.sends().into_iter().filter(|event| awaited.contains(event)) {
                let (from, to) = (flow.contract(&command.value), flow.contract(event));
                flow.graph.join(from, to, "by", Some(String::new()));
            }
        }
    }
    flow.graph
}

fn saga_table(spec: &SagaSpec, root: &str) -> Table {
    let rows = spec.steps.iter().map(|step| {
        let links = |names: &[crate::words::Placed<EventName>]| {
            Site::contract_links(root, names.iter().map(|name| &name.value))
        };
        let late = match step.within {
            Some(within) => Html::trusted(format!(
                "{}<br>{}",
                links(&step.otherwise),
                Html::small(&format!("when nothing came within {}", said::duration(within)))
            )),
            None => Html::default(),
        };
        vec![Site::contract_link(root, step.on.as_str()), links(&step.then), late, links(&step.compensate)]
    });
    let columns = vec!["On", "Then", "Otherwise", "Undone by"];
    Table { id: "steps", title: "Step by step", columns, rows: rows.collect() }
}

fn contracts_table(
    site: &Site<'_>,
    id: &'static str,
    title: &'static str,
    names: Vec<&EventName>,
    root: &str,
) -> Table {
    let rows = names.into_iter().filter_map(|name| site.newest(name.as_str()));
    let rows = rows.map(|contract| contract_row(contract, root)).collect();
    Table { id, title, columns: vec!["Contract", "What it says", "Owner"], rows }
}

fn contract_row(contract: &Contract, root: &str) -> Vec<Html> {
    let owner = contract.owner.as_str();
    vec![
        Site::contract_link(root, contract.name.as_str()),
        Html::text(contract.summary.as_deref().unwrap_or_default()),
        Html::link(&format!("{root}services/{owner}.html"), &Html::code(owner)),
    ]
}

fn service_tables(site: &Site<'_>, name: &str, root: &str) -> Vec<Table> {
    let owned = site.owned.get(name).into_iter().flatten();
    let owned = owned.map(|contract| {
        let kind = Html::badge(contract.kind.as_str(), contract.kind.as_str());
        let version = Html::badge("version", &format!("v{}", contract.version));
        let link = Site::contract_link(root, contract.name.as_str());
        vec![
            link,
            Html::trusted(format!("{kind} {version}")),
            Html::text(contract.summary.as_deref().unwrap_or_default()),
        ]
    });
    let parts = site.parts.iter().filter(|part| part.service() == name && part.kind() != "service");
    let parts = parts.map(|part| {
        let about = part.description().map(|text| html::inline(text, &|_| None)).unwrap_or_default();
        vec![part.link(root), Html::badge("", part.kind()), about]
    });
    vec![
        Table {
            id: "owns",
            title: "Owns",
            columns: vec!["Contract", "Kind", "What it says"],
            rows: owned.collect(),
        },
        Table { id: "runs", title: "Runs", columns: vec!["Name", "Kind", "What for"], rows: parts.collect() },
    ]
}
