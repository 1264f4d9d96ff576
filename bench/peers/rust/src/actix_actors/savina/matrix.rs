//! All-pairs shortest path.
use super::{actor, play, share, Random, Stage};
use crate::bench::Bench;
use actix::prelude::*;
use std::sync::Arc;

const NODES: usize = 300;
const SIZE: usize = 50;
const ROW: usize = NODES / SIZE;
const BLOCKS: usize = ROW * ROW;
const NEIGHBOURS: usize = 2 * (ROW - 1);

/// The data of a block, SIZE x SIZE. What has been sent is never changed, so it is shared.
type Data = Arc<Vec<u64>>;

enum ToCollector {
    Start(Arc<Vec<Addr<Block>>>),
    Report { steps: u64, checksum: u64 },
}

struct Collector {
    stage: Stage,
    steps: u64,
    checksum: u64,
}

actor!(Collector, ToCollector);

impl Collector {
    fn receive(&mut self, message: ToCollector, _: &mut Context<Self>) {
        match message {
            ToCollector::Start(blocks) => {
                self.stage.begin();
                blocks.iter().for_each(|block| block.do_send(ToBlock::Start));
            }
            ToCollector::Report { steps, checksum } => {
                self.steps += steps;
                self.checksum = self.checksum.wrapping_add(checksum);
                self.stage.reported([("steps", self.steps), ("checksum", self.checksum)]);
            }
        }
    }
}

enum ToBlock {
    Blocks(Arc<Vec<Addr<Block>>>),
    Start,
    Data { step: u64, from: usize, data: Data },
}

/// What the others have sent for one step.
struct Inbox {
    data: [Option<Data>; BLOCKS],
    count: usize,
}

impl Inbox {
    fn new() -> Inbox {
        Inbox { data: [const { None }; BLOCKS], count: 0 }
    }
}

struct Block {
    collector: Addr<Collector>,
    blocks: Arc<Vec<Addr<Block>>>,
    number: usize,
    each: u64,
    started: bool,
    step: u64,
    data: Data,
    /// For the steps with even numbers and those with odd ones: a neighbour may be one step ahead.
    inboxes: [Inbox; 2],
}

actor!(Block, ToBlock);

impl Block {
    fn send_data(&self) {
        let (row, column) = (self.number / ROW, self.number % ROW);
        let neighbours = (0..BLOCKS).filter(|b| *b != self.number && (b / ROW == row || b % ROW == column));
        for neighbour in neighbours {
            let (step, from, data) = (self.step, self.number, self.data.clone());
            self.blocks[neighbour].do_send(ToBlock::Data { step, from, data });
        }
    }

    /// Every d(i, j) becomes min(d(i, j), d(i, k) + d(k, j)), from the old data.
    fn next_data(&self, inbox: &Inbox) -> Vec<u64> {
        let k = self.step as usize % NODES;
        let (row, column) = (self.number / ROW, self.number % ROW);
        let of = |block: usize| inbox.data[block].as_ref().unwrap_or(&self.data);
        let (left, above) = (of(row * ROW + k / SIZE), of(k / SIZE * ROW + column));
        let from_k = &above[k % SIZE * SIZE..][..SIZE];
        let mut next = Vec::with_capacity(SIZE * SIZE);
        for (old, to_k) in self.data.chunks_exact(SIZE).zip(left.chunks_exact(SIZE)) {
            let to_k = to_k[k % SIZE];
            next.extend(old.iter().zip(from_k).map(|(old, from_k)| (*old).min(to_k + from_k)));
        }
        next
    }

    fn step_if_ready(&mut self, context: &mut Context<Self>) {
        let inbox = &mut self.inboxes[self.step as usize % 2];
        if !self.started || inbox.count < NEIGHBOURS || self.step == self.each {
            return;
        }
        let inbox = std::mem::replace(inbox, Inbox::new());
        self.data = Arc::new(self.next_data(&inbox));
        self.step += 1;
        if self.step < self.each {
            self.send_data();
        } else {
            self.collector.do_send(ToCollector::Report { steps: self.step, checksum: self.checksum() });
            context.stop();
        }
    }

    /// The sum of (300 row + column + 1) * d.
    fn checksum(&self) -> u64 {
        let first = self.number / ROW * SIZE * NODES + self.number % ROW * SIZE;
        let cells = self.data.iter().enumerate();
        cells.map(|(i, d)| (first + i / SIZE * NODES + i % SIZE + 1) as u64 * d).fold(0, u64::wrapping_add)
    }

    fn receive(&mut self, message: ToBlock, context: &mut Context<Self>) {
        match message {
            ToBlock::Blocks(blocks) => self.blocks = blocks,
            ToBlock::Start => {
                self.started = true;
                self.send_data();
                self.step_if_ready(context);
            }
            ToBlock::Data { step, from, data } => {
                assert!(step == self.step || step == self.step + 1, "data of step {step} in step {}", self.step);
                let inbox = &mut self.inboxes[step as usize % 2];
                assert!(inbox.data[from].replace(data).is_none(), "data came twice");
                inbox.count += 1;
                self.step_if_ready(context);
            }
        }
    }
}

/// The whole matrix, row by row.
fn weights() -> Vec<u64> {
    let mut random = Random(NODES as u64);
    let mut weights = vec![0; NODES * NODES];
    for i in 0..NODES {
        for j in i + 1..NODES {
            let weight = random.below(100) + 1;
            weights[i * NODES + j] = weight;
            weights[j * NODES + i] = weight;
        }
    }
    weights
}

pub fn all_pairs_shortest_path(bench: &mut Bench, threads: usize) {
    let each = share(bench, BLOCKS as u64);
    play(bench, threads, BLOCKS as u64, each * BLOCKS as u64, |threads, stage| {
        let collector = threads.spawn(0, Collector { stage, steps: 0, checksum: 0 });
        let (weights, nobody) = (weights(), Arc::new(Vec::new()));
        let block = |number: usize| {
            let first = number / ROW * SIZE * NODES + number % ROW * SIZE;
            let rows = (0..SIZE).flat_map(|i| &weights[first + i * NODES..][..SIZE]);
            Block {
                collector: collector.clone(),
                blocks: nobody.clone(),
                number,
                each,
                started: false,
                step: 0,
                data: Arc::new(rows.copied().collect()),
                inboxes: [Inbox::new(), Inbox::new()],
            }
        };
        let blocks: Arc<Vec<_>> = Arc::new((0..BLOCKS).map(|i| threads.spawn(i + 1, block(i))).collect());
        blocks.iter().for_each(|block| block.do_send(ToBlock::Blocks(blocks.clone())));
        move || collector.do_send(ToCollector::Start(blocks))
    });
}
