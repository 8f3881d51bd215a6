package app

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/genevadrive/genevadrive/domain"
	"github.com/genevadrive/genevadrive/persistence"
)

func TestSealingKeysAreNotTheSecretKey(t *testing.T) {
	secret := bytes.Repeat([]byte{1}, keyBytes)
	sealing, err := sealingKey(secret)
	if err != nil || len(sealing) != 32 || bytes.Equal(sealing, secret) {
		t.Errorf("derived %x, %v", sealing, err)
	}
	if tokens, _ := callbackKey(secret); bytes.Equal(tokens, sealing) {
		t.Error("two uses share one key")
	}
	if none, err := sealingKey(nil); none != nil || err != nil {
		t.Errorf("without a secret key: %x, %v", none, err)
	}
}

func TestAServerWithTheWrongSecretKeyDoesNotStart(t *testing.T) {
	ctx := context.Background()
	url := sqliteScheme + filepath.Join(t.TempDir(), "x.db")
	open := func(key []byte) *persistence.Store {
		store, err := persistence.Open(ctx, persistence.Config{URL: url, SealingKey: key})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { store.Close() })
		return store
	}
	right, wrong := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	store := open(right)
	if _, err := store.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	if err := checkSealed(ctx, open(nil)); err != nil {
		t.Errorf("no endpoint and no key: %v", err)
	}
	now := time.Now()
	err := store.SaveEndpoint(ctx, persistence.Endpoint{Name: "app", Endpoint: domain.Endpoint{URL: "https://app.example"},
		Secrets: persistence.EndpointSecrets{Current: "whsec_x"}, CreatedAt: now, UpdatedAt: now})
	if err != nil {
		t.Fatal(err)
	}
	if err := checkSealed(ctx, open(right)); err != nil {
		t.Errorf("the right key: %v", err)
	}
	for name, key := range map[string][]byte{"the wrong key": wrong, "no key": nil} {
		if err := checkSealed(ctx, open(key)); err == nil || !strings.Contains(err.Error(), keyVariable) || !strings.Contains(err.Error(), "app") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
