%% Making actors, and keeping them.
-module(life).
-export([workloads/0, sleep/1]).

-define(BATCH, 64).

workloads() ->
    [
        {"life/spawn", "erlang", fun(Count, _) -> spawning(Count) end},
        {"life/idle", "erlang", fun(Count, _) -> idle(Count) end}
    ].

%% ---- spawn ----

%% An actor answers with what it was sent, as the last thing it does. (An exit signal that carries it costs 1.1 to 1.3 times as
%% much by a monitor, 1.3 to 1.9 by a link.)
spawning(Count) ->
    Began = bench:now_ns(),
    {Actors, Sum} = batches(0, Count, {0, 0}),
    [bench:elapsed(Began, Count), {proof, actors, Actors}, {proof, sum, Sum}].

batches(Count, Count, Handled) ->
    Handled;
batches(From, Count, Handled) ->
    To = min(From + ?BATCH, Count),
    Actors = spawn_all(To - From, self()),
    send_all(Actors, From),
    batches(To, Count, await_all(To - From, Handled)).

spawn_all(0, _) -> [];
spawn_all(Left, Owner) -> [spawn(fun() -> answer(Owner) end) | spawn_all(Left - 1, Owner)].

answer(Owner) ->
    receive {Value, _, _, _} -> Owner ! {handled, Value} end.

send_all([], _) ->
    ok;
send_all([Actor | Actors], Value) ->
    Actor ! {Value, 0, 0, 0},
    send_all(Actors, Value + 1).

await_all(0, Handled) ->
    Handled;
await_all(Left, {Actors, Sum}) ->
    receive {handled, Value} -> await_all(Left - 1, {Actors + 1, Sum + Value}) end.

%% ---- idle ----

idle(Count) ->
    Others = processes(),
    erlang:garbage_collect(),
    Before = resident(),
    Actors = wake(Count, 0),
    Size = (resident() - Before) / Count,
    [exit(Pid, kill) || Pid <- processes() -- Others],
    [{figure, size, bytes, lower, Size}, {proof, actors, Actors}].

%% Makes actors, and has each handle one message.
wake(0, Actors) ->
    Actors;
wake(Left, Actors) ->
    Self = self(),
    Actor = spawn(fun() -> sleep(Self) end),
    Actor ! {1, 0, 0, 0},
    receive {handled, Actor, N} -> wake(Left - 1, Actors + N) end.

%% Who hibernates has a heap of what it holds, and needs 0.32 of the memory. A smaller first heap makes no difference then, and
%% without hibernation the emulator does not go below 233 words; allocator settings (+MHas aobf, +MHacul 0) are worth 1 %.
sleep(Owner) ->
    receive
        {Value, _, _, _} ->
            Owner ! {handled, self(), Value},
            erlang:hibernate(?MODULE, sleep, [Owner])
    end.

resident() ->
    {ok, Status} = file:read_file("/proc/self/status"),
    {match, [KiB]} = re:run(Status, "VmRSS:\\s*([0-9]+) kB", [{capture, all_but_first, list}]),
    list_to_integer(KiB) * 1024.
