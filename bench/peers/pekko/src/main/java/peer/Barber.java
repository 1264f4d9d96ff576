package peer;

import java.util.ArrayDeque;
import java.util.function.Supplier;
import org.apache.pekko.actor.Actor;
import org.apache.pekko.actor.ActorRef;
import org.apache.pekko.actor.Props;
import org.apache.pekko.actor.UntypedAbstractActor;

/** savina/sleeping-barber: see bench/savina/README.md. Actors let others run after each message here. */
final class Barber {
    private static final long SEED = 74755;
    private static final int ROOM_LIMIT = 1000;
    private static final int CUSTOMERS_MAX = 2000;
    private static final Object FULL = "full";
    private static final Object WAIT = "wait";
    private static final Object START = "start";

    private Barber() {}

    /** A customer goes into the room, or to the barber. */
    private record Enter(ActorRef customer) {}

    private static long work(Savina.SuiteRandom random) {
        return Savina.busy(random.below(1000) + 10);
    }

    private static <A extends Actor> Props props(Class<A> kind, Supplier<A> make) {
        return Savina.props(kind, make).withDispatcher(World.YIELDING);
    }

    private static final class Cutter extends Savina.Member {
        private final Savina.SuiteRandom random = new Savina.SuiteRandom(SEED);
        private long cutting;

        @Override
        public void onReceive(Object message) {
            if (message instanceof Enter enter) {
                enter.customer().tell(START, getSelf());
                cutting += work(random);
                enter.customer().tell(Savina.DONE, getSelf());
                getSender().tell(Savina.NEXT, getSelf());
            } else if (message == Savina.END) {
                report(getSender(), new Savina.Counts(cutting, 0));
            }
        }
    }

    private static final class Room extends UntypedAbstractActor {
        private final ActorRef barber;
        private final ArrayDeque<Enter> waiting = new ArrayDeque<>();
        private boolean barberSleeps = true;

        Room(ActorRef barber) {
            this.barber = barber;
        }

        @Override
        public void onReceive(Object message) {
            if (message instanceof Enter enter) {
                enter(enter);
            } else if (message == Savina.NEXT) {
                barberSleeps = waiting.isEmpty();
                barber.tell(barberSleeps ? WAIT : waiting.poll(), getSelf());
            } else {
                barber.tell(Savina.END, getSender());
                getContext().stop(getSelf());
            }
        }

        private void enter(Enter enter) {
            if (waiting.size() == ROOM_LIMIT) {
                enter.customer().tell(FULL, getSelf());
                return;
            }
            waiting.add(enter);
            if (barberSleeps) {
                barberSleeps = false;
                getSelf().tell(Savina.NEXT, getSelf());
            } else {
                enter.customer().tell(WAIT, getSelf());
            }
        }
    }

    private static final class Customer extends Savina.Member {
        private final ActorRef factory;

        Customer(ActorRef factory) {
            this.factory = factory;
        }

        @Override
        public void onReceive(Object message) {
            if (message == FULL) {
                factory.tell(FULL, getSelf());
            } else if (message == Savina.DONE) {
                report(factory, Savina.DONE);
            }
        }
    }

    /** What came of it. */
    private static final class Outcome {
        long haircuts;
        long cutting;
        long making;
    }

    private static final class Factory extends Savina.Central {
        private final ActorRef room;
        private final long count;
        private final Outcome outcome;
        private final Savina.SuiteRandom random = new Savina.SuiteRandom(SEED);
        private final Props customer = props(Customer.class, () -> new Customer(getSelf()));
        private long made;
        private boolean stalled;

        Factory(Finish finish, ActorRef room, long count, Outcome outcome) {
            super(finish, 1);
            this.room = room;
            this.count = count;
            this.outcome = outcome;
        }

        @Override
        public void onReceive(Object message) {
            if (message == Savina.GO) {
                makeOne();
            } else if (message == FULL) {
                room.tell(new Enter(getSender()), getSelf());
            } else if (message == Savina.DONE) {
                oneDone();
            } else if (message instanceof Savina.Counts report) {
                outcome.cutting += report.first();
                finish.arrive();
            }
        }

        private void makeOne() {
            stalled = made - outcome.haircuts == CUSTOMERS_MAX;
            if (stalled || made == count) {
                return;
            }
            made++;
            room.tell(new Enter(getContext().actorOf(customer)), getSelf());
            outcome.making += work(random);
            getSelf().tell(Savina.GO, getSelf());
        }

        private void oneDone() {
            if (++outcome.haircuts == count) {
                room.tell(Savina.END, getSelf());
            } else if (stalled) {
                makeOne();
            }
        }
    }

    static void run(Options options, Report report) throws Exception {
        Outcome outcome = new Outcome();
        Finish finish = new Finish(1);
        Savina.time(
                options,
                context -> {
                    ActorRef barber = context.actorOf(props(Cutter.class, Cutter::new));
                    ActorRef room = context.actorOf(props(Room.class, () -> new Room(barber)));
                    return context.actorOf(
                            props(Factory.class, () -> new Factory(finish, room, options.count(), outcome)));
                },
                finish,
                options.count(),
                report);
        report.proof("haircuts", outcome.haircuts);
        report.proof("cutting", outcome.cutting);
        report.proof("making", outcome.making);
    }
}
