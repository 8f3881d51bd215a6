package engine_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/persistence"
)

// load has an engine load files, and gives the lines of its error, with the files' names for their paths.
func (w *world) load(files map[string]string) (lines []string) {
	w.t.Helper()
	dir := w.t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := w.engine().LoadDefinitions(w.t.Context(), dir); err != nil {
		lines = strings.Split(strings.ReplaceAll(err.Error(), dir+string(filepath.Separator), ""), "\n")
	}
	return lines
}

const (
	goodFile = "type: Good\nwebhook: {url: \"http://127.0.0.1:9/\"}\nsteps: [{name: one}]\n"
	baseFile = "type: Base\nwebhook: {url: \"http://127.0.0.1:9/\"}\nsteps: []\n"
)

// TestEveryWrongFileIsToldAtOnce begins each line that is wanted with a line of the error.
func TestEveryWrongFileIsToldAtOnce(t *testing.T) {
	eachWorld(t, func(w *world) {
		for name, tt := range map[string]struct {
			files map[string]string
			want  []string
		}{
			"two files, one with two problems": {
				map[string]string{"a.yaml": goodFile, "b.yaml": "type: B\nqueue: fast\nsteps: [{name: 1a}]\n", "c.json": "{\"type\": \"C\", \"step\": []}", "d.yaml": baseFile},
				[]string{"b.yaml: #/queue: ", "b.yaml: #/steps/0/name: ", "b.yaml: #/steps/0: ", "c.json: #/step: "}},
			"children of a wrong file": {
				map[string]string{"a.yaml": "type: A\nextends: B\nsteps: [{name: one}]\n", "b.yaml": "type: B\nextends: C\n", "c.yaml": "type: C\nqueue: fast\n", "d.yaml": "type: D\nqueue: fast\n"},
				[]string{"c.yaml: #/queue: ", "b.yaml: not checked, since it extends C, whose file has to be mended first: c.yaml",
					"a.yaml: not checked, since it extends B, whose file has to be mended first: b.yaml", "d.yaml: #/queue: "}},
			"a child of what may be in a file that cannot be read": {
				map[string]string{"a.yaml": "type: A\nextends: B\nsteps: [{name: one}]\n", "b.yaml": "type: B\n\tsteps: []"},
				[]string{"a.yaml: not checked, since it extends B, which may be what this file is to define: b.yaml", "b.yaml: unreadable_body: "}},
			"a child of nothing": {
				map[string]string{"a.yaml": "type: A\nextends: B\nwebhook: {endpoint: x}\n", "b.yaml": goodFile},
				[]string{"a.yaml: #/extends: "}},
			"a circle": {
				map[string]string{"a.yaml": "type: A\nextends: B\n", "b.yaml": "type: B\nextends: C\n", "c.yaml": "type: C\nextends: A\n", "d.yaml": "type: D\nextends: A\n"},
				[]string{"c.yaml: #/extends: The definitions extend each other in a circle: C → A → B → C.",
					"b.yaml: #/extends: The definitions extend each other in a circle: B → C → A → B.",
					"a.yaml: #/extends: The definitions extend each other in a circle: A → B → C → A.",
					"d.yaml: not checked, since it extends A, whose file has to be mended first: a.yaml"}},
			"two of one type": {
				map[string]string{"a.yaml": goodFile, "b.yaml": goodFile + "queue: low\n", "c.yaml": goodFile},
				[]string{"b.yaml: #/type: "}},
			"one without a type": {
				map[string]string{"a.yaml": baseFile, "b.yaml": "extends: Base\nsteps: [{name: one}]\n"},
				[]string{"b.yaml: #: "}},
		} {
			lines := w.load(tt.files)
			ok := len(lines) == 1+len(tt.want) && lines[0] == "not every definition can be registered"
			for i := 1; ok && i < len(lines); i++ {
				ok = strings.HasPrefix(lines[i], tt.want[i-1])
			}
			if !ok {
				w.t.Errorf("%s: the error is\n%s", name, strings.Join(lines, "\n"))
			}
			if list, _, err := w.store.Definitions(w.t.Context(), persistence.Page{Limit: 10}); err != nil || len(list) > 0 {
				w.t.Errorf("%s: %d definitions are registered, %v", name, len(list), err)
			}
		}
	})
}

// TestADefinitionMayBeInTwoFiles as long as they do not differ.
func TestADefinitionMayBeInTwoFiles(t *testing.T) {
	eachWorld(t, func(w *world) {
		if lines := w.load(map[string]string{"a.yaml": goodFile, "b.yaml": goodFile}); lines != nil {
			w.t.Errorf("the error is\n%s", strings.Join(lines, "\n"))
		}
	})
}

// TestFilesAreCheckedAgainstEachOther has a child that is right with its new parent, and wrong with the one that is stored.
func TestFilesAreCheckedAgainstEachOther(t *testing.T) {
	eachWorld(t, func(w *world) {
		child := "type: Child\nextends: Base\nsteps: [{name: one, skip_if: {condition: late}}]\n"
		if lines := w.load(map[string]string{"base.yaml": baseFile}); lines != nil {
			w.t.Fatal(lines)
		}
		if lines := w.load(map[string]string{"child.yaml": child}); len(lines) != 2 || !strings.HasPrefix(lines[1], "child.yaml: #/steps/0/skip_if") {
			w.t.Errorf("with the stored parent: %q", lines)
		}
		if lines := w.load(map[string]string{"child.yaml": child, "parent.yaml": baseFile + "conditions: {late: true}\n"}); lines != nil {
			w.t.Errorf("with the new parent: %q", lines)
		}
		d, err := w.engine().DefinitionVersion(w.t.Context(), "Child", 0)
		if err != nil || len(d.Extends) != 1 || d.Extends[0] != (domain.Ancestor{Type: "Base", Version: 2}) {
			w.t.Errorf("the child extends %v, %v", d.Extends, err)
		}
	})
}
