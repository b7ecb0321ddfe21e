//go:build !amd64

package procfs

// archKindOf has nothing to add: newer architectures have the general calls only.
func archKindOf(int64) callKind { return kindOther }
