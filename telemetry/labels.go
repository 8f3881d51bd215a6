package telemetry

import (
	"maps"
	"sync"
	"sync/atomic"
)

// children keeps the children of a metric by key, so that the hot path takes no lock and builds no labels. K
// must have few values.
type children[K comparable, V any] struct {
	make  func(K) V
	known atomic.Pointer[map[K]V]
	mu    sync.Mutex // over making one
}

func newChildren[K comparable, V any](make func(K) V) *children[K, V] {
	c := &children[K, V]{make: make}
	c.known.Store(&map[K]V{})
	return c
}

func (c *children[K, V]) get(key K) V {
	if v, ok := (*c.known.Load())[key]; ok {
		return v
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	known := *c.known.Load()
	if v, ok := known[key]; ok {
		return v
	}
	grown := maps.Clone(known)
	v := c.make(key)
	grown[key] = v
	c.known.Store(&grown)
	return v
}

// maxTypes is how many workflow types have labels of their own; the rest share otherTypes.
const (
	maxTypes   = 200
	otherTypes = "other"
)

// types bounds the label "type": first come, first served.
type types struct {
	known atomic.Pointer[map[string]string]
	mu    sync.Mutex
}

func newTypes() *types {
	t := &types{}
	t.known.Store(&map[string]string{})
	return t
}

// label is the type itself, or otherTypes once there are too many.
func (t *types) label(typ string) string {
	known := *t.known.Load()
	if label, ok := known[typ]; ok {
		return label
	}
	if len(known) >= maxTypes {
		return otherTypes
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	known = *t.known.Load()
	if len(known) >= maxTypes {
		return otherTypes
	}
	grown := maps.Clone(known)
	grown[typ] = typ
	t.known.Store(&grown)
	return typ
}
