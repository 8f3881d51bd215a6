package testenv

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// typeScriptClient is a need, too: tests run what make sdk has built, and fetch nothing themselves.
var typeScriptClient = need{"sdk-typescript", "the TypeScript client", "make sdk, which takes Node.js and npm"}

// TypeScriptClient wants the TypeScript client built in this directory. Without it the test counts as not run, or as
// a failure when CI=true.
func TypeScriptClient(tb TB, build string) {
	tb.Helper()
	if _, err := os.Stat(build); errors.Is(err, fs.ErrNotExist) {
		typeScriptClient.notRun(tb, fmt.Errorf("%s is not there: %w", build, ErrNotInstalled))
	} else if err != nil {
		tb.Fatalf("%v", err)
	}
}
