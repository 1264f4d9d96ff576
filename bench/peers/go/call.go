package main

import (
	"fmt"
	"time"
)

const gathering = 8

func init() {
	register("call/round-trip", func(bench *bench) { roundTrip(bench, false) })
	register("call/round-trip-threads", func(bench *bench) { roundTrip(bench, true) })
	register("call/gather", func(bench *bench) { gather(bench, false) })
	register("call/gather-threads", func(bench *bench) { gather(bench, true) })
}

// A call brings the channel that its answer goes to. Who asks has one for all it asks, since it waits for each answer.
type call struct {
	payload
	answer chan<- payload
}

// answerAll is who is asked.
func answerAll(calls <-chan call) {
	for call := range calls {
		call.answer <- call.payload
	}
}

// The channels take one message, as an actor's mailbox does.
func roundTrip(bench *bench, ownThreads bool) {
	calls := make(chan call, 1)
	start(ownThreads, func() { answerAll(calls) })
	ask(bench, ownThreads, func(word uint64, answers chan payload) uint64 {
		calls <- call{payload{word, 2, 3, 4}, answers}
		return (<-answers).a
	})
	close(calls)
}

// gather asks eight goroutines, which are on no thread of their own.
func gather(bench *bench, ownThread bool) {
	members := make([]chan call, gathering)
	for i := range members {
		members[i] = make(chan call, 1)
		go answerAll(members[i])
	}
	ask(bench, ownThread, func(word uint64, answers chan payload) uint64 {
		for _, member := range members {
			member <- call{payload{word, 2, 3, 4}, answers}
		}
		var sum uint64
		for range members {
			sum += (<-answers).a
		}
		return sum / gathering
	})
	for _, member := range members {
		close(member)
	}
}

// ask asks with the words 1 to count, one after the other.
func ask(bench *bench, ownThread bool, one func(word uint64, answers chan payload) uint64) {
	done := make(chan tally)
	began := time.Now()
	start(ownThread, func() {
		answers := make(chan payload, gathering)
		var found tally
		for word := uint64(1); word <= bench.count; word++ {
			answer := one(word, answers)
			if answer != word {
				panic(fmt.Sprintf("the answer to %d is %d", word, answer))
			}
			found.add(payload{a: answer})
		}
		done <- found
	})
	found := <-done
	bench.time("time", time.Since(began), bench.count)
	bench.prove("answers", found.messages)
	bench.prove("sum", found.sum)
}
