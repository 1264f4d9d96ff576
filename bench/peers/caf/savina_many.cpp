/* savina_many.cpp: the members in which many actors do the same: see bench/savina/README.md. */
#include "savina.hpp"

#include <cmath>
#include <cstring>

using caf::actor;
using caf::behavior;

namespace
{

constexpr double angle = 37.2;

double sine(double x)
{
    double value = std::sin(x);
    return value * value;
}

/* ---- fork-join-throughput ---- */

constexpr size_t sinks_count = 60;

struct throughput {
    uint64_t each;
    actor source;
    std::vector<actor> sinks;
    uint64_t messages = 0;
    uint64_t sum = 0;
};

class throughput_sink : public caf::event_based_actor
{
  public:
    throughput_sink(caf::actor_config &config, const throughput *all, size_t index)
        : event_based_actor(config), all_(all), index_(index)
    {
    }

    behavior make_behavior() override
    {
        return {[this](uint64_t number, double x) {
            messages_ += sine(x) > 0;
            sum_ += number;
            if (messages_ % ack_every == 0) {
                send(all_->source, ack_atom::value, index_);
            }
            if (messages_ == all_->each) {
                send(all_->source, report_atom::value, messages_, sum_);
                quit();
            }
        }};
    }

  private:
    const throughput *all_;
    size_t index_;
    uint64_t messages_ = 0;
    uint64_t sum_ = 0;
};

class throughput_source : public central_actor
{
  public:
    throughput_source(caf::actor_config &config, finish *finish, throughput *all)
        : central_actor(config, finish), all_(all), room_(sinks_count, window)
    {
    }

    behavior make_behavior() override
    {
        return {
            [this](go_atom) { send_on(); },
            [this](ack_atom, size_t sink) {
                room_[sink] += ack_every;
                send_on();
            },
            [this](report_atom, uint64_t messages, uint64_t sum) {
                all_->messages += messages;
                all_->sum += sum;
                if (reported(sinks_count)) {
                    finished();
                }
            },
        };
    }

  private:
    void send_on()
    {
        while (number_ < all_->each && room_[turn_] > 0) {
            room_[turn_]--;
            send(all_->sinks[turn_], number_, angle);
            if (++turn_ == sinks_count) {
                turn_ = 0;
                number_++;
            }
        }
    }

    throughput *all_;
    std::vector<uint64_t> room_;
    uint64_t number_ = 0;
    size_t turn_ = 0;
};

void fork_join_throughput(const options &options, size_t threads, report &report)
{
    throughput all{each_of(options.count, sinks_count), {}, {}};
    finish finish;
    place place(threads, threads > 1);
    all.source = place.spawn<throughput_source>(&finish, &all);
    for (size_t i = 0; i < sinks_count; i++) {
        all.sinks.push_back(place.spawn<throughput_sink>(&all, i));
    }
    time_savina(place, all.source, finish, all.each * sinks_count, report);
    place.end();
    report.proof("messages", all.messages);
    report.proof("sum", all.sum);
}

/* ---- fork-join-create ---- */

constexpr uint64_t round_size = 40000;

struct creation {
    uint64_t count;
    std::vector<actor> parents;
    uint64_t actors = 0;
    uint64_t sum = 0;
};

/* Answers its parent with its number, and ends. */
class leaf : public caf::event_based_actor
{
  public:
    explicit leaf(caf::actor_config &config) : event_based_actor(config)
    {
    }

    behavior make_behavior() override
    {
        return {[this](uint64_t number, double x) {
            quit();
            return sine(x) > 0 ? number : 0;
        }};
    }
};

class leaf_parent : public caf::event_based_actor
{
  public:
    leaf_parent(caf::actor_config &config, const creation *all, uint64_t index, uint64_t parents)
        : event_based_actor(config), all_(all), next_(index), step_(parents)
    {
    }

    behavior make_behavior() override
    {
        return {
            [this](go_atom, const actor &root) {
                root_ = root;
                make_round();
            },
            [this](uint64_t number) {
                actors_++;
                sum_ += number;
                if (--alive_ == 0) {
                    make_round();
                }
            },
        };
    }

  private:
    void make_round()
    {
        for (; alive_ < round_size / step_ && next_ < all_->count; alive_++, next_ += step_) {
            send(spawn<leaf, caf::lazy_init>(), next_, angle);
        }
        if (alive_ == 0) {
            send(root_, report_atom::value, actors_, sum_);
            root_ = nullptr;
            quit();
        }
    }

