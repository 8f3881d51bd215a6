package persistence

import (
	"testing"

	"go.uber.org/goleak"
)

// Every store that a test opens is closed with the test. A server that testenv shares among tests ends with the process.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("os/exec.(*Cmd).Wait"))
}
