package iso

import (
	"fmt"
	"slices"

	"zocalo/socket"
	"zocalo/socket/option"
)

// Carry returns the settings of an address to reach with the selectors that the
// peer of an accepted connection uses, in place of those that they name: the
// one that it called becomes tsap=, its own local-tsap=. So what relays the
// connection calls, and shows itself to, the far side as the peer would.
func Carry(c *socket.Socket, to option.Settings) (option.Settings, error) {
	if d := c.Domain(); d != Domain && d != Domain6 {
		return nil, fmt.Errorf("a %v connection has no selectors to carry over: only those of iso have", c.Kind())
	}
	carried := slices.DeleteFunc(slices.Clone(to), func(s option.Setting) bool {
		return s.Spec == CalledSelector.Spec || s.Spec == CallingSelector.Spec
	})
	if called := SelectorOf(c.Name()); called != "" {
		carried = append(carried, option.Setting{Spec: CalledSelector.Spec, Value: called})
	}
	return append(carried, option.Setting{Spec: CallingSelector.Spec, Value: SelectorOf(c.Peer())}), nil
}
