package peer;

import java.util.Arrays;
import org.apache.pekko.actor.ActorRef;
import org.apache.pekko.actor.Props;
import org.apache.pekko.actor.UntypedAbstractActor;

/** savina/fork-join-throughput and fork-join-create: see bench/savina/README.md. */
final class ForkJoin {
    private static final int SINKS = 60;
    private static final int ROUND_SIZE = 40_000;
    private static final double ANGLE = 37.2;

    private ForkJoin() {}

    private record Work(long number, double x) {}

    private static double sine(double x) {
        double value = Math.sin(x);
        return value * value;
    }

    // ---- fork-join-throughput ----

    private static final class Sink extends Savina.Member {
        private final long each;
        private final Savina.Ack ack;
        private long messages;
        private long sum;

        Sink(long each, int index) {
            this.each = each;
            ack = new Savina.Ack(index);
        }

        @Override
        public void onReceive(Object message) {
            Work work = (Work) message;
            messages += sine(work.x()) > 0 ? 1 : 0;
            sum += work.number();
            if (messages % Savina.ACK_EVERY == 0) {
                getSender().tell(ack, getSelf());
            }
            if (messages == each) {
                report(getSender(), new Savina.Counts(messages, sum));
            }
        }
    }

    private static final class Source extends Savina.Central {
        private final long each;
        private final ActorRef[] sinks;
        private final long[] counts;
        private final int[] room = new int[SINKS];
        private long number;
        private int turn;

        Source(Finish finish, long each, ActorRef[] sinks, long[] counts) {
            super(finish, SINKS);
            this.each = each;
            this.sinks = sinks;
            this.counts = counts;
            Arrays.fill(room, Savina.WINDOW);
        }

        @Override
        public void onReceive(Object message) {
            if (message instanceof Savina.Ack ack) {
                room[ack.receiver()] += Savina.ACK_EVERY;
                sendOn();
            } else if (message instanceof Savina.Counts report) {
                counts[0] += report.first();
                counts[1] += report.second();
                if (reported()) {
                    finish.arrive();
                }
            } else {
                sendOn();
            }
        }

        private void sendOn() {
            while (number < each && room[turn] > 0) {
                room[turn]--;
                sinks[turn].tell(new Work(number, ANGLE), getSelf());
                if (++turn == SINKS) {
                    turn = 0;
                    number++;
                }
            }
        }
    }

    static void throughput(Options options, Report report) throws Exception {
        long each = Savina.each(options.count(), SINKS);
        long[] counts = new long[2];
        Finish finish = new Finish(1);
        Savina.time(
                options,
                context -> {
                    ActorRef[] sinks = Savina.actors(context, SINKS, Sink.class, i -> new Sink(each, i));
                    return Savina.actor(context, Source.class, () -> new Source(finish, each, sinks, counts));
                },
                finish,
                each * SINKS,
                report);
        report.proof("messages", counts[0]);
        report.proof("sum", counts[1]);
    }

    // ---- fork-join-create ----

    /** Answers its parent with its number, and ends. */
    private static final class Leaf extends UntypedAbstractActor {
        @Override
        public void onReceive(Object message) {
            Work work = (Work) message;
            getSender().tell(sine(work.x()) > 0 ? work.number() : 0L, getSelf());
            getContext().stop(getSelf());
        }
    }

    private static final class Parent extends Savina.Member {
        private static final Props LEAF = Savina.props(Leaf.class, Leaf::new);

        private final long count;
        private final int step;
        private ActorRef root;
        private long next;
        private int alive;
        private long actors;
        private long sum;

        Parent(long count, int index, int step) {
            this.count = count;
            this.step = step;
            next = index;
        }

        @Override
        public void onReceive(Object message) {
            if (message instanceof Long number) {
                actors++;
                sum += number;
                if (--alive == 0) {
                    makeRound();
                }
            } else {
                root = getSender();
                makeRound();
            }
        }

        private void makeRound() {
            for (; alive < ROUND_SIZE / step && next < count; alive++, next += step) {
                getContext().actorOf(LEAF).tell(new Work(next, ANGLE), getSelf());
            }
            if (alive == 0) {
                report(root, new Savina.Counts(actors, sum));
            }
        }
    }

    private static final class Root extends Savina.Central {
        private final ActorRef[] parents;
        private final long[] counts;

        Root(Finish finish, ActorRef[] parents, long[] counts) {
            super(finish, parents.length);
            this.parents = parents;
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
            for (ActorRef parent : parents) {
                parent.tell(Savina.GO, getSelf());
            }
        }
    }

    static void create(Options options, Report report) throws Exception {
        long[] counts = new long[2];
        Finish finish = new Finish(1);
        int cpus = options.cpus();
        Savina.time(
                options,
                context -> {
                    ActorRef[] parents =
                            Savina.actors(context, cpus, Parent.class, i -> new Parent(options.count(), i, cpus));
                    return Savina.actor(context, Root.class, () -> new Root(finish, parents, counts));
                },
                finish,
                options.count(),
                report);
        report.proof("actors", counts[0]);
        report.proof("sum", counts[1]);
    }
}
