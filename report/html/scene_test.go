package html

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/report/internal/fixtures"
	"github.com/inferscope/inferscope/report/internal/golden"
	"github.com/inferscope/inferscope/report/web"
)

var scripts = regexp.MustCompile(`(?s)<script type="application/json">(.*?)</script><script>(.*?)</script>`)

// The timeline is beside the base, which it does not change: what a host without scripts shows is the same.
func TestBaseIsTheSameWithoutScripts(t *testing.T) {
	for _, c := range fixtures.Timelines() {
		out := Render(c.Result)
		if n := len(scripts.FindAll(out, -1)); n != min(len(c.Result.Scene.Lanes), 1) {
			t.Errorf("%s: %d scripts", c.Name, n)
		}
		still := *c.Result
		still.Scene = result.Scene{}
		if base := Render(&still); !bytes.Equal(scripts.ReplaceAll(out, nil), base) {
			t.Errorf("%s: the base is another", c.Name)
		}
	}
}

// All text from outside is inside of the base 64.
func TestScriptsHoldNoTextFromOutside(t *testing.T) {
	m := scripts.FindSubmatch(Render(fixtures.HostileTimeline()))
	if m == nil {
		t.Fatal("no script")
	}
	if string(m[2]) != web.Bundle {
		t.Error("the script is not the bundle")
	}
	if bytes.ContainsAny(m[1], "<>&") {
		t.Error("markup in the data")
	}
	var d description
	if err := json.Unmarshal(m[1], &d); err != nil {
		t.Fatal(err)
	}
	for _, look := range d.Classes {
		if !regexp.MustCompile(`^#[0-9a-f]{6}$`).MatchString(look.Color) || strings.ContainsAny(look.Words, "<>&") {
			t.Errorf("look %v", look)
		}
	}
}

func TestSizeOfTheTimeline(t *testing.T) {
	if n := len(web.Bundle); n > 60<<10 {
		t.Errorf("the script takes %d bytes", n)
	}
	many := fixtures.Kernels(100_000)
	for name, c := range map[string]struct {
		r    *result.Result
		most int
	}{"a loop": {fixtures.Training(), 150 << 10}, "many kernels": {many, 150 << 10}, "hostile": {fixtures.HostileTimeline(), 150 << 10}} {
		m := scripts.FindSubmatch(Render(c.r))
		if m == nil {
			t.Fatalf("%s: no script", name)
		}
		t.Logf("%s: %d bytes", name, len(m[1]))
		if len(m[1]) > c.most {
			t.Errorf("%s: data of %d bytes", name, len(m[1]))
		}
	}
	// A base that fills the report gives room.
	huge := fixtures.Huge()
	huge.Scene = many.Scene
	out := Render(huge)
	if len(out) > MaxBytes || !scripts.Match(out) {
		t.Errorf("%d bytes, with its script: %v", len(out), scripts.Match(out))
	}
	if n := len(Document(huge)); n > 1<<20 {
		t.Errorf("a page of %d bytes", n)
	}
}

// The policy of a page of its own admits the timeline's script, by its content.
func TestDocumentAdmitsItsScript(t *testing.T) {
	out := string(Document(fixtures.Training()))
	m := scripts.FindStringSubmatch(out)
	sum := sha256.Sum256([]byte(m[2]))
	if want := "script-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(out, want) {
		t.Errorf("the policy has no %s: %.400s", want, out)
	}
}

// sampleScene is a scene with everything once; report/web/test reads how it is packed.
func sampleScene() result.Scene {
	one := func(start, end int64, key int32) result.SceneItem {
		return result.SceneItem{Start: start, End: end, Parts: []result.ScenePart{{Key: key, Ns: end - start, Count: 1}}}
	}
	return result.Scene{Window: timeline.Interval{Start: 5, End: 4_000_000_005}, CodeNs: 3_999_999_000,
		Keys: []result.SceneKey{{Class: "other"}, {Class: "kernel", Label: "gemm<float> 𝕂 \u202e", Line: 3}, {Class: "copy", Label: "HtoD"}, {Class: "kernel", Label: "relu"}},
		Lanes: []result.SceneLane{
			{Kind: result.LaneStream, Name: "stream 7", Device: 1, Stream: 7, MergedNs: 4096, Items: []result.SceneItem{
				one(0, 1_000_000_000, 1), one(900_000_000, 950_000_000, 2),
				{Start: 1_000_000_001, End: 2_000_000_000, Parts: []result.ScenePart{{Key: 3, Ns: 300, Count: 70}, {Key: 0, Ns: 20, Count: 9}}},
				{Start: 3_000_000_000, End: 3_000_000_000, Parts: []result.ScenePart{{Key: 2, Ns: 0, Count: 5}}}}},
			{Kind: result.LaneCalls, Name: "CUDA calls", Thread: 2, Device: -1, Items: []result.SceneItem{one(10, 20, 2)}}},
		Series: []result.SceneSeries{{Name: "power", Unit: "W", Time: []int64{0, 1000, 3_000_000_000}, Low: []float64{100, 250, 400}, High: []float64{100, 700, 400}}},
		Arrows: []result.SceneArrow{{FromLane: 1, ToLane: 0, From: 10, To: 900_000_000}, {FromLane: 1, ToLane: 0, From: 5, To: 3}}}
}

// The packed scene is a golden file, which the decoder's own tests read.
func TestPack(t *testing.T) {
	scene := sampleScene()
	packed, classes := pack(&scene)
	if want := []string{"other", "kernel", "copy"}; fmt.Sprint(classes) != fmt.Sprint(want) {
		t.Errorf("classes %v", classes)
	}
	text, err := json.MarshalIndent(map[string]string{"packed": base64.StdEncoding.EncodeToString(packed), "data": deflated(packed)}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "scene.json", append(text, '\n'))
}
