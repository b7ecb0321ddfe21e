package phrase

import (
	"path"
	"regexp"
	"strings"
)

var (
	standard = regexp.MustCompile(`^(?:.*/)?lib(?:32|64)?/((?:python3(?:\.\d+)?t?|python3\d+\.zip)/.*)$`)
	home     = regexp.MustCompile(`^(?:/root|/(?:home|Users)/[^/]+)/$`)
	// What IPython and ipykernel call the code of a cell.
	cellFile  = regexp.MustCompile(`(?:^|/)ipykernel_\d+/\d+\.py$|^<ipython-input-.*>$`)
	extension = regexp.MustCompile(`\.(?:cpython-[^/]*|abi3|pypy[^/]*)\.so$`)
	// A wheel's copy of a library carries a part of its hash.
	vendored = regexp.MustCompile(`-[0-9a-f]{8}(\.so[.0-9]*)$`)
)

// File is a source file's name as a report shows it: never a path of the machine. Files of
// packages and of the standard library are named from that folder on, others by their last
// two components, of which the first is never a home; the code of other cells as that.
func File(name string) string {
	switch {
	case cellFile.MatchString(name):
		return "another cell"
	case strings.HasPrefix(name, "<"):
		return name
	}
	if i := strings.LastIndex(name, "-packages/"); i >= 0 {
		// The innermost one: an environment may lie below another's packages.
		start := strings.LastIndexByte(name[:i], '/') + 1
		return name[start:]
	}
	if m := standard.FindStringSubmatch(name); m != nil {
		return m[1]
	}
	dir, base := path.Split(name)
	if home.MatchString(dir) {
		return base // the folder's name is the user's
	}
	if dir = path.Base(dir); dir == "." || dir == "/" {
		return base
	}
	return dir + "/" + base
}

// ShortFile is File in a word, for a sentence: "encoder.py", "collections" for the package's
// own file, "posixpath" for a frozen module, and "another cell".
func ShortFile(name string) string {
	if module, ok := strings.CutPrefix(name, "<frozen "); ok {
		return strings.TrimSuffix(module, ">")
	}
	if cellFile.MatchString(name) {
		return "another cell"
	}
	dir, base := path.Split(name)
	if base == "__init__.py" && path.Base(dir) != "/" && path.Base(dir) != "." {
		return path.Base(dir)
	}
	return base
}

// Library is a native library's name without its folder and without what packaging added
// to it: "_multiarray_umath", "libzmq.so.5.2.5".
func Library(name string) string {
	name = name[strings.LastIndexByte(name, '/')+1:]
	name = extension.ReplaceAllString(name, "")
	return vendored.ReplaceAllString(name, "$1")
}

// Function is a function's qualified name without what only the compiler needs: a nested
// function by its own name, a comprehension or lambda by that of the function around it,
// and empty when there is none around it.
func Function(qualified string) string {
	parts := strings.Split(qualified, ".<locals>.")
	for len(parts) > 0 && strings.HasPrefix(parts[len(parts)-1], "<") {
		parts = parts[:len(parts)-1]
	}
	if len(parts) == 0 {
		return ""
	}
	// A class with a comprehension of its own: "C.<listcomp>".
	name, _, _ := strings.Cut(parts[len(parts)-1], ".<")
	return name
}
