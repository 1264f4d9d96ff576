/*
 * timer.cpp: timer/..., what a timer costs among so many.
 *
 * A timer is a delayed message, which a thread of CAF's keeps in a std::multimap; that is CAF's clock, and there is no
 * other. CAF 0.17 has no handle for a delayed message, so none can be cancelled or put off: `cancel` and `rearm` are
 * missing here. (A receive timeout, of which an actor has one, can be; 1,000,000 of those would be 1,000,000 actors.)
 */
#include "side.hpp"

#include <caf/detail/simple_actor_clock.hpp>

#include <random>
#include <thread>

using caf::actor;

/* Who waits for the clock: see timers::flush(). */
struct waiting {
    finish *taken;
};
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(waiting)

namespace
{

using clock = caf::actor_clock;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr seconds far{60};
constexpr uint64_t spread_ms = 100000;
constexpr uint64_t expire_spread_ns = 1000000;

/* Owns all timers, and counts and adds those that expire. */
class owner : public caf::event_based_actor
{
  public:
    owner(caf::actor_config &config, finish *expired, uint64_t total, tally *tally)
        : event_based_actor(config), expired_(expired), total_(total), tally_(tally)
    {
    }

    void on_exit() override
    {
        tally_->messages = count_;
        tally_->sum = sum_;
    }

    caf::behavior make_behavior() override
    {
        return {
            [this](const payload &payload) {
                sum_ += payload.words[0];
                if (++count_ == total_) {
                    expired_->arrive();
                }
            },
            [](waiting waiting) { waiting.taken->arrive(); },
        };
    }

  private:
    finish *expired_;
    uint64_t total_;
    tally *tally_;
    uint64_t count_ = 0;
    uint64_t sum_ = 0;
};

/* The timers of one owner. */
class timers
{
  public:
    timers(place &place, const actor &owner)
        : clock_(place.system().clock()), owner_(caf::actor_cast<caf::strong_actor_ptr>(owner))
    {
    }

    void start(clock::time_point due, uint64_t number)
    {
        put(due, first_word(number));
    }

    /* The clock's thread takes timers in order: a message that is due at once comes when it has all before it. */
    void flush()
    {
        finish taken;
        put(clock_.now(), waiting{&taken});
        taken.wait();
    }

    clock::time_point now() const
    {
        return clock_.now();
    }
    /* How many are pending, as CAF itself has them. After flush(), when the clock's thread has nothing to do. */
    uint64_t pending() const
    {
        const auto *kept = dynamic_cast<const caf::detail::simple_actor_clock *>(&clock_);
        if (kept == nullptr) {
            throw invalid("CAF's clock is none that can be looked into");
        }
        return kept->schedule().size();
    }
    void forget()
    {
        clock_.cancel_all();
    }

  private:
    template <class Content> void put(clock::time_point due, const Content &content)
    {
        clock_.schedule_message(due, owner_, caf::make_mailbox_element(nullptr, caf::make_message_id(), {}, content));
    }

    clock &clock_;
    caf::strong_actor_ptr owner_;
};

uint64_t start_far(timers &timers, uint64_t count, bool at_random)
{
    std::mt19937_64 random(1);
    clock::time_point base = timers.now() + far;
    stopwatch stopwatch;
    for (uint64_t i = 0; i < count; i++) {
        nanoseconds later = at_random ? nanoseconds(random() % (spread_ms * 1000000)) : milliseconds(i % spread_ms);
        timers.start(base + later, i);
    }
    timers.flush();
    return stopwatch.elapsed_ns();
}

/* All are due within a millisecond, after the last one was started, and after as long again for safety. */
uint64_t expire(timers &timers, uint64_t count, nanoseconds starting, finish &expired)
{
    std::mt19937_64 random(2);
    clock::time_point base = timers.now() + 3 * starting + milliseconds(100);
    for (uint64_t i = 0; i < count; i++) {
        timers.start(base + nanoseconds(random() % expire_spread_ns), i);
    }
    timers.flush();
    if (timers.now() >= base) {
        throw invalid("timers were due before all were started");
    }
    std::this_thread::sleep_until(base);
    stopwatch stopwatch;
    expired.wait();
    return stopwatch.elapsed_ns();
}

void million(const options &options, bool at_random, report &report)
{
    uint64_t count = options.count;
    tally handled;
    finish expired;
    place place(1);
    timers timers(place, place.spawn<owner>(&expired, count, &handled));
    place.settle();
    /* As on the other sides, so that no page is new. */
    start_far(timers, count, at_random);
    timers.forget();
    uint64_t start_ns = start_far(timers, count, at_random);
    uint64_t pending = timers.pending();
    timers.forget();
    uint64_t expire_ns = expire(timers, count, nanoseconds(start_ns), expired);
    report.time("start", start_ns, count);
    report.time("expire", expire_ns, count);
    report.proof("timers", pending);
    place.end();
    if (handled.sum != count * (count - 1) / 2) {
        throw invalid("the timers' payloads add up wrongly");
    }
    report.proof("expired", handled.messages);
}

} // namespace

const workloads &timer_workloads()
{
    static const workloads all = {
        {"timer/million", [](const options &options, report &report) { million(options, false, report); }},
        {"timer/million-random", [](const options &options, report &report) { million(options, true, report); }},
    };
    return all;
}
