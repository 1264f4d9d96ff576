//! What the actors of one thread were sent, counted as they end: by the actor's own hook, without a message for each.
use crate::bench::{Payload, Tally};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tokio::sync::mpsc;

/// Kameo wants what its actors hold to be shareable among threads; relaxed loads and stores are plain ones.
pub struct Ends {
    made: AtomicU64,
    ended: AtomicU64,
    sum: AtomicU64,
    all_ended: mpsc::UnboundedSender<()>,
}

impl Ends {
    pub fn new() -> (Ends, mpsc::UnboundedReceiver<()>) {
        let (all_ended, bell) = mpsc::unbounded_channel();
        let zero = || AtomicU64::new(0);
        (Ends { made: zero(), ended: zero(), sum: zero(), all_ended }, bell)
    }

    /// So many more are being made; none of them runs before the driver waits for the bell.
    pub fn expect(&self, actors: u64) {
        self.made.store(self.made.load(Relaxed) + actors, Relaxed);
    }

    /// An actor that has handled this ends. The last of those that were made rings.
    pub fn count(&self, handled: &Payload) {
        let mut tally = self.tally();
        tally.add(handled);
        self.ended.store(tally.messages, Relaxed);
        self.sum.store(tally.sum, Relaxed);
        if tally.messages == self.made.load(Relaxed) {
            self.all_ended.send(()).expect("the driver waits");
        }
    }

    pub fn tally(&self) -> Tally {
        Tally { messages: self.ended.load(Relaxed), sum: self.sum.load(Relaxed) }
    }
}
