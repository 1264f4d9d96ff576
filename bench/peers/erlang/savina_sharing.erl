%% The members of the suite in which many share what one owns.
-module(savina_sharing).
-export([workloads/0]).

-define(WORKERS, 20).
-define(PAIRS, 524287).
-define(TRADERS, 40).
-define(BUFFER, 50).
-define(PHILOSOPHERS, 20).

workloads() ->
    savina:both("concurrent-dictionary", fun dictionary/1) ++
        savina:both("concurrent-sorted-list", fun sorted_list/1) ++
        savina:both("bounded-buffer", fun bounded_buffer/1) ++
        savina:both("dining-philosophers", fun dining_philosophers/1).

%% ---- workers that ask an owner ----

%% Each draws a request, {Random, Request}, and makes the next at each answer. Returns the sum of the answers to writes.
run_workers(Owner, Each, Seed, Draw) ->
    Self = self(),
    Workers = [
        spawn_link(fun() -> receive work -> work(Self, Owner, Draw, I + Each + Seed, Each, 0, 0) end end)
     || I <- lists:seq(0, ?WORKERS - 1)
    ],
    [Worker ! work || Worker <- Workers],
    {_, Written} = savina:add_reports(?WORKERS),
    Written.

work(Master, _, _, _, 0, Writes, Written) ->
    Master ! {report, Writes, Written};
work(Master, Owner, Draw, Random, Left, Writes, Written) ->
    {Drawn, Request} = Draw(Random),
    Owner ! Request,
    receive
        {written, Answer} -> work(Master, Owner, Draw, Drawn, Left - 1, Writes + 1, Written + Answer);
        {found, _} -> work(Master, Owner, Draw, Drawn, Left - 1, Writes, Written)
    end.

ask_counts(Owner) ->
    Owner ! {counts, self()},
    receive {counts, Counts} -> Counts end.

%% ---- concurrent-dictionary ----

%% A heap with room for a million words from the start makes no difference.
dictionary(Count) ->
    Each = savina:each(Count, ?WORKERS),
    Self = self(),
    Owner = spawn_link(fun() -> own_map_start(Self) end),
    receive ready -> ok end,
    Began = bench:now_ns(),
    Written = run_workers(Owner, Each, 10, fun draw_dictionary/1),
    {Reads, Writes, Keys} = ask_counts(Owner),
    [
        bench:elapsed(Began, Each * ?WORKERS),
        {proof, reads, Reads},
        {proof, writes, Writes},
        {proof, keys, Keys},
        {proof, written, Written}
    ].

draw_dictionary(Random) ->
    Drawn = savina:next(Random),
    Key = savina:next(Drawn),
    case Drawn rem 100 < 10 of
        true ->
            Value = savina:next(Key),
            {Value, {write, self(), Key, Value}};
        false ->
            {Key, {read, self(), Key}}
    end.

own_map_start(Master) ->
    Map = maps:from_list([{Key, Key} || Key <- lists:seq(0, ?PAIRS - 1)]),
    erlang:garbage_collect(),
    Master ! ready,
    own_map(Map, 0, 0, 0).

