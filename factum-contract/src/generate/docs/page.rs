//! The frame of every page: title, path, side list, and what is on the page.

use super::html::Html;
use super::site::{Site, path_of_name};
use crate::contract::Contract;

/// Most contracts of which the side list shows all.
const LISTED_MAX: usize = 80;

/// Most contracts of one service that the side list shows, around the one of the page.
const GROUP_MAX: usize = 60;

/// What the frame needs.
pub(super) struct Page {
    /// The way back to the root: empty there, `../` below.
    pub(super) root: &'static str,
    pub(super) title: String,
    pub(super) heading: Html,
    pub(super) system: String,
    pub(super) sections: Vec<Section>,
    pub(super) groups: Vec<Group>,
    pub(super) crumbs: Vec<Crumb>,
    pub(super) toc: Vec<(&'static str, &'static str)>,
    pub(super) is_wide: bool,
}

/// A list of the side.
pub(super) struct Section {
    pub(super) label: &'static str,
    pub(super) href: String,
    pub(super) count: Option<usize>,
    pub(super) is_here: bool,
}

/// A service with its contracts.
pub(super) struct Group {
    pub(super) label: Html,
    pub(super) is_open: bool,
    pub(super) links: Vec<Link>,
}

/// A contract of the side list.
pub(super) struct Link {
    pub(super) label: Html,
    pub(super) href: String,
    pub(super) is_here: bool,
}

/// A step of the path to the page.
pub(super) struct Crumb {
    pub(super) label: String,
    pub(super) href: String,
}

/// The lists of the side, with their pages.
const SECTIONS: [(&str, &str); 9] = [
    ("Overview", "index.html"),
    ("Flow", "contracts/_flow.html"),
    ("Contracts", "contracts/_list.html"),
    ("Services", "services/_list.html"),
    ("Consumers", "consumers/_list.html"),
    ("Sagas", "sagas/_list.html"),
    ("Projections", "projections/_list.html"),
    ("Topics", "services/_topics.html"),
    ("Personal data", "contracts/_personal.html"),
];

impl Page {
    /// The page of a list of the side, or the first page.
    pub(super) fn of_list(site: &Site<'_>, path: &str) -> Self {
        let root = if path.contains('/') { "../" } else { "" };
        let label = SECTIONS.iter().find(|(_, href)| *href == path).map_or("", |(label, _)| label);
        let title = if root.is_empty() { "Catalog".to_owned() } else { label.to_owned() };
        let mut page = Self::new(site, root, title, path, None);
        if !root.is_empty() {
            page.crumbs.push(page.crumb_home());
        }
        page
    }

    /// The page of one thing, below a list.
    pub(super) fn of_one(site: &Site<'_>, title: &str, list: &str, contract: Option<&Contract>) -> Self {
        let mut page = Self::new(site, "../", title.to_owned(), "", contract);
        let label = SECTIONS.iter().find(|(_, href)| *href == list).map_or("", |(label, _)| label);
        page.crumbs = vec![page.crumb_home(), Crumb { label: label.to_owned(), href: format!("../{list}") }];
        page
    }

    fn new(
        site: &Site<'_>,
        root: &'static str,
        title: String,
        path: &str,
        contract: Option<&Contract>,
    ) -> Self {
        let system = &site.catalog.system;
        let count = |label: &str| match label {
            "Contracts" => Some(site.catalog.names().count()),
            "Services" => Some(system.services.len()),
            "Consumers" => Some(system.consumers.len()),
            "Sagas" => Some(system.sagas.len()),
            "Projections" => Some(system.projections.len()),
            "Topics" => Some(site.topics.len()),
            _ => None,
        };
        let sections = SECTIONS
            .iter()
            .map(|(label, href)| Section {
                label,
                href: format!("{root}{href}"),
                count: count(label),
                is_here: *href == path,
            })
            .collect();
        Self {
            root,
            heading: Html::name(&title),
            title,
            system: system.name.to_string(),
            sections,
            groups: groups(site, root, contract),
            crumbs: Vec::new(),
            toc: Vec::new(),
            is_wide: false,
        }
    }

    fn crumb_home(&self) -> Crumb {
        Crumb { label: self.system.clone(), href: format!("{}index.html", self.root) }
    }
}

fn groups(site: &Site<'_>, root: &str, here: Option<&Contract>) -> Vec<Group> {
    let is_small = site.catalog.names().count() <= LISTED_MAX;
    let is_shown = |owner: &str| is_small || here.is_some_and(|here| here.owner.as_str() == owner);
    let mut made = Vec::new();
    for (owner, contracts) in site.owned.iter().filter(|(owner, _)| is_shown(owner)) {
        let is_of_page = |contract: &&Contract| here.is_some_and(|here| here.name == contract.name);
        let at = contracts.iter().position(is_of_page).unwrap_or(0);
        let from = at.saturating_sub(GROUP_MAX / 2).min(contracts.len().saturating_sub(GROUP_MAX));
        let links = contracts.iter().skip(from).take(GROUP_MAX).map(|contract| Link {
            label: Html::name(contract.name.as_str()),
            href: format!("{root}{}", path_of_name(contract.name.as_str())),
            is_here: is_of_page(contract),
        });
        let is_open = here.map_or(is_small, |here| here.owner.as_str() == *owner);
        made.push(Group { label: Html::name(owner), is_open, links: links.collect() });
    }
    made
}
