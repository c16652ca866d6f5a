//! Nothing that is logged, traced, returned as an error or printed by `Debug` shows a personal value, a key or a password.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use factum::keys::{KeyOptions, MasterKey};
use factum::{App, Consumer, Context, Envelope, Expected, Failure, Handler, RetryPolicy};
use tracing_subscriber::fmt::MakeWriter;

use crate::kit::*;

/// What must not be found either.
const PASSWORD: &str = "canary-password";

/// Everything that is logged or traced, at every level.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<u8>>>);

impl Write for Heard {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Heard {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

/// Fails, and says all that it knows of its event, as careless handlers do.
struct Careless;

impl Handler<Joined> for Careless {
    async fn handle(&self, event: Joined, _: &mut Context<'_>) -> Result<(), Failure> {
        tracing::error!(?event, email = %event.email, "it does not work");
        Err(Failure::from(format!("it does not work: {event:?}, {}", event.email)))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_log_trace_or_error_holds_a_personal_value_or_a_password() {
    let heard = Heard::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false);
    let spans = tracing_subscriber::fmt::format::FmtSpan::FULL;
    subscriber.with_span_events(spans).with_writer(heard.clone()).try_init().unwrap();
    let mut said: Vec<String> = Vec::new();

    let place = Place::new();
    let opened = place.open().await;
    append(&opened.store, &joined("c-1", CANARY)).await;
    let once = RetryPolicy { immediate: 1, attempts: 1, ..RetryPolicy::default() };
    let consumer = Consumer::new("careless").on::<Joined>(Careless).retry(once);
    let app = App::new(opened.store.clone()).consumer(consumer).projection(Addresses).start().await.unwrap();
    let admin = app.admin();
    let dead = async {
        while admin.letters(factum::admin::Which::Dead, None).await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(SOON, dead).await.unwrap();
    said.push(format!("{:?}", admin.letters(factum::admin::Which::Dead, None).await.unwrap()));
    said.push(app.metrics().await.unwrap());

    // Payloads that break their contract where the value stands.
    for data in [
        format!("{{\"customerId\":\"c-1\",\"email\":[\"{CANARY}\"]}}"),
        format!("{{\"customerId\":\"c-1\",\"email\":{{\"{CANARY}\":1}}}}"),
        format!("{{\"customerId\":\"c-1\",\"email\":\"{CANARY}\""),
    ] {
        let event = Envelope { data: data.into(), ..joined("c-1", "x") };
        let error = opened.store.append(&event.stream().unwrap(), Expected::Any, &[event]).await.unwrap_err();
        said.push(format!("{error} {error:?}"));
    }
    for scheme in ["postgres", "mysql"] {
        let url = format!("{scheme}://ann:{PASSWORD}@localhost:1/shop");
        let Err(error) = factum::open(&url, CATALOG).await else { panic!("{scheme} was opened") };
        said.push(format!("{error} {error:?}"));
    }
    let admin = app.admin();
    let forgot = admin.forget("c-1", opened.maintenance.as_ref(), &mut |_, _| {}).await.unwrap();
    said.push(format!("{forgot:?} {:?}", admin.audit().await.unwrap()));
    app.stop().await;

    let key = std::fs::read_to_string({
        MasterKey::make(&place.path("master.key")).unwrap();
        place.path("master.key")
    });
    let key = key.unwrap().trim().to_owned();
    let options = KeyOptions::default().master(key.parse().unwrap());
    said.push(format!("{options:?}"));
    let contracts = factum::contract::Contracts::try_from(CATALOG).unwrap();
    let error = factum::open_with(&place.url(), contracts, options).await.unwrap_err();
    said.push(format!("{error:?}"));

    let logged = String::from_utf8_lossy(&heard.0.lock().unwrap()).into_owned();
    assert!(logged.contains("it does not work") && logged.contains("handle"), "the run was heard");
    said.push(logged);
    for text in &said {
        for secret in ["canary", key.as_str()] {
            let at = text
                .find(secret)
                .map(|at| text[at.saturating_sub(200)..].chars().take(300).collect::<String>());
            assert!(at.is_none(), "{secret}: {at:?}");
        }
    }
}
