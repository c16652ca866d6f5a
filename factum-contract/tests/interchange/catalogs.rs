//! The catalogs that the tests share.

use std::path::{Path, PathBuf};

use factum_contract::generate::Generated;
use factum_contract::generate::asyncapi::{self, Format, Options};
use factum_contract::{Catalog, check, folder};

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn read(path: &Path) -> Catalog {
    let report = check(&folder::read(path).unwrap());
    assert!(report.findings.is_empty(), "{report}");
    report.catalog.unwrap()
}

/// The shop.
pub(crate) fn flagship() -> Catalog {
    read(&here().join("../examples/orders/contracts"))
}

/// One of everything, with names and words that are hard to write.
pub(crate) fn rich() -> Catalog {
    read(&here().join("tests/interchange/rich"))
}

/// The AsyncAPI document of a catalog.
pub(crate) fn document(catalog: &Catalog, format: Format) -> String {
    let options = Options { format, ..Options::default() };
    asyncapi::generate(catalog, &options).unwrap().files.remove(0).text
}

/// All files as one text.
pub(crate) fn all(generated: &Generated) -> String {
    let files = generated.files.iter().map(|file| format!("==== {}\n{}", file.path, file.text));
    files.collect::<Vec<String>>().join("\n")
}
