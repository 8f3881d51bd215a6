package persistence

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/uptrace/bun"

	"github.com/genevadrive/genevadrive/domain"
)

// Definition is a stored version of a definition.
type Definition struct {
	*domain.Definition
	CreatedAt time.Time
	Bytes     int // of what was read; 0 for one that was just stored
}

// NewestVersion gives the number of the newest version of a type. Errors: definition_not_found.
func (s *Store) NewestVersion(ctx context.Context, typ string) (int, error) {
	q := s.read.NewSelect().ColumnExpr("d.version").TableExpr(definitionsTable+" AS d").
		Where("d.type = ?", typ).OrderExpr("d.version DESC").Limit(1)
	versions, err := collect(ctx, s, q, 1, (*record).int)
	if err != nil {
		return 0, err
	}
	if len(versions) == 0 {
		return 0, definitionNotFound(typ)
	}
	return versions[0], nil
}

// Definition gives one version of a definition. Errors: definition_not_found, domain.ErrUnknownFormat.
func (s *Store) Definition(ctx context.Context, typ string, version int) (Definition, error) {
	found, err := s.definitions(ctx, s.selectDefinitions().Where("d.type = ?", typ).Where("d.version = ?", version))
	if err != nil {
		return Definition{}, err
	}
	if len(found) == 0 {
		return Definition{}, versionNotFound(typ, version)
	}
	return found[0], nil
}

func definitionNotFound(typ string) error {
	return domain.Errorf(domain.CodeDefinitionNotFound, "There is no definition %q.", typ)
}

func versionNotFound(typ string, version int) error {
	return domain.Errorf(domain.CodeDefinitionNotFound, "There is no version %d of the definition %q.", version, typ)
}

// Definitions lists the newest version of every type, by type, and gives the cursor of the next page.
// Errors: invalid_cursor.
func (s *Store) Definitions(ctx context.Context, p Page) ([]Definition, string, error) {
	const list = "definitions"
	after, err := p.after(list)
	if err != nil {
		return nil, "", err
	}
	newest := s.read.NewSelect().ColumnExpr("n.type, MAX(n.version) AS version").TableExpr(definitionsTable+" AS n").
		Where("n.type > ?", after).GroupExpr("n.type").OrderExpr("n.type").Limit(int64(p.Limit) + 1)
	found, err := s.listed(ctx, s.selectDefinitions().
		Join("JOIN (?) AS newest ON newest.type = d.type AND newest.version = d.version", newest).OrderExpr("d.type"))
	if err != nil {
		return nil, "", err
	}
	page, next := paged(found, p, list, func(d Definition) string { return d.Type })
	return page, next, nil
}

// DefinitionVersions lists the versions of a type, newest first, and gives the cursor of the next page.
// Errors: definition_not_found, invalid_cursor.
func (s *Store) DefinitionVersions(ctx context.Context, typ string, p Page) ([]Definition, string, error) {
	after, err := p.after(typ)
	if err != nil {
		return nil, "", err
	}
	q := s.selectDefinitions().Where("d.type = ?", typ).OrderExpr("d.version DESC").Limit(int64(p.Limit) + 1)
	if after != "" {
		last, err := strconv.Atoi(after)
		if err != nil {
			return nil, "", invalidCursor()
		}
		q.Where("d.version < ?", last)
	}
	found, err := s.listed(ctx, q)
	if err != nil {
		return nil, "", err
	}
	if len(found) == 0 && after == "" {
		return nil, "", definitionNotFound(typ)
	}
	page, next := paged(found, p, typ, func(d Definition) string { return strconv.Itoa(d.Version) })
	return page, next, nil
}

// SaveDefinition stores a definition as the next version of its type, unless the newest version, or with
// anyVersion any version, has the same content already: then it gives that one. created tells which. Two
// servers that save at once get one version each, or the same one.
func (s *Store) SaveDefinition(ctx context.Context, def *domain.Definition, anyVersion bool) (stored Definition, created bool, err error) {
	for {
		stored, created, err = s.saveDefinition(ctx, def, anyVersion)
		if f := faultOf(err); f != faultUnique && f != faultRerun {
			return stored, created, explain(err)
		}
		if ctx.Err() != nil {
			return stored, false, explain(err)
		}
	}
}

func (s *Store) saveDefinition(ctx context.Context, def *domain.Definition, anyVersion bool) (Definition, bool, error) {
	hash, err := def.ContentHash()
	if err != nil {
		return Definition{}, false, err
	}
	content, err := json.Marshal(def)
	if err != nil {
		return Definition{}, false, fmt.Errorf("store a definition: %w", err)
	}
	now, err := s.Now(ctx)
	if err != nil {
		return Definition{}, false, err
	}
	newest, err := s.NewestVersion(ctx, def.Type)
	if err != nil && domain.CodeOf(err) != domain.CodeDefinitionNotFound {
		return Definition{}, false, err
	}
	same := s.selectDefinitions().Where("d.type = ?", def.Type).Where("d.hash = ?", hash).OrderExpr("d.version DESC").Limit(1)
	if !anyVersion {
		same.Where("d.version = ?", newest)
	}
	found, err := s.definitions(ctx, same)
	if err != nil {
		return Definition{}, false, err
	}
	if len(found) > 0 {
		return found[0], false, nil
	}
	saved := *def
	saved.Version = newest + 1
	_, err = s.execute(ctx, s.db.NewInsert().TableExpr(definitionsTable).Model(&map[string]any{
		"type": saved.Type, "version": saved.Version, "format": saved.Format, "content": string(content),
		"source": string(saved.Source), "hash": hash, "created_at": now,
	}))
	return Definition{Definition: &saved, CreatedAt: now}, err == nil, err
}

func (s *Store) selectDefinitions() *bun.SelectQuery {
	return s.read.NewSelect().ColumnExpr("d.type, d.version, d.format, d.content, d.source, d.created_at").
		TableExpr(definitionsTable + " AS d")
}

// definitions reads whole definitions; one that cannot be read is an error.
func (s *Store) definitions(ctx context.Context, q *bun.SelectQuery) ([]Definition, error) {
	var unreadable error
	list, err := s.readDefinitions(ctx, q, func(_ Definition, err error) { unreadable = errors.Join(unreadable, err) })
	return list, errors.Join(err, unreadable)
}

// listed reads definitions for a list. One in a format that only a newer server knows has its type, version
// and source, but no steps.
func (s *Store) listed(ctx context.Context, q *bun.SelectQuery) ([]Definition, error) {
	return s.readDefinitions(ctx, q, func(d Definition, err error) {
		s.log.Debug("a definition is listed without its steps", "type", d.Type, "version", d.Version, "error", err)
	})
}

func (s *Store) readDefinitions(ctx context.Context, q *bun.SelectQuery, unreadable func(Definition, error)) ([]Definition, error) {
	return collect(ctx, s, q, 6, func(r *record) Definition {
		typ, version, format, content, source, created := r.text(), r.int(), r.int(), r.json(), r.json(), r.time()
		def, err := domain.UnmarshalDefinition(format, content)
		if err != nil {
			def = &domain.Definition{}
		}
		def.Type, def.Version, def.Source = typ, version, source
		d := Definition{Definition: def, CreatedAt: created, Bytes: len(content) + len(source)}
		if err != nil {
			unreadable(d, fmt.Errorf("version %d of %s: %w", version, typ, err))
		}
		return d
	})
}
