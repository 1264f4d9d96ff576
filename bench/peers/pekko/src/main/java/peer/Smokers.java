package peer;

import org.apache.pekko.actor.ActorRef;

/** savina/cigarette-smokers: see bench/savina/README.md. */
final class Smokers {
    private static final int COUNT = 200;
    private static final Object SMOKING = "smoking";

    private Smokers() {}

    private record Smoke(long period) {}

    private static final class Smoker extends Savina.Member {
        private long smokes;
        private long work;

        @Override
        public void onReceive(Object message) {
            if (message instanceof Smoke smoke) {
                getSender().tell(SMOKING, getSelf());
                smokes++;
                work += Savina.busy(smoke.period());
            } else {
                report(getSender(), new Savina.Counts(smokes, work));
            }
        }
    }

    private static final class Arbiter extends Savina.Central {
        private final ActorRef[] smokers;
        private final long count;
        private final long[] counts;
        private final Savina.SuiteRandom random;
        private long answers;

        Arbiter(Finish finish, ActorRef[] smokers, long count, long[] counts) {
            super(finish, COUNT);
            this.smokers = smokers;
            this.count = count;
            this.counts = counts;
            random = new Savina.SuiteRandom(count * COUNT);
        }

        @Override
        public void onReceive(Object message) {
            if (message instanceof Savina.Counts report) {
                counts[0] += report.first();
                counts[1] += report.second();
                if (reported()) {
                    finish.arrive();
                }
            } else if (message == SMOKING && ++answers == count) {
                for (ActorRef smoker : smokers) {
                    smoker.tell(Savina.END, getSelf());
                }
            } else {
                int smoker = random.below(COUNT);
                smokers[smoker].tell(new Smoke(random.below(1000) + 10), getSelf());
            }
        }
    }

    static void run(Options options, Report report) throws Exception {
        long[] counts = new long[2];
        Finish finish = new Finish(1);
        Savina.time(
                options,
                context -> {
                    ActorRef[] smokers = Savina.actors(context, COUNT, Smoker.class, i -> new Smoker());
                    return Savina.actor(
                            context, Arbiter.class, () -> new Arbiter(finish, smokers, options.count(), counts));
                },
                finish,
                options.count(),
                report);
        report.proof("smokes", counts[0]);
        report.proof("work", counts[1]);
    }
}
