package service

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"zocalo"
	"zocalo/address"
	"zocalo/internal/nearest"
	"zocalo/internal/say"
	"zocalo/process"
	"zocalo/relay"
	"zocalo/relay/join"
	"zocalo/service/accesslog"
	"zocalo/service/verb"
	"zocalo/socket/option"
)

// Verbs are what a [Service] may be.
var Verbs = []string{"relay", "serve", "echo"}

// newOptions returns the options of a verb, unset.
func newOptions(of string) *verb.Options {
	o, _ := declare(of)
	return o
}

// told is a service's verb with all that was said.
type told struct {
	options *verb.Options
	relay   *verb.Relay
	balance *balance
	serve   *verb.Serve
	echo    *verb.Echo
}

func declare(of string) (*verb.Options, *told) {
	o := new(verb.Options)
	t := &told{options: o}
	defer o.Text(new(string), accessLogKey, "write a line of JSON for each pair to this file, stdout, stderr, syslog or syslog:ADDRESS")
	switch of {
	case "relay":
		t.relay, t.balance = new(verb.Relay), new(balance)
		t.relay.Declare(o)
		t.balance.declare(o)
	case "serve":
		t.serve = new(verb.Serve)
		t.serve.Declare(o)
	case "echo":
		t.echo = new(verb.Echo)
		t.echo.Declare(o)
	}
	return o, t
}

// build reads what a service says. What is wrong with it is in the problems.
func (s *Service) build() (*told, Problems) {
	var problems Problems
	wrong := func(key, format string, args ...any) {
		problems = append(problems, Problem{s.place(key), s.Name, fmt.Sprintf(format, args...)})
	}
	options, t := declare(s.verb())
	if len(options.All()) == 0 {
		wrong("verb", "%v", nearest.Unknown("verb", s.verb(), Verbs))
		return nil, problems
	}
	for _, name := range slices.Sorted(maps.Keys(s.Options)) {
		o := options.Lookup(name)
		if o == nil || o.Own {
			wrong(name, "%v", nearest.Unknown("key", name, options.Names()))
			continue
		}
		for _, text := range s.Options[name] {
			if err := o.Set(text); err != nil {
				wrong(name, "%s %q: %s", name, text, say.Error(err))
				break
			}
		}
	}
	if to, given := s.Options[accessLogKey]; given {
		if err := accesslog.Check(to[0]); err != nil {
			wrong(accessLogKey, "%s", say.Error(err))
		}
	}
	before := len(problems)
	s.checkShape(wrong)
	s.checkAddresses(t, wrong)
	if len(problems) > before {
		return nil, problems
	}
	if err := s.prepare(t); err != nil {
		text, about := options.InFile(errors.New(say.Error(err)))
		key := "from"
		if about != nil {
			key = about.Name
		}
		for i := range s.To {
			if a := s.To[i].Address; strings.Contains(text, a) {
				key = "to." + strconv.Itoa(i)
			}
		}
		wrong(key, "%s", strings.TrimPrefix(text, "relay: "))
	}
	if problems != nil {
		return nil, problems
	}
	return t, nil
}

// checkShape refuses what the verb has no place for.
func (s *Service) checkShape(wrong func(string, string, ...any)) {
	of := s.verb()
	if len(s.From) == 0 && of != "echo" {
		wrong("", "from is missing: add the address that peers come to, such as from = \"tcp-listen:8080\"")
	}
	if len(s.From) > 1 && of != "echo" {
		wrong("from", "%s has one from, and here are %d: write a service for each", of, len(s.From))
	}
	if of == "relay" && len(s.To) == 0 {
		wrong("", "to is missing: add the address to reach, such as to = \"tcp:db:5432\"")
	}
	if of != "relay" && len(s.To) > 0 {
		wrong("to", "to is for a relay, and this is %s", of)
	}
	if of == "serve" && len(s.Command) == 0 {
		wrong("", "command is missing: add the program, such as command = [\"date\"]")
	}
	if of != "serve" && len(s.Command) > 0 {
		wrong("command", "command is for serve, and this is %s", of)
	}
}

// checkAddresses says what is wrong with each address by itself.
func (s *Service) checkAddresses(t *told, wrong func(string, string, ...any)) {
	for i, text := range s.From {
		key, plain := "from."+strconv.Itoa(i), "tcp"
		if t.relay != nil {
			plain = "tcp-listen"
		}
		if err := checkAddress(text, plain, t.relay == nil); err != nil {
			wrong(key, "%s", say.Error(err))
		}
	}
	for i := range s.To {
		_, text := verb.CutName(s.To[i].Address)
		if err := checkAddress(text, "tcp", false); err != nil {
			wrong("to."+strconv.Itoa(i), "%s", say.Error(err))
		}
	}
}

func checkAddress(text, plain string, passive bool) error {
	text, err := expand(text)
	if err != nil {
		return err
	}
	a, err := verb.Read(text, plain)
	if err != nil {
		return err
	}
	if inherited := a.Scheme.Inherited; inherited != nil {
		for _, fd := range inherited(a.Endpoint) {
			if fd <= 2 {
				return fmt.Errorf("%v: a service has no standard input and output: give another address", a)
			}
		}
	}
	return zocalo.CheckAddress(a, a.Passive(passive))
}

