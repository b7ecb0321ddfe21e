package ebpf

import (
	"errors"
	"testing"
	"time"
	"fmt"
	"github.com/cilium/ebpf"
)

func TestLoad(t *testing.T) {
	c := New(Options{})
	t.Log(c.Status())
	a:=time.Now()
	err := c.Warm()
	var v *ebpf.VerifierError
	if errors.As(err, &v) {
		fmt.Printf("%+v\n", v)
	}
	if err != nil { t.Fatal(err) }
	t.Log(time.Since(a), c.programs.source)
}
