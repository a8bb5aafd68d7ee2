package socket

import "slices"

// setTerminal refuses: no terminal can be set here yet.
func setTerminal(_ int, ss Settings) (restore func(), err error) {
	sets := slices.DeleteFunc(slices.Concat(terminalOptions, serialOptions), func(s *Spec) bool { return s == escapeOption.Spec })
	for _, s := range ss {
		if slices.Contains(sets, s.Spec) {
			return nil, &UnsupportedError{Feature: "option " + s.Spec.Name, Needs: "a Unix system"}
		}
	}
	return nil, nil
}
