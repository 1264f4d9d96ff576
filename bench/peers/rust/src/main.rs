//! The Rust peer. bench/README.md says what each workload is. Its sides:
//!
//!     tokio-channels       tokio's tasks and mpsc channels
//!     tokio-channels-free  the same left to the scheduler of two threads, for streams: it may run both ends on one
//!     actix                actors of Actix
//!     kameo                actors and supervisors of Kameo
//!
//! Settings, with what was tried, in instructions by operation unless time is said:
//!
//!     runtime     on one thread tokio's current_thread; with threads two of them, so that the ends are where they should be.
//!                 One multi_thread runtime runs both ends on one thread when it likes: that is tokio-channels-free.
//!                 event_interval makes no difference.
//!     streams     try_send() first and send() where that is refused, and recv_many(): 179 in counting, of 459 with send() and
//!                 recv(). Without tokio's budget (unconstrained): 450.
//!     mailboxes   unbounded, which costs less, wherever no more messages can be there than the workload has; else 1,000.
//!     life/spawn  a task with a channel, as an actor has a mailbox; a oneshot, which is none, would be 0.6 of it.
//!     timers      tokio-util's DelayQueue. Actix has a list for each actor, which cancelling goes through: a million are not for it.
//!     allocator   mimalloc, which programs in Rust that are to be fast often take: 346 of 585 with glibc's in Actix's counting,
//!                 where each message is a box, 1591 of 3153 in life/spawn of tokio-channels
//!     panic       aborts: what fails here panics, and no figure comes out of work that was not done. Kameo's children fail by
//!                 an error instead, which needs no unwinding.
//!     kameo       without its feature `tracing`, which makes a span for each message
mod actix_actors;
mod bench;
mod clock;
mod ends;
mod kameo_actors;
mod threads;
mod tokio_channels;

use bench::Bench;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A workload and how it is done.
pub struct Answer {
    workload: String,
    side: &'static str,
    run: Box<dyn Fn(&mut Bench)>,
}

pub fn answer(side: &'static str, workload: &str, run: impl Fn(&mut Bench) + 'static) -> Answer {
    Answer { workload: workload.to_string(), side, run: Box::new(run) }
}

fn answers() -> Vec<Answer> {
    [tokio_channels::answers(), actix_actors::answers(), kameo_actors::answers()].into_iter().flatten().collect()
}

/// What is said below a table: what it is, and where it does not do what others do.
fn version(workload: &str, side: &str) -> String {
    let runtime = concat!("tokio ", env!("TOKIO"), ", rustc ", env!("RUSTC_VERSION"));
    match side {
        "actix" if workload == "supervision/restart" => {
            format!("{} {} ({runtime}); its restart keeps the object, the mailbox and the address", side, env!("ACTIX"))
        }
        "actix" => format!("{} {} ({runtime})", side, env!("ACTIX")),
        "kameo" => format!("{} {} ({runtime})", side, env!("KAMEO")),
        _ => runtime.to_string(),
    }
}

/// The numbers among the NAME=VALUE arguments of measure; those that are not known are ignored.
fn option(options: &[String], name: &str) -> Result<u64, String> {
    let values = options.iter().filter_map(|option| option.split_once('='));
    match values.filter(|(key, _)| *key == name).last() {
        None => Ok(0),
        Some((_, value)) => value.parse().map_err(|_| format!("{name} is not a number: {value}")),
    }
}

fn measure(workload: &str, side: &str, options: &[String]) -> Result<(), String> {
    let answers = answers();
    let found = answers.iter().find(|answer| answer.workload == workload && answer.side == side);
    let answer = found.ok_or(format!("there is no workload {workload} of the side {side}"))?;
    let (count, warm, seed) = (option(options, "count")?, option(options, "warm")?, option(options, "seed")?);
    if count == 0 {
        return Err("count must be 1 or more".to_string());
    }
    if warm > 0 {
        (answer.run)(&mut Bench { count: warm, seed, ..Bench::default() });
    }
    let mut bench = Bench { count, seed, ..Bench::default() };
    (answer.run)(&mut bench);
    print!("version {}\n{}", version(workload, side), bench.lines);
    Ok(())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.as_slice() {
        [command] if command == "list" => {
            answers().iter().for_each(|answer| println!("{} {}", answer.workload, answer.side));
            Ok(())
        }
        [command, workload, side, options @ ..] if command == "measure" => measure(workload, side, options),
        _ => Err("usage: rust list | rust measure WORKLOAD SIDE count=N ...".to_string()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("rust: {reason}");
            ExitCode::from(2)
        }
    }
}
