package tracetest

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// RealTraces is the folder with traces that other tools recorded, and expected.json: what was computed of them
// independently. It is the one that INFERSCOPE_TRACES names, or else shared/traces beside the repository; where that is
// not, the test is skipped.
func RealTraces(t testing.TB) string {
	t.Helper()
	if folder := os.Getenv("INFERSCOPE_TRACES"); folder != "" {
		if _, err := os.Stat(folder); err != nil {
			t.Fatal(err)
		}
		return folder
	}
	root, err := os.Getwd()
	for err == nil {
		if _, missing := os.Stat(filepath.Join(root, "go.mod")); missing == nil {
			break
		}
		if root == filepath.Dir(root) {
			err = errors.New("the test does not run in the repository")
		}
		root = filepath.Dir(root)
	}
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(filepath.Dir(root), "shared", "traces")
	if _, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) {
		t.Skipf("there is no folder %s", folder)
	} else if err != nil {
		t.Fatal(err)
	}
	return folder
}
