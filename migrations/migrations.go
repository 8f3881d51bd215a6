// Package migrations holds the SQL of the schema, one directory for each dialect with the same migrations
// under the same numbers. It knows nothing of how they are run; persistence does that.
//
// Migrations only add, but for indexes: without one that it asks for, an older server is slower while it still runs.
// Each can be run again after a crash in its middle: MySQL commits every DDL statement by itself, so a migration there
// is one statement, and all of them say IF NOT EXISTS. SQLite and MySQL cannot say that of a column, nor MySQL of an
// index: a migration that adds one is that statement alone, and has run if the column or index is there, or the index
// that it drops is not.
package migrations

import (
	"embed"
	"io/fs"
)

//go:embed postgres/*.sql mysql/*.sql sqlite/*.sql
var files embed.FS

// For gives the migrations of a dialect: postgres, mysql or sqlite.
func For(dialect string) (fs.FS, error) { return fs.Sub(files, dialect) }
