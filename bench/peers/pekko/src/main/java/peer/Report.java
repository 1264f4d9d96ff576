package peer;

/** The lines that a run ends with. */
final class Report {
    /** It cannot be done here. */
    static final class Skipped extends RuntimeException {
        Skipped(String text) {
            super(text);
        }
    }

    /** It went wrong. */
    static final class Invalid extends RuntimeException {
        Invalid(String text) {
            super(text);
        }
    }

    private final StringBuilder text = new StringBuilder();

    void time(String name, long elapsedNs, long operations) {
        text.append("time ").append(name).append(' ').append(elapsedNs).append(' ').append(operations).append('\n');
    }

    void figure(String name, String unit, String better, double value) {
        text.append("figure %s %s %s %.6f\n".formatted(name, unit, better, value));
    }

    void latency(long ns) {
        text.append("latency ").append(ns).append(" 1\n");
    }

    void proof(String name, long value) {
        text.append("proof ").append(name).append(' ').append(Long.toUnsignedString(value)).append('\n');
    }

    @Override
    public String toString() {
        return text.toString();
    }
}
