package engine

import (
	"context"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/persistence"
)

// Definition is a registered definition as it is shown.
type Definition = persistence.Definition

// RegisterDefinition validates a definition and stores a new version of it, unless its resolved content
// equals the newest version's. created tells which. typ is the type the request names, "" to take the
// document's own. Errors: unreadable_body, invalid_definition, public_url_missing.
func (e *Engine) RegisterDefinition(ctx context.Context, typ string, source []byte, format domain.SourceFormat) (d Definition, created bool, err error) {
	return e.register(ctx, typ, source, format, false)
}

func (e *Engine) register(ctx context.Context, typ string, source []byte, format domain.SourceFormat, anyVersion bool) (Definition, bool, error) {
	def, err := e.readDefinition(typ, source, format, func(name string) (*domain.Definition, error) { return e.newestDefinition(ctx, name) })
	if err != nil {
		return Definition{}, false, err
	}
	return e.Store.SaveDefinition(ctx, def, anyVersion)
}

// readDefinition reads a definition and checks it, for this server too.
func (e *Engine) readDefinition(typ string, source []byte, format domain.SourceFormat, parent func(string) (*domain.Definition, error)) (*domain.Definition, error) {
	def, err := domain.ParseDefinition(source, format, domain.Environment{Type: typ, Queues: e.Queues, Parent: parent})
	if err != nil {
		return nil, err
	}
	if def.UsesCallbacks() && (e.PublicURL == "" || len(e.CallbackKey) == 0) {
		return nil, domain.Errorf(domain.CodePublicURLMissing,
			"A step of this definition has a callback_timeout, and this server has no address to call back: "+
				"set GENEVADRIVE_PUBLIC_URL, and GENEVADRIVE_SECRET_KEY to sign the tokens.")
	}
	return def, nil
}

// newestDefinition reads the newest version of a type. Errors: definition_not_found.
func (e *Engine) newestDefinition(ctx context.Context, typ string) (*domain.Definition, error) {
	version, err := e.Store.NewestVersion(ctx, typ)
	if err != nil {
		return nil, err
	}
	p, err := e.plans.get(ctx, typ, version)
	if err != nil {
		return nil, err
	}
	return p.Definition, nil
}

// DefinitionVersion gives one version of a definition, 0 meaning the newest. Errors: definition_not_found.
func (e *Engine) DefinitionVersion(ctx context.Context, typ string, version int) (Definition, error) {
	if version == 0 {
		newest, err := e.Store.NewestVersion(ctx, typ)
		if err != nil {
			return Definition{}, err
		}
		version = newest
	}
	return e.Store.Definition(ctx, typ, version)
}
