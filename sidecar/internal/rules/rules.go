// Package rules are findings of the user's own: expressions over the JSON summary of a report,
// written in the language of github.com/expr-lang/expr, each with its advice.
//
// An expression has no loops but over the lists of the summary, and looks at the clock for each
// entry of them: it ends soon, or is ended.
package rules

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"

	"github.com/inferscope/inferscope/analysis/findings"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/report/summary"
	"github.com/inferscope/inferscope/sidecar/internal/config"
)

// Bounds of an expression's work.
const (
	// Entries and Bytes are what expressions see of each list, and of each text.
	Entries = 300
	Bytes   = 300
	// maxNodes is how large an expression may be.
	maxNodes = 200
	// memory bounds what one evaluation may make, in entries of lists.
	memory = 100_000
	// patience is how long one evaluation may take. What lies between two looks at the clock is bounded by the others.
	patience = 300 * time.Millisecond
)

// Functions are the functions that an expression may use: none that makes a list or a text
// longer than its argument, or reads a clock.
var Functions = []string{"all", "any", "none", "one", "filter", "map", "count", "sum", "find", "len", "first", "last", "keys", "values",
	"abs", "ceil", "floor", "round", "int", "float", "min", "max", "mean", "median", "lower", "upper", "trim", "hasPrefix", "hasSuffix", "indexOf"}

// Set are rules that are ready to be asked. The zero value has none.
type Set struct{ rules []compiled }

type compiled struct {
	config.Rule
	program *vm.Program
	limiter *limiter
}

// Resolve is config.Resolve with the rules made ready. A rule whose expression makes no
// sense is a Problem, and left out.
func Resolve(place config.Place, options map[string]string) (config.Resolved, Set) {
	resolved := config.Resolve(place, options)
	var set Set
	for _, rule := range resolved.Rules {
		one, err := compile(rule.When)
		if err == nil && findings.ByID(rule.Name) != nil {
			err = errors.New("InferScope has a finding of this name")
		}
		if err != nil {
			resolved.Problems = append(resolved.Problems, config.Problem{Where: rule.Origin.Where, What: fmt.Sprintf("rule %q: %v", rule.Name, err)})
			continue
		}
		one.Rule = rule
		set.rules = append(set.rules, one)
	}
	return resolved, set
}

// environment is the summary as expressions see it: a struct type whose fields are called
// what the JSON calls them. Null is the empty value, so that no step of a path fails.
var environment = typeOf(reflect.TypeOf(summary.Document(&result.Result{}, 1, 1)))

// typeOf is a type with the names of its json tags, without pointers and embedded structs.
func typeOf(t reflect.Type) reflect.Type {
	switch t.Kind() {
	case reflect.Pointer:
		return typeOf(t.Elem())
	case reflect.Slice:
		return reflect.SliceOf(typeOf(t.Elem()))
	case reflect.Map:
		return reflect.MapOf(t.Key(), typeOf(t.Elem()))
	case reflect.Struct:
		return reflect.StructOf(fieldsOf(t))
	}
	return t
}

func fieldsOf(t reflect.Type) []reflect.StructField {
	var out []reflect.StructField
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" && f.Anonymous {
			out = append(out, fieldsOf(f.Type)...)
			continue
		}
		out = append(out, reflect.StructField{Name: strings.ToUpper(name[:1]) + name[1:], Type: typeOf(f.Type),
			Tag: reflect.StructTag(fmt.Sprintf(`json:%q expr:%q`, name, name))})
	}
	return out
}

// compile reads an expression. Its error is one line.
func compile(text string) (compiled, error) {
	options := []expr.Option{expr.Env(reflect.New(environment).Elem().Interface()), expr.AsBool(), expr.MaxNodes(maxNodes), expr.DisableAllBuiltins()}
	for _, name := range Functions {
		options = append(options, expr.EnableBuiltin(name))
	}
	l := &limiter{done: map[*ast.PredicateNode]bool{}}
	options = append(options, expr.Function(tickName, l.tick, new(func() bool)), expr.Patch(l))
	program, err := expr.Compile(text, options...)
	if err == nil {
		err = l.err
	}
	if err != nil {
		return compiled{}, oneLine(err)
	}
	return compiled{program: program, limiter: l}, nil
}

