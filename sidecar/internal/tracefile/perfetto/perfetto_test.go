package perfetto

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile/tracetest"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile/track"
)

// field is one field of an encoded message.
type field struct {
	number uint64
	value  uint64
	bytes  []byte
}

// fields decodes a message, one level deep.
func fields(t *testing.T, m []byte) []field {
	t.Helper()
	var out []field
	uvarint := func() uint64 {
		v, n := binary.Uvarint(m)
		if n <= 0 {
			t.Fatalf("no number in % x", m)
		}
		m = m[n:]
		return v
	}
	for len(m) > 0 {
		tag := uvarint()
		f := field{number: tag >> 3}
		switch tag & 7 {
		case wireVarint:
			f.value = uvarint()
		case wireFixed64:
			f.value, m = binary.LittleEndian.Uint64(m), m[8:]
		case wireBytes:
			n := uvarint()
			f.bytes, m = m[:n], m[n:]
		default:
			t.Fatalf("wire type %d", tag&7)
		}
		out = append(out, f)
	}
	return out
}

func first(list []field, number uint64) (field, bool) {
	for _, f := range list {
		if f.number == number {
			return f, true
		}
	}
	return field{}, false
}

func packets(t *testing.T, in track.Input) [][]field {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, in); err != nil {
		t.Fatal(err)
	}
	var out [][]field
	for _, f := range fields(t, b.Bytes()) {
		if f.number != tracePacket {
			t.Fatalf("field %d of the trace", f.number)
		}
		out = append(out, fields(t, f.bytes))
	}
	return out
}

func TestTheClockIsMonotonic(t *testing.T) {
	in := tracetest.Everything()
	list := packets(t, in)
	snapshot, ok := first(list[0], packetClockSnapshot)
	if !ok {
		t.Fatal("the first packet has no clocks")
	}
	defaults, _ := first(list[0], packetDefaults)
	if of, ok := first(fields(t, defaults.bytes), defaultsTimeClock); !ok || of.value != clockMonotonic {
		t.Errorf("times are of clock %d", of.value)
	}
	primary, _ := first(fields(t, snapshot.bytes), snapshotPrimary)
	clock, _ := first(fields(t, snapshot.bytes), snapshotClock)
	id, _ := first(fields(t, clock.bytes), clockID)
	at, _ := first(fields(t, clock.bytes), clockTime)
	if primary.value != clockMonotonic || id.value != clockMonotonic || int64(at.value) != in.Timeline.Window.Start {
		t.Errorf("clock %d at %d, primary %d", id.value, at.value, primary.value)
	}
	for _, p := range list[1:] {
		if f, ok := first(p, packetTimestamp); ok && (int64(f.value) < in.Timeline.Window.Start || int64(f.value) > in.Timeline.Extent.End) {
			t.Errorf("a packet at %d", f.value)
		}
	}
}

// Everything that a packet refers to was told in it or before it, and all text is UTF-8.
func TestReferencesAreTold(t *testing.T) {
	for _, c := range tracetest.Cases() {
		known := map[uint64]map[uint64]bool{internedNames: {}, internedCategories: {}, internedKeys: {}, internedTexts: {}}
		tracks := map[uint64]bool{}
		refer := func(kind, id uint64) {
			if !known[kind][id] {
				t.Fatalf("%s: text %d of kind %d was never told", c.Name, id, kind)
			}
		}
		for _, p := range packets(t, c.Input) {
			if f, ok := first(p, packetInterned); ok {
				for _, entry := range fields(t, f.bytes) {
					id, _ := first(fields(t, entry.bytes), entryID)
					text, _ := first(fields(t, entry.bytes), entryText)
					if id.value == 0 || known[entry.number][id.value] || !utf8.Valid(text.bytes) {
						t.Fatalf("%s: text %d of kind %d: %q", c.Name, id.value, entry.number, text.bytes)
					}
					known[entry.number][id.value] = true
				}
			}
			if f, ok := first(p, packetTrack); ok {
				id, _ := first(fields(t, f.bytes), trackUUID)
				if parent, ok := first(fields(t, f.bytes), trackParent); id.value == 0 || tracks[id.value] || ok && !tracks[parent.value] {
					t.Fatalf("%s: track %d below %d", c.Name, id.value, parent.value)
				}
				tracks[id.value] = true
			}
			event, ok := first(p, packetTrackEvent)
			if !ok {
				continue
			}
			for _, f := range fields(t, event.bytes) {
				switch f.number {
				case eventTrack:
					if !tracks[f.value] {
						t.Fatalf("%s: an event of track %d, which was never told", c.Name, f.value)
					}
				case eventNameID:
					refer(internedNames, f.value)
				case eventCategory:
					refer(internedCategories, f.value)
				case eventAnnotation:
					key, _ := first(fields(t, f.bytes), annotationNameID)
					refer(internedKeys, key.value)
					if text, ok := first(fields(t, f.bytes), annotationTextID); ok {
						refer(internedTexts, text.value)
					}
				}
			}
		}
	}
}

// Where there is more text than is interned, it is written where it is used.
func TestInterningIsBounded(t *testing.T) {
	b := timeline.NewBuilder()
	thread := b.Thread(1, 2)
	thread.SetMain()
	const n = 12_000
	for i := range int64(n) {
		thread.AppendScope(i, i+1, b.Name(fmt.Sprint(i, strings.Repeat("x", 4000))), 0)
	}
	inline, interned := 0, 0
	for _, p := range packets(t, track.Input{Timeline: b.Build(timeline.Interval{End: n})}) {
		event, ok := first(p, packetTrackEvent)
		if !ok {
			continue
		}
		if _, ok := first(fields(t, event.bytes), eventName); ok {
			inline++
		} else if _, ok := first(fields(t, event.bytes), eventNameID); ok {
			interned++
		}
	}
	if inline+interned != n || interned < 8000 || interned*4000 > maxInterned {
		t.Errorf("%d names are interned, %d written", interned, inline)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestAFullDiskIsAnError(t *testing.T) {
	if err := Write(broken{}, tracetest.Everything()); err == nil || err.Error() != "write the Perfetto trace: no space left on device" {
		t.Errorf("got %v", err)
	}
}
