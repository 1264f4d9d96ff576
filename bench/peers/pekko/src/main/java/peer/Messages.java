package peer;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.apache.pekko.actor.ActorRef;
import org.apache.pekko.actor.Props;
import org.apache.pekko.actor.UntypedAbstractActor;

/** message/..., what a message costs from one actor to another. */
final class Messages {
    private static final int WINDOW = 1000;
    private static final int ACK_EVERY = 500;
    private static final int SENDERS = 16;
    private static final int RING_SIZE = 1000;
    private static final int CROWD_SIZE = 100_000;

    private Messages() {}

    static void register(Map<String, Main.Workload> workloads) {
        workloads.put("message/ping-pong", (options, report) -> passToken(options, 2, 1, report));
        workloads.put("message/ping-pong-threads", (options, report) -> passToken(options, 2, 2, report));
        workloads.put("message/ring", (options, report) -> passToken(options, RING_SIZE, 1, report));
        workloads.put("message/ring-threads", (options, report) -> passToken(options, RING_SIZE, 2, report));
        workloads.put("message/counting", (options, report) -> stream(options, 1, 1, 1, report));
        workloads.put("message/counting-threads", (options, report) -> stream(options, 1, 1, 2, report));
        workloads.put("message/fan-in", (options, report) -> stream(options, SENDERS, 1, 1, report));
        workloads.put("message/fan-in-threads", (options, report) -> stream(options, SENDERS, 1, 2, report));
        workloads.put("message/fan-out", (options, report) -> stream(options, 1, SENDERS, 1, report));
        workloads.put("message/fan-out-threads", (options, report) -> stream(options, 1, SENDERS, 2, report));
        workloads.put("message/random-64", (options, report) -> passAtRandom(options, 64, report));
        workloads.put("message/random-10000", (options, report) -> passAtRandom(options, 10_000, report));
    }

    /** Counts and adds what it gets, and says so as it ends. */
    private abstract static class Counting extends UntypedAbstractActor {
        private final Tally tally;
        private long sum;
        protected long messages;

        Counting(Tally tally) {
            this.tally = tally;
        }

        protected final void count(Payload payload) {
            messages++;
            sum += payload.first();
        }

        @Override
        public void postStop() {
            tally.messages.addAndGet(messages);
            tally.sum.addAndGet(sum);
        }
    }

    // ---- ping-pong and ring ----

    /** Passes the token on until it has been handed over `last` times. */
    private static final class Node extends Counting {
        private final Finish finish;
        private final long last;
        private ActorRef next;

        Node(Tally tally, Finish finish, long last) {
            super(tally);
            this.finish = finish;
            this.last = last;
        }

        @Override
        public void onReceive(Object message) {
            if (message instanceof Payload token) {
                count(token);
                if (token.first() == last) {
                    finish.arrive();
                } else {
                    next.tell(Payload.of(token.first() + 1), getSelf());
                }
            } else {
                next = (ActorRef) message;
            }
        }
    }

    private static void passToken(Options options, int size, int places, Report report) throws Exception {
        Tally tally = new Tally();
        Finish finish = new Finish(1);
        ActorRef[] nodes = new ActorRef[size];
        try (World world = new World(options)) {
            Props node = Props.create(Node.class, () -> new Node(tally, finish, options.count()));
            world.make(
                    context -> {
                        for (int i = 0; i < size; i++) {
                            nodes[i] = context.actorOf(node.withDispatcher(World.place(i % places)));
                        }
                        for (int i = 0; i < size; i++) {
                            nodes[i].tell(nodes[(i + 1) % size], context.self());
                        }
                    });
            long start = System.nanoTime();
            nodes[0].tell(Payload.of(1), ActorRef.noSender());
            finish.await();
            report.time("time", System.nanoTime() - start, options.count());
        }
        report.proof("messages", tally.messages.get());
        report.proof("sum", tally.sum.get());
    }

    // ---- counting, fan-in, fan-out ----

    /** The receivers that a source is to begin with. */
    private record Go(ActorRef[] receivers) {}

    /** The receiver of this index has handled so many more. */
    private record Ack(int receiver) {}

    /** Sends `share` messages, numbered from 0, to its receivers in turn, and keeps within the window of each. */
    private static final class Source extends UntypedAbstractActor {
        private final int index;
        private final long share;
        private long sent;
        private ActorRef[] receivers;
        private int[] room;
        private int turn;

        Source(int index, long share) {
            this.index = index;
            this.share = share;
        }

        @Override
        public void onReceive(Object message) {
            if (message instanceof Ack ack) {
                room[ack.receiver()] += ACK_EVERY;
            } else {
                receivers = ((Go) message).receivers();
                room = new int[receivers.length];
                Arrays.fill(room, WINDOW);
            }
            sendOn();
        }

