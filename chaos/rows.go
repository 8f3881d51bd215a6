package main

import (
	"fmt"
	"time"
)

// row is one experiment.
type row struct {
	name     string
	database string // postgres, mysql or sqlite
	servers  int
	load     string        // for the report
	must     string        // for the report
	weight   int           // rows that take long begin first
	alone    bool          // it measures times, and nothing else may run meanwhile
	proxied  bool          // a proxy stands between the servers and the database
	verbose  bool          // the servers log everything
	recovery time.Duration // p99 of the time an interrupted step may take to start again
	leaks    bool          // its servers live through it, and must end as they began
	upgrades bool          // it takes the older program too
	run      func(*system) error
}

const asKillLoop = "0 lost, 0 out of order, 0 outcomes twice, 0 early, 0 duplicates that no fault explains"

// rows are the experiments; short ones have less load.
func rows(short bool) []row {
	scale := func(full, reduced int) int {
		if short {
			return reduced
		}
		return full
	}
	var all []row
	// The machines of CI stand still now and then: what counts there is that nothing is lost, not how long it took.
	seconds := func(full, reduced int) time.Duration { return time.Duration(scale(full, reduced)) * time.Second }
	recovery, restart, healthy, grace := seconds(20, 60), seconds(10, 60), seconds(5, 30), seconds(5, 30)
	inOrder := fmt.Sprintf("%s; recovery p99 ≤ %.0f s", asKillLoop, recovery.Seconds())
	n, kills := scale(2000, 300), scale(40, 8)
	for _, database := range []string{"postgres", "mysql", "sqlite"} {
		servers, must, recovery := 3, inOrder, recovery
		if database == "sqlite" {
			servers, must, recovery = 1, fmt.Sprintf("%s; recovery with the next start, p99 ≤ %.0f s after it", asKillLoop, restart.Seconds()), restart
		}
		all = append(all, row{name: "SIGKILL loop", database: database, servers: servers, weight: 9, recovery: recovery,
			alone: database == "sqlite" && !short, // else it is mostly the others' load that its recovery waits for
			load:  fmt.Sprintf("%d workflows × 4 steps, %d kills, servers: %d", n, kills, servers), must: must,
			run: func(s *system) error { return killLoop(s, n, kills) }})
	}
	stops, stopped := scale(5, 1), 20*time.Second
	for _, database := range []string{"postgres", "mysql"} {
		all = append(all, row{name: "SIGSTOP", database: database, servers: 3, weight: 10, leaks: true, recovery: recovery,
			load: fmt.Sprintf("%d workflows × 4 steps, one of 3 servers stopped for %.0f s, %d×", scale(1000, 200), stopped.Seconds(), stops),
			must: inOrder + "; late answers are fenced off",
			run:  func(s *system) error { return stopLoop(s, scale(1000, 200), stops, stopped) }})
	}
	all = append(all, row{name: "SIGSTOP, alone", database: "sqlite", servers: 1, weight: 5, leaks: true,
		load: fmt.Sprintf("%d workflows × 4 steps, the server stopped for %.0f s", scale(300, 100), stopped.Seconds()),
		must: asKillLoop + "; it does not bury itself",
		run:  func(s *system) error { return stopAlone(s, scale(300, 100), stopped) }})
	outages := scale(5, 2)
	for _, database := range []string{"postgres", "mysql"} {
		all = append(all, row{name: "database killed", database: database, servers: 2, weight: 6, leaks: true,
			load: fmt.Sprintf("%d workflows × 4 steps, %d kills", scale(1000, 200), outages),
			must: fmt.Sprintf("%s; healthy ≤ %.0f s after the database is", asKillLoop, healthy.Seconds()),
			run:  func(s *system) error { return databaseLoop(s, scale(1000, 200), outages, healthy) }})
	}
	for _, database := range []string{"postgres", "mysql"} {
		all = append(all, row{name: "TCP cut, latency, cut at COMMIT", database: database, servers: 2, weight: 5, leaks: true, proxied: true,
			load: fmt.Sprintf("3 faults × %d workflows × 4 steps, through a proxy", scale(100, 50)),
			must: asKillLoop + "; no error but 5xx, and no second workflow, when a create is repeated under its key",
			run:  func(s *system) error { return networkFaults(s, scale(100, 50), scale(10, 4)) }})
	}
	for _, database := range []string{"postgres", "mysql", "sqlite"} {
		servers, thrown := 3, scale(500, 100)
		switch database {
		case "postgres":
			thrown = scale(1000, 100) // 2,000 in all
		case "sqlite":
			servers = 1
		}
		all = append(all,
			row{name: "verbs at random", database: database, servers: servers, weight: 6, leaks: true,
				load: fmt.Sprintf("%d performing workflows, every verb", thrown),
				must: "only legal histories, no claim after an accepted pause, nothing after an accepted cancel or finish, a repeated verb changes nothing",
				run:  func(s *system) error { return verbs(s, thrown) }},
			row{name: "creates of one subject", database: database, servers: servers, weight: 3, leaks: true,
				load: fmt.Sprintf("%d rounds of 32 at once", scale(200, 40)),
				must: "exactly one open workflow, the others 409 with its id, 0 × 5xx",
				run:  func(s *system) error { return creates(s, scale(200, 40), 32) }},
			row{name: "canary secrets", database: database, servers: servers, weight: 2, verbose: true,
				load: "endpoints, late answers and refused requests, log level debug",
				must: "no secret in logs, metrics, the database, Redis or an error body",
				run:  canaries})
	}
	rolling := time.Duration(scale(120, 20)) * time.Second
	waiting, away := scale(10_000, 500), time.Duration(scale(60, 15))*time.Second
	return append(all,
		row{name: "rolling restart, old and new", database: "mysql", servers: 3, weight: 11, upgrades: true,
			load: fmt.Sprintf("%.0f s of restarts in order, %d workflows × 4 steps", rolling.Seconds(), scale(2000, 300)),
			must: asKillLoop,
			run:  func(s *system) error { return rollingRestart(s, scale(2000, 300), rolling) }},
		row{name: "FLUSHALL", database: "postgres", servers: 2, weight: 1, alone: !short, leaks: true,
			load: fmt.Sprintf("%d waiting, %d times", waiting, scale(5, 2)),
			must: fmt.Sprintf("all run, none early, none more than %.0f s plus backlog late", grace.Seconds()),
			run:  func(s *system) error { return flushAll(s, waiting, scale(5, 2), grace) }},
		row{name: "Redis stopped", database: "postgres", servers: 2, weight: 1, alone: !short, leaks: true,
			load: fmt.Sprintf("%d workflows × 4 steps, Redis away for %.0f s", scale(600, 150), away.Seconds()),
			must: fmt.Sprintf("the API answers 2xx at its usual latency, steps ≤ %.0f s plus backlog late", grace.Seconds()),
			run:  func(s *system) error { return redisAway(s, scale(600, 150), away, grace) }},
	)
}
