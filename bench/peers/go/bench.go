package main

import (
	"fmt"
	"runtime"
	"strings"
	"time"
)

// A payload is 32 bytes. It goes through channels by value, which is faster than a pointer to a new one.
type payload struct {
	a, b, c, d uint64
}

// A tally is what one goroutine has handled.
type tally struct {
	messages, sum uint64
}

func (tally *tally) add(message payload) {
	tally.messages++
	tally.sum += message.a
}

// bench is one run: what is asked, and what was found.
type bench struct {
	count, seed uint64
	warming     bool // it is only the work that goes before
	lines       strings.Builder
}

func (bench *bench) time(name string, elapsed time.Duration, operations uint64) {
	fmt.Fprintf(&bench.lines, "time %s %d %d\n", name, elapsed.Nanoseconds(), operations)
}

func (bench *bench) figure(name, unit, better string, value float64) {
	fmt.Fprintf(&bench.lines, "figure %s %s %s %g\n", name, unit, better, value)
}

func (bench *bench) prove(name string, value uint64) {
	fmt.Fprintf(&bench.lines, "proof %s %d\n", name, value)
}

// proveTally adds up what `parts` goroutines have handled.
func (bench *bench) proveTally(tallies <-chan tally, parts int) {
	var total tally
	for ; parts > 0; parts-- {
		part := <-tallies
		total.messages += part.messages
		total.sum += part.sum
	}
	bench.prove("messages", total.messages)
	bench.prove("sum", total.sum)
}

// start runs f in a goroutine, on a thread that it shares with no other if it is to have its own.
func start(ownThread bool, f func()) {
	go func() {
		if ownThread {
			runtime.LockOSThread()
		}
		f()
	}()
}
