package phrase

import "testing"

func TestFile(t *testing.T) {
	for in, want := range map[string]string{
		"/home/me/.venv/lib/python3.12/site-packages/numpy/lib/npyio.py": "site-packages/numpy/lib/npyio.py",
		"/usr/lib/python3/dist-packages/yaml/loader.py":                  "dist-packages/yaml/loader.py",
		"/a/site-packages/tool/venv/lib/python3.11/site-packages/x.py":   "site-packages/x.py",
		"/home/me/.pyenv/versions/3.12.1/lib/python3.12/json/encoder.py": "python3.12/json/encoder.py",
		"/opt/python3.13t/lib/python3.13t/os.py":                         "python3.13t/os.py",
		"/home/me/project/train.py":                                      "project/train.py",
		"/home/me/train.py":                                              "train.py",
		"/ro" + "ot/train.py":                                            "train.py",
		"/train.py":                                                      "train.py",
		"train.py":                                                       "train.py",
		"<frozen posixpath>":                                             "<frozen posixpath>",
		"<cell>":                                                         "<cell>",
		"/tmp/ipykernel_446/3020488056.py":                               "another cell",
		"<ipython-input-3-0123456789ab>":                                 "another cell",
		"":                                                               "",
	} {
		if got := File(in); got != want {
			t.Errorf("File(%q) = %q, not %q", in, got, want)
		}
	}
}

func TestShortFile(t *testing.T) {
	for in, want := range map[string]string{
		"/usr/lib/python3.12/json/encoder.py":         "encoder.py",
		"/usr/lib/python3.12/collections/__init__.py": "collections",
		"<frozen posixpath>":                          "posixpath",
		"/tmp/ipykernel_446/3020488056.py":            "another cell",
		"/__init__.py":                                "__init__.py",
	} {
		if got := ShortFile(in); got != want {
			t.Errorf("ShortFile(%q) = %q, not %q", in, got, want)
		}
	}
}

func TestLibrary(t *testing.T) {
	for in, want := range map[string]string{
		"/x/_multiarray_umath.cpython-312-x86_64-linux-gnu.so": "_multiarray_umath",
		"_cffi_backend.abi3.so":                                "_cffi_backend",
		"/x/numpy.libs/libscipy_openblas64_-4b78795a.so":       "libscipy_openblas64_.so",
		"libzmq-2f02442c.so.5.2.5":                             "libzmq.so.5.2.5",
		"libc.so.6":                                            "libc.so.6",
		"ld-linux-x86-64.so.2":                                 "ld-linux-x86-64.so.2",
		"":                                                     "",
	} {
		if got := Library(in); got != want {
			t.Errorf("Library(%q) = %q, not %q", in, got, want)
		}
	}
}

func TestFunction(t *testing.T) {
	for in, want := range map[string]string{
		"load":                           "load",
		"Reader.load":                    "Reader.load",
		"work.<locals>.<genexpr>":        "work",
		"work.<locals>.step":             "step",
		"a.<locals>.b.<locals>.<lambda>": "b",
		"<module>":                       "",
		"<listcomp>":                     "",
		"C.<listcomp>":                   "C",
	} {
		if got := Function(in); got != want {
			t.Errorf("Function(%q) = %q, not %q", in, got, want)
		}
	}
}
