package peer;

/** The 32 bytes that a message carries. */
record Payload(long first, long second, long third, long fourth) {
    static Payload of(long first) {
        return new Payload(first, 0, 0, 0);
    }
}
