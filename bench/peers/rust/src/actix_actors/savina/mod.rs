//! The Savina members, as bench/savina/README.md has them. The central actor of each holds the stage.
mod barber;
mod matrix;
mod messages;
mod parallel;
mod sharing;

use super::{run, Threads, SIDE};
use crate::bench::Bench;
use crate::{answer, Answer};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

pub fn answers() -> Vec<Answer> {
    let members: [(&str, fn(&mut Bench, usize)); 13] = [
        ("fork-join-throughput", messages::fork_join_throughput),
        ("fork-join-create", messages::fork_join_create),
        ("chameneos", messages::chameneos),
        ("big", messages::big),
        ("concurrent-dictionary", sharing::dictionary),
        ("concurrent-sorted-list", sharing::sorted_list),
        ("bounded-buffer", sharing::bounded_buffer),
        ("dining-philosophers", sharing::philosophers),
        ("sleeping-barber", barber::sleeping_barber),
        ("cigarette-smokers", barber::cigarette_smokers),
        ("logistic-map", parallel::logistic_map),
        ("bank-transaction", parallel::bank_transaction),
        ("all-pairs-shortest-path", matrix::all_pairs_shortest_path),
    ];
    let answers = members.into_iter().flat_map(|(name, member)| {
        let name = format!("savina/{name}");
        let one = answer(SIDE, &name, move |bench| member(bench, 1));
        [one, answer(SIDE, &(name + "-threads"), move |bench| member(bench, 2))]
    });
    answers.collect()
}

/// An actor that receives messages of one type, in its own function receive().
macro_rules! actor {
    ($actor:ty, $message:ty) => {
        impl actix::Actor for $actor {
            type Context = actix::Context<Self>;
        }
        impl actix::Message for $message {
            type Result = ();
        }
        impl actix::Handler<$message> for $actor {
            type Result = ();
            fn handle(&mut self, message: $message, context: &mut actix::Context<Self>) {
                self.receive(message, context)
            }
        }
    };
}
use actor;

type Proofs = Vec<(&'static str, u64)>;

/// What the central actor knows of the run.
struct Stage {
    reports: u64,
    began: Instant,
    done: mpsc::UnboundedSender<(Duration, Proofs)>,
}

impl Stage {
    /// Just before the first message.
    fn begin(&mut self) {
        self.began = Instant::now();
    }

    /// After each report, with what has been added up by then. The last one ends the time and the run.
    fn reported<const N: usize>(&mut self, proofs: [(&'static str, u64); N]) {
        self.reports -= 1;
        if self.reports == 0 {
            self.done.send((self.began.elapsed(), proofs.to_vec())).expect("the driver waits");
        }
    }
}

/// Runs a member that makes so many reports and operations. `make` makes its actors and returns what starts them.
fn play<S: FnOnce()>(
    bench: &mut Bench,
    threads: usize,
    reports: u64,
    operations: u64,
    make: impl FnOnce(&Threads, Stage) -> S,
) {
    run(threads, |threads| async move {
        let (done, mut ends) = mpsc::unbounded_channel();
        let start = make(&threads, Stage { reports, began: Instant::now(), done });
        threads.settle().await;
        start();
        let (elapsed, proofs) = ends.recv().await.expect("the central actor");
        bench.time("time", elapsed, operations);
        proofs.iter().for_each(|(name, value)| bench.prove(name, *value));
    });
}

/// The share of one of so many actors.
fn share(bench: &Bench, actors: u64) -> u64 {
    (bench.count / actors).max(1)
}

/// The generator of the suite.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = (self.0.wrapping_mul(1309) + 13849) & 65535;
        self.0
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn real(&mut self) -> f64 {
        1.0 / (self.next() + 1) as f64
    }
}

/// One draw after the other. The compiler would make one multiplication of 16 draws, so it is not told what a draw gave.
fn busy(n: u64) -> u64 {
    let mut random = Random(n);
    for _ in 0..n {
        random.next();
        // SAFETY: there is no instruction in it.
        unsafe { std::arch::asm!("/* {0} */", inout(reg) random.0, options(nomem, nostack, preserves_flags)) };
    }
    random.0
}

/// The x of sine(), which goes in a message.
const X: f64 = 37.2;

fn sine(x: f64) {
    let sine = x.sin() * x.sin();
    assert!(sine > 0.0, "the sine is {sine}");
}
