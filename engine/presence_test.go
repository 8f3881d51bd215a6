package engine_test

import (
	"context"
	"database/sql/driver"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/engine"
	"github.com/genevadrive/genevadrive/persistence"
)

// createFor makes a workflow for one subject.
func (w *world) createFor(e *engine.Engine, typ, subjectType, subjectID string) engine.Workflow {
	w.t.Helper()
	out, err := e.Create(context.Background(), engine.CreateRequest{Type: typ, SubjectType: subjectType, SubjectID: subjectID,
		OnConflict: domain.ConflictReject})
	if err != nil {
		w.t.Fatal(err)
	}
	return out.Workflow
}

func TestPresenceAnswersForEachSubjectAsAsked(t *testing.T) {
	eachWorld(t, func(w *world) {
		e := w.engine()
		w.define(e, "type: Signup\nsteps: [{name: one, wait: 1d}]")
		w.define(e, "type: Other\nsteps: [{name: one, wait: 1d}]")
		w.define(e, "type: Many\nallow_multiple: true\nsteps: [{name: one, wait: 1d}]")
		ready, paused := w.createFor(e, "Signup", "User", "1"), w.createFor(e, "Signup", "User", "ü")
		w.control(e, paused.ID, domain.VerbPause)
		w.control(e, w.createFor(e, "Signup", "User", "canceled").ID, domain.VerbCancel)
		w.control(e, w.createFor(e, "Signup", "User", "finished").ID, domain.VerbFinish)
		w.createFor(e, "Signup", "Order", "2")
		w.createFor(e, "Other", "User", "3")
		w.createFor(e, "Signup", "User", "u")
		var many []uuid.UUID
		for range 3 {
			many = append(many, w.createFor(e, "Many", "User", "1").ID)
		}
		w.control(e, w.createFor(e, "Many", "User", "1").ID, domain.VerbCancel)

		none := []uuid.UUID{}
		for _, tc := range []struct {
			typ  string
			asks []string
			want []engine.Presence
		}{
			{"Signup", []string{"3", "1", "canceled", "ü", "1", "finished", "2", "Ü", "o'b\\"}, []engine.Presence{
				{"3", false, none}, {"1", true, []uuid.UUID{ready.ID}}, {"canceled", false, none}, {"ü", true, []uuid.UUID{paused.ID}},
				{"1", true, []uuid.UUID{ready.ID}}, {"finished", false, none}, {"2", false, none}, {"Ü", false, none}, {"o'b\\", false, none}}},
			{"Many", []string{"2", "1"}, []engine.Presence{{"2", false, none}, {"1", true, many}}},
			{"NeverDefined", []string{"1"}, []engine.Presence{{"1", false, none}}},
			{"Signup", nil, []engine.Presence{}},
		} {
			if got, err := e.Presence(context.Background(), tc.typ, "User", tc.asks); err != nil || !reflect.DeepEqual(got, tc.want) {
				w.t.Errorf("%s of %q:\n%v, %v\nwant\n%v", tc.typ, tc.asks, got, err, tc.want)
			}
		}
	})
}

func TestPresenceOfAThousandSubjects(t *testing.T) {
	eachWorld(t, func(w *world) {
		e := w.engine()
		w.define(e, "type: Signup\nsteps: [{name: one, wait: 1d}]")
		w.createFor(e, "Signup", "User", "7")
		w.createFor(e, "Signup", "User", "999")
		asks := make([]string, engine.MaxPresence)
		for i := range asks {
			asks[i] = fmt.Sprint(i)
		}
		list, err := e.Presence(context.Background(), "Signup", "User", asks)
		if err != nil || len(list) != len(asks) {
			w.t.Fatalf("%d answers, %v", len(list), err)
		}
		for i, p := range list {
			if p.SubjectID != asks[i] || p.Present != (i == 7 || i == 999) {
				w.t.Errorf("%+v for %s", p, asks[i])
			}
		}
	})
}

func TestPresenceRefusesWhatCannotBe(t *testing.T) {
	w := &world{t: t, url: "sqlite:" + t.TempDir() + "/test.db"}
	w.store = w.open()
	for _, tc := range []struct {
		typ, subjectType string
		ids              []string
		pointer          string
	}{
		{"no type", "User", []string{"1"}, "#/type"},
		{"Signup", "", []string{"1"}, "#/subject_type"},
		{"Signup", "User", []string{"1", "nul\x00"}, "#/subject_ids/1"},
		{"Signup", "User", []string{"", "2"}, "#/subject_ids/0"},
		{"Signup", "User", make([]string, engine.MaxPresence+1), "#/subject_ids"},
	} {
		_, err := w.engine().Presence(context.Background(), tc.typ, tc.subjectType, tc.ids)
		if domain.CodeOf(err) != domain.CodeInvalidRequest || !strings.Contains(err.Error(), tc.pointer+": ") {
			t.Errorf("%q: %v, want a problem at %s", tc, err, tc.pointer)
		}
	}
}

