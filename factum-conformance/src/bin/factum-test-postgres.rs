//! Starts a PostgreSQL for tests, prints its URL, and stops it when its own input ends.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "its URL is what it is for")]

use std::process::ExitCode;

fn main() -> ExitCode {
    let server = match factum_conformance::postgres::PostgresServer::start() {
        Ok(server) => server,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("{}", server.url());
    let mut line = String::new();
    // Whatever is said ends it, and so does nothing more to come.
    let _ = std::io::stdin().read_line(&mut line);
    ExitCode::SUCCESS
}
