package html

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"sync"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/report/web"
)

// Document writes the report of r as a page of its own, for a file. A browser loads
// nothing for it, executes the timeline's script and no other, and paints it light or
// dark as the user likes pages.
func Document(r *result.Result) []byte { return document(r.Cell.Name, Render(r)) }

// document is a page with a title from outside around a fragment.
func document(title string, fragment []byte) []byte {
	p := &page{}
	p.raw(`<!doctype html><html lang="en" style="color-scheme:light dark;background:canvas;color:canvastext"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">`,
		`<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src `, scriptHash(), `"><title>`, escaped(title, 80), ` · InferScope</title></head><body><main>`)
	return bytes.Join([][]byte{p.b.Bytes(), fragment, []byte("</main></body></html>\n")}, nil)
}

// scriptHash names the timeline's script to a content security policy, which then admits no other.
var scriptHash = sync.OnceValue(func() markup {
	sum := sha256.Sum256([]byte(web.Bundle))
	return "'sha256-" + markup(base64.StdEncoding.EncodeToString(sum[:])) + "'"
})
