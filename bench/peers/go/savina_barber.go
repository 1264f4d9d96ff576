package main

import (
	"runtime"
	"time"
)

// The sleeping barber of the suite.

func init() {
	registerSavina("sleeping-barber", sleepingBarber)
}

const (
	chairs       = 1000
	customersMax = 2000
)

type shopKind int

const (
	enter   shopKind = iota // to the room, the barber: a customer
	full                    // to a customer, and from him to the factory
	wait                    // to a customer, the barber
	nextOne                 // to the room: send the next
	started                 // to a customer
	cut                     // to a customer, and from him to the factory
	closing                 // to the room, the barber
)

type shopMessage struct {
	kind     shopKind
	customer chan shopMessage
}

func customer(mailbox chan shopMessage, factory chan<- shopMessage) {
	for message := range mailbox {
		switch message.kind {
		case full:
			factory <- shopMessage{full, mailbox}
		case cut:
			factory <- shopMessage{cut, mailbox}
			return
		}
	}
}

func room(mailbox chan shopMessage, barber chan<- shopMessage) {
	var waiting []chan shopMessage
	asleep := true
	for message := range mailbox {
		switch {
		case message.kind == enter && len(waiting) == chairs:
			message.customer <- shopMessage{kind: full}
		case message.kind == enter:
			waiting = append(waiting, message.customer)
			if asleep {
				asleep = false
				mailbox <- shopMessage{kind: nextOne}
			} else {
				message.customer <- shopMessage{kind: wait}
			}
		case message.kind == nextOne && len(waiting) > 0:
			barber <- shopMessage{enter, waiting[0]}
			waiting = waiting[1:]
		case message.kind == nextOne:
			barber <- shopMessage{kind: wait}
			asleep = true
		case message.kind == closing:
			return
		}
	}
}

const barberSeed = 74755

// barber reports the sum of its work.
func barber(mailbox <-chan shopMessage, room chan<- shopMessage, report chan<- uint64) {
	random, cutting := random(barberSeed), uint64(0)
	for message := range mailbox {
		switch message.kind {
		case enter:
			message.customer <- shopMessage{kind: started}
			cutting += busy(random.below(1000) + 10)
			message.customer <- shopMessage{kind: cut}
			room <- shopMessage{kind: nextOne}
		case closing:
			report <- cutting
			return
		}
	}
}

type factory struct {
	mailbox, room        chan shopMessage
	random               random
	made, haircuts, work uint64
}

func (factory *factory) handle(message shopMessage) {
	if message.kind == full {
		factory.room <- shopMessage{enter, message.customer}
	} else {
		factory.haircuts++
	}
}

func (factory *factory) makeCustomer() {
	mailbox := make(chan shopMessage, 4)
	go customer(mailbox, factory.mailbox)
	factory.made++
	factory.room <- shopMessage{enter, mailbox}
	factory.work += busy(factory.random.below(1000) + 10)
	runtime.Gosched()
}

// run makes a customer whenever there is no message to handle.
func (factory *factory) run(count uint64) {
	for factory.haircuts < count {
		if factory.made == count || factory.made-factory.haircuts == customersMax {
			factory.handle(<-factory.mailbox)
			continue
		}
		select {
		case message := <-factory.mailbox:
			factory.handle(message)
		default:
			factory.makeCustomer()
		}
	}
}

func sleepingBarber(bench *bench) {
	// Each customer has one message under way at most, to the factory or the room; the barber one and the room one.
	mailbox, roomMailbox := make(chan shopMessage, customersMax), make(chan shopMessage, customersMax+3)
	barberMailbox, report := make(chan shopMessage, 2), make(chan uint64)
	go room(roomMailbox, barberMailbox)
	go barber(barberMailbox, roomMailbox, report)
	factory := &factory{mailbox: mailbox, room: roomMailbox, random: barberSeed}
	began := time.Now()
	factory.run(bench.count)
	roomMailbox <- shopMessage{kind: closing}
	barberMailbox <- shopMessage{kind: closing}
	cutting := <-report
	bench.done(began, bench.count)
	bench.prove("haircuts", factory.haircuts)
	bench.prove("cutting", cutting)
	bench.prove("making", factory.work)
}
