//! Kameo: actors on tokio, with Erlang's kind of supervisors. Its runtimes are those of tokio-channels.
mod call;
mod life;
mod message;
mod supervision;
mod timers;

use crate::Answer;
use tokio::sync::mpsc;

const SIDE: &str = "kameo";

pub fn answers() -> Vec<Answer> {
    [message::answers(), call::answers(), life::answers(), timers::answers(), supervision::answers()]
        .into_iter()
        .flatten()
        .collect()
}

/// An actor that is what it is started with, and cannot fail as it starts.
macro_rules! actor {
    ($name:ty) => {
        impl kameo::Actor for $name {
            type Args = Self;
            type Error = kameo::error::Infallible;
            async fn on_start(state: Self, _: kameo::actor::ActorRef<Self>) -> Result<Self, Self::Error> {
                Ok(state)
            }
        }
    };
}
pub(crate) use actor;

/// With this an actor says that it is done.
type Bell = mpsc::UnboundedSender<()>;

async fn rung(bell: &mut mpsc::UnboundedReceiver<()>, times: u64) {
    for _ in 0..times {
        bell.recv().await.expect("somebody who rings");
    }
}
