package main

import (
	"bufio"
	"iter"

	"zocalo/sockstat"
)

// jsonSink prints sockets as JSON: one array on a line, or an object a line. Its
// cells are the values of the columns, then the names that --resolve finds.
type jsonSink struct {
	out      *bufio.Writer
	lines    bool
	columns  []*sockstat.Column
	resolver *resolver // nil without --resolve

	keys   [][]byte // of the cells, as they stand in an object
	values [][]byte
	line   []byte
	begun  bool
}

func (j *jsonSink) cells(s *sockstat.Socket) [][]byte {
	if j.values == nil {
		j.values = make([][]byte, len(j.columns)+len(foundNames{}))
	}
	for i, c := range j.columns {
		j.values[i] = c.AppendJSON(j.values[i][:0], s)
	}
	if j.resolver != nil {
		for i, found := range j.resolver.names(s) {
			value := &j.values[len(j.columns)+i]
			if *value = (*value)[:0]; found.name != "" {
				*value = sockstat.AppendJSONString(*value, found.name)
			}
		}
	}
	return j.values
}

func (j *jsonSink) begin(iter.Seq[[][]byte], bool) error {
	add := func(name string) { j.keys = append(j.keys, []byte(`,"`+name+`":`)) }
	for _, c := range j.columns {
		add(c.Name)
	}
	for _, found := range (&resolver{}).names(&sockstat.Socket{}) {
		add(found.key)
	}
	return nil
}

// row prints an object with a member for each cell that is not empty.
func (j *jsonSink) row(cells [][]byte) error {
	j.line = j.line[:0]
	if !j.lines {
		j.line = append(j.line, j.separator())
	}
	start := len(j.line)
	for i, value := range cells {
		if len(value) > 0 {
			j.line = append(append(j.line, j.keys[i]...), value...)
		}
	}
	if len(j.line) == start {
		j.line = append(j.line, '{')
	}
	j.line[start] = '{' // in place of the first member's comma
	j.line = append(j.line, '}')
	if j.lines {
		j.line = append(j.line, '\n')
	}
	_, err := j.out.Write(j.line)
	return err
}

func (j *jsonSink) end() error {
	if j.lines {
		return nil
	}
	end := "]\n"
	if !j.begun {
		end = "[]\n"
	}
	_, err := j.out.WriteString(end)
	return err
}

// separator is what precedes the next element of the array.
func (j *jsonSink) separator() byte {
	if j.begun {
		return ','
	}
	j.begun = true
	return '['
}
