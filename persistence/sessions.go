package persistence

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/uptrace/bun"
)

// sessions is what the store asks of its sessions on PostgreSQL. A pooler may keep back the settings, or lend a session
// to a connection for one transaction only; neither shows in an error until statements meet each other's preparations.
type sessions struct {
	user     string
	settings map[string]string // those the URL does not give
	lent     bool              // the URL says that nothing of a session lasts: statements are not prepared
}

// checkSessions refuses a pooler that lends sessions, unless the URL says so, and an encoding that does not have every
// character; of settings that are not in force it says in the log how to give them to the role.
func (s *Store) checkSessions(ctx context.Context) error {
	if s.dialect.sessions.settings == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	rows, err := collect(ctx, s, s.db.NewSelect().ColumnExpr("name, setting").TableExpr("pg_settings"), 2,
		func(r *record) [2]string { return [2]string{r.text(), r.text()} })
	if err != nil {
		return fmt.Errorf("asking for the settings of the database: %w", err)
	}
	var missing []string
	for _, row := range rows {
		name, is := row[0], row[1]
		if name == "server_encoding" && is != "UTF8" && is != "SQL_ASCII" {
			return fmt.Errorf("the database %s has the encoding %s, which does not have every character: "+
				"make it WITH ENCODING 'UTF8' TEMPLATE template0", s.dialect.address, is)
		}
		if want, asked := s.dialect.sessions.settings[name]; asked && is != want && name != "application_name" {
			missing = append(missing, fmt.Sprintf("ALTER ROLE %s SET %s = '%s';", s.dialect.sessions.user, name, want))
		}
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		s.log.Warn("a pooler keeps settings from the database, which it needs to be fast and to recover; give them to the role",
			"sql", strings.Join(missing, " "))
	}
	if !s.dialect.sessions.lent && s.sessionsAreLent(ctx) {
		return fmt.Errorf("the database %s stands behind a pooler that lends sessions for one transaction: use its session pooling, "+
			"or add default_query_exec_mode=simple_protocol to the URL", s.dialect.address)
	}
	return nil
}

// sessionsAreLent tells whether two connections that are open at once have been seen in one session. That is the rule
// where sessions are lent and nobody else is about, and never so where they are not.
func (s *Store) sessionsAreLent(ctx context.Context) bool {
	var conns [2]*sql.Conn
	for i, pool := range []*bun.DB{s.db, s.lease} {
		ctx, cancel := context.WithTimeout(ctx, s.limits.lease)
		conn, err := pool.DB.Conn(ctx)
		cancel()
		if err != nil {
			return false // see leasePool
		}
		defer conn.Close()
		conns[i] = conn
	}
	var of [2]int
	for i := range 2 * 3 {
		if err := conns[i%2].QueryRowContext(ctx, "SELECT pg_backend_pid()").Scan(&of[i%2]); err != nil {
			return false
		}
		if of[0] == of[1] {
			return true
		}
	}
	return false
}
