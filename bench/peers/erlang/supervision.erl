%% Supervisors: OTP's (side erlang), and one written by hand (side erlang-links), which does nothing but restart: no limit of
%% restarts, no report, no specification of a child.
-module(supervision).
-behaviour(supervisor).
-export([workloads/0, init/1, start_child/1]).

-define(GROUP, 1000).
-define(SHUTDOWN, 100000).
-define(UNLIMITED, 1000000000).

workloads() ->
    [
        {Workload, Side, fun(Count, _) -> Work(Side, Count) end}
     || {Workload, Work} <- [
            {"supervision/restart", fun restart/2},
            {"supervision/group", fun group/2},
            {"supervision/crash-notice", fun crash_notice/2},
            {"supervision/shutdown", fun shutdown/2}
            | [
                {"supervision/storm-" ++ integer_to_list(N), fun(Side, Count) -> storm(Side, N, Count) end}
             || N <- [1, 10, 100, 1000, 10000, 100000]
            ]
        ],
        Side <- ["erlang", "erlang-links"]
    ] ++
        [
            {"supervision/restart-threads", "erlang-links", fun(Count, _) -> restart("erlang-links-apart", Count) end},
            {"supervision/children", "erlang", fun(Count, _) -> children("erlang", Count) end}
        ].

%% ---- workloads ----

%% A child sends itself the message that it fails on, as libjzx's does, while its number is below the last: 0.75 of the time of a
%% driver that sends it, with links. The driver's message begins.
restart(Side, Count) ->
    process_flag(trap_exit, true),
    Lives = counters:new(1, []),
    {ok, Supervisor} = start_supervisor(Side, simple_one_for_one, 1, {again, self(), Lives, Count}),
    First = receive {up, Pid} -> Pid end,
    Began = bench:now_ns(),
    First ! {0, 0, 0, 0},
    receive {up, _} -> ok end,
    Time = bench:elapsed(Began, Count),
    stop(Supervisor),
    [Time, {proof, restarts, counters:get(Lives, 1) - 1}].

%% All children fail once a round, and a round ends when all are back. OTP's simple_one_for_one finds a child by its pid: 0.63 of
%% one_for_one's time at 10,000 children, the same at up to 1,000. Most of the time goes to the list of restarts that OTP keeps to
%% limit them in a period; a second is the shortest. The first round is not measured.
storm(Side, Children, Count) ->
    {Supervisor, First} = start(Side, simple_one_for_one, Children),
    fail_all(First, 0),
    Pids = await_up(First, []),
    Rounds = max(1, Count div Children),
    Began = bench:now_ns(),
    Restarts = storm_rounds(Rounds, Pids, 0),
    Time = bench:elapsed(Began, Rounds * Children),
    stop(Supervisor),
    [Time, {proof, restarts, Restarts}].

storm_rounds(0, _, Restarts) ->
    Restarts;
storm_rounds(Left, Pids, Restarts) ->
    fail_all(Pids, 0),
    Back = await_up(Pids, []),
    storm_rounds(Left - 1, Back, Restarts + length(Back)).

fail_all([], _) ->
    ok;
fail_all([Pid | Pids], Value) ->
    Pid ! {Value, 0, 0, 0},
    fail_all(Pids, Value + 1).

%% As many new children as there were old ones.
await_up([], Back) ->
    Back;
await_up([_ | Old], Back) ->
    receive {up, Pid} -> await_up(Old, [Pid | Back]) end.

group(Side, Count) ->
    {Supervisor, Pids} = start(Side, one_for_all, ?GROUP),
    Rounds = max(1, Count div ?GROUP),
    Began = bench:now_ns(),
    Children = group_rounds(Rounds, Pids, 0),
    Time = bench:elapsed(Began, Rounds * ?GROUP),
    stop(Supervisor),
    [Time, {proof, children, Children}].

group_rounds(0, _, Children) ->
    Children;
group_rounds(Left, [One | _] = Pids, Children) ->
    One ! {0, 0, 0, 0},
    Back = await_up(Pids, []),
    group_rounds(Left - 1, Back, Children + length(Back)).

shutdown(Side, Count) ->
    Children = min(Count, ?SHUTDOWN),
    Ends = [shutdown_once(Side, Children) || _ <- lists:seq(1, Count div Children)],
    {Times, Ended} = lists:unzip(Ends),
    [{time, time, lists:sum(Times), length(Times) * Children}, {proof, children, lists:sum(Ended)}].

shutdown_once(Side, Children) ->
    {Supervisor, Pids} = start(Side, one_for_one, Children),
    Began = bench:now_ns(),
    stop(Supervisor),
    Ns = bench:now_ns() - Began,
    {Ns, length([Pid || Pid <- Pids, not is_process_alive(Pid)])}.

%% Starts, lists and stops.
children(Side, Count) ->
    Children = min(Count, ?SHUTDOWN),
    Rounds = [children_once(Side, Children) || _ <- lists:seq(1, Count div Children)],
    {Starts, Lists, Stops, Ended} = lists:foldl(
        fun({A, B, C, D}, {E, F, G, H}) -> {A + E, B + F, C + G, D + H} end, {0, 0, 0, 0}, Rounds
    ),
    Total = length(Rounds) * Children,
    [{time, Name, Ns, Total} || {Name, Ns} <- [{start, Starts}, {list, Lists}, {stop, Stops}]] ++
        [{proof, children, Ended}].

