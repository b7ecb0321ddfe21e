package sqlite

import "strings"

// define reads the columns of a table from the statement that made it. A statement
// that is not understood gives a table without columns.
func (t *Table) define(sql string) {
	t.alias = -1
	body, tail, ok := parenthesised(words(sql))
	if !ok {
		return
	}
	for i, word := range tail {
		if strings.EqualFold(word, "WITHOUT") && i+1 < len(tail) && strings.EqualFold(tail[i+1], "ROWID") {
			t.strange = true
		}
	}
	for _, definition := range split(body) {
		if len(definition) == 0 {
			continue
		}
		switch strings.ToUpper(definition[0]) {
		case "CONSTRAINT", "UNIQUE", "CHECK", "FOREIGN":
			continue
		case "PRIMARY":
			if len(definition) == 5 && definition[2] == "(" { // PRIMARY KEY ( name )
				t.setAlias(unquoted(definition[3]))
			}
			continue
		}
		t.Columns = append(t.Columns, unquoted(definition[0]))
		if len(definition) < 2 || !strings.EqualFold(definition[1], "INTEGER") {
			continue
		}
		t.integers = append(t.integers, len(t.Columns)-1)
		for i := 2; i+1 < len(definition); i++ {
			if strings.EqualFold(definition[i], "PRIMARY") && strings.EqualFold(definition[i+1], "KEY") &&
				(i+2 == len(definition) || !strings.EqualFold(definition[i+2], "DESC")) {
				t.alias = len(t.Columns) - 1
			}
		}
	}
}

// setAlias makes an integer column the row's number.
func (t *Table) setAlias(name string) {
	for _, i := range t.integers {
		if strings.EqualFold(t.Columns[i], name) {
			t.alias = i
		}
	}
}

// words cuts a statement into names, quoted names with their quotes, and single signs,
// without comments.
func words(sql string) []string {
	var out []string
	for i := 0; i < len(sql); {
		c := sql[i]
		switch {
		case c <= ' ':
			i++
		case strings.HasPrefix(sql[i:], "--"):
			end := strings.IndexByte(sql[i:], '\n')
			if end < 0 {
				return out
			}
			i += end + 1
		case strings.HasPrefix(sql[i:], "/*"):
			end := strings.Index(sql[i+2:], "*/")
			if end < 0 {
				return out
			}
			i += end + 4
		case c == '"' || c == '`' || c == '\'' || c == '[':
			closing := c
			if c == '[' {
				closing = ']'
			}
			end := i + 1
			for end < len(sql) && (sql[end] != closing || end+1 < len(sql) && sql[end+1] == closing && c != '[') {
				if sql[end] == closing {
					end++
				}
				end++
			}
			end = min(end+1, len(sql))
			out = append(out, sql[i:end])
			i = end
		case nameByte(c):
			end := i
			for end < len(sql) && nameByte(sql[end]) {
				end++
			}
			out = append(out, sql[i:end])
			i = end
		default:
			out = append(out, sql[i:i+1])
			i++
		}
	}
	return out
}

func nameByte(c byte) bool {
	return c == '_' || c == '$' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// parenthesised is what stands between the first parenthesis and the one that closes it, and what follows.
func parenthesised(list []string) (body, tail []string, ok bool) {
	depth, from := 0, 0
	for i, word := range list {
		switch word {
		case "(":
			if depth++; depth == 1 {
				from = i + 1
			}
		case ")":
			if depth--; depth == 0 {
				return list[from:i], list[i+1:], true
			}
		}
	}
	return nil, nil, false
}

// split cuts at the commas outside of parentheses.
func split(list []string) [][]string {
	var out [][]string
	depth, from := 0, 0
	for i, word := range list {
		switch word {
		case "(":
			depth++
		case ")":
			depth--
		case ",":
			if depth == 0 {
				out = append(out, list[from:i])
				from = i + 1
			}
		}
	}
	return append(out, list[from:])
}

// unquoted is a name without its quotes.
func unquoted(word string) string {
	if len(word) < 2 {
		return word
	}
	switch c := word[0]; c {
	case '[':
		return strings.TrimSuffix(word[1:], "]")
	case '"', '`', '\'':
		inner := strings.TrimSuffix(word[1:], string(c))
		return strings.ReplaceAll(inner, string([]byte{c, c}), string(c))
	}
	return word
}
