/* savina_shared.cpp: the members in which many want what there is little of: see bench/savina/README.md. */
#include "savina.hpp"

#include <cmath>
#include <deque>

using caf::actor;
using caf::behavior;

namespace
{

/* ---- bounded-buffer ---- */

using produce_atom = caf::atom_constant<caf::atom("produce")>;
using item_atom = caf::atom_constant<caf::atom("item")>;
using ready_atom = caf::atom_constant<caf::atom("ready")>;

constexpr size_t producers_count = 40;
constexpr size_t consumers_count = 40;
constexpr size_t buffer_limit = 50 - producers_count;
constexpr uint64_t process_draws = 2500;

struct buffer_world {
    uint64_t each;
    actor manager;
    std::vector<actor> producers;
    std::vector<actor> consumers;
    uint64_t produced = 0;
    uint64_t consumed = 0;
    uint64_t sum = 0;
};

double process(double x)
{
    suite_random random(25);
    for (uint64_t i = 0; i < process_draws; i++) {
        x += std::log(std::abs(random.real()) + 0.01);
    }
    return x;
}

class producer : public caf::event_based_actor
{
  public:
    producer(caf::actor_config &config, const buffer_world *all, size_t index)
        : event_based_actor(config), all_(all), index_(index)
    {
    }

    behavior make_behavior() override
    {
        return {[this](produce_atom) {
            if (produced_ < all_->each) {
                item_ = process(item_);
                send(all_->manager, item_atom::value, index_, produced_++, item_);
            } else {
                send(all_->manager, report_atom::value, produced_);
                quit();
            }
        }};
    }

  private:
    const buffer_world *all_;
    size_t index_;
    double item_ = 0;
    uint64_t produced_ = 0;
};

class consumer : public caf::event_based_actor
{
  public:
    consumer(caf::actor_config &config, const buffer_world *all, size_t index)
        : event_based_actor(config), all_(all), index_(index)
    {
    }

    behavior make_behavior() override
    {
        return {
            [this](item_atom, uint64_t number, double item) {
                own_ = process(own_ + item);
                consumed_++;
                sum_ += number;
                send(all_->manager, ready_atom::value, index_);
            },
            [this](end_atom) {
                send(all_->manager, report_atom::value, consumed_, sum_);
                quit();
            },
        };
    }

  private:
    const buffer_world *all_;
    size_t index_;
    double own_ = 0;
    uint64_t consumed_ = 0;
    uint64_t sum_ = 0;
};

class manager : public central_actor
{
  public:
    manager(caf::actor_config &config, finish *finish, buffer_world *all) : central_actor(config, finish), all_(all)
    {
    }

    behavior make_behavior() override
    {
        return {
            [this](go_atom) { begin(); },
            [this](item_atom, size_t producer, uint64_t number, double value) {
                take({number, value}, producer);
            },
            [this](ready_atom, size_t consumer) { serve(consumer); },
            [this](report_atom, uint64_t produced) {
                all_->produced += produced;
                producers_ended_++;
                end_if_done();
            },
            [this](report_atom, uint64_t consumed, uint64_t sum) {
                all_->consumed += consumed;
                all_->sum += sum;
                if (reported(consumers_count)) {
                    finished();
                }
            },
        };
    }

  private:
    struct item {
        uint64_t number;
        double value;
    };

    void begin()
    {
        for (size_t i = 0; i < consumers_count; i++) {
            available_.push_back(i);
        }
        for (const auto &producer : all_->producers) {
            send(producer, produce_atom::value);
        }
    }

    void pass(size_t consumer, const item &item)
    {
        send(all_->consumers[consumer], item_atom::value, item.number, item.value);
    }

    void take(const item &item, size_t producer)
    {
        if (available_.empty()) {
            buffer_.push_back(item);
        } else {
            pass(available_.front(), item);
            available_.pop_front();
        }
        if (buffer_.size() >= buffer_limit) {
            waiting_.push_back(producer);
        } else {
            send(all_->producers[producer], produce_atom::value);
        }
    }

    void serve(size_t consumer)
    {
        if (buffer_.empty()) {
            available_.push_back(consumer);
            end_if_done();
            return;
        }
        pass(consumer, buffer_.front());
        buffer_.pop_front();
        if (!waiting_.empty()) {
            send(all_->producers[waiting_.front()], produce_atom::value);
            waiting_.pop_front();
        }
    }

