// The Go peer: goroutines and channels. bench/README.md says what each workload is. Its sides:
//
//	go-channels       where the ends are to be on two threads, they are locked to one each
//	go-channels-free  the same left to the scheduler, for streams: it may run both ends on one thread, and mostly does.
//	                  0.6 of the time in counting-threads, 0.75 in fan-in-threads, 1 in fan-out-threads. In ping-pong
//	                  it would not be the workload any more.
//
// Settings, with what was tried:
//
//	GOMAXPROCS  as many as the run has CPUs
//	GC          at 1,600 %. To the usual 100 %, in CPU time: timer/million 0.7, savina/all-pairs-shortest-path-threads 0.35,
//	            to 400 % 0.95 and 0.65. Without any collection life/spawn takes 1.4 times as long, as each goroutine's
//	            channel is new memory.
//	channels    streams: the window allowed, 1,000; 100 takes 1.05 times as long on one thread, 5 times on two.
//	            ping-pong, ring, life/spawn: 1, as an actor's mailbox takes a message at once; none is the same within
//	            3 % on one thread, 1.1 times as long on two.
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
)

const (
	side     = "go-channels"
	freeSide = "go-channels-free"
)

// A question is a workload and the side that answers it.
type question struct {
	workload, side string
}

// An answer does the work with bench.count operations and says what it found.
type answer func(bench *bench)

var answers = map[question]answer{}

// register is called by the init functions of the files that hold workloads.
func register(workload string, run answer) {
	answers[question{workload, side}] = run
}

func registerFree(workload string, run answer) {
	answers[question{workload, freeSide}] = run
}

// options are the NAME=VALUE arguments of measure.
type options struct {
	count, warm, seed uint64
	cpus              int
}

func parseOptions(arguments []string) (options, error) {
	parsed := options{cpus: runtime.NumCPU()}
	numbers := map[string]*uint64{"count": &parsed.count, "warm": &parsed.warm, "seed": &parsed.seed}
	for _, argument := range arguments {
		name, value, _ := strings.Cut(argument, "=")
		if name == "cpus" {
			parsed.cpus = strings.Count(value, ",") + 1
		}
		if number := numbers[name]; number != nil {
			var err error
			if *number, err = strconv.ParseUint(value, 10, 64); err != nil {
				return parsed, fmt.Errorf("%s is not a number: %q", name, value)
			}
		}
	}
	if parsed.count == 0 {
		return parsed, fmt.Errorf("count must be 1 or more")
	}
	return parsed, nil
}

func list() {
	for question := range answers {
		fmt.Println(question.workload, question.side)
	}
}

func measure(asked question, arguments []string) error {
	run := answers[asked]
	if run == nil {
		return fmt.Errorf("there is no workload %q of the side %q", asked.workload, asked.side)
	}
	options, err := parseOptions(arguments)
	if err != nil {
		return err
	}
	runtime.GOMAXPROCS(options.cpus)
	debug.SetGCPercent(1600)
	if options.warm > 0 {
		run(&bench{count: options.warm, seed: options.seed, warming: true})
	}
	found := &bench{count: options.count, seed: options.seed}
	run(found)
	fmt.Println("version", "Go", strings.TrimPrefix(runtime.Version(), "go"))
	fmt.Print(found.lines.String())
	return nil
}

func main() {
	arguments := os.Args[1:]
	var err error
	switch {
	case len(arguments) == 1 && arguments[0] == "list":
		list()
	case len(arguments) >= 3 && arguments[0] == "measure":
		err = measure(question{arguments[1], arguments[2]}, arguments[3:])
	default:
		err = fmt.Errorf("usage: go list | go measure WORKLOAD SIDE count=N ...")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "go:", err)
		os.Exit(2)
	}
}
