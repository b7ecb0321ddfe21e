package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/inferscope/inferscope/sidecar/internal/nearest"
)

// Rule is a rule of the user's own: a finding that is made when an expression holds. What the
// expression means is not known here.
type Rule struct {
	// Name is the finding's id. Of several rules of one name the last counts.
	Name string
	// When is the expression.
	When string
	// Severity is "info", "low", "medium" or "high".
	Severity string
	// Title and Advice are what the finding says; Title may be empty.
	Title, Advice string
	// Origin is where it stands.
	Origin Origin
}

// Bounds of rules, so that a file cannot make a report endless.
const (
	// MaxRules is how many rules one file may have.
	MaxRules = 50
	maxWhen  = 2000
	maxText  = 1000
)

// rulesKey is the array of tables that has the rules.
const rulesKey = "rules"

// Severities are what a rule's severity may be, the least first.
var Severities = []string{"info", "low", "medium", "high"}

// RuleField is one key of a rule, for the documentation and the schema.
type RuleField struct {
	Name, Doc string
	Required  bool
	Choices   []string
	Pattern   string
	max       int
	field     func(*Rule) *string
}

// RuleFields are the keys of a rule.
var RuleFields = []RuleField{
	{Name: "name", Doc: "The finding's id: small letters, digits and hyphens, and not that of a finding of InferScope's own.", Required: true,
		Pattern: `^[a-z][a-z0-9-]{0,59}$`, max: 60, field: func(r *Rule) *string { return &r.Name }},
	{Name: "when", Doc: "The expression over the JSON summary that must hold.", Required: true, max: maxWhen, field: func(r *Rule) *string { return &r.When }},
	{Name: "advice", Doc: "What to do: one or two sentences.", Required: true, max: maxText, field: func(r *Rule) *string { return &r.Advice }},
	{Name: "title", Doc: "The finding's title; the name unless given.", max: maxText, field: func(r *Rule) *string { return &r.Title }},
	{Name: "severity", Doc: "How much it matters; `low` unless given.", Choices: Severities, max: 10, field: func(r *Rule) *string { return &r.Severity }},
}

// takeRules takes the array of rules of a file.
func (f *file) takeRules(value any) {
	list, ok := value.([]any)
	if !ok {
		f.problem([]string{rulesKey}, "rules must be an array of tables: [["+strings.Join(append(slices.Clone(f.table), rulesKey), ".")+"]]", "")
		return
	}
	for i, entry := range list {
		path := []string{rulesKey, rowKey(i)}
		if i == MaxRules {
			f.problem(path, fmt.Sprintf("there are %d rules, and the first %d count", len(list), MaxRules), "")
			return
		}
		table, ok := entry.(map[string]any)
		if !ok {
			f.problem(path, fmt.Sprintf("rule %d must be a table", i+1), "")
			continue
		}
		if rule, ok := f.takeRule(path, i, table); ok {
			f.resolver.addRule(rule)
		}
	}
}

// rowKey is what keyFinder calls a row of an array of tables; no key of a rule is spelled so.
func rowKey(i int) string { return "#" + strconv.Itoa(i) }

// takeRule reads one rule; false when it is wrong, which was then said.
func (f *file) takeRule(path []string, i int, table map[string]any) (Rule, bool) {
	called := fmt.Sprintf("rule %d", i+1)
	if name, ok := table["name"].(string); ok {
		called = fmt.Sprintf("rule %.60q", name)
	}
	sound := true
	wrong := func(key, what, hint string) {
		at := path
		if key != "" {
			at = append(slices.Clone(path), key)
		}
		f.problem(at, called+": "+what, hint)
		sound = false
	}
	names := make([]string, len(RuleFields))
	for k := range RuleFields {
		names[k] = RuleFields[k].Name
	}
	keys := make([]string, 0, len(table))
	for key := range table {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		if !slices.Contains(names, key) {
			hint := "a rule has " + strings.Join(names, ", ")
			if meant, ok := nearest.Of(key, names); ok {
				hint = "did you mean " + meant + "?"
			}
			wrong(key, fmt.Sprintf("there is no key %.60q", key), hint)
		}
	}
	rule := Rule{Severity: "low", Origin: Origin{f.kind, f.where(path)}}
	for k := range RuleFields {
		field := &RuleFields[k]
		value, given := table[field.Name]
		text, isText := value.(string)
		text = strings.Join(strings.Fields(text), " ") // on one line, wherever it is shown
		switch {
		case !given && field.Required:
			wrong("", field.Name+" is missing", "")
		case !given:
		case !isText:
			wrong(field.Name, field.Name+" must be a text", "")
		case text == "" || len(text) > field.max:
			wrong(field.Name, fmt.Sprintf("%s must have 1 to %d bytes", field.Name, field.max), "")
		case field.Pattern != "" && !regexp.MustCompile(field.Pattern).MatchString(text):
			wrong(field.Name, field.Name+" must be small letters, digits and hyphens", "")
		case len(field.Choices) > 0 && !slices.Contains(field.Choices, text):
			wrong(field.Name, fmt.Sprintf("%s must be %s, not %.60q", field.Name, strings.Join(field.Choices, " or "), text), "")
		default:
			*field.field(&rule) = text
		}
	}
	return rule, sound
}

// addRule adds a rule, or puts it in the place of the one of its name.
func (r *resolver) addRule(rule Rule) {
	if i := slices.IndexFunc(r.Rules, func(x Rule) bool { return x.Name == rule.Name }); i >= 0 {
		r.Rules[i] = rule
		return
	}
	r.Rules = append(r.Rules, rule)
}

// rulesSchema is the JSON schema of the rules.
func rulesSchema() map[string]any {
	properties, required := map[string]any{}, []string{}
	for _, field := range RuleFields {
		schema := map[string]any{"type": "string", "description": field.Doc, "minLength": 1, "maxLength": field.max}
		if field.Pattern != "" {
			schema["pattern"] = field.Pattern
		}
		if len(field.Choices) > 0 {
			schema = map[string]any{"enum": field.Choices, "description": field.Doc}
		}
		if field.Required {
			required = append(required, field.Name)
		}
		properties[field.Name] = schema
	}
	return map[string]any{"type": "array", "maxItems": MaxRules, "description": "Findings of your own.",
		"items": map[string]any{"type": "object", "additionalProperties": false, "properties": properties, "required": required}}
}
