package main

import (
	"fmt"
	"math"
	"time"
)

// The members of the suite in which many share what one owns.

func init() {
	registerSavina("concurrent-dictionary", concurrentDictionary)
	registerSavina("concurrent-sorted-list", concurrentSortedList)
	registerSavina("bounded-buffer", boundedBuffer)
	registerSavina("dining-philosophers", diningPhilosophers)
}

const workers = 20

type requestKind int

const (
	read requestKind = iota
	write
	size
)

// A request is answered with a number.
type request struct {
	kind       requestKind
	key, value uint64
	answer     chan<- uint64
}

// work makes `each` requests, the next at each answer; draw says what they are. It reports its writes and the sum of their answers.
func work(owner chan<- request, mailbox chan uint64, each uint64, draw func() request, reports chan<- tally) {
	var writes tally
	<-mailbox
	for i := uint64(0); i < each; i++ {
		request := draw()
		request.answer = mailbox
		owner <- request
		answer := <-mailbox
		if request.kind == write {
			writes.add(payload{a: answer})
		}
	}
	reports <- writes
}

// runWorkers lets workers work until all have reported. The owner's mailbox is closed then, which asks it for what it counted.
func runWorkers(owner chan<- request, each uint64, draw func(random *random) request, seed uint64) tally {
	reports := make(chan tally)
	mailboxes := make([]chan uint64, workers)
	for i := range mailboxes {
		mailboxes[i] = make(chan uint64, 1)
		random := random(uint64(i) + each + seed)
		go work(owner, mailboxes[i], each, func() request { return draw(&random) }, reports)
	}
	for _, mailbox := range mailboxes {
		mailbox <- 0
	}
	total := sum(reports, workers)
	close(owner)
	return total
}

// ---- concurrent-dictionary ----

const pairs = 524287

type dictionaryCount struct {
	reads, writes, keys uint64
}

func dictionary(table map[uint64]uint64, requests <-chan request, report chan<- dictionaryCount) {
	var count dictionaryCount
	for request := range requests {
		count.keys += request.key
		if request.kind == write {
			count.writes++
			table[request.key] = request.value
			request.answer <- request.value
		} else {
			count.reads++
			request.answer <- table[request.key]
		}
	}
	report <- count
}

func drawDictionary(random *random) request {
	if random.below(100) < 10 {
		key := random.next()
		return request{kind: write, key: key, value: random.next()}
	}
	return request{kind: read, key: random.next()}
}

func concurrentDictionary(bench *bench) {
	table := make(map[uint64]uint64, pairs)
	for key := uint64(0); key < pairs; key++ {
		table[key] = key
	}
	each, requests, report := bench.each(workers), make(chan request, workers), make(chan dictionaryCount)
	go dictionary(table, requests, report)
	began := time.Now()
	written := runWorkers(requests, each, drawDictionary, 10)
	count := <-report
	bench.done(began, each*workers)
	bench.prove("reads", count.reads)
	bench.prove("writes", count.writes)
	bench.prove("keys", count.keys)
	bench.prove("written", written.sum)
}

// ---- concurrent-sorted-list ----

type node struct {
	value uint64
	next  *node
}

type sortedList struct {
	head *node
}

func (list *sortedList) add(value uint64) {
	at := &list.head
	for *at != nil && (*at).value <= value {
		at = &(*at).next
	}
	*at = &node{value, *at}
}

func (list *sortedList) contains(value uint64) uint64 {
	for node := list.head; node != nil; node = node.next {
		if node.value == value {
			return 1
		}
	}
	return 0
}

func (list *sortedList) size() (size uint64) {
	for node := list.head; node != nil; node = node.next {
		size++
	}
	return size
}

func (list *sortedList) checksum() (checksum uint64) {
	position := uint64(1)
	for node := list.head; node != nil; node = node.next {
		checksum += position * node.value
		position++
	}
	return checksum
}

type listCount struct {
	adds, sizes, lookups, checksum uint64
}

func ownList(requests <-chan request, report chan<- listCount) {
	var count listCount
	var list sortedList
	for request := range requests {
		switch request.kind {
		case write:
			count.adds++
			list.add(request.value)
			request.answer <- request.value
		case size:
			count.sizes++
			request.answer <- list.size()
		case read:
			count.lookups++
			request.answer <- list.contains(request.value)
		}
	}
	count.checksum = list.checksum()
	report <- count
}

func drawList(random *random) request {
	switch drawn := random.below(100); {
	case drawn < 1:
		return request{kind: size}
	case drawn < 11:
		return request{kind: write, value: random.next()}
	default:
		return request{kind: read, value: random.next()}
	}
}

func concurrentSortedList(bench *bench) {
	each, requests, report := bench.each(workers), make(chan request, workers), make(chan listCount)
	go ownList(requests, report)
	began := time.Now()
	runWorkers(requests, each, drawList, 11)
	count := <-report
	bench.done(began, each*workers)
	bench.prove("adds", count.adds)
	bench.prove("sizes", count.sizes)
	bench.prove("lookups", count.lookups)
	bench.prove("checksum", count.checksum)
}

// ---- bounded-buffer ----

const (
	traders  = 40 // producers, and consumers
	bufferOf = 50
)

// An item has the number that its producer gave it.
type item struct {
	number uint64
	value  float64
}

