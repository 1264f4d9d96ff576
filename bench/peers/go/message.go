package main

import (
	"fmt"
	"time"
)

// The capacity of the channels of a stream: the window that is allowed.
const window = 1000

const fan = 16

func init() {
	register("message/ping-pong", func(bench *bench) { ring(bench, 2, false) })
	register("message/ping-pong-threads", func(bench *bench) { ring(bench, 2, true) })
	register("message/ring", func(bench *bench) { ring(bench, 1000, false) })
	register("message/counting", func(bench *bench) { counting(bench, false) })
	register("message/counting-threads", func(bench *bench) { counting(bench, true) })
	register("message/fan-in", func(bench *bench) { fanIn(bench, false) })
	register("message/fan-in-threads", func(bench *bench) { fanIn(bench, true) })
	register("message/fan-out", func(bench *bench) { fanOut(bench, false) })
	register("message/fan-out-threads", func(bench *bench) { fanOut(bench, true) })
	register("message/stream", func(bench *bench) { stream(bench, 8192, true) })
	registerFree("message/counting-threads", func(bench *bench) { counting(bench, false) })
	registerFree("message/fan-in-threads", func(bench *bench) { fanIn(bench, false) })
	registerFree("message/fan-out-threads", func(bench *bench) { fanOut(bench, false) })
	register("message/random-64", func(bench *bench) { wandering(bench, 64) })
	register("message/random-10000", func(bench *bench) { wandering(bench, 10000) })
}

// relay passes the token on until it has been handled count times.
func relay(in <-chan payload, out chan<- payload, count uint64, done chan<- bool, tallies chan<- tally) {
	var handled tally
	for token := range in {
		handled.add(token)
		if token.a == count {
			done <- true
			continue
		}
		token.a++
		out <- token
	}
	tallies <- handled
}

func ring(bench *bench, size int, ownThreads bool) {
	done, tallies := make(chan bool), make(chan tally)
	mailboxes := make([]chan payload, size)
	for i := range mailboxes {
		mailboxes[i] = make(chan payload, 1)
	}
	for i := range mailboxes {
		in, out := mailboxes[i], mailboxes[(i+1)%size]
		start(ownThreads, func() { relay(in, out, bench.count, done, tallies) })
	}
	began := time.Now()
	mailboxes[0] <- payload{a: 1}
	<-done
	bench.time("time", time.Since(began), bench.count)
	for _, mailbox := range mailboxes {
		close(mailbox)
	}
	bench.proveTally(tallies, size)
}

// produce sends the first words 0 to count - 1.
func produce(to chan<- payload, count uint64) {
	for i := uint64(0); i < count; i++ {
		to <- payload{a: i}
	}
}

func counting(bench *bench, ownThreads bool) { stream(bench, window, ownThreads) }

func stream(bench *bench, room int, ownThreads bool) {
	mailbox, tallies := make(chan payload, room), make(chan tally, 1)
	began := time.Now()
	start(ownThreads, func() {
		produce(mailbox, bench.count)
		close(mailbox)
	})
	done := make(chan bool)
	start(ownThreads, func() {
		var handled tally
		for message := range mailbox {
			if message.a != handled.messages {
				panic(fmt.Sprintf("message %d came as the %d-th", message.a, handled.messages))
			}
			handled.add(message)
		}
		tallies <- handled
		close(done)
	})
	<-done
	bench.time("time", time.Since(began), bench.count)
	bench.proveTally(tallies, 1)
}

// The window is that of each sender: 0.75 of the time on two threads with one for all, the same on one.
func fanIn(bench *bench, ownThread bool) {
	mailbox, tallies := make(chan payload, fan*window), make(chan tally)
	each := bench.count / fan
	if each == 0 {
		each = 1
	}
	count := each * fan
	began := time.Now()
	for i := 0; i < fan; i++ {
		go produce(mailbox, each)
	}
	start(ownThread, func() {
		var handled tally
		for handled.messages < count {
			handled.add(<-mailbox)
		}
		tallies <- handled
	})
	handled := <-tallies
	bench.time("time", time.Since(began), count)
	bench.prove("messages", handled.messages)
	bench.prove("sum", handled.sum)
}

func fanOut(bench *bench, ownThread bool) {
	mailboxes, tallies := make([]chan payload, fan), make(chan tally, fan)
	done := make(chan bool)
	for i := range mailboxes {
		mailbox := make(chan payload, window)
		mailboxes[i] = mailbox
		go func() {
			var handled tally
			for message := range mailbox {
				handled.add(message)
			}
			tallies <- handled
			done <- true
		}()
	}
	began := time.Now()
	start(ownThread, func() {
		for i := uint64(0); i < bench.count; i++ {
			mailboxes[i%fan] <- payload{a: i}
		}
		for _, mailbox := range mailboxes {
			close(mailbox)
		}
	})
	for range mailboxes {
		<-done
	}
	bench.time("time", time.Since(began), bench.count)
	bench.proveTally(tallies, fan)
}

const crowd = 100000

// wander passes each token on to an actor drawn at random, by a generator that travels in the token, until the token has
// made the hops that are left in its first word.
func wander(in <-chan payload, crowd []chan payload, done chan<- bool, tallies chan<- tally) {
	var handled tally
	for token := range in {
		handled.messages++
		if token.a--; token.a == 0 {
			done <- true
			continue
		}
		token.b = token.b*6364136223846793005 + 1442695040888963407
		crowd[(token.b>>32)*uint64(len(crowd))>>32] <- token
	}
	tallies <- handled
}

// Capacity 8: a goroutine that sends to a full one waits, and two that wait for each other would wait for ever (the
// runtime then says so). With a token for every tenth goroutine, nine in one place is never seen.
func wandering(bench *bench, tokens uint64) {
	if tokens > bench.count {
		tokens = bench.count
	}
	// Room for each end: a goroutine that waits to tell one takes no tokens, and the first ends come before the last begins.
	done, tallies := make(chan bool, tokens), make(chan tally)
	mailboxes := make([]chan payload, crowd)
	for i := range mailboxes {
		mailboxes[i] = make(chan payload, 8)
		go wander(mailboxes[i], mailboxes, done, tallies)
	}
	began := time.Now()
	for i := uint64(0); i < tokens; i++ {
		hops := bench.count/tokens + (bench.count%tokens+tokens-1-i)/tokens
		mailboxes[i*crowd/tokens] <- payload{a: hops, b: bench.seed + i}
	}
	for i := uint64(0); i < tokens; i++ {
		<-done
	}
	bench.time("time", time.Since(began), bench.count)
	for _, mailbox := range mailboxes {
		close(mailbox)
	}
	var messages uint64
	for range mailboxes {
		messages += (<-tallies).messages
	}
	bench.prove("messages", messages)
}
