package config

import "strings"

// Schema is the JSON schema of the user's file, and of [tool.inferscope], for editors
// and for whoever writes such files by program.
func Schema() map[string]any {
	root := table()
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "InferScope's configuration"
	for _, s := range All {
		in := root
		parts := strings.Split(s.Name, ".")
		for _, group := range parts[:len(parts)-1] {
			properties := in["properties"].(map[string]any)
			if properties[group] == nil {
				properties[group] = table()
			}
			in = properties[group].(map[string]any)
		}
		in["properties"].(map[string]any)[parts[len(parts)-1]] = s.schema()
	}
	root["properties"].(map[string]any)[rulesKey] = rulesSchema()
	return root
}

func table() map[string]any {
	return map[string]any{"type": "object", "additionalProperties": false, "properties": map[string]any{}}
}

func (s Setting) schema() map[string]any {
	schema := map[string]any{"description": s.Doc}
	if value, err := s.Parse(s.Default); err == nil {
		schema["default"] = value
	}
	bounds := func(kind string) map[string]any {
		return map[string]any{"type": kind, "minimum": s.Min, "maximum": s.Max}
	}
	set := func(add map[string]any) {
		for key, value := range add {
			schema[key] = value
		}
	}
	switch s.Kind() {
	case KindBool:
		schema["type"] = "boolean"
	case KindInt:
		set(bounds("integer"))
	case KindFloat:
		set(bounds("number"))
	case KindChoice:
		schema["enum"] = s.Choices
	case KindPath:
		set(map[string]any{"type": "string", "minLength": 1})
	case KindSize:
		schema["anyOf"] = []any{bounds("integer"), map[string]any{"type": "string", "pattern": sizePattern}}
		schema["default"] = s.Default
	case KindDuration:
		schema["anyOf"] = []any{bounds("number"), map[string]any{"type": "string", "pattern": durationPattern}}
		schema["default"] = s.Default
	}
	return schema
}

const (
	sizePattern     = `^\s*[0-9.]+\s*([KkMmGgTt]?[Ii]?[Bb]?)\s*$`
	durationPattern = `^\s*([0-9.]+(ns|us|µs|ms|s|m|h)?)+\s*$`
)
