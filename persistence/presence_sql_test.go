package persistence

import (
	"strings"
	"testing"
)

var urls = map[string]string{
	"postgres": "postgres://u:p@127.0.0.1:1/d", "mysql": "mysql://u:p@127.0.0.1:1/d", "sqlite": "sqlite:none.db",
}

func TestPresenceSQLIsWrittenWithoutADatabase(t *testing.T) {
	for dialect, want := range map[string]string{
		"postgres": `EXISTS (SELECT 1 FROM gd.geneva_drive_workflows geneva_drive_presence WHERE geneva_drive_presence.type = 'Signup' ` +
			`AND geneva_drive_presence.subject_type = E'It''s a \\' AND geneva_drive_presence.subject_id = CAST(users.id AS text) COLLATE "C" ` +
			`AND geneva_drive_presence.state IN ('ready', 'performing', 'paused'))`,
		"mysql": `EXISTS (SELECT 1 FROM gd.geneva_drive_workflows geneva_drive_presence WHERE geneva_drive_presence.type = 'Signup' ` +
			`AND geneva_drive_presence.subject_type = _utf8mb4 X'497427732061205c' AND geneva_drive_presence.subject_id = ` +
			`CAST(users.id AS CHAR CHARACTER SET utf8mb4) COLLATE utf8mb4_bin AND geneva_drive_presence.state IN ('ready', 'performing', 'paused'))`,
		"sqlite": `EXISTS (SELECT 1 FROM gd.geneva_drive_workflows geneva_drive_presence WHERE geneva_drive_presence.type = 'Signup' ` +
			`AND geneva_drive_presence.subject_type = 'It''s a \' AND geneva_drive_presence.subject_id = CAST(users.id AS TEXT) COLLATE BINARY ` +
			`AND geneva_drive_presence.state IN ('ready', 'performing', 'paused'))`,
	} {
		got, err := PresenceSQL{Type: "Signup", SubjectType: `It's a \`, SubjectColumn: "users.id", Schema: "gd"}.For(urls[dialect])
		if err != nil || got != want {
			t.Errorf("%s: %v\n%s\nwant\n%s", dialect, err, got, want)
		}
	}
}

func TestPresenceSQLChecksWhatItIsGiven(t *testing.T) {
	for _, tc := range []struct {
		typ, subjectType, column, schema string
		refusedBy                        string // part of the message; "": it is taken
	}{
		{"Signup", "User", "users.id", "", ""},
		{"Signup", "User", "app.users.id", "", ""},
		{"Signup", "User", "Users_2._id", "gd", ""},
		{"Sign up", "User", "users.id", "", "Sign up"},
		{"Signup", " User", "users.id", "", "white space"},
		{"Signup", "User", "id", "", "needs its table"},
		{"Signup", "User", "", "", "is not a column"},
		{"Signup", "User", "users.", "", "is not a column"},
		{"Signup", "User", "a.b.c.d", "", "is not a column"},
		{"Signup", "User", "users.id) OR 1=1 --", "", "is not a column"},
		{"Signup", "User", "users.id::text", "", "is not a column"},
		{"Signup", "User", "users.'id'", "", "is not a column"},
		{"Signup", "User", "Geneva_Drive_Presence.id", "", "alias"},
		{"Signup", "User", "users.id", "g d", "the schema"},
	} {
		for dialect, url := range urls {
			_, err := PresenceSQL{Type: tc.typ, SubjectType: tc.subjectType, SubjectColumn: tc.column, Schema: tc.schema}.For(url)
			if (err == nil) != (tc.refusedBy == "") || err != nil && !strings.Contains(err.Error(), tc.refusedBy) {
				t.Errorf("%s, %+v: %v", dialect, tc, err)
			}
		}
	}
}

func TestPresenceSQLTakesTheQuotesOfTheDatabase(t *testing.T) {
	for _, tc := range []struct {
		dialect, column string
		ok              bool
	}{
		{"postgres", `"User"."id"`, true}, {"sqlite", `"order".id`, true}, {"mysql", "`order`.`my id`", true},
		{"postgres", "`order`.id", false}, {"mysql", `"order".id`, false}, {"mysql", "`a`b`.id", false},
		{"postgres", `"a"b".id`, false}, {"postgres", `"".id`, false}, {"sqlite", `"geneva_drive_presence".id`, false},
	} {
		fragment, err := PresenceSQL{Type: "T", SubjectType: "U", SubjectColumn: tc.column}.For(urls[tc.dialect])
		if (err == nil) != tc.ok || tc.ok && !strings.Contains(fragment, "CAST("+tc.column+" AS ") {
			t.Errorf("%s %s: %v %s", tc.dialect, tc.column, err, fragment)
		}
	}
}
