%% Timers: what each of many costs.
-module(timers).
-export([workloads/0]).

%% How far off the first deadline of all is, and of those that are to expire: longer than it takes to start them.
-define(FAR_MS, 60000).
-define(NEAR_MS, 2000).
-define(SPREAD_MS, 100000).

workloads() ->
    [
        {"timer/million", "erlang", fun(Count, Seed) -> timers(fun(I) -> I rem ?SPREAD_MS end, Count, Seed) end},
        {"timer/million-random", "erlang", fun(Count, Seed) ->
            timers(fun(_) -> rand:uniform(?SPREAD_MS) - 1 end, Count, Seed)
        end}
    ].

timers(After, Count, Seed) ->
    rand:seed(exsss, Seed),
    Delays = [?FAR_MS + After(I) || I <- lists:seq(0, Count - 1)],
    %% As on the other sides, so that little is new.
    cancel_all(start_all(Delays, 0)),
    {Started, Start} = timed(start, Count, fun() -> start_all(Delays, 0) end),
    {_, Cancel} = timed(cancel, Count, fun(Timers) -> cancel_all(Timers) end, shuffle(Started)),
    Again = shuffle(start_all(Delays, 0)),
    {Rearmed, Rearm} = timed(rearm, Count, fun(Timers) -> rearm_all(Timers, Delays) end, Again),
    cancel_all(Rearmed),
    {Expired, Expire} = expire(Count),
    [Start, Cancel, Rearm, Expire, {proof, timers, length(Started)}, {proof, expired, Expired}].

timed(Name, Count, Work) ->
    timed(Name, Count, fun([]) -> Work() end, []).

%% With a heap that no garbage of an earlier phase fills up.
timed(Name, Count, Work, Argument) ->
    erlang:garbage_collect(),
    Began = bench:now_ns(),
    Result = Work(Argument),
    {Result, {time, Name, bench:now_ns() - Began, Count}}.

shuffle(List) ->
    [Value || {_, Value} <- lists:sort([{rand:uniform(1 bsl 32), Value} || Value <- List])].

start_all([], _) ->
    [];
start_all([Delay | Delays], I) ->
    Timer = erlang:start_timer(Delay, self(), {I, 0, 0, 0}),
    [Timer | start_all(Delays, I + 1)].

cancel_all([]) ->
    ok;
cancel_all([Timer | Timers]) ->
    true = is_integer(erlang:cancel_timer(Timer)),
    cancel_all(Timers).

rearm_all([], []) ->
    [];
rearm_all([Timer | Timers], [Delay | Delays]) ->
    true = is_integer(erlang:cancel_timer(Timer)),
    [erlang:start_timer(Delay, self(), {0, 0, 0, 0}) | rearm_all(Timers, Delays)].

%% All expire at one time. The clock of the emulator may be at it before this process is told, so its time is the deadline.
expire(Count) ->
    erlang:garbage_collect(),
    DeadlineMs = erlang:monotonic_time(millisecond) + ?NEAR_MS,
    [erlang:start_timer(DeadlineMs, self(), {I, 0, 0, 0}, [{abs, true}]) || I <- lists:seq(0, Count - 1)],
    true = erlang:monotonic_time(millisecond) < DeadlineMs,
    {Expired, Sum} = handle_all(Count, 0, 0),
    Ns = bench:now_ns() - erlang:convert_time_unit(DeadlineMs, millisecond, nanosecond),
    Sum = Count * (Count - 1) div 2,
    {Expired, {time, expire, Ns, Count}}.

handle_all(0, Expired, Sum) ->
    {Expired, Sum};
handle_all(Left, Expired, Sum) ->
    receive {timeout, _, {I, _, _, _}} -> handle_all(Left - 1, Expired + 1, Sum + I) end.