// holds evaluates the expression. One goroutine at a time may do so.
func (c *compiled) holds(env any) (bool, error) {
	c.limiter.deadline = time.Now().Add(patience)
	machine := vm.VM{MemoryBudget: memory}
	out, err := machine.Run(c.program, env)
	if err != nil {
		return false, oneLine(err)
	}
	return out == true, nil
}

// oneLine is an error of the library without its picture of the place.
func oneLine(err error) error {
	var at *file.Error
	if errors.As(err, &at) {
		return fmt.Errorf("%.200s (column %d)", strings.Join(strings.Fields(at.Message), " "), at.Column+1)
	}
	return fmt.Errorf("%.200s", strings.Join(strings.Fields(err.Error()), " "))
}

// tickName is the function that each predicate calls first.
const tickName = "__tick"

// limiter is the clock of one expression, and puts it into the expression.
type limiter struct {
	deadline time.Time
	done     map[*ast.PredicateNode]bool
	err      error
}

// tick is called for each entry of a list that a predicate looks at.
func (l *limiter) tick(...any) (any, error) {
	if time.Now().After(l.deadline) {
		return nil, errors.New("it takes too long")
	}
	return true, nil
}

// Visit implements ast.Visitor. It refuses ranges, which are lists of any length.
func (l *limiter) Visit(node *ast.Node) {
	switch x := (*node).(type) {
	case *ast.BinaryNode:
		if x.Operator == ".." {
			l.err = errors.New("ranges (..) are not allowed")
		}
	case *ast.PredicateNode:
		if !l.done[x] {
			l.done[x] = true
			x.Node = &ast.SequenceNode{Nodes: []ast.Node{&ast.CallNode{Callee: &ast.IdentifierNode{Value: tickName}}, x.Node}}
		}
	}
}

// Apply asks every rule about a result and adds the findings of those that hold, after those that
// save something, the severest first. One that cannot be evaluated becomes a note.
func (s Set) Apply(r *result.Result) {
	if len(s.rules) == 0 {
		return
	}
	text, err := json.Marshal(summary.Document(r, Entries, Bytes))
	env := reflect.New(environment)
	if err == nil {
		err = json.Unmarshal(text, env.Interface())
	}
	if err != nil {
		r.Notes = append(r.Notes, "The rules of your own could not be asked: "+err.Error()+".")
		return
	}
	var found []result.Finding
	for i := range s.rules {
		rule := &s.rules[i]
		holds, err := rule.holds(env.Elem().Interface())
		if err != nil {
			r.Notes = append(r.Notes, fmt.Sprintf("The rule %q (%s) could not be evaluated: %v.", rule.Name, rule.Origin, err))
			continue
		}
		if holds {
			found = append(found, finding(rule.Rule, r))
		}
	}
	add(r, found)
}

func finding(rule config.Rule, r *result.Result) result.Finding {
	title := rule.Title
	if title == "" {
		title = rule.Name
	}
	return result.Finding{ID: rule.Name, Title: title, Severity: result.Severity(rule.Severity), Evidence: "Your rule holds: `" + strings.ReplaceAll(rule.When, "`", "'") + "`.",
		Advice: rule.Advice, Confidence: r.Verdict.Confidence, Why: []string{"The rule stands in " + rule.Origin.String() + "."}, Spans: []result.Span{}}
}

// add puts findings without a saving where they belong.
func add(r *result.Result, found []result.Finding) {
	rank := func(f result.Finding) int { return -slices.Index(config.Severities, string(f.Severity)) }
	if slices.ContainsFunc(found, func(f result.Finding) bool { return f.Severity != result.Info }) {
		r.Findings = slices.DeleteFunc(r.Findings, func(f result.Finding) bool { return f.ID == findings.Healthy })
	}
	r.Findings = append(r.Findings, found...)
	saving := slices.IndexFunc(r.Findings, func(f result.Finding) bool { return f.Saving.HighNs <= 0 })
	if saving < 0 {
		return
	}
	slices.SortStableFunc(r.Findings[saving:], func(x, y result.Finding) int { return rank(x) - rank(y) })
}