    const creation *all_;
    actor root_;
    uint64_t next_;
    uint64_t step_;
    uint64_t alive_ = 0;
    uint64_t actors_ = 0;
    uint64_t sum_ = 0;
};

class leaf_root : public central_actor
{
  public:
    leaf_root(caf::actor_config &config, finish *finish, creation *all) : central_actor(config, finish), all_(all)
    {
    }

    behavior make_behavior() override
    {
        return {
            [this](go_atom) {
                for (const auto &parent : all_->parents) {
                    send(parent, go_atom::value, actor(this));
                }
            },
            [this](report_atom, uint64_t actors, uint64_t sum) {
                all_->actors += actors;
                all_->sum += sum;
                if (reported(all_->parents.size())) {
                    finished();
                }
            },
        };
    }

  private:
    creation *all_;
};

void fork_join_create(const options &options, size_t threads, report &report)
{
    creation all{options.count, {}};
    finish finish;
    place place(threads, threads > 1);
    for (size_t i = 0; i < threads; i++) {
        all.parents.push_back(place.spawn<leaf_parent>(&all, i, threads));
    }
    actor root = place.spawn<leaf_root>(&finish, &all);
    time_savina(place, root, finish, options.count, report);
    place.end();
    report.proof("actors", all.actors);
    report.proof("sum", all.sum);
}

/* ---- chameneos ---- */

using meet_atom = caf::atom_constant<caf::atom("meet")>;
using change_atom = caf::atom_constant<caf::atom("change")>;

constexpr size_t chameneos_count = 100;
constexpr uint32_t colours = 3;

struct meadow {
    uint64_t left;
    actor mall;
    std::vector<actor> chameneos;
    uint64_t meetings = 0;
};

uint32_t complement(uint32_t mine, uint32_t other)
{
    return mine == other ? mine : colours - mine - other;
}

class chameneo : public caf::event_based_actor
{
  public:
    chameneo(caf::actor_config &config, const meadow *all, uint32_t colour)
        : event_based_actor(config), all_(all), colour_(colour)
    {
    }

    behavior make_behavior() override
    {
        return {
            [this](go_atom) { meet(); },
            [this](meet_atom, uint32_t colour, const actor &other) {
                colour_ = complement(colour_, colour);
                meetings_++;
                send(other, change_atom::value, colour_);
                meet();
            },
            [this](change_atom, uint32_t colour) {
                colour_ = colour;
                meetings_++;
                meet();
            },
            [this](end_atom) {
                send(all_->mall, report_atom::value, meetings_);
                quit();
            },
        };
    }

  private:
    void meet()
    {
        send(all_->mall, meet_atom::value, colour_, actor(this));
    }

    const meadow *all_;
    uint32_t colour_;
    uint64_t meetings_ = 0;
};

class mall : public central_actor
{
  public:
    mall(caf::actor_config &config, finish *finish, meadow *all) : central_actor(config, finish), all_(all)
    {
    }

    behavior make_behavior() override
    {
        return {
            [this](go_atom) {
                for (const auto &chameneo : all_->chameneos) {
                    send(chameneo, go_atom::value);
                }
            },
            [this](meet_atom, uint32_t colour, const actor &chameneo) { meet(colour, chameneo); },
            [this](report_atom, uint64_t meetings) {
                all_->meetings += meetings;
                if (reported(chameneos_count)) {
                    finished();
                }
            },
        };
    }

  private:
    void meet(uint32_t colour, const actor &chameneo)
    {
        if (all_->left == 0) {
            send(chameneo, end_atom::value);
        } else if (waiting_ == nullptr) {
            waiting_ = chameneo;
        } else {
            send(waiting_, meet_atom::value, colour, chameneo);
            waiting_ = nullptr;
            all_->left--;
        }
    }

