package persistence

import (
	"cmp"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/uptrace/bun/dialect/mysqldialect"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"github.com/uptrace/bun/schema"
	modernc "modernc.org/sqlite"
)

// lockWait bounds how long a statement waits for a row or key that another transaction holds.
const lockWait = 5 * time.Second

// logLimit is the size in bytes that SQLite's log is cut to when it begins anew, having grown beyond it while a reader kept
// what was in it.
const logLimit = 32 << 20

// listedOpen is dialect.open in the words of the move table.
const listedOpen = "w.state IN ('ready', 'performing', 'paused')"

// shortOpen is dialect.open on SQLite, which would make a longer list into a table for each row written.
const shortOpen = "w.state NOT IN ('finished', 'canceled')"

// noneBeside makes dialect.active of dialect.open.
const noneBeside = " AND NOT w.allow_multiple"

// scheduledRows is dialect.inDueIndex where the index is partial.
const scheduledRows = "e.state = 'scheduled' AND NOT e.held"

// unsaid is dialect.byIndex where planners take no hint, or need none.
func unsaid(string) string { return "" }

// computedSlot is dialect.slotColumn where no column has it.
const computedSlot = "(CASE WHEN e.state = 'scheduled' OR e.state = 'executing' THEN 0 ELSE e.seq END)"

// dialect is everything that differs between the databases. Times are given to all of them as time.Time:
// SQLite keeps them as microseconds since 1970.
type dialect struct {
	name      string
	address   string // what errors call the database
	oneFile   bool   // SQLite: the transaction is the lock, there is one writer
	connector driver.Connector
	migrator  driver.Connector // of what takes its time; nil on SQLite
	reader    driver.Connector // SQLite: of the readers; nil for a database in memory
	bun       schema.Dialect

	numbered       bool   // placeholders are $1, $2, …
	statementClock string // constant within a statement; "": the injected clock
	rowClock       string // read once a row has been locked; "": the injected clock
	forUpdate      string // ends a locking read of w and e
	forUpdateW     string // ends a locking read of w
	forUpdateE     string // ends a locking read of e
	skipLocked     string // after forUpdate
	join           string // workflows first, so that they are locked first
	guard          func(column string) string
	// After a table: read by this index, whatever the statistics say; "" where that needs no saying.
	byIndex      func(index string) string
	firstOf      string // after the first column of an index: it has a value, and the index alone gives the order of the rest
	dueColumn    string // of e: when it is due, as the index of due rows has it
	inDueIndex   string // of e: it is in that index; "": whatever has ended is, before what is due
	slotColumn   string // of e: 0 while it is open, else its seq, as the index of a workflow's executions has it
	listedColumn string // of e: its state, as the index of listed executions has it
	awaitedOrder string // of e: what awaits callbacks by deadline, as the index of claims has it
	endedColumn  string // of w: when it ended, as the index of ended workflows has it
	open         string // of w: it has not ended, as the indexes of open workflows have it
	active       string // of w: it is the one of its subject that is open, as the unique index has it
	forShare     string // ends a read that keeps its row from being deleted
	target       string // before the column that an UPDATE sets
	counted      bool   // a guarded update fails by itself when it misses its rows; rows come as arrays
	narrows      bool   // an update names what its rows need, see narrow
	text         texts
	sessions     sessions // of PostgreSQL

	tableExists   string // with the name of a table: one row if it is there
	migrationLock string // waits for and takes the lock on the schema, as long as the connection is open
}

