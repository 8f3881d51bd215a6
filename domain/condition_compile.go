package domain

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/types"

	"github.com/genevadrive/genevadrive/domain/strictjson"
)

// Bounds of what an expression may do. Ordinary ones take microseconds; with these, the worst found takes
// a few seconds on the largest data. An operation that multiplies data is stopped by its cost (prices), a chain
// of loops by maxNestedLoops: each loop could otherwise square what the one before it made.
const (
	maxExpressionDepth = 60
	maxExpressionNodes = 2000
	maxNestedLoops     = 2
	evaluationCost     = 300_000
	comparedElements   = 20_000 // of both sides of ==, nested ones counted
	interruptEvery     = 100    // iterations of a loop
	maxRegexProgram    = 1000
)

// fixedFields are the fields of the variables that have no others. subject has type, id and the attributes
// pushed for it; data has what was put there.
var fixedFields = map[string][]string{
	"workflow": {"id", "type", "definition_version", "created_at"},
	"step":     {"name", "params", "attempt", "scheduled_for"},
}

// expressions is the language: the standard functions of CEL, and its macros.
var expressions = sync.OnceValues(func() (*cel.Env, error) {
	object := cel.MapType(cel.StringType, cel.DynType)
	return cel.NewEnv(
		cel.Variable("subject", object),
		cel.Variable("data", cel.DynType),
		cel.Variable("workflow", object),
		cel.Variable("step", object),
		cel.Variable("now", cel.TimestampType),
		cel.ParserExpressionSizeLimit(MaxExpressionBytes),
		cel.ParserRecursionLimit(maxExpressionDepth),
		cel.ParserErrorRecoveryLimit(4),
		cel.ExpressionNodeLimit(maxExpressionNodes),
		cel.RegexProgramSizeLimit(maxRegexProgram),
		// Charge a comparison for everything inside its operands, not for their outermost length.
		cel.CostSizingStrategy(cost.AggregateSizingStrategy(
			types.SizeCalculatorMaxDepth(strictjson.MaxDepth+maxExpressionDepth),
			types.SizeCalculatorMaxTraversal(comparedElements))),
		cel.DefaultUTCTimeZone(true),
		cel.CrossTypeNumericComparisons(true),
		cel.ASTValidators(
			cel.ValidateDurationLiterals(),
			cel.ValidateTimestampLiterals(),
			cel.ValidateRegexLiterals(),
		),
	)
})

// programs are the compiled expressions of one definition, each compiled when it is first needed.
type programs struct {
	mu    sync.Mutex
	known map[string]compiled
}

type compiled struct {
	program cel.Program
	err     error
}

func newPrograms() *programs { return &programs{known: map[string]compiled{}} }

