%% Messages: a payload is a tuple of four integers, which has no tag beside it. The side erlang-free leaves it to two schedulers
%% where the ends of a stream run, which is mostly on one: 0.25 of the time in counting-threads, 0.75 in fan-in-threads and
%% fan-out-threads. OTP has no router and no pool, so work is dealt out to one worker after the other, as in fan-out.
-module(message).
-export([workloads/0]).

-define(FAN, 16).
%% How many messages to one actor it acknowledges at once; two such blocks may be unhandled.
-define(BLOCK, 500).
-define(CROWD, 100000).

workloads() ->
    [
        {"message/ping-pong", "erlang", fun(Count, _) -> ring(2, one, Count) end},
        {"message/ping-pong-threads", "erlang", fun(Count, _) -> ring(2, threads, Count) end},
        {"message/ring", "erlang", fun(Count, _) -> ring(1000, one, Count) end},
        {"message/ring-threads", "erlang", fun(Count, _) -> ring(1000, threads, Count) end},
        {"message/counting", "erlang", fun(Count, _) -> counting(one, Count) end},
        {"message/counting-threads", "erlang", fun(Count, _) -> counting(threads, Count) end},
        {"message/fan-in", "erlang", fun(Count, _) -> fan_in(one, Count) end},
        {"message/fan-in-threads", "erlang", fun(Count, _) -> fan_in(threads, Count) end},
        {"message/fan-out", "erlang", fun(Count, _) -> fan_out(one, Count) end},
        {"message/fan-out-threads", "erlang", fun(Count, _) -> fan_out(threads, Count) end},
        {"message/dispatch", "erlang", fun(Count, _) -> fan_out(one, Count) end},
        {"dispatch/pool", "erlang", fun(Count, _) -> fan_out(one, Count) end},
        {"message/counting-threads", "erlang-free", fun(Count, _) -> counting(one, Count) end},
        {"message/fan-in-threads", "erlang-free", fun(Count, _) -> fan_in(one, Count) end},
        {"message/fan-out-threads", "erlang-free", fun(Count, _) -> fan_out(one, Count) end},
        {"message/random-64", "erlang", fun(Count, Seed) -> random(64, Count, Seed) end},
        {"message/random-10000", "erlang", fun(Count, Seed) -> random(10000, Count, Seed) end}
    ].

%% On its own thread, counted from 0, or anywhere.
place(one, _) -> bench:place(any);
place(threads, Index) -> bench:place(Index).

actor(Place, Index, Options, Work) ->
    spawn_opt(Work, [link | place(Place, Index)] ++ Options).

%% ---- ping-pong, ring ----

ring(Size, Place, Count) ->
    Self = self(),
    Actors = [First | Others] =
        [actor(Place, I, [], fun() -> relay_start(Self, Count) end) || I <- lists:seq(1, Size)],
    [Actor ! {next, Next} || {Actor, Next} <- lists:zip(Actors, Others ++ [First])],
    Began = bench:now_ns(),
    First ! {1, 0, 0, 0},
    receive done -> ok end,
    Time = bench:elapsed(Began, Count),
    [Time | bench:tallies(Actors)].

relay_start(Owner, Count) ->
    receive {next, Next} -> relay(Next, Owner, Count, 0, 0) end.

relay(Next, Owner, Count, Messages, Sum) ->
    receive
        {Value, B, C, D} when Value < Count ->
            Next ! {Value + 1, B, C, D},
            relay(Next, Owner, Count, Messages + 1, Sum + Value);
        {Value, _, _, _} ->
            Owner ! done,
            relay(Next, Owner, Count, Messages + 1, Sum + Value);
        {report, From} ->
            From ! {tally, self(), Messages, Sum}
    end.

%% ---- counting, fan-in, fan-out ----

%% A receiver's heap is made large at once, so that it is collected seldom: 0.85 to 0.9 of the time with the usual 233 words.
%% Keeping the queue off the heap costs 1.1 to 1.4 times as much, but 0.85 where 16 senders fill it.
stream_options() -> [{min_heap_size, 30000}].
fan_in_options() -> [{min_heap_size, 4000}, {message_queue_data, off_heap}].

counting(Place, Count) ->
    Self = self(),
    Counter = actor(Place, 1, stream_options(), fun() -> count_up(Self, Count, 0, 0) end),
    Began = bench:now_ns(),
    actor(Place, 0, [], fun() -> produce([Counter], 0, Count) end),
    receive {done, Counter} -> ok end,
    Time = bench:elapsed(Began, Count),
    [Time | bench:tallies([Counter])].

