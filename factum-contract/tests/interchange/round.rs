//! What is written reads back as what it was.

use factum_contract::generate::asyncapi::Format;
use factum_contract::import::asyncapi;
use factum_contract::{Catalog, Source, canonical, meaning};

use crate::catalogs::{document, flagship, rich};

fn reads(name: &str, text: &str) -> Vec<Source> {
    let imported = asyncapi(name, text.as_bytes()).unwrap();
    assert!(imported.notes.is_empty(), "{:#?}", imported.notes);
    imported.files
}

#[test]
fn a_catalog_comes_back_from_its_document() {
    for catalog in [flagship(), rich()] {
        let written = canonical::files(&catalog);
        for format in [Format::Yaml, Format::Json] {
            let read = reads("asyncapi.yaml", &document(&catalog, format));
            for (one, other) in written.iter().zip(&read) {
                assert_eq!(one, other);
            }
            assert_eq!(written.len(), read.len());
        }
    }
}

#[test]
fn what_came_back_means_the_same() {
    for catalog in [flagship(), rich()] {
        let read = Catalog::read(&reads("asyncapi.json", &document(&catalog, Format::Json))).unwrap();
        for contract in catalog.contracts() {
            let other = read.contract(contract.name.as_str(), contract.version).unwrap();
            assert_eq!(meaning::of_schema(&contract.payload), meaning::of_schema(&other.payload));
            assert_eq!(contract.event_type(), other.event_type());
        }
        assert_eq!(document(&catalog, Format::Yaml), document(&read, Format::Yaml));
    }
}
