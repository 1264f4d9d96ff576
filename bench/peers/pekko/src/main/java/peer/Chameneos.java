package peer;

import org.apache.pekko.actor.ActorRef;

/** savina/chameneos: see bench/savina/README.md. */
final class Chameneos {
    private static final int COUNT = 100;
    private static final int COLOURS = 3;

    private Chameneos() {}

    private record Meet(int colour) {}

    private record Change(int colour) {}

    private static int complement(int mine, int other) {
        return mine == other ? mine : COLOURS - mine - other;
    }

    private static final class Chameneo extends Savina.Member {
        private ActorRef mall;
        private int colour;
        private long meetings;

        Chameneo(int colour) {
            this.colour = colour;
        }

        @Override
        public void onReceive(Object message) {
            if (message instanceof Meet other) {
                colour = complement(colour, other.colour());
                meetings++;
                getSender().tell(new Change(colour), getSelf());
                meet();
            } else if (message instanceof Change change) {
                colour = change.colour();
                meetings++;
                meet();
            } else if (message == Savina.END) {
                report(mall, new Savina.Counts(meetings, 0));
            } else {
                mall = getSender();
                meet();
            }
        }

        private void meet() {
            mall.tell(new Meet(colour), getSelf());
        }
    }

    private static final class Mall extends Savina.Central {
        private final ActorRef[] chameneos;
        private final long[] counts;
        private long left;
        private ActorRef waiting;

        Mall(Finish finish, ActorRef[] chameneos, long meetings, long[] counts) {
            super(finish, COUNT);
            this.chameneos = chameneos;
            this.counts = counts;
            left = meetings;
        }

        @Override
        public void onReceive(Object message) {
            if (message instanceof Meet meet) {
                meet(meet);
            } else if (message instanceof Savina.Counts report) {
                counts[0] += report.first();
                if (reported()) {
                    finish.arrive();
                }
            } else {
                for (ActorRef chameneo : chameneos) {
                    chameneo.tell(Savina.GO, getSelf());
                }
            }
        }

        private void meet(Meet meet) {
            if (left == 0) {
                getSender().tell(Savina.END, getSelf());
            } else if (waiting == null) {
                waiting = getSender();
            } else {
                waiting.tell(meet, getSender());
                waiting = null;
                left--;
            }
        }
    }

    static void run(Options options, Report report) throws Exception {
        long[] counts = new long[1];
        Finish finish = new Finish(1);
        Savina.time(
                options,
                context -> {
                    ActorRef[] all = Savina.actors(context, COUNT, Chameneo.class, i -> new Chameneo(i % COLOURS));
                    return Savina.actor(context, Mall.class, () -> new Mall(finish, all, options.count(), counts));
                },
                finish,
                options.count(),
                report);
        report.proof("meetings", counts[0]);
    }
}