// postgres takes Bun's queries in the simple protocol: with its arguments inlined, each would be prepared anew.
func postgres(databaseURL string) (dialect, error) {
	cfg, err := pgx.ParseConfig(databaseURL)
	if err != nil {
		return dialect{}, fmt.Errorf("the database URL is not one of PostgreSQL%s: use postgres://user:password@host:port/database?sslmode=…",
			optionAtFault(databaseURL, err))
	}
	asked := sessions{user: cfg.User, settings: map[string]string{},
		lent: cfg.DefaultQueryExecMode == pgx.QueryExecModeSimpleProtocol || cfg.DefaultQueryExecMode == pgx.QueryExecModeExec}
	cfg.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	cfg.ConnectTimeout = connectTimeout
	cfg.DialFunc = dialer.DialContext
	writable(cfg, databaseURL)
	for name, value := range map[string]string{
		"application_name":                    "genevadrive",
		"client_encoding":                     "UTF8", // a database in another encoding, or a role, may have another default
		"TimeZone":                            "UTC",
		"DateStyle":                           "ISO, MDY", // the driver reads no other
		"default_transaction_isolation":       "read committed",
		"lock_timeout":                        strconv.FormatInt(lockWait.Milliseconds(), 10),
		"idle_in_transaction_session_timeout": "15000", // a stopped server must not hold its locks
		"standard_conforming_strings":         "on",    // the simple protocol quotes by it
		// Every query here is a walk along an index, and a batch must not walk a table instead. What is prepared
		// is planned for any values, and again every second (docs/decisions/0012).
		"enable_seqscan":  "off",
		"plan_cache_mode": "force_generic_plan",
		"jit":             "off",
	} {
		if _, given := cfg.RuntimeParams[name]; !given {
			cfg.RuntimeParams[name], asked.settings[name] = value, value
		}
	}
	connector := stdlib.GetConnector(*cfg)
	return dialect{
		name:      "postgres",
		address:   fmt.Sprintf("postgres://%s:%d/%s", cfg.Host, cfg.Port, cfg.Database),
		connector: connector,
		migrator:  connector,
		bun:       pgdialect.New(),

		numbered:       true,
		statementClock: "statement_timestamp()",
		rowClock:       "clock_timestamp()",
		forUpdate:      "FOR UPDATE OF w, e",
		forUpdateW:     "FOR UPDATE OF w",
		forUpdateE:     "FOR UPDATE OF e",
		skipLocked:     "SKIP LOCKED",
		join:           "JOIN",
		byIndex:        unsaid, // see firstOf
		// What equals a constant counts for nothing in the order, so that the primary key would give it too.
		firstOf: " = ANY (ARRAY[?])",
		// An expression the planner cannot reason about: compared bare, the state would let it pick a partial
		// index instead of the primary key while its statistics think that one empty (docs/decisions/0012).
		guard:        func(column string) string { return "(" + column + " || '')" },
		dueColumn:    "e.scheduled_for",
		inDueIndex:   scheduledRows,
		slotColumn:   computedSlot,
		listedColumn: "e.state",
		awaitedOrder: "e.claimed_by, e.deadline", // PostgreSQL does not see that IS NULL leaves one value of the first
		endedColumn:  "coalesce(w.finished_at, w.canceled_at)",
		open:         listedOpen,
		active:       listedOpen + noneBeside,
		forShare:     "FOR KEY SHARE",
		counted:      true,
		sessions:     asked,

		tableExists: "SELECT 1 WHERE to_regclass(?) IS NOT NULL",
		// For a transaction, which has the session to itself behind any pooler, and which the close of the connection ends.
		migrationLock: "BEGIN; SELECT set_config('lock_timeout', '0', true), set_config('idle_in_transaction_session_timeout', '0', true), " +
			"pg_advisory_xact_lock(7161512880194112)",
	}, nil
}

// optionAtFault is what the driver has against a URL that is one otherwise. Of another one it might tell the password.
func optionAtFault(databaseURL string, err error) string {
	cause := errors.Unwrap(err)
	if _, malformed := url.Parse(databaseURL); malformed != nil || cause == nil {
		return ""
	}
	return " (" + cause.Error() + ")"
}

