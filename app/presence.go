package app

import (
	"fmt"
	"io"

	"github.com/genevadrive/genevadrive/persistence"
)

// Presence is what PresenceSQL asks of the rows of an application's query.
type Presence struct {
	Type          string
	SubjectType   string
	SubjectColumn string // qualified: users.id
	Schema        string // where the service's tables are, if the query runs elsewhere
}

// PresenceSQL writes the EXISTS condition for the database of the settings, which it does not connect to.
func PresenceSQL(s Settings, p Presence, out io.Writer) error {
	var bad faults
	url := bad.databaseURL(s.withDefaults().DatabaseURL)
	if err := bad.err(); err != nil {
		return err
	}
	fragment, err := persistence.PresenceSQL(p).For(url)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, fragment)
	return err
}
