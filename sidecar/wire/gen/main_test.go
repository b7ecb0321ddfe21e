package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestCommittedFilesAreCurrent fails when messages.go changed without go generate.
func TestCommittedFilesAreCurrent(t *testing.T) {
	p, err := readPackage("..")
	if err != nil {
		t.Fatal(err)
	}
	registry, err := registrySource(p)
	if err != nil {
		t.Fatal(err)
	}
	python, err := pythonSource(p)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]byte{registryFile: registry, pythonFile: python} {
		got, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what its source generates: run go generate ./sidecar/wire", name)
		}
	}
}

func TestUpperSnake(t *testing.T) {
	for in, want := range map[string]string{
		"MaxHelloFrame": "MAX_HELLO_FRAME", "EBPFOffset": "EBPF_OFFSET", "Version": "VERSION", "CodeUnknownCell": "CODE_UNKNOWN_CELL",
	} {
		if got := upperSnake(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

func TestAttributeDocLeavesOutTheName(t *testing.T) {
	fields := []fieldDecl{{goName: "PeriodNs", name: "period_ns"}, {goName: "Time", name: "time"}}
	for doc, want := range map[string]string{
		"PeriodNs is the time of one sample.": "The time of one sample.",
		"PeriodNs says how long.":             "Says how long.",
		"PeriodNs is int64, as Time.":         "int64, as time.",
		"PeriodNs and Time are int64.":        "period_ns and time are int64.",
	} {
		if got := attributeDoc(fieldDecl{name: "period_ns", doc: doc}, fields); got != want {
			t.Errorf("%q: %q, want %q", doc, got, want)
		}
	}
}