// writable keeps connections to servers that take no writes, such as the standby that a failover leaves behind, from being
// made, unless the URL says which ones it wants, and from being used again. On MySQL see RejectReadOnly.
func writable(cfg *pgx.ConnConfig, databaseURL string) {
	if cfg.ValidateConnect == nil && !strings.Contains(databaseURL, "target_session_attrs=") {
		cfg.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	keeps := cfg.OnPgError
	cfg.OnPgError = func(conn *pgconn.PgConn, err *pgconn.PgError) bool { return err.Code != readOnly && keeps(conn, err) }
}

// mariadb is MySQL 8 and MariaDB, in the SQL both understand.
func mariadb(databaseURL string, within limits) (dialect, error) {
	u, err := url.Parse(databaseURL)
	if err != nil || u.Host == "" || strings.Trim(u.Path, "/") == "" {
		return dialect{}, errors.New("the database URL is not one of MySQL: use mysql://user:password@host:port/database?option=value")
	}
	cfg, err := mysql.ParseDSN("/?" + u.RawQuery)
	if err != nil {
		return dialect{}, fmt.Errorf("the options of the database URL: %w", err)
	}
	cfg.Net, cfg.Addr, cfg.DBName = "tcp", u.Host, strings.Trim(u.Path, "/")
	if u.Port() == "" {
		cfg.Addr += ":3306"
	}
	if cfg.TLS != nil && !cfg.TLS.InsecureSkipVerify {
		cfg.TLS.ServerName = u.Hostname() // the driver has put that of the empty address there
	}
	cfg.User = u.User.Username()
	cfg.Passwd, _ = u.User.Password()
	cfg.Loc, cfg.ParseTime = time.UTC, true
	cfg.ClientFoundRows = true // a guarded update that changes nothing must count its row
	cfg.RejectReadOnly = true  // a demoted primary: connect anew
	cfg.InterpolateParams = true
	cfg.MultiStatements = true // see messages
	cfg.Collation = "utf8mb4_bin"
	cfg.Timeout = connectTimeout
	cfg.DialFunc = dialer.DialContext
	cfg.Logger = driverLog{} // what it says comes back as an error too
	patient := cfg.Clone()
	patient.ReadTimeout = 0
	cfg.ReadTimeout = cmp.Or(cfg.ReadTimeout, within.write) // also of a COMMIT, which takes no context
	migrator, err := mysql.NewConnector(patient)
	if err != nil {
		return dialect{}, fmt.Errorf("the options of the database URL: %w", err)
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return dialect{}, fmt.Errorf("the options of the database URL: %w", err)
	}
	return dialect{
		name:      "mysql",
		address:   addressOf(u),
		connector: sessionConnector{connector},
		migrator:  sessionConnector{migrator},
		bun:       mysqldialect.New(mysqldialect.WithTimeLocation("UTC")),

		statementClock: "UTC_TIMESTAMP(6)",
		rowClock:       "SYSDATE(6)", // in the session's time zone, UTC
		forUpdate:      "FOR UPDATE",
		forUpdateW:     "FOR UPDATE",
		forUpdateE:     "FOR UPDATE",
		skipLocked:     "SKIP LOCKED",
		join:           "STRAIGHT_JOIN",
		byIndex:        func(index string) string { return " FORCE INDEX (" + index + ")" },
		firstOf:        " = ?",
		guard:          func(column string) string { return "CONCAT(" + column + ", '')" }, // as on PostgreSQL
		dueColumn:      "e.due_at",
		slotColumn:     "e.slot",
		listedColumn:   "e.listed",
		awaitedOrder:   "e.deadline",
		endedColumn:    "w.ended_at",
		open:           listedOpen,
		active:         "w.active = 1",
		forShare:       "LOCK IN SHARE MODE", // MariaDB has no FOR SHARE
		target:         "t.",
		narrows:        true,

		tableExists:   "SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?",
		migrationLock: "SELECT GET_LOCK(LEFT(CONCAT('geneva_drive_migrations ', DATABASE()), 64), 86400)", // MySQL takes no longer name
	}, nil
}

// driverLog takes what the MySQL driver would print.
type driverLog struct{}

// Print implements mysql.Logger.
func (driverLog) Print(v ...any) { slog.Debug("MySQL driver", "message", fmt.Sprint(v...)) }

// sessionConnector sets up each session of MySQL. MariaDB and MySQL 8 name the isolation level differently as
// a variable, so that it is a statement; what stands in /*M! */ only MariaDB reads.
type sessionConnector struct{ driver.Connector }

func (c sessionConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, &connectError{err}
	}
	for _, set := range []string{
		"SET NAMES utf8mb4 COLLATE utf8mb4_bin", // a server may have been told to disregard what the handshake says
		"SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
		"SET time_zone = '+00:00', innodb_lock_wait_timeout = " + strconv.Itoa(int(lockWait.Seconds())) +
			", autocommit = 1, completion_type = 0, sql_safe_updates = 0" + // else what was answered may not be committed
			", sql_mode = 'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'" +
			"/*M! , idle_transaction_timeout = 15 */",
	} {
		if _, err := conn.(driver.ExecerContext).ExecContext(ctx, set, nil); err != nil {
			_ = conn.Close()
			return nil, &connectError{err}
		}
	}
	return conn, nil
}

