//! The three contexts put together over one store.
//!
//! The only place that knows all three; what they know of each other is in the contracts.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use factum::contract::Contracts;
use factum::keys::KeyOptions;
use factum::{
    App, AppendError, Clock, Consumer, RetryPolicy, Running, Store, StoreError, StoreErrorKind, TokioClock,
};

use crate::orders::infrastructure::answers::Answers;
use crate::orders::infrastructure::customer_orders::CustomerOrders;
use crate::orders::infrastructure::order_summary::OrderSummary;
use crate::payments::infrastructure::{Charges, Refunds};
use crate::role::Role;
use crate::simulation::{Behaviour, Dial};
use crate::stock::infrastructure::{Releases, Reserves};
use crate::{contracts, orders, payments, stock};

mod http;

/// How long requests in hand may take once the shop is told to stop.
const REQUESTS_GRACE: Duration = Duration::from_millis(500);
/// How often it is looked whether requests in hand have ended.
const REQUESTS_LOOK: Duration = Duration::from_millis(5);

/// How the shop runs.
#[derive(Clone)]
pub struct Settings {
    /// How Payments behaves at first.
    pub payments: Behaviour,
    /// How Stock behaves at first.
    pub stock: Behaviour,
    /// How failures are dealt with; as the catalog says, when it is not said here.
    pub retry: Option<RetryPolicy>,
    /// Who tells the time of delays and timeouts.
    pub clock: Arc<dyn Clock>,
    /// Where the keys of personal data are.
    pub keys: KeyOptions,
    /// Which contexts run here; the others run elsewhere on the same store.
    pub role: Role,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            payments: Behaviour::default(),
            stock: Behaviour::default(),
            retry: None,
            clock: Arc::new(TokioClock::default()),
            keys: KeyOptions::default(),
            role: Role::default(),
        }
    }
}

/// Why the shop did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store cannot be used.
    #[error(transparent)]
    Open(#[from] factum::OpenError),
    /// The tables of the contexts cannot be made.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The app does not start.
    #[error(transparent)]
    Start(#[from] factum::StartError),
}

/// A running shop.
pub struct Shop {
    running: Arc<Running>,
    /// How Payments behaves.
    pub payments: Dial,
    /// How Stock behaves.
    pub stock: Dial,
    role: Role,
}

impl Shop {
    /// Opens the store that a URL names, `sqlite:orders.db`, `memory:` or `postgres://host/shop`, and starts the
    /// contexts on it.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn open(url: &str, settings: Settings) -> Result<Self, OpenError> {
        let contracts = Contracts::try_from(contracts::CATALOG).map_err(factum::OpenError::from)?;
        let opened = factum::open_with(url, contracts, settings.keys.clone()).await?;
        Self::over(opened.store, settings).await
    }

    /// Starts the contexts on a store that is open.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn over(store: Arc<dyn Store>, settings: Settings) -> Result<Self, OpenError> {
        make_tables(store.as_ref()).await?;
        let (payments, stock) = (Dial::new(settings.payments), Dial::new(settings.stock));
        let role = settings.role;
        let consumer = |name: &str| match &settings.retry {
            Some(retry) => Consumer::new(name).retry(retry.clone()),
            None => Consumer::new(name),
        };
        let mut app = App::new(store).clock(settings.clock.clone());
        for service in role.services() {
            app = app.service(service);
        }
        if role.runs(Role::Orders) {
            let payments = consumer("orders.payments")
                .on::<contracts::PaymentApproved>(Answers)
                .on::<contracts::PaymentDeclined>(Answers);
            let stock = consumer("orders.stock")
                .on::<contracts::StockReserved>(Answers)
                .on::<contracts::StockRejected>(Answers);
            app = app.consumer(payments).consumer(stock).projection(OrderSummary).projection(CustomerOrders);
        }
        if role.runs(Role::Payments) {
            let charges = Charges::new(payments.clone());
            app = app
                .consumer(consumer("payments.charge").on::<contracts::OrderPlaced>(charges))
                .consumer(consumer("payments.refund").on::<contracts::OrderCancelled>(Refunds));
        }
        if role.runs(Role::Stock) {
            let reserves = Arc::new(Reserves::new(stock.clone()));
            let reserve = consumer("stock.reserve")
                .on::<contracts::OrderPlaced>(reserves.clone())
                .on::<contracts::OrderPaid>(reserves);
            app = app
                .consumer(reserve)
                .consumer(consumer("stock.release").on::<contracts::OrderCancelled>(Releases));
        }
        Ok(Self { running: Arc::new(app.start().await?), payments, stock, role })
    }

    /// The running app.
    #[must_use]
    pub fn running(&self) -> &Running {
        &self.running
    }

    /// Everything that the shop answers over HTTP: health and metrics, and what its role has.
    pub fn router(&self) -> Router {
        http::router(self.running.clone(), self.role, &self.payments, &self.stock)
    }

    /// Finishes what is in hand and lets go of the store.
    pub async fn stop(self) {
        let mut running = self.running;
        let looks = REQUESTS_GRACE.as_millis() / REQUESTS_LOOK.as_millis();
        for _ in 0..looks {
            running = match Arc::try_unwrap(running) {
                Ok(running) => return running.stop().await,
                Err(running) => running,
            };
            tokio::time::sleep(REQUESTS_LOOK).await;
        }
        tracing::warn!("requests are still in hand; leaving as after a crash, which loses nothing");
    }
}

async fn make_tables(store: &dyn Store) -> Result<(), StoreError> {
    let contexts = [
        orders::infrastructure::shipping::SCHEMA,
        payments::infrastructure::SCHEMA,
        stock::infrastructure::SCHEMA,
    ];
    let mut work = store.begin().await?;
    for statement in contexts.into_iter().flatten() {
        work.execute((*statement).into(), vec![]);
    }
    match work.commit().await.into_result() {
        Ok(_) => Ok(()),
        Err(AppendError::Store(error) | AppendError::Unknown(error)) => Err(error),
        Err(error) => Err(StoreError::new(StoreErrorKind::Other, error.to_string())),
    }
}
