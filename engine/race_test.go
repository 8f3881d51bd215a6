//go:build race

package engine_test

// SQLite, which is Go here, is some forty times slower under the race detector.
const underRace = true