// sqlite has one writer whose transactions begin by taking the write lock.
func sqlite(databaseURL string) (dialect, error) {
	path, options, _ := strings.Cut(strings.TrimPrefix(databaseURL, "sqlite:"), "?")
	path = strings.TrimPrefix(path, "//")
	if path == "" || options != "" {
		return dialect{}, errors.New("the database URL is not one of SQLite: use sqlite:path, without options")
	}
	memory := path == ":memory:"
	shared := url.Values{
		"_pragma": {
			"busy_timeout(" + strconv.FormatInt(lockWait.Milliseconds(), 10) + ")",
			"journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)",
			"journal_size_limit(" + strconv.Itoa(logLimit) + ")",
		},
		"_time_integer_format": {"unix_micro"},
	}
	// A name that starts with "file:" would be read as a URI: no path of a user's needs escaping this way.
	name := path
	if strings.HasPrefix(name, "file:") {
		name = "./" + name
	}
	if strings.Contains(name, "?") {
		return dialect{}, errors.New("the path of an SQLite database cannot hold a question mark")
	}
	connector, err := modernc.NewConnector(name + "?_txlock=immediate&" + shared.Encode())
	if err != nil {
		return dialect{}, fmt.Errorf("the database URL: %w", err)
	}
	d := dialect{
		name:         "sqlite",
		address:      "sqlite:" + path,
		oneFile:      true,
		connector:    connector,
		bun:          microsDialect{sqlitedialect.New()},
		join:         "JOIN",
		byIndex:      unsaid,
		firstOf:      " = ?",
		guard:        func(column string) string { return "+" + column },
		dueColumn:    "e.scheduled_for",
		inDueIndex:   scheduledRows,
		slotColumn:   computedSlot,
		listedColumn: "e.state",
		awaitedOrder: "e.deadline",
		endedColumn:  "coalesce(w.finished_at, w.canceled_at)",
		open:         shortOpen,
		active:       shortOpen + noneBeside,

		tableExists: "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?",
	}
	if !memory {
		if d.reader, err = modernc.NewConnector(name + "?_query_only=1&" + shared.Encode()); err != nil {
			return dialect{}, fmt.Errorf("the database URL: %w", err)
		}
	}
	return d, nil
}

// microsDialect writes times as SQLite's rows keep them.
type microsDialect struct{ *sqlitedialect.Dialect }

// AppendTime implements schema.Dialect.
func (microsDialect) AppendTime(b []byte, t time.Time) []byte {
	return strconv.AppendInt(b, t.UnixMicro(), 10)
}

// bind turns the ? of a statement into the placeholders of the dialect. The statement holds no other ?.
func (d *dialect) bind(query string) string {
	if !d.numbered {
		return query
	}
	var b strings.Builder
	b.Grow(len(query) + 64)
	n := 0
	for i := range len(query) {
		if query[i] != '?' {
			b.WriteByte(query[i])
			continue
		}
		n++
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(n))
	}
	return b.String()
}
