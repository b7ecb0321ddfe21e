// Package procfs reads /proc: the accounting of one process around a cell
// (always on), the lowest kernel-side rung of the ladder (threads sampled some
// hundred times a second), and what other collectors need to know of a blocked
// thread or of a mapping.
//
// Everything in /proc is hostile text: a thread's name may hold spaces,
// parentheses and line breaks, files may end in the middle, and a process may
// vanish between two reads. No parser trusts a length and none panics.
package procfs
