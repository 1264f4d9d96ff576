package peer;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicReference;

/** What the main thread waits for: that so many have arrived, or that one has failed. */
final class Finish {
    private final long parts;
    private final CountDownLatch latch;
    private final AtomicReference<String> failure = new AtomicReference<>();

    Finish(long parts) {
        this.parts = parts;
        latch = new CountDownLatch((int) parts);
    }

    void arrive() {
        latch.countDown();
    }

    /** How many have. */
    long arrived() {
        return parts - latch.getCount();
    }

    void fail(String text) {
        failure.compareAndSet(null, text);
        while (latch.getCount() > 0) {
            latch.countDown();
        }
    }

    void await() throws InterruptedException {
        latch.await();
        if (failure.get() != null) {
            throw new Report.Invalid(failure.get());
        }
    }
}
