package service

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"zocalo/internal/nearest"
)

// MostBytes is the longest file that is read.
const MostBytes = 4 << 20

// Load reads a file of services, and those that it includes, and checks them. Its error is
// [Problems], of all that is wrong at once, unless the file cannot be read. It opens no socket.
func Load(path string) (*Config, error) {
	text, err := readFile(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, text)
}

// Parse is Load for the text of a file, which path names in messages; what it includes
// is looked for beside that.
func Parse(path string, text []byte) (*Config, error) {
	l := &loading{config: &Config{Files: []string{path}}, named: map[string]Place{}}
	l.file(path, text, true)
	wrong := l.problems
	if len(wrong) == 0 || len(l.config.Services) > 0 {
		wrong = append(wrong, l.config.check()...)
	}
	if err := wrong.sorted(); err != nil {
		return nil, err
	}
	return l.config, nil
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fileError(path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s: it is a folder: name a file in it", path)
	}
	text, err := io.ReadAll(io.LimitReader(f, MostBytes+1))
	switch {
	case err != nil:
		return nil, fileError(path, err)
	case len(text) > MostBytes:
		return nil, fmt.Errorf("%s: it has more than %d bytes: is it the right file?", path, MostBytes)
	}
	return text, nil
}

func fileError(path string, err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err
	}
	return fmt.Errorf("%s: %w", path, err)
}

// loading is one call of Load.
type loading struct {
	config   *Config
	problems Problems
	named    map[string]Place // services
}

func (l *loading) wrong(at Place, service, format string, args ...any) {
	l.problems = append(l.problems, Problem{at, service, fmt.Sprintf(format, args...)})
}

// topKeys are what a file may have.
var topKeys = []string{"service", "defaults", "include", "user", "group", "metrics"}

// file reads one file. Only the first may include others, and say who the process becomes.
func (l *loading) file(path string, text []byte, first bool) {
	root, problems := parseTOML(path, text)
	if problems != nil {
		l.problems = append(l.problems, problems...)
		return
	}
	defaults := map[string]value{}
	if e := root.find("defaults"); e != nil {
		defaults = l.defaults(e)
	}
	for _, e := range root.keys {
		switch e.name {
		case "defaults":
		case "service":
			l.services(e, defaults)
		case "user", "group":
			switch {
			case !first:
				l.wrong(e.Place, "", "%s belongs in the file that includes this one", e.name)
			case e.value.kind != aText && e.value.kind != aNumber:
				l.wrong(e.value.Place, "", "%s is %v, and must be a name or a number", e.name, e.value.kind)
			case e.name == "user":
				l.config.User, l.config.userAt = e.value.text, e.value.Place
			default:
				l.config.Group, l.config.groupAt = e.value.text, e.value.Place
			}
		case "metrics":
			switch {
			case !first:
				l.wrong(e.Place, "", "metrics belongs in the file that includes this one")
			case e.value.kind != aText && e.value.kind != aNumber:
				l.wrong(e.value.Place, "", "metrics is %v, and must be an address to listen on, such as \"127.0.0.1:9100\"", e.value.kind)
			default:
				l.config.Metrics, l.config.metricsAt = e.value.text, e.value.Place
			}
		case "include":
			if !first {
				l.wrong(e.Place, "", "an included file cannot include others")
				continue
			}
			l.include(path, e)
		default:
			hint := ""
			if e.value.kind == aTable {
				hint = fmt.Sprintf("; a service is [service.%s]", e.name)
			}
			l.wrong(e.Place, "", "%v%s", nearest.Unknown("key", e.name, topKeys), hint)
		}
	}
}

// include reads the files that a pattern means.
func (l *loading) include(path string, e *entry) {
	patterns, places, ok := e.value.texts()
	if !ok {
		l.wrong(e.value.Place, "", "include is %v, and must be a pattern such as \"conf.d/*.toml\", or a list of them", e.value.kind)
		return
	}
	for i, pattern := range patterns {
		if !filepath.IsAbs(pattern) {
			pattern = filepath.Join(filepath.Dir(path), pattern)
		}
		l.config.Files = append(l.config.Files, pattern)
		files, err := filepath.Glob(pattern)
		if err != nil {
			l.wrong(places[i], "", "include %q is not a pattern: write one such as \"conf.d/*.toml\"", patterns[i])
			continue
		}
		if len(files) == 0 && !strings.ContainsAny(pattern, "*?[") {
			l.wrong(places[i], "", "include %q: there is no such file", patterns[i])
		}
		for _, file := range files {
			text, err := readFile(file)
			if err != nil {
				l.wrong(places[i], "", "include %q: %v", patterns[i], err)
				continue
			}
			l.file(file, text, false)
		}
	}
}

// defaults are options of any verb.
func (l *loading) defaults(e *entry) map[string]value {
	all := map[string]value{}
	if e.value.kind != aTable {
		l.wrong(e.Place, "", "defaults is %v, and must be a table: [defaults]", e.value.kind)
		return all
	}
	known := map[string]bool{}
	for _, verb := range Verbs {
		for _, name := range newOptions(verb).Names() {
			known[name] = true
		}
	}
	for _, k := range e.value.table.keys {
		if !known[k.name] {
			l.wrong(k.Place, "", "%v", nearest.Unknown("key", k.name, slices.Sorted(maps.Keys(known))))
			continue
		}
		all[k.name] = k.value
	}
	return all
}

