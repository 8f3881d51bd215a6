package strictjson

import "encoding/json"

// MergePatch applies a JSON merge patch (RFC 7386) to a document. Numbers and strings keep the way they were
// written; the result has no white space. An empty target counts as null. Members keep the target's order,
// new ones follow in the patch's. The patch is held to Check; the target, which was checked when it came
// in, may have numbers of any size. The error is a *SyntaxError.
func MergePatch(target, patch json.RawMessage) (json.RawMessage, error) {
	if err := Check(patch); err != nil {
		return nil, err
	}
	out := make([]byte, 0, len(target)+len(patch))
	change := parsePatch(&reader{data: patch})
	if len(target) == 0 {
		return change.apply(out, nil), nil
	}
	s := newScanner(target)
	defer s.release()
	s.lax = true
	if err := s.document(nil); err != nil {
		return nil, err
	}
	return change.apply(out, &reader{data: target}), nil
}

// patchNode is a value of a patch: an object's members, or what replaces the target.
type patchNode struct {
	raw     []byte // not for an object
	members []patchMember
	index   map[string]int // of many members
	object  bool
}

type patchMember struct {
	name   string
	rawKey []byte
	value  patchNode
}

func parsePatch(r *reader) patchNode {
	r.space()
	if r.data[r.pos] != '{' {
		return patchNode{raw: r.skip()}
	}
	n := patchNode{object: true}
	r.pos++
	for r.more('}') {
		start := r.pos
		name := r.key()
		m := patchMember{name: name, rawKey: keyOf(r.data[start:r.pos])}
		m.value = parsePatch(r)
		n.members = append(n.members, m)
	}
	if len(n.members) > manyKeys {
		n.index = make(map[string]int, len(n.members))
		for i := range n.members {
			n.index[n.members[i].name] = i
		}
	}
	return n
}

// keyOf cuts what stands between the closing quote and the colon.
func keyOf(raw []byte) []byte {
	r := reader{data: raw}
	r.skipText()
	return raw[:r.pos]
}

func (n *patchNode) find(name string) int {
	if n.index != nil {
		if i, ok := n.index[name]; ok {
			return i
		}
		return -1
	}
	for i := range n.members {
		if n.members[i].name == name {
			return i
		}
	}
	return -1
}

func (n *patchNode) removes() bool { return !n.object && n.raw[0] == 'n' }

// apply appends the patched value. target stands at the value to patch and is moved past it; nil: none.
func (n *patchNode) apply(out []byte, target *reader) []byte {
	if !n.object {
		if target != nil {
			target.skip()
		}
		return appendCompact(out, n.raw)
	}
	out = append(out, '{')
	first := len(out)
	var done []bool
	if target != nil {
		target.space()
		if target.data[target.pos] == '{' {
			done = make([]bool, len(n.members))
			out = n.applyMembers(out, target, done)
		} else {
			target.skip()
		}
	}
	for i := range n.members {
		m := &n.members[i]
		if done != nil && done[i] || m.value.removes() {
			continue
		}
		out = m.value.apply(appendKey(out, first, m.rawKey), nil)
	}
	return append(out, '}')
}

// applyMembers appends the target's members as the patch leaves them and notes which of its own it used.
func (n *patchNode) applyMembers(out []byte, target *reader, done []bool) []byte {
	first := len(out)
	target.pos++
	for target.more('}') {
		start := target.pos
		name := target.key()
		rawKey := keyOf(target.data[start:target.pos])
		i := n.find(name)
		if i < 0 {
			out = appendCompact(appendKey(out, first, rawKey), target.skip())
			continue
		}
		done[i] = true
		if n.members[i].value.removes() {
			target.skip()
			continue
		}
		out = n.members[i].value.apply(appendKey(out, first, rawKey), target)
	}
	return out
}

func appendKey(out []byte, first int, rawKey []byte) []byte {
	if len(out) > first {
		out = append(out, ',')
	}
	return append(append(out, rawKey...), ':')
}

// Compact gives a checked document without white space.
func Compact(data []byte) []byte { return appendCompact(make([]byte, 0, len(data)), data) }

func appendCompact(out, raw []byte) []byte {
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; c {
		case ' ', '\t', '\n', '\r':
		case '"':
			end := i + 1
			for end < len(raw) && raw[end] != '"' {
				if raw[end] == '\\' {
					end++
				}
				end++
			}
			end = min(end, len(raw)-1)
			out = append(out, raw[i:end+1]...)
			i = end
		default:
			out = append(out, c)
		}
	}
	return out
}
