package domain

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/genevadrive/genevadrive/domain/strictjson"
)

// TestTheLimitsAreInTheDocs holds the pages that say they have every limit against the limits there are.
func TestTheLimitsAreInTheDocs(t *testing.T) {
	for page, limits := range map[string][]string{
		"README.md": {
			fmt.Sprintf("| ±2^%d, larger ones as strings; %d levels |", exponent(strictjson.MaxInteger), strictjson.MaxDepth),
			fmt.Sprintf("| workflow data | %d KiB |", MaxDataBytes>>10),
			"| steps in a definition | " + thousands(MaxSteps) + " |",
			"| step executions in a workflow | " + thousands(MaxExecutions) + ", then it is paused |",
		},
		"docs/protocol.md": {
			fmt.Sprintf("whole numbers beyond ±2^%d,", exponent(strictjson.MaxInteger)), fmt.Sprintf("more than %d deep", strictjson.MaxDepth),
			"the first " + thousands(maxReason) + " bytes of `reason`, " + thousands(maxMessage) + " of `error.message` and " + thousands(maxBacktrace) + " of `error.backtrace`",
		},
		"docs/definitions.md": {
			fmt.Sprintf("%d KiB for one expression and %d KiB for all", MaxExpressionBytes>>10, MaxExpressionsBytes>>10),
			fmt.Sprintf("%d levels deep and %s parts", maxExpressionDepth, thousands(maxExpressionNodes)),
			thousands(maxRegexProgram) + " instructions of a regular expression; about " + thousands(evaluationCost) + " operations",
			thousands(maxComputedPattern) + " bytes for a regular expression that comes from data",
			fmt.Sprintf("| a document | %d MiB, and %d MiB with", MaxSourceBytes>>20, MaxResolvedBytes>>20),
			fmt.Sprintf("conditions by name, up to %d,", MaxNamedConditions), fmt.Sprintf("a list of up to %d;", MaxCancelConditions),
			fmt.Sprintf("an object of up to %d KiB", MaxParamsBytes>>10),
		},
	} {
		text, err := os.ReadFile("../" + page)
		if err != nil {
			t.Fatal(err)
		}
		words := strings.Join(strings.Fields(string(text)), " ")
		for _, limit := range limits {
			if !strings.Contains(words, limit) {
				t.Errorf("%s does not say %q", page, limit)
			}
		}
	}
}

// exponent is n for 2^n.
func exponent(power int) (n int) {
	for ; power > 1; power >>= 1 {
		n++
	}
	return n
}

// thousands writes a number below a million as the docs do: 10,000.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
}