    meadow *all_;
    actor waiting_;
};

void chameneos(const options &options, size_t threads, report &report)
{
    meadow all{options.count, {}, {}};
    finish finish;
    place place(threads, threads > 1);
    all.mall = place.spawn<mall>(&finish, &all);
    for (uint32_t i = 0; i < chameneos_count; i++) {
        all.chameneos.push_back(place.spawn<chameneo>(&all, i % colours));
    }
    time_savina(place, all.mall, finish, options.count, report);
    place.end();
    report.proof("meetings", all.meetings);
}

/* ---- big ---- */

using ping_atom = caf::atom_constant<caf::atom("ping")>;
using pong_atom = caf::atom_constant<caf::atom("pong")>;

constexpr size_t big_count = 120;

struct big_world {
    uint64_t each;
    actor sink;
    std::vector<actor> actors;
    finish *failing;
    uint64_t pings = 0;
    uint64_t targets = 0;
};

class big_actor : public caf::event_based_actor
{
  public:
    big_actor(caf::actor_config &config, const big_world *all, uint64_t number)
        : event_based_actor(config), all_(all), number_(number), random_(number)
    {
    }

    behavior make_behavior() override
    {
        return {
            [this](go_atom) { ping(); },
            [this](ping_atom, uint64_t from) {
                pings_++;
                targets_ += number_;
                send(all_->actors[from], pong_atom::value, number_);
            },
            [this](pong_atom, uint64_t from) {
                if (from != target_) {
                    all_->failing->fail("a pong came from another actor than expected");
                }
                answered_++;
                ping();
            },
            [this](end_atom) {
                send(all_->sink, report_atom::value, pings_, targets_);
                quit();
            },
        };
    }

  private:
    void ping()
    {
        if (answered_ == all_->each) {
            send(all_->sink, done_atom::value);
            return;
        }
        target_ = random_.below(big_count);
        send(all_->actors[target_], ping_atom::value, number_);
    }

    const big_world *all_;
    uint64_t number_;
    suite_random random_;
    uint64_t target_ = 0;
    uint64_t answered_ = 0;
    uint64_t pings_ = 0;
    uint64_t targets_ = 0;
};

class big_sink : public central_actor
{
  public:
    big_sink(caf::actor_config &config, finish *finish, big_world *all) : central_actor(config, finish), all_(all)
    {
    }

    behavior make_behavior() override
    {
        return {
            [this](go_atom) { tell_all<go_atom>(); },
            [this](done_atom) {
                if (++done_ == big_count) {
                    tell_all<end_atom>();
                }
            },
            [this](report_atom, uint64_t pings, uint64_t targets) {
                all_->pings += pings;
                all_->targets += targets;
                if (reported(big_count)) {
                    finished();
                }
            },
        };
    }

  private:
    template <class Atom> void tell_all()
    {
        for (const auto &actor : all_->actors) {
            send(actor, Atom::value);
        }
    }

    big_world *all_;
    size_t done_ = 0;
};

void big(const options &options, size_t threads, report &report)
{
    finish finish;
    big_world all{each_of(options.count, big_count), {}, {}, &finish};
    place place(threads, threads > 1);
    all.sink = place.spawn<big_sink>(&finish, &all);
    for (size_t i = 0; i < big_count; i++) {
        all.actors.push_back(place.spawn<big_actor>(&all, i));
    }
    time_savina(place, all.sink, finish, all.each * big_count, report);
    place.end();
    report.proof("pings", all.pings);
    report.proof("targets", all.targets);
}

/* ---- logistic-map ---- */

constexpr size_t series = 10;
constexpr double rate_first = 3.46;
constexpr double rate_step = 0.0025;

struct logistic {
    uint64_t each;
    actor master;
    std::vector<actor> computers;
    std::vector<actor> workers;
    std::vector<double> last = std::vector<double>(series);
    uint64_t terms = 0;
};

class computer : public caf::event_based_actor
{
  public:
    computer(caf::actor_config &config, double rate) : event_based_actor(config), rate_(rate)
    {
    }

    behavior make_behavior() override
    {
        return {[this](double x) { return rate_ * x * (1 - x); }};
    }

  private:
    double rate_;
};

class series_worker : public caf::event_based_actor
{
  public:
    series_worker(caf::actor_config &config, const logistic *all, size_t index)
        : event_based_actor(config), all_(all), index_(index), term_(static_cast<double>(index) * rate_step)
    {
    }

    behavior make_behavior() override
    {
        return {
            [this](next_atom) {
                /* await(): nothing else is handled until the answer is there. */
                request(all_->computers[index_], caf::infinite, term_).await([this](double term) {
                    term_ = term;
                    if (++terms_ % ack_every == 0) {
                        send(all_->master, ack_atom::value, index_);
                    }
                });
            },
            [this](done_atom) {
                send(all_->master, report_atom::value, index_, term_, terms_);
                quit();
            },
        };
    }

