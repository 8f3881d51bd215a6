package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
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
	if err := e.checkFiles(ctx, files); err != nil {
		return err
	}
	for _, f := range files {
		d, created, err := e.register(ctx, "", f.source, f.format, true)
		if err != nil {
			return cannotRegister(domain.EveryProblem(f.path, err))
		}
		if created {
			e.Logger.Info("definition registered", "file", f.path, "type", d.Type, "version", d.Version)
		}
	}
	return nil
}

func cannotRegister(problems ...error) error {
	return fmt.Errorf("not every definition can be registered\n%w", errors.Join(problems...))
}

// checkFiles checks definitions, parents before their children, as registering all of them would. What extends one that
// is wrong is not checked, since what it lacks may be there once that is mended.
func (e *Engine) checkFiles(ctx context.Context, files []definitionFile) error {
	var problems []error
	good := map[string]*domain.Definition{} // by type
	wrong := map[string]string{}            // the file, by type
	nameless := ""                          // a file that does not tell which type it is of
	if i := slices.IndexFunc(files, func(f definitionFile) bool { return f.typ == "" }); i >= 0 {
		nameless = files[i].path
	}
	for _, f := range files {
		var unchecked error
		def, err := e.readDefinition("", f.source, f.format, func(name string) (*domain.Definition, error) {
			if path, ok := wrong[name]; ok {
				unchecked = fmt.Errorf("not checked, since it extends %s, whose file has to be mended first: %s", name, path)
			}
			if d := good[name]; d != nil {
				return d, nil
			}
			d, err := e.newestDefinition(ctx, name)
			if nameless != "" && domain.CodeOf(err) == domain.CodeDefinitionNotFound {
				unchecked = fmt.Errorf("not checked, since it extends %s, which may be what this file is to define: %s", name, nameless)
			}
			return d, err
		})
		switch {
		case unchecked != nil:
			err = unchecked
		case f.unread != nil:
			err = f.unread
		case err == nil:
			good[f.typ] = def
			continue
		case domain.CodeOf(err) == domain.CodeInternal || domain.CodeOf(err) == domain.CodeUnavailable:
			return fmt.Errorf("check %s: %w", f.path, err)
		}
		problems, wrong[f.typ] = append(problems, domain.EveryProblem(f.path, err)), f.path
	}
	if len(problems) > 0 {
		return cannotRegister(problems...)
	}
	return nil
}

// definitionFile is a definition in a directory.
type definitionFile struct {
	path         string
	source       []byte
	unread       error // why there is no source
	format       domain.SourceFormat
	typ, extends string
}

// definitionFiles reads the definitions of a directory, in the order of their names but for parents, which come
// before what extends them.
func definitionFiles(dir string) ([]definitionFile, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read the directory of definitions: %w", err)
	}
	var files []definitionFile
	for _, entry := range entries {
		format, ok := domain.SourceFormatOf(strings.ToLower(filepath.Ext(entry.Name())))
		if entry.IsDir() || !ok {
			continue
		}
		f := definitionFile{path: filepath.Join(dir, entry.Name()), format: format}
		f.source, f.unread = os.ReadFile(f.path)
		f.typ, f.extends = domain.ReadNames(f.source, format)
		files = append(files, f)
	}
	return parentsFirst(files), nil
}

// parentsFirst keeps the order of files but for what others extend. In a circle it ends somewhere; registering
// refuses that.
func parentsFirst(files []definitionFile) []definitionFile {
	ordered, given := make([]definitionFile, 0, len(files)), make([]bool, len(files))
	var give func(i int)
	give = func(i int) {
		if given[i] {
			return
		}
		given[i] = true
		for j := range files {
			if files[i].extends != "" && files[j].typ == files[i].extends {
				give(j)
			}
		}
		ordered = append(ordered, files[i])
	}
	for i := range files {
		give(i)
	}
	return ordered
}
