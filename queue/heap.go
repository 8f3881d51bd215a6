package queue

import stdheap "container/heap"

// heap keeps values in the order less gives and tells each value, through moved, the
// position it has now, so that it can be fixed or removed from anywhere in O(log n).
type heap[T any] struct {
	sorter[T]
}

func newHeap[T any](less func(a, b T) bool, moved func(v T, position int)) heap[T] {
	return heap[T]{sorter[T]{less: less, moved: moved}}
}

func (h *heap[T]) push(v T)      { stdheap.Push(&h.sorter, v) }
func (h *heap[T]) remove(at int) { stdheap.Remove(&h.sorter, at) }
func (h *heap[T]) fix(at int)    { stdheap.Fix(&h.sorter, at) }

// settle puts a value into the heap, takes it out, or finds it its place anew; at is the
// position it has, -1 if none.
func (h *heap[T]) settle(v T, at int, in bool) {
	switch {
	case in && at < 0:
		h.push(v)
	case in:
		h.fix(at)
	case at >= 0:
		h.remove(at)
	}
}

func (h *heap[T]) first() (v T) { return h.values[0] }
func (h *heap[T]) empty() bool  { return len(h.values) == 0 }
func (h *heap[T]) length() int  { return len(h.values) }

type sorter[T any] struct {
	values []T
	less   func(a, b T) bool
	moved  func(v T, position int)
}

func (s *sorter[T]) Len() int           { return len(s.values) }
func (s *sorter[T]) Less(i, j int) bool { return s.less(s.values[i], s.values[j]) }

func (s *sorter[T]) Swap(i, j int) {
	s.values[i], s.values[j] = s.values[j], s.values[i]
	s.moved(s.values[i], i)
	s.moved(s.values[j], j)
}

func (s *sorter[T]) Push(v any) {
	s.values = append(s.values, v.(T))
	s.moved(v.(T), len(s.values)-1)
}

func (s *sorter[T]) Pop() any {
	last := len(s.values) - 1
	v := s.values[last]
	var none T
	s.values[last] = none
	s.values = s.values[:last]
	s.moved(v, -1)
	return v
}
