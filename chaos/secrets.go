package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// needles are the secrets of the run in every form in which they might show.
func (s *system) needles() map[string][]byte {
	forms := map[string][]byte{}
	for _, secret := range []string{webhookKey, secretKey, endpointKey} {
		forms[secret+" as bytes"] = []byte(secret)
		forms[secret+" in base64"] = []byte(strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(secret)), "="))
		forms[secret+" in hexadecimal"] = []byte(hex.EncodeToString([]byte(secret)))
	}
	forms[apiKey] = []byte(apiKey)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, secret := range s.secrets {
		forms[fmt.Sprintf("secret %d that came up", i+1)] = []byte(secret)
	}
	return forms
}

// search gathers what was searched and what was found.
type search struct {
	needles map[string][]byte
	bytes   int
	found   []string
}

func (f *search) look(where string, text []byte) {
	f.bytes += len(text)
	for name, needle := range f.needles {
		if bytes.Contains(text, needle) {
			f.found = append(f.found, name+" in "+where)
		}
	}
}

// searchSecrets looks for the secrets of the run in the servers' logs and metrics, the database, Redis, and
// the error answers that clients got.
func (s *system) searchSecrets() error {
	f := &search{needles: s.needles()}
	for _, v := range s.servers {
		log, err := os.ReadFile(v.logPath())
		if err != nil {
			return err
		}
		f.look(fmt.Sprintf("the log of server %d", v.number), log)
		metrics, err := s.request(v, "GET", "/metrics", "", nil)
		if err != nil {
			return err
		}
		f.look(fmt.Sprintf("the metrics of server %d", v.number), metrics.body)
	}
	s.mu.Lock()
	for _, body := range s.bad {
		f.look("the error answer "+body, []byte(body))
	}
	s.mu.Unlock()
	if err := errors.Join(s.searchDatabase(f), s.searchRedis(f)); err != nil {
		return err
	}
	s.runner.secrets.add(len(f.needles), f.bytes)
	if len(f.found) > 0 {
		s.runner.secrets.show(f.found)
		return fmt.Errorf("%d secrets show: %.600s", len(f.found), strings.Join(f.found, ", "))
	}
	return nil
}

// searchDatabase looks into every column of every table, and on SQLite into the files too.
func (s *system) searchDatabase(f *search) error {
	list := "SELECT table_name FROM information_schema.tables WHERE table_name LIKE 'geneva_drive_%'"
	if s.database == nil {
		list = "SELECT name FROM sqlite_master WHERE type = 'table'"
	}
	tables, err := s.rows(list)
	if err != nil {
		return err
	}
	if len(tables) < 8 {
		return fmt.Errorf("only %d tables were found to search for secrets", len(tables))
	}
	for _, t := range tables {
		rows, err := s.rows("SELECT * FROM " + text(t[0]))
		if err != nil {
			return err
		}
		var all bytes.Buffer
		for _, r := range rows {
			for _, v := range r {
				all.WriteString(text(v))
				all.WriteByte('\n')
			}
		}
		f.look("the table "+text(t[0]), all.Bytes())
	}
	if s.database != nil {
		return nil
	}
	return s.searchFiles(f, s.dir, "chaos.db")
}

// searchRedis looks into all that Redis has ever been told: its append-only file.
func (s *system) searchRedis(f *search) error {
	if s.redis == nil {
		return nil
	}
	opts, err := redis.ParseURL(s.redis.URL)
	if err != nil {
		return err
	}
	client := redis.NewClient(opts)
	defer client.Close()
	dir, err := client.ConfigGet(context.Background(), "dir").Result()
	if err != nil {
		return err
	}
	before := f.bytes
	if err := s.searchFiles(f, dir["dir"], ""); err != nil {
		return err
	}
	if f.bytes == before {
		return errors.New("no file of Redis was found to search for secrets")
	}
	return nil
}

// searchFiles looks into the files of a directory whose names begin with something.
func (s *system) searchFiles(f *search, dir, prefix string) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasPrefix(entry.Name(), prefix) {
			return err
		}
		content, err := os.ReadFile(path)
		f.look("the file "+entry.Name(), content)
		return err
	})
}

// secretFigures gather what all rows say about secrets.
type secretFigures struct {
	mu                   sync.Mutex
	rows, needles, bytes int
	found                []string
}

func (f *secretFigures) add(needles, bytes int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rows++
	f.needles, f.bytes = max(f.needles, needles), f.bytes+bytes
}

func (f *secretFigures) show(found []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.found = append(f.found, found...)
}

// finding is the row of the report.
func (f *secretFigures) finding() finding {
	r := finding{verdict: holds, row: row{name: "secrets", database: "all", load: "after every row: logs, metrics, all columns, SQLite's files, Redis' append-only file, error bodies",
		must: "no webhook secret, endpoint secret, secret key, API key or callback token shows"}}
	r.seen = fmt.Sprintf("%d rows searched for up to %d forms of the secrets, %.0f MB in all, %d found", f.rows, f.needles, float64(f.bytes)/1e6, len(f.found))
	if f.rows == 0 {
		r.verdict = notJudged
	} else if len(f.found) > 0 {
		r.verdict = broken
	}
	return r
}
