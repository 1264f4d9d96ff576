package main

import (
	"fmt"
	"sync"
	"time"
)

const (
	memberCount = 1000
	kinds       = 4
	// As long as ours: 64 bytes.
	topicName = "markets/europe/frankfurt/equities/automobiles/manufacturer/depth"
	// What a member's channel takes: so two rounds at most are under way. With room for 100 rounds it takes about 0.3 of the
	// time, as a goroutine that is woken finds many.
	memberRoom = 1
)

func init() {
	register("message/broadcast", func(bench *bench) { publish(bench, nil) })
	registerFree("message/broadcast-threads", func(bench *bench) { publish(bench, nil) })
	registerFree("message/topic", func(bench *bench) { publish(bench, ofKind) })
	register("message/dispatch", pool)
	register("dispatch/pool", pool)
}

// A filter says whether a member of a topic wants a message.
type filter func(kind uint64, message payload) bool

func ofKind(kind uint64, message payload) bool { return message.a%kinds == kind }

// A subscription is a member as a publisher knows it.
type subscription struct {
	to   chan<- payload
	kind uint64
	want filter // nil: all
}

// topics are what programs make of a map and a lock where many publish.
type topics struct {
	lock    sync.RWMutex
	members map[string][]subscription
}

func (topics *topics) subscribe(name string, member subscription) {
	topics.lock.Lock()
	defer topics.lock.Unlock()
	topics.members[name] = append(topics.members[name], member)
}

// publish waits where the channel of a member is full. It returns how many were asked.
func (topics *topics) publish(name string, message payload) uint64 {
	topics.lock.RLock()
	defer topics.lock.RUnlock()
	members := topics.members[name]
	for i := range members {
		member := &members[i]
		if member.want == nil || member.want(member.kind, message) {
			member.to <- message
		}
	}
	return uint64(len(members))
}

// publish has one goroutine send to 1,000 others, with the numbers of the rounds as first words. Those are on no thread
// of their own.
func publish(bench *bench, want filter) {
	rounds := bench.count / memberCount
	topics := topics{members: map[string][]subscription{}}
	tallies := make(chan tally, memberCount)
	var done sync.WaitGroup
	done.Add(memberCount)
	var mailboxes []chan payload
	for i := uint64(0); i < memberCount; i++ {
		mailbox := make(chan payload, memberRoom)
		mailboxes = append(mailboxes, mailbox)
		topics.subscribe(topicName, subscription{mailbox, i / 2 % kinds, want})
		go func() {
			var handled tally
			for message := range mailbox {
				handled.add(message)
			}
			tallies <- handled
			done.Done()
		}()
	}
	var asked uint64
	began := time.Now()
	for round := uint64(1); round <= rounds; round++ {
		asked += topics.publish(topicName, payload{round, 2, 3, 4})
	}
	for _, mailbox := range mailboxes {
		close(mailbox)
	}
	done.Wait()
	bench.time("time", time.Since(began), rounds*memberCount)
	share := uint64(1)
	if want != nil {
		share = kinds
	}
	var found tally
	for range mailboxes {
		one := <-tallies
		found.messages += one.messages
		found.sum += one.sum
	}
	if found.messages*share != asked || found.sum*share != memberCount*rounds*(rounds+1)/2 {
		panic(fmt.Sprintf("%d messages of the sum %d came of %d", found.messages, found.sum, asked))
	}
	bench.prove("members", asked)
}

// pool deals out work through one channel that 16 workers take from, which is what programs in Go do where others have
// routers and pools. Each takes what comes next when it is free.
func pool(bench *bench) {
	work, tallies := make(chan payload, window), make(chan tally, fan)
	for i := 0; i < fan; i++ {
		go func() {
			var handled tally
			for message := range work {
				handled.add(message)
			}
			tallies <- handled
		}()
	}
	began := time.Now()
	go func() {
		produce(work, bench.count)
		close(work)
	}()
	var handled tally
	for i := 0; i < fan; i++ {
		one := <-tallies
		handled.messages += one.messages
		handled.sum += one.sum
	}
	bench.time("time", time.Since(began), bench.count)
	bench.prove("messages", handled.messages)
	bench.prove("sum", handled.sum)
}
