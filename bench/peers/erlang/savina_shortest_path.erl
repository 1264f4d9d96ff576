%% All-pairs shortest path, of the suite. A block's distances are one binary, row by row, which all who are sent it share: sent to
%% ten neighbours, lists take 18 times as long and tuples 10 times.
-module(savina_shortest_path).
-export([workloads/0]).

-define(NODES, 300).
-define(WIDTH, 50).
-define(IN_ROW, 6).
-define(PARTNERS, 10).

workloads() ->
    savina:both("all-pairs-shortest-path", fun all_pairs/1).

all_pairs(Count) ->
    Each = savina:each(Count, ?IN_ROW * ?IN_ROW),
    Graph = graph(),
    Collector = self(),
    Blocks = maps:from_list([
        {{Row, Column}, start_block(Collector, Graph, Row, Column, Each)}
     || Row <- lists:seq(0, ?IN_ROW - 1), Column <- lists:seq(0, ?IN_ROW - 1)
    ]),
    [receive {ready, Pid} -> ok end || Pid <- maps:values(Blocks)],
    Began = bench:now_ns(),
    [Pid ! {neighbours, neighbours(Place, Blocks)} || {Place, Pid} <- maps:to_list(Blocks)],
    {Steps, Checksum} = savina:add_reports(map_size(Blocks)),
    [bench:elapsed(Began, Each * map_size(Blocks)), {proof, steps, Steps}, {proof, checksum, Checksum}].

%% The weights above the diagonal, drawn row by row, mirrored.
graph() ->
    Places = [{I, J} || I <- lists:seq(0, ?NODES - 1), J <- lists:seq(I + 1, ?NODES - 1)],
    {Weights, _} = lists:mapfoldl(
        fun(Place, Random) ->
            Drawn = savina:next(Random),
            {{Place, Drawn rem 100 + 1}, Drawn}
        end,
        ?NODES,
        Places
    ),
    maps:from_list(Weights).

weight(_, I, I) -> 0;
weight(Graph, I, J) when I < J -> map_get({I, J}, Graph);
weight(Graph, I, J) -> map_get({J, I}, Graph).

start_block(Collector, Graph, Row, Column, Each) ->
    Data = <<
        <<(weight(Graph, I, J)):64/native>>
     || I <- lists:seq(Row * ?WIDTH, Row * ?WIDTH + ?WIDTH - 1),
        J <- lists:seq(Column * ?WIDTH, Column * ?WIDTH + ?WIDTH - 1)
    >>,
    spawn_opt(
        fun() ->
            Collector ! {ready, self()},
            receive {neighbours, Neighbours} -> block(Collector, Neighbours, Row, Column, Data, 0, Each) end
        end,
        [link, {min_heap_size, 1 bsl 12}]
    ).

neighbours({Row, Column}, Blocks) ->
    [
        Pid
     || {{R, C} = Place, Pid} <- maps:to_list(Blocks), R =:= Row orelse C =:= Column, Place =/= {Row, Column}
    ].

block(Collector, _, Row, Column, Data, Each, Each) ->
    Collector ! {report, Each, checksum(Row, Column, Data)};
block(Collector, Neighbours, Row, Column, Data, Step, Each) ->
    [Neighbour ! {distances, Step, Row, Column, Data} || Neighbour <- Neighbours],
    K = Step rem ?NODES,
    {Left, Above} = await(Step, Row, Column, K div ?WIDTH, ?PARTNERS, Data, Data),
    Next = advance(Data, column(Left, K rem ?WIDTH), row(Above, K rem ?WIDTH)),
    block(Collector, Neighbours, Row, Column, Next, Step + 1, Each).

%% The data of the block in this row and of the one in this column that have node K, when that of all neighbours for this step
%% has come. What came for the next step stays in the mailbox.
await(_, _, _, _, 0, Left, Above) ->
    {Left, Above};
await(Step, Row, Column, Middle, Missing, Left, Above) ->
    receive
        {distances, Step, Row, Middle, Data} -> await(Step, Row, Column, Middle, Missing - 1, Data, Above);
        {distances, Step, Middle, Column, Data} -> await(Step, Row, Column, Middle, Missing - 1, Left, Data);
        {distances, Step, _, _, _} -> await(Step, Row, Column, Middle, Missing - 1, Left, Above)
    end.

row(Data, Index) ->
    [Distance || <<Distance:64/native>> <= binary:part(Data, Index * ?WIDTH * 8, ?WIDTH * 8)].

column(Data, Index) ->
    Before = Index * 8,
    After = (?WIDTH - 1 - Index) * 8,
    [Distance || <<_:Before/binary, Distance:64/native, _:After/binary>> <= Data].

advance(Data, ToKs, FromK) ->
    shorten(Data, ToKs, FromK, FromK, <<>>).

%% Five at a time: 0.75 of the time of one at a time, and less than with ten.
shorten(_, [_], [], _, Next) ->
    Next;
shorten(Data, [_ | ToKs], [], FromK, Next) ->
    shorten(Data, ToKs, FromK, FromK, Next);
shorten(Data, [ToK | _] = ToKs, [F1, F2, F3, F4, F5 | Others], FromK, Next) ->
    <<D1:64/native, D2:64/native, D3:64/native, D4:64/native, D5:64/native, Rest/binary>> = Data,
    shorten(Rest, ToKs, Others, FromK, <<
        Next/binary,
        (min(D1, ToK + F1)):64/native,
        (min(D2, ToK + F2)):64/native,
        (min(D3, ToK + F3)):64/native,
        (min(D4, ToK + F4)):64/native,
        (min(D5, ToK + F5)):64/native
    >>).

checksum(Row, Column, Data) ->
    Distances = [Distance || <<Distance:64/native>> <= Data],
    lists:sum([
        (?NODES * (Row * ?WIDTH + At div ?WIDTH) + Column * ?WIDTH + At rem ?WIDTH + 1) * Distance
     || {At, Distance} <- lists:zip(lists:seq(0, ?WIDTH * ?WIDTH - 1), Distances)
    ]).