func (p *programs) compile(expression string) (cel.Program, error) {
	if p == nil {
		return compileExpression(expression)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c, ok := p.known[expression]
	if !ok {
		c.program, c.err = compileExpression(expression)
		p.known[expression] = c
	}
	return c.program, c.err
}

func (p *programs) has(expression string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.known[expression]
	return ok
}

// compileExpression checks and plans one expression. The error is a sentence with the position of the fault.
func compileExpression(expression string) (cel.Program, error) {
	env, err := expressions()
	if err != nil {
		return nil, fmt.Errorf("the expression language is not available: %w", err)
	}
	parsed, issues := env.Parse(expression)
	if issues.Err() != nil {
		return nil, compileError(issues)
	}
	if err := checkShape(parsed); err != nil {
		return nil, err
	}
	tree, issues := env.Check(parsed)
	if issues.Err() != nil {
		return nil, compileError(issues)
	}
	if kind := tree.OutputType(); !kind.IsExactType(cel.BoolType) && !kind.IsExactType(cel.DynType) {
		return nil, fmt.Errorf("the expression gives %s and not true or false", article(kind.String()))
	}
	program, err := env.Program(tree,
		cel.EvalOptions(cel.OptOptimize),
		cel.CostTracking(prices{}),
		cel.CostLimit(evaluationCost),
		cel.CustomDecoratorV2(boundPattern),
		cel.InterruptCheckFrequency(interruptEvery),
	)
	if err != nil {
		return nil, fmt.Errorf("the expression cannot be planned: %s", oneLine(err.Error()))
	}
	return program, nil
}

func compileError(issues *cel.Issues) error {
	found := issues.Errors()
	if len(found) == 0 {
		return fmt.Errorf("the expression does not compile: %s", oneLine(issues.Err().Error()))
	}
	first := found[0]
	message := strings.TrimPrefix(oneLine(first.Message), "Syntax error: ")
	if strings.HasPrefix(message, "undeclared reference to '") {
		message += "; known are subject, data, workflow, step and now"
		message = strings.Replace(message, " (in container '')", "", 1)
	}
	if line := first.Location.Line(); line > 0 {
		return fmt.Errorf("the expression does not compile, line %d, column %d: %s", line, first.Location.Column()+1, message)
	}
	return fmt.Errorf("the expression does not compile: %s", message)
}

// checkShape refuses, before the types are worked out, loops within loops within loops, and fields that
// workflow and step never have, which would be an error at every run.
func checkShape(tree *cel.Ast) error {
	native := tree.NativeRep()
	at := func(e ast.Expr) string {
		position := native.SourceInfo().GetStartLocation(e.ID())
		return fmt.Sprintf("the expression does not compile, line %d, column %d", position.Line(), position.Column()+1)
	}
	var found error
	ast.PostOrderVisit(ast.NavigateAST(native), ast.NewExprVisitor(func(e ast.Expr) {
		if found != nil {
			return
		}
		switch e.Kind() {
		case ast.ComprehensionKind:
			if loops(e.(ast.NavigableExpr)) > maxNestedLoops {
				found = fmt.Errorf("%s: at most %d loops (all, exists, exists_one, map, filter) may be nested or follow each other", at(e), maxNestedLoops)
			}
		case ast.SelectKind:
			of, field := e.AsSelect().Operand(), e.AsSelect().FieldName()
			if of.Kind() != ast.IdentKind {
				return
			}
			fields, fixed := fixedFields[of.AsIdent()]
			if fixed && !slices.Contains(fields, field) {
				found = fmt.Errorf("%s: %s has no %s%s", at(e), of.AsIdent(), quoted(field), hintOrList(field, fields))
			}
		}
	}))
	return found
}

// loops counts a loop and those around it.
func loops(e ast.NavigableExpr) int {
	n := 0
	for ok := true; ok; e, ok = e.Parent() {
		if e.Kind() == ast.ComprehensionKind {
			n++
		}
	}
	return n
}

func article(kind string) string {
	if strings.ContainsRune("aeiou", rune(kind[0])) {
		return "an " + kind
	}
	return "a " + kind
}

func oneLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	return shorten(s, 300)
}

// evaluate runs one compiled expression.
func evaluate(ctx context.Context, program cel.Program, vars *variables) (result bool, cause string) {
	out, _, err := program.ContextEval(ctx, vars)
	switch {
	case vars.err != nil:
		return false, vars.err.Error()
	case err != nil:
		return false, evaluationError(ctx, err)
	}
	answer, ok := out.Value().(bool)
	if !ok {
		return false, fmt.Sprintf("it gave %s and not true or false", article(out.Type().TypeName()))
	}
	return answer, ""
}

func evaluationError(ctx context.Context, err error) string {
	text := oneLine(err.Error())
	switch {
	case ctx.Err() != nil:
		return "it was not finished in time"
	case strings.Contains(text, "cost limit exceeded"):
		return "it takes too many operations; conditions that work on long lists belong into the step or the hook"
	case strings.HasPrefix(text, "no such key: "):
		return "there is no " + strings.TrimPrefix(text, "no such key: ") + "; guard it with has(…) where it may be missing"
	}
	return strings.TrimPrefix(text, "evaluation error: ")
}
