%% What the members of the Savina suite share; bench/savina/README.md says what each of them does.
-module(savina).
-export([both/2, next/1, busy/1, check_sine/1, each/2, add_reports/1]).

%% A member whose work is the same with one scheduler and with two.
both(Member, Work) ->
    [{"savina/" ++ Member ++ Suffix, "erlang", fun(Count, _) -> Work(Count) end} || Suffix <- ["", "-threads"]].

%% The generator of the suite.
next(Random) ->
    (Random * 1309 + 13849) band 65535.

%% Keeps the processor busy.
busy(N) ->
    busy(N, N).

busy(0, Random) -> Random;
busy(Left, Random) -> busy(Left - 1, next(Random)).

%% Computes the sine that some actors compute.
check_sine(Angle) ->
    Sin = math:sin(Angle),
    true = Sin * Sin > 0.

%% How much each of so many actors does.
each(Count, Actors) ->
    max(1, Count div Actors).

%% Adds up the numbers of so many messages {report, A, B}.
add_reports(Reports) ->
    add_reports(Reports, 0, 0).

add_reports(0, A, B) ->
    {A, B};
add_reports(Left, A, B) ->
    receive {report, MoreA, MoreB} -> add_reports(Left - 1, A + MoreA, B + MoreB) end.