  private:
    const logistic *all_;
    size_t index_;
    double term_;
    uint64_t terms_ = 0;
};

class series_master : public central_actor
{
  public:
    series_master(caf::actor_config &config, finish *finish, logistic *all)
        : central_actor(config, finish), all_(all), room_(series, window), sent_(series, 0)
    {
    }

    behavior make_behavior() override
    {
        return {
            [this](go_atom) { send_on(); },
            [this](ack_atom, size_t worker) {
                room_[worker] += ack_every;
                send_on();
            },
            [this](report_atom, size_t worker, double term, uint64_t terms) {
                all_->last[worker] = term;
                all_->terms += terms;
                if (reported(series)) {
                    finished();
                }
            },
        };
    }

  private:
    void send_on()
    {
        while (!ended_ && room_[turn_] > 0) {
            room_[turn_]--;
            send(all_->workers[turn_], next_atom::value);
            sent_[turn_]++;
            turn_ = (turn_ + 1) % series;
            ended_ = sent_.back() == all_->each;
        }
        if (ended_ && !told_) {
            told_ = true;
            for (const auto &worker : all_->workers) {
                send(worker, done_atom::value);
            }
        }
    }

    logistic *all_;
    std::vector<uint64_t> room_;
    std::vector<uint64_t> sent_;
    size_t turn_ = 0;
    bool ended_ = false;
    bool told_ = false;
};

void logistic_map(const options &options, size_t threads, report &report)
{
    logistic all{each_of(options.count, series), {}, {}, {}};
    finish finish;
    place place(threads, threads > 1);
    all.master = place.spawn<series_master>(&finish, &all);
    for (size_t i = 0; i < series; i++) {
        all.computers.push_back(place.spawn<computer>(rate_first + static_cast<double>(i) * rate_step));
        all.workers.push_back(place.spawn<series_worker>(&all, i));
    }
    time_savina(place, all.master, finish, all.each * series, report);
    place.end();
    double sum = 0;
    for (double term : all.last) {
        sum += term;
    }
    uint64_t bits = 0;
    std::memcpy(&bits, &sum, sizeof bits);
    report.proof("terms", all.terms);
    report.proof("sum", bits);
}

/* ---- all-pairs-shortest-path ---- */

constexpr size_t nodes = 300;
constexpr size_t edge = 50;
constexpr size_t per_row = nodes / edge;
constexpr size_t blocks_count = per_row * per_row;
constexpr size_t neighbours = 2 * (per_row - 1);

using block_data = std::vector<int64_t>;
using block_ref = std::shared_ptr<const block_data>;

/* What a block is after so many steps. It does not change any more, so neighbours share it. */
struct block_state {
    uint64_t step;
    size_t block;
    block_ref data;
};

struct paths {
    uint64_t each;
    actor collector;
    std::vector<actor> blocks;
    uint64_t steps = 0;
    uint64_t checksum = 0;
};

} // namespace

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(block_state)

namespace
{

class block : public caf::event_based_actor
{
  public:
    block(caf::actor_config &config, const paths *all, size_t index, block_ref data)
        : event_based_actor(config), all_(all), index_(index), data_(std::move(data))
    {
        for (auto &arrived : arrived_) {
            arrived.resize(blocks_count);
        }
    }

    behavior make_behavior() override
    {
        return {
            [this](go_atom) {
                begun_ = true;
                tell_neighbours();
                take_steps();
            },
            [this](const block_state &state) {
                arrived_[state.step % 2][state.block] = state.data;
                count_[state.step % 2]++;
                take_steps();
            },
        };
    }

  private:
    size_t row() const
    {
        return index_ / per_row;
    }
    size_t column() const
    {
        return index_ % per_row;
    }

    void tell_neighbours()
    {
        block_state state{step_, index_, data_};
        for (size_t i = 0; i < per_row; i++) {
            if (i != column()) {
                send(all_->blocks[row() * per_row + i], state);
            }
            if (i != row()) {
                send(all_->blocks[i * per_row + column()], state);
            }
        }
    }

    void take_steps()
    {
        while (begun_ && step_ < all_->each && count_[step_ % 2] == neighbours) {
            take_step();
        }
    }

