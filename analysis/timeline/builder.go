package timeline

// Builder collects the events of one cell. Different collectors may use it at
// the same time: its own methods are safe for concurrent use, and the Append
// methods of one ThreadBuilder may be called by several goroutines as long as no
// two of them append to the same table.
type Builder struct{}

// ThreadBuilder fills the tables of one thread. Append methods accept events in
// nearly any order: each ordered stretch becomes a run, and Build merges the runs.
type ThreadBuilder struct{}
