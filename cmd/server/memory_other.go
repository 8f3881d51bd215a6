//go:build !linux

package main

// dropStartPages does nothing: see the one for Linux.
func dropStartPages() {}
