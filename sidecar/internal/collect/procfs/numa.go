package procfs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/inferscope/inferscope/analysis/timeline"
)

// numaBudget is how long the reading of a process's memory placement may take.
// The kernel walks the page tables for it: some 20 ms a GiB of small pages.
const numaBudget = 150 * time.Millisecond

// nodes are the machine's memory nodes.
type nodes struct {
	list  []int
	ofCPU map[int]int
}

// readNodes reads the nodes from sysfs; none when the kernel does not tell.
func readNodes(sys string) nodes {
	n := nodes{ofCPU: map[int]int{}}
	text, err := os.ReadFile(filepath.Join(sys, "devices/system/node/has_memory"))
	if err != nil {
		text, err = os.ReadFile(filepath.Join(sys, "devices/system/node/online"))
	}
	if err != nil {
		return n
	}
	if n.list, err = ParseList(text); err != nil {
		return nodes{}
	}
	for _, node := range n.list {
		text, err := os.ReadFile(filepath.Join(sys, fmt.Sprintf("devices/system/node/node%d/cpulist", node)))
		if err != nil {
			continue
		}
		cpus, err := ParseList(text)
		if err != nil {
			continue
		}
		for _, cpu := range cpus {
			n.ofCPU[cpu] = node
		}
	}
	return n
}

// errSlow says that the reading was given up.
var errSlow = errors.New("the process has so much memory that reading it would take too long")

// memoryByNode adds up the process's resident bytes by node. It gives up after
// budget; a read that is then still in the kernel ends on its own later.
func memoryByNode(pid int, budget time.Duration) (map[int]int64, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/numa_maps", pid))
	if err != nil {
		return nil, err
	}
	type answer struct {
		bytes map[int]int64
		err   error
	}
	ready := make(chan answer, 1)
	deadline := time.Now().Add(budget)
	go func() {
		defer func() { _ = f.Close() }()
		bytes, err := sumNUMA(f, func() bool { return time.Now().After(deadline) })
		ready <- answer{bytes, err}
	}()
	timer := time.NewTimer(budget)
	defer timer.Stop()
	select {
	case a := <-ready:
		return a.bytes, a.err
	case <-timer.C:
		return nil, errSlow
	}
}

// sumNUMA adds up a numa_maps file by node, in bytes.
func sumNUMA(r io.Reader, late func() bool) (map[int]int64, error) {
	out := map[int]int64{}
	buf := make([]byte, 64<<10)
	held := 0
	for {
		if late() {
			return nil, errSlow
		}
		n, err := r.Read(buf[held:])
		text := buf[:held+n]
		for {
			i := bytes.IndexByte(text, '\n')
			if i < 0 {
				break
			}
			addNUMALine(text[:i], out)
			text = text[i+1:]
		}
		held = copy(buf, text)
		if held == len(buf) { // a line longer than any that the kernel writes
			held = 0
		}
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// addNUMALine adds one line's pages, "N0=12 N1=3 kernelpagesize_kB=4", to into.
func addNUMALine(line []byte, into map[int]int64) {
	page := int64(4 << 10)
	type count struct {
		node  int
		pages int64
	}
	var counts [64]count
	n := 0
	for {
		var field []byte
		if field, line = nextField(line); len(field) == 0 {
			break
		}
		key, text, ok := bytes.Cut(field, []byte{'='})
		if !ok {
			continue
		}
		v, ok := parseInt(text)
		if !ok || v < 0 || v > 1<<40 {
			continue
		}
		switch {
		case string(key) == "kernelpagesize_kB":
			page = min(v, 1<<30) << 10
		case len(key) > 1 && key[0] == 'N' && n < len(counts):
			if node, ok := parseInt(key[1:]); ok && node >= 0 && node < maxCPUs {
				counts[n] = count{int(node), v}
				n++
			}
		}
	}
	for _, c := range counts[:n] {
		if page > 0 && c.pages < (1<<62)/page && into[c.node] < 1<<62 {
			into[c.node] += c.pages * page
		}
	}
}

// placementOf joins memory and CPU time by node; every node has its row.
func placementOf(list []int, bytes, cpu map[int]int64) []timeline.NUMANode {
	var total int64
	for _, v := range cpu {
		total += v
	}
	out := make([]timeline.NUMANode, 0, len(list))
	for _, node := range list {
		row := timeline.NUMANode{Node: node, Bytes: bytes[node], CPUShare: -1}
		if total > 0 {
			row.CPUShare = float64(cpu[node]) / float64(total)
		}
		out = append(out, row)
	}
	return out
}
