package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const (
	tolerance = 300
	now       = 1767323045
	id        = "0197c2a4-5b1e-7a51-9f0e-3d1c2b4a5968"
	body      = `{"type":"step.perform","timestamp":"2026-01-02T03:04:05.000006Z","data":{"step_execution":{"step_name":"send_reminder","attempt":1}}}`
)

var (
	secret   = written(0xfb, 32) // its base64 has + and / in it
	newer    = written(0x11, 32)
	stranger = written(0x22, 32)
)

func written(fill byte, length int) string {
	raw := bytes.Repeat([]byte{fill}, length)
	raw[length-1] = 0xff
	return "whsec_" + base64.StdEncoding.EncodeToString(raw)
}

// book collects the vectors and the first error of signing.
type book struct {
	list []vector
	err  error
}

// sign is the signature of the Standard Webhooks library.
func (b *book) sign(secret, id string, timestamp int64, body string) string {
	webhook, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		b.err = err
		return ""
	}
	signature, err := webhook.Sign(id, time.Unix(timestamp, 0), []byte(body))
	if err != nil {
		b.err = err
	}
	return signature
}

// add adds a message that is right in every way, after change has made it something else.
func (b *book) add(valid bool, name, why string, change func(*vector)) {
	v := vector{Name: name, Valid: valid, Why: why, Secret: secret, Now: now, ID: id, Timestamp: strconv.Itoa(now), Body: body}
	change(&v)
	if v.Signature == "" {
		timestamp, _ := strconv.ParseInt(v.Timestamp, 10, 64)
		v.Signature = b.sign(v.Secret, v.ID, timestamp, v.Body)
	}
	if v.Signature == none {
		v.Signature = ""
	}
	b.list = append(b.list, v)
}

const none = "none" // for a vector without a signature

// vectors lists them: what is right, what happens during a rotation, what was changed on the way, what only
// looks like a signature, and what comes at the wrong time.
func vectors() ([]vector, error) {
	b := &book{}
	good := b.sign(secret, id, now, body)
	raw := strings.TrimPrefix(good, "v1,")

	b.add(true, "one signature", "the ordinary delivery", func(*vector) {})
	b.add(true, "hook", "the id of a hook is that of its step with _hook behind it", func(v *vector) { v.ID = id + "_hook" })
	b.add(true, "empty body", "what is signed ends with the second dot", func(v *vector) { v.Body = "" })
	b.add(true, "not ASCII", "the bytes of the body are signed, whatever they mean", func(v *vector) {
		v.Body = `{"name":"Žofie Müller 東京 🎉","text":"\u00fc"}`
	})
	b.add(true, "white space", "the body counts as it is, to the last line end", func(v *vector) { v.Body = "{ \"a\" : 1,\r\n\t\"b\" : 1.0 }\n\n" })
	b.add(true, "short secret", "24 bytes are the least", func(v *vector) { v.Secret = written(0x33, 24) })
	b.add(true, "long secret", "64 bytes are the most", func(v *vector) { v.Secret = written(0x44, 64) })

	both := b.sign(newer, id, now, body) + " " + good
	b.add(true, "rotation, old secret", "two signatures: the second one is ours", func(v *vector) { v.Signature = both })
	b.add(true, "rotation, new secret", "two signatures: the first one is ours", func(v *vector) { v.Secret, v.Signature = newer, both })
	b.add(false, "rotation, another secret", "two signatures, none of them ours", func(v *vector) { v.Secret, v.Signature = stranger, both })
	b.add(true, "unknown version first", "what has another version is passed over", func(v *vector) { v.Signature = "v1a,AAAA " + good })
	b.add(true, "no signature first", "what is no signature is passed over", func(v *vector) { v.Signature = "nonsense " + good })

	b.add(false, "another secret", "it was signed with another secret", func(v *vector) { v.Signature = b.sign(stranger, id, now, body) })
	b.add(false, "body changed", "one byte is different", func(v *vector) {
		v.Signature, v.Body = good, strings.Replace(body, `"attempt":1`, `"attempt":2`, 1)
	})
	b.add(false, "body written anew", "the same JSON in other bytes: verify before parsing", func(v *vector) {
		v.Signature, v.Body = good, strings.ReplaceAll(body, `":`, `": `)
	})
	b.add(false, "body cut", "the last byte did not arrive", func(v *vector) { v.Signature, v.Body = good, body[:len(body)-1] })
	b.add(false, "body longer", "a line end came along", func(v *vector) { v.Signature, v.Body = good, body+"\n" })
	b.add(false, "another id", "the id is signed", func(v *vector) { v.Signature, v.ID = good, "0197c2a4-5b1e-7a51-9f0e-3d1c2b4a5969" })
	b.add(false, "no id", "there is always one", func(v *vector) { v.ID = "" })
	b.add(false, "another timestamp", "the timestamp is signed", func(v *vector) { v.Signature, v.Timestamp = good, strconv.Itoa(now-1) })

	b.add(false, "no signature", "the header is empty", func(v *vector) { v.Signature = none })
	b.add(false, "version v2", "only v1 is known", func(v *vector) { v.Signature = "v2," + raw })
	b.add(false, "version v1a", "that is another algorithm", func(v *vector) { v.Signature = "v1a," + raw })
	b.add(false, "version V1", "the version is lower case", func(v *vector) { v.Signature = "V1," + raw })
	b.add(false, "no version", "the version is missing", func(v *vector) { v.Signature = raw })
	b.add(false, "signature cut", "a part of a signature is none", func(v *vector) { v.Signature = good[:len(good)-10] })
	b.add(false, "nothing after the version", "an empty signature is none", func(v *vector) { v.Signature = "v1," })
	b.add(false, "hexadecimal", "a signature is written in base64", func(v *vector) {
		sum, _ := base64.StdEncoding.DecodeString(raw)
		v.Signature = "v1," + hex.EncodeToString(sum)
	})
	b.add(false, "secret not decoded", "the key is what the base64 after whsec_ stands for, not its text", func(v *vector) {
		v.Signature = "v1," + hmacOf(secret, id+"."+strconv.Itoa(now)+"."+body)
	})
	b.add(false, "body alone", "id and timestamp are signed too", func(v *vector) {
		key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		v.Signature = "v1," + hmacOf(string(key), body)
	})

	b.add(true, "just in time, old", "five minutes are allowed", func(v *vector) { v.Timestamp = strconv.Itoa(now - tolerance) })
	b.add(true, "just in time, ahead", "clocks differ: five minutes are allowed", func(v *vector) { v.Timestamp = strconv.Itoa(now + tolerance) })
	b.add(false, "stale", "more than five minutes old: somebody may have kept it", func(v *vector) { v.Timestamp = strconv.Itoa(now - tolerance - 1) })
	b.add(false, "from the future", "more than five minutes ahead", func(v *vector) { v.Timestamp = strconv.Itoa(now + tolerance + 1) })
	b.add(false, "no timestamp", "there is always one", func(v *vector) { v.Timestamp, v.Signature = "", b.anyTimestamp("") })
	b.add(false, "timestamp is no number", "rightly signed, and still never fresh", func(v *vector) {
		v.Timestamp, v.Signature = "soon", b.anyTimestamp("soon")
	})
	return b.list, b.err
}

// anyTimestamp is the right signature over a timestamp that the library would not take.
func (b *book) anyTimestamp(timestamp string) string {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		b.err = err
	}
	return "v1," + hmacOf(string(key), id+"."+timestamp+"."+body)
}

func hmacOf(key, message string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(message))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