children_once(Side, Children) ->
    Began = bench:now_ns(),
    {Supervisor, Pids} = start(Side, one_for_one, Children),
    Started = bench:now_ns(),
    Children = length(supervisor:which_children(Supervisor)),
    Listed = bench:now_ns(),
    stop(Supervisor),
    {Started - Began, Listed - Started, bench:now_ns() - Listed, length([Pid || Pid <- Pids, not is_process_alive(Pid)])}.

%% A child says in the reason of its end when it failed.
crash_notice(Side, Count) ->
    {Supervisor, [Pid]} = start(Side, one_for_one, 1),
    Latencies = crashes(Pid, Count),
    stop(Supervisor),
    [{latency, Ns, 1} || Ns <- Latencies] ++ [{proof, crashes, length(Latencies)}].

crashes(_, 0) ->
    [];
crashes(Pid, Left) ->
    Monitor = monitor(process, Pid),
    Pid ! fail,
    receive
        {'DOWN', Monitor, process, Pid, {failed, At}} ->
            Ns = bench:now_ns() - At,
            receive {up, Next} -> [Ns | crashes(Next, Left - 1)] end
    end.

%% ---- both supervisors ----

%% Returns the supervisor and its first children.
start(Side, Strategy, Children) ->
    process_flag(trap_exit, true),
    {ok, Supervisor} = start_supervisor(Side, Strategy, Children, {up, self()}),
    {Supervisor, [receive {up, Pid} -> Pid end || _ <- lists:seq(1, Children)]}.

%% Begin is what a child does first.
start_supervisor("erlang", Strategy, Children, Begin) ->
    {ok, Supervisor} = supervisor:start_link(?MODULE, {Strategy, Children, Begin}),
    Strategy =:= simple_one_for_one andalso [supervisor:start_child(Supervisor, []) || _ <- lists:seq(1, Children)],
    {ok, Supervisor};
start_supervisor("erlang-links", Strategy, Children, Begin) ->
    start_links(Strategy, Children, Begin, any, any);
start_supervisor("erlang-links-apart", Strategy, Children, Begin) ->
    start_links(Strategy, Children, Begin, 0, 1).

stop(Supervisor) ->
    exit(Supervisor, shutdown),
    receive {'EXIT', Supervisor, _} -> ok end.

%% A child fails on the first message.
start_child(Begin) ->
    {ok, spawn_link(fun() -> child(Begin) end)}.

child(Begin) ->
    begin_life(Begin),
    receive
        {_, _, _, _} -> exit(failed);
        fail -> exit({failed, bench:now_ns()})
    end.

%% Says that it is up. Of those that send themselves the next message, the first and the last do.
begin_life({up, Driver}) ->
    Driver ! {up, self()};
begin_life({again, Driver, Lives, Count}) ->
    Before = counters:get(Lives, 1),
    counters:add(Lives, 1, 1),
    if
        Before =:= 0; Before =:= Count -> Driver ! {up, self()};
        true -> self() ! {Before, 0, 0, 0}
    end.

%% ---- OTP's ----

init({Strategy, Children, Begin}) ->
    Flags = #{strategy => Strategy, intensity => ?UNLIMITED, period => 1},
    Specs =
        case Strategy of
            simple_one_for_one -> 1;
            _ -> Children
        end,
    {ok, {Flags, [child_spec(I, Begin) || I <- lists:seq(1, Specs)]}}.

%% A plain linked process: proc_lib's would make a crash report of each end.
child_spec(Id, Begin) ->
    #{id => Id, start => {?MODULE, start_child, [Begin]}, shutdown => brutal_kill}.

%% ---- by hand ----

%% What it is started with: the threads are those of the supervisor and its children.
-record(links, {strategy, driver, begin_life, child_options}).

start_links(Strategy, Children, Begin, Thread, ChildThread) ->
    Links = #links{strategy = Strategy, driver = self(), begin_life = Begin, child_options = [link | bench:place(ChildThread)]},
    {ok, spawn_opt(fun() -> links_init(Links, Children) end, [link | bench:place(Thread)])}.

%% Its state is a map from the pids of the children to their numbers.
links_init(Links, Children) ->
    process_flag(trap_exit, true),
    links_loop(Links, links_start(Links, Children)).

links_start(Links, Children) ->
    maps:from_list([{links_start_one(Links), I} || I <- lists:seq(1, Children)]).

links_start_one(#links{begin_life = Begin, child_options = Options}) ->
    spawn_opt(fun() -> child(Begin) end, Options).

links_loop(#links{driver = Driver} = Links, Children) ->
    receive
        {'EXIT', Driver, Reason} ->
            links_stop(Children),
            exit(Reason);
        {'EXIT', Pid, _} ->
            links_loop(Links, links_restart(Links, Pid, Children))
    end.

links_restart(#links{strategy = one_for_all} = Links, Pid, Children) ->
    links_stop(maps:remove(Pid, Children)),
    links_start(Links, map_size(Children));
links_restart(Links, Pid, Children) ->
    {Index, Others} = maps:take(Pid, Children),
    Others#{links_start_one(Links) => Index}.

%% The last child first, and each has ended before the next is told to.
links_stop(Children) ->
    Ordered = lists:reverse(lists:keysort(2, maps:to_list(Children))),
    [links_stop_one(Pid) || {Pid, _} <- Ordered].

links_stop_one(Pid) ->
    exit(Pid, kill),
    receive {'EXIT', Pid, _} -> ok end.
