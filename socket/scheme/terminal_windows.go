package scheme

import (
	"slices"

	"zocalo/socket"
	"zocalo/socket/option"
)

// setTerminal refuses: no terminal can be set here yet.
func setTerminal(_ int, ss option.Settings) (restore func(), err error) {
	sets := slices.DeleteFunc(slices.Concat(terminalOptions, serialOptions), func(s *option.Spec) bool { return s == escapeOption.Spec })
	for _, s := range ss {
		if slices.Contains(sets, s.Spec) {
			return nil, &socket.UnsupportedError{Feature: "option " + s.Spec.Name, Needs: "a Unix system"}
		}
	}
	return nil, nil
}
