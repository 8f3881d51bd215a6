package main

import "slices"

// percentile gives the p-th percentile, 0 for none.
func percentile(list []float64, p float64) float64 {
	if len(list) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(list))
	return sorted[min(len(sorted)-1, int(p*float64(len(sorted))))]
}

// median gives the middle value, of an even number the mean of both.
func median(list []float64) float64 {
	if len(list) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(list))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// medianOf gives the median of one figure of many rounds.
func medianOf[T any](list []T, figure func(T) float64) float64 {
	var figures []float64
	for _, x := range list {
		figures = append(figures, figure(x))
	}
	return median(figures)
}
