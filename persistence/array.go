package persistence

import (
	"encoding/binary"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// array is a column of rows of values, as PostgreSQL takes it: one array for all of them. It is encoded here, from
// the rows as they are: a batch has some 40 of them, for which pgx would wrap each value twice.
type array struct {
	kind   kind
	rows   [][]any
	column int
}

// arrays turns rows of values, rowsTogether at most, into one array for each column, and that of their numbers.
func arrays(columns []column, rows [][]any) []any {
	all := make([]any, len(columns), len(columns)+1)
	for i, c := range columns {
		all[i] = array{kind: c.kind, rows: rows, column: i}
	}
	return append(all, array{kind: kindNumber, rows: numbers[:len(rows)]})
}

// numbers are those of rows, from 1 on.
var numbers = func() (all [rowsTogether][]any) {
	for i := range all {
		all[i] = []any{int32(i + 1)}
	}
	return all
}()

func uuidArray(ids []uuid.UUID) array {
	rows := make([][]any, len(ids))
	for i, id := range ids {
		rows[i] = []any{id}
	}
	return array{kind: kindUUID, rows: rows}
}

// isText tells whether the texts in it can be saved: see savable.
func (a array) isText() bool {
	if a.kind != kindText {
		return true
	}
	for _, row := range a.rows {
		if text, ok := row[a.column].(string); ok && !isText(text) {
			return false
		}
	}
	return true
}

// elementOIDs are PostgreSQL's numbers of the kinds.
var elementOIDs = map[kind]uint32{kindUUID: pgtype.UUIDOID, kindText: pgtype.TextOID, kindInt: pgtype.Int8OID,
	kindBool: pgtype.BoolOID, kindTime: pgtype.TimestamptzOID, kindNumber: pgtype.Int4OID}

// encode gives the array in the binary form of the wire: dimensions, whether there are NULLs, the elements' type, the
// length and the lower bound of the one dimension, and each element behind its length (array_send in PostgreSQL's
// arrayfuncs.c).
func (a array) encode() []byte {
	b := make([]byte, 0, 20+len(a.rows)*20)
	for _, n := range []uint32{1, 1, elementOIDs[a.kind], uint32(len(a.rows)), 1} {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	for _, row := range a.rows {
		b = appendElement(b, a.kind, row[a.column])
	}
	return b
}

// epoch is what PostgreSQL's times count from, in microseconds since 1970.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()

// appendElement appends a value of the kind behind its length, which is -1 for NULL.
func appendElement(b []byte, k kind, value any) []byte {
	if value == nil {
		return append(b, 0xff, 0xff, 0xff, 0xff)
	}
	switch k {
	case kindUUID:
		id := value.(uuid.UUID)
		b = append(append(b, 0, 0, 0, 16), id[:]...)
	case kindText:
		text := value.(string)
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(text))), text...)
	case kindInt:
		b = binary.BigEndian.AppendUint64(append(b, 0, 0, 0, 8), uint64(value.(int64)))
	case kindNumber:
		b = binary.BigEndian.AppendUint32(append(b, 0, 0, 0, 4), uint32(value.(int32)))
	case kindBool:
		b = append(b, 0, 0, 0, 1, 0)
		if value.(bool) {
			b[len(b)-1] = 1
		}
	case kindTime:
		b = binary.BigEndian.AppendUint64(append(b, 0, 0, 0, 8), uint64(value.(time.Time).UnixMicro()-epoch))
	}
	return b
}

// withoutArrays gives arguments with NULL in place of arrays, for pgx to encode.
func withoutArrays(args []any) []any {
	plain := make([]any, len(args))
	for i, arg := range args {
		if _, is := arg.(array); !is {
			plain[i] = arg
		}
	}
	return plain
}

// encodeArrays puts the arrays among arguments where withoutArrays has left NULL.
func encodeArrays(q *pgx.ExtendedQueryBuilder, args []any) {
	for i, arg := range args {
		if a, is := arg.(array); is {
			q.ParamValues[i], q.ParamFormats[i] = a.encode(), pgx.BinaryFormatCode
		}
	}
}
