package peer;

import org.apache.pekko.actor.ActorRef;

/** savina/all-pairs-shortest-path: see bench/savina/README.md. */
final class ShortestPaths {
    private static final int NODES = 300;
    private static final int EDGE = 50;
    private static final int PER_ROW = NODES / EDGE;
    private static final int BLOCKS = PER_ROW * PER_ROW;
    private static final int NEIGHBOURS = 2 * (PER_ROW - 1);

    private ShortestPaths() {}

    /** What a block is after so many steps. It does not change any more, so neighbours share it. */
    private record State(long step, int block, long[] data) {}

    private static final class Block extends Savina.Member {
        private final ActorRef[] blocks;
        private final int index;
        private final int row;
        private final int column;
        private final long each;
        private final long[][][] arrived = new long[2][BLOCKS][]; // of this step and of the next, by block
        private final int[] count = new int[2];
        private ActorRef collector;
        private long[] data;
        private long step;

        Block(ActorRef[] blocks, int index, long each, long[] data) {
            this.blocks = blocks;
            this.index = index;
            this.each = each;
            this.data = data;
            row = index / PER_ROW;
            column = index % PER_ROW;
        }

        @Override
        public void onReceive(Object message) {
            if (message instanceof State state) {
                int parity = (int) (state.step() % 2);
                arrived[parity][state.block()] = state.data();
                count[parity]++;
            } else {
                collector = getSender();
                tellNeighbours();
            }
            while (collector != null && step < each && count[(int) (step % 2)] == NEIGHBOURS) {
                takeStep();
            }
        }

        private void tellNeighbours() {
            State state = new State(step, index, data);
            for (int i = 0; i < PER_ROW; i++) {
                if (i != column) {
                    blocks[row * PER_ROW + i].tell(state, getSelf());
                }
                if (i != row) {
                    blocks[i * PER_ROW + column].tell(state, getSelf());
                }
            }
        }

        private void takeStep() {
            int parity = (int) (step % 2);
            arrived[parity][index] = data;
            int k = (int) (step % NODES);
            long[] ofRow = arrived[parity][row * PER_ROW + k / EDGE];
            long[] ofColumn = arrived[parity][k / EDGE * PER_ROW + column];
            data = improved(data, ofRow, ofColumn, k % EDGE);
            count[parity] = 0;
            step++;
            if (step < each) {
                tellNeighbours();
            } else {
                report(collector, new Savina.Counts(step, checksum()));
            }
        }

        private static long[] improved(long[] data, long[] ofRow, long[] ofColumn, int k) {
            long[] next = new long[EDGE * EDGE];
            for (int i = 0; i < EDGE; i++) {
                long toK = ofRow[i * EDGE + k];
                for (int j = 0; j < EDGE; j++) {
                    next[i * EDGE + j] = Math.min(data[i * EDGE + j], toK + ofColumn[k * EDGE + j]);
                }
            }
            return next;
        }

        private long checksum() {
            long sum = 0;
            for (int i = 0; i < EDGE; i++) {
                for (int j = 0; j < EDGE; j++) {
                    long place = NODES * (row * EDGE + i) + column * EDGE + j + 1;
                    sum += place * data[i * EDGE + j];
                }
            }
            return sum;
        }
    }

    private static final class Collector extends Savina.Central {
        private final ActorRef[] blocks;
        private final long[] counts;

        Collector(Finish finish, ActorRef[] blocks, long[] counts) {
            super(finish, BLOCKS);
            this.blocks = blocks;
            this.counts = counts;
        }

        @Override
        public void onReceive(Object message) {
            if (message instanceof Savina.Counts report) {
                counts[0] += report.first();
                counts[1] += report.second();
                if (reported()) {
                    finish.arrive();
                }
                return;
            }
            for (ActorRef block : blocks) {
                block.tell(Savina.GO, getSelf());
            }
        }
    }

    private static long[][] drawWeights() {
        long[][] weights = new long[NODES][NODES];
        Savina.SuiteRandom random = new Savina.SuiteRandom(NODES);
        for (int i = 0; i < NODES; i++) {
            for (int j = i + 1; j < NODES; j++) {
                weights[i][j] = random.below(100) + 1;
                weights[j][i] = weights[i][j];
            }
        }
        return weights;
    }

    private static long[] cutBlock(long[][] weights, int index) {
        long[] data = new long[EDGE * EDGE];
        for (int i = 0; i < EDGE; i++) {
            System.arraycopy(weights[index / PER_ROW * EDGE + i], index % PER_ROW * EDGE, data, i * EDGE, EDGE);
        }
        return data;
    }

    static void run(Options options, Report report) throws Exception {
        long each = Savina.each(options.count(), BLOCKS);
        long[] counts = new long[2];
        Finish finish = new Finish(1);
        long[][] weights = drawWeights();
        ActorRef[] blocks = new ActorRef[BLOCKS];
        Savina.time(
                options,
                context -> {
                    for (int i = 0; i < BLOCKS; i++) {
                        int index = i;
                        blocks[i] =
                                Savina.actor(
                                        context,
                                        Block.class,
                                        () -> new Block(blocks, index, each, cutBlock(weights, index)));
                    }
                    return Savina.actor(context, Collector.class, () -> new Collector(finish, blocks, counts));
                },
                finish,
                each * BLOCKS,
                report);
        report.proof("steps", counts[0]);
        report.proof("checksum", counts[1]);
    }
}
