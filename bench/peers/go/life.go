package main

import (
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

const batch = 64

func init() {
	register("life/spawn", spawn)
	register("life/idle", idle)
}

// Each goroutine answers with what it was sent, as the last thing it does: it has a channel of its own to be sent to, as
// an actor has a mailbox.
func spawn(bench *bench) {
	ended := make(chan uint64, batch)
	var handled tally
	began := time.Now()
	for handled.messages < bench.count {
		next := bench.count - handled.messages
		if next > batch {
			next = batch
		}
		var mailboxes [batch]chan payload
		for i := range mailboxes[:next] {
			mailbox := make(chan payload, 1)
			mailboxes[i] = mailbox
			go func() { ended <- (<-mailbox).a }()
		}
		for i := range mailboxes[:next] {
			mailboxes[i] <- payload{a: handled.messages + uint64(i)}
		}
		for range mailboxes[:next] {
			handled.add(payload{a: <-ended})
		}
	}
	bench.time("time", time.Since(began), bench.count)
	bench.prove("actors", handled.messages)
	bench.prove("sum", handled.sum)
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

func idle(bench *bench) {
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