// credentials is the folder in which a service manager puts keys and passwords.
const credentials = "CREDENTIALS_DIRECTORY"

// expand puts the folder of credentials into an address.
func expand(text string) (string, error) {
	if !strings.Contains(text, "${"+credentials+"}") {
		return text, nil
	}
	folder := os.Getenv(credentials)
	if folder == "" {
		return text, fmt.Errorf("${%s} is not set: the service manager sets it, as systemd does for LoadCredential=", credentials)
	}
	return strings.ReplaceAll(text, "${"+credentials+"}", address.Escape(folder)), nil
}

// prepare has the verb read its words.
func (s *Service) prepare(t *told) error {
	from := make([]string, len(s.From))
	for i := range from {
		var err error
		if from[i], err = expand(s.From[i]); err != nil {
			return err
		}
	}
	switch {
	case t.serve != nil:
		return t.serve.Prepare(from[0], s.Command)
	case t.echo != nil:
		if err := t.echo.Prepare(from); err != nil {
			return err
		}
		for _, a := range t.echo.Addresses {
			if a.Scheme.NoListen {
				return fmt.Errorf("%v: it cannot listen: give a server's address, such as tcp:5346", a)
			}
		}
		return nil
	}
	words := from
	for _, to := range s.To {
		text, err := expand(to.Address)
		if err != nil {
			return err
		}
		if to.Name != "" {
			text = to.Name + "=" + text
		}
		words = append(words, text)
	}
	if err := t.relay.Prepare(words); err != nil {
		return err
	}
	if err := t.balance.prepare(s, t.relay); err != nil {
		return err
	}
	return (&relay.Relay{Config: t.relay.Config}).Check()
}

// listens are the addresses at which the service listens for itself; a relay does the
// others.
func (t *told) listens() (all []address.Address) {
	switch {
	case t.serve != nil:
		return []address.Address{t.serve.Address}
	case t.echo != nil:
		for _, a := range t.echo.Addresses {
			all = append(all, join.Inline(a))
		}
	case t.relay.From.Passive(false):
		all = append(all, join.Inline(t.relay.From))
	}
	return all
}

// stays says what an address's listening socket is, without what may change while it
// listens: layers and their options, and what concerns connections only.
func stays(a address.Address) string {
	carrier := a.Scheme
	if carrier.Carrier != nil {
		carrier = carrier.Carrier
	}
	text := carrier.Name + ":" + a.Endpoint
	var options []string
	for _, set := range a.Settings {
		if set.Default || set.Spec.Phase != option.Opened && set.Spec != address.Bind.Spec {
			continue
		}
		options = append(options, set.Spec.Name+"="+set.Text())
	}
	slices.Sort(options)
	return strings.Join(append([]string{text}, options...), ",")
}

// anyPort reports whether the system chooses the number.
func anyPort(a address.Address) bool { return strings.HasSuffix(a.Endpoint, ":0") || a.Endpoint == "0" }

// check says what is wrong with the services of a config.
func (c *Config) check() (problems Problems) {
	_, problems = c.specs()
	return problems
}

// A spec is a service that is in order.
type spec struct {
	*Service
	told *told // for the first run; each takes one of its own
}

// take returns what the service was told, for one run.
func (s *spec) take() (*told, error) {
	if t := s.told; t != nil {
		s.told = nil
		return t, nil
	}
	t, problems := s.build()
	return t, problems.sorted() // as for the file of a key that has gone since
}

// specs reads all services.
func (c *Config) specs() (all []*spec, problems Problems) {
	if c.Metrics != "" {
		if _, err := metricsAddress(c.Metrics); err != nil {
			problems = append(problems, Problem{c.metricsAt, "", "metrics: " + say.Error(err)})
		}
	}
	if _, err := process.LookupUser(c.User, c.Group); err != nil {
		at := c.userAt
		if c.User == "" {
			at = c.groupAt
		}
		problems = append(problems, Problem{at, "", say.Error(err)})
	}
	named, listening := map[string]bool{}, map[string]string{}
	for i := range c.Services {
		s := &c.Services[i]
		s.counted = c.Metrics != ""
		wrong := func(key, format string, args ...any) {
			problems = append(problems, Problem{s.place(key), s.Name, fmt.Sprintf(format, args...)})
		}
		if err := CheckName(s.Name); err != nil {
			wrong("", "%v", err)
			continue
		}
		if named[s.Name] {
			wrong("", "two services have that name")
		}
		named[s.Name] = true
		t, more := s.build()
		problems = append(problems, more...)
		if more != nil {
			continue
		}
		for i, a := range t.listens() {
			shared, _ := option.ReusePort.In(a.Settings)
			switch key := socketKey(a); {
			case anyPort(a) || shared:
			case listening[key] != "":
				wrong("from."+strconv.Itoa(i), "%v: the service %s already listens there", a, listening[key])
			default:
				listening[key] = s.Name
			}
		}
		all = append(all, &spec{s, t})
	}
	return all, problems
}

// socketKey is the endpoint of an address with its kind of socket.
func socketKey(a address.Address) string {
	carrier := a.Scheme
	if carrier.Carrier != nil {
		carrier = carrier.Carrier
	}
	return carrier.Name + ":" + a.Endpoint
}
