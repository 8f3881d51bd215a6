package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/genevadrive/genevadrive/domain"
)

// LoadDefinitions registers every .yaml, .yml and .json file of a directory, parents before their children. A
// file whose content equals any stored version of its type changes nothing, so that servers of two releases do
// not flip-flop (DESIGN section 6). If any file is wrong, none is registered, and the error tells everything that is
// wrong with each of them, on lines that begin with the file's path.
func (e *Engine) LoadDefinitions(ctx context.Context, dir string) error {
	files, err := definitionFiles(dir)
	if err != nil {
		return err
	}
	checked, err := e.checkFiles(ctx, files)
	if err != nil {
		return err
	}
	for _, f := range checked {
		d, created, err := e.register(ctx, "", f.Source, f.Format, true)
		if err != nil {
			return cannotRegister(domain.EveryProblem(f.Path, err))
		}
		if created {
			e.Logger.Info("definition registered", "file", f.Path, "type", d.Type, "version", d.Version)
		}
	}
	return nil
}

func cannotRegister(problems ...error) error {
	return fmt.Errorf("not every definition can be registered\n%w", errors.Join(problems...))
}

// checkFiles checks definitions against each other and what is stored, and gives them in the order to register them in.
func (e *Engine) checkFiles(ctx context.Context, files []domain.DefinitionFile) ([]domain.CheckedFile, error) {
	var failed error
	checked := domain.CheckFiles(files,
		func(f domain.DefinitionFile, parent func(string) (*domain.Definition, error)) (*domain.Definition, error) {
			return e.readDefinition("", f.Source, f.Format, parent)
		},
		func(name string) (*domain.Definition, error) {
			d, err := e.newestDefinition(ctx, name)
			if err != nil && domain.CodeOf(err) != domain.CodeDefinitionNotFound {
				failed = fmt.Errorf("read the definition %s: %w", name, err)
			}
			return d, err
		})
	if failed != nil {
		return nil, failed
	}
	var problems []error
	for _, f := range checked {
		if f.Err != nil {
			problems = append(problems, domain.EveryProblem(f.Path, f.Err))
		}
	}
	if len(problems) > 0 {
		return nil, cannotRegister(problems...)
	}
	return checked, nil
}

// definitionFiles reads the definitions of a directory, in the order of their names.
func definitionFiles(dir string) ([]domain.DefinitionFile, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read the directory of definitions: %w", err)
	}
	var files []domain.DefinitionFile
	for _, entry := range entries {
		format, ok := domain.SourceFormatOf(strings.ToLower(filepath.Ext(entry.Name())))
		if entry.IsDir() || !ok {
			continue
		}
		f := domain.DefinitionFile{Path: filepath.Join(dir, entry.Name()), Format: format}
		f.Source, f.Unread = os.ReadFile(f.Path)
		files = append(files, f)
	}
	return files, nil
}