// services reads the tables of services.
func (l *loading) services(e *entry, defaults map[string]value) {
	if e.value.kind != aTable {
		l.wrong(e.Place, "", "service is %v, and must be tables with names: [service.NAME]", e.value.kind)
		return
	}
	for _, s := range e.value.table.keys {
		if s.value.kind != aTable {
			l.wrong(s.Place, "", "service %.80q is %v, and must be a table: write [service.NAME] and its keys below", s.name, s.value.kind)
			continue
		}
		if err := CheckName(s.name); err != nil {
			l.wrong(s.Place, "", "%v", err)
			continue
		}
		if other, twice := l.named[s.name]; twice {
			l.wrong(s.Place, s.name, "a service of that name already exists, at %v", other)
			continue
		}
		l.named[s.name] = s.Place
		l.service(s, defaults)
	}
}

// CheckName refuses names of services that could not be told in a line.
func CheckName(name string) error {
	ok := name != "" && len(name) <= 64
	for _, c := range name {
		ok = ok && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-_.", c))
	}
	if !ok {
		return fmt.Errorf("service %.80q: a name has 1 to 64 letters, digits, dots, dashes or underscores", name)
	}
	return nil
}

// serviceKeys are what a service may have beside the options of its verb.
var serviceKeys = []string{"verb", "from", "to", "command"}

// service reads one.
func (l *loading) service(e *entry, defaults map[string]value) {
	s := Service{Name: e.name, Options: map[string][]string{}, places: map[string]Place{"": e.Place}}
	given := map[string]value{}
	wrong := len(l.problems)
	for _, k := range e.value.table.keys {
		s.places[k.name] = k.value.Place
		words, places, ok := k.value.texts()
		switch k.name {
		case "verb":
			s.Verb = k.value.text
			if !slices.Contains(Verbs, s.Verb) {
				l.wrong(k.value.Place, s.Name, "%v", nearest.Unknown("verb", s.Verb, Verbs))
			}
		case "from", "command":
			if !ok || len(words) == 0 {
				l.wrong(k.value.Place, s.Name, "%s must be text, or a list of them", k.name)
				continue
			}
			for i, p := range places {
				s.places[k.name+"."+strconv.Itoa(i)] = p
			}
			if k.name == "from" {
				s.From = words
			} else {
				s.Command = words
			}
		case "to":
			l.targets(&s, &k.value)
		default:
			given[k.name] = k.value
			s.places[k.name] = k.Place
		}
	}
	if s.verb() == "" {
		if len(l.problems) == wrong {
			l.wrong(e.Place, s.Name, "it has neither to (a relay) nor command (serve): add one, or verb = \"echo\"")
		}
		return
	}
	if len(l.problems) > wrong && !slices.Contains(Verbs, s.verb()) {
		return
	}
	options := newOptions(s.verb())
	for name, v := range defaults {
		if _, own := given[name]; !own && options.Lookup(name) != nil {
			given[name] = v
			s.places[name] = v.Place
		}
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		v := given[name]
		o := options.Lookup(name)
		if o == nil || o.Own {
			l.wrong(s.places[name], s.Name, "%v", nearest.Unknown("key", name, append(slices.Clone(serviceKeys), options.Names()...)))
			continue
		}
		words, _, ok := v.texts()
		switch {
		case !ok:
			l.wrong(v.Place, s.Name, "%s cannot be %v", name, v.kind)
		case v.kind == anArray && !o.Many:
			l.wrong(v.Place, s.Name, "%s takes one value, and this is a list", name)
		default:
			s.places[name] = v.Place
			s.Options[name] = words
		}
	}
	l.config.Services = append(l.config.Services, s)
}

// targetKeys are what a table in to may have.
var targetKeys = []string{"address", "name", "weight", "backup"}

// targets reads what a relay may reach.
func (l *loading) targets(s *Service, v *value) {
	items := []value{*v}
	if v.kind == anArray {
		items = v.items
	}
	for i, item := range items {
		s.places["to."+strconv.Itoa(i)] = item.Place
		switch item.kind {
		case aText, aNumber:
			s.To = append(s.To, Target{Address: item.text})
			continue
		case aTable:
		default:
			l.wrong(item.Place, s.Name, "to has %v, and takes addresses, or tables as { address = \"tcp:db:5432\", weight = 2 }", item.kind)
			continue
		}
		var t Target
		for _, k := range item.table.keys {
			wants, ok := aText, true
			switch k.name {
			case "address":
				t.Address = k.value.text
			case "name":
				t.Name = k.value.text
			case "weight":
				wants = aNumber
				var err error
				if t.Weight, err = strconv.Atoi(k.value.text); k.value.kind == aNumber && (err != nil || t.Weight < 1 || t.Weight > MaxWeight) {
					l.wrong(k.value.Place, s.Name, "weight must be a whole number from 1 to %d", MaxWeight)
				}
			case "backup":
				wants = aFlag
				t.Backup = k.value.text == "true"
			default:
				ok = false
				l.wrong(k.Place, s.Name, "%v", nearest.Unknown("key", k.name, targetKeys))
			}
			if ok && k.value.kind != wants {
				l.wrong(k.value.Place, s.Name, "%s is %v, and must be %v", k.name, k.value.kind, wants)
			}
		}
		if t.Address == "" {
			l.wrong(item.Place, s.Name, "this table in to has no address: add address = \"tcp:HOST:PORT\"")
			continue
		}
		s.To = append(s.To, t)
	}
}
