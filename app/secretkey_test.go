package app

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheSecretKeyIsMadeOnceBesideTheSecrets(t *testing.T) {
	for name, before := range map[string]string{
		"no file":                   "",
		"a file of an older server": secretsVariable + "=" + goodSecret,
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.secrets")
			if before != "" {
				if err := os.WriteFile(path, []byte(before), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			made, err := loadSecretKey(path)
			if err != nil || len(made) != keyBytes {
				t.Fatalf("%d bytes, %v", len(made), err)
			}
			info, err := os.Stat(path)
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("the file has %v, %v", info, err)
			}
			if read, err := loadSecretKey(path); err != nil || !bytes.Equal(read, made) {
				t.Errorf("the second start found another key, %v", err)
			}
			if before != "" {
				if secrets, err := loadSecrets(path); err != nil || len(secrets) != 1 || secrets[0].Reveal() != goodSecret {
					t.Errorf("the secret that was there is %v, %v", secrets, err)
				}
			}
		})
	}
}

func TestSecretKeysThatCannotBeUsed(t *testing.T) {
	for name, text := range map[string]string{"short": "aHVudGVyMg==", "not base64": "hunter2!", "hexadecimal": strings.Repeat("ab", keyBytes)} {
		var bad faults
		if key := bad.secretKey(text); key != nil || len(bad) != 1 || !strings.Contains(bad.err().Error(), "openssl rand -base64 32") || strings.Contains(bad.err().Error(), text) {
			t.Errorf("%s: %v, %v", name, key, bad.err())
		}
		path := filepath.Join(t.TempDir(), "x.secrets")
		if err := os.WriteFile(path, []byte(keyVariable+"="+text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := loadSecretKey(path); err == nil || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), text) {
			t.Errorf("%s in a file: %v", name, err)
		}
	}
}

func TestCallbackKeysAreNotTheSecretKey(t *testing.T) {
	secret := bytes.Repeat([]byte{7}, keyBytes)
	one, err := callbackKey(secret)
	two, _ := callbackKey(secret)
	if err != nil || len(one) != 32 || !bytes.Equal(one, two) || bytes.Equal(one, secret) {
		t.Errorf("derived %x, then %x, %v", one, two, err)
	}
	if none, err := callbackKey(nil); none != nil || err != nil {
		t.Errorf("without a secret key: %x, %v", none, err)
	}
}

func TestPublicURL(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "https://g.example": "https://g.example", "https://g.example/": "https://g.example",
		"http://g.example:8080/geneva/": "http://g.example:8080/geneva",
		"g.example":                     "!", "ftp://g.example": "!", "https://u:p@g.example": "!", "https://g.example/?x=1": "!", "https://g.example/#x": "!",
	} {
		var bad faults
		got := bad.publicURL(text)
		if len(bad) > 0 {
			got = "!"
		}
		if got != want {
			t.Errorf("%q is %q, want %q (%v)", text, got, want, bad.err())
		}
	}
	for _, tt := range []struct{ addr, public, want string }{
		{"127.0.0.1:0", "", "http://127.0.0.1:"}, {"127.0.0.1:0", "https://g.example", "https://g.example"}, {":0", "", ""},
	} {
		a := &App{cfg: Config{Addr: tt.addr, PublicURL: tt.public}}
		var err error
		if a.api, err = listen("GENEVADRIVE_ADDR", tt.addr); err != nil {
			t.Fatal(err)
		}
		if got := a.publicURL(); !strings.HasPrefix(got, tt.want) || tt.want == "" && got != "" {
			t.Errorf("on %s with %q: %q, want %q", tt.addr, tt.public, got, tt.want)
		}
		_ = a.api.close()
	}
}
