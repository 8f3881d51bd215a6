package domain

import (
	"fmt"
	"regexp"

	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/interpreter"

	"github.com/genevadrive/genevadrive/domain/strictjson"
)

// prices are what calls cost that CEL takes for one operation whatever they are given: conversions, and all whose
// types are not known before they run, which is so of everything in data and attributes.
type prices struct{}

const (
	textPerOperation    = 10 // bytes of text; as CEL has it where it knows the type
	searchPerOperation  = 50 // elements compared by in
	patternPerOperation = 40 // bytes of text, times instructions of the regular expression
	pricePerPattern     = 1000
	pricePerPatternByte = 20 // classes of characters are dear for their length
	pricePerZone        = 50 // a time zone is read from its file
)

var (
	pricedByCEL = cost.StandardOverloadTrackers()

	// searched measures what in looks for: one compared with everything inside a list.
	searched = types.NewSizeCalculator(types.SizeCalculatorStringUnitLength(100),
		types.SizeCalculatorMaxDepth(strictjson.MaxDepth+maxExpressionDepth),
		types.SizeCalculatorMaxTraversal(comparedElements))
)

// CallCost gives the price of a call, nil if CEL has one.
func (prices) CallCost(function, overload string, args []ref.Val, _ ref.Val) *uint64 {
	if _, priced := pricedByCEL[overload]; priced {
		return nil
	}
	price := uint64(1)
	for _, arg := range args {
		price += uint64(textLength(arg) / textPerOperation)
	}
	switch {
	case function == operators.In || function == operators.OldIn:
		if list, ok := args[1].(traits.Lister); ok {
			price += uint64(searched.AggregateSize(args[0])) * (1 + uint64(list.Size().(types.Int))) / searchPerOperation
		}
	case function == boundedMatches:
		if p, ok := args[1].(pattern); ok {
			price += p.priceOf(textLength(args[0]))
		}
	case function == computedPattern:
		price += pricePerPattern + pricePerPatternByte*uint64(min(textLength(args[0]), maxComputedPattern))
	case len(args) == 2 && args[0].Type() == types.TimestampType && args[1].Type() == types.StringType:
		price += pricePerZone
	}
	return &price
}

func textLength(v ref.Val) int {
	switch v := v.(type) {
	case types.String:
		return len(v)
	case types.Bytes:
		return len(v)
	case pattern:
		return len(v.String)
	}
	return 0
}

// The calls that boundPattern makes of a matches.
const (
	boundedMatches  = "matches within bounds"
	computedPattern = "pattern for matches"
)

// maxComputedPattern is how many bytes a regular expression may have that is not written in the condition.
const maxComputedPattern = 1000

// pattern is a compiled regular expression as the argument of a matches.
type pattern struct {
	types.String
	program *regexp.Regexp
	size    int // instructions
}

// priceOf is the price of trying the pattern on so many bytes of text.
func (p pattern) priceOf(text int) uint64 { return uint64(text) * uint64(p.size) / patternPerOperation }

// boundPattern makes a matches tell its pattern and the trying of it apart: the pattern is compiled once where it
// is written in the condition, and what would cost too much is refused before it is begun, since nothing
// interrupts it.
func boundPattern(i interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
	call, ok := i.(interpreter.InterpretableCall)
	if !ok || call.Function() != overloads.Matches || len(call.Args()) != 2 {
		return i, nil
	}
	text, written := call.Args()[0], call.Args()[1]
	var compiled interpreter.InterpretableV2
	if fixed, ok := written.(interpreter.InterpretableConst); ok {
		p := compilePattern(fixed.Value())
		if err, failed := p.(*types.Err); failed {
			return nil, err
		}
		compiled = interpreter.NewConstValue(written.ID(), p)
	} else {
		compiled = interpreter.NewCall(written.ID(), computedPattern, computedPattern,
			[]interpreter.InterpretableV2{written}, func(v ...ref.Val) ref.Val {
				if n := textLength(v[0]); n > maxComputedPattern {
					return types.NewErr("a regular expression of %d bytes is too long; those that are not written in the condition may have %d", n, maxComputedPattern)
				}
				return compilePattern(v[0])
			})
	}
	return interpreter.NewCall(call.ID(), boundedMatches, boundedMatches, []interpreter.InterpretableV2{text, compiled}, matches), nil
}

func compilePattern(v ref.Val) ref.Val {
	text, ok := v.(types.String)
	if !ok {
		return types.MaybeNoSuchOverloadErr(v)
	}
	size, err := types.RegexProgramSize(string(text))
	if err == nil && size > maxRegexProgram {
		err = fmt.Errorf("the regular expression has %d instructions; %d are allowed", size, maxRegexProgram)
	}
	if err != nil {
		return types.WrapErr(err)
	}
	program, err := regexp.Compile(string(text))
	if err != nil {
		return types.WrapErr(err)
	}
	return pattern{text, program, size}
}

func matches(v ...ref.Val) ref.Val {
	text, ok := v[0].(types.String)
	p, compiled := v[1].(pattern)
	switch {
	case !ok || !compiled:
		return types.MaybeNoSuchOverloadErr(v[0])
	case p.priceOf(len(text)) > evaluationCost:
		return types.NewErr("the text of %d bytes is too long for the regular expression", len(text)) // its price ends the evaluation
	}
	return types.Bool(p.program.MatchString(string(text)))
}
