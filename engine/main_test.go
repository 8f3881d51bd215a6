package engine_test

import (
	"testing"

	"go.uber.org/goleak"
)

// Every engine that a test starts ends with the test, with all of its goroutines. A server that testenv shares
// among tests ends with the process.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("os/exec.(*Cmd).Wait"))
}
