package peer;

import org.apache.pekko.actor.ActorRef;

/** savina/dining-philosophers: see bench/savina/README.md. */
final class Philosophers {
    private static final int COUNT = 20;

    private Philosophers() {}

    private record Hungry(int philosopher) {}

    private record Done(int philosopher) {}

    private static final Object EAT = "eat";
    private static final Object DENIED = "denied";

    private static final class Philosopher extends Savina.Member {
        private final Hungry hungry;
        private final Done done;
        private final long each;
        private ActorRef arbitrator;
        private long meals;

        Philosopher(int index, long each) {
            this.each = each;
            hungry = new Hungry(index);
            done = new Done(index);
        }

        @Override
        public void onReceive(Object message) {
            if (message == EAT) {
                arbitrator.tell(done, getSelf());
                if (++meals < each) {
                    getSelf().tell(Savina.NEXT, getSelf());
                } else {
                    report(arbitrator, new Savina.Counts(meals, 0));
                }
                return;
            }
            if (message == Savina.GO) {
                arbitrator = getSender();
            }
            arbitrator.tell(hungry, getSelf());
        }
    }

    private static final class Arbitrator extends Savina.Central {
        private final ActorRef[] philosophers;
        private final long[] counts;
        private final boolean[] taken = new boolean[COUNT];

        Arbitrator(Finish finish, ActorRef[] philosophers, long[] counts) {
            super(finish, COUNT);
            this.philosophers = philosophers;
            this.counts = counts;
        }

        @Override
        public void onReceive(Object message) {
            if (message instanceof Hungry hungry) {
                serve(hungry.philosopher());
            } else if (message instanceof Done done) {
                free(done.philosopher());
            } else if (message instanceof Savina.Counts report) {
                counts[0] += report.first();
                if (reported()) {
                    finish.arrive();
                }
            } else {
                for (ActorRef philosopher : philosophers) {
                    philosopher.tell(Savina.GO, getSelf());
                }
            }
        }

        private void serve(int philosopher) {
            int right = (philosopher + 1) % COUNT;
            if (taken[philosopher] || taken[right]) {
                getSender().tell(DENIED, getSelf());
            } else {
                taken[philosopher] = true;
                taken[right] = true;
                getSender().tell(EAT, getSelf());
            }
        }

        private void free(int philosopher) {
            int right = (philosopher + 1) % COUNT;
            if (!taken[philosopher] || !taken[right]) {
                finish.fail("a fork was freed that was not taken");
            }
            taken[philosopher] = false;
            taken[right] = false;
        }
    }

    static void run(Options options, Report report) throws Exception {
        long each = Savina.each(options.count(), COUNT);
        long[] counts = new long[1];
        Finish finish = new Finish(1);
        Savina.time(
                options,
                context -> {
                    ActorRef[] all =
                            Savina.actors(context, COUNT, Philosopher.class, i -> new Philosopher(i, each));
                    return Savina.actor(context, Arbitrator.class, () -> new Arbitrator(finish, all, counts));
                },
                finish,
                each * COUNT,
                report);
        report.proof("meals", counts[0]);
    }
}
