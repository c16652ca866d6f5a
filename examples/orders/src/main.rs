//! `orders`: the shop over HTTP, or its story told in the terminal.

use std::future::IntoFuture;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use factum::keys::{KeyOptions, MasterKey, MasterKeyError};
use orders::role::Role;
use orders::shop::{OpenError, Settings, Shop};
use orders::simulation::Behaviour;
use orders::terminal::{Ink, Terminal};
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

/// The master key that is made where none is given.
const MASTER: &str = "master.key";
/// What a shell sees when the shop cannot open.
const EXIT_CANNOT_RUN: u8 = 3;
/// How long open connections may take to end; with the shop's own stop it stays under five seconds.
const CONNECTIONS_GRACE: Duration = Duration::from_millis(400);
/// How long stopping may take in all.
const STOP_MAX: Duration = Duration::from_millis(4_400);

/// Orders, Payments and Stock: places orders over HTTP and keeps every fact in one file.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Where to listen; only on this machine, because the API knows no accounts.
    #[arg(long, default_value = "127.0.0.1:8080", value_parser = loopback)]
    listen: SocketAddr,
    /// The file that keeps everything; `memory:` keeps it until the end.
    #[arg(long, default_value = "./data/orders.db")]
    data: PathBuf,
    /// A store elsewhere, for many processes: postgres://user:password@host/database (built with `--features postgres`).
    /// Keys of personal data lie beside it, in a schema of their own.
    #[arg(long, env = "ORDERS_STORE", hide_env_values = true, value_name = "URL")]
    store: Option<String>,
    /// What this process runs: orders, payments, stock or all. The others run elsewhere on the same store.
    #[arg(long, default_value_t, value_name = "ROLE")]
    role: Role,
    /// How Payments behaves at first: approve, decline, fail-first=N, fail-always, slow=MS, twice, out-of-order.
    #[arg(long, default_value_t, value_name = "BEHAVIOUR")]
    payments: Behaviour,
    /// How Stock behaves at first; the same words.
    #[arg(long, default_value_t, value_name = "BEHAVIOUR")]
    stock: Behaviour,
}

#[derive(Subcommand)]
enum Command {
    /// Tells a story in the terminal, fact by fact, and keeps nothing.
    Demo,
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr =
        text.parse().map_err(|_| "expected an address with a port, such as 127.0.0.1:8080".to_owned())?;
    if address.ip().is_loopback() {
        return Ok(address);
    }
    Err("expected an address of this machine alone, such as 127.0.0.1:8080: the API knows no accounts"
        .to_owned())
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let is_demo = matches!(arguments.command, Some(Command::Demo));
    log(if is_demo { "off" } else { "info" });
    let result = match arguments.command {
        Some(Command::Demo) => {
            orders::demo::tell(Terminal::detect()).await.map_err(|error| format!("{error:#}"))
        }
        None => serve(arguments).await,
    };
    let Err(why) = result else { return ExitCode::SUCCESS };
    let line = format!("orders: {}\n", why.replace('\n', " "));
    // Nobody is left to tell when standard error is closed.
    let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
    ExitCode::from(EXIT_CANNOT_RUN)
}

fn log(default: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let is_plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(is_terminal && !is_plain)
        .with_writer(std::io::stderr)
        .init();
}

async fn serve(arguments: Arguments) -> Result<(), String> {
    let listener =
        TcpListener::bind(arguments.listen).await.map_err(|error| taken(arguments.listen, &error))?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let place = Place::of(&arguments)?;
    let keys = keys(&arguments.data, &place)?;
    let settings = Settings {
        payments: arguments.payments,
        stock: arguments.stock,
        keys,
        role: arguments.role,
        ..Settings::default()
    };
    let shop = Shop::open(&place.url, settings).await.map_err(|error| unusable(&place.shown, &error))?;
    if arguments.data.with_file_name(MASTER).exists() {
        tracing::info!(
            "the master key of personal data lies beside it, in {MASTER}; a real shop keeps it elsewhere"
        );
    }
    // A shop whose greeting nobody reads is a shop all the same.
    let _ = greet(address, &place, arguments.role);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = axum::serve(listener, shop.router()).with_graceful_shutdown(async {
        // A sender that is gone means stop as well.
        let _ = stopped.await;
    });
    let mut server = tokio::spawn(server.into_future());
    tokio::select! {
        () = factum::app::asked_to_stop() => {}
        ended = &mut server => return Err(format!("the server ended: {ended:?}")),
    }
    tracing::info!("stopping");
    drop(stop);
    let ending = async {
        if tokio::time::timeout(CONNECTIONS_GRACE, &mut server).await.is_err() {
            server.abort();
        }
        shop.stop().await;
    };
    if tokio::time::timeout(STOP_MAX, ending).await.is_err() {
        tracing::warn!("not everything ended in time; leaving as after a crash, which loses nothing");
    }
    Ok(())
}

