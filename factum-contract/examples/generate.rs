//! Generates Rust from a folder of contracts: `generate <contracts> <out> [<path of rt>]`.

use std::error::Error;
use std::path::Path;

use factum_contract::generate::rust::{Options, generate};
use factum_contract::{check, folder};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [contracts, out, root @ ..] = arguments.as_slice() else {
        return Err("usage: generate <contracts> <out> [<path of rt>]".into());
    };
    let report = check(&folder::read(Path::new(contracts))?);
    let Some(catalog) = &report.catalog else { return Err(report.to_string().into()) };
    let mut options = Options::default();
    if let Some(root) = root.first() {
        options.root.clone_from(root);
    }
    generate(catalog, &options)?.write(Path::new(out))?;
    Ok(())
}