// TestPresenceSQLInAQuery runs the fragment as an application would: in a query over a table of its own.
func TestPresenceSQLInAQuery(t *testing.T) {
	const odd = `O'Brien \ "x" ü %s ?`
	eachWorld(t, func(w *world) {
		e := w.engine()
		w.define(e, "type: Signup\nsteps: [{name: one, wait: 1d}]")
		w.define(e, "type: Many\nallow_multiple: true\nsteps: [{name: one, wait: 1d}]")
		w.exec("CREATE TABLE users (id INTEGER NOT NULL, code VARCHAR(100) NOT NULL)")
		for id, code := range []string{"a", "B", "b", "e", "é"} {
			w.exec(fmt.Sprintf("INSERT INTO users (id, code) VALUES (%d, '%s')", id+1, code))
		}
		w.createFor(e, "Signup", "User", "2")
		w.control(e, w.createFor(e, "Signup", "User", "4").ID, domain.VerbPause)
		w.control(e, w.createFor(e, "Signup", "User", "5").ID, domain.VerbCancel)
		w.createFor(e, "Signup", odd, "3")
		w.createFor(e, "Signup", "Code", "b")
		w.createFor(e, "Signup", "Code", "é")
		w.createFor(e, "Many", "User", "1")
		w.createFor(e, "Many", "User", "1")
		for _, tc := range []struct {
			ask  persistence.PresenceSQL
			want []string
		}{
			{persistence.PresenceSQL{Type: "Signup", SubjectType: "User", SubjectColumn: "users.id"}, []string{"2", "4"}},
			{persistence.PresenceSQL{Type: "Signup", SubjectType: odd, SubjectColumn: "users.id"}, []string{"3"}},
			{persistence.PresenceSQL{Type: "Signup", SubjectType: "Code", SubjectColumn: "users.code"}, []string{"3", "5"}},
			{persistence.PresenceSQL{Type: "Many", SubjectType: "User", SubjectColumn: "users.id"}, []string{"1"}},
			{persistence.PresenceSQL{Type: "Other", SubjectType: "User", SubjectColumn: "users.id"}, nil},
		} {
			fragment, err := tc.ask.For(w.url)
			if err != nil {
				w.t.Fatal(err)
			}
			for _, session := range append([]string{"SELECT 1"}, oddSessions[w.store.Dialect()]...) {
				if got := w.columnIn(session, "SELECT users.id FROM users WHERE "+fragment+" ORDER BY users.id"); !slices.Equal(got, tc.want) {
					w.t.Errorf("%+v finds %v after %s, want %v\n%s", tc.ask, got, session, tc.want, fragment)
				}
			}
			if got := w.column("SELECT count(*) FROM users WHERE NOT " + fragment); got[0] != fmt.Sprint(5-len(tc.want)) {
				w.t.Errorf("%+v: its opposite finds %v", tc.ask, got)
			}
		}
	})
}

// oddSessions are settings that an application's session may have, and under which text is read otherwise.
var oddSessions = map[string][]string{
	"mysql": {"SET sql_mode = 'NO_BACKSLASH_ESCAPES,ANSI_QUOTES'", "SET NAMES latin1", "SET NAMES utf8mb4 COLLATE utf8mb4_general_ci"},
}

// column runs a query of one column past bun, which would take a question mark for a placeholder.
func (w *world) column(query string) []string {
	w.t.Helper()
	return w.columnIn("SELECT 1", query)
}

// columnIn is column in a session of its own, after a statement.
func (w *world) columnIn(session, query string) (values []string) {
	w.t.Helper()
	conn, err := w.store.DB().DB.Conn(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := conn.ExecContext(context.Background(), session); err != nil {
		w.t.Fatal(err)
	}
	if session != "SELECT 1" { // nobody else may get it
		defer func() { _ = conn.Raw(func(any) error { return driver.ErrBadConn }) }()
	}
	defer conn.Close()
	rows, err := conn.QueryContext(context.Background(), query)
	if err != nil {
		w.t.Fatalf("%v\n%s", err, query)
	}
	defer rows.Close()
	for rows.Next() {
		var v string
		if err := rows.Scan(&v); err != nil {
			w.t.Fatal(err)
		}
		values = append(values, v)
	}
	if err := rows.Err(); err != nil {
		w.t.Fatal(err)
	}
	return values
}
