//! Tokio's tasks and channels.
//!
//!     tokio-channels       on one thread a runtime of its own kind; with threads, two of them, one for each end
//!     tokio-channels-free  the same in one runtime with two threads, which places tasks as it likes, for streams
mod call;
mod life;
mod many;
mod message;
mod timers;

use crate::Answer;

const SIDE: &str = "tokio-channels";
const FREE_SIDE: &str = "tokio-channels-free";

pub fn answers() -> Vec<Answer> {
    [message::answers(), call::answers(), many::answers(), life::answers(), timers::answers()]
        .into_iter()
        .flatten()
        .collect()
}
