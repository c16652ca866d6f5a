//! The first page, and the lists: contracts, services, consumers, sagas, projections, topics, personal data, the flow.

use std::collections::BTreeMap;

use askama::Template;

use super::contract::team_said;
use super::drawing;
use super::graph::{Graph, Node};
use super::html::{self, Html};
use super::page::Page;
use super::parts;
use super::said;
use super::site::{Part, Site, path_of_name};
use crate::generate::GeneratedFile;
use crate::schema::Personal;

/// Most contracts of a service that the first page names.
const CARD_MAX: usize = 12;

#[derive(Template)]
#[template(path = "docs/index.html")]
struct IndexPage {
    page: Page,
    prose: Html,
    drawing: Html,
    services: Vec<Card>,
}

struct Card {
    name: Html,
    href: String,
    description: Html,
    team: Option<String>,
    contracts: Vec<CardLink>,
    more: usize,
}

struct CardLink {
    name: Html,
    href: String,
    summary: String,
}

#[derive(Template)]
#[template(path = "docs/list.html")]
struct ListPage {
    page: Page,
    lead: &'static str,
    columns: Vec<&'static str>,
    rows: Vec<Vec<Html>>,
}

#[derive(Template)]
#[template(path = "docs/flow.html")]
struct FlowPage {
    page: Page,
    drawing: Html,
}

/// Writes the first page and all lists.
pub(super) fn write(site: &Site<'_>) -> Vec<GeneratedFile> {
    let mut files = vec![index(site), flow(site), contracts(site), topic_list(site), personal(site)];
    let readers = vec!["Name", "What for", "Takes", "Sends"];
    let services = vec!["Name", "What for", "Team", "Owns"];
    let lists = [
        ("service", "Who owns what events mean, and runs what reads them.", services),
        (
            "consumer",
            "Named readers, each with its own place in the log and its own way to deal with failure.",
            readers.clone(),
        ),
        ("saga", "Workflows of several steps, with deadlines and ways back.", readers.clone()),
        ("projection", "Tables that are filled from events, and can be filled anew.", readers),
    ];
    for (kind, lead, columns) in lists {
        let path = format!("{kind}s/_list.html");
        let page = Page::of_list(site, &path);
        let found = site.parts.iter().copied().filter(|part| part.kind() == kind);
        let rows = found.map(|part| part_row(site, part, page.root)).collect();
        files.push(list(path, ListPage { page, lead, columns, rows }));
    }
    files
}

fn list(path: String, shown: ListPage) -> GeneratedFile {
    GeneratedFile { path, text: super::rendered(&shown) }
}

fn index(site: &Site<'_>) -> GeneratedFile {
    let path = "index.html";
    let mut page = Page::of_list(site, path);
    page.toc = vec![("map", "Who speaks to whom"), ("services", "Services")];
    let system = &site.catalog.system;
    let link = |word: &str| site.known("", word);
    let services = system.services.iter().map(|(name, spec)| {
        let owned = site.owned.get(name.as_str()).map_or(&[][..], Vec::as_slice);
        let links = owned.iter().take(CARD_MAX).map(|contract| CardLink {
            name: Html::name(contract.name.as_str()),
            href: path_of_name(contract.name.as_str()),
            summary: contract.summary.clone().unwrap_or_default(),
        });
        Card {
            name: Html::name(name.as_str()),
            href: format!("services/{name}.html"),
            description: spec
                .description
                .as_deref()
                .map(|text| html::inline(text, &link))
                .unwrap_or_default(),
            team: spec.team.as_ref().map(|team| team_said(site, team.as_str())),
            contracts: links.collect(),
            more: owned.len().saturating_sub(CARD_MAX),
        }
    });
    let shown = IndexPage {
        prose: system
            .description
            .as_deref()
            .map(|text| Html::trusted(format!("<div class=\"prose\">{}</div>", html::prose(text, &link))))
            .unwrap_or_default(),
        drawing: drawing::draw(&map(site), "Which service sends something to which"),
        services: services.collect(),
        page,
    };
    GeneratedFile { path: path.to_owned(), text: super::rendered(&shown) }
}

/// Services, joined where one takes what the other sends.
fn map(site: &Site<'_>) -> Graph {
    let mut graph = Graph::default();
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    for name in site.catalog.system.services.keys() {
        let href = Some(format!("services/{name}.html"));
        let note = None;
        numbers
            .insert(name.as_str(), graph.add(Node { label: name.to_string(), note, class: "service", href }));
    }
    for name in site.catalog.names() {
        for sender in site.senders(name.as_str()) {
            for taker in site.takers(name.as_str()) {
                if let (Some(from), Some(to)) = (numbers.get(sender.service()), numbers.get(taker.service()))
                {
                    graph.join(*from, *to, "", None);
                }
            }
        }
    }
    graph.fold();
    graph
}

