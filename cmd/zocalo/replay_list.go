package main

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"zocalo/internal/units"
	"zocalo/record/capture"
	"zocalo/sockstat"
)

// replayWords are the words of list that choose conversations.
type replayWords struct{ listWords }

// toldKeys are the keys of filters that a recording can answer.
var toldKeys = []string{"kind", "type", "port", "lport", "rport", "addr", "local", "laddr", "peer", "raddr", "process", "pid", "interface"}

func parseReplayWords(args []string) (w replayWords, err error) {
	for _, arg := range args {
		key, _, isFilter := strings.Cut(arg, "=")
		key = strings.TrimSuffix(key, "!")
		if isFilter && slices.Contains(sockstat.FilterKeys(), key) && !slices.Contains(toldKeys, key) {
			return w, fmt.Errorf("filter %s: a recording does not have it: the filters are %s", sockstat.Quote(key), strings.Join(toldKeys, ", "))
		}
	}
	w.listWords, err = parseListWords(args)
	if err == nil && w.pairs {
		err = errors.New("pair: in a recording, a pair is a conversation of its client's kind: name that kind")
	}
	return w, err
}

// wants reports whether a conversation is one of those that are meant.
func (w *replayWords) wants(c *capture.Conversation) bool {
	s := conversationSocket(c)
	if w.kinds != nil && !slices.ContainsFunc(w.kinds, func(k kindWord) bool { return k.kind == s.Kind && (k.part == nil || k.part(s)) }) {
		return false
	}
	return w.filter.Match(s)
}

// conversationSocket is the socket of a conversation's client, as list would have shown it.
func conversationSocket(c *capture.Conversation) *sockstat.Socket {
	s := &sockstat.Socket{Kind: sockstat.Pair, Type: c.Type, State: sockstat.Established, Interface: c.Interface}
	word := c.Kind[strings.LastIndexByte(c.Kind, '+')+1:] // beneath the layers
	for _, k := range []struct {
		begins string
		kind   sockstat.Kind
	}{{"tcp", sockstat.TCP}, {"mptcp", sockstat.MPTCP}, {"udp", sockstat.UDP}, {"unix", sockstat.Unix}, {"vsock", sockstat.Vsock}, {"iso", sockstat.ISO}, {"spp", sockstat.NS}, {"idp", sockstat.NS}} {
		if strings.HasPrefix(word, k.begins) {
			s.Kind = k.kind
			break
		}
	}
	name := func(e capture.Endpoint) (n sockstat.Name) {
		n.Addr = e.Addr
		switch {
		case e.Name == "":
		case s.Kind == sockstat.Unix:
			n.Path, n.Abstract = strings.CutPrefix(e.Name, "@")
		default:
			n.Text = e.Name
			if at, err := netip.ParseAddrPort(e.Name); err == nil {
				n.Addr = at
			}
		}
		return n
	}
	s.Local, s.Peer = name(c.Client), name(c.Server)
	if c.Process != 0 {
		s.Holders = []sockstat.Holder{{PID: int(c.Process), Name: c.ProcessName, FD: -1}}
	}
	return s
}

// recorded is what --list --json prints of a conversation.
type recorded struct {
	Number           int       `json:"number"`
	Kind             string    `json:"kind"`
	Type             string    `json:"type"`
	Client           string    `json:"client"`
	Server           string    `json:"server"`
	Interface        string    `json:"interface,omitempty"`
	Process          uint32    `json:"pid,omitempty"`
	ProcessName      string    `json:"process,omitempty"`
	Began            time.Time `json:"began"`
	Lasted           int64     `json:"lasted_ns"`
	BytesSent        int64     `json:"bytes_sent"` // by the client
	BytesReceived    int64     `json:"bytes_received"`
	MessagesSent     int       `json:"messages_sent"`
	MessagesReceived int       `json:"messages_received"`
	End              string    `json:"end"` // "closed", "reset", "refused" or "open"
	Opened           bool      `json:"opened"`
	Missing          int64     `json:"missing"` // bytes
	Retransmitted    int       `json:"retransmitted"`
	OutOfOrder       int       `json:"out_of_order"`
	Comment          string    `json:"comment,omitempty"`
}

func endOf(c *capture.Conversation) string {
	switch {
	case c.Aborted && !c.Stood:
		return "refused"
	case c.Aborted:
		return "reset"
	case c.Closed[capture.Client] && c.Closed[capture.Server]:
		return "closed"
	case c.Closed[capture.Client] || c.Closed[capture.Server]:
		return "half-closed"
	}
	return "open"
}

// show prints the conversations.
func (r *replaying) show(c *capture.Capture) error {
	if r.json {
		all := []recorded{}
		for _, c := range c.Conversations {
			all = append(all, recorded{
				Number: c.Number, Kind: c.Kind, Type: c.Type.String(), Client: c.Client.String(), Server: c.Server.String(),
				Interface: c.Interface, Process: c.Process, ProcessName: c.ProcessName, Began: c.Began, Lasted: int64(c.Lasted()),
				BytesSent: c.Bytes[capture.Client], BytesReceived: c.Bytes[capture.Server], MessagesSent: c.Messages[capture.Client], MessagesReceived: c.Messages[capture.Server],
				End: endOf(c), Opened: c.Opened, Missing: c.Missing, Retransmitted: c.Retransmitted, OutOfOrder: c.OutOfOrder, Comment: c.Comment,
			})
		}
		return r.printJSON(all)
	}
	out := bufferedOutput(r.app)
	t := &table{out: out, width: r.width(), bold: r.colours(), columns: []tableColumn{
		{heading: "#", right: true}, {heading: "KIND"}, {heading: "CLIENT", middle: true, least: 9, fair: 15}, {heading: "SERVER", middle: true, least: 9, fair: 15},
		{heading: "BEGAN", right: true}, {heading: "LASTED", right: true}, {heading: "SENT", right: true}, {heading: "RECEIVED", right: true}, {heading: "LACKS", right: true}, {heading: "END"},
	}}
	lacks := slices.ContainsFunc(c.Conversations, func(c *capture.Conversation) bool { return c.Missing > 0 })
	const lacking = 8
	if !lacks {
		t.columns = slices.Delete(t.columns, lacking, lacking+1)
	}
	seconds := func(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', 3, 64) }
	cells := func(each *capture.Conversation) [][]byte {
		row := []string{
			strconv.Itoa(each.Number), sockstat.Quote(each.Kind), sockstat.Quote(each.Client.String()), sockstat.Quote(each.Server.String()),
			seconds(each.Began.Sub(c.Conversations[0].Began)), seconds(each.Lasted()),
			strconv.FormatInt(each.Bytes[capture.Client], 10), strconv.FormatInt(each.Bytes[capture.Server], 10), strconv.FormatInt(each.Missing, 10), endOf(each),
		}
		if !lacks {
			row = slices.Delete(row, lacking, lacking+1)
		}
		all := make([][]byte, len(row))
		for i, text := range row {
			all[i] = []byte(text)
		}
		return all
	}
	t.begin()
	for _, each := range c.Conversations {
		t.measure(cells(each))
	}
	t.shrink()
	err := t.header()
	for _, each := range c.Conversations {
		if err == nil {
			err = t.row(cells(each))
		}
	}
	if err == nil {
		err = out.Flush()
	}
	if len(c.Conversations) == 0 && err == nil {
		r.note(fmt.Sprintf("no conversation matches, of %s", units.Plural(c.Packets, "packet")))
	}
	return err
}
