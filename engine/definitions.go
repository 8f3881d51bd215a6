package engine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/persistence"
)

// Definition is a registered definition as it is shown.
type Definition = persistence.Definition

// RegisterDefinition validates a definition and stores a new version of it, unless its resolved content
// equals the newest version's. created tells which. typ is the type the request names, "" to take the
// document's own. Errors: unreadable_body, invalid_definition, public_url_missing.
func (e *Engine) RegisterDefinition(ctx context.Context, typ string, source []byte, format domain.SourceFormat) (d Definition, created bool, err error) {
	return e.register(ctx, typ, source, format, false)
}

func (e *Engine) register(ctx context.Context, typ string, source []byte, format domain.SourceFormat, anyVersion bool) (Definition, bool, error) {
	def, err := domain.ParseDefinition(source, format, domain.Environment{Type: typ, Queues: e.Queues, Parent: func(name string) (*domain.Definition, error) {
		version, err := e.Store.NewestVersion(ctx, name)
		if err != nil {
			return nil, err
		}
		p, err := e.plans.get(ctx, name, version)
		if err != nil {
			return nil, err
		}
		return p.Definition, nil
	}})
	if err != nil {
		return Definition{}, false, err
	}
	if def.UsesCallbacks() && (e.PublicURL == "" || len(e.CallbackKey) == 0) {
		return Definition{}, false, domain.Errorf(domain.CodePublicURLMissing,
			"A step of this definition has a callback_timeout, and this server has no address to call back: "+
				"set GENEVADRIVE_PUBLIC_URL, and GENEVADRIVE_SECRET_KEY to sign the tokens.")
	}
	stored, created, err := e.Store.SaveDefinition(ctx, def, anyVersion)
	return stored, created, err
}

// LoadDefinitions registers every .yaml, .yml and .json file of a directory, parents before their children. A
// file whose content equals any stored version of its type changes nothing, so that servers of two releases do
// not flip-flop (DESIGN section 6). The error names the file, and everything that is wrong with it on lines of their
// own.
func (e *Engine) LoadDefinitions(ctx context.Context, dir string) error {
	files, err := definitionFiles(dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		d, created, err := e.register(ctx, "", f.source, f.format, true)
		if err != nil {
			return fmt.Errorf("a definition cannot be registered\n%w", domain.EveryProblem(f.path, err))
		}
		if created {
			e.Logger.Info("definition registered", "file", f.path, "type", d.Type, "version", d.Version)
		}
	}
	return nil
}

// definitionFile is a definition in a directory.
type definitionFile struct {
	path         string
	source       []byte
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
		if f.source, err = os.ReadFile(f.path); err != nil {
			return nil, fmt.Errorf("read the definition: %w", err)
		}
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

// DefinitionVersion gives one version of a definition, 0 meaning the newest. Errors: definition_not_found.
func (e *Engine) DefinitionVersion(ctx context.Context, typ string, version int) (Definition, error) {
	if version == 0 {
		newest, err := e.Store.NewestVersion(ctx, typ)
		if err != nil {
			return Definition{}, err
		}
		version = newest
	}
	d, err := e.Store.Definition(ctx, typ, version)
	return d, err
}
