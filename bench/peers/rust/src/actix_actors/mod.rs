//! Actix. Its mailboxes take all that do_send() sends, so streams have a window: a receiver acknowledges each block.
mod call;
mod life;
mod many;
mod message;
mod savina;
mod supervision;

use crate::threads::one_thread;
use crate::Answer;
use actix::{Actor, Addr, Arbiter, ArbiterHandle, Context, System};
use std::future::Future;
use tokio::sync::{mpsc, oneshot};

const SIDE: &str = "actix";

pub fn answers() -> Vec<Answer> {
    let all = [
        message::answers(),
        call::answers(),
        many::answers(),
        life::answers(),
        supervision::answers(),
        savina::answers(),
    ];
    all.into_iter().flatten().collect()
}

/// The threads that actors live on; the driver is on the first.
pub struct Threads {
    handles: Vec<ArbiterHandle>,
    others: Vec<Arbiter>,
}

impl Threads {
    fn start(count: usize) -> Threads {
        let others: Vec<Arbiter> = (1..count).map(|_| Arbiter::with_tokio_rt(one_thread)).collect();
        let handles = std::iter::once(Arbiter::current()).chain(others.iter().map(Arbiter::handle)).collect();
        Threads { handles, others }
    }

    /// Starts an actor on thread `index` mod their number.
    pub fn spawn<A: Actor<Context = Context<A>> + Send>(&self, index: usize, actor: A) -> Addr<A> {
        A::start_in_arbiter(&self.handles[index % self.handles.len()], move |_| actor)
    }

    /// Waits until all actors have been started.
    pub async fn settle(&self) {
        for handle in &self.handles {
            let (here, there) = oneshot::channel();
            handle.spawn_fn(move || here.send(()).expect("the driver waits"));
            there.await.expect("a thread");
        }
    }

    fn stop(self) {
        for other in self.others {
            other.stop();
            other.join().expect("a thread");
        }
    }
}

/// Runs what `make` makes on the first of so many threads.
pub fn run<F: Future>(threads: usize, make: impl FnOnce(std::rc::Rc<Threads>) -> F) -> F::Output {
    System::with_tokio_rt(one_thread).block_on(async {
        let threads = std::rc::Rc::new(Threads::start(threads));
        let output = make(threads.clone()).await;
        std::rc::Rc::into_inner(threads).expect("nobody else holds the threads").stop();
        output
    })
}

/// With this an actor says that it is done.
pub type Bell = mpsc::UnboundedSender<()>;
pub type Rung = mpsc::UnboundedReceiver<()>;

pub async fn rung(bell: &mut Rung, times: u64) {
    for _ in 0..times {
        bell.recv().await.expect("somebody who rings");
    }
}
