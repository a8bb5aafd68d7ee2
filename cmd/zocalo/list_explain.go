package main

import (
	"bufio"
	"context"
	"fmt"
	"slices"
	"strings"

	"zocalo/sockstat"
)

// explainDetails are what an explanation is made from.
const explainDetails = sockstat.TCPInfos | sockstat.Memories | sockstat.Processes | sockstat.Peers | sockstat.PeerNames

// listExplainer prints what the kernel's figures say of each socket, in sentences.
type listExplainer struct {
	*list
	out *bufio.Writer
}

// run explains what q finds, and returns how many sockets that were.
func (l *listExplainer) run(ctx context.Context, q sockstat.Query) (int, error) {
	q.Details |= explainDetails
	found, err := collectSockets(ctx, q)
	if err != nil {
		return 0, err
	}
	slices.SortStableFunc(found, func(a, b *sockstat.Socket) int {
		return slices.Compare(appendOrderKey(nil, usualOrder, a), appendOrderKey(nil, usualOrder, b))
	})
	others, err := otherEnds(ctx, q, found)
	if err != nil {
		return 0, err
	}
	sink := &jsonSink{out: l.out, lines: l.jsonl, columns: sockstat.JSONColumns()}
	for i, s := range found {
		sentences := sockstat.Explain(sockstat.Observation{Socket: s, Other: others[s.PeerInode]})
		if l.json || l.jsonl {
			sink.explained = sentences
			err = sink.row(sink.cells(s))
		} else {
			err = l.printText(i == 0, s, sentences)
		}
		if err != nil {
			return i, err
		}
	}
	if l.json || l.jsonl {
		err = sink.end()
	}
	return len(found), err
}

// collectSockets keeps all that q finds.
func collectSockets(ctx context.Context, q sockstat.Query) (found []*sockstat.Socket, err error) {
	for s, err := range sockstat.Sockets(ctx, q) {
		if err != nil {
			return nil, err
		}
		found = append(found, s.Clone())
	}
	return found, nil
}

// otherEnds finds the other ends of those connections that are inside this host, by inode. q is what found them.
func otherEnds(ctx context.Context, q sockstat.Query, found []*sockstat.Socket) (map[uint32]*sockstat.Socket, error) {
	others := make(map[uint32]*sockstat.Socket)
	for _, s := range found {
		if s.PeerInode != 0 && s.TCPInfo != nil {
			others[s.PeerInode] = nil
		}
	}
	if len(others) == 0 {
		return nil, nil
	}
	q = sockstat.Query{Kinds: []sockstat.Kind{sockstat.TCP}, Netns: q.Netns, AllNetns: q.AllNetns, Details: explainDetails &^ (sockstat.Peers | sockstat.PeerNames)}
	q.Want = func(s *sockstat.Socket) bool {
		_, is := others[s.Inode]
		return is
	}
	ends, err := collectSockets(ctx, q)
	for _, s := range ends {
		others[s.Inode] = s
	}
	return others, err
}

// printText prints what a socket is, and a sentence a line. On a terminal they are wrapped.
func (l *listExplainer) printText(first bool, s *sockstat.Socket, sentences []sockstat.Sentence) error {
	if !first {
		l.out.WriteByte('\n')
	}
	title := explainTitle(s)
	if l.colours() {
		title = "\x1b[1m" + title + "\x1b[m"
	}
	l.out.WriteString(title + "\n")
	for _, line := range explainLines(sentences, l.width()) {
		l.out.WriteString(line + "\n")
	}
	_, err := l.out.Write(nil)
	return err
}

// explainTitle says which socket it is.
func explainTitle(s *sockstat.Socket) string {
	words := []string{s.Kind.String(), s.State.String()}
	for _, name := range [...]string{"netns", "local", "peer", "process", "pid"} {
		if text := mustColumn(name).Text(s); text != "" {
			words = append(words, map[string]string{"netns": "in ", "peer": "- "}[name]+text)
		}
	}
	return strings.Join(words, " ")
}

// explainLines lays sentences out, each behind its topic and before the names of its columns. width is that of the
// terminal, 0 for lines of any length.
func explainLines(sentences []sockstat.Sentence, width int) (lines []string) {
	const indent = 11
	for _, s := range sentences {
		line := fmt.Sprintf("  %-8s", s.Topic)
		for _, word := range strings.Fields(s.Text + " [" + strings.Join(s.Fields, ", ") + "]") {
			if width > 0 && cellWidth([]byte(line))+1+cellWidth([]byte(word)) > width && len(line) > indent {
				lines = append(lines, line)
				line = strings.Repeat(" ", indent-1)
			}
			line += " " + word
		}
		lines = append(lines, line)
	}
	return lines
}
