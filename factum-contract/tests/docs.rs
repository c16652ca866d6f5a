//! The pages of a catalog: whole, closed to the network, the same every time, and never markup of a contract's making.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use factum_contract::generate::docs::{claim, generate};
use factum_contract::generate::{Generated, StaleKind, WriteError};
use factum_contract::{Catalog, Source, folder};

fn catalog(example: &str) -> Catalog {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(example).join("contracts");
    Catalog::read(&folder::read(&folder).unwrap()).unwrap()
}

fn page<'g>(site: &'g Generated, path: &str) -> &'g str {
    let paths: Vec<&str> = site.files.iter().map(|file| file.path.as_str()).collect();
    let found = site.files.iter().find(|file| file.path == path);
    &found.unwrap_or_else(|| panic!("no {path} among {paths:?}")).text
}

/// Values of an attribute, in the order of the page.
fn attributes<'t>(text: &'t str, name: &str) -> Vec<&'t str> {
    let begin = format!(" {name}=\"");
    text.split(&begin).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

/// Every page with its links, all of which must lead to a file, and to a place in it.
fn check_links(site: &Generated) {
    let files: BTreeMap<&str, &str> =
        site.files.iter().map(|file| (file.path.as_str(), file.text.as_str())).collect();
    for (path, text) in files.iter().filter(|(path, _)| path.ends_with(".html")) {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for target in attributes(text, "href").into_iter().chain(attributes(text, "src")) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = match file.strip_prefix("../") {
                _ if file.is_empty() => (*path).to_owned(),
                Some(rest) => rest.to_owned(),
                None if folder.is_empty() => file.to_owned(),
                None => format!("{folder}/{file}"),
            };
            let found = files.get(file.as_str());
            let found = found.unwrap_or_else(|| panic!("{path}: {target} leads nowhere"));
            let is_there = anchor.is_empty() || attributes(found, "id").contains(&anchor);
            assert!(is_there, "{path}: {target} has no such place");
        }
    }
}

#[test]
fn every_link_of_every_page_leads_somewhere() {
    for example in ["hotel", "orders"] {
        check_links(&generate(&catalog(example)));
    }
}

#[test]
fn every_version_and_every_part_has_its_page() {
    let catalog = catalog("hotel");
    let site = generate(&catalog);
    for contract in catalog.contracts() {
        let newest = catalog.versions(contract.name.as_str()).next_back().unwrap().version;
        let path = match contract.version {
            version if version == newest => format!("contracts/{}.html", contract.name),
            version => format!("contracts/{}@{version}.html", contract.name),
        };
        assert!(
            page(&site, &path)
                .contains(&format!("<span class=\"badge version\">v{}</span>", contract.version))
        );
    }
    for path in ["services/billing", "consumers/billing.deposits", "sagas/booking", "projections/folios"] {
        page(&site, &format!("{path}.html"));
    }
}

#[test]
fn a_page_asks_for_nothing_from_elsewhere() {
    let site = generate(&catalog("hotel"));
    for file in &site.files {
        let plain = file.text.replace("http://www.w3.org/2000/svg", "");
        assert!(!plain.contains("://") && !plain.contains("@import"), "{}", file.path);
        if file.path.ends_with(".html") {
            assert!(plain.contains("default-src 'none'"), "{}", file.path);
            assert!(!plain.contains(" style=\"") && !plain.contains("<style"), "{}", file.path);
            let scripts: Vec<&str> = plain.split("<script").skip(1).collect();
            assert!(scripts.iter().all(|script| script.starts_with(" src=")), "{}", file.path);
        }
    }
}

#[test]
fn the_same_catalog_gives_the_same_pages() {
    assert_eq!(generate(&catalog("hotel")), generate(&catalog("hotel")));
}

#[test]
fn what_is_written_is_fresh_and_pages_of_what_is_gone_go() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("site");
    let hotel = generate(&catalog("hotel"));
    claim(&out).unwrap();
    assert_eq!(hotel.write(&out).unwrap().len(), hotel.files.len());
    assert_eq!(hotel.stale(&out).unwrap(), []);
    claim(&out).unwrap();
    let orders = generate(&catalog("orders"));
    let stale = orders.stale(&out).unwrap();
    assert!(stale.iter().any(|one| one.why == StaleKind::Leftover && one.path == "sagas/booking.html"));
    orders.write(&out).unwrap();
    assert_eq!(orders.stale(&out).unwrap(), []);
    assert!(!out.join("sagas/booking.html").exists());
    assert!(!out.join("contracts/reservation.booked@1.html").exists());
}

#[test]
fn a_folder_of_somebody_else_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    claim(folder.path()).unwrap();
    std::fs::write(folder.path().join("notes.md"), "mine").unwrap();
    assert!(matches!(claim(folder.path()), Err(WriteError::Taken { .. })));
    std::fs::write(folder.path().join("index.html"), "<!doctype html><title>mine</title>").unwrap();
    let error = claim(folder.path()).unwrap_err().to_string();
    assert!(error.contains("expected an empty folder"), "{error}");
    assert!(matches!(claim(&folder.path().join("notes.md")), Err(WriteError::Io { .. })));
}

