package persistence

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/genevadrive/genevadrive/domain"
)

// DeleteEndpoint removes an endpoint that nothing uses. Errors: endpoint_not_found, endpoint_in_use.
//
// What is registered or created while it looks is not seen; such a workflow pauses with endpoint_missing.
func (s *Store) DeleteEndpoint(ctx context.Context, name string) error {
	there, err := collect(ctx, s, s.read.NewSelect().ColumnExpr("x.name").TableExpr(endpointsTable+" AS x").Where("x.name = ?", name), 1, (*record).text)
	if err != nil {
		return err
	}
	if len(there) == 0 {
		return endpointNotFound(name)
	}
	user, err := s.endpointUser(ctx, name)
	if err != nil {
		return err
	}
	if user != "" {
		return domain.Errorf(domain.CodeEndpointInUse, "The endpoint %q is named by %s.", name, user)
	}
	_, err = s.execute(ctx, s.db.NewDelete().TableExpr(endpointsTable).Where("name = ?", name))
	return explain(err)
}

func endpointNotFound(name string) error {
	return domain.Errorf(domain.CodeEndpointNotFound, "There is no endpoint %q.", name)
}

// endpointUser says who names an endpoint: the newest version of a definition, or an older one that an open
// workflow is pinned to; "" for nobody. It reads the few definitions that hold the name, and looks for
// workflows of old versions through the index on type and state, oldest first.
func (s *Store) endpointUser(ctx context.Context, name string) (string, error) {
	q := s.read.NewSelect().ColumnExpr("d.type, d.version, d.format, d.content").TableExpr(definitionsTable+" AS d").
		Where("d.content LIKE ?", `%"endpoint":"`+name+`"%`).OrderExpr("d.type, d.version")
	type naming struct {
		Version
		really bool
	}
	found, err := collect(ctx, s, q, 4, func(r *record) naming {
		n := naming{Version: Version{Type: r.text(), Version: r.int()}}
		def, err := domain.UnmarshalDefinition(r.int(), r.json())
		n.really = err != nil || def.NamesEndpoint(name) // what a newer server stored is believed
		return n
	})
	if err != nil {
		return "", err
	}
	old := map[string][]int{}
	for _, n := range found {
		if !n.really {
			continue
		}
		newest, err := s.NewestVersion(ctx, n.Type)
		switch {
		case err != nil:
			return "", err
		case newest == n.Version.Version:
			return fmt.Sprintf("version %d of %s, the newest", newest, n.Type), nil
		}
		old[n.Type] = append(old[n.Type], n.Version.Version)
	}
	for _, typ := range slices.Sorted(maps.Keys(old)) {
		if open, err := s.openOfVersions(ctx, typ, old[typ]); err != nil || open != "" {
			return open, err
		}
	}
	return "", nil
}

func (s *Store) openOfVersions(ctx context.Context, typ string, versions []int) (string, error) {
	for _, state := range domain.OpenWorkflowStates {
		q := s.read.NewSelect().ColumnExpr("w.id, w.definition_version").TableExpr(workflowsTable+" AS w").
			Where("w.type = ?", typ).Where("w.state = ?", state).OrderExpr("w.id").Limit(1)
		oneOf(q, "w.definition_version", versions)
		found, err := collect(ctx, s, q, 2, func(r *record) string {
			id := r.uuid()
			return fmt.Sprintf("version %d of %s, which the open workflow %s runs", r.int(), typ, id)
		})
		if err != nil {
			return "", err
		}
		if len(found) > 0 {
			return found[0], nil
		}
	}
	return "", nil
}
