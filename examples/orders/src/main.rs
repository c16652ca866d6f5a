//! `orders`: the shop over HTTP, or its story told in the terminal.

use std::future::IntoFuture;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use factum::keys::{KeyOptions, MasterKey, MasterKeyError};
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
    let url = url_of(&arguments.data)?;
    let keys = keys(&arguments.data)?;
    let settings =
        Settings { payments: arguments.payments, stock: arguments.stock, keys, ..Settings::default() };
    let shop = Shop::open(&url, settings).await.map_err(|error| unusable(&arguments.data, &error))?;
    if arguments.data.with_file_name(MASTER).exists() {
        tracing::info!(
            "the master key of personal data lies beside it, in {MASTER}; a real shop keeps it elsewhere"
        );
    }
    // A shop whose greeting nobody reads is a shop all the same.
    let _ = greet(address, &arguments.data);
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

fn url_of(data: &Path) -> Result<String, String> {
    let text = data.to_str().ok_or_else(|| format!("{} is not a name that can be used", data.display()))?;
    if text == "memory:" {
        return Ok(text.to_owned());
    }
    if let Some(folder) = data.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)
            .map_err(|error| format!("folder {} cannot be written: {error}", folder.display()))?;
    }
    Ok(format!("sqlite:{text}"))
}

/// The master key of the environment, else one beside the data: good for a try, and too near for a real shop.
fn keys(data: &Path) -> Result<KeyOptions, String> {
    let told = |error: MasterKeyError| error.to_string();
    if data == Path::new("memory:") {
        return Ok(KeyOptions::default());
    }
    if data.is_dir() {
        return Err(format!("{} is a folder; name a file in it", data.display()));
    }
    if let Some(master) = MasterKey::given().map_err(told)? {
        return Ok(KeyOptions::default().master(master));
    }
    let path = data.with_file_name(MASTER);
    if path.exists() {
        return Ok(KeyOptions::default().master(MasterKey::read(&path).map_err(told)?));
    }
    Ok(KeyOptions::default().master(MasterKey::make(&path).map_err(told)?))
}

fn taken(address: SocketAddr, error: &std::io::Error) -> String {
    if error.kind() == std::io::ErrorKind::AddrInUse {
        return format!("port {} is in use; choose another with --listen {}:0", address.port(), address.ip());
    }
    format!("cannot listen on {address}: {error}")
}

fn unusable(data: &Path, error: &OpenError) -> String {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    let mut texts: Vec<String> = causes.map(ToString::to_string).collect();
    texts.dedup();
    format!("{} cannot be used: {}", data.display(), texts.join(": "))
}

fn greet(address: SocketAddr, data: &Path) -> std::io::Result<()> {
    let terminal = Terminal::detect();
    let here = format!("http://{address}");
    let body = r#"{"customerId": "c-1", "currency": "EUR",
    "items": [{"productId": "teapot", "quantity": 2, "price": "10.50"}],
    "shippingAddress": {"street": "Lane 1", "city": "Bonn", "postalCode": "53111", "country": "DE"}}"#;
    let dim = |text: &str| terminal.paint(Ink::Dim, text);
    let steps = [
        ("place an order", format!("curl -s {here}/orders -d '{body}'")),
        ("see it", format!("curl -s '{here}/orders/ORDER_ID?wait=1000'")),
        ("see its events", format!("curl -s {here}/orders/ORDER_ID/events")),
        ("watch all facts", format!("cargo run -qp factum-cli -- tail --store {}", data.display())),
        (
            "change the weather",
            format!("curl -sX PUT {here}/simulation/payments -d '{{\"answer\": \"decline\"}}'"),
        ),
        ("stop", "ctrl-c; the next start goes on from here".to_owned()),
    ];
    terminal.line(&format!(
        "{} listens on {}, keeps {}\n",
        terminal.paint(Ink::Bold, "orders"),
        terminal.paint(Ink::Bold, &here),
        terminal.paint(Ink::Bold, &data.display().to_string())
    ))?;
    for (what, how) in steps {
        terminal.line(&format!("{}\n  {how}", dim(what)))?;
    }
    terminal.line("")
}
