%% The Erlang bench: sides erlang, erlang-free (message.erl), erlang-alias (call.erl) and erlang-links (supervision.erl). bench/README.md says
%% what each workload is.
-module(bench).
-export([start/0, now_ns/0, elapsed/2, place/1, tallies/1]).

-define(MODULES, [
    message,
    call,
    many,
    life,
    timers,
    supervision,
    savina_messages,
    savina_sharing,
    savina_parallel,
    savina_barber,
    savina_shortest_path
]).

%% Each module has workloads() -> [{Workload, Side, fun(Count, Seed) -> [Line]}]. A line is {time, Name, Ns, Operations},
%% {figure, Name, Unit, Better, Value}, {latency, Ns, Count} or {proof, Name, Value}.
workloads() ->
    lists:append([Module:workloads() || Module <- ?MODULES]).

start() ->
    Status =
        try
            main(init:get_plain_arguments())
        catch
            throw:Reason ->
                io:format(standard_error, "erlang: ~ts~n", [Reason]),
                2
        end,
    halt(Status).

main(["list"]) ->
    [io:format("~s ~s~n", [Workload, Side]) || {Workload, Side, _} <- workloads()],
    0;
main(["measure", Workload, Side | Options]) ->
    case [Work || {W, S, Work} <- workloads(), W =:= Workload, S =:= Side] of
        [Work] -> measure(Work, option("count", Options), warm(Workload, Options), option("seed", Options));
        [] -> throw(["there is no workload ", Workload, " of the side ", Side])
    end;
main(_) ->
    throw("usage: erlang list | erlang measure WORKLOAD SIDE count=N ...").

%% What a warm-up has freed would be used again by life/idle and not be counted, so there is none: 0.95 of the bytes with it.
warm("life/idle", _) -> 0;
warm(_, Options) -> option("warm", Options).

option(Name, Options) ->
    case [Value || Option <- Options, [N, Value] <- [string:split(Option, "=")], N =:= Name] of
        [] -> 0;
        [Value | _] ->
            try list_to_integer(Value)
            catch error:badarg -> throw([Name, " is not a number: ", Value])
            end
    end.

measure(_, 0, _, _) ->
    throw("count must be 1 or more");
measure(Work, Count, Warm, Seed) ->
    Warm =:= 0 orelse run(Work, Warm, Seed),
    Lines = run(Work, Count, Seed),
    io:format("version Erlang/OTP ~s~n", [erlang:system_info(otp_release)]),
    lists:foreach(fun print/1, Lines),
    0.

%% Each time in a process of its own, which takes what it left in its heap with it.
run(Work, Count, Seed) ->
    {Pid, Monitor} = spawn_monitor(fun() -> exit({found, Work(Count, Seed)}) end),
    receive
        {'DOWN', Monitor, process, Pid, {found, Lines}} -> Lines;
        {'DOWN', Monitor, process, Pid, Reason} -> throw(io_lib:format("it failed: ~0p", [Reason]))
    end.

print({time, Name, Ns, Operations}) ->
    io:format("time ~s ~b ~b~n", [Name, Ns, Operations]);
print({figure, Name, Unit, Better, Value}) ->
    io:format("figure ~s ~s ~s ~w~n", [Name, Unit, Better, Value]);
print({latency, Ns, Count}) ->
    io:format("latency ~b ~b~n", [Ns, Count]);
print({proof, Name, Value}) ->
    io:format("proof ~s ~b~n", [Name, Value band 16#ffffffffffffffff]).

now_ns() ->
    erlang:monotonic_time(nanosecond).

%% The main time, from Began until now.
elapsed(Began, Operations) ->
    {time, time, now_ns() - Began, Operations}.

%% The option of spawn_opt/2 that keeps a process on the scheduler it has now is not in the manual; it is the only way to say
%% that two processes run on different threads.
place(any) -> [];
place(Index) -> [{scheduler, Index rem erlang:system_info(schedulers_online) + 1}].

%% Asks each actor, which knows the message {report, From}, for what it has handled, and adds it up.
tallies(Actors) ->
    [Actor ! {report, self()} || Actor <- Actors],
    Reports = [receive {tally, Actor, Messages, Sum} -> {Messages, Sum} end || Actor <- Actors],
    {Messages, Sums} = lists:unzip(Reports),
    [{proof, messages, lists:sum(Messages)}, {proof, sum, lists:sum(Sums)}].
