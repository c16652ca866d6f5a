//! Generates Rust from a folder of contracts: `generate <contracts> <out>`.

use std::error::Error;
use std::path::Path;

use factum_contract::{check, folder, generate::rust};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [contracts, out] = arguments.as_slice() else {
        return Err("usage: generate <contracts> <out>".into());
    };
    let report = check(&folder::read(Path::new(contracts))?);
    let Some(catalog) = &report.catalog else { return Err(report.to_string().into()) };
    rust::generate(catalog, &rust::Options::default())?.write(Path::new(out))?;
    Ok(())
}
