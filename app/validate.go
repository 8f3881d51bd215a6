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
	checked := domain.CheckFiles(readDefinitions(paths),
		func(f domain.DefinitionFile, parent func(string) (*domain.Definition, error)) (*domain.Definition, error) {
			return domain.ParseDefinition(f.Source, f.Format, domain.Environment{Queues: queueNames(queues), Parent: parent})
		},
		func(name string) (*domain.Definition, error) {
			return nil, fmt.Errorf("not checked, since it extends %s, which is in none of these files: give its file too", name)
		})
	var err error
	for _, f := range checked {
		if f.Err != nil {
			err = ErrInvalidFiles
			fmt.Fprintln(out, domain.EveryProblem(f.Path, f.Err))
			continue
		}
		fmt.Fprintf(out, "%s: %s is valid (steps: %d)\n", f.Path, f.Definition.Type, len(f.Definition.Steps))
	}
	return err
}

func readDefinitions(paths []string) []domain.DefinitionFile {
	files := make([]domain.DefinitionFile, len(paths))
	for i, path := range paths {
		f := domain.DefinitionFile{Path: path}
		var ok bool
		if f.Format, ok = domain.SourceFormatOf(strings.ToLower(filepath.Ext(path))); !ok {
			f.Unread = errors.New("its name ends in neither .yaml, .yml nor .json, which would say how to read it")
		} else {
			f.Source, f.Unread = os.ReadFile(path)
		}
		files[i] = f
	}
	return files
}