    void take_step()
    {
        auto &arrived = arrived_[step_ % 2];
        arrived[index_] = data_;
        size_t k = step_ % nodes;
        const block_data &of_row = *arrived[row() * per_row + k / edge];
        const block_data &of_column = *arrived[k / edge * per_row + column()];
        auto next = std::make_shared<block_data>(*data_);
        for (size_t i = 0; i < edge; i++) {
            int64_t to_k = of_row[i * edge + k % edge];
            for (size_t j = 0; j < edge; j++) {
                int64_t &distance = (*next)[i * edge + j];
                distance = std::min(distance, to_k + of_column[k % edge * edge + j]);
            }
        }
        data_ = std::move(next);
        count_[step_ % 2] = 0;
        step_++;
        if (step_ < all_->each) {
            tell_neighbours();
        } else {
            send(all_->collector, report_atom::value, step_, checksum());
            quit();
        }
    }

    uint64_t checksum() const
    {
        uint64_t sum = 0;
        for (size_t i = 0; i < edge; i++) {
            for (size_t j = 0; j < edge; j++) {
                size_t place = nodes * (row() * edge + i) + column() * edge + j + 1;
                sum += place * static_cast<uint64_t>((*data_)[i * edge + j]);
            }
        }
        return sum;
    }

    const paths *all_;
    size_t index_;
    block_ref data_;
    std::array<std::vector<block_ref>, 2> arrived_; /* of this step and of the next, by block */
    std::array<size_t, 2> count_{};
    uint64_t step_ = 0;
    bool begun_ = false;
};

class collector : public central_actor
{
  public:
    collector(caf::actor_config &config, finish *finish, paths *all) : central_actor(config, finish), all_(all)
    {
    }

    behavior make_behavior() override
    {
        return {
            [this](go_atom) {
                for (const auto &block : all_->blocks) {
                    send(block, go_atom::value);
                }
            },
            [this](report_atom, uint64_t steps, uint64_t checksum) {
                all_->steps += steps;
                all_->checksum += checksum;
                if (reported(blocks_count)) {
                    finished();
                }
            },
        };
    }

  private:
    paths *all_;
};

block_data draw_weights()
{
    block_data weights(nodes * nodes, 0);
    suite_random random(nodes);
    for (size_t i = 0; i < nodes; i++) {
        for (size_t j = i + 1; j < nodes; j++) {
            auto weight = static_cast<int64_t>(random.below(100) + 1);
            weights[i * nodes + j] = weight;
            weights[j * nodes + i] = weight;
        }
    }
    return weights;
}

block_ref cut_block(const block_data &weights, size_t index)
{
    auto data = std::make_shared<block_data>();
    const int64_t *corner = &weights[index / per_row * edge * nodes + index % per_row * edge];
    for (size_t i = 0; i < edge; i++) {
        data->insert(data->end(), corner + i * nodes, corner + i * nodes + edge);
    }
    return data;
}

void all_pairs_shortest_path(const options &options, size_t threads, report &report)
{
    paths all{each_of(options.count, blocks_count), {}, {}};
    finish finish;
    place place(threads, threads > 1);
    all.collector = place.spawn<collector>(&finish, &all);
    block_data weights = draw_weights();
    for (size_t i = 0; i < blocks_count; i++) {
        all.blocks.push_back(place.spawn<block>(&all, i, cut_block(weights, i)));
    }
    time_savina(place, all.collector, finish, all.each * blocks_count, report);
    place.end();
    report.proof("steps", all.steps);
    report.proof("checksum", all.checksum);
}

workloads make_workloads()
{
    workloads all;
    add_member<fork_join_throughput>(all, "savina/fork-join-throughput", "savina/fork-join-throughput-threads");
    add_member<fork_join_create>(all, "savina/fork-join-create", "savina/fork-join-create-threads");
    add_member<chameneos>(all, "savina/chameneos", "savina/chameneos-threads");
    add_member<big>(all, "savina/big", "savina/big-threads");
    add_member<logistic_map>(all, "savina/logistic-map", "savina/logistic-map-threads");
    add_member<all_pairs_shortest_path>(all, "savina/all-pairs-shortest-path",
                                        "savina/all-pairs-shortest-path-threads");
    return all;
}

} // namespace

const workloads &savina_many_workloads()
{
    static const workloads all = make_workloads();
    return all;
}
