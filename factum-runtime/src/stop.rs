//! The word "stop", passed down from whoever runs to whatever was started.

use std::sync::Arc;

use tokio::sync::watch;

/// Says stop, once.
#[derive(Clone)]
pub(crate) struct Stopper(Arc<watch::Sender<bool>>);

/// Hears stop.
#[derive(Clone)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stopper {
    pub(crate) fn new() -> (Self, Stop) {
        let (sender, receiver) = watch::channel(false);
        (Self(Arc::new(sender)), Stop(receiver))
    }

    pub(crate) fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    pub(crate) fn is_stopped(&self) -> bool {
        *self.0.borrow()
    }

    /// Ends when stop is said, or when nobody is left to say it.
    pub(crate) async fn stopped(&self) {
        let mut receiver = self.0.clone();
        // An error means that the sender is gone: there is nobody to run for.
        let _ = receiver.wait_for(|stopped| *stopped).await;
    }
}