func process(x float64) float64 {
	random := random(25)
	for i := 0; i < 2500; i++ {
		x += math.Log(math.Abs(random.real()) + 0.01)
	}
	return x
}

// A delivery is an item for the manager; with more false it is the producer's report instead, with the number of its items.
type delivery struct {
	item item
	more bool
	from chan<- bool
}

func producer(mailbox chan bool, each uint64, manager chan<- delivery) {
	var made item
	for range mailbox {
		if made.number == each {
			manager <- delivery{item: made}
			return
		}
		made.value = process(made.value)
		manager <- delivery{made, true, mailbox}
		made.number++
	}
}

func consumer(mailbox chan item, manager chan<- chan<- item, reports chan<- tally) {
	var handled tally
	var own float64
	for item := range mailbox {
		own = process(own + item.value)
		handled.add(payload{a: item.number})
		manager <- mailbox
	}
	reports <- handled
}

// A store is what the manager manages.
type store struct {
	buffer    []item
	available []chan<- item
	waiting   []chan<- bool
}

func (store *store) take(delivery delivery) {
	if len(store.available) > 0 {
		store.available[0] <- delivery.item
		store.available = store.available[1:]
	} else {
		store.buffer = append(store.buffer, delivery.item)
	}
	if len(store.buffer) >= bufferOf-traders {
		store.waiting = append(store.waiting, delivery.from)
	} else {
		delivery.from <- true
	}
}

func (store *store) serve(consumer chan<- item) {
	if len(store.buffer) == 0 {
		store.available = append(store.available, consumer)
		return
	}
	consumer <- store.buffer[0]
	store.buffer = store.buffer[1:]
	if len(store.waiting) > 0 {
		store.waiting[0] <- true
		store.waiting = store.waiting[1:]
	}
}

// manage ends when all producers have reported and all consumers are available.
func (store *store) manage(deliveries <-chan delivery, free <-chan chan<- item) (produced uint64) {
	for producers := traders; producers > 0 || len(store.available) < traders; {
		select {
		case delivery := <-deliveries:
			if delivery.more {
				store.take(delivery)
			} else {
				produced += delivery.item.number
				producers--
			}
		case consumer := <-free:
			store.serve(consumer)
		}
	}
	return produced
}

func boundedBuffer(bench *bench) {
	each, store, reports := bench.each(traders), &store{}, make(chan tally)
	deliveries, free := make(chan delivery, traders), make(chan chan<- item, traders)
	var consumers []chan item
	for i := 0; i < traders; i++ {
		mailbox := make(chan item, 1)
		consumers = append(consumers, mailbox)
		store.available = append(store.available, mailbox)
		go consumer(mailbox, free, reports)
	}
	began := time.Now()
	for i := 0; i < traders; i++ {
		mailbox := make(chan bool, 1)
		go producer(mailbox, each, deliveries)
		mailbox <- true
	}
	produced := store.manage(deliveries, free)
	for _, consumer := range consumers {
		close(consumer)
	}
	consumed := sum(reports, traders)
	bench.done(began, each*traders)
	bench.prove("produced", produced)
	bench.prove("consumed", consumed.messages)
	bench.prove("sum", consumed.sum)
}

// ---- dining-philosophers ----

const philosophers = 20

type dinnerKind int

const (
	sitDown dinnerKind = iota
	hungry
	eat
	denied
	finished
	left
)

// A dinner is a message between a philosopher, of that number, and the arbitrator.
type dinner struct {
	kind   dinnerKind
	number uint64
}

func philosopher(number, each uint64, mailbox chan dinnerKind, arbitrator chan<- dinner) {
	var meals uint64
	for message := range mailbox {
		if message != eat {
			arbitrator <- dinner{hungry, number}
			continue
		}
		meals++
		arbitrator <- dinner{finished, number}
		if meals == each {
			arbitrator <- dinner{left, meals}
			return
		}
		mailbox <- sitDown
	}
}

type table struct {
	taken [philosophers]bool
	seats [philosophers]chan dinnerKind
}

func (table *table) ask(number uint64) {
	left, right := &table.taken[number], &table.taken[(number+1)%philosophers]
	if *left || *right {
		table.seats[number] <- denied
		return
	}
	*left, *right = true, true
	table.seats[number] <- eat
}

func (table *table) free(number uint64) {
	left, right := &table.taken[number], &table.taken[(number+1)%philosophers]
	if !*left || !*right {
		panic(fmt.Sprintf("philosopher %d frees a fork that is not taken", number))
	}
	*left, *right = false, false
}

func diningPhilosophers(bench *bench) {
	each, arbitrator := bench.each(philosophers), make(chan dinner, 3*philosophers)
	table := &table{}
	for i := range table.seats {
		table.seats[i] = make(chan dinnerKind, 1)
		go philosopher(uint64(i), each, table.seats[i], arbitrator)
	}
	began := time.Now()
	for _, seat := range table.seats {
		seat <- sitDown
	}
	var meals uint64
	for here := philosophers; here > 0; {
		switch message := <-arbitrator; message.kind {
		case hungry:
			table.ask(message.number)
		case finished:
			table.free(message.number)
		case left:
			meals += message.number
			here--
		}
	}
	bench.done(began, each*philosophers)
	bench.prove("meals", meals)
}
