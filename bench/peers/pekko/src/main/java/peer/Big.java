package peer;

import org.apache.pekko.actor.ActorRef;

/** savina/big: see bench/savina/README.md. */
final class Big {
    private static final int COUNT = 120;

    private Big() {}

    private record Ping(int from) {}

    private record Pong(int from) {}

    private static final class Talker extends Savina.Member {
        private final Finish finish;
        private final ActorRef[] all;
        private final int number;
        private final long each;
        private final Savina.SuiteRandom random;
        private ActorRef sink;
        private int target;
        private long answered;
        private long pings;
        private long targets;

        Talker(Finish finish, ActorRef[] all, int number, long each) {
            this.finish = finish;
            this.all = all;
            this.number = number;
            this.each = each;
            random = new Savina.SuiteRandom(number);
        }

        @Override
        public void onReceive(Object message) {
            if (message instanceof Ping) {
                pings++;
                targets += number;
                getSender().tell(new Pong(number), getSelf());
            } else if (message instanceof Pong pong) {
                if (pong.from() != target) {
                    finish.fail("a pong came from another actor than expected");
                }
                answered++;
                ping();
            } else if (message == Savina.END) {
                report(sink, new Savina.Counts(pings, targets));
            } else {
                sink = getSender();
                ping();
            }
        }

        private void ping() {
            if (answered == each) {
                sink.tell(Savina.DONE, getSelf());
                return;
            }
            target = random.below(COUNT);
            all[target].tell(new Ping(number), getSelf());
        }
    }

    private static final class Sink extends Savina.Central {
        private final ActorRef[] all;
        private final long[] counts;
        private int done;

        Sink(Finish finish, ActorRef[] all, long[] counts) {
            super(finish, COUNT);
            this.all = all;
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
            } else if (message == Savina.DONE) {
                if (++done == COUNT) {
                    tellAll(all, Savina.END);
                }
            } else {
                for (ActorRef talker : all) {
                    talker.tell(Savina.GO, getSelf());
                }
            }
        }
    }

    static void run(Options options, Report report) throws Exception {
        long each = Savina.each(options.count(), COUNT);
        long[] counts = new long[2];
        Finish finish = new Finish(1);
        ActorRef[] all = new ActorRef[COUNT];
        Savina.time(
                options,
                context -> {
                    for (int i = 0; i < COUNT; i++) {
                        int number = i;
                        all[i] = Savina.actor(context, Talker.class, () -> new Talker(finish, all, number, each));
                    }
                    return Savina.actor(context, Sink.class, () -> new Sink(finish, all, counts));
                },
                finish,
                each * COUNT,
                report);
        report.proof("pings", counts[0]);
        report.proof("targets", counts[1]);
    }
}