    void end_if_done()
    {
        if (producers_ended_ == producers_count && available_.size() == consumers_count) {
            for (const auto &consumer : all_->consumers) {
                send(consumer, end_atom::value);
            }
        }
    }

    buffer_world *all_;
    std::deque<item> buffer_;
    std::deque<size_t> available_;
    std::deque<size_t> waiting_;
    size_t producers_ended_ = 0;
};

void bounded_buffer(const options &options, size_t threads, report &report)
{
    buffer_world all{each_of(options.count, producers_count), {}, {}, {}};
    finish finish;
    place place(threads, threads > 1);
    all.manager = place.spawn<manager>(&finish, &all);
    for (size_t i = 0; i < producers_count; i++) {
        all.producers.push_back(place.spawn<producer>(&all, i));
    }
    for (size_t i = 0; i < consumers_count; i++) {
        all.consumers.push_back(place.spawn<consumer>(&all, i));
    }
    time_savina(place, all.manager, finish, all.each * producers_count, report);
    place.end();
    report.proof("produced", all.produced);
    report.proof("consumed", all.consumed);
    report.proof("sum", all.sum);
}

/* ---- dining-philosophers ---- */

/*
 * A message that an actor sends puts its receiver first in the worker's queue. A philosopher who is denied and asks again
 * would so stay before the one who has the forks for ever; caf::anon_send() puts its receiver last.
 */
using hungry_atom = caf::atom_constant<caf::atom("hungry")>;
using eat_atom = caf::atom_constant<caf::atom("eat")>;
using denied_atom = caf::atom_constant<caf::atom("denied")>;

constexpr size_t philosophers_count = 20;

struct table {
    uint64_t each;
    actor arbitrator;
    std::vector<actor> philosophers;
    uint64_t meals = 0;
};

class philosopher : public caf::event_based_actor
{
  public:
    philosopher(caf::actor_config &config, const table *all, size_t index)
        : event_based_actor(config), all_(all), index_(index)
    {
    }

    behavior make_behavior() override
    {
        return {
            [this](go_atom) { caf::anon_send(all_->arbitrator, hungry_atom::value, index_); },
            [this](denied_atom) { caf::anon_send(all_->arbitrator, hungry_atom::value, index_); },
            [this](eat_atom) {
                caf::anon_send(all_->arbitrator, done_atom::value, index_);
                if (++meals_ < all_->each) {
                    caf::anon_send(this, go_atom::value);
                } else {
                    caf::anon_send(all_->arbitrator, report_atom::value, meals_);
                    quit();
                }
            },
        };
    }

  private:
    const table *all_;
    size_t index_;
    uint64_t meals_ = 0;
};

class arbitrator : public central_actor
{
  public:
    arbitrator(caf::actor_config &config, finish *finish, table *all) : central_actor(config, finish), all_(all)
    {
    }

    behavior make_behavior() override
    {
        return {
            [this](go_atom) {
                for (const auto &philosopher : all_->philosophers) {
                    caf::anon_send(philosopher, go_atom::value);
                }
            },
            [this](hungry_atom, size_t philosopher) {
                if (taken_[philosopher] || taken_[right(philosopher)]) {
                    caf::anon_send(all_->philosophers[philosopher], denied_atom::value);
                } else {
                    taken_[philosopher] = taken_[right(philosopher)] = true;
                    caf::anon_send(all_->philosophers[philosopher], eat_atom::value);
                }
            },
            [this](done_atom, size_t philosopher) {
                if (!taken_[philosopher] || !taken_[right(philosopher)]) {
                    failed("a fork was freed that was not taken");
                }
                taken_[philosopher] = taken_[right(philosopher)] = false;
            },
            [this](report_atom, uint64_t meals) {
                all_->meals += meals;
                if (reported(philosophers_count)) {
                    finished();
                }
            },
        };
    }

  private:
    static size_t right(size_t philosopher)
    {
        return (philosopher + 1) % philosophers_count;
    }

