package main

import (
	"fmt"

	"github.com/genevadrive/genevadrive/internal/testenv"
)

// unreached says why a row could not be run.
type unreached string

// tb is the TB of one row: what cannot be started ends the row, not the program.
type tb struct{ *testenv.Program }

func newTB() tb { return tb{testenv.NewProgram("chaos")} }

// Fatalf ends the row.
func (tb) Fatalf(format string, args ...any) { panic(unreached(fmt.Sprintf(format, args...))) }

// Skipf ends the row.
func (t tb) Skipf(format string, args ...any) { t.Fatalf(format, args...) }
