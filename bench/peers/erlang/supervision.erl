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
            {"supervision/restart", fun(Side, Count) -> storm(Side, 1, Count) end},
            {"supervision/group", fun group/2},
            {"supervision/shutdown", fun shutdown/2}
            | [
                {"supervision/storm-" ++ integer_to_list(N), fun(Side, Count) -> storm(Side, N, Count) end}
             || N <- [1, 10, 100, 1000, 10000, 100000]
            ]
        ],
        Side <- ["erlang", "erlang-links"]
    ].

%% ---- workloads ----

%% All children fail once a round, and a round ends when all are back. OTP's simple_one_for_one finds a child by its pid: 0.63 of
%% one_for_one's time at 10,000 children, the same at up to 1,000. Most of the time goes to the list of restarts that OTP keeps to
%% limit them in a period; a second is the shortest.
storm(Side, Children, Count) ->
    {Supervisor, Pids} = start(Side, simple_one_for_one, Children),
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

%% ---- both supervisors ----

%% Returns the supervisor and its first children.
start(Side, Strategy, Children) ->
    process_flag(trap_exit, true),
    {ok, Supervisor} = start_supervisor(Side, Strategy, Children),
    {Supervisor, [receive {up, Pid} -> Pid end || _ <- lists:seq(1, Children)]}.

start_supervisor("erlang", Strategy, Children) ->
    {ok, Supervisor} = supervisor:start_link(?MODULE, {Strategy, Children, self()}),
    Strategy =:= simple_one_for_one andalso [supervisor:start_child(Supervisor, []) || _ <- lists:seq(1, Children)],
    {ok, Supervisor};
start_supervisor("erlang-links", Strategy, Children) ->
    Driver = self(),
    {ok, spawn_link(fun() -> links_init(Strategy, Children, Driver) end)}.

stop(Supervisor) ->
    exit(Supervisor, shutdown),
    receive {'EXIT', Supervisor, _} -> ok end.

%% A child says that it is up, and fails on the first message.
start_child(Driver) ->
    {ok, spawn_child(Driver)}.

spawn_child(Driver) ->
    spawn_link(fun() ->
        Driver ! {up, self()},
        receive {_, _, _, _} -> exit(failed) end
    end).

%% ---- OTP's ----

init({Strategy, Children, Driver}) ->
    Flags = #{strategy => Strategy, intensity => ?UNLIMITED, period => 1},
    Specs =
        case Strategy of
            simple_one_for_one -> 1;
            _ -> Children
        end,
    {ok, {Flags, [child_spec(I, Driver) || I <- lists:seq(1, Specs)]}}.

%% A plain linked process: proc_lib's would make a crash report of each end.
child_spec(Id, Driver) ->
    #{id => Id, start => {?MODULE, start_child, [Driver]}, shutdown => brutal_kill}.

%% ---- by hand ----

%% Children by their number, and the numbers of the running ones.
links_init(Strategy, Children, Driver) ->
    process_flag(trap_exit, true),
    links_loop(Strategy, Driver, links_start(Children, Driver)).

links_start(Children, Driver) ->
    maps:from_list([{spawn_child(Driver), I} || I <- lists:seq(1, Children)]).

links_loop(Strategy, Driver, Children) ->
    receive
        {'EXIT', Driver, Reason} ->
            links_stop(Children),
            exit(Reason);
        {'EXIT', Pid, _} ->
            links_loop(Strategy, Driver, links_restart(Strategy, Pid, Driver, Children))
    end.

links_restart(simple_one_for_one, Pid, Driver, Children) ->
    {Index, Others} = maps:take(Pid, Children),
    Others#{spawn_child(Driver) => Index};
links_restart(one_for_all, Pid, Driver, Children) ->
    links_stop(maps:remove(Pid, Children)),
    links_start(map_size(Children), Driver).

%% The last child first, and each has ended before the next is told to.
links_stop(Children) ->
    Ordered = lists:reverse(lists:keysort(2, maps:to_list(Children))),
    [links_stop_one(Pid) || {Pid, _} <- Ordered].

links_stop_one(Pid) ->
    exit(Pid, kill),
    receive {'EXIT', Pid, _} -> ok end.