    table *all_;
    std::array<bool, philosophers_count> taken_{};
};

void dining_philosophers(const options &options, size_t threads, report &report)
{
    table all{each_of(options.count, philosophers_count), {}, {}};
    finish finish;
    place place(threads, threads > 1);
    all.arbitrator = place.spawn<arbitrator>(&finish, &all);
    for (size_t i = 0; i < philosophers_count; i++) {
        all.philosophers.push_back(place.spawn<philosopher>(&all, i));
    }
    time_savina(place, all.arbitrator, finish, all.each * philosophers_count, report);
    place.end();
    report.proof("meals", all.meals);
}

/* ---- sleeping-barber ---- */

/* For the same reason as above everything is sent by caf::anon_send() here, and actors let others run after each message. */
using enter_atom = caf::atom_constant<caf::atom("enter")>;
using full_atom = caf::atom_constant<caf::atom("full")>;
using wait_atom = caf::atom_constant<caf::atom("wait")>;
using start_atom = caf::atom_constant<caf::atom("start")>;

constexpr uint64_t barber_seed = 74755;
constexpr size_t room_limit = 1000;
constexpr uint64_t customers_max = 2000;

struct shop {
    uint64_t count;
    actor factory;
    actor room;
    actor barber;
    uint64_t haircuts = 0;
    uint64_t cutting = 0;
    uint64_t making = 0;
};

uint64_t work(suite_random &random)
{
    return busy(random.below(1000) + 10);
}

class barber : public caf::event_based_actor
{
  public:
    barber(caf::actor_config &config, const shop *all) : event_based_actor(config), all_(all), random_(barber_seed)
    {
    }

    behavior make_behavior() override
    {
        return {
            [this](enter_atom, const actor &customer) {
                caf::anon_send(customer, start_atom::value);
                cutting_ += work(random_);
                caf::anon_send(customer, done_atom::value);
                caf::anon_send(all_->room, next_atom::value);
            },
            [](wait_atom) {},
            [this](end_atom) {
                caf::anon_send(all_->factory, report_atom::value, cutting_);
                quit();
            },
        };
    }

  private:
    const shop *all_;
    suite_random random_;
    uint64_t cutting_ = 0;
};

class room : public caf::event_based_actor
{
  public:
    room(caf::actor_config &config, const shop *all) : event_based_actor(config), all_(all)
    {
    }

    behavior make_behavior() override
    {
        return {
            [this](enter_atom, const actor &customer) { enter(customer); },
            [this](next_atom) {
                if (waiting_.empty()) {
                    barber_sleeps_ = true;
                    caf::anon_send(all_->barber, wait_atom::value);
                } else {
                    caf::anon_send(all_->barber, enter_atom::value, waiting_.front());
                    waiting_.pop_front();
                }
            },
            [this](end_atom) {
                caf::anon_send(all_->barber, end_atom::value);
                quit();
            },
        };
    }

  private:
    void enter(const actor &customer)
    {
        if (waiting_.size() == room_limit) {
            caf::anon_send(customer, full_atom::value);
            return;
        }
        waiting_.push_back(customer);
        if (barber_sleeps_) {
            barber_sleeps_ = false;
            caf::anon_send(this, next_atom::value);
        } else {
            caf::anon_send(customer, wait_atom::value);
        }
    }

    const shop *all_;
    std::deque<actor> waiting_;
    bool barber_sleeps_ = true;
};

class customer : public caf::event_based_actor
{
  public:
    customer(caf::actor_config &config, const shop *all) : event_based_actor(config), all_(all)
    {
    }

    behavior make_behavior() override
    {
        return {
            [this](full_atom) { caf::anon_send(all_->factory, full_atom::value, actor(this)); },
            [](wait_atom) {},
            [](start_atom) {},
            [this](done_atom) {
                caf::anon_send(all_->factory, done_atom::value);
                quit();
            },
        };
    }

  private:
    const shop *all_;
};

class factory : public central_actor
{
  public:
    factory(caf::actor_config &config, finish *finish, shop *all)
        : central_actor(config, finish), all_(all), random_(barber_seed)
    {
    }

    behavior make_behavior() override
    {
        return {
            [this](go_atom) { make_one(); },
            [this](full_atom, const actor &customer) { caf::anon_send(all_->room, enter_atom::value, customer); },
            [this](done_atom) { one_done(); },
            [this](report_atom, uint64_t cutting) {
                all_->cutting += cutting;
                finished();
            },
        };
    }

