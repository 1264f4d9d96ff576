//! What the timer workloads of all sides draw.
use std::time::{Duration, Instant};

/// How far off the first deadline of all is.
const FAR: Duration = Duration::from_secs(60);
const SPREAD_MS: u64 = 100_000;

pub struct Deadlines {
    /// From when they are asked for.
    pub delays: Vec<Duration>,
    /// All numbers of timers, shuffled.
    pub order: Vec<usize>,
    draw: Draw,
    near: Instant,
}

impl Deadlines {
    pub fn in_order(count: u64, seed: u64) -> Deadlines {
        Deadlines::make(count, seed, |i, _| i % SPREAD_MS * 1_000_000)
    }

    pub fn random(count: u64, seed: u64) -> Deadlines {
        Deadlines::make(count, seed, |_, draw| draw.below(SPREAD_MS * 1_000_000))
    }

    fn make(count: u64, seed: u64, after_ns: fn(u64, &mut Draw) -> u64) -> Deadlines {
        let mut draw = Draw(seed);
        let mut order: Vec<usize> = (0..count as usize).collect();
        for i in (1..order.len()).rev() {
            order.swap(i, draw.below(i as u64 + 1) as usize);
        }
        let delays = (0..count).map(|i| FAR + Duration::from_nanos(after_ns(i, &mut draw))).collect();
        Deadlines { delays, order, draw, near: Instant::now() }
    }

    /// Deadlines within a millisecond of each other, later than it takes to start so many.
    pub fn near(&mut self) -> Vec<Instant> {
        let count = self.delays.len() as u64;
        self.near = Instant::now() + Duration::from_millis(100) + Duration::from_micros(3 * count);
        (0..count).map(|_| self.near + Duration::from_nanos(self.draw.below(1_000_000))).collect()
    }

    /// Stops this thread until they have passed; two milliseconds more, as the clock of tokio's timers has whole ones.
    pub fn wait_for_near(&self) {
        let left = self.near.checked_duration_since(Instant::now());
        let left = left.expect("the timers took longer to start than their deadlines were off");
        std::thread::sleep(left + Duration::from_millis(3));
    }
}

/// A generator of numbers, Knuth's.
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 as u128 * limit as u128 >> 64) as u64
    }
}

pub fn timed(work: impl FnOnce()) -> Duration {
    let began = Instant::now();
    work();
    began.elapsed()
}
