package main

import (
	"math"
	"time"
)

// The members of the suite in which actors wait for one another, or compute.

func init() {
	registerSavina("logistic-map", logisticMap)
	registerSavina("bank-transaction", bankTransaction)
	registerSavina("all-pairs-shortest-path", allPairs)
	registerSavina("cigarette-smokers", cigaretteSmokers)
}

// ---- logistic-map ----

const series = 10

type termRequest struct {
	term   float64
	answer chan<- float64
}

func computer(rate float64, requests <-chan termRequest) {
	for request := range requests {
		request.answer <- rate * request.term * (1 - request.term)
	}
}

// A logistic is a worker's report, or, before it, its work.
type logistic struct {
	number, terms uint64
	term          float64
}

// work computes the next term at each message. The end of its mailbox is the master's `get`.
func (logistic logistic) work(mailbox <-chan bool, computer chan<- termRequest, reports chan<- logistic) {
	answer := make(chan float64, 1)
	for range mailbox {
		computer <- termRequest{logistic.term, answer}
		logistic.term = <-answer
		logistic.terms++
	}
	close(computer)
	reports <- logistic
}

func logisticMap(bench *bench) {
	each, reports := bench.each(series), make(chan logistic)
	mailboxes := make([]chan bool, series)
	for i := range mailboxes {
		step := float64(float64(i) * 0.0025)
		requests := make(chan termRequest, 1)
		mailboxes[i] = make(chan bool, window)
		go computer(3.46+step, requests)
		go logistic{number: uint64(i), term: step}.work(mailboxes[i], requests, reports)
	}
	began := time.Now()
	for i := uint64(0); i < each; i++ {
		for _, mailbox := range mailboxes {
			mailbox <- true
		}
	}
	var last [series]float64
	var terms uint64
	for _, mailbox := range mailboxes {
		close(mailbox)
	}
	for range mailboxes {
		report := <-reports
		last[report.number] = report.term
		terms += report.terms
	}
	var total float64
	for _, term := range last {
		total += term
	}
	bench.done(began, each*series)
	bench.prove("terms", terms)
	bench.prove("sum", math.Float64bits(total))
}

// ---- bank-transaction ----

const (
	accounts = 1000
	sources  = 800
	balance  = 1 << 32
)

// A transfer is credited to an account, which debits `to` with it, or is such a debit, which has no `to`; then `answer` is told.
type transfer struct {
	amount uint64
	to     chan<- transfer
	answer chan<- bool
}

type statement struct {
	number, balance uint64
}

// account waits for the answer to a debit before it handles another message. The debit goes to an account of a higher number,
// so no two wait for each other.
func account(number uint64, mailbox <-chan transfer, reports chan<- statement) {
	own := statement{number, balance}
	answer := make(chan bool, 1)
	for message := range mailbox {
		if message.to != nil {
			own.balance -= message.amount
			message.to <- transfer{amount: message.amount, answer: answer}
			<-answer
		} else {
			own.balance += message.amount
		}
		message.answer <- true
	}
	reports <- own
}

func drawTransfer(random *random, mailboxes []chan transfer, teller chan<- bool) {
	source := random.below(sources)
	distance := random.below(accounts - source)
	if distance == 0 {
		distance = 1
	}
	mailboxes[source] <- transfer{random.next() + 1, mailboxes[source+distance], teller}
}

func bankTransaction(bench *bench) {
	teller, reports := make(chan bool, accounts), make(chan statement)
	mailboxes := make([]chan transfer, accounts)
	for i := range mailboxes {
		// More room takes longer, since it is more memory: 1.1 times with 64, 1.3 with 1,000.
		mailboxes[i] = make(chan transfer, 16)
		go account(uint64(i), mailboxes[i], reports)
	}
	random := random(123456)
	began := time.Now()
	var answered uint64
	for open := uint64(0); answered < bench.count; {
		if open < accounts && answered+open < bench.count {
			drawTransfer(&random, mailboxes, teller)
			open++
		} else {
			<-teller
			open--
			answered++
		}
	}
	for _, mailbox := range mailboxes {
		close(mailbox)
	}
	var total, checksum uint64
	for range mailboxes {
		report := <-reports
		total += report.balance
		checksum += (report.number + 1) * report.balance
	}
	bench.done(began, bench.count)
	bench.prove("transactions", answered)
	bench.prove("balance", total)
	bench.prove("checksum", checksum)
}

// ---- all-pairs-shortest-path ----

const (
	nodes    = 300
	width    = 50 // of a block
	inRow    = nodes / width
	blocks   = inRow * inRow
	partners = 2 * (inRow - 1)
)

