%% The members of the suite that are about messages.
-module(savina_messages).
-export([workloads/0]).

-define(ANGLE, 37.2).
-define(SINKS, 60).
%% Messages of the source to a sink that are acknowledged at once; two such blocks may be unhandled.
-define(BLOCK, 500).
-define(ROUND, 40000).
-define(CREATURES, 100).
-define(PINGERS, 120).

workloads() ->
    savina:both("fork-join-throughput", fun throughput/1) ++
        [
            {"savina/fork-join-create", "erlang", fun(Count, _) -> create(1, Count) end},
            {"savina/fork-join-create-threads", "erlang", fun(Count, _) -> create(2, Count) end}
        ] ++
        savina:both("chameneos", fun chameneos/1) ++
        savina:both("big", fun big/1).

%% ---- fork-join-throughput ----

throughput(Count) ->
    Each = savina:each(Count, ?SINKS),
    Self = self(),
    Sinks = [
        spawn_opt(fun() -> sink(Self, Each, 0, 0) end, [link, {min_heap_size, 4000}])
     || _ <- lists:seq(1, ?SINKS)
    ],
    Began = bench:now_ns(),
    source(Sinks, 0, Each),
    {Messages, Sum} = savina:add_reports(?SINKS),
    [bench:elapsed(Began, Each * ?SINKS), {proof, messages, Messages}, {proof, sum, Sum}].

source(_, Each, Each) ->
    ok;
source(Sinks, From, Each) ->
    To = min(From + ?BLOCK, Each),
    From < 2 * ?BLOCK orelse [receive acknowledged -> ok end || _ <- Sinks],
    send_block(Sinks, From, To),
    To - From < ?BLOCK orelse [Sink ! acknowledge || Sink <- Sinks],
    source(Sinks, To, Each).

send_block(_, To, To) ->
    ok;
send_block(Sinks, I, To) ->
    send_round(Sinks, I),
    send_block(Sinks, I + 1, To).

send_round([], _) ->
    ok;
send_round([Sink | Sinks], I) ->
    Sink ! {I, ?ANGLE},
    send_round(Sinks, I).

sink(Source, Each, Each, Sum) ->
    Source ! {report, Each, Sum};
sink(Source, Each, Messages, Sum) ->
    receive
        {I, Angle} ->
            savina:check_sine(Angle),
            sink(Source, Each, Messages + 1, Sum + I);
        acknowledge ->
            Source ! acknowledged,
            sink(Source, Each, Messages, Sum)
    end.

%% ---- fork-join-create ----

create(Parents, Count) ->
    Self = self(),
    Began = bench:now_ns(),
    [
        spawn_link(fun() -> parent(Self, First, Parents, Count, 0, 0) end)
     || First <- lists:seq(0, Parents - 1)
    ],
    {Actors, Sum} = savina:add_reports(Parents),
    [bench:elapsed(Began, Count), {proof, actors, Actors}, {proof, sum, Sum}].

%% Makes the children First, First + Step, ... below Count.
parent(Root, First, _, Count, Actors, Sum) when First >= Count ->
    Root ! {report, Actors, Sum};
parent(Root, First, Step, Count, Actors, Sum) ->
    Next = min(First + ?ROUND, First + (Count - First + Step - 1) div Step * Step),
    make(self(), First, Step, Next),
    {MoreActors, MoreSum} = await_children((Next - First) div Step, 0, 0),
    parent(Root, Next, Step, Count, Actors + MoreActors, Sum + MoreSum).

make(_, Next, _, Next) ->
    ok;
make(Parent, I, Step, Next) ->
    spawn(fun() -> child(Parent) end) ! {I, ?ANGLE},
    make(Parent, I + Step, Step, Next).

child(Parent) ->
    receive
        {I, Angle} ->
            savina:check_sine(Angle),
            Parent ! {child, I}
    end.

await_children(0, Actors, Sum) ->
    {Actors, Sum};
await_children(Left, Actors, Sum) ->
    receive {child, I} -> await_children(Left - 1, Actors + 1, Sum + I) end.

%% ---- chameneos ----

chameneos(Count) ->
    Mall = self(),
    Creatures = [
        spawn_link(fun() -> receive visit -> visit(Mall, I rem 3, 0) end end)
     || I <- lists:seq(0, ?CREATURES - 1)
    ],
    Began = bench:now_ns(),
    [Creature ! visit || Creature <- Creatures],
    pair(Count),
    [receive {meet, _, From} -> From ! exit end || _ <- Creatures],
    {Meetings, _} = savina:add_reports(?CREATURES),
    [bench:elapsed(Began, Count), {proof, meetings, Meetings}].

pair(0) ->
    ok;
pair(Left) ->
    receive
        {meet, _, First} ->
            receive {meet, _, _} = Second -> First ! Second end,
            pair(Left - 1)
    end.

visit(Mall, Colour, Meetings) ->
    Mall ! {meet, Colour, self()},
    receive
        {meet, Other, From} ->
            Own = complement(Colour, Other),
            From ! {change, Own},
            visit(Mall, Own, Meetings + 1);
        {change, Own} ->
            visit(Mall, Own, Meetings + 1);
        exit ->
            Mall ! {report, Meetings, 0}
    end.

complement(Colour, Colour) -> Colour;
complement(Colour, Other) -> 3 - Colour - Other.

%% ---- big ----

big(Count) ->
    Each = savina:each(Count, ?PINGERS),
    Self = self(),
    Pingers = [
        spawn_link(fun() -> receive {others, Others} -> pinger(Self, Others, I, Each) end end)
     || I <- lists:seq(0, ?PINGERS - 1)
    ],
    [Pinger ! {others, list_to_tuple(Pingers)} || Pinger <- Pingers],
    Began = bench:now_ns(),
    [Pinger ! start || Pinger <- Pingers],
    [receive done -> ok end || _ <- Pingers],
    [Pinger ! stop || Pinger <- Pingers],
    {Pings, Targets} = savina:add_reports(?PINGERS),
    [bench:elapsed(Began, Each * ?PINGERS), {proof, pings, Pings}, {proof, targets, Targets}].

pinger(Sink, Others, Number, Each) ->
    pinger(Sink, Others, Number, Each, Number, none, 0).

%% Left: pings to send; Expected: whose pong is to come.
pinger(Sink, Others, Number, Left, Random, Expected, Pings) ->
    receive
        {ping, From} ->
            element(From + 1, Others) ! {pong, Number},
            pinger(Sink, Others, Number, Left, Random, Expected, Pings + 1);
        {pong, Expected} ->
            next_ping(Sink, Others, Number, Left, Random, Pings);
        {pong, Other} ->
            exit({pong, Other, expected, Expected});
        start ->
            next_ping(Sink, Others, Number, Left, Random, Pings);
        stop ->
            Sink ! {report, Pings, Pings * Number}
    end.

next_ping(Sink, Others, Number, 0, Random, Pings) ->
    Sink ! done,
    pinger(Sink, Others, Number, 0, Random, none, Pings);
next_ping(Sink, Others, Number, Left, Random, Pings) ->
    Drawn = savina:next(Random),
    Target = Drawn rem ?PINGERS,
    element(Target + 1, Others) ! {ping, Number},
    pinger(Sink, Others, Number, Left - 1, Drawn, Target, Pings).
