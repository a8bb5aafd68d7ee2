package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"zocalo"
	"zocalo/address"
	"zocalo/internal/users"
	"zocalo/socket/scheme"
)

func (a *app) explainVerb() *cobra.Command {
	return &cobra.Command{
		Use:   "explain [ADDRESS]",
		Short: "Explain an address: what it means, and every option it takes",
		Long: `explain says what an address means: its socket, what that promises, and the
options it takes. Without an address it lists the schemes, and the
layers that go over them.`,
		Example: `  zocalo explain tcp:localhost:5346
  zocalo explain TCP-LISTEN:8080,fork,reuseaddr
  zocalo explain --json unix:/run/x.sock`,
		ValidArgsFunction: completeAddresses(1),
		Args:              arguments(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return a.listWords()
			}
			parsed, err := explained(args[0])
			if err != nil {
				return err
			}
			e := address.Explain(parsed)
			return a.printResult(e, func(w io.Writer) error { return e.WriteText(w, a.width()) })
		},
	}
}

// explained reads an address, and refuses what no verb could open, as far as the
// address and the users of this machine tell.
func explained(text string) (address.Address, error) {
	a, err := parseAddress(text)
	if err != nil || a.Endpoint == "" { // what a scheme takes is asked for
		return a, err
	}
	for _, s := range a.Settings {
		name, _ := s.Value.(string)
		switch s.Spec.Value {
		case "USER":
			_, err = users.UID(name)
		case "GROUP":
			_, err = users.GID(name)
		}
		if err != nil {
			return a, fmt.Errorf("%v: %w", a, err)
		}
	}
	passive := a.Passive(true)
	err = zocalo.CheckAddress(a, passive)
	if err != nil && a.Passive(false) != passive && zocalo.CheckAddress(a, false) == nil {
		err = nil // it is for connecting
	}
	return a, wrongUsage(err)
}

// listWords prints the schemes and the layers, a line each.
func (a *app) listWords() error {
	schemes, layers := scheme.All(), scheme.Layers()
	if a.json {
		type scheme struct {
			Scheme string `json:"scheme"`
			Form   string `json:"form,omitempty"`
			Doc    string `json:"doc"`
		}
		for _, s := range schemes {
			if err := a.printJSON(scheme{s.Name, s.Endpoint, s.Doc}); err != nil {
				return err
			}
		}
		type layer struct {
			Layer string `json:"layer"`
			Doc   string `json:"doc"`
		}
		for _, l := range layers {
			if err := a.printJSON(layer{l.Name, l.Doc}); err != nil {
				return err
			}
		}
		return nil
	}
	var text strings.Builder
	for _, s := range schemes {
		fmt.Fprintf(&text, "%-16s %s\n", s.Name, s.Doc)
	}
	text.WriteString("\nlayers, which go over a scheme with a +, such as tls+tcp: (docs/layers.md):\n")
	for _, l := range layers {
		fmt.Fprintf(&text, "%-16s %s\n", l.Name, l.Doc)
	}
	return a.print(text.String())
}
