%% The members of the suite in which actors wait for one another, or compute.
-module(savina_parallel).
-export([workloads/0]).

-define(SERIES, 10).
-define(BLOCK, 500).
-define(ACCOUNTS, 1000).
-define(SOURCES, 800).
-define(BALANCE, (1 bsl 32)).
-define(SMOKERS, 200).

workloads() ->
    savina:both("logistic-map", fun logistic_map/1) ++
        savina:both("bank-transaction", fun bank_transaction/1) ++
        savina:both("cigarette-smokers", fun cigarette_smokers/1).

%% ---- logistic-map ----

logistic_map(Count) ->
    Each = savina:each(Count, ?SERIES),
    Master = self(),
    Workers = [logistic_worker(Master, I) || I <- lists:seq(0, ?SERIES - 1)],
    Began = bench:now_ns(),
    send_next(Workers, 0, Each),
    [Worker ! get || Worker <- Workers],
    Reports = [receive {last, Worker, Term, Terms} -> {Term, Terms} end || Worker <- Workers],
    {Last, Terms} = lists:unzip(Reports),
    <<Sum:64>> = <<(lists:foldl(fun(Term, Total) -> Total + Term end, 0.0, Last)):64/float>>,
    [bench:elapsed(Began, Each * ?SERIES), {proof, terms, lists:sum(Terms)}, {proof, sum, Sum}].

logistic_worker(Master, I) ->
    Step = I * 0.0025,
    Computer = spawn_link(fun() -> computer(3.46 + Step) end),
    spawn_opt(fun() -> logistic(Master, Computer, Step, 0) end, [link, {min_heap_size, 30000}]).

%% Two blocks of messages may be unhandled; each is acknowledged by all.
send_next(_, Each, Each) ->
    ok;
send_next(Workers, From, Each) ->
    To = min(From + ?BLOCK, Each),
    From < 2 * ?BLOCK orelse [receive acknowledged -> ok end || _ <- Workers],
    [[Worker ! next || Worker <- Workers] || _ <- lists:seq(From + 1, To)],
    To - From < ?BLOCK orelse [Worker ! acknowledge || Worker <- Workers],
    send_next(Workers, To, Each).

computer(Rate) ->
    receive
        {next, From, Reference, X} ->
            From ! {term, Reference, Rate * X * (1 - X)},
            computer(Rate)
    end.

%% Waits for the answer where it asks: what else comes stays in the mailbox. The emulator knows that no message from before
%% make_ref() can have the reference, and looks only at later ones: 0.4 of the time. A collection looks at all of them, so the
%% heap is large: 0.6 of the time with the usual 233 words.
logistic(Master, Computer, Term, Terms) ->
    receive
        next ->
            Reference = make_ref(),
            Computer ! {next, self(), Reference, Term},
            receive {term, Reference, Next} -> logistic(Master, Computer, Next, Terms + 1) end;
        acknowledge ->
            Master ! acknowledged,
            logistic(Master, Computer, Term, Terms);
        get ->
            Master ! {last, self(), Term, Terms}
    end.

%% ---- bank-transaction ----

bank_transaction(Count) ->
    Teller = self(),
    Accounts = list_to_tuple([
        spawn_link(fun() -> account(Teller, I, ?BALANCE) end)
     || I <- lists:seq(1, ?ACCOUNTS)
    ]),
    Began = bench:now_ns(),
    Open = min(Count, ?ACCOUNTS),
    Random = begin_transactions(Open, Accounts, 123456),
    Answered = tell(Count - Open, Open, Accounts, Random, 0),
    [Account ! stop || Account <- tuple_to_list(Accounts)],
    {Balance, Checksum} = savina:add_reports(?ACCOUNTS),
    [
        bench:elapsed(Began, Count),
        {proof, transactions, Answered},
        {proof, balance, Balance},
        {proof, checksum, Checksum}
    ].

begin_transactions(0, _, Random) -> Random;
begin_transactions(Left, Accounts, Random) -> begin_transactions(Left - 1, Accounts, transfer(Accounts, Random)).

%% Left: transactions to begin; Open: those to be answered.
tell(_, 0, _, _, Answered) ->
    Answered;
tell(0, Open, Accounts, Random, Answered) ->
    receive done -> tell(0, Open - 1, Accounts, Random, Answered + 1) end;
tell(Left, Open, Accounts, Random, Answered) ->
    receive done -> tell(Left - 1, Open, Accounts, transfer(Accounts, Random), Answered + 1) end.

transfer(Accounts, Random) ->
    DrawnSource = savina:next(Random),
    Source = DrawnSource rem ?SOURCES,
    DrawnDistance = savina:next(DrawnSource),
    Distance = max(1, DrawnDistance rem (?ACCOUNTS - Source)),
    Amount = savina:next(DrawnDistance),
    element(Source + 1, Accounts) ! {credit, Amount + 1, element(Source + Distance + 1, Accounts)},
    Amount.

%% Waits for the answer to a debit where it asks, as logistic() does.
account(Teller, Number, Balance) ->
    receive
        {credit, Amount, To} ->
            Reference = make_ref(),
            To ! {debit, Amount, self(), Reference},
            receive {debited, Reference} -> Teller ! done end,
            account(Teller, Number, Balance - Amount);
        {debit, Amount, From, Reference} ->
            From ! {debited, Reference},
            account(Teller, Number, Balance + Amount);
        stop ->
            Teller ! {report, Balance, Number * Balance}
    end.

%% ---- cigarette-smokers ----

cigarette_smokers(Count) ->
    Arbiter = self(),
    Smokers = [spawn_link(fun() -> smoker(Arbiter, 0, 0) end) || _ <- lists:seq(1, ?SMOKERS)],
    Began = bench:now_ns(),
    arbitrate(Count, list_to_tuple(Smokers), Count * ?SMOKERS),
    [Smoker ! stop || Smoker <- Smokers],
    {Smokes, Work} = savina:add_reports(?SMOKERS),
    [bench:elapsed(Began, Count), {proof, smokes, Smokes}, {proof, work, Work}].

arbitrate(0, _, _) ->
    ok;
arbitrate(Left, Smokers, Random) ->
    Chosen = savina:next(Random),
    Period = savina:next(Chosen),
    element(Chosen rem ?SMOKERS + 1, Smokers) ! {smoke, Period rem 1000 + 10},
    receive smoking -> arbitrate(Left - 1, Smokers, Period) end.

smoker(Arbiter, Smokes, Work) ->
    receive
        {smoke, Period} ->
            Arbiter ! smoking,
            smoker(Arbiter, Smokes + 1, Work + savina:busy(Period));
        stop ->
            Arbiter ! {report, Smokes, Work}
    end.
