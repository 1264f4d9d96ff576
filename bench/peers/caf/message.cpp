/* message.cpp: message/..., what a message costs from one actor to another. */
#include "side.hpp"

using caf::actor;
using caf::behavior;

namespace
{

constexpr uint64_t window = 1000; /* messages that a receiver may not have handled yet, by sender */
constexpr uint64_t ack_every = 500;
constexpr size_t senders = 16;
constexpr size_t ring_size = 1000;
constexpr size_t crowd_size = 100000;

/* An actor that counts and adds what it gets, and says so as it ends. */
class counting_actor : public caf::event_based_actor
{
  public:
    counting_actor(caf::actor_config &config, tally *tally) : event_based_actor(config), tally_(tally)
    {
    }
    void on_exit() override
    {
        tally_->messages += messages_;
        tally_->sum += sum_;
    }

  protected:
    void count(const payload &payload)
    {
        messages_++;
        sum_ += payload.words[0];
    }
    uint64_t messages_ = 0;

  private:
    uint64_t sum_ = 0;
    tally *tally_;
};

/* ---- ping-pong and ring ---- */

/* Passes the token on until it has been handed over `last` times. */
class node : public counting_actor
{
  public:
    node(caf::actor_config &config, tally *tally, finish *finish, uint64_t last)
        : counting_actor(config, tally), finish_(finish), last_(last)
    {
    }

    behavior make_behavior() override
    {
        return {
            [this](const payload &token) {
                count(token);
                uint64_t number = token.words[0];
                if (number == last_) {
                    finish_->arrive();
                } else {
                    caf::anon_send(next_, first_word(number + 1));
                }
            },
            [this](next_atom, const actor &next) { next_ = next; },
        };
    }

    void on_exit() override
    {
        counting_actor::on_exit();
        next_ = nullptr;
    }

  private:
    actor next_;
    finish *finish_;
    uint64_t last_;
};

void pass_token(const options &options, size_t size, size_t threads, report &report)
{
    tally tally;
    finish finish;
    places places(threads);
    std::vector<actor> nodes;
    for (size_t i = 0; i < size; i++) {
        nodes.push_back(places[i].spawn<node>(&tally, &finish, options.count));
    }
    for (size_t i = 0; i < size; i++) {
        caf::anon_send(nodes[i], next_atom::value, nodes[(i + 1) % size]);
    }
    places.settle();
    stopwatch stopwatch;
    caf::anon_send(nodes[0], first_word(1));
    finish.wait();
    report.time("time", stopwatch.elapsed_ns(), options.count);
    places.end();
    report.proof("messages", tally.messages);
    report.proof("sum", tally.sum);
}

/* ---- counting, fan-in, fan-out ---- */

/* Sends `share` messages, numbered from 0, to its receivers in turn, and keeps within the window of each. */
class source : public caf::event_based_actor
{
  public:
    source(caf::actor_config &config, uint64_t index, uint64_t share)
        : event_based_actor(config), index_(index), share_(share)
    {
    }

    behavior make_behavior() override
    {
        return {
            [this](go_atom, const std::vector<actor> &receivers) {
                receivers_ = receivers;
                room_.assign(receivers.size(), window);
                send_on();
            },
            [this](ack_atom, size_t receiver) {
                room_[receiver] += ack_every;
                send_on();
            },
        };
    }

    void on_exit() override
    {
        receivers_.clear();
    }

  private:
    void send_on()
    {
        while (sent_ < share_ && room_[turn_] > 0) {
            room_[turn_]--;
            caf::anon_send(receivers_[turn_], payload{{sent_++, index_, 0, 0}});
            turn_ = turn_ + 1 == receivers_.size() ? 0 : turn_ + 1;
        }
    }

    uint64_t index_;
    uint64_t share_;
    uint64_t sent_ = 0;
    std::vector<actor> receivers_;
    std::vector<uint64_t> room_;
    size_t turn_ = 0;
};

/* Gets `share` messages; those of one source come in order, `step` apart. */
class sink : public counting_actor
{
  public:
    sink(caf::actor_config &config, tally *tally, finish *finish, size_t index, uint64_t share, uint64_t step,
         std::vector<actor> sources)
        : counting_actor(config, tally), finish_(finish), index_(index), share_(share), step_(step),
          sources_(std::move(sources)), expected_(sources_.size(), index), handled_(sources_.size(), 0)
    {
    }

    behavior make_behavior() override
    {
        return {[this](const payload &payload) {
            uint64_t from = payload.words[1];
            if (payload.words[0] != expected_[from]) {
                finish_->fail("a message came out of order");
            }
            expected_[from] += step_;
            count(payload);
            if (++handled_[from] % ack_every == 0) {
                caf::anon_send(sources_[from], ack_atom::value, index_);
            }
            if (messages_ == share_) {
                finish_->arrive();
            }
        }};
    }