  private:
    void make_one()
    {
        stalled_ = made_ - all_->haircuts == customers_max;
        if (stalled_ || made_ == all_->count) {
            return;
        }
        made_++;
        caf::anon_send(all_->room, enter_atom::value, actor(spawn<customer, caf::lazy_init>(all_)));
        all_->making += work(random_);
        caf::anon_send(this, go_atom::value);
    }

    void one_done()
    {
        all_->haircuts++;
        if (all_->haircuts == all_->count) {
            caf::anon_send(all_->room, end_atom::value);
        } else if (stalled_) {
            make_one();
        }
    }

    shop *all_;
    suite_random random_;
    uint64_t made_ = 0;
    bool stalled_ = false;
};

void sleeping_barber(const options &options, size_t threads, report &report)
{
    shop all{options.count, {}, {}, {}};
    finish finish;
    place place(threads, threads > 1, 1);
    all.factory = place.spawn<factory>(&finish, &all);
    all.room = place.spawn<room>(&all);
    all.barber = place.spawn<barber>(&all);
    time_savina(place, all.factory, finish, options.count, report);
    place.end();
    report.proof("haircuts", all.haircuts);
    report.proof("cutting", all.cutting);
    report.proof("making", all.making);
}

/* ---- cigarette-smokers ---- */

using smoke_atom = caf::atom_constant<caf::atom("smoke")>;
using smoking_atom = caf::atom_constant<caf::atom("smoking")>;

constexpr uint64_t smokers_count = 200;

struct smoking {
    uint64_t count;
    actor arbiter;
    std::vector<actor> smokers;
    uint64_t smokes = 0;
    uint64_t work = 0;
};

class smoker : public caf::event_based_actor
{
  public:
    smoker(caf::actor_config &config, const smoking *all) : event_based_actor(config), all_(all)
    {
    }

    behavior make_behavior() override
    {
        return {
            [this](smoke_atom, uint64_t period) {
                send(all_->arbiter, smoking_atom::value);
                smokes_++;
                work_ += busy(period);
            },
            [this](end_atom) {
                send(all_->arbiter, report_atom::value, smokes_, work_);
                quit();
            },
        };
    }

  private:
    const smoking *all_;
    uint64_t smokes_ = 0;
    uint64_t work_ = 0;
};

class arbiter : public central_actor
{
  public:
    arbiter(caf::actor_config &config, finish *finish, smoking *all)
        : central_actor(config, finish), all_(all), random_(all->count * smokers_count)
    {
    }

    behavior make_behavior() override
    {
        return {
            [this](go_atom) { begin_round(); },
            [this](smoking_atom) {
                if (++answers_ < all_->count) {
                    begin_round();
                    return;
                }
                for (const auto &smoker : all_->smokers) {
                    send(smoker, end_atom::value);
                }
            },
            [this](report_atom, uint64_t smokes, uint64_t work) {
                all_->smokes += smokes;
                all_->work += work;
                if (reported(smokers_count)) {
                    finished();
                }
            },
        };
    }

  private:
    void begin_round()
    {
        uint64_t smoker = random_.below(smokers_count);
        send(all_->smokers[smoker], smoke_atom::value, random_.below(1000) + 10);
    }

    smoking *all_;
    suite_random random_;
    uint64_t answers_ = 0;
};

void cigarette_smokers(const options &options, size_t threads, report &report)
{
    smoking all{options.count, {}, {}};
    finish finish;
    place place(threads, threads > 1);
    all.arbiter = place.spawn<arbiter>(&finish, &all);
    for (uint64_t i = 0; i < smokers_count; i++) {
        all.smokers.push_back(place.spawn<smoker>(&all));
    }
    time_savina(place, all.arbiter, finish, options.count, report);
    place.end();
    report.proof("smokes", all.smokes);
    report.proof("work", all.work);
}

workloads make_workloads()
{
    workloads all;
    add_member<bounded_buffer>(all, "savina/bounded-buffer", "savina/bounded-buffer-threads");
    add_member<dining_philosophers>(all, "savina/dining-philosophers", "savina/dining-philosophers-threads");
    add_member<sleeping_barber>(all, "savina/sleeping-barber", "savina/sleeping-barber-threads");
    add_member<cigarette_smokers>(all, "savina/cigarette-smokers", "savina/cigarette-smokers-threads");
    return all;
}

} // namespace

const workloads &savina_shared_workloads()
{
    static const workloads all = make_workloads();
    return all;
}
