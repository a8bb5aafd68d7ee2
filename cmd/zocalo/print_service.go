package main

import (
	"github.com/spf13/cobra"

	"zocalo/service"
	"zocalo/service/verb"
)

// printing is the flag of a verb that prints what a file of services would say in place of
// doing it.
type printing struct {
	name    string
	options *verb.Options
}

// flag declares it. The options are those of the verb.
func (p *printing) flag(cmd *cobra.Command, options *verb.Options) {
	p.options = options
	f := cmd.Flags()
	f.Var(&serviceName{p, cmd.Name()}, "print-service", "print this as a service for a file of zocalo run, called =`NAME`, and exit")
	f.Lookup("print-service").NoOptDefVal = "true"
}

// serviceName is the value of a flag that may go without one, and is the verb's name then.
type serviceName struct {
	*printing
	verb string
}

// Set implements pflag.Value.
func (n *serviceName) Set(text string) error {
	if text == "true" {
		text = n.verb
	}
	n.name = text
	return service.CheckName(text)
}

func (n *serviceName) String() string { return "" }

// Type is one that goes without a value.
func (n *serviceName) Type() string { return "bool" }

// print prints the service, and reports whether that was asked for.
func (p *printing) print(a *app, s service.Service) (asked bool, err error) {
	if p.name == "" {
		return false, nil
	}
	if s.Name = p.name; s.Options == nil {
		s.Options = map[string][]string{}
	}
	for _, o := range p.options.All() {
		if words := o.Words(); len(words) > 0 && !o.Own {
			s.Options[o.Name] = words
		}
	}
	return true, a.print(s.Text())
}

// targets are the TO of a command line.
func targets(words []string) (to []service.Target) {
	for _, text := range words {
		name, address := verb.CutName(text)
		to = append(to, service.Target{Name: name, Address: address})
	}
	return to
}