        private void sendOn() {
            while (sent < share && room[turn] > 0) {
                room[turn]--;
                receivers[turn].tell(new Payload(sent++, index, 0, 0), getSelf());
                turn = turn + 1 == receivers.length ? 0 : turn + 1;
            }
        }
    }

    /** Gets `share` messages; those of one source come in order, `step` apart. */
    private static final class Sink extends Counting {
        private final Finish finish;
        private final long share;
        private final int step;
        private final Ack ack;
        private final long[] expected;
        private final long[] handled;

        Sink(Tally tally, Finish finish, int index, long share, int step, int sources) {
            super(tally);
            this.finish = finish;
            this.share = share;
            this.step = step;
            ack = new Ack(index);
            expected = new long[sources];
            handled = new long[sources];
            Arrays.fill(expected, index);
        }

        @Override
        public void onReceive(Object message) {
            Payload payload = (Payload) message;
            int from = (int) payload.second();
            if (payload.first() != expected[from]) {
                finish.fail("a message came out of order");
            }
            expected[from] += step;
            count(payload);
            if (++handled[from] % ACK_EVERY == 0) {
                getSender().tell(ack, getSelf());
            }
            if (messages == share) {
                finish.arrive();
            }
        }
    }

    /** The share of one of so many in `count` that are dealt in turn. */
    private static long dealt(long count, int hands, int hand) {
        return count / hands + (hand < count % hands ? 1 : 0);
    }

    private static void stream(Options options, int sourceCount, int sinkCount, int places, Report report)
            throws Exception {
        long total = options.count() / sourceCount * sourceCount;
        Tally tally = new Tally();
        Finish finish = new Finish(sinkCount);
        List<ActorRef> sources = new ArrayList<>();
        ActorRef[] sinks = new ActorRef[sinkCount];
        try (World world = new World(options)) {
            world.make(
                    context -> {
                        for (int i = 0; i < sourceCount; i++) {
                            int index = i;
                            Props source = Props.create(Source.class, () -> new Source(index, total / sourceCount));
                            sources.add(context.actorOf(source.withDispatcher(World.place(0))));
                        }
                        for (int i = 0; i < sinkCount; i++) {
                            int index = i;
                            long share = dealt(total, sinkCount, i);
                            Props sink =
                                    Props.create(
                                            Sink.class,
                                            () -> new Sink(tally, finish, index, share, sinkCount, sourceCount));
                            sinks[i] = context.actorOf(sink.withDispatcher(World.place(places - 1)));
                        }
                    });
            long start = System.nanoTime();
            for (ActorRef source : sources) {
                source.tell(new Go(sinks), ActorRef.noSender());
            }
            finish.await();
            report.time("time", System.nanoTime() - start, total);
        }
        report.proof("messages", tally.messages.get());
        report.proof("sum", tally.sum.get());
    }

    // ---- random ----

    /** The actors of a crowd, and the generator they draw the next one with. One thread. */
    private static final class Crowd {
        final ActorRef[] actors = new ActorRef[CROWD_SIZE];
        private long random = 88172645463325252L;

        ActorRef draw() {
            random ^= random << 13;
            random ^= random >>> 7;
            random ^= random << 17;
            return actors[(int) Long.remainderUnsigned(random, CROWD_SIZE)];
        }
    }

    /** Passes tokens on; the first word is how often each still has to be. */
    private static final class Member extends Counting {
        private final Finish finish;
        private final Crowd crowd;

        Member(Tally tally, Finish finish, Crowd crowd) {
            super(tally);
            this.finish = finish;
            this.crowd = crowd;
        }

        @Override
        public void onReceive(Object message) {
            Payload token = (Payload) message;
            count(token);
            if (token.first() == 0) {
                finish.arrive();
            } else {
                crowd.draw().tell(Payload.of(token.first() - 1), getSelf());
            }
        }
    }

    private static void passAtRandom(Options options, int most, Report report) throws Exception {
        int tokens = (int) Math.min(most, options.count());
        Tally tally = new Tally();
        Finish finish = new Finish(tokens);
        Crowd crowd = new Crowd();
        try (World world = new World(options)) {
            Props member = Props.create(Member.class, () -> new Member(tally, finish, crowd));
            world.make(
                    context -> {
                        for (int i = 0; i < CROWD_SIZE; i++) {
                            crowd.actors[i] = context.actorOf(member.withDispatcher(World.place(0)));
                        }
                    });
            long start = System.nanoTime();
            for (int i = 0; i < tokens; i++) {
                crowd.actors[i].tell(Payload.of(dealt(options.count(), tokens, i) - 1), ActorRef.noSender());
            }
            finish.await();
            report.time("time", System.nanoTime() - start, options.count());
        }
        report.proof("messages", tally.messages.get());
    }
}