// Distances are those of a block, row by row. They do not change once they have been sent.
type distances *[width * width]uint64

type stepData struct {
	step uint64
	from int
	data distances
}

type block struct {
	row, column int // of blocks
	mailbox     <-chan stepData
	data        distances
	neighbours  []chan<- stepData
	// What has come for this step and for the next, by block; how much of it.
	come  [2][blocks]distances
	count [2]int
}

func (block *block) send(step uint64) {
	for _, neighbour := range block.neighbours {
		neighbour <- stepData{step, block.row*inRow + block.column, block.data}
	}
}

// await returns when all neighbours' data for the step is there.
func (block *block) await(step uint64) *[blocks]distances {
	for block.count[step%2] < partners {
		message := <-block.mailbox
		block.come[message.step%2][message.from] = message.data
		block.count[message.step%2]++
	}
	block.count[step%2] = 0
	come := &block.come[step%2]
	come[block.row*inRow+block.column] = block.data
	return come
}

func (block *block) advance(step uint64) {
	k, come := int(step%nodes), block.await(step)
	left := come[block.row*inRow+k/width]
	above := come[k/width*inRow+block.column]
	through := above[k%width*width:][:width]
	data := new([width * width]uint64)
	for i := 0; i < width; i++ {
		old, next := block.data[i*width:][:width], data[i*width:][:width]
		toK := left[i*width+k%width]
		for j, fromK := range through {
			next[j] = old[j]
			if toK+fromK < next[j] {
				next[j] = toK + fromK
			}
		}
	}
	block.data = data
}

func (block *block) checksum() (checksum uint64) {
	for at, distance := range block.data {
		row, column := block.row*width+at/width, block.column*width+at%width
		checksum += uint64(nodes*row+column+1) * distance
	}
	return checksum
}

func (block *block) run(each uint64, reports chan<- tally) {
	for step := uint64(0); step < each; step++ {
		block.send(step)
		block.advance(step)
	}
	reports <- tally{each, block.checksum()}
}

func makeGraph() *[nodes][nodes]uint64 {
	graph, random := new([nodes][nodes]uint64), random(nodes)
	for i := range graph {
		for j := i + 1; j < nodes; j++ {
			graph[i][j] = random.below(100) + 1
			graph[j][i] = graph[i][j]
		}
	}
	return graph
}

func makeBlock(number int, graph *[nodes][nodes]uint64, mailboxes []chan stepData) *block {
	data := new([width * width]uint64)
	block := &block{row: number / inRow, column: number % inRow, mailbox: mailboxes[number], data: data}
	for at := range data {
		data[at] = graph[block.row*width+at/width][block.column*width+at%width]
	}
	for other, mailbox := range mailboxes {
		if other != number && (other/inRow == block.row || other%inRow == block.column) {
			block.neighbours = append(block.neighbours, mailbox)
		}
	}
	return block
}

func allPairs(bench *bench) {
	each, graph, reports := bench.each(blocks), makeGraph(), make(chan tally)
	mailboxes := make([]chan stepData, blocks)
	for i := range mailboxes {
		mailboxes[i] = make(chan stepData, 2*partners)
	}
	var made []*block
	for i := range mailboxes {
		made = append(made, makeBlock(i, graph, mailboxes))
	}
	began := time.Now()
	for _, block := range made {
		go block.run(each, reports)
	}
	total := sum(reports, blocks)
	bench.done(began, each*blocks)
	bench.prove("steps", total.messages)
	bench.prove("checksum", total.sum)
}

// ---- cigarette-smokers ----

const smokers = 200

func smoker(mailbox <-chan uint64, smoking chan<- bool, reports chan<- tally) {
	var smoked tally
	for period := range mailbox {
		smoking <- true
		smoked.add(payload{a: busy(period)})
	}
	reports <- smoked
}

func cigaretteSmokers(bench *bench) {
	smoking, reports := make(chan bool, 1), make(chan tally)
	mailboxes := make([]chan uint64, smokers)
	for i := range mailboxes {
		mailboxes[i] = make(chan uint64, 1)
		go smoker(mailboxes[i], smoking, reports)
	}
	random := random(bench.count * smokers)
	began := time.Now()
	for i := uint64(0); i < bench.count; i++ {
		chosen := random.below(smokers)
		mailboxes[chosen] <- random.below(1000) + 10
		<-smoking
	}
	for _, mailbox := range mailboxes {
		close(mailbox)
	}
	total := sum(reports, smokers)
	bench.done(began, bench.count)
	bench.prove("smokes", total.messages)
	bench.prove("work", total.sum)
}
