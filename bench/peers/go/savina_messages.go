package main

import (
	"fmt"
	"time"
)

// The members of the suite that are about messages.

func init() {
	registerSavina("fork-join-throughput", forkJoinThroughput)
	register("savina/fork-join-create", func(bench *bench) { forkJoinCreate(bench, 1) })
	register("savina/fork-join-create-threads", func(bench *bench) { forkJoinCreate(bench, 2) })
	registerSavina("chameneos", chameneos)
	registerSavina("big", big)
}

// A job is what fork-join actors are sent.
type job struct {
	number uint64
	angle  float64
}

const angle = 37.2

// ---- fork-join-throughput ----

const sinks = 60

func sink(in <-chan job, each uint64, reports chan<- tally) {
	var handled tally
	for handled.messages < each {
		job := <-in
		checkSine(job.angle)
		handled.add(payload{a: job.number})
	}
	reports <- handled
}

func forkJoinThroughput(bench *bench) {
	each, reports := bench.each(sinks), make(chan tally)
	mailboxes := make([]chan job, sinks)
	for i := range mailboxes {
		mailboxes[i] = make(chan job, window)
		go sink(mailboxes[i], each, reports)
	}
	began := time.Now()
	for i := uint64(0); i < each; i++ {
		for _, mailbox := range mailboxes {
			mailbox <- job{i, angle}
		}
	}
	total := sum(reports, sinks)
	bench.done(began, each*sinks)
	bench.prove("messages", total.messages)
	bench.prove("sum", total.sum)
}

// sum adds up so many reports.
func sum(reports <-chan tally, count int) (total tally) {
	for ; count > 0; count-- {
		report := <-reports
		total.messages += report.messages
		total.sum += report.sum
	}
	return total
}

// ---- fork-join-create ----

const round = 40000

func child(in <-chan job, ended chan<- uint64) {
	job := <-in
	checkSine(job.angle)
	ended <- job.number
}

// parent makes the children first, first + step, ... below count.
func parent(first, step, count uint64, reports chan<- tally) {
	var handled tally
	ended := make(chan uint64, round)
	for next := first; next < count; {
		made := 0
		for ; made < round/int(step) && next < count; made++ {
			mailbox := make(chan job, 1)
			go child(mailbox, ended)
			mailbox <- job{next, angle}
			next += step
		}
		for ; made > 0; made-- {
			handled.add(payload{a: <-ended})
		}
	}
	reports <- handled
}

func forkJoinCreate(bench *bench, parents int) {
	reports := make(chan tally)
	began := time.Now()
	for i := 0; i < parents; i++ {
		go parent(uint64(i), uint64(parents), bench.count, reports)
	}
	total := sum(reports, parents)
	bench.done(began, bench.count)
	bench.prove("actors", total.messages)
	bench.prove("sum", total.sum)
}

// ---- chameneos ----

const creatures = 100

type colour int

func (own colour) complement(other colour) colour {
	if own == other {
		return own
	}
	return 3 - own - other
}

type encounterKind int

const (
	meet encounterKind = iota
	change
	exit
)

// An encounter is what the mall and chameneos send one another.
type encounter struct {
	kind   encounterKind
	colour colour
	from   chan<- encounter
}

func chameneo(mailbox chan encounter, own colour, mall chan<- encounter, reports chan<- uint64) {
	var meetings uint64
	mall <- encounter{meet, own, mailbox}
	for message := range mailbox {
		switch message.kind {
		case meet:
			own = own.complement(message.colour)
			message.from <- encounter{change, own, mailbox}
		case change:
			own = message.colour
		case exit:
			reports <- meetings
			return
		}
		meetings++
		mall <- encounter{meet, own, mailbox}
	}
}

func chameneos(bench *bench) {
	mall, reports := make(chan encounter, creatures), make(chan uint64, creatures)
	mailboxes := make([]chan encounter, creatures)
	for i := range mailboxes {
		mailboxes[i] = make(chan encounter, 1)
	}
	began := time.Now()
	for i, mailbox := range mailboxes {
		go chameneo(mailbox, colour(i%3), mall, reports)
	}
	var first chan<- encounter
	for left := bench.count; left > 0; {
		message := <-mall
		if first == nil {
			first = message.from
			continue
		}
		first <- message
		first = nil
		left--
	}
	for range mailboxes {
		(<-mall).from <- encounter{kind: exit}
	}
	var meetings uint64
	for range mailboxes {
		meetings += <-reports
	}
	bench.done(began, bench.count)
	bench.prove("meetings", meetings)
}

// ---- big ----

const bigActors = 120

type pingKind int

const (
	begin pingKind = iota
	ping
	pong
	end
)

type pingMessage struct {
	kind   pingKind
	number uint64
}

// A pinger is actor `number` of many that ping one another.
type pinger struct {
	number, left, expected uint64
	random                 random
	handled                tally
	mailboxes              []chan pingMessage
}

// next sends the next ping, or says that there are no more.
func (pinger *pinger) next() bool {
	if pinger.left == 0 {
		return false
	}
	pinger.left--
	pinger.expected = pinger.random.below(bigActors)
	pinger.mailboxes[pinger.expected] <- pingMessage{ping, pinger.number}
	return true
}

func (pinger *pinger) run(done chan<- bool, reports chan<- tally) {
	for message := range pinger.mailboxes[pinger.number] {
		switch message.kind {
		case ping:
			pinger.handled.add(payload{a: pinger.number})
			pinger.mailboxes[message.number] <- pingMessage{pong, pinger.number}
			continue
		case pong:
			if message.number != pinger.expected {
				panic(fmt.Sprintf("a pong of %d came, not of %d", message.number, pinger.expected))
			}
		case end:
			reports <- pinger.handled
			return
		}
		if !pinger.next() {
			done <- true
		}
	}
}

func big(bench *bench) {
	each, done, reports := bench.each(bigActors), make(chan bool, bigActors), make(chan tally, bigActors)
	mailboxes := make([]chan pingMessage, bigActors)
	for i := range mailboxes {
		mailboxes[i] = make(chan pingMessage, bigActors+2)
	}
	for i := range mailboxes {
		number := uint64(i)
		go (&pinger{number: number, left: each, random: random(number), mailboxes: mailboxes}).run(done, reports)
	}
	began := time.Now()
	for _, mailbox := range mailboxes {
		mailbox <- pingMessage{kind: begin}
	}
	for range mailboxes {
		<-done
	}
	for _, mailbox := range mailboxes {
		mailbox <- pingMessage{kind: end}
	}
	total := sum(reports, bigActors)
	bench.done(began, each*bigActors)
	bench.prove("pings", total.messages)
	bench.prove("targets", total.sum)
}
