package timeline

// ResolveCalls fills the Call of device operations by correlation, one column a device.
// It is meant for operations that were kept apart from the calls that launched them; a row
// whose Call is not want is left as it is. Calls must be complete and sorted by Start.
func (t *Timeline) ResolveCalls(want int32, correlation [][]uint32) {
	index := correlate(&t.Calls)
	for i := range t.Devices {
		ops := &t.Devices[i].Ops
		for row, call := range ops.Call {
			if call != want {
				continue
			}
			ops.Call[row] = -1
			if id := correlation[i][row]; id != 0 {
				ops.Call[row] = index.row(id)
			}
		}
	}
	t.Extent = extent(t.Window, t.Devices)
}