own_map(Map, Reads, Writes, Keys) ->
    receive
        {read, From, Key} ->
            From ! {found, map_get(Key, Map)},
            own_map(Map, Reads + 1, Writes, Keys + Key);
        {write, From, Key, Value} ->
            From ! {written, Value},
            own_map(Map#{Key => Value}, Reads, Writes + 1, Keys + Key);
        {counts, From} ->
            From ! {counts, {Reads, Writes, Keys}}
    end.

%% ---- concurrent-sorted-list ----

sorted_list(Count) ->
    Each = savina:each(Count, ?WORKERS),
    Owner = spawn_opt(fun() -> own_list([], 0, 0, 0) end, [link, {min_heap_size, 1 bsl 20}]),
    Began = bench:now_ns(),
    run_workers(Owner, Each, 11, fun draw_list/1),
    {Adds, Sizes, Lookups, Checksum} = ask_counts(Owner),
    [
        bench:elapsed(Began, Each * ?WORKERS),
        {proof, adds, Adds},
        {proof, sizes, Sizes},
        {proof, lookups, Lookups},
        {proof, checksum, Checksum}
    ].

draw_list(Random) ->
    Drawn = savina:next(Random),
    case Drawn rem 100 of
        Size when Size < 1 ->
            {Drawn, {size, self()}};
        Add when Add < 11 ->
            Value = savina:next(Drawn),
            {Value, {add, self(), Value}};
        _ ->
            Value = savina:next(Drawn),
            {Value, {contains, self(), Value}}
    end.

own_list(List, Adds, Sizes, Lookups) ->
    receive
        {contains, From, Value} ->
            From ! {found, lists:member(Value, List)},
            own_list(List, Adds, Sizes, Lookups + 1);
        {add, From, Value} ->
            From ! {written, Value},
            own_list(insert(Value, List), Adds + 1, Sizes, Lookups);
        {size, From} ->
            From ! {found, length(List)},
            own_list(List, Adds, Sizes + 1, Lookups);
        {counts, From} ->
            From ! {counts, {Adds, Sizes, Lookups, checksum(List, 1, 0)}}
    end.

insert(Value, [First | Others]) when First =< Value -> [First | insert(Value, Others)];
insert(Value, List) -> [Value | List].

checksum([], _, Sum) -> Sum;
checksum([Value | Values], Position, Sum) -> checksum(Values, Position + 1, Sum + Position * Value).

%% ---- bounded-buffer ----

bounded_buffer(Count) ->
    Each = savina:each(Count, ?TRADERS),
    Manager = self(),
    Consumers = [trader(fun() -> consumer(Manager, 0.0, 0, 0) end) || _ <- lists:seq(1, ?TRADERS)],
    Producers = [trader(fun() -> producer(Manager, 0.0, 0, Each) end) || _ <- lists:seq(1, ?TRADERS)],
    Began = bench:now_ns(),
    [Producer ! produce || Producer <- Producers],
    Produced = manage(queue:new(), 0, queue:from_list(Consumers), queue:new(), ?TRADERS, 0),
    [Consumer ! stop || Consumer <- Consumers],
    {Consumed, Sum} = savina:add_reports(?TRADERS),
    [
        bench:elapsed(Began, Each * ?TRADERS),
        {proof, produced, Produced},
        {proof, consumed, Consumed},
        {proof, sum, Sum}
    ].

%% Each logarithm is a float on the heap: 0.9 of the time with this size than with the usual 233 words.
trader(Work) ->
    spawn_opt(Work, [link, {min_heap_size, 4000}]).

%% Buffer has Size items; Available are consumers and Waiting producers, the first for the longest time; Left producers have not
%% reported yet. Returns the number of items produced.
manage(Buffer, Size, Available, Waiting, Left, Produced) ->
    receive
        {item, Item, From} ->
            take(Item, From, Buffer, Size, Available, Waiting, Left, Produced);
        {available, Consumer} when Size > 0 ->
            {{value, Item}, Others} = queue:out(Buffer),
            Consumer ! Item,
            manage(Others, Size - 1, Available, go_on(queue:out(Waiting)), Left, Produced);
        {available, Consumer} ->
            manage_on(Buffer, Size, queue:in(Consumer, Available), Waiting, Left, Produced);
        {produced, More} ->
            manage_on(Buffer, Size, Available, Waiting, Left - 1, Produced + More)
    end.

manage_on(Buffer, Size, Available, Waiting, 0, Produced) ->
    case queue:len(Available) of
        ?TRADERS -> Produced;
        _ -> manage(Buffer, Size, Available, Waiting, 0, Produced)
    end;
manage_on(Buffer, Size, Available, Waiting, Left, Produced) ->
    manage(Buffer, Size, Available, Waiting, Left, Produced).

take(Item, From, Buffer, Size, Available, Waiting, Left, Produced) ->
    case queue:out(Available) of
        {{value, Consumer}, Others} ->
            Consumer ! Item,
            From ! produce,
            manage(Buffer, Size, Others, Waiting, Left, Produced);
        {empty, _} when Size + 1 >= ?BUFFER - ?TRADERS ->
            manage(queue:in(Item, Buffer), Size + 1, Available, queue:in(From, Waiting), Left, Produced);
        {empty, _} ->
            From ! produce,
            manage(queue:in(Item, Buffer), Size + 1, Available, Waiting, Left, Produced)
    end.

go_on({{value, Producer}, Others}) ->
    Producer ! produce,
    Others;
go_on({empty, Waiting}) ->
    Waiting.

producer(Manager, _, Each, Each) ->
    receive produce -> Manager ! {produced, Each} end;
producer(Manager, Last, Number, Each) ->
    receive
        produce ->
            Item = process(Last),
            Manager ! {item, {Number, Item}, self()},
            producer(Manager, Item, Number + 1, Each)
    end.

consumer(Manager, Own, Consumed, Sum) ->
    receive
        {Number, Item} ->
            Next = process(Own + Item),
            Manager ! {available, self()},
            consumer(Manager, Next, Consumed + 1, Sum + Number);
        stop ->
            Manager ! {report, Consumed, Sum}
    end.

process(X) ->
    process(2500, 25, X).

process(0, _, X) ->
    X;
process(Left, Random, X) ->
    Next = savina:next(Random),
    process(Left - 1, Next, X + math:log(abs(1.0 / (Next + 1)) + 0.01)).

%% ---- dining-philosophers ----

dining_philosophers(Count) ->
    Each = savina:each(Count, ?PHILOSOPHERS),
    Arbitrator = self(),
    Seats = [
        spawn_link(fun() -> philosopher(Arbitrator, I, 0, Each) end)
     || I <- lists:seq(0, ?PHILOSOPHERS - 1)
    ],
    Began = bench:now_ns(),
    [Philosopher ! start || Philosopher <- Seats],
    Meals = arbitrate(list_to_tuple(Seats), 0, ?PHILOSOPHERS, 0),
    [bench:elapsed(Began, Each * ?PHILOSOPHERS), {proof, meals, Meals}].

philosopher(Arbitrator, Number, Meals, Each) ->
    receive
        eat ->
            Arbitrator ! {done, Number},
            eaten(Arbitrator, Number, Meals + 1, Each);
        _ ->
            Arbitrator ! {hungry, Number},
            philosopher(Arbitrator, Number, Meals, Each)
    end.

eaten(Arbitrator, _, Each, Each) ->
    Arbitrator ! {left, Each};
eaten(Arbitrator, Number, Meals, Each) ->
    self() ! start,
    philosopher(Arbitrator, Number, Meals, Each).

%% Taken has a bit for each fork.
arbitrate(_, _, 0, Meals) ->
    Meals;
arbitrate(Seats, Taken, Here, Meals) ->
    receive
        {hungry, Number} ->
            Forks = forks(Number),
            case Taken band Forks of
                0 ->
                    element(Number + 1, Seats) ! eat,
                    arbitrate(Seats, Taken bor Forks, Here, Meals);
                _ ->
                    element(Number + 1, Seats) ! denied,
                    arbitrate(Seats, Taken, Here, Meals)
            end;
        {done, Number} ->
            Forks = forks(Number),
            Forks = Taken band Forks,
            arbitrate(Seats, Taken bxor Forks, Here, Meals);
        {left, More} ->
            arbitrate(Seats, Taken, Here - 1, Meals + More)
    end.

forks(Number) ->
    1 bsl Number bor (1 bsl ((Number + 1) rem ?PHILOSOPHERS)).
