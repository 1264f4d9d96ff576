//! Runtimes, and where the ends of a workload are.
use std::future::Future;
use std::thread::JoinHandle;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;

pub fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_time().build().expect("a runtime")
}

fn free_threads() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_time().build().expect("a runtime")
}

/// A runtime of one thread that does what its handle is given, until this is dropped.
pub struct OtherThread {
    pub handle: Handle,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl OtherThread {
    pub fn start() -> OtherThread {
        let runtime = one_thread();
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let _ = runtime.block_on(ended);
        });
        OtherThread { handle, end: Some(end), thread: Some(thread) }
    }
}

impl Drop for OtherThread {
    fn drop(&mut self) {
        drop(self.end.take());
        let joined = self.thread.take().map(JoinHandle::join);
        assert!(matches!(joined, Some(Ok(()))), "the other thread failed");
    }
}

/// Keeps this thread on one of the CPUs that it may use, where a workload wants two threads on two of them.
pub fn pin(index: usize) {
    // SAFETY: sets of CPUs are plain bits, and both calls are given their size.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        let size = std::mem::size_of_val(&set);
        assert_eq!(libc::sched_getaffinity(0, size, &mut set), 0, "no set of CPUs");
        let mut cpus = (0..libc::CPU_SETSIZE as usize).filter(|cpu| libc::CPU_ISSET(*cpu, &set));
        let cpu = cpus.nth(index).expect("so many CPUs");
        libc::CPU_ZERO(&mut set);
        libc::CPU_SET(cpu, &mut set);
        assert_eq!(libc::sched_setaffinity(0, size, &set), 0, "the thread stays where it is");
    }
}

/// Where the two ends of a workload are.
#[derive(Clone, Copy)]
pub enum Ends {
    One,
    Two,
    Free,
}

impl Ends {
    /// Runs what `make` makes of the places of the first and the second end.
    pub fn run<F: Future>(self, make: impl FnOnce(Handle, Handle) -> F) -> F::Output {
        if let Ends::Free = self {
            let runtime = free_threads();
            let handle = runtime.handle().clone();
            return runtime.block_on(make(handle.clone(), handle));
        }
        let runtime = one_thread();
        let here = runtime.handle().clone();
        match self {
            Ends::Two => {
                let other = OtherThread::start();
                runtime.block_on(make(here, other.handle.clone()))
            }
            _ => runtime.block_on(make(here.clone(), here)),
        }
    }
}
