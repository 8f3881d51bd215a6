package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// clock lists the functions of package time that ask or wait for the time.
var clock = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}

func TestDomainNeverAsksTheTime(t *testing.T) {
	files := token.NewFileSet()
	for _, p := range list(t) {
		if !within(strings.TrimPrefix(p.ImportPath, module+"/"), "domain") {
			continue
		}
		for _, name := range p.GoFiles {
			file, err := parser.ParseFile(files, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, use := range clockUses(files, file) {
				t.Errorf("%s; domain takes the time as an argument", use)
			}
		}
	}
}

// clockUses returns where the file mentions a function of clock, called or not.
func clockUses(files *token.FileSet, file *ast.File) []string {
	name := "time"
	for _, i := range file.Imports {
		if i.Path.Value == `"time"` && i.Name != nil {
			name = i.Name.Name
		}
	}
	var uses []string
	ast.Inspect(file, func(n ast.Node) bool {
		selector, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := selector.X.(*ast.Ident); ok && x.Name == name && slices.Contains(clock, selector.Sel.Name) {
			uses = append(uses, fmt.Sprintf("%s uses time.%s", files.Position(selector.Pos()), selector.Sel.Name))
		}
		return true
	})
	return uses
}

func TestClockUses(t *testing.T) {
	for source, want := range map[string]int{
		`import "time"; var now = time.Now`:                                                    1,
		`import clk "time"; func f() { _ = clk.Now() }`:                                        1,
		`import "time"; func f(now time.Time) { <-time.After(1); _ = time.Since(now) }`:        2,
		`import "time"; func f(now time.Time) time.Time { return now.Add(time.Second).UTC() }`: 0,
	} {
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, "x.go", "package x; "+source, 0)
		if err != nil {
			t.Fatal(err)
		}
		if uses := clockUses(files, file); len(uses) != want {
			t.Errorf("%s: %q, want %d", source, uses, want)
		}
	}
}
