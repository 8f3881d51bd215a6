package strictjson

import "strconv"

// Form is what a value must be like: one of these, or none of them for any value.
type Form struct {
	Object *ObjectForm
	Array  *ArrayForm
	Text   func(string) bool
	Whole  func(int64) bool
	Bool   bool // true or false
}

// ObjectForm is what an object must be like.
type ObjectForm struct {
	Members  map[string]Member
	Others   bool     // it may have more than these
	Required int      // how many of the members are
	NotAll   []string // may not be there all together
}

// Member is a member of an object.
type Member struct {
	Form     *Form
	Required bool
}

// ArrayForm is what an array must be like.
type ArrayForm struct {
	Elements    *Form
	Least, Most int // elements
}

// Fits tells, without making values, that a document which Check has taken is of a form. It may be wrong one way: a
// document that is written oddly, with escapes in its keys or a number such as 1.0, does not fit though its value does.
func (f *Form) Fits(data []byte) bool {
	r := reader{data: data}
	return r.fits(f)
}

func (r *reader) fits(f *Form) bool {
	r.space()
	c := r.data[r.pos]
	switch {
	case f.Object != nil:
		return c == '{' && r.fitsObject(f.Object)
	case f.Array != nil:
		return c == '[' && r.fitsArray(f.Array)
	case f.Text != nil:
		return c == '"' && f.Text(r.text())
	case f.Whole != nil:
		n, err := strconv.ParseInt(string(r.skip()), 10, 64)
		return err == nil && f.Whole(n)
	case f.Bool:
		r.skip()
		return c == 't' || c == 'f'
	}
	r.skip()
	return true
}

func (r *reader) fitsObject(f *ObjectForm) bool {
	r.pos++
	required, together := 0, 0
	for r.more('}') {
		key, escaped := r.skipText()
		if escaped {
			return false
		}
		r.space()
		r.pos++ // the colon
		member, known := f.Members[string(key)]
		switch {
		case known && !r.fits(member.Form), !known && !f.Others:
			return false
		case !known:
			r.skip()
		case member.Required:
			required++
		}
		for _, other := range f.NotAll {
			if other == string(key) {
				together++
			}
		}
	}
	return required == f.Required && (f.NotAll == nil || together < len(f.NotAll))
}

func (r *reader) fitsArray(f *ArrayForm) bool {
	r.pos++
	n := 0
	for r.more(']') {
		n++
		if !r.fits(f.Elements) {
			return false
		}
	}
	return n >= f.Least && n <= f.Most
}
