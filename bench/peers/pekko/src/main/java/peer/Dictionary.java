package peer;

import java.util.HashMap;
import java.util.Map;
import org.apache.pekko.actor.ActorRef;
import org.apache.pekko.actor.UntypedAbstractActor;

/** savina/concurrent-dictionary: see bench/savina/README.md. */
final class Dictionary {
    private static final int WORKERS = 20;
    private static final int SIZE = 524_287;

    private Dictionary() {}

    private record Write(long key, long value) {}

    private record Read(long key) {}

    private record Handled(long reads, long writes, long keys) {}

    private static final class Table extends UntypedAbstractActor {
        private final Map<Long, Long> pairs = new HashMap<>(SIZE * 2);
        private long reads;
        private long writes;
        private long keys;

        Table() {
            for (long i = 0; i < SIZE; i++) {
                pairs.put(i, i);
            }
        }

        @Override
        public void onReceive(Object message) {
            if (message instanceof Read read) {
                reads++;
                keys += read.key();
                getSender().tell(pairs.get(read.key()), getSelf());
            } else if (message instanceof Write write) {
                writes++;
                keys += write.key();
                pairs.put(write.key(), write.value());
                getSender().tell(write.value(), getSelf());
            } else {
                getSender().tell(new Handled(reads, writes, keys), getSelf());
            }
        }
    }

    private static final class Worker extends Savina.Member {
        private final ActorRef table;
        private final long each;
        private final Savina.SuiteRandom random;
        private ActorRef master;
        private boolean writing;
        private long asked;
        private long writes;
        private long written;

        Worker(ActorRef table, int index, long each) {
            this.table = table;
            this.each = each;
            random = new Savina.SuiteRandom(index + each + 10);
        }

        @Override
        public void onReceive(Object message) {
            if (message instanceof Long value) {
                written += writing ? value : 0;
            } else {
                master = getSender();
            }
            ask();
        }

        private void ask() {
            if (asked++ == each) {
                report(master, new Savina.Counts(writes, written));
                return;
            }
            writing = random.below(100) < 10;
            if (writing) {
                writes++;
                long key = random.next();
                table.tell(new Write(key, random.next()), getSelf());
            } else {
                table.tell(new Read(random.next()), getSelf());
            }
        }
    }

    /** What came of it. */
    private static final class Outcome {
        Handled handled;
        long writes;
        long written;
    }

    private static final class Master extends Savina.Central {
        private final ActorRef table;
        private final ActorRef[] workers;
        private final Outcome outcome;

        Master(Finish finish, ActorRef table, ActorRef[] workers, Outcome outcome) {
            super(finish, WORKERS);
            this.table = table;
            this.workers = workers;
            this.outcome = outcome;
        }

        @Override
        public void onReceive(Object message) {
            if (message instanceof Savina.Counts report) {
                outcome.writes += report.first();
                outcome.written += report.second();
                if (reported()) {
                    table.tell(Savina.END, getSelf());
                }
            } else if (message instanceof Handled handled) {
                outcome.handled = handled;
                finish.arrive();
            } else {
                for (ActorRef worker : workers) {
                    worker.tell(Savina.GO, getSelf());
                }
            }
        }
    }

    static void run(Options options, Report report) throws Exception {
        long each = Savina.each(options.count(), WORKERS);
        Outcome outcome = new Outcome();
        Finish finish = new Finish(1);
        Savina.time(
                options,
                context -> {
                    ActorRef table = Savina.actor(context, Table.class, Table::new);
                    ActorRef[] workers =
                            Savina.actors(context, WORKERS, Worker.class, i -> new Worker(table, i, each));
                    return Savina.actor(context, Master.class, () -> new Master(finish, table, workers, outcome));
                },
                finish,
                each * WORKERS,
                report);
        if (outcome.writes != outcome.handled.writes()) {
            throw new Report.Invalid(
                    "the workers wrote %d times, the dictionary handled %d"
                            .formatted(outcome.writes, outcome.handled.writes()));
        }
        report.proof("reads", outcome.handled.reads());
        report.proof("writes", outcome.handled.writes());
        report.proof("keys", outcome.handled.keys());
        report.proof("written", outcome.written);
    }
}
