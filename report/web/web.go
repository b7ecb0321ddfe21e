// Package web holds the built script of the interactive timeline. Its source is in
// src, in TypeScript; nothing but the bundle is needed to build or run InferScope.
package web

import _ "embed"

//go:generate node build.mjs

// Bundle is the script, to stand inside of a script element right after one with its
// data. It finds both by document.currentScript.
//
//go:embed bundle.js
var Bundle string