    void on_exit() override
    {
        counting_actor::on_exit();
        sources_.clear();
    }

  private:
    finish *finish_;
    size_t index_;
    uint64_t share_;
    uint64_t step_;
    std::vector<actor> sources_;
    std::vector<uint64_t> expected_;
    std::vector<uint64_t> handled_;
};

/* The share of one of so many in `count` that are dealt in turn. */
uint64_t dealt(uint64_t count, size_t hands, size_t hand)
{
    return count / hands + (hand < count % hands ? 1 : 0);
}

void stream(const options &options, size_t source_count, size_t sink_count, size_t threads, report &report)
{
    uint64_t total = options.count / source_count * source_count;
    tally tally;
    finish finish(sink_count);
    places places(threads);
    std::vector<actor> sources;
    std::vector<actor> sinks;
    for (size_t i = 0; i < source_count; i++) {
        sources.push_back(places[0].spawn<source>(i, total / source_count));
    }
    for (size_t i = 0; i < sink_count; i++) {
        uint64_t share = dealt(total, sink_count, i);
        sinks.push_back(places[1].spawn<sink>(&tally, &finish, i, share, sink_count, sources));
    }
    places.settle();
    stopwatch stopwatch;
    for (const auto &source : sources) {
        caf::anon_send(source, go_atom::value, sinks);
    }
    finish.wait();
    report.time("time", stopwatch.elapsed_ns(), total);
    places.end();
    report.proof("messages", tally.messages);
    report.proof("sum", tally.sum);
}

/* ---- random ---- */

/* The actors of a crowd, and the generator they draw the next one with. One thread. */
struct crowd {
    std::vector<actor> actors;
    uint64_t random;
    actor &draw()
    {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        return actors[random % actors.size()];
    }
};

/* Passes tokens on; the first word is how often each still has to be. */
class member : public counting_actor
{
  public:
    member(caf::actor_config &config, tally *tally, finish *finish, crowd *crowd)
        : counting_actor(config, tally), finish_(finish), crowd_(crowd)
    {
    }

    behavior make_behavior() override
    {
        return {[this](const payload &token) {
            count(token);
            uint64_t left = token.words[0];
            if (left == 0) {
                finish_->arrive();
            } else {
                caf::anon_send(crowd_->draw(), first_word(left - 1));
            }
        }};
    }

  private:
    finish *finish_;
    crowd *crowd_;
};

void pass_at_random(const options &options, size_t tokens, report &report)
{
    tokens = std::min<uint64_t>(tokens, options.count);
    tally tally;
    finish finish(tokens);
    place place(1);
    crowd crowd{{}, 88172645463325252u};
    for (size_t i = 0; i < crowd_size; i++) {
        crowd.actors.push_back(place.spawn<member>(&tally, &finish, &crowd));
    }
    place.settle();
    stopwatch stopwatch;
    for (size_t i = 0; i < tokens; i++) {
        caf::anon_send(crowd.actors[i], first_word(dealt(options.count, tokens, i) - 1));
    }
    finish.wait();
    report.time("time", stopwatch.elapsed_ns(), options.count);
    place.end();
    report.proof("messages", tally.messages);
}

} // namespace

const workloads &message_workloads()
{
    static const workloads all = {
        {"message/ping-pong", [](const options &options, report &report) { pass_token(options, 2, 1, report); }},
        {"message/ping-pong-threads",
         [](const options &options, report &report) { pass_token(options, 2, 2, report); }},
        {"message/ring", [](const options &options, report &report) { pass_token(options, ring_size, 1, report); }},
        {"message/ring-threads",
         [](const options &options, report &report) { pass_token(options, ring_size, 2, report); }},
        {"message/counting", [](const options &options, report &report) { stream(options, 1, 1, 1, report); }},
        {"message/counting-threads", [](const options &options, report &report) { stream(options, 1, 1, 2, report); }},
        {"message/fan-in", [](const options &options, report &report) { stream(options, senders, 1, 1, report); }},
        {"message/fan-in-threads",
         [](const options &options, report &report) { stream(options, senders, 1, 2, report); }},
        {"message/fan-out", [](const options &options, report &report) { stream(options, 1, senders, 1, report); }},
        {"message/fan-out-threads",
         [](const options &options, report &report) { stream(options, 1, senders, 2, report); }},
        {"message/random-64", [](const options &options, report &report) { pass_at_random(options, 64, report); }},
        {"message/random-10000",
         [](const options &options, report &report) { pass_at_random(options, 10000, report); }},
    };
    return all;
}
