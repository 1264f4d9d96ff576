%% The sleeping barber of the suite.
-module(savina_barber).
-export([workloads/0]).

-define(CHAIRS, 1000).
-define(CUSTOMERS, 2000).
-define(SEED, 74755).

workloads() ->
    savina:both("sleeping-barber", fun sleeping_barber/1).

sleeping_barber(Count) ->
    Factory = self(),
    Barber = spawn_link(fun() -> barber(Factory, ?SEED, 0) end),
    Room = spawn_link(fun() -> room(Barber, queue:new(), 0, asleep) end),
    Began = bench:now_ns(),
    {Haircuts, Making} = factory(Room, Count, 0, ?SEED, 0, 0),
    [Pid ! stop || Pid <- [Room, Barber]],
    {Cutting, _} = savina:add_reports(1),
    [
        bench:elapsed(Began, Count),
        {proof, haircuts, Haircuts},
        {proof, cutting, Cutting},
        {proof, making, Making}
    ].

%% Left: customers to make; Here: those that are not done. Returns how many were done, and the sum of its work. A yield after each
%% customer: a message to itself would let it make as many as it has reductions for before the barber gets to cut one.
factory(_, 0, 0, _, Haircuts, Making) ->
    {Haircuts, Making};
factory(Room, Left, Here, Random, Haircuts, Making) ->
    Patience =
        if
            Left =:= 0; Here =:= ?CUSTOMERS -> infinity;
            true -> 0
        end,
    receive
        {full, Customer} ->
            Room ! {enter, Customer},
            factory(Room, Left, Here, Random, Haircuts, Making);
        done ->
            factory(Room, Left, Here - 1, Random, Haircuts + 1, Making)
    after Patience ->
        Room ! {enter, spawn_customer()},
        Drawn = savina:next(Random),
        Work = savina:busy(Drawn rem 1000 + 10),
        erlang:yield(),
        factory(Room, Left - 1, Here + 1, Drawn, Haircuts, Making + Work)
    end.

spawn_customer() ->
    Factory = self(),
    spawn(fun() -> customer(Factory) end).

customer(Factory) ->
    receive
        full ->
            Factory ! {full, self()},
            customer(Factory);
        done ->
            Factory ! done;
        _ ->
            customer(Factory)
    end.

room(Barber, Waiting, Size, State) ->
    receive
        {enter, Customer} when Size =:= ?CHAIRS ->
            Customer ! full,
            room(Barber, Waiting, Size, State);
        {enter, Customer} ->
            case State of
                asleep -> self() ! next;
                awake -> Customer ! wait
            end,
            room(Barber, queue:in(Customer, Waiting), Size + 1, awake);
        next when Size > 0 ->
            {{value, Customer}, Others} = queue:out(Waiting),
            Barber ! {enter, Customer, self()},
            room(Barber, Others, Size - 1, State);
        next ->
            Barber ! wait,
            room(Barber, Waiting, 0, asleep);
        stop ->
            ok
    end.

barber(Factory, Random, Cutting) ->
    receive
        {enter, Customer, Room} ->
            Customer ! start,
            Drawn = savina:next(Random),
            Work = savina:busy(Drawn rem 1000 + 10),
            Customer ! done,
            Room ! next,
            barber(Factory, Drawn, Cutting + Work);
        wait ->
            barber(Factory, Random, Cutting);
        stop ->
            Factory ! {report, Cutting, 0}
    end.
