package peer;

import java.util.concurrent.atomic.AtomicLong;

/** What actors counted themselves, put together as they end. */
final class Tally {
    final AtomicLong messages = new AtomicLong();
    final AtomicLong sum = new AtomicLong();
}