fn flow(site: &Site<'_>) -> GeneratedFile {
    let path = "contracts/_flow.html";
    let mut page = Page::of_list(site, path);
    page.is_wide = true;
    let mut drawing = drawing::draw(
        &parts::whole_flow(site, page.root),
        "All events and commands, with who sends and takes them",
    );
    let hint = "Round: events, and commands in the other colour. Square: services, consumers, sagas and projections.";
    drawing = Html::trusted(format!("{drawing}<p class=\"legend\">{hint}</p>"));
    GeneratedFile { path: path.to_owned(), text: super::rendered(&FlowPage { drawing, page }) }
}

fn contracts(site: &Site<'_>) -> GeneratedFile {
    let path = "contracts/_list.html";
    let page = Page::of_list(site, path);
    let root = page.root;
    let rows = site.catalog.latest().map(|contract| {
        let owner = contract.owner.as_str();
        let mut badges = vec![
            Html::badge(contract.kind.as_str(), contract.kind.as_str()),
            Html::badge("version", &format!("v{}", contract.version)),
        ];
        badges.extend(contract.lifecycle.deprecated.map(|_| Html::badge("care", "deprecated")));
        vec![
            Site::contract_link(root, contract.name.as_str()),
            Html::join(badges, " "),
            Html::text(contract.summary.as_deref().unwrap_or_default()),
            Html::link(&format!("{root}services/{owner}.html"), &Html::code(owner)),
        ]
    });
    let rows = rows.collect();
    let columns = vec!["Name", "Kind", "What it says", "Owner"];
    list(
        path.to_owned(),
        ListPage { page, lead: "Every event and command, in its newest version.", columns, rows },
    )
}

fn part_row(site: &Site<'_>, part: Part<'_>, root: &str) -> Vec<Html> {
    let link = |word: &str| site.known(root, word);
    let about = part.description().map(|text| html::inline(text, &link)).unwrap_or_default();
    if let Part::Service(name, spec) = part {
        let team = spec.team.as_ref().map(|team| team_said(site, team.as_str())).unwrap_or_default();
        let count = site.owned.get(name).map_or(0, Vec::len);
        let owns = format!("{count} contract{}", if count == 1 { "" } else { "s" });
        return vec![part.link(root), about, Html::text(&team), Html::text(&owns)];
    }
    vec![
        part.link(root),
        about,
        Site::contract_links(root, part.takes()),
        Site::contract_links(root, part.sends()),
    ]
}

fn topic_list(site: &Site<'_>) -> GeneratedFile {
    let path = "services/_topics.html";
    let page = Page::of_list(site, path);
    let root = page.root;
    let link = |word: &str| site.known(root, word);
    let system = &site.catalog.system;
    let rows = site.topics.iter().map(|(topic, contracts)| {
        let spec = system.topics.get(*topic);
        let about = spec.and_then(|spec| spec.description.as_deref());
        let mut settings = Vec::new();
        settings.extend(spec.and_then(|spec| spec.partitions).map(|count| format!("{count} partitions")));
        let retention = spec.and_then(|spec| spec.retention).or(system.defaults.retention);
        settings.extend(retention.map(|time| format!("kept for {}", said::duration(time))));
        settings.extend(
            spec.and_then(|spec| spec.owner.as_ref()).map(|owner| format!("owned by {}", owner.value)),
        );
        let mut said = Html::text(&settings.join(", ")).into_string();
        if spec.is_some_and(|spec| spec.is_open) {
            said.push_str(&format!(" {}", Html::badge("person", "open: personal data leaves unsealed")));
        }
        vec![
            Html::code(topic.as_str()),
            about.map(|text| html::inline(text, &link)).unwrap_or_default(),
            Html::trusted(said),
            Site::contract_links(root, contracts.iter().map(|contract| &contract.name)),
        ]
    });
    let rows = rows.collect();
    let columns = vec!["Topic", "What for", "Settings", "Carries"];
    list(
        path.to_owned(),
        ListPage { page, lead: "Where events are published for other systems.", columns, rows },
    )
}

fn personal(site: &Site<'_>) -> GeneratedFile {
    let path = "contracts/_personal.html";
    let page = Page::of_list(site, path);
    let root = page.root;
    let mut rows = Vec::new();
    for contract in site.catalog.latest() {
        contract.payload.walk(&mut |field, schema| {
            let Some(personal) = &schema.personal else { return };
            let what = match personal {
                Personal::Subject => Html::text("names the person by pseudonym, stays readable"),
                Personal::Of(subject) => {
                    Html::trusted(format!("sealed with the key of {}", Html::code(subject)))
                }
            };
            rows.push(vec![
                Site::contract_link(root, contract.name.as_str()),
                Html::code(field),
                what,
                Html::text(schema.description.as_deref().unwrap_or_default()),
            ]);
        });
    }
    let lead =
        "Every field that holds data of a person, and what becomes of it when the person is forgotten.";
    let columns = vec!["Contract", "Field", "How it is kept", "Meaning"];
    list(path.to_owned(), ListPage { page, lead, columns, rows })
}