/// Where everything is kept.
struct Place {
    url: String,
    /// As it may be printed.
    shown: String,
    /// Whether it lives and ends with the process.
    is_memory: bool,
    /// Whether it is a file's.
    is_file: bool,
}

impl Place {
    fn of(arguments: &Arguments) -> Result<Self, String> {
        if let Some(url) = &arguments.store {
            return Ok(Self { url: url.clone(), shown: redacted(url), is_memory: false, is_file: false });
        }
        let data = &arguments.data;
        let text =
            data.to_str().ok_or_else(|| format!("{} is not a name that can be used", data.display()))?;
        if text == "memory:" {
            let (url, shown) = (text.to_owned(), text.to_owned());
            return Ok(Self { url, shown, is_memory: true, is_file: false });
        }
        Ok(Self { url: format!("sqlite:{text}"), shown: text.to_owned(), is_memory: false, is_file: true })
    }
}

/// A URL without its password.
fn redacted(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let rest = rest.split('?').next().unwrap_or_default();
    let end = rest.find('/').unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => {
            let user = rest[..at].split(':').next().unwrap_or_default();
            format!("{scheme}://{user}{}", &rest[at..])
        }
        None => format!("{scheme}://{rest}"),
    }
}

/// The keys of personal data beside the store, under the master key of the environment, else one that lies beside the
/// data: good for a try, and too near for a real shop.
fn keys(data: &Path, place: &Place) -> Result<KeyOptions, String> {
    let told = |error: MasterKeyError| error.to_string();
    if place.is_memory {
        return Ok(KeyOptions::default());
    }
    if data.is_dir() {
        return Err(format!("{} is a folder; name a file in it", data.display()));
    }
    if let Some(folder) = data.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)
            .map_err(|error| format!("folder {} cannot be written: {error}", folder.display()))?;
    }
    let options = KeyOptions::default();
    if let Some(master) = MasterKey::given().map_err(told)? {
        return Ok(options.master(master));
    }
    let path = data.with_file_name(MASTER);
    if path.exists() {
        return Ok(options.master(MasterKey::read(&path).map_err(told)?));
    }
    Ok(options.master(MasterKey::make(&path).map_err(told)?))
}

fn taken(address: SocketAddr, error: &std::io::Error) -> String {
    if error.kind() == std::io::ErrorKind::AddrInUse {
        return format!("port {} is in use; choose another with --listen {}:0", address.port(), address.ip());
    }
    format!("cannot listen on {address}: {error}")
}

fn unusable(shown: &str, error: &OpenError) -> String {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    let mut texts: Vec<String> = causes.map(ToString::to_string).collect();
    texts.dedup();
    format!("{shown} cannot be used: {}", texts.join(": "))
}

fn greet(address: SocketAddr, place: &Place, role: Role) -> std::io::Result<()> {
    let terminal = Terminal::detect();
    let here = format!("http://{address}");
    let body = r#"{"customerId": "c-1", "currency": "EUR",
    "items": [{"productId": "teapot", "quantity": 2, "price": "10.50"}],
    "shippingAddress": {"street": "Lane 1", "city": "Bonn", "postalCode": "53111", "country": "DE"}}"#;
    let dim = |text: &str| terminal.paint(Ink::Dim, text);
    let features = if place.is_file || place.is_memory { "" } else { " --features postgres" };
    let mut steps = Vec::new();
    if role.runs(Role::Orders) {
        steps.push(("place an order", format!("curl -s {here}/orders -d '{body}'")));
        steps.push(("see it", format!("curl -s '{here}/orders/ORDER_ID?wait=1000'")));
        steps.push(("see its events", format!("curl -s {here}/orders/ORDER_ID/events")));
    }
    let tail = format!("cargo run -qp factum-cli{features} -- tail --store '{}'", place.shown);
    steps.push(("watch all facts", if place.is_file { tail.replace('\'', "") } else { tail }));
    for context in ["payments", "stock"] {
        if role.services().any(|service| service == context) {
            let change = format!("curl -sX PUT {here}/simulation/{context} -d '{{\"answer\": \"decline\"}}'");
            steps.push(("change the weather", change));
            break;
        }
    }
    steps.push(("stop", "ctrl-c; the next start goes on from here".to_owned()));
    let who = if role == Role::All { "orders".to_owned() } else { format!("orders, role {role},") };
    terminal.line(&format!(
        "{} listens on {}, keeps {}\n",
        terminal.paint(Ink::Bold, &who),
        terminal.paint(Ink::Bold, &here),
        terminal.paint(Ink::Bold, &place.shown)
    ))?;
    for (what, how) in steps {
        terminal.line(&format!("{}\n  {how}", dim(what)))?;
    }
    terminal.line("")
}
