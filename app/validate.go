package app

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/genevadrive/genevadrive/domain"
)

// ErrInvalidFiles says that Validate found problems, which it has written out.
var ErrInvalidFiles = errors.New("not every definition is valid")

// Validate checks files of definitions as registration would, with the queues of the settings, and writes
// every problem as file, pointer and sentence. What a file extends has to be among the files.
func Validate(s Settings, paths []string, out io.Writer) error {
	var bad faults
	queues := bad.queues(s.withDefaults().Queues)
	if err := bad.err(); err != nil {
		return err
	}
	known := map[string]*domain.Definition{}
	env := domain.Environment{
		Queues: Config{Queues: queues}.queueNames(),
		Parent: func(name string) (*domain.Definition, error) { return known[name], nil },
	}
	faulty := map[string]error{}
	for pending, before := paths, 0; len(pending) != before; {
		// Each round may make valid what extends a file of the round before.
		before = len(pending)
		pending, faulty = nil, validateRound(pending, env, known, out)
		for _, path := range paths {
			if faulty[path] != nil {
				pending = append(pending, path)
			}
		}
	}
	for _, path := range paths {
		if err := faulty[path]; err != nil {
			fmt.Fprintln(out, domain.EveryProblem(path, err))
		}
	}
	if len(faulty) > 0 {
		return ErrInvalidFiles
	}
	return nil
}

// validateRound adds the valid definitions to known and gives what is wrong with the other files.
func validateRound(paths []string, env domain.Environment, known map[string]*domain.Definition, out io.Writer) map[string]error {
	faulty := map[string]error{}
	for _, path := range paths {
		def, err := readDefinition(path, env)
		if err != nil {
			faulty[path] = err
			continue
		}
		known[def.Type] = def
		fmt.Fprintf(out, "%s: %s is valid (steps: %d)\n", path, def.Type, len(def.Steps))
	}
	return faulty
}

func readDefinition(path string, env domain.Environment) (*domain.Definition, error) {
	format, ok := domain.SourceFormatOf(strings.ToLower(filepath.Ext(path)))
	if !ok {
		return nil, errors.New("its name ends in neither .yaml, .yml nor .json, which would say how to read it")
	}
	source, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return domain.ParseDefinition(source, format, env)
}
