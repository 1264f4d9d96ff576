package main

import (
	"fmt"
	"math"
	"time"
)

// What the members of the Savina suite share; bench/savina/README.md says what each of them does. A goroutine is an actor, and
// a channel its mailbox, with room for all that may be unhandled at a time, so that nobody waits who would not wait for an actor.

// registerSavina is for members whose work is the same on one thread and on two.
func registerSavina(member string, run answer) {
	register("savina/"+member, run)
	register("savina/"+member+"-threads", run)
}

// A random is the generator of the suite.
type random uint64

func (random *random) next() uint64 {
	*random = (*random*1309 + 13849) & 65535
	return uint64(*random)
}

func (random *random) below(n uint64) uint64 {
	return random.next() % n
}

func (random *random) real() float64 {
	return 1 / float64(random.next()+1)
}

// busy keeps the processor busy.
func busy(n uint64) uint64 {
	random := random(n)
	for i := uint64(0); i < n; i++ {
		random.next()
	}
	return uint64(random)
}

// checkSine computes the sine that some actors compute.
func checkSine(x float64) {
	if sin := math.Sin(x); sin*sin <= 0 {
		panic(fmt.Sprintf("the sine of %g is %g", x, sin))
	}
}

// each is how much each of so many actors does.
func (bench *bench) each(actors uint64) uint64 {
	if bench.count < actors {
		return 1
	}
	return bench.count / actors
}

// done ends the time that began then.
func (bench *bench) done(began time.Time, operations uint64) {
	bench.time("time", time.Since(began), operations)
}
