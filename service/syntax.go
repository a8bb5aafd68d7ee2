package service

import (
	"errors"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// A kind is what a value of a file is.
type kind int

const (
	aText kind = iota
	aNumber
	aFlag
	anArray
	aTable
	another // a date or a time
)

var kindNames = [...]string{"text", "a number", "true or false", "a list", "a table", "a date or time"}

func (k kind) String() string { return kindNames[k] }

// A value is one of a file, with its place.
type value struct {
	Place
	kind  kind
	text  string // of aText, aNumber, aFlag and another
	items []value
	table *table
}

// A table has keys in the order of the file.
type table struct {
	Place
	keys  []*entry
	named map[string]*entry
}

// An entry is a key of a table. Its Place is the key's.
type entry struct {
	Place
	name  string
	value value
}

func (t *table) find(name string) *entry {
	return t.named[name]
}

func (t *table) add(e *entry) {
	if t.named == nil {
		t.named = map[string]*entry{}
	}
	t.keys = append(t.keys, e)
	t.named[e.name] = e
}

// parseTOML reads a text of TOML. What is wrong with it is one problem.
func parseTOML(file string, text []byte) (*table, Problems) {
	var all map[string]any
	if err := toml.Unmarshal(text, &all); err != nil { // which sees to what a tree of keys does not show
		var at *toml.DecodeError
		p := Problem{Place: Place{File: file}, Text: strings.TrimPrefix(err.Error(), "toml: ")}
		if errors.As(err, &at) {
			p.Line, p.Column = at.Position()
		}
		return nil, Problems{p}
	}
	r := &reader{file: file, root: &table{Place: Place{File: file, Line: 1, Column: 1}}}
	for i, c := range text {
		if c == '\n' {
			r.lines = append(r.lines, i+1)
		}
	}
	r.Reset(text)
	current := r.root
	for r.NextExpression() {
		switch node := r.Expression(); node.Kind {
		case unstable.Table, unstable.ArrayTable:
			current = r.open(r.root, node.Key(), node.Kind == unstable.ArrayTable)
		case unstable.KeyValue:
			r.assign(current, node)
		}
	}
	if err := r.Error(); err != nil {
		return nil, Problems{{Place: Place{File: file}, Text: err.Error()}}
	}
	return r.root, nil
}

// A reader makes tables of the nodes of a file.
type reader struct {
	unstable.Parser
	file  string
	root  *table
	lines []int // where those after the first begin
}

func (r *reader) place(n *unstable.Node) Place {
	at := int(n.Raw.Offset)
	line, begins := slices.BinarySearch(r.lines, at)
	if begins {
		line++
	}
	start := 0
	if line > 0 {
		start = r.lines[line-1]
	}
	return Place{r.file, line + 1, at - start + 1}
}

// open returns the table of a key, which it makes where it is not there yet; of an array
// of tables one more, or the last of those that are there.
func (r *reader) open(t *table, key unstable.Iterator, more bool) *table {
	for key.Next() {
		n := key.Node()
		e, last := t.find(string(n.Data)), key.IsLast()
		if e == nil {
			e = &entry{Place: r.place(n), name: string(n.Data), value: value{Place: r.place(n), kind: aTable, table: &table{Place: r.place(n)}}}
			if last && more {
				e.value = value{Place: r.place(n), kind: anArray}
			}
			t.add(e)
		}
		if v := &e.value; v.kind == anArray {
			if last && more {
				v.items = append(v.items, value{Place: r.place(n), kind: aTable, table: &table{Place: r.place(n)}})
			}
			if len(v.items) > 0 && v.items[len(v.items)-1].table != nil {
				t = v.items[len(v.items)-1].table
			}
			continue
		}
		if e.value.table == nil { // which the parser has refused
			e.value.table = &table{Place: r.place(n)}
		}
		t = e.value.table
	}
	return t
}

// assign adds KEY = VALUE to a table.
func (r *reader) assign(t *table, n *unstable.Node) {
	var key []*unstable.Node
	for it := n.Key(); it.Next(); {
		key = append(key, it.Node())
	}
	for _, k := range key[:len(key)-1] {
		e := t.find(string(k.Data))
		if e == nil || e.value.table == nil {
			e = &entry{Place: r.place(k), name: string(k.Data), value: value{Place: r.place(k), kind: aTable, table: &table{Place: r.place(k)}}}
			t.add(e)
		}
		t = e.value.table
	}
	last := key[len(key)-1]
	t.add(&entry{Place: r.place(last), name: string(last.Data), value: r.value(n.Value(), r.place(last))})
}

// value reads a value. The parser knows the place of all but arrays: they have that of
// their first item, or of their key.
func (r *reader) value(n *unstable.Node, key Place) value {
	v := value{Place: key, text: string(n.Data)}
	if n.Raw.Length > 0 {
		v.Place = r.place(n)
	}
	switch n.Kind {
	case unstable.String:
		v.kind = aText
	case unstable.Integer, unstable.Float:
		v.kind, v.text = aNumber, strings.ReplaceAll(v.text, "_", "")
	case unstable.Bool:
		v.kind = aFlag
	case unstable.Array:
		v.kind = anArray
		for it := n.Children(); it.Next(); {
			v.items = append(v.items, r.value(it.Node(), v.Place))
		}
	case unstable.InlineTable:
		v.kind, v.table = aTable, &table{Place: v.Place}
		for it := n.Children(); it.Next(); {
			r.assign(v.table, it.Node())
		}
	default:
		v.kind = another
	}
	return v
}

// texts are the words of a value that is one or a list of them.
func (v *value) texts() (words []string, places []Place, ok bool) {
	items := []value{*v}
	if v.kind == anArray {
		items = v.items
	}
	for _, item := range items {
		if !slices.Contains([]kind{aText, aNumber, aFlag}, item.kind) {
			return nil, nil, false
		}
		words, places = append(words, item.text), append(places, item.Place)
	}
	return words, places, true
}
