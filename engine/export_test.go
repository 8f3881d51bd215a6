package engine

import "context"

// Retain is one run of the retention loop.
func (e *Engine) Retain(ctx context.Context) error { return (&retention{e: e}).runOnce(ctx) }
