//! A static catalog in HTML: pages for people, made of a catalog and nothing else.
//!
//! Every page is whole without a script and asks for nothing from anywhere: styles, script and search index lie beside
//! it, and a policy in the page forbids the rest. Templates are in `templates/docs`; what a contract says is escaped on
//! its way there. Same catalog, same bytes: no times, no hashes, no order of chance.

use std::path::Path;

use super::{Generated, GeneratedFile, WriteError, is_ours};
use crate::catalog::Catalog;

mod contract;
mod drawing;
mod graph;
mod history;
mod html;
mod lists;
mod page;
mod parts;
mod said;
mod search;
mod site;

use site::Site;

/// The files of every site that come from no contract.
const ASSETS: [(&str, &str); 3] = [
    ("assets/icon.svg", include_str!("../../templates/docs/assets/icon.svg")),
    ("assets/page.js", include_str!("../../templates/docs/assets/page.js")),
    ("assets/style.css", include_str!("../../templates/docs/assets/style.css")),
];

/// Makes the pages of a catalog: `index.html` and what it leads to.
///
/// Contracts have a page for each version; the newest has the plain name. Every folder has a list, so that pages of
/// what is gone are found and removed when the site is written again.
///
/// ```
/// use factum_contract::{Catalog, Source, generate::docs};
///
/// let catalog = Catalog::read(&[Source::new("system.yaml", "system: shop")])?;
/// let site = docs::generate(&catalog);
/// assert!(site.files.iter().any(|file| file.path == "index.html"));
/// # Ok::<(), factum_contract::CatalogError>(())
/// ```
#[must_use]
pub fn generate(catalog: &Catalog) -> Generated {
    let site = Site::new(catalog);
    let mut files = lists::write(&site);
    for contract in catalog.contracts() {
        files.push(GeneratedFile { path: site.path_of(contract), text: contract::write(&site, contract) });
    }
    for part in site.parts.iter().copied() {
        files.push(GeneratedFile { path: part.path(), text: parts::write(&site, part) });
    }
    files.push(GeneratedFile { path: "assets/search.js".to_owned(), text: search::write(&site) });
    for (path, text) in ASSETS {
        files.push(GeneratedFile { path: path.to_owned(), text: text.to_owned() });
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Generated { files, owns_folder: false }
}

/// Whether a site may be written into a folder: it is not there yet, is empty, or holds a site of ours.
///
/// # Errors
/// When it holds something else, or cannot be looked into.
pub fn claim(out: &Path) -> Result<(), WriteError> {
    let io_error = |source| WriteError::Io { path: out.to_owned(), source };
    let mut entries = match std::fs::read_dir(out) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io_error(error)),
    };
    let is_empty = entries.next().transpose().map_err(io_error)?.is_none();
    let index = out.join("index.html");
    if is_empty || (index.is_file() && is_ours(&index).map_err(io_error)?) {
        return Ok(());
    }
    Err(WriteError::Taken { path: out.to_owned() })
}

fn rendered(page: &impl askama::Template) -> String {
    // Pages hold no value that refuses to be written.
    html::visible(&page.render().expect("writing to a string does not fail"))
}
