package main

import (
	"fmt"
	"math/rand"
	"time"
)

func init() {
	register("timer/million", func(bench *bench) {
		timers(bench, func(i int) time.Duration { return time.Duration(i%100000) * time.Millisecond })
	})
	register("timer/million-random", func(bench *bench) {
		timers(bench, func(int) time.Duration { return time.Duration(rand.Int63n(int64(100 * time.Second))) })
	})
}

// How far off the first deadline of all is, and of those that are to expire: longer than it takes to start them.
const (
	far  = 60 * time.Second
	near = 2 * time.Second
)

// A clockwork holds timers that send their owner a payload when they expire.
type clockwork struct {
	timers  []*time.Timer
	order   []int
	started uint64
	owner   chan payload
	after   func(i int) time.Duration
}

func (clockwork *clockwork) start(i int, delay time.Duration) {
	clockwork.timers[i] = time.AfterFunc(delay, func() { clockwork.owner <- payload{a: uint64(i)} })
}

func (clockwork *clockwork) startAll() {
	for i := range clockwork.timers {
		clockwork.start(i, far+clockwork.after(i))
		clockwork.started++
	}
}

func (clockwork *clockwork) cancelAll() {
	for _, i := range clockwork.order {
		if !clockwork.timers[i].Stop() {
			panic("a timer expired before its time")
		}
	}
}

// Reset is how Go says cancel and start again.
func (clockwork *clockwork) rearmAll() {
	for i, timer := range clockwork.order {
		if !clockwork.timers[timer].Reset(far + clockwork.after(i)) {
			panic("a timer expired before its time")
		}
	}
}

// expireAll returns how many the owner has handled, and how long after the deadline the last was.
func (clockwork *clockwork) expireAll() (expired uint64, elapsed time.Duration) {
	deadline := time.Now().Add(near)
	for i := range clockwork.timers {
		clockwork.start(i, time.Until(deadline)+time.Duration(rand.Int63n(int64(time.Millisecond))))
	}
	if time.Now().After(deadline) {
		panic("the timers took longer to start than their deadlines were off")
	}
	var handled tally
	for range clockwork.timers {
		handled.add(<-clockwork.owner)
	}
	elapsed = time.Since(deadline)
	if count := uint64(len(clockwork.timers)); handled.sum != count*(count-1)/2 {
		panic(fmt.Sprintf("the timers' payloads add up to %d", handled.sum))
	}
	return handled.messages, elapsed
}

func timed(f func()) time.Duration {
	began := time.Now()
	f()
	return time.Since(began)
}

func timers(bench *bench, after func(i int) time.Duration) {
	rand.Seed(int64(bench.seed))
	clockwork := &clockwork{
		timers: make([]*time.Timer, bench.count),
		order:  rand.Perm(int(bench.count)),
		// Room for all: a goroutine that waits for room costs 1.4 times as much as one that ends.
		owner: make(chan payload, bench.count),
		after: after,
	}
	// As on the other sides, so that no page is new: 0.65 of the time.
	clockwork.startAll()
	clockwork.cancelAll()
	clockwork.started = 0
	bench.time("start", timed(clockwork.startAll), bench.count)
	bench.prove("timers", clockwork.started)
	bench.time("cancel", timed(clockwork.cancelAll), bench.count)
	clockwork.startAll()
	bench.time("rearm", timed(clockwork.rearmAll), bench.count)
	clockwork.cancelAll()
	expired, elapsed := clockwork.expireAll()
	bench.time("expire", elapsed, bench.count)
	bench.prove("expired", expired)
}
