package html

import (
	"fmt"
	"os"
	"testing"

	"github.com/inferscope/inferscope/report/internal/fixtures"
)

func TestTmp(t *testing.T) {
	os.MkdirAll("/tmp/sample", 0o755)
	for _, c := range fixtures.All() {
		b := Render(c.Result)
		fmt.Println(c.Name, len(b))
		os.WriteFile("/tmp/sample/"+c.Name+".html", b, 0o644)
		svg, _ := drawing(c.Result, generous)
		os.WriteFile("/tmp/sample/"+c.Name+".svg", []byte(svg), 0o644)
	}
}

func BenchmarkHuge(b *testing.B) { r := fixtures.Huge(); b.ResetTimer(); for range b.N { Render(r) } }
func BenchmarkTypical(b *testing.B) { r := fixtures.Typical(); b.ResetTimer(); for range b.N { Render(r) } }
