%% One to many: a group of OTP's pg, and a topic with filters. The source waits after each message to all until the last member
%% of each thread has it, which keeps mailboxes short. The side erlang-free leaves it to two schedulers where they run.
-module(many).
-export([workloads/0]).

-define(SCOPE, bench).
-define(MEMBERS, 1000).
-define(KINDS, 4).
%% As long as ours: 64 bytes.
-define(TOPIC, <<"markets/europe/frankfurt/equities/automobiles/manufacturer/depth">>).

workloads() ->
    [
        {"message/broadcast", "erlang", fun(Count, _) -> broadcast(one, Count) end},
        {"message/broadcast-threads", "erlang", fun(Count, _) -> broadcast(threads, Count) end},
        {"message/broadcast-threads", "erlang-free", fun(Count, _) -> broadcast(one, Count) end},
        {"message/topic", "erlang", fun(Count, _) -> topic(threads, Count) end},
        {"message/topic", "erlang-free", fun(Count, _) -> topic(one, Count) end}
    ].

place(one, _) -> bench:place(any);
place(threads, Index) -> bench:place(Index).

%% ---- a group ----

%% What pg knows is a table. Asking it for the members each time was not told apart from a list that the source keeps.
broadcast(Place, Count) ->
    Rounds = Count div ?MEMBERS,
    pg:start(?SCOPE),
    Group = make_ref(),
    Members = members(Place, Rounds),
    ok = pg:join(?SCOPE, Group, Members),
    Listed = pg:get_members(?SCOPE, Group),
    Time = rounds(Place, Listed, fun(_) -> pg:get_members(?SCOPE, Group) end, Rounds),
    {Messages, Sum} = tallies(Members),
    Sum = ?MEMBERS * Rounds * (Rounds + 1) div 2,
    [Time, {proof, members, Messages}].

%% ---- a topic ----

%% Subscriptions are a table whose rows a pattern chooses from: pg has no filters. The filter is looked at there, before a
%% message is made.
topic(Place, Count) ->
    Rounds = Count div ?MEMBERS,
    Table = ets:new(subscriptions, [duplicate_bag, public, {read_concurrency, true}]),
    Members = members(Place, Rounds div ?KINDS),
    [ets:insert(Table, {?TOPIC, I div 2 rem ?KINDS, Member}) || {I, Member} <- lists:enumerate(0, Members)],
    Find = fun(Round) -> ets:select(Table, [{{?TOPIC, Round rem ?KINDS, '$1'}, [], ['$1']}]) end,
    Time = rounds(Place, Members, Find, Rounds),
    {Messages, Sum} = tallies(Members),
    Sum = ?MEMBERS div ?KINDS * (Rounds * (Rounds + 1) div 2),
    [Time, {proof, members, Messages * ?KINDS}].

%% ---- who sends to all, and who listens ----

members(Place, Expected) ->
    Self = self(),
    [
        spawn_opt(fun() -> listen(Self, Expected, 0, 0) end, [link | place(Place, I)])
     || I <- lists:seq(0, ?MEMBERS - 1)
    ].

listen(Owner, Expected, Messages, Sum) ->
    receive
        {Word, _, _, _} when Messages + 1 < Expected ->
            listen(Owner, Expected, Messages + 1, Sum + Word);
        {Word, _, _, _} ->
            Owner ! {done, self()},
            listen(Owner, Expected, Messages + 1, Sum + Word);
        {acknowledge, From} ->
            From ! acknowledged,
            listen(Owner, Expected, Messages, Sum);
        {report, From} ->
            From ! {tally, self(), Messages, Sum}
    end.

%% Sends each of so many rounds to those that Find finds for it.
rounds(Place, Members, Find, Rounds) ->
    Last = lists:nthtail(?MEMBERS - threads(Place), Members),
    Began = bench:now_ns(),
    spawn_opt(fun() -> source(Find, Last, 1, Rounds) end, [link | place(Place, 0)]),
    [receive {done, Member} -> ok end || Member <- Members],
    bench:elapsed(Began, Rounds * ?MEMBERS).

%% Neighbours in the list of members are on different ones.
threads(one) -> 1;
threads(threads) -> 2.

source(_, _, Round, Rounds) when Round > Rounds ->
    ok;
source(Find, Last, Round, Rounds) ->
    send(Find(Round), {Round, 2, 3, 4}),
    [Member ! {acknowledge, self()} || Member <- Last],
    [receive acknowledged -> ok end || _ <- Last],
    source(Find, Last, Round + 1, Rounds).

send([], _) ->
    ok;
send([Member | Members], Message) ->
    Member ! Message,
    send(Members, Message).

tallies(Members) ->
    [{proof, messages, Messages}, {proof, sum, Sum}] = bench:tallies(Members),
    {Messages, Sum}.
