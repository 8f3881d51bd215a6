package domain

import (
	"fmt"
	"slices"
	"strings"
)

// A written step with repeat: 3 is a block of three steps, check, check_2 and check_3, that stay together
// unless another step is placed between them by their names. before_step: check means before the first of
// them, after_step: check after the last; check_2 means that one. Steps placed on the same side of the same
// step keep the order of the file.

// slot is one step in the order being worked out, with what was placed beside it.
type slot struct {
	name   string
	block  int // index of the written step
	before []int
	after  []int
}

// ordering works out the order of the steps.
type ordering struct {
	written []writtenStep
	first   []int // per block, the index of its first slot
	slots   []slot
	byName  map[string]int // of the slots
	blocks  map[string]int // of the written names
	done    []bool         // blocks that have been given out
	order   []int
}

// orderSteps expands repetitions and applies before_step and after_step. It gives the slots in order, each
// naming the written step it comes from, and notes duplicate names, unknown anchors and circles.
func (r *reading) orderSteps(written []writtenStep) []slot {
	o := ordering{written: written, byName: map[string]int{}, blocks: map[string]int{}, done: make([]bool, len(written))}
	o.expand(r)
	var unplaced []int
	anchors := make(map[int]string, len(written))
	for i, w := range written {
		if anchor := w.before + w.after; anchor == "" {
			unplaced = append(unplaced, i)
		} else if o.place(r, i, anchor) {
			anchors[i] = anchor
		}
	}
	for _, i := range unplaced {
		o.give(i)
	}
	o.circles(r, anchors)
	out := make([]slot, len(o.order))
	for i, s := range o.order {
		out[i] = o.slots[s]
	}
	return out
}

func (o *ordering) expand(r *reading) {
	for i, w := range o.written {
		if _, taken := o.blocks[w.name]; !taken {
			o.blocks[w.name] = i
		}
		o.first = append(o.first, len(o.slots))
		for n := 1; n <= w.repeat; n++ {
			name := w.name
			if n > 1 {
				name = fmt.Sprintf("%s_%d", w.name, n)
			}
			if other, twice := o.byName[name]; twice {
				r.add(w.at, "two steps have the name %s: this one and %s; names must differ",
					quoted(name), o.written[o.slots[other].block].at)
				n = w.repeat // one problem per step is enough
			} else {
				if n > 1 && len(name) > MaxNameLength {
					r.add(w.at, "repeating it makes the name %s, which is longer than %d characters", quoted(name), MaxNameLength)
					n = w.repeat
				}
				o.byName[name] = len(o.slots)
			}
			o.slots = append(o.slots, slot{name: name, block: i})
		}
	}
}

// place hangs a block beside its anchor; false when there is no such anchor.
func (o *ordering) place(r *reading, i int, anchor string) bool {
	w := o.written[i]
	at, known := o.byName[anchor]
	if !known {
		names := make([]string, len(o.slots))
		for s := range o.slots {
			names[s] = o.slots[s].name
		}
		r.add(w.at.key(w.anchorKey()), "the step %s is placed beside %s, which is not a step%s", quoted(w.name), quoted(anchor), didYouMean(anchor, names))
		return false
	}
	if w.before != "" {
		o.slots[at].before = append(o.slots[at].before, i)
		return true
	}
	if block, ok := o.blocks[anchor]; ok {
		at = o.last(block)
	}
	o.slots[at].after = append(o.slots[at].after, i)
	return true
}

func (o *ordering) last(block int) int {
	if block+1 < len(o.first) {
		return o.first[block+1] - 1
	}
	return len(o.slots) - 1
}

// give appends a block and everything placed beside its steps.
func (o *ordering) give(block int) {
	o.done[block] = true
	for s := o.first[block]; s <= o.last(block); s++ {
		for _, b := range o.slots[s].before {
			o.give(b)
		}
		o.order = append(o.order, s)
		for _, b := range o.slots[s].after {
			o.give(b)
		}
	}
}

// circles notes every circle among the steps that hang on no step without an anchor, once.
func (o *ordering) circles(r *reading, anchors map[int]string) {
	for i := range o.written {
		if o.done[i] || anchors[i] == "" {
			continue
		}
		var path []int
		at := i
		for !o.done[at] && anchors[at] != "" {
			o.done[at] = true
			path = append(path, at)
			at = o.slots[o.byName[anchors[at]]].block
		}
		start := slices.Index(path, at)
		if start < 0 {
			continue // leads into a circle that has been noted, or to a step with a bad anchor
		}
		names := make([]string, 0, len(path)-start+1)
		for _, b := range append(path[start:], at) {
			names = append(names, o.written[b].name)
		}
		if len(names) > 12 {
			names = append(append(names[:10:10], "…"), names[len(names)-1])
		}
		r.add(o.written[at].at.key(o.written[at].anchorKey()), "the steps are placed in a circle: %s", strings.Join(names, " → "))
	}
}
