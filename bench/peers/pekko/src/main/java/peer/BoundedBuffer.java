package peer;

import java.util.ArrayDeque;
import org.apache.pekko.actor.ActorRef;

/** savina/bounded-buffer: see bench/savina/README.md. */
final class BoundedBuffer {
    private static final int PRODUCERS = 40;
    private static final int CONSUMERS = 40;
    private static final int LIMIT = 50 - PRODUCERS;
    private static final int DRAWS = 2500;

    private BoundedBuffer() {}

    private record Item(long number, double value) {}

    private record Produced(long count) {}

    /** A consumer is available. */
    private static final Object AVAILABLE = "available";

    private static double process(double x) {
        Savina.SuiteRandom random = new Savina.SuiteRandom(25);
        for (int i = 0; i < DRAWS; i++) {
            x += Math.log(Math.abs(random.real()) + 0.01);
        }
        return x;
    }

    private static final class Producer extends Savina.Member {
        private final long each;
        private double item;
        private long produced;

        Producer(long each) {
            this.each = each;
        }

        @Override
        public void onReceive(Object produce) {
            if (produced == each) {
                report(getSender(), new Produced(produced));
            } else {
                item = process(item);
                getSender().tell(new Item(produced++, item), getSelf());
            }
        }
    }

    private static final class Consumer extends Savina.Member {
        private double own;
        private long consumed;
        private long sum;

        @Override
        public void onReceive(Object message) {
            if (message instanceof Item item) {
                own = process(own + item.value());
                consumed++;
                sum += item.number();
                getSender().tell(AVAILABLE, getSelf());
            } else {
                report(getSender(), new Savina.Counts(consumed, sum));
            }
        }
    }

    /** What came of it. */
    private static final class Outcome {
        long produced;
        long consumed;
        long sum;
    }

    private static final class Manager extends Savina.Central {
        private final ActorRef[] producers;
        private final ActorRef[] consumers;
        private final Outcome outcome;
        private final ArrayDeque<Item> buffer = new ArrayDeque<>();
        private final ArrayDeque<ActorRef> available = new ArrayDeque<>();
        private final ArrayDeque<ActorRef> waiting = new ArrayDeque<>();
        private int producersEnded;

        Manager(Finish finish, ActorRef[] producers, ActorRef[] consumers, Outcome outcome) {
            super(finish, CONSUMERS);
            this.producers = producers;
            this.consumers = consumers;
            this.outcome = outcome;
        }

        @Override
        public void onReceive(Object message) {
            if (message instanceof Item item) {
                take(item, getSender());
            } else if (message == AVAILABLE) {
                serve(getSender());
            } else if (message instanceof Produced report) {
                outcome.produced += report.count();
                producersEnded++;
                endIfDone();
            } else if (message instanceof Savina.Counts report) {
                outcome.consumed += report.first();
                outcome.sum += report.second();
                if (reported()) {
                    finish.arrive();
                }
            } else {
                begin();
            }
        }

        private void begin() {
            for (ActorRef consumer : consumers) {
                available.add(consumer);
            }
            for (ActorRef producer : producers) {
                produce(producer);
            }
        }

        private void produce(ActorRef producer) {
            producer.tell(Savina.NEXT, getSelf());
        }

        private void take(Item item, ActorRef producer) {
            if (available.isEmpty()) {
                buffer.add(item);
            } else {
                available.poll().tell(item, getSelf());
            }
            if (buffer.size() >= LIMIT) {
                waiting.add(producer);
            } else {
                produce(producer);
            }
        }

        private void serve(ActorRef consumer) {
            if (buffer.isEmpty()) {
                available.add(consumer);
                endIfDone();
                return;
            }
            consumer.tell(buffer.poll(), getSelf());
            if (!waiting.isEmpty()) {
                produce(waiting.poll());
            }
        }

        private void endIfDone() {
            if (producersEnded == PRODUCERS && available.size() == CONSUMERS) {
                for (ActorRef consumer : consumers) {
                    consumer.tell(Savina.END, getSelf());
                }
            }
        }
    }

    static void run(Options options, Report report) throws Exception {
        long each = Savina.each(options.count(), PRODUCERS);
        Outcome outcome = new Outcome();
        Finish finish = new Finish(1);
        Savina.time(
                options,
                context -> {
                    ActorRef[] producers =
                            Savina.actors(context, PRODUCERS, Producer.class, i -> new Producer(each));
                    ActorRef[] consumers = Savina.actors(context, CONSUMERS, Consumer.class, i -> new Consumer());
                    return Savina.actor(
                            context, Manager.class, () -> new Manager(finish, producers, consumers, outcome));
                },
                finish,
                each * PRODUCERS,
                report);
        report.proof("produced", outcome.produced);
        report.proof("consumed", outcome.consumed);
        report.proof("sum", outcome.sum);
    }
}
