package app

import (
	"context"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/persistence"
)

// checkSealed refuses a key that cannot open what the database holds: every delivery to an endpoint would
// wait for the right one.
func checkSealed(ctx context.Context, store *persistence.Store) error {
	page := persistence.Page{Limit: 100}
	for {
		_, next, err := store.Endpoints(ctx, page)
		switch {
		case domain.CodeOf(err) == domain.CodeUnavailable:
			return err
		case err != nil:
			return &SettingError{Variable: keyVariable, Problem: "the database holds secrets of endpoints that this server cannot open (" + err.Error() +
				"); give it the key of the servers that made them. If that is lost, delete the rows of geneva_drive_endpoints and PUT the endpoints again"}
		case next == "":
			return nil
		}
		page.Cursor = next
	}
}