/// Texts that would be markup, end a script, close a comment or turn the reading direction.
const NASTY: [&str; 6] = [
    "<script>alert(1)</script>",
    "\\\"'><img src=x onerror=alert(1)>",
    "]]> --> */ </style></title></script>",
    "`<b>` and ` alone",
    "\u{202e}gnihtemos\u{2066} שלום مرحبا",
    "${alert(1)} {{ 7 * 7 }} {% raw %}",
];

fn nasty() -> Catalog {
    let all = NASTY.join(" ");
    let system = format!(
        "system: nasty\ndescription: \"{all}\"\nteams: {{ t: {{ contact: \"{all}\", description: \"{all}\" }} }}\n\
         services: {{ s: {{ team: t, datastore: \"{all}\", description: \"{all}\", emits: [a.b] }} }}\n\
         topics: {{ a.b: {{ owner: s, description: \"{all}\" }} }}\n\
         consumers:\n  c:\n    service: s\n    on: [a.b]\n    calls: [\"{all}\"]\n    description: \"{all}\"\n\
         \x20   idempotency: {{ natural: \"{all}\" }}\n    retry: {{ never: [\"{all}\"] }}\n\
         \x20   dead_letters: {{ alert: \"{all}\", runbook: \"{all}\" }}\n\
         sagas: {{ g: {{ service: s, starts: a.b, correlate: id, description: \"{all}\", steps: [{{ on: a.b }}] }} }}\n\
         projections: {{ p: {{ service: s, on: [a.b], description: \"{all}\" }} }}\n"
    );
    let contract = |version: u32, default: &str| {
        format!(
            "event: a.b\nversion: {version}\nsummary: \"{all}\"\ndescription: \"{all}\\n\\n- {all}\"\nowner: s\nkey: id\n\
             payload:\n  type: object\n  required: [id]\n  properties:\n    id: {{ type: string }}\n\
             \x20   \"<i>x'&y\": {{ type: string, title: \"{all}\", description: \"{all}\", unit: \"{all}\", default: \"{default}{all}\" }}\n\
             \x20   word: {{ enum: [\"{all}\", w], description: \"{all}\" }}\n\
             reserved: [\"{all}\"]\nallow: [{{ rule: \"{all}\", reason: \"{all}\" }}]\n\
             examples: [{{ id: \"{all}\", \"<i>x'&y\": \"{all}\", \"<u>\": \"{all}\" }}]\n"
        )
    };
    let sources = [
        Source::new("a.b.v1.yaml", contract(1, "")),
        Source::new("a.b.v2.yaml", contract(2, "<em>")),
        Source::new("system.yaml", system),
    ];
    Catalog::read(&sources).unwrap_or_else(|error| panic!("{error}"))
}

/// Names of all elements and attributes of a page: what foreign text must never add to.
fn markup(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for tag in text.split('<').skip(1) {
        let tag = tag.split('>').next().unwrap();
        let mut rest = String::new();
        for (index, part) in tag.split('"').enumerate() {
            if index % 2 == 0 {
                rest.push_str(part);
            }
        }
        names.extend(rest.split_whitespace().map(|word| word.trim_matches(['=', '/']).to_owned()));
    }
    names
}

