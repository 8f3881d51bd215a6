package persistence

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
	modernc "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/genevadrive/genevadrive/domain"
)

// ErrUnavailable says that the database is away: whatever was asked for may be asked for again. Errors that
// wrap it are a domain.Error with the code unavailable.
var ErrUnavailable = errors.New("the database is unavailable")

// ErrUnsavable says that the database refuses the very values of a change, so that asking again is no use.
var ErrUnsavable = errors.New("the database refuses these values")

// fault is what an error of the database means to the write path.
type fault int

const (
	faultOther     fault = iota // a defect of ours or of the set-up
	faultRerun                  // deadlock, serialization, lock wait: run the whole transaction again
	faultAway                   // the connection or the server is gone
	faultUnique                 // a unique index refuses the row
	faultUnsavable              // the values are refused
)

// connectError is why MySQL gives no connection, whatever its code says: nothing was asked of the database.
type connectError struct{ cause error }

func (e *connectError) Error() string { return "no connection: " + e.cause.Error() }
func (e *connectError) Unwrap() error { return e.cause }

// faultOf classifies an error by its code, never by its text.
func faultOf(err error) fault {
	var noPostgres *pgconn.ConnectError
	var noMySQL *connectError
	var pg *pgconn.PgError
	var my *mysql.MySQLError
	var lite *modernc.Error
	switch {
	case err == nil:
		return faultOther
	case errors.As(err, &noPostgres), errors.As(err, &noMySQL):
		return faultAway // also with a password that it takes no longer, which may be put right meanwhile
	case errors.As(err, &pg):
		return postgresFault(pg.Code)
	case errors.As(err, &my):
		return mysqlFault(my.Number)
	case errors.As(err, &lite):
		return sqliteFault(lite.Code())
	case errors.Is(err, mysql.ErrPktTooLarge):
		return faultUnsavable
	case isConnectionError(err):
		return faultAway
	}
	return faultOther
}

// readOnly is how PostgreSQL refuses a write on a server that has become a standby. The connection to it is closed, see
// writable.
const readOnly = "25006"

func postgresFault(code string) fault {
	switch {
	case code == "40001", code == "40P01", code == "55P03":
		return faultRerun
	case code == "0A000", code == "26000": // a prepared statement that no longer fits: the next connection's does
		return faultRerun
	case code == "23505":
		return faultUnique
	case code == "25P03", code == "25P04": // idle in transaction, or in it, for too long: our process was stopped in its middle
		return faultAway
	case code == readOnly:
		return faultAway
	}
	switch class := code[:min(2, len(code))]; class {
	case "08", "53", "57", "58":
		return faultAway
	case "22", "23", "54":
		return faultUnsavable
	}
	return faultOther
}

func mysqlFault(number uint16) fault {
	switch number {
	case 1213, 1205, 3572, 3101: // deadlock, lock wait timeout, NOWAIT, given up at COMMIT by the group's certification
		return faultRerun
	case 1062:
		return faultUnique
	case 1040, 1053, 1129, 1203, 1226, 1290, 1317, 1836, 1927, 1969, 3024, 3169, 4031, 1021, 1114:
		return faultAway // too many connections, shutting down, killed, read-only, disk full
	case 1047, 3032, 3100, 3168:
		return faultAway // no member of its cluster, offline mode, the group takes no commit
	case 1048, 1153, 1264, 1292, 1366, 1406, 1411, 3819, 4025, 1300, 1301, 3988, 1451, 1452:
		return faultUnsavable // null, too large, out of range, wrong value, too long, a check
	}
	return faultOther
}

func sqliteFault(code int) fault {
	switch code {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
		return faultUnique
	}
	switch code & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return faultRerun
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_INTERRUPT:
		return faultAway
	case sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH:
		return faultUnsavable
	}
	return faultOther
}

// isConnectionError tells whether the conversation with the server broke, so that what was asked last may or
// may not have happened.
func isConnectionError(err error) bool {
	var network net.Error
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, mysql.ErrInvalidConn) ||
		errors.Is(err, sql.ErrConnDone) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || errors.As(err, &network) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) ||
		errors.Is(err, pgconn.ErrConnClosed) || pgconn.Timeout(err) || pgconn.SafeToRetry(err)
}

// isFull tells whether the database's disk is full.
func isFull(err error) bool {
	var pg *pgconn.PgError
	var my *mysql.MySQLError
	var lite *modernc.Error
	return errors.As(err, &pg) && pg.Code == "53100" || errors.As(err, &my) && (my.Number == 1021 || my.Number == 1114) ||
		errors.As(err, &lite) && lite.Code() == sqlite3.SQLITE_FULL
}

// unacknowledged tells of the error of a commit whether that may have happened all the same. On a full disk it has not: the
// database itself says so, and it would be asked in vain for as long as there is no room.
func unacknowledged(err error) bool { return faultOf(err) == faultAway && !isFull(err) }

// isLockTimeout tells whether a statement gave up waiting for a row that another transaction holds.
func isLockTimeout(err error) bool {
	var pg *pgconn.PgError
	var my *mysql.MySQLError
	return errors.As(err, &pg) && pg.Code == "55P03" || errors.As(err, &my) && my.Number == 1205
}

// alreadyThere tells whether a column or index could not be added since it is there, or dropped since it is not. MySQL
// 8 has no IF NOT EXISTS for either, and a migration there is one statement, which happens whole or not at all. SQLite
// has no code for it.
func alreadyThere(err error) bool {
	var my *mysql.MySQLError
	var lite *modernc.Error
	return errors.As(err, &my) && (my.Number == 1060 || my.Number == 1061 || my.Number == 1091) ||
		errors.As(err, &lite) && strings.Contains(lite.Error(), "duplicate column name")
}

// unavailable is the error of a database that is away, as the service shows it.
func unavailable(cause error) error {
	return &domain.Error{Code: domain.CodeUnavailable, Detail: "The database cannot be reached at the moment.",
		Cause: fmt.Errorf("%w: %w", ErrUnavailable, cause)}
}

// explain gives an error of the database the form in which the store returns it.
func explain(err error) error {
	var ours *domain.Error
	if err == nil || errors.As(err, &ours) {
		return err
	}
	switch faultOf(err) {
	case faultAway, faultRerun:
		return unavailable(err)
	case faultUnsavable, faultUnique:
		return fmt.Errorf("%w: %w", ErrUnsavable, err)
	}
	return err
}

// violates tells whether err is the refusal of a unique index whose name contains the given part. SQLite
// names the columns instead, so that its caller gives those too.
func violates(err error, index, columns string) bool {
	if faultOf(err) != faultUnique {
		return false
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return strings.Contains(pg.ConstraintName, index)
	}
	text := err.Error()
	return strings.Contains(text, index) || strings.Contains(text, columns)
}
