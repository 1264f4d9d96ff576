%% Questions with answers. The side erlang asks an OTP server, by gen_server:call/3, and several at once by
%% gen_server:send_request/2. erlang-alias is the least that a process can ask another by and know the answer from any
%% other message: an alias that ends with the answer. It has no monitor, so the death of who is asked would not be noticed.
-module(call).
-behaviour(gen_server).
-export([workloads/0, init/1, handle_call/3, handle_cast/2]).

-define(GATHER, 8).

workloads() ->
    [
        {"call/round-trip", "erlang", fun(Count, _) -> round_trip(one, Count, fun serve/1, fun ask/2) end},
        {"call/round-trip-threads", "erlang", fun(Count, _) -> round_trip(threads, Count, fun serve/1, fun ask/2) end},
        {"call/round-trip", "erlang-alias", fun(Count, _) -> round_trip(one, Count, fun reply/1, fun ask_alias/2) end},
        {"call/round-trip-threads", "erlang-alias", fun(Count, _) ->
            round_trip(threads, Count, fun reply/1, fun ask_alias/2)
        end},
        {"call/gather", "erlang", fun(Count, _) -> gather(one, Count) end},
        {"call/gather-threads", "erlang", fun(Count, _) -> gather(threads, Count) end}
    ].

place(one, _) -> bench:place(any);
place(threads, Index) -> bench:place(Index).

%% ---- who answers ----

serve(Place) ->
    {ok, Server} = gen_server:start_link(?MODULE, [], [{spawn_opt, Place}]),
    Server.

init([]) -> {ok, none}.

handle_call({Word, B, C, D}, _, State) -> {reply, {Word, B, C, D}, State}.

handle_cast(_, State) -> {noreply, State}.

reply(Place) ->
    spawn_opt(fun reply_loop/0, [link | Place]).

reply_loop() ->
    receive
        {Alias, {Word, B, C, D}} ->
            Alias ! {Alias, {Word, B, C, D}},
            reply_loop()
    end.

%% ---- who asks ----

ask(Server, Word) ->
    {Answer, _, _, _} = gen_server:call(Server, {Word, 2, 3, 4}, infinity),
    Answer.

ask_alias(Replier, Word) ->
    Alias = alias([reply]),
    Replier ! {Alias, {Word, 2, 3, 4}},
    receive {Alias, {Answer, _, _, _}} -> Answer end.

ask_all(Servers, Word) ->
    Requests = [gen_server:send_request(Server, {Word, 2, 3, 4}) || Server <- Servers],
    take_all(Requests, 0) div ?GATHER.

take_all([], Sum) ->
    Sum;
take_all([Request | Requests], Sum) ->
    {reply, {Answer, _, _, _}} = gen_server:receive_response(Request, infinity),
    take_all(Requests, Sum + Answer).

round_trip(Place, Count, Answerer, Ask) ->
    Who = Answerer(place(Place, 1)),
    asker(Place, Count, fun(Word) -> Ask(Who, Word) end).

gather(Place, Count) ->
    Servers = [serve(place(Place, 1)) || _ <- lists:seq(1, ?GATHER)],
    asker(Place, Count, fun(Word) -> ask_all(Servers, Word) end).

%% Asks with the words 1 to Count, one after the other, in a process of its own.
asker(Place, Count, Ask) ->
    Self = self(),
    Began = bench:now_ns(),
    spawn_opt(fun() -> Self ! {asked, ask_on(Ask, 1, Count, {0, 0})} end, [link | place(Place, 0)]),
    {Answers, Sum} = receive {asked, Found} -> Found end,
    [bench:elapsed(Began, Count), {proof, answers, Answers}, {proof, sum, Sum}].

ask_on(_, Word, Count, Found) when Word > Count ->
    Found;
ask_on(Ask, Word, Count, {Answers, Sum}) ->
    ask_on(Ask, Word + 1, Count, {Answers + 1, Sum + Ask(Word)}).
