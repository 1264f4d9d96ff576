//! Supervision. A child fails by an error, not by a panic, which would have to be unwound. A child cannot live on another
//! thread than its supervisor, other than on one of its own that is new each time, so nothing is done across threads.
use super::{Bell, SIDE};
use crate::bench::{payload, Bench, Payload};
use crate::threads::one_thread;
use crate::{answer, Answer};
use kameo::actor::{ActorRef, Spawn, WeakActorRef};
use kameo::error::{ActorStopReason, Infallible};
use kameo::message::{Context, Message};
use kameo::supervision::SupervisionStrategy;
use kameo::{mailbox, Actor};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

const GROUP: u64 = 1000;
const SHUTDOWN: u64 = 100_000;
const STORMS: [u64; 6] = [1, 10, 100, 1000, 10_000, 100_000];

pub fn answers() -> Vec<Answer> {
    let mut answers = vec![
        answer(SIDE, "supervision/restart", |bench| storm(bench, 1)),
        answer(SIDE, "supervision/group", group),
        answer(SIDE, "supervision/shutdown", shutdown),
    ];
    for children in STORMS {
        answers.push(answer(SIDE, &format!("supervision/storm-{children}"), move |bench| storm(bench, children)));
    }
    answers
}

/// What the children of one supervisor count, and whom the last of a round tells.
struct Nursery {
    children: u64,
    starts: AtomicU64,
    stops: AtomicU64,
    all_up: Bell,
}

struct Child {
    nursery: Arc<Nursery>,
}

impl Actor for Child {
    type Args = Arc<Nursery>;
    type Error = Infallible;
    async fn on_start(nursery: Arc<Nursery>, _: ActorRef<Self>) -> Result<Self, Infallible> {
        if (nursery.starts.fetch_add(1, Relaxed) + 1) % nursery.children == 0 {
            nursery.all_up.send(()).expect("the driver waits");
        }
        Ok(Child { nursery })
    }
    async fn on_stop(&mut self, _: WeakActorRef<Self>, _: ActorStopReason) -> Result<(), Infallible> {
        self.nursery.stops.fetch_add(1, Relaxed);
        Ok(())
    }
}

struct Fail(#[allow(dead_code)] Payload);

#[derive(Debug)]
struct Failed;

impl Message<Fail> for Child {
    type Reply = Result<(), Failed>;
    async fn handle(&mut self, _: Fail, _: &mut Context<Self, Self::Reply>) -> Result<(), Failed> {
        Err(Failed)
    }
}

/// Restarts one of its children, or all of them.
struct Supervisor<const ALL: bool>;

impl<const ALL: bool> Actor for Supervisor<ALL> {
    type Args = Self;
    type Error = Infallible;
    fn supervision_strategy() -> SupervisionStrategy {
        if ALL {
            SupervisionStrategy::OneForAll
        } else {
            SupervisionStrategy::OneForOne
        }
    }
    async fn on_start(state: Self, _: ActorRef<Self>) -> Result<Self, Infallible> {
        Ok(state)
    }
}

/// A supervisor and its children, all of which have been started.
struct Family<const ALL: bool> {
    supervisor: ActorRef<Supervisor<ALL>>,
    children: Vec<ActorRef<Child>>,
    nursery: Arc<Nursery>,
    all_up: mpsc::UnboundedReceiver<()>,
}

impl<const ALL: bool> Family<ALL> {
    async fn start(count: u64) -> Self {
        let (bell, all_up) = mpsc::unbounded_channel();
        let (starts, stops) = (AtomicU64::new(0), AtomicU64::new(0));
        let nursery = Arc::new(Nursery { children: count, starts, stops, all_up: bell });
        let supervisor = Supervisor::<ALL>::spawn_with_mailbox(Supervisor, mailbox::unbounded());
        let mut children = Vec::with_capacity(count as usize);
        for _ in 0..count {
            let child = Child::supervise(&supervisor, nursery.clone()).restart_limit(u32::MAX, Duration::from_secs(1));
            children.push(child.spawn_with_mailbox(mailbox::unbounded()).await);
        }
        let mut family = Family { supervisor, children, nursery, all_up };
        family.await_up().await;
        family
    }

    async fn await_up(&mut self) {
        self.all_up.recv().await.expect("the last child");
    }

    /// Makes the first so many fail, and waits until all are up again.
    async fn fail(&mut self, count: u64) {
        for (i, child) in self.children.iter().take(count as usize).enumerate() {
            child.tell(Fail(payload(i as u64))).try_send().expect("a child");
        }
        self.await_up().await;
    }

    /// So many rounds, after one that is not measured. Returns how many starts there were in them.
    async fn rounds(&mut self, rounds: u64, failing: u64, bench: &mut Bench) -> u64 {
        self.fail(failing).await;
        let before = self.nursery.starts.load(Relaxed);
        let began = Instant::now();
        for _ in 0..rounds {
            self.fail(failing).await;
        }
        bench.elapsed(began, rounds * self.nursery.children);
        self.nursery.starts.load(Relaxed) - before
    }

    async fn stop(&self) {
        self.supervisor.stop_gracefully().await.expect("the supervisor");
        self.supervisor.wait_for_shutdown().await;
    }
}

fn storm(bench: &mut Bench, children: u64) {
    one_thread().block_on(async {
        let rounds = (bench.count / children).max(1);
        let mut family = Family::<false>::start(children).await;
        let restarts = family.rounds(rounds, children, bench).await;
        family.stop().await;
        bench.prove("restarts", restarts);
    });
}

fn group(bench: &mut Bench) {
    one_thread().block_on(async {
        let rounds = (bench.count / GROUP).max(1);
        let mut family = Family::<true>::start(GROUP).await;
        let restarts = family.rounds(rounds, 1, bench).await;
        family.stop().await;
        bench.prove("children", restarts);
    });
}

/// Kameo's supervisors tell all children to stop, in no order, and wait until all have: no order is to be had.
fn shutdown(bench: &mut Bench) {
    let children = bench.count.min(SHUTDOWN);
    one_thread().block_on(async {
        let (mut elapsed, mut stops) = (Duration::ZERO, 0);
        let rounds = bench.count / children;
        for _ in 0..rounds {
            let family = Family::<false>::start(children).await;
            let began = Instant::now();
            family.stop().await;
            elapsed += began.elapsed();
            stops += family.nursery.stops.load(Relaxed);
        }
        bench.time("time", elapsed, rounds * children);
        bench.prove("children", stops);
    });
}
