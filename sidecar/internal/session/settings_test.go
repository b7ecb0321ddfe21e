package session

import (
	"reflect"
	"testing"

	"github.com/inferscope/inferscope/sidecar/internal/config"
	"github.com/inferscope/inferscope/sidecar/wire"
)

// Every setting that acts around a cell reaches the collectors and the client.
func TestOptionsHaveEverySettingOfACell(t *testing.T) {
	defaults := options(config.Resolve(config.Place{}, nil).Settings)
	others := map[config.Kind][]string{
		config.KindBool: {"true", "false"}, config.KindInt: {"17"}, config.KindFloat: {"0.25"}, config.KindChoice: {},
	}
	count := 0
	for _, s := range config.All {
		if s.Applies != config.NextCell {
			continue
		}
		count++
		changed := false
		for _, text := range append(others[s.Kind()], s.Choices...) {
			changed = changed || options(config.Resolve(config.Place{}, map[string]string{s.Name: text}).Settings) != defaults
		}
		if !changed {
			t.Errorf("%s reaches nobody", s.Name)
		}
	}
	if fields := reflect.TypeFor[wire.Options]().NumField(); fields != count {
		t.Errorf("%d settings act around a cell, and Options has %d fields", count, fields)
	}
}
