package peer;

import java.util.Arrays;
import org.apache.pekko.actor.ActorRef;
import org.apache.pekko.actor.UntypedAbstractActor;

/** savina/logistic-map: see bench/savina/README.md. */
final class LogisticMap {
    private static final int SERIES = 10;
    private static final double RATE = 3.46;
    private static final double STEP = 0.0025;

    private LogisticMap() {}

    private record Term(double x) {}

    private record Last(int worker, double term, long terms) {}

    private static final class Computer extends UntypedAbstractActor {
        private final double rate;

        Computer(double rate) {
            this.rate = rate;
        }

        @Override
        public void onReceive(Object message) {
            double x = ((Term) message).x();
            getSender().tell(new Term(rate * x * (1 - x)), getSelf());
        }
    }

    /** Keeps what comes while it waits for an answer. All of that is `next`, and at last `done`, so it need not be a list. */
    private static final class Worker extends Savina.Member {
        private final ActorRef computer;
        private final int index;
        private final Savina.Ack ack;
        private ActorRef master;
        private double term;
        private long terms;
        private boolean waiting;
        private int stashedNexts;
        private boolean stashedDone;

        Worker(ActorRef computer, int index) {
            this.computer = computer;
            this.index = index;
            ack = new Savina.Ack(index);
            term = index * STEP;
        }

        @Override
        public void onReceive(Object message) {
            if (message instanceof Term answer) {
                handle(answer);
            } else if (message == Savina.NEXT) {
                master = getSender();
                stashedNexts++;
            } else {
                stashedDone = true;
            }
            unstash();
        }

        private void handle(Term answer) {
            waiting = false;
            term = answer.x();
            if (++terms % Savina.ACK_EVERY == 0) {
                master.tell(ack, getSelf());
            }
        }

        private void unstash() {
            if (waiting) {
                return;
            }
            if (stashedNexts > 0) {
                stashedNexts--;
                waiting = true;
                computer.tell(new Term(term), getSelf());
            } else if (stashedDone) {
                report(master, new Last(index, term, terms));
            }
        }
    }

    private static final class Master extends Savina.Central {
        private final ActorRef[] workers;
        private final long each;
        private final Last[] last;
        private final int[] room = new int[SERIES];
        private long sent;
        private int turn;

        Master(Finish finish, ActorRef[] workers, long each, Last[] last) {
            super(finish, SERIES);
            this.workers = workers;
            this.each = each;
            this.last = last;
            Arrays.fill(room, Savina.WINDOW);
        }

        @Override
        public void onReceive(Object message) {
            if (message instanceof Last report) {
                last[report.worker()] = report;
                if (reported()) {
                    finish.arrive();
                }
                return;
            }
            if (message instanceof Savina.Ack ack) {
                room[ack.receiver()] += Savina.ACK_EVERY;
            }
            sendOn();
        }

        private void sendOn() {
            long total = each * SERIES;
            if (sent == total) {
                return;
            }
            while (sent < total && room[turn] > 0) {
                room[turn]--;
                sent++;
                workers[turn].tell(Savina.NEXT, getSelf());
                turn = (turn + 1) % SERIES;
            }
            if (sent == total) {
                tellAll(workers, Savina.DONE);
            }
        }
    }

    static void run(Options options, Report report) throws Exception {
        long each = Savina.each(options.count(), SERIES);
        Last[] last = new Last[SERIES];
        Finish finish = new Finish(1);
        Savina.time(
                options,
                context -> {
                    ActorRef[] computers =
                            Savina.actors(context, SERIES, Computer.class, i -> new Computer(RATE + i * STEP));
                    ActorRef[] workers =
                            Savina.actors(context, SERIES, Worker.class, i -> new Worker(computers[i], i));
                    return Savina.actor(context, Master.class, () -> new Master(finish, workers, each, last));
                },
                finish,
                each * SERIES,
                report);
        double sum = 0;
        long terms = 0;
        for (Last one : last) {
            sum += one.term();
            terms += one.terms();
        }
        report.proof("terms", terms);
        report.proof("sum", Double.doubleToRawLongBits(sum));
    }
}
