package main

import (
	"bufio"

	"zocalo/sockstat"
)

// everything is all that a listing can gather.
const everything = sockstat.Memories | sockstat.TCPInfos | sockstat.Processes | sockstat.PeerNames | sockstat.Peers |
	sockstat.Users | sockstat.Cgroups

// jsonSink prints sockets as JSON: one array on a line, or an object a line.
type jsonSink struct {
	out      *bufio.Writer
	lines    bool
	columns  []*sockstat.Column // nil for all
	resolver *resolver          // nil without --resolve

	line  []byte
	begun bool
}

func (j *jsonSink) put(batch []*sockstat.Socket, last bool) error {
	for _, s := range batch {
		j.line = j.line[:0]
		if !j.lines {
			j.line = append(j.line, j.separator())
		}
		if j.columns == nil {
			j.line = s.AppendJSON(j.line)
		} else {
			j.line = s.AppendJSONColumns(j.line, j.columns)
		}
		if j.resolver != nil {
			j.appendNames(s)
		}
		if j.lines {
			j.line = append(j.line, '\n')
		}
		if _, err := j.out.Write(j.line); err != nil {
			return err
		}
	}
	if last && !j.lines {
		end := "]\n"
		if !j.begun {
			end = "[]\n"
		}
		_, err := j.out.WriteString(end)
		return err
	}
	return nil
}

// separator is what precedes the next element of the array.
func (j *jsonSink) separator() byte {
	if j.begun {
		return ','
	}
	j.begun = true
	return '['
}

// appendNames adds what --resolve found to the object that was just made.
func (j *jsonSink) appendNames(s *sockstat.Socket) {
	j.line = j.line[:len(j.line)-1]
	for _, m := range j.resolver.names(s) {
		if m.name == "" {
			continue
		}
		if j.line[len(j.line)-1] != '{' {
			j.line = append(j.line, ',')
		}
		j.line = append(append(append(j.line, '"'), m.key...), '"', ':')
		j.line = sockstat.AppendJSONString(j.line, m.name)
	}
	j.line = append(j.line, '}')
}
