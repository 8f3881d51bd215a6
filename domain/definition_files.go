package domain

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// DefinitionFile is a definition in a file, as it was read.
type DefinitionFile struct {
	Path   string
	Source []byte
	Format SourceFormat
	Unread error // why there is no source
}

// CheckedFile is a definition in a file, or what is wrong with it.
type CheckedFile struct {
	DefinitionFile
	Definition *Definition // nil with Err
	Err        error
}

// CheckFiles checks definitions that may extend each other, as registering all of them would, and gives them in the
// order in which that can be done: as given, but for parents, which come before what extends them. parse reads one;
// stored gives what is extended and in no file, as Environment.Parent does. What extends a wrong one is not checked,
// since what it lacks may be there once that is mended.
func CheckFiles(files []DefinitionFile, parse func(f DefinitionFile, parent func(string) (*Definition, error)) (*Definition, error),
	stored func(typeName string) (*Definition, error)) []CheckedFile {
	var checked []CheckedFile
	good := map[string]*Definition{} // by type
	wrong := map[string]string{}     // the file, by type
	named := readNames(files)
	nameless := "" // a file that does not tell which type it is of
	if i := slices.IndexFunc(named, func(f namedFile) bool { return f.typ == "" }); i >= 0 {
		nameless = named[i].Path
	}
	for _, f := range parentsFirst(named) {
		var unchecked error
		def, err := parse(f.DefinitionFile, func(name string) (*Definition, error) {
			if path, ok := wrong[name]; ok {
				unchecked = fmt.Errorf("not checked, since it extends %s, whose file has to be mended first: %s", name, path)
			}
			if d := good[name]; d != nil {
				return d, nil
			}
			d, err := stored(name)
			if nameless != "" && CodeOf(err) == CodeDefinitionNotFound {
				unchecked = fmt.Errorf("not checked, since it extends %s, which may be what this file is to define: %s", name, nameless)
			}
			return d, err
		})
		placed := f.misplaced(named)
		switch {
		case f.Unread != nil:
			err = f.Unread
		case placed != nil:
			err = placed
		case unchecked != nil:
			err = unchecked
		case err == nil:
			good[f.typ] = def
			checked = append(checked, CheckedFile{DefinitionFile: f.DefinitionFile, Definition: def})
			continue
		}
		checked = append(checked, CheckedFile{DefinitionFile: f.DefinitionFile, Err: err})
		wrong[f.typ] = f.Path
	}
	return checked
}

// namedFile is a definition with the names it gives, "" for what it does not say or cannot be read.
type namedFile struct {
	DefinitionFile
	typ, extends string
}

func readNames(files []DefinitionFile) []namedFile {
	named := make([]namedFile, len(files))
	for i, f := range files {
		named[i].DefinitionFile = f
		named[i].typ, named[i].extends = namesIn(f.Source, f.Format)
	}
	return named
}

// misplaced tells what is wrong with a file beside the others: they extend each other in a circle, or an earlier one
// has another definition of its type.
func (f namedFile) misplaced(all []namedFile) error {
	if f.typ == "" {
		return nil
	}
	if first := all[indexOf(all, f.typ)]; !bytes.Equal(first.Source, f.Source) {
		return WithProblems(CodeInvalidDefinition, []Problem{{Pointer: "#/type",
			Detail: fmt.Sprintf("%s is of the type %s too; a type has one definition, so name another or remove one of the files.", first.Path, f.typ)}})
	}
	if line := f.circle(all); line != nil {
		return WithProblems(CodeInvalidDefinition, []Problem{{Pointer: "#/extends",
			Detail: "The definitions extend each other in a circle: " + strings.Join(line, " → ") + "."}})
	}
	return nil
}

// circle gives the types that lead from a file's own back to it, nil if none do. One that extends itself is not meant.
func (f namedFile) circle(all []namedFile) []string {
	line := []string{f.typ}
	for next := f.extends; !slices.Contains(line, next); {
		i := indexOf(all, next)
		if i < 0 {
			return nil
		}
		line, next = append(line, next), all[i].extends
		if next == f.typ {
			return append(line, next)
		}
	}
	return nil
}

// indexOf finds the first file of a type; -1 if there is none, as for "".
func indexOf(all []namedFile, typ string) int {
	return slices.IndexFunc(all, func(f namedFile) bool { return typ != "" && f.typ == typ })
}

// parentsFirst keeps the order of files but for what others extend. In a circle it ends somewhere.
func parentsFirst(files []namedFile) []namedFile {
	ordered, given := make([]namedFile, 0, len(files)), make([]bool, len(files))
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
