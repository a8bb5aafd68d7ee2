package main

import (
	"bufio"
	"encoding/json"
	"iter"

	"zocalo/sockstat"
)

// jsonSink prints sockets as JSON: one array on a line, or an object a line. Its
// rows have one cell, the object.
type jsonSink struct {
	out       *bufio.Writer
	lines     bool
	columns   []*sockstat.Column
	resolver  *resolver // nil without --resolve
	kill      bool      // of the socket, with --kill: whether it is closed, and why not
	killError error
	explained []sockstat.Sentence // of the socket, with --explain

	made  [1][]byte
	begun bool
}

func (j *jsonSink) cells(s *sockstat.Socket) [][]byte {
	object := s.AppendMembers(j.made[0][:0], j.columns)
	if j.resolver != nil {
		for _, found := range j.resolver.names(s) {
			if found.name != "" {
				object = append(append(append(object, `,"`...), found.key...), `":`...)
				object = sockstat.AppendJSONString(object, found.name)
			}
		}
	}
	switch {
	case j.killError != nil:
		object = sockstat.AppendJSONString(append(object, `,"killed":false,"error":`...), j.killError.Error())
	case j.kill:
		object = append(object, `,"killed":true`...)
	}
	if j.explained != nil {
		object = append(object, `,"explained":`...)
		sentences, _ := json.Marshal(j.explained) // text and lists of text have a form
		object = append(object, legibleJSON(sentences)...)
	}
	if len(object) == 0 {
		object = append(object, '{')
	}
	object[0] = '{' // in place of the first member's comma
	j.made[0] = append(object, '}')
	return j.made[:]
}

func (j *jsonSink) begin(iter.Seq[[][]byte], bool) error { return nil }

func (j *jsonSink) row(cells [][]byte) error {
	before, after := "[", ""
	if j.begun {
		before = ","
	}
	if j.lines {
		before, after = "", "\n"
	}
	j.begun = true
	j.out.WriteString(before)
	j.out.Write(cells[0])
	_, err := j.out.WriteString(after) // which tells what failed before, too
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
