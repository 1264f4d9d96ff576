package main

import (
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"
)

const batch = 64

func init() {
	register("life/spawn", spawn)
	register("life/idle", idle)
}

// Each goroutine has a channel of its own to be sent to, as an actor has a mailbox. It leaves what it was sent where the
// others can see it, as libjzx's do, and a WaitGroup tells of the ends: 0.65 of the time of an answer through a channel.
func spawn(bench *bench) {
	var handled tally
	began := time.Now()
	for handled.messages < bench.count {
		spawnBatch(&handled, bench.count)
	}
	bench.time("time", time.Since(began), bench.count)
	bench.prove("actors", handled.messages)
	bench.prove("sum", handled.sum)
}

func spawnBatch(handled *tally, count uint64) {
	var mailboxes [batch]chan payload
	var answers [batch]payload
	var ended sync.WaitGroup
	size := count - handled.messages
	if size > batch {
		size = batch
	}
	ended.Add(int(size))
	for i := range mailboxes[:size] {
		mailbox, answer := make(chan payload, 1), &answers[i]
		mailboxes[i] = mailbox
		go func() {
			*answer = <-mailbox
			ended.Done()
		}()
	}
	for i := range mailboxes[:size] {
		mailboxes[i] <- payload{a: handled.messages + uint64(i)}
	}
	ended.Wait()
	for _, answer := range answers[:size] {
		handled.add(answer)
	}
}

// resident is the memory of this process in bytes.
func resident() uint64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		panic(err)
	}
	_, after, _ := strings.Cut(string(status), "VmRSS:")
	kib, err := strconv.ParseUint(strings.Fields(after)[0], 10, 64)
	if err != nil {
		panic(err)
	}
	return kib * 1024
}

// What a warm-up has freed would be used again and not be counted, so there is none: 0.95 of the bytes with it.
func idle(bench *bench) {
	if bench.warming {
		return
	}
	handled := make(chan bool)
	debug.FreeOSMemory()
	before := resident()
	mailboxes := make([]chan payload, bench.count)
	for i := range mailboxes {
		mailbox := make(chan payload)
		mailboxes[i] = mailbox
		go func() {
			for range mailbox {
				handled <- true
			}
		}()
	}
	var actors uint64
	for _, mailbox := range mailboxes {
		mailbox <- payload{}
		<-handled
		actors++
	}
	debug.FreeOSMemory()
	size := float64(resident()-before) / float64(bench.count)
	bench.figure("size", "bytes", "lower", size)
	bench.prove("actors", actors)
	for _, mailbox := range mailboxes {
		close(mailbox)
	}
}
