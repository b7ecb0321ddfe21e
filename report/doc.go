// Package report holds what the renderings of a result share: how a duration,
// a share or a number of bytes is written, what a cause is called, and how
// hostile text is made visible. The renderings themselves are html, markdown,
// text and summary. Nothing here computes a number: it is all wording.
package report
