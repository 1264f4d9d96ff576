/* many.cpp: message/broadcast and topic by CAF's local groups, message/dispatch and dispatch/pool by its actor_pool. */
#include "side.hpp"

#include <caf/actor_pool.hpp>

using caf::actor;
using caf::behavior;
using caf::group;

namespace
{

constexpr size_t member_count = 1000;
constexpr uint64_t kinds = 4;
constexpr size_t worker_count = 16;
constexpr uint64_t window = 1000;
constexpr uint64_t ack_every = 500;
/* As long as ours: 64 bytes. */
const char topic_name[] = "markets/europe/frankfurt/equities/automobiles/manufacturer/depth";

/* ---- one to all ---- */

/* Hears so many rounds, and counts those of its kind: a group has no filters. Its kind is `kinds` where it wants all. */
class member : public caf::event_based_actor
{
  public:
    member(caf::actor_config &config, tally *tally, finish *finish, uint64_t rounds, uint64_t kind)
        : event_based_actor(config), tally_(tally), finish_(finish), left_(rounds), kind_(kind)
    {
    }

    behavior make_behavior() override
    {
        join(system().groups().get_local(topic_name));
        return {
            [this](const payload &payload) {
                if (kind_ == kinds || payload.words[0] % kinds == kind_) {
                    messages_++;
                    sum_ += payload.words[0];
                }
                if (--left_ == 0) {
                    finish_->arrive();
                }
            },
            [](ack_atom, const actor &source) { caf::anon_send(source, ack_atom::value); },
        };
    }

    void on_exit() override
    {
        tally_->messages += messages_;
        tally_->sum += sum_;
    }

  private:
    tally *tally_;
    finish *finish_;
    uint64_t left_;
    uint64_t kind_;
    uint64_t messages_ = 0;
    uint64_t sum_ = 0;
};

/* Sends to the group of each system, which it looks up by name, and again when the last member of each has handled that. */
class source : public caf::event_based_actor
{
  public:
    source(caf::actor_config &config, std::vector<caf::actor_system *> systems, std::vector<actor> last,
           uint64_t rounds)
        : event_based_actor(config), systems_(std::move(systems)), last_(std::move(last)), rounds_(rounds)
    {
    }

    behavior make_behavior() override
    {
        return {
            [this](go_atom) { send_round(); },
            [this](ack_atom) {
                if (--awaited_ == 0) {
                    send_round();
                }
            },
        };
    }

    void on_exit() override
    {
        last_.clear();
    }

  private:
    void send_round()
    {
        if (round_ == rounds_) {
            return;
        }
        round_++;
        for (auto *system : systems_) {
            caf::anon_send(system->groups().get_local(topic_name), payload{{round_, 2, 3, 4}});
        }
        awaited_ = last_.size();
        for (const auto &member : last_) {
            caf::anon_send(member, ack_atom::value, actor(this));
        }
    }

    std::vector<caf::actor_system *> systems_;
    std::vector<actor> last_;
    uint64_t rounds_;
    uint64_t round_ = 0;
    size_t awaited_ = 0;
};

void publish(const options &options, size_t threads, bool filtered, report &report)
{
    uint64_t rounds = options.count / member_count;
    tally tally;
    finish finish(member_count);
    places places(threads);
    std::vector<actor> members;
    for (size_t i = 0; i < member_count; i++) {
        uint64_t kind = filtered ? i / 2 % kinds : kinds;
        members.push_back(places[i].spawn<member>(&tally, &finish, rounds, kind));
    }
    std::vector<caf::actor_system *> systems;
    for (size_t i = 0; i < threads; i++) {
        systems.push_back(&places[i].system());
    }
    std::vector<actor> last(members.end() - static_cast<ptrdiff_t>(threads), members.end());
    actor who = places[0].spawn<source>(systems, last, rounds);
    places.settle();
    stopwatch stopwatch;
    caf::anon_send(who, go_atom::value);
    finish.wait();
    report.time("time", stopwatch.elapsed_ns(), rounds * member_count);
    who = nullptr;
    last.clear();
    members.clear();
    places.end();
    uint64_t share = filtered ? kinds : 1;
    if (tally.sum * share != member_count * (rounds * (rounds + 1) / 2)) {
        throw invalid("the numbers add up to " + std::to_string(tally.sum));
    }
    report.proof("members", tally.messages * share);
}

/* ---- work for the one or the other ---- */

/* What all workers of a run have still to handle, and whom they acknowledge to. One thread. */
struct work {
    uint64_t left;
    actor dealer;
};

class worker : public caf::event_based_actor
{
  public:
    worker(caf::actor_config &config, tally *tally, finish *finish, work *work)
        : event_based_actor(config), tally_(tally), finish_(finish), work_(work)
    {
    }

    behavior make_behavior() override
    {
        return {[this](const payload &payload) {
            sum_ += payload.words[0];
            if (++messages_ % ack_every == 0) {
                caf::anon_send(work_->dealer, ack_atom::value);
            }
            if (--work_->left == 0) {
                finish_->arrive();
            }
        }};
    }

    void on_exit() override
    {
        tally_->messages += messages_;
        tally_->sum += sum_;
    }

  private:
    tally *tally_;
    finish *finish_;
    work *work_;
    uint64_t messages_ = 0;
    uint64_t sum_ = 0;
};

/* Sends messages with the numbers from 0 on to the pool, and keeps within the window of all workers together. */
class dealer : public caf::event_based_actor
{
  public:
    dealer(caf::actor_config &config, actor pool, uint64_t total)
        : event_based_actor(config), pool_(std::move(pool)), total_(total)
    {
    }

    behavior make_behavior() override
    {
        return {
            [this](go_atom) { send_on(); },
            [this](ack_atom) {
                room_ += ack_every;
                send_on();
            },
        };
    }

    void on_exit() override
    {
        pool_ = nullptr;
    }

  private:
    void send_on()
    {
        for (; sent_ < total_ && room_ > 0; room_--) {
            caf::anon_send(pool_, first_word(sent_++));
        }
    }

    actor pool_;
    uint64_t total_;
    uint64_t sent_ = 0;
    uint64_t room_ = worker_count * window;
};

void deal(const options &options, report &report)
{
    tally tally;
    finish finish;
    place place(1);
    work work{options.count, nullptr};
    {
        caf::scoped_execution_unit context{&place.system()};
        actor pool = caf::actor_pool::make(&context, caf::actor_pool::round_robin());
        for (size_t i = 0; i < worker_count; i++) {
            caf::anon_send(pool, caf::sys_atom::value, caf::put_atom::value,
                           place.spawn<worker>(&tally, &finish, &work));
        }
        work.dealer = place.spawn<dealer>(pool, options.count);
        place.settle();
        stopwatch stopwatch;
        caf::anon_send(work.dealer, go_atom::value);
        finish.wait();
        report.time("time", stopwatch.elapsed_ns(), options.count);
        caf::anon_send_exit(pool, caf::exit_reason::user_shutdown);
    }
    work.dealer = nullptr;
    place.end();
    report.proof("messages", tally.messages);
    report.proof("sum", tally.sum);
}

} // namespace

const workloads &many_workloads()
{
    static const workloads all = {
        {"message/broadcast", [](const options &options, report &report) { publish(options, 1, false, report); }},
        {"message/broadcast-threads",
         [](const options &options, report &report) { publish(options, 2, false, report); }},
        {"message/topic", [](const options &options, report &report) { publish(options, 2, true, report); }},
        {"message/dispatch", deal},
        {"dispatch/pool", deal},
    };
    return all;
}
