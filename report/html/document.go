package html

import (
	"bytes"

	"github.com/inferscope/inferscope/analysis/result"
)

// Document writes the report of r as a page of its own, for a file. A browser loads
// and executes nothing on it.
func Document(r *result.Result) []byte { return document(r.Cell.Name, Render(r)) }

// document is a page with a title from outside around a fragment.
func document(title string, fragment []byte) []byte {
	p := &page{}
	p.raw(`<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">`,
		`<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:"><title>`, escaped(title, 80), ` · InferScope</title></head><body>`)
	return bytes.Join([][]byte{p.b.Bytes(), fragment, []byte("</body></html>\n")}, nil)
}
