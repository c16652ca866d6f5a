//! The word "stop", passed down from whoever runs to whatever was started.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

/// Says stop, once.
#[derive(Clone)]
pub(crate) struct Stopper {
    said: Arc<AtomicBool>,
    sender: Arc<watch::Sender<bool>>,
}

/// Hears stop.
#[derive(Clone)]
pub(crate) struct Stop {
    /// Beside the channel, whose lock is too dear to ask before every event.
    said: Arc<AtomicBool>,
    receiver: watch::Receiver<bool>,
}

impl Stopper {
    pub(crate) fn new() -> (Self, Stop) {
        let (sender, receiver) = watch::channel(false);
        let said = Arc::new(AtomicBool::new(false));
        (Self { said: said.clone(), sender: Arc::new(sender) }, Stop { said, receiver })
    }

    pub(crate) fn stop(&self) {
        self.said.store(true, Ordering::Release);
        self.sender.send_replace(true);
    }
}

impl Stop {
    pub(crate) fn is_stopped(&self) -> bool {
        self.said.load(Ordering::Acquire)
    }

    /// Ends when stop is said, or when nobody is left to say it.
    pub(crate) async fn stopped(&self) {
        let mut receiver = self.receiver.clone();
        // An error means that the sender is gone: there is nobody to run for.
        let _ = receiver.wait_for(|stopped| *stopped).await;
    }
}