%% Checks the order beside what add_up() does.
count_up(Owner, Count, Messages, Sum) ->
    receive
        {Messages, _, _, _} when Messages + 1 < Count ->
            count_up(Owner, Count, Messages + 1, Sum + Messages);
        {Messages, _, _, _} ->
            Owner ! {done, self()},
            count_up(Owner, Count, Messages + 1, Sum + Messages);
        {Value, _, _, _} ->
            exit({out_of_order, Value, Messages});
        {acknowledge, From} ->
            From ! acknowledged,
            count_up(Owner, Count, Messages, Sum);
        {report, From} ->
            From ! {tally, self(), Messages, Sum}
    end.

fan_in(Place, Count) ->
    Self = self(),
    Each = max(1, Count div ?FAN),
    Receiver = actor(Place, 1, fan_in_options(), fun() -> add_up(Self, Each * ?FAN, 0, 0) end),
    Began = bench:now_ns(),
    [actor(Place, 0, [], fun() -> produce([Receiver], 0, Each) end) || _ <- lists:seq(1, ?FAN)],
    receive {done, Receiver} -> ok end,
    Time = bench:elapsed(Began, Each * ?FAN),
    [Time | bench:tallies([Receiver])].

fan_out(Place, Count) ->
    Self = self(),
    Share = fun(I) -> (Count + ?FAN - 1 - I) div ?FAN end,
    Receivers = [
        actor(Place, 1, stream_options(), fun() -> add_up(Self, Share(I), 0, 0) end)
     || I <- lists:seq(0, ?FAN - 1)
    ],
    Began = bench:now_ns(),
    actor(Place, 0, [], fun() -> produce(Receivers, 0, Count) end),
    [receive {done, Receiver} -> ok end || Receiver <- Receivers],
    Time = bench:elapsed(Began, Count),
    [Time | bench:tallies(Receivers)].

add_up(Owner, Count, Messages, Sum) ->
    receive
        {Value, _, _, _} when Messages + 1 < Count ->
            add_up(Owner, Count, Messages + 1, Sum + Value);
        {Value, _, _, _} ->
            Owner ! {done, self()},
            add_up(Owner, Count, Messages + 1, Sum + Value);
        {acknowledge, From} ->
            From ! acknowledged,
            add_up(Owner, Count, Messages, Sum);
        {report, From} ->
            From ! {tally, self(), Messages, Sum}
    end.

%% Sends the first words From to Count - 1 to the receivers in turn. It asks each to acknowledge every block, and begins the
%% one after the next when that has come.
produce(Receivers, From, Count) ->
    To = min(From + ?BLOCK * length(Receivers), Count),
    send(Receivers, Receivers, From, To),
    [Receiver ! {acknowledge, self()} || Receiver <- Receivers],
    From =:= 0 orelse await_acknowledged(Receivers),
    if
        To < Count -> produce(Receivers, To, Count);
        true -> await_acknowledged(Receivers)
    end.

await_acknowledged(Receivers) ->
    [receive acknowledged -> ok end || _ <- Receivers].

send(_, _, To, To) ->
    ok;
send([], Receivers, From, To) ->
    send(Receivers, Receivers, From, To);
send([Receiver | Others], Receivers, From, To) ->
    Receiver ! {From, 0, 0, 0},
    send(Others, Receivers, From + 1, To).

%% ---- random ----

%% The table of actors is a persistent term, which all share without a copy. The generator travels in the token.
random(Tokens, Count, Seed) ->
    Self = self(),
    Actors = [spawn_link(fun() -> wander_start(Self) end) || _ <- lists:seq(1, ?CROWD)],
    persistent_term:put(crowd, list_to_tuple(Actors)),
    [Actor ! start || Actor <- Actors],
    [receive ready -> ok end || _ <- Actors],
    Began = bench:now_ns(),
    Used = min(Tokens, Count),
    [
        lists:nth(I + 1, Actors) ! {(Count + I) div Used, (Seed + I) band 16#ffffffff, 0, 0}
     || I <- lists:seq(0, Used - 1)
    ],
    [receive done -> ok end || _ <- lists:seq(1, Used)],
    Time = bench:elapsed(Began, Count),
    [Proof, _] = bench:tallies(Actors),
    [Time, Proof].

wander_start(Owner) ->
    receive
        start ->
            Owner ! ready,
            wander(persistent_term:get(crowd), Owner, 0)
    end.

wander(Crowd, Owner, Messages) ->
    receive
        {1, _, _, _} ->
            Owner ! done,
            wander(Crowd, Owner, Messages + 1);
        {Left, Random, C, D} ->
            Next = (Random * 1664525 + 1013904223) band 16#ffffffff,
            element((Next * ?CROWD) bsr 32 + 1, Crowd) ! {Left - 1, Next, C, D},
            wander(Crowd, Owner, Messages + 1);
        {report, From} ->
            From ! {tally, self(), Messages, 0}
    end.