#[test]
fn nothing_that_a_contract_says_is_markup() {
    let site = generate(&nasty());
    check_links(&site);
    let known: BTreeSet<String> = generate(&catalog("hotel"))
        .files
        .iter()
        .filter(|file| file.path.ends_with(".html"))
        .flat_map(|file| markup(&file.text))
        .collect();
    for file in site.files.iter().filter(|file| file.path.ends_with(".html")) {
        let foreign: Vec<String> = markup(&file.text).difference(&known).cloned().collect();
        assert!(foreign.is_empty(), "{}: {foreign:?}", file.path);
        assert!(!file.text.contains('\u{202e}') && !file.text.contains('\u{2066}'), "{}", file.path);
        assert!(!file.text.contains("alert(1)</script>"), "{}", file.path);
    }
    assert!(page(&site, "contracts/a.b.html").contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    // The index is a script of its own: one JSON list, whatever the texts say.
    let script = page(&site, "assets/search.js");
    let list = script.split_once(" = ").unwrap().1.trim_end().trim_end_matches(';');
    let entries: Vec<[String; 5]> = serde_json::from_str(list).unwrap();
    assert!(entries.iter().any(|entry| entry[0] == "a.b" && entry[3].contains("<script>")));
}

#[test]
fn no_name_is_a_list() {
    for name in ["_list", "_flow"] {
        let system = format!("system: s\nservices: {{ {name}: {{}} }}\n");
        assert!(Catalog::read(&[Source::new("system.yaml", system)]).is_err(), "{name}");
        assert!(name.parse::<factum_core::EventName>().is_err());
        assert!(name.parse::<factum_core::ConsumerName>().is_err());
    }
    for name in ["a@1", "a/b", "..", "a%2fb"] {
        assert!(name.parse::<factum_core::EventName>().is_err(), "{name}");
    }
}

#[test]
fn a_contract_of_three_versions_tells_its_story() {
    let site = generate(&catalog("hotel"));
    let text = words(page(&site, "contracts/charge.posted.html"));
    insta::assert_snapshot!(text);
}

#[test]
fn a_consumer_says_what_it_does_when_things_go_wrong() {
    let site = generate(&catalog("hotel"));
    insta::assert_snapshot!(words(page(&site, "consumers/billing.deposits.html")));
    insta::assert_snapshot!(words(page(&site, "sagas/booking.html")));
}

#[test]
fn people_can_find_read_and_print_every_page_in_a_browser() {
    let test = "docs::people_can_find_read_and_print_every_page_in_a_browser";
    let Some(tools) = xtask::tools::or_skip(test, "browser") else { return };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("docs");
    let pictures = folder.join("pictures");
    std::fs::create_dir_all(&pictures).unwrap();
    let searches = r#"[["deposit taken", "contracts/deposit.taken.html"], ["passportNumber", "contracts/guest.registered.html"],
        ["booking", "sagas/booking.html"]]"#;
    let shown = r#"["index.html", "contracts/charge.posted.html", "contracts/reservation.booked.html", "contracts/stay.checked-in.html",
        "services/billing.html", "sagas/booking.html", "consumers/billing.deposits.html", "contracts/_list.html",
        "contracts/_flow.html", "contracts/_personal.html", "contracts/guest.arrived.html"]"#;
    for (name, catalog, searches, shown) in
        [("hotel", catalog("hotel"), searches, shown), ("nasty", nasty(), "[]", "[]")]
    {
        let out = folder.join(name);
        generate(&catalog).write(&out).unwrap();
        let mut command = Command::new("node");
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/docs/pages.mjs"));
        command.arg(&tools).arg(&out).arg(xtask::needs::chromium());
        // For whoever changes the style: pictures beside the pages.
        if std::env::var_os("FACTUM_TEST_PICTURES").is_some() {
            command.arg(&pictures);
        }
        let output = command.env("SEARCHES", searches).env("PICTURES", shown).output().unwrap();
        let (said, failed) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{failed}");
        let report: serde_json::Value = serde_json::from_str(&said).unwrap();
        assert_eq!(report["wrong"], serde_json::json!([]), "{report:#}");
        let pages = generate(&catalog).files.iter().filter(|file| file.path.ends_with(".html")).count();
        assert_eq!(report["seen"]["pages"], pages);
        assert!(
            report["seen"]["texts"].as_u64() > Some(1000) && report["seen"]["links"].as_u64() > Some(100)
        );
    }
}

/// The words of a page's content, a line for each block.
fn words(html: &str) -> String {
    let main = html.split_once("<main").unwrap().1.split_once("</main>").unwrap().0;
    let mut out = String::new();
    for part in format!("<main{main}").split('<').skip(1) {
        let (tag, text) = part.split_once('>').unwrap();
        let name = tag.trim_start_matches('/').split(' ').next().unwrap();
        let is_inline = ["a", "code", "span", "b", "wbr", "del", "ins", "tspan"].contains(&name);
        out.push_str(if is_inline { "" } else { "\n" });
        out.push_str(text);
    }
    let lines = out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    let plain: Vec<String> = lines.filter(|line| !line.is_empty()).collect();
    plain
        .join("\n")
        .replace("&quot;", "\"")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&#34;", "\"")
        .replace("&#39;", "'")
}

#[test]
fn a_thousand_contracts_are_a_site_that_can_be_kept() {
    let (services, each) = (25, 40);
    let mut sources = Vec::new();
    let mut system = "system: large\nservices:\n".to_owned();
    for service in 0..services {
        system.push_str(&format!("  s{service}: {{}}\n"));
    }
    system.push_str("consumers:\n");
    for number in 0..services * each {
        let service = number / each;
        system.push_str(&format!(
            "  c{number}: {{ service: s{}, on: [t{number}.done], emits: [t{}.done] }}\n",
            number % services,
            (number * 7 + 1) % (services * each)
        ));
        for version in 1..=2 {
            let more = if version == 2 { "\n    more: { type: integer, minimum: 1 }" } else { "" };
            let text = format!(
                "event: t{number}.done\nversion: {version}\nsummary: Thing {number}.\nowner: s{service}\nkey: id\npayload:\n  type: object\n  \
                 required: [id]\n  properties:\n    id: {{ type: string }}\n    name: {{ type: string, maxLength: 9 }}{more}\n"
            );
            sources.push(Source::new(format!("t{number}.v{version}.yaml"), text));
        }
    }
    sources.push(Source::new("system.yaml", system));
    let catalog = Catalog::read(&sources).unwrap();
    let began = std::time::Instant::now();
    let site = generate(&catalog);
    println!("{} pages in {:?}", site.files.len(), began.elapsed());
    let bytes: usize = site.files.iter().map(|file| file.text.len()).sum();
    assert!(bytes / site.files.len() < 40_000, "{bytes} bytes in {} pages", site.files.len());
    assert!(page(&site, "contracts/_flow.html").contains("too many for one drawing"));
    assert!(page(&site, "contracts/t999.done.html").contains("aria-current=\"page\">t999"));
}
