/*
 * call.cpp: call/... and wake/ask, by request().
 *
 * request() has the other run on the worker of the one who asks, and an answer the one who asked on that of the other: what is
 * sent with a context is queued there. Where the two are to be on two threads, they therefore put their context away before, and
 * each is queued where it lives, as by caf::anon_send().
 */
#include "side.hpp"

using caf::actor;
using caf::behavior;

namespace
{

constexpr size_t gathering = 8;

/* An answer is the question, and `more`. */
class answerer : public caf::event_based_actor
{
  public:
    answerer(caf::actor_config &config, uint64_t more, bool apart)
        : event_based_actor(config), more_(more), apart_(apart)
    {
    }

    behavior make_behavior() override
    {
        return {[this](payload question) {
            if (apart_) {
                context(nullptr);
            }
            question.words[0] += more_;
            return question;
        }};
    }

  private:
    uint64_t more_;
    bool apart_;
};

/* Asks with the words 1 to `total`, one after the other; of several at once when it has all answers. */
class asker : public caf::event_based_actor
{
  public:
    asker(caf::actor_config &config, tally *tally, finish *finish, std::vector<actor> to, uint64_t total, bool apart)
        : event_based_actor(config), tally_(tally), finish_(finish), to_(std::move(to)), total_(total), apart_(apart)
    {
    }

    behavior make_behavior() override
    {
        return {[this](go_atom) { ask(); }};
    }

    void on_exit() override
    {
        tally_->messages += answers_;
        tally_->sum += sum_;
        to_.clear();
    }

  private:
    void ask()
    {
        open_ = to_.size();
        words_ = 0;
        if (apart_) {
            context(nullptr);
        }
        for (const auto &one : to_) {
            request(one, caf::infinite, payload{{answers_ + 1, 2, 3, 4}}).then([this](const payload &answer) {
                take(answer);
            });
        }
    }

    void take(const payload &answer)
    {
        words_ += answer.words[0];
        if (--open_ > 0) {
            return;
        }
        if (words_ != (answers_ + 1) * to_.size()) {
            finish_->fail("another answer");
        }
        answers_++;
        sum_ += words_ / to_.size();
        if (answers_ < total_) {
            ask();
        } else {
            finish_->arrive();
        }
    }

    tally *tally_;
    finish *finish_;
    std::vector<actor> to_;
    uint64_t total_;
    bool apart_;
    size_t open_ = 0;
    uint64_t words_ = 0; /* sum of those of one gathering */
    uint64_t answers_ = 0;
    uint64_t sum_ = 0;
};

void ask(const options &options, size_t members, size_t threads, report &report)
{
    tally tally;
    finish finish;
    places places(threads);
    std::vector<actor> to;
    for (size_t i = 0; i < members; i++) {
        to.push_back(places[1].spawn<answerer>(uint64_t{0}, threads > 1));
    }
    actor who = places[0].spawn<asker>(&tally, &finish, to, options.count, threads > 1);
    places.settle();
    stopwatch stopwatch;
    caf::anon_send(who, go_atom::value);
    finish.wait();
    report.time("time", stopwatch.elapsed_ns(), options.count);
    to.clear();
    places.end();
    report.proof("answers", tally.messages);
    report.proof("sum", tally.sum);
}

/* Puts the worker that it runs on on a CPU of its own. */
class pinned : public answerer
{
  public:
    explicit pinned(caf::actor_config &config) : answerer(config, 1, false)
    {
    }

    behavior make_behavior() override
    {
        pin(1);
        return answerer::make_behavior();
    }
};

/* Asks as a scoped actor, on the first CPU, and sleeps until it is answered. */
void ask_blocking(caf::actor_system &system, const actor &to, uint64_t count, report &report)
{
    caf::scoped_actor self{system};
    uint64_t sum = 0;
    pin(0);
    for (uint64_t word = 0; word < count; word++) {
        stopwatch stopwatch;
        self->request(to, caf::infinite, payload{{word, 2, 3, 4}})
            .receive([&](const payload &answer) { sum += answer.words[0]; },
                     [&](const caf::error &) { throw invalid("no answer"); });
        report.latency(stopwatch.elapsed_ns());
    }
    report.proof("trips", count);
    report.proof("sum", sum);
}

void ask_from_outside(const options &options, report &report)
{
    place place(1);
    actor to = place.spawn<pinned>();
    place.settle();
    std::async(std::launch::async, [&] { ask_blocking(place.system(), to, options.count, report); }).get();
    to = nullptr;
    place.end();
}

} // namespace

const workloads &call_workloads()
{
    static const workloads all = {
        {"call/round-trip", [](const options &options, report &report) { ask(options, 1, 1, report); }},
        {"call/round-trip-threads", [](const options &options, report &report) { ask(options, 1, 2, report); }},
        {"call/gather", [](const options &options, report &report) { ask(options, gathering, 1, report); }},
        {"call/gather-threads", [](const options &options, report &report) { ask(options, gathering, 2, report); }},
        {"wake/ask", ask_from_outside},
    };
    return all;
}
